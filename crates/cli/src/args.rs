//! The command line as types. Help, errors and completion come from here. Not here: what a command does.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use palisade::spec::{Backend, Bytes, Copied, Endpoint, Host, Ports, Strength, UnitError, parse_duration, parse_rate};

use crate::{cases::Compare, whole::whole};

/// Untrusted program in, typed report out, through the first wall of this host that holds the whole policy.
#[derive(Debug, Parser)]
#[command(name = "palisade", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

// Only the options of the command that is given are made: a launch pays for no other's.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Command {
    /// Run a source file (its language goes by the extension) or, after `--`, a command
    Run(Run),
    /// Print what a run would do, and run nothing
    Plan(Run),
    /// Evaluate inputs one after the other in one sandbox that keeps their state
    #[command(after_help = crate::repl::HELP)]
    Repl(Box<crate::repl::Words>),
    /// Look for what a policy blocks in source files, and run nothing
    Check(crate::check::Args),
    /// Keep sandboxes that stand ready, for runs that start at once
    Pool(Box<crate::pool::Args>),
    /// Named policies: list, show, check and compare them
    Policy(crate::policy::Args),
    /// Make images with a language's tools for Docker and Podman, and test them
    Images(crate::images::Arguments),
    /// Make and keep environments: packages, search paths and variables for programs
    Env(crate::environment::Env),
    /// Run test files, or one program with many inputs, and compare what it prints
    Test(Test),
    /// Show what holds and who says so; check configuration files
    Config(Config),
    /// Try what this host offers, and say how to fix what it does not
    Doctor(Doctor),
    /// List every wall, and what it holds on this host
    Backends(Backends),
    /// Attack the walls of this host, and show what each of them stops
    Attack(crate::attack::Args),
    /// Measure what launches cost on this host, and compare all methods of starting a program
    Bench(crate::bench::Args),
    /// Recommend limits and a backend for a source file, and say what they cost
    Advise(Advise),
    /// Print a completion script for a shell
    Completions(Completions),
    /// Print the manual page, or write one page for each command into a directory
    Man(Man),
    /// Compile TypeScript: part of running a .ts file, inside its sandbox
    #[command(hide = true)]
    InternalTypescript(Typescript),
    /// Do some work: part of `bench work`, outside and inside a sandbox
    #[command(hide = true)]
    InternalWork(crate::bench::Labour),
}

#[derive(Args, Debug)]
pub(crate) struct Run {
    /// Print one JSON report on standard output instead of the program's own streams
    #[arg(long)]
    pub(crate) json: bool,

    /// Say nothing on standard error but errors
    #[arg(long, short)]
    pub(crate) quiet: bool,

    /// Give the program a terminal of its own, and lend it this one's keyboard and screen
    #[arg(long, short)]
    pub(crate) tty: bool,

    /// Make a sandbox for this run, whether or not one stands ready (`palisade pool`)
    #[arg(long)]
    pub(crate) no_pool: bool,

    #[command(flatten)]
    pub(crate) wants: Wants,

    #[command(flatten)]
    pub(crate) exchange: Exchange,

    /// What happens at the output limit [default: cut]
    #[arg(long, value_enum, value_name = "WHAT", help_heading = "Limits")]
    pub(crate) on_output_limit: Option<Excess>,

    /// FILE and its arguments, or `--` and a command
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "FILE|-- CMD",
          value_hint = ValueHint::FilePath)]
    pub(crate) words: Vec<String>,
}

