//! The one supervisor: runs a launch to its end, holds its limits, tells its story.
//!
//! One thread polls the child, its streams, its filter's notifications, timers and the caller's wish to cancel. At a limit
//! pid 1 of the sandbox is killed, and the kernel kills everything in its pid namespace: what changed session, forked
//! twice or was stopped as well. Not here: what is launched (`native`), the report's wording (`verdict.rs`).

mod cell;
mod contained;
mod gauge;
mod guest;
mod launching;
mod limits;
mod meter;
mod output;
mod process;
mod terminal;
mod verdict;
mod words;
mod zygote;

use std::{
    cell::RefCell,
    io,
    os::fd::{BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::mpsc::Sender,
    time::Duration,
};

use palisade_spec::{HostileCalls, Input, LimitKind, Output, OutputExcess, Report, Strictness};
use palisade_sys::{
    MARKS, Record, Script,
    notify::{Answer, Call, Listener},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    stdio::stdout,
    termios::isatty,
};

pub(crate) use self::{
    cell::{Cell, PIPES, Remains, Warm},
    gauge::{Gauge, Halt, Most, Serving},
    limits::processors,
};
use self::{meter::Meter, output::Streams, process::Process, terminal::CallersTerminal, verdict::Acts};
use crate::{
    error::StartError,
    job::Job,
    language::BUILD,
    native::{Handle, Launch, Network, handles},
};

/// How a launch is connected to its caller.
pub(crate) struct Connection<'a> {
    pub(crate) stdin: Input,
    pub(crate) output: Output,
    pub(crate) excess: OutputExcess,
    pub(crate) strictness: Strictness,
    /// Becomes readable when the caller wants the run to stop.
    pub(crate) cancel: Option<BorrowedFd<'a>>,
    /// Told that the launch has succeeded.
    pub(crate) started: Option<&'a Sender<()>>,
    /// Told once that the program has ended, and nothing but its sandbox is left to be ended.
    pub(crate) ended: Option<&'a dyn Fn()>,
    /// Where somebody asks meanwhile.
    pub(crate) gauge: Option<&'a Gauge>,
    pub(crate) turn: Turn<'a>,
    /// When work on this stage began, in nanoseconds of the monotonic clock.
    pub(crate) begun: u64,
    /// What is done for the host beside this run.
    pub(crate) upkeep: Upkeep,
}

/// What a run has from those before it ([`crate::Lane`]).
#[derive(Clone, Copy, Default)]
pub(crate) struct Turn<'a> {
    pub(crate) network: Network,
    /// Where its script may be found, and is kept.
    pub(crate) script: Option<&'a RefCell<Option<Script>>>,
    /// The sandbox that stands ready for it.
    pub(crate) warm: Option<&'a Warm<'a>>,
}

/// Whether a run looks for what a palisade that was killed has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upkeep {
    /// It does.
    Due,
    /// An earlier run of the same preparation has.
    Done,
}

/// How often the processes are counted, and their memory where no cgroup does it.
const SAMPLING: Duration = Duration::from_millis(10);

/// How often the end of a program is looked for that has closed its streams.
const LOOKS: u32 = 16;

/// Notifications answered before timers and the other descriptors get their turn.
const TURN: usize = 32;

/// How long the last output of a run that was stopped may take to reach its reader.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A finished stage.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) report: Report,
    /// What is in these directories lives as long as this.
    pub(crate) left: Left,
}

/// Why the supervisor killed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stop {
    Limit(LimitKind, Evidence),
    Hostile(&'static str),
    Cancelled,
}

/// What is known of a limit that was hit.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Evidence {
    limit: String,
    measured: String,
    from: String,
}

/// A launch under way.
struct Run<'a> {
    launch: &'a Launch,
    connection: &'a Connection<'a>,
    child: Process,
    streams: Streams,
    /// What to type into the program's terminal, until that is there.
    typed: Input,
    /// Dropped after the child: no terminal is given back while the program runs.
    terminal: Option<CallersTerminal>,
    meter: Meter,
    listener: Option<Listener>,
    acts: Acts,
    stop: Option<Stop>,
    times: Times,
    /// As wait(2) tells of the program.
    exit: Option<i32>,
    /// Whether nothing was left when it ended but the first process of its sandbox, on its way out.
    alone: bool,
    /// How often its end is still looked for without sleeping.
    looks: u32,
    /// Errno of a program that could not be executed.
    failed: Option<i32>,
    /// Whether no more records will come.
    told_all: bool,
    left: Left,
    /// Whether the wall's program has done its work, and is gone.
    made: bool,
}

