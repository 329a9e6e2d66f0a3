//! A session for programs: one JSON object a line in, one a line out, in the same order.
//!
//! Not here: the form of an answer (`palisade::spec::Evaluation`).

use std::io::{BufRead, Read, StdinLock, stdin};

use palisade::{
    Sink,
    spec::{Evaluation, InputOutcome},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Ended, Setting,
    stop::{Resting, Stop},
};
use crate::print;

/// Longest line, in bytes: more than the largest input takes, however it is written.
const LINE: u64 = 100 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    id: Value,
    code: String,
}

#[derive(Serialize)]
struct Answered<'a> {
    id: &'a Value,
    #[serde(flatten)]
    evaluation: &'a Evaluation,
}

/// An input that was not evaluated.
#[derive(Serialize)]
struct Refused<'a> {
    id: &'a Value,
    refused: String,
}

pub(super) fn serve(setting: Setting) -> i32 {
    match converse(&setting) {
        Ok(code) => code,
        Err(ended) => setting.ended(ended),
    }
}

fn converse(setting: &Setting) -> Result<i32, Ended> {
    let mut session = Some(setting.start(&mut Sink::Keep)?);
    let stop = &setting.stop;
    let mut input = stdin().lock();
    loop {
        let line = stop.rest(&mut session, Resting::Ends, || next(&mut input));
        let (Some(line), Some(resting)) = (line, &mut session) else { return Ok(130) };
        let line = match line {
            Ok(Line::Whole(line)) => line,
            Ok(Line::TooLong) => {
                answer(stop, &Refused { id: &Value::Null, refused: format!("a line may have {LINE} bytes") })?;
                continue;
            }
            Ok(Line::None) => break,
            Err(error) => return Ok(print::failure(&format_args!("cannot read standard input: {error}"), None)),
        };
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let asked: Asked = match serde_json::from_slice(&line) {
            Ok(asked) => asked,
            Err(error) => {
                // Whose it is may be readable even so.
                let id = serde_json::from_slice::<Value>(&line).ok().and_then(|line| line.get("id").cloned());
                let refused = format!("not an object with `code`, a text, and perhaps `id`: {error}");
                answer(stop, &Refused { id: &id.unwrap_or_default(), refused })?;
                continue;
            }
        };
        let mut evaluation = match resting.evaluate(&asked.code, &mut Sink::Keep) {
            Ok(evaluation) => evaluation,
            Err(palisade::StartError::Value { what, value, because, .. }) => {
                answer(stop, &Refused { id: &asked.id, refused: format!("{what} cannot be {value}: {because}") })?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        evaluation.session = evaluation.session.map(|report| Box::new(setting.told(*report)));
        answer(stop, &Answered { id: &asked.id, evaluation: &evaluation })?;
        if let (InputOutcome::SessionEnded, Some(report)) = (&evaluation.outcome, evaluation.session) {
            return Err(Ended::Told(report));
        }
    }
    let Some(session) = session else { return Ok(130) };
    Ok(print::session::over(&setting.told(session.end(&mut Sink::Keep)?), true))
}

/// What there is to say of a session that never was: an answer to nobody.
pub(super) fn early(ready: &Evaluation) {
    // The exit status says it too.
    let _ = print::session::line(&Answered { id: &Value::Null, evaluation: ready });
}

/// One line of the output, and at once: somebody waits for it.
/// Answers an input. Whoever has read that may interrupt palisade, and means no input any more.
fn answer(stop: &Stop, said: &impl Serialize) -> Result<(), Ended> {
    stop.has_evaluated();
    match print::session::line(said) {
        0 => Ok(()),
        code => Err(Ended::Unheard(code)),
    }
}

enum Line {
    Whole(Vec<u8>),
    TooLong,
    None,
}

fn next(input: &mut StdinLock<'_>) -> std::io::Result<Line> {
    let mut line = Vec::new();
    input.by_ref().take(LINE).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(Line::None);
    }
    if line.len() as u64 == LINE && !line.ends_with(b"\n") {
        while !line.ends_with(b"\n") && !line.is_empty() {
            line.clear();
            input.by_ref().take(LINE).read_until(b'\n', &mut line)?;
        }
        return Ok(Line::TooLong);
    }
    Ok(Line::Whole(line))
}
