//! The nodes that a parse makes, those that it drops again included.
//!
//! In: tokens, and children in their order. Out: numbers of nodes. Nothing is given back before all is: a parse is short. Not here:
//! which node is made when (`engine.rs`), which of them somebody sees (`flat.rs`).

use std::cmp::Ordering;

/// A node's number.
pub(super) type Sub = u32;

/// A token, or a node of the grammar above some.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) symbol: u16,
    /// How its children are called.
    pub(super) production: u16,
    /// The state in which a token was found.
    pub(super) state: u16,
    /// It may stand anywhere: a comment.
    pub(super) is_extra: bool,
    /// A token that the scanner found to be a keyword as well.
    pub(super) is_keyword: bool,
    /// Where what is before it ends.
    pub(super) before: u32,
    pub(super) start: u32,
    pub(super) end: u32,
    /// Its children; of a token, what its handwritten scanner knew behind it, and 0.
    pub(super) first: u32,
    pub(super) count: u32,
    /// What speaks for it where something else is possible.
    pub(super) precedence: i32,
}

impl Part {
    pub(super) fn token(symbol: u16, state: u16, before: u32, start: u32, end: u32) -> Self {
        let (first, count, production, precedence) = (0, 0, 0, 0);
        let (is_extra, is_keyword) = (false, false);
        Self { symbol, production, state, is_extra, is_keyword, before, start, end, first, count, precedence }
    }

    /// What the handwritten scanner knows behind this token; 0 if it has not found it.
    pub(super) fn known(&self) -> u32 {
        if self.count == 0 { self.first } else { 0 }
    }

    pub(super) fn with_known(self, known: u32) -> Self {
        Self { first: known, ..self }
    }

    pub(super) fn child_count(&self) -> u32 {
        self.count
    }
}

/// All nodes.
#[derive(Debug, Default)]
pub(super) struct Forest {
    parts: Vec<Part>,
    children: Vec<Sub>,
}

impl Forest {
    pub(super) fn for_text(length: usize) -> Self {
        Self { parts: Vec::with_capacity(length / 2), children: Vec::with_capacity(length / 2) }
    }

    pub(super) fn part(&self, sub: Sub) -> &Part {
        &self.parts[sub as usize]
    }

    pub(super) fn children(&self, sub: Sub) -> &[Sub] {
        let part = self.part(sub);
        if part.count == 0 { &[] } else { &self.children[part.first as usize..][..part.count as usize] }
    }

    pub(super) fn add(&mut self, part: Part) -> Sub {
        self.parts.push(part);
        (self.parts.len() - 1) as Sub
    }

    /// A node above some others; without any it stands at `at`.
    pub(super) fn node(&mut self, symbol: u16, production: u16, children: &[Sub], at: u32) -> Part {
        let first = self.children.len() as u32;
        self.children.extend_from_slice(children);
        let mut part = Part { first, production, ..Part::token(symbol, 0, at, at, at) };
        if let (Some(head), Some(last)) = (children.first(), children.last()) {
            let head = self.part(*head);
            (part.before, part.start) = (head.before, head.start);
            part.end = self.part(*last).end;
            part.count = children.len() as u32;
            part.precedence = children.iter().map(|child| self.part(*child).precedence).sum();
        } else {
            part.first = 0;
        }
        part
    }

    /// How much it is to hold two nodes.
    pub(super) fn size(&self) -> usize {
        self.parts.len() + self.children.len()
    }

    /// Which of two nodes over the same text comes first, by their symbols from above; and how many were compared.
    pub(super) fn compare(&self, left: Sub, right: Sub) -> (Ordering, usize) {
        let mut open = vec![(left, right)];
        let mut steps = 0;
        while let Some((left, right)) = open.pop() {
            steps += 1;
            if left == right {
                continue;
            }
            let (a, b) = (self.part(left), self.part(right));
            match a.symbol.cmp(&b.symbol).then(a.count.cmp(&b.count)) {
                Ordering::Equal => {}
                other => return (other, steps),
            }
            open.extend(self.children(left).iter().copied().zip(self.children(right).iter().copied()).rev());
        }
        (Ordering::Equal, steps)
    }

    /// Whether nobody behind can tell two nodes apart.
    pub(super) fn are_alike(&self, left: Sub, right: Sub) -> bool {
        let (a, b) = (self.part(left), self.part(right));
        left == right
            || a.symbol == b.symbol
                && a.start - a.before == b.start - b.before
                && a.end - a.start == b.end - b.start
                && a.count == b.count
                && a.is_extra == b.is_extra
                && a.known() == b.known()
    }
}