/// Directories of the sandbox, held for what is in them when the program has ended.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// The program's user, on the host.
    pub(crate) user: u32,
    /// `/build`, if the stage has one.
    pub(crate) build: Option<OwnedFd>,
    /// What was written to the overlay, if somebody wants to know.
    pub(crate) upper: Option<OwnedFd>,
    /// The file that gets its content later, open for writing.
    pub(crate) blank: Option<OwnedFd>,
    /// Where outputs can be, by their paths inside.
    pub(crate) places: Vec<(PathBuf, OwnedFd)>,
}

impl Left {
    /// Takes what the child gives away after `/proc`.
    fn take(&mut self, job: &Job, given: impl Iterator<Item = OwnedFd>) {
        for (handle, directory) in handles(job).into_iter().skip(1).zip(given) {
            match handle {
                Handle::Upper => self.upper = Some(directory),
                Handle::Blank => self.blank = Some(directory),
                Handle::Place(path) if path == Path::new(BUILD) && job.artefact.is_some() => {
                    self.build = Some(directory);
                }
                Handle::Place(path) => self.places.push((path, directory)),
            }
        }
    }
}

/// Points in time, in nanoseconds of the monotonic clock; 0 where there is none.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    begun: u64,
    cloned: u64,
    /// When a sandbox that stood already was entered.
    entered: u64,
    marks: [u64; MARKS],
    /// When the program of a wall was executed, if another program makes it.
    walled: u64,
    started: u64,
    exited: u64,
    reaped: u64,
}

/// Runs `launch` to its end.
///
/// # Errors
/// If the program could not be started. What it does once it runs is never an error.
pub(crate) fn supervise(launch: &Launch, connection: &mut Connection<'_>) -> Result<Finished, StartError> {
    // Until the program starts, nothing of its input is taken: another wall can still have all of it.
    let stdin = connection.stdin.clone();
    let cell = connection.turn.warm.and_then(|warm| Some((warm.cell.take()?, warm.started)));
    let mut run = match (cell, &launch.engine) {
        (Some((cell, started)), _) => {
            let run = cell.enter(launch, connection, stdin)?;
            started();
            run
        }
        (None, Some(engine)) => contained::start(launch, engine, connection, stdin)?,
        (None, None) => launching::start(launch, connection, stdin)?,
    };
    if let Some(started) = connection.started {
        // Whoever wanted to know may have gone.
        let _ = started.send(());
    }
    run.until_ended().map_err(StartError::io("supervise the program"))?;
    run.finish()
}

