//! What `palisade run` and the pool say to each other.
//!
//! Both are the same binary, which the pool has seen to, so that the form may change at any time. The pool says one byte when it has
//! looked at whoever connected, and where its secret is (`proof.rs`), which comes back first. Before that nothing is sent: what a pool that hangs does not take holds pipes open. An order is a length,
//! then JSON; its descriptors come with the length. The answer is one byte more and, if that is good, JSON up to the end. Who asked
//! and goes away, or shuts down its side, wants the program to be stopped.

use std::{
    fs::File,
    io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::{fd::BorrowedFd, unix::net::UnixStream},
};

use palisade::{Errand, Likeness};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use super::proof;

/// Most bytes of an order: more than a command line may have.
const MOST: u64 = 8 << 20;

/// Descriptors of an order at most: the three streams, and a source file.
pub(super) const FDS: usize = 4;

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    Run(Box<Wish>),
    Status,
    Stop { now: bool },
}

/// A program for a cell.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Wish {
    /// Or why there can be no such cell.
    pub(super) likeness: Result<Likeness, String>,
    pub(super) errand: Errand,
    pub(super) json: bool,
    pub(super) quiet: bool,
}

/// First: an order is listened to. Then: a cell was taken, and a program runs in it soon; or what was asked for follows.
pub(super) const YES: u8 = b'Y';
/// Nothing follows.
pub(super) const NO: u8 = b'N';

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// Nothing has run after all.
    Cold,
    /// What `palisade run` says, and its exit status.
    Ran {
        code: i32,
        stdout: String,
        stderr: String,
    },
    Status(Status),
    Stopping,
}

/// What is known of a pool.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Status {
    pub(super) pid: u32,
    pub(super) size: usize,
    pub(super) ready: usize,
    pub(super) running: usize,
    /// Runs that had a cell.
    pub(super) served: u64,
    /// Runs that had none.
    pub(super) not_served: u64,
    /// Why the last one of those had none.
    pub(super) last_not_served: Option<String>,
    /// Why the last cell could not be made.
    pub(super) failure: Option<String>,
}

/// Sends an order.
pub(super) fn send(mut stream: &UnixStream, order: &Order, streams: &[BorrowedFd<'_>]) -> io::Result<()> {
    let text = serde_json::to_vec(order)?;
    let length = (text.len() as u64).to_le_bytes();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !streams.is_empty() && !control.push(SendAncillaryMessage::ScmRights(streams)) {
        return Err(ErrorKind::InvalidInput.into());
    }
    let both = [IoSlice::new(&length), IoSlice::new(&text)];
    let sent = sendmsg(stream, &both, &mut control, SendFlags::NOSIGNAL)?;
    stream.write_all(length.get(sent..).unwrap_or_default())?;
    stream.write_all(text.get(sent.saturating_sub(length.len())..).unwrap_or_default())
}

/// Receives one, with its descriptors.
pub(super) fn receive(mut stream: &UnixStream) -> io::Result<(Order, Vec<File>)> {
    let mut length = [0; 8];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = recvmsg(stream, &mut [IoSliceMut::new(&mut length)], &mut control, RecvFlags::CMSG_CLOEXEC)?.bytes;
    let mut streams = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            streams.extend(fds.map(File::from));
        }
    }
    let rest = length.get_mut(got..).unwrap_or_default();
    if got == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    stream.read_exact(rest)?;
    let length = u64::from_le_bytes(length);
    if length > MOST {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut text = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    stream.read_exact(&mut text)?;
    Ok((serde_json::from_slice(&text)?, streams))
}

/// What follows.
pub(super) fn answer(mut stream: &UnixStream, answer: &Answer) -> io::Result<()> {
    stream.write_all(&serde_json::to_vec(answer)?)
}

/// Whether this process is listened to: the pool has looked at it, and it has shown that it may look at the pool.
///
/// # Errors
/// What read(2) says, and what keeps this process from looking.
pub(super) fn is_admitted(stream: &UnixStream) -> io::Result<bool> {
    Ok(is_yes(stream)? && proof::tell(stream).is_ok())
}

/// Whether the next byte is there, and a good one.
///
/// # Errors
/// What read(2) says.
pub(super) fn is_yes(mut stream: &UnixStream) -> io::Result<bool> {
    let mut said = [0];
    Ok(stream.read(&mut said)? == 1 && said == [YES])
}
