//! What to run, with what, under which policy.

use std::{fs::File, path::PathBuf, sync::Arc};

use serde::Serialize;

use crate::{
    backend::Backend,
    environment::Environment,
    files::Files,
    layers::Layers,
    policy::{NamedPolicy, Policy},
};

/// One run that somebody wants.
#[derive(Clone, Debug)]
pub struct Request {
    /// What to run.
    pub program: Program,
    /// Arguments after the program's own name or source file.
    pub arguments: Vec<String>,
    /// Variables beside the small fixed environment; nothing of the caller's environment is inherited.
    pub environment: Vec<(String, String)>,
    /// Packages, search path and variables that it gets as well (R30).
    pub activated: Option<Environment>,
    /// What the program reads.
    pub stdin: Input,
    /// Where its output goes.
    pub output: Output,
    /// Where it works, and which files go in and come out.
    pub files: Files,
    /// A host directory that the program sees as `/work`, and may **write on the host**.
    pub work: Option<PathBuf>,
    /// Host directories laid over each other, put over everything else, outer ones first.
    pub layers: Vec<Layers>,
    /// A terminal instead of three pipes; `None` for pipes.
    pub terminal: Option<Terminal>,
    /// What it may do.
    pub policy: Policy,
    /// Bounds of it that were asked for by name: the request is met with each.
    pub policies: Vec<NamedPolicy>,
    /// Which wall to use.
    pub backend: Backend,
}

impl Request {
    /// A run of `program` with nothing allowed, no input, output kept for the report.
    #[must_use]
    pub fn new(program: Program) -> Self {
        Self {
            program,
            arguments: Vec::new(),
            environment: Vec::new(),
            activated: None,
            stdin: Input::Empty,
            output: Output::Keep,
            files: Files::default(),
            work: None,
            layers: Vec::new(),
            terminal: None,
            policy: Policy::default(),
            policies: Vec::new(),
            backend: Backend::Auto,
        }
    }
}

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// A command of the sandbox's own file tree, found on its PATH unless it contains a slash.
    Command(String),
    /// A source file on the host. It is given read-only under `/work`.
    Source {
        /// Path on the host.
        file: PathBuf,
        /// Language name; `None` goes by the extension.
        language: Option<String>,
        /// Whether the directory around it is visible too.
        siblings: Siblings,
    },
    /// An interpreter that is there before its program: for cells of a pool that is given source texts.
    Interpreter {
        /// Language name.
        language: String,
    },
    /// An interactive session: reads inputs, evaluates them one after the other, keeps their state.
    Session {
        /// Language name.
        language: String,
    },
}

/// Whether the files beside a source file are visible to the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Siblings {
    /// Only the file itself.
    #[default]
    Hidden,
    /// The whole directory, read-only, under `/work`.
    Visible,
}

/// What the program reads on its standard input.
#[derive(Clone, Debug)]
pub enum Input {
    /// Nothing: end of file at once.
    Empty,
    /// These bytes.
    Bytes(Vec<u8>),
    /// The caller's own standard input, passed on as the program reads it.
    Inherit,
    /// A file, pipe or socket, passed on as the program reads it.
    File(Arc<File>),
}

/// Where the program's output goes.
#[derive(Clone, Debug)]
pub enum Output {
    /// Kept for the report, up to the output limit.
    Keep,
    /// Passed on live to the caller's own streams, unchanged; counted, not kept.
    Pass,
    /// Passed on live, unchanged; counted, not kept. A file grows to the output limit at most. A reader of a pipe who is
    /// slow makes the program wait, as any pipe does; one who is gone makes it get SIGPIPE.
    To {
        /// For standard output.
        stdout: Arc<File>,
        /// For standard error.
        stderr: Arc<File>,
    },
    /// As [`Output::Pass`], on the streams of another process, which has handed them over.
    PassTo {
        /// Its standard output.
        stdout: Arc<File>,
        /// Its standard error.
        stderr: Arc<File>,
    },
}

/// A pseudo-terminal of the sandbox's own as the program's three streams; never a terminal of the caller.
///
/// What the program prints on either stream counts as standard output. The end of the input is typed as Ctrl-D. If the
/// input is inherited and is a terminal, that one is put into raw mode while the program runs, and a change of its size is
/// passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Terminal {
    /// Lines at the start.
    pub rows: u16,
    /// Signs in a line at the start.
    pub columns: u16,
}

impl Default for Terminal {
    /// 24 lines of 80, as a VT100.
    fn default() -> Self {
        Self { rows: 24, columns: 80 }
    }
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Self::Bytes(text.into())
    }
}

impl From<String> for Input {
    fn from(text: String) -> Self {
        Self::Bytes(text.into())
    }
}

impl From<Vec<u8>> for Input {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<File> for Input {
    fn from(file: File) -> Self {
        Self::File(Arc::new(file))
    }
}
