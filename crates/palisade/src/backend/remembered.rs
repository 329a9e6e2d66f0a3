//! What came of walls that were tried since this host started.
//!
//! It saves the time of trying again, and decides nothing else: who is remembered as working may fail, and who is remembered
//! as failing is tried after all others that hold the same policy. An entry counts as long as kernel, start of the host, the wall's
//! program and the rights of who asks are the same.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{engine::Place, native::Launch, resolve::absolute};

/// Larger files are none of ours, in bytes.
const LARGEST: u64 = 1 << 20;

/// The lines of `/proc/thread-self/status` that say what this thread may.
const RIGHTS: [&str; 4] = ["CapEff", "CapBnd", "NoNewPrivs", "Seccomp_filters"];

/// How long a failure is remembered, in seconds: its cause may have gone.
const FAILURE_AGE: u64 = 600;

/// The file with all entries.
#[derive(Debug)]
pub(crate) struct Remembered(PathBuf);

/// How a wall was found: what it did, or why it did not work.
pub(crate) type Found = Result<String, Failure>;

/// Why a wall did not work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) because: String,
    /// The remedy, if there is one.
    pub(crate) fix: Option<String>,
}

/// By the wall and what it was tried with: kernel, start of the host, user, rights, program.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Entries(BTreeMap<String, Entry>);

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    /// When, in seconds since 1970.
    at: u64,
    found: Found,
}

impl Remembered {
    /// In a directory that is this user's alone and empty after a start: `/run/palisade`, `$XDG_RUNTIME_DIR/palisade`. `None`
    /// where there is no such.
    pub(crate) fn here() -> Option<Self> {
        let own = if rustix::process::geteuid().is_root() { "/run".into() } else { absolute("XDG_RUNTIME_DIR")? };
        Some(Self(own.join("palisade/walls.json")))
    }

    /// What came of this wall, if it was tried.
    pub(crate) fn of(&self, launch: &Launch) -> Option<Found> {
        let mut all = self.read()?;
        let entry = all.0.remove(&with(launch))?;
        let is_fresh = entry.found.is_ok() || now().saturating_sub(entry.at) < FAILURE_AGE;
        is_fresh.then_some(entry.found)
    }

    /// Remembers what came of it. What cannot be written is not remembered.
    pub(crate) fn note(&self, launch: &Launch, found: Found) {
        let mut all = self.read().unwrap_or_default();
        all.0.insert(with(launch), Entry { at: now(), found });
        let _ = self.write(&all);
    }

    /// Remembers nothing of it any more.
    pub(crate) fn forget(&self, launch: &Launch) {
        if let Some(mut all) = self.read()
            && all.0.remove(&with(launch)).is_some()
        {
            let _ = self.write(&all);
        }
    }

    fn read(&self) -> Option<Entries> {
        let meta = fs::symlink_metadata(&self.0).ok()?;
        let own = meta.is_file() && meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o022 == 0;
        let text = (own && meta.len() <= LARGEST).then(|| fs::read(&self.0).ok())??;
        serde_json::from_slice(&text).ok()
    }

    fn write(&self, all: &Entries) -> std::io::Result<()> {
        let directory = self.0.parent().unwrap_or(Path::new("/"));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let new = directory.join(format!("walls.{}", std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        let written = file.write_all(&serde_json::to_vec(all)?).and_then(|()| fs::rename(&new, &self.0));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        written
    }
}

/// A wall and what it is tried with, in a line.
fn with(launch: &Launch) -> String {
    let line = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let place = launch.engine.as_ref().map(|engine| match &engine.place {
        Place::Socket(path) | Place::Program(path) => path,
    });
    let tool = launch.foreign.as_ref().map(|foreign| &foreign.tool).or(place).map_or(String::new(), |tool| {
        let path = tool.canonicalize().unwrap_or_else(|_| tool.clone());
        let stamp = path.metadata().map(|meta| [meta.dev(), meta.ino(), meta.size(), meta.mtime().unsigned_abs()]);
        format!("{} {stamp:?}", path.display())
    });
    // Root of a user namespace has the same directory as the host's, and other rights; so has who gave up some.
    let user = fs::read_link("/proc/self/ns/user").unwrap_or_default();
    let (boot, kernel) = (line("/proc/sys/kernel/random/boot_id"), line("/proc/sys/kernel/osrelease"));
    let status = line("/proc/thread-self/status");
    let rights = status.lines().filter_map(|line| line.split_once(":\t"));
    let rights = rights.filter(|(name, _)| RIGHTS.contains(name)).map(|(_, value)| value).collect::<Vec<_>>().join(" ");
    let label = line("/proc/thread-self/attr/current");
    format!("{} {boot} {kernel} {} {rights} {label} {tool}", launch.backend.name(), user.display())
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_others_could_have_written_is_not_believed() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let remembered = Remembered(directory.path().join("palisade/walls.json"));
        let entry = Entry { at: 0, found: Err(Failure { because: "it fell".to_owned(), fix: None }) };
        remembered.write(&Entries([("native".to_owned(), entry)].into())).unwrap();
        assert!(remembered.read().unwrap().0.contains_key("native"));
        fs::set_permissions(&remembered.0, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(remembered.read().is_none());
        fs::remove_file(&remembered.0).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &remembered.0).unwrap();
        assert!(remembered.read().is_none());
    }
}
