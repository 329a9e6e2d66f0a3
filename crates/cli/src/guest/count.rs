//! How many processes and threads there are, and how much memory is in use, where only somebody inside can see that. Not here:
//! limits.

use palisade_spec::guest::Word;
use rustix::{
    fs::{Dir, Mode, OFlags, open},
    system::sysinfo,
};

/// Processes that are not the program's: this one, and the one that starts the program. Each has one thread.
const OWN: u32 = 2;

/// More memory than at the last telling that is worth telling, in bytes.
const PORTION: u64 = 1 << 20;

/// The most that were seen.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    processes: u32,
    threads: u32,
    memory: u64,
}

impl Counter {
    /// Counts. Something to tell if there is more than ever.
    pub(crate) fn look(&mut self) -> Option<Word> {
        let info = sysinfo();
        // Threads, whatever the field is called (do_sysinfo in the kernel; gVisor does the same).
        let threads = u32::from(info.procs).saturating_sub(OWN);
        // There is no process without a thread, so mostly that says enough.
        let processes = if threads > self.processes { processes().saturating_sub(OWN) } else { 0 };
        let threads = threads.max(processes);
        let memory = (info.totalram.saturating_sub(info.freeram)).saturating_mul(info.mem_unit.into());
        if threads <= self.threads && processes <= self.processes && memory < self.memory.saturating_add(PORTION) {
            return None;
        }
        self.processes = self.processes.max(processes);
        self.threads = self.threads.max(threads);
        self.memory = self.memory.max(memory);
        Some(Word::Counted { processes: self.processes, threads: self.threads, memory: self.memory })
    }
}

fn processes() -> u32 {
    let proc = open(c"/proc", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let Ok(entries) = proc.and_then(Dir::new) else { return 0 };
    let is_process = |name: &[u8]| name.iter().all(u8::is_ascii_digit);
    let count = entries.flatten().filter(|entry| is_process(entry.file_name().to_bytes())).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}
