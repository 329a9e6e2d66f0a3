//! Laying layers over each other against linking every file (R38).
//!
//! A build that needs the files of N packages in one place can mount them as an overlay of N layers, or make a tree of hard
//! links with `cp -afl`. Both are followed by the same run. Not here: what layers disagree about (`palisade::conflicts`).

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use palisade::{
    run,
    spec::{Backend, Bytes, Conflicts, Layers, Request, Upper},
};
use serde::Serialize;

use super::{CostError, Step, good, ms, quiet, request, run_to_end, stats, success, system_program};
use crate::{
    host::Host,
    race::{self, Contestant, Rounds, race},
    show::{Align, Table},
    stats::{Ratio, Stats, ratio},
};

/// Name and version of the JSON form.
const SCHEMA: &str = "palisade.bench-staging/1";

/// Files of one directory of a layer.
const IN_DIRECTORY: usize = 50;

/// Where the program sees the layers.
const PLACE: &str = "/sysroot";

/// Layers against links.
#[derive(Clone, Debug, Serialize)]
pub struct Staging {
    /// Name and version of this form.
    pub schema: &'static str,
    /// What it was measured on.
    pub host: Host,
    /// Runs of each.
    pub rounds: usize,
    /// Files of each layer.
    pub files: usize,
    /// The file system that the layers are on.
    pub on: PathBuf,
    /// A run without any of it, in milliseconds.
    pub run_ms: Stats,
    /// By the number of layers.
    pub stacks: Vec<Stack>,
}

/// So many layers.
#[derive(Clone, Debug, Serialize)]
pub struct Stack {
    /// How many.
    pub layers: usize,
    /// A run that sees them as an overlay, from the beginning to its end, in milliseconds.
    pub overlay_ms: Stats,
    /// `cp -afl` of each of them into an empty directory, in milliseconds; the run is not in it.
    pub links_ms: Stats,
    /// Removing those links, in milliseconds. The overlay's end is part of its run.
    pub removal_ms: Stats,
    /// How many times as long it takes to link and to run as it does to run with an overlay, in the same rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Ratio>,
}

/// Stages each of these numbers of layers `rounds` times.
///
/// # Errors
/// If palisade cannot launch here, or `step` has ended it.
pub fn staging(counts: &[usize], files: usize, rounds: usize, step: Step<'_>) -> Result<Staging, CostError> {
    let system = CostError::system("make layers");
    let place = tempfile::Builder::new().prefix("palisade-bench-").tempdir().map_err(&system)?;
    open_to_all(place.path()).map_err(&system)?;
    let most = counts.iter().copied().max().unwrap_or(0);
    let layers: Vec<PathBuf> = (0..most).map(|index| place.path().join(format!("layer-{index}"))).collect();
    layers.iter().enumerate().try_for_each(|(index, layer)| fill(layer, index, files)).map_err(&system)?;
    let (cp, rm) = (system_program("cp")?, system_program("rm")?);
    let words = [OsString::from(system_program("true")?)];
    let linked = place.path().join("linked");
    let mut run_ms = Vec::new();
    let mut stacks = Vec::new();
    for &count in counts {
        let lower: Vec<PathBuf> = layers.iter().take(count).cloned().collect();
        let plain = Request { backend: Backend::Native, ..request(&words) };
        let staged = Request {
            layers: vec![Layers {
                at: PLACE.into(),
                lower: lower.clone(),
                upper: Upper::Scratch(Bytes::mib(16)),
                conflicts: Conflicts::Ignored,
            }],
            ..plain.clone()
        };
        let link = || {
            timed(&mut || fs::create_dir(&linked).map_err(|e| e.to_string()).and_then(|()| link(&cp, &lower, &linked)))
        };
        let remove = || timed(&mut || run_to_end(quiet(&rm).arg("-rf").arg(&linked)));
        let mut contestants: Vec<Contestant<'_>> = vec![
            Box::new(|| timed(&mut || run_of(&plain))),
            Box::new(|| timed(&mut || run_of(&staged))),
            Box::new(link),
            Box::new(remove),
        ];
        let counted = Rounds { warmups: 1, counted: rounds, idle_ms: 0 };
        let samples = race(&mut contestants, counted, &mut || step()).map_err(|()| CostError::Cancelled)?;
        drop(contestants);
        let mut samples = ["palisade", "palisade with layers", "cp -afl", "rm -rf"].into_iter().zip(samples);
        let mut next = || samples.next().map_or(Ok(Vec::new()), |(who, samples)| good(who, samples));
        let (alone, overlay, links, removal) = (next()?, next()?, next()?, next()?);
        let linked_and_run: Vec<f64> = links.iter().zip(&alone).map(|(link, run)| link + run).collect();
        stacks.push(Stack {
            layers: count,
            overlay_ms: stats(&overlay),
            links_ms: stats(&links),
            removal_ms: stats(&removal),
            ratio: ratio(&linked_and_run, &overlay),
        });
        run_ms.extend(alone);
    }
    let on = place.path().parent().unwrap_or(Path::new("/")).to_owned();
    Ok(Staging { schema: SCHEMA, host: Host::now(), rounds, files, on, run_ms: stats(&run_ms), stacks })
}

