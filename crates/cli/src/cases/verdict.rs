//! From a report to a verdict.
//!
//! Not here: comparing output (`compare.rs`), the verdict on all cases together (`results.rs`).

use palisade::{
    StartError,
    spec::{LimitKind, Outcome, Report, Stage, Stream, ViolationKind},
};
use serde::{Serialize, Serializer};

use super::compare::{Compare, Difference, difference};

/// Bytes of what a program complained that are kept: the first ones of a compiler, the last ones of a program.
const COMPLAINT: usize = 4096;

/// What became of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// It exited with 0, and printed what was expected, where something was.
    Accepted,
    /// It exited with 0 and printed something else.
    WrongAnswer,
    /// It reached the limit of elapsed or processor time.
    TimeLimit,
    /// It reached the limit of memory.
    MemoryLimit,
    /// It printed more than it may.
    OutputLimit,
    /// It exited with something else than 0, was ended by a signal, or reached another limit.
    RuntimeError,
    /// It was killed for a forbidden act.
    Violation,
    /// It was not compiled.
    CompileError,
    /// palisade itself failed: nothing is known of the program.
    InternalError,
    /// It was stopped because the caller wanted it.
    Cancelled,
    /// It was not begun.
    NotRun,
}

impl Verdict {
    /// Every verdict.
    pub(crate) const ALL: [Self; 11] = [
        Self::Accepted,
        Self::WrongAnswer,
        Self::TimeLimit,
        Self::MemoryLimit,
        Self::OutputLimit,
        Self::RuntimeError,
        Self::Violation,
        Self::CompileError,
        Self::InternalError,
        Self::Cancelled,
        Self::NotRun,
    ];

    /// As the JSON form writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::WrongAnswer => "wrong-answer",
            Self::TimeLimit => "time-limit",
            Self::MemoryLimit => "memory-limit",
            Self::OutputLimit => "output-limit",
            Self::RuntimeError => "runtime-error",
            Self::Violation => "violation",
            Self::CompileError => "compile-error",
            Self::InternalError => "internal-error",
            Self::Cancelled => "cancelled",
            Self::NotRun => "not-run",
        }
    }
}

/// One case and what became of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Tested {
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
    /// The reason in words; `None` for what was accepted or not begun.
    pub(crate) because: Option<String>,
    /// For a wrong answer.
    pub(crate) difference: Option<Difference>,
    /// As `palisade run` would have exited; `None` if nothing was run.
    pub(crate) exit_code: Option<i32>,
    /// `None` if nothing was run.
    pub(crate) used: Option<Used>,
    /// What the program complained, or the compiler if it was not compiled.
    pub(crate) stderr: String,
    /// Whether that is not all of it.
    pub(crate) stderr_truncated: bool,
}

/// What a run used.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Used {
    #[serde(serialize_with = "rounded")]
    pub(crate) wall_time_ms: f64,
    #[serde(serialize_with = "rounded")]
    pub(crate) cpu_time_ms: f64,
    pub(crate) memory_bytes: u64,
    pub(crate) stdout_bytes: u64,
}

/// To microseconds.
pub(crate) fn rounded<S: Serializer>(ms: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((ms * 1000.0).round() / 1000.0)
}

impl Used {
    pub(crate) fn of(report: &Report) -> Self {
        Self {
            wall_time_ms: report.execution_time_ms,
            cpu_time_ms: report.cpu_time_ms,
            memory_bytes: report.memory_used_bytes,
            stdout_bytes: report.stdout.total,
        }
    }
}

