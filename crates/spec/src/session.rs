//! What becomes of one input of an interactive session.
//!
//! Times, limits and the end of the session are measured from outside. `value` and `error` are the program's own word: the
//! input shares a process with what tells them. Not here: what the session's sandbox may do (`request`, `policy`).

use serde::{Deserialize, Serialize};

use crate::{
    limits::Limits,
    report::{LimitKind, Report, Stream, rounded, stderr, stdout},
};

/// What an input did.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// How it ended.
    pub outcome: InputOutcome,
    /// What was printed since the input before.
    #[serde(flatten, serialize_with = "stdout")]
    pub stdout: Stream,
    /// What was complained since the input before.
    #[serde(flatten, serialize_with = "stderr")]
    pub stderr: Stream,
    /// Its value as the language writes it; `None` if it has none.
    pub value: Option<String>,
    /// What it raised, and did not catch.
    pub error: Option<Raised>,
    /// Whether bytes of either stream, or signs of the value or the error, were dropped.
    pub truncated: bool,
    /// Elapsed time, in milliseconds.
    #[serde(serialize_with = "rounded")]
    pub wall_time_ms: f64,
    /// Processor time of all processes of the session meanwhile, in milliseconds.
    #[serde(serialize_with = "rounded")]
    pub cpu_time_ms: f64,
    /// The story of the whole session, if it ended with this input.
    pub session: Option<Box<Report>>,
}

/// How an input ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum InputOutcome {
    /// By itself.
    Finished,
    /// By itself, with an error that it did not catch.
    Failed,
    /// It was interrupted at this limit. The session goes on, unless `session` tells of its end.
    LimitHit {
        /// Which one.
        limit: LimitKind,
    },
    /// It was interrupted because the caller wanted it.
    Interrupted,
    /// The session ended: `session` tells how.
    SessionEnded,
}

/// An error as the language tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Raised {
    /// Its class, such as `ZeroDivisionError`.
    pub name: String,
    /// What it says.
    pub message: String,
    /// All of it, as the language shows an error that nobody catches.
    pub trace: String,
}

/// What one input may use. Everything else is the limit of the whole session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputLimits {
    /// Elapsed time.
    pub wall_time: std::time::Duration,
    /// Processor time of all processes of the session, until the next input.
    pub cpu_time: std::time::Duration,
    /// Bytes that are kept or passed on of each stream; signs of a value and of an error.
    pub output: u64,
}

impl From<&Limits> for InputLimits {
    fn from(limits: &Limits) -> Self {
        Self { wall_time: limits.wall_time, cpu_time: limits.cpu_time, output: limits.output.0 }
    }
}
