//! `palisade run` asks the pool for a sandbox, and makes its own if it gets none.
//!
//! Whatever goes wrong before a cell is taken is no reason to fail: the run is cold, as if there were no pool. Not here: what is a
//! reason to give none (`keep.rs`).

use std::{
    io::{self, ErrorKind, Read},
    net::Shutdown,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    thread,
    time::Duration,
};

use palisade::{
    Preparation, Prepared, Report, StartError, prepare,
    spec::{Input, Output, Request},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    termios::isatty,
};

use super::{
    Trouble, place,
    talk::{self, Answer, Order, Wish},
};
use crate::print;

/// How long the pool may take to say whether it has a cell.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long it may take to end a program, and between two pieces of what it tells of it.
const END: Duration = Duration::from_secs(10);

/// How a run talks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Say {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
}

/// What came of a run.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for a run, and it is taken apart at once")]
pub(crate) enum Ran {
    /// Everything is said: its exit status.
    There(i32),
    /// It had a sandbox of its own.
    Here(Result<Report, StartError>),
}

/// A pool that may have one.
pub(crate) fn find() -> Option<UnixStream> {
    place::connect()
}

/// Runs a request there, if that is possible, or here.
pub(crate) fn run(pool: UnixStream, mut request: Request, say: Say, cancel: BorrowedFd<'_>) -> Ran {
    let stdin = std::mem::replace(&mut request.stdin, Input::Empty);
    let output = std::mem::replace(&mut request.output, Output::Keep);
    let prepared = match prepare(&request, Some(cancel)) {
        Ok(Preparation::Ready(prepared)) => prepared,
        Ok(Preparation::Failed(report)) => return Ran::Here(Ok(*report)),
        Err(error) => return Ran::Here(Err(error)),
    };
    match there(pool, &prepared, say, cancel) {
        Some(code) => Ran::There(code),
        None => Ran::Here(prepared.run_only(stdin, output, Some(cancel))),
    }
}

/// `None`: nothing has run.
fn there(mut pool: UnixStream, prepared: &Prepared, say: Say, cancel: BorrowedFd<'_>) -> Option<i32> {
    // What a pool that hangs does not take is not waited for either.
    pool.set_write_timeout(Some(PATIENCE)).ok()?;
    if wait(&pool, Some(cancel), Some(PATIENCE)) != Woken::Pool || !talk::is_admitted(&pool).ok()? {
        return None;
    }
    let likeness = prepared.likeness().map_err(str::to_owned);
    let errand = prepared.errand();
    let order = Order::Run(Box::new(Wish { likeness, errand, json: say.json, quiet: say.quiet }));
    let (stdin, typed) = input().ok()?;
    let streams = [stdin.as_fd(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    let all: Vec<BorrowedFd<'_>> = streams.into_iter().chain(prepared.source()).collect();
    talk::send(&pool, &order, &all).ok()?;
    drop(stdin);
    if wait(&pool, Some(cancel), Some(PATIENCE)) != Woken::Pool {
        // From here on the pool cannot say that it has taken one. If it has already, that is in the socket.
        pool.shutdown(Shutdown::Read).ok()?;
    }
    if !talk::is_yes(&pool).ok()? {
        return None;
    }
    if let Some(typed) = typed {
        // Here and not there: whoever stops this process with Ctrl-Z has its keyboard again. It ends with this process.
        let _ = thread::Builder::new().spawn(move || type_into(typed));
    }
    match heard(&mut pool, cancel) {
        Ok(Answer::Ran { code, stdout, stderr }) => Some(print::heard(code, &stdout, &stderr)),
        Ok(Answer::Cold) => None,
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            let hint = "the program may run as long as it hangs; `palisade pool status` names its process: kill -CONT or -KILL it";
            Some(print::trouble(&Trouble::new("the pool does not tell how the program ended", hint)))
        }
        Ok(_) | Err(_) => {
            let hint = "it may have run in part; `palisade run --no-pool` asks no pool";
            Some(print::trouble(&Trouble::new("the pool ended while the program ran, and the program with it", hint)))
        }
    }
}

/// What the program reads, and where a terminal's input is to be passed on.
fn input() -> io::Result<(OwnedFd, Option<OwnedFd>)> {
    let own = rustix::stdio::stdin();
    if isatty(own) {
        let (read, write) = io::pipe()?;
        return Ok((read.into(), Some(write.into())));
    }
    Ok((own.try_clone_to_owned()?, None))
}

fn type_into(typed: OwnedFd) {
    // A program that has ended reads no more.
    let _ = io::copy(&mut io::stdin().lock(), &mut std::fs::File::from(typed));
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    Pool,
    Cancel,
    Nobody,
}

fn wait(pool: &UnixStream, cancel: Option<BorrowedFd<'_>>, patience: Option<Duration>) -> Woken {
    let patience = patience.and_then(|patience| Timespec::try_from(patience).ok());
    loop {
        let mut list = vec![PollFd::new(pool, PollFlags::IN)];
        list.extend(cancel.map(|cancel| PollFd::from_borrowed_fd(cancel, PollFlags::IN)));
        match poll(&mut list, patience.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(0) | Err(_) => return Woken::Nobody,
            Ok(_) if list[0].revents().is_empty() => return Woken::Cancel,
            Ok(_) => return Woken::Pool,
        }
    }
}

/// Waits for the end of the program, and tells the pool if it is to be stopped.
fn heard(pool: &mut UnixStream, cancel: BorrowedFd<'_>) -> io::Result<Answer> {
    if wait(pool, Some(cancel.as_fd()), None) == Woken::Cancel {
        pool.shutdown(Shutdown::Write)?;
        if wait(pool, None, Some(END)) == Woken::Nobody {
            return Err(ErrorKind::WouldBlock.into());
        }
    }
    pool.set_read_timeout(Some(END))?;
    let mut said = Vec::new();
    pool.read_to_end(&mut said)?;
    Ok(serde_json::from_slice(&said)?)
}
