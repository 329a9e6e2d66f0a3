//! palisade's agent inside a wall that another program makes.
//!
//! In: an [`Order`] on standard input, then the program's own input. Out: the program's output, and among its errors the
//! [`Word`]s that tell what became of it. Not here: the wall, and every limit that is held from outside.
//!
//! Where a wall does not pass the streams on, the one argument says where they are had from. For the rest, whatever wall it is
//! in, it does the same: gives up all privileges, sets resource limits, installs the system call filter,
//! executes the program, answers the filter, and tells of the program's end. Its own end ends the wall.
#![forbid(unsafe_code)]

mod count;
mod link;
mod order;
mod script;
mod watch;

use std::process::ExitCode;

use palisade_spec::guest::Word;

/// The exit status of R27 for a failure of palisade itself.
const FAILED: u8 = 125;

fn main() -> ExitCode {
    let link = match std::env::args_os().nth(1).map(|path| link::take(path.as_ref())).transpose() {
        Ok(link) => link,
        Err(_) => return ExitCode::from(FAILED),
    };
    let order = match order::read() {
        Ok(order) => order,
        Err(error) => {
            // Before the first word, palisade takes everything for what the wall's own program says.
            watch::complain(&format!("palisade-guest: no order: {error}"));
            return ExitCode::from(FAILED);
        }
    };
    // Nobody inside may look into this process, which knows the secrets. Up to here, nobody else is there. One that cannot hide
    // them starts nothing.
    if rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable).is_err() {
        return ExitCode::from(FAILED);
    }
    if let Some(outside) = &order.outside
        && let Err(why) = watch::has_left(outside)
    {
        watch::complain(&format!("palisade-guest: this wall does not close the network: {why}"));
        return ExitCode::from(FAILED);
    }
    match script::of(&order).and_then(|script| watch::until_ended(&order, &script, link.as_ref())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let step = Some("start the program's process".to_owned());
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            watch::tell(&order.secrets, &Word::Failed { step, errno });
            ExitCode::from(FAILED)
        }
    }
}
