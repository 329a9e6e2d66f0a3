//! The host's files that a request shows to a program: which, where, and whether they may be shown at all.
//!
//! Each path that somebody asked for is resolved once, and held open: the child compares what it mounts with that. Not
//! here: what is hidden in them (`hiding.rs`), how they are mounted (`native::files`).

use std::{
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use palisade_spec::{FilesPolicy, Program, Request, Siblings};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat2};

use crate::{
    environment,
    error::StartError,
    hiding,
    host::is_left_out,
    job::{Access, Base, Held, Job, Shown},
    language::WORK,
};

/// Places of the sandbox's tree that are palisade's own.
const OWN: [&str; 8] = ["/", "/tmp", "/dev/shm", "/work", "/build", "/.empty", "/.hidden", "/.upper"];
/// Places that can be shown only as a whole, and are the sandbox's own.
const WHOLE: [&str; 2] = ["/proc", "/dev"];

/// What a request shows and hides.
#[derive(Debug)]
pub(crate) struct Trees {
    base: Base,
    shown: Vec<Shown>,
    hidden: Vec<PathBuf>,
    kept: Vec<PathBuf>,
    /// Canonical, at its own path.
    pub(crate) directory: Option<PathBuf>,
    pub(crate) overlay: Option<PathBuf>,
}

impl Trees {
    /// The host paths of a request: canonical outside, as they were named inside.
    pub(crate) fn of(request: &Request) -> Result<Self, StartError> {
        let policy = &request.policy.files;
        let mut asked = Vec::new();
        for path in &policy.read {
            asked.push(Asked::of(path, Access::Read)?);
        }
        for path in &policy.write {
            asked.push(Asked::of(path, Access::Write)?);
        }
        let whole = Path::new("/");
        let base = if asked.iter().any(|one| one.from == whole && one.access == Access::Read) {
            Base::Host
        } else {
            Base::Toolchain
        };
        let source = source_directory(request)?;
        let named: Vec<PathBuf> = asked.iter().map(|one| one.from.clone()).collect();
        let overlay = request.files.overlay.as_ref().map(|overlay| Asked::of(&overlay.directory, Access::Overlay));
        let overlay = overlay.transpose()?;
        if let Some(overlay) = &overlay {
            overlay.check_overlay(&asked)?;
        }
        let hidden = hiding::asked(&policy.hidden)?;
        // Hiding wins over showing.
        asked.retain(|one| !hidden.iter().any(|hide| one.from.starts_with(hide)));
        // What is named is shown even where the program could not reach it at its place among all of the host's files.
        asked.retain(|one| base == Base::Toolchain || one.access != Access::Read || one.from != whole);
        let overlaid = overlay.as_ref().map(|overlay| overlay.from.clone());
        asked.retain(|one| Some(&one.from) != overlaid.as_ref());
        asked.extend(overlay);
        let taken = request.activated.is_some().then_some(environment::PLACE);
        let mut shown = Vec::new();
        for one in asked {
            shown.push(one.checked(base, taken)?);
        }
        if let Some(work) = &request.work {
            shown.push(writable_work(work, &hidden)?);
        }
        place(&mut shown, base);
        let kept = hiding::everywhere(kept(policy));
        for one in shown.iter_mut().filter(|one| one.access == Access::Write) {
            if kept.iter().any(|path| one.from.starts_with(path)) {
                one.access = Access::Read;
            }
        }
        // The source file's directory is shown elsewhere, and no less.
        let all: Vec<Shown> = shown.iter().cloned().chain(source).collect();
        let hidden = hiding::all(hidden, base, &all, &named)?;
        let directory = request.files.directory.as_deref().map(|path| directory(path, base, &shown)).transpose()?;
        Ok(Self { base, shown, hidden, kept, directory, overlay: overlaid })
    }

