//! Sandboxes that stand ready (R31): launches that cost little more than starting the program.
//!
//! In: one [`Prepared`] program. Its policy and its files are those of every cell; what is executed in one may be another program.
//! A cell is used once, and then it is gone. Not here: what a cell is (`supervise::cell`).

mod errand;
mod interpreters;
mod likeness;

use std::{
    collections::VecDeque,
    mem,
    os::fd::BorrowedFd,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use palisade_spec::{Input, Output, Report};

use crate::{
    error::StartError,
    job::Job,
    native::{Launch, candidates},
    prepare::{Prepared, Watch},
    resolve::{BAD_VARIABLE, is_variable},
    supervise::{Cell, Remains, Turn, Warm, now},
    zygote::Order,
};

pub use self::{
    errand::{Errand, Taken},
    interpreters::Interpreters,
    likeness::Likeness,
};

/// Cells of one policy, waiting for programs.
///
/// Each cell is a whole sandbox, with every wall up and limits that count from the program's start. It is made from nothing, by this
/// pool, and used once: nothing of one run is there in another. What is decided when a cell is made, not when its program
/// starts: which host directories it shows (their contents are the host's at any time), and what limits hold.
///
/// Two threads make cells and remove what is left of runs, however many cells there are. Dropping the pool ends them all.
///
/// ```
/// use palisade::{Pool, Preparation, prepare, spec::{Input, Output, Program, Request}};
///
/// let request = Request::new(Program::Command("cat".to_owned()));
/// let Preparation::Ready(program) = prepare(&request, None)? else { unreachable!("nothing is compiled") };
/// let pool = Pool::new(program, 2)?;
/// for input in ["1\n", "2\n"] {
///     let report = pool.run(Input::Bytes(input.into()), Output::Keep, None)?;
///     assert_eq!(report.stdout.kept, input.as_bytes());
/// }
/// let words = ["echo".to_owned(), "hello".to_owned()];
/// let report = pool.run_command(&words, &[], Input::Empty, Output::Keep, None)?;
/// assert_eq!(report.stdout.kept, b"hello\n");
/// # Ok::<(), palisade::StartError>(())
/// ```
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    keepers: Vec<JoinHandle<()>>,
}

/// Threads that make cells: one alone can do little while the kernel waits for other processors.
const KEEPERS: usize = 2;

/// How long a program that has just started has the processors to itself, if cells are left: making one takes about as long as a
/// short program.
const GRACE: Duration = Duration::from_millis(5);

/// Most cells of a pool.
const MOST: usize = 32;

#[derive(Debug)]
struct Shared {
    prepared: Prepared,
    size: usize,
    state: Mutex<State>,
    /// There may be something to do for the keepers.
    work: Condvar,
    /// They have done something.
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Cell>,
    /// Cells that are being made.
    begun: usize,
    remains: Vec<Remains>,
    /// Threads that remove some.
    removing: usize,
    /// When a cell was last taken for a program that may still run.
    taken: Option<Instant>,
    /// Counts how often all cells were replaced. One that was begun before is not kept.
    generation: u64,
    /// Why the last one could not be made.
    failure: Option<StartError>,
    closing: bool,
}

impl Pool {
    /// Fills a pool of up to `size` cells. Returns as soon as the first one stands.
    ///
    /// # Errors
    /// If a cell cannot be made: everything that a run of the program could fail by before it starts. If this program cannot wait
    /// in a cell: behind another program's wall, with a terminal, or with layers whose changes are kept.
    pub fn new(prepared: Prepared, size: usize) -> Result<Self, StartError> {
        if prepared.launch().job.zygote.is_some() {
            let because = "its program is an interpreter that waits for a source";
            return Err(refuse(POOL, "made for this program".to_owned(), because, "use `palisade::Interpreters`"));
        }
        Self::of(prepared, size)
    }

