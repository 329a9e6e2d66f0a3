//! One program to be executed, with everything decided: what a backend plans for.
//!
//! A request for a compiled language becomes two jobs. Not here: how a request becomes jobs (`resolve.rs`), how a backend
//! holds one (`native`).

use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use palisade_spec::{Capabilities, HostileCalls, Keep, Layers, Limits, NetworkPolicy, Outputs, Terminal};
use palisade_sys::Identity;
use serde::Serialize;

use crate::{
    language::{BUILD, WORK},
    native::Kind,
    target::Target,
};

/// A program and the world it gets.
#[derive(Clone, Debug, Serialize)]
pub struct Job {
    /// Which one.
    pub stage: palisade_spec::Stage,
    /// The program and its arguments. Without a slash, the program is looked for on PATH.
    pub command: Vec<String>,
    /// All of its environment.
    pub environment: Vec<(String, String)>,
    /// The variables of it that the caller has set.
    #[serde(skip)]
    pub(crate) stated: Vec<String>,
    /// Where it starts.
    pub directory: PathBuf,
    /// What of the host it sees without being asked for by name.
    pub base: Base,
    /// Host trees at their own or another place, in order.
    pub shown: Vec<Shown>,
    /// Host directories laid over each other, outer places first. All paths are canonical.
    pub layers: Vec<Layers>,
    /// Host paths that no tree above may show: canonical.
    pub hidden: Vec<PathBuf>,
    /// Host paths that are only read, whichever writable tree above shows them: canonical.
    pub kept: Vec<PathBuf>,
    /// Files put in as copies.
    pub given: Vec<Given>,
    /// What becomes of the changes to its overlay, if it has one.
    pub overlay: Option<Overlay>,
    /// Files that are taken from it when it has ended.
    pub outputs: Option<Collecting>,
    /// What it leaves in a writable `/build` for the next job; `None` if there is no `/build`.
    pub artefact: Option<PathBuf>,
    /// The interpreter that waits for its source, if that is what it is.
    pub zygote: Option<Zygote>,
    /// A file that gets its content when the sandbox stands, in one that is kept ready for others.
    #[serde(skip)]
    pub(crate) blank: Option<PathBuf>,
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

impl Job {
    /// The file that gets its content when the sandbox stands, if there is one.
    pub(crate) fn blank(&self) -> Option<&Path> {
        self.zygote.as_ref().map(|zygote| zygote.source.as_path()).or(self.blank.as_deref())
    }

    /// Where it has writable space of its own in memory.
    #[must_use]
    pub fn scratch(&self) -> Vec<&'static str> {
        let mut scratch = vec!["/tmp", "/dev/shm"];
        if self.artefact.is_some() {
            scratch.push(BUILD);
        }
        let is_work = |shown: &Shown| shown.at == Path::new(WORK);
        // Somebody wants files from it, and it starts in a place that is nobody else's.
        if self.outputs.is_some() && self.directory == Path::new(WORK) && !self.shown.iter().any(is_work) {
            scratch.push(WORK);
        }
        scratch
    }
}

/// An interpreter that is started, and waits until it is known what to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Zygote {
    /// Where the source will be: an empty file until then.
    pub source: PathBuf,
    /// Where the interpreter finds the program by which it waits.
    pub bootstrap: PathBuf,
    /// That program.
    #[serde(skip)]
    pub text: String,
    /// Variables that are lists of paths, by which it is found: they go before what a program is given.
    #[serde(skip)]
    pub(crate) paths: Vec<(String, String)>,
}

/// What of the host a program sees without its being asked for by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    /// `/usr` and its friends, and the few files of `/etc` that loading a program needs.
    #[default]
    Toolchain,
    /// Everything but the sandbox's own places, read-only.
    Host,
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
    /// What is there, held since it was checked; `None` for parts of the toolchain.
    #[serde(skip)]
    pub held: Option<Arc<Held>>,
}

/// A host file or directory that was checked. As long as this is there, nothing else has its identity.
#[derive(Debug)]
pub struct Held {
    pub(crate) file: OwnedFd,
    pub(crate) identity: Identity,
    pub(crate) is_directory: bool,
    pub(crate) owner: (u32, u32),
    pub(crate) mode: u32,
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity
    }
}

impl Eq for Held {}

/// What a program may do in a host tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Read and execute.
    Read,
    /// Change, on the host.
    Write,
    /// Change as it sees it; the host's stays as it is.
    Overlay,
}

/// A copy-on-write view of a host directory.
#[derive(Clone, Debug, Serialize)]
pub struct Overlay {
    /// Canonical.
    pub directory: PathBuf,
    /// What becomes of the changes.
    pub changes: Keep,
    /// Where they are kept, if they are.
    #[serde(skip)]
    pub(crate) target: Option<Arc<Target>>,
}

/// Files that are taken when a program has ended.
#[derive(Clone, Debug, Serialize)]
pub struct Collecting {
    /// Which, and where to: canonical.
    #[serde(flatten)]
    pub asked: Outputs,
    /// Their directory, held since it was checked.
    #[serde(skip)]
    pub(crate) target: Arc<Target>,
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
    /// Whether it is a file or a directory.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match &self.held {
            Some(held) if held.is_directory => Kind::Directory,
            Some(_) => Kind::File,
            None => Kind::of(&self.from),
        }
    }

    /// A host path at its own place, read-only.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        Self { from: path.to_owned(), at: path.to_owned(), access: Access::Read, held: None }
    }
}
