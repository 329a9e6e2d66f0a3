//! Words and signs that were read before: a program has few, and writes them again and again.
//!
//! In: a place in a text. Out: the token that generated code has found for the same bytes in the same state, if it has looked at no
//! others: then it would find the same again. Not here: finding it (`palisade-tables`).

use palisade_tables::Token;

/// Words that are kept, one for each place that a hash gives.
const KEPT: usize = 1 << 12;
/// Bytes of a word that is kept, with the space before it and the byte behind it.
const LONGEST: usize = 64;

/// A token, and the keyword that begins where it does: which it is, and where it ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    pub(super) token: Token,
    pub(super) keyword: Option<(u16, u32)>,
}

/// A word or a sign in a text, with the space before it and the byte behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    from: u32,
    /// The byte behind it.
    end: u32,
    mode: u16,
    number: u16,
}

/// What was found there; places are counted from the first byte.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    from: u32,
    mode: u16,
    symbol: u16,
    keyword: u16,
    /// 0 if nothing is kept.
    length: u8,
    start: u8,
    end: u8,
    /// 0 if there is no keyword.
    keyword_end: u8,
}

#[derive(Debug, Default)]
pub(super) struct Words {
    kept: Vec<Kept>,
}

impl Words {
    /// The word or sign that begins at a place, if it can be kept.
    pub(super) fn place(text: &str, from: u32, mode: u16) -> Option<Place> {
        let bytes = text.as_bytes().get(from as usize..)?;
        let bytes = &bytes[..bytes.len().min(LONGEST)];
        let mut hash = u64::from(mode);
        let mut add = |byte: u8| hash = (hash.rotate_left(5) ^ u64::from(byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let (mut at, mut in_word) = (0, false);
        loop {
            let byte = *bytes.get(at)?;
            // Of others a sign may be more than a byte.
            if !byte.is_ascii() {
                return None;
            }
            add(byte);
            at += 1;
            if is_word(byte) {
                in_word = true;
            } else if in_word {
                break;
            } else if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                let behind = *bytes.get(at)?;
                if !behind.is_ascii() {
                    return None;
                }
                add(behind);
                at += 1;
                break;
            }
        }
        Some(Place { from, end: from + at as u32 - 1, mode, number: (hash >> 52) as u16 })
    }

    /// What was found for it.
    pub(super) fn find(&self, text: &str, place: &Place) -> Option<Word> {
        let kept = self.kept.get(usize::from(place.number))?;
        let length = place.end + 1 - place.from;
        let bytes = |from: u32| text.as_bytes().get(from as usize..(from + length) as usize);
        if kept.mode != place.mode || u32::from(kept.length) != length || bytes(kept.from) != bytes(place.from) {
            return None;
        }
        let at = |count: u8| place.from + u32::from(count);
        let token = Token { symbol: kept.symbol, start: at(kept.start), end: at(kept.end) };
        Some(Word { token, keyword: (kept.keyword_end > 0).then(|| (kept.keyword, at(kept.keyword_end))) })
    }

    /// Remembers what was found for it, unless more was looked at.
    pub(super) fn keep(&mut self, place: &Place, word: Word, reach: u32) {
        if reach > place.end {
            return;
        }
        if self.kept.is_empty() {
            self.kept.resize(KEPT, Kept::default());
        }
        // None is longer than `LONGEST`.
        let count = |at: u32| (at - place.from) as u8;
        self.kept[usize::from(place.number)] = Kept {
            from: place.from,
            mode: place.mode,
            symbol: word.token.symbol,
            keyword: word.keyword.map_or(0, |(symbol, _)| symbol),
            length: count(place.end + 1),
            start: count(word.token.start),
            end: count(word.token.end),
            keyword_end: word.keyword.map_or(0, |(_, end)| count(end)),
        };
    }
}
