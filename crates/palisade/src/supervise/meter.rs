//! How much the processes of one sandbox use.
//!
//! From the cgroup where there is one; otherwise, and for the number of processes always, from the sandbox's own /proc,
//! which its pid 1 hands out. Not here: what follows from it (`mod.rs`).

use std::{
    ffi::CStr,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use palisade_sys::cgroup::{Group, Settings};
use rustix::{
    fs::{Dir, Mode, OFlags, openat},
    io::read,
};

use crate::foreign::Room;

/// Number of the process that helps to set up, in the sandbox's own pid namespace.
const HELPER: u32 = 2;
/// Number of its first process there.
const FIRST: u32 = 1;

/// What is measured.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    group: Option<Group>,
    /// Processes of the sandbox that are not the program's, its pid 1 among them.
    others: u32,
    /// Their threads.
    other_tasks: u32,
    /// The sandbox's /proc.
    proc: Option<OwnedFd>,
    memory_peak: u64,
    cpu_nanos: u64,
    /// What others had used before the program was started.
    before: Before,
    /// Most tasks that were seen, others among them.
    tasks_seen: u64,
    pub(crate) processes_peak: u32,
    /// Of a group that somebody else has made, and removes: the most that was seen.
    lent: Option<Most>,
    /// Whether the second process of its pid namespace helped to set it up, and may still end: no other has that number, since
    /// the kernel does not use low ones again.
    helped: bool,
    /// What the interpreter of a program had used before it was told of that.
    interpreter_nanos: u64,
    /// What somebody inside has counted, where the program has a kernel of its own.
    threads_told: Option<u32>,
}

/// Counters that go on counting.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    cpu_nanos: u64,
    tasks_peak: u64,
    /// What the program's own kernel takes.
    memory: u64,
    memory_peak: u64,
}

/// Counters of a group that will be gone.
#[derive(Clone, Copy, Debug, Default)]
struct Most {
    cpu_nanos: u64,
    memory: u64,
    tasks: u64,
}

/// One look at all processes.
#[derive(Clone, Copy, Debug, Default)]
struct Tree {
    memory: u64,
    cpu_nanos: u64,
}

impl Meter {
    /// `wall`: what another program takes that makes the wall.
    pub(crate) fn new(group: Option<Group>, wall: Room) -> Self {
        let (others, other_tasks) = (wall.processes + 1, wall.threads + 1);
        // The program itself is a process before the first one is counted.
        Self { group, others, other_tasks, processes_peak: 1, ..Self::default() }
    }

    /// The second process of the sandbox is not the program's either.
    pub(crate) fn is_helped(&mut self) {
        self.helped = true;
    }

    fn pids(&self, proc: BorrowedFd<'_>) -> Vec<u32> {
        let mut pids = pids(proc);
        pids.retain(|pid| !self.helped || *pid != HELPER);
        pids
    }

    pub(crate) fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// Measures by a group that somebody else has made, and removes with what is in it.
    pub(crate) fn lend(&mut self, group: Group) {
        self.group = Some(group);
        self.lent = Some(Most::default());
    }

    pub(crate) fn is_lent(&self) -> bool {
        self.lent.is_some()
    }

    /// Takes in what a lent group says now. Its peaks may be from before the program, and nobody lets them begin again.
    pub(crate) fn look_at_lent(&mut self) {
        let (Some(most), Some(group)) = (&mut self.lent, &self.group) else { return };
        let since = |peak: Option<u64>, before: u64, now: fn(&Group) -> Option<u64>| match peak {
            Some(peak) if peak > before => peak,
            _ => now(group).unwrap_or(0),
        };
        most.memory = most.memory.max(since(group.memory_peak(), self.before.memory_peak, Group::memory));
        most.tasks = most.tasks.max(since(group.tasks_peak(), self.before.tasks_peak, Group::tasks));
        let used = group.cpu_nanos().unwrap_or(0).saturating_sub(self.before.cpu_nanos);
        most.cpu_nanos = most.cpu_nanos.max(used);
    }

    pub(crate) fn watch(&mut self, proc: OwnedFd) {
        self.proc = Some(proc);
    }

    /// The program is about to be started by a wall that is gone: from now on the group holds what is the program's.
    ///
    /// # Errors
    /// If it cannot.
    pub(crate) fn narrow(&self, settings: &Settings) -> io::Result<()> {
        self.group.as_ref().map_or(Ok(()), |group| group.narrow(settings))
    }

