//! Signals to palisade while a session is there: an interruption is one of the input that is evaluated; a request to stop ends
//! the session, and nothing is left of it.
//!
//! Not here: what a terminal's keys mean while a line is edited (`console`).

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use palisade::{Interrupter, Session};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::{Errno, read},
    stdio,
    termios::{OptionalActions, Termios, tcgetattr, tcsetattr},
};

/// What the thread that hears signals shares with the one that talks.
#[derive(Debug, Default)]
struct Shared {
    interrupter: Mutex<Option<Interrupter>>,
    /// A session that waits for its next input.
    resting: Mutex<Option<Session>>,
    /// Whether somebody waits for input, and nothing is evaluated.
    waits: AtomicBool,
    wanted: AtomicBool,
}

/// Hears signals, on a thread of its own.
#[derive(Clone, Debug)]
pub(super) struct Stop(Arc<Shared>);

/// Whether an interruption while nothing is evaluated ends the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resting {
    /// Nobody is there to be asked for another input.
    Ends,
    /// Whoever edits a line decides.
    GoesOn,
}

impl Stop {
    /// Blocks the signals for this process. To be called before any other thread is started.
    ///
    /// # Errors
    /// What signalfd(2) says.
    pub(super) fn watch() -> io::Result<Self> {
        let signals = palisade_sys::signals::receive(&palisade_sys::signals::STOP)?;
        let stop = Self(Arc::default());
        let (shared, before) = (Arc::clone(&stop.0), tcgetattr(stdio::stdin()).ok());
        thread::Builder::new()
            .name("palisade-stop".to_owned())
            .spawn(move || hear(&signals, &shared, before.as_ref()))?;
        Ok(stop)
    }

    /// From now on, this is what an interruption interrupts.
    pub(super) fn interrupts(&self, interrupter: Interrupter) {
        *lock(&self.0.interrupter) = Some(interrupter);
    }

    /// Nothing is evaluated any more: an interruption after this ends palisade.
    pub(super) fn has_evaluated(&self) {
        *lock(&self.0.interrupter) = None;
    }

    /// Waits for something with `wait`, while the session rests: a request to stop ends both, and one that has come before is
    /// why there is nothing.
    pub(super) fn rest<T>(
        &self,
        session: &mut Option<Session>,
        resting: Resting,
        wait: impl FnOnce() -> T,
    ) -> Option<T> {
        if resting == Resting::Ends {
            self.has_evaluated();
        }
        *lock(&self.0.resting) = session.take();
        self.0.waits.store(true, Ordering::SeqCst);
        let came = if self.is_wanted() { None } else { Some(wait()) };
        self.0.waits.store(false, Ordering::SeqCst);
        *session = lock(&self.0.resting).take();
        if let Some(session) = session {
            self.interrupts(session.interrupter());
        }
        came
    }

    /// Does something with the session that rests.
    pub(super) fn with_resting<T>(&self, act: impl FnOnce(&mut Session) -> T) -> Option<T> {
        lock(&self.0.resting).as_mut().map(act)
    }

    /// Whether somebody wants palisade to stop.
    pub(super) fn is_wanted(&self) -> bool {
        self.0.wanted.load(Ordering::SeqCst)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hear(signals: &OwnedFd, shared: &Shared, before: Option<&Termios>) {
    loop {
        let mut list = [PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)];
        match poll(&mut list, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
        // signalfd_siginfo begins with the number of the signal (signalfd(2)).
        let mut info = [0; 128];
        if read(signals, &mut info) != Ok(info.len()) {
            continue;
        }
        let is_interruption = info.first().is_some_and(|number| i32::from(*number) == libc::SIGINT);
        let interrupter = lock(&shared.interrupter).clone();
        match (interrupter, is_interruption) {
            (Some(interrupter), true) => interrupter.interrupt(),
            (interrupter, _) => {
                shared.wanted.store(true, Ordering::SeqCst);
                if let Some(interrupter) = interrupter {
                    interrupter.end();
                }
                if shared.waits.load(Ordering::SeqCst) {
                    // Whoever waits cannot be told. Nothing of the session is left, and the terminal is as it was.
                    drop(lock(&shared.resting).take());
                    if let Some(before) = before {
                        // It may be gone.
                        let _ = tcsetattr(stdio::stdin(), OptionalActions::Now, before);
                    }
                    std::process::exit(130);
                }
            }
        }
    }
}
