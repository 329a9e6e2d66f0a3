//! How much the processes of one sandbox use.
//!
//! From the cgroup where there is one; otherwise, and for the number of processes always, from the sandbox's own /proc,
//! which its pid 1 hands out. Not here: what follows from it (`mod.rs`).

use std::{
    ffi::CStr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use palisade_sys::cgroup::Group;
use rustix::{
    fs::{Dir, Mode, OFlags, openat},
    io::read,
};

/// What is measured.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    group: Option<Group>,
    /// Processes of the sandbox that are not the program's, its pid 1 among them.
    others: u32,
    /// The sandbox's /proc.
    proc: Option<OwnedFd>,
    memory_peak: u64,
    cpu_nanos: u64,
    /// Processor time that a wall's program took before there was a program of ours.
    cpu_before: u64,
    pub(crate) processes_peak: u32,
}

/// One look at all processes.
#[derive(Clone, Copy, Debug, Default)]
struct Tree {
    memory: u64,
    cpu_nanos: u64,
}

impl Meter {
    /// `wall`: processes of a wall that another program makes.
    pub(crate) fn new(group: Option<Group>, wall: u32) -> Self {
        // The program itself is a process before the first one is counted.
        Self { group, others: wall + 1, processes_peak: 1, ..Self::default() }
    }

    pub(crate) fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    pub(crate) fn watch(&mut self, proc: OwnedFd) {
        self.proc = Some(proc);
    }

    /// Whether somebody has to call [`Meter::memory_now`] again and again, because no cgroup holds the limit.
    pub(crate) fn must_sample_memory(&self) -> bool {
        !self.group.as_ref().is_some_and(Group::limits_memory)
    }

    /// Tasks of the program, and perhaps some of its wall, if the kernel counts them.
    pub(crate) fn tasks(&self) -> Option<u32> {
        let tasks = self.group.as_ref()?.tasks()?;
        Some(u32::try_from(tasks).unwrap_or(u32::MAX).saturating_sub(self.others))
    }

    /// Processes of the program.
    pub(crate) fn processes(&mut self) -> u32 {
        let Some(proc) = &self.proc else { return 0 };
        let count = u32::try_from(pids(proc.as_fd()).len()).unwrap_or(u32::MAX).saturating_sub(self.others);
        self.processes_peak = self.processes_peak.max(count);
        count
    }

    /// Memory of all processes at this moment, in bytes, if it may be above `limit`.
    ///
    /// A quick sum counts memory that processes share once for each. Where that is too much, each page is counted once.
    pub(crate) fn memory_above(&mut self, limit: u64) -> Option<u64> {
        if self.look().memory <= limit {
            return None;
        }
        let proc = self.proc.as_ref()?;
        let exact: u64 = pids(proc.as_fd()).into_iter().filter_map(|pid| rollup_memory(proc.as_fd(), pid)).sum();
        (exact > limit).then_some(exact)
    }

    /// Peak memory of the tree. Without a cgroup: of the moments at which it was looked at.
    pub(crate) fn memory_peak(&self) -> u64 {
        self.group.as_ref().and_then(Group::memory_peak).unwrap_or(self.memory_peak)
    }

    /// Processor time of the tree so far.
    pub(crate) fn cpu_nanos(&mut self) -> u64 {
        match self.group.as_ref().and_then(Group::cpu_nanos) {
            Some(nanos) => nanos.saturating_sub(self.cpu_before).max(self.cpu_nanos),
            None => self.look().cpu_nanos.max(self.cpu_nanos),
        }
    }

    /// The program starts: what its wall has taken until now is not its own.
    pub(crate) fn begin(&mut self) {
        self.cpu_before = self.cpu_nanos();
        self.cpu_nanos = 0;
    }

    /// Takes in what the kernel told of the whole sandbox when it was reaped.
    pub(crate) fn ended(&mut self, cpu_nanos: u64) {
        self.cpu_nanos = self.cpu_nanos.max(cpu_nanos);
    }

    fn look(&mut self) -> Tree {
        let mut tree = Tree::default();
        let Some(proc) = &self.proc else { return tree };
        let mut count = 0u32;
        for pid in pids(proc.as_fd()) {
            tree.memory += status_memory(proc.as_fd(), pid).unwrap_or(0);
            tree.cpu_nanos += stat_cpu(proc.as_fd(), pid).unwrap_or(0);
            count += 1;
        }
        tree.cpu_nanos = tree.cpu_nanos.saturating_sub(self.cpu_before);
        self.processes_peak = self.processes_peak.max(count.saturating_sub(self.others));
        self.memory_peak = self.memory_peak.max(tree.memory);
        self.cpu_nanos = self.cpu_nanos.max(tree.cpu_nanos);
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

/// The zero-terminated name of the null device, for programs that read nothing.
pub(crate) const NULL: &CStr = c"/dev/null";
