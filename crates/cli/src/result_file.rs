//! The file that results go to: as it was before, or whole.
//!
//! In: a path before the work begins, bytes at its end. What programs do to names meanwhile leads nowhere else: the
//! directory is held, and so is what cannot be replaced. Not here: what is written (`cases/junit.rs`, `attack`).

use std::{
    collections::hash_map::RandomState,
    ffi::OsString,
    fs::{self, File, OpenOptions, Permissions},
    hash::BuildHasher,
    io::{self, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{OpenOptionsExt, PermissionsExt},
    },
    path::Path,
};

use rustix::fs::{AtFlags, Mode, OFlags, fcntl_getfl, fcntl_setfl, open, openat, renameat, unlinkat};

/// A place for results that can be written to.
#[derive(Debug)]
pub(crate) struct ResultFile {
    /// Where a new file takes the place of what is there.
    beside: Option<Beside>,
    /// What is there: a device, a pipe, what a link leads to, or a file that may be impossible to replace.
    existing: Option<File>,
}

#[derive(Debug)]
struct Beside {
    directory: OwnedFd,
    name: OsString,
    /// Permission bits of the file that is replaced.
    mode: Option<u32>,
}

impl ResultFile {
    /// Finds out whether results can be written there, and changes nothing.
    pub(crate) fn find(path: &Path) -> io::Result<Self> {
        // Not truncated: what is there stays until there is something better.
        // Nor waited for: a pipe without a reader is refused.
        let flags = (OFlags::NOCTTY | OFlags::NONBLOCK).bits().cast_signed();
        let existing = match OpenOptions::new().write(true).custom_flags(flags).open(path) {
            Ok(file) => {
                fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
                Some(file)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let named = fs::symlink_metadata(path);
        let mode = match (&existing, &named) {
            (Some(_), Ok(named)) if named.is_file() => Some(named.permissions().mode() & 0o777),
            (None, Err(_)) => None,
            // A link that leads nowhere has no better name for what it should lead to.
            (None, Ok(_)) => return Err(io::Error::new(io::ErrorKind::NotFound, "it is a link that leads nowhere")),
            _ => return Ok(Self { beside: None, existing }),
        };
        match Beside::find(path, mode) {
            Ok(beside) => Ok(Self { beside: Some(beside), existing }),
            // As with a file that alone is lent to a container.
            Err(_) if existing.is_some() => Ok(Self { beside: None, existing }),
            Err(error) => Err(error),
        }
    }

    /// Writes all of it.
    pub(crate) fn write(self, bytes: &[u8]) -> io::Result<()> {
        let replaced = self.beside.map_or(Err(io::ErrorKind::Unsupported.into()), |beside| beside.replace(bytes));
        match (replaced, self.existing) {
            (Err(_), Some(mut file)) => {
                if file.metadata()?.is_file() {
                    file.set_len(0)?;
                }
                file.write_all(bytes)
            }
            (replaced, _) => replaced,
        }
    }
}

impl Beside {
    fn find(path: &Path, mode: Option<u32>) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?.to_owned();
        let around = path.parent().filter(|around| !around.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let directory = open(around, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let beside = Self { directory, name, mode };
        // Whether something can be written there is found out by doing it.
        let (part, _) = beside.part()?;
        beside.remove(&part);
        Ok(beside)
    }

    /// A new file under a name that nobody can guess.
    fn part(&self) -> io::Result<(String, File)> {
        let name = format!(".palisade-{:016x}.part", RandomState::new().hash_one(()));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = openat(&self.directory, &name, flags, Mode::from_raw_mode(0o666))?;
        Ok((name, file.into()))
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let (part, mut file) = self.part()?;
        let written = file.write_all(bytes).and_then(|()| {
            if let Some(mode) = self.mode {
                file.set_permissions(Permissions::from_mode(mode))?;
            }
            Ok(renameat(&self.directory, &part, &self.directory, &self.name)?)
        });
        if written.is_err() {
            self.remove(&part);
        }
        written
    }

    /// What cannot be removed has no other way to go either.
    fn remove(&self, part: &str) {
        let _ = unlinkat(self.directory.as_fd(), part, AtFlags::empty());
    }
}
