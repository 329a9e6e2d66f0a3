//! `palisade bench`: all methods of starting a program, compared.

use palisade_measure::host::Host;

use crate::print;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Print one JSON object instead of the tables
    #[arg(long)]
    json: bool,
}

pub(crate) fn command(args: &Args) -> i32 {
    let host = Host::now();
    if args.json { print::json(&host) } else { print::words(&format!("{host}\n")) }
}
