//! Limits as the kernel takes them: a cgroup, resource limits, and what stands in where there is no cgroup.

use palisade_spec::{Clamp, Limits, Weakening};
use palisade_sys::{Rlimit, cgroup};
use rustix::process::{Resource, getrlimit};

/// Why a limit is lower than asked for, in a clamp.
pub(crate) const HARD: &str = "the hard limit of the calling process is lower (see `ulimit -H`)";

/// What the cgroup of a run holds. palisade's own pid 1 of the sandbox is one task more.
pub(crate) fn settings(limits: &Limits) -> cgroup::Settings {
    cgroup::Settings { memory: limits.memory.0, tasks: u64::from(limits.threads) + 1, cpu_percent: limits.cpu_percent }
}

/// Resource limits of the program, no higher than the caller's own hard ones.
pub(crate) fn rlimits(limits: &Limits, place: Option<&cgroup::Place>) -> (Vec<Rlimit>, Vec<Clamp>) {
    let mut clamps = Vec::new();
    let mut all = Vec::new();
    let mut set = |resource: libc::__rlimit_resource_t, known: Resource, name: &str, asked: u64| {
        let hard = getrlimit(known).maximum.unwrap_or(u64::MAX);
        if hard < asked {
            clamps.push(Clamp {
                what: name.to_owned(),
                asked: asked.to_string(),
                given: hard.to_string(),
                because: HARD.to_owned(),
            });
        }
        all.push(Rlimit { resource, value: asked.min(hard) });
    };
    // A second wall behind the supervisor, for each process alone; whole seconds, so a little later. By ticks of the clock, which can
    // say a fifth more than a group's account does, and whose verdict on a child nobody sees: where there is an account, much later.
    let accounted = matches!(place, Some(cgroup::Place::V2 { .. } | cgroup::Place::V1 { cpuacct: Some(_), .. }));
    let seconds = limits.cpu_time.as_secs().saturating_mul(if accounted { 2 } else { 1 });
    set(libc::RLIMIT_CPU, Resource::Cpu, "cpu-time", seconds.saturating_add(2));
    set(libc::RLIMIT_FSIZE, Resource::Fsize, "file-size", limits.file_size.0);
    set(libc::RLIMIT_NOFILE, Resource::Nofile, "descriptors", u64::from(limits.descriptors));
    // Counted per user namespace, so these are the sandbox's own tasks only (user_namespaces(7), Linux 5.14). The kernel
    // asks this limit first and tells nobody; a pids cgroup, which counts what it refuses, has to be reached before.
    let counted = matches!(place, Some(cgroup::Place::V2 { .. } | cgroup::Place::V1 { pids: Some(_), .. }));
    let room = if counted { 16 } else { 1 };
    set(libc::RLIMIT_NPROC, Resource::Nproc, "threads", u64::from(limits.threads) + room);
    // One byte, not none: a handler that core_pattern names is started for 0 as well, and not for 1 (fs/coredump.c).
    set(libc::RLIMIT_CORE, Resource::Core, "core", 1);
    if !matches!(place, Some(cgroup::Place::V2 { .. } | cgroup::Place::V1 { memory: Some(_), .. })) {
        // Private writable memory of each process, should the supervisor fail to stop it. Far above the limit: runtimes
        // reserve more than they use, and an allocation that fails tells nobody why.
        set(libc::RLIMIT_DATA, Resource::Data, "memory", limits.memory.0.saturating_mul(4).saturating_add(1 << 30));
    }
    (all, clamps)
}

/// What limits lose at this place, or without one.
pub(crate) fn weakened(place: Result<&cgroup::Place, &str>, limits: &Limits) -> Vec<Weakening> {
    let (memory, pids, cpuacct, cpu, because) = match place {
        Ok(cgroup::Place::V1 { memory, pids, cpuacct, cpu }) => {
            let because = "this controller is not mounted, or not writable here";
            (memory.is_some(), pids.is_some(), cpuacct.is_some(), cpu.is_some(), because)
        }
        Ok(cgroup::Place::V2 { cpu, .. }) => (true, true, true, *cpu, "the cpu controller is not enabled here"),
        Err(because) => (false, false, false, false, because),
    };
    let lacks = |what: &str| match what {
        "memory" => !memory,
        "threads" => !pids,
        "cpu-time" => !cpuacct,
        _ => !cpu && limits.cpu_percent.is_some(),
    };
    without_cgroup(because).into_iter().filter(|weak| lacks(&weak.what)).collect()
}

/// Every limit without a cgroup.
pub(crate) fn without_cgroup(because: &str) -> Vec<Weakening> {
    let hint = if rustix::process::geteuid().is_root() {
        "mount cgroups at /sys/fs/cgroup and let this process write below its own group; `palisade doctor` tries each \
         controller"
            .to_owned()
    } else {
        "`palisade doctor` prints the commands for this host (cgroup v2: systemd-run --user --scope -p Delegate=yes \
         palisade …)"
            .to_owned()
    };
    let weakening = |what: &str, instead: &str| Weakening {
        what: what.to_owned(),
        because: because.to_owned(),
        instead: instead.to_owned(),
        hint: hint.clone(),
    };
    vec![
        weakening(
            "memory",
            "the memory mapped by all processes, measured every 10 ms; what no process has mapped (memfd, System V shared \
             memory, files in /tmp) is not counted",
        ),
        weakening("threads", "RLIMIT_NPROC: a new thread fails with EAGAIN, and the program is not stopped for it"),
        weakening("cpu-limit", "nothing: the program may use every processor"),
        weakening(
            "cpu-time",
            "the sum over all processes, measured; children that end unseen and unawaited are not counted; RLIMIT_CPU for each",
        ),
    ]
}
