//! What is done once for many runs of one program: checking, planning, compiling.
//!
//! Not here: the door for a single run (`run.rs`), which goes through this too.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
        mpsc::Sender,
    },
};

use palisade_spec::{Input, LeftKind, Output, OutputExcess, Refusal, Report, Request, Strictness, Upper};

use crate::{
    backend::Choice,
    bound::Resolved,
    changes,
    collect::collect,
    conflicts::{self, Found},
    error::StartError,
    host::Host,
    job::{Access, Given},
    language::BUILD,
    native::{Entry, Launch, Wall},
    outputs,
    resolve::resolve,
    supervise::{Cell, Connection, Finished, Gauge, Left, Turn, Upkeep, now, supervise},
};

/// What came of preparing a request.
#[derive(Debug)]
#[must_use]
#[expect(clippy::large_enum_variant, reason = "there is one for a program, and it is taken apart at once")]
pub enum Preparation {
    /// It can be run.
    Ready(Prepared),
    /// The compiler did not accept the program, or was stopped: the report tells of it, and there is nothing to run.
    Failed(Box<Report>),
}

/// A program that can be run again and again, each time in a fresh sandbox: checked, planned and compiled.
///
/// Runs of it share nothing but what they read: the host's files, and the compiler's artefacts, which are held in memory until
/// this is dropped and copied into each sandbox. Several threads may run it at one time.
#[derive(Debug)]
pub struct Prepared {
    launch: Launch,
    choice: Choice,
    /// The launch that worked where the first one did not, and what was passed over for it.
    instead: OnceLock<(Launch, Vec<Refusal>)>,
    compile: Option<Box<Report>>,
    conflicts: Found,
    excess: OutputExcess,
    strictness: Strictness,
    /// When work on the program's own stage began, in nanoseconds of the monotonic clock.
    begun: u64,
    has_run: AtomicBool,
}

/// Checks and plans a request, and compiles its program if it has to be compiled. The request's own input and output are
/// not used: each run has its own.
///
/// Stops as soon as `cancel` becomes readable: the compiler's outcome is then `Cancelled`. Blocks the calling thread; the
/// compiler is killed if that thread ends.
///
/// # Errors
/// Everything that is wrong with the request, and every reason why this host cannot hold it.
pub fn prepare(request: &Request, cancel: Option<BorrowedFd<'_>>) -> Result<Preparation, StartError> {
    prepare_for(request, Watch { cancel, ..Watch::default() })
}

/// Who watches a run.
#[derive(Clone, Copy, Default)]
pub(crate) struct Watch<'a> {
    /// Becomes readable when the run is to stop.
    pub(crate) cancel: Option<BorrowedFd<'a>>,
    /// Told that something runs: the compiler, or the program.
    pub(crate) started: Option<&'a Sender<()>>,
    /// Told that the program has ended.
    pub(crate) ended: Option<&'a dyn Fn()>,
    /// Where somebody asks while the program runs.
    pub(crate) gauge: Option<&'a Gauge>,
}

/// As [`prepare`].
pub(crate) fn prepare_for(request: &Request, watch: Watch<'_>) -> Result<Preparation, StartError> {
    let mut begun = now();
    let mut jobs = resolve(request)?;
    let host = Host::look().map_err(StartError::io("look at this host"))?;
    let Some(mut last) = jobs.pop() else { return Err(StartError::NoBackend { refusals: Vec::new() }) };
    let conflicts = conflicts::asked_for(last.layers())?;
    let mut compile = None;
    for job in jobs {
        let (report, left) = build(request, job, &host, begun, watch)?;
        if !report.success {
            let compile = Some(Box::new(report.clone()));
            return Ok(Preparation::Failed(Box::new(Report { compile, ..report })));
        }
        last.give(left);
        compile = Some(Box::new(report));
        begun = now();
    }
    let (excess, strictness) = (last.output_excess(), last.strictness());
    let mut choice = Choice::new(request.backend, last, host);
    Ok(Preparation::Ready(Prepared {
        launch: choice.next()?,
        choice,
        instead: OnceLock::new(),
        compile,
        conflicts,
        excess,
        strictness,
        begun,
        has_run: AtomicBool::new(false),
    }))
}

impl Prepared {
    /// Runs the program in a fresh sandbox to its end and tells its story. The report repeats the compiler's.
    ///
    /// Stops as soon as `cancel` becomes readable: the outcome is then `Cancelled`. Blocks the calling thread. The program
    /// and all its descendants are killed if that thread ends.
    ///
    /// # Errors
    /// If the program could not be started; whatever it does afterwards is in the report.
    pub fn run(&self, stdin: Input, output: Output, cancel: Option<BorrowedFd<'_>>) -> Result<Report, StartError> {
        self.run_on(Turn::default(), now(), stdin, output, Watch { cancel, ..Watch::default() })
    }

