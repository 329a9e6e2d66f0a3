//! One execution of an attack: what the attacker is told to do, what it is given, and how others look at what it does.
//!
//! Made anew for each execution, so that no victim has been attacked before.

use std::{
    any::Any,
    path::PathBuf,
    time::{Duration, Instant},
};

use palisade_spec::LimitsAsk;

use super::host::Attacker;

/// Looks at the attackers while they hold still at the height of the attack. `Some`: the effect is there, with evidence.
type Look = Box<dyn FnMut(&[Attacker]) -> Option<String>>;
/// Looks at the victim when the attacker has ended.
type Judge = Box<dyn FnMut(&Told) -> Option<String>>;

/// What is needed to execute an attack once. Dropped, it takes its victims away.
#[must_use]
pub(crate) struct Scene {
    /// The attacker's operation and its arguments.
    pub(crate) words: Vec<String>,
    /// The attacker, if it is not the common one.
    pub(crate) program: Option<PathBuf>,
    /// Host files that it is given to read, beside the attacker.
    pub(crate) given: Vec<PathBuf>,
    /// The host directory that it is given to change.
    pub(crate) workspace: Option<PathBuf>,
    /// Limits, where the attack is on one.
    pub(crate) limits: LimitsAsk,
    /// Files that are taken from it afterwards.
    pub(crate) collect: Option<Collect>,
    /// The time that it has outside, where a supervisor of its own keeps it.
    pub(crate) supervised: Option<Duration>,
    /// Whether its output is kept by palisade, up to the limit, instead of being passed on as it comes.
    pub(crate) output_is_kept: bool,
    pub(crate) held: Option<Look>,
    pub(crate) after: Option<Judge>,
    /// Dropped with the scene.
    kept: Vec<Box<dyn Any>>,
}

/// Files that the caller takes from the program when it has ended.
#[derive(Clone, Debug)]
pub(crate) struct Collect {
    /// One name in the working directory.
    pub(crate) name: &'static str,
    /// Where it goes.
    pub(crate) directory: PathBuf,
}

impl Scene {
    pub(crate) fn of<S: Into<String>>(words: impl IntoIterator<Item = S>) -> Self {
        Self {
            words: words.into_iter().map(Into::into).collect(),
            program: None,
            given: Vec::new(),
            workspace: None,
            limits: LimitsAsk::default(),
            collect: None,
            supervised: None,
            output_is_kept: false,
            held: None,
            after: None,
            kept: Vec::new(),
        }
    }

    pub(crate) fn held(mut self, look: impl FnMut(&[Attacker]) -> Option<String> + 'static) -> Self {
        self.held = Some(Box::new(look));
        self
    }

    pub(crate) fn after(mut self, look: impl FnMut(&Told) -> Option<String> + 'static) -> Self {
        self.after = Some(Box::new(look));
        self
    }

    /// The effect is that the attacker's words hold `secret`.
    pub(crate) fn told(self, secret: String, what: &'static str) -> Self {
        self.after(move |told| told.has(&secret).then(|| format!("the attacker printed {what}")))
    }

    pub(crate) fn limits(mut self, limits: LimitsAsk) -> Self {
        self.limits = limits;
        self
    }

    pub(crate) fn keep(mut self, thing: impl Any) -> Self {
        self.kept.push(Box::new(thing));
        self
    }
}

/// What the attacker said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// It believes that it succeeded.
    Succeeded(String),
    /// A wall held.
    Blocked(String),
    /// It could not try.
    Doubt(String),
    /// It was ended before it could say anything.
    Ended(String),
    /// It said nothing, and nobody ended it.
    Nothing(String),
}

/// How one execution went, as far as the attacker is concerned.
#[derive(Debug)]
pub(crate) struct Told {
    /// The word that the attackers are known by.
    pub(crate) token: String,
    pub(crate) word: Word,
    /// The first MiB of its output.
    pub(crate) output: Vec<u8>,
    /// All of it, in bytes.
    pub(crate) bytes: u64,
    /// From its start to the end of its output.
    pub(crate) took: Duration,
    /// Whether whoever took its files came to an end.
    pub(crate) collector: Collector,
}

/// What became of whoever took the program's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collector {
    /// It ended, or there was nothing to take.
    Ended,
    /// It waits for ever.
    Hangs,
}

impl Told {
    /// Whether its output holds `secret`.
    pub(crate) fn has(&self, secret: &str) -> bool {
        self.output.windows(secret.len()).any(|window| window == secret.as_bytes())
    }

    pub(crate) fn believes(&self) -> bool {
        matches!(self.word, Word::Succeeded(_))
    }

    /// Waits a moment for what the kernel does after the call that asked for it, if the attacker believes in it.
    pub(crate) fn soon(&self, mut look: impl FnMut() -> Option<String>) -> Option<String> {
        if self.believes() { soon(look) } else { look() }
    }
}

/// Waits a moment for what the kernel does after the call that asked for it.
pub(crate) fn soon<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + Duration::from_millis(300);
    loop {
        let seen = look();
        if seen.is_some() || Instant::now() >= end {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
