//! The entries of a file tree, one by one, as operations for the kernel.
//!
//! Knows what has been made, so that nothing is made twice, and where the new root is. Not here: everything else that a launch
//! takes (`script.rs`), which entries there are (`files.rs`).

use std::{
    collections::HashSet,
    ffi::CString,
    io,
    path::{Path, PathBuf},
};

use palisade_sys::{Op, Presence, Slot, Stage};

use super::{
    files::{EMPTY, Entry, HIDDEN, Kind, UPPER},
    launch::Launch,
    script::{BLANK, Handle, MASTER, TERMINAL, TERMINALS, UPPER_SLOTS, c_path, c_string, handles},
};
use crate::foreign::Proc;

pub(crate) struct Builder {
    pub(crate) ops: Vec<Op>,
    made: HashSet<PathBuf>,
    slot: usize,
    target: Target,
    /// Whether the tree is the root.
    rooted: bool,
}

/// What becomes of a tree that is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// It becomes the root when it is sealed.
    Root,
    /// It stays the working directory: somebody else makes it a root.
    Directory,
}

impl Builder {
    pub(crate) fn new(target: Target) -> Self {
        Self { ops: Vec::with_capacity(160), made: HashSet::new(), slot: 0, target, rooted: false }
    }

    pub(crate) fn next_slot(&mut self) -> io::Result<Slot> {
        if self.slot == BLANK.0 {
            return Err(io::Error::other(format!("more than {} host trees in one sandbox", self.slot)));
        }
        self.slot += 1;
        Ok(Slot(self.slot - 1))
    }

    /// As seen from the working directory, as long as the new root is not the root.
    fn place(&self, at: &Path) -> io::Result<CString> {
        if self.rooted { c_path(at) } else { c_path(at.strip_prefix("/").unwrap_or(at)) }
    }

    pub(crate) fn directory(&mut self, at: &Path) -> io::Result<()> {
        if at == Path::new("/") || self.made.contains(at) {
            return Ok(());
        }
        if let Some(parent) = at.parent() {
            self.directory(parent)?;
        }
        self.ops.push(Op::Directory { path: self.place(at)?, mode: 0o755 });
        self.made.insert(at.to_owned());
        Ok(())
    }

    fn parent_of(&mut self, at: &Path) -> io::Result<()> {
        at.parent().map_or(Ok(()), |parent| self.directory(parent))
    }

    fn mount_point(&mut self, at: &Path, kind: Kind) -> io::Result<()> {
        match kind {
            Kind::Directory => self.directory(at),
            Kind::File => {
                self.parent_of(at)?;
                if self.made.insert(at.to_owned()) {
                    self.ops.push(Op::File { path: self.place(at)?, content: Vec::new(), mode: 0o644 });
                }
                Ok(())
            }
        }
    }

