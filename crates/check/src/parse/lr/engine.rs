//! Reading a text by a grammar's tables, all ways at once where it is ambiguous.
//!
//! In: tables and a text. Out: the root of a [`Forest`]. This is what tree-sitter's `parser.c` does, decision by decision, without
//! what it does for editors: counting who holds a node, rows and columns, what an edit would change. Not here: finding tokens
//! (`tokens.rs`), going on behind a mistake (`mend.rs`), which way to read is the better (`rank.rs`).

use std::{
    cmp::Ordering,
    collections::HashMap,
    rc::Rc,
    time::{Duration, Instant},
};

use palisade_tables::{Action, Memo, Scanner, Tables};

use super::{
    forest::{Forest, Part, Sub},
    mend::Possible,
    stack::{LOST, Stack, Status, Subs},
    tokens::Seen,
    words::Words,
};

/// Versions that are followed.
pub(super) const MOST_VERSIONS: usize = 6;
/// More than that for a moment.
const OVERFLOW: usize = 4;
/// Steps between two looks at the clock.
const STEPS: usize = 1 << 12;
/// Nodes for each byte of a text, dropped ones included: ordinary programs make less than 2.
const MOST_NODES: usize = 32;

/// This parser does not get through the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stuck;

pub(super) struct Engine<'a> {
    pub(super) tables: Tables,
    pub(super) memo: Memo,
    pub(super) text: &'a str,
    pub(super) scanner: Scanner<'a>,
    pub(super) forest: Forest,
    pub(super) stack: Stack,
    pub(super) seen: Option<Seen>,
    pub(super) words: Words,
    /// What the handwritten scanner has known somewhere.
    pub(super) known: Vec<Vec<u8>>,
    pub(super) numbers: HashMap<Vec<u8>, u32>,
    pub(super) finished: Option<Sub>,
    pub(super) accepted: usize,
    popped: Vec<Sub>,
    /// What can be done in the states of mistakes.
    pub(super) possible: HashMap<u16, Rc<Possible>>,
    steps: usize,
    most_nodes: usize,
    until: Instant,
}

impl<'a> Engine<'a> {
    pub(super) fn new(tables: Tables, text: &'a str, longest: Duration) -> Self {
        Self {
            tables,
            memo: Memo::new(tables),
            text,
            scanner: Scanner::new(tables, text),
            forest: Forest::for_text(text.len(), tables),
            stack: Stack::for_text(text.len()),
            seen: None,
            words: Words::default(),
            known: vec![Vec::new()],
            numbers: HashMap::from([(Vec::new(), 0)]),
            finished: None,
            accepted: 0,
            popped: Vec::new(),
            possible: HashMap::new(),
            steps: 0,
            most_nodes: 10_000 + MOST_NODES * text.len(),
            until: Instant::now() + longest,
        }
    }

    /// Reads the whole text.
    pub(super) fn run(mut self) -> Result<(Forest, Sub), Stuck> {
        let mut last = 0;
        loop {
            let mut version = 0;
            while version < self.stack.heads.len() {
                while self.stack.heads[version].status == Status::Active {
                    self.advance(version)?;
                    let at = self.stack.at(version);
                    if at > last || (version > 0 && at == last) {
                        last = at;
                        break;
                    }
                }
                version += 1;
            }
            let is_over = version == 0;
            let least = self.condense()?;
            if is_over || self.finished.is_some_and(|root| self.forest.part(root).cost < least) {
                break;
            }
        }
        self.finished.map(|root| (self.forest, root)).ok_or(Stuck)
    }

    /// So much work is done.
    pub(super) fn count(&mut self, steps: usize) -> Result<(), Stuck> {
        self.steps += steps + std::mem::take(&mut self.stack.steps);
        if self.stack.gave_up {
            return Err(Stuck);
        }
        if self.steps >= STEPS {
            self.steps = 0;
            if Instant::now() > self.until || self.forest.size() + self.stack.size() > self.most_nodes {
                return Err(Stuck);
            }
        }
        Ok(())
    }

