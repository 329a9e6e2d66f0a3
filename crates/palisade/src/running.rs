//! A run under way, and the caller's end of its three streams.
//!
//! One thread supervises each run; the kernel kills the program if that thread ends. Not here: what is run (`sandbox.rs`).

use std::{
    fs::File,
    io::{self, PipeReader, PipeWriter, Read, pipe},
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

use palisade_spec::{Input, Limits, Output, Report, Request, Stage};
use rustix::event::{EventfdFlags, eventfd};

use crate::{
    error::StartError,
    prepare::Watch,
    run::run_for,
    supervise::{Gauge, Serving},
};

/// A run under way.
///
/// Dropping it kills the program with all its descendants and waits until they are gone: nothing outlives it.
///
/// The streams are pipes. What is not read from them makes the program wait, once the pipe and one portion more are full
/// (128 KiB); what is not written to `stdin` leaves a program that reads it waiting, until `stdin` is dropped. Time goes on
/// meanwhile, and the time limit holds.
#[derive(Debug)]
pub struct Running {
    /// Becomes the program's standard input. `None` if the input was given beforehand, or when it has been taken.
    pub stdin: Option<PipeWriter>,
    /// The program's standard output, until it is taken.
    pub stdout: Option<PipeReader>,
    /// The program's standard error, until it is taken.
    pub stderr: Option<PipeReader>,
    /// Bytes of each stream that `wait` keeps.
    limit: u64,
    cancel: Arc<OwnedFd>,
    state: State,
}

#[derive(Debug)]
enum State {
    Runs(JoinHandle<Result<Report, StartError>>),
    Ended(Box<Result<Report, StartError>>),
}

/// Where a program's input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feeding {
    /// The request says it.
    Given,
    /// The caller writes it.
    Piped,
}

impl Running {
    /// Starts a request. Its output is replaced by pipes.
    pub(crate) fn start(request: Request, feeding: Feeding) -> Result<Self, StartError> {
        Self::start_with(request, feeding, None)
    }

    /// As [`Running::start`], with a place where its supervisor can be asked.
    pub(crate) fn start_with(
        mut request: Request,
        feeding: Feeding,
        gauge: Option<Arc<Gauge>>,
    ) -> Result<Self, StartError> {
        let pipes = || Ok::<_, io::Error>((pipe()?, pipe()?, eventfd(0, EventfdFlags::CLOEXEC)?));
        let ((stdout, to_stdout), (stderr, to_stderr), cancel) = pipes().map_err(StartError::io("make pipes"))?;
        request.output = Output::To { stdout: file(to_stdout), stderr: file(to_stderr) };
        let stdin = match feeding {
            Feeding::Given => None,
            Feeding::Piped => {
                let (from_caller, stdin) = pipe().map_err(StartError::io("make a pipe"))?;
                request.stdin = Input::File(file(from_caller));
                Some(stdin)
            }
        };
        let limit = request.policy.limits.output.unwrap_or(Limits::default().output).0;
        let cancel = Arc::new(cancel);
        let (tell, started) = mpsc::channel();
        let of_thread = Arc::clone(&cancel);
        let supervise = move || {
            let serving = Serving(gauge.as_deref());
            let gauge = serving.0;
            run_for(request, Watch { cancel: Some(of_thread.as_fd()), started: Some(&tell), ended: None, gauge })
        };
        let thread = thread::Builder::new().name("palisade-run".to_owned()).spawn(supervise);
        let thread = thread.map_err(StartError::io("start a thread"))?;
        let state = match started.recv() {
            Ok(()) => State::Runs(thread),
            // The thread has ended without starting anything, or with a compiler that was faster than this one.
            Err(mpsc::RecvError) => State::Ended(Box::new(Ok(end_of(thread)?))),
        };
        Ok(Self { stdin, stdout: Some(stdout), stderr: Some(stderr), limit, cancel, state })
    }

    /// Kills the program with all its descendants. The outcome is then `Cancelled`, unless it had ended before; output that
    /// has not been read may be cut. Returns at once; [`Running::wait`] waits for the end.
    pub fn kill(&self) {
        // Fails only when the counter is full, and then the thread has been told often enough.
        let _ = rustix::io::write(&*self.cancel, &1u64.to_ne_bytes());
    }

    /// The report, if the program has ended and its output has been read (or fits into the pipes).
    ///
    /// # Errors
    /// As [`Running::wait`]; an error is told once.
    pub fn try_wait(&mut self) -> Result<Option<Report>, StartError> {
        if matches!(&self.state, State::Runs(thread) if !thread.is_finished()) {
            return Ok(None);
        }
        match self.end() {
            Ok(report) => {
                self.state = State::Ended(Box::new(Ok(report.clone())));
                Ok(Some(report))
            }
            Err(error) => Err(error),
        }
    }

    /// Waits until the program and all its descendants have ended, and tells the story.
    ///
    /// Drops `stdin` first, so that a program that reads to the end comes to one. What is left in `stdout` and `stderr`, if
    /// they have not been taken, is read and kept in the report, up to the output limit.
    ///
    /// # Errors
    /// If the program could not be executed: the sandbox stood, and the program was not in it.
    pub fn wait(mut self) -> Result<Report, StartError> {
        drop(self.stdin.take());
        let (stdout, stderr, limit) = (self.stdout.take(), self.stderr.take(), self.limit);
        let (stdout, stderr) = thread::scope(|scope| {
            let stderr = scope.spawn(|| rest(stderr, limit));
            (rest(stdout, limit), stderr.join().unwrap_or_default())
        });
        let mut report = self.end()?;
        if report.ended_in == Stage::Compile {
            return Ok(report); // whose output is the compiler's, and was never in these pipes
        }
        for (stream, rest) in [(&mut report.stdout, stdout), (&mut report.stderr, stderr)] {
            if let Some((kept, excess)) = rest {
                stream.kept = kept;
                stream.cut |= excess;
            }
        }
        Ok(report)
    }

    fn end(&mut self) -> Result<Report, StartError> {
        let told = StartError::Io { doing: "run the program", source: io::Error::other("the error was told before") };
        match std::mem::replace(&mut self.state, State::Ended(Box::new(Err(told)))) {
            State::Runs(thread) => end_of(thread),
            State::Ended(result) => *result,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let State::Runs(_) = self.state {
            self.kill();
            // Nobody reads any more, so nobody is waited for.
            (self.stdin, self.stdout, self.stderr) = (None, None, None);
            // Nobody is there to be told.
            let _ = self.end();
        }
    }
}

fn file(end: impl Into<OwnedFd>) -> Arc<File> {
    Arc::new(File::from(end.into()))
}

fn end_of(thread: JoinHandle<Result<Report, StartError>>) -> Result<Report, StartError> {
    let gone = || StartError::Io { doing: "supervise the program", source: io::Error::other("its thread panicked") };
    thread.join().unwrap_or_else(|_| Err(gone()))
}

/// What can still be read: the first `limit` bytes, and whether there were more.
fn rest(stream: Option<PipeReader>, limit: u64) -> Option<(Vec<u8>, bool)> {
    let mut stream = stream?;
    let mut kept = Vec::new();
    // A pipe of our own does not fail; what was read until then would count.
    let _ = stream.by_ref().take(limit).read_to_end(&mut kept);
    let more = io::copy(&mut stream, &mut io::sink()).unwrap_or(0);
    Some((kept, more > 0))
}
