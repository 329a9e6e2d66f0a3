//! `palisade test`: files that must exit with 0, or one program with many inputs and what it must print for each.
//!
//! ```text
//! arguments ─discover→ cases ─pool→ reports ─compare, verdict→ results ─table, json, junit→ people and programs
//! ```
//!
//! Each case has a sandbox of its own, in which no case's files are to be seen; a program with cases is compiled once. Not here: printing (`print.rs`).

mod compare;
mod discover;
mod junit;
mod kept;
mod pool;
mod results;
mod table;
mod verdict;

use std::{
    num::NonZeroUsize,
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
    thread::available_parallelism,
    time::Instant,
};

use palisade::{
    Lane, Preparation, StartError, prepare, run_until,
    spec::{Clamp, Input, Output, Report, Request, Weakening},
};

pub(crate) use self::compare::Compare;
use self::{
    kept::{Kept, KeptCase},
    pool::{Seat, Then},
    results::Results,
    table::Rows,
    verdict::{Tested, Used, Verdict},
};
use crate::{
    args::{Excess, Test},
    check::gate,
    config::{self, Held},
    print::{
        self,
        progress::{Progress, Show},
    },
    request::{self, Refused},
    result_file::ResultFile,
};

/// Why nothing could be tested.
enum Failure {
    Refused(Refused),
    Start(StartError),
    NotPassed(gate::Refusal),
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

/// Exit status 0 if everything was accepted, 1 if not, 125 if palisade failed, 130 if it was stopped.
pub(crate) fn test(args: Test) -> i32 {
    let begun = Instant::now();
    // Before any thread is started, as it has to be.
    let cancel = match palisade_sys::signals::receive(&palisade_sys::signals::STOP) {
        Ok(cancel) => cancel,
        Err(error) => return print::failure(&error, None),
    };
    // Before any work is done for nothing.
    let junit = match args.junit.as_deref().map(|path| (path, ResultFile::find(path))) {
        None => None,
        Some((path, Ok(file))) => Some((path, file)),
        Some((path, Err(error))) => return print::no_result_file("--junit", path, &error),
    };
    let tested = if args.cases.is_some() { program(&args, cancel.as_fd()) } else { files(&args, cancel.as_fd()) };
    let results = match tested {
        Ok(results) => Results { wall_time_ms: begun.elapsed().as_secs_f64() * 1000.0, ..results },
        Err(Failure::Refused(refused)) => return print::refusal(&refused, args.json),
        Err(Failure::Start(error)) => return print::not_tested(&error, args.json),
        Err(Failure::NotPassed(refusal)) => return print::not_passed(&refusal, args.json),
    };
    let mut failed = 0;
    if let Some((path, file)) = junit
        && let Err(error) = junit::document(&results).and_then(|bytes| file.write(&bytes))
    {
        failed = print::failure(&error, Some(path));
    }
    if !args.quiet {
        print::weakened(&results.weakened);
        print::lowered(&results.clamped);
    }
    let printed = if args.json {
        print::json(&results)
    } else {
        let rows = if args.quiet { Rows::Failed } else { Rows::All };
        print::data(&table::text(&results, rows, print::colour()))
    };
    if failed + printed == 0 { results.exit_code } else { 125 }
}

/// What holds for each of them. Too much output is a verdict here, so it always ends a program.
fn held(args: &Test) -> Result<Held, Failure> {
    let held = config::hold(&args.wants, Some(Excess::Kill))?;
    if !args.quiet {
        print::notices(&held.settled.notices);
    }
    for file in &args.files {
        gate::look_at(file, args.wants.language.as_deref(), &held.settled).map_err(Failure::NotPassed)?;
    }
    Ok(held)
}

/// Each file is a program.
fn files(args: &Test, cancel: BorrowedFd<'_>) -> Result<Results, Failure> {
    let held = held(args)?;
    if args.files.is_empty() {
        return Err(Failure::Refused(Refused {
            what: "there is nothing to test".to_owned(),
            hint: "palisade test FILE… runs each file; palisade test PROGRAM --cases DIR compares what one prints",
        }));
    }
    // What would keep every file from being run is said once.
    held.settled.check_within(&held.policies)?;
    let work: Vec<_> = args.files.iter().map(|file| (file.display().to_string(), file)).collect();
    let run = |(): &mut (), name: &str, file: &&PathBuf, _: &Seat<'_>| {
        let request = request::source(file.to_path_buf(), args.arguments.clone(), &args.wants, &held);
        Done::of(name, run_until(request, Some(cancel)), None)
    };
    Ok(run_all(args, &work, || (), run))
}

