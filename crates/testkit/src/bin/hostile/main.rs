//! `hostile NAME [ARGUMENTS…]`: tries one forbidden operation and says how it went, in one line on stdout.
//!
//! | line | exit code |
//! |---|---|
//! | `SUCCEEDED evidence` | 0 |
//! | `BLOCKED call: errno` | 10 |
//! | `INCONCLUSIVE why` | 11 |
//!
//! Plain behaviours (`exit`, `raise`, `print-ids`, …) speak for themselves instead. Outside a sandbox every operation
//! is bounded and undoes what it did; rows whose precondition says "made for the test" act on what they are given.

mod calls;
mod child;
mod exhaust_files;
mod exhaust_memory;
mod exhaust_processes;
mod files;
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

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let name = words.next().unwrap_or_default();
    if name == "--list" {
        return list();
    }
    let arguments = Arguments(words.collect());
    let found = GROUPS.iter().flat_map(|(_, operations)| operations.iter()).find(|operation| operation.name == name);
    let Some(operation) = found else {
        return finish(Err(Stop::Inconclusive(format!("no operation is named `{name}`, see hostile --list"))));
    };
    finish(match operation.place {
        Place::Child => {
            let clean_up = |pid| scratch::clean_up_after(pid, &arguments.0);
            child::isolated(operation.name, || (operation.run)(&arguments), clean_up)
        }
        Place::Itself => (operation.run)(&arguments),
    })
}

/// Prints the one line. An operation whose stdout is gone still answers by its exit code.
fn finish(answer: Answer) -> ExitCode {
    let (word, text, code) = match answer {
        Ok(evidence) => ("SUCCEEDED", evidence, 0),
        Err(Stop::Blocked(wall)) => ("BLOCKED", wall, 10),
        Err(Stop::Inconclusive(doubt)) => ("INCONCLUSIVE", doubt, 11),
    };
    let text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let _ = writeln!(std::io::stdout(), "{word} {text}");
    ExitCode::from(code)
}

/// Tab-separated: name and arguments, group, description, precondition.
fn list() -> ExitCode {
    let mut out = std::io::stdout().lock();
    for (group, operations) in GROUPS {
        for row in *operations {
            let call = format!("{} {}", row.name, row.arguments);
            if writeln!(out, "{}\t{group}\t{}\t{}", call.trim_end(), row.about, row.needs).is_err() {
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
