//! Whose files a program's are, in the trees that it may change.
//!
//! Programs that root starts run as a user who owns nothing. Where the kernel can, the owner of a tree becomes that user
//! in it: the tree is mounted with its ids mapped (mount_setattr(2)), and what the program makes belongs to the owner on the
//! host. Where it cannot, the tree has to be open to everybody. An ordinary user's programs have its ids anyway. Not here:
//! the mount itself (`palisade_sys::mapped_tree`).

use std::os::fd::OwnedFd;

use palisade_sys::{Groups, mapped_tree};

use super::files::{Owners, is_enterable};
use crate::{
    error::Refusal,
    host::{Host, Ids},
    job::{Access, Held, Job, Shown},
};

/// `MOUNT_ATTR_*` of every host tree.
pub(crate) const HOST_TREE: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

/// The owners of the trees that a job may change, tried out; or why it could not change one.
pub(crate) fn owners(job: &Job, host: &Host, refusals: &mut Vec<Refusal>) -> Owners {
    let mut owners = Owners::new();
    if host.ids.groups != Groups::Drop {
        return owners;
    }
    for shown in job.shown.iter().filter(|shown| shown.access != Access::Read) {
        let Some(held) = &shown.held else { continue };
        match tree(held, HOST_TREE, host.ids) {
            Ok(_) => {
                owners.insert(shown.at.clone(), held.owner);
            }
            Err(error) => refusals.extend(closed(shown, held, &error)),
        }
    }
    owners
}

/// The tree, with the files of its owner belonging to the program.
pub(crate) fn tree(held: &Held, attributes: u64, ids: Ids) -> std::io::Result<OwnedFd> {
    mapped_tree(&held.file, attributes, held.owner, (ids.uid, ids.gid))
}

fn closed(shown: &Shown, held: &Held, error: &std::io::Error) -> Option<Refusal> {
    let path = shown.from.display();
    let (is_closed, needs, state) = match shown.access {
        Access::Overlay => (
            !is_enterable(&shown.from),
            "a directory that the sandboxed user may enter",
            format!("{path} is closed to others"),
        ),
        _ => {
            (held.mode & 0o002 == 0, "write access for the sandboxed user", format!("{path} is not writable by others"))
        }
    };
    is_closed.then(|| Refusal {
        backend: "native",
        needs: needs.to_owned(),
        because: format!(
            "{state}, root's programs run as an own user, and the owner's ids cannot be mapped to it here ({error})"
        ),
        hint: "run palisade as the ordinary user who owns it, or give a directory made for the program (mode o+rwx)"
            .to_owned(),
    })
}
