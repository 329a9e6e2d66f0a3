//! The `palisade` command.
//!
//! Arguments become a `Request` (`request.rs`), the library answers, `print.rs` says it.
#![forbid(unsafe_code)]

mod advise;
mod args;
mod attack;
mod backends;
mod bench;
mod cases;
mod check;
mod config;
mod doctor;
mod environment;
mod files;
mod images;
mod policy;
mod pool;
mod print;
mod reference;
mod repl;
mod request;
mod result_file;
mod spelling;
mod terminal;
mod typescript;
mod whole;

use std::{os::fd::AsFd, process::ExitCode};

use clap::Parser;

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return unparsed(&error),
    };
    if palisade_sys::output_was_closed() {
        return ExitCode::from(u8::try_from(print::no_output()).unwrap_or(125));
    }
    let code = match cli.command {
        Command::Run(run) => run_command(run),
        Command::Plan(run) => plan_command(run),
        Command::Check(args) => check::command(&args),
        Command::Attack(args) => attack::command(&args),
        Command::Bench(args) => bench::command(&args),
        Command::Repl(args) => repl::command(*args),
        Command::Pool(args) => pool::command(*args),
        Command::Policy(args) => policy::command(&args),
        Command::Images(args) => images::command(&args),
        Command::Env(args) => environment::command(args),
        Command::Test(args) => cases::test(args),
        Command::Config(args) => config::command(args.what),
        Command::Doctor(args) => doctor::examine(&args),
        Command::Backends(args) => backends::list(&args),
        Command::Advise(args) => advise::answer(&args),
        Command::Completions(args) => reference::completions(args.shell),
        Command::Man(args) => reference::man(args.dir.as_deref()),
        Command::InternalWork(work) => bench::labour(&work),
        Command::InternalTypescript(paths) => typescript::compile(&paths),
    };
    ExitCode::from(u8::try_from(code).unwrap_or(125))
}

/// A command line that makes no sense, or a call for help.
fn unparsed(error: &clap::Error) -> ExitCode {
    let not_text = error.kind() == clap::error::ErrorKind::InvalidUtf8;
    match not_text.then(|| spelling::refused(&std::env::args_os().collect::<Vec<_>>())).flatten() {
        Some(refused) => ExitCode::from(u8::try_from(print::refusal(&refused, false)).unwrap_or(125)),
        None => print::usage(error),
    }
}

fn run_command(args: args::Run) -> i32 {
    let (json, quiet, own) = (args.json, args.quiet, args.no_pool);
    let cancel = match palisade_sys::signals::receive(&palisade_sys::signals::STOP) {
        Ok(cancel) => cancel,
        Err(error) => return print::failure(&error, None),
    };
    if let Err(error) = terminal::check(&args) {
        return print::refusal(&error, json);
    }
    let held = match config::hold(&args.wants, args.on_output_limit) {
        Ok(held) => held,
        Err(error) => return print::start_error(&error, json),
    };
    if !quiet {
        print::notices(&held.settled.notices);
    }
    let request = match request::request(args, &held) {
        Ok(request) => request,
        Err(error) => return print::refusal(&error, json),
    };
    let looked = match check::gate::look(&request, &held.settled) {
        Ok(looked) => looked,
        Err(refusal) => return print::not_passed(&refusal, json),
    };
    // Who tells of a look at the program has to be here.
    let pool = if own || looked.tells() { None } else { pool::find() };
    let ran = match pool {
        None => palisade::run_until(request, Some(cancel.as_fd())),
        Some(pool) => match pool::run(pool, request, pool::Say { json, quiet }, cancel.as_fd()) {
            pool::Ran::There(code) => return code,
            pool::Ran::Here(ran) => ran,
        },
    };
    let ran = ran.map(|mut report| {
        looked.tell_report(&mut report);
        report
    });
    match ran {
        Ok(report) if json => print::report_json(&report),
        Ok(report) => print::verdict(&report, quiet),
        Err(error) => print::start_error(&error, json),
    }
}

fn plan_command(args: args::Run) -> i32 {
    let (json, quiet) = (args.json, args.quiet);
    let held = match config::hold(&args.wants, args.on_output_limit) {
        Ok(held) => held,
        Err(error) => return print::start_error(&error, json),
    };
    if !quiet {
        print::notices(&held.settled.notices);
    }
    let request = match request::request(args, &held) {
        Ok(request) => request,
        Err(error) => return print::refusal(&error, json),
    };
    let looked = match check::gate::look(&request, &held.settled) {
        Ok(looked) => looked,
        Err(refusal) => return print::not_passed(&refusal, json),
    };
    let planned = palisade::plan(&request).map(|mut plan| {
        plan.launches.iter_mut().for_each(|launch| looked.tell(&mut launch.layers));
        plan
    });
    match planned {
        Ok(plan) if json => print::json(&plan),
        Ok(plan) => print::plan(&plan),
        Err(error) => print::start_error(&error, json),
    }
}
