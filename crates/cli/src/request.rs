//! From arguments to a request.

use palisade::spec::{
    Capabilities, FilesPolicy, HostileCalls, Input, LimitsAsk, NetworkPolicy, Output, OutputExcess, Policy, Program,
    Request, Siblings, Strictness,
};

use clap::CommandFactory;

use crate::{
    args::{Cli, Excess, Hostile, Network, Run},
    terminal,
};

/// Something that this version refuses to do, and what to do instead.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) what: String,
    pub(crate) hint: &'static str,
}

pub(crate) fn request(args: Run) -> Result<Request, Refused> {
    if let Some(name) = args.allow_domain.first() {
        return Err(Refused {
            what: format!("--allow-domain {name}: no backend of this version can restrict the network by name"),
            hint: "leave the network closed, or open all of it with --network",
        });
    }
    if let Some(profile) = args.sandbox.as_deref().filter(|profile| !profile.is_empty()) {
        return Err(Refused {
            what: format!("--sandbox={profile}: this version has no profiles"),
            hint: "say --sandbox and give the limits and permissions as options",
        });
    }
    let is_command = is_after_dashes(std::env::args_os().collect::<Vec<_>>().as_slice(), args.words.len());
    let mut words = args.words.into_iter();
    let first = words.next().unwrap_or_default();
    if !is_command && first.starts_with('-') {
        return Err(Refused {
            what: format!("unknown option `{first}`{}", nearest(&first)),
            hint: "`palisade run --help` lists the options; a file of that name is run as ./NAME",
        });
    }
    if is_command && args.with_dir {
        return Err(Refused {
            what: "--with-dir shows the directory of a source file, and a command has none".to_owned(),
            hint: "show a directory to a command with --allow-read DIR",
        });
    }
    if !is_command && args.network == Network::AllowAll && ["none", "loopback", "allow-all"].contains(&&*first) {
        return Err(Refused {
            what: format!("`{first}` was taken for a file"),
            hint: "write --network=WHAT in one word",
        });
    }
    let program = if is_command {
        Program::Command(first)
    } else {
        let siblings = if args.with_dir { Siblings::Visible } else { Siblings::Hidden };
        Program::Source { file: first.into(), language: args.language, siblings }
    };
    Ok(Request {
        program,
        arguments: words.collect(),
        // What is said later wins.
        environment: args.tty.then(terminal::name).into_iter().chain(args.setenv).collect(),
        stdin: Input::Inherit,
        work: None,
        layers: Vec::new(),
        output: if args.json { Output::Keep } else { Output::Pass },
        terminal: args.tty.then(terminal::wanted),
        policy: Policy {
            files: FilesPolicy { read: args.allow_read, write: args.allow_write, hidden: Vec::new() },
            network: match args.network {
                Network::None => NetworkPolicy::None,
                Network::Loopback => NetworkPolicy::Loopback,
                Network::AllowAll => NetworkPolicy::AllowAll,
            },
            limits: LimitsAsk {
                wall_time: args.time_limit,
                cpu_time: args.cpu_time_limit,
                memory: args.memory_limit,
                processes: args.process_limit,
                threads: args.thread_limit,
                descriptors: args.descriptor_limit,
                file_size: args.file_size_limit,
                tmp_size: args.tmp_size,
                tmp_inodes: args.tmp_inodes,
                output: args.output_limit,
                cpu_percent: args.cpu_limit,
            },
            capabilities: Capabilities::default(),
            hostile_calls: match args.on_hostile_call {
                Hostile::Deny => HostileCalls::Deny,
                Hostile::Kill => HostileCalls::Kill,
            },
            output_excess: match args.on_output_limit {
                Excess::Cut => OutputExcess::Cut,
                Excess::Kill => OutputExcess::Kill,
            },
            strictness: if args.strict { Strictness::RefuseWeakened } else { Strictness::ReportWeakened },
        },
        policies: args.policy,
        backend: args.backend,
    })
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
