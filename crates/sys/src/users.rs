//! A user namespace that a process makes for itself and maps itself into. Not here: one that the parent maps (`spawn.rs`).
//!
//! The rules of `child.rs` hold: system calls only, no allocation, locks, panics or drops.

use std::ffi::{CStr, c_ulong};

use crate::{
    call::{self, Errno},
    raw::sys,
};

/// Makes it, with these maps. An id of this process is mapped to another one inside, and nobody else is there.
///
/// The kernel wants CAP_SETFCAP of a process whose id is 0 (verify_root_map in kernel/user_namespace.c).
pub(crate) fn own(users: &CStr, groups: &CStr) -> Result<(), Errno> {
    // SAFETY: unshare takes flags only, and this process has a single thread.
    unsafe { sys!(SYS_unshare, libc::CLONE_NEWUSER) }?;
    // The files below belong to root unless a process is dumpable. Nobody who could look at this one is there yet.
    dumpable(1)?;
    // Who cannot leave groups may map one (user_namespaces(7)). A kernel without this file asks for nothing (gVisor).
    match write(c"/proc/self/setgroups", c"deny") {
        Ok(()) | Err(libc::ENOENT) => {}
        Err(errno) => return Err(errno),
    }
    write(c"/proc/self/uid_map", users)?;
    write(c"/proc/self/gid_map", groups)?;
    dumpable(0)
}

fn dumpable(whether: c_ulong) -> Result<(), Errno> {
    call::prctl(libc::PR_SET_DUMPABLE, whether, 0)
}

fn write(path: &CStr, text: &CStr) -> Result<(), Errno> {
    let fd = call::open(path.as_ptr(), libc::O_WRONLY, 0)?;
    let written = call::write_all(fd, text.to_bytes());
    call::close(fd);
    written
}
