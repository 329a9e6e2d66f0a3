//! A sandbox that stands, and waits for its program.
//!
//! Everything that a cold launch does has been done: namespaces, file tree, cgroup, Landlock, privileges, system call filter. What
//! is left is to say what to execute, with which streams, and the limits that are the process's own. Not here: how many of
//! them there are, and who makes and removes them (`crate::pool`).

use std::{
    cell::RefCell,
    ffi::CString,
    fs::File,
    io::{self, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::FileExt,
    },
    time::Duration,
};

use palisade_spec::{Input, Strictness};
use palisade_sys::{Child, Record, Script, Told, notify::Listener};
use rustix::event::{PollFd, PollFlags};

use super::{
    Connection, LOOKS, Left, Run, Times,
    launching::{Born, SETUP, bear, refuse_weakened, step_failed},
    meter::Meter,
    now,
    output::Streams,
    poll_on,
    process::Process,
    verdict::Acts,
    zygote::Zygote,
};
use crate::{
    error::{About, StartError},
    native::{self, Launch, Network, Pipes},
    zygote::Order,
};

/// A sandbox without a program. Dropping it ends it.
///
/// The kernel ends it as well when the thread ends that has made it.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(super) child: Child,
    pub(super) script: Script,
    pub(super) listener: Option<Listener>,
    pub(super) left: Left,
    /// The interpreter that is there already, if one is wanted.
    pub(super) zygote: Option<Zygote>,
    /// Dropped after the child: a group is removed when nobody is in it.
    pub(super) meter: Meter,
    pub(super) acts: Acts,
}

/// What is left of a run whose program has ended, and everything with it but the first process, on its way out. Dropping it waits
/// for that.
#[derive(Debug)]
pub(crate) struct Remains {
    pub(super) _child: Process,
    pub(super) _meter: Meter,
}

/// How a run uses a cell.
pub(crate) struct Warm<'a> {
    /// The cell, until it is entered.
    pub(crate) cell: RefCell<Option<Cell>>,
    /// The program, in a sandbox that is the cell's.
    pub(crate) launch: &'a Launch,
    /// What its interpreter is told, if it waits.
    pub(crate) order: Option<&'a Order<'a>>,
    /// Told when the program has started.
    pub(crate) started: &'a dyn Fn(),
    /// Takes what is left.
    pub(crate) leave: &'a dyn Fn(Remains),
}

impl Cell {
    /// Makes one.
    ///
    /// # Errors
    /// As for a launch: whatever the host cannot do.
    pub(crate) fn stand(launch: &Launch, strictness: Strictness) -> Result<Self, StartError> {
        refuse_weakened(launch, strictness, &launch.weakened)?;
        let mut acts = Acts::new();
        let Born { child, script, group, ids, .. } = bear(launch, strictness, &mut acts, |ids, birthplace, _| {
            native::script(launch, ids, Network::New, None, birthplace).map(native::of_a_cell)
        })?;
        let left = Left { user: ids.uid, ..Left::default() };
        let meter = Meter::new(group, launch.room());
        let mut cell = Self { child, script, listener: None, left, zygote: None, meter, acts };
        cell.until_it_stands(launch)?;
        // What has been used until now is not the program's.
        cell.meter.begin();
        if launch.job.zygote.is_some() {
            cell.wake(launch)?;
        }
        if let Some(group) = cell.meter.group() {
            group.open_counters();
        }
        Ok(cell)
    }

    fn until_it_stands(&mut self, launch: &Launch) -> Result<(), StartError> {
        let deadline = now() + super::nanos(SETUP);
        loop {
            let left = Duration::from_nanos(deadline.saturating_sub(now()));
            if left.is_zero() {
                return Err(StartError::KilledDuringSetup { during: "a step that took longer than ten seconds" });
            }
            let mut list = [PollFd::from_borrowed_fd(self.child.control(), PollFlags::IN)];
            poll_on(&mut list, Some(left)).map_err(StartError::io("wait for the sandbox"))?;
            match self.child.record() {
                Ok(Some(Record::Handles(handles))) => {
                    let mut handles = handles.into_iter();
                    if let Some(proc) = handles.next() {
                        self.meter.watch(proc);
                    }
                    self.left.take(&launch.job, &mut handles);
                }
                Ok(Some(Record::Stands { listener, .. })) => {
                    self.listener = listener.map(Listener::new);
                    return Ok(());
                }
                Ok(Some(Record::Failed { step, errno })) => return Err(step_failed(&self.script, step, errno)),
                Ok(Some(Record::Ready { .. } | Record::Exited { .. })) => {}
                Ok(None) => return Err(StartError::KilledDuringSetup { during: "set-up" }),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(StartError::io("read the sandbox's report")(error)),
            }
        }
    }

    /// Whether it still waits, and has everything that was planned for it.
    pub(crate) fn is_whole(&self) -> bool {
        let mut list = [PollFd::from_borrowed_fd(self.child.pidfd(), PollFlags::IN)];
        let looked = poll_on(&mut list, Some(Duration::ZERO));
        looked.is_ok() && list[0].revents().is_empty() && self.acts.weakened.is_empty()
    }

