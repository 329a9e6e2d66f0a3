//! The memory layout of generated grammars, versions 14 and 15 (tree-sitter's `src/parser.h`). Not here: what is done with it.

use std::ffi::{c_char, c_uint, c_void};

/// `TSParseActionEntry`: a count, or an action. All are plain numbers, in places that do not move.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct RawAction {
    pub(crate) kind: u8,
    /// Children of a reduction; of an entry, whether a token found in another state holds here.
    pub(crate) second: u8,
    /// The state of a shift, the symbol of a reduction.
    pub(crate) target: u16,
    /// Of a shift two truth values, of a reduction its precedence.
    pub(crate) third: [u8; 2],
    pub(crate) production: u16,
}

/// `TSFieldMapEntry`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct RawField {
    pub(crate) field: u16,
    pub(crate) child: u8,
    pub(crate) inherited: u8,
}

/// `TSMapSlice`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct RawSlice {
    pub(crate) index: u16,
    pub(crate) length: u16,
}

/// `TSSymbolMetadata`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct RawSymbol {
    pub(crate) visible: u8,
    pub(crate) named: u8,
    pub(crate) supertype: u8,
}

/// `TSLexer`, the part of a lexer that generated code sees.
#[repr(C)]
pub(crate) struct RawLexer {
    pub(crate) lookahead: i32,
    pub(crate) result: u16,
    pub(crate) advance: unsafe extern "C" fn(*mut RawLexer, bool),
    pub(crate) mark_end: unsafe extern "C" fn(*mut RawLexer),
    pub(crate) get_column: unsafe extern "C" fn(*mut RawLexer) -> u32,
    pub(crate) is_at_included_range_start: unsafe extern "C" fn(*const RawLexer) -> bool,
    pub(crate) eof: unsafe extern "C" fn(*const RawLexer) -> bool,
    /// It is called with more arguments, which are not looked at.
    pub(crate) log: unsafe extern "C" fn(*const RawLexer, *const c_char),
}

pub(crate) type LexFn = unsafe extern "C" fn(*mut RawLexer, u16) -> bool;

/// `TSLanguage.external_scanner`; without one all are null.
#[repr(C)]
pub(crate) struct RawScanner {
    pub(crate) states: *const bool,
    pub(crate) symbols: *const u16,
    pub(crate) create: Option<unsafe extern "C" fn() -> *mut c_void>,
    pub(crate) destroy: Option<unsafe extern "C" fn(*mut c_void)>,
    pub(crate) scan: Option<unsafe extern "C" fn(*mut c_void, *mut RawLexer, *const bool) -> bool>,
    pub(crate) serialize: Option<unsafe extern "C" fn(*mut c_void, *mut c_char) -> c_uint>,
    pub(crate) deserialize: Option<unsafe extern "C" fn(*mut c_void, *const c_char, c_uint)>,
}

/// `TSLanguage`, as far as both versions have it.
#[repr(C)]
pub(crate) struct RawLanguage {
    pub(crate) abi_version: u32,
    pub(crate) symbol_count: u32,
    pub(crate) alias_count: u32,
    pub(crate) token_count: u32,
    pub(crate) external_token_count: u32,
    pub(crate) state_count: u32,
    pub(crate) large_state_count: u32,
    pub(crate) production_id_count: u32,
    pub(crate) field_count: u32,
    pub(crate) max_alias_sequence_length: u16,
    pub(crate) parse_table: *const u16,
    pub(crate) small_parse_table: *const u16,
    pub(crate) small_parse_table_map: *const u32,
    pub(crate) parse_actions: *const RawAction,
    pub(crate) symbol_names: *const *const c_char,
    pub(crate) field_names: *const *const c_char,
    pub(crate) field_map_slices: *const RawSlice,
    pub(crate) field_map_entries: *const RawField,
    pub(crate) symbol_metadata: *const RawSymbol,
    pub(crate) public_symbol_map: *const u16,
    pub(crate) alias_map: *const u16,
    pub(crate) alias_sequences: *const u16,
    /// Two numbers for each state in version 14, three in 15.
    pub(crate) lex_modes: *const u16,
    pub(crate) lex_fn: Option<LexFn>,
    pub(crate) keyword_lex_fn: Option<LexFn>,
    pub(crate) keyword_capture_token: u16,
    pub(crate) external_scanner: RawScanner,
    pub(crate) primary_state_ids: *const u16,
}

/// What `TSLanguage` has behind that in version 15.
#[repr(C)]
pub(crate) struct RawLanguage15 {
    pub(crate) base: RawLanguage,
    pub(crate) name: *const c_char,
    pub(crate) reserved_words: *const u16,
    pub(crate) max_reserved_word_set_size: u16,
}
