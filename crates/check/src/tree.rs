//! A syntax tree in one flat list, nodes before their children.
//!
//! In: text and a grammar. Out: [`Tree`], or why it was given up. The parser's own tree is left behind at once: walking a list
//! is several times faster, needs no recursion, and knows each node's parent. Not here: what a node means (`role.rs`).

use std::{
    ops::{ControlFlow, Range},
    time::{Duration, Instant},
};

use tree_sitter::{ParseOptions, Parser};

use crate::role::{Grammar, Role};

/// Nesting that is followed. Handwritten programs stay below 100; a sum of a thousand terms is as deep as it is long.
pub(crate) const DEEPEST: usize = 3000;
/// Time for one parse. Ordinary code takes 10 ms for 100 KB.
const LONGEST: Duration = Duration::from_secs(2);

/// A node's number.
pub(crate) type Id = u32;

#[derive(Clone, Copy, Debug)]
struct Node {
    kind: u16,
    field: u16,
    start: u32,
    end: u32,
    parent: Id,
    /// The first number behind this node and all below it.
    after: Id,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Named,
    Anonymous,
    Error,
    Missing,
}

/// Why there is no tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GaveUp {
    /// Parsing took more than [`LONGEST`].
    TooSlow,
    /// Nested deeper than [`DEEPEST`], first at this byte.
    TooDeep(u32),
}

/// A parsed text.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    pub(crate) text: &'a str,
    pub(crate) grammar: &'a Grammar,
    nodes: Vec<Node>,
    has_errors: bool,
    parsed: Option<tree_sitter::Tree>,
}

impl<'a> Tree<'a> {
    /// Parses `text`, which is shorter than 4 GiB.
    pub(crate) fn parse(text: &'a str, grammar: &'a Grammar) -> Result<Self, GaveUp> {
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
        let mut nodes = Vec::with_capacity(text.len() / 4);
        let mut open: Vec<Id> = Vec::new();
        let mut cursor = parsed.walk();
        loop {
            let node = cursor.node();
            let id = nodes.len() as Id;
            let form = if node.is_missing() {
                Form::Missing
            } else if node.is_error() {
                Form::Error
            } else if node.is_named() {
                Form::Named
            } else {
                Form::Anonymous
            };
            nodes.push(Node {
                kind: node.kind_id(),
                field: cursor.field_id().map_or(0, std::num::NonZero::get),
                start: node.start_byte() as u32,
                end: node.end_byte() as u32,
                parent: open.last().copied().unwrap_or(0),
                after: 0,
                form,
            });
            if open.len() > DEEPEST {
                return Err(GaveUp::TooDeep(node.start_byte() as u32));
            }
            if cursor.goto_first_child() {
                open.push(id);
                continue;
            }
            nodes[id as usize].after = id + 1;
            let mut done = false;
            while !cursor.goto_next_sibling() {
                let Some(parent) = open.pop() else {
                    done = true;
                    break;
                };
                nodes[parent as usize].after = nodes.len() as Id;
                if !cursor.goto_parent() {
                    done = true;
                    break;
                }
            }
            if done {
                break;
            }
        }
        drop(cursor);
        let has_errors = parsed.root_node().has_error();
        Ok(Self { text, grammar, nodes, has_errors, parsed: Some(parsed) })
    }

    /// The parser's own tree, for queries.
    pub(crate) fn parsed(&self) -> Option<&tree_sitter::Tree> {
        self.parsed.as_ref()
    }

    /// Every node, parents first.
    pub(crate) fn all(&self) -> Range<Id> {
        0..self.nodes.len() as Id
    }

    /// The node and everything below it.
    pub(crate) fn below(&self, id: Id) -> Range<Id> {
        id..self.after(id)
    }

    pub(crate) fn after(&self, id: Id) -> Id {
        self.nodes[id as usize].after
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.has_errors
    }

    pub(crate) fn is_error(&self, id: Id) -> bool {
        self.nodes[id as usize].form == Form::Error
    }

    pub(crate) fn is_missing(&self, id: Id) -> bool {
        self.nodes[id as usize].form == Form::Missing
    }

    pub(crate) fn is_named(&self, id: Id) -> bool {
        self.nodes[id as usize].form == Form::Named
    }

    pub(crate) fn kind_id(&self, id: Id) -> u16 {
        self.nodes[id as usize].kind
    }

    pub(crate) fn kind(&self, id: Id) -> &'a str {
        self.grammar.kind(self.nodes[id as usize].kind)
    }

    pub(crate) fn role(&self, id: Id) -> Role {
        match self.nodes[id as usize].form {
            Form::Error => Role::Plain,
            _ => self.grammar.role(self.nodes[id as usize].kind),
        }
    }

    pub(crate) fn parent(&self, id: Id) -> Option<Id> {
        (id != 0).then(|| self.nodes[id as usize].parent)
    }

    pub(crate) fn range(&self, id: Id) -> Range<usize> {
        let node = &self.nodes[id as usize];
        node.start as usize..node.end as usize
    }

    pub(crate) fn start(&self, id: Id) -> u32 {
        self.nodes[id as usize].start
    }

    pub(crate) fn source(&self, id: Id) -> &'a str {
        self.text.get(self.range(id)).unwrap_or_default()
    }

    /// Whether this node stands in that field of its parent.
    pub(crate) fn is_in(&self, id: Id, field: &str) -> bool {
        self.grammar.field_name(self.nodes[id as usize].field) == field
    }

    pub(crate) fn children(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        let end = self.after(id);
        std::iter::successors(Some(id + 1).filter(|child| *child < end), move |child| {
            Some(self.after(*child)).filter(|next| *next < end)
        })
    }

    /// Children that are more than punctuation, comments left out.
    pub(crate) fn named(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        self.children(id).filter(|child| self.is_named(*child) && !matches!(self.role(*child), Role::Comment))
    }

    pub(crate) fn field(&self, id: Id, field: &str) -> Option<Id> {
        self.children(id).find(|child| self.is_in(*child, field))
    }

    pub(crate) fn fields<'b>(&'b self, id: Id, field: &'b str) -> impl Iterator<Item = Id> + 'b {
        self.children(id).filter(move |child| self.is_in(*child, field))
    }

    pub(crate) fn child(&self, id: Id, kind: &str) -> Option<Id> {
        self.children(id).find(|child| self.kind(*child) == kind)
    }

    /// The text of a field, or nothing.
    pub(crate) fn word(&self, id: Id, field: &str) -> &'a str {
        self.field(id, field).map_or("", |child| self.source(child))
    }
}
