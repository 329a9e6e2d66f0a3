//! `palisade pool`: sandboxes that stand ready for the command line, kept by a process of the user's own.
//!
//! One process per user makes cells of one kind. A `palisade run` that wants just such a sandbox has its program run there; any other
//! run, and one that finds no cell, makes its own as ever. Not here: what a cell is and whether two are alike (the library).

mod ask;
mod keep;
mod look;
mod peer;
mod place;
mod proof;
mod start;
mod talk;

use palisade::StartError;

pub(crate) use self::ask::{Ran, Say, find, run};
use crate::{
    args::{Excess, Wants},
    whole::whole,
};

/// What a pool could not do, and what helps.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) what: String,
    pub(crate) hint: String,
}

impl Trouble {
    fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

/// Why there is no pool.
#[derive(Debug)]
pub(crate) enum Failure {
    Start(StartError),
    Trouble(Trouble),
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Keep sandboxes ready for commands that are run with the same options or, with --language, for source files
    Start(Box<Start>),
    /// Tell how many stand ready, how many runs they served, and why the last one was not served
    Status {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// End the pool, when the programs that run in its sandboxes have ended
    Stop {
        /// End those programs too, as Ctrl-C would
        #[arg(long)]
        now: bool,
    },
}

#[derive(clap::Args, Debug)]
struct Start {
    /// Sandboxes that stand ready at one time, from 1 to 32
    #[arg(long, value_name = "N", default_value = "4", value_parser = whole::<usize>(1..=32))]
    size: usize,

    /// Stay in the foreground, as service managers want it, instead of returning when the sandboxes stand
    #[arg(long)]
    foreground: bool,

    /// Tell whoever has started this process, and no terminal
    #[arg(long, hide = true)]
    announce: bool,

    #[command(flatten)]
    wants: Wants,

    /// What happens at the output limit [default: cut]
    #[arg(long, value_enum, value_name = "WHAT", help_heading = "Limits")]
    on_output_limit: Option<Excess>,
}

pub(crate) fn command(args: Args) -> i32 {
    match args.action {
        Action::Start(args) if args.foreground || args.announce => start::here(*args),
        Action::Start(_) => start::apart(),
        Action::Status { json } => look::status(json),
        Action::Stop { now } => look::stop(now),
    }
}
