//! Untrusted program in, typed report out, through the strongest wall this host can hold.
#![forbid(unsafe_code)]

mod backend;
mod collect;
mod conflicts;
mod error;
mod host;
mod job;
pub mod language;
mod layers;
mod native;
mod prepare;
pub mod probe;
mod resolve;
mod run;
mod running;
mod sandbox;
mod supervise;
mod task;

pub use conflicts::conflicts;
pub use error::{Refusal, StartError};
pub use host::Ids;
pub use job::{Access, Given, Job, Shown};
pub use native::{Entry, Kind, Launch, Wall};
pub use palisade_spec as spec;
pub use palisade_spec::{Policy, Report};
pub use prepare::{Preparation, Prepared, prepare};
pub use run::{Plan, plan, run, run_until};
pub use running::Running;
pub use sandbox::{Command, Sandbox};
pub use task::{SandboxBuilder, Task};
