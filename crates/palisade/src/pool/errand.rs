//! A cell that runs what another process wants: how the command line's pool gives its cells away.
//!
//! Not here: whether the cell is what they want (`likeness.rs`), who may ask (the command line).

use std::{fs::File, mem, os::fd::BorrowedFd, time::Duration};

use palisade_spec::{Bytes, HostileCalls, Input, Output, Report};
use serde::{Deserialize, Serialize};

use super::{Pool, check};
use crate::{
    error::StartError,
    native::candidates,
    prepare::{Prepared, Watch},
    supervise::{Cell, PIPES, Turn, Warm},
};

/// What a program is, apart from its sandbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errand {
    command: Vec<String>,
    environment: Vec<(String, String)>,
    wall_time: Duration,
    /// Bytes.
    output: u64,
    hostile_calls: HostileCalls,
    /// When it was begun, in nanoseconds of the monotonic clock, which all processes have in common.
    begun: u64,
}

impl Prepared {
    /// What it would run.
    #[must_use]
    pub fn errand(&self) -> Errand {
        let job = &self.launch().job;
        Errand {
            command: job.command.clone(),
            environment: job.environment.clone(),
            wall_time: job.limits.wall_time,
            output: job.limits.output.0,
            hostile_calls: job.hostile_calls,
            begun: self.begun(),
        }
    }
}

/// A cell that was taken from its pool. It goes back if it is dropped before it has run anything.
#[derive(Debug)]
pub struct Taken<'a> {
    pool: &'a Pool,
    cell: Option<Cell>,
    generation: u64,
}

impl Pool {
    /// A cell that stands, if there is one that is as strong as it was planned.
    #[must_use]
    pub fn take(&self) -> Option<Taken<'_>> {
        loop {
            let generation = self.shared.state().generation;
            let cell = self.shared.take()?;
            if cell.is_whole() {
                return Some(Taken { pool: self, cell: Some(cell), generation });
            }
        }
    }

    /// Ends all cells that stand, and makes others in their places: what they show of the host may have changed.
    pub fn renew(&self) {
        let old = {
            let mut state = self.shared.state();
            state.generation += 1;
            mem::take(&mut state.ready)
        };
        self.shared.work.notify_all();
        drop(old);
    }

    /// What its cells are, with the host's files as they are now.
    ///
    /// # Errors
    /// As [`Prepared::likeness`].
    pub fn likeness(&self) -> Result<super::Likeness, &'static str> {
        self.shared.prepared.likeness()
    }

    /// Why the last cell could not be made, if that is how it is.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.shared.state().failure.as_ref().map(ToString::to_string)
    }
}

impl Taken<'_> {
    /// Runs it, as [`Prepared::run`] would, with this source if the pool is one for sources. `None`: somebody has ended the cell, and
    /// nothing has run.
    ///
    /// # Errors
    /// If the program could not be started; whatever it does afterwards is in the report.
    pub fn run(
        mut self,
        errand: &Errand,
        source: Option<&File>,
        stdin: Input,
        output: Output,
        cancel: Option<BorrowedFd<'_>>,
    ) -> Result<Option<Report>, StartError> {
        let (shared, Some(mut cell)) = (&self.pool.shared, self.cell.take()) else { return Ok(None) };
        let mut launch = shared.prepared.launch().clone();
        let job = &mut launch.job;
        (job.command, job.environment) = (errand.command.clone(), errand.environment.clone());
        (job.limits.wall_time, job.limits.output) = (errand.wall_time, Bytes(errand.output));
        job.hostile_calls = errand.hostile_calls;
        launch.candidates = candidates(&launch.job);
        if let Err(error) = check(&launch.job) {
            self.cell = Some(cell);
            return Err(error);
        }
        cell.fill(source).map_err(StartError::io("write the source"))?;
        let (started, leave) = (|| shared.work.notify_one(), |remains| shared.leave(remains));
        let warm = Warm { cell: Some(cell).into(), launch: &launch, order: None, started: &started, leave: &leave };
        let turn = Turn { warm: Some(&warm), ..Turn::default() };
        let watch = Watch { cancel, ..Watch::default() };
        let ran = shared.prepared.run_on(turn, errand.begun, stdin, output, watch);
        if ran.is_err() {
            // Perhaps nobody was told that a cell is gone.
            shared.work.notify_one();
        }
        match ran {
            // Neither has run anything: it was gone, or this process has no descriptors left for its pipes.
            Err(StartError::KilledDuringSetup { .. } | StartError::Io { doing: PIPES, .. }) => Ok(None),
            ran => ran.map(Some),
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(cell) = self.cell.take() {
            self.pool.shared.give_back(cell, self.generation);
            self.pool.shared.work.notify_one();
        }
    }
}
