//! A language's tables: what a parser does in a state when it sees a symbol, and what becomes of the nodes.
//!
//! In: a grammar. Out: numbers. Every state and symbol is compared with the grammar's counts before it is looked up; what the tables
//! say of each other is the generator's word. Not here: tokens (`scanner.rs`).

use tree_sitter_language::LanguageFn;

use crate::raw::{RawAction, RawField, RawLanguage, RawLanguage15, RawSlice, RawSymbol};

/// What a parser does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Takes the token and goes to a state.
    Shift {
        /// The state.
        state: u16,
        /// The token may stand anywhere: the state stays.
        extra: bool,
        /// Only to be taken by one that repeats.
        repetition: bool,
    },
    /// Makes a node of the last few.
    Reduce {
        /// Its symbol.
        symbol: u16,
        /// How many nodes, without those that may stand anywhere.
        children: u8,
        /// What speaks for it where something else is possible.
        precedence: i16,
        /// How its children are called.
        production: u16,
    },
    /// The text is whole.
    Accept,
    /// Only to be taken behind a mistake.
    Recover,
}

/// What may be done in a state when it sees a symbol.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    actions: &'static [RawAction],
    /// A token that was found in another state is the same one here.
    pub is_reusable: bool,
}

impl std::fmt::Debug for RawAction {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        action(self).fmt(out)
    }
}

impl Entry {
    /// Nothing can be done.
    pub const NONE: Self = Self { actions: &[], is_reusable: false };

    /// How many actions there are; more than one where the grammar is ambiguous.
    #[must_use]
    pub fn len(&self) -> usize {
        self.actions.len()
    }

    /// Whether nothing can be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<Action> {
        self.actions.get(at).map(action)
    }

    /// The last of them, which decides where a token leads.
    #[must_use]
    pub fn last(&self) -> Option<Action> {
        self.actions.last().map(action)
    }

    /// The state behind the token when it is taken in `state`; 0 if it cannot be.
    #[must_use]
    pub fn next(&self, state: u16) -> u16 {
        match self.last() {
            Some(Action::Shift { extra: true, .. }) => state,
            Some(Action::Shift { state, .. }) => state,
            _ => 0,
        }
    }
}

#[inline]
fn action(raw: &RawAction) -> Action {
    match raw.kind {
        0 => Action::Shift { state: raw.target, extra: raw.third[0] != 0, repetition: raw.third[1] != 0 },
        1 => Action::Reduce {
            symbol: raw.target,
            children: raw.second,
            precedence: i16::from_ne_bytes(raw.third),
            production: raw.production,
        },
        2 => Action::Accept,
        _ => Action::Recover,
    }
}

/// How tokens are looked for in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// The state of the scanner; [`NO_LOOKAHEAD`] where nothing is looked for.
    pub state: u16,
    /// Which tokens the handwritten scanner may find; 0 for none.
    pub external: u16,
    /// Which words are none but keywords.
    pub reserved: u16,
}

/// A [`Mode::state`] in which the next action does not depend on a token.
pub const NO_LOOKAHEAD: u16 = u16::MAX;

/// A language's tables.
#[derive(Clone, Copy)]
pub struct Tables {
    pub(crate) raw: &'static RawLanguage,
}

// SAFETY: all that the pointers lead to is constant data and code of the program.
unsafe impl Send for Tables {}
// SAFETY: as above.
unsafe impl Sync for Tables {}

impl std::fmt::Debug for Tables {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Tables").field("states", &self.raw.state_count).finish_non_exhaustive()
    }
}

/// A symbol that no table knows: what could not be read.
const ERROR: u16 = u16::MAX;

impl Tables {
    /// The tables of a grammar, if its version is one whose layout is known here.
    #[must_use]
    pub fn of(language: LanguageFn) -> Option<Self> {
        // SAFETY: who made the `LanguageFn` has promised that it gives a grammar of the generator's (`LanguageFn::from_raw`).
        // That is a constant, whose address is never null.
        let raw = unsafe { &*language.into_raw()().cast::<RawLanguage>() };
        (matches!(raw.abi_version, 14 | 15) && raw.lex_fn.is_some()).then_some(Self { raw })
    }

    /// Symbols of tokens are below this number.
    #[must_use]
    pub fn tokens(&self) -> u16 {
        self.raw.token_count as u16
    }

    /// The token of which keywords are special cases; 0 if there is none.
    #[must_use]
    pub fn word(&self) -> u16 {
        self.raw.keyword_capture_token
    }

