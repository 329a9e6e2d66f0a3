//! `palisade run` with a pool of its own, which stands from its first turn on.
//!
//! The pool is full again before another method's turn: making sandboxes disturbs nobody, and is not part of the time. Not here: the
//! pool (the command line).

use std::{
    cell::OnceCell,
    os::fd::BorrowedFd,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use super::{Here, Way, Ways, words};
use crate::{
    bench::{
        ground::Ground,
        method::Found,
        process::{Failed, Line, Looked, most_memory},
        root::{PROGRAM, SHELL},
    },
    race::ms,
};

/// Sandboxes of the pool.
const SANDBOXES: u64 = 2;

/// Launches that are tried until one is served: whatever is mounted meanwhile, as by engines, makes all sandboxes anew.
const TRIES: usize = 10;

/// The longest that making them may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub(in crate::bench) fn pooled(ground: &Ground, _: &Found) -> Ways {
    let place = ground.fresh("pool")?;
    let palisade = ground.palisade.clone();
    let mut stop = Line { words: words(&palisade.to_string_lossy(), "pool stop --now"), ..Line::default() };
    stop.variables.push(("XDG_RUNTIME_DIR".to_owned(), place.to_string_lossy().into_owned()));
    ground.undo(stop);
    Ok(vec![Way::Here(Box::new(Pooled { palisade, place, started: OnceCell::new() }))])
}

struct Pooled {
    palisade: PathBuf,
    place: PathBuf,
    started: OnceCell<()>,
}

impl Pooled {
    fn palisade(&self, line: &str) -> Command {
        let mut command = Command::new(&self.palisade);
        command.args(line.split_whitespace()).env("XDG_RUNTIME_DIR", &self.place).stdin(Stdio::null());
        command
    }

    fn status(&self) -> Result<serde_json::Value, Failed> {
        let said = good(self.palisade("pool status --json").output())?.stdout;
        let mut status: serde_json::Value = serde_json::from_slice(&said).unwrap_or_default();
        Ok(status["pool"].take())
    }

    /// How many the pool has served, when it stands and is full.
    fn stand(&self) -> Result<u64, Failed> {
        if self.started.get().is_none() {
            good(self.palisade(&format!("pool start --size {SANDBOXES}")).output())?;
            self.started.get_or_init(|| ());
        }
        let begun = Instant::now();
        loop {
            let pool = self.status()?;
            if pool["ready"] == SANDBOXES {
                return Ok(pool["served"].as_u64().unwrap_or_default());
            }
            if begun.elapsed() > PATIENCE {
                return Err(Failed::So(format!("the pool does not become full: {pool}")));
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Does something that the pool serves, and is full again.
    fn served<T>(&self, mut act: impl FnMut() -> Result<T, Failed>) -> Result<T, Failed> {
        let mut before = self.stand()?;
        for _ in 0..TRIES {
            let done = act()?;
            let after = self.stand()?;
            if after > before {
                return Ok(done);
            }
            before = after;
        }
        let pool = self.status()?;
        let because = pool["last_not_served"].as_str().unwrap_or("it says no reason");
        Err(Failed::So(format!("the pool did not serve it: {because}")))
    }

    fn time_one(&self) -> Result<f64, Failed> {
        let mut command = self.palisade("run --quiet --");
        command.arg(PROGRAM).stdout(Stdio::null()).stderr(Stdio::piped());
        let begun = Instant::now();
        let output = command.output();
        let took = ms(begun.elapsed());
        good(output).map(|_| took)
    }

    fn look_once(&self, script: &str) -> Result<Looked, Failed> {
        let (sender, receiver) = mpsc::channel::<()>();
        let (output, memory) = thread::scope(|scope| {
            let watch = scope.spawn(move || most_memory(None, &receiver));
            let output = self.palisade("run --quiet --").args([SHELL, "-c", script]).output();
            drop(sender);
            (output, watch.join().unwrap_or(None))
        });
        Ok(Looked { printed: String::from_utf8_lossy(&good(output)?.stdout).into_owned(), memory })
    }
}

impl Here for Pooled {
    fn time(&self, _: Option<BorrowedFd<'_>>) -> Result<f64, Failed> {
        self.served(|| self.time_one())
    }

    fn look(&self, script: &str, _: Option<BorrowedFd<'_>>) -> Result<Looked, Failed> {
        self.served(|| self.look_once(script))
    }
}

/// One that has ended well.
fn good(output: std::io::Result<Output>) -> Result<Output, Failed> {
    let output = output.map_err(|error| Failed::So(error.to_string()))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failed::So(said.lines().next().unwrap_or("it failed, and says nothing").to_owned()))
}
