//! Parsing by tree-sitter, for queries.
//!
//! In: text and a grammar. Out: every node, with those that mark mistakes, and the parser's own tree. Not here: the faster parsers
//! (`python.rs`, `javascript/`, `lr/`).

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use tree_sitter::{ParseOptions, Parser};

use crate::{
    role::Grammar,
    tree::{Builder, Form, GaveUp, Tree},
};

/// Time for one parse. Ordinary code takes 10 ms for 100 KB.
const LONGEST: Duration = Duration::from_secs(2);

/// `<` without a `>` in one statement.
const MOST_UNCLOSED: usize = 1000;

/// Parses `text`, which is shorter than 4 GiB.
pub(super) fn parse<'a>(text: &'a str, grammar: &'a Grammar) -> Result<Tree<'a>, GaveUp> {
    if let Some(at) = unclosed(text.as_bytes()) {
        return Err(GaveUp::TooDeep(at));
    }
    let mut parser = Parser::new();
    if parser.set_language(&grammar.language).is_err() {
        return Err(GaveUp::TooSlow); // the grammars are linked in; `every_grammar_fits_the_parser` tries each
    }
    let begun = Instant::now();
    let mut patience = |_: &tree_sitter::ParseState| {
        if begun.elapsed() > LONGEST { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let bytes = text.as_bytes();
    let mut read = |at: usize, _| bytes.get(at..).unwrap_or_default();
    let parsed = parser
        .parse_with_options(&mut read, None, Some(ParseOptions::new().progress_callback(&mut patience)))
        .ok_or(GaveUp::TooSlow)?;
    let mut tree = Builder::new(text, grammar);
    let mut cursor = parsed.walk();
    'all: loop {
        let node = cursor.node();
        let form = if node.is_missing() {
            Form::Missing
        } else if node.is_error() {
            Form::Error
        } else if node.is_named() {
            Form::Named
        } else {
            Form::Anonymous
        };
        tree.field = cursor.field_id().map_or(0, std::num::NonZero::get);
        tree.open(node.kind_id(), form, node.start_byte() as u32..node.end_byte() as u32);
        if tree.is_too_deep() {
            break;
        }
        if cursor.goto_first_child() {
            continue;
        }
        tree.close();
        while !cursor.goto_next_sibling() {
            tree.close();
            if !cursor.goto_parent() {
                break 'all;
            }
        }
    }
    drop(cursor);
    let has_errors = parsed.root_node().has_error();
    tree.finish(has_errors, Some(parsed))
}

/// Where there are more `<` without a `>` in one statement than anybody writes. Each may be a comparison or begin the arguments
/// of a type; of many the parser tries so many ways at the end of the text that no patience helps, since it does not ask.
fn unclosed(text: &[u8]) -> Option<u32> {
    let mut open = 0_usize;
    for (at, byte) in text.iter().enumerate() {
        let next = text.get(at + 1);
        match byte {
            b'<' if !matches!(next, Some(b'<' | b'=' | b'-')) && (at == 0 || text[at - 1] != b'<') => open += 1,
            b'>' => open = open.saturating_sub(1),
            b';' | b'{' | b'}' => open = 0,
            _ => {}
        }
        if open > MOST_UNCLOSED {
            return Some(at as u32);
        }
    }
    None
}
