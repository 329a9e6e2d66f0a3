//! palisade's own ways: its command, with each of its walls, and its library in this process.

use std::{os::fd::BorrowedFd, sync::mpsc, thread, time::Instant};

use palisade::run_until;
use palisade_spec::{Backend, Outcome, Program, Report, Request};

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
    Ok(vec![before(words(&ground.palisade.to_string_lossy(), "run --quiet --"))])
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
    let rest = format!("run --quiet --backend {name} {network} --");
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
        well(report.map_err(|error| Failed::So(error.to_string()))?)?;
        Ok(took)
    }

    fn look(&self, script: &str, cancel: Option<BorrowedFd<'_>>) -> Result<Looked, Failed> {
        let mut request = Request::new(Program::Command(SHELL.to_owned()));
        request.arguments = vec!["-c".to_owned(), script.to_owned()];
        let (sender, receiver) = mpsc::channel::<()>();
        let (report, memory) = thread::scope(|scope| {
            let watch = scope.spawn(move || most_memory(None, &receiver));
            let report = run_until(request, cancel);
            drop(sender);
            (report, watch.join().unwrap_or(None))
        });
        let report = well(report.map_err(|error| Failed::So(error.to_string()))?)?;
        Ok(Looked { printed: String::from_utf8_lossy(&report.stdout.kept).into_owned(), memory })
    }
}

/// The report of a program that has ended as it should.
fn well(report: Report) -> Result<Report, Failed> {
    match report.outcome {
        Outcome::Exited { code: 0 } => Ok(report),
        Outcome::Cancelled => Err(Failed::Cancelled),
        other => Err(Failed::So(format!("it ended with {other:?}"))),
    }
}
