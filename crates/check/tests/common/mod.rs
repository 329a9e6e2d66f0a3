//! The hostile corpus, what is said of it, and the table of that.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use std::{collections::BTreeMap, fmt::Write};

use palisade_check::{Language, Policy, check};
use palisade_spec::{FindingCode, Severity};

/// A program that hides something.
pub struct Case {
    pub language: Language,
    pub name: String,
    pub wanted: &'static str,
    pub code: String,
}

const CORPORA: [(Language, &str); 8] = [
    (Language::Python, include_str!("../hostile/python.txt")),
    (Language::JavaScript, include_str!("../hostile/javascript.txt")),
    (Language::TypeScript, include_str!("../hostile/typescript.txt")),
    (Language::Go, include_str!("../hostile/go.txt")),
    (Language::Rust, include_str!("../hostile/rust.txt")),
    (Language::Java, include_str!("../hostile/java.txt")),
    (Language::Cpp, include_str!("../hostile/cpp.txt")),
    (Language::C, include_str!("../hostile/c.txt")),
];

pub fn hostile() -> Vec<Case> {
    let mut all = Vec::new();
    for (language, text) in CORPORA {
        for part in text.split("#### ").skip(1) {
            let (head, code) = part.split_once('\n').unwrap();
            let (name, wanted) = head.split_once(" => ").unwrap();
            let wanted = ["caught", "undecidable", "missed"].into_iter().find(|word| *word == wanted).unwrap();
            all.push(Case { language, name: name.to_owned(), wanted, code: code.to_owned() });
        }
    }
    all
}

/// What the default policy says of it.
pub fn verdict(case: &Case) -> (&'static str, Vec<String>) {
    let policy = Policy::shipped("default", case.language).unwrap().unwrap();
    let checked = check("case", case.code.as_bytes(), case.language, &policy);
    let told = checked.findings.iter().map(|f| format!("{} {} {}: {}", f.severity, f.code, f.span.line, f.message));
    let told = told.collect();
    let dynamic = |code| matches!(code, FindingCode::DynamicCode);
    let seen = if checked.findings.iter().any(|finding| {
        !dynamic(finding.code)
            && (finding.severity >= Severity::Warning || finding.code == FindingCode::UnsafeCodePattern)
    }) {
        "caught"
    } else if checked.findings.iter().any(|finding| dynamic(finding.code)) {
        "undecidable"
    } else {
        "missed"
    };
    (seen, told)
}

/// What is caught, reported as undecidable and missed, as `docs/validator.md` has it.
pub fn table() -> String {
    let mut sums: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let mut missed = String::new();
    for case in hostile() {
        let (seen, _) = verdict(&case);
        let sum = sums.entry(case.language.title()).or_default();
        let at = ["caught", "undecidable", "missed"].iter().position(|word| *word == seen).unwrap();
        sum[at] += 1;
        if seen == "missed" {
            writeln!(missed, "- {}: {}", case.language.title(), case.name).unwrap();
        }
    }
    let mut text = String::from("| language | evasions | caught | undecidable | missed |\n|---|---|---|---|---|\n");
    let mut row = |name: &str, sum: [usize; 3]| {
        writeln!(text, "| {name} | {} | {} | {} | {} |", sum.iter().sum::<usize>(), sum[0], sum[1], sum[2]).unwrap();
    };
    let mut all = [0; 3];
    for (language, sum) in sums {
        row(language, sum);
        all = std::array::from_fn(|at| all[at] + sum[at]);
    }
    row("**all**", all);
    text + "\nMissed:\n\n" + &missed
}