impl Tested {
    /// A case that was not begun.
    pub(crate) fn not_run(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            verdict: Verdict::NotRun,
            because: None,
            difference: None,
            exit_code: None,
            used: None,
            stderr: String::new(),
            stderr_truncated: false,
        }
    }

    /// A case of which palisade could not learn anything.
    pub(crate) fn failed(name: &str, because: String) -> Self {
        Self { verdict: Verdict::InternalError, because: Some(because), ..Self::not_run(name) }
    }

    /// As [`Tested::failed`], for a program that could not be started.
    pub(crate) fn not_started(name: &str, error: &StartError) -> Self {
        let hint = error.hint().map(|hint| format!("; hint: {}", hint.replace('\n', "; "))).unwrap_or_default();
        Self::failed(name, format!("{error}{hint}"))
    }

    /// A case that ran, or whose program was not compiled. `expected`: what it had to print, and how that is compared.
    pub(crate) fn of(name: &str, report: &Report, expected: Option<(&[u8], Compare)>) -> Self {
        let (mut verdict, mut because) = judge(report);
        let mut differing = None;
        if let (Verdict::Accepted, Some((expected, how))) = (verdict, expected) {
            differing = difference(how, expected, &report.stdout.kept);
            if let Some(difference) = &differing {
                verdict = Verdict::WrongAnswer;
                because = Some(format!("line {} differs", difference.line));
            }
        }
        let (stderr, stderr_truncated) = complaint(report);
        Self {
            name: name.to_owned(),
            verdict,
            because,
            difference: differing,
            exit_code: Some(report.exit_code),
            used: (report.ended_in == Stage::Run).then(|| Used::of(report)),
            stderr,
            stderr_truncated,
        }
    }
}

/// The verdict before the answer is looked at, and why.
fn judge(report: &Report) -> (Verdict, Option<String>) {
    let because = because(report);
    if report.outcome == Outcome::Cancelled {
        return (Verdict::Cancelled, None);
    }
    if report.ended_in == Stage::Compile {
        return (Verdict::CompileError, Some(format!("the compiler {}", because.unwrap_or_default())));
    }
    let verdict = match &report.outcome {
        Outcome::LimitHit { limit } => match limit {
            LimitKind::WallTime | LimitKind::CpuTime => Verdict::TimeLimit,
            LimitKind::Memory => Verdict::MemoryLimit,
            LimitKind::Output => Verdict::OutputLimit,
            _ => Verdict::RuntimeError,
        },
        Outcome::Violation { .. } => Verdict::Violation,
        // It was faster than its supervisor, who would have stopped it.
        _ if report.stdout.cut || report.stderr.cut => {
            let because = format!("printed more than its output limit of {}", report.limits.output);
            return (Verdict::OutputLimit, Some(because));
        }
        Outcome::Exited { code: 0 } => return (Verdict::Accepted, None),
        _ => Verdict::RuntimeError,
    };
    (verdict, because)
}

fn because(report: &Report) -> Option<String> {
    Some(match &report.outcome {
        Outcome::Exited { code: 0 } | Outcome::Cancelled => return None,
        Outcome::Exited { code } => format!("exited with {code}"),
        Outcome::Signalled { signal } => format!("was ended by {signal}"),
        Outcome::LimitHit { limit } => {
            let evidence = report.violations.iter().find(|violation| violation.kind == ViolationKind::Limit);
            let of = |text: Option<&String>| text.map_or("?", String::as_str).to_owned();
            format!(
                "was stopped at its {limit} limit of {}: {}",
                of(evidence.and_then(|evidence| evidence.limit.as_ref())),
                of(evidence.and_then(|evidence| evidence.measured.as_ref())),
            )
        }
        Outcome::Violation { what } if what.contains(' ') => format!("was {what}"),
        Outcome::Violation { what } => format!("was killed: it called {what}, which the policy holds hostile"),
        other => format!("{other:?}"),
    })
}

/// What is kept of the error stream, and whether that is not all.
fn complaint(report: &Report) -> (String, bool) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let Stream { kept, cut, .. } = &report.stderr;
    if report.ended_in == Stage::Compile {
        // Some compilers complain on standard output.
        let all = [kept.as_slice(), &report.stdout.kept].concat();
        return (text(all.get(..COMPLAINT).unwrap_or(&all)), all.len() > COMPLAINT || *cut);
    }
    let last = kept.len().saturating_sub(COMPLAINT);
    (text(kept.get(last..).unwrap_or_default()), last > 0 || *cut)
}
