//! What is special inside of host trees: hidden paths, kept ones, and the directories that lead to them.
//!
//! In: the tree so far. Out: the entries that follow it. Only what is mounted stays in its place: a directory above a hidden
//! path could be renamed in a writable tree, and the path be read by the next run under its new name. Not here: which paths
//! these are (`hiding.rs`, `trees.rs`), the calls (`script.rs`).

use std::{
    collections::BTreeSet,
    fs,
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
    let inner = tree.iter().enumerate().filter_map(|(number, entry)| match entry {
        Entry::Host { at, .. } => Some((number, at.as_path())),
        _ => None,
    });
    let special = hides.iter().chain(&keeps).filter_map(|entry| match entry {
        Entry::Hide { at, presence: Presence::Needed, .. } | Entry::Keep { at, .. } => Some((tree.len(), at.as_path())),
        _ => None,
    });
    let pins: BTreeSet<PathBuf> =
        inner.chain(special).flat_map(|(number, at)| between(tree.get(..number).unwrap_or(tree), at)).collect();
    let pins = pins.into_iter().map(|at| Entry::Pin { at });
    pins.chain(keeps).chain(hides).collect()
}

/// The directories between a place and the root of the writable tree that it is in.
fn between(before: &[Entry], place: &Path) -> Vec<PathBuf> {
    let Some(root) = top(before, place).and_then(|(_, root)| writable_at(root)) else { return Vec::new() };
    place.ancestors().skip(1).take_while(|path| *path != root && path.starts_with(root)).map(Path::to_owned).collect()
}

/// Where hidden paths of the host would be seen, in the trees that show them.
fn hides(tree: &[Entry], hidden: &[PathBuf]) -> Vec<Entry> {
    let mut places: Vec<(PathBuf, Presence, Closed)> = Vec::new();
    for (number, entry) in tree.iter().enumerate() {
        let Entry::Host { from, at, .. } = entry else { continue };
        for hide in hidden {
            let place = match hide.strip_prefix(from) {
                Ok(rest) if rest == Path::new("") => at.clone(),
                Ok(rest) => at.join(rest),
                Err(_) if from.starts_with(hide) => at.clone(),
                Err(_) => continue,
            };
            let (mut presence, mut closed) = (Presence::IfThere, Closed::Passed);
            // Something else may be mounted over it, and then nothing is known of what is there.
            if let Some((_, seen)) = top(tree, &place).filter(|(top, seen)| is_of(*top, seen, number, at)) {
                presence = if is_to_stay(hide) { Presence::Needed } else { Presence::IfThere };
                closed = if writable_at(seen).is_some() { Closed::Refused } else { Closed::Passed };
            }
            places.push((place, presence, closed));
        }
    }
    places.sort_by(|one, other| one.0.cmp(&other.0));
    places.dedup_by(|one, other| one.0 == other.0);
    places.into_iter().map(|(at, presence, closed)| Entry::Hide { at, presence, closed }).collect()
}

/// Where writable trees show paths that are only to be read, unless a tree of their own is mounted there.
fn keeps(tree: &[Entry], kept: &[PathBuf]) -> Vec<Entry> {
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
    places.into_iter().map(|at| Entry::Keep { at }).collect()
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

/// Whether it is there, and no socket, which its daemon may remove at any time.
fn is_to_stay(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| !meta.file_type().is_socket())
}
