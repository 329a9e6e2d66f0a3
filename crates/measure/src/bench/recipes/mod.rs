//! How each method is called: its own tool, the way that its manual would have it. Not here: which are there (`method`).

pub(super) mod containers;
pub(super) mod machines;
pub(super) mod namespaces;
pub(super) mod own;
pub(super) mod pool;

use std::os::fd::BorrowedFd;

use super::{
    ground::Ground,
    method::Found,
    process::{Failed, Line, Looked},
    root::{PROGRAM, SHELL},
};

/// What a method is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job<'a> {
    /// The program that does nothing.
    Nothing,
    /// A script for a shell.
    Script(&'a str),
}

impl Job<'_> {
    fn words(self) -> Vec<String> {
        match self {
            Self::Nothing => vec![PROGRAM.to_owned()],
            Self::Script(script) => vec![SHELL.to_owned(), "-c".to_owned(), script.to_owned()],
        }
    }
}

/// One way to call a method.
pub(super) enum Way {
    /// A process, by the command line of a job.
    Process(Process),
    /// Something of palisade's own, in this process.
    Here(Box<dyn Here>),
}

/// A method that starts the program from this process.
pub(super) trait Here {
    /// Milliseconds until the program that does nothing has ended.
    fn time(&self, cancel: Option<BorrowedFd<'_>>) -> Result<f64, Failed>;
    /// What a shell answers to a script, and what memory that takes beside this process.
    fn look(&self, script: &str, cancel: Option<BorrowedFd<'_>>) -> Result<Looked, Failed>;
}

/// A command line for each job, or why there is none.
type LineOf = dyn Fn(Job<'_>) -> Result<Line, String>;

pub(super) struct Process {
    /// What is particular about it, for people.
    pub(super) note: &'static str,
    /// The command line for each job.
    pub(super) line: Box<LineOf>,
    /// A process that works for it and is none of its descendants.
    pub(super) daemon: Option<u32>,
}

/// A command that ends with the job's own words.
fn before(words: Vec<String>) -> Way {
    noted("", words)
}

fn noted(note: &'static str, words: Vec<String>) -> Way {
    let line =
        move |job: Job<'_>| Ok(Line { words: words.iter().cloned().chain(job.words()).collect(), ..Line::default() });
    Way::Process(Process { note, line: Box::new(line), daemon: None })
}

/// A program and its words, which have no spaces.
fn words(program: &str, rest: &str) -> Vec<String> {
    [program].into_iter().chain(rest.split_whitespace()).map(str::to_owned).collect()
}

type Ways = Result<Vec<Way>, String>;

pub(super) fn plain(_: &Ground, _: &Found) -> Ways {
    Ok(vec![before(Vec::new())])
}
