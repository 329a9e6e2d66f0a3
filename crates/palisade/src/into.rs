//! Writing files into a directory of the caller's, whatever somebody has put there.
//!
//! Every step is relative to an open directory, follows no link and stays beneath. Not here: what is written.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use palisade_spec::Existing;
use rustix::{
    fs::{
        AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, renameat, sendfile, statat,
        unlinkat,
    },
    io::Errno,
};

/// A directory of the caller's.
#[derive(Debug)]
pub(crate) struct Into {
    root: OwnedFd,
    existing: Existing,
}

/// A file that was written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) size: u64,
}

impl Into {
    /// Opens the directory, and makes it if only its last part is missing.
    pub(crate) fn directory(path: &Path, existing: Existing) -> io::Result<Self> {
        match mkdirat(CWD, path, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let root = openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { root, existing })
    }

    /// A directory below it, and those around it.
    fn below(&self, path: &Path) -> Result<OwnedFd, String> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let open = |path: &Path| openat2(&self.root, path, flags, Mode::empty(), resolve);
        let mut so_far = PathBuf::new();
        let mut at = open(Path::new(".")).map_err(|error| format!("its directory: {}", io::Error::from(error)))?;
        for part in path.components() {
            let made = mkdirat(&at, part.as_os_str(), Mode::from_raw_mode(0o777));
            so_far.push(part);
            let opened = match made {
                Ok(()) | Err(Errno::EXIST) => open(&so_far),
                Err(error) => Err(error),
            };
            at = opened.map_err(|error| match error {
                Errno::LOOP | Errno::NOTDIR => format!("{} is there, and no directory", so_far.display()),
                other => format!("its directory {}: {}", so_far.display(), io::Error::from(other)),
            })?;
        }
        Ok(at)
    }

    /// Makes a directory.
    pub(crate) fn make(&self, path: &Path) -> Result<(), String> {
        self.below(path).map(drop)
    }

    /// Writes a new file.
    pub(crate) fn write(&self, to: &Path, content: &[u8]) -> Result<(), String> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.root, to, flags, Mode::from_raw_mode(0o666)).map_err(|error| error.to_string())?;
        File::from(file).write_all(content).map_err(|error| error.to_string())
    }

    /// Copies at most `most` bytes of an open file to a new one.
    pub(crate) fn copy(&self, from: &OwnedFd, to: &Path, most: u64, executable: bool) -> Result<Written, String> {
        let parent = self.below(to.parent().unwrap_or(Path::new("")))?;
        let Some(name) = to.file_name() else { return Err("it has no name".to_owned()) };
        let there = statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW);
        let kind = there.as_ref().ok().map(|stat| FileType::from_raw_mode(stat.st_mode));
        match (kind, self.existing) {
            (Some(FileType::Directory), _) => return Err("a directory is in its place".to_owned()),
            (Some(_), Existing::Keep) => return Err("a file is in its place (--force replaces it)".to_owned()),
            _ => {}
        }
        // One that replaces has another name until it is whole.
        let part = match self.existing {
            Existing::Keep => name.to_owned(),
            Existing::Replace => format!(".palisade-{}.part", std::process::id()).into(),
        };
        let system = |error: Errno| io::Error::from(error).to_string();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(if executable { 0o777 } else { 0o666 });
        let file = openat(&parent, &part, flags, mode).map_err(system)?;
        let written = copy_bytes(from, &file, most);
        let placed = written.and_then(|size| {
            if self.existing == Existing::Replace {
                renameat(&parent, &part, &parent, name)?;
            }
            Ok(Written { size })
        });
        placed.map_err(|error| {
            let _ = unlinkat(&parent, &part, AtFlags::empty()); // the reason for the failure says more
            system(error)
        })
    }
}

fn copy_bytes(from: &OwnedFd, to: &OwnedFd, most: u64) -> Result<u64, Errno> {
    let mut done: u64 = 0;
    let mut offset = 0;
    while done < most {
        let room = usize::try_from((most - done).min(1 << 30)).unwrap_or(1 << 30);
        match sendfile(to.as_fd(), from.as_fd(), Some(&mut offset), room)? {
            0 => break,
            count => done += count as u64,
        }
    }
    Ok(done)
}
