//! A directory of one run, for what a container shows of it: the devices, made-up files, copies, the socket.
//!
//! It is removed with the run. If palisade is killed, a later one removes it.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use palisade_sys::Life;
use rustix::process::geteuid;

/// What its name begins with.
const PREFIX: &str = "palisade-";
/// The socket that the agent has its streams from.
pub(super) const LINK: &str = "link";
/// Whoever runs the engine may be somebody else than who made it: what leads to it is closed to all others.
const CLOSED: u32 = 0o700;

/// Where there is room (hier(7)).
const DISK: &str = "/var/tmp";

/// One that is there.
#[derive(Debug)]
pub(super) struct Private {
    path: PathBuf,
}

impl Private {
    pub(super) fn make() -> io::Result<Self> {
        Self::make_in(&place())
    }

    /// One for much.
    pub(super) fn make_on_disk() -> io::Result<Self> {
        Self::make_in(Path::new(DISK))
    }

    fn make_in(place: &Path) -> io::Result<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = place.join(format!("{PREFIX}{}-{number}", Life::own()));
        fs::DirBuilder::new().mode(CLOSED).create(&path)?;
        Ok(Self { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// An empty directory.
    pub(super) fn directory(&self, name: &str, mode: u32) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        fs::create_dir(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(mode))?;
        Ok(path)
    }

    /// A file with this content.
    pub(super) fn file(&self, name: &str, content: &[u8], mode: u32) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        new(&path, mode)?.write_all(content)?;
        Ok(path)
    }

    /// A copy of an open file, however much of it others have read.
    pub(super) fn copy(&self, name: &str, from: &OwnedFd, mode: u32) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        copy(from, &mut new(&path, mode)?)?;
        Ok(path)
    }

    pub(super) fn link(&self, name: &str, target: &Path) -> io::Result<()> {
        symlink(target, self.path.join(name))
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // What cannot be removed now, `sweep` finds.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Copies a whole file.
pub(super) fn copy(from: impl AsFd, to: &mut File) -> io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    let mut at = 0;
    loop {
        match rustix::io::pread(&from, &mut *buffer, at)? {
            0 => return Ok(()),
            n => {
                to.write_all(buffer.get(..n).unwrap_or_default())?;
                at += n as u64;
            }
        }
    }
}

fn new(path: &Path, mode: u32) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    // Whatever the caller's mode mask is.
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok(file)
}

/// Where they are made: in memory, where nothing outlives the host's next start, if there is such a place.
fn place() -> PathBuf {
    let own = |path: &Path| path.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == geteuid().as_raw());
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute() && own(path));
    match runtime {
        _ if geteuid().is_root() && own(Path::new("/run")) => "/run".into(),
        Some(runtime) => runtime,
        None => "/tmp".into(),
    }
}

/// Removes those whose palisade is gone.
pub(super) fn sweep() {
    let entries = [&place(), Path::new(DISK)].map(fs::read_dir).into_iter().flatten().flatten();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let life = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(Life::read);
        let is_own = fs::symlink_metadata(entry.path())
            .is_ok_and(|meta| meta.is_dir() && meta.uid() == geteuid().as_raw() && meta.mode() & 0o777 == CLOSED);
        if is_own && life.is_some_and(Life::is_over) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
