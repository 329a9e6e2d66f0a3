//! Reading a text by a grammar's tables, all ways at once where it is ambiguous.
//!
//! In: tables and a text. Out: the root of a [`Forest`], or nothing where the text has a mistake. This is what tree-sitter's
//! `parser.c` does with a text that has none, decision by decision, without what it does for editors: counting who holds a node,
//! rows and columns, what an edit would change. Not here: mending mistakes, which is left to tree-sitter.

use std::{
    cmp::Ordering,
    time::{Duration, Instant},
};

use palisade_tables::{Action, Entry, Memo, Mode, NO_LOOKAHEAD, Scanner, Tables};

use super::{
    forest::{Forest, Part, Sub},
    stack::{Stack, Status},
};

/// Versions that are followed.
const MOST_VERSIONS: usize = 6;
/// More than that for a moment.
const OVERFLOW: usize = 4;
/// A token that could not be read.
const ERROR: u16 = u16::MAX;
/// The end of the text.
const END: u16 = 0;
/// The state behind a mistake.
const LOST: u16 = 0;
/// Steps between two looks at the clock.
const STEPS: usize = 1 << 12;
/// Nodes for each byte of a text, dropped ones included: ordinary programs make less than 2.
const MOST_NODES: usize = 64;

/// This parser does not get through the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stuck;

/// A token that was read last, and where.
#[derive(Clone, Copy, Debug)]
struct Seen {
    at: u32,
    known: u32,
    token: Part,
}

pub(super) struct Engine<'a> {
    tables: Tables,
    memo: Memo,
    scanner: Scanner<'a>,
    forest: Forest,
    stack: Stack,
    seen: Option<Seen>,
    /// What the handwritten scanner has known somewhere.
    known: Vec<Vec<u8>>,
    finished: Option<Sub>,
    accepted: usize,
    popped: Vec<Sub>,
    steps: usize,
    most_nodes: usize,
    until: Instant,
}

/// Which of two versions is the better.
enum Better {
    TakeLeft,
    Left,
    Neither,
    Right,
    TakeRight,
}

impl<'a> Engine<'a> {
    pub(super) fn new(tables: Tables, text: &'a str, longest: Duration) -> Self {
        Self {
            tables,
            memo: Memo::new(tables),
            scanner: Scanner::new(tables, text),
            forest: Forest::for_text(text.len()),
            stack: Stack::new(),
            seen: None,
            known: vec![Vec::new()],
            finished: None,
            accepted: 0,
            popped: Vec::new(),
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
            let some_go_on = self.condense()?;
            if is_over || (self.finished.is_some() && !some_go_on) {
                break;
            }
        }
        self.finished.map(|root| (self.forest, root)).ok_or(Stuck)
    }

