//! The door: a request in, a report out.
//!
//! ```text
//! Request ─resolve→ jobs ─plan→ launches ─supervise→ Report
//! ```
//!
//! Not here: what is done once for many runs (`prepare.rs`).

use std::os::fd::BorrowedFd;

use palisade_spec::{Backend, Input, Output, Report, Request};
use serde::Serialize;

use crate::{
    backend::Choice,
    error::StartError,
    host::Host,
    native::Launch,
    prepare::{Preparation, Watch, prepare_for},
    resolve::resolve,
};

/// What a request would do. Nothing has been run, and nothing on the host has been changed.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Which wall.
    pub backend: Backend,
    /// One launch for each stage, in order.
    pub launches: Vec<Launch>,
}

/// Plans a request for this host.
///
/// # Errors
/// Everything that is wrong with the request, and every reason why this host cannot hold it.
pub fn plan(request: &Request) -> Result<Plan, StartError> {
    let jobs = resolve(request)?;
    let host = Host::look().map_err(StartError::io("look at this host"))?;
    let launches = jobs
        .into_iter()
        .map(|job| Choice::new(request.backend, job, host.clone()).next())
        .collect::<Result<Vec<_>, _>>()?;
    let backend = launches.first().map_or(request.backend, |launch| launch.backend);
    Ok(Plan { backend, launches })
}

/// Runs a request to its end and tells its story.
///
/// Blocks the calling thread. The program and all its descendants are killed if that thread ends.
///
/// # Errors
/// If the program could not be started; whatever it does afterwards is in the report.
pub fn run(request: Request) -> Result<Report, StartError> {
    run_until(request, None)
}

/// As [`run`], and stops as soon as `cancel` becomes readable: the outcome is then `Cancelled`.
///
/// # Errors
/// As [`run`].
pub fn run_until(request: Request, cancel: Option<BorrowedFd<'_>>) -> Result<Report, StartError> {
    run_for(request, Watch { cancel, ..Watch::default() })
}

/// As [`run_until`].
pub(crate) fn run_for(mut request: Request, watch: Watch<'_>) -> Result<Report, StartError> {
    let stdin = std::mem::replace(&mut request.stdin, Input::Empty);
    let output = std::mem::replace(&mut request.output, Output::Keep);
    match prepare_for(&request, watch)? {
        Preparation::Ready(prepared) => prepared.run_once(stdin, output, watch),
        Preparation::Failed(report) => Ok(*report),
    }
}
