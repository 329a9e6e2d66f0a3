//! Host trees in which the owner's files appear to be somebody else's, made by the parent: it takes privileges over the file
//! system that a child in a user namespace has not (mount_setattr(2), ID-mapped mounts; Linux 5.12).
//!
//! Not here: whose files, and whether a tree should be mapped (`palisade::native::owners`).

use std::{
    io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
};

use rustix::fs::{Mode, OFlags, open};

use crate::{
    call,
    script::{Groups, Namespaces, Op, Script},
    spawn::{IdMap, spawn},
};

/// Clones the mount tree at `directory`, submounts included, and sets mount attributes on all of it. In the clone, the
/// files of user and group `owner` belong to `to`, and what `to` makes there belongs to `owner` on the disk; all other ids
/// are nobody's, and their files cannot be changed.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN` over the file system, `EINVAL` if the file system of one of the mounts cannot do this.
pub fn mapped_tree(directory: impl AsFd, attributes: u64, owner: (u32, u32), to: (u32, u32)) -> io::Result<OwnedFd> {
    let users = user_namespace(IdMap { uid: (owner.0, to.0), gid: (owner.1, to.1), groups: Groups::Drop })?;
    let tree = call::clone_tree(directory.as_fd().as_raw_fd()).map_err(io::Error::from_raw_os_error)?;
    // SAFETY: open_tree has made this descriptor, and nobody else owns it.
    let tree = unsafe { OwnedFd::from_raw_fd(tree) };
    call::map_tree(tree.as_raw_fd(), attributes, users.as_raw_fd()).map_err(io::Error::from_raw_os_error)?;
    Ok(tree)
}

/// A user namespace that nobody is in any more.
fn user_namespace(map: IdMap) -> io::Result<OwnedFd> {
    let script = Script {
        namespaces: Namespaces::USER,
        cgroup: None,
        ops: vec![Op::AwaitIds],
        aside: Vec::new(),
        program: None,
    };
    let child = spawn(&script)?;
    let path = format!("/proc/{}/ns/user", child.pid());
    let users = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    child.map_ids(map)?;
    Ok(users)
}
