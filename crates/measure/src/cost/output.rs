//! How fast a program's output passes.
//!
//! The same program writes into a pipe that `cat` empties into /dev/null, and through palisade to /dev/null. Not here: output
//! that is kept for a report, which has a limit.

use std::{
    ffi::OsString,
    process::{Child, Command, Stdio},
    time::Instant,
};

use palisade::spec::Bytes;
use serde::Serialize;

use super::{CostError, Programs, Step, good, quiet, stats, system_program};
use crate::{
    host::Host,
    race::{Contestant, Rounds, race},
    show::{Align, Table},
    stats::{Ratio, Stats, ratio},
};

/// Name and version of the JSON form.
const SCHEMA: &str = "palisade.bench-output/1";

/// What palisade should pass at least, in times of what the pipe passes.
pub const BAR: f64 = 0.8;

/// How fast output passes.
#[derive(Clone, Debug, Serialize)]
pub struct Passing {
    /// Name and version of this form.
    pub schema: &'static str,
    /// What it was measured on.
    pub host: Host,
    /// Runs of each.
    pub rounds: usize,
    /// Bytes of each run.
    pub bytes: u64,
    /// Our own bar for the ratio.
    pub bar: f64,
    /// By how much the program writes at once.
    pub writers: Vec<Writer>,
}

/// A program that writes.
#[derive(Clone, Debug, Serialize)]
pub struct Writer {
    /// Its command line.
    pub command: String,
    /// Through a pipe to `cat`, bytes in a second.
    pub pipe_per_second: Stats,
    /// Through palisade, bytes in a second.
    pub palisade_per_second: Stats,
    /// How many times as fast through palisade, in the same rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Ratio>,
}

/// Bytes that the two writers write at once: buffered streams, and copying programs.
const PORTIONS: [u64; 2] = [8 << 10, 1 << 20];

/// Passes `bytes` (rounded up to a MiB) `rounds` times each way.
///
/// # Errors
/// If palisade cannot launch here, or `step` has ended it.
pub fn output(programs: &Programs, bytes: Bytes, rounds: usize, step: Step<'_>) -> Result<Passing, CostError> {
    let (dd, cat) = (system_program("dd")?, system_program("cat")?);
    let bytes = bytes.0.next_multiple_of(1 << 20);
    let mut writers = Vec::new();
    for portion in PORTIONS {
        let words: Vec<OsString> = [
            dd.as_os_str().into(),
            "if=/dev/zero".into(),
            format!("bs={portion}").into(),
            format!("count={}", bytes / portion).into(),
            "status=none".into(),
        ]
        .into();
        let per_second = |took: Result<f64, String>| took.map(|seconds| bytes as f64 / seconds);
        let by_pipe = || {
            let mut writer = quiet(&dd);
            writer.args(words.iter().skip(1)).stdout(Stdio::piped());
            per_second(through(writer, &mut quiet(&cat)))
        };
        let by_palisade = || {
            let mut command = programs.palisade(&["--backend", "native", "--time-limit", "1h"], &words);
            let begun = Instant::now();
            super::run_to_end(command.stdout(Stdio::null()))?;
            per_second(Ok(begun.elapsed().as_secs_f64()))
        };
        let mut contestants: Vec<Contestant<'_>> = vec![Box::new(by_pipe), Box::new(by_palisade)];
        let counted = Rounds { warmups: 1, counted: rounds, idle_ms: 0 };
        let samples = race(&mut contestants, counted, &mut || step()).map_err(|()| CostError::Cancelled)?;
        drop(contestants);
        let mut samples = samples.into_iter();
        let mut next = |who| good(who, samples.next().unwrap_or_else(|| Err("not measured".to_owned())));
        let (pipe, palisade) = (next("the pipe")?, next("palisade run")?);
        let command = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        writers.push(Writer {
            command,
            pipe_per_second: stats(&pipe),
            palisade_per_second: stats(&palisade),
            ratio: ratio(&palisade, &pipe),
        });
    }
    Ok(Passing { schema: SCHEMA, host: Host::now(), rounds, bytes, bar: BAR, writers })
}

/// How often `step` is called.
#[must_use]
pub const fn measurements(rounds: usize) -> usize {
    (1 + rounds) * 2 * PORTIONS.len()
}

/// Seconds that `writer | reader >/dev/null` takes.
fn through(mut writer: Command, reader: &mut Command) -> Result<f64, String> {
    let told = |error: std::io::Error| error.to_string();
    let ended = |mut child: Child| match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let begun = Instant::now();
    let mut writing = writer.spawn().map_err(told)?;
    let Some(pipe) = writing.stdout.take() else { return Err("it has no output".to_owned()) };
    let reading = reader.stdin(pipe).spawn();
    // Its descriptor of the pipe goes with the command, or the writer would never learn that nobody reads.
    reader.stdin(Stdio::null());
    let read = reading.map_err(told).and_then(ended);
    ended(writing)?;
    read.map(|()| begun.elapsed().as_secs_f64())
}

impl Passing {
    /// A table.
    #[must_use]
    pub fn text(&self) -> String {
        let mib = |stats: &Stats| format!("{:.0}", stats.median / f64::from(1 << 20));
        let mut table = Table::new(&[
            ("program", Align::Left),
            ("pipe", Align::Right),
            ("palisade", Align::Right),
            ("times", Align::Right),
            ("", Align::Left),
        ]);
        for writer in &self.writers {
            let (times, range) = writer.ratio.map_or_else(Default::default, |ratio| {
                (format!("{:.2}", ratio.median), format!("{:.2} to {:.2}", ratio.low, ratio.high))
            });
            let [pipe, palisade] = [&writer.pipe_per_second, &writer.palisade_per_second].map(mib);
            table.row([writer.command.clone(), pipe, palisade, times, range]);
        }
        format!(
            "{}\n\n{} through a pipe to `cat >/dev/null`, and through `palisade run` to /dev/null: MiB in a second, medians \
             of {} runs in turns (our bar: {BAR} times)\n{}",
            self.host,
            Bytes(self.bytes),
            self.rounds,
            table.text(&|_, _, word| word),
        )
    }
}