    /// The program starts inside a wall: what has been used until now is not its.
    pub(crate) fn begin(&mut self) {
        self.before = Before::default();
        let cpu_nanos = self.cpu_nanos();
        self.lent = self.lent.map(|_| Most::default());
        let of_group = |read: fn(&Group) -> Option<u64>| self.group.as_ref().and_then(read).unwrap_or(0);
        // An agent alone takes less than what the kernel charges at a time; a kernel in user space takes a lot.
        let memory = if self.threads_told.is_some() { of_group(Group::memory) } else { 0 };
        let tasks_peak = of_group(Group::tasks_peak);
        if let Some(group) = &self.group {
            group.forget_memory_peak();
        }
        let memory_peak = if self.lent.is_some() { of_group(Group::memory_peak) } else { 0 };
        self.before = Before { cpu_nanos, tasks_peak, memory, memory_peak };
        (self.cpu_nanos, self.memory_peak, self.processes_peak) = (0, 0, 1);
    }

    /// The interpreter that is there already gets its program: the processor time until now is not that one's. Its memory and
    /// threads are, as in any run.
    pub(crate) fn begin_in_interpreter(&mut self) {
        self.before.cpu_nanos = 0;
        self.cpu_nanos = 0;
        self.before.cpu_nanos = self.cpu_nanos();
        self.cpu_nanos = 0;
        let Some(proc) = &self.proc else { return };
        let others = self.pids(proc.as_fd()).into_iter().filter(|pid| *pid != FIRST);
        self.interpreter_nanos = others.map(|pid| threads_cpu(proc.as_fd(), pid)).sum();
    }

    /// Whether somebody has to call [`Meter::memory_now`] again and again, because no cgroup holds the limit.
    pub(crate) fn must_sample_memory(&self) -> bool {
        !self.group.as_ref().is_some_and(Group::limits_memory)
    }

    /// Tasks of the program, and perhaps some of its wall, if the kernel counts them.
    pub(crate) fn tasks(&mut self) -> Option<u32> {
        let tasks = self.group.as_ref()?.tasks()?;
        self.tasks_seen = self.tasks_seen.max(tasks);
        Some(u32::try_from(tasks).unwrap_or(u32::MAX).saturating_sub(self.others))
    }

    /// Most threads of the program at one time, if the kernel counts them. The kernel's own peak cannot begin again: what is
    /// below that of the wall before the program is known from looking.
    pub(crate) fn threads_peak(&self) -> Option<u32> {
        if self.threads_told.is_some() {
            return self.threads_told;
        }
        if let Some(most) = self.lent {
            return Some(u32::try_from(most.tasks).unwrap_or(u32::MAX).saturating_sub(self.other_tasks).max(1));
        }
        let peak = self.group.as_ref()?.tasks_peak()?;
        let tasks = if peak > self.before.tasks_peak { peak } else { self.tasks_seen };
        Some(u32::try_from(tasks).unwrap_or(u32::MAX).saturating_sub(self.other_tasks).max(1))
    }

    /// Whether the group's own limit of tasks may have been reached.
    pub(crate) fn may_have_had(&self, threads: u32) -> bool {
        let peak = self.group.as_ref().and_then(Group::tasks_peak);
        peak.is_none_or(|peak| peak >= u64::from(threads) + u64::from(self.other_tasks))
    }

    /// Only somebody inside can count the program's processes: in the host's table, those of its kernel are.
    pub(crate) fn is_told(&mut self) {
        self.threads_told = Some(1);
    }

    /// What was counted inside.
    pub(crate) fn told(&mut self, processes: u32, threads: u32, memory: u64) {
        self.processes_peak = self.processes_peak.max(processes);
        self.memory_peak = self.memory_peak.max(memory);
        self.threads_told = self.threads_told.max(Some(threads));
    }

    /// Processes of the program.
    pub(crate) fn processes(&mut self) -> u32 {
        if self.threads_told.is_some() {
            return self.processes_peak;
        }
        let Some(proc) = &self.proc else { return 0 };
        let count = u32::try_from(self.pids(proc.as_fd()).len()).unwrap_or(u32::MAX).saturating_sub(self.others);
        self.processes_peak = self.processes_peak.max(count);
        count
    }

    /// Memory of all processes at this moment, in bytes, if it may be above `limit`.
    ///
    /// A quick sum counts memory that processes share once for each. Where that is too much, each page is counted once.
    pub(crate) fn memory_above(&mut self, limit: u64) -> Option<u64> {
        // The memory of a kernel in user space is not all mapped: somebody inside tells.
        if self.look().memory <= limit || self.threads_told.is_some() {
            return None;
        }
        let proc = self.proc.as_ref()?;
        let exact: u64 = self.pids(proc.as_fd()).into_iter().filter_map(|pid| rollup_memory(proc.as_fd(), pid)).sum();
        (exact > limit).then_some(exact)
    }

