//! What will be done for one job: plain data, printed by `palisade plan`, testable without privileges.

use std::path::{Path, PathBuf};

use palisade_spec::{Backend, Clamp, Layer, LayerName, LayerStatus, NetworkPolicy, Weakening};
use palisade_sys::{Rlimit, cgroup};
use serde::Serialize;

use super::{
    files::{self, Entry, Kind, is_enterable},
    layers as stacks, limits,
    owners::owners,
};
use crate::{
    bound::Resolved,
    engine::Engine,
    error::Refusal,
    foreign::{Foreign, Room, Stay},
    host::{Host, Ids},
    job::{Access, Given, Job},
    resolve::SOURCE,
};

/// A job with everything that its launch needs.
#[derive(Clone, Debug, Serialize)]
pub struct Launch {
    /// Which wall.
    pub backend: Backend,
    /// How much of it.
    pub wall: Wall,
    /// The other program that makes it, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub foreign: Option<Foreign>,
    /// The container of an engine that it is, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<Engine>,
    /// What is launched.
    pub job: Job,
    /// Namespaces of its own.
    pub namespaces: Vec<&'static str>,
    /// Its ids on the host.
    pub ids: Ids,
    /// A host directory whose place the new root takes while it is built, in the mount namespace of the sandbox alone.
    #[serde(skip)]
    pub anchor: PathBuf,
    /// Its file tree.
    pub tree: Vec<Entry>,
    /// Version of Landlock that restricts it, 0 for none.
    pub landlock: u32,
    /// Where its cgroup is made.
    #[serde(serialize_with = "place")]
    pub cgroup: Option<cgroup::Place>,
    /// Its resource limits, by number.
    #[serde(serialize_with = "named")]
    pub rlimits: Vec<Rlimit>,
    /// Paths that are tried for the program, in order.
    pub candidates: Vec<String>,
    /// Lines of defence.
    pub layers: Vec<Layer>,
    /// What is weaker than asked for.
    pub weakened: Vec<Weakening>,
    /// What is lower than asked for.
    pub clamped: Vec<Clamp>,
}

impl Launch {
    /// What its cgroup holds until the program is started.
    pub(crate) fn settings_before(&self) -> cgroup::Settings {
        match self.foreign.as_ref().map(|foreign| foreign.stay) {
            Some(Stay::Before(room)) => self.settings_with(room),
            _ => self.settings(),
        }
    }

    /// What its cgroup holds.
    pub(crate) fn settings(&self) -> cgroup::Settings {
        self.settings_with(self.room())
    }

    fn settings_with(&self, room: Room) -> cgroup::Settings {
        let alone = limits::settings(&self.job.limits);
        cgroup::Settings {
            memory: alone.memory.saturating_add(room.memory),
            tasks: alone.tasks + u64::from(room.threads),
            ..alone
        }
    }

    /// What the wall itself needs of the limits.
    pub(crate) fn room(&self) -> Room {
        let foreign = self.foreign.as_ref().map(|foreign| foreign.room);
        foreign.or(self.engine.as_ref().map(|engine| engine.room)).unwrap_or_default()
    }

    /// Whether palisade's agent is inside, and tells of the program.
    pub(crate) fn has_agent(&self) -> bool {
        self.foreign.is_some() || self.engine.is_some()
    }

    /// Parts of `/proc` that a wall with a `/proc` of its own has to cover, as far as this host has them.
    pub(crate) fn masks(&self) -> impl Iterator<Item = (&Path, Kind)> {
        let mask = |entry| if let &Entry::Mask { ref at, kind } = entry { Some((at.as_path(), kind)) } else { None };
        self.tree.iter().filter_map(mask).filter(|(at, _)| at.exists())
    }

    /// The file that is copied into it, if there is one alone, read-only, and in a place that is there before any other.
    pub(crate) fn one_source(&self) -> Option<&Given> {
        let [given] = self.job.given.as_slice() else { return None };
        let is_early = !self.job.scratch().iter().any(|scratch| given.at.starts_with(scratch));
        (is_early && given.mode == 0o444 && given.size <= SOURCE && self.job.blank().is_none()).then_some(given)
    }

