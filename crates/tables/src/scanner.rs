//! Finding tokens: the generated scanner of a language, and the handwritten one that some have beside it.
//!
//! In: a text and a place in it. Out: tokens. Not here: which tokens are looked for where (`tables.rs`).

use std::{
    ffi::{c_char, c_void},
    marker::PhantomData,
};

use crate::{Tables, raw::RawLexer};

/// What a scanner may write of its state (tree-sitter's `TREE_SITTER_SERIALIZATION_BUFFER_SIZE`).
const STATE: usize = 1024;
/// An end that no token has.
const NOWHERE: u32 = u32::MAX;
const MARK: i32 = 0xFEFF;

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its symbol.
    pub symbol: u16,
    /// Its first byte.
    pub start: u32,
    /// The byte behind it.
    pub end: u32,
}

/// Where no token was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nothing {
    /// Where one would have begun: behind what may stand before any.
    pub start: u32,
    /// The first byte that does not fit.
    pub at: u32,
}

/// A token of the handwritten scanner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// The token.
    pub token: Token,
    /// What the scanner knows behind it.
    pub state: Vec<u8>,
}

/// A lexer as generated code sees it, and what it does not see.
#[repr(C)]
struct Lexer {
    /// First, so that a pointer to it is one to the whole.
    seen: RawLexer,
    text: *const u8,
    length: u32,
    at: u32,
    start: u32,
    end: u32,
    /// Bytes of the sign that is looked at.
    size: u32,
    is_over: bool,
}

impl Lexer {
    fn byte(&self, at: u32) -> Option<u8> {
        // SAFETY: below its length the text is there; `Scanner` borrows it.
        (at < self.length).then(|| unsafe { *self.text.add(at as usize) })
    }

    #[inline]
    fn look(&mut self) {
        match self.byte(self.at) {
            Some(byte) if byte < 0x80 => (self.seen.lookahead, self.size) = (i32::from(byte), 1),
            Some(first) => {
                let more = match first {
                    0xF0.. => 3,
                    0xE0.. => 2,
                    _ => 1,
                };
                let head = i32::from(first) & (0x3F >> more);
                let sign = (1..=more).fold(head, |sign, next| {
                    sign << 6 | i32::from(self.byte(self.at + next).unwrap_or_default() & 0x3F)
                });
                (self.seen.lookahead, self.size) = (sign, more + 1);
            }
            None => {
                (self.seen.lookahead, self.size) = (0, 1);
                self.is_over = true;
            }
        }
    }

    #[inline]
    fn step(&mut self, skips: bool) {
        if self.is_over {
            return;
        }
        self.at += self.size;
        if skips {
            self.start = self.at;
        }
        self.look();
    }

    fn begin(&mut self, at: u32) {
        (self.at, self.start, self.end) = (at, at, NOWHERE);
        self.seen.result = 0;
        self.is_over = false;
        self.look();
        // A mark of the byte order is passed by.
        if at == 0 && self.seen.lookahead == MARK {
            self.step(true);
        }
    }

    fn token(&self) -> Token {
        let end = if self.end == NOWHERE { self.at } else { self.end };
        Token { symbol: self.seen.result, start: self.start.min(end), end }
    }
}

/// # Safety
/// As all of these: the pointer is the one that [`Scanner`] gives to generated code, that of a whole [`Lexer`].
unsafe extern "C" fn advance(lexer: *mut RawLexer, skips: bool) {
    // SAFETY: a pointer to a whole lexer, which nobody else uses while generated code runs.
    unsafe { &mut *lexer.cast::<Lexer>() }.step(skips);
}

/// # Safety
/// See [`advance`].
unsafe extern "C" fn mark_end(lexer: *mut RawLexer) {
    // SAFETY: see `advance`.
    let lexer = unsafe { &mut *lexer.cast::<Lexer>() };
    lexer.end = lexer.at;
}

/// # Safety
/// See [`advance`].
unsafe extern "C" fn get_column(lexer: *mut RawLexer) -> u32 {
    // SAFETY: see `advance`.
    let lexer = unsafe { &*lexer.cast::<Lexer>() };
    let before = (0..lexer.at).rev().map_while(|at| lexer.byte(at)).take_while(|byte| *byte != b'\n');
    before.filter(|byte| byte & 0xC0 != 0x80).count() as u32
}

/// # Safety
/// See [`advance`].
unsafe extern "C" fn is_at_included_range_start(lexer: *const RawLexer) -> bool {
    // SAFETY: see `advance`.
    unsafe { &*lexer.cast::<Lexer>() }.at == 0
}

/// # Safety
/// See [`advance`].
unsafe extern "C" fn eof(lexer: *const RawLexer) -> bool {
    // SAFETY: see `advance`.
    unsafe { &*lexer.cast::<Lexer>() }.is_over
}

