//! Proof that whoever asks the pool may look into its process.
//!
//! What /proc tells of a process does not tell all that it gave up: a Landlock domain is in no file there. But a process in a domain
//! may not look into one outside of it, as little as one that a security module confines. So the pool holds a secret, new for each
//! connection, under a descriptor of its own, and whoever asks has to read it by /proc. Not here: what /proc does tell (`peer.rs`).

use std::{
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::AsRawFd,
        unix::{fs::FileExt, net::UnixStream},
    },
};

use rustix::fs::{MemfdFlags, memfd_create};

const LENGTH: usize = 16;

/// A secret of the pool.
#[derive(Debug)]
pub(super) struct Secret {
    kept: File,
    text: [u8; LENGTH],
}

impl Secret {
    pub(super) fn new() -> io::Result<Self> {
        let mut text = [0; LENGTH];
        File::open("/dev/urandom")?.read_exact(&mut text)?;
        let kept = File::from(memfd_create("proof", MemfdFlags::CLOEXEC)?);
        kept.write_all_at(&text, 0)?;
        Ok(Self { kept, text })
    }

    /// Where it is, for whoever asks.
    pub(super) fn place(&self) -> [u8; 4] {
        self.kept.as_raw_fd().to_le_bytes()
    }

    /// Whether they have read it.
    ///
    /// # Errors
    /// If they say nothing, or are gone.
    pub(super) fn is_known(&self, mut stream: &UnixStream) -> io::Result<bool> {
        let mut told = [0; LENGTH];
        stream.read_exact(&mut told)?;
        Ok(told == self.text)
    }
}

/// Reads the secret of the pool that listens, and tells it.
///
/// # Errors
/// If this process may not, or the pool is gone.
pub(super) fn tell(mut stream: &UnixStream) -> io::Result<()> {
    let mut place = [0; 4];
    stream.read_exact(&mut place)?;
    let Some(pool) = palisade_sys::peer(stream)? else { return Err(io::ErrorKind::NotFound.into()) };
    let mut text = [0; LENGTH];
    let place = format!("/proc/{}/fd/{}", pool.pid, i32::from_le_bytes(place));
    let read = File::open(place).and_then(|secret| secret.read_exact_at(&mut text, 0));
    // Who may not read it says so: that is no secret.
    stream.write_all(&text)?;
    read
}
