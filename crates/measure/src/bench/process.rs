//! One run of a method: its whole time, or what it printed and the memory that it took.
//!
//! Nothing that a run has started outlives it: this process is made the parent of orphans for as long.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::process::CommandExt,
    },
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, set_child_subreaper, waitpid},
};

use crate::race::ms;

/// The longest that one run may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(4);
/// How much of what a program says in its defence is kept.
const WORDS: usize = 300;

/// A command line, and variables beside those of this process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) words: Vec<String>,
    pub(super) variables: Vec<(String, String)>,
    /// What it has to print if all is well; else its exit status says so.
    pub(super) says: Option<String>,
}

/// Why a run is no measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// The caller wants to stop.
    Cancelled,
    /// In words.
    So(String),
}

/// What came of a run that was looked at.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) printed: String,
    /// The most that all its processes had at one time, in bytes. Nothing if none of them could be read.
    pub(super) memory: Option<u64>,
}

/// Makes this process the parent of orphans.
pub(super) fn adopt() -> Result<(), String> {
    set_child_subreaper(Some(rustix::process::getpid())).map_err(|error| format!("cannot adopt orphans: {error}"))
}

/// Processes of this one that were there before a run, and are to be there after it: cells that stand ready.
#[derive(Debug, Default)]
pub(super) struct Kept(Vec<u32>);

impl Kept {
    /// All that there are.
    fn now() -> Self {
        Self(children())
    }

