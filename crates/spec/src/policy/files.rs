//! Which host files a program may see and change, as sets of trees that can be narrowed.
//!
//! Pure: paths are compared as text. Who compares policies makes them absolute and canonical before (`palisade::resolve`).
//! Not here: the toolchain and the private places that every program gets.

use std::path::{Path, PathBuf};

use serde::Serialize;

/// Host files beyond the toolchain, each at its own host path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FilesPolicy {
    /// Readable, submounts included. `/` is everything, and what a file system policy of `read-only` means.
    pub read: Vec<PathBuf>,
    /// Readable and **writable on the host**.
    pub write: Vec<PathBuf>,
    /// Neither, wherever a wider tree would show them: covered by something empty.
    pub hidden: Vec<PathBuf>,
    /// Readable at most, even within a writable tree, whatever is named below it. Shows nothing by itself.
    pub kept: Vec<PathBuf>,
}

impl FilesPolicy {
    /// All of the host's files.
    #[must_use]
    pub fn open() -> Self {
        Self { read: vec!["/".into()], write: vec!["/".into()], ..Self::default() }
    }

    /// What both allow: readable where both let read, writable where both let write, hidden or kept
    /// where either hides or keeps.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        let write = common(&self.write, &other.write);
        // What is writable can be read as well.
        let read = common(&[&*self.read, &self.write].concat(), &[&*other.read, &other.write].concat());
        let hidden = [&*self.hidden, &other.hidden].concat();
        Self { read, write, hidden, kept: [&*self.kept, &other.kept].concat() }.normal()
    }

    /// The same sets, sorted, without what a wider entry says already. Policies that allow the same are then equal.
    #[must_use]
    pub fn normal(&self) -> Self {
        let hidden = outermost(&self.hidden);
        let within = |path: &PathBuf, trees: &[PathBuf]| trees.iter().any(|tree| path.starts_with(tree));
        let mut kept = outermost(&self.kept);
        let mut write = outermost(&self.write);
        write.retain(|path| !within(path, &hidden));
        // What has to be kept can be read all the same.
        let (demoted, write): (Vec<_>, Vec<_>) = write.into_iter().partition(|path| within(path, &kept));
        kept.retain(|path| !within(path, &hidden) && within(path, &write));
        let mut read = outermost(&[&*self.read, &demoted].concat());
        read.retain(|path| !within(path, &hidden) && !within(path, &write));
        // Hiding what nobody shows still says something: the toolchain is shown without being named.
        Self { read, write, hidden, kept }
    }

    /// What may be done with the host's `path`.
    #[must_use]
    pub fn allows(&self, path: &Path) -> Seen {
        let within = |trees: &[PathBuf]| trees.iter().any(|tree| path.starts_with(tree));
        if within(&self.hidden) {
            Seen::Hidden
        } else if within(&self.write) && !within(&self.kept) {
            Seen::Writable
        } else if within(&self.read) || within(&self.write) {
            Seen::Readable
        } else {
            Seen::Hidden
        }
    }
}

/// What a program may do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// Nothing.
    Hidden,
    /// Read it.
    Readable,
    /// Change it.
    Writable,
}

/// The trees that lie in both sets: of two that overlap, the inner one.
fn common(ours: &[PathBuf], theirs: &[PathBuf]) -> Vec<PathBuf> {
    let pairs = ours.iter().flat_map(|a| theirs.iter().map(move |b| (a, b)));
    pairs.filter_map(|(a, b)| if a.starts_with(b) { Some(a) } else { b.starts_with(a).then_some(b) }).cloned().collect()
}

/// The trees that lie in no other one, sorted.
fn outermost(trees: &[PathBuf]) -> Vec<PathBuf> {
    let mut sorted = trees.to_vec();
    sorted.sort();
    sorted.dedup();
    let all = sorted.clone();
    sorted.retain(|tree| !all.iter().any(|other| other != tree && tree.starts_with(other)));
    sorted
}
