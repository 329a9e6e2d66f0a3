//! The system call filter of a policy, and what its notifications mean.

use std::io;

use palisade_spec::NetworkPolicy;
pub(crate) use palisade_sys::seccomp::Denied;
use palisade_sys::seccomp::{Arch, Families, Forks, Policy, SockFilter, compile};

/// What happens to set-id bits of files that a program makes. In the sandbox they have no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetId {
    /// Nothing.
    Free,
    /// They are refused.
    Refused,
}

/// The filter for programs under `network`.
///
/// A hostile call is a notification where somebody can answer: the report names it, whatever becomes of the program. New
/// processes are free: a call that waits for an answer fails with `EINTR` when a signal comes first, which fork never
/// does, and shells give up then ("Cannot fork").
pub(crate) fn filter(network: &NetworkPolicy, denied: Denied, set_id: SetId) -> io::Result<Vec<SockFilter>> {
    let families = match network {
        NetworkPolicy::None => Families::Unix,
        NetworkPolicy::Loopback | NetworkPolicy::Custom(_) => Families::UnixInet,
        NetworkPolicy::AllowAll => Families::UnixInetRoute,
    };
    let policy = Policy { denied, forks: Forks::Free, families };
    let arch = Arch::host().ok_or_else(|| io::Error::other("no system call table for this processor"))?;
    let rules = match set_id {
        SetId::Free => policy.rules(),
        SetId::Refused => policy.rules().without_set_id(),
    };
    compile(&rules, arch).map_err(io::Error::other)
}
