//! The words of `palisade repl`.
//!
//! Not here: what follows from them (`mod.rs`).

use std::time::Duration;

use clap::{ArgMatches, Command, Error, FromArgMatches};
use palisade::spec::parse_duration;

use crate::args::{Exchange, Wants};

/// What `--help` says about it.
pub(crate) const HELP: &str = "\
Each input has --time-limit, --cpu-time-limit and --output-limit to itself. One that reaches its time is interrupted, and the \
session goes on with all its state; if the input does not let itself be interrupted within 3 seconds, the session ends. All other \
limits, such as --memory-limit, are those of the whole session.

At a terminal, Ctrl-C interrupts an input and Ctrl-D ends the session. Without a terminal, all of standard input is one input. With \
--json, each line of standard input is an object with `code` and an `id` of your choice, and each line of the output its answer.";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// python, javascript, typescript, or one of your own that has a [repl]
    #[arg(value_name = "LANGUAGE")]
    pub(super) name: String,

    /// Read one JSON object with `id` and `code` from each line of standard input, and answer each with one
    #[arg(long)]
    pub(super) json: bool,

    /// Say nothing on standard error but errors
    #[arg(long, short)]
    pub(super) quiet: bool,

    /// Keep no history of inputs
    #[arg(long)]
    pub(super) no_history: bool,

    /// Elapsed time, and processor time, of the whole session
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "24h", help_heading = "Limits")]
    pub(super) session_time: Duration,

    #[command(flatten)]
    pub(super) wants: Wants,

    #[command(flatten)]
    pub(super) exchange: Exchange,
}

/// The same, with what is not as for a run said in the help: limits of each input, and no words about files.
#[derive(Debug)]
pub(crate) struct Words(pub(super) Args);

fn of_a_session(command: Command) -> Command {
    let mut command = command;
    for about_a_file in ["check", "language", "with_dir"] {
        // Refused with the reason.
        command = command.mut_arg(about_a_file, |it| it.hide(true));
    }
    command
        .mut_arg("time_limit", |it| it.help("Elapsed time of each input"))
        .mut_arg("cpu_time_limit", |it| it.help("Processor time of all processes together, for each input"))
        .mut_arg("output_limit", |it| it.help("Bytes of each output stream, for each input [default: 8M]"))
}

impl clap::Args for Words {
    fn augment_args(command: Command) -> Command {
        of_a_session(<Args as clap::Args>::augment_args(command))
    }

    fn augment_args_for_update(command: Command) -> Command {
        of_a_session(<Args as clap::Args>::augment_args_for_update(command))
    }
}

impl FromArgMatches for Words {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Args::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}
