//! `chroot` (R3): another root directory, which is no isolation. What keeps the program in is palisade's.

use palisade_spec::{Backend, Guarantees, Held};
use palisade_sys::Namespaces;

use super::{CHANGED_ROOT, around, tool};
use crate::{
    bound::Resolved,
    error::Refusal,
    foreign::{self, AGENT, AGENTS, Foreign, Room, Starter},
    host::Host,
    native::Launch,
};

pub(super) fn guarantees(host: &Host) -> Guarantees {
    Guarantees {
        files: Held::Weakly(CHANGED_ROOT.to_owned()),
        network: Held::No("changing the root closes no network: the program has the host's".to_owned()),
        processes: Held::Around("pid, ipc and uts namespaces of palisade's".to_owned()),
        ..around(host)
    }
}

/// Plans a launch by `chroot`.
pub(super) fn plan(job: Resolved, host: &Host) -> Result<Launch, Vec<Refusal>> {
    let chroot = tool(Backend::Chroot, &["chroot"], "coreutils")?;
    // chroot becomes the agent.
    let room = Room { processes: AGENTS, threads: AGENTS, memory: 2 << 20 };
    foreign::launch(Backend::Chroot, job, host, &guarantees(host), Starter::Root, |launch, places| Foreign {
        identity: Some((launch.ids.uid, launch.ids.gid)),
        around: Namespaces::IPC.and(Namespaces::UTS),
        arguments: vec![places.root.display().to_string(), AGENT.to_owned()],
        room,
        ..Foreign::of(chroot, Starter::Root)
    })
}
