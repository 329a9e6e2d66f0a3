//! The walls that may hold one job, one after the other.
//!
//! A wall is tried by using it: nothing is run to find out whether another run would work. One that fails before the program
//! starts is passed over for the next that holds the whole policy, if palisade was to choose; the report says so. Not here: what
//! a wall holds (`needs.rs`), what is remembered of failures (`remembered.rs`).

use std::collections::VecDeque;

use palisade_spec::{Backend, Strength};

use super::{
    ALL, Row, needs,
    remembered::{Failure, Remembered},
};
use crate::{
    bound::Resolved,
    error::{Refusal, StartError},
    host::Host,
    native::Launch,
};

/// How remedies begin that are none for whom palisade chooses anyway.
const UNNAMED: &str = "leave --backend out";
/// What a wall did not do that failed.
const STARTING: &str = "to start the program";

/// A choice under way.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    asked: Backend,
    job: Resolved,
    host: Host,
    /// How many rows have been looked at.
    seen: usize,
    refusals: Vec<Refusal>,
    /// Of walls that are too weak for what was asked: nobody expects them.
    too_weak: Vec<Refusal>,
    /// Walls that are remembered as failing, each with the reason: tried when nothing else is left. They may have failed for
    /// somebody who is confined in a way that nobody can see, as by Landlock.
    postponed: VecDeque<(Launch, Refusal)>,
}

impl Choice {
    /// Of the wall that was asked for, or of any.
    pub(crate) fn new(asked: Backend, job: Resolved, host: Host) -> Self {
        let mut refusals = Vec::new();
        if asked != Backend::Auto && !ALL.iter().any(|row| row.kind == asked) {
            refusals.push(Refusal {
                backend: asked.name(),
                needs: format!("the backend `{asked}`"),
                because: "this version does not have it".to_owned(),
                hint: "say --backend native or another of `palisade backends`, or leave --backend out".to_owned(),
            });
        }
        Self { asked, job, host, seen: 0, refusals, too_weak: Vec::new(), postponed: VecDeque::new() }
    }

    /// The next wall that can hold the job.
    ///
    /// # Errors
    /// Every reason why none can.
    pub(crate) fn next(&mut self) -> Result<Launch, StartError> {
        while let Some(row) = ALL.get(self.seen) {
            let is_first = self.seen == 0;
            self.seen += 1;
            if !self.is_wanted(row) {
                continue;
            }
            if let Some(refusal) = needs::too_weak(row, &self.job) {
                self.too_weak.push(refusal);
                continue;
            }
            let lacks = needs::lacks(row, &self.job, &self.host);
            let lacks = match (row.plan)(self.job.clone(), &self.host) {
                Ok(launch) if lacks.is_empty() => match self.remembered(row, &launch, is_first) {
                    None => return Ok(launch),
                    Some(refusal) => {
                        self.postponed.push_back((launch, refusal));
                        continue;
                    }
                },
                Ok(_) => lacks,
                // It knows of what it lacks why that is so here, and what helps.
                Err(why) => {
                    let others = lacks.into_iter().filter(|lack| why.iter().all(|one| one.needs != lack.needs));
                    others.chain(why.clone()).collect()
                }
            };
            self.refusals.extend(lacks);
        }
        if let Some((launch, _)) = self.postponed.pop_front() {
            return Ok(launch);
        }
        let refusals = self.too_weak.iter().chain(&self.refusals).cloned();
        Err(StartError::NoBackend { refusals: refusals.map(|refusal| self.told(refusal)).collect() })
    }

    /// To whom has named no wall, no hint says to name none.
    fn told(&self, refusal: Refusal) -> Refusal {
        let kept = |part: &str| {
            let ways: Vec<&str> = part.split(", or ").filter(|way| !way.starts_with(UNNAMED)).collect();
            (!ways.is_empty()).then(|| ways.join(", or "))
        };
        match self.asked {
            Backend::Auto => {
                let hint = refusal.hint.split("; ").filter_map(kept).collect::<Vec<_>>().join("; ");
                Refusal { hint, ..refusal }
            }
            _ => refusal,
        }
    }

    /// Notes that a wall failed, and gives the next one if there may be another.
    ///
    /// # Errors
    /// What it failed of, if it was asked for by name or the failure is not the wall's; else every reason why no other can.
    pub(crate) fn after(&mut self, failed: &Launch, error: StartError) -> Result<Launch, StartError> {
        if self.asked != Backend::Auto || !error.is_of_wall() {
            return Err(error);
        }
        let refusals = match error {
            // What was wanted is not to be had: nothing is wrong with the wall.
            StartError::NoBackend { refusals } => refusals,
            other => {
                let (because, hint) = (other.to_string(), other.hint().unwrap_or_default());
                if failed.has_agent()
                    && let Some(remembered) = Remembered::here()
                {
                    let fix = (!hint.is_empty()).then(|| hint.clone());
                    remembered.note(failed, Err(Failure { because: because.clone(), fix }));
                }
                vec![Refusal { backend: failed.backend.name(), needs: STARTING.to_owned(), because, hint }]
            }
        };
        self.refusals.extend(refusals);
        self.next()
    }

    /// Notes that a wall has held its program: why it failed before is gone.
    pub(crate) fn held(&self, launch: &Launch) {
        if self.asked == Backend::Auto
            && launch.has_agent()
            && let Some(remembered) = Remembered::here()
            && remembered.of(launch).is_some_and(|found| found.is_err())
        {
            remembered.forget(launch);
        }
    }

    /// Walls that were passed over.
    pub(crate) fn passed_over(&self) -> Vec<Refusal> {
        self.refusals.iter().chain(self.postponed.iter().map(|(_, refusal)| refusal)).cloned().collect()
    }

    /// `none` and walls that are not whole are taken only by name: an untrusted program never runs behind less because nothing
    /// more could be built.
    fn is_wanted(&self, row: &Row) -> bool {
        if self.asked == Backend::Auto { row.strength >= Strength::Namespaces } else { row.kind == self.asked }
    }

    /// Why it is not worth trying before others, if that is known. The first one is so cheap that it is simply tried, and so is one that was
    /// asked for.
    fn remembered(&self, row: &Row, launch: &Launch, is_first: bool) -> Option<Refusal> {
        if is_first || self.asked != Backend::Auto {
            return None;
        }
        let Failure { because, fix } = Remembered::here()?.of(launch)?.err()?;
        let again = "palisade doctor --refresh tries it again";
        Some(Refusal {
            backend: row.kind.name(),
            needs: STARTING.to_owned(),
            because: format!("it did not when it was last tried: {because}"),
            hint: fix.map_or_else(|| again.to_owned(), |fix| format!("{fix}; {again}")),
        })
    }
}