    /// Whether a sandbox for it can stand before it is known what runs there, or what of it cannot.
    pub(crate) fn is_warmable(&self) -> Result<(), &'static str> {
        let launch = &self.launch;
        let kept = |entry: &Entry| matches!(entry, Entry::Layers { upper: Upper::Kept { .. }, .. });
        if launch.has_agent() || launch.wall != Wall::Full {
            return Err("its wall is not palisade's own");
        }
        if launch.job.terminal.is_some() {
            return Err("it has a terminal");
        }
        if launch.tree.iter().any(kept) {
            return Err("its changes to layers are kept, in one directory");
        }
        Ok(())
    }

    /// A sandbox that stands, and waits for a program.
    pub(crate) fn stand(&self) -> Result<Cell, StartError> {
        Cell::stand(&self.launch, self.strictness)
    }

    /// As [`Prepared::run`], in its turn.
    pub(crate) fn run_on(
        &self,
        turn: Turn<'_>,
        begun: u64,
        stdin: Input,
        output: Output,
        watch: Watch<'_>,
    ) -> Result<Report, StartError> {
        let report = self.run_since(turn, begun, stdin, output, watch)?;
        Ok(Report { compile: self.compile.clone(), ..report })
    }

    pub(crate) fn launch(&self) -> &Launch {
        &self.launch
    }

    /// The same for whichever source file comes later, in place of the one that was prepared.
    ///
    /// # Errors
    /// Why not: it is not an interpreted program of a single file.
    pub fn for_any_source(mut self) -> Result<Self, &'static str> {
        let Some(at) = self.launch.one_source().map(|given| given.at.clone()) else {
            return Err("its program is not a single source file that is run as it is");
        };
        for entry in &mut self.launch.tree {
            if matches!(entry, Entry::Copy { .. }) {
                *entry = Entry::Blank { at: at.clone() };
            }
        }
        self.launch.job.given.clear();
        self.launch.job.blank = Some(at);
        Ok(self)
    }

    /// The source file that is copied into it, if that is the only file that is.
    #[must_use]
    pub fn source(&self) -> Option<BorrowedFd<'_>> {
        self.launch.one_source().map(|given| given.content.as_fd())
    }

    /// When its preparation began.
    pub(crate) fn begun(&self) -> u64 {
        self.begun
    }

    /// What becomes of too much output, and of protections that cannot be had in full.
    pub(crate) fn reactions(&self) -> (OutputExcess, Strictness) {
        (self.excess, self.strictness)
    }

    /// Whether a run tells of nothing but the launch.
    pub(crate) fn is_plain(&self) -> bool {
        self.compile.is_none() && self.conflicts.listed.is_empty() && self.choice.passed_over().is_empty()
    }

    /// As [`Prepared::run`], for the only run: the time of the preparation is its own.
    ///
    /// # Errors
    /// As there.
    pub fn run_only(self, stdin: Input, output: Output, cancel: Option<BorrowedFd<'_>>) -> Result<Report, StartError> {
        self.run_once(stdin, output, Watch { cancel, ..Watch::default() })
    }

    /// As [`Prepared::run_only`].
    pub(crate) fn run_once(self, stdin: Input, output: Output, watch: Watch<'_>) -> Result<Report, StartError> {
        let report = self.run_since(Turn::default(), self.begun, stdin, output, watch)?;
        Ok(Report { compile: self.compile, ..report })
    }

    /// The compiler's run, if there was one.
    #[must_use]
    pub fn compile(&self) -> Option<&Report> {
        self.compile.as_deref()
    }

    fn run_since(
        &self,
        turn: Turn<'_>,
        begun: u64,
        stdin: Input,
        output: Output,
        watch: Watch<'_>,
    ) -> Result<Report, StartError> {
        let Watch { cancel, started, ended, gauge } = watch;
        let (excess, strictness) = (self.excess, self.strictness);
        let upkeep = if self.has_run.swap(true, Ordering::Relaxed) { Upkeep::Done } else { Upkeep::Due };
        let mut connection =
            Connection { stdin, output, excess, strictness, cancel, started, ended, gauge, turn, begun, upkeep };
        let Found { listed, omitted } = &self.conflicts;
        let told = |launch: &Launch, passed_over: Vec<Refusal>, Finished { report, left }| {
            let report =
                Report { layer_conflicts: listed.clone(), layer_conflicts_omitted: *omitted, passed_over, ..report };
            files_of(launch, report, &left)
        };
        let instead = self.instead.get();
        if turn.warm.is_none() && self.launch.job.zygote.is_some() {
            return Err(StartError::Value {
                what: "this program",
                value: "run alone".to_owned(),
                because: "it is an interpreter that waits for its source".to_owned(),
                hint: "`palisade::Interpreters` gives it one".to_owned(),
            });
        }
        if let Some(warm) = turn.warm {
            let finished = supervise(warm.launch, &mut connection)?;
            return Ok(told(warm.launch, self.choice.passed_over(), finished));
        }
        let (launch, passed_over) =
            instead.map_or_else(|| (&self.launch, self.choice.passed_over()), |(launch, over)| (launch, over.clone()));
        match supervise(launch, &mut connection) {
            Ok(finished) => Ok(told(launch, passed_over, finished)),
            Err(error) if instead.is_some() => Err(error),
            Err(error) => {
                let mut choice = self.choice.clone();
                let next = choice.after(launch, error)?;
                let (launch, finished) = try_on(&mut choice, next, &mut connection)?;
                let report = told(&launch, choice.passed_over(), finished);
                // Of several threads that found out, one is enough.
                let _ = self.instead.set((launch, choice.passed_over()));
                Ok(report)
            }
        }
    }
}

