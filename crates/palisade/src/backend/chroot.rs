//! `chroot` (R3): another root directory, which is no isolation. What keeps the program in is palisade's.

use palisade_spec::{Backend, Guarantees, Held};
use palisade_sys::cgroup;

use super::{around, tool};
use crate::{
    bound::Resolved,
    error::Refusal,
    foreign::{self, AGENT, AGENTS, Foreign, Room, Starter},
    host::Host,
    native::Launch,
};

pub(super) fn guarantees(host: &Host) -> Guarantees {
    Guarantees {
        files: Held::Weakly(
            "changed root over a tree that palisade builds in a mount namespace of its own; the host's tree is still mounted \
             beside it"
                .to_owned(),
        ),
        network: Held::No("changing the root closes no network: the program has the host's".to_owned()),
        processes: Held::Weakly(
            "pid namespace of palisade's; System V shared memory and the host's name are the host's".to_owned(),
        ),
        ..around(host)
    }
}

/// Plans a launch by `chroot`.
pub(super) fn plan(job: Resolved, host: &Host) -> Result<Launch, Vec<Refusal>> {
    let chroot = tool(Backend::Chroot, &["chroot"], "coreutils")?;
    let mut launch =
        foreign::launch(Backend::Chroot, job, host, &guarantees(host), Starter::Root, |launch, places| Foreign {
            arguments: vec![places.root.display().to_string(), AGENT.to_owned()],
            identity: Some((launch.ids.uid, launch.ids.gid)),
            // chroot becomes the agent.
            room: Room { processes: AGENTS, threads: AGENTS, memory: 2 << 20 },
            ..Foreign::of(chroot, Starter::Root)
        })?;
    // Without a user namespace, this is counted for a user on the whole host, and several runs of one plan are the same user.
    if matches!(launch.cgroup, Some(cgroup::Place::V2 { .. } | cgroup::Place::V1 { pids: Some(_), .. })) {
        launch.rlimits.retain(|limit| limit.resource != libc::RLIMIT_NPROC);
    }
    Ok(launch)
}