    /// Places inside that the program cannot see.
    pub(crate) fn hidden(&self) -> impl Iterator<Item = &Path> {
        self.tree.iter().filter_map(|entry| if let Entry::Hide { at, .. } = entry { Some(at.as_path()) } else { None })
    }
}

/// How much of a wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wall {
    /// All of it.
    Full,
    /// Nothing but a place and an end for the program: the backend `none`.
    Nothing,
}

/// Plans a job for this host.
///
/// # Errors
/// Every reason why this host cannot hold it.
pub(crate) fn plan(job: Resolved, host: &Host) -> Result<Launch, Vec<Refusal>> {
    let (job, clamped) = job.into_parts();
    launch(job, clamped, host)
}

/// As [`plan`], for what a backend made of a resolved job.
pub(crate) fn launch(job: Job, mut clamped: Vec<Clamp>, host: &Host) -> Result<Launch, Vec<Refusal>> {
    let mut refusals = Vec::new();
    let mut refuse = |needs: &str, because: String, hint: &str| {
        refusals.push(Refusal { backend: "native", needs: needs.to_owned(), because, hint: hint.to_owned() });
    };
    let anchor = host.anchors.iter().find(|path| path.is_dir()).cloned();
    if anchor.is_none() {
        refuse(
            "a directory to build the new root over",
            "none of /mnt, /media, /srv, /tmp, /var exists".to_owned(),
            "mkdir /mnt",
        );
    }
    if let NetworkPolicy::Custom(destinations) = &job.network {
        refuse(
            &format!("a network of chosen destinations ({destinations})"),
            "this version has no relay that could hold it".to_owned(),
            "leave the network closed (--network=none), or open all of it (--network=allow-all)",
        );
    }
    if !job.capabilities.is_empty() {
        refuse(
            &format!("the capabilities {}", job.capabilities),
            "palisade's own sandbox never gives one".to_owned(),
            "leave `capabilities` empty: inside, the program's own files and user are all it has to manage",
        );
    }
    if host.ids.groups == palisade_sys::Groups::Drop {
        let start = job.shown.iter().filter(|shown| shown.at == job.directory && shown.access == Access::Read);
        for shown in start.filter(|shown| !is_enterable(&shown.from)) {
            refuse(
                "a working directory that the sandboxed user may enter",
                format!("{} is closed to others, and root's programs run as an own user", shown.from.display()),
                "run palisade as the ordinary user who owns it, or put the program into a directory that others may enter",
            );
        }
    }
    stacks::refuse_closed(&job, host, &mut refusals);
    let owners = owners(&job, host, &mut refusals);
    let Some(anchor) = anchor.filter(|_| refusals.is_empty()) else { return Err(refusals) };

    let mut weakened = Vec::new();
    let place = host.cgroup.as_ref().ok().cloned();
    weakened.extend(limits::weakened(host.cgroup.as_ref().map_err(String::as_str), &job.limits));
    if host.landlock == 0 {
        weakened.push(Weakening {
            what: "filesystem-isolation".to_owned(),
            because: "this kernel has no Landlock, or it is off".to_owned(),
            instead: "mount namespace and read-only mounts alone".to_owned(),
            hint: "boot with `lsm=landlock,…` (Linux 5.13 or later)".to_owned(),
        });
    }
    let (rlimits, lower) = limits::rlimits(&job.limits, place.as_ref());
    clamped.extend(lower);
    let mut namespaces = vec!["user", "mount", "pid", "ipc", "uts", "cgroup"];
    if job.network != NetworkPolicy::AllowAll {
        namespaces.push("network");
    }
    Ok(Launch {
        backend: Backend::Native,
        wall: Wall::Full,
        foreign: None,
        engine: None,
        namespaces,
        ids: host.ids,
        anchor,
        tree: files::tree(&job, host, &owners),
        landlock: host.landlock,
        layers: layers(&job, host, place.as_ref()),
        cgroup: place,
        rlimits,
        candidates: candidates(&job),
        weakened,
        clamped,
        job,
    })
}