    /// Ends whatever a run has left beside them.
    pub(super) fn sweep(&self) {
        for _ in 0..100 {
            self.reap();
            let kept: Vec<u32> = self.0.iter().copied().chain(descendants(&self.0)).collect();
            let mut left = descendants(&[std::process::id()]);
            left.retain(|pid| !kept.contains(pid));
            if left.is_empty() {
                return;
            }
            for pid in left.into_iter().filter_map(pid_of) {
                // One that has just ended is what was wanted.
                let _ = kill_process(pid, Signal::KILL);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Takes notice of orphans that have ended.
    fn reap(&self) {
        for pid in children().into_iter().filter(|pid| !self.0.contains(pid)).filter_map(pid_of) {
            // One that goes on is waited for another time.
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
}

fn pid_of(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// The processes whose parent is this one, those that have ended included.
fn children() -> Vec<u32> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let of = |text: String| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>();
    tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok()).flat_map(of).collect()
}

impl Line {
    fn command(&self) -> Command {
        let mut command = Command::new(self.words.first().map_or("", String::as_str));
        command.args(self.words.iter().skip(1)).envs(self.variables.iter().map(|(name, value)| (name, value)));
        // A terminal's interrupt is for palisade, which ends its runs itself.
        command.stdin(Stdio::null()).process_group(0);
        command
    }

    /// Milliseconds from the start of the first process until it has ended and all is well.
    pub(super) fn time(&self, cancel: Option<BorrowedFd<'_>>) -> Result<f64, Failed> {
        let mut command = self.command();
        command.stdout(if self.says.is_some() { Stdio::piped() } else { Stdio::null() }).stderr(Stdio::null());
        let kept = Kept::now();
        let begun = Instant::now();
        let mut child = command.spawn().map_err(|error| self.not_started(&error))?;
        let output = child.stdout.take();
        let waited = ended(&mut child, &kept, PATIENCE, cancel);
        let took = ms(begun.elapsed());
        let mut printed = String::new();
        if let Some(mut output) = output.filter(|_| waited.is_ok()) {
            let mut bytes = Vec::new();
            // It has ended; what it has printed is less than a pipe takes.
            let _ = output.read_to_end(&mut bytes);
            printed = String::from_utf8_lossy(&bytes).into_owned();
        }
        kept.reap();
        self.judge(waited?, &printed, "")?;
        Ok(took)
    }

    /// Runs it and looks at it. `daemon`: a process that works for it and is no descendant of it.
    pub(super) fn look(&self, cancel: Option<BorrowedFd<'_>>, daemon: Option<u32>) -> Result<Looked, Failed> {
        self.look_within(PATIENCE, cancel, daemon)
    }

    /// The same, with another patience.
    pub(super) fn look_within(
        &self,
        patience: Duration,
        cancel: Option<BorrowedFd<'_>>,
        daemon: Option<u32>,
    ) -> Result<Looked, Failed> {
        let kept = Kept::now();
        let mut command = self.command();
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|error| self.not_started(&error))?;
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        thread::scope(|scope| {
            let reader = |stream: Option<Box<dyn Read + Send>>| {
                scope.spawn(move || {
                    let mut bytes = Vec::new();
                    if let Some(stream) = stream {
                        // What could be read counts.
                        let _ = stream.take(1 << 20).read_to_end(&mut bytes);
                    }
                    String::from_utf8_lossy(&bytes).into_owned()
                })
            };
            let output = reader(output.map(|stream| Box::new(stream) as _));
            let errors = reader(errors.map(|stream| Box::new(stream) as _));
            let (sender, receiver) = std::sync::mpsc::channel::<()>();
            let watch = scope.spawn(move || most_memory(daemon, &receiver));
            let waited = ended(&mut child, &kept, patience, cancel);
            drop(sender);
            let memory = watch.join().unwrap_or(None);
            // An orphan would keep the pipes open.
            kept.sweep();
            let printed = output.join().unwrap_or_default();
            let errors = errors.join().unwrap_or_default();
            self.judge(waited?, &printed, &errors)?;
            Ok(Looked { printed, memory })
        })
    }

    fn not_started(&self, error: &std::io::Error) -> Failed {
        Failed::So(format!("{}: {error}", self.words.first().map_or("", String::as_str)))
    }

    fn judge(&self, status: ExitStatus, printed: &str, errors: &str) -> Result<(), Failed> {
        let is_well = match &self.says {
            Some(word) => printed.contains(word),
            None => status.success(),
        };
        if is_well {
            return Ok(());
        }
        let said = if errors.trim().is_empty() { printed } else { errors };
        Err(Failed::So(format!("it ended with {status}{}", in_its_words(said))))
    }
}

/// The last lines of what a program has said, on one line.
pub(super) fn in_its_words(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut words = lines[lines.len().saturating_sub(3)..].join("; ");
    words = words.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect();
    if let Some((at, _)) = words.char_indices().nth(WORDS) {
        words.truncate(at);
        words.push('…');
    }
    if words.is_empty() { words } else { format!(": {words}") }
}

/// Waits until it has ended, or ends it.
fn ended(
    child: &mut Child,
    kept: &Kept,
    patience: Duration,
    cancel: Option<BorrowedFd<'_>>,
) -> Result<ExitStatus, Failed> {
    let because = match held(child, patience, cancel) {
        Ok(()) => return child.wait().map_err(|error| Failed::So(format!("cannot wait for it: {error}"))),
        Err(because) => because,
    };
    let _ = child.kill();
    let _ = child.wait();
    kept.sweep();
    Err(because)
}

fn held(child: &Child, patience: Duration, cancel: Option<BorrowedFd<'_>>) -> Result<(), Failed> {
    let failed = |error| Failed::So(format!("cannot wait for it: {error}"));
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).map_err(failed)?;
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failed::So(format!("it did not end within {} s", patience.as_secs())));
        }
        let process = process.as_fd();
        let mut events = vec![PollFd::from_borrowed_fd(process, PollFlags::IN)];
        events.extend(cancel.map(|cancel| PollFd::from_borrowed_fd(cancel, PollFlags::IN)));
        let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut events, Some(&left)) {
            Ok(_) if events.get(1).is_some_and(|event| !event.revents().is_empty()) => return Err(Failed::Cancelled),
            Ok(_) if !events[0].revents().is_empty() => return Ok(()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Whether somebody wants to stop.
pub(super) fn is_cancelled(cancel: Option<BorrowedFd<'_>>) -> bool {
    let Some(cancel) = cancel else { return false };
    let mut events = [PollFd::from_borrowed_fd(cancel, PollFlags::IN)];
    poll(&mut events, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

/// Looks at the memory of what this process has started, and of a daemon with all that it has, until there is no sender.
pub(super) fn most_memory(daemon: Option<u32>, until: &std::sync::mpsc::Receiver<()>) -> Option<u64> {
    let own = [std::process::id()];
    let mut most = None;
    while until.recv_timeout(LOOK) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
        let helpers = daemon.iter().copied().chain(descendants(daemon.as_slice()));
        let sum = descendants(&own).into_iter().chain(helpers).filter_map(memory).reduce(|sum, one| sum + one);
        most = most.max(sum);
    }
    most
}

/// All processes below these, which are not counted themselves.
fn descendants(roots: &[u32]) -> Vec<u32> {
    if roots.is_empty() {
        return Vec::new();
    }
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.split_whitespace());
        let mut fields = fields.into_iter().flatten();
        // One that has ended and is not waited for has nothing.
        if fields.next() == Some("Z") {
            continue;
        }
        if let Some(parent) = fields.next().and_then(|field| field.parse().ok()) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let (mut all, mut below) = (Vec::new(), roots.to_vec());
    while let Some(pid) = below.pop() {
        for child in children.get(&pid).into_iter().flatten() {
            all.push(*child);
            below.push(*child);
        }
    }
    all
}

/// Its share of memory that it has with others, and all that it has alone, in bytes; all that it can see of memory where that
/// share may not be read.
fn memory(pid: u32) -> Option<u64> {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
        text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse::<u64>().ok())
    };
    field("smaps_rollup", "Pss:").or_else(|| field("status", "VmRSS:")).map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str]) -> Line {
        Line { words: words.iter().map(|word| (*word).to_owned()).collect(), ..Line::default() }
    }

    #[test]
    fn one_that_fails_is_told_in_its_own_words() {
        let failed = line(&["/bin/sh", "-c", "echo one >&2; echo two >&2; exit 3"]).look(None, None).unwrap_err();
        assert_eq!(failed, Failed::So("it ended with exit status: 3: one; two".to_owned()));
        let failed = line(&["/nonexistent/x"]).time(None).unwrap_err();
        assert!(matches!(failed, Failed::So(text) if text.starts_with("/nonexistent/x: ")));
    }

    #[test]
    fn what_has_to_be_printed_is_what_counts() {
        let says = |word: &str| Line { says: Some(word.to_owned()), ..line(&["/bin/sh", "-c", "echo done; exit 1"]) };
        assert!(says("done").time(None).unwrap() > 0.0);
        assert!(says("well").time(None).is_err());
    }

    #[test]
    fn a_run_that_is_cancelled_ends_with_all_that_it_has_started() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(writer); // readable at once
        adopt().unwrap();
        let failed = line(&["/bin/sh", "-c", "sleep 71.25 & sleep 71.25"]).time(Some(reader.as_fd())).unwrap_err();
        assert_eq!(failed, Failed::Cancelled);
        assert_eq!(descendants(&[std::process::id()]), [0_u32; 0]);
    }

    #[test]
    fn a_run_ends_what_it_has_left_and_nothing_that_was_there_before() {
        adopt().unwrap();
        let mut before = Command::new("sleep").arg("71.5").spawn().unwrap();
        let looked = line(&["/bin/sh", "-c", "sleep 71.75 >&- 2>&- & echo done"]).look(None, None).unwrap();
        assert_eq!(looked.printed, "done\n");
        assert_eq!(descendants(&[std::process::id()]), [before.id()]);
        assert!(before.try_wait().unwrap().is_none(), "it was ended");
        before.kill().unwrap();
        line(&["/bin/true"]).time(None).unwrap();
        assert!(!before.wait().unwrap().success(), "its end belongs to whoever started it");
    }

    #[test]
    fn the_last_words_are_kept_on_one_line() {
        assert_eq!(in_its_words("a\nb\n\n c\x1b[31m\nd\n"), ": b; c [31m; d");
        assert_eq!(in_its_words("\n"), "");
    }
}
