//! What sandboxes cost beside the time of a launch, and where that time goes.
//!
//! One file for each question; each measures palisade, what it is compared with and a baseline in turns, and gives a value
//! that is printed as JSON or as text. Not here: the comparison of all methods, arguments and printing (`palisade-cli`).

pub mod interpreters;
pub mod memory;
pub mod output;
pub mod phases;
pub mod soak;
pub mod staging;
pub mod throughput;
pub mod work;

use std::{
    env,
    ffi::OsString,
    io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use palisade::{
    Preparation, Prepared, StartError, prepare,
    spec::{Outcome, Program, Report, Request},
};

use crate::{
    bench::{BWRAP_FULL, PEER as BWRAP},
    stats::Stats,
};

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum CostError {
    /// palisade could not start a program.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Something that takes part does not do what it should.
    #[error("{who}: {because}")]
    Failed {
        /// Who.
        who: String,
        /// What went wrong.
        because: String,
    },
    /// This host has no such program.
    #[error("this host has no `{program}`")]
    Missing {
        /// Its name.
        program: &'static str,
        /// The package that has it.
        package: &'static str,
    },
    /// The system said no.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// Somebody wanted no more of it.
    #[error("cancelled")]
    Cancelled,
}

impl CostError {
    fn system(doing: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::System { doing, source }
    }

    fn failed(who: &str) -> impl Fn(String) -> Self {
        move |because| Self::Failed { who: who.to_owned(), because }
    }
}

/// Called after each measurement; may end them.
pub type Step<'a> = &'a mut dyn FnMut() -> ControlFlow<()>;

/// Who takes part beside this process.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The command `palisade`.
    pub palisade: PathBuf,
    /// `bwrap`, if this host has it.
    pub bwrap: Option<PathBuf>,
}

/// What those see who miss it.
pub const BWRAP_MISSING: &str = "bwrap is not installed (Debian package bubblewrap), so nothing is compared with it";

impl Programs {
    /// This process's own program, and what is found on `PATH`.
    ///
    /// # Errors
    /// If this process cannot tell which program it is.
    pub fn find() -> Result<Self, CostError> {
        let palisade = env::current_exe().map_err(CostError::system("find this program"))?;
        Ok(Self { palisade, bwrap: on_path("bwrap") })
    }

    /// `palisade run OPTIONS -- WORDS`. From the root directory: what a project says is nothing to a measurement.
    fn palisade(&self, options: &[&str], words: &[OsString]) -> Command {
        let mut command = quiet(&self.palisade);
        command.arg("run").args(options).arg("--").args(words).current_dir("/");
        command
    }

    /// Bubblewrap with everything unshared, showing these host paths besides.
    fn bwrap(&self, shown: &[&Path], words: &[OsString]) -> Option<Command> {
        let mut command = quiet(self.bwrap.as_ref()?);
        command.args(BWRAP_FULL.split_whitespace());
        for path in shown {
            command.arg("--ro-bind").args([path, path]);
        }
        command.arg("--").args(words).current_dir("/");
        Some(command)
    }
}

/// A command without streams.
fn quiet(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A program that every sandbox has, by its name.
fn system_program(name: &'static str) -> Result<PathBuf, CostError> {
    let places = ["/usr/bin", "/bin"].into_iter().map(|place| Path::new(place).join(name));
    places.into_iter().find(|path| path.is_file()).ok_or(CostError::Missing { program: name, package: "coreutils" })
}

fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|place| place.join(name)).find(|path| path.is_file())
}

/// A request for a program that does nothing, or for another one.
fn request(words: &[OsString]) -> Request {
    let word = |word: &OsString| word.to_string_lossy().into_owned();
    let mut words = words.iter().map(word);
    let program = Program::Command(words.next().unwrap_or_default());
    Request { arguments: words.collect(), ..Request::new(program) }
}

/// What needs no compiler is ready at once.
fn prepared(request: &Request) -> Result<Prepared, CostError> {
    match prepare(request, None)? {
        Preparation::Ready(prepared) => Ok(prepared),
        Preparation::Failed(_) => Err(CostError::failed("palisade")("there is nothing to run".to_owned())),
    }
}

/// Whether a run went as it should.
fn success(report: &Report) -> Result<(), String> {
    if report.outcome == (Outcome::Exited { code: 0 }) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&report.stderr.kept).trim().to_owned();
    Err(format!("the program ended otherwise: {:?}{}{said}", report.outcome, if said.is_empty() { "" } else { ": " }))
}

/// Runs a command that has to succeed.
fn run_to_end(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        // Its words are nowhere to be read: who wants to know them can start it again.
        Ok(status) => Err(format!("{status} of {command:?}")),
        Err(error) => Err(format!("{error}: {command:?}")),
    }
}

/// Samples that went well, or why they did not.
fn good(who: &str, samples: Result<Vec<f64>, String>) -> Result<Vec<f64>, CostError> {
    samples.map_err(CostError::failed(who))
}

/// Of at least one sample; what has none is not called.
fn stats(samples: &[f64]) -> Stats {
    Stats::of(samples).unwrap_or(Stats { n: 0, mean: 0.0, median: 0.0, p95: 0.0, p99: 0.0, min: 0.0, max: 0.0 })
}

/// A figure of milliseconds.
fn ms(value: f64) -> String {
    match value.abs() {
        0.0..0.995 => format!("{value:.3}"),
        0.995..99.5 => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    }
}
