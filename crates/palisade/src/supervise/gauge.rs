//! What somebody who talks to a program while it runs asks its supervisor: how much processor time it has used, and to stop
//! it at a limit that only they can tell.
//!
//! Not here: what is an input, and when one has hit a limit (`crate::session`).

use std::{
    io,
    os::fd::OwnedFd,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use palisade_spec::LimitKind;
use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, eventfd},
    io::{read, write},
};

use super::{Evidence, Stop, meter::Meter, seconds};

/// Where the two meet: the thread that supervises, and one that asks it.
#[derive(Debug)]
pub(crate) struct Gauge {
    talk: Mutex<Talk>,
    answered: Condvar,
    /// Readable when something is asked.
    asked: OwnedFd,
}

#[derive(Debug, Default)]
struct Talk {
    /// Questions so far, and how many of them have been answered.
    questions: u64,
    answers: u64,
    cpu: Duration,
    /// Processor time, as the program has used it in all, that ends it.
    most: Option<Most>,
    stop: Option<Halt>,
    /// Nobody answers any more.
    over: bool,
}

/// Processor time at which a program is stopped that nobody waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    /// Where counting began.
    pub(crate) from: Duration,
    /// What may be used from there, as it is told.
    pub(crate) limit: Duration,
    /// Where it ends.
    pub(crate) at: Duration,
}

/// Why somebody wants a program stopped.
#[derive(Clone, Debug)]
pub(crate) enum Halt {
    /// It has used more than it may: the limit, and what was measured.
    Limit(LimitKind, Duration, Duration),
    /// They want it.
    Cancelled,
}

impl Gauge {
    pub(crate) fn new() -> io::Result<Self> {
        let asked = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { talk: Mutex::default(), answered: Condvar::new(), asked })
    }

    /// Processor time of all of the program's processes so far.
    pub(crate) fn cpu(&self) -> Duration {
        let mut talk = self.talk();
        talk.questions += 1;
        let mine = talk.questions;
        self.call();
        while talk.answers < mine && !talk.over {
            talk = self.answered.wait(talk).unwrap_or_else(PoisonError::into_inner);
        }
        talk.cpu
    }

    /// From now on the program is stopped when it has used this much; nobody else looks.
    pub(crate) fn allow(&self, most: Option<Most>) {
        self.talk().most = most;
    }

    /// Stops the program, unless it has ended.
    pub(crate) fn stop(&self, why: Halt) {
        self.talk().stop.get_or_insert(why);
        self.call();
    }

    /// No answers from now on.
    pub(crate) fn close(&self) {
        self.talk().over = true;
        self.answered.notify_all();
    }

    pub(super) fn poll_on<'a>(&'a self, list: &mut Vec<PollFd<'a>>) {
        list.push(PollFd::new(&self.asked, PollFlags::IN));
    }

    /// Answers, and tells whether the program is to be stopped. `due`: whether it is time to read the counters anyway.
    pub(super) fn serve(&self, meter: &mut Meter, due: bool) -> Option<Stop> {
        let mut count = [0; 8];
        // It is only there to end a wait.
        let _ = read(&self.asked, &mut count);
        let mut talk = self.talk();
        if talk.answers < talk.questions || (due && talk.most.is_some()) {
            talk.cpu = Duration::from_nanos(meter.cpu_nanos());
            talk.answers = talk.questions;
            self.answered.notify_all();
        }
        let excess = talk.most.filter(|most| talk.cpu >= most.at);
        match talk.stop.take() {
            Some(Halt::Cancelled) => Some(Stop::Cancelled),
            Some(Halt::Limit(kind, limit, measured)) => Some(Stop::Limit(kind, evidence(kind, limit, measured))),
            None => excess.map(|most| {
                let kind = LimitKind::CpuTime;
                Stop::Limit(kind, evidence(kind, most.limit, talk.cpu.saturating_sub(most.from)))
            }),
        }
    }

    fn call(&self) {
        // Fails only when the counter is full, and then somebody has been called often enough.
        let _ = write(&self.asked, &1u64.to_ne_bytes());
    }

    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn evidence(kind: LimitKind, limit: Duration, measured: Duration) -> Evidence {
    let from = match kind {
        LimitKind::CpuTime => "processor time of the sandbox since the input was given",
        _ => "the monotonic clock, outside, since the input was given",
    };
    let limit = format!("{} an input", seconds(limit));
    Evidence { limit, measured: seconds(measured), from: from.to_owned() }
}

/// Closes it, however the run ends.
pub(crate) struct Serving<'a>(pub(crate) Option<&'a Gauge>);

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        if let Some(gauge) = self.0 {
            gauge.close();
        }
    }
}
