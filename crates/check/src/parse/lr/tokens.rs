//! The next token of a version.
//!
//! In: a state and a place. Out: the token, and what can be done with it; signs that no token begins with are one that nobody
//! knows. Not here: what generated code finds (`palisade-tables`), what is done (`engine.rs`).

use palisade_tables::{Entry, Mode, NO_LOOKAHEAD, Nothing};

use super::{
    engine::Engine,
    forest::{ERROR, Part},
    stack::LOST,
    words::{Word, Words},
};

/// The end of the text.
pub(super) const END: u16 = 0;

/// A token that was read last, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    at: u32,
    known: u32,
    token: Part,
}

impl Engine<'_> {
    /// The token that another version has read at this place, if it is the same one here.
    pub(super) fn seen_before(&mut self, state: u16, at: u32, known: u32) -> Option<(Part, Entry)> {
        let seen = self.seen.filter(|seen| seen.at == at && seen.known == known)?;
        let token = seen.token;
        let entry = self.memo.actions(state, token.symbol);
        let (here, there) = (self.tables.mode(state), self.tables.mode(token.production));
        if here.state == NO_LOOKAHEAD {
            return None;
        }
        let is_word = token.symbol == self.tables.word();
        let is_same =
            !entry.is_empty() && here == there && (!is_word || !token.is_keyword && token.production == state);
        let is_there = token.end > token.start || token.symbol == END;
        (is_same || is_there && here.external == 0 && entry.is_reusable).then_some((token, entry))
    }

    /// The next token, and what is done with it; none where that does not depend on it.
    pub(super) fn read(&mut self, version: usize, state: u16, at: u32, known: u32) -> (Option<Part>, Entry) {
        let mode = self.tables.mode(state);
        if mode.state == NO_LOOKAHEAD {
            return (None, self.memo.actions(state, END));
        }
        let token = self.lex(version, state, mode, at, known);
        self.seen = Some(Seen { at, known, token });
        (Some(token), self.memo.actions(state, token.symbol))
    }

    fn lex(&mut self, version: usize, state: u16, mode: Mode, at: u32, known: u32) -> Part {
        let (mut mode, mut is_lost, mut from) = (mode, state == LOST, at);
        let mut unknown: Option<(u32, u32)> = None;
        let token = loop {
            if mode.external != 0
                && let Some(token) = self.external(version, mode.external, (from, at), known, is_lost)
            {
                break token;
            }
            let nothing = match self.word(from, mode.state) {
                Ok(found) => break self.in_state(found, state, at),
                Err(nothing) => nothing,
            };
            if !is_lost {
                // Where nothing fits, what fits somewhere: it may be a keyword that is a name here.
                (mode, is_lost) = (self.tables.mode(LOST), true);
                continue;
            }
            // Signs that are in no token.
            let (_, end) = unknown.get_or_insert((nothing.start, nothing.start));
            from = nothing.at;
            if from == *end {
                let Some(behind) = self.scanner.behind(from) else { break Part::token(ERROR, state, at, at, at) };
                from = behind;
            }
            *end = from;
        };
        unknown.map_or(token, |(start, end)| Part::token(ERROR, state, at, start, end))
    }

    /// A token, and the keyword that it may be.
    fn word(&mut self, from: u32, mode: u16) -> Result<Word, Nothing> {
        let place = Words::place(self.text, from, mode);
        if let Some(word) = place.as_ref().and_then(|place| self.words.find(self.text, place)) {
            return Ok(word);
        }
        let token = self.scanner.token(from, mode)?;
        let mut reach = self.scanner.reach();
        let mut word = Word { token, keyword: None };
        if token.symbol == self.tables.word() && token.symbol != END {
            word.keyword = self.scanner.keyword(token.start).map(|keyword| (keyword.symbol, keyword.end));
            reach = reach.max(self.scanner.reach());
        }
        if let Some(place) = place {
            self.words.keep(&place, word, reach);
        }
        Ok(word)
    }

    /// The token in a state, where a keyword may be one, or but a name.
    fn in_state(&mut self, Word { token, keyword }: Word, state: u16, at: u32) -> Part {
        let mut part = Part::token(token.symbol, state, at, token.start, token.end);
        if let Some((symbol, end)) = keyword {
            part.is_keyword = true;
            if end == token.end
                && (!self.memo.actions(state, symbol).is_empty() || self.tables.is_reserved(state, symbol))
            {
                part.symbol = symbol;
            }
        }
        part
    }

    /// A token of the handwritten scanner, which begins to look at the first of two places, behind the second.
    fn external(
        &mut self,
        version: usize,
        mode: u16,
        (from, before): (u32, u32),
        known: u32,
        is_lost: bool,
    ) -> Option<Part> {
        let before_it = &self.known[known as usize];
        let found = self.scanner.external(from, mode, before_it)?;
        let (token, teaches) = (found.token, found.state != *before_it);
        let state = self.stack.state(version);
        // One of nothing would come again and again.
        if token.end <= from
            && !teaches
            && (is_lost
                || self.memo.next(state, token.symbol) == state
                || !self.stack.has_progress(version, &self.forest))
        {
            return None;
        }
        let number = if teaches { self.number(found.state) } else { known };
        // 0 is for tokens of the other scanner.
        let part = Part::token(token.symbol, state, before, token.start, token.end);
        Some(part.with_known(number + 1, teaches))
    }

    /// The number of what the handwritten scanner knows.
    fn number(&mut self, known: Vec<u8>) -> u32 {
        if let Some(number) = self.numbers.get(&known) {
            return *number;
        }
        let number = self.known.len() as u32;
        self.known.push(known.clone());
        self.numbers.insert(known, number);
        number
    }
}
