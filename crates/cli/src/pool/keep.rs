//! The process that keeps a pool: answers whoever asks, and cleans up when it is to end.
//!
//! A thread for each connection; none for a cell that waits. A program's sandbox ends with this process, and with the connection of
//! whoever wanted it. Not here: making cells (the library), who may ask (`peer.rs`).

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Write},
    net::Shutdown,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, Scope},
    time::Duration,
};

use palisade::{
    Likeness, Pool, Report, StartError,
    spec::{Input, Output},
};
use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::read,
};

use super::{
    peer::Standing,
    proof::Secret,
    talk::{self, Answer, NO, Order, Status, Wish, YES},
};
use crate::print;

/// Programs in cells at one time. With the cells that may wait they are as many as root has ids for (`Ids` of the library).
const MOST: usize = 30;

/// Connections at one time.
const TALKS: usize = 64;

/// How long whoever asks may take to say what.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of a `signalfd_siginfo`.
const SIGNAL: usize = 128;

/// What may be behind that.
const FILES_DIFFER: &str =
    " (a directory that was replaced since the pool began is another one: stop the pool and start it again)";
/// Tells of changes to this mount namespace, by being urgently readable.
const MOUNTS: &str = "/proc/self/mounts";

#[derive(Debug)]
pub(super) struct Keeper {
    pool: Pool,
    size: usize,
    standing: Standing,
    /// What the cells are that stand.
    likeness: Mutex<Likeness>,
    /// Asked before a cell is given away.
    mounts: Mutex<File>,
    state: Mutex<State>,
    /// Readable when it is to end.
    over: OwnedFd,
}

#[derive(Debug, Default)]
struct State {
    /// By number.
    running: HashMap<u64, Running>,
    talks: usize,
    served: u64,
    not_served: u64,
    last: Option<String>,
    stopping: bool,
    /// Whether nobody is waited for any more.
    hurried: bool,
}

/// A program in a cell.
#[derive(Debug)]
struct Running {
    /// Where it was asked for.
    stream: UnixStream,
    /// Whether it has ended, and is being told of.
    ended: bool,
}

/// Looks whether something was mounted or unmounted since the last look.
fn has_changed(mounts: &File) -> bool {
    let mut list = [PollFd::new(mounts, PollFlags::PRI)];
    let none = Timespec::try_from(Duration::ZERO).ok();
    poll(&mut list, none.as_ref()) != Ok(0)
}

impl Keeper {
    /// `make` makes the pool, when it is already known what happens to the host's mounts.
    pub(super) fn new<E>(size: usize, make: impl FnOnce() -> Result<(Pool, Likeness), E>) -> Result<Self, E>
    where
        E: From<io::Error>,
    {
        let mounts = Mutex::new(File::open(MOUNTS)?);
        let over = eventfd(0, EventfdFlags::CLOEXEC).map_err(io::Error::from)?;
        let standing = Standing::own()?;
        let (pool, likeness) = make()?;
        let (likeness, state) = (Mutex::new(likeness), Mutex::default());
        Ok(Self { pool, size, standing, likeness, mounts, state, over })
    }

