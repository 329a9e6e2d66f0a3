//! Writing files into a directory of the caller's, whatever somebody has put there.
//!
//! Every step is relative to an open directory, follows no link and stays beneath. A file has no name until it is whole: a
//! palisade that is killed leaves no part of one. Not here: what is written, which directory (`target.rs`).

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

use palisade_spec::Existing;
use rustix::{
    fs::{
        AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, linkat, mkdirat, openat, openat2, renameat, renameat_with,
        sendfile, statat, unlinkat,
    },
    io::Errno,
    rand::{GetRandomFlags, getrandom},
};

use crate::target::{BENEATH, DIRECTORY, Target};

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
    pub(crate) fn directory(target: &Target, existing: Existing) -> io::Result<Self> {
        Ok(Self { root: target.open()?, existing })
    }

    /// A directory below it, and those around it.
    fn below(&self, path: &Path) -> Result<OwnedFd, String> {
        let open = |path: &Path| openat2(&self.root, path, DIRECTORY, Mode::empty(), BENEATH);
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
        let fill = |mut file: &File| file.write_all(content).map(|()| content.len() as u64);
        self.file(to, Mode::from_raw_mode(0o666), fill).map(drop)
    }

    /// Copies at most `most` bytes of an open file to a new one.
    pub(crate) fn copy(&self, from: &OwnedFd, to: &Path, most: u64, executable: bool) -> Result<Written, String> {
        let mode = Mode::from_raw_mode(if executable { 0o777 } else { 0o666 });
        self.file(to, mode, |file| Ok(copy_bytes(from, file, most)?))
    }

    fn file(&self, to: &Path, mode: Mode, fill: impl FnOnce(&File) -> io::Result<u64>) -> Result<Written, String> {
        const IN_PLACE: &str = "a file is in its place (--force replaces it)";
        let parent = self.below(to.parent().unwrap_or(Path::new("")))?;
        let Some(name) = to.file_name() else { return Err("it has no name".to_owned()) };
        let there = statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW);
        let kind = there.as_ref().ok().map(|stat| FileType::from_raw_mode(stat.st_mode));
        match (kind, self.existing) {
            (Some(FileType::Directory), _) => return Err("a directory is in its place".to_owned()),
            (Some(_), Existing::Keep) => return Err(IN_PLACE.to_owned()),
            _ => {}
        }
        let place = Place { parent: &parent, name, existing: self.existing };
        let size = match place.nameless(mode) {
            Ok(file) => fill(&file).and_then(|size| place.link(&file).map(|()| size)),
            // Neither this file system nor this kernel has files without a name.
            Err(Errno::OPNOTSUPP | Errno::ISDIR) => place.named(mode, fill),
            Err(error) => Err(error.into()),
        };
        size.map(|size| Written { size }).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => IN_PLACE.to_owned(),
            _ => error.to_string(),
        })
    }
}

/// Where one file goes.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    parent: &'a OwnedFd,
    name: &'a OsStr,
    existing: Existing,
}