/// # Safety
/// None: nothing is looked at.
unsafe extern "C" fn log(_: *const RawLexer, _: *const c_char) {}

/// Finds a language's tokens in one text.
pub struct Scanner<'a> {
    tables: Tables,
    lexer: Box<Lexer>,
    /// The handwritten scanner's own memory; null if there is none.
    payload: *mut c_void,
    text: PhantomData<&'a str>,
}

impl std::fmt::Debug for Scanner<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Scanner").field("at", &self.lexer.at).finish_non_exhaustive()
    }
}

impl<'a> Scanner<'a> {
    /// A scanner of a text of less than 4 GiB; of more, the rest is not seen.
    #[must_use]
    pub fn new(tables: Tables, text: &'a str) -> Self {
        let seen =
            RawLexer { lookahead: 0, result: 0, advance, mark_end, get_column, is_at_included_range_start, eof, log };
        let length = u32::try_from(text.len()).unwrap_or(NOWHERE - 8).min(NOWHERE - 8);
        let lexer = Lexer { seen, text: text.as_ptr(), length, at: 0, start: 0, end: 0, size: 0, is_over: false };
        // SAFETY: it takes nothing, and gives memory of its own that only its other functions look at.
        let payload = tables.raw.external_scanner.create.map_or(std::ptr::null_mut(), |create| unsafe { create() });
        Self { tables, lexer: Box::new(lexer), payload, text: PhantomData }
    }

    /// The token at a place, in a state of the scanner ([`crate::Mode::state`]).
    ///
    /// # Errors
    /// [`Nothing`] if there is none.
    pub fn token(&mut self, at: u32, state: u16) -> Result<Token, Nothing> {
        let Some(lex) = self.tables.raw.lex_fn else { return Err(Nothing { start: at, at }) };
        self.lexer.begin(at);
        // SAFETY: generated code, which uses the lexer by its own functions and moves forward in it only; a state that it does not
        // have finds nothing.
        let found = unsafe { lex(std::ptr::from_mut(&mut *self.lexer).cast(), state) };
        if found { Ok(self.lexer.token()) } else { Err(Nothing { start: self.lexer.start, at: self.lexer.at }) }
    }

    /// The last place that was looked at, for the token that was looked for last.
    #[must_use]
    pub fn reach(&self) -> u32 {
        self.lexer.at
    }

    /// The place behind the sign at a place; nothing at the end of the text.
    #[must_use]
    pub fn behind(&mut self, at: u32) -> Option<u32> {
        self.lexer.begin(at);
        (!self.lexer.is_over).then(|| {
            self.lexer.step(false);
            self.lexer.at
        })
    }

    /// The keyword at a place: which it is, if it is one and ends there.
    #[must_use]
    pub fn keyword(&mut self, at: u32) -> Option<Token> {
        let lex = self.tables.raw.keyword_lex_fn?;
        self.lexer.begin(at);
        // SAFETY: see `token`; keywords are looked for in state 0.
        unsafe { lex(std::ptr::from_mut(&mut *self.lexer).cast(), 0) }.then(|| self.lexer.token())
    }

    /// What the handwritten scanner finds at a place, of the tokens that a mode names ([`crate::Mode::external`], not 0), when it
    /// knows what it has known.
    #[must_use]
    pub fn external(&mut self, at: u32, mode: u16, known: &[u8]) -> Option<External> {
        let own = &self.tables.raw.external_scanner;
        let (scan, serialize, deserialize) = (own.scan?, own.serialize?, own.deserialize?);
        let count = self.tables.raw.external_token_count as usize;
        self.lexer.begin(at);
        let mut state = [0_u8; STATE];
        let known = &known[..known.len().min(STATE)];
        // SAFETY: the functions of one scanner, given what its `create` gave, a lexer, as many truth values as it has tokens (the
        // generator has made so many for each mode), what it has written itself, and as much room as it may fill.
        let found = unsafe {
            let whole = std::ptr::from_mut(&mut *self.lexer).cast();
            deserialize(self.payload, known.as_ptr().cast(), known.len() as u32);
            scan(self.payload, whole, own.states.add(usize::from(mode) * count))
                .then(|| serialize(self.payload, state.as_mut_ptr().cast()) as usize)
        };
        let mut token = self.lexer.token();
        let length = found?;
        if usize::from(token.symbol) >= count {
            return None;
        }
        // SAFETY: there is a symbol for each of the scanner's tokens.
        token.symbol = unsafe { *own.symbols.add(usize::from(token.symbol)) };
        Some(External { token, state: state[..length.min(STATE)].to_vec() })
    }
}

impl Drop for Scanner<'_> {
    fn drop(&mut self) {
        if let Some(destroy) = self.tables.raw.external_scanner.destroy
            && !self.payload.is_null()
        {
            // SAFETY: what `create` gave, for the last time.
            unsafe { destroy(self.payload) };
        }
    }
}
