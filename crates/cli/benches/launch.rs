//! What a launch costs: whole processes around `/usr/bin/true`, compared with others in one interleaved run.
//!
//! `cargo bench -p palisade-cli --bench launch [-- --runs N --idle-runs N]`, or `PALISADE_BENCH_RUNS` and
//! `PALISADE_BENCH_IDLE_RUNS` (100 and 30). Nothing is asserted: figures depend on the host, ratios less so. The order of
//! the contestants is the same in every round, so whatever else the host does meets all of them.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic, reason = "a measuring program for people")]

use std::{
    env, fs,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

const PALISADE: &str = env!("CARGO_BIN_EXE_palisade");
const TRUE: &str = "/usr/bin/true";
/// A pause after which the kernel's lazy work is done and processors have gone to sleep.
const IDLE: Duration = Duration::from_millis(300);
/// What palisade's own processes may use beside a run, in KiB.
const MEMORY_BAR: u64 = 4096;

struct Contestant {
    name: &'static str,
    package: &'static str,
    command: Vec<&'static str>,
}

const BWRAP_FULL: &str = "bwrap full";

fn contestants() -> Vec<Contestant> {
    let words = |text: &'static str| text.split(' ').chain([TRUE]).filter(|word| !word.is_empty()).collect();
    vec![
        Contestant { name: "spawn", package: "coreutils", command: words("") },
        Contestant { name: "palisade", package: "", command: vec![PALISADE, "run", "--", TRUE] },
        Contestant {
            name: BWRAP_FULL,
            package: "bubblewrap",
            command: words(
                "bwrap --unshare-all --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/sbin /sbin --symlink \
                 usr/lib /lib --symlink usr/lib64 /lib64 --proc /proc --dev /dev --tmpfs /tmp --new-session \
                 --die-with-parent",
            ),
        },
        Contestant {
            name: "bwrap minimal",
            package: "bubblewrap",
            command: words("bwrap --unshare-pid --ro-bind / /"),
        },
        Contestant {
            name: "unshare all",
            package: "util-linux",
            command: words("unshare --map-root-user --mount --pid --fork --net --ipc --uts --cgroup"),
        },
    ]
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn works(contestant: &Contestant) -> bool {
    let missing = match command(&contestant.command).status() {
        Ok(status) if status.success() => return true,
        Ok(status) => format!("failed here with {status}: {}", contestant.command.join(" ")),
        Err(error) => format!("{error} (Debian package {})", contestant.package),
    };
    println!("left out: {}: {missing}", contestant.name);
    false
}

/// Times in milliseconds, sorted.
struct Times(Vec<f64>);

impl Times {
    fn at(&self, part: f64) -> f64 {
        let last = self.0.len() - 1;
        self.0[(part * last as f64).round() as usize]
    }

    fn median(&self) -> f64 {
        self.at(0.5)
    }
}

/// Round robin: one run of each contestant, again and again.
fn race(contestants: &[Contestant], rounds: usize, pause: Duration) -> Vec<Times> {
    let mut times: Vec<Vec<f64>> = contestants.iter().map(|_| Vec::with_capacity(rounds)).collect();
    for _ in 0..rounds {
        for (contestant, times) in contestants.iter().zip(&mut times) {
            let mut command = command(&contestant.command);
            sleep(pause);
            let begun = Instant::now();
            let status = command.status().unwrap();
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
            assert!(status.success(), "{}: {status}", contestant.name);
        }
    }
    times
        .into_iter()
        .map(|mut times| {
            times.sort_by(f64::total_cmp);
            Times(times)
        })
        .collect()
}

fn table(title: &str, contestants: &[Contestant], times: &[Times]) {
    println!("\n{title:<34} {:>9} {:>9} {:>9}   milliseconds", "median", "min", "p95");
    for (contestant, times) in contestants.iter().zip(times) {
        println!("{:<34} {:>9.3} {:>9.3} {:>9.3}", contestant.name, times.median(), times.at(0.0), times.at(0.95));
    }
}

fn ratio(contestants: &[Contestant], times: &[Times]) -> Option<f64> {
    let median = |name| contestants.iter().position(|one| one.name == name).map(|index| times[index].median());
    Some(median("palisade")? / median(BWRAP_FULL)?)
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().flat_map(str::parse).collect()
}

/// A field of a /proc/PID file, in KiB.
fn kib(pid: u32, file: &str, field: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next()?.parse().ok())
}

/// palisade and pid 1 of its sandbox while `sleep` runs in it.
fn helpers(palisade: &Child) -> Option<[u32; 2]> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if let [init] = children(palisade.id())[..]
            && let [program] = children(init)[..]
            && fs::read_to_string(format!("/proc/{program}/comm")).is_ok_and(|name| name.trim() == "sleep")
        {
            return Some([palisade.id(), init]);
        }
        sleep(Duration::from_millis(5));
    }
    None
}

