//! The walls, and the choice among them.
//!
//! A backend says what it holds, and plans; one supervisor runs what it planned. Not here: how a plan is carried out, what
//! the walls of other programs have in common (`foreign`).

mod around;
mod bubblewrap;
mod needs;
mod none;
mod offer;
mod own;

use palisade_spec::{Backend, Guarantees, Strength};

pub(crate) use self::around::{around, tool};
pub use self::offer::{Offer, offers};
use crate::{
    bound::Resolved,
    error::{Refusal, StartError},
    host::Host,
    native::{self, Launch},
};

/// One wall.
pub(crate) struct Row {
    /// Its name.
    pub(crate) kind: Backend,
    /// What stands between a program and the host.
    pub(crate) strength: Strength,
    /// What it holds on this host, if it can be had at all.
    pub(crate) guarantees: fn(&Host) -> Guarantees,
    /// What to launch for a job, or every reason why not.
    plan: fn(Resolved, &Host) -> Result<Launch, Vec<Refusal>>,
}

/// Every wall of this version. Those that hold as much stand in the order of what a launch costs (`docs/performance.md`).
pub(crate) const ALL: [Row; 3] = [
    Row { kind: Backend::Native, strength: Strength::Namespaces, guarantees: own::guarantees, plan: native::plan },
    Row {
        kind: Backend::Bubblewrap,
        strength: Strength::Namespaces,
        guarantees: bubblewrap::guarantees,
        plan: bubblewrap::plan,
    },
    Row { kind: Backend::None, strength: Strength::None, guarantees: none::guarantees, plan: none::plan },
];

/// The first backend that can hold the job, or the one that was asked for.
///
/// `none` is taken only by name: an untrusted program never runs without a wall because none could be built.
pub(crate) fn choose(asked: Backend, job: Resolved, host: &Host) -> Result<Launch, StartError> {
    let mut refusals = Vec::new();
    if asked != Backend::Auto && !ALL.iter().any(|row| row.kind == asked) {
        refusals.push(Refusal {
            backend: asked.name(),
            needs: format!("the backend `{asked}`"),
            because: "this version does not have it".to_owned(),
            hint: "say --backend native, or leave it out".to_owned(),
        });
    }
    for row in ALL {
        let wanted = if asked == Backend::Auto { row.kind != Backend::None } else { row.kind == asked };
        if !wanted {
            continue;
        }
        let mut lacks = needs::lacks(&row, &job, host);
        if lacks.is_empty() {
            match (row.plan)(job.clone(), host) {
                Ok(launch) => return Ok(launch),
                Err(why) => lacks = why,
            }
        }
        refusals.append(&mut lacks);
    }
    Err(StartError::NoBackend { refusals })
}
