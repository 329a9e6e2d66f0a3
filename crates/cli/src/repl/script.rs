//! A session without a terminal: all of standard input is one input, as `python3 <FILE` takes it.
//!
//! Not here: starting it (`mod.rs`).

use std::io::{Read, stdin};

use palisade::{
    Printed, Sink,
    spec::{InputOutcome, Outcome},
};

use super::{Ended, Setting, stop::Resting};
use crate::print;

/// One byte more than the largest input.
const MOST: u64 = (16 << 20) + 1;

pub(super) fn run(setting: Setting) -> i32 {
    let mut text = Vec::new();
    let read = setting.stop.rest(&mut None, Resting::Ends, || stdin().lock().take(MOST).read_to_end(&mut text));
    let Some(read) = read else { return 130 };
    let code = match read.map(|_| String::from_utf8(text)) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => return print::failure(&format_args!("standard input is not UTF-8: {error}"), None),
        Err(error) => return print::failure(&format_args!("cannot read standard input: {error}"), None),
    };
    match evaluate(&setting, &code) {
        Ok(code) => code,
        Err(ended) => setting.ended(ended),
    }
}

fn evaluate(setting: &Setting, code: &str) -> Result<i32, Ended> {
    let pass: &mut dyn FnMut(Printed, &[u8]) = &mut print::session::printed;
    let mut session = setting.start(&mut Sink::Pass(pass))?;
    let evaluation = session.evaluate(code, &mut Sink::Pass(pass))?;
    if !setting.args.quiet {
        print::session::cut(&evaluation);
    }
    if let Some(report) = evaluation.session {
        return Err(Ended::Told(report));
    }
    match evaluation.outcome {
        InputOutcome::Finished => {}
        InputOutcome::LimitHit { limit } => {
            print::session::stopped(&evaluation, session.limits(), setting.args.quiet);
            return Ok(Outcome::LimitHit { limit }.exit_code());
        }
        InputOutcome::Interrupted => return Ok(Outcome::Cancelled.exit_code()),
        _ => {
            print::session::raised(&evaluation);
            return Ok(1);
        }
    }
    let report = session.end(&mut Sink::Pass(pass))?;
    Ok(print::session::over(&setting.told(report), setting.args.quiet))
}