/// Paths to try for the program, as a shell would.
pub(crate) fn candidates(job: &Job) -> Vec<String> {
    let Some(program) = job.command.first() else { return Vec::new() };
    if program.contains('/') {
        return vec![program.clone()];
    }
    let path = job.environment.iter().find(|(name, _)| name == "PATH").map_or("/usr/bin:/bin", |(_, path)| path);
    path.split(':').filter(|part| part.starts_with('/')).map(|part| format!("{part}/{program}")).collect()
}

fn layers(job: &Job, host: &Host, place: Option<&cgroup::Place>) -> Vec<Layer> {
    use LayerName as N;
    use LayerStatus as S;
    let layer = |layer, status, by: &str| Layer { layer, status, by: by.to_owned() };
    let limited = match place {
        Some(cgroup::Place::V2 { .. }) => (S::Enforced, "cgroup v2, rlimits"),
        Some(cgroup::Place::V1 { memory: Some(_), pids: Some(_), cpuacct: Some(_), .. }) => {
            (S::Enforced, "cgroup v1, rlimits")
        }
        Some(_) => (S::Weakened, "some cgroup v1 controllers, rlimits, supervision of the tree"),
        None => (S::Weakened, "rlimits, supervision of the tree"),
    };
    let files = if host.landlock > 0 {
        (S::Enforced, format!("mount namespace, new root, recursive read-only binds, Landlock ABI {}", host.landlock))
    } else {
        (S::Weakened, "mount namespace, new root, recursive read-only binds".to_owned())
    };
    vec![
        layer(N::CodeValidation, S::Off, "nothing: code is not looked at before it runs"),
        layer(N::ResourceLimits, limited.0, limited.1),
        match &job.network {
            NetworkPolicy::None => {
                layer(N::NetworkIsolation, S::Enforced, "own network namespace, loopback down, no internet sockets")
            }
            NetworkPolicy::Loopback => layer(N::NetworkIsolation, S::Enforced, "own network namespace, own loopback"),
            // `plan` has refused it.
            NetworkPolicy::Custom(_) => layer(N::NetworkIsolation, S::Unavailable, "nothing in this version"),
            NetworkPolicy::AllowAll => layer(N::NetworkIsolation, S::Off, "the policy allows the host's network"),
        },
        Layer { layer: N::FilesystemIsolation, status: files.0, by: files.1 },
        layer(N::ProcessIsolation, S::Enforced, "pid, ipc and uts namespaces, own session and keyring"),
        layer(
            N::CapabilityRestriction,
            S::Enforced,
            "user namespace, no capability in any set, no_new_privs, locked securebits",
        ),
        layer(N::SystemCallFilter, S::Enforced, "seccomp allow-list, hostile calls reported by notification"),
        layer(N::TimeLimits, S::Enforced, "supervisor's timer; kill of the pid namespace"),
        layer(N::InputValidation, S::Enforced, "regular source files of bounded size, canonical paths, typed limits"),
        layer(
            N::OutputFiltering,
            S::Enforced,
            match job.terminal {
                None => "pipes of our own, byte cap for each stream (contents are not searched)",
                Some(_) => "a terminal of its own, byte cap (contents are not searched)",
            },
        ),
    ]
}

fn place<S: serde::Serializer>(place: &Option<cgroup::Place>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = place.as_ref().map(|place| match place {
        cgroup::Place::V1 { memory, pids, cpuacct, .. } => {
            let list: Vec<String> =
                [memory, pids, cpuacct].into_iter().flatten().map(|p| p.display().to_string()).collect();
            format!("v1: {}", list.join(", "))
        }
        cgroup::Place::V2 { directory, .. } => format!("v2: {}", directory.display()),
    });
    serde::Serialize::serialize(&text, serializer)
}

fn named<S: serde::Serializer>(limits: &[Rlimit], serializer: S) -> Result<S::Ok, S::Error> {
    let name = |resource: u32| match resource as libc::__rlimit_resource_t {
        libc::RLIMIT_CPU => "cpu-seconds",
        libc::RLIMIT_FSIZE => "file-size",
        libc::RLIMIT_NOFILE => "descriptors",
        libc::RLIMIT_NPROC => "tasks",
        libc::RLIMIT_CORE => "core-size",
        libc::RLIMIT_DATA => "data",
        _ => "other",
    };
    serializer.collect_map(limits.iter().map(|limit| (name(limit.resource), limit.value)))
}
