//! Untrusted program in, typed report out, through the first wall of this host that holds the whole policy.
#![forbid(unsafe_code)]

pub mod advise;
mod anatomy;
mod backend;
mod bound;
mod ceiling;
mod changes;
mod collect;
pub mod config;
mod conflicts;
mod copied;
mod credentials;
mod diagnose;
pub mod engine;
pub mod environment;
mod error;
mod foreign;
mod hiding;
mod host;
pub mod images;
mod into;
mod job;
mod lane;
pub mod language;
mod layers;
mod mounts;
mod native;
mod outputs;
mod overhead;
mod policies;
mod pool;
mod prepare;
pub mod probe;
mod resolve;
mod run;
mod running;
mod sandbox;
mod session;
mod supervise;
mod target;
mod task;
mod trees;
mod zygote;

pub use anatomy::{Part, Piece, anatomy};
pub use backend::{Offer, offers};
pub use ceiling::check_ceilings;
pub use conflicts::conflicts;
pub use diagnose::{Malformed, Mistake, nearest};
pub use error::{About, Refusal, StartError};
pub use foreign::{Foreign, Room, Starter};
pub use host::Ids;
pub use job::{Access, Base, Collecting, Given, Held, Job, Overlay, Shown, Zygote};
pub use lane::Lane;
pub use native::{Entry, Kind, Launch, Wall};
pub use overhead::{Measured, Overhead, measure};
pub use palisade_spec as spec;
pub use palisade_spec::{Policy, Report};
pub use policies::{
    Listed, Mode, Origin, PolicyError, PolicyFile, is_file_name, policies, policy_directories, policy_of, to_toml,
    useless,
};
pub use pool::{Errand, Interpreters, Likeness, Pool, Taken};
pub use prepare::{Preparation, Prepared, prepare};
pub use run::{Plan, plan, run, run_until};
pub use running::Running;
pub use sandbox::{Command, Sandbox};
pub use session::{Interrupter, Printed, Session, Sink};
pub use task::{SandboxBuilder, Task};

/// The page of the manual, whose examples are run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/library.md")]
struct Manual;