/// The exit status of R27 for a failure of palisade itself.
const FILES_FAILED: i32 = 125;

/// The report with what the program left for its caller: outputs, and changes to its overlay.
fn files_of(launch: &Launch, mut report: Report, left: &Left) -> Report {
    let job = &launch.job;
    if job.outputs.is_some() {
        let (taken, not_taken) = outputs::take(job, &launch.hidden().collect(), left);
        (report.outputs, report.outputs_left) = (Some(taken), not_taken);
    }
    let lower = job.shown.iter().find(|shown| shown.access == Access::Overlay).and_then(|shown| shown.held.as_ref());
    if let (Some(overlay), Some(upper), Some(lower)) = (&job.overlay, &left.upper, lower) {
        report.changes = Some(changes::take(overlay, upper, &lower.file));
    }
    // A program that succeeded, and whose files could not be taken, has not done what its caller wanted.
    let incomplete = report.changes.as_ref().is_some_and(|changes| !changes.incomplete.is_empty());
    let failed = report.outputs_left.iter().any(|left| left.kind == LeftKind::Failed);
    if report.exit_code == 0 && (incomplete || failed) {
        report.exit_code = FILES_FAILED;
    }
    report
}

/// Runs a launch, and if its wall fails, the next one that the choice has.
fn try_on(
    choice: &mut Choice,
    mut launch: Launch,
    connection: &mut Connection<'_>,
) -> Result<(Launch, Finished), StartError> {
    loop {
        match supervise(&launch, connection) {
            Ok(finished) => {
                choice.held(&launch);
                return Ok((launch, finished));
            }
            Err(error) => launch = choice.after(&launch, error)?,
        }
    }
}

/// Runs a compiler. What it leaves outlives its sandbox, and ends with the descriptors of it.
fn build(
    request: &Request,
    job: Resolved,
    host: &Host,
    begun: u64,
    watch: Watch<'_>,
) -> Result<(Report, Vec<Given>), StartError> {
    let (excess, strictness) = (job.output_excess(), job.strictness());
    let mut choice = Choice::new(request.backend, job, host.clone());
    let launch = choice.next()?;
    let mut connection = Connection {
        stdin: Input::Empty,
        output: Output::Keep,
        excess,
        strictness,
        cancel: watch.cancel,
        started: watch.started,
        ended: None,
        gauge: None,
        turn: Turn::default(),
        begun,
        upkeep: Upkeep::Done, // the program's own run does it
    };
    let (launch, Finished { report, left }) = try_on(&mut choice, launch, &mut connection)?;
    let report = Report { passed_over: choice.passed_over(), ..report };
    let left = match (&left.build, &launch.job.artefact) {
        (Some(build), Some(artefact)) if report.success => artefacts(build, artefact)?,
        _ => Vec::new(),
    };
    Ok((report, left))
}

/// What the compiler left, as files for the program's job.
fn artefacts(build: &OwnedFd, artefact: &Path) -> Result<Vec<Given>, StartError> {
    let name = artefact.strip_prefix(BUILD).unwrap_or(artefact);
    let files = collect(build, name).map_err(|error| StartError::Source {
        file: artefact.to_owned(),
        because: format!("the compiler succeeded, and what it left cannot be taken over: {error}"),
        hint: "this is the language definition's `artefact`".to_owned(),
    })?;
    Ok(files
        .into_iter()
        .map(|file| Given {
            at: Path::new(BUILD).join(file.path),
            content: Arc::new(file.content),
            size: file.size,
            mode: if file.executable { 0o555 } else { 0o444 },
        })
        .collect())
}
