//! What a wall costs on this host, measured: a program that does nothing, run again and again.
//!
//! All ways of starting it take turns, so that whatever else the host does meets all of them. Not here: where the time goes
//! (the report's `phases_ms`).

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use palisade_spec::{Backend, Outcome, Program, Request};
use serde::Serialize;

use crate::{error::StartError, run::run};

/// Programs that do nothing, by where they may be.
const NOTHING: [&str; 2] = ["/usr/bin/true", "/bin/true"];

/// What starting a program costs here.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overhead {
    /// The program that did nothing.
    pub program: &'static str,
    /// Runs of each kind.
    pub runs: u32,
    /// Median of a plain start by this process, in milliseconds.
    pub plain_ms: f64,
    /// Each backend, strongest first.
    pub backends: Vec<Measured>,
}

/// A backend's runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Which.
    pub backend: Backend,
    /// Median of a whole run through the library, in milliseconds.
    pub median_ms: f64,
    /// What of that a plain start does not take, in milliseconds. Below 0 if the host was too restless to tell.
    pub added_ms: f64,
}

/// Measures the backends that can run here, each `runs` times (once at least), after one run that does not count.
///
/// # Errors
/// If there is no program to run, or one of the runs goes wrong.
pub fn measure(backends: &[Backend], runs: u32) -> Result<Overhead, StartError> {
    let program = NOTHING.into_iter().find(|path| Path::new(path).is_file()).ok_or_else(|| StartError::Value {
        what: "the overhead",
        value: "measured".to_owned(),
        because: format!("this host has none of {}", NOTHING.join(", ")),
        hint: "do without it: --no-measure".to_owned(),
    })?;
    let runs = runs.max(1);
    let mut plain = Vec::new();
    let mut walled = vec![Vec::new(); backends.len()];
    for round in 0..=runs {
        let mut times = vec![plain_start(program)?];
        for backend in backends {
            times.push(run_of(program, *backend)?);
        }
        if round > 0 {
            let mut times = times.into_iter();
            plain.extend(times.next());
            walled.iter_mut().zip(times).for_each(|(all, time)| all.push(time));
        }
    }
    let plain_ms = median(plain);
    let measured = backends.iter().zip(walled).map(|(backend, times)| {
        let median_ms = median(times);
        Measured { backend: *backend, median_ms, added_ms: median_ms - plain_ms }
    });
    Ok(Overhead { program, runs, plain_ms, backends: measured.collect() })
}

fn plain_start(program: &str) -> Result<Duration, StartError> {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    command.status().map_err(StartError::io("start a program without a wall"))?;
    Ok(begun.elapsed())
}

fn run_of(program: &str, backend: Backend) -> Result<Duration, StartError> {
    let request = Request { backend, ..Request::new(Program::Command(program.to_owned())) };
    let begun = Instant::now();
    let report = run(request)?;
    let elapsed = begun.elapsed();
    if report.outcome == (Outcome::Exited { code: 0 }) {
        return Ok(elapsed);
    }
    let told = format!("{program} ended otherwise: {:?}", report.outcome);
    Err(StartError::io("measure a run")(std::io::Error::other(told)))
}

/// In milliseconds; of an even number, the mean of the middle two.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let middle = |index: usize| times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1000.0);
    let half = times.len() / 2;
    if times.len().is_multiple_of(2) {
        f64::midpoint(middle(half.saturating_sub(1)), middle(half))
    } else {
        middle(half)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle() {
        let times = |list: &[u64]| list.iter().copied().map(Duration::from_millis).collect::<Vec<_>>();
        assert_eq!(median(times(&[9, 1, 2])).to_bits(), 2.0_f64.to_bits());
        assert_eq!(median(times(&[4, 1, 100, 2])).to_bits(), 3.0_f64.to_bits());
    }
}
