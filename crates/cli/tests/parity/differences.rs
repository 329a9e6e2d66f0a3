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

const fn of_gvisor(request: &'static str, outcome: &'static str, because: &'static str) -> Difference {
    Difference { backend: "gvisor", person: None, request, outcome, because }
}

const NO_AUTOMOUNT: &str =
    "gVisor of 2022 refuses a flag that coreutils 9 always give (AT_NO_AUTOMOUNT): ls and stat fail";
const STATUS: &str = "its /proc/N/status has fewer lines";
const OWNER_FIRST: &str = "it says EACCES before EROFS";
const UNHEARD: &str = "its filter decides alone: nobody hears which call was tried";

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
    of_gvisor("orphans are reaped", "exited 0", NO_AUTOMOUNT),
    of_gvisor("signals have their default meaning", "exited 1", STATUS),
    of_gvisor("descriptors", "exited 0", NO_AUTOMOUNT),
    of_gvisor("no privileges", "exited 0", STATUS),
    of_gvisor("what is at the top", "exited 1", NO_AUTOMOUNT),
    of_gvisor("nothing of the host's users", "exited 2", NO_AUTOMOUNT),
    of_gvisor("the system is read-only", "exited 0", OWNER_FIRST),
    of_gvisor("scratch space", "exited 1", NO_AUTOMOUNT),
    of_gvisor("devices", "exited 2", NO_AUTOMOUNT),
    Difference { person: Some(Person::Root), ..of_gvisor("a directory to be read", "exited 0", OWNER_FIRST) },
    Difference { person: Some(Person::Root), ..of_gvisor("threads", "exited 1", "the kernel inside refuses a thread too many, and tells nobody") },
    of_gvisor("size of scratch space", "exited 1", NO_AUTOMOUNT),
    of_gvisor("a hostile call is denied and named", "exited 1", UNHEARD),
    of_gvisor("a hostile call kills", "violation a hostile call", UNHEARD),
    of("docker", "what is at the top", "exited 0", "Docker puts `.dockerenv` there, and an empty /sys"),
    Difference { person: Some(Person::Root), ..of("docker", "a directory to be changed", "exited 0", OWNERS) },
    Difference { person: Some(Person::Ordinary), ..of("docker", "threads", "limit-hit threads", "Docker's cgroup holds it, where an ordinary user has none") },
    of("docker", "an overlay", "error 125", OVERLAY),
    of("podman", "what is at the top", "exited 0", "Podman puts empty /sys, /run and /var/tmp there"),
    Difference { person: Some(Person::Root), ..of("podman", "a directory to be changed", "exited 0", OWNERS) },
    of("podman", "an overlay", "error 125", OVERLAY),
    of("podman", "files in scratch space", "exited 1", "Podman limits bytes of a file system in memory, not files"),
];

const OWN_IDS: &str = "without a user namespace the program has the ids of the run, which own nothing, and sees them";
const NO_NETWORK: &str = "it has no network namespace: refused (all other requests leave the network open there)";

const OWNERS: &str = "an engine maps no owners: what root's program makes belongs to the run's own id";
const OVERLAY: &str = "an engine mounts no overlay of a host directory that palisade could read afterwards";

/// Everybody's.
const fn of(backend: &'static str, request: &'static str, outcome: &'static str, because: &'static str) -> Difference {
    Difference { backend, person: None, request, outcome, because }
}
