//! `palisade bench phases`, `memory`, `work`, `throughput`, `interpreters`, `output`, `staging` and `soak`: one question each.
//!
//! Not here: measuring and the tables (`palisade-measure`), the comparison of all methods (`compare.rs`).

use std::{
    ops::ControlFlow,
    os::fd::OwnedFd,
    path::PathBuf,
    time::{Duration, Instant},
};

use palisade::spec::{Bytes, parse_duration};
use palisade_measure::cost::{
    CostError, Programs, Step, interpreters, memory, output, phases, soak, staging, throughput,
    work::{self, Amount},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use crate::{
    print::{
        self,
        progress::{Progress, Show},
    },
    request::Refused,
    whole::whole,
};

/// What else can be measured.
#[derive(Debug, clap::Subcommand)]
pub(super) enum What {
    /// Where the time of one launch goes: phases of whole launches, and each step apart
    Phases(Phases),
    /// What the sandbox's own processes take of memory beside a program that waits
    Memory(Memory),
    /// What a sandbox costs while a program computes, calls the kernel and reads files
    Work(Work),
    /// Launches in a second, with one worker and with several
    Throughput(Throughput),
    /// Programs told to interpreters that wait, against starting the interpreter without a sandbox
    Interpreters(Interpreters),
    /// How fast a program's output passes
    Output(Output),
    /// Laying layers over each other, against linking every file
    Staging(Staging),
    /// Whether anything grows while launches go on; exit status 1 if it does
    Soak(Soak),
}

/// What all of them have.
#[derive(clap::Args, Debug)]
pub(super) struct Shown {
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args, Debug)]
pub(super) struct Phases {
    /// Launches of each way
    #[arg(long, value_name = "N", default_value = "20", value_parser = whole::<usize>(1..=1_000_000_000))]
    runs: usize,

    #[command(flatten)]
    shown: Shown,
}

#[derive(clap::Args, Debug)]
pub(super) struct Memory {
    /// Looks at each wall
    #[arg(long, value_name = "N", default_value = "5", value_parser = whole::<usize>(1..=1_000_000_000))]
    runs: usize,

    #[command(flatten)]
    shown: Shown,
}

#[derive(clap::Args, Debug)]
pub(super) struct Interpreters {
    /// Runs of each
    #[arg(long, value_name = "N", default_value = "20", value_parser = whole::<usize>(1..=1_000_000_000))]
    runs: usize,

    #[command(flatten)]
    shown: Shown,
}

#[derive(clap::Args, Debug)]
pub(super) struct Work {
    /// Runs of each
    #[arg(long, value_name = "N", default_value = "10", value_parser = whole::<usize>(1..=1_000_000_000))]
    runs: usize,

    /// Steps of a computation in each run
    #[arg(long, value_name = "N", default_value = "20000000", value_parser = whole::<usize>(1..=1_000_000_000))]
    steps: usize,

    /// Calls of the kernel in each run
    #[arg(long, value_name = "N", default_value = "100000", value_parser = whole::<usize>(1..=1_000_000_000))]
    calls: usize,

    /// Files read in each run
    #[arg(long, value_name = "N", default_value = "1000", value_parser = whole::<usize>(1..=1_000_000_000))]
    files: usize,

    #[command(flatten)]
    shown: Shown,
}

#[derive(clap::Args, Debug)]
pub(super) struct Throughput {
    /// Numbers of workers, separated by commas
    #[arg(long, value_name = "N", default_value = "1,2,8", value_delimiter = ',', value_parser = whole::<usize>(1..=256))]
    workers: Vec<usize>,

    /// Launches of a round, which the workers share
    #[arg(long, value_name = "N", default_value = "200", value_parser = whole::<usize>(1..=1_000_000_000))]
    launches: usize,

    /// Rounds of each
    #[arg(long, value_name = "N", default_value = "5", value_parser = whole::<usize>(1..=1_000_000_000))]
    runs: usize,

    #[command(flatten)]
    shown: Shown,
}

#[derive(clap::Args, Debug)]
pub(super) struct Output {
    /// Bytes of each run, such as 64M
    #[arg(long, value_name = "SIZE", default_value = "1G")]
    size: Bytes,

    /// Runs of each
    #[arg(long, value_name = "N", default_value = "3", value_parser = whole::<usize>(1..=1_000_000_000))]
    runs: usize,

    #[command(flatten)]
    shown: Shown,
}

#[derive(clap::Args, Debug)]
pub(super) struct Staging {
    /// Numbers of layers, separated by commas
    #[arg(long, value_name = "N", default_value = "1,10,50", value_delimiter = ',', value_parser = whole::<usize>(1..=500))]
    layers: Vec<usize>,

    /// Files of each layer
    #[arg(long, value_name = "N", default_value = "1000", value_parser = whole::<usize>(1..=1_000_000_000))]
    files: usize,

    /// Runs of each
    #[arg(long, value_name = "N", default_value = "5", value_parser = whole::<usize>(1..=1_000_000_000))]
    runs: usize,

    #[command(flatten)]
    shown: Shown,
}

#[derive(clap::Args, Debug)]
pub(super) struct Soak {
    /// How long to go on, such as 10s or 1h
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    duration: Duration,

    #[command(flatten)]
    shown: Shown,
}

