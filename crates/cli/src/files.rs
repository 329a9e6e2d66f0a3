//! From options about files to a request, and what their outcome means for the exit status.

use std::path::PathBuf;

use palisade::spec::{Existing, Files, Keep, LeftKind, Outputs, Overlay, Report, Request};

use crate::args::{self, Exchange};

/// Where a program works, and what is put there.
pub(crate) fn given(args: &args::Files, workspace: Option<PathBuf>) -> Files {
    Files { directory: workspace, copied: args.file.clone(), ..Files::default() }
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

/// The exit status, given the one so far: a program that succeeded, and whose files could not be taken, has not.
pub(crate) fn exit_code(report: &Report, so_far: i32) -> i32 {
    let incomplete = report.changes.as_ref().is_some_and(|changes| !changes.incomplete.is_empty());
    let failed = report.outputs_left.iter().any(|left| left.kind == LeftKind::Failed);
    if so_far == 0 && (incomplete || failed) { 125 } else { so_far }
}