impl Place<'_> {
    fn nameless(self, mode: Mode) -> Result<File, Errno> {
        openat(self.parent, ".", OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC, mode).map(File::from)
    }

    /// Gives a file its name. Only in place of another one it has a second name, for a moment.
    fn link(self, file: &File) -> io::Result<()> {
        // AT_EMPTY_PATH would take CAP_DAC_READ_SEARCH (open(2), O_TMPFILE).
        let file = format!("/proc/thread-self/fd/{}", file.as_raw_fd());
        let link = |name: &OsStr| linkat(CWD, &file, self.parent, name, AtFlags::SYMLINK_FOLLOW);
        match (link(self.name), self.existing) {
            (Err(Errno::EXIST), Existing::Replace) => {
                let part = part()?;
                link(part.as_ref())?;
                renameat(self.parent, &part, self.parent, self.name).inspect_err(|_| self.remove(&part))?;
                Ok(())
            }
            (linked, _) => Ok(linked?),
        }
    }

    /// Writes a file under another name and renames it.
    fn named(self, mode: Mode, fill: impl FnOnce(&File) -> io::Result<u64>) -> io::Result<u64> {
        let part = part()?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(openat(self.parent, &part, flags, mode)?);
        let placed = fill(&file).and_then(|size| self.rename(&part).map(|()| size));
        placed.inspect_err(|_| self.remove(&part))
    }

    fn rename(self, part: &str) -> io::Result<()> {
        let parent = self.parent;
        if self.existing == Existing::Replace {
            return Ok(renameat(parent, part, parent, self.name)?);
        }
        match renameat_with(parent, part, parent, self.name, RenameFlags::NOREPLACE) {
            // NFS, for one, does not know the flag.
            Err(Errno::INVAL) => {
                linkat(parent, part, parent, self.name, AtFlags::empty())?;
                Ok(unlinkat(parent, part, AtFlags::empty())?)
            }
            renamed => Ok(renamed?),
        }
    }

    fn remove(self, part: &str) {
        let _ = unlinkat(self.parent, part, AtFlags::empty()); // the reason for the failure says more
    }
}

/// A name that nobody else uses or can foresee.
fn part() -> io::Result<String> {
    let mut random = [0; 8];
    getrandom(&mut random, GetRandomFlags::empty())?;
    Ok(format!(".palisade-{:016x}.part", u64::from_ne_bytes(random)))
}

fn copy_bytes(from: &OwnedFd, to: &File, most: u64) -> Result<u64, Errno> {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn into(directory: &Path, existing: Existing) -> Into {
        let root = rustix::fs::open(directory, DIRECTORY, Mode::empty()).unwrap();
        Into { root, existing }
    }

    fn names(directory: &Path) -> Vec<std::ffi::OsString> {
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn many_threads_replace_one_file_and_leave_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for number in 0..4_u8 {
                let into = into(place.path(), Existing::Replace);
                scope.spawn(move || {
                    for _ in 0..50 {
                        into.write(Path::new("file"), &[number; 4096]).unwrap();
                    }
                });
            }
        });
        assert_eq!(names(place.path()), ["file"]);
        let content = std::fs::read(place.path().join("file")).unwrap();
        assert_eq!((content.len(), content.iter().all(|byte| *byte == content[0])), (4096, true));
    }

    #[test]
    fn what_another_process_of_this_id_has_left_is_in_nobody_s_way() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join(format!(".palisade-{}.part", std::process::id())), "half").unwrap();
        std::fs::write(place.path().join("file"), "old").unwrap();
        into(place.path(), Existing::Replace).write(Path::new("file"), b"new").unwrap();
        assert_eq!(std::fs::read(place.path().join("file")).unwrap(), b"new");
    }

    #[test]
    fn a_file_system_without_nameless_files_gets_them_whole_too() {
        let place = tempfile::tempdir().unwrap();
        let parent = rustix::fs::open(place.path(), DIRECTORY, Mode::empty()).unwrap();
        let mode = Mode::from_raw_mode(0o666);
        let write = |name: &str, existing, text: &str| {
            let place = Place { parent: &parent, name: OsStr::new(name), existing };
            place.named(mode, |mut file| file.write_all(text.as_bytes()).map(|()| 0))
        };
        write("file", Existing::Keep, "one").unwrap();
        let error = write("file", Existing::Keep, "two").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(place.path().join("file")).unwrap(), b"one");
        write("file", Existing::Replace, "three").unwrap();
        assert_eq!(std::fs::read(place.path().join("file")).unwrap(), b"three");
        let place_of = Place { parent: &parent, name: OsStr::new("other"), existing: Existing::Replace };
        assert!(place_of.named(mode, |_| Err(io::Error::other("the source is gone"))).is_err());
        assert_eq!(names(place.path()), ["file"]);
    }
}
