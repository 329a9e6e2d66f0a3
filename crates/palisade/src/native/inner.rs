//! What is special inside of host trees: hidden paths, kept ones, and the directories that lead to them.
//!
//! In: the tree so far. Out: the entries that follow it. Only what is mounted stays in its place: a directory above a hidden
//! path could be renamed in a writable tree, and the path be read by the next run under its new name. Not here: which paths
//! these are (`hiding.rs`, `trees.rs`), the calls (`script.rs`).

use std::{
    collections::BTreeMap,
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
    let kept = keeps.iter().map(|(at, presence)| (tree.len(), at, *presence));
    let mut pins: BTreeMap<PathBuf, Presence> = BTreeMap::new();
    for (number, at, presence) in inner.chain(kept).chain(hidden) {
        for directory in between(tree.get(..number).unwrap_or(tree), at) {
            let known = pins.entry(directory).or_insert(presence);
            *known = presence.max(*known);
        }
    }
    let pins = pins.into_iter().map(|(at, presence)| Entry::Pin { at, presence });
    let keeps = keeps.into_iter().map(|(at, presence)| Entry::Keep { at, presence });
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
    /// Nobody can say.
    Perhaps,
    /// A socket, which whoever made it may remove at any time, and put something else in its place. A link there shows
    /// nothing of what was to be hidden, no more than if there were nothing.
    Socket,
    /// It is not.
    No,
}

impl There {
    fn of(path: &Path) -> Self {
        match fs::symlink_metadata(path) {
            Ok(meta) if meta.file_type().is_socket() => Self::Socket,
            Ok(_) => Self::Yes,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Self::No,
            Err(_) => Self::Perhaps,
        }
    }

    const fn presence(self) -> Presence {
        match self {
            Self::Yes => Presence::Needed,
            Self::Perhaps | Self::No => Presence::IfThere,
            Self::Socket => Presence::Fleeting,
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
                // By another name the program might open the way to it, also if this one shows it read-only.
                let is_open = writable_at(seen).is_some() || is_writable(tree, hide);
                let closed = if is_open { Closed::Refused } else { Closed::Passed };
                places.insert(place, Hide { there: There::of(hide), closed });
            } else {
                places.entry(place).or_insert(Hide { there: There::No, closed: Closed::Passed });
            }
        }
    }
    places
}

/// Where writable trees show paths that are only to be read, unless a tree of their own is mounted there.
fn keeps(tree: &[Entry], kept: &[PathBuf]) -> BTreeMap<PathBuf, Presence> {
    let mut places = BTreeMap::new();
    for (number, entry) in tree.iter().enumerate() {
        let Entry::Host { from, at, access: Access::Write, .. } = entry else { continue };
        for path in kept {
            let Ok(rest) = path.strip_prefix(from) else { continue };
            let there = There::of(path);
            let place = if rest == Path::new("") { at.clone() } else { at.join(rest) };
            if there != There::No && top(tree, &place).is_some_and(|(top, _)| top == number) {
                places.insert(place, there.presence());
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

/// Whether the program may change this path of the host by some name.
fn is_writable(tree: &[Entry], path: &Path) -> bool {
    tree.iter().any(|entry| matches!(entry, Entry::Host { from, access: Access::Write, .. } if path.starts_with(from)))
}

/// Where the mount is, if the program may move things in it.
fn writable_at(entry: &Entry) -> Option<&Path> {
    match entry {
        Entry::Host { at, access: Access::Write, .. } | Entry::Overlay { at } => Some(at),
        _ => None,
    }
}