    /// Takes one version over its next token.
    fn advance(&mut self, version: usize) -> Result<(), Stuck> {
        let mut state = self.stack.state(version);
        let at = self.stack.at(version);
        let known = self.stack.heads[version].known;
        let (mut token, mut entry) = match self.seen_before(state, at, known) {
            Some((token, entry)) => (Some(token), entry),
            None => self.read(version, state, at, known),
        };
        loop {
            self.count(1)?;
            let mut did_reduce = false;
            let mut reduced = None;
            for number in 0..entry.len() {
                match entry.get(number) {
                    Some(Action::Shift { repetition: true, .. }) | None => {}
                    Some(Action::Shift { state: next, extra, .. }) => {
                        let Some(token) = token else { return Err(Stuck) };
                        let next = if extra { state } else { next };
                        self.shift(version, Part { is_extra: extra, ..token }, next);
                        return Ok(());
                    }
                    Some(Action::Reduce { symbol, children, precedence, production }) => {
                        let rule = Rule { symbol, children, precedence: precedence.into(), production };
                        let ends_extra = token.is_none();
                        did_reduce = true;
                        let is_only = entry.len() == 1;
                        match if is_only { self.reduce_only(version, &rule, ends_extra) } else { None } {
                            Some(true) => reduced = Some(version),
                            Some(false) => {}
                            None => reduced = self.reduce(version, &rule, ends_extra)?.or(reduced),
                        }
                    }
                    Some(Action::Accept) => {
                        let Some(token) = token else { return Err(Stuck) };
                        return self.accept(version, token);
                    }
                    Some(Action::Recover) => {
                        let Some(token) = token else { return Err(Stuck) };
                        return self.recover(version, token);
                    }
                }
            }
            if let Some(last) = reduced {
                self.stack.renumber(last, version);
                state = self.stack.state(version);
                match &token {
                    Some(token) => entry = self.memo.actions(state, token.symbol),
                    None => {
                        let (at, known) = (self.stack.at(version), self.stack.heads[version].known);
                        (token, entry) = self.read(version, state, at, known);
                    }
                }
                continue;
            }
            if did_reduce {
                self.stack.heads[version].status = Status::Halted;
                return Ok(());
            }
            let word = self.tables.word();
            if let Some(token) = &mut token
                && token.is_keyword
                && token.symbol != word
                && !self.tables.is_reserved(state, token.symbol)
            {
                let as_word = self.memo.actions(state, word);
                if !as_word.is_empty() {
                    token.symbol = word;
                    entry = as_word;
                    continue;
                }
            }
            let Some(token) = token else { return Err(Stuck) };
            if state == LOST {
                return self.recover(version, token);
            }
            let token = self.forest.add(token);
            self.stack.pause(version, token);
            return Ok(());
        }
    }

    fn shift(&mut self, version: usize, token: Part, state: u16) {
        if let Some(known) = token.known().checked_sub(1) {
            self.stack.heads[version].known = known;
        }
        let sub = self.forest.add(token);
        self.stack.push(version, sub, state, &self.forest);
    }

    /// A reduction that is the only action, on the only way back. Whether the version goes on; nothing if there are more ways.
    fn reduce_only(&mut self, version: usize, rule: &Rule, ends_extra: bool) -> Option<bool> {
        if self.stack.heads.len() > MOST_VERSIONS {
            return None;
        }
        self.stack.heads[version].place = self.put_above(version, rule, ends_extra, true)?;
        Some(!self.meets_another(version))
    }

    /// A reduction on the only way back, as a version of its own, the last one. Whether that goes on; nothing if there are more ways.
    fn reduce_on_one_way(&mut self, version: usize, rule: &Rule, ends_extra: bool) -> Option<bool> {
        let own = self.stack.heads.len();
        if own > MOST_VERSIONS {
            return None;
        }
        let place = self.put_above(version, rule, ends_extra, false)?;
        self.stack.begin(version, place);
        Some((0..own).all(|other| other == version || !self.stack.merge(other, own, &self.forest)))
    }

    /// A node above the last few on the only way back from a version, and the place behind it; nothing if there are more ways.
    fn put_above(&mut self, version: usize, rule: &Rule, ends_extra: bool, is_last: bool) -> Option<u32> {
        let mut popped = std::mem::take(&mut self.popped);
        let place = self.stack.pop_only(version, rule.children, &self.forest, &mut popped);
        let end = place.map(|place| {
            let extras = popped.iter().take_while(|sub| self.forest.part(**sub).is_extra).count();
            popped.reverse();
            let (children, extras) = popped.split_at(popped.len() - extras);
            let part = self.node(rule, children, place, ends_extra);
            if is_last {
                self.stack.forget_behind(place);
            }
            let (mut end, next) = self.put(place, part);
            for extra in extras {
                end = self.stack.place(end, *extra, next, &self.forest);
            }
            end
        });
        self.popped = popped;
        end
    }

    /// Whether another version has come to the same place, and goes on for this one.
    fn meets_another(&mut self, version: usize) -> bool {
        for other in 0..self.stack.heads.len() {
            if other != version && self.stack.can_merge(other, version) {
                self.stack.join_heads(other, version, &self.forest);
                return true;
            }
        }
        false
    }

    fn node(&mut self, rule: &Rule, children: &[Sub], place: u32, ends_extra: bool) -> Part {
        let mut part = self.forest.node(rule.symbol, rule.production, children, self.stack.end_of(place));
        part.precedence += rule.precedence;
        let state = self.stack.state_of(place);
        part.is_extra = ends_extra && self.memo.next(state, rule.symbol) == state;
        part
    }

