//! From arguments to a request.

use std::path::PathBuf;

use clap::CommandFactory;
use palisade::spec::{Input, Output, Program, Request, Siblings};

use crate::{
    args::{Cli, Network, Run, Wants},
    config::Held,
    files, terminal,
};

/// Something that this version refuses to do, and what to do instead.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) what: String,
    pub(crate) hint: &'static str,
}

/// A run as the words say it, under what holds for it.
pub(crate) fn request(args: Run, held: &Held) -> Result<Request, Refused> {
    let is_command = is_after_dashes(std::env::args_os().collect::<Vec<_>>().as_slice(), args.words.len());
    let mut words = args.words.into_iter();
    let first = words.next().unwrap_or_default();
    if !is_command && first.starts_with('-') {
        return Err(Refused {
            what: format!("unknown option `{first}`{}", nearest(&first)),
            hint: "`palisade run --help` lists the options; a file of that name is run as ./NAME",
        });
    }
    if !is_command
        && args.wants.network == Some(Network::AllowAll)
        && ["none", "loopback", "custom", "allow-all"].contains(&&*first)
    {
        return Err(Refused {
            what: format!("`{first}` was taken for a file"),
            hint: "write --network=WHAT in one word",
        });
    }
    let terminal = args.tty.then(terminal::wanted);
    let mut request = if is_command {
        command(first, words.collect(), &args.wants, held)?
    } else {
        source(first.into(), words.collect(), &args.wants, held)
    };
    let output = if args.json { Output::Keep } else { Output::Pass };
    // What is said later wins.
    request.environment.splice(..0, args.tty.then(terminal::name));
    files::exchange(args.exchange, &mut request);
    Ok(Request { stdin: Input::Inherit, output, terminal, ..request })
}

/// A command of the host with what it gets. No input, output kept.
pub(crate) fn command(name: String, arguments: Vec<String>, wants: &Wants, held: &Held) -> Result<Request, Refused> {
    if wants.with_dir {
        return Err(Refused {
            what: "--with-dir shows the directory of a source file, and a command has none".to_owned(),
            hint: "show a directory to a command with --allow-read DIR",
        });
    }
    Ok(with(Program::Command(name), arguments, wants, held))
}

/// A source file with what its program gets. No input, output kept.
pub(crate) fn source(file: PathBuf, arguments: Vec<String>, wants: &Wants, held: &Held) -> Request {
    let siblings = if wants.with_dir { Siblings::Visible } else { Siblings::Hidden };
    let policy = held.settled.policy_of(&file, wants.language.as_deref());
    let program = Program::Source { file, language: wants.language.clone(), siblings };
    Request { policy, ..with(program, arguments, wants, held) }
}

fn with(program: Program, arguments: Vec<String>, wants: &Wants, held: &Held) -> Request {
    let settled = &held.settled;
    Request {
        arguments,
        environment: settled.environment.clone(),
        files: files::given(&wants.files, settled.workspace.clone()),
        activated: held.environment.clone(),
        policy: settled.policy.clone(),
        policies: held.policies.clone(),
        backend: settled.backend,
        ..Request::new(program)
    }
}

/// `; did you mean …`, if an option is near.
fn nearest(unknown: &str) -> String {
    let name = unknown.trim_start_matches('-').split('=').next().unwrap_or_default();
    let mut command = Cli::command();
    command.build();
    let options = command.find_subcommand("run").into_iter().flat_map(clap::Command::get_arguments);
    let near = options
        .filter_map(clap::Arg::get_long)
        .map(|option| (strsim::jaro(name, option), option))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    near.map_or_else(String::new, |(_, option)| format!("; did you mean `--{option}`?"))
}

/// Whether the last `count` arguments stand behind `--`: a command, not a file.
fn is_after_dashes(all: &[std::ffi::OsString], count: usize) -> bool {
    all.iter().position(|word| word == "--").is_some_and(|dashes| all.len() - dashes - 1 == count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<std::ffi::OsString> {
        text.split(' ').map(Into::into).collect()
    }

    #[test]
    fn a_command_is_what_stands_behind_the_dashes() {
        assert!(is_after_dashes(&words("palisade run --json -- ls -l"), 2));
        assert!(!is_after_dashes(&words("palisade run file.py -- -l"), 3));
        assert!(!is_after_dashes(&words("palisade run file.py"), 1));
    }
}