    fn of(prepared: Prepared, size: usize) -> Result<Self, StartError> {
        if !(1..=MOST).contains(&size) {
            let hint = "each cell is a sandbox with two processes that wait";
            return Err(refuse(POOL, format!("{size} cells"), &format!("it has from 1 to {MOST}"), hint));
        }
        if let Err(because) = prepared.is_warmable() {
            let hint = "run it without a pool";
            return Err(refuse(POOL, "made for this program".to_owned(), because, hint));
        }
        if let Some(place) = &prepared.launch().cgroup {
            place.remove_stale();
        }
        let state = Mutex::default();
        let shared = Arc::new(Shared { prepared, size, state, work: Condvar::new(), done: Condvar::new() });
        let mut pool = Self { shared: Arc::clone(&shared), keepers: Vec::new() };
        for _ in 0..KEEPERS {
            let shared = Arc::clone(&shared);
            let keeper = thread::Builder::new().name("palisade-pool".to_owned()).spawn(move || shared.keep());
            pool.keepers.push(keeper.map_err(StartError::io("start a thread"))?);
        }
        let empty = |state: &mut State| state.ready.is_empty() && state.failure.is_none();
        let mut state = shared.done.wait_while(shared.state(), empty).unwrap_or_else(PoisonError::into_inner);
        match state.failure.take().filter(|_| state.ready.is_empty()) {
            Some(failure) => Err(failure),
            None => {
                drop(state);
                Ok(pool)
            }
        }
    }

    /// Runs the pool's own program, as [`Prepared::run`] does. If no cell stands ready, it gets a sandbox that is made now.
    ///
    /// # Errors
    /// If the program could not be started; whatever it does afterwards is in the report.
    pub fn run(&self, stdin: Input, output: Output, cancel: Option<BorrowedFd<'_>>) -> Result<Report, StartError> {
        self.run_in(self.shared.prepared.launch(), None, stdin, output, cancel)
    }

    /// As [`Pool::run`], for another command under the same policy, beside the same files, and with these variables more.
    ///
    /// # Errors
    /// As there; a command without words is [`StartError::NotFound`].
    pub fn run_command(
        &self,
        command: &[String],
        environment: &[(String, String)],
        stdin: Input,
        output: Output,
        cancel: Option<BorrowedFd<'_>>,
    ) -> Result<Report, StartError> {
        let mut launch = self.shared.prepared.launch().clone();
        launch.job.command = command.to_vec();
        for (name, value) in environment {
            launch.job.environment.retain(|(known, _)| known != name);
            launch.job.environment.push((name.clone(), value.clone()));
        }
        launch.candidates = candidates(&launch.job);
        if launch.candidates.is_empty() {
            let hint = "the first word of a command is its program".to_owned();
            return Err(StartError::NotFound { program: String::new(), hint });
        }
        self.run_in(&launch, None, stdin, output, cancel)
    }

    /// Waits until as many cells stand as it has, and nothing of runs that have ended is left.
    ///
    /// # Errors
    /// If a cell cannot be made.
    pub fn fill(&self) -> Result<(), StartError> {
        let mut state = self.shared.state();
        // Whatever it was, it may be over.
        state.failure = None;
        self.shared.work.notify_all();
        let unfilled = |state: &mut State| {
            state.failure.is_none()
                && (state.ready.len() < self.shared.size || state.removing > 0 || !state.remains.is_empty())
        };
        state = self.shared.done.wait_while(state, unfilled).unwrap_or_else(PoisonError::into_inner);
        state.failure.take().map_or(Ok(()), Err)
    }

