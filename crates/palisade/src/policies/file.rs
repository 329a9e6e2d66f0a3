//! A policy file on disk: opened, trusted, read.
//!
//! In: a path and whose file it has to be. Out: its text, a policy, or why it cannot be had; a file that is there is never
//! passed over. Not here: which file belongs to a name (`store`), what its text may say (`read`).

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use palisade_spec::NamedPolicy;
use rustix::fs::{FileType, Mode as FileMode, OFlags, Stat, fstat, open};

use super::read::{Draft, Mode, is_id, read};
use crate::{
    config::in_one_line,
    diagnose::{Malformed, Mistake},
};

/// Largest policy file, in bytes.
const LARGEST: u64 = 1 << 20;

/// Why a policy or a ceiling cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// No store has it.
    #[error("there is no policy `{}` (there are: {})", id.escape_debug(), known.join(", "))]
    Unknown {
        /// As asked.
        id: String,
        /// Every id.
        known: Vec<String>,
        /// The most similar one.
        near: Option<String>,
    },
    /// It is there and cannot be read.
    #[error("cannot read {}: {source}", in_one_line(path))]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else could have written it.
    #[error("{} is not to be trusted: {because}", path.display())]
    Untrusted {
        /// Which file, or its directory.
        path: PathBuf,
        /// Why not.
        because: String,
        /// How to mend that.
        hint: String,
    },
    /// Its text is wrong.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// `PALISADE_CEILING` names no file.
    #[error("PALISADE_CEILING is set, and names no file")]
    NoCeiling,
}

impl PolicyError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { near: Some(near), .. } => Some(format!("did you mean `{near}`?")),
            Self::Unknown { near: None, .. } => Some("`palisade policy list` says where each comes from".to_owned()),
            Self::Unreadable { path, source } => Some(match source.kind() {
                io::ErrorKind::NotFound => "check the path".to_owned(),
                io::ErrorKind::PermissionDenied => {
                    format!(
                        "whoever keeps it lets everybody read it: chmod a+r {0}, and a+x its directory",
                        path.display()
                    )
                }
                _ => "a policy is a regular file of at most 1 MiB of UTF-8 text".to_owned(),
            }),
            Self::Untrusted { hint, .. } => Some(hint.clone()),
            Self::Malformed(malformed) => {
                Some(format!("nothing runs under it until it is mended: palisade policy check {}", malformed.file))
            }
            Self::NoCeiling => Some("name a file with it, or unset it".to_owned()),
        }
    }
}

/// Whose file it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Root's alone.
    Operator,
    /// Anybody's: it is the caller who names it.
    Anybody,
}

/// The text of a file; `None` if there is no such file.
pub(crate) fn text_of(path: &Path, owner: Owner) -> Result<Option<String>, PolicyError> {
    let unreadable = |source: io::Error| PolicyError::Unreadable { path: path.to_owned(), source };
    // Not blocking: a FIFO would wait for a writer here.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match open(path, flags, FileMode::empty()) {
        Ok(file) => file,
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(error) => return Err(unreadable(error.into())),
    };
    let stat = fstat(&file).map_err(|error| unreadable(error.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(unreadable(io::Error::other("it is not a regular file")));
    }
    if owner == Owner::Operator {
        root_s_alone(path, &stat)?;
        // Whoever can write to the directory can put another file there.
        if let Some(directory) = path.parent() {
            let stat = rustix::fs::stat(directory).map_err(|error| unreadable(error.into()))?;
            root_s_alone(directory, &stat)?;
        }
    }
    let mut text = String::new();
    fs::File::from(file).take(LARGEST + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LARGEST {
        return Err(unreadable(io::Error::other("it is larger than 1 MiB")));
    }
    Ok(Some(text))
}

fn root_s_alone(path: &Path, stat: &Stat) -> Result<(), PolicyError> {
    let wrong = |because: String, hint: String| PolicyError::Untrusted { path: path.to_owned(), because, hint };
    if stat.st_uid != 0 {
        let because = format!("it belongs to user {}, who could change it, and not to root", stat.st_uid);
        return Err(wrong(because, format!("chown root {}", path.display())));
    }
    let by_others = stat.st_mode & 0o002 != 0 || (stat.st_mode & 0o020 != 0 && stat.st_gid != 0);
    if by_others {
        let because = format!("others than root can write to it (mode {:o})", stat.st_mode & 0o7777);
        return Err(wrong(because, format!("chmod go-w {}", path.display())));
    }
    Ok(())
}

/// What `~` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// As /etc/passwd says: the caller has no say in it.
    OfUser,
    /// `$HOME`.
    OfCaller,
}

