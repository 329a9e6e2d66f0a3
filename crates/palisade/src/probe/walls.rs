//! Every wall but palisade's own: a complete run of /bin/true behind it, or why there can be none.
//!
//! What came of it is remembered as long as the host runs and the wall's program is the same. Not here: the verdict about
//! palisade's own wall (`tools`).

use palisade_spec::{Backend, NetworkPolicy, Request};

use super::{Finding, Group, Soundness, Status, tools};
use crate::{
    backend::{ALL, Choice, Failure, Remembered, Row},
    error::StartError,
    host::Host,
    native::Launch,
    resolve::resolve,
    run::run,
};

/// Whether walls that were tried since the host started are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walls {
    /// What is remembered is told.
    Remembered,
    /// All are tried.
    Anew,
}

pub(super) fn findings(host: &Host, walls: Walls) -> Vec<Finding> {
    ALL.iter().filter(|row| row.kind != Backend::Native).map(|row| finding(row, host, walls)).collect()
}

fn finding(row: &Row, host: &Host, walls: Walls) -> Finding {
    let feature = if row.kind == Backend::None { "none (no wall)".to_owned() } else { row.kind.to_string() };
    let tried = |status, evidence: String, fix| Finding {
        group: Group::Backends,
        feature: feature.clone(),
        status,
        evidence,
        fix,
        needed_by: format!("--backend={}", row.kind),
    };
    let mut request = tools::nothing(row.kind);
    if !(row.guarantees)(host).network.is_held() {
        request.policy.network = NetworkPolicy::AllowAll;
    }
    let launch = match plan(&request, host) {
        Ok(launch) => launch,
        Err(StartError::NoBackend { refusals }) => {
            let because: Vec<String> = refusals.iter().map(|one| format!("{}: {}", one.needs, one.because)).collect();
            return tried(Status::NotUsable, because.join("; "), refusals.into_iter().next().map(|one| one.hint));
        }
        Err(error) => return tried(Status::NotUsable, error.to_string(), error.hint()),
    };
    let remembered = Remembered::here();
    if walls == Walls::Remembered
        && let Some(found) = remembered.as_ref().and_then(|remembered| remembered.of(&launch))
    {
        let again = "; --refresh tries again";
        return match found {
            Ok(evidence) => tried(Status::Usable, format!("{evidence} (remembered{again})"), None),
            Err(Failure { because, fix }) => tried(Status::NotUsable, format!("{because} (remembered{again})"), fix),
        };
    }
    let judged = tools::judge(run(request));
    let (status, found) = match judged.status {
        Soundness::Usable => (Status::Usable, Ok(judged.evidence.clone())),
        Soundness::Weakened => (Status::Partial, Ok(judged.evidence.clone())),
        Soundness::NotUsable => {
            (Status::NotUsable, Err(Failure { because: judged.evidence.clone(), fix: judged.fix.clone() }))
        }
    };
    // One that is not whole for want of cgroups is tried each time: they may come.
    if let (Some(remembered), true) = (remembered, status != Status::Partial) {
        remembered.note(&launch, found);
    }
    tried(status, judged.evidence, judged.fix)
}

fn plan(request: &Request, host: &Host) -> Result<Launch, StartError> {
    let mut jobs = resolve(request)?;
    let job = jobs.pop().ok_or(StartError::NoBackend { refusals: Vec::new() })?;
    Choice::new(request.backend, job, host.clone()).next()
}
