//! From arguments to a request.

use std::path::PathBuf;

use palisade::spec::{
    Capabilities, HostileCalls, Input, LimitsAsk, NetworkPolicy, Output, OutputExcess, Policy, Program, Request,
    Siblings, Strictness,
};

use clap::CommandFactory;

use crate::{
    args::{Cli, Excess, Hostile, Network, Run, Wants},
    files, terminal,
};

/// Something that this version refuses to do, and what to do instead.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) what: String,
    pub(crate) hint: &'static str,
}

/// A run as the words say it.
pub(crate) fn request(args: Run) -> Result<Request, Refused> {
    check(&args.wants)?;
    let is_command = is_after_dashes(std::env::args_os().collect::<Vec<_>>().as_slice(), args.words.len());
    let mut words = args.words.into_iter();
    let first = words.next().unwrap_or_default();
    if !is_command && first.starts_with('-') {
        return Err(Refused {
            what: format!("unknown option `{first}`{}", nearest(&first)),
            hint: "`palisade run --help` lists the options; a file of that name is run as ./NAME",
        });
    }
    if !is_command && args.wants.network == Network::AllowAll && ["none", "loopback", "allow-all"].contains(&&*first) {
        return Err(Refused {
            what: format!("`{first}` was taken for a file"),
            hint: "write --network=WHAT in one word",
        });
    }
    let excess = match args.on_output_limit {
        Excess::Cut => OutputExcess::Cut,
        Excess::Kill => OutputExcess::Kill,
    };
    let terminal = args.tty.then(terminal::wanted);
    let mut request = if is_command {
        command(first, words.collect(), &args.wants, excess)?
    } else {
        source(first.into(), words.collect(), &args.wants, excess)
    };
    let output = if args.json { Output::Keep } else { Output::Pass };
    // What is said later wins.
    request.environment.splice(..0, args.tty.then(terminal::name));
    files::exchange(args.exchange, &mut request);
    Ok(Request { stdin: Input::Inherit, output, terminal, ..request })
}

/// Refuses what this version cannot do for any program.
pub(crate) fn check(wants: &Wants) -> Result<(), Refused> {
    files::check(&wants.files)?;
    if let Some(name) = wants.allow_domain.first() {
        return Err(Refused {
            what: format!("--allow-domain {name}: no backend of this version can restrict the network by name"),
            hint: "leave the network closed, or open all of it with --network",
        });
    }
    if let Some(profile) = wants.sandbox.as_deref().filter(|profile| !profile.is_empty()) {
        return Err(Refused {
            what: format!("--sandbox={profile}: this version has no profiles"),
            hint: "say --sandbox and give the limits and permissions as options",
        });
    }
    Ok(())
}

/// A command of the host with what it gets. No input, output kept.
pub(crate) fn command(
    name: String,
    arguments: Vec<String>,
    wants: &Wants,
    excess: OutputExcess,
) -> Result<Request, Refused> {
    if wants.with_dir {
        return Err(Refused {
            what: "--with-dir shows the directory of a source file, and a command has none".to_owned(),
            hint: "show a directory to a command with --allow-read DIR",
        });
    }
    Ok(with(Program::Command(name), arguments, wants, excess))
}

/// A source file with what its program gets. No input, output kept.
pub(crate) fn source(file: PathBuf, arguments: Vec<String>, wants: &Wants, excess: OutputExcess) -> Request {
    let siblings = if wants.with_dir { Siblings::Visible } else { Siblings::Hidden };
    with(Program::Source { file, language: wants.language.clone(), siblings }, arguments, wants, excess)
}

fn with(program: Program, arguments: Vec<String>, wants: &Wants, output_excess: OutputExcess) -> Request {
    Request {
        arguments,
        environment: wants.setenv.clone(),
        files: files::given(&wants.files),
        policy: Policy {
            files: files::policy(&wants.files),
            network: match wants.network {
                Network::None => NetworkPolicy::None,
                Network::Loopback => NetworkPolicy::Loopback,
                Network::AllowAll => NetworkPolicy::AllowAll,
            },
            limits: LimitsAsk {
                wall_time: wants.time_limit,
                cpu_time: wants.cpu_time_limit,
                memory: wants.memory_limit,
                processes: wants.process_limit,
                threads: wants.thread_limit,
                descriptors: wants.descriptor_limit,
                file_size: wants.file_size_limit,
                tmp_size: wants.tmp_size,
                tmp_inodes: wants.tmp_inodes,
                output: wants.output_limit,
                cpu_percent: wants.cpu_limit,
            },
            capabilities: Capabilities::default(),
            hostile_calls: match wants.on_hostile_call {
                Hostile::Deny => HostileCalls::Deny,
                Hostile::Kill => HostileCalls::Kill,
            },
            output_excess,
            strictness: if wants.strict { Strictness::RefuseWeakened } else { Strictness::ReportWeakened },
        },
        policies: wants.policy.clone(),
        backend: wants.backend,
        ..Request::new(program)
    }
}

/// `; did you mean …`, if an option is near.
fn nearest(unknown: &str) -> String {
    let name = unknown.trim_start_matches('-').split('=').next().unwrap_or_default();
    let command = Cli::command();
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
