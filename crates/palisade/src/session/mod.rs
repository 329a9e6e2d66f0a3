//! Interactive sessions: one program that evaluates inputs one after the other, in one sandbox.
//!
//! The program is a driver in the session's own language (`language/drivers`). It reads lines of JSON, and answers among what it
//! prints, behind a mark that is new for each input. What it says of values and errors is its own word, since inputs share its
//! process. Time, processor time, output and the end are measured here, outside. An input at a limit is interrupted, which
//! its driver is asked for; if nothing comes of that, the supervisor ends the session. Not here: finding marks (`marked.rs`), where
//! what is printed goes (`taken.rs`).

mod marked;
mod taken;

use std::{
    io::{self, PipeWriter},
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::{Duration, Instant},
};

use palisade_spec::{
    Bytes, Evaluation, InputLimits, InputOutcome, LimitKind, OutputExcess, Raised, Report, Request, Stream,
};
use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, eventfd},
    io::{Errno, ioctl_fionbio, read, write},
    rand::{GetRandomFlags, getrandom},
};
use serde::{Deserialize, Serialize};

pub use self::taken::{Printed, Sink};
use self::{
    marked::{Mark, Marked},
    taken::Taken,
};
use crate::{
    error::StartError,
    resolve::resolve,
    running::{Feeding, Running},
    supervise::{Gauge, Halt, Most, poll_on, processors},
};

/// How long an input that is to end may take to do so, before the session is ended.
const GRACE: Duration = Duration::from_secs(3);
/// What the language may take to be there, if an input may take less: elapsed time, and processor time.
const START: Duration = Duration::from_secs(30);
/// Processor time that is left to a session until its next input, however much the last one has used: for being there, and for
/// looking at what is typed.
const REST: Duration = Duration::from_secs(1);
/// Largest input, in bytes.
const INPUT: Bytes = Bytes::mib(16);
/// Shortest time between two looks at the processor time.
const LOOK: Duration = Duration::from_millis(2);

/// One sandbox that evaluates inputs and keeps their state.
///
/// Dropping it kills everything in it.
///
/// ```no_run
/// use std::time::Duration;
/// use palisade::{Session, Sink, spec::{Program, Request}};
///
/// let request = Request::new(Program::Session { language: "python".to_owned() });
/// let mut session = Session::start(request, Duration::from_secs(3600))?;
/// session.evaluate("x = 6", &mut Sink::Keep)?;
/// assert_eq!(session.evaluate("x * 7", &mut Sink::Keep)?.value.as_deref(), Some("42"));
/// # Ok::<(), palisade::StartError>(())
/// ```
#[derive(Debug)]
pub struct Session {
    /// `None` when it has ended.
    running: Option<Running>,
    gauge: Arc<Gauge>,
    wish: Arc<OwnedFd>,
    stdin: Option<PipeWriter>,
    streams: [Marked; 2],
    /// What was printed while nobody evaluated anything, for the next evaluation.
    early: [Stream; 2],
    /// Whether no input has been given yet.
    is_new: bool,
    limits: InputLimits,
}

/// Interrupts what a session evaluates, from any thread.
#[derive(Clone, Debug)]
pub struct Interrupter {
    wish: Arc<OwnedFd>,
    gauge: Arc<Gauge>,
}

impl Interrupter {
    /// Interrupts the input that is evaluated, if there is one.
    pub fn interrupt(&self) {
        // Fails only when the counter is full, and then the session has been told often enough.
        let _ = write(&*self.wish, &1u64.to_ne_bytes());
    }

    /// Ends the session at once.
    pub fn end(&self) {
        self.gauge.stop(Halt::Cancelled);
    }
}

/// What a driver is told. One line of JSON.
#[derive(Serialize)]
struct Told<'a> {
    /// `run`, `check` or `interrupt`.
    r#do: &'a str,
    /// What the answer stands behind; of an interruption, the mark of the input that is meant.
    mark: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    code: &'a str,
    /// Most signs of a value, and of an error.
    most: u64,
}

/// What a driver answers.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    value: Option<String>,
    error: Option<Raised>,
    truncated: bool,
    incomplete: bool,
}

/// Why an input is not let go on.
#[derive(Clone, Copy)]
enum Hit {
    Limit(LimitKind, Duration, Duration),
    Wish,
}

/// What came of one line.
struct Exchange {
    /// `None` if the session ended.
    answer: Option<Answer>,
    hit: Option<Hit>,
    wall: Duration,
    /// Processor time of the session when it began, and since.
    before: Duration,
    cpu: Duration,
}

