//! Walls that a container engine makes: Docker and Podman, by the API that they share.
//!
//! ```text
//! palisade ── API ──→ the engine: a daemon, or somebody's own service
//!    │                  └ a container: namespaces, cgroup, mounts, no privileges, as it was asked for
//!    └── a socket in the container's tree ──→ palisade's agent, its first process
//!                                              └ the program
//! ```
//!
//! No process of palisade's is around such a wall, and nothing of the program goes through the engine: the agent is given pipes
//! by palisade itself, is seen and killed through the kernel, and ends when palisade does. Not here: walls that palisade's own
//! process 1 starts (`foreign`), what each engine holds (`backend`).

mod base;
mod body;
mod client;
mod container;
mod http;
mod private;
mod service;
mod socket;
mod tree;

use std::{fs, io, path::Path};

use palisade_spec::{Backend, Guarantees, NetworkPolicy, Refusal, Weakening};
use palisade_sys::{Groups, cgroup};
use serde::Serialize;

pub(crate) use self::{
    base::LABEL as BASE,
    client::{Client, Trouble},
    container::Container,
    socket::find,
};
use self::{
    client::{About, Dialect},
    private::Private,
    service::Service,
};
pub use self::{
    socket::Place,
    tree::{From, Mount, Scratch, ScratchKind, Skeleton, Tree},
};
use crate::{
    bound::Resolved,
    foreign::{AGENTS, Agent, Kernel, Room, with_agent},
    host::Host,
    job::Access,
    native::{Entry, Launch},
};

/// A container, as it will be asked for.
#[derive(Clone, Debug, Serialize)]
pub struct Engine {
    /// Where the engine is.
    pub place: Place,
    /// Whether it runs as an ordinary user, who is root in its containers.
    pub rootless: bool,
    /// The program's file tree.
    pub tree: Tree,
    /// User and group of the agent inside the container.
    pub user: (u32, u32),
    /// What the program's are called in a user namespace of its own, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub called: Option<(u32, u32)>,
    /// What the agent needs of the limits.
    pub room: Room,
}

impl Engine {
    pub(crate) fn agent(&self) -> Agent {
        Agent { kernel: Kernel::Hosts, binds: Vec::new(), identity: None, alias: self.called }
    }
}

/// An engine that answers, running as long as this is there.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) name: &'static str,
    pub(crate) client: Client,
    #[expect(dead_code, reason = "ended when dropped")]
    service: Option<Service>,
    #[expect(dead_code, reason = "removed when dropped")]
    private: Option<[Private; 2]>,
}

/// Connects to an engine, for something else than a run.
///
/// # Errors
/// Why it cannot be used.
pub(crate) fn connect(engine: Backend) -> Result<Connected, Refusal> {
    let started = |program: &Path| {
        private::sweep();
        // Images are large: what is made of memory is no place for them.
        let (private, spool) = (Private::make()?, Private::make_on_disk()?);
        let service = Service::start(program, private.path(), spool.path())?;
        io::Result::Ok(([private, spool], service))
    };
    match find(engine)? {
        Place::Socket(path) => {
            let client = socket::client(engine, &path)?;
            Ok(Connected { name: engine.name(), client, service: None, private: None })
        }
        Place::Program(program) => {
            let (private, service) = started(&program).map_err(|error| Refusal {
                backend: engine.name(),
                needs: "to start the engine".to_owned(),
                because: error.to_string(),
                hint: format!("{} info says more", program.display()),
            })?;
            let client = socket::client(engine, service.socket())?;
            Ok(Connected { name: engine.name(), client, service: Some(service), private: Some(private) })
        }
    }
}

