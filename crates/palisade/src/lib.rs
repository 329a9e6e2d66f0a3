//! Untrusted program in, typed report out, through the strongest wall this host can hold.
#![forbid(unsafe_code)]

mod backend;
mod changes;
mod collect;
mod copied;
mod credentials;
mod diagnose;
mod error;
mod hiding;
mod host;
mod into;
mod job;
pub mod language;
mod native;
mod outputs;
mod prepare;
pub mod probe;
mod resolve;
mod run;
mod supervise;
mod trees;

pub use diagnose::{Malformed, Mistake, nearest};
pub use error::{Refusal, StartError};
pub use host::Ids;
pub use job::{Access, Base, Given, Held, Job, Overlay, Shown};
pub use native::{Entry, Kind, Launch, Wall};
pub use palisade_spec as spec;
pub use prepare::{Preparation, Prepared, prepare};
pub use run::{Plan, plan, run, run_until};