    /// Answers until it is to end, and then until every connection has ended.
    pub(super) fn serve(self, listener: UnixListener, stop: impl AsFd) -> io::Result<()> {
        let mounts = File::open(MOUNTS)?;
        thread::scope(|talks| {
            loop {
                let mut list = [
                    PollFd::new(&listener, PollFlags::IN),
                    PollFd::new(&stop, PollFlags::IN),
                    PollFd::new(&self.over, PollFlags::IN),
                    PollFd::new(&mounts, PollFlags::PRI),
                ];
                match poll(&mut list, None) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
                let [asked, stopped, over, mounted] = list.map(|fd| !fd.revents().is_empty());
                if stopped {
                    read(&stop, &mut [0u8; SIGNAL])?;
                    self.end(true);
                }
                if over {
                    read(&self.over, &mut [0u8; 8])?;
                }
                // Until then somebody may want it to be now.
                if self.has_ended() {
                    drop(listener);
                    return Ok(());
                }
                if mounted {
                    self.renew_if_mounted();
                }
                if asked && let Ok((stream, _)) = listener.accept() {
                    self.begin(stream, talks);
                }
            }
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Talks on a thread of its own. Whoever is one too many is hung up on, and makes a sandbox of its own.
    fn begin<'scope>(&'scope self, stream: UnixStream, talks: &'scope Scope<'scope, '_>) {
        let mut state = self.state();
        if state.talks >= TALKS {
            return;
        }
        state.talks += 1;
        drop(state);
        let talk = thread::Builder::new().name("palisade-talk".to_owned()).spawn_scoped(talks, move || {
            // Whoever does not listen is told nothing.
            let _ = self.talk(&stream);
            drop(stream);
            self.leave();
        });
        if talk.is_err() {
            self.leave();
        }
    }

    fn talk(&self, mut stream: &UnixStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        if let Err(because) = self.standing.check(stream) {
            // Of who has gone meanwhile, with a request that made no sense, nothing that was seen means anything.
            let mut list = [PollFd::new(stream, PollFlags::RDHUP)];
            let none = Timespec::try_from(Duration::ZERO).ok();
            if poll(&mut list, none.as_ref()) == Ok(0) {
                self.note(because);
            }
            return stream.write_all(&[NO]);
        }
        let secret = Secret::new()?;
        let [a, b, c, d] = secret.place();
        stream.write_all(&[YES, a, b, c, d])?;
        if !secret.is_known(stream)? {
            self.note("whoever asked may not look into the pool's process, as if confined by Landlock".to_owned());
            return stream.write_all(&[NO]);
        }
        match talk::receive(stream)? {
            (Order::Run(wish), files) => {
                let mut files = files.into_iter();
                match (files.next(), files.next(), files.next()) {
                    (Some(stdin), Some(stdout), Some(stderr)) => {
                        self.run(&wish, [stdin, stdout, stderr], files.next().as_ref(), stream)
                    }
                    _ => Err(io::ErrorKind::InvalidData.into()),
                }
            }
            (Order::Status, _) => {
                stream.write_all(&[YES])?;
                talk::answer(stream, &Answer::Status(self.status()))
            }
            (Order::Stop { now }, _) => {
                stream.write_all(&[YES])?;
                talk::answer(stream, &Answer::Stopping)?;
                self.end(now);
                Ok(())
            }
        }
    }

    fn run(&self, wish: &Wish, streams: [File; 3], source: Option<&File>, mut stream: &UnixStream) -> io::Result<()> {
        let taken = match self.unlike(wish) {
            None => self.pool.take().ok_or_else(|| "no sandbox stood ready".to_owned()),
            Some(because) => Err(because),
        };
        let number = taken.as_ref().ok().map(|_| self.enter(stream)).transpose()?.flatten();
        let (taken, number) = match (taken, number) {
            (Ok(taken), Some(number)) => (taken, number),
            (taken, _) => {
                let too_many = || "too many programs run in the pool's sandboxes, or it is being stopped".to_owned();
                self.note(taken.err().unwrap_or_else(too_many));
                return stream.write_all(&[NO]);
            }
        };
        // Who has stopped waiting cannot be told, and then nothing may run.
        let told = stream.write_all(&[YES]);
        let [stdin, stdout, stderr] = streams.map(Arc::new);
        let entered = told.map(|()| {
            let output = if wish.json { Output::Keep } else { Output::PassTo { stdout, stderr } };
            taken.run(&wish.errand, source, Input::File(stdin), output, Some(stream.as_fd()))
        });
        let mut state = self.state();
        match &entered {
            Ok(Ok(None)) => {
                state.not_served += 1;
                state.last = Some(
                    "the sandbox that stood ready could not be used: it was ended, or there are too few descriptors"
                        .to_owned(),
                );
            }
            Ok(_) => state.served += 1,
            Err(_) => {}
        }
        if let Some(running) = state.running.get_mut(&number) {
            running.ended = true;
        }
        // Its reader may be slow, and there may be a lot.
        let patience = state.hurried.then_some(PATIENCE);
        drop(state);
        let told = stream.set_write_timeout(patience).and_then(|()| talk::answer(stream, &Self::told(wish, entered?)));
        self.state().running.remove(&number);
        told
    }

    /// What `palisade run` would say.
    fn told(wish: &Wish, ran: Result<Option<Report>, StartError>) -> Answer {
        let ran = match ran {
            Ok(None) => return Answer::Cold,
            Ok(Some(report)) => Ok(report),
            Err(error) => Err(error),
        };
        let (code, stdout, stderr) = print::overheard(|| match &ran {
            Ok(report) if wish.json => print::report_json(report),
            Ok(report) => print::verdict(report, wish.quiet),
            Err(error) => print::start_error(error, wish.json),
        });
        Answer::Ran { code, stdout, stderr }
    }

    /// Replaces the cells if something was mounted or unmounted since the last look. Who looks is alone with that: cells are never
    /// older than a change that somebody has seen.
    fn renew_if_mounted(&self) -> bool {
        let mounts = self.mounts.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = has_changed(&mounts);
        if changed {
            self.pool.renew();
        }
        changed
    }

    /// Why no cell of this pool is what is wanted. Cells that are no more what the host shows are replaced.
    fn unlike(&self, wish: &Wish) -> Option<String> {
        let wanted = match &wish.likeness {
            Ok(wanted) => wanted,
            Err(because) => return Some(because.clone()),
        };
        if self.renew_if_mounted() {
            return Some("something was mounted or unmounted, and the sandboxes are being made anew".to_owned());
        }
        let mut likeness = self.likeness.lock().unwrap_or_else(PoisonError::into_inner);
        let part = likeness.difference(wanted)?.to_owned();
        let more = if part == "the files" { FILES_DIFFER } else { "" };
        if let Ok(now) = self.pool.likeness()
            && now != *likeness
        {
            *likeness = now;
            self.pool.renew();
        }
        Some(format!("it wanted another sandbox: {part} differ{more}"))
    }

    /// Notes that a program runs. `None` if there are too many.
    fn enter(&self, stream: &UnixStream) -> io::Result<Option<u64>> {
        let stream = stream.try_clone()?;
        let mut state = self.state();
        if state.stopping || state.running.len() >= MOST {
            return Ok(None);
        }
        let number = state.served + state.not_served + state.running.len() as u64;
        let number = (number..).find(|number| !state.running.contains_key(number));
        Ok(number.inspect(|number| drop(state.running.insert(*number, Running { stream, ended: false }))))
    }

    fn note(&self, because: String) {
        let mut state = self.state();
        state.not_served += 1;
        state.last = Some(because);
    }

    pub(super) fn status(&self) -> Status {
        let (ready, failure) = (self.pool.ready(), self.pool.failure());
        let state = self.state();
        Status {
            pid: std::process::id(),
            size: self.size,
            ready,
            running: state.running.len(),
            served: state.served,
            not_served: state.not_served,
            last_not_served: state.last.clone(),
            failure,
        }
    }

    /// Lets it end; `now`: whatever runs is cancelled.
    fn end(&self, now: bool) {
        let mut state = self.state();
        state.stopping = true;
        if now {
            state.hurried = true;
            for Running { stream, ended } in state.running.values() {
                // As if whoever asked had: what can still be told is told. Who does not take it, now, is told no more.
                let _ = stream.shutdown(if *ended { Shutdown::Both } else { Shutdown::Read });
            }
        }
        drop(state);
        self.wake();
    }

    fn has_ended(&self) -> bool {
        let state = self.state();
        state.stopping && state.talks == 0
    }

    /// A talk is over.
    fn leave(&self) {
        self.state().talks -= 1;
        self.wake();
    }

    fn wake(&self) {
        // A counter that is full is readable as well.
        let _ = rustix::io::write(&self.over, &1u64.to_ne_bytes());
    }
}
