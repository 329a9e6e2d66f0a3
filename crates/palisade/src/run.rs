//! The door: a request in, a report out.
//!
//! ```text
//! Request ─resolve→ jobs ─plan→ launches ─supervise→ Report
//! ```

use std::{
    os::fd::{BorrowedFd, OwnedFd},
    path::Path,
    sync::Arc,
};

use palisade_spec::{Backend, Input, Output, Report, Request};
use serde::Serialize;

use crate::{
    backend,
    collect::collect,
    error::StartError,
    host::Host,
    job::Given,
    language::BUILD,
    native::Launch,
    resolve::resolve,
    supervise::{Connection, Finished, now, supervise},
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
    let launches =
        jobs.into_iter().map(|job| backend::choose(request.backend, job, &host)).collect::<Result<Vec<_>, _>>()?;
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
pub fn run_until(mut request: Request, cancel: Option<BorrowedFd<'_>>) -> Result<Report, StartError> {
    let mut begun = now();
    let mut stdin = std::mem::replace(&mut request.stdin, Input::Empty);
    let mut jobs = resolve(&request)?.into_iter().peekable();
    let host = Host::look().map_err(StartError::io("look at this host"))?;
    let mut left = Vec::new();
    let mut compile: Option<Box<Report>> = None;
    while let Some(mut job) = jobs.next() {
        let is_last = jobs.peek().is_none();
        job.given.append(&mut left);
        let launch = backend::choose(request.backend, job, &host)?;
        let mut connection = Connection {
            stdin: if is_last { std::mem::replace(&mut stdin, Input::Empty) } else { Input::Empty },
            output: if is_last { request.output } else { Output::Keep },
            excess: request.policy.output_excess,
            strictness: request.policy.strictness,
            cancel,
            begun,
        };
        let Finished { report, build } = supervise(&launch, &mut connection)?;
        if is_last {
            return Ok(Report { compile, ..report });
        }
        if !report.success {
            let compile = Some(Box::new(report.clone()));
            return Ok(Report { compile, ..report });
        }
        if let (Some(build), Some(artefact)) = (build, &launch.job.artefact) {
            left = artefacts(&build, artefact)?;
        }
        compile = Some(Box::new(report));
        begun = now();
    }
    Err(StartError::NoBackend { refusals: Vec::new() })
}

/// What the compiler left, as files for the program's job.
fn artefacts(build: &OwnedFd, artefact: &Path) -> Result<Vec<Given>, StartError> {
    let name = artefact.strip_prefix(BUILD).unwrap_or(artefact);
    let files = collect(build, name).map_err(|error| StartError::Source {
        file: artefact.to_owned(),
        because: format!("the compiler succeeded, and what it left cannot be taken over: {error}"),
        hint: "this is the language definition's `artefact`".to_owned(),
    })?;
    Ok(files
        .into_iter()
        .map(|file| Given {
            at: Path::new(BUILD).join(file.path),
            content: Arc::new(file.content),
            size: file.size,
            mode: if file.executable { 0o555 } else { 0o444 },
        })
        .collect())
}
