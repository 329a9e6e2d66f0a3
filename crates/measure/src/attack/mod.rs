//! The table of attacks (R52): what is tried, on which stage, and how it came out.
//!
//! Every attack has a victim that was made for it, so that nothing of the user's is harmed where it succeeds, and it is judged
//! by what has become of the victim: the attacker's own word only tells the two ways of failing apart.

mod converse;
mod execute;
mod ground;
mod host;
mod html;
mod judge;
mod request;
mod rows;
mod run;
mod scene;
mod table;
mod text;
mod victim;

use std::fmt;

use palisade_spec::Guarantee;
use serde::Serialize;

use self::{ground::Ground, scene::Scene};
pub use self::{
    ground::{DECOY_VARIABLE, decoy},
    html::html,
    run::{AttackError, Order, Progress, attack},
    table::{Cell, Column, Row, SCHEMA, Table, Verdict},
    text::text,
};

/// One attack.
#[derive(Clone, Copy)]
pub struct Attack {
    /// What it is asked for by.
    pub name: &'static str,
    /// Its place in the table.
    pub group: Group,
    /// What a wall would have to hold to stop it.
    pub guarantee: Guarantee,
    /// What the attacker does.
    pub about: &'static str,
    /// What is then looked for outside: if it is so, the attack has succeeded.
    pub effect: &'static str,
    arena: Arena,
    stage: fn(&Ground) -> Result<Scene, String>,
}

impl fmt::Debug for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attack").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Where an attack happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arena {
    /// In the caller's own namespaces.
    Host,
    /// In a network namespace that has nothing of the host's in it, because the stage needs an address that is taken there.
    OwnNetwork,
}

/// What an attack is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Files that are not the program's.
    HostFiles,
    /// Processes that are not the program's.
    HostProcesses,
    /// Others that can be reached, and their traffic.
    Network,
    /// The kernel: calls and settings that no ordinary program needs.
    KernelSurface,
    /// Rights, and what they open.
    Privileges,
    /// More of something than the program may have.
    Exhaustion,
    /// What a launcher forgets to close, and what a caller looks at afterwards.
    SideDoors,
}

impl Group {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 7] = [
        Self::HostFiles,
        Self::HostProcesses,
        Self::Network,
        Self::KernelSurface,
        Self::Privileges,
        Self::Exhaustion,
        Self::SideDoors,
    ];

    /// As it is written on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HostFiles => "host-files",
            Self::HostProcesses => "host-processes",
            Self::Network => "network",
            Self::KernelSurface => "kernel-surface",
            Self::Privileges => "privileges",
            Self::Exhaustion => "exhaustion",
            Self::SideDoors => "side-doors",
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Every attack, in the order of the table.
pub fn attacks() -> impl Iterator<Item = &'static Attack> {
    rows::ALL.iter().flat_map(|group| group.iter())
}
