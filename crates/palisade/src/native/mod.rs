//! palisade's own Linux sandbox (R1): from a stage to a script for the kernel.
//!
//! ```text
//! Stage + Host ─plan→ Launch (plain data, printed by `palisade plan`) ─script→ Script (for `palisade-sys`)
//! ```
//!
//! One file per part of the policy. Not here: running the script (`supervise`).

mod files;
mod launch;
mod limits;
mod overlays;
mod script;
mod syscalls;

pub use files::{Entry, Kind};
pub(crate) use launch::plan;
pub use launch::{Launch, Wall};
pub(crate) use limits::{settings, without_cgroup};
pub(crate) use script::{Pipes, marks, script};

/// Name of the host inside.
pub(crate) const HOST_NAME: &str = "sandbox";
