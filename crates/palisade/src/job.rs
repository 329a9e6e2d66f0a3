//! One program to be executed, with everything decided: what a backend plans for.
//!
//! A request for a compiled language becomes two jobs. Not here: how a request becomes jobs (`resolve.rs`), how a backend
//! holds one (`native`).

use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use palisade_spec::{Capabilities, HostileCalls, Layers, Limits, NetworkPolicy, Terminal};
use serde::Serialize;

/// A program and the world it gets.
#[derive(Clone, Debug, Serialize)]
pub struct Job {
    /// Which one.
    pub stage: palisade_spec::Stage,
    /// The program and its arguments. Without a slash, the program is looked for on PATH.
    pub command: Vec<String>,
    /// All of its environment.
    pub environment: Vec<(String, String)>,
    /// Where it starts.
    pub directory: PathBuf,
    /// Host trees at their own or another place, in order.
    pub shown: Vec<Shown>,
    /// Host directories laid over each other, outer places first. All paths are canonical.
    pub layers: Vec<Layers>,
    /// Host paths that no tree above may show: canonical.
    pub hidden: Vec<PathBuf>,
    /// Files put in as copies.
    pub given: Vec<Given>,
    /// What it leaves in a writable `/build` for the next job; `None` if there is no `/build`.
    pub artefact: Option<PathBuf>,
    /// The terminal that it gets instead of pipes.
    pub terminal: Option<Terminal>,
    /// What it may reach.
    pub network: NetworkPolicy,
    /// Which privileges it may hold.
    pub capabilities: Capabilities,
    /// What happens at a hostile call.
    pub hostile_calls: HostileCalls,
    /// How much it may use.
    pub limits: Limits,
}

/// A host tree that the program sees, submounts included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Where it is on the host: canonical.
    pub from: PathBuf,
    /// Where the program sees it.
    pub at: PathBuf,
    /// What the program may do there.
    pub access: Access,
}

/// What a program may do in a host tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Read and execute.
    Read,
    /// Change, on the host.
    Write,
}

/// A file's content, put into the sandbox as a copy.
#[derive(Clone, Debug, Serialize)]
pub struct Given {
    /// Where the program sees it.
    pub at: PathBuf,
    /// Its content.
    #[serde(skip)]
    pub content: Arc<OwnedFd>,
    /// Its size in bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
}

impl Shown {
    /// A host path at its own place, read-only.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        Self { from: path.to_owned(), at: path.to_owned(), access: Access::Read }
    }
}
