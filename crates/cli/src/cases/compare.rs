//! What a program printed against what it should have printed.
//!
//! Not here: where either comes from, what a difference means for the verdict (`verdict.rs`).

use std::str::FromStr;

use serde::{Serialize, Serializer};

/// How output is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Compare {
    /// Byte by byte.
    Exact,
    /// Line by line; white space at the end of a line and blank lines at the end are ignored.
    Trailing,
    /// Word by word; how they are spaced is ignored.
    Tokens,
    /// As tokens, and two numbers are equal if they differ by no more than this, absolutely or relatively.
    Float(f64),
}

impl FromStr for Compare {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "exact" => Ok(Self::Exact),
            None if text == "trailing" => Ok(Self::Trailing),
            None if text == "tokens" => Ok(Self::Tokens),
            Some(("float", eps)) => match eps.parse::<f64>() {
                Ok(eps) if eps > 0.0 && eps.is_finite() => Ok(Self::Float(eps)),
                _ => Err(format!("`{eps}` is no tolerance: write a positive number, as in float:1e-6")),
            },
            _ => Err("write exact, trailing, tokens or float:EPS, as in float:1e-6".to_owned()),
        }
    }
}

impl Serialize for Compare {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Exact => serializer.serialize_str("exact"),
            Self::Trailing => serializer.serialize_str("trailing"),
            Self::Tokens => serializer.serialize_str("tokens"),
            Self::Float(eps) => serializer.collect_str(&format_args!("float:{eps:e}")),
        }
    }
}

/// The first difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    /// Line of the output, from 1.
    pub(crate) line: usize,
    /// That line, or the word in it, escaped and cut; `None` if the output should have ended.
    pub(crate) expected: Option<String>,
    /// Likewise; `None` if the output ended.
    pub(crate) got: Option<String>,
}

/// The first difference, if there is one.
pub(crate) fn difference(how: Compare, expected: &[u8], got: &[u8]) -> Option<Difference> {
    match how {
        Compare::Exact if expected == got => None,
        Compare::Exact => {
            let line = |(line, text)| Piece { line, text };
            first(
                numbered(expected.split_inclusive(is_newline)).map(line),
                numbered(got.split_inclusive(is_newline)).map(line),
                |a, b| a == b,
            )
        }
        Compare::Trailing => first(lines(expected), lines(got), |a, b| a == b),
        Compare::Tokens => first(tokens(expected), tokens(got), |a, b| a == b),
        Compare::Float(eps) => first(tokens(expected), tokens(got), |a, b| a == b || is_near(a, b, eps)),
    }
}

/// A line or a word.
struct Piece<'a> {
    line: usize,
    text: &'a [u8],
}

fn first<'a>(
    mut expected: impl Iterator<Item = Piece<'a>>,
    mut got: impl Iterator<Item = Piece<'a>>,
    equal: impl Fn(&[u8], &[u8]) -> bool,
) -> Option<Difference> {
    loop {
        let (expected, got) = (expected.next(), got.next());
        let line = got.as_ref().or(expected.as_ref())?.line;
        let (expected, got) = (expected.map(|piece| piece.text), got.map(|piece| piece.text));
        if let (Some(expected), Some(got)) = (expected, got)
            && equal(expected, got)
        {
            continue;
        }
        let alike = expected.into_iter().flatten().zip(got.into_iter().flatten()).take_while(|(a, b)| a == b).count();
        let shown = |text: Option<&[u8]>| text.map(|text| excerpt(text, alike));
        return Some(Difference { line, expected: shown(expected), got: shown(got) });
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as `split` wants it")]
fn is_newline(byte: &u8) -> bool {
    *byte == b'\n'
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

fn numbered<'a>(lines: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = (usize, &'a [u8])> {
    lines.enumerate().map(|(index, line)| (index + 1, line))
}

/// Lines without white space at their ends, up to the last one that is not blank.
fn lines(text: &[u8]) -> impl Iterator<Item = Piece<'_>> {
    let end = text.iter().rposition(|byte| !is_space(*byte) && *byte != b'\n').map_or(0, |last| last + 1);
    let text = text.get(..end).unwrap_or_default();
    let all = (!text.is_empty()).then(|| text.split(is_newline)).into_iter().flatten();
    numbered(all).map(|(line, text)| {
        let end = text.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
        Piece { line, text: text.get(..end).unwrap_or_default() }
    })
}

fn tokens(text: &[u8]) -> impl Iterator<Item = Piece<'_>> {
    numbered(text.split(is_newline)).flat_map(|(line, text)| {
        text.split(|byte| is_space(*byte)).filter(|word| !word.is_empty()).map(move |text| Piece { line, text })
    })
}

fn is_near(expected: &[u8], got: &[u8], eps: f64) -> bool {
    let number = |text| std::str::from_utf8(text).ok()?.parse::<f64>().ok();
    let (Some(expected), Some(got)) = (number(expected), number(got)) else { return false };
    // Infinities are near each other only if they are the same one; nothing is near NaN.
    let finite = expected.is_finite() && got.is_finite();
    expected == got || finite && (expected - got).abs() <= eps * expected.abs().max(1.0)
}

