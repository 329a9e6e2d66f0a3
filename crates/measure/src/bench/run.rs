//! A comparison from its beginning to its end: find each method, try it, let all take turns.

use std::{
    ops::ControlFlow,
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
};

use super::{
    ground::Ground,
    method::{Method, Missing},
    outcome::{Comparison, Fitness, Measured, NotMeasured, SCHEMA},
    probe::{Seen, judge},
    process::{Failed, Kept, Looked, adopt, is_cancelled},
    quoted::quoted,
    recipes::{Job, Way},
    root::PROGRAM,
};
use crate::{
    host::Host,
    race::{Contestant, Rounds, race},
    stats::Stats,
};

/// What is to be compared.
#[derive(Debug)]
pub struct Order<'a> {
    /// The `palisade` command.
    pub palisade: &'a Path,
    /// Which methods, in the order of their turns. What they are compared with has to be among them.
    pub methods: Vec<Method>,
    /// How often.
    pub rounds: Rounds,
    /// What guests of virtual machines boot.
    pub kernel: Option<PathBuf>,
}

impl Order<'_> {
    /// How many steps it has at most.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.methods.len() + self.rounds.measurements(self.methods.len())
    }
}

/// Why nothing was compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The caller wants to stop.
    #[error("interrupted")]
    Cancelled,
    /// There is no place to work in.
    #[error("cannot prepare the comparison: {0}")]
    Ground(String),
    /// The program does not even start without walls.
    #[error("a plain start of {PROGRAM} does not work: {0}")]
    Baseline(String),
}

/// A method that works.
struct Ready {
    method: Method,
    way: Way,
    command: Vec<String>,
    sees: Option<Seen>,
    memory: Option<u64>,
}

/// Compares methods, and leaves nothing behind. `step` is called after each step of the work.
///
/// While it works, orphans of whatever this process has started are its own, and it ends all of its descendants: a process that
/// has others of its own has no place here. Signals that the caller blocks are blocked in what is measured.
///
/// # Errors
/// If nothing can be measured, or as soon as `cancel` becomes readable.
pub fn compare(
    order: &Order<'_>,
    cancel: Option<BorrowedFd<'_>>,
    step: &mut dyn FnMut(),
) -> Result<Comparison, BenchError> {
    adopt().map_err(BenchError::Ground)?;
    let ground = Ground::new(order.palisade, order.kernel.clone(), cancel);
    let ground = ground.map_err(|error| BenchError::Ground(error.to_string()))?;
    let compared = compare_on(order, &ground, cancel, step);
    Kept::default().sweep();
    compared
}

fn compare_on(
    order: &Order<'_>,
    ground: &Ground,
    cancel: Option<BorrowedFd<'_>>,
    step: &mut dyn FnMut(),
) -> Result<Comparison, BenchError> {
    let host = Host::now();
    let (mut ready, mut not_measured) = (Vec::new(), Vec::new());
    for method in &order.methods {
        match try_out(*method, ground, cancel)? {
            Ok(works) => ready.push(works),
            Err(missing) => not_measured.push(left_out(*method, missing)),
        }
        step();
    }
    let mut contestants: Vec<Contestant<'_>> = ready.iter().map(|ready| contestant(ready, cancel)).collect();
    let samples = race(&mut contestants, order.rounds, &mut || {
        step();
        if is_cancelled(cancel) { ControlFlow::Break(BenchError::Cancelled) } else { ControlFlow::Continue(()) }
    })?;
    drop(contestants);
    let mut methods = Vec::new();
    for (ready, samples) in ready.into_iter().zip(samples) {
        let method = ready.method;
        let failed = |because| left_out(method, Missing { because, hint: String::new() });
        match samples.map(|samples| (Stats::of(&samples), samples)) {
            Ok((Some(stats), samples)) => methods.push(Measured {
                name: method.name.to_owned(),
                about: method.about.to_owned(),
                side: method.side,
                note: match &ready.way {
                    Way::Process(process) => process.note.to_owned(),
                    Way::Here(_) => String::new(),
                },
                command: ready.command,
                stats,
                overhead_ms: 0.0,
                to_baseline: None,
                to_bwrap: None,
                sees: ready.sees,
                isolated: None,
                memory: ready.memory,
                pi_ready: Fitness::No,
                pass: false,
                samples,
            }),
            Ok((None, _)) => not_measured.push(failed("there were no rounds".to_owned())),
            Err(because) => not_measured.push(failed(because)),
        }
    }
    let mut comparison = Comparison {
        schema: SCHEMA.to_owned(),
        host,
        program: PROGRAM.to_owned(),
        rounds: order.rounds,
        methods,
        not_measured,
    };
    comparison.compare();
    Ok(comparison)
}

fn left_out(method: Method, missing: Missing) -> NotMeasured {
    let Missing { because, hint } = missing;
    NotMeasured { name: method.name.to_owned(), because, hint, quoted: quoted(method.name) }
}

/// The first way that works, or why none does.
fn try_out(
    method: Method,
    ground: &Ground,
    cancel: Option<BorrowedFd<'_>>,
) -> Result<Result<Ready, Missing>, BenchError> {
    let found = match method.find(ground) {
        Ok(found) => found,
        Err(missing) => return Ok(Err(missing)),
    };
    let failed = |because| Missing { because, hint: hint(method).to_owned() };
    let ways = match (method.ways)(ground, &found) {
        Ok(ways) => ways,
        Err(_) if is_cancelled(cancel) => return Err(BenchError::Cancelled),
        Err(because) => return Ok(Err(failed(because))),
    };
    let question = ground.question();
    let mut reasons: Vec<String> = Vec::new();
    for way in ways {
        let tried = match &way {
            Way::Here(here) => here.look(&question, cancel).map(|looked| (Vec::new(), looked)),
            Way::Process(process) => (process.line)(Job::Nothing).map_err(Failed::So).and_then(|line| {
                // One that starts nothing has nothing to be asked, and its own reason is clearer.
                line.look(cancel, None)?;
                let question = (process.line)(Job::Script(&question)).map_err(Failed::So)?;
                Ok((line.words, question.look(cancel, process.daemon)?))
            }),
        };
        match tried {
            Ok((command, Looked { printed, memory })) => {
                let sees = judge(&printed, ground);
                return Ok(Ok(Ready { method, way, command, sees, memory }));
            }
            Err(Failed::Cancelled) => return Err(BenchError::Cancelled),
            Err(Failed::So(because)) if !reasons.contains(&because) => reasons.push(because),
            Err(Failed::So(_)) => {}
        }
    }
    Ok(Err(failed(reasons.join("; "))))
}

/// What helps if a method is installed and does not work.
fn hint(method: Method) -> &'static str {
    match method.name {
        "docker" => "sudo systemctl start docker; a user of it is a member of the group docker",
        "podman" => "`podman info` says more",
        name if name.starts_with("palisade") => "`palisade doctor` says what is missing",
        _ => "",
    }
}

fn contestant<'a>(ready: &'a Ready, cancel: Option<BorrowedFd<'a>>) -> Contestant<'a> {
    let told = |failed| match failed {
        Failed::Cancelled => "interrupted".to_owned(),
        Failed::So(because) => because,
    };
    match &ready.way {
        Way::Process(process) => {
            let line = (process.line)(Job::Nothing);
            Box::new(move || line.as_ref().map_err(Clone::clone)?.time(cancel).map_err(told))
        }
        Way::Here(here) => Box::new(move || here.time(cancel).map_err(told)),
    }
}
