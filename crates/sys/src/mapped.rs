//! Host trees in which the owner's files appear to be somebody else's, made by the parent: it takes privileges over the file
//! system that a child in a user namespace has not (mount_setattr(2), ID-mapped mounts; Linux 5.12).
//!
//! Not here: whose files, and whether a tree should be mapped (`palisade::native::owners`).

use std::{
    fs, io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
};

use rustix::fs::{Mode, OFlags, open};

use crate::{
    call,
    script::{Namespaces, Op, Script},
    spawn::spawn,
};

/// Clones the mount tree at `directory`, submounts included, and sets mount attributes on all of it. In the clone, the
/// files of user and group `owner` belong to `to`, and what `to` makes there belongs to `owner` on the disk. All other files
/// belong to whom they belong outside.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN` over the file system, `EINVAL` if the file system of one of the mounts cannot do this.
pub fn mapped_tree(directory: impl AsFd, attributes: u64, owner: (u32, u32), to: (u32, u32)) -> io::Result<OwnedFd> {
    let users = user_namespace(&extents(owner.0, to.0), &extents(owner.1, to.1))?;
    let tree = call::clone_tree(directory.as_fd().as_raw_fd()).map_err(io::Error::from_raw_os_error)?;
    // SAFETY: open_tree has made this descriptor, and nobody else owns it.
    let tree = unsafe { OwnedFd::from_raw_fd(tree) };
    call::map_tree(tree.as_raw_fd(), attributes, users.as_raw_fd()).map_err(io::Error::from_raw_os_error)?;
    Ok(tree)
}

/// An id map (user_namespaces(7)) that takes `owner` to `to`, and every other id to itself. What is `to` on the disk is
/// nobody's: two ids cannot become one.
fn extents(owner: u32, to: u32) -> String {
    let same =
        |first: u32, end: u32| if first < end { format!("{first} {first} {}\n", end - first) } else { String::new() };
    let (low, high) = (owner.min(to), owner.max(to));
    let between = same(low.saturating_add(1), high);
    // The last number is no id: it means "none".
    format!("{owner} {to} 1\n{}{between}{}", same(0, low), same(high.saturating_add(1), u32::MAX))
}

/// A user namespace that nobody is in any more.
fn user_namespace(users: &str, groups: &str) -> io::Result<OwnedFd> {
    let script = Script {
        namespaces: Namespaces::USER,
        cgroup: None,
        ops: vec![Op::AwaitIds],
        aside: Vec::new(),
        program: None,
    };
    let child = spawn(&script)?;
    let directory = format!("/proc/{}", child.pid());
    fs::write(format!("{directory}/gid_map"), groups)?;
    fs::write(format!("{directory}/uid_map"), users)?;
    Ok(open(format!("{directory}/ns/user"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_takes_the_owner_to_the_other_and_leaves_the_rest() {
        assert_eq!(extents(0, 5), "0 5 1\n1 1 4\n6 6 4294967289\n");
        assert_eq!(extents(3, 5), "3 5 1\n0 0 3\n4 4 1\n6 6 4294967289\n");
        assert_eq!(extents(5, 3), "5 3 1\n0 0 3\n4 4 1\n6 6 4294967289\n");
        assert_eq!(extents(3, 4), "3 4 1\n0 0 3\n5 5 4294967290\n");
        assert_eq!(extents(4, 4), "4 4 1\n0 0 4\n5 5 4294967290\n");
    }
}