/// `internal-work KIND AMOUNT DIR`: the work of `palisade bench work`, outside and inside.
#[derive(clap::Args, Debug)]
pub(crate) struct Labour {
    kind: String,
    #[arg(value_parser = whole::<usize>(1..=1_000_000_000))]
    amount: usize,
    files: PathBuf,
}

pub(super) fn command(what: &What) -> i32 {
    let programs = match Programs::find() {
        Ok(programs) => programs,
        Err(error) => return print::failure(&error, None),
    };
    let columns = columns();
    match what {
        What::Phases(Phases { runs, shown }) => {
            let steps = Until::Steps(phases::measurements(*runs));
            say(shown, steps, |step| phases::phases(&programs, *runs, step), |found| found.text(columns))
        }
        What::Memory(Memory { runs, shown }) => {
            let steps = Until::Steps(memory::measurements(&programs, *runs));
            say(shown, steps, |step| memory::memory(&programs, *runs, step), memory::Memory::text)
        }
        What::Interpreters(Interpreters { runs, shown }) => {
            let steps = Until::Steps(interpreters::measurements(*runs));
            say(shown, steps, |step| interpreters::interpreters(*runs, step), interpreters::Waiting::text)
        }
        What::Work(Work { runs, steps, calls, files, shown }) => {
            let amount = Amount { steps: *steps, calls: *calls, files: *files };
            let steps = Until::Steps(work::measurements(&programs, *runs));
            say(shown, steps, |step| work::work(&programs, amount, *runs, step), work::Work::text)
        }
        What::Throughput(Throughput { workers, launches, runs, shown }) => {
            let steps = Until::Steps(throughput::measurements(&programs, workers, *runs));
            let measure = |step: Step<'_>| throughput::throughput(&programs, workers, *launches, *runs, step);
            say(shown, steps, measure, throughput::Throughput::text)
        }
        What::Output(Output { size, runs, shown }) => {
            let steps = Until::Steps(output::measurements(*runs));
            say(shown, steps, |step| output::output(&programs, *size, *runs, step), output::Passing::text)
        }
        What::Staging(Staging { layers, files, runs, shown }) => {
            let steps = Until::Steps(staging::measurements(layers, *runs));
            say(shown, steps, |step| staging::staging(layers, *files, *runs, step), staging::Staging::text)
        }
        What::Soak(Soak { duration, shown }) => {
            let mut flat = true;
            let measure = |step: Step<'_>| {
                let found = soak::soak(*duration, step)?;
                flat = found.flat;
                Ok(found)
            };
            let code = say(shown, Until::Over(*duration), measure, soak::Soak::text);
            if code == 0 && !flat { 1 } else { code }
        }
    }
}

/// When a measurement is done.
enum Until {
    /// After so many steps.
    Steps(usize),
    /// When so much time has gone by, in steps that nobody can count beforehand.
    Over(Duration),
}

/// Of a measurement by time, what is shown of it.
const PARTS: usize = 100;

/// Measures, and prints what was found.
fn say<T: Serialize>(
    shown: &Shown,
    until: Until,
    measure: impl FnOnce(Step<'_>) -> Result<T, CostError>,
    text: impl FnOnce(&T) -> String,
) -> i32 {
    let stop = match palisade_sys::signals::receive(&palisade_sys::signals::STOP) {
        Ok(stop) => stop,
        Err(error) => return print::failure(&error, None),
    };
    let (begun, mut done) = (Instant::now(), 0);
    let progress = Progress::new(if let Until::Steps(steps) = until { steps } else { PARTS }, Show::Progress);
    let found = measure(&mut || {
        let by_now = match until {
            Until::Steps(_) => done + 1,
            Until::Over(all) => (begun.elapsed().as_secs_f64() / all.as_secs_f64() * PARTS as f64) as usize,
        };
        while done < by_now {
            progress.step(0);
            done += 1;
        }
        if was_told(&stop) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    drop(progress);
    match found {
        Ok(found) if shown.json => print::json(&found),
        Ok(found) => print::lines(&text(&found)),
        Err(CostError::Start(error)) => print::start_error(&error, shown.json),
        Err(error @ CostError::Cancelled) => {
            print::failure(&error, None);
            130
        }
        Err(error @ CostError::Missing { .. }) => {
            let hint = "it is in the Debian package coreutils: apt-get install coreutils";
            print::refusal(&Refused { what: error.to_string(), hint }, shown.json)
        }
        Err(error) => {
            let hint = "`palisade doctor` says what works here; a program that is killed may have run out of memory";
            print::refusal(&Refused { what: error.to_string(), hint }, shown.json)
        }
    }
}

/// Whether a signal has come.
fn was_told(stop: &OwnedFd) -> bool {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut [PollFd::new(stop, PollFlags::IN)], Some(&at_once)), Ok(1))
}

/// How wide a chart is.
fn columns() -> usize {
    rustix::termios::tcgetwinsize(rustix::stdio::stdout()).map_or(100, |size| usize::from(size.ws_col).clamp(60, 160))
}

/// The work itself, and how long it took.
pub(crate) fn labour(labour: &Labour) -> i32 {
    match work::labour(&labour.kind, labour.amount, &labour.files) {
        Some(took) => print::data(&format!("{}\n", took.as_nanos())),
        None => print::failure(&"this work cannot be done", Some(&labour.files)),
    }
}
