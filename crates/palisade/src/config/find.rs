//! Finding configuration files, and reading them with care.
//!
//! In: where to look. Out: texts. A project's file may come from a stranger, so whose it is and what it is are looked at on
//! the open descriptor. Not here: what a file says (`file.rs`).

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FileType, Mode, OFlags, Stat, fstat, open},
    io::Errno,
    process::{getegid, geteuid},
};

use super::{
    ConfigError,
    notice::in_one_line,
    origin::{Rank, Text},
};
use crate::{
    environment::Store,
    hiding::closed_by_caller,
    resolve::{absolute, user_config},
};

/// Names of a project's file. Only one of them may be there.
const NAMES: [&str; 2] = ["palisade.toml", "simple.toml"];
/// Where the operator's file is.
const SYSTEM: &str = "/etc/palisade/palisade.toml";
/// The largest file, in bytes.
const LARGEST: u64 = 1 << 20;

/// Where to look.
#[derive(Clone, Debug)]
pub struct Places {
    /// The project's file.
    pub project: Project,
    /// The user's own.
    pub user: Option<PathBuf>,
    /// The operator's.
    pub system: Option<PathBuf>,
    /// What `~` is.
    pub home: Option<PathBuf>,
}

/// Where a project's file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Project {
    /// The nearest in this directory and those above it, up to `/`.
    Upwards(PathBuf),
    /// This one, which is trusted because a person named it.
    File(PathBuf),
    /// Nowhere: neither the project's nor the user's file counts.
    Ignored,
}

impl Places {
    /// The usual places for a process, from its working directory and environment.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self {
            project: std::env::current_dir().map_or(Project::Ignored, Project::Upwards),
            user: user_config().map(|own| own.join("palisade.toml")),
            system: Some(SYSTEM.into()),
            home: absolute("HOME"),
        }
    }

    /// Where a file would decide what the next run may do, whether this one reads it or not.
    pub(super) fn all(&self) -> Vec<PathBuf> {
        let (named, directory) = match &self.project {
            Project::Upwards(directory) => (None, Some(directory.clone())),
            Project::File(file) => (Some(file.clone()), std::env::current_dir().ok()),
            Project::Ignored => (None, std::env::current_dir().ok()),
        };
        let above = directory.iter().flat_map(|directory| directory.ancestors());
        let found = above.flat_map(|place| NAMES.map(|name| place.join(name)));
        // Beside the user's and the operator's files are languages and named policies, and the ceiling.
        let trusted = self.user.iter().chain(&self.system);
        let beside = trusted.clone().filter_map(|file| file.parent()).map(Path::to_owned);
        found.chain(named).chain(trusted.cloned()).chain(beside).chain(environments()).collect()
    }

    /// The files that are there, nearest first.
    pub(super) fn texts(&self) -> Result<Vec<Text>, ConfigError> {
        let (project, user) = match &self.project {
            Project::Upwards(directory) => (upwards(directory)?, &self.user),
            Project::File(file) => (Some(named(file)?), &self.user),
            Project::Ignored => (None, &None),
        };
        let one = |path: &Option<PathBuf>, rank| path.as_deref().map_or(Ok(None), |path| present(path, rank));
        Ok([project, one(user, Rank::User)?, one(&self.system, Rank::System)?].into_iter().flatten().collect())
    }
}

/// Where environments are kept: what is in them decides too.
fn environments() -> Option<PathBuf> {
    Store::new(None).ok().map(|store| store.directory().to_owned())
}

/// The nearest project file in `directory` or above.
fn upwards(directory: &Path) -> Result<Option<Text>, ConfigError> {
    for place in directory.ancestors() {
        let found = NAMES.map(|name| present(&place.join(name), Rank::Project));
        match found {
            [Ok(None), Ok(None)] => {}
            [Ok(None), one] | [one, Ok(None)] => return one,
            [_, _] => {
                return Err(ConfigError::File {
                    file: place.join(NAMES[0]),
                    because: format!("{} stands beside it, and only one of them can hold", NAMES[1]),
                    hint: "remove one, or name the one that holds with --config FILE".to_owned(),
                });
            }
        }
    }
    Ok(None)
}

/// A file that a person named: links are followed, and it must be there.
fn named(file: &Path) -> Result<Text, ConfigError> {
    let path = std::path::absolute(file).map_err(|error| wrong(file, &error.to_string(), "name a file"))?;
    match opened(&path, OFlags::empty()) {
        Ok((content, stat)) => read(content, &stat, path, in_one_line(file), Rank::Project),
        Err(errno) => Err(unreadable(file, errno)),
    }
}

