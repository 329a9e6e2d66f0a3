//! Answering the notifications of a system call filter (seccomp_unotify(2)).
//!
//! Only register values are ever looked at: memory could change between the look and the call. Not here: the filter
//! (`seccomp`), the judgement (`palisade::supervise`).

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use crate::raw::sys;

/// The supervisor's end of a filter.
#[derive(Debug)]
pub struct Listener(OwnedFd);

/// One call that waits for an answer.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    id: u64,
    /// The calling thread, as this process sees it.
    pub pid: u32,
    /// Number of the call.
    pub number: i32,
    /// Its arguments: registers only.
    pub arguments: [u64; 6],
}

/// What a waiting call gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is carried out by the kernel.
    Continue,
    /// It fails with this errno.
    Fail(i32),
}

const CONTINUE_FLAG: u32 = 1;
// _IOWR('!', 0, struct seccomp_notif) and _IOWR('!', 1, struct seccomp_notif_resp)
const RECEIVE: libc::c_ulong = 0xc050_2100;
const SEND: libc::c_ulong = 0xc018_2101;

const _: () = assert!(size_of::<libc::seccomp_notif>() == 0x50 && size_of::<libc::seccomp_notif_resp>() == 0x18);

impl Listener {
    /// Takes the descriptor that came with [`crate::Record::Ready`].
    #[must_use]
    pub fn new(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Receives a call. Ask only when the descriptor is readable: otherwise this waits. `Ok(None)`: the caller is gone.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn receive(&self) -> io::Result<Option<Call>> {
        // SAFETY: seccomp_notif is plain data, and the kernel demands that it is zero.
        let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the request writes one seccomp_notif, whose size is part of its number.
        match unsafe { sys!(SYS_ioctl, self.0.as_raw_fd(), RECEIVE, &raw mut call) } {
            Ok(_) => Ok(Some(Call { id: call.id, pid: call.pid, number: call.data.nr, arguments: call.data.args })),
            Err(libc::ENOENT | libc::EINTR) => Ok(None),
            Err(errno) => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    /// Answers a call. A caller that is gone is fine.
    pub fn answer(&self, call: &Call, answer: Answer) {
        let (error, flags) = match answer {
            Answer::Continue => (0, CONTINUE_FLAG),
            Answer::Fail(errno) => (-errno, 0),
        };
        let response = libc::seccomp_notif_resp { id: call.id, val: 0, error, flags };
        // SAFETY: the request reads one seccomp_notif_resp. The only failure is ENOENT: the caller is gone.
        let _ = unsafe { sys!(SYS_ioctl, self.0.as_raw_fd(), SEND, &raw const response) };
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
