//! Where the time of one launch goes.
//!
//! Whole launches three ways, each with the phases that its report tells; then each step of a launch apart
//! ([`palisade::anatomy`]). Not here: how phases are noted (`palisade`).

use std::{
    cell::RefCell,
    ffi::OsString,
    path::PathBuf,
    process::Stdio,
    sync::mpsc::{Receiver, Sender, channel},
    thread::Scope,
    time::{Duration, Instant},
};

use palisade::{
    Lane, Part, Pool, Prepared, anatomy, run,
    spec::{Backend, Input, Output, Report, Request},
};
use serde::Serialize;

use super::{CostError, Programs, Step, good, ms, quiet, request, run_to_end, stats, success, system_program};
use crate::{
    host::Host,
    race::{self, Contestant, Rounds, race},
    show::{Align, Bar, Chart, Scale, Table, Tone, bars},
    stats::Stats,
};

/// Name and version of the JSON form.
const SCHEMA: &str = "palisade.bench-phases/1";

/// Where the time of a launch goes.
#[derive(Clone, Debug, Serialize)]
pub struct Phases {
    /// Name and version of this form.
    pub schema: &'static str,
    /// What it was measured on.
    pub host: Host,
    /// The program that did nothing.
    pub program: PathBuf,
    /// Launches of each way.
    pub rounds: usize,
    /// The program without a sandbox, from its start to its end, in milliseconds.
    pub plain_ms: Stats,
    /// Ways to launch it.
    pub ways: Vec<Way>,
    /// From the end of the program until nothing of its sandbox is left, in milliseconds: through the library.
    pub cleanup_ms: Stats,
    /// What a launch consists of, each piece measured in children that start no program.
    pub pieces: Vec<Piece>,
}

/// A way to launch a program.
#[derive(Clone, Debug, Serialize)]
pub struct Way {
    /// Its name.
    pub name: &'static str,
    /// What happens before it is measured.
    pub about: &'static str,
    /// All of it, in milliseconds.
    pub whole_ms: Stats,
    /// In order, as the report has them, and what is in none of them.
    pub phases: Vec<Phase>,
}

/// A phase of a launch.
#[derive(Clone, Debug, Serialize)]
pub struct Phase {
    /// Its name in `phases_ms`, or [`REST`].
    pub name: String,
    /// In milliseconds.
    pub ms: Stats,
}

/// The name of what is in no phase: counters read, cgroups removed; of the command, its own start and end too.
pub const REST: &str = "rest";

/// A piece of a launch.
#[derive(Clone, Debug, Serialize)]
pub struct Piece {
    /// What it belongs to.
    pub part: Part,
    /// What it is.
    pub what: String,
    /// How many steps it is.
    pub steps: usize,
    /// What it takes, in milliseconds.
    pub set_up_ms: Stats,
    /// By how much later the end comes because of it, in milliseconds; below 0 if the host was too restless to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_ms: Option<Stats>,
}

/// The phases of one launch, in order, in milliseconds.
type Timeline = Vec<(String, f64)>;

/// A launch: all of it, and its phases.
type Told = Result<(f64, Timeline), String>;

/// A cell takes some milliseconds to be made.
const PATIENCE: Duration = Duration::from_secs(20);

/// Cells of the pool. All of them stand before each launch, so that none is made beside it.
const CELLS: usize = 2;

/// Ways to launch a program.
const WAYS: [(&str, &str); 4] = [
    ("palisade run", "nothing: a process of the command for each launch"),
    ("library", "nothing but the start of the process that uses it"),
    ("prepared", "the request is checked and planned, the script made: one lane of the library"),
    ("warm", "a sandbox stands, and waits for its program: a cell of a pool of the library"),
];

