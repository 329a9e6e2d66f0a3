//! From options about files to a policy and a request.

use palisade::spec::{Existing, Files, FilesPolicy, Keep, Outputs, Overlay, Request};

use crate::{
    args::{self, Exchange, Filesystem},
    request::Refused,
};

/// Refuses what contradicts itself.
pub(crate) fn check(args: &args::Files) -> Result<(), Refused> {
    let shows = !args.allow_read.is_empty() || !args.allow_write.is_empty() || args.workspace.is_some();
    if args.filesystem == Some(Filesystem::None) && shows {
        return Err(Refused {
            what: "--filesystem none shows nothing, and other options show something".to_owned(),
            hint: "leave out --filesystem, or --allow-read, --allow-write and --workspace",
        });
    }
    Ok(())
}

/// What may be seen and changed in its own place.
pub(crate) fn policy(args: &args::Files) -> FilesPolicy {
    let whole = (args.filesystem == Some(Filesystem::ReadOnly)).then(|| "/".into());
    FilesPolicy {
        read: args.allow_read.iter().cloned().chain(whole).collect(),
        write: args.allow_write.iter().chain(&args.workspace).cloned().collect(),
        hidden: args.hide.clone(),
    }
}

/// Where a program works, and what is put there.
pub(crate) fn given(args: &args::Files) -> Files {
    Files { directory: args.workspace.clone(), copied: args.file.clone(), ..Files::default() }
}

/// Adds what comes out of one run.
pub(crate) fn exchange(args: Exchange, request: &mut Request) {
    let files = &mut request.files;
    if let Some(directory) = args.overlay {
        request.policy.files.read.push(directory.clone());
        files.directory = Some(directory.clone());
        let changes = match (args.overlay_out, args.dry_run) {
            (Some(directory), _) => Keep::Files(directory),
            (None, true) => Keep::List,
            (None, false) => Keep::Nothing,
        };
        files.overlay = Some(Overlay { directory, changes });
    }
    files.outputs = args.out.map(|directory| {
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
}
