//! Walls that other programs make.
//!
//! ```text
//! our pid 1, in own pid and mount namespaces: builds the program's file tree at a place that only it sees
//! └ the wall's program (bwrap, runc, …): makes that tree a root, and everything else that is its own
//!   └ palisade's agent: gives up privileges, installs the filter, tells when the program starts and how it ends
//!     └ the program
//! ```
//!
//! So the file tree, cgroup, streams, limits, supervision and verdict are the same code for every wall, and nothing of it
//! outlives our pid 1. Not here: the arguments of each wall (`backend`), walls of a daemon, which no process of ours is around.

mod agent;
mod envelope;
mod order;

use std::path::{Path, PathBuf};

use palisade_spec::{Backend, Guarantees, Held, Layer, LayerName, LayerStatus, NetworkPolicy, Weakening};
use palisade_sys::{Namespaces, cgroup};
use serde::Serialize;

pub(crate) use self::{
    agent::AGENT,
    envelope::script,
    order::{Agent, order},
};
use crate::{
    bound::Resolved,
    error::Refusal,
    host::{Host, INSIDE},
    job::Shown,
    native::{self, Launch},
};

/// The program that makes a wall, and what it is told.
#[derive(Clone, Debug, Serialize)]
pub struct Foreign {
    /// Its path on the host.
    pub tool: PathBuf,
    /// Its arguments, without its own name; the last are the agent's. In each, `%run%` becomes what no other run has.
    pub arguments: Vec<String>,
    /// All of its environment.
    pub environment: Vec<(String, String)>,
    /// Files that it reads, by their paths in the directory that it has for itself.
    pub files: Vec<(String, String)>,
    /// How long its program is there.
    pub stay: Stay,
    /// As whom it is started.
    pub starter: Starter,
    /// Who the agent is not, and the program is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<(u32, u32)>,
    /// Namespaces that palisade makes around it, beside those of processes and mounts: what is in them ends with the run.
    #[serde(skip)]
    pub around: Namespaces,
    /// Whose the `/proc` inside is.
    #[serde(skip)]
    pub proc: Proc,
    /// Directories of the tree that the wall's program mounts something over before it takes anything from there: they are below
    /// its own directory, too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aside: Vec<PathBuf>,
    /// Places inside where the wall's program mounts what no program has to see: the agent covers them by an empty directory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub emptied: Vec<PathBuf>,
    /// Where on the host the wall's program finds the run's own cgroup, and makes its own in that; only of version 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_at: Option<PathBuf>,
    /// Host directories that the wall's program writes to. It finds empty ones there, in memory, which vanish with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scratch: Vec<PathBuf>,
    /// Host directories in which it can change nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read_only: Vec<PathBuf>,
    /// What the program talks to.
    pub kernel: Kernel,
    /// What the wall itself needs of the limits.
    pub room: Room,
}

impl Foreign {
    /// One that is told nothing and does everything itself.
    pub(crate) fn of(tool: PathBuf, starter: Starter) -> Self {
        Self {
            tool,
            arguments: Vec::new(),
            environment: Vec::new(),
            files: Vec::new(),
            stay: Stay::Always,
            starter,
            identity: None,
            proc: Proc::Finished,
            aside: Vec::new(),
            emptied: Vec::new(),
            scratch: Vec::new(),
            read_only: Vec::new(),
            around: Namespaces::default(),
            group_at: None,
            kernel: Kernel::Hosts,
            room: Room::default(),
        }
    }
}

impl Foreign {
    pub(crate) fn agent(&self, launch: &Launch) -> Agent {
        Agent {
            kernel: self.kernel,
            binds: order::binds(launch, self),
            identity: self.identity,
            alias: (self.starter == Starter::MappedRoot).then_some(INSIDE),
        }
    }
}

/// Whose the `/proc` inside is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proc {
    /// The tree's, of our own pid namespace; or the wall's program mounts another one, and covers parts of it as we do.
    Finished,
    /// The wall's program mounts one, and the agent covers parts of it.
    Bare,
}

/// What a program talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kernel {
    /// The host's kernel: the agent hears of hostile calls, and everybody is in the host's process table.
    Hosts,
    /// Another one: the filter decides alone, and only the agent can count.
    Own,
}

/// How long a wall's program is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stay {
    /// As long as the program.
    Always,
    /// Until it ends with 0: only then is the program started. Meanwhile it takes this.
    Before(Room),
}