/// Measures `rounds` launches of each way, and takes as many apart.
///
/// # Errors
/// If palisade cannot launch here, or `step` has ended it.
pub fn phases(programs: &Programs, rounds: usize, step: Step<'_>) -> Result<Phases, CostError> {
    let program = system_program("true")?;
    let words = [OsString::from(&program)];
    let native = Request { backend: Backend::Native, ..request(&words) };
    let prepared = super::prepared(&native)?;
    let pool = Pool::new(super::prepared(&native)?, CELLS)?;
    let told: [RefCell<Vec<Timeline>>; 4] = Default::default();
    let noted = |index: usize, launch: Told| {
        let (whole, phases) = launch?;
        told[index].borrow_mut().push(phases);
        Ok(whole)
    };
    let counted = Rounds { warmups: 2, counted: rounds, idle_ms: 0 };
    let samples = std::thread::scope(|scope| {
        let (order, answer) = lane(scope, &prepared);
        let plain = || {
            let begun = Instant::now();
            run_to_end(&mut quiet(&program)).map(|()| race::ms(begun.elapsed()))
        };
        let by_lane = || {
            let gone = || "its thread has ended".to_owned();
            order.send(()).map_err(|_| gone())?;
            answer.recv().map_err(|_| gone())?
        };
        let mut contestants: Vec<Contestant<'_>> = vec![
            Box::new(plain),
            Box::new(|| noted(0, by_command(programs, &words))),
            Box::new(|| noted(1, by_library(&native))),
            Box::new(|| noted(2, by_lane())),
            Box::new(|| noted(3, by_pool(&pool))),
        ];
        race(&mut contestants, counted, &mut || step())
    });
    let mut samples = samples.map_err(|()| CostError::Cancelled)?.into_iter();
    let mut next = |who: &str| good(who, samples.next().unwrap_or_else(|| Err("not measured".to_owned())));
    let plain_ms = stats(&next("a plain start")?);
    let mut ways = Vec::new();
    let mut cleanup = Vec::new();
    for ((name, about), told) in WAYS.into_iter().zip(told) {
        let whole = next(name)?;
        let told = told.into_inner().split_off(counted.warmups);
        let launches = with_rest(&whole, told);
        if name == "library" {
            let of = |launch: &[(String, f64)], name: &str| {
                launch.iter().find(|(phase, _)| phase == name).map_or(0.0, |(_, took)| *took)
            };
            cleanup = launches.iter().map(|launch| of(launch, "teardown") + of(launch, REST)).collect();
        }
        ways.push(Way { name, about, whole_ms: stats(&whole), phases: summed(&launches) });
    }
    let taken_apart = anatomy(&native, rounds, step)?.ok_or(CostError::Cancelled)?;
    let piece = |piece: palisade::Piece| Piece {
        part: piece.part,
        set_up_ms: stats(&piece.set_up_ms),
        end_ms: Stats::of(&piece.end_ms),
        what: piece.what,
        steps: piece.steps,
    };
    Ok(Phases {
        schema: SCHEMA,
        host: Host::now(),
        program,
        rounds,
        plain_ms,
        ways,
        cleanup_ms: stats(&cleanup),
        pieces: taken_apart.into_iter().map(piece).collect(),
    })
}

/// How often `step` is called.
#[must_use]
pub const fn measurements(rounds: usize) -> usize {
    (2 + rounds) * (WAYS.len() + 1) + rounds
}

/// A lane on a thread of its own, which may lose its network.
fn lane<'scope, 'env>(scope: &'scope Scope<'scope, 'env>, prepared: &'env Prepared) -> (Sender<()>, Receiver<Told>) {
    let ((order, orders), (answers, answer)) = (channel(), channel());
    scope.spawn(move || {
        let mut lane = Lane::new(prepared);
        while orders.recv().is_ok() {
            let begun = Instant::now();
            let report = lane.run(Input::Empty, Output::Keep, None, &|| ());
            let whole = race::ms(begun.elapsed());
            let told = report.map_err(|error| error.to_string()).and_then(|report| of_report(whole, &report));
            if answers.send(told).is_err() {
                return;
            }
        }
    });
    (order, answer)
}

fn by_library(request: &Request) -> Told {
    let begun = Instant::now();
    let report = run(request.clone());
    let whole = race::ms(begun.elapsed());
    report.map_err(|error| error.to_string()).and_then(|report| of_report(whole, &report))
}

