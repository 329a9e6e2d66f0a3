//! What an engine is told of a container (R6). Nothing is decided here but the engine's own words.

use std::{
    fs,
    path::{Path, PathBuf},
};

use palisade_spec::NetworkPolicy;
use palisade_sys::Life;
use rustix::process::{Resource, getrlimit};
use serde_json::{Map, Value, json};

use super::{
    Engine,
    client::Dialect,
    tree::{From, LINK, Mount, Scratch, ScratchKind},
};
use crate::{
    foreign::AGENT,
    native::{HOST_NAME, Launch},
};

/// The label of every container, with the [`Life`] of the palisade that made it.
pub(super) const LABEL: &str = "palisade.of";

/// Tasks that a runtime needs while it starts a container, in the container's own group.
pub(super) const TASKS_TO_START: u64 = 64;
/// The least memory that Docker gives to a container, in bytes: as much as the smallest limit and the agent's share.
const LEAST_MEMORY: u64 = 6 << 20;

/// What of the host is none of a program's business, beside what palisade's own wall covers.
const MASKED: [&str; 8] = [
    "/sys",
    "/proc/kcore",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/acpi",
    "/proc/scsi",
];
/// What nobody may write to, root of the container included.
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
/// Where Podman mounts writable memory over a read-only root unless something else is there.
const PODMANS: [&str; 2] = ["/run", "/var/tmp"];

/// The container of `launch`. `sources`: where on the host each of the tree's mounts is.
pub(super) fn body(launch: &Launch, engine: &Engine, dialect: Dialect, image: &str, sources: &[PathBuf]) -> Value {
    let settings = launch.settings();
    let network = if launch.job.network == NetworkPolicy::AllowAll { "host" } else { "none" };
    let masked: Vec<String> = launch
        .masks()
        .map(|(at, _)| at.to_string_lossy().into_owned())
        .chain(MASKED.map(str::to_owned).into_iter().filter(|path| Path::new(path).exists()))
        .collect();
    let mut security =
        vec!["no-new-privileges".to_owned(), "seccomp=unconfined".to_owned(), "label=disable".to_owned()];
    let mut host = json!({
        "NetworkMode": network,
        "ReadonlyRootfs": true,
        "CapDrop": ["ALL"],
        "Memory": settings.memory.max(LEAST_MEMORY),
        "MemorySwap": settings.memory.max(LEAST_MEMORY),
        "PidsLimit": settings.tasks.max(TASKS_TO_START),
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "LogConfig": { "Type": "none" },
        "AutoRemove": true,
        "Tmpfs": scratch(&engine.tree.scratch, dialect),
        "Ulimits": rlimits(),
    });
    if engine.rootless {
        // The kernel wants it of whoever calls root of its namespace something else in another one (user_namespaces(7), Linux
        // 5.12). The agent loses it by doing so, before the program is there.
        host["CapAdd"] = json!(["SETFCAP"]);
    }
    if let Some(percent) = settings.cpu_percent {
        (host["CpuPeriod"], host["CpuQuota"]) = (json!(100_000), json!((u64::from(percent) * 1000).max(1000)));
    }
    let mounts = engine.tree.mounts.iter().zip(sources);
    match dialect {
        Dialect::Docker => {
            host["MaskedPaths"] = json!(masked);
            host["ReadonlyPaths"] = json!(READ_ONLY);
            host["Mounts"] = mounts.map(|(mount, source)| bind(mount, source, engine.rootless)).collect();
        }
        Dialect::Podman => {
            security.push(format!("mask={}", masked.join(":")));
            host["Binds"] = mounts.map(|(mount, source)| volume(mount, source, engine.rootless)).collect();
        }
    }
    host["SecurityOpt"] = json!(security);
    let (uid, gid) = engine.user;
    json!({
        "Image": image,
        "Entrypoint": [],
        "Cmd": [AGENT, LINK],
        "User": format!("{uid}:{gid}"),
        "WorkingDir": "/",
        "Hostname": HOST_NAME,
        "Labels": { LABEL: Life::own().to_string() },
        "HostConfig": host,
    })
}

/// Only what is mounted itself, unless the engine cannot leave the rest out: in a user namespace of its own, the kernel does not
/// show what somebody has covered.
fn is_recursive(mount: &Mount, rootless: bool) -> bool {
    rootless && matches!(mount.from, From::Host { inner: true, .. })
}

fn bind(mount: &Mount, source: &Path, rootless: bool) -> Value {
    json!({
        "Type": "bind",
        "Source": source,
        "Target": mount.at,
        "ReadOnly": !mount.write,
        "BindOptions": { "Propagation": "rprivate", "NonRecursive": !is_recursive(mount, rootless) },
    })
}

fn volume(mount: &Mount, source: &Path, rootless: bool) -> Value {
    let access = if mount.write { "rw" } else { "ro" };
    let depth = if is_recursive(mount, rootless) { "rbind" } else { "bind" };
    let device = if mount.at.starts_with("/dev") { "dev" } else { "nodev" };
    let (source, at) = (source.display(), mount.at.display());
    json!(format!("{source}:{at}:{access},{depth},rprivate,nosuid,{device}"))
}

fn scratch(all: &[Scratch], dialect: Dialect) -> Value {
    let mut map = Map::new();
    for Scratch { at, size, inodes, kind } in all {
        let how = match kind {
            ScratchKind::Data => "rw,noexec,nosuid,nodev,mode=1777",
            ScratchKind::Programs => "rw,exec,nosuid,nodev,mode=1777",
            ScratchKind::Cover => "ro,noexec,nosuid,nodev,mode=755",
        };
        let more = match dialect {
            Dialect::Docker => format!("nr_inodes={inodes}"),
            Dialect::Podman => "notmpcopyup".to_owned(),
        };
        map.insert(at.to_string_lossy().into_owned(), json!(format!("{how},size={size},{more}")));
    }
    if dialect == Dialect::Podman {
        for at in PODMANS {
            map.entry(at).or_insert_with(|| json!("ro,noexec,nosuid,nodev,mode=555,size=4096,notmpcopyup"));
        }
    }
    Value::Object(map)
}

/// Those of palisade itself: an engine that may not raise limits would fail at its own defaults. The program's are the agent's
/// to set. Podman has no more processes itself than there can be.
pub(super) fn rlimits() -> Value {
    let hard = |resource| getrlimit(resource).maximum.and_then(|limit| i64::try_from(limit).ok());
    let limit = |name: &str, value: Option<i64>| {
        let value = value.unwrap_or(-1);
        json!({ "Name": name, "Soft": value, "Hard": value })
    };
    let most: Option<i64> =
        fs::read_to_string("/proc/sys/kernel/pid_max").ok().and_then(|text| text.trim().parse().ok());
    let processes = [hard(Resource::Nproc), most].into_iter().flatten().min();
    json!([limit("nofile", hard(Resource::Nofile)), limit("nproc", processes)])
}
