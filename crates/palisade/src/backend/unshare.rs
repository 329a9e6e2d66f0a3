//! util-linux `unshare` (R2): user, mount and pid namespaces, and nothing else.

use palisade_spec::{Backend, Guarantees, Held};
use palisade_sys::Namespaces;

use super::{CHANGED_ROOT, around, tool};
use crate::{
    bound::Resolved,
    error::Refusal,
    foreign::{self, AGENT, AGENTS, Foreign, Places, Proc, Room, Starter},
    host::Host,
    native::Launch,
};

pub(super) fn guarantees(host: &Host) -> Guarantees {
    Guarantees {
        files: Held::Weakly(CHANGED_ROOT.to_owned()),
        network: Held::No("it makes no network namespace: the program has the host's network".to_owned()),
        processes: Held::Around("pid namespace of unshare's; ipc and uts namespaces of palisade's".to_owned()),
        privileges: Held::Itself("user namespace; palisade's agent gives up all capabilities of it".to_owned()),
        ..around(host)
    }
}

/// Plans a launch by `unshare`.
pub(super) fn plan(job: Resolved, host: &Host) -> Result<Launch, Vec<Refusal>> {
    let unshare = tool(Backend::Unshare, &["unshare"], "util-linux")?;
    // unshare itself waits for the agent.
    let room = Room { processes: 1 + AGENTS, threads: 1 + AGENTS, memory: 2 << 20 };
    let wall = |launch: &Launch, places: &Places| Foreign {
        around: Namespaces::IPC.and(Namespaces::UTS),
        proc: Proc::Bare,
        arguments: arguments(launch, places),
        room,
        ..Foreign::of(unshare, Starter::Mapped)
    };
    let mut launch = foreign::launch(Backend::Unshare, job, host, &guarantees(host), Starter::Mapped, wall)?;
    // It waits in the new user namespace, where the program's tasks are counted.
    for limit in launch.rlimits.iter_mut().filter(|limit| limit.resource == libc::RLIMIT_NPROC) {
        limit.value = limit.value.saturating_add(1);
    }
    Ok(launch)
}

fn arguments(launch: &Launch, places: &Places) -> Vec<String> {
    let (uid, gid) = launch.ids.inside;
    vec![
        format!("--map-user={uid}"),
        format!("--map-group={gid}"),
        // For the agent, until it has covered what /proc tells of the host.
        "--keep-caps".to_owned(),
        "--mount".to_owned(),
        "--pid".to_owned(),
        "--fork".to_owned(),
        "--kill-child".to_owned(),
        format!("--root={}", places.root.display()),
        "--mount-proc".to_owned(),
        "--".to_owned(),
        AGENT.to_owned(),
    ]
}
