//! A test that other tests' mounts do not reach.
//!
//! Not here: which tests need that.

use std::io;

/// Whatever this thread starts from now on is in a mount namespace of its own, which sees nothing that is mounted or unmounted
/// elsewhere. An ordinary user stays where they are.
///
/// # Errors
/// If the kernel does not do it for root.
pub fn keep_own_mounts() -> io::Result<()> {
    let here = c"/".as_ptr();
    // SAFETY: the calls take no memory but the path, and touch this thread's namespace only.
    let done = unsafe {
        libc::geteuid() != 0
            || libc::unshare(libc::CLONE_NEWNS) == 0
                && libc::mount(here, here, here, libc::MS_REC | libc::MS_PRIVATE, std::ptr::null()) == 0
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}
