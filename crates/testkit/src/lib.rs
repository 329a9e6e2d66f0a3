//! What palisade's tests share: hostile programs, people to run as, host requirements, the residue counter.
//!
//! The attacks themselves are in `palisade-attacker`; the binary `hostile` of this package runs them, `hostile --list` describes them.

mod engine;
mod mounts;
mod need;
pub mod outside;
mod person;
mod programs;
mod residue;
mod wait;

pub use engine::{Delegated, Engine, configuration};
pub use mounts::keep_own_mounts;
pub use need::need;
pub use person::{ORDINARY_ID, Person, Seat};
pub use programs::{hostile, palisade};
pub use residue::{Residue, wait_until_clean};
pub use wait::wait_for;