/// Most characters of a line that are shown, and how many of them may stand before the difference.
const SHOWN: usize = 60;
const BEFORE: usize = 20;

/// A line for people: the part around its byte `at`, escaped.
pub(crate) fn excerpt(text: &[u8], at: usize) -> String {
    let begin = if text.len() > SHOWN { at.saturating_sub(BEFORE) } else { 0 };
    // Not in the middle of a letter.
    let begin = (begin..text.len()).find(|index| text[*index] & 0xc0 != 0x80).unwrap_or(begin);
    let rest = text.get(begin..).unwrap_or_default();
    let window = rest.get(..SHOWN * 4).unwrap_or(rest);
    let mut shown = if begin > 0 { "…".to_owned() } else { String::new() };
    let (mut count, mut bytes) = (0, 0);
    for chunk in window.utf8_chunks() {
        for sign in chunk.valid().chars().take(SHOWN - count) {
            (count, bytes) = (count + 1, bytes + sign.len_utf8());
            if palisade::spec::acts(sign) { shown.extend(sign.escape_default()) } else { shown.push(sign) }
        }
        for byte in chunk.invalid().iter().take(SHOWN - count) {
            (count, bytes) = (count + 1, bytes + 1);
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    if bytes < rest.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_equal(how: &str, expected: &str, got: &str) -> bool {
        difference(how.parse().unwrap(), expected.as_bytes(), got.as_bytes()).is_none()
    }

    #[test]
    fn white_space_at_ends_is_ignored_unless_every_byte_counts() {
        for got in ["1 2\n3\n", "1 2\n3", "1 2  \r\n3\t\n\n \n"] {
            assert!(is_equal("trailing", "1 2\n3\n", got), "{got:?}");
            assert!(is_equal("tokens", "1 2\n3\n", got), "{got:?}");
            assert_eq!(is_equal("exact", "1 2\n3\n", got), got == "1 2\n3\n", "{got:?}");
        }
        for got in ["1  2\n3\n", "1 2\n\n3\n", " 1 2\n3\n"] {
            assert!(!is_equal("trailing", "1 2\n3\n", got), "{got:?}");
            assert!(is_equal("tokens", "1 2\n3\n", got), "{got:?}");
        }
        for got in ["", "1 2\n", "1 2\n3\n4\n", "12\n3\n"] {
            for how in ["exact", "trailing", "tokens", "float:1e-6"] {
                assert!(!is_equal(how, "1 2\n3\n", got), "{how}: {got:?}");
            }
        }
        assert!(is_equal("trailing", "", "\n\n") && is_equal("tokens", " ", "") && is_equal("exact", "", ""));
    }

    #[test]
    fn numbers_may_differ_by_the_tolerance_and_words_not_at_all() {
        assert!(is_equal("float:1e-6", "0.3333333 yes", "0.33333335 yes"));
        assert!(is_equal("float:1e-6", "1e9 2", "1000000100 2.0"), "relatively");
        assert!(!is_equal("float:1e-6", "0.333", "0.334"));
        assert!(!is_equal("float:1e-6", "0.5 yes", "0.5 no"));
        assert!(is_equal("float:1", "inf nan", "inf nan"));
        assert!(
            !is_equal("float:1", "inf", "-inf") && !is_equal("float:1", "0", "nan") && !is_equal("float:1", "inf", "1")
        );
        for wrong in ["float:0", "float:-1", "float:x", "float:inf", "float", "exactly"] {
            assert!(wrong.parse::<Compare>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_first_difference_is_told_with_its_line() {
        let told = |how: &str, expected: &str, got: &str| {
            let difference = difference(how.parse().unwrap(), expected.as_bytes(), got.as_bytes()).unwrap();
            (difference.line, difference.expected.unwrap_or("END".into()), difference.got.unwrap_or("END".into()))
        };
        assert_eq!(told("trailing", "1\n2\n", "1\n3\n"), (2, "2".into(), "3".into()));
        assert_eq!(told("trailing", "1\n2\n", "1\n"), (2, "2".into(), "END".into()));
        assert_eq!(told("tokens", "1", "1\n\n7 8"), (3, "END".into(), "7".into()));
        assert_eq!(told("exact", "1\n", "1"), (1, "1\\n".into(), "1".into()));
    }

    #[test]
    fn what_is_shown_is_short_and_moves_no_cursor() {
        assert_eq!(excerpt(b"a\x1b[2J\xff", 0), "a\\u{1b}[2J\\xff");
        let long = [b"x".repeat(5000), "é\u{7}".as_bytes().to_vec(), b"y".repeat(5000)].concat();
        let shown = excerpt(&long, 5000);
        assert!(shown.starts_with("…xxx") && shown.ends_with("yyy…") && shown.contains("é\\u{7}"), "{shown}");
        assert!(shown.chars().count() < 80, "{shown}");
        assert_eq!(excerpt("äöü".repeat(100).as_bytes(), 41).chars().count(), SHOWN + 2);
    }
}
