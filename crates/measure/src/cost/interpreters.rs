//! What it takes to print one number in a language, with an interpreter that waits and with one that is started.
//!
//! The interpreter is the same program, started plainly without any sandbox on one side and waiting in a cell on the other; that
//! another one begins to wait is not in a run's time, as long as one more waits meanwhile. Not here: cells that wait for a command (`palisade bench`).

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

use palisade::{
    Interpreters,
    language::{Language, SearchPath},
    spec::{Input, Output, Program, Request},
};
use serde::Serialize;

use super::{CostError, Step, good, ms, prepared, stats, success};
use crate::{
    host::Host,
    race::{self, Contestant, Rounds, race},
    show::{Align, Table},
    stats::{Ratio, Stats, ratio},
};

/// Name and version of the JSON form.
const SCHEMA: &str = "palisade.bench-interpreters/1";

/// What one that waits should take at most, of the time of a plain start.
pub const BAR: f64 = 0.35;

/// Language, option for a program on the command line, and that program.
const LANGUAGES: [(&str, &str, &str); 2] = [("python", "-c", "print(1)"), ("javascript", "-e", "console.log(1)")];

/// What it takes in each language.
#[derive(Clone, Debug, Serialize)]
pub struct Waiting {
    /// Name and version of this form.
    pub schema: &'static str,
    /// What it was measured on.
    pub host: Host,
    /// Runs of each.
    pub rounds: usize,
    /// Our own bar, as a part of a plain start.
    pub bar: f64,
    /// The languages that this host has.
    pub languages: Vec<OfLanguage>,
    /// What is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// One language.
#[derive(Clone, Debug, Serialize)]
pub struct OfLanguage {
    /// Its name.
    pub name: &'static str,
    /// A plain start without a sandbox, in milliseconds.
    pub plain_ms: Stats,
    /// The same program told to an interpreter that waits, in milliseconds.
    pub waiting_ms: Stats,
    /// How many times as long as a plain start, round by round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_plain: Option<Ratio>,
}

/// Measures `rounds` runs of each way in each language that this host has.
///
/// # Errors
/// If palisade cannot launch here, or `step` has ended it.
pub fn interpreters(rounds: usize, step: Step<'_>) -> Result<Waiting, CostError> {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for (name, option, source) in LANGUAGES {
        match program_of(name) {
            Ok(program) => {
                let request = Request::new(Program::Interpreter { language: name.to_owned() });
                let pool = Interpreters::new(prepared(&request)?, 2)?;
                found.push((name, program, option, source, pool));
            }
            Err(because) => missing.push(because),
        }
    }
    let mut contestants: Vec<Contestant<'_>> = Vec::new();
    for (_, program, option, source, pool) in &found {
        contestants.push(Box::new(move || plain(program, option, source)));
        contestants.push(Box::new(move || waiting(pool, source)));
    }
    let counted = Rounds { warmups: 2, counted: rounds, idle_ms: 0 };
    let samples = race(&mut contestants, counted, &mut || step()).map_err(|()| CostError::Cancelled)?;
    drop(contestants);
    let samples = samples.into_iter().map(|samples| good("an interpreter", samples));
    let samples = samples.collect::<Result<Vec<_>, _>>()?;
    let languages = found.iter().zip(samples.chunks_exact(2)).map(|((name, ..), taken)| OfLanguage {
        name,
        plain_ms: stats(&taken[0]),
        waiting_ms: stats(&taken[1]),
        of_plain: ratio(&taken[1], &taken[0]),
    });
    Ok(Waiting { schema: SCHEMA, host: Host::now(), rounds, bar: BAR, languages: languages.collect(), missing })
}

/// How often `step` is called, where all languages are there.
#[must_use]
pub fn measurements(rounds: usize) -> usize {
    (2 + rounds) * 2 * LANGUAGES.len()
}

/// The program that palisade runs too.
fn program_of(name: &str) -> Result<PathBuf, String> {
    let language = Language::named(name, None).map_err(|error| error.to_string())?;
    let tools = language.locate(&SearchPath::of_this_process()).map_err(|error| error.to_string())?;
    tools.programs().next().map(ToOwned::to_owned).ok_or_else(|| format!("{name} has no interpreter"))
}

fn plain(program: &PathBuf, option: &str, source: &str) -> Result<f64, String> {
    let mut command = Command::new(program);
    // As inside: variables of the caller's could make the interpreter do more.
    let environment = [("PATH", "/usr/bin:/bin"), ("HOME", "/tmp"), ("LANG", "C.UTF-8"), ("OPENSSL_CONF", "/dev/null")];
    command.env_clear().envs(environment);
    command.args([option, source]).stdin(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let output = command.output().map_err(|error| format!("{error}: {command:?}"))?;
    let took = race::ms(begun.elapsed());
    if output.stdout == b"1\n" { Ok(took) } else { Err(format!("{} of {command:?}", output.status)) }
}

fn waiting(pool: &Interpreters, source: &str) -> Result<f64, String> {
    pool.fill().map_err(|error| error.to_string())?;
    let begun = Instant::now();
    let report = pool.run(source, &[], &[], Input::Empty, Output::Keep, None).map_err(|error| error.to_string())?;
    let took = race::ms(begun.elapsed());
    success(&report)?;
    if report.stdout.kept == b"1\n" { Ok(took) } else { Err("it printed something else".to_owned()) }
}

impl Waiting {
    /// A table.
    #[must_use]
    pub fn text(&self) -> String {
        let mut table = Table::new(&[
            ("language", Align::Left),
            ("plain start", Align::Right),
            ("waiting", Align::Right),
            ("of plain", Align::Right),
            ("", Align::Left),
        ]);
        for language in &self.languages {
            let (times, range) = language.of_plain.map_or_else(Default::default, |ratio| {
                (format!("{:.2}", ratio.median), format!("{:.2} to {:.2}", ratio.low, ratio.high))
            });
            let (plain, waiting) = (ms(language.plain_ms.median), ms(language.waiting_ms.median));
            table.row([language.name.to_owned(), plain, waiting, times, range]);
        }
        let missing: String = self.missing.iter().map(|line| format!("\n{line}\n")).collect();
        format!(
            "{}\n\na program that prints 1, {} runs of each way in turn, medians in milliseconds; of plain: as many times as long as \
             the interpreter started without a sandbox (our bar for python: {BAR})\n{}\nwaiting: told to an interpreter that waits in \
             a cell\n{missing}",
            self.host,
            self.rounds,
            table.text(&|_, _, word| word),
        )
    }
}