// What a program gets: the same words for every command that runs one.
#[derive(Args, Debug)]
pub(crate) struct Wants {
    /// Run in a sandbox, which is the default; with a name, under this profile
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "", value_name = "PROFILE")]
    pub(crate) sandbox: Option<String>,

    /// The same as --sandbox=PROFILE
    #[arg(long, value_name = "PROFILE", conflicts_with = "sandbox")]
    pub(crate) profile: Option<String>,

    /// The project's configuration file, instead of the nearest palisade.toml or simple.toml
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Read neither the project's nor the user's configuration file
    #[arg(long, conflicts_with = "config")]
    pub(crate) no_config: bool,

    /// The wall to use, see `palisade backends` [default: auto]
    #[arg(long, visible_alias = "sandbox-backend", value_name = "BACKEND")]
    pub(crate) backend: Option<Backend>,

    /// Refuse to run if any protection would be weaker than asked for
    #[arg(long)]
    pub(crate) strict: bool,

    /// The weakest wall that will do: none, partial, namespaces, user-space-kernel, hardware
    #[arg(long, value_name = "STRENGTH")]
    pub(crate) require: Option<Strength>,

    /// Stay within this named policy, or the one in FILE.toml; it only narrows (`palisade policy list`)
    #[arg(long, value_name = "ID")]
    pub(crate) policy: Vec<String>,

    /// Look at FILE first, and refuse to run it if `palisade check` finds an error in it
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "on", value_name = "POLICY")]
    pub(crate) check: Option<String>,

    /// Language of FILE, if its extension does not tell
    #[arg(long, value_name = "NAME")]
    pub(crate) language: Option<String>,

    /// Show the directory of FILE read-only, not just the file
    #[arg(long)]
    pub(crate) with_dir: bool,

    /// Run in this environment: its packages, search path and variables (see `palisade env`)
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,

    /// Elapsed time
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, help_heading = "Limits")]
    pub(crate) time_limit: Option<Duration>,

    /// Processor time of all processes together
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, help_heading = "Limits")]
    pub(crate) cpu_time_limit: Option<Duration>,

    /// Memory of all processes together, swap and /tmp included
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    pub(crate) memory_limit: Option<Bytes>,

    /// Percent of one processor
    #[arg(long, value_name = "PERCENT", value_parser = percent, help_heading = "Limits")]
    pub(crate) cpu_limit: Option<u32>,

    /// Processes at one time
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Limits")]
    pub(crate) process_limit: Option<u32>,

    /// Threads of all processes at one time
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Limits")]
    pub(crate) thread_limit: Option<u32>,

    /// Open descriptors of each process
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Limits")]
    pub(crate) descriptor_limit: Option<u32>,

    /// Size of each file written
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    pub(crate) file_size_limit: Option<Bytes>,

    /// Size of the private /tmp
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    pub(crate) tmp_size: Option<Bytes>,

    /// Files and directories in the private /tmp
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Limits")]
    pub(crate) tmp_inodes: Option<u32>,

    /// Bytes of each output stream (8M unless said; `run` without --json has none unless it is to kill)
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    pub(crate) output_limit: Option<Bytes>,

    /// What happens at a system call that only an attack needs
    #[arg(long, value_enum, value_name = "WHAT", help_heading = "Permissions")]
    pub(crate) on_hostile_call: Option<Hostile>,

    /// The network: none (the default), loopback (its own), custom (the destinations of the options below), or allow-all (the
    /// host's; `--network` alone means this)
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "allow-all",
          value_name = "WHAT", help_heading = "Permissions")]
    pub(crate) network: Option<Network>,

    /// Reach this host: a name, *.NAME, an address or a range of addresses
    #[arg(long, value_name = "HOST", help_heading = "Permissions")]
    pub(crate) allow_domain: Vec<Host>,

    /// Ports of --allow-domain, one or a range [default: 80 and 443]
    #[arg(long, value_name = "PORT", help_heading = "Permissions")]
    pub(crate) allow_port: Vec<Ports>,

    /// Reach this host at these ports only
    #[arg(long, value_name = "HOST:PORT", help_heading = "Permissions")]
    pub(crate) allow_endpoint: Vec<Endpoint>,

    /// Name server that may be asked for names [default: the host's]
    #[arg(long, value_name = "ADDRESS", help_heading = "Permissions")]
    pub(crate) dns: Vec<IpAddr>,

    #[command(flatten)]
    pub(crate) files: Files,

    /// Set a variable (nothing of this environment is inherited)
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable, help_heading = "Permissions")]
    pub(crate) setenv: Vec<(String, String)>,
}

#[derive(Args, Debug)]
pub(crate) struct Test {
    /// Run the one program for each NAME.in below DIR, and compare what it prints with NAME.out or NAME.ans
    #[arg(long, value_name = "DIR")]
    pub(crate) cases: Option<PathBuf>,

    /// How output is compared: exact, trailing (white space at ends of lines and of the file is ignored), tokens
    /// (all white space is equal) or float:EPS (as tokens, and numbers may differ by EPS)
    #[arg(long, default_value = "trailing", value_name = "HOW", requires = "cases")]
    pub(crate) compare: Compare,

    /// Sandboxes at one time [default: one for each processor]
    #[arg(long, short, value_name = "N", value_parser = count)]
    pub(crate) jobs: Option<u32>,

    /// Begin nothing more after the first failure
    #[arg(long)]
    pub(crate) fail_fast: bool,

    /// Print one JSON object on standard output instead of the table
    #[arg(long)]
    pub(crate) json: bool,

    /// Write the results as JUnit XML too
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,

    /// Show no progress, and of the table only what failed
    #[arg(long, short)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) wants: Wants,

    /// Source files. With --cases, the one program
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,

    /// Arguments for each; with --cases and without FILE, a command and its arguments
    #[arg(last = true, value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<String>,
}

// Host files in their own places, and copied in: the same words for every command that runs a program.
#[derive(Args, Debug)]
#[command(next_help_heading = "Files")]
pub(crate) struct Files {
    /// The host's files: none but the toolchain, read-only (all of them but credentials), or custom (what the options below
    /// say, which is the default)
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) filesystem: Option<Filesystem>,

    /// Show a host file or directory read-only, at its own path
    #[arg(long, value_name = "PATH")]
    pub(crate) allow_read: Vec<PathBuf>,

    /// Let the program change a host file or directory, at its own path
    #[arg(long, value_name = "PATH")]
    pub(crate) allow_write: Vec<PathBuf>,

    /// Hide a host file or directory wherever it would be shown
    #[arg(long, value_name = "PATH")]
    pub(crate) hide: Vec<PathBuf>,

    /// Start in this host directory, and let the program change it
    #[arg(long, value_name = "DIR")]
    pub(crate) workspace: Option<PathBuf>,

    /// Copy a host file into the sandbox, to an absolute path below /work or /tmp, or a new one
    #[arg(long, value_name = "HOST:INSIDE", value_parser = copied)]
    pub(crate) file: Vec<Copied>,
}

