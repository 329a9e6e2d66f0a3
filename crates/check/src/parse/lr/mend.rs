//! Going on behind a mistake.
//!
//! In: a version that can not go on with its token. Out: versions that can: with a token put in that is missing, with what was read
//! last given up, or with the token passed by. All as tree-sitter does it, in its order, so that mistakes are told at the same
//! places. Not here: which of them is the better (`rank.rs`).

use std::{cmp::Reverse, rc::Rc};

use palisade_tables::{Action, Entry};

use super::{
    engine::{Engine, MOST_VERSIONS, Rule, Stuck},
    forest::{ERROR, ERRORS, Part, cost},
    stack::{LOST, Status},
    tokens::END,
};

/// What can be done in a state, whatever follows.
#[derive(Debug, Default)]
pub(super) struct Possible {
    rules: Vec<Rule>,
    /// Some token can be taken.
    takes: bool,
    /// Tokens that lead to another state, and this.
    ahead: Vec<(u16, u16)>,
}

impl Possible {
    fn add(&mut self, entry: Entry) {
        for number in 0..entry.len() {
            match entry.get(number) {
                Some(Action::Shift { extra: false, repetition: false, .. } | Action::Recover) => self.takes = true,
                Some(Action::Reduce { symbol, children, precedence, production })
                    if children > 0
                        && !self.rules.iter().any(|rule| rule.symbol == symbol && rule.children == children) =>
                {
                    self.rules.push(Rule { symbol, children, precedence: precedence.into(), production });
                }
                _ => {}
            }
        }
    }
}

