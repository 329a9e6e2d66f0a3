//! Patterns of a user's own: a query over the syntax tree, or a regular expression over code without comments and strings.
//!
//! In: a pattern's text, then trees. Out: ranges. Not here: what a find means (`judge.rs`).

use std::ops::Range;

use regex::Regex;
use tree_sitter::{Query, QueryCursor, StreamingIterator};

use crate::{Language, policy::PatternKind, role::Role, tree::Tree};

/// Finds of one pattern that are kept.
const MOST: usize = 100;

/// A pattern that is ready.
#[derive(Debug)]
pub(crate) enum Matcher {
    Query(Box<Query>),
    Regex(Regex),
}

impl Matcher {
    pub(crate) fn new(pattern: &str, kind: PatternKind, language: Language) -> Result<Self, String> {
        if pattern.trim().is_empty() {
            return Err("an empty pattern is found everywhere: write what is to be found".to_owned());
        }
        let is_query = match kind {
            PatternKind::Query => true,
            PatternKind::Regex => false,
            PatternKind::Auto => pattern.trim_start().starts_with(['(', '[']),
        };
        if is_query {
            let query = Query::new(&language.grammar().language, pattern)
                .map_err(|error| format!("this query does not fit the grammar of {}: {error}", language.name()))?;
            if query.capture_names().is_empty() {
                return Err("this query captures nothing: write @found behind what is to be found".to_owned());
            }
            Ok(Self::Query(Box::new(query)))
        } else {
            Regex::new(pattern).map(Self::Regex).map_err(|error| error.to_string())
        }
    }

    /// Everything in the tree that fits.
    pub(crate) fn find(&self, tree: &Tree<'_>, code: &mut Option<String>) -> Vec<Range<usize>> {
        match self {
            Self::Query(query) => {
                let Some(parsed) = tree.parsed() else { return Vec::new() };
                let mut cursor = QueryCursor::new();
                cursor.set_match_limit(1024);
                let mut matches = cursor.matches(query, parsed.root_node(), tree.text.as_bytes());
                let mut found = Vec::new();
                while let Some(one) = matches.next() {
                    found.extend(one.captures().first().map(|capture| capture.node.byte_range()));
                    if found.len() >= MOST {
                        break;
                    }
                }
                found
            }
            Self::Regex(regex) => {
                let code = code.get_or_insert_with(|| only_code(tree));
                regex.find_iter(code).take(MOST).map(|found| found.range()).collect()
            }
        }
    }
}

/// The text with blanks for comments and the insides of strings, each byte in its place.
fn only_code(tree: &Tree<'_>) -> String {
    let mut bytes = tree.text.as_bytes().to_vec();
    for id in tree.all() {
        let is_hidden = matches!(tree.role(id), Role::Comment)
            || tree.kind(id) == "comment"
            || matches!(
                tree.kind(id),
                "string_content"
                    | "string_fragment"
                    | "interpreted_string_literal_content"
                    | "raw_string_literal_content"
                    | "raw_string_content"
                    | "multiline_string_fragment"
                    | "escape_sequence"
                    | "regex_pattern"
                    | "jsx_text"
                    | "char_literal"
                    | "rune_literal"
                    | "character_literal"
            );
        if is_hidden {
            for byte in &mut bytes[tree.range(id)] {
                if !matches!(byte, b'\n' | b'\r') {
                    *byte = b' ';
                }
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}
