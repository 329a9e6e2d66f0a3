//! Where the pool of a user is found: a socket in a directory that nobody else can enter.
//!
//! Not here: who may ask there (`peer.rs`).

use std::{
    fs::{self, DirBuilder, File, Metadata},
    io::{self, ErrorKind},
    os::{
        fd::AsFd,
        unix::{
            fs::{DirBuilderExt, MetadataExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, flock},
    process::geteuid,
};

use super::Trouble;

const SOCKET: &str = "pool";

/// The directory of this user's pool, by its path alone.
fn directory() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let uid = geteuid().as_raw();
    match runtime {
        Some(runtime) => runtime.join("palisade"),
        None if uid == 0 => "/run/palisade".into(),
        None => format!("/tmp/palisade-{uid}").into(),
    }
}

/// Whether nobody but this user, and root, can put anything there.
fn is_private(directory: &Metadata) -> bool {
    directory.is_dir() && directory.uid() == geteuid().as_raw() && directory.mode() & 0o077 == 0
}

/// A connection to the pool, if there is one: a single look where there is none.
pub(super) fn connect() -> Option<UnixStream> {
    let directory = directory();
    let socket = directory.join(SOCKET);
    fs::symlink_metadata(&socket).ok()?;
    fs::symlink_metadata(&directory).ok().filter(is_private)?;
    let stream = UnixStream::connect(socket).ok()?;
    // Whoever listens there: that nobody else could put it there is not all that is relied on.
    let peer = palisade_sys::peer(stream.as_fd()).ok()??;
    (peer.uid == geteuid().as_raw()).then_some(stream)
}

/// The place of the one pool, held as long as it runs.
#[derive(Debug)]
pub(super) struct Claim {
    directory: PathBuf,
    /// Locked.
    _held: File,
}

impl Claim {
    /// Makes the place, or takes the one that a pool has left which was killed.
    pub(super) fn new() -> Result<Self, Trouble> {
        let directory = directory();
        let wrong = |because: String| {
            let hint = "name a directory of your own by XDG_RUNTIME_DIR, the same for `palisade run`";
            Trouble::new(format!("{}: {because}", directory.display()), hint)
        };
        loop {
            match DirBuilder::new().mode(0o700).create(&directory) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(wrong(error.to_string())),
                _ => {}
            }
            let found = fs::symlink_metadata(&directory).map_err(|error| wrong(error.to_string()))?;
            if !is_private(&found) {
                return Err(wrong("it is not a directory of this user alone (mode 0700)".to_owned()));
            }
            let held = File::open(&directory).map_err(|error| wrong(error.to_string()))?;
            match flock(&held, FlockOperation::NonBlockingLockExclusive) {
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let hint = "`palisade pool status` tells of it, `palisade pool stop` ends it";
                    return Err(Trouble::new("a pool of this user is running already", hint));
                }
                Err(error) => return Err(wrong(io::Error::from(error).to_string())),
                Ok(()) => {}
            }
            // One that was ended in this moment has taken its directory with it.
            if held.metadata().is_ok_and(|held| is_same(&held, &directory)) {
                return Ok(Self { directory, _held: held });
            }
        }
    }

    /// An empty file, to be prepared in place of those that will come.
    pub(super) fn example(&self) -> io::Result<PathBuf> {
        let file = self.directory.join("main");
        fs::write(&file, "").map(|()| file)
    }

    /// Listens there.
    pub(super) fn listen(&self) -> Result<UnixListener, Trouble> {
        let socket = self.directory.join(SOCKET);
        let listening = match fs::remove_file(&socket) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => UnixListener::bind(&socket),
        };
        listening.map_err(|error| {
            let hint = "a shorter path in XDG_RUNTIME_DIR (108 bytes at most), on a file system that takes sockets";
            Trouble::new(format!("{}: {error}", socket.display()), hint)
        })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.directory.join(SOCKET));
        // Whatever else is in there is not ours.
        let _ = fs::remove_dir(&self.directory);
    }
}

fn is_same(held: &Metadata, path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (held.dev(), held.ino()))
}
