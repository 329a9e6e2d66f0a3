//! `residue` prints what runs have left on this machine; `residue --since FILE` what is there beyond an earlier print.
//!
//! With `--since` it waits up to ten seconds for the machine to get clean. Exit status: 0 clean, 1 not, 2 misuse. CI:
//!
//! ```text
//! residue > before && cargo test … && residue --since before
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

use palisade_testkit::{Residue, wait_until_clean};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => {
            Residue::now().lines().for_each(|line| println!("{line}"));
            ExitCode::SUCCESS
        }
        ["--since", file] => match std::fs::read_to_string(file) {
            Ok(text) => since(&Residue::of_lines(&text)),
            Err(error) => {
                eprintln!("error: {file}: {error}");
                ExitCode::from(2)
            }
        },
        _ => {
            eprintln!("usage: residue [--since FILE]");
            ExitCode::from(2)
        }
    }
}

fn since(before: &Residue) -> ExitCode {
    match wait_until_clean(before, Duration::from_secs(10)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(left) => {
            left.iter().for_each(|line| println!("{line}"));
            ExitCode::FAILURE
        }
    }
}
