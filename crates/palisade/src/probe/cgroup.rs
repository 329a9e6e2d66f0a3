//! Control groups: each controller tried apart, by a group that is made, limited, joined, and removed.
//!
//! In: the [`Place`] that the host was found to have. Out: findings. Not here: finding the place (`palisade_sys::cgroup`).

use std::{
    fs,
    ops::ControlFlow,
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

use palisade_sys::{
    Namespaces, Op, Script, Trial,
    cgroup::{Place, Settings},
};

use super::{
    Finding, Group, Status,
    circumstances::{CgroupVersion, Circumstances},
    trial::{Outcome, attempt},
};
use crate::host::Host;

const ROOT: &str = "/sys/fs/cgroup";

/// What a trial group holds: a child, and nothing it might start.
const SETTINGS: Settings = Settings { memory: 64 << 20, tasks: 1, cpu_percent: Some(50) };

/// What a controller is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Controller {
    Memory,
    Tasks,
    Time,
    Share,
}

impl Controller {
    const ALL: [Self; 4] = [Self::Memory, Self::Tasks, Self::Time, Self::Share];

    /// Its feature, what needs it, its directory on version 1.
    const fn row(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Memory => ("memory limit", "--memory-limit", "memory"),
            Self::Tasks => ("task limit", "--thread-limit", "pids"),
            Self::Time => ("processor time", "--cpu-time-limit", "cpuacct"),
            Self::Share => ("processor share", "--cpu-limit", "cpu"),
        }
    }

    fn directory(self, place: &Place) -> Option<&Path> {
        match (place, self) {
            (Place::V1 { memory, .. }, Self::Memory) => memory.as_deref(),
            (Place::V1 { pids, .. }, Self::Tasks) => pids.as_deref(),
            (Place::V1 { cpuacct, .. }, Self::Time) => cpuacct.as_deref(),
            (Place::V1 { cpu, .. }, Self::Share) => cpu.as_deref(),
            (Place::V2 { cpu: false, .. }, Self::Share) => None,
            (Place::V2 { directory, .. }, _) => Some(directory),
        }
    }

    /// The place with this controller alone. Version 2 has no such thing: a group has all that are enabled.
    fn alone(self, place: &Place) -> Place {
        match place {
            Place::V2 { .. } => place.clone(),
            Place::V1 { memory, pids, cpuacct, cpu } => {
                let keep = |which, path: &Option<PathBuf>| path.clone().filter(|_| self == which);
                Place::V1 {
                    memory: keep(Self::Memory, memory),
                    pids: keep(Self::Tasks, pids),
                    cpuacct: keep(Self::Time, cpuacct),
                    cpu: keep(Self::Share, cpu),
                }
            }
        }
    }
}

/// What a trial group was seen to do.
#[derive(Default)]
struct Seen {
    /// What was not as it should be.
    fault: Option<String>,
    /// Whether there was a group at all.
    made: bool,
    /// The group, while it existed.
    directory: Option<PathBuf>,
    /// Whether swap was limited with the memory.
    swap: bool,
    /// What was measured.
    measured: Option<String>,
}

/// Tries everything about cgroups.
pub(super) fn findings(host: &Host, circumstances: &Circumstances) -> Vec<Finding> {
    let mut findings = vec![place(host, circumstances)];
    let mut swap = None;
    for controller in Controller::ALL {
        let (feature, needed_by, _) = controller.row();
        let mut found = finding(feature, needed_by);
        match host.cgroup.as_ref().ok().filter(|place| controller.directory(place).is_some()) {
            None => {
                found.evidence = missing(controller, host, circumstances);
                found.fix = Some(circumstances.delegation());
            }
            Some(place) => {
                let seen = exercise(controller, place);
                if controller == Controller::Memory {
                    swap = seen.fault.is_none().then_some(seen.swap);
                }
                match seen.fault {
                    Some(fault) => {
                        found.evidence = fault;
                        found.fix = (!seen.made).then(|| circumstances.delegation());
                    }
                    None => {
                        found.status = Status::Usable;
                        found.evidence = "group made, limit set, joined, removed".to_owned();
                        if let Some(measured) = seen.measured {
                            found.evidence.push_str(&format!("; {measured}"));
                        }
                    }
                }
            }
        }
        findings.push(found);
    }
    findings.insert(2, swap_accounting(swap, host, circumstances));
    findings.push(birth(circumstances));
    findings
}

