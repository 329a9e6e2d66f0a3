//! `--tty`: whether the caller's terminal can be lent, how large it is, and what it is called.
//!
//! Not here: the program's terminal, and making the caller's raw (the library).

use std::io::{IsTerminal, stdin};

use palisade::spec::Terminal;
use rustix::{
    process::getpgrp,
    stdio,
    termios::{tcgetpgrp, tcgetwinsize},
};

use crate::{args::Run, request::Refused};

/// Why a run with `--tty` makes no sense here.
pub(crate) fn check(args: &Run) -> Result<(), Refused> {
    let refuse = |what: &str, hint| Err(Refused { what: what.to_owned(), hint });
    if !args.tty {
        return Ok(());
    }
    if args.json {
        return refuse(
            "--tty and --json exclude each other: with --json the output is kept for the report, so whoever types would see \
             nothing",
            "leave one of them out",
        );
    }
    if !stdin().is_terminal() {
        return refuse(
            "--tty needs a terminal, and standard input is none",
            "leave --tty out to pass a file or pipe to the program; to give a program a terminal without having one: \
             script -qec 'palisade run --tty …' /dev/null",
        );
    }
    if tcgetpgrp(stdio::stdin()).is_ok_and(|group| group != getpgrp()) {
        return refuse(
            "--tty needs the terminal, and palisade runs in its background",
            "start it without `&`; below timeout(1), say `timeout --foreground`",
        );
    }
    Ok(())
}

/// What the program's terminal is like at the start: as large as the caller's, if that has a size.
pub(crate) fn wanted() -> Terminal {
    match tcgetwinsize(stdio::stdin()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => Terminal { rows: size.ws_row, columns: size.ws_col },
        _ => Terminal::default(),
    }
}

/// The variable that tells programs which signs move this terminal's cursor.
pub(crate) fn name() -> (String, String) {
    let is_name = |name: &String| {
        let plain = |sign: char| sign.is_ascii_alphanumeric() || "+-._".contains(sign);
        (1..=64).contains(&name.len()) && name.chars().all(plain)
    };
    let name = std::env::var("TERM").ok().filter(is_name);
    ("TERM".to_owned(), name.unwrap_or_else(|| "dumb".to_owned()))
}
