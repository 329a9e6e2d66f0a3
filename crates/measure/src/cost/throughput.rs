//! How many launches there are in a second, from one thread and from several.
//!
//! Workers are threads of this process that launch one program after the other; a round is a fixed number of launches that they
//! share. Not here: what a single launch takes (`phases`).

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use palisade::{
    Lane, Pool, Prepared,
    spec::{Backend, Input, Output, Request},
};
use serde::Serialize;

use super::{
    BWRAP, BWRAP_MISSING, CostError, Programs, Step, good, on_path, quiet, request, run_to_end, stats, success,
    system_program,
};
use crate::{
    bench::UNSHARE_FULL,
    host::Host,
    race::{Contestant, Rounds, race},
    show::{Align, Table},
    stats::{Ratio, Stats, ratio},
};

/// Name and version of the JSON form.
const SCHEMA: &str = "palisade.bench-throughput/1";

/// What the library should be at least, in launches of bubblewrap, with 8 workers on 2 processors.
pub const BAR: f64 = 2.0;

/// Launches in a second.
#[derive(Clone, Debug, Serialize)]
pub struct Throughput {
    /// Name and version of this form.
    pub schema: &'static str,
    /// What it was measured on.
    pub host: Host,
    /// Rounds of each.
    pub rounds: usize,
    /// Launches of a round.
    pub launches: usize,
    /// Each way with each number of workers.
    pub rates: Vec<Rate>,
    /// What is missing for the comparison.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// A way with a number of workers.
#[derive(Clone, Debug, Serialize)]
pub struct Rate {
    /// Which way.
    pub way: &'static str,
    /// Threads that launch.
    pub workers: usize,
    /// Launches in a second.
    pub per_second: Stats,
    /// How many times as many as bubblewrap's with as many workers, in the same rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_bwrap: Option<Ratio>,
}

/// Ways to launch.
const PLAIN: &str = "without a sandbox";
/// What the kernel takes for the namespaces alone: the least that any wall of them costs.
const FLOOR: &str = "unshare";
const COMMAND: &str = "palisade run";
const LIBRARY: &str = "library";
const LANES: &str = "library, lanes";
const POOL: &str = "library, pool";

/// Cells of the pool that so many workers share: they are made while others are used, and none is made while nobody launches.
fn cells(workers: usize) -> usize {
    (2 * workers).min(64)
}

/// Measures `rounds` times `launches` launches of each way, with each number of workers.
///
/// # Errors
/// If palisade cannot launch here, or `step` has ended it.
pub fn throughput(
    programs: &Programs,
    workers: &[usize],
    launches: usize,
    rounds: usize,
    step: Step<'_>,
) -> Result<Throughput, CostError> {
    let program = system_program("true")?;
    let words = [OsString::from(&program)];
    let native = Request { backend: Backend::Native, ..request(&words) };
    let prepared = super::prepared(&native)?;
    let pools = workers.iter().map(|workers| Ok(Pool::new(super::prepared(&native)?, cells(*workers))?));
    let pools = pools.collect::<Result<Vec<_>, CostError>>()?;
    let (words, program, prepared) = (&words, &program, &prepared);
    let floor = floor(program);
    let floor = floor.as_deref();
    let mut named: Vec<(&'static str, usize)> = Vec::new();
    let mut contestants: Vec<Contestant<'_>> = Vec::new();
    for (&count, pool) in workers.iter().zip(&pools) {
        named.push((PLAIN, count));
        contestants.push(Box::new(move || rate(count, launches, &|| run_to_end(&mut quiet(program)))));
        if programs.bwrap.is_some() {
            named.push((BWRAP, count));
            let one = move || programs.bwrap(&[], words).map_or(Ok(()), |mut command| run_to_end(&mut command));
            contestants.push(Box::new(move || rate(count, launches, &one)));
        }
        if let Some(unshare) = floor {
            named.push((FLOOR, count));
            contestants
                .push(Box::new(move || rate(count, launches, &|| run_to_end(&mut namespaces(unshare, program)))));
        }
        named.push((COMMAND, count));
        let one = move || run_to_end(&mut programs.palisade(&["--backend", "native"], words));
        contestants.push(Box::new(move || rate(count, launches, &one)));
        named.push((LIBRARY, count));
        contestants.push(Box::new(move || rate(count, launches, &|| by_library(prepared))));
        named.push((LANES, count));
        contestants.push(Box::new(move || rate_of_lanes(count, launches, prepared)));
        named.push((POOL, count));
        contestants.push(Box::new(move || rate(count, launches, &|| by_pool(pool))));
    }
    let counted = Rounds { warmups: 1, counted: rounds, idle_ms: 0 };
    let samples = race(&mut contestants, counted, &mut || step()).map_err(|()| CostError::Cancelled)?;
    drop(contestants);
    let samples = named.iter().zip(samples).map(|((way, _), samples)| good(way, samples));
    let samples = samples.collect::<Result<Vec<_>, _>>()?;
    let bwrap_of = |count: usize| {
        let at = named.iter().position(|(way, workers)| *way == BWRAP && *workers == count)?;
        samples.get(at)
    };
    let rates = named.iter().zip(&samples).map(|(&(way, workers), taken)| Rate {
        way,
        workers,
        per_second: stats(taken),
        of_bwrap: bwrap_of(workers).filter(|_| way != BWRAP).and_then(|bwrap| ratio(taken, bwrap)),
    });
    let mut missing = Vec::new();
    if programs.bwrap.is_none() {
        missing.push(BWRAP_MISSING.to_owned());
    }
    if floor.is_none() {
        missing.push("unshare (Debian package util-linux) is not there or makes no namespaces here".to_owned());
    }
    Ok(Throughput { schema: SCHEMA, host: Host::now(), rounds, launches, rates: rates.collect(), missing })
}

/// How often `step` is called.
#[must_use]
pub fn measurements(programs: &Programs, workers: &[usize], rounds: usize) -> usize {
    let others = usize::from(programs.bwrap.is_some())
        + usize::from(system_program("true").is_ok_and(|it| floor(&it).is_some()));
    (1 + rounds) * workers.len() * (5 + others)
}

/// `unshare`, where it works.
fn floor(program: &Path) -> Option<PathBuf> {
    on_path("unshare").filter(|unshare| run_to_end(&mut namespaces(unshare, program)).is_ok())
}

fn namespaces(unshare: &Path, program: &Path) -> Command {
    let mut command = quiet(unshare);
    command.args(UNSHARE_FULL.split_whitespace()).arg("--").arg(program);
    command
}

fn by_library(prepared: &Prepared) -> Result<(), String> {
    let report = prepared.run(Input::Empty, Output::Keep, None).map_err(|error| error.to_string())?;
    success(&report)
}

fn by_pool(pool: &Pool) -> Result<(), String> {
    success(&pool.run(Input::Empty, Output::Keep, None).map_err(|error| error.to_string())?)
}

/// Launches in a second: `workers` threads make `launches` together.
fn rate(workers: usize, launches: usize, one: &(dyn Fn() -> Result<(), String> + Sync)) -> Result<f64, String> {
    shared(workers, launches, &|take| {
        while take() {
            one()?;
        }
        Ok(())
    })
}

/// As [`rate`], by as many lanes.
fn rate_of_lanes(workers: usize, launches: usize, prepared: &Prepared) -> Result<f64, String> {
    shared(workers, launches, &|take| {
        let mut lane = Lane::new(prepared);
        while take() {
            let report = lane.run(Input::Empty, Output::Keep, None, &|| ()).map_err(|error| error.to_string())?;
            success(&report)?;
        }
        Ok(())
    })
}

/// What a worker does with what tells it whether there is one more to make.
type Worker<'a> = &'a (dyn Fn(&dyn Fn() -> bool) -> Result<(), String> + Sync);

fn shared(workers: usize, launches: usize, work: Worker<'_>) -> Result<f64, String> {
    let taken = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                if let Err(error) = work(&|| taken.fetch_add(1, Ordering::Relaxed) < launches) {
                    // The others need not go on.
                    taken.store(launches, Ordering::Relaxed);
                    if let Ok(mut failed) = failed.lock() {
                        *failed = Some(error);
                    }
                }
            });
        }
    });
    let elapsed = begun.elapsed();
    match failed.into_inner() {
        Ok(Some(error)) => Err(error),
        _ => Ok(launches as f64 / elapsed.as_secs_f64()),
    }
}

