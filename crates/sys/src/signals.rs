//! Signals to this process as a readable descriptor.

use std::{
    io,
    os::fd::{FromRawFd, OwnedFd},
};

/// Blocks `signals` for the calling thread and gives a descriptor that becomes readable when one of them arrives.
///
/// Call it before any other thread is started: a thread that does not block them would receive them the usual way.
/// Children started by [`crate::spawn()`] begin with nothing blocked and nothing ignored.
///
/// # Errors
/// What signalfd(2) says.
pub fn receive(signals: &[i32]) -> io::Result<OwnedFd> {
    // SAFETY: sigset_t is plain data; sigemptyset initialises it, and the other calls take valid pointers to it.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, *signal);
        }
        let errno = libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        if errno != 0 {
            return Err(io::Error::from_raw_os_error(errno));
        }
        let fd = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// The signals that ask a command to stop: interrupt, terminate, hang-up.
pub const STOP: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];
