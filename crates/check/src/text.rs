//! Bytes of a file to the text that its language's compiler sees, and back to places in the file.
//!
//! In: bytes. Out: [`Text`]: decoded, without a byte order mark; for Java with `\u0041` replaced, for C and C++ with lines joined
//! that end in a backslash; and a map back. Not here: escapes inside of strings (`unquote.rs`).

use std::{borrow::Cow, ops::Range};

use palisade_spec::Span;

use crate::language::Language;

/// Where bytes are wrong, and how.
type Fault = (Range<usize>, &'static str);

/// A file's text.
#[derive(Debug)]
pub(crate) struct Text<'a> {
    /// What is parsed.
    pub(crate) seen: Cow<'a, str>,
    /// The text as people see it.
    pub(crate) shown: Cow<'a, str>,
    /// Where `seen` and `shown` drift apart: (offset in `seen`, bytes that `shown` is ahead from there).
    drift: Vec<(usize, usize)>,
    /// Offsets in `shown` at which lines begin.
    lines: Vec<usize>,
    /// Bytes before `shown` in the file: the byte order mark.
    mark: usize,
    /// What is wrong with the bytes, and where in `shown`.
    pub(crate) fault: Option<Fault>,
    /// An encoding that the file declares and that nobody here can read.
    pub(crate) encoding: Option<(Range<usize>, String)>,
}

impl<'a> Text<'a> {
    pub(crate) fn new(bytes: &'a [u8], language: Language) -> Self {
        let (shown, mark, mut fault) = decoded(bytes);
        if let Some(at) = shown.find('\0')
            && fault.is_none()
        {
            fault = Some((at..at + 1, "a zero byte, which no source file has"));
        }
        let encoding = if language == Language::Python { declared(&shown) } else { None };
        let (seen, drift) = match language {
            Language::Java => replaced(&shown, java_escape),
            Language::C | Language::Cpp => replaced(&shown, spliced),
            _ => (None, Vec::new()),
        };
        let seen = seen.map_or_else(|| shown.clone(), Cow::Owned);
        let lines = std::iter::once(0).chain(shown.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { seen, shown, drift, lines, mark, fault, encoding }
    }

    /// A range of what is parsed as a range of what is shown.
    pub(crate) fn shown_range(&self, seen: &Range<usize>) -> Range<usize> {
        let moved = |at: usize| {
            let behind = self.drift.partition_point(|(from, _)| *from <= at);
            at + behind.checked_sub(1).map_or(0, |last| self.drift[last].1)
        };
        moved(seen.start)..moved(seen.end.max(seen.start))
    }

    /// Where a range of what is parsed stands in the file.
    pub(crate) fn span(&self, seen: &Range<usize>) -> Span {
        self.span_shown(&self.shown_range(seen))
    }

    /// Where a range of what is shown stands in the file.
    pub(crate) fn span_shown(&self, shown: &Range<usize>) -> Span {
        let clip = |at: usize| self.shown.floor_char_boundary(at.min(self.shown.len()));
        let (start, end) = (clip(shown.start), clip(shown.end.max(shown.start)));
        let place = |at: usize| {
            let line = self.lines.partition_point(|begin| *begin <= at).max(1);
            let column = self.shown[self.lines[line - 1]..at].chars().count() + 1;
            (line as u32, column as u32)
        };
        let ((line, column), (end_line, end_column)) = (place(start), place(end));
        Span { line, column, end_line, end_column, start: (start + self.mark) as u32, end: (end + self.mark) as u32 }
    }
}

/// UTF-8, or UTF-16 if a byte order mark says so. A byte that is wrong becomes `?`, so that all places hold.
fn decoded(bytes: &[u8]) -> (Cow<'_, str>, usize, Option<Fault>) {
    const WRONG: &str = "bytes that are not UTF-8";
    match bytes {
        [0xFF, 0xFE, rest @ ..] => (utf16(rest, u16::from_le_bytes), 0, None),
        [0xFE, 0xFF, rest @ ..] => (utf16(rest, u16::from_be_bytes), 0, None),
        _ => {
            let mark = if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
            let bytes = &bytes[mark..];
            match std::str::from_utf8(bytes) {
                Ok(text) => (Cow::Borrowed(text), mark, None),
                Err(error) => {
                    let at = error.valid_up_to();
                    let mut text = String::with_capacity(bytes.len());
                    for chunk in bytes.utf8_chunks() {
                        text.push_str(chunk.valid());
                        text.extend(chunk.invalid().iter().map(|_| '?'));
                    }
                    (Cow::Owned(text), mark, Some((at..at + 1, WRONG)))
                }
            }
        }
    }
}

fn utf16(bytes: &[u8], read: fn([u8; 2]) -> u16) -> Cow<'static, str> {
    let units = bytes.chunks_exact(2).map(|pair| read([pair[0], pair[1]]));
    Cow::Owned(char::decode_utf16(units).map(|sign| sign.unwrap_or('?')).collect())
}

