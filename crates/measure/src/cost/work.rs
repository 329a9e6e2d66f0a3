//! What a sandbox costs while a program works: computing, calling the kernel, reading files.
//!
//! The work is done by this crate's own functions, which a hidden mode of the command calls outside and inside; they time
//! themselves, so that starting counts for nothing. Not here: what a launch takes (`phases`).

use std::{
    ffi::OsString,
    fs, hint,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{BWRAP, BWRAP_MISSING, CostError, Programs, Step, good, ms, quiet, stats};
use crate::{
    host::Host,
    race::{Contestant, Rounds, race},
    show::{Align, Table},
    stats::{Ratio, Stats, ratio},
};

/// Name and version of the JSON form.
const SCHEMA: &str = "palisade.bench-work/1";

/// The hidden word of the command that calls [`labour`].
pub const WORD: &str = "internal-work";

/// Bytes of each file that is read.
const FILE: usize = 4096;

/// How much work is done each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// Steps of a computation.
    pub steps: usize,
    /// Calls of the kernel that do nothing.
    pub calls: usize,
    /// Files of 4 KiB that are opened, read and closed.
    pub files: usize,
}

/// What sandboxes cost while a program works.
#[derive(Clone, Debug, Serialize)]
pub struct Work {
    /// Name and version of this form.
    pub schema: &'static str,
    /// What it was measured on.
    pub host: Host,
    /// Runs of each.
    pub rounds: usize,
    /// How much is done in each.
    pub amount: Amount,
    /// What was done.
    pub kinds: Vec<Kind>,
    /// What is missing for the comparison.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// A kind of work.
#[derive(Clone, Debug, Serialize)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What is done.
    pub what: String,
    /// Without a sandbox, in milliseconds.
    pub outside_ms: Stats,
    /// In sandboxes.
    pub inside: Vec<Inside>,
}

/// The same work in a sandbox.
#[derive(Clone, Debug, Serialize)]
pub struct Inside {
    /// Whose.
    pub name: &'static str,
    /// In milliseconds.
    pub ms: Stats,
    /// How many times as long as outside, in the same rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Ratio>,
}

/// Names of kinds, as the hidden mode knows them.
const KINDS: [&str; 3] = ["compute", "calls", "files"];

/// Does work of a kind, in the process that calls this. Gives the time that it took, or nothing if the kind is unknown or a file
/// cannot be read.
#[must_use]
pub fn labour(kind: &str, amount: usize, files: &Path) -> Option<Duration> {
    let begun = Instant::now();
    match kind {
        "compute" => {
            let mut state = 88_172_645_463_325_252_u64;
            for _ in 0..amount {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
            }
            hint::black_box(state);
        }
        "calls" => {
            for _ in 0..amount {
                hint::black_box(rustix::process::getppid());
            }
        }
        "files" => {
            for index in 0..amount {
                let read = fs::read(files.join(index.to_string())).ok()?;
                hint::black_box(read.len());
            }
        }
        _ => return None,
    }
    Some(begun.elapsed())
}

/// Measures each kind of work `rounds` times outside and inside.
///
/// # Errors
/// If palisade cannot launch here, or `step` has ended it.
pub fn work(programs: &Programs, amount: Amount, rounds: usize, step: Step<'_>) -> Result<Work, CostError> {
    let place =
        tempfile::Builder::new().prefix("palisade-bench-").tempdir().map_err(CostError::system("make a directory"))?;
    let place = place.path();
    fill(place, amount.files).map_err(CostError::system("make files to be read"))?;
    let amounts = [amount.steps, amount.calls, amount.files];
    let mut kinds = Vec::new();
    for (name, amount) in KINDS.into_iter().zip(amounts) {
        let what = match name {
            "compute" => format!("{amount} steps of a random generator"),
            "calls" => format!("{amount} system calls that do nothing (getppid)"),
            _ => format!("{amount} files of {FILE} bytes opened, read and closed"),
        };
        kinds.push(kind(programs, (name, what, amount), place, rounds, step)?);
    }
    let missing = if programs.bwrap.is_none() { vec![BWRAP_MISSING.to_owned()] } else { Vec::new() };
    Ok(Work { schema: SCHEMA, host: Host::now(), rounds, amount, kinds, missing })
}

/// How often `step` is called.
#[must_use]
pub fn measurements(programs: &Programs, rounds: usize) -> usize {
    KINDS.len() * (1 + rounds) * (2 + usize::from(programs.bwrap.is_some()))
}

