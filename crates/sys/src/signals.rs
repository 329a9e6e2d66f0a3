//! Signals to this process as a readable descriptor.

use std::{
    io,
    os::fd::{FromRawFd, OwnedFd},
};

/// Blocks `signals`, except those that are ignored, for the calling thread, and gives a descriptor that becomes readable
/// when one of them arrives. `SIGTTIN`, `SIGTTOU` and `SIGXFSZ` are blocked too, and tell nobody.
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
            // Blocking an ignored signal would make it arrive after all (nohup).
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(*signal, std::ptr::null(), &raw mut action);
            if action.sa_sigaction != libc::SIG_IGN {
                libc::sigaddset(&raw mut set, *signal);
            }
        }
        // Reading a terminal from the background then fails, and writing to it or setting it succeeds, instead of stopping
        // this process and its supervision.
        let mut all = set;
        libc::sigaddset(&raw mut all, libc::SIGTTIN);
        libc::sigaddset(&raw mut all, libc::SIGTTOU);
        // Likewise a file that must not grow (`ulimit -f`): the write fails, and can be told of.
        libc::sigaddset(&raw mut all, libc::SIGXFSZ);
        let errno = libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
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

/// Lets children of this process end without being waited for.
pub fn leave_no_zombies() {
    // SAFETY: ignoring a signal installs no handler.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}
