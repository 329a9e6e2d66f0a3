//! What layers disagree about: files of one name and different content, of which an overlay shows only one.
//!
//! Layers are often what other programs left, so nothing in them is followed or waited for. Directories of one name are
//! merged by an overlay and never a conflict. Not here: mounting (`native::layers`).

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use palisade_spec::{Difference, LayerConflict, Layers};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};

use crate::error::StartError;

/// Most conflicts that are listed.
const LISTED: usize = 100;
/// Deepest directory that is looked into: a path of the kernel's longest length has no more parts.
const DEEPEST: usize = 2048;
/// Bytes compared at a time.
const CHUNK: usize = 64 << 10;

/// The first conflicts, by name, and how many more there are.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) listed: Vec<LayerConflict>,
    pub(crate) omitted: u64,
}

/// Every name that means different things in two of `layers`, of which the leftmost wins, sorted by name.
///
/// A file is compared with the one that is seen in its place, so three different files are two conflicts. Reads every name
/// in all layers, and files of equal size whole.
///
/// # Errors
/// If a layer cannot be read.
pub fn conflicts(layers: &[PathBuf]) -> Result<Vec<LayerConflict>, StartError> {
    let mut seen: HashMap<PathBuf, (usize, Thing)> = HashMap::new();
    let mut found = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        let mut waiting = vec![PathBuf::new()];
        while let Some(directory) = waiting.pop() {
            for (name, thing) in list(&layer.join(&directory))? {
                let path = directory.join(name);
                if thing == Thing::Directory && path.components().count() < DEEPEST {
                    waiting.push(path.clone());
                }
                let Some((winner, other)) = seen.get(&path) else {
                    seen.insert(path, (number, thing));
                    continue;
                };
                let Some(winner) = layers.get(*winner) else { continue };
                if let Some(differ) = difference(&winner.join(&path), *other, &layer.join(&path), thing)? {
                    found.push(LayerConflict { path, seen: winner.clone(), hidden: layer.clone(), differ });
                }
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// Those of the stacks that are to be compared.
pub(crate) fn asked_for(stacks: &[Layers]) -> Result<Found, StartError> {
    let mut listed = Vec::new();
    for stack in stacks.iter().filter(|stack| stack.conflicts == palisade_spec::Conflicts::Reported) {
        listed.append(&mut conflicts(&stack.lower)?);
    }
    let omitted = listed.len().saturating_sub(LISTED) as u64;
    listed.truncate(LISTED);
    Ok(Found { listed, omitted })
}

/// What a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thing {
    Directory,
    File,
    Link,
    /// A device, a FIFO, a socket; also a whiteout.
    Other,
}

fn list(directory: &Path) -> Result<Vec<(std::ffi::OsString, Thing)>, StartError> {
    let read = || -> io::Result<Vec<_>> {
        fs::read_dir(directory)?
            .map(|entry| {
                let entry = entry?;
                let kind = entry.file_type()?;
                let thing = if kind.is_dir() {
                    Thing::Directory
                } else if kind.is_symlink() {
                    Thing::Link
                } else if kind.is_file() {
                    Thing::File
                } else {
                    Thing::Other
                };
                Ok((entry.file_name(), thing))
            })
            .collect()
    };
    read().map_err(|error| unreadable(directory, &error))
}

fn difference(one: &Path, thing: Thing, other: &Path, other_thing: Thing) -> Result<Option<Difference>, StartError> {
    if thing != other_thing {
        return Ok(Some(Difference::Kind));
    }
    let same = match thing {
        Thing::Directory | Thing::Other => true,
        Thing::Link => {
            let target = |path: &Path| fs::read_link(path).map_err(|error| unreadable(path, &error));
            target(one)? == target(other)?
        }
        Thing::File => {
            let (mut one, mut other) = (content(one)?, content(other)?);
            same_content(&mut one, &mut other)?
        }
    };
    Ok((!same).then_some(Difference::Content))
}

/// A regular file to be read, and its size.
struct Content<'a> {
    path: &'a Path,
    file: File,
    size: u64,
}

/// Not through a link, and not waiting for a FIFO that may have taken the file's place.
fn content(path: &Path) -> Result<Content<'_>, StartError> {
    let open = || -> io::Result<(File, u64)> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = open(path, flags, Mode::empty())?;
        let stat = fstat(&fd)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(io::Error::other("it changes while it is read"));
        }
        Ok((fd.into(), u64::try_from(stat.st_size).unwrap_or(0)))
    };
    let (file, size) = open().map_err(|error| unreadable(path, &error))?;
    Ok(Content { path, file, size })
}

