//! What many small cases cost: `palisade test` compared with a shell loop over bubblewrap, in interleaved rounds.
//!
//! `cargo bench -p palisade-cli --bench cases [-- --rounds N --cases N]`, or `PALISADE_BENCH_ROUNDS` and
//! `PALISADE_BENCH_CASES` (10 and 200). Nothing is asserted: figures depend on the host, ratios less so. The order of the
//! contestants is the same in every round, so whatever else the host does meets all of them.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic, reason = "a measuring program for people")]

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

const PALISADE: &str = env!("CARGO_BIN_EXE_palisade");

/// Adds numbers.
const PROGRAM: &str = r#"
#include <stdio.h>
int main(void) {
    long sum = 0, number;
    while (scanf("%ld", &number) == 1) sum += number;
    printf("%ld\n", sum);
}
"#;

const BWRAP: &str = "bwrap --unshare-all --ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 --symlink \
                     usr/bin /bin --proc /proc --dev /dev --tmpfs /tmp --ro-bind $PWD/add /prog --new-session \
                     --die-with-parent /prog";

/// How palisade compiles C.
const COMPILE: &str = "gcc -x c -O2 -pipe -o add add.c";

struct Contestant {
    name: &'static str,
    script: String,
}

fn contestants() -> [Contestant; 4] {
    let each = format!("for f in cases/*.in; do {BWRAP} <$f | cmp -s - ${{f%.in}}.out || exit 1; done");
    [
        Contestant { name: "bwrap loop", script: each.clone() },
        Contestant {
            name: "palisade test",
            script: format!("{PALISADE} test -q --cases cases --allow-read $PWD/add -- $PWD/add"),
        },
        Contestant { name: "gcc, then bwrap loop", script: format!("{COMPILE} && {each}") },
        Contestant { name: "palisade test with the source", script: format!("{PALISADE} test -q --cases cases add.c") },
    ]
}

fn prepare(directory: &Path, cases: usize) {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(directory.join("add.c"), PROGRAM).unwrap();
    fs::create_dir(directory.join("cases")).unwrap();
    for case in 1..=cases {
        fs::write(directory.join(format!("cases/{case}.in")), format!("{case} {case}\n1\n")).unwrap();
        fs::write(directory.join(format!("cases/{case}.out")), format!("{}\n", 2 * case + 1)).unwrap();
    }
    let output = shell(directory, COMPILE).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn shell(directory: &Path, script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(directory).stdin(Stdio::null());
    command
}

/// Milliseconds of one run, which has to succeed.
fn time(directory: &Path, contestant: &Contestant) -> f64 {
    let mut command = shell(directory, &contestant.script);
    let begun = Instant::now();
    let output = command.output().unwrap();
    let took = begun.elapsed().as_secs_f64() * 1000.0;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {said}{}", contestant.name, String::from_utf8_lossy(&output.stderr));
    took
}

fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn least(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
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
    let rounds = number("--rounds", "PALISADE_BENCH_ROUNDS", 10);
    let cases = number("--cases", "PALISADE_BENCH_CASES", 200);
    for (program, package) in [("bwrap", "bubblewrap"), ("gcc", "gcc libc6-dev"), ("cmp", "diffutils")] {
        if Command::new(program).arg("--version").output().is_err() {
            println!("not measured: there is no {program} (Debian package {package})");
            return;
        }
    }
    let directory = tempfile::tempdir().unwrap();
    prepare(directory.path(), cases);
    let contestants = contestants();
    let mut times = [const { Vec::new() }; 4];
    for round in 0..=rounds {
        for (contestant, times) in contestants.iter().zip(&mut times) {
            let took = time(directory.path(), contestant);
            // The first round fills the page cache.
            if round > 0 {
                times.push(took);
            }
        }
    }
    println!("{cases} cases, {rounds} rounds                {:>9} {:>9} {:>9}", "median", "min", "one case");
    for (contestant, times) in contestants.iter().zip(&times) {
        let (median, least) = (median(times), least(times));
        println!("{:<34} {median:>6.0} ms {least:>6.0} ms {:>6.2} ms", contestant.name, median / cases as f64);
    }
    // Of each round, so that what disturbs a whole round disturbs no ratio.
    let ratio = |slow: usize, fast: usize| {
        let all: Vec<f64> = times[slow].iter().zip(&times[fast]).map(|(slow, fast)| slow / fast).collect();
        median(&all)
    };
    println!("\nhow many times as fast as the loop, median of the rounds (our bar: 2.5):");
    println!("  {:>5.2}  the program compiled before", ratio(0, 1));
    println!("  {:>5.2}  compiled by each", ratio(2, 3));
    println!("  {:>5.2}  compiled by palisade only", ratio(0, 3));
    println!("\ncommands:");
    for contestant in &contestants {
        println!("  {}: {}", contestant.name, contestant.script);
    }
}
