//! Two parsers, one answer: what is found in Python, JavaScript and TypeScript by their fast parsers is what is found by their
//! grammars.
//!
//! A pattern that fits nothing makes the validator ask for all of the grammar's nodes. Not here: whether what is found is right.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests: the helpers too")]

mod common;
#[path = "common/ordinary.rs"]
mod ordinary;

use palisade_check::{Language, Policy, check};

/// Ordinary programs of each language.
const PROGRAMS: usize = 150;

/// What is told of a program: complexity by name and line, then findings.
fn told(code: &[u8], language: Language, policy: &Policy) -> Vec<String> {
    let checked = check("a", code, language, policy);
    let functions = checked.functions.iter().map(|one| format!("{}: {} has {}", one.line, one.name, one.complexity));
    let findings = checked.findings.iter().map(|one| {
        format!("{}:{}-{}: {} {}", one.span.line, one.span.column, one.span.end_column, one.code, one.message)
    });
    functions.chain(findings).chain([format!("complexity {}", checked.complexity)]).collect()
}

fn compare(language: Language) {
    let fast = Policy::shipped("default", language).unwrap().unwrap();
    let name = language.name();
    let text = format!("[[{name}.blocked_patterns]]\npattern = 'zz_nothing_has_this_name'\ndescription = 'nothing'\n");
    let grammar = Policy::read("grammar.toml", &text, language).unwrap();
    let mut programs = ordinary::programs(language, PROGRAMS);
    programs.extend(
        common::hostile()
            .into_iter()
            // The grammar has no path in `import e = globalThis.eval`, and finds less.
            .filter(|case| case.language == language && case.name != "import alias")
            .map(|case| ordinary::Program { name: case.name, code: case.code.into_bytes() }),
    );
    assert!(programs.len() > 10);
    let mut wrong = Vec::new();
    for program in &programs {
        let (fast, grammar) = (told(&program.code, language, &fast), told(&program.code, language, &grammar));
        let only = |these: &[String], those: &[String], sign: &str| -> Vec<String> {
            these.iter().filter(|one| !those.contains(one)).map(|one| format!("  {sign} {one}")).collect()
        };
        let mut differences = only(&fast, &grammar, "+");
        differences.extend(only(&grammar, &fast, "-"));
        if !differences.is_empty() {
            wrong.push(format!("{}\n{}", program.name, differences.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{} of {} programs\n{}", wrong.len(), programs.len(), wrong.join("\n"));
}

#[test]
fn python_is_told_alike_by_both_parsers() {
    compare(Language::Python);
}

#[test]
fn javascript_is_told_alike_by_both_parsers() {
    compare(Language::JavaScript);
}

#[test]
fn typescript_is_told_alike_by_both_parsers() {
    compare(Language::TypeScript);
}