fn memory() {
    let mut palisade = command(&[PALISADE, "run", "--", "sleep", "60"]).spawn().unwrap();
    if let Some(pids) = helpers(&palisade) {
        let sum = |file, field| pids.iter().map(|pid| kib(*pid, file, field)).sum::<Option<u64>>();
        match (sum("smaps_rollup", "Pss:"), sum("status", "VmHWM:")) {
            (Some(pss), Some(peak)) => {
                let verdict = if pss <= MEMORY_BAR { "within" } else { "ABOVE" };
                println!(
                    "memory of palisade's own processes during a run: {:.2} MiB (PSS of palisade and its pid 1; peak of \
                     both, shared pages counted twice: {:.2} MiB), {verdict} the bar of {} MiB",
                    pss as f64 / 1024.0,
                    peak as f64 / 1024.0,
                    MEMORY_BAR / 1024,
                );
            }
            _ => println!("memory: not measured: smaps_rollup of palisade's processes cannot be read by this user"),
        }
    } else {
        println!("memory: not measured: the program did not start within 10 s");
    }
    palisade.kill().unwrap();
    palisade.wait().unwrap();
}

/// Phases of a launch in their order, from the reports of `runs` runs.
fn phases(runs: usize, pause: Duration) -> Vec<(String, f64)> {
    let mut sums: Vec<(String, f64)> = Vec::new();
    for _ in 0..runs {
        sleep(pause);
        let output = Command::new(PALISADE).args(["run", "--json", "--", TRUE]).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        let phases = report["phases_ms"].as_object().unwrap();
        if sums.is_empty() {
            sums = phases.keys().map(|name| (name.clone(), 0.0)).collect();
            // The map forgets the order; the text has it.
            let begin = text.find("\"phases_ms\"").unwrap();
            sums.sort_by_key(|(name, _)| text[begin..].find(&format!("\"{name}\":")));
        }
        for (name, sum) in &mut sums {
            *sum += phases.get(name).and_then(serde_json::Value::as_f64).unwrap_or_default();
        }
    }
    sums.into_iter().map(|(name, sum)| (name, sum / runs as f64)).collect()
}

fn number(option: &str, variable: &str, default: usize) -> usize {
    let words: Vec<String> = env::args().collect();
    let said = words.iter().position(|word| word == option).and_then(|at| words.get(at + 1).cloned());
    match said.or_else(|| env::var(variable).ok()) {
        None => default,
        Some(text) => match text.parse() {
            Ok(number @ 1..) => number,
            _ => panic!("{option} (or {variable}) must be a positive number, not `{text}`"),
        },
    }
}

fn main() {
    let runs = number("--runs", "PALISADE_BENCH_RUNS", 100);
    let idle_runs = number("--idle-runs", "PALISADE_BENCH_IDLE_RUNS", 30);
    let contestants: Vec<_> = contestants().into_iter().filter(works).collect();
    race(&contestants, 3, Duration::ZERO); // into the page cache

    let busy = race(&contestants, runs, Duration::ZERO);
    table(&format!("back to back, {runs} rounds"), &contestants, &busy);
    let idle = race(&contestants, idle_runs, IDLE);
    table(&format!("after 300 ms of idle, {idle_runs} rounds"), &contestants, &idle);
    println!();
    match (ratio(&contestants, &busy), ratio(&contestants, &idle)) {
        (Some(busy), Some(idle)) => {
            println!("ratio palisade / bwrap full: {busy:.2} back to back, {idle:.2} after idle");
        }
        _ => println!("ratio palisade / bwrap full: not measured, one of the two is missing"),
    }
    memory();

    let (busy, idle) = (phases(runs, Duration::ZERO), phases(idle_runs, IDLE));
    println!("\n{:<34} {:>12} {:>12}   milliseconds, mean", "phase (--json)", "back to back", "after idle");
    for (name, mean) in &busy {
        let after = idle.iter().find(|(other, _)| other == name).map_or(f64::NAN, |(_, mean)| *mean);
        println!("{name:<34} {mean:>12.3} {after:>12.3}");
    }
    println!("\ncommands:");
    for contestant in &contestants {
        println!("  {:<14} {}", contestant.name, contestant.command.join(" "));
    }
}
