//! The kernel: calls and settings that no ordinary program needs. Its victim is the kernel, and the effect is that the host's
//! own has given the attacker what it asked for: an object that the host's /proc shows in the attacker's hands.

use std::path::Path;

use palisade_spec::Guarantee;

use super::{Staged, files::device, row};
use crate::attack::{
    Attack, Group,
    ground::{Ground, random, secret},
    host::Attacker,
    scene::Scene,
    victim::Helper,
};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[Attack] = &[
    call("bpf", "makes a BPF map", "it holds one of the host's kernel", |_| Ok(object("bpf", "anon_inode:bpf-map"))),
    call("io-uring", "sets up an io_uring", "it holds one of the host's kernel", |_| Ok(object("io-uring", "anon_inode:[io_uring]"))),
    call("userfaultfd", "handles its own page faults", "it holds a descriptor for that of the host's kernel", |_| Ok(object("userfaultfd", "anon_inode:[userfaultfd]"))),
    call("perf-event", "counts events of the processor", "it holds a counter of the host's kernel", |_| Ok(object("perf-event", "anon_inode:[perf_event]"))),
    call("keyring", "reads a key in its user's keyring", "it printed the key", keyring),
    call("mount", "mounts a file system", "the host's kernel shows the mount", |_| Ok(mount())),
    call("user-namespace", "makes a user namespace, in which it has all privileges", "the host's kernel shows it in one of its own", |_| Ok(user_namespace())),
    file("core-pattern", "opens the name of the program that is run at a crash, for writing", "it holds the host's setting open", |_| Ok(setting("write", &["/proc/sys/kernel/core_pattern"], PROC))),
    file("sysctl", "opens settings of the kernel for writing", "it holds a setting of the host open", |_| Ok(setting("write", &["/proc/sys/vm/swappiness", "/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/panic"], PROC))),
    file("sysfs", "opens settings of devices and drivers for writing", "it holds a setting of the host open", |_| Ok(setting("write", SYSFS_FILES, SYSFS))),
    file("sysrq", "opens /proc/sysrq-trigger, which can crash the host, for writing", "it holds the host's open", |_| Ok(setting("write", &["/proc/sysrq-trigger"], PROC))),
    file("kcore", "opens the kernel's memory at /proc/kcore", "it holds the host's open", |_| Ok(setting("read", &["/proc/kcore"], PROC))),
    file("dev-mem", "opens the machine's memory at /dev/mem, or makes a node for it", "it holds the device open", |_| Ok(device('c', Path::new("/dev/mem"), rustix::fs::makedev(1, 1)))),
    file("kernel-log", "opens the kernel's log at /dev/kmsg, or makes a node for it", "it holds the device open", |_| Ok(device('c', Path::new("/dev/kmsg"), rustix::fs::makedev(1, 11)))),
];

/// statfs(2): `PROC_SUPER_MAGIC`, `SYSFS_MAGIC`.
const PROC: u64 = 0x9fa0;
const SYSFS: u64 = 0x6265_6572;

const SYSFS_FILES: &[&str] = &[
    "/sys/module/printk/parameters/time",
    "/sys/kernel/mm/ksm/sleep_millisecs",
    "/sys/kernel/mm/lru_gen/min_ttl_ms",
    "/sys/kernel/mm/transparent_hugepage/khugepaged/defrag",
];

const fn call(name: &'static str, about: &'static str, effect: &'static str, stage: fn(&Ground) -> Staged) -> Attack {
    row(Group::KernelSurface, Guarantee::SystemCalls, name, about, effect, stage)
}

const fn file(name: &'static str, about: &'static str, effect: &'static str, stage: fn(&Ground) -> Staged) -> Attack {
    row(Group::KernelSurface, Guarantee::Files, name, about, effect, stage)
}

/// An operation that gives a descriptor with a name of the kernel's.
fn object(operation: &str, name: &'static str) -> Scene {
    Scene::of([operation]).held(move |attackers| {
        let holder = attackers.iter().find(|one| one.descriptors().iter().any(|fd| fd.target == name))?;
        Some(format!("process {} holds {name}", holder.0))
    })
}

/// A file of the kernel's that is opened and left alone.
fn setting(how: &'static str, paths: &'static [&'static str], kind: u64) -> Scene {
    let words = ["hold-open", how].into_iter().chain(paths.iter().copied());
    Scene::of(words).held(move |attackers| {
        attackers.iter().find_map(|one| {
            let descriptors = one.descriptors();
            let held = descriptors.iter().find(|fd| {
                // In another tree it may be mounted at another place: what is left of the first directory is its own.
                let named = paths
                    .iter()
                    .any(|path| fd.target.ends_with(path.trim_start_matches("/proc").trim_start_matches("/sys")));
                named && (how == "read" || fd.writes) && fd.is_on(kind).unwrap_or(false)
            })?;
            Some(format!("process {} holds {} open", one.0, held.target))
        })
    })
}

fn keyring(ground: &Ground) -> Staged {
    let (name, secret) = (format!("palisade-attack-{}", random()), secret());
    let mut command = std::process::Command::new(ground.attacker());
    command.args(["--leash", "--hold", "plant-key", &name, &secret]);
    let (helper, _) = Helper::start(&mut command, "")?;
    Ok(Scene::of(["find-key".to_owned(), name]).told(secret, "the key").keep(helper))
}

fn mount() -> Scene {
    Scene::of(["mount-tmpfs"]).held(|attackers| {
        attackers.iter().find_map(|one| {
            let (mounts, pid) = (one.mounts(), one.0);
            let mounted = mounts.lines().find(|line| line.contains("palisade-hostile-") && line.contains(" - tmpfs "));
            let context = || one.descriptors().into_iter().find(|fd| fd.target == "anon_inode:[fscontext]");
            let place = mounted.and_then(|line| line.split(' ').nth(4));
            place
                .map(|place| format!("process {pid} has a tmpfs on {place}"))
                .or_else(|| context().map(|fd| format!("process {pid} holds {}", fd.target)))
        })
    })
}

/// The attacker's first process stays where it was, its child is somewhere else, or has privileges that the first has not.
fn user_namespace() -> Scene {
    Scene::of(["unshare-user"]).held(|attackers| {
        attackers.iter().find_map(|one| {
            let first = attackers.iter().find(|other| one.parent() == Some(**other))?;
            let differ = |a: Option<String>, b: Option<String>| a.is_some() && b.is_some() && a != b;
            let namespace = |one: &Attacker| Some(one.namespace("user")?.display().to_string());
            let moved = differ(namespace(one), namespace(first));
            let gained = differ(one.status("CapEff"), first.status("CapEff"));
            (moved || gained).then(|| {
                let capabilities = one.status("CapEff").unwrap_or_default();
                format!("process {} has capabilities {capabilities} in a namespace of its own", one.0)
            })
        })
    })
}
