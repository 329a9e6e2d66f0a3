//! What the processes of a wall take of memory beside a program that waits.
//!
//! The program is `cat`, which has answered once before anybody looks: everything is set up by then. Not here: the program's own
//! memory, which its limit holds.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs::{self, File},
    io::{self, Read, Write},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use palisade::{
    run,
    spec::{Backend, Input, Output, Request},
};
use serde::Serialize;

use super::{BWRAP, BWRAP_MISSING, CostError, Programs, Step, good, request, stats, system_program};
use crate::{
    host::Host,
    race::{Contestant, Rounds, race},
    show::{Align, Table},
    stats::Stats,
};

/// Name and version of the JSON form.
const SCHEMA: &str = "palisade.bench-memory/1";

/// The most that palisade's own processes should take beside a run (PSS), in bytes.
pub const BAR: u64 = 4 << 20;

/// What walls take of memory.
#[derive(Clone, Debug, Serialize)]
pub struct Memory {
    /// Name and version of this form.
    pub schema: &'static str,
    /// What it was measured on.
    pub host: Host,
    /// Launches of each.
    pub rounds: usize,
    /// Our own bar for the command's PSS, in bytes.
    pub bar_bytes: u64,
    /// The walls.
    pub walls: Vec<Wall>,
    /// What is missing for the comparison.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// The processes that one wall has beside the program, together.
#[derive(Clone, Debug, Serialize)]
pub struct Wall {
    /// Whose.
    pub name: &'static str,
    /// How many processes.
    pub processes: usize,
    /// Memory that they hold, of what they share with others their part (PSS), in bytes. Nothing where this user may not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pss_bytes: Option<Stats>,
    /// Memory that they hold, what they share counted for each of them (RSS), in bytes.
    pub rss_bytes: Stats,
    /// The most that each of them has ever held, added up, in bytes.
    pub peak_rss_bytes: Stats,
}

/// One look at the processes of a wall.
struct Look {
    processes: usize,
    pss: Option<u64>,
    rss: u64,
    peak: u64,
}

/// Looks `rounds` times at each wall.
///
/// # Errors
/// If palisade cannot launch here, or `step` has ended it.
pub fn memory(programs: &Programs, rounds: usize, step: Step<'_>) -> Result<Memory, CostError> {
    let words = [OsString::from(system_program("cat")?)];
    let mut names = vec!["palisade run", "library"];
    let mut looks: Vec<Vec<Look>> = vec![Vec::new(), Vec::new()];
    let mut missing = Vec::new();
    if programs.bwrap.is_some() {
        names.push(BWRAP);
        looks.push(Vec::new());
    } else {
        missing.push(BWRAP_MISSING.to_owned());
    }
    {
        let mut looks = looks.iter_mut();
        let mut contestants: Vec<Contestant<'_>> = Vec::new();
        let mut with = |look: Box<dyn Fn() -> Result<Look, String>>| {
            let Some(list) = looks.next() else { return };
            contestants.push(Box::new(move || {
                let look = look()?;
                let rss = look.rss as f64;
                list.push(look);
                Ok(rss)
            }));
        };
        let (own, words_of) = (programs.clone(), words.clone());
        with(Box::new(move || of_command(own.palisade(&["--backend", "native"], &words_of))));
        let words_of = words.clone();
        with(Box::new(move || of_library(&words_of)));
        let own = programs.clone();
        with(Box::new(move || own.bwrap(&[], &words).map_or_else(|| Err("gone".to_owned()), of_command)));
        let counted = Rounds { warmups: 1, counted: rounds, idle_ms: 0 };
        let samples = race(&mut contestants, counted, &mut || step()).map_err(|()| CostError::Cancelled)?;
        for (name, samples) in names.iter().zip(samples) {
            good(name, samples)?;
        }
    }
    let wall = |(name, looks): (&'static str, Vec<Look>)| {
        let all = |of: &dyn Fn(&Look) -> Option<u64>| -> Option<Vec<f64>> {
            looks.iter().skip(1).map(|look| of(look).map(|bytes| bytes as f64)).collect()
        };
        Wall {
            name,
            processes: looks.last().map_or(0, |look| look.processes),
            pss_bytes: all(&|look| look.pss).as_deref().and_then(Stats::of),
            rss_bytes: stats(&all(&|look| Some(look.rss)).unwrap_or_default()),
            peak_rss_bytes: stats(&all(&|look| Some(look.peak)).unwrap_or_default()),
        }
    };
    let walls = names.into_iter().zip(looks).map(wall).collect();
    Ok(Memory { schema: SCHEMA, host: Host::now(), rounds, bar_bytes: BAR, walls, missing })
}

/// How often `step` is called.
#[must_use]
pub fn measurements(programs: &Programs, rounds: usize) -> usize {
    (1 + rounds) * (2 + usize::from(programs.bwrap.is_some()))
}

/// Ends a process that was not told to end.
struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        // Both fail only if it is gone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn of_command(mut command: Command) -> Result<Look, String> {
    let told = |error: io::Error| error.to_string();
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(told)?;
    let mut child = Held(spawned);
    let (Some(mut stdin), Some(mut stdout)) = (child.0.stdin.take(), child.0.stdout.take()) else {
        return Err("it has no streams".to_owned());
    };
    answered(&mut stdin, &mut stdout)?;
    let look = look(child.0.id(), Whole::WithIt)?;
    drop(stdin); // and `cat` ends
    let status = child.0.wait().map_err(told)?;
    if status.success() { Ok(look) } else { Err(status.to_string()) }
}