    /// Peak memory of the tree. Without a cgroup: of the moments at which it was looked at.
    pub(crate) fn memory_peak(&self) -> u64 {
        if let Some(most) = self.lent {
            return most.memory;
        }
        let peak = self.group.as_ref().and_then(Group::memory_peak);
        peak.map_or(self.memory_peak, |peak| peak.saturating_sub(self.before.memory))
    }

    /// Processor time of the tree so far.
    pub(crate) fn cpu_nanos(&mut self) -> u64 {
        self.look_at_lent();
        if let Some(most) = self.lent {
            return most.cpu_nanos.max(self.cpu_nanos);
        }
        match self.group.as_ref().and_then(Group::cpu_nanos) {
            Some(nanos) => nanos.saturating_sub(self.before.cpu_nanos),
            None => {
                self.look();
                self.cpu_nanos
            }
        }
    }

    /// Takes in what the kernel told of the whole sandbox when it was reaped.
    pub(crate) fn ended(&mut self, cpu_nanos: u64) {
        self.cpu_nanos = self.cpu_nanos.max(cpu_nanos.saturating_sub(self.interpreter_nanos));
    }

    fn look(&mut self) -> Tree {
        let mut tree = Tree::default();
        let Some(proc) = &self.proc else { return tree };
        let mut count = 0u32;
        for pid in self.pids(proc.as_fd()) {
            tree.memory += status_memory(proc.as_fd(), pid).unwrap_or(0);
            tree.cpu_nanos += stat_cpu(proc.as_fd(), pid).unwrap_or(0);
            count += 1;
        }
        if self.threads_told.is_none() {
            self.processes_peak = self.processes_peak.max(count.saturating_sub(self.others));
            self.memory_peak = self.memory_peak.max(tree.memory);
        }
        self.cpu_nanos = self.cpu_nanos.max(tree.cpu_nanos.saturating_sub(self.before.cpu_nanos));
        tree
    }
}

fn pids(proc: BorrowedFd<'_>) -> Vec<u32> {
    let Ok(entries) = Dir::read_from(proc) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str().ok()?.parse().ok()).collect()
}

fn text<'a>(proc: BorrowedFd<'_>, pid: u32, file: &str, buffer: &'a mut [u8]) -> Option<&'a str> {
    let file = openat(proc, format!("{pid}/{file}"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let n = read(&file, &mut *buffer).ok()?;
    std::str::from_utf8(buffer.get(..n)?).ok()
}

fn status_memory(proc: BorrowedFd<'_>, pid: u32) -> Option<u64> {
    let mut buffer = [0; 4096];
    let text = text(proc, pid, "status", &mut buffer)?;
    let kib = |name: &str| -> u64 {
        text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    Some((kib("RssAnon:") + kib("RssShmem:") + kib("VmSwap:")) << 10)
}

/// Its share of the memory that it has mapped; of what it has in common with others, a part (proc_pid_smaps(5)).
fn rollup_memory(proc: BorrowedFd<'_>, pid: u32) -> Option<u64> {
    let mut buffer = [0; 4096];
    let text = text(proc, pid, "smaps_rollup", &mut buffer)?;
    let kib = |name: &str| -> u64 {
        text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    // Pages of files, the program's own code among them, are the host's page cache.
    Some((kib("Pss_Anon:") + kib("Pss_Shmem:") + kib("SwapPss:")) << 10)
}

/// Its own time and that of the children it waited for (proc_pid_stat(5), fields 14 to 17, in clock ticks).
fn stat_cpu(proc: BorrowedFd<'_>, pid: u32) -> Option<u64> {
    let mut buffer = [0; 1024];
    let text = text(proc, pid, "stat", &mut buffer)?;
    let ticks: u64 = text.rsplit_once(')')?.1.split_whitespace().skip(11).take(4).flat_map(str::parse::<u64>).sum();
    Some(ticks * 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1))
}

/// What all threads that a process has now have used: the first number of each (kernel: Documentation/scheduler/sched-stats).
fn threads_cpu(proc: BorrowedFd<'_>, pid: u32) -> u64 {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(tasks) = openat(proc, format!("{pid}/task"), flags, Mode::empty()) else { return 0 };
    let used = |task| -> Option<u64> {
        let mut buffer = [0; 128];
        text(tasks.as_fd(), task, "schedstat", &mut buffer)?.split_whitespace().next()?.parse().ok()
    };
    pids(tasks.as_fd()).into_iter().filter_map(used).sum()
}

/// The zero-terminated name of the null device, for programs that read nothing.
pub(crate) const NULL: &CStr = c"/dev/null";
