//! The calling thread's network namespace. Not here: that of a sandbox, which its script makes.

use std::io;

use crate::{raw::sys, script::Namespaces};

/// Puts the calling thread into a new network namespace, for good. There is nothing in it but a loopback interface that is
/// down. Threads and processes that the thread starts begin there too; the other threads of this process stay where they are.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`; `ENOSPC` at the limit of `user.max_net_namespaces`.
pub fn empty_network() -> io::Result<()> {
    // SAFETY: unshare takes flags only, and this one shares no memory or descriptors.
    match unsafe { sys!(SYS_unshare, Namespaces::NETWORK.0) } {
        Ok(_) => Ok(()),
        Err(errno) => Err(io::Error::from_raw_os_error(errno)),
    }
}
