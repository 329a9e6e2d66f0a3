//! The walls, and the choice among them.
//!
//! A backend says what it holds, and plans; one supervisor runs what it planned. Not here: how a plan is carried out, what
//! the walls of other programs have in common (`foreign`).

mod around;
mod bubblewrap;
mod choice;
mod chroot;
mod contained;
mod docker;
mod firejail;
mod lxc;
mod needs;
mod none;
mod nspawn;
mod oci;
mod offer;
mod own;
mod podman;
mod remembered;
mod unshare;

use palisade_spec::{Backend, Guarantees, Strength};

use self::around::CHANGED_ROOT;
pub use self::offer::{Offer, offers};
pub(crate) use self::{
    around::{around, tool},
    choice::Choice,
    remembered::{Failure, Remembered},
};
use crate::{
    bound::Resolved,
    error::Refusal,
    host::Host,
    native::{self, Launch},
};

/// One wall.
pub(crate) struct Row {
    /// Its name.
    pub(crate) kind: Backend,
    /// What stands between a program and the host.
    pub(crate) strength: Strength,
    /// What it holds on this host, if it can be had at all.
    pub(crate) guarantees: fn(&Host) -> Guarantees,
    /// What to launch for a job, or every reason why not.
    plan: fn(Resolved, &Host) -> Result<Launch, Vec<Refusal>>,
}

/// Every wall of this version. Those that hold as much stand in the order of what a launch costs (`docs/performance.md`).
pub(crate) const ALL: [Row; 15] = [
    Row { kind: Backend::Native, strength: Strength::Namespaces, guarantees: own::guarantees, plan: native::plan },
    Row {
        kind: Backend::Bubblewrap,
        strength: Strength::Namespaces,
        guarantees: bubblewrap::guarantees,
        plan: bubblewrap::plan,
    },
    Row { kind: Backend::Lxc, strength: Strength::Namespaces, guarantees: lxc::guarantees, plan: lxc::plan },
    oci::CRUN,
    oci::RUNC,
    Row { kind: Backend::Nspawn, strength: Strength::Namespaces, guarantees: nspawn::guarantees, plan: nspawn::plan },
    oci::YOUKI,
    oci::GVISOR,
    oci::KATA,
    Row { kind: Backend::Docker, strength: Strength::Namespaces, guarantees: docker::guarantees, plan: docker::plan },
    Row { kind: Backend::Podman, strength: Strength::Namespaces, guarantees: podman::guarantees, plan: podman::plan },
    Row {
        kind: Backend::Firejail,
        strength: Strength::Partial,
        guarantees: firejail::guarantees,
        plan: firejail::plan,
    },
    Row { kind: Backend::Unshare, strength: Strength::Partial, guarantees: unshare::guarantees, plan: unshare::plan },
    Row { kind: Backend::Chroot, strength: Strength::None, guarantees: chroot::guarantees, plan: chroot::plan },
    Row { kind: Backend::None, strength: Strength::None, guarantees: none::guarantees, plan: none::plan },
];

/// What stands between a program and the host behind this wall. One that is to be chosen is a whole one.
pub(crate) fn strength_of(backend: Backend) -> Strength {
    let row = ALL.iter().find(|row| row.kind == backend);
    match backend {
        Backend::Auto | Backend::Missing(_) => Strength::Namespaces,
        _ => row.map_or(Strength::None, |row| row.strength),
    }
}
