//! An environment while it is made: a directory beside the others that becomes one of them by a single rename.
//!
//! The draft of `web` is `.new-web`, held by a lock (flock(2)) that ends with the process. A draft without its lock was left
//! by somebody who was killed; whoever comes next removes it. Not here: what is put into it.

use std::{
    fs, io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
};

use palisade_spec::Manifest;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, open};

use super::{
    MANIFEST,
    error::EnvironmentError,
    interpreter::HOST,
    lock::{LOCK, Lock},
    tree,
};

/// First part of the names of drafts.
pub(super) const NEW: &str = ".new-";
/// First part of the names of what is being removed.
pub(super) const OLD: &str = ".old-";

/// An environment that is being made. Dropped, it is gone.
#[derive(Debug)]
pub(super) struct Draft {
    name: String,
    store: PathBuf,
    directory: PathBuf,
    _held: OwnedFd,
}

impl Draft {
    /// Begins an environment of that name in a store that exists.
    pub(super) fn begin(store: &Path, name: &str) -> Result<Self, EnvironmentError> {
        let directory = store.join(format!("{NEW}{name}"));
        loop {
            match fs::DirBuilder::new().create(&directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(EnvironmentError::io("create", &directory)(error));
                }
                _ => {}
            }
            match hold(&directory) {
                Hold::Ours(held) => {
                    let draft = Self { name: name.to_owned(), store: store.to_owned(), directory, _held: held };
                    draft.empty()?;
                    return Ok(draft);
                }
                Hold::Theirs => return Err(EnvironmentError::Busy { name: name.to_owned() }),
                Hold::Gone => {}
                Hold::Failed(error) => return Err(EnvironmentError::io("lock", &directory)(error)),
            }
        }
    }

    /// Whatever a killed palisade left here.
    fn empty(&self) -> Result<(), EnvironmentError> {
        tree::permit(&self.directory, 0o700)?;
        for path in [self.staging(), self.root()] {
            tree::remove(&path)?;
        }
        Ok(())
    }

    /// The environment to be. It does not exist at first.
    pub(super) fn root(&self) -> PathBuf {
        self.directory.join("environment")
    }

    /// A place for what is not kept. It does not exist at first.
    pub(super) fn staging(&self) -> PathBuf {
        self.directory.join("staging")
    }

    /// Writes manifest and lock, and makes it an environment.
    pub(super) fn finish(self, manifest: &Manifest) -> Result<(), EnvironmentError> {
        let path = self.root().join(MANIFEST);
        let text = toml::to_string(manifest)
            .map_err(|error| EnvironmentError::Damaged { path: path.clone(), because: error.to_string() })?;
        fs::write(&path, text).map_err(EnvironmentError::io("write", &path))?;
        tree::permit(&path, 0o644)?;
        let (lock, _) = Lock::of(&self.root(), &[LOCK, HOST])?;
        lock.write(&self.root().join(LOCK))?;
        self.publish()
    }

    /// Makes it an environment as it stands.
    pub(super) fn publish(self) -> Result<(), EnvironmentError> {
        let to = self.store.join(&self.name);
        // A directory cannot take the place of one that is not empty (rename(2)).
        fs::rename(self.root(), &to).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                EnvironmentError::Exists { name: self.name.clone(), store: self.store.clone() }
            }
            _ => EnvironmentError::io("create", &to)(error),
        })
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // What cannot be removed now is swept later.
        let _ = tree::remove(&self.directory);
    }
}

/// Removes what killed palisades left in a store. Drafts that somebody holds stay; what cannot be removed stays as well.
pub(super) fn sweep(store: &Path) {
    for entry in fs::read_dir(store).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.starts_with(OLD) || (name.starts_with(NEW) && matches!(hold(&entry.path()), Hold::Ours(_))) {
            let _ = tree::remove(&entry.path());
        }
    }
}

enum Hold {
    Ours(OwnedFd),
    Theirs,
    /// It was removed meanwhile.
    Gone,
    Failed(io::Error),
}

fn hold(directory: &Path) -> Hold {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = match open(directory, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(rustix::io::Errno::NOENT) => return Hold::Gone,
        Err(errno) => return Hold::Failed(errno.into()),
    };
    match flock(&fd, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Hold::Theirs,
        Err(errno) => return Hold::Failed(errno.into()),
    }
    // The lock may be that of a directory which its owner has removed in between.
    match (fstat(&fd), fs::symlink_metadata(directory)) {
        (Ok(held), Ok(there)) if (held.st_dev, held.st_ino) == (there.dev(), there.ino()) => Hold::Ours(fd),
        _ => Hold::Gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_one_of_its_name_and_leaves_nothing() {
        let store = tempfile::tempdir().unwrap();
        let first = Draft::begin(store.path(), "a").unwrap();
        assert!(matches!(Draft::begin(store.path(), "a"), Err(EnvironmentError::Busy { .. })));
        let other = Draft::begin(store.path(), "b").unwrap();
        drop((first, other));
        assert_eq!(fs::read_dir(store.path()).unwrap().count(), 0);
    }

    #[test]
    fn only_drafts_that_nobody_holds_are_swept() {
        let store = tempfile::tempdir().unwrap();
        let held = Draft::begin(store.path(), "held").unwrap();
        fs::create_dir_all(store.path().join(".new-killed/staging/x")).unwrap();
        fs::create_dir_all(store.path().join(".old-killed")).unwrap();
        sweep(store.path());
        let left: Vec<_> = fs::read_dir(store.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, [".new-held"]);
        drop(held);
    }

    #[test]
    fn what_a_killed_palisade_left_in_a_draft_is_not_in_the_next_one() {
        let store = tempfile::tempdir().unwrap();
        fs::create_dir_all(store.path().join(".new-a/environment/old")).unwrap();
        let draft = Draft::begin(store.path(), "a").unwrap();
        assert!(!draft.root().exists());
    }

    #[test]
    fn the_second_of_two_is_refused_and_the_first_is_kept() {
        let store = tempfile::tempdir().unwrap();
        let make = |content: &str| {
            let draft = Draft::begin(store.path(), "a").unwrap();
            fs::create_dir(draft.root()).unwrap();
            fs::write(draft.root().join("f"), content).unwrap();
            draft.finish(&Manifest::default())
        };
        make("first").unwrap();
        assert!(matches!(make("second"), Err(EnvironmentError::Exists { .. })));
        assert_eq!(fs::read_to_string(store.path().join("a/f")).unwrap(), "first");
    }
}
