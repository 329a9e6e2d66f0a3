//! What happened: the program's story, told by measurements.
//!
//! The same type is printed by `--json` and returned by the library. Field names are stable under [`SCHEMA`]. Not here:
//! failures of palisade itself, which are errors and never reports.

use std::{collections::BTreeMap, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Serialize, Serializer};

use crate::{
    backend::{Backend, Refusal},
    files::{Changes, Left, Taken},
    layers::LayerConflict,
    limits::Limits,
    signal::Signal,
};

/// Name and version of the report's form.
pub const SCHEMA: &str = "palisade.report/1";

/// Everything known about one run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The program exited with 0 by itself.
    pub success: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// The exit status of R27 for this outcome.
    pub exit_code: i32,
    /// Which part of the run it tells of: a program that does not compile never runs.
    pub ended_in: Stage,
    /// What it printed.
    #[serde(flatten, serialize_with = "stdout")]
    pub stdout: Stream,
    /// What it complained.
    #[serde(flatten, serialize_with = "stderr")]
    pub stderr: Stream,
    /// Elapsed time of the program, set-up excluded, in milliseconds.
    #[serde(serialize_with = "rounded")]
    pub execution_time_ms: f64,
    /// Processor time of all its processes, in milliseconds.
    #[serde(serialize_with = "rounded")]
    pub cpu_time_ms: f64,
    /// Peak memory of all its processes together, in bytes.
    pub memory_used_bytes: u64,
    /// Most processes at one time.
    pub processes_peak: u32,
    /// Most threads at one time, where the host counts them.
    pub threads_peak: Option<u32>,
    /// Which wall held it.
    pub backend: Backend,
    /// What it did against its policy, with evidence.
    pub violations: Vec<Violation>,
    /// Violations beyond those listed.
    pub violations_omitted: u64,
    /// Every line of defence and what became of it.
    pub layers: Vec<Layer>,
    /// What this host could only give in a weaker form.
    pub weakened: Vec<Weakening>,
    /// What was asked for and lowered.
    pub clamped: Vec<Clamp>,
    /// Walls that come before this one and could not be had, if palisade chose the wall.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<Refusal>,
    /// What the layers of the request disagree about, the first 100; compared only if that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layer_conflicts: Vec<LayerConflict>,
    /// Conflicts beyond those listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub layer_conflicts_omitted: u64,
    /// The limits that held.
    pub limits: Limits,
    /// Where the launch spent its time.
    pub phases_ms: Phases,
    /// What it changed in its view of a directory, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
    /// Files that were copied out, if any were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Vec<Taken>>,
    /// What matched and was not copied out. `exit_code` is 125 if one of them failed and the program did not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs_left: Vec<Left>,
    /// The compiler's run, for compiled languages.
    pub compile: Option<Box<Report>>,
}

/// Milliseconds by phase name, in the order in which they happened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Phases(pub Vec<(&'static str, f64)>);

impl Serialize for Phases {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, ms)| (*name, round(*ms))))
    }
}

pub(crate) fn rounded<S: Serializer>(ms: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(round(*ms))
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn round(ms: f64) -> f64 {
    (ms * 1000.0).round() / 1000.0
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Outcome {
    /// By itself.
    Exited {
        /// Its exit code, 0–255.
        code: i32,
    },
    /// By a signal that palisade did not send.
    Signalled {
        /// Which one.
        signal: Signal,
    },
    /// Stopped at a limit.
    LimitHit {
        /// Which one.
        limit: LimitKind,
    },
    /// Killed for a forbidden act.
    Violation {
        /// The act, for example the system call's name.
        what: String,
    },
    /// Stopped because the caller wanted it.
    Cancelled,
}

impl Outcome {
    /// The exit status of R27: the program's own; 124 time; 137 memory or SIGKILL; 128+n other signals.
    ///
    /// The limits that R27 does not name end by our SIGKILL, so they are 137 too; a violation is 128+SIGSYS, as if the
    /// kernel's filter had killed; cancellation is 128+SIGINT.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Exited { code } => *code,
            Self::Signalled { signal } => 128 + signal.0,
            Self::LimitHit { limit: LimitKind::WallTime | LimitKind::CpuTime } => 124,
            Self::LimitHit { .. } => 137,
            Self::Violation { .. } => 128 + Signal::SYS.0,
            Self::Cancelled => 130,
        }
    }
}

/// Which part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The compiler.
    Compile,
    /// The program itself.
    Run,
}

/// A limit that can end a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LimitKind {
    /// Elapsed time.
    WallTime,
    /// Processor time.
    CpuTime,
    /// Memory of the tree.
    Memory,
    /// Number of processes.
    Processes,
    /// Number of threads.
    Threads,
    /// Bytes printed.
    Output,
    /// Disk space: the size of one file (`RLIMIT_FSIZE`). A full `/tmp` ends nobody; writing there fails.
    Disk,
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WallTime => "wall-time",
            Self::CpuTime => "cpu-time",
            Self::Memory => "memory",
            Self::Processes => "processes",
            Self::Threads => "threads",
            Self::Output => "output",
            Self::Disk => "disk",
        })
    }
}

