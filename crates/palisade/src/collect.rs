//! Files out of a sandbox: regular ones only, none through a link, no more than a bound.
//!
//! Everything that is looked at was made by a program that is not trusted, and has ended. Not here: where the files go.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use palisade_spec::Bytes;
use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, fstat, openat2};

/// Most files and directories of one artefact.
const ENTRIES: usize = 4096;
/// Most bytes of one artefact.
const BYTES: u64 = 1 << 30;

/// A file that was taken.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Relative to the directory that was given.
    pub(crate) path: PathBuf,
    pub(crate) content: OwnedFd,
    pub(crate) size: u64,
    pub(crate) executable: bool,
}

/// Takes the file `name` below `root`, or all files below the directory `name`.
pub(crate) fn collect(root: &OwnedFd, name: &Path) -> io::Result<Vec<Taken>> {
    let mut taken = Vec::new();
    let mut bytes = 0;
    let mut waiting = vec![name.to_owned()];
    let mut entries = 0;
    while let Some(path) = waiting.pop() {
        entries += 1;
        if entries > ENTRIES {
            return Err(io::Error::other(format!("it has more than {ENTRIES} files and directories")));
        }
        // Not blocking, in case it is a FIFO. Nothing outside `root` and nothing behind a link can be reached.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let fd = openat2(root, &path, flags, Mode::empty(), resolve).map_err(|errno| {
            let why = match errno {
                rustix::io::Errno::LOOP => "is a symbolic link, and links are not followed".to_owned(),
                rustix::io::Errno::NXIO => "is a socket or a device".to_owned(),
                rustix::io::Errno::NOENT => "is not there".to_owned(),
                other => other.to_string(),
            };
            io::Error::new(io::Error::from(errno).kind(), format!("{} {why}", short(&path)))
        })?;
        let stat = fstat(&fd)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
                bytes += size;
                if bytes > BYTES {
                    return Err(io::Error::other(format!("its files have more than {}", Bytes(BYTES))));
                }
                taken.push(Taken { path, content: fd, size, executable: stat.st_mode & 0o100 != 0 });
            }
            FileType::Directory => {
                for entry in Dir::read_from(fd.as_fd())? {
                    let entry = entry?;
                    let name = entry.file_name().to_bytes();
                    if name != b"." && name != b".." {
                        use std::os::unix::ffi::OsStrExt;
                        waiting.push(path.join(std::ffi::OsStr::from_bytes(name)));
                    }
                }
            }
            _ => return Err(io::Error::other(format!("{} is neither a file nor a directory", short(&path)))),
        }
    }
    if taken.is_empty() {
        return Err(io::Error::other(format!("{} is a directory without files", short(name))));
    }
    Ok(taken)
}

/// A path for a message: a program can make it very long.
fn short(path: &Path) -> String {
    let text = path.display().to_string();
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn taken(make: impl FnOnce(&Path)) -> Result<Vec<PathBuf>, String> {
        let directory = tempfile::tempdir().unwrap();
        make(directory.path());
        let root = rustix::fs::open(directory.path(), OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let files = collect(&root, Path::new("out")).map_err(|error| error.to_string())?;
        let mut paths: Vec<PathBuf> = files.into_iter().map(|file| file.path).collect();
        paths.sort();
        Ok(paths)
    }

    #[test]
    fn a_file_and_the_files_of_a_directory_are_taken() {
        assert_eq!(taken(|at| fs::write(at.join("out"), "x").unwrap()), Ok(vec!["out".into()]));
        let tree = taken(|at| {
            fs::create_dir_all(at.join("out/a/empty")).unwrap();
            fs::write(at.join("out/a/f"), "x").unwrap();
            fs::write(at.join("out/g"), "x").unwrap();
        });
        assert_eq!(tree, Ok(vec!["out/a/f".into(), "out/g".into()]));
    }

    #[test]
    fn a_link_is_refused_wherever_it_leads_and_wherever_it_is() {
        for target in ["/etc/passwd", "..", "nowhere"] {
            let error = taken(|at| symlink(target, at.join("out")).unwrap()).unwrap_err();
            assert!(error.contains("out is a symbolic link"), "{error}");
            let within = taken(|at| {
                fs::create_dir(at.join("out")).unwrap();
                symlink(target, at.join("out/link")).unwrap();
            });
            assert!(within.unwrap_err().contains("out/link is a symbolic link"), "{target}");
        }
    }

    #[test]
    fn what_is_not_there_no_file_or_too_much_is_refused() {
        assert!(taken(|_| {}).unwrap_err().contains("out is not there"));
        let fifo = |at: &Path| rustix::fs::mknodat(rustix::fs::CWD, at.join("out"), FileType::Fifo, Mode::RUSR, 0);
        assert!(taken(|at| fifo(at).unwrap()).unwrap_err().contains("neither a file nor a directory"));
        assert!(taken(|at| fs::create_dir(at.join("out")).unwrap()).unwrap_err().contains("without files"));
        let many = taken(|at| {
            for number in 0..=ENTRIES {
                fs::create_dir_all(at.join(format!("out/{number}"))).unwrap();
            }
        });
        assert!(many.unwrap_err().contains("more than 4096 files and directories"));
    }
}
