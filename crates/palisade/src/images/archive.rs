//! An image's file tree as a tar archive, written as it is read.

use std::{
    collections::{BTreeSet, HashMap},
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::parts::{Parts, is_left_out};

/// Directories that every image has, with their permission bits.
const DIRECTORIES: [(&str, u32); 6] =
    [("dev", 0o755), ("etc", 0o755), ("proc", 0o555), ("sys", 0o555), ("tmp", 0o1777), ("work", 0o755)];
/// Who is in there.
const TEXTS: [(&str, &str); 2] = [
    ("etc/passwd", "root:x:0:0:root:/:/bin/sh\nuser:x:1000:1000:user:/tmp:/bin/sh\n"),
    ("etc/group", "root:x:0:\nuser:x:1000:\n"),
];

/// Writes the archive of these parts, everything in it root's.
pub(super) fn write(parts: &Parts, to: impl Write) -> io::Result<()> {
    let mut archive = Archive { to: tar::Builder::new(to), made: BTreeSet::new(), linked: HashMap::new() };
    for (path, mode) in DIRECTORIES {
        archive.directory(Path::new(path), mode)?;
    }
    for (path, text) in TEXTS {
        let mut header = header(tar::EntryType::Regular, 0o644, text.len() as u64);
        archive.to.append_data(&mut header, path, text.as_bytes())?;
        archive.made.insert(path.into());
    }
    for path in &parts.single {
        archive.add(path)?;
    }
    for tree in &parts.whole {
        let mut waiting = vec![tree.clone()];
        while let Some(path) = waiting.pop().filter(|path| !is_left_out(path)) {
            archive.add(&path)?;
            if path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
                waiting.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
            }
        }
    }
    archive.to.into_inner()?.flush()
}

struct Archive<W: Write> {
    to: tar::Builder<W>,
    made: BTreeSet<PathBuf>,
    /// Files with several names, by what they are.
    linked: HashMap<(u64, u64), PathBuf>,
}

impl<W: Write> Archive<W> {
    /// One file, link or directory of the host. What cannot be read, nobody needs, or an ordinary user could not run either.
    fn add(&mut self, path: &Path) -> io::Result<()> {
        let (Ok(meta), Ok(at)) = (path.symlink_metadata(), path.strip_prefix("/")) else { return Ok(()) };
        if self.made.contains(at) {
            return Ok(());
        }
        // No set-id bits: nothing in there is to be more than who runs it.
        let mode = meta.mode() & 0o777;
        if meta.is_dir() {
            // Whoever runs something in there is not root.
            return self.directory(at, mode | 0o555);
        }
        self.directories_of(at)?;
        let kind = meta.file_type();
        if kind.is_symlink() {
            self.to.append_link(&mut header(tar::EntryType::Symlink, 0o777, 0), at, fs::read_link(path)?)?;
        } else if kind.is_file() {
            let identity = (meta.dev(), meta.ino());
            if let Some(first) = self.linked.get(&identity).filter(|_| meta.nlink() > 1) {
                self.to.append_link(&mut header(tar::EntryType::Link, mode, 0), at, first)?;
            } else {
                let Ok(file) = File::open(path) else { return Ok(()) };
                let mut header = header(tar::EntryType::Regular, mode, meta.len());
                header.set_mtime(u64::try_from(meta.mtime()).unwrap_or(0));
                self.to.append_data(&mut header, at, file)?;
                self.linked.insert(identity, at.to_owned());
            }
        }
        self.made.insert(at.to_owned());
        Ok(())
    }

    fn directory(&mut self, at: &Path, mode: u32) -> io::Result<()> {
        if at.as_os_str().is_empty() || self.made.contains(at) {
            return Ok(());
        }
        self.directories_of(at)?;
        self.made.insert(at.to_owned());
        self.to.append_data(&mut header(tar::EntryType::Directory, mode, 0), at, io::empty())
    }

    /// Those on the way, open to everybody: on the host, they may be root's alone.
    fn directories_of(&mut self, at: &Path) -> io::Result<()> {
        at.parent().map_or(Ok(()), |parent| self.directory(parent, 0o755))
    }
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header
}
