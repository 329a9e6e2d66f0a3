//! The validator's process: started once for all files, started again if a file kills it.
//!
//! In: a policy, then sources. Out: what was found. A stranger's text is only ever parsed over there. Not here: what it does
//! (`../validator/`).

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
};

use palisade::{Malformed, Mistake};
use palisade_spec::{
    Checked, Finding, FindingCode, Severity, Span,
    validator::{Answer, Source as Head, UNCONFINED},
};

use super::{collect::Source, policy::Policy};

/// The name of its program, which lies beside this one.
const PROGRAM: &str = "palisade-check";
/// One answer, in bytes: two hundred findings of a few hundred bytes, a thousand functions.
const LONGEST_ANSWER: u64 = 16 << 20;

/// Why nothing could be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) what: String,
    pub(crate) hint: Option<String>,
}

impl Failed {
    pub(crate) fn new(what: impl Into<String>, hint: &str) -> Self {
        Self { what: what.into(), hint: (!hint.is_empty()).then(|| hint.to_owned()) }
    }
}

impl From<palisade::StartError> for Failed {
    fn from(error: palisade::StartError) -> Self {
        Self { what: error.to_string(), hint: error.hint() }
    }
}

/// A validator at work.
#[derive(Debug)]
pub(crate) struct Helper<'a> {
    policy: &'a Policy,
    process: Option<(Child, ChildStdin, BufReader<ChildStdout>)>,
}

impl<'a> Helper<'a> {
    pub(crate) fn start(policy: &'a Policy) -> Result<Self, Failed> {
        let mut helper = Self { policy, process: None };
        helper.spawn()?;
        Ok(helper)
    }

    fn spawn(&mut self) -> Result<(), Failed> {
        let program = program()?;
        let spawned = Command::new(&program)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child =
            spawned.map_err(|error| Failed::new(format!("cannot start {}: {error}", program.display()), ""))?;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failed::new("the validator has no pipes", ""));
        };
        // What it cannot take, it will not answer.
        let _ = send(&mut input, &self.policy.order, &[]);
        self.process = Some((child, input, BufReader::new(output)));
        Ok(())
    }

    /// What is found in a file. One that ends the validator is told of like one that is too complex.
    pub(crate) fn check(&mut self, source: &Source) -> Result<Checked, Failed> {
        if self.process.is_none() {
            self.spawn()?;
        }
        let Some((_, input, output)) = &mut self.process else { return Ok(lost(source)) };
        let head = Head { name: source.name.clone(), language: name_of(source), size: source.content.len() as u64 };
        let mut line = String::new();
        let answered = send(input, &head, &source.content)
            .and_then(|()| output.take(LONGEST_ANSWER).read_line(&mut line))
            .is_ok_and(|length| length > 0);
        match answered.then(|| serde_json::from_str::<Answer>(&line)) {
            Some(Ok(Answer::Checked(checked))) => Ok(*checked),
            Some(Ok(Answer::Failed { message, span })) => Err(match (&self.policy.order.text, span) {
                (Some(text), Some(span)) => {
                    let shown = Malformed::new(self.policy.name(), text, vec![Mistake::new(span, message)]);
                    Failed::new(shown.to_string(), "")
                }
                _ => Failed::new(message, ""),
            }),
            Some(Err(_)) | None => match self.stop().and_then(|status| status.code()) {
                Some(code) if code == i32::from(UNCONFINED) => Err(Failed::new(
                    "the validator could not confine itself, and has read nothing",
                    "it needs system call filters (CONFIG_SECCOMP_FILTER); `palisade doctor` tells whether they are there",
                )),
                _ => Ok(lost(source)),
            },
        }
    }

    /// Ends it. How it ended, if it had done so before.
    fn stop(&mut self) -> Option<ExitStatus> {
        let (mut child, input, _) = self.process.take()?;
        drop(input);
        // It fails only for one that has been waited for, and nobody has.
        let _ = child.kill();
        child.wait().ok()
    }
}

impl Drop for Helper<'_> {
    fn drop(&mut self) {
        self.stop();
    }
}

fn name_of(source: &Source) -> String {
    match source.language {
        palisade_check::Language::Tsx => "tsx".to_owned(),
        language => language.name().to_owned(),
    }
}

fn send(input: &mut ChildStdin, head: &impl serde::Serialize, bytes: &[u8]) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(head)?;
    line.push(b'\n');
    input.write_all(&line)?;
    input.write_all(bytes)?;
    input.flush()
}

/// The program, beside this one.
fn program() -> Result<PathBuf, Failed> {
    let own =
        env::current_exe().map_err(|error| Failed::new(format!("cannot find this program itself: {error}"), ""))?;
    let beside = own.with_file_name(PROGRAM);
    if beside.is_file() {
        return Ok(beside);
    }
    Err(Failed::new(
        format!("the validator is not installed: there is no {}", beside.display()),
        "`cargo build --release` builds it beside palisade, `cargo install --path crates/cli` installs both",
    ))
}

/// The validator ended before it had an answer.
fn lost(source: &Source) -> Checked {
    let finding = Finding {
        code: FindingCode::CodeTooComplex,
        severity: Severity::Error,
        message: "the validator ran out of time or memory over this file, and did not finish".to_owned(),
        recommendation: Some("write it as several smaller files".to_owned()),
        span: Span { line: 1, column: 1, end_line: 1, end_column: 1, start: 0, end: 0 },
        policy: None,
    };
    Checked {
        file: source.name.clone(),
        language: source.language.name().to_owned(),
        size: source.content.len() as u64,
        complexity: 0,
        functions: Vec::new(),
        findings: vec![finding],
        findings_omitted: 0,
    }
}
