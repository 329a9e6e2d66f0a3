//! From arguments to a request.

use palisade::spec::{
    FilesPolicy, HostileCalls, Input, LimitsAsk, NetworkPolicy, Output, OutputExcess, Policy, Program, Request,
    Siblings, Strictness,
};

use crate::args::{Excess, Hostile, Network, Run};

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
            what: format!("unknown option `{first}`"),
            hint: "`palisade run --help` lists the options; a file of that name is run as ./NAME",
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
        environment: args.setenv,
        stdin: Input::Inherit,
        output: if args.json { Output::Keep } else { Output::Pass },
        policy: Policy {
            files: FilesPolicy { read: args.allow_read, write: args.allow_write },
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
        backend: args.backend,
    })
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