/// A file at a usual place, if there is one.
fn present(path: &Path, rank: Rank) -> Result<Option<Text>, ConfigError> {
    // A stranger could let a link in a shared directory point at a file of the caller's that says more.
    let follow = if rank == Rank::Project { OFlags::NOFOLLOW } else { OFlags::empty() };
    let (content, stat) = match opened(path, follow) {
        Ok(opened) => opened,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(Errno::ACCESS) if path.symlink_metadata().is_err() => {
            return match closed_by_caller(path) {
                // Of somebody else's directory, nothing can be said.
                None => Ok(None),
                // What may be in it holds, and a program that was allowed to change the directory may have closed it.
                Some(closed) => {
                    let because = format!(
                        "{} is your own directory, and closed: nobody can tell whether it is there",
                        closed.display()
                    );
                    let hint = format!("chmod u+rx {}; --no-config runs without it", closed.display());
                    Err(wrong(path, &because, &hint))
                }
            };
        }
        Err(Errno::LOOP) if rank == Rank::Project => {
            let because = "it is a symbolic link, and a project's file must be a file of its own";
            return Err(wrong(path, because, "name the file that it points at with --config FILE, or use --no-config"));
        }
        Err(errno) => return Err(unreadable(path, errno)),
    };
    if rank != Rank::System {
        check_owner(path, &stat, rank)?;
    }
    let name = std::env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    let name = in_one_line(&name.unwrap_or_else(|| path.to_owned()));
    read(content, &stat, path.to_owned(), name, rank).map(Some)
}

fn opened(path: &Path, more: OFlags) -> Result<(File, Stat), Errno> {
    // Not blocking: a FIFO would otherwise wait for a writer here.
    let fd = open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | more, Mode::empty())?;
    let stat = fstat(&fd)?;
    Ok((fd.into(), stat))
}

/// A file that somebody else can write speaks for somebody else: the danger is that of git's `safe.directory`.
fn check_owner(path: &Path, stat: &Stat, rank: Rank) -> Result<(), ConfigError> {
    let own = geteuid().as_raw();
    let remedy = match rank {
        Rank::Project => "if you trust it, name it with --config FILE; --no-config runs without it",
        Rank::User | Rank::System => "HOME and XDG_CONFIG_HOME say where it is; --no-config runs without it",
    };
    if stat.st_uid != own && stat.st_uid != 0 {
        let because = format!("it belongs to user {}, and you are user {own}", stat.st_uid);
        return Err(wrong(path, &because, remedy));
    }
    // Where every user has a group of their own, files are usually writable for it.
    let shared_group = stat.st_mode & 0o020 != 0 && ![0, getegid().as_raw()].contains(&stat.st_gid);
    if stat.st_mode & 0o002 != 0 || shared_group {
        let because = format!("others can write it (mode {:04o})", stat.st_mode & 0o7777);
        let hint = format!("chmod go-w {}; or {remedy}", in_one_line(path));
        return Err(wrong(path, &because, &hint));
    }
    Ok(())
}

fn read(mut file: File, stat: &Stat, path: PathBuf, name: String, rank: Rank) -> Result<Text, ConfigError> {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => None,
        FileType::Directory => Some("a directory"),
        FileType::Fifo => Some("a FIFO"),
        _ => Some("a device"),
    };
    if let Some(kind) = kind {
        return Err(wrong(&path, &format!("it is {kind}, not a regular file"), "put a text file in its place"));
    }
    let mut bytes = Vec::new();
    let length = file.by_ref().take(LARGEST + 1).read_to_end(&mut bytes);
    let length = length.map_err(|error| wrong(&path, &error.to_string(), "it must be readable"))?;
    if length as u64 > LARGEST {
        let because = format!("it is larger than {LARGEST} bytes");
        return Err(wrong(&path, &because, "a configuration is a page of text: is this the right file?"));
    }
    let content = String::from_utf8(bytes).map_err(|error| {
        let because = format!("byte {} is not UTF-8", error.utf8_error().valid_up_to());
        wrong(&path, &because, "save it as UTF-8 text")
    })?;
    Ok(Text { path, name, rank, content })
}

fn unreadable(path: &Path, errno: Errno) -> ConfigError {
    let hint = match errno {
        Errno::ACCESS => "give yourself read permission, or use --no-config",
        Errno::NOENT => "check the path",
        _ => "it must be a readable text file",
    };
    wrong(path, &std::io::Error::from(errno).to_string(), hint)
}

fn wrong(file: &Path, because: &str, hint: &str) -> ConfigError {
    ConfigError::File { file: file.to_owned(), because: because.to_owned(), hint: hint.to_owned() }
}
