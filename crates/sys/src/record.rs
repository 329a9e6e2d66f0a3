//! What parent and child tell each other: messages of one fixed size over a `SOCK_SEQPACKET` pair.
//!
//! A message is [`WORDS`] native 64-bit words; descriptors travel beside it. Not here: when what is sent.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{BorrowedFd, OwnedFd},
};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};

use crate::call::{self, Errno};
use crate::raw::sys;

/// How many points in time a script can note.
pub const MARKS: usize = 8;

/// Most descriptors in one message.
pub(crate) const FDS: usize = 8;

const WORDS: usize = 4 + MARKS;

pub(crate) type Message = [u64; WORDS];

pub(crate) const FAILED: u64 = 1;
pub(crate) const HANDLES: u64 = 2;
pub(crate) const READY: u64 = 3;
pub(crate) const EXITED: u64 = 4;
pub(crate) const IDS_WRITTEN: u64 = 5;
pub(crate) const GO: u64 = 6;
pub(crate) const STANDS: u64 = 7;
pub(crate) const EXECUTE: u64 = 8;
pub(crate) const SOON: u64 = 9;

/// What a child reports.
#[derive(Debug)]
pub enum Record {
    /// A step failed; there will be no program.
    Failed {
        /// Number of the step in the script, or how many steps there are if executing failed.
        step: usize,
        /// Why.
        errno: i32,
    },
    /// Descriptors that the script gives away, in its order.
    Handles(Vec<OwnedFd>),
    /// The program is about to be executed.
    Ready {
        /// Nanoseconds of `CLOCK_MONOTONIC`, 0 where no [`crate::Op::Mark`] set them.
        marks: [u64; MARKS],
        /// Nanoseconds of `CLOCK_MONOTONIC` now.
        at: u64,
        /// The filter's listener, if it has one.
        listener: Option<OwnedFd>,
    },
    /// Everything is done but executing the program, which has to be told: [`crate::Child::execute`].
    Stands {
        /// As in [`Record::Ready`].
        marks: [u64; MARKS],
        /// The filter's listener, if it has one.
        listener: Option<OwnedFd>,
    },
    /// The program ended. Whatever else ran beside it is being killed.
    Exited {
        /// As wait(2) gives it.
        status: i32,
        /// Processor time of the program and the children it waited for, in microseconds.
        cpu_micros: u64,
        /// Nanoseconds of `CLOCK_MONOTONIC` when its end was seen.
        at: u64,
        /// Whether nothing else was left in its pid namespace: nobody can write to its streams any more.
        alone: bool,
    },
}

/// Sends a message with descriptors. For the child: no allocation.
pub(crate) fn send(socket: i32, message: &Message, fds: &[i32]) -> Result<(), Errno> {
    let mut part = libc::iovec { iov_base: message.as_ptr() as *mut libc::c_void, iov_len: size_of::<Message>() };
    // Aligned as cmsghdr wants it; CMSG_SPACE(FDS * 4) = 16 + 32.
    let mut control = [0u64; 2 + FDS.div_ceil(2)];
    // SAFETY: msghdr is plain data for which zero is valid.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    let count = fds.len().min(FDS);
    if count > 0 {
        header.msg_control = control.as_mut_ptr().cast();
        // SAFETY: CMSG_SPACE and CMSG_LEN only compute; the header's control area is `control`, large enough for FDS.
        unsafe {
            header.msg_controllen = libc::CMSG_SPACE((count * 4) as u32) as usize;
            let first = libc::CMSG_FIRSTHDR(&raw const header);
            (*first).cmsg_level = libc::SOL_SOCKET;
            (*first).cmsg_type = libc::SCM_RIGHTS;
            (*first).cmsg_len = libc::CMSG_LEN((count * 4) as u32) as usize;
            std::ptr::copy_nonoverlapping(fds.as_ptr(), libc::CMSG_DATA(first).cast::<i32>(), count);
        }
    }
    // SAFETY: `header` and everything it points to live across the call.
    unsafe { sys!(SYS_sendmsg, socket, &raw const header, libc::MSG_NOSIGNAL) }.map(drop)
}