/// The sandbox's own process; of the process that uses the library, what is its own is not the sandbox's.
fn of_library(words: &[OsString]) -> Result<Look, String> {
    let told = |error: io::Error| error.to_string();
    let (theirs, mut stdin) = io::pipe().map_err(told)?;
    let (mut stdout, out) = io::pipe().map_err(told)?;
    let file = |fd: std::os::fd::OwnedFd| Arc::new(File::from(fd));
    let nothing = File::options().write(true).open("/dev/null").map_err(told)?;
    let request = Request {
        backend: Backend::Native,
        stdin: Input::File(file(theirs.into())),
        output: Output::To { stdout: file(out.into()), stderr: Arc::new(nothing) },
        ..request(words)
    };
    std::thread::scope(|scope| {
        let running = scope.spawn(move || run(request));
        let look = answered(&mut stdin, &mut stdout).and_then(|()| look(std::process::id(), Whole::Below));
        drop(stdin);
        match running.join() {
            Ok(Ok(report)) => super::success(&report).and(look),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("its thread has ended".to_owned()),
        }
    })
}

/// The program is there, and waits.
fn answered(stdin: &mut impl Write, stdout: &mut impl Read) -> Result<(), String> {
    let mut answer = [0];
    stdin.write_all(b"\n").and_then(|()| stdout.read_exact(&mut answer)).map_err(|error| format!("no answer: {error}"))
}

/// Which processes are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    /// All below one, and that one.
    WithIt,
    /// All below one.
    Below,
}

/// All processes below `top` but the program, which is the one that has no children.
fn look(top: u32, whole: Whole) -> Result<Look, String> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").map_err(|error| format!("/proc: {error}"))?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
        children.entry(parent.unwrap_or(0)).or_default().push(pid);
    }
    let mut all = vec![top];
    let mut at = 0;
    while let Some(pid) = all.get(at) {
        all.extend(children.get(pid).into_iter().flatten());
        at += 1;
    }
    let helpers = all.iter().filter(|pid| children.contains_key(pid) && (whole == Whole::WithIt || **pid != top));
    let mut seen = Look { processes: 0, pss: Some(0), rss: 0, peak: 0 };
    for pid in helpers {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).map_err(|error| error.to_string())?;
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        seen.processes += 1;
        seen.rss += kib(&status, "VmRSS:").unwrap_or(0);
        seen.peak += kib(&status, "VmHWM:").unwrap_or(0);
        seen.pss = seen.pss.zip(kib(&rollup, "Pss:")).map(|(sum, own)| sum + own);
    }
    if seen.processes == 0 { Err("it has no process beside the program".to_owned()) } else { Ok(seen) }
}

/// A field of a /proc/PID file that is given in KiB, in bytes.
fn kib(text: &str, field: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next()?.parse::<u64>().ok());
    value.map(|kib| kib << 10)
}

impl Memory {
    /// A table.
    #[must_use]
    pub fn text(&self) -> String {
        let mib = |stats: &Stats| format!("{:.2}", stats.median / f64::from(1 << 20));
        let mut table = Table::new(&[
            ("wall", Align::Left),
            ("processes", Align::Right),
            ("PSS", Align::Right),
            ("RSS", Align::Right),
            ("peak RSS", Align::Right),
        ]);
        for wall in &self.walls {
            let pss = wall.pss_bytes.as_ref().map_or_else(|| "not to be known".to_owned(), mib);
            let [rss, peak] = [&wall.rss_bytes, &wall.peak_rss_bytes].map(mib);
            table.row([wall.name.to_owned(), wall.processes.to_string(), pss, rss, peak]);
        }
        let own = self.walls.first().and_then(|wall| wall.pss_bytes);
        let bar = own.map(|own| {
            let word = if own.median <= self.bar_bytes as f64 { "within" } else { "above" };
            format!("\n`palisade run` is {word} our bar of {} MiB (PSS)\n", self.bar_bytes >> 20)
        });
        let missing: String = self.missing.iter().map(|line| format!("\n{line}\n")).collect();
        format!(
            "{}\n\nmemory of the wall's own processes beside a program that waits, MiB, medians of {}\n{}{}{missing}",
            self.host,
            self.rounds,
            table.text(&|_, _, word| word),
            bar.unwrap_or_default(),
        )
    }
}