    /// Gives them to a job. The compiler gets no overlay: what it leaves is elsewhere.
    pub(crate) fn give(&self, job: &mut Job) {
        job.base = self.base;
        let compiles = job.stage == palisade_spec::Stage::Compile;
        job.shown.extend(self.shown.iter().cloned().map(|shown| match shown.access {
            Access::Overlay if compiles => Shown { access: Access::Read, ..shown },
            _ => shown,
        }));
        job.hidden.extend(self.hidden.iter().cloned());
        job.kept.extend(self.kept.iter().cloned());
    }
}

/// Host paths that are only read in whatever tree is writable, by where they are: those that have to be, and those named for
/// reading inside of a tree named for writing.
pub(crate) fn kept(files: &FilesPolicy) -> Vec<PathBuf> {
    let real = |paths: &[PathBuf]| -> Vec<PathBuf> {
        // What is not there is an error of its own, later.
        paths.iter().filter_map(|path| path.canonicalize().ok()).collect()
    };
    let mut kept: Vec<PathBuf> = files.kept.iter().filter_map(|path| std::path::absolute(path).ok()).collect();
    kept = kept.iter().map(|path| hiding::nearest(path)).collect();
    if !files.write.is_empty() && !files.read.is_empty() {
        let write = real(&files.write);
        let inside = |path: &PathBuf| write.iter().any(|tree| path.starts_with(tree)) && !write.contains(path);
        kept.extend(real(&files.read).into_iter().filter(inside));
    }
    kept
}

/// A host directory that the program sees as /work.
fn writable_work(work: &Path, hidden: &[PathBuf]) -> Result<Shown, StartError> {
    let from = work.canonicalize().map_err(|error| path_error(work, &error))?;
    let at = Path::new(WORK);
    let wrong = |because: &str| StartError::Path {
        path: work.to_owned(),
        because: because.to_owned(),
        hint: "name a directory made for the program".to_owned(),
    };
    if is_own(&from, at) || !from.is_dir() {
        return Err(wrong("it cannot be the program's /work"));
    }
    if hidden.iter().any(|hide| from.starts_with(hide)) {
        return Err(wrong("it has to be hidden"));
    }
    let held = Held::open(&from).map_err(|error| path_error(work, &error))?;
    Ok(Shown { from, at: at.to_owned(), access: Access::Write, held: Some(Arc::new(held)) })
}

fn source_directory(request: &Request) -> Result<Option<Shown>, StartError> {
    match &request.program {
        Program::Source { file, siblings: Siblings::Visible, .. } => {
            let file = file.canonicalize().map_err(|error| path_error(file, &error))?;
            Ok(file.parent().map(Shown::read))
        }
        _ => Ok(None),
    }
}

/// A path that somebody asked for.
struct Asked {
    path: PathBuf,
    /// Absolute, as it was named.
    at: PathBuf,
    /// Canonical.
    from: PathBuf,
    access: Access,
}

impl Asked {
    fn of(path: &Path, access: Access) -> Result<Self, StartError> {
        Ok(Self {
            at: std::path::absolute(path).map_err(|error| path_error(path, &error))?,
            from: path.canonicalize().map_err(|error| path_error(path, &error))?,
            path: path.to_owned(),
            access,
        })
    }

    fn check_overlay(&self, asked: &[Self]) -> Result<(), StartError> {
        let wrong = |because: &str, hint: &str| StartError::Path {
            path: self.path.clone(),
            because: because.to_owned(),
            hint: hint.to_owned(),
        };
        if !asked.iter().any(|one| self.from.starts_with(&one.from)) {
            return Err(wrong("the policy does not let it be read", "name it in `allow_read` too"));
        }
        if asked.iter().any(|one| one.access == Access::Write && self.from.starts_with(&one.from)) {
            return Err(wrong(
                "it is writable on the host, and an overlay would keep the host's as it is",
                "leave out the overlay, or what makes it writable: --allow-write, --workspace, or the profile that says so \
                 (`palisade config show` tells which)",
            ));
        }
        if !self.from.is_dir() {
            return Err(wrong("it is no directory, and only a directory can have an overlay", "name its directory"));
        }
        Ok(())
    }