/// How often `step` is called.
#[must_use]
pub const fn measurements(counts: &[usize], rounds: usize) -> usize {
    (1 + rounds) * 4 * counts.len()
}

fn open_to_all(directory: &Path) -> std::io::Result<()> {
    // Root's programs run as a user of their own.
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))
}

/// A layer whose files are no other layer's.
fn fill(layer: &Path, number: usize, files: usize) -> std::io::Result<()> {
    let mut directory = layer.to_owned();
    for index in 0..files {
        if index % IN_DIRECTORY == 0 {
            directory = layer.join(format!("usr/share/package-{number}/{}", index / IN_DIRECTORY));
            fs::create_dir_all(&directory)?;
        }
        fs::write(directory.join(format!("file-{index}")), b"palisade\n")?;
    }
    fs::create_dir_all(layer)
}

fn link(cp: &Path, layers: &[PathBuf], into: &Path) -> Result<(), String> {
    // A copy for each layer, as a build stages one package after the other; the last one stays where two have one name.
    layers.iter().rev().try_for_each(|layer| {
        let mut command: Command = quiet(cp);
        run_to_end(command.arg("-afl").arg(layer.join(".")).arg(into))
    })
}

fn run_of(request: &Request) -> Result<(), String> {
    success(&run(request.clone()).map_err(|error| error.to_string())?)
}

fn timed(work: &mut dyn FnMut() -> Result<(), String>) -> Result<f64, String> {
    let begun = Instant::now();
    work()?;
    Ok(race::ms(begun.elapsed()))
}

impl Staging {
    /// A table.
    #[must_use]
    pub fn text(&self) -> String {
        let mut table = Table::new(&[
            ("layers", Align::Right),
            ("files", Align::Right),
            ("overlay and run", Align::Right),
            ("cp -afl", Align::Right),
            ("rm -rf", Align::Right),
            ("times", Align::Right),
            ("", Align::Left),
        ]);
        for stack in &self.stacks {
            let (times, range) = stack.ratio.map_or_else(Default::default, |ratio| {
                (format!("{:.1}", ratio.median), format!("{:.1} to {:.1}", ratio.low, ratio.high))
            });
            let figures = [&stack.overlay_ms, &stack.links_ms, &stack.removal_ms].map(|stats| ms(stats.median));
            let head = [stack.layers.to_string(), (stack.layers * self.files).to_string()];
            table.row(head.into_iter().chain(figures).chain([times, range]));
        }
        format!(
            "{}\n\nstaging layers of {} files in {}, milliseconds, medians of {}; a run without any: {}\n{}\ntimes: so many \
             times as long to link and to run as to run with an overlay; removing the links is not in it\n",
            self.host,
            self.files,
            self.on.display(),
            self.rounds,
            ms(self.run_ms.median),
            table.text(&|_, _, word| word),
        )
    }
}
