//! `NAME [ARGUMENTS…]`: tries one forbidden operation and says how it went, in one line on stdout.
//!
//! Two programs are made of it: `hostile` for palisade's own tests, and `palisade-attacker` for `palisade attack`, which also has
//! the operations that need a stage (`staged/`).
//!
//! | line | exit code |
//! |---|---|
//! | `SUCCEEDED evidence` | 0 |
//! | `BLOCKED call: errno` | 10 |
//! | `INCONCLUSIVE why` | 11 |
//!
//! Plain behaviours (`exit`, `raise`, `print-ids`, …) speak for themselves instead. Outside a sandbox every operation
//! is bounded and undoes what it did; rows whose precondition says "made for the test" act on what they are given.
//!
//! Words before the name: `--token WORD` does nothing and lets others find this process; `--hold` prints `HOLDING evidence`
//! when the operation is at its height, and waits there until its input ends; `--leash` ends it with the thread that
//! started it.

mod calls;
mod child;
mod exhaust_files;
mod exhaust_memory;
mod exhaust_processes;
mod files;
mod hold;
mod leaks;
mod lookup;
mod mounts;
mod namespaces;
mod network;
mod operation;
mod plain;
mod privileges;
mod processes;
mod scratch;
mod settings;
mod staged;
mod tracing;

use operation::{Answer, Arguments, Operation, Place, Stop};
use std::io::Write as _;
use std::process::ExitCode;

/// Groups in the order in which `--list` prints them.
const GROUPS: &[(&str, &[Operation])] = &[
    ("files", files::OPERATIONS),
    ("processes", processes::OPERATIONS),
    ("leaks", leaks::OPERATIONS),
    ("network", network::OPERATIONS),
    ("mounts", mounts::OPERATIONS),
    ("namespaces", namespaces::OPERATIONS),
    ("calls", calls::OPERATIONS),
    ("tracing", tracing::OPERATIONS),
    ("settings", settings::OPERATIONS),
    ("privileges", privileges::OPERATIONS),
    ("exhaustion", exhaust_processes::OPERATIONS),
    ("exhaustion", exhaust_memory::OPERATIONS),
    ("exhaustion", exhaust_files::OPERATIONS),
    ("plain", plain::OPERATIONS),
];

/// The program `hostile`: every operation that can be tried alone.
#[must_use]
pub fn alone() -> ExitCode {
    begin(&[])
}

/// The program `palisade-attacker`: those, and the ones that somebody sets a stage for.
#[must_use]
pub fn staged() -> ExitCode {
    hold::take_signals();
    begin(staged::GROUPS)
}

fn begin(more: &[(&str, &[Operation])]) -> ExitCode {
    let mut words = std::env::args().skip(1).peekable();
    while let Some(option) = words.next_if(|word| word.starts_with("--") && word != "--list") {
        match option.as_str() {
            "--token" => drop(words.next()),
            "--hold" => hold::ask(),
            "--leash" => hold::leash(),
            _ => return finish(Err(Stop::Inconclusive(format!("no option is named `{option}`")))),
        }
    }
    let name = words.next().unwrap_or_default();
    if name == "--list" {
        return list(more);
    }
    let arguments = Arguments(words.collect());
    let mut all = GROUPS.iter().chain(more).flat_map(|(_, operations)| operations.iter());
    let Some(operation) = all.find(|operation| operation.name == name) else {
        return finish(Err(Stop::Inconclusive(format!("no operation is named `{name}`, see --list"))));
    };
    let run = || {
        let answer = (operation.run)(&arguments)?;
        hold::here(&answer);
        Ok(answer)
    };
    finish(match operation.place {
        Place::Child => child::isolated(operation.name, run, |pid| scratch::clean_up_after(pid, &arguments.0)),
        Place::Itself => run(),
    })
}

/// Prints the one line. An operation whose stdout is gone still answers by its exit code.
fn finish(answer: Answer) -> ExitCode {
    let (word, text, code) = match answer {
        Ok(evidence) => ("SUCCEEDED", evidence, 0),
        Err(Stop::Blocked(wall)) => ("BLOCKED", wall, 10),
        Err(Stop::Inconclusive(doubt)) => ("INCONCLUSIVE", doubt, 11),
    };
    let _ = writeln!(std::io::stdout(), "{word} {}", one_line(&text));
    ExitCode::from(code)
}

fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// Tab-separated: name and arguments, group, description, precondition.
fn list(more: &[(&str, &[Operation])]) -> ExitCode {
    let mut out = std::io::stdout().lock();
    for (group, operations) in GROUPS.iter().chain(more) {
        for row in *operations {
            let call = format!("{} {}", row.name, row.arguments);
            if writeln!(out, "{}\t{group}\t{}\t{}", call.trim_end(), row.about, row.needs).is_err() {
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
