//! Host files that are copied into a sandbox.
//!
//! Each is opened once, when the request is checked; that descriptor is what is copied. Not here: the source file
//! (`resolve.rs`), where a copy is made among the other parts of the tree (`native::files`).

use std::{
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use palisade_spec::{Bytes, Copied};

use crate::{
    error::StartError,
    job::{Base, Given, Job},
    native::{ROOMY, filled},
    resolve::open_file,
};

/// Most bytes of one file.
const FILE: u64 = 64 << 20;
/// Most bytes of all files of a run.
const ALL: u64 = 256 << 20;

/// Gives the files to the job.
pub(crate) fn give(files: &[Copied], job: &mut Job) -> Result<(), StartError> {
    let mut bytes = 0;
    for file in files {
        let at = place(file, job)?;
        let (content, size, mode) = open_file(&file.from, FILE, "check the path")?;
        bytes += size;
        if bytes > ALL {
            return Err(wrong(
                file,
                &format!("the files for this run have more than {}", Bytes(ALL)),
                "show large data with --allow-read PATH instead of copying it",
            ));
        }
        let executable = mode & 0o111 != 0;
        let writable = job.scratch().iter().any(|scratch| at.starts_with(scratch));
        let mode = match (writable, executable) {
            (true, true) => 0o755,
            (true, false) => 0o644,
            (false, true) => 0o555,
            (false, false) => 0o444,
        };
        job.given.push(Given { at: at.to_owned(), content: Arc::new(content), size, mode });
    }
    Ok(())
}

fn wrong(file: &Copied, because: &str, hint: &str) -> StartError {
    StartError::Source { file: file.from.clone(), because: because.to_owned(), hint: hint.to_owned() }
}

/// Where the file goes, if there is room.
fn place<'a>(file: &'a Copied, job: &Job) -> Result<&'a Path, StartError> {
    let at = file.at.as_path();
    let inside = at.display();
    let plain = at.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !at.is_absolute() || !plain || at.file_name().is_none() {
        return Err(wrong(
            file,
            &format!("its place inside, `{inside}`, is no absolute path of a file without `..`"),
            "for example --file data.csv:/work/data.csv",
        ));
    }
    if std::fs::metadata(&file.from).is_ok_and(|meta| meta.is_dir()) {
        return Err(wrong(
            file,
            "it is a directory, and only files are copied",
            "show a directory with --allow-read, give a copy-on-write view with --overlay, or name its files",
        ));
    }
    if let Some(taken) = taken(at, job) {
        return Err(wrong(
            file,
            &format!("it cannot be put at {inside}: {} is the host's or the sandbox's own", taken.display()),
            "put it below /work or /tmp, or at a new place",
        ));
    }
    if job.given.iter().any(|given| given.at.starts_with(at) || at.starts_with(&given.at)) {
        return Err(wrong(
            file,
            &format!("another file is put at {inside} already, or above or below it"),
            "give each file its own place",
        ));
    }
    Ok(at)
}

/// What is there already: around the place, or in it.
fn taken(at: &Path, job: &Job) -> Option<PathBuf> {
    let is_near = |place: &&Path| at.starts_with(place) || place.starts_with(at);
    let asked =
        job.shown.iter().map(|shown| &*shown.at).chain(job.layers.iter().map(|layers| &*layers.at)).find(is_near);
    let full = asked.or_else(|| filled(job).map(Path::new).find(is_near));
    let roomy = || ROOMY.into_iter().map(Path::new).find(|place| place.starts_with(at));
    let host = || {
        let first: PathBuf = at.components().take(2).collect();
        let own = ["/tmp", "/work", "/run"].iter().any(|own| first == Path::new(own));
        (job.base == Base::Host && !own && first.exists()).then_some(first)
    };
    full.or_else(roomy).map(Path::to_owned).or_else(host)
}