// What comes out of one run.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Files")]
pub(crate) struct Exchange {
    /// Start in a copy-on-write view of this host directory: the program sees its changes, the host does not
    #[arg(long, value_name = "DIR", conflicts_with = "workspace")]
    pub(crate) overlay: Option<PathBuf>,

    /// Keep the changes to the overlay in this directory, which is new or empty
    #[arg(long, value_name = "DIR", requires = "overlay")]
    pub(crate) overlay_out: Option<PathBuf>,

    /// List the changes to the overlay, and forget them
    #[arg(long, requires = "overlay", conflicts_with = "overlay_out")]
    pub(crate) dry_run: bool,

    /// Copy out the files that match, relative to the working directory or absolute, when the program has ended
    #[arg(long, value_name = "GLOB", requires = "out")]
    pub(crate) output: Vec<String>,

    /// Where outputs go
    #[arg(long, value_name = "DIR", requires = "output")]
    pub(crate) out: Option<PathBuf>,

    /// Let outputs replace files that are there
    #[arg(long, requires = "out")]
    pub(crate) force: bool,

    /// Size of each output
    #[arg(long, value_name = "SIZE", requires = "out")]
    pub(crate) out_file_size: Option<Bytes>,

    /// Size of all outputs
    #[arg(long, value_name = "SIZE", requires = "out")]
    pub(crate) out_size: Option<Bytes>,

    /// Number of outputs
    #[arg(long, value_name = "N", value_parser = count, requires = "out")]
    pub(crate) out_files: Option<u32>,
}

#[derive(Args, Debug)]
pub(crate) struct Config {
    #[command(subcommand)]
    pub(crate) what: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every value that would hold, and who says so
    Show(Box<Show>),
    /// Look for mistakes in FILE, or in all files that would hold here
    Check(Check),
    /// Print the JSON Schema of the file, for editors
    Schema,
}

#[derive(Args, Debug)]
pub(crate) struct Show {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) wants: Wants,

    /// What happens at the output limit [default: cut]
    #[arg(long, value_enum, value_name = "WHAT", help_heading = "Limits")]
    pub(crate) on_output_limit: Option<Excess>,
}

#[derive(Args, Debug)]
pub(crate) struct Check {
    /// A configuration file
    pub(crate) file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Backends {
    /// Print JSON, with the means by which each guarantee is held
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// Print the findings as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Try every wall again, also those that were tried since this host started
    #[arg(long)]
    pub(crate) refresh: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Advise {
    /// Print the advice as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Language of FILE, if its extension does not tell
    #[arg(long, value_name = "NAME")]
    pub(crate) language: Option<String>,

    /// Do not run anything to find out what a backend costs
    #[arg(long)]
    pub(crate) no_measure: bool,

    /// Runs of each kind that are measured
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1..=10_000), default_value_t = 20,
          conflicts_with = "no_measure")]
    pub(crate) runs: u32,

    /// Price of a MiB of the memory limit [default: 0.0001, or [cost] of palisade.toml]
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) rate_memory: Option<f64>,

    /// Price of a second of the processor time limit [default: 0.001, or [cost] of palisade.toml]
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) rate_time: Option<f64>,

    /// The program
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// Which shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Args, Debug)]
pub(crate) struct Man {
    /// Where the pages go; made if it is not there
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Typescript {
    pub(crate) source: PathBuf,
    pub(crate) artefact: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Network {
    None,
    Loopback,
    Custom,
    AllowAll,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Filesystem {
    None,
    ReadOnly,
    Custom,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Excess {
    Cut,
    Kill,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Hostile {
    Deny,
    Kill,
}

fn count(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) => {
            Err("0 would allow nothing, and palisade has no \"0 means unlimited\": give a positive number".to_owned())
        }
        Ok(number) => Ok(number),
        Err(_) => Err(format!("write a whole number from 1 to {}", u32::MAX)),
    }
}

fn percent(text: &str) -> Result<u32, UnitError> {
    let bad = || UnitError::Size { text: text.to_owned() };
    match text.trim_end_matches('%').parse() {
        Ok(0) => Err(UnitError::Zero { text: text.to_owned() }),
        Ok(percent) if percent <= 100_000 => Ok(percent),
        Ok(_) => Err(UnitError::TooLarge { text: text.to_owned(), max: "100000" }),
        Err(_) => Err(bad()),
    }
}

fn copied(text: &str) -> Result<Copied, String> {
    match text.rsplit_once(":/") {
        Some((from, at)) if !from.is_empty() => Ok(Copied { from: from.into(), at: format!("/{at}").into() }),
        _ => Err("write HOST:INSIDE, with an absolute path inside, such as data.csv:/work/data.csv".to_owned()),
    }
}

pub(crate) fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}