/// As whom a wall's program is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Starter {
    /// As somebody ordinary, in a user namespace where nobody else is.
    Mapped,
    /// As the root of such a namespace; the agent makes itself somebody ordinary.
    MappedRoot,
    /// As the host's root: it can make its wall in no other way.
    Root,
}

/// What the processes of a wall take of what the program has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Room {
    /// Processes beside the program and our pid 1.
    pub processes: u32,
    /// Threads of all processes beside the program and our pid 1, at most.
    pub threads: u32,
    /// Bytes.
    pub memory: u64,
}

/// In arguments: what no other run has, not even one of the same plan at the same time.
pub(crate) const RUN: &str = "%run%";

/// What the agent is: itself, and the process that starts the program and reaps.
pub(crate) const AGENTS: u32 = 2;

/// Where a wall's program finds things.
#[derive(Debug)]
pub(crate) struct Places {
    /// The program's file tree.
    pub(crate) root: PathBuf,
    /// A directory for the wall's program alone: [`Foreign::files`], and whatever it writes.
    pub(crate) own: PathBuf,
}

impl Places {
    pub(crate) fn of(anchor: &Path) -> Self {
        Self { root: anchor.join(envelope::ROOT), own: anchor.join(envelope::OWN) }
    }
}

/// Plans a job inside the wall that `wall` describes. `backend` is its name.
///
/// # Errors
/// Every reason why it cannot be held.
pub(crate) fn launch(
    backend: Backend,
    job: Resolved,
    host: &Host,
    guarantees: &Guarantees,
    starter: Starter,
    wall: impl FnOnce(&Launch, &Places) -> Foreign,
) -> Result<Launch, Vec<Refusal>> {
    let mut refusals = Vec::new();
    if starter == Starter::Root && !rustix::process::geteuid().is_root() {
        refusals.push(Refusal {
            backend: backend.name(),
            needs: "root".to_owned(),
            because: format!("{backend} makes its wall as root, and this user is not"),
            hint: "run palisade as root, or leave --backend out".to_owned(),
        });
    }
    let mut launch = with_agent(backend, job, host, guarantees, refusals)?;
    if starter == Starter::MappedRoot {
        launch.ids.inside = (0, 0);
    }
    let places = Places::of(&launch.anchor);
    let mut foreign = wall(&launch, &places);
    for directories in [&mut foreign.scratch, &mut foreign.read_only] {
        directories.retain(|directory| directory.is_dir());
    }
    count_tasks(&mut launch, &foreign);
    let named = [(Namespaces::IPC, "ipc"), (Namespaces::UTS, "uts"), (Namespaces::NETWORK, "network")];
    launch.namespaces = match starter {
        Starter::Mapped | Starter::MappedRoot => vec!["user", "mount", "pid"],
        Starter::Root => vec!["mount", "pid"],
    };
    launch.namespaces.extend(named.iter().filter(|(one, _)| foreign.around.contains(*one)).map(|(_, name)| *name));
    launch.foreign = Some(foreign);
    Ok(launch)
}

/// Plans a job with palisade's agent inside. `refusals`: why it cannot be, as far as that is known.
///
/// # Errors
/// Every reason why it cannot be held.
pub(crate) fn with_agent(
    backend: Backend,
    job: Resolved,
    host: &Host,
    guarantees: &Guarantees,
    mut refusals: Vec<Refusal>,
) -> Result<Launch, Vec<Refusal>> {
    let (mut job, clamped) = job.into_parts();
    let refusal = |needs: &str, because: String, hint: &str| Refusal {
        backend: backend.name(),
        needs: needs.to_owned(),
        because,
        hint: hint.to_owned(),
    };
    if job.terminal.is_some() {
        refusals.push(refusal(
            "a terminal for the program (--tty)",
            "its order and its end are told over the program's three streams, which a terminal would join".to_owned(),
            "leave --tty out, or say --backend native",
        ));
    }
    match agent::find() {
        Ok(agent) => job.shown.push(Shown { at: AGENT.into(), ..Shown::read(&agent) }),
        Err(because) => refusals.push(refusal(
            "palisade's agent inside the wall",
            because,
            "install `palisade-guest` beside the palisade command (`cargo install --path crates/cli` installs both)",
        )),
    }
    // Landlock is what palisade's own child applies to itself; here that would be the wall's program.
    let planned = native::launch(job, clamped, &Host { landlock: 1, ids: host.ids.of_next_run(), ..host.clone() });
    let mut launch = match planned {
        Ok(launch) if refusals.is_empty() => launch,
        Ok(_) => return Err(refusals),
        Err(why) => {
            refusals.extend(why.into_iter().map(|refusal| Refusal { backend: backend.name(), ..refusal }));
            return Err(refusals);
        }
    };
    launch.backend = backend;
    launch.landlock = 0;
    launch.layers = layers(guarantees, &launch.job.network);
    launch.weakened.extend(weakened(backend, guarantees));
    Ok(launch)
}