/// Receives one message of the parent, with its descriptors in `fds`. For the child: no allocation.
///
/// The first word of the answer is 0 if the parent is gone.
pub(crate) fn receive(socket: i32, fds: &mut [i32; FDS]) -> Result<(Message, usize), Errno> {
    receive_after(call::LOOKS, socket, fds)
}

/// As [`receive`], looking for it so often before it sleeps.
pub(crate) fn receive_after(looks: u32, socket: i32, fds: &mut [i32; FDS]) -> Result<(Message, usize), Errno> {
    let mut message: Message = [0; WORDS];
    let mut part = libc::iovec { iov_base: message.as_mut_ptr().cast(), iov_len: size_of::<Message>() };
    let mut control = [0u64; 2 + FDS.div_ceil(2)];
    // SAFETY: msghdr is plain data for which zero is valid.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control);
    let mut receive = |flags| {
        // SAFETY: `header` and everything it points to live across the call and are large enough.
        unsafe { sys!(SYS_recvmsg, socket, &raw mut header, libc::MSG_CMSG_CLOEXEC | flags) }
    };
    let now = call::within(looks, || match receive(libc::MSG_DONTWAIT) {
        Err(libc::EAGAIN) => None,
        answer => Some(answer),
    });
    match now {
        Some(answer) => answer,
        None => receive(0),
    }?;
    let mut count = 0;
    // SAFETY: the kernel has filled the control area; CMSG_FIRSTHDR gives null if there is none. The number of
    // descriptors is bounded by FDS, the size of both areas.
    unsafe {
        let first = libc::CMSG_FIRSTHDR(&raw const header);
        if !first.is_null() && (*first).cmsg_type == libc::SCM_RIGHTS {
            count = (((*first).cmsg_len - libc::CMSG_LEN(0) as usize) / 4).min(FDS);
            std::ptr::copy_nonoverlapping(libc::CMSG_DATA(first).cast::<i32>(), fds.as_mut_ptr(), count);
        }
    }
    Ok((message, count))
}

/// Receives one record of the child, without waiting. `Ok(None)`: the child is gone.
pub(crate) fn receive_record(socket: BorrowedFd<'_>) -> io::Result<Option<Record>> {
    let mut message: Message = [0; WORDS];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0u8; size_of::<Message>()];
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(socket, &mut [io::IoSliceMut::new(&mut bytes)], &mut control, flags)?;
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut fds: Vec<OwnedFd> = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = part {
            fds.extend(rights);
        }
    }
    if received.bytes != bytes.len() || received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a record that is cut: there may be no free descriptor (ulimit -n)",
        ));
    }
    for (word, chunk) in message.iter_mut().zip(bytes.chunks_exact(8)) {
        let mut eight = [0; 8];
        eight.copy_from_slice(chunk);
        *word = u64::from_ne_bytes(eight);
    }
    let mut marks = [0; MARKS];
    marks.copy_from_slice(&message[4..]);
    match message[0] {
        FAILED => Ok(Some(Record::Failed { step: message[1] as usize, errno: message[2] as i32 })),
        HANDLES => Ok(Some(Record::Handles(fds))),
        READY => Ok(Some(Record::Ready { marks, at: message[3], listener: fds.pop() })),
        STANDS => Ok(Some(Record::Stands { marks, listener: fds.pop() })),
        EXITED => {
            let (status, cpu_micros, at) = (message[1] as i32, message[2], message[3]);
            Ok(Some(Record::Exited { status, cpu_micros, at, alone: message[4] != 0 }))
        }
        other => Err(io::Error::new(io::ErrorKind::InvalidData, format!("an unknown record {other}"))),
    }
}

/// A message without marks.
pub(crate) fn message(kind: u64, a: u64, b: u64) -> Message {
    let mut message: Message = [0; WORDS];
    message[0] = kind;
    message[1] = a;
    message[2] = b;
    message[3] = call::now();
    message
}
