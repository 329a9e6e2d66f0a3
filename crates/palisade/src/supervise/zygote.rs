//! An interpreter in a cell: started, waiting, and told its program.
//!
//! It is a program like any other in that cell: every wall and limit holds for it while it starts and waits. Not here: what it
//! does meanwhile, and the form of its order (`crate::zygote`), the cell around it (`cell.rs`).

use std::{
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use palisade_spec::{HostileCalls, Input};
use palisade_sys::{Record, notify::Answer};
use rustix::{
    event::{PollFd, PollFlags},
    io::{Errno, ioctl_fionbio, read},
    pipe::{PipeFlags, pipe_with},
};

use super::{
    Connection, Run,
    cell::{Cell, GONE},
    launching::step_failed,
    now,
    output::Streams,
    poll_on, verdict,
};
use crate::{
    error::{About, StartError},
    native::Launch,
    zygote::READY,
};

/// Our ends of the three streams of an interpreter that waits.
#[derive(Debug)]
pub(super) struct Zygote([OwnedFd; 3]);

/// How long an interpreter may take until it waits: as long as that of a session.
const WAKE: Duration = Duration::from_secs(30);

/// What an interpreter that ended may have said about it, in bytes.
const COMPLAINT: usize = 2048;

impl Cell {
    /// Starts the interpreter, and waits until it waits itself.
    ///
    /// # Errors
    /// If it ends, says something else, or takes too long.
    pub(super) fn wake(&mut self, launch: &Launch) -> Result<(), StartError> {
        let (ours, theirs) = pipes().map_err(StartError::io("make pipes"))?;
        self.execute(launch, theirs)?;
        let zygote = Zygote(ours);
        let deadline = now() + super::nanos(WAKE);
        loop {
            let left = Duration::from_nanos(deadline.saturating_sub(now()));
            if left.is_zero() {
                return Err(zygote.failed("it has not begun to wait within thirty seconds"));
            }
            let mut list = vec![
                PollFd::from_borrowed_fd(self.child.control(), PollFlags::IN),
                PollFd::new(&zygote.0[1], PollFlags::IN),
            ];
            if let Some(listener) = &self.listener {
                list.push(PollFd::new(listener, PollFlags::IN));
            }
            poll_on(&mut list, Some(left)).map_err(StartError::io("wait for an interpreter"))?;
            let calls = list.get(2).is_some_and(|fd| fd.revents().contains(PollFlags::IN));
            drop(list);
            if calls {
                self.refuse(launch)?;
            }
            if zygote.waits()? {
                break;
            }
            self.look(&zygote)?;
        }
        self.meter.begin_in_interpreter();
        self.zygote = Some(zygote);
        Ok(())
    }

    /// What process 1 says of an interpreter that has not begun to wait.
    fn look(&self, zygote: &Zygote) -> Result<(), StartError> {
        match self.child.record() {
            Ok(Some(Record::Failed { step, errno })) => Err(step_failed(&self.script, step, errno)),
            Ok(Some(Record::Exited { status, .. })) if libc::WIFSIGNALED(status) => {
                let signal = palisade_spec::Signal(libc::WTERMSIG(status));
                Err(zygote.failed(&format!("it was ended by {signal} before it waited")))
            }
            Ok(Some(Record::Exited { status, .. })) => {
                Err(zygote.failed(&format!("it ended with {} before it waited", libc::WEXITSTATUS(status))))
            }
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(GONE),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(StartError::io("read the sandbox's report")(error)),
        }
    }

    /// Answers a hostile call of an interpreter that starts. It is told with the run, as if it had been made there.
    fn refuse(&mut self, launch: &Launch) -> Result<(), StartError> {
        let Some(listener) = &self.listener else { return Ok(()) };
        let Some(call) = listener.receive().map_err(StartError::io("hear of a call"))? else { return Ok(()) };
        let name = verdict::call_name(&call);
        if launch.job.hostile_calls == HostileCalls::Kill {
            return Err(not_started(&format!("it calls {name}, which this policy kills for"), None));
        }
        self.acts.note(name);
        listener.answer(&call, Answer::Fail(libc::EPERM));
        Ok(())
    }

    /// Gives its interpreter a program.
    ///
    /// # Errors
    /// [`StartError::KilledDuringSetup`] if the interpreter has ended, and nothing has been run.
    pub(super) fn begin<'a>(
        mut self,
        zygote: Zygote,
        launch: &'a Launch,
        connection: &'a Connection<'a>,
        stdin: Input,
    ) -> Result<Run<'a>, StartError> {
        let entered = now();
        let (Some(order), Some(blank)) = (connection.turn.warm.and_then(|warm| warm.order), self.left.blank.take())
        else {
            return Err(not_started("there is nothing for it to do", None));
        };
        loop {
            match self.child.record() {
                Ok(Some(Record::Exited { .. } | Record::Failed { .. }) | None) => return Err(GONE),
                Ok(Some(_)) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return Err(GONE),
            }
        }
        File::from(blank).write_all(order.source).map_err(StartError::io("write the source"))?;
        let (limit, excess) = (launch.job.limits.output.0, connection.excess);
        let streams = Streams::of_waiting(zygote.0, order.bytes(), stdin, &connection.output, limit, excess)
            .map_err(StartError::io("connect the streams"))?;
        let (mut run, _) = self.run(launch, connection, streams, entered);
        run.times.started = now();
        run.streams.serve().map_err(StartError::io("tell an interpreter its program"))?;
        Ok(run)
    }
}

impl Zygote {
    /// Whether it has said so.
    fn waits(&self) -> Result<bool, StartError> {
        let mut said = [0];
        match read(&self.0[1], &mut said) {
            Ok(1) if said[0] == READY => Ok(true),
            Ok(1) => Err(self.failed("it prints before it waits")),
            // It has closed its output, or ended: process 1 tells.
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(error) => Err(StartError::io("hear an interpreter")(error.into())),
        }
    }

    fn failed(&self, because: &str) -> StartError {
        let mut said = [0; COMPLAINT];
        let count = read(&self.0[2], &mut said).unwrap_or(0);
        let said = String::from_utf8_lossy(said.get(..count).unwrap_or_default());
        let said = said.lines().map(str::trim).rfind(|line| !line.is_empty());
        not_started(because, said)
    }
}

fn not_started(because: &str, said: Option<&str>) -> StartError {
    let said = said.map(|said| format!(" ({})", said.replace(palisade_spec::acts, "\u{fffd}"))).unwrap_or_default();
    StartError::Setup {
        step: "start an interpreter that waits for its program".to_owned(),
        source: io::Error::other(format!("{because}{said}")),
        hint: Some("try its language by `palisade run`, under the same limits".to_owned()),
        about: About::Request,
    }
}

/// Our ends and the interpreter's.
fn pipes() -> io::Result<([OwnedFd; 3], [OwnedFd; 3])> {
    let make = || pipe_with(PipeFlags::CLOEXEC);
    let ((stdin, input), (output, stdout), (error, stderr)) = (make()?, make()?, make()?);
    let ours = [input, output, error];
    for end in &ours {
        ioctl_fionbio(end.as_fd(), true)?;
    }
    Ok((ours, [stdin, stdout, stderr]))
}