impl Content<'_> {
    /// The next portion; empty at the end.
    fn read_to(&mut self, chunk: &mut Vec<u8>) -> Result<(), StartError> {
        chunk.clear();
        let portion = self.file.by_ref().take(CHUNK as u64).read_to_end(chunk);
        portion.map(drop).map_err(|error| unreadable(self.path, &error))
    }
}

fn same_content(one: &mut Content<'_>, other: &mut Content<'_>) -> Result<bool, StartError> {
    if one.size != other.size {
        return Ok(false);
    }
    let (mut left, mut right) = (Vec::with_capacity(CHUNK), Vec::with_capacity(CHUNK));
    loop {
        one.read_to(&mut left)?;
        other.read_to(&mut right)?;
        if left != right {
            return Ok(false);
        }
        if left.is_empty() {
            return Ok(true);
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> StartError {
    StartError::Path {
        path: path.to_owned(),
        because: format!("the layers cannot be compared: {error}"),
        hint: "a layer must be readable by this user, and must not change while it is used".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn found(make: impl FnOnce([&Path; 3])) -> Vec<(String, char, char, Difference)> {
        let place = tempfile::tempdir().unwrap();
        let layers = ["a", "b", "c"].map(|name| place.path().join(name));
        layers.iter().for_each(|layer| fs::create_dir(layer).unwrap());
        make([&layers[0], &layers[1], &layers[2]]);
        let letter = |path: &Path| path.to_str().unwrap().chars().last().unwrap();
        conflicts(&layers)
            .unwrap()
            .iter()
            .map(|it| (it.path.display().to_string(), letter(&it.seen), letter(&it.hidden), it.differ))
            .collect()
    }

    #[test]
    fn files_of_one_name_and_different_content_are_conflicts_with_the_one_that_is_seen() {
        let all = found(|[a, b, c]| {
            for (layer, text) in [(a, "1"), (b, "2"), (c, "3")] {
                fs::create_dir_all(layer.join("usr/include")).unwrap();
                fs::write(layer.join("usr/include/x.h"), text).unwrap();
            }
            fs::write(b.join("longer"), "22").unwrap();
            fs::write(c.join("longer"), "222").unwrap();
        });
        let content = Difference::Content;
        let x = "usr/include/x.h".to_owned();
        assert_eq!(
            all,
            [("longer".to_owned(), 'b', 'c', content), (x.clone(), 'a', 'b', content), (x, 'a', 'c', content)]
        );
    }

    #[test]
    fn what_is_the_same_everywhere_is_no_conflict() {
        let all = found(|layers| {
            for layer in layers {
                fs::create_dir_all(layer.join("empty/directory")).unwrap();
                fs::write(layer.join("large"), vec![7; 3 * CHUNK + 1]).unwrap();
                symlink("large", layer.join("link")).unwrap();
            }
        });
        assert_eq!(all, []);
    }

    #[test]
    fn one_byte_at_the_end_of_a_large_file_is_a_conflict() {
        let all = found(|[a, b, _]| {
            let mut bytes = vec![7; 3 * CHUNK];
            fs::write(a.join("large"), &bytes).unwrap();
            bytes[3 * CHUNK - 1] = 8;
            fs::write(b.join("large"), &bytes).unwrap();
        });
        assert_eq!(all, [("large".to_owned(), 'a', 'b', Difference::Content)]);
    }

    #[test]
    fn links_are_compared_by_what_they_say_and_nothing_is_followed_or_waited_for() {
        let all = found(|[a, b, _]| {
            symlink("/", a.join("root")).unwrap();
            symlink("/etc", b.join("root")).unwrap();
            let fifo = |at: &Path| rustix::fs::mknodat(rustix::fs::CWD, at, FileType::Fifo, Mode::RUSR, 0).unwrap();
            fifo(&a.join("fifo"));
            fifo(&b.join("fifo"));
            fifo(&a.join("mixed"));
            fs::write(b.join("mixed"), "").unwrap();
        });
        let (kind, content) = (Difference::Kind, Difference::Content);
        assert_eq!(all, [("mixed".to_owned(), 'a', 'b', kind), ("root".to_owned(), 'a', 'b', content)]);
    }
}
