//! A directory of our own to work in, removed when dropped.

use crate::operation::{Stop, errno_name};
use std::path::{Path, PathBuf};

fn places() -> impl Iterator<Item = PathBuf> {
    let temporary = std::env::var_os("TMPDIR").map(PathBuf::from);
    let fixed = [Some(PathBuf::from("/tmp")), std::env::current_dir().ok(), Some(PathBuf::from("/dev/shm"))];
    temporary.into_iter().chain(fixed.into_iter().flatten())
}

/// Removes what a killed process had no time to remove, also below the directories that it was given.
pub(crate) fn clean_up_after(pid: libc::pid_t, given: &[String]) {
    for place in places().chain(given.iter().map(PathBuf::from)) {
        let _ = std::fs::remove_dir_all(place.join(format!("palisade-hostile-{pid}")));
    }
}

/// An empty directory named `palisade-hostile-PID` in the first place that takes one.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Tries `$TMPDIR`, `/tmp`, the working directory and `/dev/shm`.
    pub(crate) fn new() -> Result<Self, Stop> {
        let mut last = 0;
        for place in places() {
            match Self::within(&place) {
                Ok(scratch) => return Ok(scratch),
                Err(errno) => last = errno,
            }
        }
        Err(Stop::Inconclusive(format!("no directory is writable ({})", errno_name(last))))
    }

    /// The same inside a given directory.
    pub(crate) fn within(place: &Path) -> Result<Self, i32> {
        let path = place.join(format!("palisade-hostile-{}", std::process::id()));
        std::fs::create_dir(&path).map_err(|error| error.raw_os_error().unwrap_or(0))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