    /// How many cells stand ready.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.shared.state().ready.len()
    }

    fn run_in(
        &self,
        launch: &Launch,
        order: Option<&Order<'_>>,
        stdin: Input,
        output: Output,
        cancel: Option<BorrowedFd<'_>>,
    ) -> Result<Report, StartError> {
        let begun = now();
        let watch = Watch { cancel, ..Watch::default() };
        check(&launch.job)?;
        // One that somebody has killed while it waited is no reason to fail.
        while let Some(cell) = self.shared.take() {
            match self.run_on(Some(cell), (launch, order), begun, stdin.clone(), output.clone(), watch) {
                Err(StartError::KilledDuringSetup { .. }) => {}
                answer => return answer,
            }
        }
        // What an interpreter is told needs one.
        let cell = if order.is_some() { Some(self.shared.prepared.stand()?) } else { None };
        self.run_on(cell, (launch, order), begun, stdin, output, watch)
    }

    fn run_on(
        &self,
        cell: Option<Cell>,
        (launch, order): (&Launch, Option<&Order<'_>>),
        begun: u64,
        stdin: Input,
        output: Output,
        watch: Watch<'_>,
    ) -> Result<Report, StartError> {
        let (started, leave) = (|| self.shared.work.notify_one(), |remains| self.shared.leave(remains));
        let warm = Warm { cell: cell.into(), launch, order, started: &started, leave: &leave };
        let turn = Turn { warm: Some(&warm), ..Turn::default() };
        self.shared.prepared.run_on(turn, begun, stdin, output, watch)
    }
}

/// What can be told to a cell.
fn check(job: &Job) -> Result<(), StartError> {
    if let Some((name, _)) = job.environment.iter().find(|(name, value)| !is_variable(name, value)) {
        return Err(refuse("a variable", name.clone(), BAD_VARIABLE, "leave it out"));
    }
    if job.command.iter().any(|word| word.contains('\0')) {
        let command = format!("{:?}", job.command);
        return Err(refuse("an argument", command, "none has a NUL byte", "write it to the input"));
    }
    Ok(())
}

/// For messages.
const POOL: &str = "a pool of cells";

fn refuse(what: &'static str, value: String, because: &str, hint: &str) -> StartError {
    StartError::Value { what, value, because: because.to_owned(), hint: hint.to_owned() }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let ready = {
            let mut state = self.shared.state();
            state.closing = true;
            mem::take(&mut state.ready)
        };
        self.shared.work.notify_all();
        drop(ready);
        for keeper in self.keepers.drain(..) {
            // One that panicked has ended its cells.
            let _ = keeper.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Cell> {
        let mut state = self.state();
        // Whatever it was, it may be over.
        state.failure = None;
        state.taken = Some(Instant::now());
        let cell = state.ready.pop_front();
        drop(state);
        if cell.is_none() {
            // A run that is started cold tells nobody that cells are wanted.
            self.work.notify_one();
        }
        cell
    }

    /// Takes a cell back that has run nothing, if none of its generation was replaced.
    fn give_back(&self, cell: Cell, generation: u64) {
        let mut state = self.state();
        if state.generation == generation && !state.closing {
            state.ready.push_front(cell);
        }
    }

    fn leave(&self, remains: Remains) {
        let mut state = self.state();
        state.taken = None;
        // Where the keepers have too much to do, whoever makes the work waits.
        let too_many = if state.remains.len() < self.size {
            state.remains.push(remains);
            None
        } else {
            Some(remains)
        };
        drop(state);
        self.work.notify_one();
        drop(too_many);
    }

    /// Removes what is left of runs, and makes cells, until the pool is closed. The kernel ends a cell with the thread that has made
    /// it.
    fn keep(&self) {
        let mut state = self.state();
        loop {
            let remains = mem::take(&mut state.remains);
            if !remains.is_empty() {
                state.removing += 1;
                drop(state);
                drop(remains);
                state = self.state();
                state.removing -= 1;
                self.done.notify_all();
            } else if state.closing {
                return;
            } else if state.failure.is_none() && state.ready.len() + state.begun < self.size {
                let grace = state.taken.filter(|_| !state.ready.is_empty());
                let grace = grace.and_then(|taken| GRACE.checked_sub(taken.elapsed()));
                if let Some(grace) = grace.filter(|grace| !grace.is_zero()) {
                    (state, _) = self.work.wait_timeout(state, grace).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
                state.begun += 1;
                let generation = state.generation;
                drop(state);
                let cell = self.prepared.stand();
                state = self.state();
                state.begun -= 1;
                match cell {
                    Ok(cell) if generation != state.generation => {
                        drop(state);
                        drop(cell);
                        state = self.state();
                    }
                    Ok(cell) => state.ready.push_back(cell),
                    Err(failure) => state.failure = Some(failure),
                }
                self.done.notify_all();
            } else {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}