    /// The table's value: for a token the number of an entry, for others a state; 0 if there is none.
    #[must_use]
    pub fn lookup(&self, state: u16, symbol: u16) -> u16 {
        let raw = self.raw;
        let (state, number) = (u32::from(state), u32::from(symbol));
        if state >= raw.state_count || number >= raw.symbol_count {
            return 0;
        }
        if state < raw.large_state_count {
            // SAFETY: this table has a row of `symbol_count` values for each of the first `large_state_count` states.
            return unsafe { *raw.parse_table.add((state * raw.symbol_count + number) as usize) };
        }
        self.groups(state).find(|(_, symbols)| symbols.contains(&symbol)).map_or(0, |(value, _)| value)
    }

    /// The values of a state that has no row of its own, each with its symbols.
    #[inline]
    fn groups(&self, state: u32) -> impl Iterator<Item = (u16, &'static [u16])> {
        // SAFETY: the map has an offset for each state behind the large ones, and there the other table has how many groups come.
        let (mut row, count) = unsafe {
            let offset = *self.raw.small_parse_table_map.add((state - self.raw.large_state_count) as usize);
            let head = self.raw.small_parse_table.add(offset as usize);
            (head.add(1), *head)
        };
        (0..count).map(move |_| {
            // SAFETY: each group is its value, how many symbols it has, and these; the next one follows.
            unsafe {
                let (value, count) = (*row, usize::from(*row.add(1)));
                let symbols = std::slice::from_raw_parts(row.add(2), count);
                row = row.add(2 + count);
                (value, symbols)
            }
        })
    }

    /// The entry of a number that [`Self::lookup`] gave for a token of this language.
    ///
    /// The number must be one of those: it is not compared with anything.
    #[inline]
    fn entry(&self, number: u16) -> Entry {
        // SAFETY: an entry is a count and then so many actions, and `number` is an entry's, as the generator numbered them.
        let (head, actions) = unsafe {
            let head = self.raw.parse_actions.add(usize::from(number));
            (*head, std::slice::from_raw_parts(head.add(1), usize::from((*head).kind)))
        };
        Entry { actions, is_reusable: head.second != 0 }
    }

    /// The tokens with which something can be done in a state, and what, in the order of the tables; the end of the text left out.
    #[must_use]
    pub fn lookaheads(&self, state: u16) -> Vec<(u16, Entry)> {
        let raw = self.raw;
        let (state, mut found) = (u32::from(state), Vec::new());
        if state >= raw.state_count {
            return found;
        }
        let mut add = |symbol: u16, value: u16| {
            if symbol != 0 && symbol < self.tokens() && value != 0 {
                found.push((symbol, self.entry(value)));
            }
        };
        if state < raw.large_state_count {
            (0..self.tokens()).for_each(|symbol| add(symbol, self.lookup(state as u16, symbol)));
            return found;
        }
        self.groups(state).for_each(|(value, symbols)| symbols.iter().for_each(|symbol| add(*symbol, value)));
        found
    }

    /// What may be done in a state when it sees a token.
    #[must_use]
    pub fn actions(&self, state: u16, token: u16) -> Entry {
        if token >= self.tokens() {
            return Entry::NONE;
        }
        self.entry(self.lookup(state, token))
    }

    /// The state behind a node.
    #[must_use]
    pub fn next(&self, state: u16, symbol: u16) -> u16 {
        if symbol >= self.tokens() {
            return self.lookup(state, symbol);
        }
        self.actions(state, symbol).next(state)
    }

    /// How tokens are looked for in a state.
    #[must_use]
    pub fn mode(&self, state: u16) -> Mode {
        let state = usize::from(state);
        if state >= self.raw.state_count as usize {
            return Mode { state: NO_LOOKAHEAD, external: 0, reserved: 0 };
        }
        // SAFETY: there are two numbers for each state in version 14, three in 15.
        unsafe {
            if self.raw.abi_version < 15 {
                let mode = self.raw.lex_modes.add(2 * state);
                Mode { state: *mode, external: *mode.add(1), reserved: 0 }
            } else {
                let mode = self.raw.lex_modes.add(3 * state);
                Mode { state: *mode, external: *mode.add(1), reserved: *mode.add(2) }
            }
        }
    }

    /// Whether a word is none but this keyword in a state.
    #[must_use]
    pub fn is_reserved(&self, state: u16, symbol: u16) -> bool {
        let set = usize::from(self.mode(state).reserved);
        if set == 0 || self.raw.abi_version < 15 {
            return false;
        }
        // SAFETY: a grammar of version 15 has these fields behind the others.
        let raw = unsafe { &*std::ptr::from_ref(self.raw).cast::<RawLanguage15>() };
        let size = usize::from(raw.max_reserved_word_set_size);
        // SAFETY: there are so many words in each set, and a state names one of the sets. The rest of a short one is 0.
        let words = unsafe { std::slice::from_raw_parts(raw.reserved_words.add(set * size), size) };
        words.iter().take_while(|word| **word != 0).any(|word| *word == symbol)
    }

