//! What a job needs of a wall, and what a wall lacks of it.

use palisade_spec::{Backend, Guarantee, NetworkPolicy};

use super::Row;
use crate::{bound::Resolved, error::Refusal, host::Host};

/// Whether a stronger wall is required.
pub(super) fn too_weak(row: &Row, job: &Resolved) -> Option<Refusal> {
    let strength = job.strength();
    (row.strength < strength).then(|| Refusal {
        backend: row.kind.name(),
        needs: format!("a strength of {strength} at least (--require)"),
        because: format!("its own is {}", row.strength),
        hint: "`palisade backends` lists how strong each is: ask for less, or leave --backend out".to_owned(),
    })
}

/// Everything that the job must have, and the wall does not hold. A wall that was asked for as none at all lacks nothing.
pub(super) fn lacks(row: &Row, job: &Resolved, host: &Host) -> Vec<Refusal> {
    if row.kind == Backend::None {
        return Vec::new();
    }
    let guarantees = (row.guarantees)(host);
    let lacked = Guarantee::ALL.into_iter().filter(|guarantee| is_needed(*guarantee, job));
    lacked
        .filter(|guarantee| !guarantees.of(*guarantee).is_held())
        .map(|guarantee| Refusal {
            backend: row.kind.name(),
            needs: need(guarantee, job),
            because: guarantees.of(guarantee).by().to_owned(),
            hint: hint(guarantee),
        })
        .collect()
}

fn is_needed(guarantee: Guarantee, job: &Resolved) -> bool {
    match guarantee {
        Guarantee::Network => *job.network() != NetworkPolicy::AllowAll,
        Guarantee::Kernel => false,
        _ => true,
    }
}

fn need(guarantee: Guarantee, job: &Resolved) -> String {
    match guarantee {
        Guarantee::Network => format!("the guarantee `network` ({})", job.network()),
        _ => format!("the guarantee `{guarantee}`"),
    }
}

fn hint(guarantee: Guarantee) -> String {
    match guarantee {
        Guarantee::Network => {
            "say --network=allow-all if the program may reach everything, or leave --backend out".to_owned()
        }
        _ => "leave --backend out: the first wall that holds everything is taken".to_owned(),
    }
}
