//! What the Linux kernel does for palisade.
//!
//! All `unsafe` that has to do with the kernel is here, each block with its reason. A [`Script`] says step by step what a new process
//! does before it executes a program; [`spawn()`] runs it. Not here: which steps a policy needs (`palisade::native`), or
//! waiting for the program (`palisade::supervise`).
#![cfg(target_os = "linux")]

mod arguments;
mod call;
pub mod cgroup;
mod child;
mod confine;
mod descriptors;
pub mod landlock;
mod life;
mod mapped;
mod network;
pub mod notify;
mod overlay;
mod peer;
mod raw;
mod record;
mod script;
pub mod seccomp;
pub mod signals;
mod spawn;
mod step;
mod terminal;
mod told;
mod trial;
mod users;

pub use arguments::output_was_closed;
pub use confine::confine;
pub use descriptors::keep_from_programs;
pub use life::Life;
pub use mapped::mapped_tree;
pub use network::empty_network;
pub use peer::{Peer, peer};
pub use record::{MARKS, Record};
pub use script::{
    Closed, Groups, Identity, LayerRole, Listener, Namespaces, OVERLAY_LAYERS, Op, Presence, Program, Rlimit, SLOTS,
    Script, Slot, Stage, Stdio,
};
pub use spawn::{Child, Guest, IdMap, spawn, start};
pub use told::Told;
pub use trial::Trial;