    pub(super) fn entry(
        &mut self,
        entry: &Entry,
        trees: &mut impl Iterator<Item = Slot>,
        launch: &Launch,
    ) -> io::Result<()> {
        let finishes_proc = launch.foreign.as_ref().is_none_or(|foreign| foreign.proc == Proc::Finished);
        match entry {
            Entry::Proc | Entry::Mask { .. } if !finishes_proc => {}
            Entry::Host { at, kind, .. } => {
                self.mount_point(at, *kind)?;
                if let Some(slot) = trees.next() {
                    self.ops.push(Op::AttachTree { slot, at: self.place(at)? });
                }
            }
            Entry::Layers { at, .. } => {
                self.directory(at)?;
                if let Some(slot) = trees.next() {
                    self.ops.push(Op::AttachTree { slot, at: self.place(at)? });
                }
            }
            Entry::Cover { at } => {
                self.ops.push(Op::Mount {
                    kind: c_string("tmpfs")?,
                    at: self.place(at)?,
                    flags: libc::MS_NOSUID | libc::MS_NODEV,
                    options: c_string("mode=0755,size=64k,nr_inodes=1024")?,
                });
                self.made.retain(|path| !path.starts_with(at) || path == at);
            }
            Entry::Upper { size, inodes, mode } => {
                self.ops.push(Op::Mount {
                    kind: c_string("tmpfs")?,
                    at: self.place(Path::new(UPPER))?,
                    flags: libc::MS_NOSUID | libc::MS_NODEV,
                    options: c_string(format!("mode=0700,size={size},nr_inodes={inodes}"))?,
                });
                let (upper, work) = (Path::new(UPPER).join("upper"), Path::new(UPPER).join("work"));
                let (upper, work) = (self.place(&upper)?, self.place(&work)?);
                let [handle, upper_slot, work_slot, _] = UPPER_SLOTS;
                self.ops.extend([
                    Op::Directory { path: upper.clone(), mode: *mode },
                    Op::Directory { path: work.clone(), mode: 0o700 },
                    Op::OpenDirectory { slot: handle, path: upper.clone() },
                    Op::OpenLayer { slot: upper_slot, path: upper },
                    Op::OpenLayer { slot: work_slot, path: work },
                ]);
            }
            Entry::Overlay { at } => {
                let [_, upper, work, lower] = UPPER_SLOTS;
                let at = self.place(at)?;
                self.ops.push(Op::OpenLayer { slot: lower, path: at.clone() });
                self.ops.push(Op::MountOverlay { lower: vec![lower], upper: Some([upper, work]), at });
            }
            Entry::Pin { at, presence } => {
                self.ops.push(Op::Pin { path: self.place(at)?, attributes: 0, presence: *presence });
            }
            Entry::Keep { at, presence } => {
                let attributes = libc::MOUNT_ATTR_RDONLY;
                self.ops.push(Op::Pin { path: self.place(at)?, attributes, presence: *presence });
            }
            Entry::Hide { at, presence, closed } => self.ops.push(Op::Hide {
                path: self.place(at)?,
                directory: self.place(Path::new(EMPTY))?,
                file: self.place(Path::new(HIDDEN))?,
                presence: *presence,
                closed: *closed,
            }),
            Entry::Link { at, target } => {
                self.parent_of(at)?;
                self.ops.push(Op::Symlink { target: c_path(target)?, path: self.place(at)? });
            }
            Entry::Directory { at } => self.directory(at)?,
            Entry::Text { at, content } => {
                self.parent_of(at)?;
                if self.made.insert(at.clone()) {
                    let content = content.clone().into_bytes();
                    self.ops.push(Op::File { path: self.place(at)?, content, mode: 0o644 });
                }
            }
            Entry::Copy { at, number, mode } => {
                self.parent_of(at)?;
                let given = launch.job.given.get(*number).ok_or_else(|| io::Error::other("a file is missing"))?;
                self.ops.push(Op::CopyFile {
                    from: std::sync::Arc::clone(&given.content),
                    path: self.place(at)?,
                    mode: *mode,
                });
            }
            Entry::Blank { at } => {
                self.parent_of(at)?;
                let (directory, name) = (at.parent().unwrap_or(at), at.file_name().unwrap_or_default());
                self.ops.push(Op::Blank {
                    slot: BLANK,
                    directory: self.place(directory)?,
                    name: c_path(Path::new(name))?,
                    mode: 0o444,
                });
            }
            Entry::Proc => self.ops.push(Op::Mount {
                kind: c_string("proc")?,
                at: c_string("proc")?,
                flags: libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC,
                options: CString::default(),
            }),
            Entry::Terminals => {
                self.directory(Path::new("/dev/pts"))?;
                self.ops.push(Op::Mount {
                    kind: c_string("devpts")?,
                    at: self.place(Path::new("/dev/pts"))?,
                    flags: libc::MS_NOSUID | libc::MS_NOEXEC,
                    options: c_string(format!("newinstance,ptmxmode=0666,mode=0620,max={TERMINALS}"))?,
                });
            }
            Entry::Mask { at, kind } => {
                let source = match kind {
                    Kind::File => "dev/null",
                    Kind::Directory => EMPTY.trim_start_matches('/'),
                };
                let (source, at) = (c_string(source)?, self.place(at)?);
                self.ops.push(Op::Bind { source, at, presence: Presence::IfThere });
            }
            Entry::Device { at } => {
                self.mount_point(at, Kind::File)?;
                self.ops.push(Op::Bind { source: c_path(at)?, at: self.place(at)?, presence: Presence::Needed });
            }
            Entry::Seal => {
                self.ops.push(Op::ReadOnlyTree { attributes: libc::MOUNT_ATTR_NOSUID });
                self.pivot();
            }
            Entry::Scratch { at, size, inodes } => {
                // What was made below it is covered now.
                self.made.retain(|path| !path.starts_with(at) || path == at);
                self.ops.push(Op::Mount {
                    kind: c_string("tmpfs")?,
                    at: self.place(at)?,
                    flags: libc::MS_NOSUID | libc::MS_NODEV,
                    options: c_string(format!("mode=1777,size={size},nr_inodes={inodes}"))?,
                });
            }
        }
        Ok(())
    }

    /// Makes the tree the root, unless it is that or never will be.
    pub(super) fn pivot(&mut self) {
        if self.rooted || self.target == Target::Directory {
            return;
        }
        self.rooted = true;
        self.ops.push(Op::PivotRoot);
        self.ops.push(Op::Reached(Stage::Pivoted));
    }

    pub(crate) fn handles(&mut self, launch: &Launch) -> io::Result<()> {
        let mut slots = Vec::new();
        for (number, handle) in handles(&launch.job).into_iter().enumerate() {
            match handle {
                Handle::Upper => slots.push(UPPER_SLOTS[0]),
                Handle::Blank => slots.push(BLANK),
                Handle::Place(path) => {
                    let slot = Slot(palisade_sys::SLOTS - 1 - number);
                    // Of a tree that is no root, /proc may be made by somebody else. There is one of our own.
                    let path = if path == Path::new("/proc") { c_path(&path)? } else { self.place(&path)? };
                    self.ops.push(Op::OpenDirectory { slot, path });
                    slots.push(slot);
                }
            }
        }
        if let Some(size) = launch.job.terminal {
            let (rows, columns) = (size.rows, size.columns);
            self.ops.push(Op::OpenTerminal { master: MASTER, terminal: TERMINAL, rows, columns });
            slots.extend([MASTER, TERMINAL]);
        }
        self.ops.push(Op::GiveHandles(slots));
        Ok(())
    }
}
