//! The attacks, group by group: each a line of data and a function that sets its stage up.

mod doors;
mod exhaustion;
mod files;
mod kernel;
mod network;
mod output;
mod privileges;
mod processes;

use palisade_spec::Guarantee;

use super::{Arena, Attack, Group, ground::Ground, scene::Scene};

/// Every attack, in the order of the table.
pub(super) const ALL: [&[Attack]; 8] = [
    files::ROWS,
    processes::ROWS,
    network::ROWS,
    kernel::ROWS,
    privileges::ROWS,
    exhaustion::ROWS,
    doors::ROWS,
    output::ROWS,
];

/// A stage for one execution, or why there is none here.
type Staged = Result<Scene, String>;

/// One line of the table: name, what it is on, what the attacker does, what is looked for outside.
const fn row(
    group: Group,
    guarantee: Guarantee,
    name: &'static str,
    about: &'static str,
    effect: &'static str,
    stage: fn(&Ground) -> Staged,
) -> Attack {
    Attack { name, group, guarantee, about, effect, arena: Arena::Host, stage }
}

fn text(path: &std::path::Path) -> String {
    path.display().to_string()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