    /// Writes the file that it waits for, if it waits for one.
    ///
    /// # Errors
    /// If there is nothing to write, or it is longer than a source may be.
    pub(crate) fn fill(&mut self, source: Option<&File>) -> io::Result<()> {
        let Some(blank) = self.left.blank.take_if(|_| self.zygote.is_none()) else { return Ok(()) };
        let source = source.ok_or(io::ErrorKind::InvalidInput)?;
        let mut blank = File::from(blank);
        // From its beginning, wherever its other readers are.
        let (mut chunk, mut at) = (vec![0; 64 << 10], 0);
        loop {
            match source.read_at(&mut chunk, at)? {
                0 => return Ok(()),
                count => {
                    blank.write_all(chunk.get(..count).unwrap_or_default())?;
                    at += count as u64;
                }
            }
        }
    }

    /// Starts the program of `launch` in it: one whose sandbox is the same.
    ///
    /// # Errors
    /// [`StartError::KilledDuringSetup`] if somebody has ended the cell, and nothing has been started.
    pub(super) fn enter<'a>(
        mut self,
        launch: &'a Launch,
        connection: &'a Connection<'a>,
        stdin: Input,
    ) -> Result<Run<'a>, StartError> {
        if let Some(zygote) = self.zygote.take() {
            return self.begin(zygote, launch, connection, stdin);
        }
        // It is awake when the pipes are made. Whether it is gone is seen by what follows.
        let _ = self.child.expect();
        let (limit, excess) = (launch.job.limits.output.0, connection.excess);
        let (streams, Pipes(theirs)) =
            Streams::new(stdin, &connection.output, limit, excess).map_err(StartError::io(PIPES))?;
        let entered = now();
        self.execute(launch, theirs)?;
        let listener = self.listener.take();
        let (mut run, script) = self.run(launch, connection, streams, entered);
        match run.until_ready(&script) {
            Err(StartError::KilledDuringSetup { .. }) => return Err(run.not_entered()),
            answer => answer?,
        }
        run.listener = listener;
        Ok(run)
    }

    /// Tells it what to execute.
    pub(super) fn execute(&self, launch: &Launch, theirs: [OwnedFd; 3]) -> Result<(), StartError> {
        let told = Strings::of(launch).map_err(StartError::io("prepare the program"))?;
        let stdio = theirs.each_ref().map(AsFd::as_fd);
        let told = Told {
            stdio,
            directory: &told.directory,
            candidates: &told.candidates,
            arguments: &told.arguments,
            environment: &told.environment,
        };
        self.child.execute(&told).map_err(|error| match error.raw_os_error() {
            Some(libc::EPIPE | libc::ECONNRESET) => GONE,
            _ => StartError::io("tell a cell its program")(error),
        })
    }

    /// The run that it becomes.
    pub(super) fn run<'a>(
        self,
        launch: &'a Launch,
        connection: &'a Connection<'a>,
        streams: Streams,
        entered: u64,
    ) -> (Run<'a>, Script) {
        let run = Run {
            launch,
            connection,
            child: Process::Own(self.child),
            streams,
            typed: Input::Empty,
            terminal: None,
            meter: self.meter,
            listener: self.listener,
            acts: self.acts,
            stop: None,
            times: Times { begun: connection.begun, cloned: entered, entered, ..Times::default() },
            exit: None,
            alone: false,
            looks: LOOKS,
            failed: None,
            told_all: false,
            left: self.left,
            made: false,
        };
        (run, self.script)
    }
}

/// What a run does before it tells a cell anything.
pub(crate) const PIPES: &str = "make pipes";

/// Somebody has ended it, and it has started nothing.
pub(super) const GONE: StartError = StartError::KilledDuringSetup { during: "the wait for its program" };

impl Run<'_> {
    /// Ends a cell that has not said that its program starts, and tells whether it may have done so.
    fn not_entered(mut self) -> StartError {
        self.child.kill();
        self.child.reap();
        loop {
            match self.child.record() {
                Ok(Some(Record::Ready { .. })) => {
                    return StartError::Setup {
                        step: "start the program in its cell".to_owned(),
                        source: io::Error::other("it was stopped in the middle, and may have run for a moment"),
                        hint: None,
                        about: About::Wall,
                    };
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return GONE,
            }
        }
    }
}

/// The program's strings as the kernel takes them.
struct Strings {
    directory: CString,
    candidates: Vec<CString>,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

impl Strings {
    fn of(launch: &Launch) -> io::Result<Self> {
        let job = &launch.job;
        let words = |words: &[String]| -> io::Result<Vec<CString>> {
            words.iter().map(|word| native::c_string(word.as_str())).collect()
        };
        Ok(Self {
            directory: native::c_path(&job.directory)?,
            candidates: words(&launch.candidates)?,
            arguments: words(&job.command)?,
            environment: native::variables(&job.environment)?,
        })
    }
}
