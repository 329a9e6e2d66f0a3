//! What a group has counted.
//!
//! Files stay open once they have been read: opening one takes longer than reading it, and the last look at each is on the way
//! of every report. Not here: limits (`cgroup.rs`).

use std::{cell::RefCell, fs::File, os::unix::fs::FileExt, path::Path};

use super::Group;

/// Files of one group that have been read, by their names: no two controllers have the same.
pub(super) type Opened = RefCell<Vec<(&'static str, File)>>;

/// Longest file that is read to its end.
const LONGEST: usize = 4096;

impl Group {
    /// Processor time used, in nanoseconds.
    #[must_use]
    pub fn cpu_nanos(&self) -> Option<u64> {
        let path = self.cpuacct.as_ref()?;
        if self.v2 {
            self.field(path, "cpu.stat", "usage_usec").map(|micros| micros * 1000)
        } else {
            self.number(path, "cpuacct.usage")
        }
    }

    /// Peak memory, swap included, in bytes.
    #[must_use]
    pub fn memory_peak(&self) -> Option<u64> {
        let path = self.memory.as_ref()?;
        if self.v2 {
            self.number(path, "memory.peak").or_else(|| self.number(path, "memory.current"))
        } else {
            self.number(path, "memory.memsw.max_usage_in_bytes")
                .or_else(|| self.number(path, "memory.max_usage_in_bytes"))
        }
    }

    /// How many processes the kernel's out-of-memory killer has ended in this group.
    #[must_use]
    pub fn oom_kills(&self) -> Option<u64> {
        let path = self.memory.as_ref()?;
        if self.v2 {
            self.field(path, "memory.events", "oom_kill")
        } else {
            self.field(path, "memory.oom_control", "oom_kill")
        }
    }

    /// Whether this group's own limit was reached. The counter of kills counts those for a group above, too.
    #[must_use]
    pub fn ran_out_of_memory(&self, limit: u64) -> bool {
        let Some(path) = &self.memory else { return false };
        match self.field(path, "memory.events", "oom") {
            Some(count) => count > 0,
            // Version 1 has no such count (failcnt stays 0 since Linux 6.12). Memory is charged in portions, so the peak
            // may be a little below the limit.
            None => self.memory_peak().is_some_and(|peak| peak >= limit - limit / 16),
        }
    }

    /// The file [`Group::oom_kills`] reads, for reports.
    #[must_use]
    pub fn oom_evidence(&self) -> &'static str {
        if self.v2 { "memory.events: oom_kill" } else { "memory.oom_control: oom_kill" }
    }

    /// How many times a task was refused.
    #[must_use]
    pub fn tasks_refused(&self) -> Option<u64> {
        self.field(self.pids.as_ref()?, "pids.events", "max")
    }

    /// Tasks at this moment, palisade's own pid 1 of the sandbox included.
    #[must_use]
    pub fn tasks(&self) -> Option<u64> {
        self.number(self.pids.as_ref()?, "pids.current")
    }

    /// Most tasks at one time, palisade's own pid 1 of the sandbox included.
    #[must_use]
    pub fn tasks_peak(&self) -> Option<u64> {
        self.number(self.pids.as_ref()?, "pids.peak")
    }

    /// Opens what the end of a run reads, before there is anybody who waits for it.
    pub fn open_counters(&self) {
        let _ = (self.cpu_nanos(), self.memory_peak(), self.oom_kills(), self.tasks_refused(), self.tasks_peak());
    }

    pub(super) fn number(&self, directory: &Path, file: &'static str) -> Option<u64> {
        self.read(directory, file, |text| text.trim().parse().ok())
    }

    fn field(&self, directory: &Path, file: &'static str, name: &str) -> Option<u64> {
        let find = |text: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        self.read(directory, file, find)
    }

    fn read(&self, directory: &Path, name: &'static str, understand: impl FnOnce(&str) -> Option<u64>) -> Option<u64> {
        let mut opened = self.opened.borrow_mut();
        let index = match opened.iter().position(|(known, _)| *known == name) {
            Some(index) => index,
            None => {
                opened.push((name, File::open(directory.join(name)).ok()?));
                opened.len() - 1
            }
        };
        let mut buffer = [0; LONGEST];
        let length = opened.get(index)?.1.read_at(&mut buffer, 0).ok()?;
        understand(std::str::from_utf8(buffer.get(..length)?).ok()?)
    }
}
