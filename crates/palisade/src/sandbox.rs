//! The general interface: a sandbox that is configured once, and commands shaped like `std::process::Command`.
//!
//! Not here: build tasks with their own directory (`task.rs`), preparing once for many runs (`prepare.rs`).

use std::path::PathBuf;

use palisade_spec::{Backend, Input, Layers, Output, Policy, Program, Report, Request, Siblings};

use crate::{
    error::StartError,
    run::run,
    running::{Feeding, Running},
};

/// A policy and a place, for as many runs as you like. Each run gets a fresh sandbox.
///
/// A new one allows a program to compute, to print, and to use a private `/tmp`. Nothing of the caller's files, environment,
/// network or privileges is there.
///
/// ```
/// use palisade::Sandbox;
///
/// // Runs a program, so it needs user namespaces: `palisade doctor` says whether you have them.
/// let report = Sandbox::new().command("sh").args(["-c", "echo hello; exit 3"]).output()?;
/// assert_eq!(report.stdout.kept, b"hello\n");
/// assert_eq!(report.exit_code, 3);
/// # Ok::<(), palisade::StartError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Sandbox {
    policy: Policy,
    backend: Backend,
    work: Option<PathBuf>,
    layers: Vec<Layers>,
}

impl Sandbox {
    /// Everything closed, default limits, the first wall of this host that holds the whole policy.
    pub fn new() -> Self {
        Self::default()
    }

    /// What programs may do. Each field of [`Policy`] that widens says so.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Which wall to use.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// A host directory that programs see as `/work`, where they start, and may **write on the host**.
    ///
    /// For commands: a source file has a `/work` of its own, and is refused together with this.
    pub fn work(mut self, directory: impl Into<PathBuf>) -> Self {
        self.work = Some(directory.into());
        self
    }

    /// Host directories laid over each other. May be called repeatedly, for different places.
    pub fn layers(mut self, layers: Layers) -> Self {
        self.layers.push(layers);
        self
    }

    /// A command of the sandbox's own file tree, found on its `PATH` unless it contains a slash.
    pub fn command(&self, program: impl Into<String>) -> Command {
        self.program(Program::Command(program.into()))
    }

    /// A source file on the host, in the language of its extension; compiled first where that language is.
    pub fn source(&self, file: impl Into<PathBuf>) -> Command {
        self.program(Program::Source { file: file.into(), language: None, siblings: Siblings::Hidden })
    }

    /// Any [`Program`].
    pub fn program(&self, program: Program) -> Command {
        Command { sandbox: self.clone(), program, arguments: Vec::new(), environment: Vec::new(), stdin: None }
    }
}

/// A program to be run in a [`Sandbox`], shaped like [`std::process::Command`].
///
/// Its input is used by the first run; runs after that have none, unless it is set again.
#[derive(Debug)]
#[must_use]
pub struct Command {
    sandbox: Sandbox,
    program: Program,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    stdin: Option<Input>,
}

impl Command {
    /// Adds an argument.
    pub fn arg(&mut self, argument: impl Into<String>) -> &mut Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    pub fn args<S: Into<String>>(&mut self, arguments: impl IntoIterator<Item = S>) -> &mut Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable; the last one of a name counts. Nothing of the caller's environment is inherited.
    pub fn env(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// What the program reads: text, bytes, a file, or any other [`Input`].
    pub fn stdin(&mut self, input: impl Into<Input>) -> &mut Self {
        self.stdin = Some(input.into());
        self
    }

    /// Runs the program to its end. The report has its output, up to the output limit. Its input is empty if none was set.
    ///
    /// Blocks the calling thread. The program and all its descendants are killed if that thread ends.
    ///
    /// # Errors
    /// If the program could not be started; whatever it does afterwards is in the report.
    pub fn output(&mut self) -> Result<Report, StartError> {
        let (request, _) = self.request();
        run(request)
    }

    /// As [`Command::output`], with the caller's own three streams: its input if none was set, and its output and error,
    /// which the report only counts.
    ///
    /// # Errors
    /// As [`Command::output`].
    pub fn status(&mut self) -> Result<Report, StartError> {
        let (mut request, feeding) = self.request();
        request.output = Output::Pass;
        if feeding == Feeding::Piped {
            request.stdin = Input::Inherit;
        }
        run(request)
    }

    /// Starts the program and returns as soon as it runs, or its compiler. The streams of the [`Running`] are pipes to it.
    ///
    /// ```
    /// use std::io::{Read, Write};
    ///
    /// // Runs a program, so it needs user namespaces.
    /// let mut running = palisade::Sandbox::new().command("tr").args(["a-z", "A-Z"]).spawn()?;
    /// if let Some(mut stdin) = running.stdin.take() {
    ///     stdin.write_all(b"hello\n")?; // dropped here: the program reads to the end
    /// }
    /// let mut text = String::new();
    /// running.stdout.take().ok_or("taken")?.read_to_string(&mut text)?;
    /// assert_eq!(text, "HELLO\n");
    /// assert!(running.wait()?.success);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the sandbox could not be set up. Whether the program is in it, [`Running::wait`] tells.
    pub fn spawn(&mut self) -> Result<Running, StartError> {
        let (request, feeding) = self.request();
        Running::start(request, feeding)
    }

    fn request(&mut self) -> (Request, Feeding) {
        let feeding = if self.stdin.is_some() { Feeding::Given } else { Feeding::Piped };
        let request = Request {
            arguments: self.arguments.clone(),
            environment: self.environment.clone(),
            stdin: self.stdin.take().unwrap_or(Input::Empty),
            policy: self.sandbox.policy.clone(),
            work: self.sandbox.work.clone(),
            layers: self.sandbox.layers.clone(),
            backend: self.sandbox.backend,
            ..Request::new(self.program.clone())
        };
        (request, feeding)
    }
}
