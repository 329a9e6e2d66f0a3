//! The files of cases: kept from the program, and the same to the last case as they were before the first.
//!
//! In: the cases. Out: what has to be hidden, and the content of a file that nobody has changed. Not here: finding the files
//! (`discover.rs`), hiding them (the library).

use std::{
    collections::hash_map::RandomState,
    fs::OpenOptions,
    hash::{BuildHasher, Hasher},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use palisade::spec::{Backend, Program, Request, Siblings};
use rustix::fs::OFlags;

use super::discover::Case;
use crate::request::Refused;

/// The cases as they were before anything ran. Their content is not held: all of it together may be large.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Its keys are random and stay in this process, so that nobody can make another file with the same fingerprint.
    state: RandomState,
}

/// What a file was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptFile {
    /// Without links: a program may exchange one that leads here, and not what is hidden from it.
    real: PathBuf,
    length: u64,
    fingerprint: u64,
}

/// A case and what its files were.
#[derive(Clone, Debug)]
pub(crate) struct KeptCase {
    pub(crate) input: KeptFile,
    pub(crate) expected: KeptFile,
}

impl Kept {
    /// Looks at every file of the cases.
    pub(crate) fn of(cases: Vec<Case>) -> Result<(Self, Vec<(String, KeptCase)>), Refused> {
        let kept = Self { state: RandomState::new() };
        let look = |path: PathBuf| {
            let look = || {
                let real = path.canonicalize()?;
                let content = content(&real, u64::MAX)?;
                Ok(KeptFile { real, length: content.len() as u64, fingerprint: kept.fingerprint(&content) })
            };
            look().map_err(|error: io::Error| Refused {
                what: format!("{}: {error}", path.display()),
                hint: "each case is a readable NAME.in and one of NAME.out and NAME.ans, of which both may be empty",
            })
        };
        let all = cases.into_iter().map(|Case { name, input, expected }| {
            Ok((name, KeptCase { input: look(input)?, expected: look(expected)? }))
        });
        let all = all.collect::<Result<_, Refused>>()?;
        Ok((kept, all))
    }

    /// The content of a file, if it is still what it was.
    pub(crate) fn read(&self, was: &KeptFile) -> Result<Vec<u8>, String> {
        let path = was.real.display();
        // One byte more shows that it has grown.
        let now = content(&was.real, was.length.saturating_add(1)).map_err(|error| format!("{path}: {error}"))?;
        if now.len() as u64 == was.length && self.fingerprint(&now) == was.fingerprint {
            Ok(now)
        } else {
            Err(format!("{path}: it was changed while the cases ran"))
        }
    }

    fn fingerprint(&self, content: &[u8]) -> u64 {
        let mut hasher = self.state.build_hasher();
        hasher.write(content);
        hasher.finish()
    }
}

/// At most this much of a file. Whatever has been put in its place is not waited for.
fn content(real: &Path, most: u64) -> io::Result<Vec<u8>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(real)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut content = Vec::new();
    file.take(most).read_to_end(&mut content)?;
    Ok(content)
}

/// Hides the cases from the program and its compiler, whatever else they are shown. Nothing can be hidden without a wall.
pub(crate) fn hide(directory: &Path, cases: &[Case], request: &mut Request) -> Result<(), Refused> {
    let unreadable = |path: &Path, error: &std::io::Error| Refused {
        what: format!("{}: {error}", path.display()),
        hint: "name the directory with the NAME.in and NAME.out files",
    };
    let real = |path: &Path| path.canonicalize().map_err(|error| unreadable(path, &error));
    if request.backend == Backend::None {
        return Ok(());
    }
    let whole = real(directory)?;
    if let Program::Source { file, siblings: Siblings::Visible, .. } = &request.program
        && file.canonicalize().is_ok_and(|file| file.starts_with(&whole))
    {
        return Err(Refused {
            what: format!("--with-dir would show the answers: {} lies in {}", file.display(), directory.display()),
            hint: "put the cases into a directory of their own, or leave --with-dir out",
        });
    }
    let mut hidden = vec![whole.clone()];
    for path in cases.iter().flat_map(|case| [&case.input, &case.expected]) {
        // A link leads out of the directory.
        let target = real(path)?;
        if !target.starts_with(&whole) && !hidden.contains(&target) {
            hidden.push(target);
        }
    }
    request.policy.files.hidden.extend(hidden);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_was_changed_is_not_read_as_if_it_had_not_been() {
        let place = tempfile::tempdir().unwrap();
        let (input, expected) = (place.path().join("a.in"), place.path().join("a.out"));
        fs::write(&input, "1").unwrap();
        fs::write(&expected, "2").unwrap();
        let case = Case { name: "a".to_owned(), input, expected: expected.clone() };
        let (kept, all) = Kept::of(vec![case.clone()]).unwrap();
        let (_, files) = all.first().unwrap();
        assert_eq!(kept.read(&files.expected), Ok(b"2".to_vec()));
        fs::write(&expected, "3").unwrap();
        assert!(kept.read(&files.expected).unwrap_err().contains("a.out: it was changed"));
        assert_eq!(kept.read(&files.input), Ok(b"1".to_vec()));
        fs::remove_file(&expected).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &expected, rustix::fs::Mode::RUSR).unwrap();
        assert!(kept.read(&files.expected).unwrap_err().contains("it is no regular file"));
        fs::remove_file(&expected).unwrap();
        assert!(Kept::of(vec![case]).unwrap_err().what.contains("a.out: No such file"));
    }
}
