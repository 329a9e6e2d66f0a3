//! `systemd-nspawn` (R9): every namespace and a process 1 of its own, made by root for an id range that owns nothing.

use std::path::Path;

use palisade_spec::{Backend, Guarantees, Held, NetworkPolicy};
use palisade_sys::cgroup;

use super::{around, tool};
use crate::{
    bound::Resolved,
    error::Refusal,
    foreign::{self, AGENT, AGENTS, Foreign, Places, Proc, Room, Starter},
    host::Host,
    native::{Entry, HOST_NAME, Launch},
};

pub(super) fn guarantees(host: &Host) -> Guarantees {
    Guarantees {
        files: Held::Itself("mount namespace and new root, over a tree that palisade builds".to_owned()),
        network: Held::Itself("network namespace".to_owned()),
        processes: Held::Itself("pid, ipc and uts namespaces".to_owned()),
        privileges: Held::Itself("user namespace; palisade's agent gives up all capabilities of it".to_owned()),
        ..around(host)
    }
}

/// What it mounts something at, whatever it is told.
const MOUNT_POINTS: [&str; 2] = ["/run", "/sys"];

/// Where it looks for cgroups.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Plans a launch by `systemd-nspawn`.
pub(super) fn plan(job: Resolved, host: &Host) -> Result<Launch, Vec<Refusal>> {
    let nspawn = tool(Backend::Nspawn, &["systemd-nspawn"], "systemd-container")?;
    // It makes groups for itself and for what is inside, below the one that it is in. On version 1 that is the host's.
    let v1 = matches!(host.cgroup, Ok(cgroup::Place::V1 { .. }));
    let hides: &[&str] = if v1 { &["/run", CGROUPS] } else { &["/run"] };
    // nspawn itself, and the process 1 that it makes.
    let room = Room { processes: 2 + AGENTS, threads: 2 + AGENTS, memory: 8 << 20 };
    let wall = |launch: &Launch, places: &Places| Foreign {
        environment: [("SYSTEMD_NSPAWN_TMPFS_TMP", "0")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        identity: Some(launch.ids.inside),
        proc: Proc::Bare,
        aside: vec!["/dev".into()],
        emptied: MOUNT_POINTS.map(Into::into).into(),
        group_at: v1.then(|| Path::new(CGROUPS).join("systemd")),
        scratch: hides.iter().map(Into::into).collect(),
        arguments: arguments(launch, places),
        room,
        ..Foreign::of(nspawn, Starter::Root)
    };
    let mut launch = foreign::launch(Backend::Nspawn, job, host, &guarantees(host), Starter::Root, wall)?;
    launch.tree.splice(0..0, MOUNT_POINTS.map(|at| Entry::Directory { at: at.into() }));
    Ok(launch)
}

fn arguments(launch: &Launch, places: &Places) -> Vec<String> {
    let root = places.root.display();
    let (uid, inside) = (launch.ids.uid, launch.ids.inside.0);
    let mut words: Vec<String> = [
        "--quiet",
        "--as-pid2",
        "--pipe",
        "--register=no",
        "--keep-unit",
        "--link-journal=no",
        "--timezone=off",
        "--resolv-conf=off",
        "--private-users-ownership=off",
    ]
    .map(str::to_owned)
    .into();
    words.push(format!("--directory={root}"));
    words.push(format!("--bind={}/dev:/dev", places.own.display()));
    words.push(format!("--hostname={HOST_NAME}"));
    words.push(format!("--machine={HOST_NAME}"));
    words.push(format!("--private-users={}:{}", uid.saturating_sub(inside), inside + 1));
    if launch.job.network != NetworkPolicy::AllowAll {
        words.push("--private-network".to_owned());
    }
    words.push(AGENT.to_owned());
    words
}