impl Throughput {
    /// A table.
    #[must_use]
    pub fn text(&self) -> String {
        let mut table = Table::new(&[
            ("workers", Align::Right),
            ("way", Align::Left),
            ("launches/s", Align::Right),
            ("of bwrap", Align::Right),
            ("", Align::Left),
        ]);
        for rate in &self.rates {
            let (times, range) = rate.of_bwrap.map_or_else(Default::default, |ratio| {
                (format!("{:.2}", ratio.median), format!("{:.2} to {:.2}", ratio.low, ratio.high))
            });
            let workers = if rate.way == PLAIN { rate.workers.to_string() } else { String::new() };
            table.row([workers, rate.way.to_owned(), format!("{:.0}", rate.per_second.median), times, range]);
        }
        let missing: String = self.missing.iter().map(|line| format!("\n{line}\n")).collect();
        format!(
            "{}\n\n{} launches a round, {} rounds, medians; of bwrap: as many times as {BWRAP} (all its namespaces) with as many workers (our bar \
             for the library with 8 workers on 2 processors: {BAR})\n{}\nunshare: all namespaces, and nothing else of a wall\nlanes: for root, each worker's sandboxes use one \
             empty network namespace in turn\npool: two warm cells for each worker stand at the beginning; others are made meanwhile\n{missing}",
            self.host,
            self.launches,
            self.rounds,
            table.text(&|_, _, word| word),
        )
    }
}
