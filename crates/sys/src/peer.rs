//! Who is at the other end of a unix socket.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// The process that connected: its number and a descriptor of it. `None` if it cannot be seen from this pid namespace.
///
/// # Errors
/// If this is no such socket, or the process is gone.
pub fn peer(socket: impl AsFd) -> io::Result<Option<(u32, OwnedFd)>> {
    let mut who = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: `who` has the length that is told, and both live as long as the call.
    let answer =
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut who).cast(), &raw mut length) };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    let Some(pid) = Pid::from_raw(who.pid) else { return Ok(None) };
    Ok(Some((pid.as_raw_nonzero().get().unsigned_abs(), pidfd_open(pid, PidfdFlags::empty())?)))
}