fn by_pool(pool: &Pool) -> Told {
    let begun = Instant::now();
    while pool.ready() < CELLS {
        if begun.elapsed() > PATIENCE {
            return Err(format!("its {CELLS} cells did not stand within {} s", PATIENCE.as_secs()));
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    let begun = Instant::now();
    let report = pool.run(Input::Empty, Output::Keep, None);
    let whole = race::ms(begun.elapsed());
    report.map_err(|error| error.to_string()).and_then(|report| of_report(whole, &report))
}

fn of_report(whole: f64, report: &Report) -> Told {
    success(report)?;
    Ok((whole, report.phases_ms.0.iter().map(|(name, took)| ((*name).to_owned(), *took)).collect()))
}

fn by_command(programs: &Programs, words: &[OsString]) -> Told {
    let mut command = programs.palisade(&["--json", "--backend", "native"], words);
    let begun = Instant::now();
    let output = command.stdout(Stdio::piped()).output().map_err(|error| error.to_string())?;
    let whole = race::ms(begun.elapsed());
    if !output.status.success() {
        return Err(format!("{}", output.status));
    }
    /// The part of a report that is read.
    #[derive(serde::Deserialize)]
    struct Part {
        phases_ms: InOrder,
    }
    let part: Part = serde_json::from_slice(&output.stdout).map_err(|error| format!("its report: {error}"))?;
    Ok((whole, part.phases_ms.0))
}

/// The members of an object in their order.
struct InOrder(Timeline);

impl<'de> serde::Deserialize<'de> for InOrder {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> serde::de::Visitor<'de> for Members {
            type Value = InOrder;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of numbers")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<InOrder, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(InOrder(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Each launch's phases, and what is left of the whole.
fn with_rest(whole: &[f64], told: Vec<Timeline>) -> Vec<Timeline> {
    let rest = |(whole, mut phases): (&f64, Timeline)| {
        let known: f64 = phases.iter().map(|(_, took)| took).sum();
        phases.push((REST.to_owned(), (whole - known).max(0.0)));
        phases
    };
    whole.iter().zip(told).map(rest).collect()
}

fn summed(launches: &[Timeline]) -> Vec<Phase> {
    let names = launches.first().into_iter().flatten().map(|(name, _)| name);
    let phase = |name: &String| {
        let of_name = |launch: &Timeline| launch.iter().find(|(phase, _)| phase == name).map(|(_, took)| *took);
        Phase { name: name.clone(), ms: stats(&launches.iter().filter_map(of_name).collect::<Vec<_>>()) }
    };
    names.map(phase).collect()
}

impl Phases {
    /// The phases of each way end to end: medians. Those that follow each other and are short are one part.
    #[must_use]
    pub fn chart(&self) -> Chart {
        let parts: [(&str, &[&str]); 8] = [
            ("prepare: checks, plan, script, filter", &["prepare"]),
            ("clone, with its namespaces and ids; of a warm cell, entering it", &["clone", "ids", "cell"]),
            ("files: the mounts, network beside them", &["files"]),
            ("cgroup", &["cgroup"]),
            ("Landlock, capabilities, limits, filter", &["privileges", "filter"]),
            ("program: exec, its work, its end", &["program"]),
            ("teardown", &["teardown"]),
            ("rest: counters, cgroup removed; of the command, its own start and end", &[REST]),
        ];
        let bar = |way: &Way| {
            let sum = |names: &&[&str]| -> f64 {
                let of_part = way.phases.iter().filter(|phase| names.contains(&phase.name.as_str()));
                of_part.map(|phase| phase.ms.median).sum()
            };
            let values = parts.iter().map(|(_, names)| sum(names)).collect();
            Bar { label: way.name.to_owned(), values, tone: Tone::Own }
        };
        Chart {
            title: format!("one launch of {}, medians of its phases end to end", self.program.display()),
            unit: "ms".to_owned(),
            scale: Scale::Linear,
            limit: None,
            parts: parts.iter().map(|(name, _)| (*name).to_owned()).collect(),
            bars: self.ways.iter().map(bar).collect(),
        }
    }

    /// Of all phases that some way has, in order.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for way in &self.ways {
            let mut at = 0;
            for phase in &way.phases {
                at = names.iter().position(|name| *name == phase.name).unwrap_or_else(|| {
                    names.insert(at, &phase.name);
                    at
                }) + 1;
            }
        }
        names
    }

    /// Tables and the chart, `columns` wide.
    #[must_use]
    pub fn text(&self, columns: usize) -> String {
        let mut head = vec![("phase", Align::Left)];
        head.extend(self.ways.iter().map(|way| (way.name, Align::Right)));
        let mut table = Table::new(&head);
        for name in self.names() {
            let of = |way: &Way| {
                let phase = way.phases.iter().find(|phase| phase.name == name);
                phase.map(|phase| ms(phase.ms.median)).unwrap_or_default()
            };
            table.row([name.to_owned()].into_iter().chain(self.ways.iter().map(of)));
        }
        let whole = |of: fn(&Stats) -> f64| self.ways.iter().map(move |way| ms(of(&way.whole_ms)));
        table.row(["all of it".to_owned()].into_iter().chain(whole(|stats| stats.median)));
        table.row(["  p95".to_owned()].into_iter().chain(whole(|stats| stats.p95)));
        let plain = |_, _, word| word;
        let mut pieces = Table::new(&[
            ("part", Align::Left),
            ("set-up", Align::Right),
            ("end", Align::Right),
            ("steps", Align::Right),
            ("what", Align::Left),
        ]);
        for piece in &self.pieces {
            let end = piece.end_ms.map(|end| ms(end.median)).unwrap_or_default();
            let [part, what] = [piece.part.name(), &piece.what].map(str::to_owned);
            pieces.row([part, ms(piece.set_up_ms.median), end, piece.steps.to_string(), what]);
        }
        format!(
            "{}\n\n{} launches of each way, medians in milliseconds; without a sandbox: {}\n{}\n{}\nfrom the end of the program \
             until nothing is left of its sandbox (library): {} ms, p95 {}\n\npieces of a launch, medians in milliseconds, \
             each measured in children that start no program\n{}",
            self.host,
            self.rounds,
            ms(self.plain_ms.median),
            table.text(&plain),
            bars(&self.chart(), columns, &|_, bar| bar),
            ms(self.cleanup_ms.median),
            ms(self.cleanup_ms.p95),
            pieces.text(&plain),
        )
    }
}
