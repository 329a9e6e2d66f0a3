//! The results for people. Not here: printing (`print.rs`).

use std::fmt::Write;

use palisade::spec::{Bytes, acts};

use super::{
    compare::excerpt,
    results::Results,
    verdict::{Tested, Used, Verdict},
};
use crate::print::Colour;

/// Which rows there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// Every case.
    All,
    /// Those that were not accepted.
    Failed,
}

/// Lines of a complaint that are shown.
const COMPLAINT: usize = 10;

const BOLD: &str = "1";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const RED: &str = "31";

/// The table, below each failure why, and a summary. Every text that is not ours is escaped.
pub(crate) fn text(results: &Results, rows: Rows, colour: Colour) -> String {
    let paint = |code: &str, text: &str| match colour {
        Colour::None => text.to_owned(),
        Colour::Some => format!("\x1b[{code}m{text}\x1b[0m"),
    };
    // If nothing was compiled, that is one thing to tell, not one for each case.
    let uncompiled = results.program.is_some() && results.count(Verdict::CompileError) > 0;
    let shown: Vec<&Tested> =
        results.cases.iter().filter(|case| rows == Rows::All || case.verdict != Verdict::Accepted).collect();
    let mut text = String::new();
    if let (true, Some(case)) = (uncompiled, shown.first()) {
        let _ = writeln!(text, "{}: {}", paint(RED, "compile error"), case.because.as_deref().unwrap_or_default());
        complaint(&mut text, case);
    } else if !shown.is_empty() {
        let names: Vec<String> = shown.iter().map(|case| name(&case.name)).collect();
        let wide = names.iter().map(|name| name.chars().count()).chain([4]).max().unwrap_or(0);
        let head = format!("{:wide$}  {:14}  {:>9}  {:>9}  {:>9}", "case", "verdict", "elapsed", "CPU", "memory");
        let _ = writeln!(text, "{}", paint(BOLD, &head));
        for (case, name) in shown.into_iter().zip(names) {
            let word = format!("{:14}", words(case.verdict));
            let _ = write!(text, "{name:wide$}  {}", paint(code(case.verdict), &word));
            if let Some(used) = &case.used {
                let (wall, cpu) = (seconds(used.wall_time_ms), seconds(used.cpu_time_ms));
                let _ = write!(text, "  {wall:>9}  {cpu:>9}  {:>9}", memory(used));
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
            why(&mut text, case);
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&summary(results, &paint));
    text
}

/// Why it was not accepted.
fn why(text: &mut String, case: &Tested) {
    if let Some(difference) = &case.difference {
        let end = || "(the end)".to_owned();
        let (expected, got) = (difference.expected.clone(), difference.got.clone());
        let _ = writeln!(text, "  line {}", difference.line);
        let _ = writeln!(text, "    expected  {}", expected.unwrap_or_else(end));
        let _ = writeln!(text, "    got       {}", got.unwrap_or_else(end));
    } else if let Some(because) = &case.because {
        let _ = writeln!(text, "  {}", escaped(because));
    }
    if case.verdict != Verdict::Accepted {
        complaint(text, case);
    }
}

fn complaint(text: &mut String, case: &Tested) {
    let lines: Vec<&str> = case.stderr.lines().collect();
    // A compiler's first words say most, a program's last.
    let (first, last) = match case.verdict {
        Verdict::CompileError => (0, lines.len().min(COMPLAINT)),
        _ => (lines.len().saturating_sub(COMPLAINT), lines.len()),
    };
    if first > 0 {
        text.push_str("  | …\n");
    }
    for line in lines.get(first..last).unwrap_or_default() {
        let _ = writeln!(text, "  | {}", escaped(line));
    }
    if last < lines.len() {
        text.push_str("  | …\n");
    }
}

fn summary(results: &Results, paint: &impl Fn(&str, &str) -> String) -> String {
    let all = results.cases.len();
    let accepted = format!("{} of {all} accepted", results.count(Verdict::Accepted));
    let mut text = paint(if results.success { GREEN } else { RED }, &accepted);
    for verdict in Verdict::ALL.into_iter().skip(1) {
        match results.count(verdict) {
            0 => {}
            count => {
                let _ = write!(text, ", {count} {}", words(verdict));
            }
        }
    }
    let _ = writeln!(text, "; {} at one time, {}", results.jobs, seconds(results.wall_time_ms));
    let mut facts = Vec::new();
    if let Some((case, used)) = results.case(results.slowest.as_ref()) {
        let (wall, cpu) = (seconds(used.wall_time_ms), seconds(used.cpu_time_ms));
        facts.push(format!("slowest: {} ({wall}, CPU {cpu})", name(&case.name)));
    }
    if let Some((case, used)) = results.case(results.largest.as_ref()) {
        facts.push(format!("most memory: {} ({})", name(&case.name), memory(used)));
    }
    if let Some(compile) = &results.compile {
        facts.push(format!("compiled in {}", seconds(compile.wall_time_ms)));
    }
    if !facts.is_empty() {
        let _ = writeln!(text, "{}", facts.join("; "));
    }
    text
}

fn name(name: &str) -> String {
    excerpt(name.as_bytes(), 0)
}

fn escaped(line: &str) -> String {
    line.chars()
        .map(|sign| if acts(sign) && sign != '\t' { sign.escape_default().to_string() } else { sign.into() })
        .collect()
}

fn seconds(ms: f64) -> String {
    format!("{:.3} s", ms / 1000.0)
}

/// In whole or tenths of a mebibyte: nobody compares bytes by eye.
fn memory(used: &Used) -> String {
    match used.memory_bytes {
        0 => "0".to_owned(),
        bytes if bytes < 100 << 20 => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
        bytes => Bytes(bytes >> 20 << 20).to_string(),
    }
}

fn words(verdict: Verdict) -> String {
    verdict.name().replace('-', " ")
}

fn code(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted => GREEN,
        Verdict::Cancelled | Verdict::NotRun => YELLOW,
        _ => RED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::compare::Difference;

    fn case(name: &str, verdict: Verdict) -> Tested {
        let used = Used { wall_time_ms: 1.5, cpu_time_ms: 1.0, memory_bytes: 3 << 20, stdout_bytes: 2 };
        Tested { verdict, used: Some(used), ..Tested::not_run(name) }
    }

    #[test]
    fn a_failure_has_its_reason_below_it() {
        let difference = Difference { line: 12, expected: Some("4".into()), got: None };
        let wrong = Tested { difference: Some(difference), ..case("two", Verdict::WrongAnswer) };
        let broken = Tested {
            because: Some("was ended by SIGSEGV".into()),
            stderr: (0..12).map(|line| format!("\x1b]0;{line}\x07\n")).collect(),
            ..case("three", Verdict::RuntimeError)
        };
        let results = Results::of(vec![case("one", Verdict::Accepted), wrong, broken]);
        let all = text(&results, Rows::All, Colour::None);
        assert!(all.contains("one    accepted          0.002 s    0.001 s    3.0 MiB\n"), "{all}");
        assert!(all.contains("\n  line 12\n    expected  4\n    got       (the end)\n"), "{all}");
        assert!(all.contains("\n  was ended by SIGSEGV\n  | …\n  | \\u{1b}]0;2\\u{7}\n"), "{all}");
        assert!(all.contains("\n1 of 3 accepted, 1 wrong answer, 1 runtime error; "), "{all}");
        assert!(!all.contains('\x1b'), "{all}");
        let failed = text(&results, Rows::Failed, Colour::None);
        assert!(!failed.contains("\none ") && failed.contains("\ntwo "), "{failed}");
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let results = Results::of(vec![case("one", Verdict::Accepted), Tested::not_run("two")]);
        let plain = text(&results, Rows::All, Colour::None);
        let mut coloured = text(&results, Rows::All, Colour::Some);
        assert!(coloured.contains("\x1b[32maccepted"), "{coloured}");
        for code in [BOLD, GREEN, YELLOW, RED, "0"] {
            coloured = coloured.replace(&format!("\x1b[{code}m"), "");
        }
        let trimmed = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
        assert_eq!(trimmed(&coloured), trimmed(&plain));
    }

    #[test]
    fn a_program_that_does_not_compile_is_told_of_once() {
        let failed = |name| Tested {
            because: Some("the compiler exited with 1".into()),
            stderr: "wrong.c:1: error".into(),
            used: None,
            ..case(name, Verdict::CompileError)
        };
        let results = Results { program: Some("wrong.c".into()), ..Results::of(vec![failed("one"), failed("two")]) };
        let text = text(&results, Rows::All, Colour::None);
        assert!(
            text.starts_with("compile error: the compiler exited with 1\n  | wrong.c:1: error\n\n0 of 2"),
            "{text}"
        );
    }
}
