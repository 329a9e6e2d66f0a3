//! What an environment adds to a launch: whole processes with and without `--env`, interleaved, and the two parts of it that
//! happen before the sandbox.
//!
//! `cargo bench -p palisade-cli --bench environment [-- RUNS]` (200). The environment has 2000 files, which must not matter.
//! Nothing is asserted: figures depend on the host.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measuring program for people")]

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use palisade::environment::{Recipe, Store};

const PALISADE: &str = env!("CARGO_BIN_EXE_palisade");
const FILES: usize = 2000;

/// Milliseconds that it took.
fn time(act: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    act();
    begun.elapsed().as_secs_f64() * 1000.0
}

fn run(store: &Path, words: &[&str]) -> f64 {
    let mut command = Command::new(PALISADE);
    command.arg("run").args(words).env("PALISADE_ENVIRONMENTS", store).stdin(Stdio::null()).stdout(Stdio::null());
    time(|| assert!(command.status().unwrap().success()))
}

/// One measurement of each again and again, so that whatever else the machine does meets all.
fn race(runs: usize, contestants: &mut [Contestant<'_>]) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::with_capacity(runs); contestants.len()];
    for _ in 0..runs {
        for (contestant, times) in contestants.iter_mut().zip(&mut times) {
            times.push((contestant.1)());
        }
    }
    times
}

/// The value below which this part of the values is.
fn quantile(values: impl Iterator<Item = f64>, part: f64) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[(part * (values.len() - 1) as f64).round() as usize]
}

type Contestant<'a> = (&'a str, Box<dyn FnMut() -> f64 + 'a>);

fn main() {
    let runs = env::args().find_map(|word| word.parse().ok()).unwrap_or(200);
    let place = tempfile::tempdir().unwrap();
    let (library, path) = (place.path().join("library"), place.path().join("environments"));
    fs::create_dir(&library).unwrap();
    for number in 0..FILES {
        fs::write(library.join(format!("module_{number}.py")), "x = 1\n").unwrap();
    }
    let program = place.path().join("empty.py");
    fs::write(&program, "").unwrap();
    let program = program.to_str().unwrap();
    let store = Store::new(Some(path.clone())).unwrap();
    let recipe = Recipe { language: Some("python".to_owned()), path: vec![library], ..Recipe::default() };
    let made = time(|| drop(store.create("web", &recipe, None).unwrap()));
    println!("made an environment of {FILES} files in {made:.0} ms; {runs} rounds");

    let mut contestants: Vec<Contestant<'_>> = vec![
        ("command", Box::new(|| run(&path, &["--", "/usr/bin/true"]))),
        ("command, --env", Box::new(|| run(&path, &["--env", "web", "--", "/usr/bin/true"]))),
        ("python", Box::new(|| run(&path, &[program]))),
        ("python, --env", Box::new(|| run(&path, &["--env", "web", program]))),
        ("open alone", Box::new(|| time(|| drop(store.open("web").unwrap())))),
        ("verify, for comparison", Box::new(|| time(|| drop(store.verify("web", None).unwrap())))),
    ];
    race(3, &mut contestants); // into the page cache
    let times = race(runs, &mut contestants);
    println!("{:<24} {:>9} {:>9} {:>9}   milliseconds", "", "median", "min", "p95");
    for ((name, _), times) in contestants.iter().zip(&times) {
        let at = |part| quantile(times.iter().copied(), part);
        println!("{name:<24} {:>9.3} {:>9.3} {:>9.3}", at(0.5), at(0.0), at(0.95));
    }
    for (name, with, without) in [("command", 1, 0), ("python", 3, 2)] {
        // Of the same round each, which met the same load.
        let added = times[with].iter().zip(&times[without]).map(|(with, without)| with - without);
        println!(
            "an environment adds to a {name}: {:.3} ms (median of the rounds); the bar is 5 ms",
            quantile(added, 0.5)
        );
    }
}
