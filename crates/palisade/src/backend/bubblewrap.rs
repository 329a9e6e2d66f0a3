//! `bwrap` (R4): every namespace, set up by nobody in particular.

use palisade_spec::{Backend, Guarantees, Held, NetworkPolicy};

use super::{around, tool};
use crate::{
    bound::Resolved,
    error::Refusal,
    foreign::{self, AGENT, AGENTS, Foreign, Places, Room, Starter},
    host::Host,
    native::{EMPTY, HOST_NAME, Kind, Launch},
};

pub(super) fn guarantees(host: &Host) -> Guarantees {
    Guarantees {
        files: Held::Itself("mount namespace and new root, over a tree that palisade builds".to_owned()),
        network: Held::Itself("network namespace".to_owned()),
        processes: Held::Itself("pid, ipc and uts namespaces".to_owned()),
        ..around(host)
    }
}

/// Plans a launch by `bwrap`.
pub(super) fn plan(job: Resolved, host: &Host) -> Result<Launch, Vec<Refusal>> {
    let bwrap = tool(Backend::Bubblewrap, &["bwrap"], "bubblewrap")?;
    // bwrap itself waits outside its namespaces; inside, the agent is process 1.
    let room = Room { processes: 1 + AGENTS, threads: 1 + AGENTS, memory: 2 << 20 };
    foreign::launch(Backend::Bubblewrap, job, host, &guarantees(host), Starter::Mapped, |launch, places| Foreign {
        arguments: arguments(launch, places),
        room,
        ..Foreign::of(bwrap, Starter::Mapped)
    })
}

fn arguments(launch: &Launch, places: &Places) -> Vec<String> {
    let root = places.root.display();
    let mut words: Vec<String> =
        ["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"]
            .map(str::to_owned)
            .to_vec();
    if launch.job.network != NetworkPolicy::AllowAll {
        words.push("--unshare-net".to_owned());
    }
    words.extend(["--hostname", HOST_NAME, "--as-pid-1", "--die-with-parent", "--new-session"].map(str::to_owned));
    // With the devices in it: the tree has only those that give access to nothing.
    words.extend(["--dev-bind".to_owned(), root.to_string(), "/".to_owned(), "--proc".to_owned(), "/proc".to_owned()]);
    for (at, kind) in launch.masks() {
        words.extend(match kind {
            Kind::File => ["--dev-bind".to_owned(), "/dev/null".to_owned(), at.display().to_string()],
            Kind::Directory => ["--ro-bind".to_owned(), format!("{root}{EMPTY}"), at.display().to_string()],
        });
    }
    words.extend(["--".to_owned(), AGENT.to_owned()]);
    words
}