/// The encoding that one of the first two lines declares, if it is one that changes what plain letters mean or that is not
/// read here (PEP 263).
fn declared(text: &str) -> Option<(Range<usize>, String)> {
    let mut at = 0;
    for line in text.lines().take(2) {
        if let Some(comment) = line.trim_start().strip_prefix('#')
            && let Some(found) = comment.find("coding")
            && let Some(name) = comment[found + 6..].strip_prefix([':', '='])
        {
            let name: String = name
                .trim_start()
                .chars()
                .take_while(|sign| sign.is_ascii_alphanumeric() || "-_.".contains(*sign))
                .collect();
            let plain = name.to_ascii_lowercase().replace('_', "-");
            let is_known =
                ["utf-8", "utf8", "ascii", "us-ascii", "latin-1", "latin1", "iso-8859-", "cp125", "windows-125"]
                    .iter()
                    .any(|known| plain.starts_with(known));
            return (!is_known && !name.is_empty()).then(|| (at..at + line.len(), name));
        }
        at += line.len() + 1;
    }
    None
}

/// What becomes of a backslash: a sign (or none) for so many bytes, or so many bytes that stay.
type Rule = fn(&str) -> Result<(Option<char>, usize), usize>;

/// Replaces what `rule` knows, and notes the drift.
fn replaced(text: &str, rule: Rule) -> (Option<String>, Vec<(usize, usize)>) {
    let mut out = String::new();
    let mut drift = Vec::new();
    let (mut done, mut from) = (0, 0);
    while let Some(found) = text[from..].find('\\') {
        let at = from + found;
        match rule(&text[at..]) {
            Ok((sign, used)) => {
                out.push_str(&text[done..at]);
                out.extend(sign);
                done = at + used;
                from = done;
                drift.push((out.len(), done - out.len()));
            }
            Err(stays) => from = at + stays,
        }
    }
    if drift.is_empty() {
        return (None, drift);
    }
    out.push_str(&text[done..]);
    (Some(out), drift)
}

/// `\u0041` (JLS 3.3). Behind another backslash it is none.
fn java_escape(text: &str) -> Result<(Option<char>, usize), usize> {
    let stays = if text.starts_with("\\\\") { 2 } else { 1 };
    let marks = text[1..].len() - text[1..].trim_start_matches('u').len();
    let code = text.get(1 + marks..5 + marks).filter(|_| marks > 0);
    let code = code.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    code.and_then(char::from_u32).map_or(Err(stays), |sign| Ok((Some(sign), 5 + marks)))
}

/// A backslash at the end of a line (translation phase 2 of C).
fn spliced(text: &str) -> Result<(Option<char>, usize), usize> {
    if text.starts_with("\\\n") {
        Ok((None, 2))
    } else if text.starts_with("\\\r\n") {
        Ok((None, 3))
    } else {
        Err(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_hold_behind_replaced_signs() {
        let text = Text::new(b"a\\\nb c\nd", Language::C);
        assert_eq!(text.seen, "ab c\nd");
        assert_eq!(text.shown_range(&(3..4)), 5..6);
        let span = text.span(&(3..4));
        assert_eq!((span.line, span.column), (2, 3));
        let text = Text::new("\\u0053ystem \\\\u0041".as_bytes(), Language::Java);
        assert_eq!(text.seen, "System \\\\u0041");
        assert_eq!(text.span(&(0..6)).end_column, 12);
    }

    #[test]
    fn utf_16_and_wrong_bytes_are_read() {
        let text = Text::new(b"\xFF\xFEa\x00b\x00", Language::Python);
        assert_eq!(text.seen, "ab");
        let text = Text::new(b"a\xFFb", Language::Python);
        assert_eq!(text.seen, "a?b");
        assert_eq!(text.fault.as_ref().map(|(range, _)| range.clone()), Some(1..2));
    }
}