    fn symbol(&self, symbol: u16) -> Option<RawSymbol> {
        if u32::from(symbol) >= self.raw.symbol_count + self.raw.alias_count {
            return None;
        }
        // SAFETY: there is one for each symbol and alias.
        Some(unsafe { *self.raw.symbol_metadata.add(usize::from(symbol)) })
    }

    /// Whether a symbol is a node of the tree, and not but a help of the grammar.
    #[must_use]
    pub fn is_visible(&self, symbol: u16) -> bool {
        symbol == ERROR || self.symbol(symbol).is_some_and(|symbol| symbol.visible != 0)
    }

    /// Whether a symbol has a name, and is not a sign.
    #[must_use]
    pub fn is_named(&self, symbol: u16) -> bool {
        symbol == ERROR || self.symbol(symbol).is_some_and(|symbol| symbol.named != 0)
    }

    /// The number by which everybody knows a symbol: some have several.
    #[must_use]
    pub fn public(&self, symbol: u16) -> u16 {
        if self.symbol(symbol).is_none() {
            return symbol;
        }
        // SAFETY: there is one for each symbol and alias.
        unsafe { *self.raw.public_symbol_map.add(usize::from(symbol)) }
    }

    /// Other symbols for the children of a production, 0 where it has none.
    #[must_use]
    pub fn aliases(&self, production: u16) -> &'static [u16] {
        if production == 0 || u32::from(production) >= self.raw.production_id_count {
            return &[];
        }
        let length = usize::from(self.raw.max_alias_sequence_length);
        // SAFETY: there are so many for each production.
        unsafe { std::slice::from_raw_parts(self.raw.alias_sequences.add(usize::from(production) * length), length) }
    }

    /// The field of a production's child; 0 if it has none.
    #[must_use]
    pub fn field(&self, production: u16, child: u32) -> u16 {
        if self.raw.field_count == 0 || u32::from(production) >= self.raw.production_id_count {
            return 0;
        }
        // SAFETY: there is a slice for each production, and it lies within the entries.
        let fields: &[RawField] = unsafe {
            let slice: RawSlice = *self.raw.field_map_slices.add(usize::from(production));
            std::slice::from_raw_parts(
                self.raw.field_map_entries.add(usize::from(slice.index)),
                usize::from(slice.length),
            )
        };
        fields
            .iter()
            .find(|field| field.inherited == 0 && u32::from(field.child) == child)
            .map_or(0, |field| field.field)
    }

    /// Whether the grammar has a handwritten scanner.
    #[must_use]
    pub fn has_externals(&self) -> bool {
        self.raw.external_scanner.scan.is_some() && !self.raw.external_scanner.states.is_null()
    }
}

/// Tables, and what was looked up in them before: a program asks the same again and again, and a small row is searched from its
/// beginning.
#[derive(Debug)]
pub struct Memo {
    tables: Tables,
    known: Vec<(u32, u16)>,
}

/// Looked up values that are kept, one for each place that a hash gives.
const KEPT: usize = 1 << 12;

impl Memo {
    /// Nothing has been looked up yet.
    #[must_use]
    pub fn new(tables: Tables) -> Self {
        // No state and symbol have this key.
        Self { tables, known: vec![(u32::MAX, 0); KEPT] }
    }

    #[inline]
    fn lookup(&mut self, state: u16, symbol: u16) -> u16 {
        let key = u32::from(state) << 16 | u32::from(symbol);
        let place = &mut self.known[(key.wrapping_mul(0x9E37_79B1) >> 20) as usize % KEPT];
        if place.0 != key {
            *place = (key, self.tables.lookup(state, symbol));
        }
        place.1
    }

    /// As [`Tables::actions`].
    #[inline]
    pub fn actions(&mut self, state: u16, token: u16) -> Entry {
        if token >= self.tables.tokens() {
            return Entry::NONE;
        }
        let number = self.lookup(state, token);
        self.tables.entry(number)
    }

    /// As [`Tables::next`].
    #[inline]
    pub fn next(&mut self, state: u16, symbol: u16) -> u16 {
        if symbol >= self.tables.tokens() { self.lookup(state, symbol) } else { self.tables.next(state, symbol) }
    }
}