fn fill(place: &Path, files: usize) -> std::io::Result<()> {
    // Root's programs run as a user of their own.
    fs::set_permissions(place, fs::Permissions::from_mode(0o755))?;
    (0..files).try_for_each(|index| {
        let file = place.join(index.to_string());
        fs::write(&file, [b'x'; FILE])?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644))
    })
}

fn kind(
    programs: &Programs,
    (name, what, amount): (&'static str, String, usize),
    place: &Path,
    rounds: usize,
    step: Step<'_>,
) -> Result<Kind, CostError> {
    let own = &programs.palisade;
    let words: Vec<OsString> =
        [own.into(), WORD.into(), name.into(), amount.to_string().into(), place.into()].into_iter().collect();
    let plain = || {
        let mut command = quiet(own);
        command.args(words.iter().skip(1));
        command
    };
    let shown: Vec<&Path> = [own.as_path(), place].into_iter().filter(|path| !path.starts_with("/usr")).collect();
    let options: Vec<String> =
        shown.iter().flat_map(|path| ["--allow-read".into(), path.display().to_string()]).collect();
    let options: Vec<&str> = ["--backend", "native"].into_iter().chain(options.iter().map(String::as_str)).collect();
    let mut names = vec!["outside", "palisade run"];
    let mut contestants: Vec<Contestant<'_>> =
        vec![Box::new(|| timed(plain())), Box::new(|| timed(programs.palisade(&options, &words)))];
    if programs.bwrap.is_some() {
        names.push(BWRAP);
        contestants.push(Box::new(|| programs.bwrap(&shown, &words).map_or_else(|| Err("gone".to_owned()), timed)));
    }
    let counted = Rounds { warmups: 1, counted: rounds, idle_ms: 0 };
    let samples = race(&mut contestants, counted, &mut || step()).map_err(|()| CostError::Cancelled)?;
    drop(contestants);
    let samples =
        names.iter().zip(samples).map(|(name, samples)| good(name, samples)).collect::<Result<Vec<_>, _>>()?;
    let outside = samples.first().cloned().unwrap_or_default();
    let inside = names.into_iter().zip(&samples).skip(1);
    let inside = inside.map(|(name, taken)| Inside { name, ms: stats(taken), ratio: ratio(taken, &outside) });
    Ok(Kind { name, what, outside_ms: stats(&outside), inside: inside.collect() })
}

/// What a worker says that it took, in milliseconds.
fn timed(mut command: Command) -> Result<f64, String> {
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().map_err(|error| error.to_string())?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if !output.status.success() {
        return Err(format!("{}: {}", output.status, said(&output.stderr)));
    }
    let nanos: f64 = said(&output.stdout).parse().map_err(|_| format!("it said `{}`", said(&output.stdout)))?;
    Ok(nanos / 1e6)
}

impl Work {
    /// A table.
    #[must_use]
    pub fn text(&self) -> String {
        let mut table = Table::new(&[
            ("work", Align::Left),
            ("where", Align::Left),
            ("median", Align::Right),
            ("p95", Align::Right),
            ("times", Align::Right),
            ("", Align::Left),
        ]);
        for kind in &self.kinds {
            let figures = |stats: &Stats| [ms(stats.median), ms(stats.p95)];
            let [median, p95] = figures(&kind.outside_ms);
            table.row([kind.name.to_owned(), "outside".to_owned(), median, p95, String::new(), kind.what.clone()]);
            for inside in &kind.inside {
                let [median, p95] = figures(&inside.ms);
                let (times, range) = inside.ratio.map_or_else(Default::default, |ratio| {
                    (format!("{:.2}", ratio.median), format!("{:.2} to {:.2}", ratio.low, ratio.high))
                });
                table.row([String::new(), inside.name.to_owned(), median, p95, times, range]);
            }
        }
        let missing: String = self.missing.iter().map(|line| format!("\n{line}\n")).collect();
        format!(
            "{}\n\nwork, {} runs of each in turns, milliseconds; times: as long as outside, with its 95 % interval\n{}{missing}",
            self.host,
            self.rounds,
            table.text(&|_, _, word| word),
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_kind_of_work_is_done_and_what_is_not_there_is_told() {
        let place = tempfile::tempdir().unwrap();
        fill(place.path(), 2).unwrap();
        for kind in KINDS {
            assert!(labour(kind, 2, place.path()).is_some(), "{kind}");
        }
        assert_eq!(labour("files", 3, place.path()), None, "there are two");
        assert_eq!(labour("else", 1, place.path()), None);
    }
}