    /// So much work is done.
    fn count(&mut self, steps: usize) -> Result<(), Stuck> {
        self.steps += steps;
        if self.steps >= STEPS {
            self.steps = 0;
            if Instant::now() > self.until || self.forest.size() > self.most_nodes {
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
            None => self.read(state, at, known),
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
                    Some(Action::Recover) => return Err(Stuck),
                }
            }
            if let Some(last) = reduced {
                self.stack.renumber(last, version);
                state = self.stack.state(version);
                match &token {
                    Some(token) => entry = self.memo.actions(state, token.symbol),
                    None => (token, entry) = self.read(state, self.stack.at(version), self.stack.heads[version].known),
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
            self.stack.heads[version].status = Status::Paused;
            return Ok(());
        }
    }

    /// The token that another version has read at this place, if it is the same one here.
    fn seen_before(&mut self, state: u16, at: u32, known: u32) -> Option<(Part, Entry)> {
        let seen = self.seen.filter(|seen| seen.at == at && seen.known == known)?;
        let token = seen.token;
        let entry = self.memo.actions(state, token.symbol);
        let (here, there) = (self.tables.mode(state), self.tables.mode(token.state));
        if here.state == NO_LOOKAHEAD {
            return None;
        }
        let is_word = token.symbol == self.tables.word();
        let is_same = !entry.is_empty() && here == there && (!is_word || !token.is_keyword && token.state == state);
        let is_there = token.end > token.start || token.symbol == END;
        (is_same || is_there && here.external == 0 && entry.is_reusable).then_some((token, entry))
    }

    /// The next token, and what is done with it; none where that does not depend on it.
    fn read(&mut self, state: u16, at: u32, known: u32) -> (Option<Part>, Entry) {
        let mode = self.tables.mode(state);
        if mode.state == NO_LOOKAHEAD {
            return (None, self.memo.actions(state, END));
        }
        let token = self.lex(state, mode, at, known);
        self.seen = Some(Seen { at, known, token });
        (Some(token), self.memo.actions(state, token.symbol))
    }

    fn lex(&mut self, state: u16, mode: Mode, at: u32, known: u32) -> Part {
        // Where nothing fits, what fits somewhere: it may be a keyword that is a name here.
        for (mode, is_lost) in [(mode, false), (self.tables.mode(LOST), true)] {
            if mode.external != 0
                && let Some(token) = self.external(state, mode.external, at, known, is_lost)
            {
                return token;
            }
            if let Some(found) = self.scanner.token(at, mode.state) {
                let word = self.tables.word();
                let mut token = Part::token(found.symbol, state, at, found.start, found.end);
                if found.symbol == word
                    && word != END
                    && let Some(keyword) = self.scanner.keyword(found.start)
                {
                    token.is_keyword = true;
                    if keyword.end == found.end
                        && (!self.memo.actions(state, keyword.symbol).is_empty()
                            || self.tables.is_reserved(state, keyword.symbol))
                    {
                        token.symbol = keyword.symbol;
                    }
                }
                return token;
            }
        }
        Part::token(ERROR, state, at, at, at)
    }

    fn external(&mut self, state: u16, mode: u16, at: u32, known: u32, is_lost: bool) -> Option<Part> {
        let before = &self.known[known as usize];
        let found = self.scanner.external(at, mode, before)?;
        let (token, changed) = (found.token, found.state != *before);
        // One of nothing would come again and again.
        if token.end <= at && !changed && (is_lost || self.memo.next(state, token.symbol) == state) {
            return None;
        }
        let number = match self.known.iter().position(|known| *known == found.state) {
            Some(number) => number,
            None => {
                self.known.push(found.state);
                self.known.len() - 1
            }
        };
        // 0 is for tokens of the other scanner.
        let part = Part::token(token.symbol, state, at, token.start, token.end);
        Some(part.with_known(number as u32 + 1))
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
        let mut popped = std::mem::take(&mut self.popped);
        let place = self.stack.pop_only(version, rule.children, &self.forest, &mut popped);
        let goes_on = place.map(|place| {
            let extras = popped.iter().take_while(|sub| self.forest.part(**sub).is_extra).count();
            popped.reverse();
            let (children, extras) = popped.split_at(popped.len() - extras);
            let part = self.node(rule, children, place, ends_extra);
            self.stack.forget_behind(place);
            let (mut end, next) = self.put(place, part);
            for extra in extras {
                end = self.stack.place(end, *extra, next, &self.forest);
            }
            self.stack.heads[version].place = end;
            !self.meets_another(version)
        });
        self.popped = popped;
        goes_on
    }

    /// Whether another version has come to the same place, and goes on for this one.
    fn meets_another(&mut self, version: usize) -> bool {
        for other in 0..self.stack.heads.len() {
            if other != version && self.stack.can_merge(other, version) {
                self.stack.join(self.stack.heads[other].place, self.stack.heads[version].place, &self.forest);
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
    fn reduce(&mut self, version: usize, rule: &Rule, ends_extra: bool) -> Result<Option<usize>, Stuck> {
        let before = self.stack.heads.len();
        let halted = self.stack.heads.iter().filter(|head| head.status == Status::Halted).count();
        let mut slices = self.stack.pop(version, rule.children, &self.forest).into_iter().peekable();
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
                    part = Part { production: rule.production, ..other };
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
    fn trailing_extras(&mut self, children: &mut Vec<Sub>) -> Vec<Sub> {
        let extras = children.iter().rev().take_while(|sub| self.forest.part(**sub).is_extra).count();
        children.split_off(children.len() - extras)
    }

    /// Whether the second of two nodes over the same text is the better one.
    fn is_better(&mut self, left: Part, right: Part) -> Result<bool, Stuck> {
        let order = right.precedence.cmp(&left.precedence);
        if order != Ordering::Equal {
            return Ok(order == Ordering::Greater);
        }
        let (left, right) = (self.forest.add(left), self.forest.add(right));
        let (order, steps) = self.forest.compare(left, right);
        self.count(steps)?;
        Ok(order == Ordering::Greater)
    }

    /// The text is over.
    fn accept(&mut self, version: usize, end: Part) -> Result<(), Stuck> {
        self.shift(version, Part { is_extra: true, ..end }, 1);
        let slices = self.stack.pop_all(version, &self.forest);
        let Some(first) = slices.first().map(|slice| slice.version) else { return Err(Stuck) };
        for slice in slices {
            let mut trees = slice.subs;
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

    fn compare(&self, left: usize, right: usize) -> Better {
        let is_paused = |version: usize| self.stack.heads[version].status == Status::Paused;
        match (is_paused(left), is_paused(right)) {
            (false, true) => return Better::TakeLeft,
            (true, false) => return Better::TakeRight,
            _ => {}
        }
        match self.stack.precedence(left).cmp(&self.stack.precedence(right)) {
            Ordering::Greater => Better::Left,
            Ordering::Less => Better::Right,
            Ordering::Equal => Better::Neither,
        }
    }

    /// Removes what cannot go on, and joins what has met. Whether some go on; stuck if none does and the text is not over.
    fn condense(&mut self) -> Result<bool, Stuck> {
        if let [head] = &self.stack.heads[..]
            && head.status == Status::Active
        {
            return Ok(true);
        }
        let mut some_go_on = false;
        let mut this = 0;
        'all: while this < self.stack.heads.len() {
            if self.stack.heads[this].status == Status::Halted {
                self.stack.heads.remove(this);
                continue;
            }
            some_go_on |= self.stack.heads[this].status == Status::Active;
            let mut other = 0;
            while other < this {
                match self.compare(other, this) {
                    Better::TakeLeft => {
                        self.stack.heads.remove(this);
                        continue 'all;
                    }
                    Better::TakeRight => {
                        self.stack.heads.remove(other);
                        this -= 1;
                        continue;
                    }
                    Better::Left | Better::Neither => {
                        if self.stack.merge(other, this, &self.forest) {
                            continue 'all;
                        }
                    }
                    Better::Right => {
                        if self.stack.merge(other, this, &self.forest) {
                            continue 'all;
                        }
                        self.stack.heads.swap(this, other);
                    }
                }
                other += 1;
            }
            this += 1;
        }
        self.stack.heads.truncate(MOST_VERSIONS);
        let is_active = |status: Status| status == Status::Active;
        if self.stack.heads.first().is_some_and(|head| !is_active(head.status)) {
            // With a text that was read to its end, nobody needs the others.
            return if self.finished.is_some() { Ok(false) } else { Err(Stuck) };
        }
        self.stack.heads.retain(|head| is_active(head.status));
        Ok(some_go_on)
    }
}

/// What a reduction makes.
struct Rule {
    symbol: u16,
    children: u8,
    precedence: i32,
    production: u16,
}