impl Session {
    /// Starts a session: the program of the request is a [`palisade_spec::Program::Session`]. Its limits of time, processor
    /// time and output are those of **each input**; `most` is the elapsed time and the processor time of the whole session.
    /// Everything else holds for all inputs together. Input and output of the request are not used.
    ///
    /// # Errors
    /// Everything that is wrong with the request, and every reason why this host cannot hold it.
    pub fn start(mut request: Request, most: Duration) -> Result<Self, StartError> {
        let jobs = resolve(&request)?;
        let Some(limits) = jobs.last().map(|job| InputLimits::from(job.limits())) else {
            return Err(StartError::NoBackend { refusals: Vec::new() });
        };
        (request.policy.limits.wall_time, request.policy.limits.cpu_time) = (Some(most), Some(most));
        request.policy.output_excess = OutputExcess::Cut;
        let gauge = Arc::new(Gauge::new().map_err(StartError::io("make an event"))?);
        let mut running = Running::start_with(request, Feeding::Piped, Some(Arc::clone(&gauge)))?;
        let mut pipes = || -> io::Result<_> {
            let wish = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            let streams = [running.stdout.take().map(OwnedFd::from), running.stderr.take().map(OwnedFd::from)];
            for pipe in streams.iter().flatten() {
                ioctl_fionbio(pipe, true)?;
            }
            let stdin = running.stdin.take();
            if let Some(stdin) = &stdin {
                ioctl_fionbio(stdin, true)?;
            }
            let [stdout, stderr] = streams;
            let streams = [Marked::of_answers(stdout, limits.output), Marked::of_ends(stderr)];
            Ok((Arc::new(wish), stdin, streams))
        };
        let (wish, stdin, streams) = pipes().map_err(StartError::io("set up the pipes of the session"))?;
        let (running, early) = (Some(running), Default::default());
        Ok(Self { running, gauge, wish, stdin, streams, early, is_new: true, limits })
    }

    /// What one input may use.
    #[must_use]
    pub const fn limits(&self) -> &InputLimits {
        &self.limits
    }