/// Plans a job in a container of `engine`. Asks the engine what it is, and changes nothing.
///
/// # Errors
/// Every reason why it cannot be held.
pub(crate) fn launch(
    engine: Backend,
    job: Resolved,
    host: &Host,
    guarantees: &Guarantees,
) -> Result<Launch, Vec<Refusal>> {
    let place = find(engine).map_err(|refusal| vec![refusal])?;
    let refusal = |needs: &str, because: String, hint: &str| Refusal {
        backend: engine.name(),
        needs: needs.to_owned(),
        because,
        hint: hint.to_owned(),
    };
    let (about, dialect) = match &place {
        Place::Socket(path) => {
            let client = socket::client(engine, path).map_err(|refusal| vec![refusal])?;
            let about = match client.dialect {
                Dialect::Docker => client.about().map_err(|trouble| {
                    let hint = "see its log: journalctl -u docker";
                    vec![refusal("to know what the engine is", trouble.to_string(), hint)]
                })?,
                // It takes long to say, and is no other than who listens.
                Dialect::Podman => About { rootless: socket::is_rootless(&place), v1: !is_v2() },
            };
            (about, client.dialect)
        }
        Place::Program(_) => {
            let about = About { rootless: socket::is_rootless(&place), v1: !is_v2() };
            (about, Dialect::Podman)
        }
    };
    // On version 1, only root has cgroups, and an engine of somebody else's has none to hold anything by.
    let around = about.rootless && about.v1;
    let mut refusals = Vec::new();
    if around && !holds_memory(host) {
        refusals.push(refusal(
            "the guarantee `memory`",
            WITHOUT_GROUPS.to_owned(),
            "run palisade as root, boot the host with cgroup v2, or leave --backend out",
        ));
    }
    // The group of the container stands for ours, and all that a job needs of one can be had.
    let whole = cgroup::Place::V2 { directory: "/".into(), cpu: true, enable: false };
    let own = Host { cgroup: if around { host.cgroup.clone() } else { Ok(whole) }, ..host.clone() };
    let mut launch = with_agent(engine, job, &own, guarantees, refusals)?;
    if !around {
        launch.cgroup = None;
    }
    let mut refusals = Vec::new();
    refusals.extend(closed(&launch).into_iter().map(|path| {
        refusal(
            "write access for the sandboxed user",
            format!(
                "{path} is not writable by others, root's programs run as an own user, and an engine maps no owners"
            ),
            "run palisade as the ordinary user who owns it, or give a directory made for the program (mode o+rwx)",
        )
    }));
    let called = may_map().then_some(launch.ids.inside);
    if about.rootless && called.is_none() {
        refusals.push(refusal(
            "a user who is not root inside",
            "an ordinary user's engine maps that user to root, and user namespaces are forbidden inside of it"
                .to_owned(),
            "sysctl user.max_user_namespaces=10000, or leave --backend out",
        ));
    }
    let tree = match Tree::of(&launch) {
        Ok(tree) => tree,
        Err(lacks) => {
            let hint = "leave --backend out: palisade's own wall can";
            refusals.extend(lacks.into_iter().map(|lack| refusal(lack.needs, lack.because, hint)));
            return Err(refusals);
        }
    };
    if !refusals.is_empty() {
        return Err(refusals);
    }
    if dialect == Dialect::Podman {
        launch.weakened.push(Weakening {
            what: "tmp-inodes".to_owned(),
            because: "podman gives a file system in memory no such limit".to_owned(),
            instead: "the memory limit, which the kernel charges files and directories to".to_owned(),
            hint: "every other wall has one: --backend docker, for example".to_owned(),
        });
    }
    if called.is_none() {
        // Counted for the whole user then, whatever else it does.
        launch.rlimits.retain(|limit| limit.resource != libc::RLIMIT_NPROC);
    }
    launch.namespaces = vec!["mount", "pid", "ipc", "uts", "cgroup"];
    if launch.job.network != NetworkPolicy::AllowAll {
        launch.namespaces.push("network");
    }
    if called.is_some() {
        launch.namespaces.push("user");
    }
    let user = if about.rootless { (0, 0) } else { (launch.ids.uid, launch.ids.gid) };
    launch.engine = Some(Engine { place, rootless: about.rootless, tree, user, called, room: ROOM });
    Ok(launch)
}

/// The agent's two processes. There is no process 1 of ours beside.
const ROOM: Room = Room { processes: AGENTS - 1, threads: AGENTS - 1, memory: 2 << 20 };

/// Why an engine of an ordinary user holds nothing on such a host.
pub(crate) const WITHOUT_GROUPS: &str = "this host has cgroup v1, where an ordinary user's engine has none, and no group of this user's own is there instead";

/// Whether a group of this user's own can stand in for those that an engine of an ordinary user has not.
pub(crate) fn holds_memory(host: &Host) -> bool {
    matches!(&host.cgroup, Ok(cgroup::Place::V1 { memory: Some(_), pids: Some(_), .. }))
}

/// Whether the engine that this user has is an ordinary user's, and the host one where those have no cgroups.
pub(crate) fn is_without_groups(engine: Backend) -> bool {
    find(engine).is_ok_and(|place| socket::is_rootless(&place)) && !is_v2()
}

fn is_v2() -> bool {
    fs::exists("/sys/fs/cgroup/cgroup.controllers").unwrap_or(false)
}

/// Whether anybody may make user namespaces, as far as that can be read.
fn may_map() -> bool {
    let read = |name: &str| fs::read_to_string(name).map(|text| text.trim().to_owned()).ok();
    read("/proc/sys/user/max_user_namespaces").is_some_and(|most| most != "0")
        && read("/proc/sys/kernel/unprivileged_userns_clone").is_none_or(|switch| switch != "0")
        && read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").is_none_or(|switch| switch == "0")
}

/// Trees that the program is to change and may not, as somebody who owns nothing.
fn closed(launch: &Launch) -> Vec<String> {
    let entries = launch.tree.iter().filter(|_| launch.ids.groups == Groups::Drop);
    entries
        .filter_map(|entry| match entry {
            Entry::Host { from, access: Access::Write, held: Some(held), .. } if held.mode & 0o002 == 0 => {
                Some(from.display().to_string())
            }
            _ => None,
        })
        .collect()
}
