//! What is special inside of host trees: hidden paths, kept ones, and the directories that lead to them.
//!
//! In: the tree so far. Out: the entries that follow it. Only what is mounted stays in its place: a directory above a hidden
//! path could be renamed in a writable tree, and the path be read by the next run under its new name. Not here: which paths
//! these are (`hiding.rs`, `trees.rs`), the calls (`script.rs`).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::ErrorKind,
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
};

use palisade_sys::{Closed, Presence};

use super::files::Entry;
use crate::job::{Access, Job};

/// First directories that have to stay, the outer ones first, then what is only to be read, then what is hidden.
pub(super) fn entries(tree: &[Entry], job: &Job) -> Vec<Entry> {
    let hides = hides(tree, &job.hidden);
    let keeps = keeps(tree, &job.kept);
    // What is itself mounted is looked for in what was mounted before.
    let inner = tree.iter().enumerate().filter_map(|(number, entry)| match entry {
        Entry::Host { at, .. } => Some((number, at, Presence::Needed)),
        _ => None,
    });
    let hidden = hides.iter().filter(|(_, hide)| hide.there != There::No);
    let hidden = hidden.map(|(at, hide)| (tree.len(), at, hide.there.presence()));
    let kept = keeps.iter().map(|at| (tree.len(), at, Presence::Needed));
    let mut pins: BTreeMap<PathBuf, Presence> = BTreeMap::new();
    for (number, at, presence) in inner.chain(kept).chain(hidden) {
        for directory in between(tree.get(..number).unwrap_or(tree), at) {
            let known = pins.entry(directory).or_insert(presence);
            if presence == Presence::Needed {
                *known = presence;
            }
        }
    }
    let pins = pins.into_iter().map(|(at, presence)| Entry::Pin { at, presence });
    let keeps = keeps.into_iter().map(|at| Entry::Keep { at });
    let hides =
        hides.into_iter().map(|(at, hide)| Entry::Hide { at, presence: hide.there.presence(), closed: hide.closed });
    pins.chain(keeps).chain(hides).collect()
}

/// How a place is hidden.
#[derive(Clone, Copy)]
struct Hide {
    there: There,
    closed: Closed,
}

/// What is known of a path before it is mounted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum There {
    /// It is there.
    Yes,
    /// Nobody can say, or it is a socket, which its daemon may remove at any time.
    Perhaps,
    /// It is not.
    No,
}

impl There {
    fn of(path: &Path) -> Self {
        match fs::symlink_metadata(path) {
            Ok(meta) if meta.file_type().is_socket() => Self::Perhaps,
            Ok(_) => Self::Yes,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Self::No,
            Err(_) => Self::Perhaps,
        }
    }

    const fn presence(self) -> Presence {
        match self {
            Self::Yes => Presence::Needed,
            Self::Perhaps | Self::No => Presence::IfThere,
        }
    }
}

/// The directories between a place and the root of the writable tree that it is in.
fn between(before: &[Entry], place: &Path) -> Vec<PathBuf> {
    let Some(root) = top(before, place).and_then(|(_, root)| writable_at(root)) else { return Vec::new() };
    place.ancestors().skip(1).take_while(|path| *path != root && path.starts_with(root)).map(Path::to_owned).collect()
}

/// Where hidden paths of the host would be seen, in the trees that show them.
fn hides(tree: &[Entry], hidden: &[PathBuf]) -> BTreeMap<PathBuf, Hide> {
    let mut places = BTreeMap::new();
    for (number, entry) in tree.iter().enumerate() {
        let Entry::Host { from, at, .. } = entry else { continue };
        for hide in hidden {
            let place = match hide.strip_prefix(from) {
                Ok(rest) if rest == Path::new("") => at.clone(),
                Ok(rest) => at.join(rest),
                Err(_) if from.starts_with(hide) => at.clone(),
                Err(_) => continue,
            };
            // Of several trees at a place, the one on top says what is there. Of what covers them, nothing is known.
            if let Some((_, seen)) = top(tree, &place).filter(|(top, seen)| is_of(*top, seen, number, at)) {
                let closed = if writable_at(seen).is_some() { Closed::Refused } else { Closed::Passed };
                places.insert(place, Hide { there: There::of(hide), closed });
            } else {
                places.entry(place).or_insert(Hide { there: There::No, closed: Closed::Passed });
            }
        }
    }
    places
}

/// Where writable trees show paths that are only to be read, unless a tree of their own is mounted there.
fn keeps(tree: &[Entry], kept: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut places = BTreeSet::new();
    for (number, entry) in tree.iter().enumerate() {
        let Entry::Host { from, at, access: Access::Write, .. } = entry else { continue };
        for path in kept.iter().filter(|path| path.symlink_metadata().is_ok()) {
            let Ok(rest) = path.strip_prefix(from) else { continue };
            let place = if rest == Path::new("") { at.clone() } else { at.join(rest) };
            if top(tree, &place).is_some_and(|(top, _)| top == number) {
                places.insert(place);
            }
        }
    }
    places
}

/// What a place is in: of several mounts around it, the last.
fn top<'a>(tree: &'a [Entry], place: &Path) -> Option<(usize, &'a Entry)> {
    let is_around = |entry: &Entry| match entry {
        Entry::Host { at, .. }
        | Entry::Layers { at, .. }
        | Entry::Cover { at }
        | Entry::Scratch { at, .. }
        | Entry::Overlay { at } => place.starts_with(at),
        _ => false,
    };
    tree.iter().enumerate().rev().find(|(_, entry)| is_around(entry))
}

/// Whether the mount on top is this host tree, or the overlay over it.
fn is_of(top: usize, seen: &Entry, number: usize, at: &Path) -> bool {
    top == number || matches!(seen, Entry::Overlay { at: over } if over == at)
}

/// Where the mount is, if the program may move things in it.
fn writable_at(entry: &Entry) -> Option<&Path> {
    match entry {
        Entry::Host { at, access: Access::Write, .. } | Entry::Overlay { at } => Some(at),
        _ => None,
    }
}
