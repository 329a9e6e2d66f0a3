//! `palisade pool status` and `palisade pool stop`.

use std::{
    fmt::Write as _,
    io::{self, Read},
    os::{fd::AsFd, unix::net::UnixStream},
    time::Duration,
};

use rustix::event::{PollFd, PollFlags, poll};

use super::{
    Trouble, place,
    talk::{self, Answer, Order, Status},
};
use crate::print;

/// How long a pool may take to answer what needs no program.
const PATIENCE: Duration = Duration::from_secs(10);

/// There is nothing to look at, which is an answer.
const NONE: i32 = 1;

pub(super) fn status(json: bool) -> i32 {
    let Some(stream) = place::connect() else { return none(json) };
    match ask(&stream, &Order::Status) {
        Ok(Some(Answer::Status(status))) if json => print::json(&serde_json::json!({
            "schema": "palisade.pool/1",
            "running": true,
            "pool": status,
        })),
        Ok(Some(Answer::Status(status))) => print::words(&text(&status)),
        Ok(_) => print::trouble(&refused()),
        Err(error) => print::trouble(&silent(&stream, &error)),
    }
}

pub(super) fn stop(now: bool) -> i32 {
    let Some(stream) = place::connect() else { return none(false) };
    match ask(&stream, &Order::Stop { now }) {
        Ok(Some(Answer::Stopping)) => {}
        Ok(_) => return print::trouble(&refused()),
        Err(error) => return print::trouble(&silent(&stream, &error)),
    }
    if let Ok(Some(keeper)) = palisade_sys::peer(&stream) {
        let mut list = [PollFd::new(&keeper.pidfd, PollFlags::IN)];
        while poll(&mut list, None) == Err(rustix::io::Errno::INTR) {}
    }
    0
}

fn none(json: bool) -> i32 {
    if json {
        print::json(&serde_json::json!({ "schema": "palisade.pool/1", "running": false }));
    } else {
        print::data("no pool is running\n");
    }
    NONE
}

/// `None`: it does not answer this process.
fn ask(mut stream: &UnixStream, order: &Order) -> io::Result<Option<Answer>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    if !talk::is_admitted(stream)? {
        return Ok(None);
    }
    talk::send(stream, order, &[])?;
    if !talk::is_yes(stream)? {
        return Ok(None);
    }
    let mut said = Vec::new();
    stream.read_to_end(&mut said)?;
    Ok(Some(serde_json::from_slice(&said)?))
}

fn refused() -> Trouble {
    let hint = "ask with the binary that started it, where it was started: not in a sandbox, or under other limits";
    Trouble::new("the pool does not answer this process", hint)
}

fn silent(stream: &UnixStream, error: &io::Error) -> Trouble {
    let keeper = palisade_sys::peer(stream.as_fd()).ok().flatten();
    let hint =
        keeper.map_or_else(String::new, |keeper| format!("it is process {}; kill -CONT it, or -KILL", keeper.pid));
    Trouble::new(format!("the pool does not answer: {error}"), hint)
}

fn text(status: &Status) -> String {
    let Status { pid, size, ready, running, served, not_served, last_not_served, failure } = status;
    let mut text = format!(
        "process      {pid}\nready        {ready} of {size}\nrunning      {running}\nserved       {served}\nnot served   {not_served}\n"
    );
    if let Some(because) = last_not_served {
        let _ = writeln!(text, "the last one {because}");
    }
    if let Some(failure) = failure {
        let _ = writeln!(text, "broken       {failure}; stop it and start it again when that is mended");
    }
    text
}
