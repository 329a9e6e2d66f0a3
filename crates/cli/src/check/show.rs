//! Findings for people: each with its line of source, what to do, and the line of the policy; then a line that sums up.
//!
//! Not here: writing it out (`print.rs`).

use crate::print::{self, Colour};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use palisade_spec::{Checked, Finding, Severity, acts};

/// Longer lines, as of minified code, are not shown.
const WIDEST: usize = 1000;

/// All findings. Words of strangers are in it.
pub(crate) fn text<'a>(files: impl Iterator<Item = (&'a Checked, &'a [u8])>, colour: Colour) -> String {
    let renderer = if colour == Colour::Some { Renderer::styled() } else { Renderer::plain() };
    let (mut out, mut counts, mut number) = (String::new(), [0_u64; 3], 0);
    for (checked, content) in files {
        number += 1;
        let source = plain(content);
        for finding in &checked.findings {
            counts[finding.severity as usize] += 1;
            out.push_str(&one(&renderer, checked, finding, &source));
            out.push_str("\n\n");
        }
        if checked.findings_omitted > 0 {
            out.push_str(&format!(
                "{}: {} more findings\n\n",
                print::one_line(&checked.file),
                checked.findings_omitted
            ));
        }
    }
    out.push_str(&sum(number, counts));
    out
}

fn one(renderer: &Renderer, checked: &Checked, finding: &Finding, source: &str) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let message = print::one_line(&finding.message);
    let file = print::one_line(&checked.file);
    let title = level.primary_title(message.as_str()).id(finding.code.name());
    let (start, end) = within(finding, source);
    let line_is_short = {
        let begin = source[..start].rfind('\n').map_or(0, |at| at + 1);
        source[begin..].lines().next().map_or(0, str::len) <= WIDEST
    };
    let mut group: Group<'_> = if source.is_empty() || !line_is_short {
        let place = format!("{file}:{}:{}", finding.span.line, finding.span.column);
        Group::with_title(title).element(Level::NOTE.with_name("at").message(place))
    } else {
        let place = AnnotationKind::Primary.span(start..end);
        title.element(Snippet::source(source).path(file.as_str()).annotation(place))
    };
    if let Some(instead) = &finding.recommendation {
        group = group.element(Level::HELP.message(instead.as_str()));
    }
    if let Some(policy) = &finding.policy {
        group = group.element(Level::NOTE.with_name("policy").message(format!("{}:{}", policy.file, policy.line)));
    }
    renderer.render(&[group])
}

/// The bytes as text, each byte in its place: what is not UTF-8 is `?`, what moves a terminal's cursor is a blank.
fn plain(content: &[u8]) -> String {
    let mut text = String::with_capacity(content.len());
    for chunk in content.utf8_chunks() {
        for sign in chunk.valid().chars() {
            if acts(sign) && !matches!(sign, '\n' | '\t' | '\r') {
                text.extend(std::iter::repeat_n(' ', sign.len_utf8()));
            } else {
                text.push(sign);
            }
        }
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}

fn within(finding: &Finding, source: &str) -> (usize, usize) {
    let start = source.floor_char_boundary((finding.span.start as usize).min(source.len()));
    let end = source.ceil_char_boundary((finding.span.end as usize).clamp(start, source.len()));
    // One line is enough to find the place.
    let line_end = source[start..].find('\n').map_or(source.len(), |at| start + at);
    (start, end.min(line_end.max(start)))
}

fn sum(files: usize, [notes, warnings, errors]: [u64; 3]) -> String {
    let count = |number: u64, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let files = format!("{files} {}", if files == 1 { "file" } else { "files" });
    if notes + warnings + errors == 0 {
        return format!("{files} checked: nothing found\n");
    }
    format!("{files} checked: {}, {}, {}\n", count(errors, "error"), count(warnings, "warning"), count(notes, "note"))
}
