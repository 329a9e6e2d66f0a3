//! Files that a program leaves for its caller: regular ones that match a glob, out of places that it could write to.
//!
//! Two sides that nobody is trusted on: the program has made up what is there, and somebody may have put links where the
//! files go. Both are walked through descriptors, beneath a directory that was opened once. Not here: what the compiler
//! leaves (`collect.rs`), the changes to an overlay (`changes.rs`).

use std::{
    collections::HashSet,
    io,
    os::fd::{AsFd, OwnedFd},
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use globset::{GlobBuilder, GlobMatcher};
use palisade_spec::{Left, LeftKind, Name, Outputs, Taken};
use rustix::{
    fs::{Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat2},
    process::geteuid,
};

use crate::{
    error::StartError,
    into::{Into, Written},
    job::{Access, Collecting, Job},
    supervise,
    target::Target,
};

/// Most files and directories that are looked at.
const LOOKED_AT: u64 = 1 << 20;
/// Most of them that are named in a report because they were not taken.
const NAMED: usize = 256;

/// Most places that they are in: each takes a descriptor in one message.
const PLACES: usize = 4;

/// One pattern, as it is used.
#[derive(Debug)]
struct Pattern {
    /// The writable place that it looks in: absolute, inside.
    place: PathBuf,
    /// What a path relative to that place has to match.
    matcher: GlobMatcher,
    /// Where its files go, relative to the caller's directory.
    prefix: PathBuf,
}

/// The outputs of a job, if it can have them.
pub(crate) fn checked(outputs: &Outputs, job: &Job) -> Result<Collecting, StartError> {
    let target = Arc::new(Target::find(&outputs.directory, job)?);
    let asked = Outputs { directory: target.path.clone(), ..outputs.clone() };
    let outputs = Collecting { asked, target };
    // The job does not hold them yet, and whether /work is writable depends on them.
    let asks = Job { outputs: Some(outputs.clone()), ..job.clone() };
    for text in &outputs.asked.patterns {
        pattern(text, &asks)?;
    }
    let places = places(&asks).len();
    if places > PLACES {
        return Err(StartError::Value {
            what: "the outputs",
            value: format!("in {places} places"),
            because: format!("they can be in at most {PLACES}"),
            hint: "let the program write them to one directory".to_owned(),
        });
    }
    Ok(outputs)
}

/// Places of a job in which its outputs can be, in order and each once.
pub(crate) fn places(job: &Job) -> Vec<PathBuf> {
    let Some(outputs) = &job.outputs else { return Vec::new() };
    // They were checked with the request.
    let mut places: Vec<PathBuf> =
        outputs.asked.patterns.iter().filter_map(|text| pattern(text, job).ok()).map(|pattern| pattern.place).collect();
    places.sort();
    places.dedup();
    places
}

fn pattern(text: &str, job: &Job) -> Result<Pattern, StartError> {
    let wrong = |because: String, hint: &str| StartError::Value {
        what: "an output pattern",
        value: format!("`{}`", text.escape_debug()),
        because,
        hint: hint.to_owned(),
    };
    let path = Path::new(text);
    if text.is_empty() || path.components().any(|part| part == Component::ParentDir) {
        return Err(wrong("it is empty or has `..` in it".to_owned(), "for example --output 'out/**/*.csv'"));
    }
    let writable = writable(job);
    let is_writable = |place: &Path| writable.iter().any(|known| place.starts_with(known));
    let (place, glob, prefix) = if path.is_absolute() {
        let literal: PathBuf = path
            .components()
            .take_while(|part| !part.as_os_str().as_bytes().iter().any(|byte| b"*?[{\\".contains(byte)))
            .collect();
        let Some(place) =
            writable.iter().filter(|place| literal.starts_with(place)).max_by_key(|place| place.as_os_str().len())
        else {
            let list: Vec<String> = writable.iter().map(|place| place.display().to_string()).collect();
            return Err(wrong(
                "it does not begin with a place that the program can write to".to_owned(),
                &format!("those are {}", list.join(", ")),
            ));
        };
        let rest = path.strip_prefix(place).unwrap_or(path).to_string_lossy().into_owned();
        (place.clone(), rest, place.strip_prefix("/").unwrap_or(place).to_owned())
    } else {
        if !is_writable(&job.directory) {
            return Err(wrong(
                format!("the working directory {} is read-only", job.directory.display()),
                "leave out --with-dir, or write to /tmp and name --output '/tmp/…'",
            ));
        }
        (job.directory.clone(), text.trim_start_matches("./").to_owned(), PathBuf::new())
    };
    let matcher = GlobBuilder::new(&glob)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map_err(|error| wrong(error.kind().to_string(), "`*`, `?`, `[a-z]`, `{a,b}` and `**` have a meaning here"))?
        .compile_matcher();
    Ok(Pattern { place, matcher, prefix })
}

/// Where a job's program can write.
fn writable(job: &Job) -> Vec<PathBuf> {
    let scratch = job.scratch().into_iter().map(PathBuf::from);
    let shown = job.shown.iter().filter(|shown| shown.access != Access::Read).map(|shown| shown.at.clone());
    scratch.chain(shown).collect()
}

/// Copies the outputs of a job out of its places, which were opened in the sandbox.
///
/// What covered its `hidden` places there has gone with its mounts: what is in them is no output of the program.
pub(crate) fn take(job: &Job, hidden: &HashSet<&Path>, from: &supervise::Left) -> (Vec<Taken>, Vec<Left>) {
    // An ordinary user's programs have its ids, and the kernel says what they can read.
    let reader = (from.user != geteuid().as_raw()).then_some(from.user);
    let mut round = Round { hidden, reader, taken: Vec::new(), left: Vec::new(), bytes: 0, omitted: 0, looked_at: 0 };
    let Some(Collecting { asked: outputs, target }) = &job.outputs else { return (round.taken, round.left) };
    let patterns: Vec<Pattern> = outputs.patterns.iter().filter_map(|text| pattern(text, job).ok()).collect();
    match Into::directory(target, outputs.existing) {
        Ok(target) => {
            for (place, root) in &from.places {
                let patterns: Vec<&Pattern> = patterns.iter().filter(|pattern| pattern.place == *place).collect();
                round.walk((place, root), &patterns, outputs, &target);
            }
        }
        Err(error) => round.leave(&outputs.directory, format!("it cannot be written to: {error}").into()),
    }
    if round.omitted > 0 {
        let because = format!("{} more were not taken", round.omitted);
        round.left.push(Left { path: Name(b"...".to_vec()), kind: LeftKind::Failed, because });
    }
    round.taken.sort_by(|a, b| a.path.cmp(&b.path));
    (round.taken, round.left)
}

struct Round<'a> {
    /// Places inside that the program could not see.
    hidden: &'a HashSet<&'a Path>,
    /// The program's user, if this process could read more than that.
    reader: Option<u32>,
    taken: Vec<Taken>,
    left: Vec<Left>,
    bytes: u64,
    omitted: u64,
    looked_at: u64,
}

