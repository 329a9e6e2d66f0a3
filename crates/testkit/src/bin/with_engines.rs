//! `with-engines COMMAND…` runs a command beside a docker and a podman of its own, which end with it.
//!
//! The command finds them by `DOCKER_HOST` and `CONTAINER_HOST`. Exit status: the command's; 2 if an engine does not start.
//! Where they cannot run at all (not root, not installed) this is said, and the command runs without: [`palisade_testkit::need`].
#![allow(clippy::print_stderr, reason = "a program that prints")]

use palisade_testkit::{Engine, Person};
use std::io;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    match run() {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> io::Result<u8> {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let Some((program, arguments)) = words.split_first() else {
        return Err(io::Error::other("usage: with-engines COMMAND [ARGUMENT…]"));
    };
    let engines = [Engine::start("docker", Person::Root)?, Engine::start("podman", Person::Root)?];
    let found = engines.iter().flatten().map(Engine::variable);
    let status = Command::new(program).args(arguments).envs(found).status()?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(2))
}