    fn checked(self, base: Base, taken: Option<&str>) -> Result<Shown, StartError> {
        for place in [&self.at, &self.from] {
            if is_own(place, &self.at) || taken.is_some_and(|taken| self.at.starts_with(taken)) {
                let hint = if self.access == Access::Read && self.from == Path::new("/") {
                    "all of the host's files are read with --filesystem read-only"
                } else {
                    "name the directories below it that the program needs"
                };
                return Err(StartError::Path {
                    path: self.path.clone(),
                    because: format!("{} is a place of the sandbox itself", place.display()),
                    hint: hint.to_owned(),
                });
            }
        }
        if self.at.components().any(|part| part == Component::ParentDir) {
            return Err(StartError::Path {
                path: self.path.clone(),
                because: "it has `..` after a name that may be a link".to_owned(),
                hint: format!("write {}", self.from.display()),
            });
        }
        let held = Held::open(&self.from).map_err(|error| path_error(&self.path, &error))?;
        // Where the whole host is shown, links lead where they lead there.
        let at = if base == Base::Host && !is_left_out(&self.at) { self.from.clone() } else { self.at };
        Ok(Shown { from: self.from, at, access: self.access, held: Some(Arc::new(held)) })
    }
}

/// Puts outer trees first, so that an inner one is not covered. One that lies inside another is at its own place there: the
/// name by which it was asked for may lead through a link.
fn place(shown: &mut [Shown], base: Base) {
    if base == Base::Toolchain {
        let places: Vec<PathBuf> = shown.iter().map(|shown| shown.at.clone()).collect();
        for one in &mut *shown {
            if one.at != one.from && places.iter().any(|place| *place != one.at && one.at.starts_with(place)) {
                one.at.clone_from(&one.from);
            }
        }
    }
    // An overlay covers what is only read at the same place.
    shown.sort_by_key(|shown| (shown.at.components().count(), shown.access == Access::Overlay));
}

/// Where the program starts.
fn directory(path: &Path, base: Base, shown: &[Shown]) -> Result<PathBuf, StartError> {
    let wrong = |because: &str, hint: &str| StartError::Path {
        path: path.to_owned(),
        because: because.to_owned(),
        hint: hint.to_owned(),
    };
    let from = path.canonicalize().map_err(|error| path_error(path, &error))?;
    if !from.is_dir() {
        return Err(wrong("it is no directory, and the program is to start there", "name a directory"));
    }
    let tree = shown.iter().rev().find(|shown| from.starts_with(&shown.from));
    match tree {
        Some(tree) => match from.strip_prefix(&tree.from) {
            Ok(rest) if rest != Path::new("") => Ok(tree.at.join(rest)),
            _ => Ok(tree.at.clone()),
        },
        None if base == Base::Host && !is_left_out(&from) => Ok(from),
        None => Err(wrong("the policy does not show it", "show it with --allow-read, --allow-write or --overlay")),
    }
}

/// Whether `place`, which a program would see at `at`, belongs to the sandbox itself.
pub(crate) fn is_own(place: &Path, at: &Path) -> bool {
    let inside = place == at && OWN.iter().any(|own| place == Path::new(own));
    inside || place == Path::new("/") || WHOLE.iter().any(|own| place.starts_with(own))
}

impl Held {
    /// Opens a canonical path, without the right to read or change what is there.
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let file = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)?;
        let stat = fstat(&file)?;
        Ok(Self {
            identity: palisade_sys::Identity { device: stat.st_dev, inode: stat.st_ino },
            is_directory: FileType::from_raw_mode(stat.st_mode) == FileType::Directory,
            owner: (stat.st_uid, stat.st_gid),
            mode: stat.st_mode & 0o7777,
            file,
        })
    }
}

pub(crate) fn path_error(path: &Path, error: &std::io::Error) -> StartError {
    StartError::Path {
        path: path.to_owned(),
        because: error.to_string(),
        hint: "the path must exist on the host, and this user must be able to reach it".to_owned(),
    }
}
