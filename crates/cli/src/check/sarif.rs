//! Findings as SARIF 2.1.0 (OASIS standard), the format that editors and code hosts read.
//!
//! In: what was found. Out: one log with one run. Not here: reading SARIF.

use palisade_spec::{Checked, FindingCode, Severity};
use serde_json::{Value, json};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The log.
pub(crate) fn log(files: &[Checked]) -> Value {
    let rules: Vec<Value> = FindingCode::ALL
        .into_iter()
        .map(|code| {
            let explained = super::explain::explain(code.name()).unwrap_or_default();
            let full = explained.split_once("\n\n").map_or("", |(_, rest)| rest).trim();
            let short = full.lines().next().unwrap_or_default();
            json!({
                "id": code.name(),
                "name": pascal(code.name()),
                "shortDescription": { "text": short },
                "fullDescription": { "text": full },
                "help": { "text": format!("palisade check --explain {code}") },
                "defaultConfiguration": { "level": "error" },
            })
        })
        .collect();
    let results: Vec<Value> = files
        .iter()
        .flat_map(|checked| checked.findings.iter().map(move |finding| (checked, finding)))
        .map(|(checked, finding)| {
            let span = finding.span;
            let message = match &finding.recommendation {
                Some(instead) => format!("{}. Instead: {instead}.", finding.message),
                None => format!("{}.", finding.message),
            };
            json!({
                "ruleId": finding.code.name(),
                "ruleIndex": FindingCode::ALL.iter().position(|code| *code == finding.code),
                "level": level(finding.severity),
                "message": { "text": message },
                "locations": [{
                    "physicalLocation": {
                        "artifactLocation": { "uri": uri(&checked.file) },
                        "region": {
                            "startLine": span.line,
                            "startColumn": span.column,
                            "endLine": span.end_line,
                            "endColumn": span.end_column,
                            "byteOffset": span.start,
                            "byteLength": span.end - span.start,
                        },
                    },
                }],
                "properties": { "policy": finding.policy },
            })
        })
        .collect();
    let artifacts: Vec<Value> = files
        .iter()
        .map(|checked| {
            json!({
                "location": { "uri": uri(&checked.file) },
                "length": checked.size,
                "sourceLanguage": checked.language.replace("c++", "cplusplus"),
                "properties": { "complexity": checked.complexity },
            })
        })
        .collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "palisade", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "artifacts": artifacts,
            "results": results,
        }],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// `BLOCKED_IMPORT` to `BlockedImport`.
fn pascal(name: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{first}{}", rest.to_ascii_lowercase())
    };
    name.split('_').map(word).collect()
}

/// A path as a URI reference (RFC 3986).
fn uri(path: &str) -> String {
    let mut uri = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/+@=,".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}
