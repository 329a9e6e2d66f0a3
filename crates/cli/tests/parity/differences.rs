//! Where a wall answers otherwise than palisade's own, and why. Everything that is not here is equal.

use palisade_testkit::Person;

/// One difference.
pub(crate) struct Difference {
    /// Of which wall.
    pub(crate) backend: &'static str,
    /// Whose; `None` for everybody's.
    pub(crate) person: Option<Person>,
    /// Name of the request.
    pub(crate) request: &'static str,
    /// How the outcome begins.
    pub(crate) outcome: &'static str,
    /// Why.
    pub(crate) because: &'static str,
}

impl Difference {
    pub(crate) fn is_of(&self, backend: &str, person: Person, request: &str) -> bool {
        (self.backend, self.request) == (backend, request) && self.person.is_none_or(|whose| whose == person)
    }
}

/// All of them.
#[rustfmt::skip] // a table
pub(crate) const DIFFERENCES: &[Difference] = &[
    Difference { backend: "nspawn", person: None, request: "what is at the top", outcome: "exited 0", because: "it mounts something at /run and /sys, whatever it is told; both are empty directories inside" },
    Difference { backend: "firejail", person: None, request: "user and group", outcome: "exited 0", because: OWN_IDS },
    Difference { backend: "unshare", person: None, request: "no network", outcome: "error 125", because: NO_NETWORK },
    Difference { backend: "unshare", person: None, request: "a loopback of its own", outcome: "error 125", because: NO_NETWORK },
    Difference { backend: "chroot", person: None, request: "user and group", outcome: "exited 0", because: OWN_IDS },
    Difference { backend: "chroot", person: None, request: "no network", outcome: "error 125", because: NO_NETWORK },
    Difference { backend: "chroot", person: None, request: "a loopback of its own", outcome: "error 125", because: NO_NETWORK },
];

const OWN_IDS: &str = "without a user namespace the program has the ids of the run, which own nothing, and sees them";
const NO_NETWORK: &str = "it has no network namespace: refused (all other requests leave the network open there)";
