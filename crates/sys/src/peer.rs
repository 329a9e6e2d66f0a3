//! Who is at the other end of a unix socket.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// A process that connected, or that listens.
#[derive(Debug)]
pub struct Peer {
    /// Its number, as this process sees it.
    pub pid: u32,
    /// Its effective user.
    pub uid: u32,
    /// The process itself. From Linux 6.5 on it is the very one; before, one that has taken over its number since could be meant.
    pub pidfd: OwnedFd,
}

/// The process that connected. `None` if it cannot be seen from this pid namespace.
///
/// # Errors
/// If this is no such socket, or the process is gone.
pub fn peer(socket: impl AsFd) -> io::Result<Option<Peer>> {
    let mut who = libc::ucred { pid: 0, uid: 0, gid: 0 };
    option(&socket, libc::SO_PEERCRED, &mut who)?;
    let Some(pid) = Pid::from_raw(who.pid) else { return Ok(None) };
    let mut fd: libc::c_int = -1;
    let pidfd = match option(&socket, libc::SO_PEERPIDFD, &mut fd) {
        // SAFETY: the kernel has made a new descriptor, which nobody else owns.
        Ok(()) => unsafe { OwnedFd::from_raw_fd(fd) },
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => pidfd_open(pid, PidfdFlags::empty())?,
        Err(error) => return Err(error),
    };
    Ok(Some(Peer { pid: pid.as_raw_nonzero().get().unsigned_abs(), uid: who.uid, pidfd }))
}

/// Reads an option of a socket that is plain data of the kernel's size.
fn option<T>(socket: &impl AsFd, name: libc::c_int, value: &mut T) -> io::Result<()> {
    let mut length = size_of::<T>() as libc::socklen_t;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: `value` has the length that is told, and both live as long as the call.
    let answer =
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, name, std::ptr::from_mut(value).cast(), &raw mut length) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
