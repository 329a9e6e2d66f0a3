//! What a program changed in its copy-on-write view of a directory.
//!
//! In: the upper layer of the overlay, where the kernel notes changes in its own way (Documentation/filesystems/overlayfs:
//! a character device 0/0 is a deletion, `user.overlay.opaque` on a directory means that nothing below it shows through),
//! and the host's directory, which lies below. Out: plain lists, and files without such notes. Both sides are walked beneath
//! open directories, without following links. Not here: mounting the overlay (`native`).

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, OwnedFd},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use palisade_spec::{Change, Changes, Existing, FileKind, Keep, Left, LeftKind, Name};
use rustix::fs::{AtFlags, Dir, FileType, OFlags, Stat, fgetxattr, readlinkat, statat};

use crate::{
    error::StartError,
    into::Into,
    job::{Job, Overlay},
    outputs::open_beneath,
    target::Target,
};

/// Most paths that are listed.
const LISTED: usize = 100_000;
/// Where changed files are kept, in the caller's directory.
const FILES: &str = "files";
/// The list of changes, beside them.
const LIST: &str = "changes.json";

/// What is to become of the changes, if that is possible.
pub(crate) fn checked(keep: &Keep, job: &Job) -> Result<(Keep, Option<Arc<Target>>), StartError> {
    let Keep::Files(path) = keep else { return Ok((keep.clone(), None)) };
    let target = Target::find(path, job)?;
    let because = match std::fs::read_dir(&target.path).map(Iterator::count) {
        Ok(0) => None,
        Ok(_) => Some("it is not empty".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(error.to_string()),
    };
    match because {
        None => Ok((Keep::Files(target.path.clone()), Some(Arc::new(target)))),
        Some(because) => Err(StartError::Path {
            path: path.clone(),
            because,
            hint: "the changes are kept in a directory that is new or empty, in one that exists".to_owned(),
        }),
    }
}

/// Lists the changes, and keeps the files if they are to be kept.
pub(crate) fn take(overlay: &Overlay, upper: &OwnedFd, lower: &OwnedFd) -> Changes {
    let mut walk = Walk { upper, lower, changes: Changes::default(), files: Vec::new() };
    walk.compare();
    let Walk { mut changes, files, .. } = walk;
    for list in [&mut changes.added, &mut changes.modified, &mut changes.deleted] {
        list.sort();
    }
    if let Some(target) = &overlay.target {
        match store(target, upper, &files, &mut changes) {
            Ok(()) => changes.kept_in = Some(target.path.clone()),
            Err(because) => leave(&mut changes, &target.path, &because),
        }
    }
    changes
}

/// Writes the files, then the list of everything, which is last: who finds it finds all of them.
fn store(target: &Target, upper: &OwnedFd, files: &[Kept], changes: &mut Changes) -> Result<(), String> {
    let target = Into::directory(target, Existing::Keep).map_err(|error| error.to_string())?;
    target.make(Path::new(FILES))?;
    for file in files {
        let to = Path::new(FILES).join(&file.path);
        let done = if file.is_directory {
            target.make(&to)
        } else {
            open_beneath(upper, &file.path, OFlags::NONBLOCK | OFlags::NOCTTY)
                .map_err(|error| error.because)
                .and_then(|from| target.copy(&from, &to, file.size, file.executable).map(drop))
        };
        if let Err(because) = done {
            leave(changes, &file.path, &because);
        }
    }
    let list = serde_json::to_string_pretty(&changes).map_err(|error| error.to_string())?;
    target.write(Path::new(LIST), list.as_bytes())
}

fn leave(changes: &mut Changes, path: &Path, because: &str) {
    changes.incomplete.push(Left { path: name(path), kind: LeftKind::Failed, because: because.to_owned() });
}

fn name(path: &Path) -> Name {
    Name(path.as_os_str().as_bytes().to_vec())
}

/// A changed file or a new directory that can be kept.
struct Kept {
    path: PathBuf,
    is_directory: bool,
    size: u64,
    executable: bool,
}

/// Whether the host's directory can be seen below one of the upper layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Below {
    Shows,
    Covered,
}

struct Walk<'a> {
    upper: &'a OwnedFd,
    lower: &'a OwnedFd,
    changes: Changes,
    files: Vec<Kept>,
}