    /// Behind a place a node.
    fn put(&mut self, place: u32, part: Part) -> (u32, u16) {
        let next = self.memo.next(self.stack.state_of(place), part.symbol);
        let sub = self.forest.add(part);
        (self.stack.place(place, sub, next, &self.forest), next)
    }

    /// A reduction on every way back: a version for each. The first of the new ones.
    pub(super) fn reduce(&mut self, version: usize, rule: &Rule, ends_extra: bool) -> Result<Option<usize>, Stuck> {
        let before = self.stack.heads.len();
        if let Some(goes_on) = self.reduce_on_one_way(version, rule, ends_extra) {
            return Ok(goes_on.then_some(before));
        }
        let halted = self.stack.heads.iter().filter(|head| head.status == Status::Halted).count();
        let mut slices = self.stack.pop(version, rule.children.into(), &self.forest).into_iter().peekable();
        let mut removed = 0;
        while let Some(slice) = slices.next() {
            let own = slice.version - removed;
            if own > MOST_VERSIONS + OVERFLOW + halted {
                self.stack.heads.remove(own);
                removed += 1;
                while slices.next_if(|next| next.version == slice.version).is_some() {}
                continue;
            }
            let place = self.stack.heads[own].place;
            let mut children = slice.subs;
            let mut extras = self.trailing_extras(&mut children);
            let mut part = self.forest.node(rule.symbol, rule.production, &children, self.stack.end_of(place));
            // Several ways to one place: the best one remains.
            while let Some(next) = slices.next_if(|next| next.version == slice.version) {
                let mut others = next.subs;
                let other_extras = self.trailing_extras(&mut others);
                let other = self.forest.node(rule.symbol, 0, &others, self.stack.end_of(place));
                if self.is_better(part, other)? {
                    extras = other_extras;
                    part = match rule.production {
                        0 => other,
                        _ => self.forest.node(rule.symbol, rule.production, &others, self.stack.end_of(place)),
                    };
                }
            }
            part.precedence += rule.precedence;
            let state = self.stack.state_of(place);
            part.is_extra = ends_extra && self.memo.next(state, rule.symbol) == state;
            let (mut end, next) = self.put(place, part);
            for extra in extras {
                end = self.stack.place(end, extra, next, &self.forest);
            }
            self.stack.heads[own].place = end;
            for other in 0..own {
                if other != version && self.stack.merge(other, own, &self.forest) {
                    removed += 1;
                    break;
                }
            }
        }
        Ok((self.stack.heads.len() > before).then_some(before))
    }

    /// Takes those off the end that may stand anywhere: they stand behind the node.
    pub(super) fn trailing_extras(&self, children: &mut Subs) -> Subs {
        let extras = children.iter().rev().take_while(|sub| self.forest.part(**sub).is_extra).count();
        children.drain(children.len() - extras..).collect()
    }

    /// Whether the second of two nodes over the same text is the better one.
    fn is_better(&mut self, left: Part, right: Part) -> Result<bool, Stuck> {
        let order = left.cost.cmp(&right.cost).then(right.precedence.cmp(&left.precedence));
        if order != Ordering::Equal || left.cost > 0 {
            return Ok(order != Ordering::Less);
        }
        let (left, right) = (self.forest.add(left), self.forest.add(right));
        let (order, steps) = self.forest.compare(left, right);
        self.count(steps)?;
        Ok(order == Ordering::Greater)
    }

    /// The text is over.
    pub(super) fn accept(&mut self, version: usize, end: Part) -> Result<(), Stuck> {
        self.shift(version, Part { is_extra: true, ..end }, 1);
        let slices = self.stack.pop_all(version, &self.forest);
        self.count(slices.len())?;
        let Some(first) = slices.first().map(|slice| slice.version) else { return Err(Stuck) };
        for slice in slices {
            let mut trees = slice.subs.into_vec();
            let Some(at) = trees.iter().rposition(|sub| !self.forest.part(*sub).is_extra) else { return Err(Stuck) };
            let top = *self.forest.part(trees[at]);
            let children = self.forest.children(trees[at]).to_vec();
            trees.splice(at..=at, children);
            let root = self.forest.node(top.symbol, top.production, &trees, 0);
            self.accepted += 1;
            let is_better = match self.finished {
                Some(finished) => {
                    let finished = *self.forest.part(finished);
                    self.is_better(finished, root)?
                }
                None => true,
            };
            if is_better {
                self.finished = Some(self.forest.add(root));
            }
        }
        self.stack.heads.remove(first);
        self.stack.heads[version].status = Status::Halted;
        Ok(())
    }
}

/// What a reduction makes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) symbol: u16,
    pub(super) children: u8,
    pub(super) precedence: i32,
    pub(super) production: u16,
}
