//! Untrusted program in, typed report out, through the strongest wall this host can hold.
#![forbid(unsafe_code)]

pub mod advise;
mod backend;
mod bound;
mod ceiling;
mod collect;
mod diagnose;
pub mod environment;
mod error;
mod host;
mod job;
pub mod language;
mod native;
mod overhead;
mod policies;
mod prepare;
pub mod probe;
mod resolve;
mod run;
mod supervise;
mod trees;

pub use diagnose::{Malformed, Mistake, nearest};
pub use error::{Refusal, StartError};
pub use host::Ids;
pub use job::{Access, Given, Job, Shown};
pub use native::{Entry, Kind, Launch, Wall};
pub use overhead::{Measured, Overhead, measure};
pub use palisade_spec as spec;
pub use policies::{
    Listed, Mode, Origin, PolicyError, PolicyFile, is_file_name, policies, policy_directories, policy_of, to_toml,
    useless,
};
pub use prepare::{Preparation, Prepared, prepare};
pub use run::{Plan, plan, run, run_until};