fn finding(feature: &str, needed_by: &str) -> Finding {
    Finding {
        group: Group::Cgroups,
        feature: feature.to_owned(),
        status: Status::NotUsable,
        evidence: String::new(),
        fix: None,
        needed_by: needed_by.to_owned(),
    }
}

fn place(host: &Host, circumstances: &Circumstances) -> Finding {
    let mut found = finding("place for groups", "limits of whole process trees");
    match &host.cgroup {
        Err(because) => {
            found.evidence = match circumstances.cgroups {
                CgroupVersion::V1 => format!("no directory of a version 1 controller is writable here; {because}"),
                CgroupVersion::V2 => because.clone(),
                CgroupVersion::None => format!("no cgroups are mounted at {ROOT}; {because}"),
            };
            found.fix = Some(circumstances.delegation());
        }
        Ok(place) => {
            let list: Vec<_> =
                Controller::ALL.into_iter().filter_map(|controller| controller.directory(place)).map(plain).collect();
            (found.status, found.evidence) = match place {
                Place::V2 { directory, .. } => (Status::Usable, format!("version 2: {}", plain(directory))),
                Place::V1 { .. } if list.len() == Controller::ALL.len() => {
                    (Status::Usable, format!("version 1: {}", list.join(", ")))
                }
                Place::V1 { .. } => (Status::Partial, format!("version 1: only {}", list.join(", "))),
            };
            if found.status == Status::Partial {
                found.fix = Some(circumstances.delegation());
            }
        }
    }
    found
}

/// Without the slash that a group at the root leaves behind.
fn plain(directory: &Path) -> String {
    directory.components().collect::<PathBuf>().display().to_string()
}

fn missing(controller: Controller, host: &Host, circumstances: &Circumstances) -> String {
    let (_, _, name) = controller.row();
    match &host.cgroup {
        Ok(Place::V2 { directory, .. }) => format!("the {name} controller is not enabled in {}", directory.display()),
        _ if circumstances.cgroups == CgroupVersion::V2 => "no place for groups".to_owned(),
        _ if Path::new(ROOT).join(name).is_dir() => format!("no directory of the {name} controller is writable here"),
        _ => format!("the {name} controller is not mounted at {ROOT}/{name}"),
    }
}

/// Makes a group for one controller, puts a child in it, looks, and removes it.
fn exercise(controller: Controller, place: &Place) -> Seen {
    let mut seen = Seen::default();
    let prepared = controller.alone(place).create(&SETTINGS).and_then(|group| {
        let (birthplace, join) = (group.birthplace()?, group.join_files()?);
        Ok((group, birthplace, join))
    });
    let (group, birthplace, join) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            seen.fault = Some(format!("make a group: {error}"));
            return seen;
        }
    };
    seen.made = true;
    let script = visit(controller, birthplace);
    let parent = controller.directory(place);
    let outcome = attempt(&script, None, &join, &mut |child, _| {
        // The group is found as the kernel names it: this process may have others.
        let groups = fs::read_to_string(format!("/proc/{}/cgroup", child.pid())).unwrap_or_default();
        let name = groups.lines().filter_map(|line| line.rsplit('/').next()).find(|name| name.starts_with("palisade-"));
        seen.directory = parent.zip(name).map(|(parent, name)| parent.join(name)).filter(|path| path.is_dir());
        ControlFlow::Break(())
    });
    match &seen.directory {
        _ if outcome != Outcome::Ready => seen.fault = Some(outcome.tell()),
        None => seen.fault = Some("the child is not seen in the group that it joined (see /proc)".to_owned()),
        Some(directory) => seen.swap = limits_swap(directory),
    }
    seen.measured = match controller {
        Controller::Memory => group.memory_peak().map(|bytes| format!("its peak was {} KiB", bytes >> 10)),
        Controller::Tasks => Some(match group.tasks_refused().filter(|count| *count > 0) {
            Some(count) => format!("a fork beyond the limit was refused, and counted ({count})"),
            None => "a fork beyond the limit was refused".to_owned(),
        }),
        Controller::Time => group.cpu_nanos().map(|nanos| format!("{} µs were counted", nanos / 1000)),
        Controller::Share => None,
    };
    if controller == Controller::Time && seen.measured.is_none() {
        seen.fault.get_or_insert_with(|| "the processor time cannot be read".to_owned());
    }
    drop((join, group));
    if seen.directory.as_ref().is_some_and(|directory| directory.exists()) {
        seen.fault.get_or_insert_with(|| "the group could not be removed".to_owned());
    }
    seen
}

