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
pub(crate) const DIFFERENCES: &[Difference] = &[
    difference("unshare", "name of the host", "exited 0", "it makes no UTS namespace: the name is the host's"),
    difference("chroot", "name of the host", "exited 0", "it makes no namespace at all: the name is the host's"),
    difference(
        "chroot",
        "user and group",
        "exited 0",
        "without a user namespace the program sees the ids that it has on the host",
    ),
    difference(
        "nspawn",
        "what is at the top",
        "exited 0",
        "it mounts /run and /sys, which palisade's agent covers by empty directories",
    ),
];

const fn difference(
    backend: &'static str,
    request: &'static str,
    outcome: &'static str,
    because: &'static str,
) -> Difference {
    Difference { backend, person: None, request, outcome, because }
}