impl Round<'_> {
    /// That a program could have read this by itself: it may have moved what is somebody else's in its own directory.
    fn is_readable(&self, stat: &Stat) -> Result<(), NotTaken> {
        let needs = if FileType::from_raw_mode(stat.st_mode) == FileType::Directory { 0o5 } else { 0o4 };
        match self.reader {
            Some(user) if stat.st_uid != user && stat.st_mode & needs != needs => {
                Err("it is another user's, and closed to the program".to_owned().into())
            }
            _ => Ok(()),
        }
    }

    fn leave(&mut self, path: &Path, why: NotTaken) {
        if self.left.len() < NAMED {
            let path = Name(path.as_os_str().as_bytes().to_vec());
            self.left.push(Left { path, kind: why.kind, because: why.because });
        } else {
            self.omitted += 1;
        }
    }

    /// Goes through everything below one place.
    fn walk(&mut self, (place, root): (&Path, &OwnedFd), patterns: &[&Pattern], outputs: &Outputs, target: &Into) {
        let mut waiting = vec![PathBuf::new()];
        while let Some(directory) = waiting.pop() {
            let open = open_beneath(root, &directory, OFlags::DIRECTORY).and_then(|open| {
                let stat = fstat(&open).map_err(|error| io::Error::from(error).to_string())?;
                self.is_readable(&stat).map(|()| open)
            });
            let open = match open {
                Ok(open) => open,
                Err(error) => {
                    self.leave(&directory, format!("the directory cannot be read: {}", error.because).into());
                    continue;
                }
            };
            let entries = match Dir::read_from(open.as_fd()) {
                Ok(entries) => entries,
                Err(error) => {
                    self.leave(&directory, format!("the directory cannot be read: {}", io::Error::from(error)).into());
                    continue;
                }
            };
            for entry in entries.flatten() {
                let name = entry.file_name().to_bytes();
                if name == b"." || name == b".." {
                    continue;
                }
                self.looked_at += 1;
                if self.looked_at > LOOKED_AT {
                    let because = format!("more than {LOOKED_AT} files and directories to look at");
                    self.leave(&directory, because.into());
                    return;
                }
                let path = directory.join(std::ffi::OsStr::from_bytes(name));
                let is_hidden = self.hidden.contains(&*place.join(&path));
                if entry.file_type() == FileType::Directory {
                    waiting.extend((!is_hidden).then_some(path));
                } else if let Some(pattern) = patterns.iter().find(|pattern| pattern.matcher.is_match(&path)) {
                    let to = pattern.prefix.join(&path);
                    let taken = if is_hidden {
                        Err(NotTaken::no_file("it was to be hidden from the program"))
                    } else {
                        self.copy(root, &path, &to, outputs, target)
                    };
                    if let Err(why) = taken {
                        self.leave(&to, why);
                    }
                }
            }
        }
    }

    fn copy(
        &mut self,
        root: &OwnedFd,
        path: &Path,
        to: &Path,
        outputs: &Outputs,
        target: &Into,
    ) -> Result<(), NotTaken> {
        // Not blocking, in case it is a FIFO.
        let from = open_beneath(root, path, OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW)?;
        let stat = fstat(&from).map_err(|error| io::Error::from(error).to_string())?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(NotTaken::no_file("it is no regular file"));
        }
        self.is_readable(&stat)?;
        let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        let over = |what: &str, limit: String, hint: &str| Err(format!("{what} the limit of {limit} ({hint})").into());
        if size > outputs.file_size.0 {
            let what = format!("its {size} bytes exceed");
            return over(&what, outputs.file_size.to_string(), "--out-file-size");
        }
        if self.bytes.saturating_add(size) > outputs.size.0 {
            return over("with it the outputs exceed", outputs.size.to_string(), "--out-size");
        }
        if self.taken.len() >= outputs.count as usize {
            return over("with it the outputs exceed", format!("{} files", outputs.count), "--out-files");
        }
        let Written { size } = target.copy(&from, to, size, stat.st_mode & 0o100 != 0)?;
        self.bytes += size;
        self.taken.push(Taken { path: Name(to.as_os_str().as_bytes().to_vec()), size });
        Ok(())
    }
}

/// Why something was not taken.
#[derive(Debug)]
pub(crate) struct NotTaken {
    kind: LeftKind,
    pub(crate) because: String,
}

impl NotTaken {
    fn no_file(because: &str) -> Self {
        Self { kind: LeftKind::NoFile, because: because.to_owned() }
    }
}

impl From<String> for NotTaken {
    fn from(because: String) -> Self {
        Self { kind: LeftKind::Failed, because }
    }
}

/// Opens something of the sandbox for reading. Nothing outside `root` and nothing behind a link can be reached.
pub(crate) fn open_beneath(root: &OwnedFd, path: &Path, flags: OFlags) -> Result<OwnedFd, NotTaken> {
    let path = if path == Path::new("") { Path::new(".") } else { path };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    openat2(root, path, flags | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty(), resolve).map_err(|errno| match errno {
        rustix::io::Errno::LOOP => NotTaken::no_file("it is a symbolic link, and links are not followed"),
        rustix::io::Errno::NXIO => NotTaken::no_file("it is a socket or a device"),
        rustix::io::Errno::XDEV => "it is on another file system".to_owned().into(),
        other => io::Error::from(other).to_string().into(),
    })
}
