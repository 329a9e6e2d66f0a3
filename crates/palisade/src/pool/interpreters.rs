//! Cells with an interpreter that is there before its program.
//!
//! A pool like any other, whose cells are told a source text instead of a command. Not here: what an interpreter does while it
//! waits (`crate::zygote`), which languages have one (`[zygote]` of their definitions).

use std::os::fd::BorrowedFd;

use palisade_spec::{Input, Output, Report};

use super::{POOL, Pool, refuse};
use crate::{error::StartError, prepare::Prepared, resolve::SOURCE, zygote::Order};

/// Interpreters of one language under one policy, each in a sandbox of its own, waiting for a source text.
///
/// Each has been started by itself, inside its finished sandbox, has loaded modules of its standard library, and is used once:
/// two of them have nothing in common, no seed, no address, no object. It then runs the text as the file `/work/main.py`, or
/// as its language calls it, which is there to be read.
///
/// ```
/// use palisade::{Interpreters, Preparation, prepare, spec::{Input, Output, Program, Request}};
///
/// let request = Request::new(Program::Interpreter { language: "python".to_owned() });
/// let Preparation::Ready(program) = prepare(&request, None)? else { unreachable!("nothing is compiled") };
/// let pool = Interpreters::new(program, 2)?;
/// let double = "import sys\nprint(int(sys.argv[1]) * 2)";
/// let report = pool.run(double, &["21".to_owned()], &[], Input::Empty, Output::Keep, None)?;
/// assert_eq!(report.stdout.kept, b"42\n");
/// # Ok::<(), palisade::StartError>(())
/// ```
#[derive(Debug)]
pub struct Interpreters(Pool);

impl Interpreters {
    /// Starts up to `size` interpreters. Returns as soon as the first one waits.
    ///
    /// # Errors
    /// As [`Pool::new`]; also if the program is no [`palisade_spec::Program::Interpreter`], or if its interpreter ends or does
    /// not begin to wait within thirty seconds.
    pub fn new(prepared: Prepared, size: usize) -> Result<Self, StartError> {
        if prepared.launch().job.zygote.is_none() {
            let because = "its program is no interpreter that waits for a source";
            return Err(refuse(POOL, "given sources".to_owned(), because, "use `palisade::Pool`"));
        }
        Pool::of(prepared, size).map(Self)
    }

    /// Runs a source text of at most 16 MiB, with these arguments and variables more. If no interpreter waits, one is started
    /// now.
    ///
    /// Variables that the interpreter itself reads when it starts, such as `PYTHONHASHSEED`, belong in the request: here they
    /// come too late for it.
    ///
    /// # Errors
    /// If the program could not be started; whatever it does afterwards is in the report.
    pub fn run(
        &self,
        source: &str,
        arguments: &[String],
        environment: &[(String, String)],
        stdin: Input,
        output: Output,
        cancel: Option<BorrowedFd<'_>>,
    ) -> Result<Report, StartError> {
        if source.len() as u64 > SOURCE {
            let most = format!("a source may have {}", palisade_spec::Bytes(SOURCE));
            return Err(refuse("a source", format!("{} bytes", source.len()), &most, "give data on standard input"));
        }
        // For what is checked of every program.
        let mut launch = self.0.shared.prepared.launch().clone();
        launch.job.command.extend(arguments.iter().cloned());
        launch.job.environment.extend(environment.iter().cloned());
        let order = Order { source: source.as_bytes(), arguments, environment };
        self.0.run_in(&launch, Some(&order), stdin, output, cancel)
    }

    /// As [`Pool::fill`].
    ///
    /// # Errors
    /// As there.
    pub fn fill(&self) -> Result<(), StartError> {
        self.0.fill()
    }

    /// How many interpreters wait.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.0.ready()
    }
}
