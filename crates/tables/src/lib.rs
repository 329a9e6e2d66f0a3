//! What tree-sitter's generator wrote of a language: its parse tables, and its scanner.
//!
//! In: a grammar's crate. Out: [`Tables`], read without a copy, and a [`Scanner`] that finds tokens in a text. This is C data and C
//! code, so that there is `unsafe` here beside `crates/sys`, each block with its reason; what reads strangers' text by it runs in a
//! confined process. Not here: parsing (`palisade-check`), tree-sitter's own parser, which does the same and mends mistakes.

mod raw;
mod scanner;
mod tables;

pub use scanner::{External, Nothing, Scanner, Token};
pub use tables::{Action, Entry, Memo, Mode, NO_LOOKAHEAD, Tables};
