//! palisade's own ways: its command, with each of its walls, and its library in this process.

use std::{cell::OnceCell, os::fd::BorrowedFd, sync::mpsc, thread, time::Instant};

use palisade::{Pool, Preparation, StartError, prepare, run_until};
use palisade_spec::{Backend, Input, Outcome, Output, Program, Report, Request};

use super::{Here, Way, Ways, before, containers::engine_process, noted, words};
use crate::{
    bench::{
        ground::Ground,
        method::Found,
        process::{Failed, Looked, most_memory},
        root::{PROGRAM, SHELL},
    },
    race::ms,
};

pub(in crate::bench) fn cold(ground: &Ground, _: &Found) -> Ways {
    Ok(vec![before(words(&ground.palisade.to_string_lossy(), "run --quiet --no-pool --"))])
}

pub(in crate::bench) fn wall(ground: &Ground, found: &Found) -> Ways {
    let name = found.backend.map_or("", |backend| backend.name());
    // Walls that hold no network are refused where none is wanted.
    let (note, network) = match found.backend {
        Some(Backend::Unshare | Backend::Chroot) => {
            ("with --network=allow-all: it holds no network", "--network=allow-all")
        }
        _ => ("", ""),
    };
    let rest = format!("run --quiet --no-pool --backend {name} {network} --");
    let mut way = noted(note, words(&ground.palisade.to_string_lossy(), &rest));
    if let (Way::Process(process), Some(Backend::Docker)) = (&mut way, found.backend) {
        process.daemon = engine_process();
    }
    Ok(vec![way])
}

pub(in crate::bench) fn library(_: &Ground, _: &Found) -> Ways {
    Ok(vec![Way::Here(Box::new(Library))])
}

/// `palisade::run_until`, all of it each time.
struct Library;

impl Here for Library {
    fn time(&self, cancel: Option<BorrowedFd<'_>>) -> Result<f64, Failed> {
        let begun = Instant::now();
        let report = run_until(Request::new(Program::Command(PROGRAM.to_owned())), cancel);
        let took = ms(begun.elapsed());
        well(report.map_err(told)?)?;
        Ok(took)
    }

    fn look(&self, script: &str, cancel: Option<BorrowedFd<'_>>) -> Result<Looked, Failed> {
        looked(|| run_until(shell(script), cancel))
    }
}

pub(in crate::bench) fn warm(_: &Ground, _: &Found) -> Ways {
    Ok(vec![Way::Here(Box::new(Warm::default()))])
}

/// A cell of `palisade::Pool`, from a pool that is made when it is first needed and is full again before another method's turn.
#[derive(Default)]
struct Warm(OnceCell<Pool>);

/// Cells of the pool.
const CELLS: usize = 2;
impl Warm {
    fn pool(request: &Request, cancel: Option<BorrowedFd<'_>>) -> Result<Pool, Failed> {
        match prepare(request, cancel).map_err(told)? {
            Preparation::Ready(prepared) => {
                let pool = Pool::new(prepared, CELLS).map_err(told)?;
                pool.fill().map_err(told)?;
                Ok(pool)
            }
            Preparation::Failed(report) => well(*report).and(Err(Failed::So("there is nothing to run".to_owned()))),
        }
    }
}

impl Here for Warm {
    fn time(&self, cancel: Option<BorrowedFd<'_>>) -> Result<f64, Failed> {
        let pool = match self.0.get() {
            Some(pool) => pool,
            None => {
                let made = Self::pool(&Request::new(Program::Command(PROGRAM.to_owned())), cancel)?;
                self.0.get_or_init(|| made)
            }
        };
        let begun = Instant::now();
        let report = pool.run(Input::Empty, Output::Keep, cancel);
        let took = ms(begun.elapsed());
        well(report.map_err(told)?)?;
        // While one is made, the next method would be disturbed.
        pool.fill().map_err(told)?;
        Ok(took)
    }

    fn look(&self, script: &str, cancel: Option<BorrowedFd<'_>>) -> Result<Looked, Failed> {
        let pool = Self::pool(&shell(script), cancel)?;
        looked(|| pool.run(Input::Empty, Output::Keep, cancel))
    }
}

/// A shell that carries out a script.
fn shell(script: &str) -> Request {
    let mut request = Request::new(Program::Command(SHELL.to_owned()));
    request.arguments = vec!["-c".to_owned(), script.to_owned()];
    request
}

/// What it printed, and what memory it took beside this process.
fn looked(run: impl FnOnce() -> Result<Report, StartError>) -> Result<Looked, Failed> {
    let (sender, receiver) = mpsc::channel::<()>();
    let (report, memory) = thread::scope(|scope| {
        let watch = scope.spawn(move || most_memory(None, &receiver));
        let report = run();
        drop(sender);
        (report, watch.join().unwrap_or(None))
    });
    let report = well(report.map_err(told)?)?;
    Ok(Looked { printed: String::from_utf8_lossy(&report.stdout.kept).into_owned(), memory })
}

fn told(error: StartError) -> Failed {
    Failed::So(error.to_string())
}

/// The report of a program that has ended as it should.
fn well(report: Report) -> Result<Report, Failed> {
    match report.outcome {
        Outcome::Exited { code: 0 } => Ok(report),
        Outcome::Cancelled => Err(Failed::Cancelled),
        other => Err(Failed::So(format!("it ended with {other:?}"))),
    }
}
