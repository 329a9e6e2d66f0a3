//! Where a text stops being a program of its language.
//!
//! In: a tree in which the parser left marks where it could not go on. Out: the first few places, with words. Not here: what a
//! compiler would find beyond the grammar: types, names that do not exist.

use std::ops::Range;

use palisade_spec::Severity;

use crate::{
    Language,
    tree::{Id, Tree},
};

/// Mistakes that are told; those behind are mostly echoes.
const MOST: usize = 5;

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
            let last = tree.children(id).last().filter(|last| first_line.len() < text.trim_end().len() && tree.range(*last).len() < 80);
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
    found
}

/// Without its headers nobody can tell what a macro of C hides: where one may be, a mistake is but suspected.
fn mistake(tree: &Tree<'_>, id: Id, range: Range<usize>, message: String, language: Language) -> Mistake {
    if matches!(language, Language::C | Language::Cpp) && tree.may_have_macros(id) {
        let recommendation = Some("if a macro stands here, this is no mistake: only a compiler can tell");
        return Mistake { range, message, severity: Severity::Note, recommendation };
    }
    Mistake { range, message, severity: Severity::Error, recommendation: None }
}
