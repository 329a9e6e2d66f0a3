//! A session for a person at a terminal: a line editor with a history, and several lines where an input has several.
//!
//! Whether an input goes on in the next line, its language says. Not here: what is printed (`print/session.rs`).

use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use palisade::{
    Printed, Session, Sink,
    spec::{InputOutcome, Report},
};
use rustix::{
    stdio,
    termios::{QueueSelector, tcflush},
};
use rustyline::{
    Config, Editor, Helper,
    completion::Completer,
    error::ReadlineError,
    highlight::Highlighter,
    hint::Hinter,
    history::FileHistory,
    validate::{ValidationContext, ValidationResult, Validator},
};

use super::{
    Ended, Setting,
    stop::{Resting, Stop},
};
use crate::print;

/// Inputs that the history keeps.
const HISTORY: usize = 1000;

/// Asks the language whether an input is complete, when Enter is pressed.
struct Lines(Stop);

impl Validator for Lines {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        let goes_on = !text.trim().is_empty()
            && self.0.with_resting(|session| session.may_go_on(text).unwrap_or(false)).unwrap_or(false);
        Ok(if goes_on { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl Completer for Lines {
    type Candidate = String;
}

impl Hinter for Lines {
    type Hint = String;
}

impl Highlighter for Lines {}

impl Helper for Lines {}

type Prompt = Editor<Lines, FileHistory>;

pub(super) fn talk(setting: Setting) -> i32 {
    let code = sessions(&setting);
    // What a program made the terminal answer is not for the shell that reads next.
    let _ = tcflush(stdio::stdin(), QueueSelector::IFlush);
    code
}

/// One session after the other, as long as one is wanted.
fn sessions(setting: &Setting) -> i32 {
    let history = if setting.args.no_history { None } else { history(&setting.title()) };
    let mut prompt = match editor(&setting.stop, history.as_deref()) {
        Ok(prompt) => prompt,
        Err(error) => return print::failure(&error, None),
    };
    loop {
        let report = match converse(setting, &mut prompt, history.as_deref()) {
            Ok(code) => return code,
            Err(Ended::Told(report)) => report,
            Err(ended) => return setting.ended(ended),
        };
        let has_exited = matches!(report.outcome, palisade::spec::Outcome::Exited { .. });
        let code = setting.ended(Ended::Told(report));
        if has_exited || setting.stop.is_wanted() || !wants_another(setting, &mut prompt) {
            return code;
        }
    }
}

fn editor(stop: &Stop, history: Option<&Path>) -> rustyline::Result<Prompt> {
    let config = Config::builder().max_history_size(HISTORY)?.auto_add_history(false).build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(Lines(stop.clone())));
    if let Some(history) = history {
        // There may be none yet.
        let _ = editor.load_history(history);
    }
    Ok(editor)
}

/// Where the history of inputs in a language is, if it can be anywhere.
fn history(language: &str) -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    let directory = state.join("palisade/history");
    DirBuilder::new().recursive(true).mode(0o700).create(&directory).ok()?;
    let plain: String = language.chars().filter(|sign| sign.is_ascii_alphanumeric()).collect();
    Some(directory.join(plain.to_ascii_lowercase()))
}

/// One session, to its end.
fn converse(setting: &Setting, prompt: &mut Prompt, history: Option<&Path>) -> Result<i32, Ended> {
    let pass: &mut dyn FnMut(Printed, &[u8]) = &mut print::session::printed;
    let session = setting.start(&mut Sink::Pass(pass))?;
    if !setting.args.quiet {
        print::session::greeting(&setting.title(), session.limits());
    }
    let mut session = Some(session);
    loop {
        let line = setting.stop.rest(&mut session, Resting::GoesOn, || prompt.readline("> "));
        let (Some(line), Some(resting)) = (line, &mut session) else { return Ok(130) };
        let code = match line {
            Ok(code) => code,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Ok(print::failure(&error, None)),
        };
        if code.trim().is_empty() {
            continue;
        }
        if let Some(history) = history {
            // Losing it is no reason to lose the session.
            let _ = prompt.add_history_entry(code.as_str()).and_then(|_| prompt.append_history(history));
        } else {
            let _ = prompt.add_history_entry(code.as_str());
        }
        if let Some(report) = input(setting, resting, &code)? {
            return Err(Ended::Told(report));
        }
    }
    let Some(session) = session else { return Ok(130) };
    let report = session.end(&mut Sink::Pass(pass))?;
    Ok(print::session::over(&setting.told(report), setting.args.quiet))
}

/// Evaluates an input, and shows what came of it. The report if the session has ended with it.
fn input(setting: &Setting, session: &mut Session, code: &str) -> Result<Option<Box<Report>>, Ended> {
    let mut at_start = true;
    let mut pass = |which, bytes: &[u8]| {
        at_start = bytes.last() == Some(&b'\n');
        print::session::printed(which, bytes);
    };
    let evaluation = match session.evaluate(code, &mut Sink::Pass(&mut pass)) {
        Ok(evaluation) => evaluation,
        Err(error @ palisade::StartError::Value { .. }) => {
            print::start_error(&error, false);
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    if !at_start {
        print::session::printed(Printed::Output, b"\n");
    }
    print::session::cut(&evaluation);
    match evaluation.outcome {
        InputOutcome::Finished => print::session::value(&evaluation),
        InputOutcome::LimitHit { .. } | InputOutcome::Interrupted => {
            print::session::stopped(&evaluation, session.limits(), setting.args.quiet);
            if !setting.args.quiet {
                print::session::goes_on();
            }
        }
        InputOutcome::Failed => print::session::raised(&evaluation),
        _ => {}
    }
    Ok(evaluation.session)
}

fn wants_another(setting: &Setting, prompt: &mut Prompt) -> bool {
    let question = "palisade: the session and its state are gone. Begin a fresh one? [Y/n] ";
    let answer = setting.stop.rest(&mut None, Resting::GoesOn, || prompt.readline(question));
    answer.is_some_and(|answer| {
        answer.is_ok_and(|answer| matches!(answer.trim().to_ascii_lowercase().as_str(), "" | "y" | "yes"))
    })
}
