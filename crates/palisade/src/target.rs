//! Directories of the caller's that files go to after a run: found before it, and held.
//!
//! What a program does to names cannot lead elsewhere then. Nothing is made here: a plan leaves no trace. Not here: writing
//! there (`into.rs`).

use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use palisade_spec::Upper;
use rustix::{
    fs::{CWD, Mode, OFlags, ResolveFlags, mkdirat, openat2},
    io::Errno,
};

use crate::{
    error::StartError,
    job::{Access, Job},
    trees::path_error,
};

/// A directory, or the place for one.
#[derive(Debug)]
pub(crate) struct Target {
    /// Canonical when it was found.
    pub(crate) path: PathBuf,
    /// The directory itself, or the one around it.
    held: OwnedFd,
    /// Its name there: `.`, or the one that it will have.
    name: PathBuf,
}

impl Target {
    /// Finds a directory that is there, or that can be made in one, and that `job` cannot write to.
    pub(crate) fn find(path: &Path, job: &Job) -> Result<Self, StartError> {
        let wrong = |because: &str, hint: &str| StartError::Path {
            path: path.to_owned(),
            because: because.to_owned(),
            hint: hint.to_owned(),
        };
        let failed = |error: io::Error| path_error(path, &error);
        let absolute = std::path::absolute(path).map_err(failed)?;
        let (around, name) = match absolute.canonicalize() {
            Ok(directory) => (directory, PathBuf::from(".")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let around = absolute.parent().and_then(|around| around.canonicalize().ok());
                let (Some(around), Some(name)) = (around, absolute.file_name()) else {
                    let hint = "files are copied into a directory: make it, or name one whose parent exists";
                    return Err(wrong("neither it nor the directory around it exists", hint));
                };
                if around.join(name).is_symlink() {
                    return Err(wrong("it is a link that leads nowhere", "name the directory itself"));
                }
                (around, name.into())
            }
            Err(error) => return Err(failed(error)),
        };
        // `.` is no part of a path.
        let path: PathBuf = around.join(&name).components().collect();
        if let Some(tree) = writable(job).find(|tree| path.starts_with(tree)) {
            return Err(wrong(
                &format!("the program may write to {}, and could put a link in its way", tree.display()),
                "name a directory outside of what the program may write",
            ));
        }
        match openat2(CWD, &around, DIRECTORY, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
            Ok(held) => Ok(Self { path, held, name }),
            Err(Errno::NOTDIR) => Err(wrong("it is no directory", "files are copied into a directory: name one")),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// The directory, which is made if it is missing.
    pub(crate) fn open(&self) -> io::Result<OwnedFd> {
        match mkdirat(&self.held, &self.name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(openat2(&self.held, &self.name, DIRECTORY, Mode::empty(), BENEATH)?)
    }
}

/// How a directory is held: to go on from, without a right to it.
pub(crate) const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// Nothing elsewhere, and nothing through a link.
pub(crate) const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

/// Host trees that a job's program may change: canonical.
fn writable(job: &Job) -> impl Iterator<Item = &Path> {
    let shown = job.shown.iter().filter(|shown| shown.access == Access::Write).map(|shown| shown.from.as_path());
    let kept = job.layers.iter().flat_map(|layers| match &layers.upper {
        Upper::Kept { changes, work } => vec![changes.as_path(), work.as_path()],
        _ => Vec::new(),
    });
    shown.chain(kept)
}
