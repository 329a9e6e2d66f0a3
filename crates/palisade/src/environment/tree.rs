//! Trees of files: looking through one, copying one, removing one.
//!
//! What is looked at may have been written by a program that is not trusted, which has ended. Links are never followed.
//! Regular files and directories are taken, and links that stay within the tree; permissions become those that a program
//! needs who owns nothing: 0755 and 0644. Not here: which trees.

use std::{
    fs,
    io::Read,
    os::{
        fd::OwnedFd,
        unix::fs::{PermissionsExt, symlink},
    },
    path::{Component, Path, PathBuf},
    time::SystemTime,
};

use palisade_spec::Bytes;
use rustix::fs::{FileType, Mode, OFlags, fstat, open};

use super::error::EnvironmentError;

/// Most files, links and directories of one environment.
const ENTRIES: usize = 500_000;
/// Most bytes of one environment.
const BYTES: u64 = 16 << 30;

/// Something in a tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    /// Relative to the tree, UTF-8.
    pub path: String,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Directory,
    File {
        /// Whether its owner may execute it.
        executable: bool,
        size: u64,
    },
    Link {
        target: PathBuf,
    },
    /// A socket, a FIFO or a device.
    Other,
}

/// All of a tree, in the order of paths.
pub(super) fn look(root: &Path) -> Result<Vec<Found>, EnvironmentError> {
    let mut found = Vec::new();
    let mut bytes = 0_u64;
    let mut waiting = vec![String::new()];
    while let Some(directory) = waiting.pop() {
        let path = if directory.is_empty() { root.to_owned() } else { root.join(&directory) };
        let entries = fs::read_dir(&path).map_err(EnvironmentError::io("read", &path))?;
        for entry in entries {
            let entry = entry.map_err(EnvironmentError::io("read", &path))?;
            let name =
                entry.file_name().into_string().map_err(|name| unfit(&path.join(name), "its name is not UTF-8"))?;
            let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
            let meta = entry.metadata().map_err(EnvironmentError::io("look at", entry.path()))?;
            let kind = if meta.is_dir() {
                waiting.push(path.clone());
                Kind::Directory
            } else if meta.is_file() {
                bytes = bytes.saturating_add(meta.len());
                Kind::File { executable: meta.permissions().mode() & 0o100 != 0, size: meta.len() }
            } else if meta.is_symlink() {
                let target = fs::read_link(entry.path()).map_err(EnvironmentError::io("read", entry.path()))?;
                Kind::Link { target }
            } else {
                Kind::Other
            };
            found.push(Found { path, kind });
            if found.len() > ENTRIES || bytes > BYTES {
                let most = format!("it has more than {ENTRIES} files or {}", Bytes(BYTES));
                return Err(unfit(root, &most));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Copies a tree into a directory that does not exist yet, without the files that `leave_out` tells.
pub(super) fn copy(from: &Path, to: &Path, leave_out: impl Fn(&str) -> bool) -> Result<(), EnvironmentError> {
    fs::create_dir(to).map_err(EnvironmentError::io("create", to))?;
    permit(to, 0o755)?;
    for found in look(from)? {
        let (source, target) = (from.join(&found.path), to.join(&found.path));
        match found.kind {
            // Parents come before what is in them.
            Kind::Directory => {
                fs::create_dir(&target).map_err(EnvironmentError::io("create", &target))?;
                permit(&target, 0o755)?;
            }
            Kind::File { .. } if leave_out(&found.path) => {}
            Kind::File { executable, .. } => copy_file(&source, &target, executable)?,
            Kind::Link { target: leads } => {
                if !stays(&found.path, &leads) {
                    return Err(unfit(&source, &format!("it links to {}, out of the tree", leads.display())));
                }
                symlink(&leads, &target).map_err(EnvironmentError::io("create", &target))?;
            }
            Kind::Other => return Err(unfit(&source, "it is neither a file nor a directory")),
        }
    }
    Ok(())
}

/// Copies one regular file, its content and time of change.
pub(super) fn copy_file(from: &Path, to: &Path, executable: bool) -> Result<(), EnvironmentError> {
    let mut source = open_file(from)?;
    let mut target = fs::File::create_new(to).map_err(EnvironmentError::io("create", to))?;
    std::io::copy(&mut source, &mut target).map_err(EnvironmentError::io("write", to))?;
    let changed = source.metadata().and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    target.set_modified(changed).map_err(EnvironmentError::io("write", to))?;
    permit(to, if executable { 0o755 } else { 0o644 })
}

/// A regular file, opened for reading; never through a link.
pub(super) fn open_file(path: &Path) -> Result<fs::File, EnvironmentError> {
    // Not blocking, in case it is a FIFO.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd: OwnedFd =
        open(path, flags, Mode::empty()).map_err(|errno| EnvironmentError::io("open", path)(errno.into()))?;
    let stat = fstat(&fd).map_err(|errno| EnvironmentError::io("look at", path)(errno.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(unfit(path, "it is not a regular file"));
    }
    Ok(fd.into())
}

/// A text file of at most `most` bytes.
pub(super) fn read_text(path: &Path, most: u64) -> Result<String, EnvironmentError> {
    let mut text = String::new();
    let read = open_file(path)?.take(most + 1).read_to_string(&mut text).map_err(EnvironmentError::io("read", path))?;
    if read as u64 > most {
        let because = format!("it is larger than {}", Bytes(most));
        return Err(EnvironmentError::Damaged { path: path.to_owned(), because });
    }
    Ok(text)
}

/// Removes a tree, also one whose directories were closed by whoever wrote it. Nothing there is as good as removed.
pub(super) fn remove(root: &Path) -> Result<(), EnvironmentError> {
    match fs::remove_dir_all(root) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(_) => {}
    }
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        if fs::symlink_metadata(&directory).is_ok_and(|meta| meta.is_dir()) {
            let _ = fs::set_permissions(&directory, fs::Permissions::from_mode(0o700));
            waiting.extend(fs::read_dir(&directory).into_iter().flatten().flatten().map(|entry| entry.path()));
        }
    }
    fs::remove_dir_all(root).map_err(EnvironmentError::io("remove", root))
}

/// Sets permissions whatever the umask is.
pub(super) fn permit(path: &Path, mode: u32) -> Result<(), EnvironmentError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(EnvironmentError::io("set permissions of", path))
}

/// Whether a link at `path` leads to something in the same tree, by the text alone. A name may be a link itself, so nobody
/// knows by the text where `..` behind one leads.
pub(super) fn stays(path: &str, target: &Path) -> bool {
    let mut depth = Path::new(path).components().count().saturating_sub(1);
    let mut is_named = false;
    for part in target.components() {
        match part {
            Component::Normal(_) => is_named = true,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 && !is_named => depth -= 1,
            _ => return false,
        }
    }
    true
}

pub(super) fn unfit(path: &Path, because: &str) -> EnvironmentError {
    EnvironmentError::Unfit { path: path.to_owned(), because: because.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_same_files_and_links_and_open_permissions() {
        let place = tempfile::tempdir().unwrap();
        let (from, to) = (place.path().join("from"), place.path().join("to"));
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::write(from.join("a/b/f"), "text").unwrap();
        fs::write(from.join("a/skipped"), "").unwrap();
        fs::set_permissions(from.join("a/b/f"), fs::Permissions::from_mode(0o4700)).unwrap();
        fs::set_permissions(from.join("a"), fs::Permissions::from_mode(0o700)).unwrap();
        symlink("b/f", from.join("a/link")).unwrap();
        copy(&from, &to, |path| path.ends_with("skipped")).unwrap();
        let mode = |path: &str| fs::metadata(to.join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("a"), mode("a/b/f")), (0o755, 0o755), "no set-user-id either");
        assert_eq!(fs::read_to_string(to.join("a/link")).unwrap(), "text");
        assert!(!to.join("a/skipped").exists());
    }

    #[test]
    fn links_that_leave_the_tree_are_refused() {
        assert!(stays("a/link", Path::new("../b")) && stays("a/link", Path::new("./b/c")));
        for target in ["/etc", "../../b", "../x/../../y", "x/..", "up/../../etc"] {
            assert!(!stays("a/link", Path::new(target)), "{target}");
            let place = tempfile::tempdir().unwrap();
            fs::create_dir_all(place.path().join("from/a")).unwrap();
            symlink(target, place.path().join("from/a/link")).unwrap();
            let error = copy(&place.path().join("from"), &place.path().join("to"), |_| false).unwrap_err().to_string();
            assert!(error.contains("a/link") && error.contains("out of the tree"), "{error}");
        }
    }

    #[test]
    fn what_is_no_file_is_refused_and_not_waited_for() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("from")).unwrap();
        let fifo = place.path().join("from/fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let error = copy(&place.path().join("from"), &place.path().join("to"), |_| false).unwrap_err().to_string();
        assert!(error.contains("neither a file nor a directory"), "{error}");
        assert!(open_file(&fifo).unwrap_err().to_string().contains("not a regular file"));
        symlink("/etc/passwd", place.path().join("link")).unwrap();
        open_file(&place.path().join("link")).unwrap_err();
    }

    #[test]
    fn a_tree_whose_directories_are_closed_is_removed_all_the_same() {
        let place = tempfile::tempdir().unwrap();
        let inner = place.path().join("tree/a/b");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("f"), "").unwrap();
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o000)).unwrap();
        fs::set_permissions(place.path().join("tree/a"), fs::Permissions::from_mode(0o000)).unwrap();
        remove(&place.path().join("tree")).unwrap();
        assert!(!place.path().join("tree").exists());
        remove(&place.path().join("tree")).unwrap();
    }
}