/// What a child does in a group: it joins, tries to outgrow it, and stays until it is killed, so that it can be seen.
fn visit(controller: Controller, birthplace: Option<OwnedFd>) -> Script {
    let mut ops = Vec::new();
    if birthplace.is_none() {
        // A fork succeeds before, or the refusal below proves nothing.
        ops.extend([Op::Trial(Trial::Fork), Op::JoinCgroups]);
    }
    if controller == Controller::Tasks {
        ops.push(Op::Trial(Trial::Refused { step: Box::new(Op::Trial(Trial::Fork)), errno: libc::EAGAIN }));
    }
    ops.extend([Op::GiveHandles(Vec::new()), Op::AwaitIds]);
    Script { namespaces: Namespaces::default(), cgroup: birthplace, ops, aside: Vec::new(), program: None }
}

/// Whether the limit of the group holds for swap too.
fn limits_swap(group: &Path) -> bool {
    let is = |file: &str, value: u64| {
        fs::read_to_string(group.join(file)).is_ok_and(|text| text.trim() == value.to_string())
    };
    is("memory.memsw.limit_in_bytes", SETTINGS.memory) || is("memory.swap.max", 0)
}

fn swap_accounting(swap: Option<bool>, host: &Host, circumstances: &Circumstances) -> Finding {
    let mut found = finding("swap accounting", "memory limits that swap cannot stretch");
    match swap {
        Some(true) => {
            found.status = Status::Usable;
            found.evidence = "the group's limit holds for memory and swap together".to_owned();
        }
        Some(false) if host.cgroup.is_ok() => {
            found.evidence = "the kernel does not account swap to groups".to_owned();
            found.fix = Some(format!("boot with `swapaccount=1`, or {}swapoff -a", circumstances.caller.sudo()));
        }
        _ => {
            found.evidence = "not tried: it needs the memory limit".to_owned();
        }
    }
    found
}

/// Being born in a group (`CLONE_INTO_CGROUP`), tried with the caller's own: nothing is made for it.
fn birth(circumstances: &Circumstances) -> Finding {
    let mut found = finding("birth in a group", "cgroup v2 (version 1 is joined instead)");
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let roots = [Path::new(ROOT).to_owned(), Path::new(ROOT).join("unified")];
    let root = roots.into_iter().find(|root| root.join("cgroup.procs").exists());
    let (Some(root), Some(own)) = (root, own.lines().find_map(|line| line.strip_prefix("0::/"))) else {
        found.evidence = format!("no cgroup v2 is mounted at {ROOT} or {ROOT}/unified");
        return found;
    };
    let path = root.join(own);
    let directory = fs::OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(&path);
    let group = match directory {
        Ok(directory) => OwnedFd::from(directory),
        Err(error) => {
            found.evidence = format!("{}: {error}", path.display());
            return found;
        }
    };
    let script = Script {
        namespaces: Namespaces::default(),
        cgroup: Some(group),
        ops: Vec::new(),
        aside: Vec::new(),
        program: None,
    };
    match attempt(&script, None, &[], &mut |_, _| ControlFlow::Continue(())) {
        Outcome::Ready => {
            found.status = Status::Usable;
            found.evidence = format!("a process was born in {}", plain(&path));
        }
        outcome => {
            let why = match outcome.errno() {
                Some(libc::EACCES) => "; the group is not this user's",
                _ => "",
            };
            found.evidence = format!("{}: {}{why}", plain(&path), outcome.tell());
            found.fix = (circumstances.cgroups == CgroupVersion::V2).then(|| circumstances.delegation());
        }
    }
    found
}
