//! What is said of an interactive session.
//!
//! What inputs print goes through unchanged, as with `palisade run`. What they say of values and errors is shown so that it
//! moves no cursor.

use std::io::{self, Write};

use palisade::{
    Printed, StartError,
    spec::{Evaluation, InputLimits, InputOutcome, LimitKind, Outcome, Report, Stream},
};

use super::{err, failure, legible, not_started as not_begun, out, verdict};
use crate::request::Refused;

/// Passes on what an input prints, at once.
pub(crate) fn printed(which: Printed, bytes: &[u8]) {
    // If nobody reads it, that is their choice: what the session does goes on.
    let _ = match which {
        Printed::Output => {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes).and_then(|()| stdout.flush())
        }
        Printed::Error => io::stderr().lock().write_all(bytes),
    };
}

pub(crate) fn greeting(title: &str, limits: &InputLimits) {
    err(&format!(
        "palisade: {title} in a sandbox; {} s and {} s of processor time for each input; Ctrl-C interrupts, Ctrl-D ends\n",
        limits.wall_time.as_secs_f64(),
        limits.cpu_time.as_secs_f64(),
    ));
}

/// Why there is no prompt.
pub(crate) fn never_there(title: &str) {
    err(&format!("palisade: {title} ended before it could evaluate anything\n"));
}

/// The value of an input, if it has one.
pub(crate) fn value(evaluation: &Evaluation) {
    if let Some(value) = &evaluation.value {
        out(&legible(&format!("{value}\n")));
    }
}

/// An error that an input did not catch.
pub(crate) fn raised(evaluation: &Evaluation) {
    if let Some(error) = &evaluation.error {
        err(&format!("{}\n", error.trace));
    }
}

/// Which streams have lost something.
pub(crate) fn cut(evaluation: &Evaluation) {
    let each = |name: &str, stream: &Stream| {
        if stream.cut {
            err(&format!("palisade: {name} was cut: {} bytes in all; raise it with --output-limit\n", stream.total));
        }
    };
    each("standard output", &evaluation.stdout);
    each("standard error", &evaluation.stderr);
}

/// Why an input was stopped.
pub(crate) fn stopped(evaluation: &Evaluation, limits: &InputLimits, quiet: bool) {
    if quiet {
        return;
    }
    let why = match &evaluation.outcome {
        InputOutcome::LimitHit { limit: LimitKind::CpuTime } => format!(
            "the input was stopped: it had used {:.3} s of processor time, and may use {} s\nhint: raise it with \
             --cpu-time-limit",
            evaluation.cpu_time_ms / 1000.0,
            limits.cpu_time.as_secs_f64(),
        ),
        InputOutcome::LimitHit { .. } => format!(
            "the input was stopped after {:.3} s, and may take {} s\nhint: raise it with --time-limit",
            evaluation.wall_time_ms / 1000.0,
            limits.wall_time.as_secs_f64(),
        ),
        _ => "the input was interrupted".to_owned(),
    };
    err(&format!("palisade: {why}\n"));
}

/// That a session lives, whose input was stopped.
pub(crate) fn goes_on() {
    err("palisade: the session goes on, with its state\n");
}

/// A session that its user has ended. That it had to be killed for that is no failure.
pub(crate) fn over(report: &Report, quiet: bool) -> i32 {
    match report.outcome {
        Outcome::Cancelled => {
            if !quiet {
                err("palisade: what the session had left running was stopped\n");
            }
            0
        }
        _ => verdict(report, quiet),
    }
}

/// One JSON object on one line. Without anybody to read it, the exit status of one that was ended by SIGPIPE.
pub(crate) fn line(value: &impl serde::Serialize) -> i32 {
    let text = match serde_json::to_string(value) {
        Ok(text) => format!("{text}\n"),
        Err(error) => return failure(&error, None),
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => 0,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 128 + libc::SIGPIPE,
        Err(error) => failure(&format_args!("cannot write to standard output: {error}"), None),
    }
}

/// What kept a session from starting.
pub(crate) fn not_started(error: &StartError, as_json: bool) -> i32 {
    unstarted(&error.to_string(), error.hint().as_deref(), error.exit_code(), as_json)
}

/// What a session cannot have.
pub(crate) fn refused(refused: &Refused, as_json: bool) -> i32 {
    unstarted(&refused.what, Some(refused.hint), 125, as_json)
}

fn unstarted(what: &str, hint: Option<&str>, exit_code: i32, as_json: bool) -> i32 {
    not_begun(what, hint, exit_code, false);
    if as_json {
        let schema = "palisade.error/1";
        line(&serde_json::json!({ "schema": schema, "error": what, "hint": hint, "exit_code": exit_code }));
    }
    exit_code
}
