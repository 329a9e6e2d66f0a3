//! All attacks, one after the other: outside first, then by every wall.

use std::{io, os::fd::BorrowedFd, path::Path};

use palisade::{Offer, StartError, offers};
use palisade_spec::{Backend, Guarantee, Held, NetworkPolicy};

use super::{
    Arena, Attack,
    execute::{Place, Untold, execute},
    ground::{Ground, random},
    host::sweep,
    judge::{judge, judge_outside},
    table::{Cell, Column, Counts, Row, SCHEMA, Table, Verdict},
};

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// The program `palisade-attacker`.
    pub attacker: &'a Path,
    /// Which attacks, in the order of the table.
    pub attacks: Vec<&'static Attack>,
    /// Which walls.
    pub backends: Vec<Backend>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The attack that comes next.
    pub attack: &'static str,
    /// Where; `None` for outside.
    pub backend: Option<Backend>,
}

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttackError {
    /// This host could not be looked at.
    #[error(transparent)]
    Host(#[from] StartError),
    /// The ground for the stages could not be made.
    #[error("cannot make a place for the stages of attacks: {0}")]
    Ground(io::Error),
    /// The caller wanted to stop. Everything that was begun has been ended and removed.
    #[error("stopped: nothing is left of what was begun")]
    Cancelled,
}

/// Carries all of it out. `tell` is called before each trial. As soon as `cancel` becomes readable it stops.
///
/// Victims, files and processes that it makes are gone when it returns.
///
/// # Errors
/// If there is no place for the stages, or if it was cancelled.
pub fn attack(
    order: &Order<'_>,
    cancel: Option<BorrowedFd<'_>>,
    tell: &mut dyn FnMut(Progress),
) -> Result<Table, AttackError> {
    let offers = offers()?;
    let ground = Ground::new(order.attacker).map_err(AttackError::Ground)?;
    let mut rows = Vec::new();
    for attack in &order.attacks {
        tell(Progress { attack: attack.name, backend: None });
        let outside = trial(&ground, attack, &Place::Outside, cancel)?;
        let mut cells = Vec::new();
        for backend in &order.backends {
            tell(Progress { attack: attack.name, backend: Some(*backend) });
            cells.push(match outside.result {
                Verdict::Vulnerable => inside(&ground, attack, *backend, cancel)?,
                _ => outside.clone(),
            });
        }
        rows.push(Row { attack, outside, cells });
    }
    let column = |backend: &Backend| {
        let (promises, counts) = (promises(*backend, &offers), Counts::default());
        Column { backend: *backend, promises, counts, broken: Vec::new() }
    };
    let mut table = Table {
        schema: SCHEMA,
        uid: rustix::process::geteuid().as_raw(),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        backends: order.backends.iter().map(column).collect(),
        rows,
    };
    table.count();
    Ok(table)
}

/// One attack by one wall. One that cannot keep programs from the network refuses the default policy, and with it everything;
/// what else it stops is found out with the network allowed.
fn inside(
    ground: &Ground,
    attack: &Attack,
    backend: Backend,
    cancel: Option<BorrowedFd<'_>>,
) -> Result<Cell, AttackError> {
    let refused = trial(ground, attack, &Place::Inside(backend, NetworkPolicy::None), cancel)?;
    if refused.result != Verdict::Refused || attack.guarantee == Guarantee::Network {
        return Ok(refused);
    }
    let wider = trial(ground, attack, &Place::Inside(backend, NetworkPolicy::AllowAll), cancel)?;
    Ok(match wider.result {
        Verdict::Refused => refused,
        result => Cell::new(result, format!("with --network=allow-all, without which it refuses: {}", wider.evidence)),
    })
}

/// One attack at one place, on a stage of its own.
fn trial(ground: &Ground, attack: &Attack, place: &Place, cancel: Option<BorrowedFd<'_>>) -> Result<Cell, AttackError> {
    match attack.arena {
        Arena::Host => on_stage(ground, attack, place, cancel),
        // On a thread of its own, which loses its network for good.
        Arena::OwnNetwork => std::thread::scope(|scope| {
            let trial = scope.spawn(|| match palisade_sys::empty_network() {
                Ok(()) => on_stage(ground, attack, place, cancel),
                Err(error) => Ok(Cell::new(
                    Verdict::Inconclusive,
                    format!("its stage is a network namespace, which cannot be had: {error}"),
                )),
            });
            let panicked = || Ok(Cell::new(Verdict::Inconclusive, "the trial's thread panicked"));
            trial.join().unwrap_or_else(|_| panicked())
        }),
    }
}

fn on_stage(
    ground: &Ground,
    attack: &Attack,
    place: &Place,
    cancel: Option<BorrowedFd<'_>>,
) -> Result<Cell, AttackError> {
    let mut scene = match (attack.stage)(ground) {
        Ok(scene) => scene,
        Err(why) => return Ok(Cell::new(Verdict::Inconclusive, format!("its stage cannot be set up here: {why}"))),
    };
    let token = format!("palisade-attack-{}", random());
    let told = execute(&mut scene, ground, &token, place, cancel);
    let cell = told.map(|(told, seen)| {
        let effect = seen.or_else(|| scene.after.as_mut().and_then(|look| look(&told)));
        if *place == Place::Outside { judge_outside(&told, effect) } else { judge(&told, effect) }
    });
    sweep(&token);
    match cell {
        Ok(cell) => Ok(cell),
        Err(Untold::Refused(why)) => Ok(Cell::new(Verdict::Refused, why)),
        Err(Untold::Failed(why)) => Ok(Cell::new(Verdict::Inconclusive, why)),
        Err(Untold::Cancelled) => Err(AttackError::Cancelled),
    }
}

/// What a wall says that it holds here, in full.
fn promises(backend: Backend, offers: &[Offer]) -> Vec<Guarantee> {
    let Some(offer) = offers.iter().find(|offer| offer.backend == backend) else { return Vec::new() };
    let promised = |guarantee: &Guarantee| matches!(offer.guarantees.of(*guarantee), Held::Itself(_) | Held::Around(_));
    Guarantee::ALL.into_iter().filter(promised).collect()
}
