//! What the agent inside a foreign wall says, and what follows from it.
//!
//! Not here: finding its words (`words.rs`), telling it what to do (`crate::foreign`).

use std::time::Duration;

use palisade_spec::{Bytes, HostileCalls, LimitKind, guest::Word};
use palisade_sys::{Record, seccomp::name_of};
use rustix::event::{PollFd, PollFlags};

use super::{Evidence, Run, Stop, launching::SETUP, now, poll_on};
use crate::{
    error::{About, StartError},
    foreign::Stay,
};

impl Run<'_> {
    /// From the wall's program, which runs, to the untrusted one.
    pub(super) fn until_started(&mut self) -> Result<(), StartError> {
        self.times.walled = std::mem::take(&mut self.times.started);
        if self.awaits_wall() {
            self.streams.hold();
        }
        let mut ended = None;
        loop {
            self.streams.serve().map_err(StartError::io("pass the program's streams on"))?;
            while let Some(word) = self.streams.words().and_then(super::words::Words::next) {
                match word {
                    Word::Started => {
                        self.times.started = now();
                        self.meter.begin();
                        self.streams.started();
                        return Ok(());
                    }
                    // Somebody has taken the first word out of the pipe.
                    word @ Word::Ended { .. } => {
                        self.times.started = self.times.walled;
                        self.heard(&word);
                        return Ok(());
                    }
                    Word::Failed { step: Some(step), errno } => {
                        let source = std::io::Error::from_raw_os_error(errno);
                        return Err(StartError::Setup { step, source, hint: None, about: About::Wall });
                    }
                    other => self.heard(&other),
                }
            }
            if let Some(status) = ended {
                return Err(self.not_made(status));
            }
            ended = self.wait_for_wall()?;
            if self.stop.is_some() {
                self.times.started = now();
                return Ok(());
            }
        }
    }

    /// Waits for a word, or the end of the wall: its status then.
    fn wait_for_wall(&mut self) -> Result<Option<i32>, StartError> {
        let waited = Duration::from_nanos(now().saturating_sub(self.times.walled));
        let Some(left) = SETUP.checked_sub(waited) else {
            return Err(StartError::Wall {
                backend: self.launch.backend,
                happened: format!("{}started no program within {} s", self.tool(), SETUP.as_secs()),
                said: self.complaints(),
            });
        };
        let mut list = vec![
            PollFd::from_borrowed_fd(self.child.control(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.child.pidfd(), PollFlags::IN),
        ];
        if let Some(cancel) = self.connection.cancel {
            list.push(PollFd::from_borrowed_fd(cancel, PollFlags::IN));
        }
        let own = list.len();
        self.streams.poll_on(&mut list);
        poll_on(&mut list, Some(left)).map_err(StartError::io("wait for the wall"))?;
        let is_ready = |index: usize| list.get(index).is_some_and(|fd| !fd.revents().is_empty());
        let (control, ended, cancelled) = (is_ready(0), is_ready(1), own == 3 && is_ready(2));
        drop(list);
        if cancelled {
            self.stop(Stop::Cancelled);
        }
        if !control && !ended {
            return Ok(None);
        }
        while let Some(record) = self.next_record().map_err(StartError::io("read the sandbox's report"))? {
            match record {
                Record::Exited { status: 0, .. } if self.awaits_wall() => self.wall_is_made()?,
                Record::Exited { status, .. } => return Ok(Some(status)),
                Record::Failed { errno, .. } => {
                    return Err(StartError::Wall {
                        backend: self.launch.backend,
                        happened: format!("{}cannot be started: {}", self.tool(), self.not_started(errno)),
                        said: String::new(),
                    });
                }
                Record::Handles(_) | Record::Stands { .. } | Record::Ready { .. } => {}
            }
        }
        // A wall that had done its work, and nobody is there any more; or process 1 was killed.
        Ok(ended.then_some(if self.made { 0 } else { libc::SIGKILL }))
    }

    /// Whether the wall's program has to end before the untrusted one is started.
    fn awaits_wall(&self) -> bool {
        !self.made && self.launch.foreign.as_ref().is_some_and(|foreign| foreign.stay != Stay::Always)
    }

    /// The agent waits in there, and is alone: from now on the limits are the program's.
    fn wall_is_made(&mut self) -> Result<(), StartError> {
        self.made = true;
        self.meter.narrow(&self.launch.settings()).map_err(StartError::io("set the program's limits"))?;
        self.streams.release();
        Ok(())
    }

    /// The wall's program has ended, and there was no program.
    fn not_made(&mut self, status: i32) -> StartError {
        let happened = if libc::WIFSIGNALED(status) {
            format!("{}was killed by {}", self.tool(), palisade_spec::Signal(libc::WTERMSIG(status)))
        } else {
            format!("{}exited with {} and started no program", self.tool(), libc::WEXITSTATUS(status))
        };
        StartError::Wall { backend: self.launch.backend, happened, said: self.complaints() }
    }

    /// The wall's program in parentheses: not everybody's is the one that they think of.
    fn tool(&self) -> String {
        self.launch.foreign.as_ref().map_or(String::new(), |foreign| format!("({}) ", foreign.tool.display()))
    }

    /// Why the wall's program was not executed.
    fn not_started(&self, errno: i32) -> String {
        let error = std::io::Error::from_raw_os_error(errno);
        let is_there = self.launch.foreign.as_ref().is_some_and(|foreign| foreign.tool.exists());
        // As execve(2) has it of scripts and of binaries with a loader.
        match errno {
            libc::ENOENT if is_there => format!("{error}: it is there, and what it is to be started with is not"),
            _ => error.to_string(),
        }
    }

    fn complaints(&mut self) -> String {
        self.streams.complaints()
    }

    /// Hears what the agent has said meanwhile.
    pub(super) fn hear(&mut self) {
        while let Some(word) = self.streams.words().and_then(super::words::Words::next) {
            self.heard(&word);
        }
    }

    fn heard(&mut self, word: &Word) {
        match word {
            Word::Started => {}
            Word::Failed { errno, .. } => {
                self.failed = Some(*errno);
                self.child.kill();
            }
            Word::Called { number } => {
                let name = name(*number);
                self.acts.note(name);
                if self.launch.job.hostile_calls == HostileCalls::Kill {
                    self.stop(Stop::Hostile(name));
                }
            }
            Word::Counted { processes, threads, memory } => self.counted(*processes, *threads, *memory),
            Word::Ended { status, cpu_micros, calls } if self.exit.is_none() => {
                for name in calls.iter().map(|number| name(*number)) {
                    self.acts.make_up_for(name);
                    if self.launch.job.hostile_calls == HostileCalls::Kill {
                        self.stop(Stop::Hostile(name));
                    }
                }
                self.exit = Some(*status);
                self.times.exited = now();
                self.meter.ended(cpu_micros * 1000);
                if self.meter.is_lent() && self.stop.is_none() {
                    // Nobody will look again: the group goes with the container.
                    self.stop = self.memory_excess().or_else(|| self.thread_excess());
                }
                self.meter.look_at_lent();
                if let Some(ended) = self.connection.ended {
                    ended();
                }
                // Nothing is left to be done by anybody in there: what the wall has made is in namespaces of ours.
                self.child.kill();
            }
            Word::Ended { .. } => {}
        }
    }

    /// The program's numbers, as its kernel tells them to the agent.
    fn counted(&mut self, processes: u32, threads: u32, memory: u64) {
        self.meter.told(processes, threads, memory);
        let limits = &self.launch.job.limits;
        let (kind, limit, measured) = if processes > limits.processes {
            (LimitKind::Processes, format!("{} processes", limits.processes), format!("{processes} running"))
        } else if threads > limits.threads {
            (LimitKind::Threads, format!("{} threads", limits.threads), format!("{threads} running"))
        } else if self.meter.must_sample_memory() && memory > limits.memory.0 {
            (LimitKind::Memory, limits.memory.to_string(), Bytes(memory).to_string())
        } else {
            return;
        };
        let from = "palisade's agent, which counts inside".to_owned();
        self.stop(Stop::Limit(kind, Evidence { limit, measured, from }));
    }
}

fn name(number: i32) -> &'static str {
    u32::try_from(number).ok().and_then(name_of).unwrap_or("an unknown call")
}
