//! `palisade bench`: what launches cost on this host.
//!
//! One file for each kind of measurement; without a subcommand it is the comparison of all methods. Not here: measuring
//! (`palisade-measure`).

mod compare;
mod cost;

pub(crate) use cost::{Labour, labour};

#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
#[group(skip)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<cost::What>,

    #[command(flatten)]
    compare: compare::Args,
}

pub(crate) fn command(args: &Args) -> i32 {
    match &args.what {
        None => compare::command(&args.compare),
        Some(what) => cost::command(what),
    }
}
