//! How many processes and threads there are, where only somebody inside can see that. Not here: limits.

use palisade_spec::guest::Word;
use rustix::{
    fs::{Dir, Mode, OFlags, open},
    system::sysinfo,
};

/// Processes that are not the program's: this one, and the one that starts the program. Each has one thread.
const OWN: u32 = 2;

/// The most that were seen.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    processes: u32,
    threads: u32,
}

impl Counter {
    /// Counts. Something to tell if there are more than ever.
    pub(crate) fn look(&mut self) -> Option<Word> {
        // Threads, whatever the field is called (do_sysinfo in the kernel; gVisor does the same).
        let threads = u32::from(sysinfo().procs).saturating_sub(OWN);
        // There is no process without a thread, so mostly that says enough.
        let processes = if threads > self.processes { processes().saturating_sub(OWN) } else { 0 };
        let threads = threads.max(processes);
        if threads <= self.threads && processes <= self.processes {
            return None;
        }
        (self.processes, self.threads) = (self.processes.max(processes), self.threads.max(threads));
        Some(Word::Counted { processes: self.processes, threads: self.threads })
    }
}

fn processes() -> u32 {
    let proc = open(c"/proc", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let Ok(entries) = proc.and_then(Dir::new) else { return 0 };
    let is_process = |name: &[u8]| name.iter().all(u8::is_ascii_digit);
    let count = entries.flatten().filter(|entry| is_process(entry.file_name().to_bytes())).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}
