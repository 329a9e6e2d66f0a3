//! What is wrong with a source file, and where.
//!
//! In: byte offsets into the source. Out: lines and columns for people. Not here: deciding what is wrong.

use std::fmt;

/// One reason why a file could not be compiled. Displays as `name:line:column: error: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The name that was given to [`to_javascript`](crate::to_javascript).
    pub file: String,
    /// What is wrong: no place, no full stop.
    pub message: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters (Unicode scalar values), from 1. A byte order mark does not count.
    pub column: u32,
}

impl Problem {
    /// Turns a byte offset into a place. An offset past the end, or inside a character, is moved back to the nearest one.
    pub(crate) fn at(source: &str, file_name: &str, offset: usize, message: String) -> Self {
        let before = source.get(..source.floor_char_boundary(offset)).unwrap_or(source);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        Self {
            file: file_name.to_owned(),
            message,
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: error: {}", self.file, self.line, self.column, self.message)
    }
}

impl std::error::Error for Problem {}