    /// Something that interrupts inputs.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        Interrupter { wish: Arc::clone(&self.wish), gauge: Arc::clone(&self.gauge) }
    }

    /// Evaluates an input. If the first one is empty, it waits until the language is there, for 30 s or the limit of an input, if
    /// that is more. Every other has its limit.
    ///
    /// # Errors
    /// If the program could not be started, the session has ended before, or the input is larger than 16 MiB. Whatever an
    /// input does, the end of the session included, is no error.
    pub fn evaluate(&mut self, code: &str, sink: &mut Sink<'_>) -> Result<Evaluation, StartError> {
        let mut taken = Taken::after(std::mem::take(&mut self.early), sink, self.limits.output);
        let exchange = self.exchange("run", code, &mut taken);
        let [stdout, stderr] = taken.streams;
        let exchange = match exchange {
            Ok(exchange) => exchange,
            Err(error) => {
                self.early = [stdout, stderr];
                return Err(error);
            }
        };
        let mut evaluation = Evaluation {
            outcome: InputOutcome::SessionEnded,
            stdout,
            stderr,
            value: None,
            error: None,
            truncated: false,
            wall_time_ms: exchange.wall.as_secs_f64() * 1000.0,
            cpu_time_ms: exchange.cpu.as_secs_f64() * 1000.0,
            session: None,
        };
        match exchange.answer {
            Some(answer) => {
                evaluation.outcome = match (exchange.hit, &answer.error) {
                    (Some(Hit::Limit(limit, ..)), _) => InputOutcome::LimitHit { limit },
                    (Some(Hit::Wish), _) => InputOutcome::Interrupted,
                    (None, Some(_)) => InputOutcome::Failed,
                    (None, None) => InputOutcome::Finished,
                };
                (evaluation.value, evaluation.error) = (answer.value, answer.error);
                evaluation.truncated = answer.truncated;
            }
            None => {
                let report = self.story()?;
                // Nobody could be asked any more.
                evaluation.cpu_time_ms = (report.cpu_time_ms - exchange.before.as_secs_f64() * 1000.0).max(0.0);
                evaluation.session = Some(Box::new(report));
            }
        }
        evaluation.truncated |= evaluation.stdout.cut || evaluation.stderr.cut;
        Ok(evaluation)
    }

    /// Whether this input could go on in the next line: an open bracket, a block that has begun. Nothing is evaluated, and the
    /// processor time is the last input's.
    ///
    /// # Errors
    /// As [`Session::evaluate`]. If the session ends while it looks, the answer is that the input is complete.
    pub fn may_go_on(&mut self, code: &str) -> Result<bool, StartError> {
        let mut keep = Sink::Keep;
        // Of background work; it would appear in the middle of a line.
        let mut taken = Taken::after(std::mem::take(&mut self.early), &mut keep, self.limits.output);
        let exchange = self.exchange("check", code, &mut taken);
        self.early = taken.streams;
        Ok(exchange?.answer.is_some_and(|answer| answer.incomplete))
    }

    /// Ends it: the language sees the end of its input. What does not end by itself is killed.
    ///
    /// # Errors
    /// If the program could not be started, or the session has ended before.
    pub fn end(mut self, sink: &mut Sink<'_>) -> Result<Report, StartError> {
        self.stdin = None;
        let deadline = Instant::now() + GRACE;
        let mut taken = Taken::after(std::mem::take(&mut self.early), sink, self.limits.output);
        while self.streams.iter().any(Marked::is_open) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                if let Some(running) = &self.running {
                    running.kill();
                }
                break;
            }
            let mut list = Vec::new();
            self.streams.iter().filter_map(Marked::pipe).for_each(|pipe| list.push(PollFd::new(pipe, PollFlags::IN)));
            poll_on(&mut list, Some(left)).map_err(StartError::io("wait for the session"))?;
            drop(list);
            self.read(None, &mut taken)?;
        }
        self.story()
    }

    /// The report of a session that has ended, or is being killed.
    fn story(&mut self) -> Result<Report, StartError> {
        // Nobody reads any more, so nobody is waited for.
        (self.stdin, self.streams) = (None, [Marked::of_ends(None), Marked::of_ends(None)]);
        match self.running.take() {
            // What went through its streams was told with each input, and is full of marks.
            Some(running) => {
                running.wait().map(|report| Report { stdout: Stream::default(), stderr: Stream::default(), ..report })
            }
            None => Err(StartError::Io { doing: "evaluate", source: io::Error::other("the session has ended") }),
        }
    }

    /// Says one line, and waits for its answer.
    fn exchange(&mut self, what: &str, code: &str, taken: &mut Taken<'_, '_>) -> Result<Exchange, StartError> {
        if self.running.is_none() {
            return Err(StartError::Io { doing: "evaluate", source: io::Error::other("the session has ended") });
        }
        if code.len() as u64 > INPUT.0 {
            return Err(StartError::Value {
                what: "an input",
                value: format!("{} bytes long", code.len()),
                because: format!("{INPUT} is the most"),
                hint: "give large data in a file: --allow-read PATH, or --file HOST:INSIDE".to_owned(),
            });
        }
        let mut limits = self.limits.clone();
        if self.is_new && code.is_empty() {
            // Nobody's code has run yet.
            limits.wall_time = limits.wall_time.max(START);
            limits.cpu_time = limits.cpu_time.max(START);
        }
        let mark = Mark::new().map_err(StartError::io("draw a random number"))?;
        let most = self.limits.output;
        let mut unsent = line(&Told { r#do: what, mark: mark.text(), code, most })?;
        // A wish that nothing was there for is no wish of now.
        let _ = read(&*self.wish, &mut [0; 8]);
        let is_input = what == "run";
        if is_input {
            self.is_new = false;
            self.gauge.allow(None);
        }
        let (begun, before) = (Instant::now(), self.gauge.cpu());
        let mut answers: [Option<Vec<u8>>; 2] = [None, None];
        let mut next_look = begun + limits.cpu_time.min(limits.wall_time) / processors();
        let mut hit: Option<Hit> = None;
        let mut last = begun; // until when an input may take to be interrupted, once it is
        let mut stopped = false;
        let answered = loop {
            if answers.iter().all(Option::is_some) {
                break true;
            }
            if !self.streams.iter().any(Marked::is_open) {
                break false;
            }
            let now = Instant::now();
            if hit.is_none() {
                hit = self.limit_hit(&limits, begun, before, &mut next_look);
                if hit.is_some() {
                    unsent.extend(line(&Told { r#do: "interrupt", mark: mark.text(), code: "", most })?);
                    last = now + GRACE;
                }
            } else if now >= last && !stopped {
                self.gauge.stop(match hit {
                    Some(Hit::Limit(kind, limit, measured)) => Halt::Limit(kind, limit, measured),
                    _ => Halt::Cancelled,
                });
                stopped = true;
            }
            let next = match hit {
                None => Some((begun + limits.wall_time).min(next_look)),
                Some(_) => (!stopped).then_some(last),
            };
            let wished = self.wait(next.map(|next| next.saturating_duration_since(now)), &unsent, &answers)?;
            if wished && hit.is_none() {
                hit = Some(Hit::Wish);
                unsent.extend(line(&Told { r#do: "interrupt", mark: mark.text(), code: "", most })?);
                last = Instant::now() + GRACE;
            }
            self.send(&mut unsent);
            self.read(Some((&mark, &mut answers)), taken)?;
        };
        let cpu = self.gauge.cpu().saturating_sub(before);
        if is_input {
            let limit = limits.cpu_time;
            let at = before.saturating_add(limit.max(cpu.saturating_add(REST)));
            self.gauge.allow(Some(Most { from: before, limit, at }));
        }
        let [answer, _] = answers;
        let answer = if answered { answer } else { None };
        let answer = answer.map(|text| understood(&text, most));
        Ok(Exchange { answer, hit, wall: begun.elapsed(), before, cpu })
    }

    /// The limit of an input that has been reached.
    fn limit_hit(
        &self,
        limits: &InputLimits,
        begun: Instant,
        before: Duration,
        next_look: &mut Instant,
    ) -> Option<Hit> {
        let elapsed = begun.elapsed();
        if elapsed >= limits.wall_time {
            return Some(Hit::Limit(LimitKind::WallTime, limits.wall_time, elapsed));
        }
        if Instant::now() < *next_look {
            return None;
        }
        let used = self.gauge.cpu().saturating_sub(before);
        if used >= limits.cpu_time {
            return Some(Hit::Limit(LimitKind::CpuTime, limits.cpu_time, used));
        }
        // At most every processor works for it from now on.
        *next_look = Instant::now() + ((limits.cpu_time - used) / processors()).max(LOOK);
        None
    }

    /// Waits for whatever comes first, and tells whether somebody wishes the input to end.
    fn wait(&self, most: Option<Duration>, unsent: &[u8], answers: &[Option<Vec<u8>>; 2]) -> Result<bool, StartError> {
        let mut list = vec![PollFd::from_borrowed_fd(self.wish.as_fd(), PollFlags::IN)];
        if let (Some(stdin), false) = (&self.stdin, unsent.is_empty()) {
            list.push(PollFd::new(stdin, PollFlags::OUT));
        }
        // What comes behind an answer belongs to the next input; unless there will be none.
        let ends = self.streams.iter().any(|stream| !stream.is_open());
        for (stream, answer) in self.streams.iter().zip(answers) {
            if let (Some(pipe), true) = (stream.pipe(), answer.is_none() || ends) {
                list.push(PollFd::new(pipe, PollFlags::IN));
            }
        }
        poll_on(&mut list, most).map_err(StartError::io("wait for the session"))?;
        let wished = list.first().is_some_and(|fd| !fd.revents().is_empty());
        if wished {
            let _ = read(&*self.wish, &mut [0; 8]);
        }
        Ok(wished)
    }

    fn send(&mut self, unsent: &mut Vec<u8>) {
        let Some(stdin) = &self.stdin else { return };
        while !unsent.is_empty() {
            match write(stdin, unsent) {
                Ok(n) => drop(unsent.drain(..n)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // Nobody reads it any more. What follows from that, the streams and the limits tell.
                Err(_) => {
                    self.stdin = None;
                    return;
                }
            }
        }
    }

    /// Takes in what there is.
    fn read(
        &mut self,
        mut marked: Option<(&Mark, &mut [Option<Vec<u8>>; 2])>,
        taken: &mut Taken<'_, '_>,
    ) -> Result<(), StartError> {
        let ends = self.streams.iter().any(|stream| !stream.is_open());
        for (index, (stream, which)) in self.streams.iter_mut().zip([Printed::Output, Printed::Error]).enumerate() {
            let mut print = |bytes: &[u8]| taken.take(which, bytes);
            match &mut marked {
                Some((mark, answers)) if answers[index].is_none() => {
                    answers[index] = stream.until(mark, &mut print).map_err(StartError::io("read an answer"))?;
                }
                Some(_) if !ends => {}
                _ => stream.rest(&mut print).map_err(StartError::io("read what is printed"))?,
            }
        }
        Ok(())
    }
}

fn line(told: &Told<'_>) -> Result<Vec<u8>, StartError> {
    let mut line = serde_json::to_vec(told).map_err(io::Error::from).map_err(StartError::io("write an input"))?;
    line.push(b'\n');
    Ok(line)
}

/// An answer that makes no sense is the program's doing: an input has got hold of its driver. So is one that is too long.
fn understood(text: &[u8], most: u64) -> Answer {
    let mut answer: Answer = serde_json::from_slice(text).unwrap_or_else(|_| {
        let message = "what the session answered makes no sense: the input has disturbed it".to_owned();
        Answer { error: Some(Raised { name: String::new(), trace: message.clone(), message }), ..Answer::default() }
    });
    let error = answer.error.iter_mut().flat_map(|error| [&mut error.name, &mut error.message, &mut error.trace]);
    for text in answer.value.iter_mut().chain(error) {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if let Some((end, _)) = text.char_indices().nth(most) {
            text.truncate(end);
            answer.truncated = true;
        }
    }
    answer
}

/// Random bytes as hexadecimal digits.
fn random() -> io::Result<String> {
    let mut bytes = [0; 16];
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        done += getrandom(rest, GetRandomFlags::empty())?;
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
