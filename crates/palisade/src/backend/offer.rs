//! Every wall with what it holds on this host, and whether it is there. Not here: trying one out (`probe`).

use palisade_spec::{Backend, Guarantees, NetworkPolicy, Program, Request, Strength};
use serde::Serialize;

use super::ALL;
use crate::{
    error::{Refusal, StartError},
    host::Host,
    resolve::resolve,
};

/// A wall of this version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// Which.
    pub backend: Backend,
    /// What stands between a program and the host.
    pub strength: Strength,
    /// What it holds on this host, if it works here.
    pub guarantees: Guarantees,
    /// Why it cannot even be tried; empty if it can.
    pub refusals: Vec<Refusal>,
}

/// Every wall of this version, in the order in which they are preferred. Nothing is run.
///
/// # Errors
/// If not even the process's own id map can be read, or a ceiling cannot be used.
pub fn offers() -> Result<Vec<Offer>, StartError> {
    let host = Host::look().map_err(StartError::io("look at this host"))?;
    let mut request = Request::new(Program::Command("true".to_owned()));
    // What no wall holds for nobody is no reason why one is not there.
    request.policy.network = NetworkPolicy::AllowAll;
    let jobs = resolve(&request)?;
    let offer = |row: &super::Row| {
        let planned = jobs.first().map(|job| (row.plan)(job.clone(), &host));
        Offer {
            backend: row.kind,
            strength: row.strength,
            guarantees: (row.guarantees)(&host),
            refusals: planned.and_then(Result::err).unwrap_or_default(),
        }
    };
    Ok(ALL.iter().map(offer).collect())
}
