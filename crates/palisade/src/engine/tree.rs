//! A program's file tree in the words of an engine: bind mounts, sized file systems in memory, and an image with nothing but
//! links and empty directories.
//!
//! In: the entries that palisade builds a tree of itself. Out: the same tree, or what of it cannot be had. Not here: what is in
//! it (`native::files`), how it is asked for (`body.rs`).

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;

use crate::{
    job::{Access, Held},
    mounts::Mounts,
    native::{EMPTY, Entry, HIDDEN, Launch, UPPER},
};

/// Where the agent has its streams from.
pub(super) const LINK: &str = "/.palisade/link";
/// The directory of devices, which is made anew for each run.
pub(super) const DEVICES: &str = "/dev";

/// The tree.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tree {
    /// What an image has to have.
    pub image: Skeleton,
    /// What is mounted, outer places first.
    pub mounts: Vec<Mount>,
    /// File systems in memory, outer places first.
    pub scratch: Vec<Scratch>,
    /// What is in the directory of devices beside mounts: links, and empty directories.
    #[serde(skip)]
    pub(super) devices: Vec<(PathBuf, Option<PathBuf>)>,
    /// Which of `Job::given` is copied where, with its permission bits.
    #[serde(skip)]
    pub(super) fills: Vec<(PathBuf, usize, u32)>,
}

/// What has no content of its own, and can be the same for many programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Skeleton {
    /// Links, with what they say.
    pub links: BTreeSet<(PathBuf, PathBuf)>,
    /// Empty directories.
    pub directories: BTreeSet<PathBuf>,
}

/// One bind mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// What is shown.
    pub from: From,
    /// Where.
    pub at: PathBuf,
    /// Whether the program may write to it.
    pub write: bool,
}

/// What a mount shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum From {
    /// Something of the host.
    Host {
        /// Its path.
        path: PathBuf,
        /// What was checked.
        #[serde(skip)]
        held: Option<Arc<Held>>,
        /// Whether something else is mounted in it on the host, which is mounted here by itself.
        #[serde(skip)]
        inner: bool,
    },
    /// Made-up text.
    Text(String),
    /// The copy of a file: one of `Job::given`, with its permission bits.
    Given(usize, u32),
    /// The run's directory of devices.
    Devices,
    /// The run's socket.
    Link,
    /// An empty file.
    Nothing,
    /// An empty directory.
    Empty,
}

/// A file system in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Scratch {
    /// Where.
    pub at: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Files and directories.
    pub inodes: u32,
    /// What may be done there.
    pub kind: ScratchKind,
}

/// What may be done in a file system in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScratchKind {
    /// Everything but executing (R6).
    Data,
    /// Everything.
    Programs,
    /// Nothing: it covers what is there.
    Cover,
}

/// What an engine cannot do of a tree, with the reason.
pub(super) struct Lack {
    pub(super) needs: &'static str,
    pub(super) because: String,
}

impl Tree {
    /// The tree of `launch`.
    ///
    /// # Errors
    /// Everything of it that cannot be had.
    pub(super) fn of(launch: &Launch) -> Result<Self, Vec<Lack>> {
        let mut builder = Builder { tree: Self::default(), lacks: Vec::new(), host: Mounts::look(), launch };
        builder.tree.mounts.push(Mount { from: From::Devices, at: DEVICES.into(), write: false });
        builder.tree.mounts.push(Mount { from: From::Link, at: LINK.into(), write: false });
        for entry in &launch.tree {
            builder.entry(entry);
        }
        builder.finish()
    }
}

struct Builder<'a> {
    tree: Tree,
    lacks: Vec<Lack>,
    host: Mounts,
    launch: &'a Launch,
}

