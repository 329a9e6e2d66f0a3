//! `palisade attack`: the table of attacks, carried out on this host.
//!
//! Not here: the attacks, their stages and their table (`palisade-measure`), what they are made of (`palisade-attacker`).

mod choose;

use std::{
    env,
    os::{fd::AsFd, unix::process::CommandExt},
    path::PathBuf,
    process::Command,
};

use palisade_measure::attack::{AttackError, DECOY_VARIABLE, Order, Table, Verdict, attack, decoy, html, text};

use crate::{
    print::{
        self, Colour,
        progress::{Progress, Show},
    },
    request::Refused,
    result_file::ResultFile,
};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The wall to attack, several of them, or all that this version has [default: native]
    #[arg(long, value_name = "BACKEND|all", value_delimiter = ',')]
    backend: Vec<String>,

    /// Only this attack (`--list` names them)
    #[arg(long, value_name = "NAME", value_delimiter = ',', num_args = 1..)]
    row: Vec<String>,

    /// Only the attacks of this group
    #[arg(long, value_name = "GROUP", value_delimiter = ',', num_args = 1..)]
    group: Vec<String>,

    /// Print one JSON object instead of the table
    #[arg(long)]
    json: bool,

    /// Write the table as a page for browsers too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// List the attacks, and carry out none
    #[arg(long)]
    list: bool,
}

/// The name of the program that attacks, which lies beside this one.
const PROGRAM: &str = "palisade-attacker";

/// Exit status 1 if an attack succeeds that its wall promises to stop.
pub(crate) fn command(args: &Args) -> i32 {
    match carry_out(args) {
        Ok(code) => code,
        Err(refused) => print::not_attacked(&refused, args.json),
    }
}

fn carry_out(args: &Args) -> Result<i32, Refused> {
    let chosen = choose::attacks(&args.row, &args.group)?;
    if args.list {
        return Ok(if args.json {
            print::json(&choose::Listed::of(&chosen))
        } else {
            print::data(&choose::list(&chosen))
        });
    }
    let backends = choose::backends(&args.backend)?;
    let attacker = attacker()?;
    // Before any work is done for nothing.
    let page = match args.html.as_deref().map(|path| (path, ResultFile::find(path))) {
        None => None,
        Some((path, Ok(file))) => Some((path, file)),
        Some((path, Err(error))) => return Ok(print::no_result_file("--html", path, &error)),
    };
    if env::var_os(DECOY_VARIABLE).is_none() {
        return Err(once_more());
    }
    let cancel = palisade_sys::signals::receive(&palisade_sys::signals::STOP)
        .map_err(|error| Refused { what: format!("cannot receive signals: {error}"), hint: "" })?;
    let progress = Progress::new(chosen.len() * (backends.len() + 1), Show::Progress);
    let order = Order { attacker: &attacker, attacks: chosen, backends };
    let table = attack(&order, Some(cancel.as_fd()), &mut |_| progress.step(0));
    drop(progress);
    let table = match table {
        Ok(table) => table,
        Err(AttackError::Host(error)) => return Ok(print::start_error(&error, args.json)),
        Err(error @ AttackError::Cancelled) => {
            print::failure(&error, None);
            return Ok(130);
        }
        Err(error) => return Ok(print::failure(&error, None)),
    };
    let mut code = say(&table, args.json);
    if let Some((path, file)) = page
        && let Err(error) = file.write(html(&table).as_bytes())
    {
        code = print::failure(&error, Some(path));
    }
    if code == 0
        && let Some(reasons) = table.refused_all()
    {
        return Ok(print::nothing_attacked(&reasons));
    }
    Ok(if code == 0 && table.is_broken() { 1 } else { code })
}

fn say(table: &Table, as_json: bool) -> i32 {
    if as_json {
        return print::json(table);
    }
    let paint = |verdict: Verdict, word: String| match (print::colour(), verdict) {
        (Colour::Some, Verdict::Vulnerable) => format!("\x1b[31m{word}\x1b[0m"),
        (Colour::Some, Verdict::Blocked | Verdict::Isolated) => format!("\x1b[32m{word}\x1b[0m"),
        (Colour::Some, Verdict::Inconclusive | Verdict::Refused) => format!("\x1b[33m{word}\x1b[0m"),
        (Colour::None, _) => word,
    };
    // The words of others in it have one line, and no signs that move a cursor.
    print::data(&text(table, &paint))
}

/// The program, beside this one.
fn attacker() -> Result<PathBuf, Refused> {
    let own = env::current_exe();
    let own = own.map_err(|error| Refused { what: format!("cannot find this program itself: {error}"), hint: "" })?;
    let beside = own.with_file_name(PROGRAM);
    if beside.is_file() {
        return Ok(beside);
    }
    Err(Refused {
        what: format!("the attacker is not installed: there is no {}", beside.display()),
        hint: "`cargo build --release` builds it beside palisade, `cargo install --path crates/cli` installs both",
    })
}

/// Starts this command again, with a secret in its environment for an attack to find. Comes back only if it cannot.
fn once_more() -> Refused {
    let started = env::current_exe().map(|own| {
        let mut command = Command::new(own);
        command.args(env::args_os().skip(1)).env(DECOY_VARIABLE, decoy()).exec()
    });
    let (Ok(error) | Err(error)) = started;
    Refused { what: format!("cannot start this program again: {error}"), hint: "" }
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_are_at_least_forty_five_attacks() {
        assert!(palisade_measure::attack::attacks().count() >= 45);
    }
}
