//! From options about files to a policy and a request, and what their outcome means for the exit status.

use palisade::spec::{Existing, Files, FilesPolicy, Keep, LeftKind, Outputs, Overlay, Report};

use crate::{
    args::{self, Filesystem},
    request::Refused,
};

/// What may be seen, and what goes in and out.
pub(crate) fn files(args: args::Files) -> Result<(FilesPolicy, Files), Refused> {
    let mut policy = FilesPolicy { read: args.allow_read, write: args.allow_write, hidden: args.hide };
    match args.filesystem {
        Some(Filesystem::None) if !policy.read.is_empty() || !policy.write.is_empty() || args.workspace.is_some() => {
            return Err(Refused {
                what: "--filesystem none shows nothing, and other options show something".to_owned(),
                hint: "leave out --filesystem, or --allow-read, --allow-write and --workspace",
            });
        }
        Some(Filesystem::ReadOnly) => policy.read.push("/".into()),
        Some(Filesystem::None | Filesystem::Custom) | None => {}
    }
    let directory = args.workspace.clone().or_else(|| args.overlay.clone());
    policy.write.extend(args.workspace);
    policy.read.extend(args.overlay.clone());
    let changes = match (args.overlay_out, args.dry_run) {
        (Some(directory), _) => Keep::Files(directory),
        (None, true) => Keep::List,
        (None, false) => Keep::Nothing,
    };
    let outputs = args.out.map(|directory| {
        let most = Outputs::to(directory);
        Outputs {
            patterns: args.output,
            existing: if args.force { Existing::Replace } else { Existing::Keep },
            file_size: args.out_file_size.unwrap_or(most.file_size),
            size: args.out_size.unwrap_or(most.size),
            count: args.out_files.unwrap_or(most.count),
            ..most
        }
    });
    let overlay = args.overlay.map(|directory| Overlay { directory, changes });
    Ok((policy, Files { directory, copied: args.file, overlay, outputs }))
}

/// The exit status, given the one so far: a program that succeeded, and whose files could not be taken, has not.
pub(crate) fn exit_code(report: &Report, so_far: i32) -> i32 {
    let incomplete = report.changes.as_ref().is_some_and(|changes| !changes.incomplete.is_empty());
    let failed = report.outputs_left.iter().any(|left| left.kind == LeftKind::Failed);
    if so_far == 0 && (incomplete || failed) { 125 } else { so_far }
}