/// One act against the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which part of the policy.
    pub kind: ViolationKind,
    /// What was tried or exceeded.
    pub what: String,
    /// The limit, with its unit, if it was one.
    pub limit: Option<String>,
    /// What was measured, with its unit.
    pub measured: Option<String>,
    /// Where that is known from.
    pub evidence: String,
}

/// Which part of a policy an act offended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ViolationKind {
    /// A limit.
    Limit,
    /// A system call that the filter holds hostile.
    SystemCall,
}

/// One line of defence (R49) and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// Which one.
    pub layer: LayerName,
    /// What became of it.
    pub status: LayerStatus,
    /// By what means.
    pub by: String,
}

/// The lines of defence of R49, and two that it takes for granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerName {
    /// Looking at the code before it runs.
    CodeValidation,
    /// Memory, processes, threads, descriptors, file sizes.
    ResourceLimits,
    /// Which sockets and hosts can be reached.
    NetworkIsolation,
    /// Which files can be seen and written.
    FilesystemIsolation,
    /// Which other processes can be seen, signalled or shared with.
    ProcessIsolation,
    /// Privileges, and the ability to gain any.
    CapabilityRestriction,
    /// Which system calls can be made.
    SystemCallFilter,
    /// Elapsed and processor time.
    TimeLimits,
    /// Checks of what the caller gave: paths, sources, limits.
    InputValidation,
    /// Bounds on what the program prints.
    OutputFiltering,
}

/// What became of a line of defence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerStatus {
    /// Holds in full.
    Enforced,
    /// Holds in a weaker form; `weakened` says how.
    Weakened,
    /// Not asked for.
    Off,
    /// This host or this version does not have it.
    Unavailable,
}

/// A protection that could only be had in a weaker form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Weakening {
    /// Which protection.
    pub what: String,
    /// Why not in full.
    pub because: String,
    /// What stands in for it.
    pub instead: String,
    /// How the operator can have it in full.
    pub hint: String,
}

impl Weakening {
    /// The name of what is not a protection of the run, but of the host: that nothing of it is left.
    pub const REMOVAL: &str = "removal";

    /// The names of several, with each reason once.
    #[must_use]
    pub fn by_reason<'a>(all: impl IntoIterator<Item = &'a Self>) -> String {
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for weak in all {
            match reasons.iter_mut().find(|(because, _)| *because == weak.because) {
                Some((_, names)) => names.push(&weak.what),
                None => reasons.push((&weak.because, vec![&weak.what])),
            }
        }
        let said: Vec<String> =
            reasons.iter().map(|(because, names)| format!("{} ({because})", names.join(", "))).collect();
        said.join(", ")
    }
}

/// A value that was asked for and lowered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Clamp {
    /// Which one.
    pub what: String,
    /// As asked.
    pub asked: String,
    /// As given.
    pub given: String,
    /// Why.
    pub because: String,
}

/// What went through one output stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// The bytes kept: the first ones, up to the output limit.
    pub kept: Vec<u8>,
    /// Bytes written in all.
    pub total: u64,
    /// Whether bytes were dropped.
    pub cut: bool,
}

pub(crate) fn stdout<S: Serializer>(stream: &Stream, serializer: S) -> Result<S::Ok, S::Error> {
    stream.serialize_as("stdout", serializer)
}

pub(crate) fn stderr<S: Serializer>(stream: &Stream, serializer: S) -> Result<S::Ok, S::Error> {
    stream.serialize_as("stderr", serializer)
}

impl Stream {
    /// Text where it is text. Otherwise the text form has U+FFFD in it and `NAME_base64` holds the exact bytes.
    fn serialize_as<S: Serializer>(&self, name: &str, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = BTreeMap::<String, Value<'_>>::new();
        let text = String::from_utf8_lossy(&self.kept);
        if matches!(text, std::borrow::Cow::Owned(_)) {
            fields.insert(format!("{name}_base64"), Value::Text(STANDARD.encode(&self.kept).into()));
        }
        fields.insert(name.to_owned(), Value::Text(text));
        fields.insert(format!("{name}_truncated"), Value::Flag(self.cut));
        fields.insert(format!("{name}_bytes"), Value::Number(self.total));
        serializer.collect_map(fields)
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Value<'a> {
    Text(std::borrow::Cow<'a, str>),
    Flag(bool),
    Number(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_statuses_follow_the_table_of_r27() {
        assert_eq!(Outcome::Exited { code: 7 }.exit_code(), 7);
        assert_eq!(Outcome::Signalled { signal: Signal(11) }.exit_code(), 139);
        assert_eq!(Outcome::LimitHit { limit: LimitKind::WallTime }.exit_code(), 124);
        assert_eq!(Outcome::LimitHit { limit: LimitKind::CpuTime }.exit_code(), 124);
        assert_eq!(Outcome::LimitHit { limit: LimitKind::Memory }.exit_code(), 137);
    }

    #[test]
    fn binary_output_is_kept_exactly_beside_its_text_form() {
        let stream = Stream { kept: vec![0xff, b'a'], total: 2, cut: false };
        let mut json = Vec::new();
        stdout(&stream, &mut serde_json::Serializer::new(&mut json)).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(value["stdout_base64"], "/2E=");
        assert_eq!(value["stdout"], "\u{fffd}a");
        assert_eq!(value["stdout_truncated"], false);
    }
}
