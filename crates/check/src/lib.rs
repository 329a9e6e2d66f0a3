//! The validator: is there anything in this source file that its policy blocks? (R39, R40, R42)
//!
//! In: bytes, a language, a [`Policy`]. Out: a [`Checked`] with findings and complexity. Eight languages, by their grammars: a
//! name is followed to what it means, a constant is computed, and what nobody can know before the program runs is a finding of
//! its own. This is advice and early feedback, never the boundary: that is the sandbox. Not here: reading files, showing
//! findings (`palisade-cli`), the process that parses strangers' text (`palisade-cli`).
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate self as palisade_check; // what the tests share uses it by this name

mod bans;
mod complexity;
mod facts;
mod fold;
mod judge;
mod language;
mod languages;
mod parse;
mod pattern;
mod policy;
mod role;
mod scope;
mod syntax;
mod text;
mod tree;
mod unquote;
mod value;

use std::ops::Range;

pub use language::{Language, UnknownLanguage};
use palisade_spec::{Checked, Finding, FindingCode, Severity};
pub use policy::{Policy, PolicyError, SHIPPED};

use crate::{
    scope::Scopes,
    text::Text,
    tree::{GaveUp, Tree},
};

/// Findings of one file that are listed.
const MOST: usize = 200;
/// Stack for the analysis: expressions are followed as deep as they are nested.
const STACK: usize = 64 << 20;

/// Asks the system about this thread's stack, once: for a thread that may ask it nothing from here on.
pub fn prepare() {
    let _ = stacker::remaining_stack();
}

/// Checks one source file.
///
/// Usually takes 2 to 12 ms for 100 KB, by the language (`cargo bench -p palisade-check`), and memory in proportion to the text.
/// Parsing is given up after 2 seconds; what follows it is bounded by the size and depth of the text alone.
#[must_use]
pub fn check(name: &str, bytes: &[u8], language: Language, policy: &Policy) -> Checked {
    let empty = || Checked {
        file: name.to_owned(),
        language: language.name().to_owned(),
        size: bytes.len() as u64,
        complexity: 0,
        functions: Vec::new(),
        findings: Vec::new(),
        findings_omitted: 0,
    };
    if bytes.len() as u64 > policy.largest.0 {
        return Checked { findings: vec![too_large(bytes.len() as u64, policy)], ..empty() };
    }
    stacker::grow(STACK, || examine(bytes, language, policy, empty()))
}

fn examine(bytes: &[u8], language: Language, policy: &Policy, empty: Checked) -> Checked {
    let text = Text::new(bytes, language);
    let mut findings = Vec::new();
    if let Some((range, fault)) = &text.fault {
        // Comments in C and C++ are often in an older encoding.
        let severity =
            if matches!(language, Language::C | Language::Cpp) { Severity::Warning } else { Severity::Error };
        findings.push(Finding {
            code: FindingCode::SyntaxError,
            severity,
            message: format!("there are {fault}"),
            recommendation: Some("save the file as UTF-8".to_owned()),
            span: text.span_shown(range),
            policy: None,
        });
    }
    if let Some((range, encoding)) = &text.encoding {
        findings.push(Finding {
            code: FindingCode::DynamicCode,
            severity: policy.dynamic.0,
            message: format!("the encoding `{encoding}` may turn this text into another program"),
            recommendation: Some("save the file as UTF-8, and leave the declaration out".to_owned()),
            span: text.span_shown(range),
            policy: policy.dynamic.1.clone(),
        });
    }
    if let Some((at, sign)) = text.shown.char_indices().find(|(_, sign)| turns_text(*sign)) {
        findings.push(Finding {
            code: FindingCode::UnsafeCodePattern,
            severity: Severity::Warning,
            message: format!(
                "the sign U+{:04X} turns the direction of text: what is read here is not what is run",
                u32::from(sign)
            ),
            recommendation: Some("leave it out, or write it as an escape".to_owned()),
            span: text.span_shown(&(at..at + sign.len_utf8())),
            policy: None,
        });
    }
    let (mut complexity, mut functions) = (0, Vec::new());
    match parse::parse(&text.seen, language, policy.nodes()) {
        Err(GaveUp::TooSlow) => findings.push(gave_up(&text, &(0..0), "reading this file takes too long")),
        Err(GaveUp::TooDeep(at)) => {
            let range = at as usize..at as usize + 1;
            findings.push(gave_up(&text, &range, &format!("this is nested deeper than {} levels", tree::DEEPEST)));
        }
        Ok(tree) => {
            (complexity, functions) = complexity::measure(&tree, &text);
            findings.extend(of_tree(&tree, &text, language, policy));
        }
    }
    findings.sort_by_key(|finding| (finding.span.start, finding.span.end, finding.code));
    findings.dedup_by(|a, b| a.code == b.code && a.span == b.span);
    let omitted = findings.len().saturating_sub(MOST);
    findings.truncate(MOST);
    Checked { complexity, functions, findings, findings_omitted: omitted as u64, ..empty }
}

/// Signs that make an editor show text in another order than a compiler reads it (CVE-2021-42574).
fn turns_text(sign: char) -> bool {
    matches!(sign, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn of_tree(tree: &Tree<'_>, text: &Text<'_>, language: Language, policy: &Policy) -> Vec<Finding> {
    let facts = language.facts();
    let scopes = Scopes::of(tree, facts);
    let mut findings = judge::judge(tree, text, &scopes, facts, policy);
    for mistake in syntax::mistakes(tree, language) {
        findings.push(Finding {
            code: FindingCode::SyntaxError,
            severity: mistake.severity,
            message: mistake.message,
            recommendation: mistake.recommendation.map(str::to_owned),
            span: text.span(&mistake.range),
            policy: None,
        });
    }
    let mut code = None;
    for search in &policy.searches {
        for range in search.matcher.find(tree, &mut code) {
            findings.push(Finding {
                code: FindingCode::UnsafeCodePattern,
                severity: search.severity,
                message: search.description.clone(),
                recommendation: search.recommendation.clone(),
                span: text.span(&range),
                policy: Some(search.line.clone()),
            });
        }
    }
    findings
}

fn too_large(size: u64, policy: &Policy) -> Finding {
    let (largest, line) = &policy.largest;
    Finding {
        code: FindingCode::CodeTooLarge,
        severity: Severity::Error,
        message: format!("{size} bytes of code, and the policy takes {largest}"),
        recommendation: Some("split the program, or read data from a file".to_owned()),
        span: palisade_spec::Span { line: 1, column: 1, end_line: 1, end_column: 1, start: 0, end: 0 },
        policy: line.clone(),
    }
}

fn gave_up(text: &Text<'_>, range: &Range<usize>, message: &str) -> Finding {
    Finding {
        code: FindingCode::CodeTooComplex,
        severity: Severity::Error,
        message: format!("{message}, and was not looked at"),
        recommendation: Some("write it as several smaller statements".to_owned()),
        span: text.span(range),
        policy: None,
    }
}
