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

pub(crate) use builder::{Builder, Target};
pub(crate) use files::{EMPTY, HIDDEN, ROOMY, UPPER, filled};
pub use files::{Entry, Kind};
pub use launch::{Launch, Wall};
pub(crate) use launch::{candidates, launch, plan};
pub(crate) use limits::{HARD, without_cgroup};
pub(crate) use script::{
    Handle, Network, Opened, Pipes, c_path, c_string, handles, marks, of_a_cell, of_every_run, of_this_run,
    root_options, script, set_id, variables,
};
pub(crate) use syscalls::{Denied, filter};

/// Name of the host inside.
pub(crate) const HOST_NAME: &str = "sandbox";
