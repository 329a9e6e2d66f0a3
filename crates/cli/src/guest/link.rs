//! The three streams, from palisade itself: for walls of a daemon, which has its own idea of them.
//!
//! They come through a socket that is in the program's file tree and answers once. As long as palisade is there, so is the
//! other end of the connection.

use std::{
    io,
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
};

use rustix::{
    cmsg_space,
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg},
    stdio::{dup2_stderr, dup2_stdin, dup2_stdout},
};

/// The connection.
pub(crate) struct Link(UnixStream);

/// Takes the streams that whoever listens at `path` gives, as this process's own.
pub(crate) fn take(path: &Path) -> io::Result<Link> {
    let link = UnixStream::connect(path)?;
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(3))];
    let mut given = RecvAncillaryBuffer::new(&mut space);
    recvmsg(&link, &mut [io::IoSliceMut::new(&mut [0])], &mut given, RecvFlags::CMSG_CLOEXEC)?;
    let streams: Vec<OwnedFd> = given
        .drain()
        .flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(streams) => streams.collect(),
            _ => Vec::new(),
        })
        .collect();
    let [stdin, stdout, stderr] = <[OwnedFd; 3]>::try_from(streams).map_err(|_| io::ErrorKind::InvalidData)?;
    dup2_stdin(stdin)?;
    dup2_stdout(stdout)?;
    dup2_stderr(stderr)?;
    Ok(Link(link))
}

impl AsFd for Link {
    /// Ready when palisade is gone.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
