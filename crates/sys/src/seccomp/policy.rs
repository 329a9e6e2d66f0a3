//! What a caller can choose, and the rules that follow.

use super::allowed::ALLOWED;
use super::call::Call;
use super::guarded::guarded;
use super::hostile::HOSTILE;
use super::keeper::keeper;
use super::quiet::{QUIET, UNKNOWN, errno};
use super::rule::{Action, Rule, Rules};

/// What a program may ask of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// What a hostile call gets.
    pub denied: Denied,
    /// Who decides about new processes.
    pub forks: Forks,
    /// Which sockets can be made.
    pub families: Families,
}

/// What happens at a hostile call. Calls that ordinary programs try are refused silently whatever is chosen here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denied {
    /// It returns `EPERM`; nobody hears of it.
    Errno,
    /// The supervisor is asked, can name the call in the report, and must refuse it: never answer with
    /// `SECCOMP_USER_NOTIF_FLAG_CONTINUE`. A program can hide a try by refusing the call to itself with a filter of
    /// its own (the kernel prefers an error to a notification), but it cannot make the call.
    Notify,
    /// The process dies of `SIGSYS`.
    Kill,
}

/// Who decides about new processes (`fork`, `vfork`, `clone` without `CLONE_THREAD`). New threads are always free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forks {
    /// Nobody here; the cgroup counts.
    Free,
    /// The supervisor, which lets the call continue or refuses it. Everything that it decides by is in registers, so
    /// continuing is safe here. Without a supervisor no process can be created.
    Notify,
}

/// The socket families that a program may use.
///
/// The others of the three here are refused silently with `EAFNOSUPPORT`, as by a kernel without them: resolvers and
/// runtimes probe them. All further families are hostile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Families {
    /// Unix sockets.
    Unix,
    /// And IPv4 and IPv6: streams (TCP, MPTCP) and datagrams (UDP, ICMP echo), no raw sockets.
    UnixInet,
    /// And the part of netlink that lists interfaces and routes (`getifaddrs`, Go's `net.Interfaces`).
    UnixInetRoute,
}

impl Policy {
    /// The rules of this policy.
    #[must_use]
    pub fn rules(self) -> Rules {
        let hostile = self.denied.action();
        let fork = self.forks.action();
        let mut rules = Vec::with_capacity(Call::ALL.len());
        rules.extend(each(ALLOWED).map(|call| Rule::new(call, Action::Allow)));
        rules.extend(each(HOSTILE).map(|call| Rule::new(call, hostile)));
        for (number, calls) in QUIET {
            rules.extend(calls.iter().map(|call| Rule::new(*call, errno(*number))));
        }
        rules.extend([Call::fork, Call::vfork].map(|call| Rule::new(call, fork)));
        rules.extend(guarded(hostile, fork, self.families));
        rules.extend(keeper());
        Rules { rules, otherwise: UNKNOWN }
    }
}

fn each(groups: &'static [(&str, &[Call])]) -> impl Iterator<Item = Call> {
    groups.iter().flat_map(|(_, calls)| calls.iter().copied())
}

impl Denied {
    const fn action(self) -> Action {
        match self {
            Self::Errno => errno(libc::EPERM),
            Self::Notify => Action::Notify,
            Self::Kill => Action::KillProcess,
        }
    }
}

impl Forks {
    const fn action(self) -> Action {
        match self {
            Self::Free => Action::Allow,
            Self::Notify => Action::Notify,
        }
    }
}