impl Home {
    fn find(self) -> Result<PathBuf, String> {
        let uid = rustix::process::getuid().as_raw();
        let home = match self {
            Self::OfCaller => std::env::var_os("HOME").map(PathBuf::from),
            // Not by getpwuid(3): a static binary has no name services.
            Self::OfUser => fs::read_to_string("/etc/passwd").unwrap_or_default().lines().find_map(|line| {
                let mut fields = line.split(':').skip(2);
                (fields.next() == Some(uid.to_string().as_str())).then(|| fields.nth(2).map(PathBuf::from)).flatten()
            }),
        };
        home.filter(|home| home.is_absolute()).ok_or_else(|| match self {
            Self::OfUser => format!("`~` cannot be known here: /etc/passwd has no home directory for user {uid}"),
            Self::OfCaller => "`~` cannot be known here: $HOME is not set".to_owned(),
        })
    }
}

/// What a policy file can be.
#[derive(Clone, Debug)]
pub enum PolicyFile {
    /// A policy with an id.
    Policy(NamedPolicy),
    /// A ceiling.
    Ceiling(NamedPolicy, Mode),
}

impl PolicyFile {
    /// Reads a file as whatever it is: a ceiling if it has a mode or is called so, else a policy, whose id need not be the
    /// file's name. In `/etc/palisade`, it has to be root's alone.
    ///
    /// # Errors
    /// If it cannot be read, or is wrong; all its mistakes are told.
    pub fn open(path: &Path) -> Result<Self, PolicyError> {
        let missing =
            || PolicyError::Unreadable { path: path.to_owned(), source: io::Error::from(io::ErrorKind::NotFound) };
        let operator_s = path.starts_with("/etc/palisade");
        let (owner, home) = if operator_s { (Owner::Operator, Home::OfUser) } else { (Owner::Anybody, Home::OfCaller) };
        let text = text_of(path, owner)?.ok_or_else(missing)?;
        let file = in_one_line(path);
        let called = path.file_name().is_some_and(|name| name == "ceiling.toml");
        let (draft, _) = read(&text, &|| home.find());
        if called || draft.mode.is_some() {
            let (policy, mode) = ceiling(&file, &text)?;
            return Ok(Self::Ceiling(policy, mode));
        }
        Ok(Self::Policy(policy(&file, &text, None, home)?))
    }

    /// What it allows, in either case.
    #[must_use]
    pub const fn policy(&self) -> &NamedPolicy {
        match self {
            Self::Policy(policy) | Self::Ceiling(policy, _) => policy,
        }
    }
}

/// A named policy out of its text. `id` is what the file's name says.
pub(crate) fn policy(file: &str, text: &str, id: Option<&str>, home: Home) -> Result<NamedPolicy, Malformed> {
    let (draft, mut mistakes) = read(text, &|| home.find());
    if let Some((_, place)) = &draft.mode {
        mistakes
            .push(Mistake::new(place.clone(), "only a ceiling has a mode; a policy that is asked for always narrows"));
    }
    match (&draft.id, id) {
        (Some((said, place)), _) if !is_id(said) => {
            let message = format!("`{}` cannot be an id", said.escape_debug());
            let instead =
                Some("write at most 64 of a-z, 0-9, `-`, `_` and `.`, and begin with one of the first two".to_owned());
            mistakes.push(Mistake { instead, ..Mistake::new(place.clone(), message) });
        }
        (Some((said, place)), Some(id)) if said != id => {
            let message = format!("the id is `{said}`, and the file's name says `{id}`");
            let instead = Some(format!("write `{id}`, or rename the file"));
            mistakes.push(Mistake { instead, ..Mistake::new(place.clone(), message) });
        }
        (None, _) if mistakes.is_empty() => {
            let instead = Some(format!("begin with: id = \"{}\"", id.unwrap_or("name-of-the-file")));
            mistakes.push(Mistake { instead, ..Mistake::new(0..0, "a policy needs an id") });
        }
        _ => {}
    }
    finished(file, text, draft, mistakes)
}

/// A ceiling out of its text.
pub(crate) fn ceiling(file: &str, text: &str) -> Result<(NamedPolicy, Mode), Malformed> {
    let (draft, mistakes) = read(text, &|| Home::OfUser.find());
    let mode = draft.mode.as_ref().map_or_else(Mode::default, |(mode, _)| *mode);
    finished(file, text, draft, mistakes).map(|policy| (policy, mode))
}

fn finished(file: &str, text: &str, draft: Draft, mistakes: Vec<Mistake>) -> Result<NamedPolicy, Malformed> {
    if !mistakes.is_empty() {
        return Err(Malformed::new(file, text, mistakes));
    }
    let id = draft.id.map_or_else(|| "ceiling".to_owned(), |(id, _)| id);
    let name = draft.name.unwrap_or_else(|| id.clone());
    Ok(NamedPolicy { id, name, description: draft.description.unwrap_or_default(), policy: draft.policy })
}