/// RLIMIT_NPROC, as it is counted in this wall.
fn count_tasks(launch: &mut Launch, foreign: &Foreign) {
    let is_hosts = foreign.identity == Some((launch.ids.uid, launch.ids.gid));
    let has_cgroup = matches!(launch.cgroup, Some(cgroup::Place::V2 { .. } | cgroup::Place::V1 { pids: Some(_), .. }));
    if is_hosts && has_cgroup {
        // Without a user namespace a user's tasks are counted on the whole host, and several runs of one plan are the same user.
        launch.rlimits.retain(|limit| limit.resource != libc::RLIMIT_NPROC);
    }
    if foreign.kernel == Kernel::Own {
        // Nobody else refuses a task there.
        let tasks = u64::from(launch.job.limits.threads).saturating_add(1);
        for limit in launch.rlimits.iter_mut().filter(|limit| limit.resource == libc::RLIMIT_NPROC) {
            limit.value = limit.value.min(tasks);
        }
    }
    // An agent that makes a user namespace is not in it itself.
    let agents = if foreign.starter == Starter::MappedRoot && foreign.kernel == Kernel::Hosts { 1 } else { AGENTS };
    // Otherwise the agent's are counted as well. Of pid 1 there is one less.
    for limit in launch.rlimits.iter_mut().filter(|limit| limit.resource == libc::RLIMIT_NPROC) {
        limit.value = limit.value.saturating_add(u64::from(agents) - 1);
    }
}

/// What this wall holds less of than others. Of limits, that is known without it.
fn weakened(backend: Backend, guarantees: &Guarantees) -> Vec<Weakening> {
    use palisade_spec::Guarantee as G;
    let weak = |guarantee: G| match guarantees.of(guarantee) {
        Held::Weakly(by) => Some(Weakening {
            what: guarantee.to_string(),
            because: format!("of this, {backend} has only: {by}"),
            instead: by.clone(),
            hint: "leave --backend out: the first wall that holds everything is taken".to_owned(),
        }),
        _ => None,
    };
    [G::Files, G::Network, G::Processes, G::SystemCalls, G::Privileges].into_iter().filter_map(weak).collect()
}

/// The report's lines of defence (R49), from what the wall holds.
fn layers(guarantees: &Guarantees, network: &NetworkPolicy) -> Vec<Layer> {
    use LayerName as N;
    let of = |layer, held: &Held| {
        let status = match held {
            Held::Itself(_) | Held::Around(_) => LayerStatus::Enforced,
            Held::Weakly(_) => LayerStatus::Weakened,
            Held::No(_) => LayerStatus::Unavailable,
        };
        Layer { layer, status, by: held.by().to_owned() }
    };
    let around = |layer, by: &str| Layer { layer, status: LayerStatus::Enforced, by: by.to_owned() };
    vec![
        Layer {
            layer: N::CodeValidation,
            status: LayerStatus::Off,
            by: "nothing: code is not looked at before it runs".to_owned(),
        },
        of(N::ResourceLimits, &guarantees.memory),
        match network {
            NetworkPolicy::AllowAll => Layer {
                layer: N::NetworkIsolation,
                status: LayerStatus::Off,
                by: "the policy allows the host's network".to_owned(),
            },
            _ => of(N::NetworkIsolation, &guarantees.network),
        },
        of(N::FilesystemIsolation, &guarantees.files),
        of(N::ProcessIsolation, &guarantees.processes),
        of(N::CapabilityRestriction, &guarantees.privileges),
        of(N::SystemCallFilter, &guarantees.system_calls),
        of(N::TimeLimits, &guarantees.time),
        around(N::InputValidation, "regular source files of bounded size, canonical paths, typed limits"),
        around(N::OutputFiltering, "pipes of our own, byte cap for each stream (contents are not searched)"),
    ]
}
