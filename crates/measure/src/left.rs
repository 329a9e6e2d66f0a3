//! Directories that were left by somebody who was killed.

use std::{fs, os::unix::fs::MetadataExt, path::Path, time::Duration};

use palisade_sys::Life;
use rustix::fs::{FlockOperation, flock};

/// Younger ones may belong to somebody who has not locked them yet.
const YOUNG: Duration = Duration::from_secs(60);

/// Removes directories of this user whose names begin so, and whose process is gone: the one that the name goes on with, or, where it
/// names none, whoever would have it locked.
pub(crate) fn clear(place: &Path, prefix: &str) {
    let own = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(prefix)) else { continue };
        let Some(data) = entry.metadata().ok().filter(|data| data.is_dir() && data.uid() == own) else { continue };
        if let Some(life) = Life::read(rest) {
            if life.is_over() {
                let _ = fs::remove_dir_all(entry.path());
            }
            continue;
        }
        let is_old = data.modified().is_ok_and(|made| made.elapsed().is_ok_and(|age| age > YOUNG));
        // One that is young is not even locked for a moment: its owner is about to.
        let is_left = || {
            let held = fs::File::open(entry.path());
            held.is_ok_and(|held| flock(&held, FlockOperation::NonBlockingLockExclusive).is_ok())
        };
        if is_old && is_left() {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