impl Builder<'_> {
    fn lack(&mut self, needs: &'static str, because: impl Into<String>) {
        self.lacks.push(Lack { needs, because: because.into() });
    }

    /// A later mount covers what earlier ones have put below its place. An engine would mount by depth.
    fn cover(&mut self, place: &Path) {
        self.tree.mounts.retain(|mount| !mount.at.starts_with(place));
        self.tree.scratch.retain(|scratch| !scratch.at.starts_with(place));
    }

    fn mount(&mut self, from: From, at: &Path, write: bool) {
        self.cover(at);
        self.tree.mounts.push(Mount { from, at: at.to_owned(), write });
    }

    fn entry(&mut self, entry: &Entry) {
        match entry {
            Entry::Host { access: Access::Overlay, .. } | Entry::Overlay { .. } | Entry::Upper { .. } => {
                if matches!(entry, Entry::Overlay { .. }) {
                    self.lack("a copy-on-write view of a directory (--overlay)", "an engine mounts no overlay of it");
                }
            }
            Entry::Layers { .. } => {
                self.lack("directories laid over each other", "an engine mounts no overlay of them");
            }
            Entry::Host { from, at, access, held, .. } => self.host(from, at, *access == Access::Write, held.as_ref()),
            Entry::Cover { at } => self.scratch(at, 64 << 10, 1024, ScratchKind::Cover),
            Entry::Link { at, target } if at.starts_with(DEVICES) => {
                self.tree.devices.push((at.clone(), Some(target.clone())));
            }
            Entry::Link { at, target } => {
                self.tree.image.links.insert((at.clone(), target.clone()));
            }
            // Ours alone: an engine covers with what it has itself.
            Entry::Directory { at } if [EMPTY, UPPER].iter().any(|own| at == Path::new(own)) => {}
            Entry::Directory { at } if at == Path::new(DEVICES) => {}
            Entry::Directory { at } if at.starts_with(DEVICES) => self.tree.devices.push((at.clone(), None)),
            Entry::Directory { at } => {
                self.tree.image.directories.insert(at.clone());
            }
            Entry::Text { at, .. } if at == Path::new(HIDDEN) => {}
            Entry::Text { at, content } => self.mount(From::Text(content.clone()), at, false),
            Entry::Copy { at, number, mode } => {
                if self.launch.job.scratch().iter().any(|scratch| at.starts_with(scratch)) {
                    self.tree.fills.push((at.clone(), *number, *mode));
                } else {
                    self.mount(From::Given(*number, *mode), at, false);
                }
            }
            Entry::Blank { .. } => {
                self.lack("an interpreter that waits for its source", "an engine's file tree is made before");
            }
            Entry::Device { at } => self.mount(From::Host { path: at.clone(), held: None, inner: false }, at, true),
            Entry::Scratch { at, size, inodes } => {
                let kind = match at.to_str() {
                    Some("/tmp" | "/dev/shm") => ScratchKind::Data,
                    _ => ScratchKind::Programs,
                };
                self.scratch(at, *size, *inodes, kind);
            }
            Entry::Pin { at, .. } => self.again(at, true),
            Entry::Keep { at, .. } => self.again(at, false),
            Entry::Hide { at, .. } => self.hide(at),
            // Masks: `Launch::masks`. `with_agent` has refused a terminal.
            Entry::Proc | Entry::Mask { .. } | Entry::Terminals | Entry::Seal => {}
        }
    }

    fn scratch(&mut self, at: &Path, size: u64, inodes: u32, kind: ScratchKind) {
        self.cover(at);
        self.tree.scratch.push(Scratch { at: at.to_owned(), size, inodes, kind });
    }

    /// A host tree. An engine makes read-only what it mounts and not what is mounted in it, so each of those is mounted by itself.
    fn host(&mut self, from: &Path, at: &Path, write: bool, held: Option<&Arc<Held>>) {
        let mut inner: Vec<PathBuf> = self.host.below(from);
        inner.sort();
        inner.dedup();
        let of = |path: &Path, held, inner| From::Host { path: path.to_owned(), held, inner };
        self.mount(of(from, held.cloned(), !inner.is_empty()), at, write);
        for (number, path) in inner.iter().enumerate() {
            let Ok(rest) = path.strip_prefix(from) else { continue };
            // What the engine's own user cannot see, or what has been covered by another mount, is not there for the program.
            if fs::symlink_metadata(path).is_ok() {
                let has_inner = inner.iter().skip(number + 1).any(|other| other.starts_with(path));
                self.mount(of(path, None, has_inner), &at.join(rest), write);
            }
        }
    }

    /// Something that is in the tree already, mounted over itself: what is mounted in it stays in it.
    fn again(&mut self, at: &Path, write: bool) {
        let path = self.on_host(at).filter(|path| path.symlink_metadata().is_ok());
        if let Some(path) = path.filter(|_| self.tree.mounts.iter().all(|mount| mount.at != at)) {
            let from = From::Host { path, held: None, inner: false };
            self.tree.mounts.push(Mount { from, at: at.to_owned(), write });
        }
    }

    fn hide(&mut self, at: &Path) {
        if at == Path::new(UPPER) {
            return;
        }
        let Some(path) = self.on_host(at) else { return };
        match path.symlink_metadata() {
            Ok(meta) => self.mount(if meta.is_dir() { From::Empty } else { From::Nothing }, at, false),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                let because = format!("whether {} is a file or a directory cannot be seen ({error})", path.display());
                self.lack("to hide a path in a closed directory", because);
            }
            Err(_) => {}
        }
    }

    /// What of the host is seen at a place.
    fn on_host(&self, place: &Path) -> Option<PathBuf> {
        self.tree.mounts.iter().rev().find_map(|mount| {
            let From::Host { path, .. } = &mount.from else { return None };
            let rest = place.strip_prefix(&mount.at).ok()?;
            Some(if rest == Path::new("") { path.clone() } else { path.join(rest) })
        })
    }

    /// No directory of the image where a mount is: the engine makes mount points itself.
    fn finish(self) -> Result<Tree, Vec<Lack>> {
        let Self { mut tree, mut lacks, .. } = self;
        let mut mounts = tree.mounts;
        // By depth, as an engine sorts them too: whoever is around is there first.
        mounts.sort_by_key(|mount| mount.at.components().count());
        let covered = |at: &Path| mounts.iter().any(|mount| mount.at.starts_with(at));
        tree.image.directories.retain(|at| !covered(at) && tree.scratch.iter().all(|scratch| scratch.at != *at));
        let paths = mounts.iter().flat_map(|mount| match &mount.from {
            From::Host { path, .. } => [Some(path), Some(&mount.at)],
            _ => [Some(&mount.at), None],
        });
        for path in paths.flatten().chain(tree.scratch.iter().map(|scratch| &scratch.at)) {
            // In the words of Podman's volumes.
            if path.to_str().is_none_or(|text| text.contains([':', ','])) {
                lacks.push(Lack {
                    needs: "a path without colons and commas",
                    because: format!("{} cannot be told to an engine", path.display()),
                });
            }
        }
        tree.mounts = mounts;
        if lacks.is_empty() { Ok(tree) } else { Err(lacks) }
    }
}