impl Engine<'_> {
    /// What can be done in a state, whatever follows.
    fn possible(&mut self, state: u16) -> Rc<Possible> {
        if let Some(known) = self.possible.get(&state) {
            return Rc::clone(known);
        }
        let mut found = Possible::default();
        for (token, entry) in self.tables.lookaheads(state) {
            found.add(entry);
            let next = entry.next(state);
            if next != LOST && next != state {
                found.ahead.push((token, next));
            }
        }
        found.rules.sort_by_key(|rule| Reverse(rule.symbol));
        found.ahead.sort_unstable();
        let found = Rc::new(found);
        self.possible.insert(state, Rc::clone(&found));
        found
    }

    /// Goes on with a version, which could not with this token.
    pub(super) fn mend(&mut self, version: usize, token: Part) -> Result<(), Stuck> {
        self.forest.learn_lines(self.text);
        let before = self.stack.heads.len();
        self.reduce_all(version, END)?;
        let count = self.stack.heads.len();
        let mut is_put_in = false;
        let mut this = version;
        while this < count {
            if !is_put_in {
                is_put_in = self.put_in(this, token)?;
            }
            self.stack.lose(this);
            this = if this == version { before } else { this + 1 };
        }
        for _ in before..count {
            if !self.stack.merge(version, before, &self.forest) {
                return Err(Stuck);
            }
        }
        self.stack.summarize(version, &self.forest);
        self.recover(version, token)
    }

    /// A version more, with a token that is not there, if one makes that the next one can be taken.
    fn put_in(&mut self, version: usize, token: Part) -> Result<bool, Stuck> {
        let state = self.stack.state(version);
        for (missing, next) in &self.possible(state).ahead {
            self.count(1)?;
            if !matches!(self.memo.actions(*next, token.symbol).get(0), Some(Action::Reduce { .. })) {
                continue;
            }
            let copy = self.stack.copy(version);
            let missing = self.forest.add(Part::missing(*missing, state, self.stack.at(version)));
            self.stack.push(copy, missing, *next, &self.forest);
            if self.reduce_all(copy, token.symbol)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Does every reduction that is possible before a token, or before any. Whether one of the versions takes it then.
    fn reduce_all(&mut self, first: usize, token: u16) -> Result<bool, Stuck> {
        let before = self.stack.heads.len();
        let (mut takes_it, mut version) = (false, first);
        for round in 0.. {
            self.count(1)?;
            let count = self.stack.heads.len();
            if version >= count {
                break;
            }
            if (before..version).any(|other| self.stack.merge(other, version, &self.forest)) {
                continue;
            }
            let state = self.stack.state(version);
            let possible = if token == END {
                self.possible(state)
            } else {
                let mut possible = Possible::default();
                possible.add(self.memo.actions(state, token));
                Rc::new(possible)
            };
            let mut reduced = None;
            for rule in &possible.rules {
                reduced = self.reduce(version, rule, false)?;
            }
            if possible.takes {
                takes_it = true;
            } else if let Some(reduced) = reduced
                && round < MOST_VERSIONS
            {
                self.stack.renumber(reduced, version);
                continue;
            } else if token != END {
                self.stack.heads.remove(version);
                continue;
            }
            version = if version == first { count } else { version + 1 };
        }
        Ok(takes_it)
    }

    /// What is done with a token by a version that is lost.
    pub(super) fn recover(&mut self, version: usize, token: Part) -> Result<(), Stuck> {
        let before = self.stack.heads.len();
        self.count(before)?;
        let progress = self.stack.progress(version);
        let cost = self.stack.cost(version);
        let did = token.symbol != ERROR && self.go_back(version, token, cost, progress > 0)?;
        let mut this = before;
        while this < self.stack.heads.len() {
            if self.stack.heads[this].status == Status::Active {
                this += 1;
            } else {
                self.stack.heads.remove(this);
            }
        }
        if token.symbol == END {
            let root = self.forest.node(ERROR, 0, &[], self.stack.at(version));
            let root = self.forest.add(root);
            self.stack.push(version, root, 1, &self.forest);
            return self.accept(version, token);
        }
        let (size, lines) = (token.end - token.before, self.forest.lines(token.before, token.end));
        let cost = cost + cost::NODE + cost::BYTE * size + cost::LINE * lines;
        let is_enough = did && (self.stack.heads.len() > MOST_VERSIONS || token.teaches);
        if is_enough || self.has_better(version, cost) {
            self.stack.heads[version].status = Status::Halted;
            return Ok(());
        }
        self.pass_by(version, token, progress > 0);
        Ok(())
    }

    /// A version more, in a state before the mistake in which the token can be taken. What was read since is given up.
    fn go_back(&mut self, version: usize, token: Part, cost: u32, has_progress: bool) -> Result<bool, Stuck> {
        let (before, at) = (self.stack.heads.len(), self.stack.at(version));
        let mut number = 0;
        while let Some(former) = self.stack.former(version, number) {
            number += 1;
            self.count(1)?;
            if former.state == LOST || former.at == at {
                continue;
            }
            let is_there = |other: usize| self.stack.state(other) == former.state && self.stack.at(other) == at;
            if (0..before).any(is_there) {
                continue;
            }
            let cost = cost
                + cost::NODE * former.depth as u32
                + cost::BYTE * (at - former.at)
                + cost::LINE * self.forest.lines(former.at, at);
            if self.has_better(version, cost) {
                break;
            }
            let depth = former.depth + usize::from(has_progress);
            if !self.memo.actions(former.state, token.symbol).is_empty()
                && self.go_back_to(version, depth, former.state)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn go_back_to(&mut self, version: usize, depth: usize, goal: u16) -> Result<bool, Stuck> {
        let mut last = None;
        for slice in self.stack.pop(version, depth, &self.forest) {
            self.count(1 + slice.subs.len())?;
            if last == Some(slice.version) {
                continue;
            }
            if self.stack.state(slice.version) != goal {
                self.stack.heads[slice.version].status = Status::Halted;
                continue;
            }
            let mut subs = slice.subs;
            if let Some(error) = self.stack.pop_error(slice.version, &self.forest) {
                let children = self.forest.children(error).to_vec();
                self.count(children.len())?;
                if !children.is_empty() {
                    let errors = self.forest.node(ERRORS, 0, &children, 0);
                    subs.insert(0, self.forest.add(errors));
                }
            }
            let extras = self.trailing_extras(&mut subs);
            if !subs.is_empty() {
                let error = self.forest.node(ERROR, 0, &subs, 0);
                let error = self.forest.add(Part { is_extra: true, ..error });
                self.stack.push(slice.version, error, goal, &self.forest);
            }
            for extra in extras {
                self.stack.push(slice.version, extra, goal, &self.forest);
            }
            last = Some(slice.version);
        }
        Ok(last.is_some())
    }

    /// The version stays lost, behind the token.
    fn pass_by(&mut self, version: usize, token: Part, has_progress: bool) {
        let is_extra = matches!(self.memo.actions(1, token.symbol).last(), Some(Action::Shift { extra: true, .. }));
        let known = token.known().checked_sub(1);
        let token = self.forest.add(Part { is_extra: token.is_extra || is_extra, ..token });
        let mut errors = self.forest.node(ERRORS, 0, &[token], 0);
        if has_progress {
            // To what was given up before.
            let slices = self.stack.pop(version, 1, &self.forest);
            if let Some(first) = slices.into_iter().next() {
                self.stack.heads.truncate(first.version + 1);
                self.stack.renumber(first.version, version);
                let mut subs = first.subs;
                subs.push(self.forest.add(errors));
                errors = self.forest.node(ERRORS, 0, &subs, 0);
            }
        }
        let errors = self.forest.add(errors);
        self.stack.push(version, errors, LOST, &self.forest);
        if let Some(known) = known {
            self.stack.heads[version].known = known;
        }
    }
}
