//! `lxc-execute` (R8): every namespace and a process 1 of its own, made by root for an id range that owns nothing.

use palisade_spec::{Backend, Guarantees, Held, NetworkPolicy};

use super::{around, tool};
use crate::{
    bound::Resolved,
    error::Refusal,
    foreign::{self, AGENT, AGENTS, Foreign, Places, Proc, RUN, Room, Starter},
    host::Host,
    native::{HOST_NAME, Launch},
};

/// Its configuration, in its own directory.
const CONFIG: &str = "config";

pub(super) fn guarantees(host: &Host) -> Guarantees {
    Guarantees {
        files: Held::Itself("mount namespace and new root, over a tree that palisade builds".to_owned()),
        network: Held::Itself("network namespace".to_owned()),
        processes: Held::Itself("pid, ipc and uts namespaces".to_owned()),
        privileges: Held::Itself("user namespace; palisade's agent gives up all capabilities of it".to_owned()),
        ..around(host)
    }
}

/// Plans a launch by `lxc-execute`.
pub(super) fn plan(job: Resolved, host: &Host) -> Result<Launch, Vec<Refusal>> {
    let lxc = tool(Backend::Lxc, &["lxc-execute"], "lxc")?;
    // lxc-execute itself, and the process 1 that it makes.
    let room = Room { processes: 2 + AGENTS, threads: 2 + AGENTS, memory: 8 << 20 };
    let wall = |launch: &Launch, places: &Places| Foreign {
        files: vec![(CONFIG.to_owned(), configuration(launch, places))],
        identity: Some(launch.ids.inside),
        proc: Proc::Bare,
        scratch: vec!["/run".into(), "/sys/fs/cgroup".into()],
        arguments: arguments(places),
        room,
        ..Foreign::of(lxc, Starter::Root)
    };
    foreign::launch(Backend::Lxc, job, host, &guarantees(host), Starter::Root, wall)
}

fn arguments(places: &Places) -> Vec<String> {
    let own = places.own.display();
    // Its command socket has an abstract name, which the whole network namespace knows.
    let name = format!("palisade-{RUN}");
    let words = ["-P".to_owned(), own.to_string(), "-n".to_owned(), name, "-f".to_owned(), format!("{own}/{CONFIG}")];
    words.into_iter().chain(["--", AGENT].map(str::to_owned)).collect()
}

fn configuration(launch: &Launch, places: &Places) -> String {
    let (uid, inside) = (launch.ids.uid, launch.ids.inside.0);
    let base = uid.saturating_sub(inside);
    // An empty one still has a loopback, which is down.
    let network = match launch.job.network {
        NetworkPolicy::AllowAll => "none",
        NetworkPolicy::Loopback => "empty\nlxc.net.0.flags = up",
        NetworkPolicy::None | NetworkPolicy::Custom(_) => "empty",
    };
    // A profile of its own it has only where Debian's is loaded, and that one forbids the agent what it needs.
    format!(
        "lxc.rootfs.path = dir:{root}\n\
         lxc.uts.name = {HOST_NAME}\n\
         lxc.net.0.type = {network}\n\
         lxc.idmap = u 0 {base} {count}\n\
         lxc.idmap = g 0 {base} {count}\n\
         lxc.apparmor.profile = unconfined\n\
         lxc.mount.auto = proc:mixed\n\
         lxc.autodev = 0\n\
         lxc.pty.max = 0\n\
         lxc.tty.max = 0\n\
         lxc.console.path = none\n",
        root = places.root.display(),
        count = inside + 1,
    )
}
