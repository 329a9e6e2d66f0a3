//! Limits for a program, from what can be seen of its code (R42). Rules only: nothing is run or measured.
//!
//! In: a source file and its language's own limits. Out: limits, each with its reason. Not here: what a wall costs on this
//! host (`overhead.rs`), what the limits cost in money (`palisade_spec::CostRates`).

use std::{path::Path, time::Duration};

use palisade_spec::{Bytes, Limits, LimitsAsk};
use serde::Serialize;

use crate::{
    error::StartError,
    language::Language,
    resolve::{limits_of, open_source, own_languages},
};

/// Above this many bytes, code is large: half as much again of memory and processor time.
pub const LARGE: u64 = 10_000;
/// Above this cyclomatic complexity, code is complex: twice the processor time.
pub const COMPLEX: u32 = 20;
/// Most memory that is recommended.
pub const MOST_MEMORY: Bytes = Bytes::mib(2048);
/// Most processor time that is recommended.
pub const MOST_CPU_TIME: Duration = Duration::from_secs(120);

/// What is known of a program's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Code {
    /// Bytes of its source file.
    pub size: u64,
    /// Cyclomatic complexity; `None` if nobody has counted it.
    pub complexity: Option<u32>,
}

/// Limits that fit a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// Its language.
    pub language: String,
    /// What was looked at.
    pub code: Code,
    /// All of them. Those that no rule touches are the language's own.
    pub limits: Limits,
    /// The language's own.
    pub default: Limits,
    /// Why they are as they are, one sentence for each rule.
    pub because: Vec<String>,
}

/// Recommends limits for a source file. Its cyclomatic complexity is counted by whoever has a parser for its language.
///
/// # Errors
/// If the file cannot be read, or its language is unknown.
pub fn advise(file: &Path, language: Option<&str>, complexity: Option<u32>) -> Result<Advice, StartError> {
    let (_, size) = open_source(file)?;
    let own = own_languages();
    let language = match language {
        Some(name) => Language::named(name, own.as_deref())?,
        None => Language::for_path(file, own.as_deref())?,
    };
    let default = LimitsAsk::default().over(limits_of(language.limits())).or_default();
    let code = Code { size, complexity };
    let (limits, because) = recommend(default.clone(), code);
    Ok(Advice { language: language.title().to_owned(), code, limits, default, because })
}

/// The rules of R42, applied to a language's own limits.
///
/// More code never gets less. Elapsed time stays in proportion to processor time.
#[must_use]
pub fn recommend(own: Limits, code: Code) -> (Limits, Vec<String>) {
    let mut because = Vec::new();
    let (mut memory, mut cpu_time) = (own.memory.0, own.cpu_time);
    if code.size > LARGE {
        memory = memory.saturating_add(memory / 2);
        cpu_time = cpu_time.saturating_add(cpu_time / 2);
        because.push(format!("more than {LARGE} bytes of code: ×1.5 memory and CPU time"));
    } else {
        because.push(format!("no more than {LARGE} bytes of code: the language's own memory and CPU time"));
    }
    match code.complexity {
        None => because.push(format!("complexity was not counted; above {COMPLEX} it would give ×2 CPU time")),
        Some(complexity) if complexity > COMPLEX => {
            cpu_time = cpu_time.saturating_mul(2);
            because.push(format!("complexity {complexity}, more than {COMPLEX}: ×2 CPU time"));
        }
        Some(complexity) => because.push(format!("complexity {complexity}, no more than {COMPLEX}: no change")),
    }
    if memory > MOST_MEMORY.0 {
        memory = MOST_MEMORY.0;
        because.push(format!("never more than {MOST_MEMORY} of memory"));
    }
    if cpu_time > MOST_CPU_TIME {
        cpu_time = MOST_CPU_TIME;
        because.push(format!("never more than {} s of CPU time", MOST_CPU_TIME.as_secs()));
    }
    let wall_time = in_proportion(own.wall_time, cpu_time, own.cpu_time);
    (Limits { memory: Bytes(memory), cpu_time, wall_time, ..own }, because)
}

/// `wall × new / old`, in whole milliseconds.
fn in_proportion(wall: Duration, new: Duration, old: Duration) -> Duration {
    let millis = wall.as_millis().saturating_mul(new.as_millis()) / old.as_millis().max(1);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}
