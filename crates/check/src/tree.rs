//! A syntax tree in one flat list, nodes before their children.
//!
//! In: nodes, from a parser. Out: [`Tree`]. The parser's own tree is left behind at once: walking a list is several times faster,
//! needs no recursion, and knows each node's parent. Not here: parsing (`parse/`), what a node means (`role.rs`).

use std::ops::Range;

use crate::role::{Grammar, Role};

/// Nesting that is followed. Handwritten programs stay below 100; a sum of a thousand terms is as deep as it is long.
pub(crate) const DEEPEST: usize = 3000;

/// A node's number.
pub(crate) type Id = u32;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Node {
    kind: u16,
    field: u16,
    start: u32,
    end: u32,
    parent: Id,
    /// The first number behind this node and all below it.
    after: Id,
    form: Form,
}

/// What stands at a node's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Named,
    Anonymous,
    Error,
    Missing,
}

/// Why there is no tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GaveUp {
    /// Parsing took too long.
    TooSlow,
    /// Nested deeper than [`DEEPEST`], first at this byte.
    TooDeep(u32),
}

/// A parsed text.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    pub(crate) text: &'a str,
    pub(crate) grammar: &'a Grammar,
    pub(crate) nodes: Vec<Node>,
    has_errors: bool,
    parsed: Option<tree_sitter::Tree>,
}

/// A tree in the making: nodes are opened and closed in the order of the text.
#[derive(Debug)]
pub(crate) struct Builder<'a> {
    text: &'a str,
    grammar: &'a Grammar,
    nodes: Vec<Node>,
    open: Vec<Id>,
    too_deep: Option<u32>,
    /// The field of its parent in which the next node stands.
    pub(crate) field: u16,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(text: &'a str, grammar: &'a Grammar) -> Self {
        let nodes = Vec::with_capacity(text.len() / 4);
        Self { text, grammar, nodes, open: Vec::new(), too_deep: None, field: 0 }
    }

    /// Begins a node; what is opened before it is closed is below it.
    pub(crate) fn open(&mut self, kind: u16, form: Form, range: Range<u32>) {
        if self.open.len() > DEEPEST && self.too_deep.is_none() {
            self.too_deep = Some(range.start);
        }
        let id = self.nodes.len() as Id;
        let (parent, field) = (self.open.last().copied().unwrap_or(0), std::mem::take(&mut self.field));
        self.nodes.push(Node { kind, field, start: range.start, end: range.end, parent, after: id + 1, form });
        self.open.push(id);
    }

    pub(crate) fn close(&mut self) {
        if let Some(id) = self.open.pop() {
            self.nodes[id as usize].after = self.nodes.len() as Id;
        }
    }

    /// A node that has nothing below it.
    pub(crate) fn leaf(&mut self, kind: u16, form: Form, range: Range<u32>) {
        self.open(kind, form, range);
        self.open.pop();
    }

    /// Whether the nodes that are open are more than anybody follows.
    pub(crate) fn is_too_deep(&self) -> bool {
        self.too_deep.is_some()
    }

    /// All that was opened; with the parser's own tree, if there is one for queries.
    pub(crate) fn finish(self, has_errors: bool, parsed: Option<tree_sitter::Tree>) -> Result<Tree<'a>, GaveUp> {
        match self.too_deep {
            Some(at) => Err(GaveUp::TooDeep(at)),
            None => Ok(Tree { text: self.text, grammar: self.grammar, nodes: self.nodes, has_errors, parsed }),
        }
    }
}

impl<'a> Tree<'a> {
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
