//! Where a text stops being a program of its language.
//!
//! In: a tree in which the parser left marks where it could not go on. Out: the first few places, with words. Not here: what a
//! compiler would find beyond the grammar: types, names that do not exist.

use std::{collections::HashSet, ops::Range};

use palisade_spec::Severity;

use crate::{
    Language,
    role::Role,
    tree::{Id, Tree},
};

/// Mistakes that are told; those behind are mostly echoes.
const MOST: usize = 5;

/// Tokens before a mistake among which a macro may be that the parser did not stumble over at once.
const BEFORE: usize = 12;

/// Bytes before and behind a mistake among which a macro may be.
const NEAR: usize = 1000;

/// A mistake.
#[derive(Clone, Debug)]
pub(crate) struct Mistake {
    pub(crate) range: Range<usize>,
    pub(crate) message: String,
    pub(crate) severity: Severity,
    pub(crate) recommendation: Option<&'static str>,
}

/// The first mistakes of a text.
pub(crate) fn mistakes(tree: &Tree<'_>, language: Language) -> Vec<Mistake> {
    let mut found = Vec::new();
    if !tree.has_errors() {
        return found;
    }
    let mut id = 0;
    while id < tree.all().end && found.len() < MOST {
        if tree.is_missing(id) {
            let (range, kind) = (tree.range(id), tree.kind(id));
            let message = if kind.chars().any(char::is_alphanumeric) {
                format!("something is missing here: {}", kind.replace('_', " "))
            } else {
                format!("`{kind}` is missing here")
            };
            found.push(mistake(tree, id, range, message, language));
        } else if tree.is_error(id) {
            let range = tree.range(id);
            let text = tree.text.get(range.clone()).unwrap_or_default();
            let first_line = text.lines().next().unwrap_or_default().trim_end();
            // What could not be read is often at the end of what was given up.
            let last = tree
                .children(id)
                .last()
                .filter(|last| first_line.len() < text.trim_end().len() && tree.range(*last).len() < 80);
            let (range, word) = match last {
                Some(last) => (tree.range(last), tree.source(last)),
                None => (range.start..range.start + first_line.len(), first_line),
            };
            let word: String = word.lines().next().unwrap_or_default().chars().take(40).collect();
            let message = if word.is_empty() {
                format!("this is not {}", language.title())
            } else {
                format!("this is not {}: unexpected `{word}`", language.title())
            };
            found.push(mistake(tree, id, range, message, language));
            id = tree.after(id);
            continue;
        }
        id += 1;
    }
    // Behind one that is but suspected, others are its echoes.
    if let Some(first) = found.iter().position(|mistake: &Mistake| mistake.severity == Severity::Note) {
        found[first..].iter_mut().for_each(|mistake| mistake.severity = Severity::Note);
    }
    found
}

/// Without its headers nobody can tell what a macro of C hides: where one may be, a mistake is but suspected.
fn mistake(tree: &Tree<'_>, id: Id, range: Range<usize>, message: String, language: Language) -> Mistake {
    if matches!(language, Language::C | Language::Cpp) && may_be_macro(tree, id) {
        let recommendation = Some("if a macro stands here, this is no mistake: only a compiler can tell");
        return Mistake { range, message, severity: Severity::Note, recommendation };
    }
    Mistake { range, message, severity: Severity::Error, recommendation: None }
}

/// Whether a macro or a condition of the preprocessor stands so near that it may be what the parser stumbled over.
fn may_be_macro(tree: &Tree<'_>, id: Id) -> bool {
    let range = tree.range(id);
    let line_start = |at: usize| tree.text[..at].rfind('\n').map_or(0, |end| end + 1);
    let first = line_start(range.start);
    let before = line_start(first.saturating_sub(1));
    let end = tree.text[range.end..].find('\n').map_or(tree.text.len(), |at| range.end + at);
    // Of lines that nobody writes, so much.
    let before = tree.text.ceil_char_boundary(before.max(range.start.saturating_sub(NEAR)));
    let end = tree.text.floor_char_boundary(end.min(range.end + NEAR));
    let near = &tree.text[before..tree.text.floor_char_boundary(end.min(before + 4 * NEAR))];
    let is_conditional = |near: &str| {
        near.lines().any(|line| {
            let directive = line.trim_start().strip_prefix('#').map(str::trim_start);
            directive.is_some_and(|word| ["if", "el", "endif"].iter().any(|start| word.starts_with(start)))
        })
    };
    let words = |text| str::split(text, |sign: char| !sign.is_alphanumeric() && sign != '_');
    let defined: HashSet<&str> = tree
        .children(0)
        .filter(|child| tree.kind(*child).starts_with("preproc_"))
        .map(|child| tree.word(child, "name"))
        .filter(|name| !name.is_empty())
        .collect();
    let before = (0..id).rev().filter(|token| tree.after(*token) == token + 1 && tree.role(*token) != Role::Comment);
    let mut words = words(near).chain(before.take(BEFORE).flat_map(|token| words(tree.source(token))));
    is_conditional(near) || words.any(|word| is_macro_name(word) || defined.contains(word))
}

/// `LIKE_THIS`, or reserved for the implementation: `__attribute`, `_Noreturn`.
fn is_macro_name(word: &str) -> bool {
    let letters = word.chars().filter(|sign| sign.is_alphabetic()).count();
    let is_loud = letters >= 3 && !word.chars().any(char::is_lowercase);
    let is_reserved =
        word.starts_with("__") || word.starts_with('_') && word[1..].starts_with(|sign: char| sign.is_uppercase());
    is_loud || is_reserved
}
