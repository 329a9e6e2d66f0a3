//! The nodes that a parse makes, those that it drops again included.
//!
//! In: tokens, and children in their order. Out: numbers of nodes, and what a mistake in them weighs. Nothing is given back before
//! all is: a parse is short. Not here: which node is made when (`engine.rs`, `mend.rs`), which of them somebody sees (`flat.rs`).

use std::cmp::Ordering;

use palisade_tables::Tables;

/// A node's number.
pub(super) type Sub = u32;

/// The number of no node: behind it the parser is lost.
pub(super) const NONE: Sub = Sub::MAX;

/// A token that could not be read, a node of what was given up.
pub(super) const ERROR: u16 = u16::MAX;
/// A piece of such a node.
pub(super) const ERRORS: u16 = u16::MAX - 1;

/// What a mistake weighs: tree-sitter's numbers (`error_costs.h`).
pub(super) mod cost {
    pub(in super::super) const MISTAKE: u32 = 500;
    pub(in super::super) const MISSING: u32 = 110;
    pub(in super::super) const NODE: u32 = 100;
    pub(in super::super) const LINE: u32 = 30;
    pub(in super::super) const BYTE: u32 = 1;
}

/// A token, or a node of the grammar above some.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) symbol: u16,
    /// How its children are called; the state in which a token was found.
    pub(super) production: u16,
    /// It may stand anywhere: a comment.
    pub(super) is_extra: bool,
    /// A token that the scanner found to be a keyword as well.
    pub(super) is_keyword: bool,
    /// A token that is not in the text.
    pub(super) is_missing: bool,
    /// The handwritten scanner knows something else behind it than before.
    pub(super) teaches: bool,
    pub(super) is_visible: bool,
    /// Where what is before it ends.
    pub(super) before: u32,
    pub(super) start: u32,
    pub(super) end: u32,
    /// Its children; of a token, what its handwritten scanner knew behind it, and 0.
    pub(super) first: u32,
    pub(super) count: u32,
    /// What speaks for it where something else is possible.
    pub(super) precedence: i32,
    /// What its mistakes weigh.
    pub(super) cost: u32,
    /// Nodes below it that are seen.
    pub(super) below: u32,
    /// Those of them that stand directly below it, or below what is not seen.
    pub(super) shown: u32,
}

impl Part {
    pub(super) fn token(symbol: u16, state: u16, before: u32, start: u32, end: u32) -> Self {
        Self {
            symbol,
            production: state,
            is_extra: false,
            is_keyword: false,
            is_missing: false,
            teaches: false,
            is_visible: false,
            before,
            start,
            end,
            first: 0,
            count: 0,
            precedence: 0,
            cost: 0,
            below: 0,
            shown: 0,
        }
    }

    /// A token that would mend the text if it were there.
    pub(super) fn missing(symbol: u16, state: u16, at: u32) -> Self {
        Self { is_missing: true, cost: cost::MISSING + cost::MISTAKE, ..Self::token(symbol, state, at, at, at) }
    }

    /// What the handwritten scanner knows behind this token; 0 if it has not found it.
    pub(super) fn known(&self) -> u32 {
        if self.count == 0 { self.first } else { 0 }
    }

    pub(super) fn with_known(self, known: u32, teaches: bool) -> Self {
        Self { first: known, teaches, ..self }
    }

    pub(super) fn child_count(&self) -> u32 {
        self.count
    }

    /// How far a reader has come who has read this.
    pub(super) fn progress(&self) -> u32 {
        self.below + u32::from(self.is_visible) + u32::from(self.symbol == ERRORS)
    }
}

/// All nodes.
#[derive(Debug)]
pub(super) struct Forest {
    tables: Tables,
    parts: Vec<Part>,
    children: Vec<Sub>,
    /// Where lines end, as soon as there is a mistake.
    lines: Vec<u32>,
}

impl Forest {
    pub(super) fn for_text(length: usize, tables: Tables) -> Self {
        let (parts, children) = (Vec::with_capacity(1 + length), Vec::with_capacity(1 + length));
        Self { tables, parts, children, lines: Vec::new() }
    }

    pub(super) fn part(&self, sub: Sub) -> &Part {
        &self.parts[sub as usize]
    }

    pub(super) fn children(&self, sub: Sub) -> &[Sub] {
        let part = self.part(sub);
        if part.count == 0 { &[] } else { &self.children[part.first as usize..][..part.count as usize] }
    }

    pub(super) fn add(&mut self, part: Part) -> Sub {
        self.parts.push(Part { is_visible: self.tables.is_visible(part.symbol), ..part });
        (self.parts.len() - 1) as Sub
    }

    /// A node above some others; without any it stands at `at`.
    pub(super) fn node(&mut self, symbol: u16, production: u16, children: &[Sub], at: u32) -> Part {
        let mut part = Part { production, ..Part::token(symbol, 0, at, at, at) };
        if let (Some(head), Some(last)) = (children.first(), children.last()) {
            part.first = self.children.len() as u32;
            let head = self.part(*head);
            (part.before, part.start) = (head.before, head.start);
            part.end = self.part(*last).end;
            part.count = children.len() as u32;
            self.children.extend_from_slice(children);
        }
        let aliases = self.tables.aliases(production);
        let mut number = 0;
        for child in children {
            let child = self.part(*child);
            part.precedence += child.precedence;
            part.below += child.below;
            let has_alias =
                !aliases.is_empty() && !child.is_extra && aliases.get(number).is_some_and(|alias| *alias != 0);
            if child.is_visible || has_alias && child.symbol != 0 {
                part.below += 1;
                part.shown += 1;
            } else {
                part.shown += child.shown;
            }
            part.cost += child.cost;
            number += usize::from(!child.is_extra);
        }
        if symbol >= ERRORS {
            part.cost = self.error_cost(&part, children);
        }
        part
    }

    /// What a node weighs that was given up: its mistakes, its size, and what was lost in it.
    fn error_cost(&self, part: &Part, children: &[Sub]) -> u32 {
        let mut sum = self.extent_cost(part);
        for child in children {
            let child = self.part(*child);
            sum += child.cost;
            if child.symbol == ERRORS {
                // That is within the size of the whole.
                sum -= self.extent_cost(child);
            } else if !child.is_extra && (child.symbol != ERROR || child.count > 0) {
                sum += cost::NODE * if child.is_visible { 1 } else { child.shown };
            }
        }
        sum
    }

    fn extent_cost(&self, part: &Part) -> u32 {
        cost::MISTAKE + cost::BYTE * (part.end - part.start) + cost::LINE * self.lines(part.start, part.end)
    }

    /// Looks where lines end, before the first mistake is weighed.
    pub(super) fn learn_lines(&mut self, text: &str) {
        if self.lines.is_empty() {
            let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            self.lines = ends.map(|(at, _)| at as u32).collect();
            self.lines.push(u32::MAX);
        }
    }

    /// How many lines end between two places.
    pub(super) fn lines(&self, from: u32, to: u32) -> u32 {
        let before = |place: u32| self.lines.partition_point(|end| *end < place);
        (before(to) - before(from)) as u32
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
        if left == right {
            return true;
        }
        if left == NONE || right == NONE {
            return false;
        }
        let (a, b) = (self.part(left), self.part(right));
        a.symbol == b.symbol
            && (a.cost > 0 && b.cost > 0
                || a.start - a.before == b.start - b.before
                    && a.end - a.start == b.end - b.start
                    && a.count == b.count
                    && a.is_extra == b.is_extra
                    && a.known().max(1) == b.known().max(1))
    }
}