impl Run<'_> {
    fn until_ended(&mut self) -> io::Result<()> {
        loop {
            let (control_ready, ended) = self.wait()?;
            self.streams.serve()?;
            self.hear();
            if let (Some(terminal), Some(program)) = (&mut self.terminal, self.streams.terminal()) {
                terminal.look(program);
            }
            self.serve_listener()?;
            if control_ready {
                while let Some(record) = self.next_record()? {
                    self.record(record);
                }
            }
            if ended {
                self.child.reap();
                self.times.reaped = now();
                break;
            }
            if self.leaves_remains() {
                break;
            }
            self.check_limits();
        }
        if let Some(gauge) = self.connection.gauge {
            gauge.close();
        }
        // The writers are gone, so what is in the pipes is all there is. The receiver may be slow, and an engine's daemon too.
        self.streams.ended(matches!(self.child, Process::Own(_)));
        self.hear();
        if self.terminal.is_some() && !isatty(stdout()) {
            // Nor may Ctrl-C be lost on a program that is gone.
            self.terminal = None;
        }
        let deadline = now() + nanos(LAST_WORDS);
        loop {
            self.streams.serve()?;
            self.hear();
            if self.streams.is_drained() {
                return Ok(());
            }
            // A run that was stopped is over, whoever does not read. One that ended waits for its reader, as any pipe does.
            let patience = self.stop.is_some().then(|| Duration::from_nanos(deadline.saturating_sub(now())));
            if patience == Some(Duration::ZERO) {
                self.streams.give_up();
                return Ok(());
            }
            let mut list = Vec::new();
            self.streams.poll_on(&mut list);
            if let Some(cancel) = self.connection.cancel {
                list.push(PollFd::from_borrowed_fd(cancel, PollFlags::IN));
            }
            poll_on(&mut list, patience)?;
            let cancelled = self.connection.cancel.is_some() && list.last().is_some_and(|fd| !fd.revents().is_empty());
            drop(list);
            if cancelled {
                self.streams.give_up();
                return Ok(());
            }
        }
    }

    /// Looks again a few times, giving way to whoever may have the processor.
    fn ends_soon(&mut self) -> bool {
        let soon = self.looks > 0 && self.exit.is_none() && self.streams.is_drained();
        if soon {
            self.looks -= 1;
            rustix::thread::sched_yield();
        }
        soon
    }

    /// Whether somebody else waits until the sandbox is gone, in which nothing runs any more.
    fn leaves_remains(&self) -> bool {
        self.alone && self.connection.turn.warm.is_some()
    }

    /// Waits for whatever comes first. Tells whether there are records, and whether the child has ended.
    fn wait(&mut self) -> io::Result<(bool, bool)> {
        // A program that has closed its streams is likely to be told of as ended at once: being woken takes longer.
        let timeout = if self.ends_soon() { Some(Duration::ZERO) } else { self.next_look() };
        // One that nobody will write to is readable for ever, and the kernel takes its time to end the sandbox after that.
        let control = if self.told_all { self.child.pidfd() } else { self.child.control() };
        let mut list = vec![
            PollFd::from_borrowed_fd(control, PollFlags::IN),
            PollFd::from_borrowed_fd(self.child.pidfd(), PollFlags::IN),
        ];
        if let (Some(cancel), None) = (self.connection.cancel, &self.stop) {
            list.push(PollFd::from_borrowed_fd(cancel, PollFlags::IN));
        }
        if let Some(listener) = &self.listener {
            list.push(PollFd::new(listener, PollFlags::IN));
        }
        if let Some(gauge) = self.connection.gauge {
            gauge.poll_on(&mut list);
        }
        self.streams.poll_on(&mut list);
        poll_on(&mut list, timeout)?;
        let is_ready = |index: usize| list.get(index).is_some_and(|fd| !fd.revents().is_empty());
        let (control, ended) = (is_ready(0), is_ready(1));
        let cancelled = self.connection.cancel.is_some() && self.stop.is_none() && is_ready(2);
        drop(list);
        if cancelled {
            self.stop(Stop::Cancelled);
        }
        Ok((control, ended))
    }

    fn next_record(&mut self) -> io::Result<Option<Record>> {
        match self.child.record() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Ok(None) => {
                self.told_all = true;
                Ok(None)
            }
            answer => answer,
        }
    }

    fn record(&mut self, record: Record) {
        match record {
            // Who ended is the wall's program. Of the program itself, its agent tells.
            Record::Exited { .. } if self.launch.has_agent() => {}
            Record::Exited { status, cpu_micros, at, alone } => {
                self.exit = Some(status);
                self.times.exited = at;
                self.alone = alone;
                self.meter.ended(cpu_micros * 1000);
                if let Some(ended) = self.connection.ended {
                    ended();
                }
            }
            Record::Failed { errno, .. } => self.failed = Some(errno),
            Record::Handles(_) | Record::Stands { .. } | Record::Ready { .. } => {}
        }
    }

    fn stop(&mut self, why: Stop) {
        if self.stop.is_none() {
            self.stop = Some(why);
            self.meter.look_at_lent();
            self.child.kill();
        }
    }

    /// Answers every call that waits.
    fn serve_listener(&mut self) -> io::Result<()> {
        // A program that never stops calling must not keep the timers waiting.
        for _ in 0..TURN {
            let Some(listener) = self.listener.take() else { return Ok(()) };
            let mut list = [PollFd::new(&listener, PollFlags::IN)];
            poll_on(&mut list, Some(Duration::ZERO))?;
            let ready = list[0].revents();
            if ready.contains(PollFlags::IN) {
                if let Some(call) = listener.receive()?
                    && let Some(answer) = self.judge(&call)
                {
                    listener.answer(&call, answer);
                }
                self.listener = Some(listener);
            } else if ready.is_empty() {
                self.listener = Some(listener);
                break;
            }
            // Otherwise every process under the filter has ended, and the descriptor would be ready for ever.
        }
        Ok(())
    }

    /// What a hostile call gets. `None`: nothing, its caller is being killed and must not go on to the next one.
    fn judge(&mut self, call: &Call) -> Option<Answer> {
        if self.stop.is_some() {
            return None;
        }
        let name = verdict::call_name(call);
        self.acts.note(name);
        if self.launch.job.hostile_calls == HostileCalls::Kill {
            self.stop(Stop::Hostile(name));
            return None;
        }
        Some(Answer::Fail(libc::EPERM))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds of the monotonic clock, which the child uses as well.
pub(crate) fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let (seconds, nanos) = (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
    seconds * 1_000_000_000 + nanos
}

pub(crate) fn poll_on(list: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<()> {
    let timeout = timeout.and_then(|t| Timespec::try_from(t).ok());
    match poll(list, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}
