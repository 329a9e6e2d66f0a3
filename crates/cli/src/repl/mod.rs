//! `palisade repl`: an interactive session in one sandbox, for people (`console`), programs (`lines`) and pipes (`script`).
//!
//! Not here: what an input may use, and its end (the library), printing (`print/session.rs`).

mod console;
mod lines;
mod script;
mod stop;
mod words;

use std::{
    io::{IsTerminal, stdin},
    path::Path,
};

use palisade::{
    Session, Sink, StartError,
    language::Language,
    spec::{Evaluation, Input, InputOutcome, Output, Program, Report, Request},
};

pub(crate) use self::words::{HELP, Words};
use self::{stop::Stop, words::Args};
use crate::{
    check::gate::{self, Looked},
    config, files, print,
    request::Refused,
};

/// What every kind of session needs.
struct Setting {
    args: Args,
    request: Request,
    looked: Looked,
    stop: Stop,
}

/// Exit status: the session's own if an input ended it, otherwise as `palisade run` would give it.
pub(crate) fn command(Words(args): Words) -> i32 {
    // Before any thread is started, as it has to be.
    let stop = match Stop::watch() {
        Ok(stop) => stop,
        Err(error) => return print::failure(&error, None),
    };
    let json = args.json;
    let setting = match set(args, stop) {
        Ok(setting) => setting,
        Err(Failure::Refused(refused)) => return print::session::refused(&refused, json),
        Err(Failure::Start(error)) => return print::session::not_started(&error, json),
    };
    match (json, stdin().is_terminal()) {
        (true, _) => lines::serve(setting),
        (false, true) => console::talk(setting),
        (false, false) => script::run(setting),
    }
}

/// Why there is no session.
enum Failure {
    Refused(Refused),
    Start(StartError),
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

fn set(mut args: Args, stop: Stop) -> Result<Setting, Failure> {
    let wants = &args.wants;
    let unfit = [
        (wants.check.is_some(), "--check looks at a file before it is run, and a session has none"),
        (wants.language.is_some(), "--language is of a file; the language of a session stands by itself"),
        (wants.with_dir, "--with-dir shows the directory of a source file, and a session has none"),
    ];
    if let Some((_, what)) = unfit.into_iter().find(|(is_there, _)| *is_there) {
        let hint = "leave it out; to show a directory, give --allow-read DIR or --workspace DIR";
        return Err(Failure::Refused(Refused { what: what.to_owned(), hint }));
    }
    let held = config::hold(wants, None)?;
    if !args.quiet {
        print::notices(&held.settled.notices);
    }
    let settled = &held.settled;
    let mut request = Request {
        environment: settled.environment.clone(),
        files: files::given(&wants.files, settled.workspace.clone()),
        activated: held.environment.clone(),
        policy: settled.policy_of(Path::new(""), Some(&args.name)),
        policies: held.policies.clone(),
        backend: settled.backend,
        stdin: Input::Empty,
        output: Output::Keep,
        ..Request::new(Program::Session { language: args.name.clone() })
    };
    let exchange = std::mem::take(&mut args.exchange);
    files::exchange(exchange, &mut request);
    // Nothing is looked at, which the report says.
    let looked = gate::look(&request, settled).unwrap_or(Looked::Not(None));
    Ok(Setting { args, request, looked, stop })
}

impl Setting {
    /// Starts a session, and waits until its language is there.
    fn start(&self, sink: &mut Sink<'_>) -> Result<Session, Ended> {
        let mut session = Session::start(self.request.clone(), self.args.session_time)?;
        self.stop.interrupts(session.interrupter());
        let mut ready = session.evaluate("", sink)?;
        match (ready.session.take(), &ready.outcome) {
            (None, InputOutcome::Finished) => Ok(session),
            (Some(report), _) => Err(Ended::Early(Box::new(ready), report)),
            // Whatever it said, it took too long, or nobody wants it any more.
            (None, _) => {
                session.interrupter().end();
                let report = Box::new(session.end(sink)?);
                Err(Ended::Early(Box::new(ready), report))
            }
        }
    }

    /// The report as the caller gets it.
    fn told(&self, mut report: Report) -> Report {
        self.looked.tell_report(&mut report);
        report
    }

    /// Name of the language for people.
    fn title(&self) -> String {
        Language::named(&self.args.name, None).map_or_else(|_| self.args.name.clone(), |found| found.title().to_owned())
    }
}

/// What became of a session.
enum Ended {
    /// It never was.
    Failed(StartError),
    /// The language was never there: what it said, and the story.
    Early(Box<Evaluation>, Box<Report>),
    /// It has this story.
    Told(Box<Report>),
    /// Nobody hears its answers; with the exit status.
    Unheard(i32),
}

impl From<StartError> for Ended {
    fn from(error: StartError) -> Self {
        Self::Failed(error)
    }
}

impl Setting {
    /// Says how it ended, and gives the exit status.
    fn ended(&self, ended: Ended) -> i32 {
        match ended {
            Ended::Failed(error) => print::session::not_started(&error, self.args.json),
            Ended::Unheard(code) => code,
            Ended::Early(ready, report) if self.args.json => {
                let report = self.told(*report);
                let code = report.exit_code;
                let ready =
                    Evaluation { outcome: InputOutcome::SessionEnded, session: Some(Box::new(report)), ..*ready };
                lines::early(&ready);
                code
            }
            Ended::Early(_, report) => {
                print::session::never_there(&self.title());
                self.ended(Ended::Told(report))
            }
            Ended::Told(report) => {
                let report = self.told(*report);
                // For a program, the last answer has said it.
                let code = if self.args.json { report.exit_code } else { print::verdict(&report, self.args.quiet) };
                if self.stop.is_wanted() { 130 } else { code }
            }
        }
    }
}
