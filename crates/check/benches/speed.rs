//! How long a check takes for each 100 KB: the largest ordinary programs of this machine, each language in turn.
//!
//! `cargo bench -p palisade-check`. The fastest of many rounds is what the code costs; the median is what a busy machine makes
//! of it.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a tool of the tests")]

#[path = "../tests/common/ordinary.rs"]
mod ordinary;

use std::time::{Duration, Instant};

use palisade_check::{Language, Policy, check};

const ROUNDS: usize = 40;
const FILES: usize = 5;
/// For all rounds of one program.
const LONGEST: Duration = Duration::from_secs(4);

fn main() {
    println!("{:<12} {:>7} {:>9} {:>9} {:>9}  file", "language", "KB", "fastest", "median", "slowest");
    // A language's name, and a part of a file's or another file, to look at them alone.
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with('-'));
    let (only, part) = (words.next(), words.next().unwrap_or_default());
    for language in Language::ALL {
        if only.as_ref().is_some_and(|only| only != language.name()) {
            continue;
        }
        let policy = Policy::shipped("default", language).unwrap().unwrap();
        let mut programs = match std::fs::read(&part) {
            Ok(code) => vec![ordinary::Program { name: part.clone(), code }],
            Err(_) => ordinary::programs(language, 100_000),
        };
        programs.sort_by_key(|program| std::cmp::Reverse(program.code.len()));
        for program in programs.into_iter().filter(|program| program.name.contains(&part)).take(FILES) {
            let all = Instant::now();
            let mut times: Vec<Duration> = (0..ROUNDS)
                .take_while(|round| *round == 0 || all.elapsed() < LONGEST)
                .map(|_| {
                    let begun = Instant::now();
                    std::hint::black_box(check(&program.name, &program.code, language, &policy));
                    begun.elapsed()
                })
                .collect();
            times.sort_unstable();
            let scaled = |time: Duration| time.as_secs_f64() * 1000.0 * 102_400.0 / program.code.len() as f64;
            println!(
                "{:<12} {:>7} {:>6.2} ms {:>6.2} ms {:>6.2} ms  {}",
                language.name(),
                program.code.len() / 1024,
                scaled(times[0]),
                scaled(times[times.len() / 2]),
                scaled(times[times.len() - 1]),
                program.name
            );
        }
    }
}