/// One program, and cases for it.
fn program(args: &Test, cancel: BorrowedFd<'_>) -> Result<Results, Failure> {
    let held = held(args)?;
    let (name, mut request) = program_of(args, &held)?;
    let directory = args.cases.as_deref().unwrap_or(Path::new("."));
    let cases = discover::cases(directory)?;
    kept::hide(directory, &cases, &mut request)?;
    let (kept, work) = Kept::of(cases)?;
    let results = match prepare(&request, Some(cancel))? {
        Preparation::Failed(report) => {
            let all = work.iter().map(|(name, _)| Tested::of(name, &report, None)).collect();
            Results {
                compile: Some(Used::of(&report)),
                weakened: report.weakened.clone(),
                clamped: report.clamped.clone(),
                ..Results::of(all)
            }
        }
        Preparation::Ready(program) => {
            let run = |lane: &mut Lane<'_>, name: &str, case: &KeptCase, seat: &Seat<'_>| {
                // Whether the next one is to be begun is not known before the verdict, if one failure ends all.
                let ended = || {
                    if !args.fail_fast {
                        seat.leave()
                    }
                };
                run(lane, name, &kept, case, args.compare, cancel, &ended)
            };
            let results = run_all(args, &work, || Lane::new(&program), run);
            Results { compile: program.compile().map(Used::of), ..results }
        }
    };
    Ok(Results { program: Some(name), compare: Some(args.compare), ..results })
}

fn program_of(args: &Test, held: &Held) -> Result<(String, Request), Refused> {
    match (args.files.as_slice(), args.arguments.split_first()) {
        ([file], _) => {
            let request = request::source(file.clone(), args.arguments.clone(), &args.wants, held);
            Ok((file.display().to_string(), request))
        }
        ([], Some((command, arguments))) => {
            let request = request::command(command.clone(), arguments.to_vec(), &args.wants, held)?;
            Ok((args.arguments.join(" "), request))
        }
        ([], None) => Err(Refused {
            what: "--cases are for a program, and none is named".to_owned(),
            hint: "palisade test PROGRAM --cases DIR, or palisade test --cases DIR -- CMD ARGS…",
        }),
        (files, _) => Err(Refused {
            what: format!("--cases are for one program, and {} are named", files.len()),
            hint: "test one after the other; arguments of the program stand behind `--`",
        }),
    }
}

/// What one case left.
struct Done {
    tested: Tested,
    weakened: Vec<Weakening>,
    clamped: Vec<Clamp>,
}

impl Done {
    fn failed(tested: Tested) -> Self {
        Self { tested, weakened: Vec::new(), clamped: Vec::new() }
    }

    fn of(name: &str, outcome: Result<Report, StartError>, expected: Option<(&[u8], Compare)>) -> Self {
        match outcome {
            Ok(report) => {
                Self { tested: Tested::of(name, &report, expected), weakened: report.weakened, clamped: report.clamped }
            }
            Err(error) => Self::failed(Tested::not_started(name, &error)),
        }
    }
}

/// Each thing once, in order.
fn each_once<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut once = Vec::new();
    for one in all {
        if !once.contains(&one) {
            once.push(one);
        }
    }
    once
}

/// Runs one case. Its files are read only now: all of them together may be large.
fn run(
    lane: &mut Lane<'_>,
    name: &str,
    kept: &Kept,
    case: &KeptCase,
    how: Compare,
    cancel: BorrowedFd<'_>,
    ended: &dyn Fn(),
) -> Done {
    // The answer before the program runs, so that nothing it does can change that.
    match (kept.read(&case.input), kept.read(&case.expected)) {
        (Ok(input), Ok(expected)) => {
            let outcome = lane.run(Input::Bytes(input), Output::Keep, Some(cancel), ended);
            Done::of(name, outcome, Some((&expected, how)))
        }
        (Err(because), _) | (_, Err(because)) => Done::failed(Tested::failed(name, because)),
    }
}

/// Runs every case, several at one time.
fn run_all<C: Sync, S>(
    args: &Test,
    work: &[(String, C)],
    state: impl Fn() -> S + Sync,
    run: impl Fn(&mut S, &str, &C, &Seat<'_>) -> Done + Sync,
) -> Results {
    let jobs = match args.jobs.and_then(|jobs| NonZeroUsize::new(usize::try_from(jobs).unwrap_or(usize::MAX))) {
        Some(jobs) => jobs,
        None => available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    let progress = Progress::new(work.len(), if args.quiet { Show::Nothing } else { Show::Progress });
    let mut failed = 0;
    let task = |state: &mut S, (name, case): &(String, C), seat: &Seat<'_>| {
        let done = run(state, name, case, seat);
        let over = match done.tested.verdict {
            Verdict::Accepted => false,
            Verdict::Cancelled => true,
            _ => args.fail_fast,
        };
        (done, if over { Then::Stop } else { Then::GoOn })
    };
    let all = pool::work(work, jobs, state, task, |done| {
        failed += usize::from(done.tested.verdict != Verdict::Accepted);
        progress.step(failed);
    });
    drop(progress);
    let weakened = each_once(all.iter().flatten().flat_map(|done| done.weakened.iter().cloned()));
    let clamped = each_once(all.iter().flatten().flat_map(|done| done.clamped.iter().cloned()));
    let tested = all.into_iter().zip(work);
    let tested = tested.map(|(done, (name, _))| done.map_or_else(|| Tested::not_run(name), |done| done.tested));
    Results { jobs: jobs.get().min(work.len()), weakened, clamped, ..Results::of(tested.collect()) }
}
