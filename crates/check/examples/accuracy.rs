//! How often the validator is right: prints the two tables of `docs/validator.md` for this machine.
//!
//! `cargo run --release -p palisade-check --example accuracy` reads ordinary programs that are on the machine (standard
//! libraries, packages, headers) and the hostile corpus of the tests. `--list PATTERN` prints the findings whose line
//! contains the pattern instead, to look at them one by one. Not here: what must hold (`tests/`).
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a tool of the tests")]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/ordinary.rs"]
mod ordinary;

use std::collections::BTreeMap;

use palisade_check::{Language, Policy, check};
use palisade_spec::{FindingCode, Severity};

/// Programs of each language.
const PROGRAMS: usize = 60;

const LANGUAGES: [Language; 8] = [
    Language::Go,
    Language::Python,
    Language::JavaScript,
    Language::TypeScript,
    Language::Rust,
    Language::Java,
    Language::Cpp,
    Language::C,
];

#[derive(Default)]
struct Row {
    programs: usize,
    bytes: usize,
    by_code: BTreeMap<(FindingCode, bool), usize>,
}

fn main() {
    let pattern = std::env::args().skip_while(|word| word != "--list").nth(1);
    let mut rules: BTreeMap<(&'static str, String), (usize, usize)> = BTreeMap::new();
    let mut rows = Vec::new();
    let mut all = 0;
    for language in LANGUAGES {
        let policy = Policy::shipped("default", language).unwrap().unwrap();
        let mut row = Row::default();
        for program in ordinary::programs(language, PROGRAMS) {
            let checked = check(&program.name, &program.code, language, &policy);
            row.programs += 1;
            row.bytes += program.code.len();
            let mut codes: Vec<(FindingCode, bool)> =
                checked.findings.iter().map(|finding| (finding.code, finding.severity == Severity::Error)).collect();
            codes.sort_unstable();
            codes.dedup();
            for code in codes {
                *row.by_code.entry(code).or_default() += 1;
            }
            let mut seen = Vec::new();
            for finding in &checked.findings {
                let rule = rule(&finding.message, finding.code);
                let entry = rules.entry((language.name(), rule.clone())).or_default();
                entry.1 += 1;
                if !seen.contains(&rule) {
                    seen.push(rule);
                    entry.0 += 1;
                }
                let line = format!(
                    "{}:{}: {} {}: {}",
                    program.name, finding.span.line, finding.severity, finding.code, finding.message
                );
                if pattern.as_ref().is_some_and(|pattern| line.contains(pattern.as_str())) {
                    println!("{line}");
                }
            }
        }
        all += row.programs;
        rows.push((language, row));
    }
    if pattern.is_some() {
        return;
    }
    println!("### Ordinary programs\n\n{all} programs, none of which has a syntax error.\n");
    println!(
        "| language | programs | KB | wrong SYNTAX_ERROR | noted | BLOCKED_IMPORT | UNSAFE_CODE_PATTERN | DYNAMIC_CODE | noted |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (language, row) in rows {
        let part = |code, is_error| {
            let count = row.by_code.get(&(code, is_error)).copied().unwrap_or(0);
            format!("{count} ({:.0} %)", 100.0 * count as f64 / row.programs.max(1) as f64)
        };
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            language.title(),
            row.programs,
            row.bytes / 1024,
            part(FindingCode::SyntaxError, true),
            part(FindingCode::SyntaxError, false),
            part(FindingCode::BlockedImport, true),
            part(FindingCode::UnsafeCodePattern, true),
            part(FindingCode::DynamicCode, true),
            part(FindingCode::DynamicCode, false),
        );
    }
    println!("\n### Rules on ordinary programs\n\n| language | rule | programs | findings |\n|---|---|---|---|");
    for ((language, rule), (programs, findings)) in rules {
        println!("| {language} | {rule} | {programs} | {findings} |");
    }
    println!("\n### Hostile programs\n\n{}", common::table());
}

/// What a finding says without its names.
fn rule(message: &str, code: FindingCode) -> String {
    match code {
        FindingCode::SyntaxError => "SYNTAX_ERROR".to_owned(),
        _ => message
            .rsplit('`')
            .next()
            .unwrap_or_default()
            .trim_start_matches([',', ' '])
            .trim_start_matches("which ")
            .trim_start_matches("this ")
            .to_owned(),
    }
}
