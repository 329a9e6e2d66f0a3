//! palisade's own Linux sandbox (R1): from a stage to a script for the kernel.
//!
//! ```text
//! Stage + Host ─plan→ Launch (plain data, printed by `palisade plan`) ─script→ Script (for `palisade-sys`)
//! ```
//!
//! One file per part of the policy. Not here: running the script (`supervise`).

mod builder;
mod files;
mod inner;
mod launch;
mod layers;
mod limits;
mod owners;
mod script;
mod syscalls;

pub use files::{Entry, Kind};
pub(crate) use files::{ROOMY, filled};
pub use launch::{Launch, Wall};
pub(crate) use launch::{launch, plan};
pub(crate) use limits::{HARD, settings, without_cgroup};
pub(crate) use script::{Handle, Network, Pipes, handles, marks, of_every_run, of_this_run, script};

/// Name of the host inside.
pub(crate) const HOST_NAME: &str = "sandbox";