impl Walk<'_> {
    /// Compares all directories. A program chooses how deep they are, so they wait in a list.
    fn compare(&mut self) {
        let mut waiting = vec![(PathBuf::new(), Below::Shows)];
        while let Some((path, below)) = waiting.pop() {
            let (above, opaque) = match entries(self.upper, &path) {
                Ok(found) => found,
                Err(because) => {
                    leave(&mut self.changes, &path, &because);
                    continue;
                }
            };
            // Nothing, where the host has no such directory.
            let old = entries(self.lower, &path).map(|(old, _)| old).unwrap_or_default();
            let below = if opaque { Below::Covered } else { below };
            if below == Below::Covered {
                for (name, was) in old.iter().filter(|(name, _)| !above.contains_key(*name)) {
                    self.deleted(&path.join(name), was);
                }
            }
            for (name, now) in &above {
                let total = self.changes.added.len() + self.changes.modified.len() + self.changes.deleted.len();
                if total >= LISTED {
                    leave(&mut self.changes, &path, &format!("more than {LISTED} changes"));
                    return;
                }
                let path = path.join(name);
                let was = old.get(name);
                if is_whiteout(now) {
                    if let Some(was) = was {
                        self.deleted(&path, was);
                    }
                    continue;
                }
                self.found(&path, now, was, below, &mut waiting);
            }
        }
    }

    fn deleted(&mut self, path: &Path, was: &Stat) {
        self.changes.deleted.push(Change { path: name(path), kind: kind(was), size: None, target: None });
    }

    /// Something that is in the upper layer.
    fn found(
        &mut self,
        path: &Path,
        now: &Stat,
        was: Option<&Stat>,
        below: Below,
        waiting: &mut Vec<(PathBuf, Below)>,
    ) {
        let kind = kind(now);
        let same_kind = was.is_some_and(|was| self::kind(was) == kind);
        if kind == FileKind::Directory {
            waiting.push((path.to_owned(), below));
        }
        let size = u64::try_from(now.st_size).unwrap_or(u64::MAX);
        let same = was.filter(|was| same_kind && permissions(now) == permissions(was)).map(|_| match kind {
            FileKind::Directory => Ok(true),
            FileKind::File => self.same_content(path),
            FileKind::Link => Ok(target(self.upper, path) == target(self.lower, path)),
            FileKind::Special => Ok(false),
        });
        match same {
            Some(Ok(true)) => return, // written to without being changed, or only around a change
            Some(Err(because)) => leave(&mut self.changes, path, &because),
            Some(Ok(false)) | None => {}
        }
        let change = Change {
            path: name(path),
            kind,
            size: (kind == FileKind::File).then_some(size),
            target: if kind == FileKind::Link { target(self.upper, path) } else { None },
        };
        if was.is_some() {
            self.changes.modified.push(change)
        } else {
            self.changes.added.push(change)
        }
        if matches!(kind, FileKind::File | FileKind::Directory) {
            let (path, executable) = (path.to_owned(), now.st_mode & 0o100 != 0);
            self.files.push(Kept { path, is_directory: kind == FileKind::Directory, size, executable });
        }
    }

    fn same_content(&self, path: &Path) -> Result<bool, String> {
        let open = |root| {
            open_beneath(root, path, OFlags::NONBLOCK | OFlags::NOCTTY).map(File::from).map_err(|error| error.because)
        };
        let (mut one, mut other) = (open(self.upper)?, open(self.lower)?);
        let mut parts = [vec![0; 64 << 10], vec![0; 64 << 10]];
        loop {
            let [a, b] = &mut parts;
            let (a, b) = (fill(&mut one, a)?, fill(&mut other, b)?);
            if a != b {
                return Ok(false);
            }
            if a.is_empty() {
                return Ok(true);
            }
        }
    }
}

/// Reads until the buffer is full or the file ends.
fn fill<'a>(file: &mut File, buffer: &'a mut [u8]) -> Result<&'a [u8], String> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match file.read(room) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(buffer.get(..filled).unwrap_or_default())
}

/// What is in a directory, and whether it is opaque.
fn entries(root: &OwnedFd, path: &Path) -> Result<(BTreeMap<OsString, Stat>, bool), String> {
    let directory = open_beneath(root, path, OFlags::DIRECTORY).map_err(|error| error.because)?;
    let system = |error: rustix::io::Errno| io::Error::from(error).to_string();
    let mut found = BTreeMap::new();
    for entry in Dir::read_from(directory.as_fd()).map_err(system)? {
        let entry = entry.map_err(system)?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            let stat = statat(&directory, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW).map_err(system)?;
            found.insert(OsString::from_vec(name.to_vec()), stat);
        }
    }
    let mut value = [0; 1];
    let opaque =
        fgetxattr(&directory, c"user.overlay.opaque", &mut value).is_ok_and(|size| size == 1 && value == *b"y");
    Ok((found, opaque))
}

fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

fn kind(stat: &Stat) -> FileKind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Link,
        _ => FileKind::Special,
    }
}

fn permissions(stat: &Stat) -> u32 {
    stat.st_mode & 0o7777
}

fn target(root: &OwnedFd, path: &Path) -> Option<String> {
    let parent = open_beneath(root, path.parent()?, OFlags::DIRECTORY).ok()?;
    let target = readlinkat(&parent, path.file_name()?, Vec::new()).ok()?;
    Some(target.to_string_lossy().into_owned())
}
