//! The walls, and the choice among them.
//!
//! A backend only plans; one supervisor runs what it planned. Not here: how a plan is carried out.

mod none;

use palisade_spec::Backend;

use crate::{
    bound::Resolved,
    error::{Refusal, StartError},
    host::Host,
    native::{self, Launch},
};

/// A backend: what to launch for a job, or every reason why not.
type Planner = fn(Resolved, &Host) -> Result<Launch, Vec<Refusal>>;

/// The table that joins names and behaviour, strongest first.
const ALL: [(Backend, Planner); 2] = [(Backend::Native, native::plan), (Backend::None, none::plan)];

/// The strongest backend that can hold the job, or the one that was asked for.
///
/// `none` is taken only by name: an untrusted program never runs without a wall because none could be built.
pub(crate) fn choose(asked: Backend, job: Resolved, host: &Host) -> Result<Launch, StartError> {
    let mut refusals = Vec::new();
    if let Backend::Missing(name) = asked {
        refusals.push(Refusal {
            backend: name,
            needs: format!("the backend `{name}`"),
            because: "this version does not have it".to_owned(),
            hint: "say --backend native, which is this version's wall".to_owned(),
        });
    }
    for (kind, plan) in ALL {
        let wanted = if asked == Backend::Auto { kind != Backend::None } else { kind == asked };
        if wanted {
            match plan(job.clone(), host) {
                Ok(launch) => return Ok(launch),
                Err(mut why) => refusals.append(&mut why),
            }
        }
    }
    Err(StartError::NoBackend { refusals })
}
