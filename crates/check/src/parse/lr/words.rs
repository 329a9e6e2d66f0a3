//! Words that were read before: a program has few, and writes them again and again.
//!
//! In: a place in a text. Out: the token that generated code has found for the same signs in the same state, if it has looked at no
//! others: then it would find the same again. Not here: finding it (`palisade-tables`).

use palisade_tables::Token;

/// Words that are kept, one for each place that a hash gives.
const KEPT: usize = 1 << 11;
/// Signs of a word that is kept, with the space before it.
const LONGEST: u32 = 64;

/// A token, and the keyword that begins where it does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    pub(super) token: Token,
    pub(super) keyword: Option<Token>,
}

/// A word in a text, with the space before it and the sign behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    from: u32,
    /// The sign behind it.
    end: u32,
    mode: u16,
    number: usize,
}

#[derive(Debug, Default)]
pub(super) struct Words {
    kept: Vec<Option<(Place, Word)>>,
}

impl Words {
    /// The word that begins at a place, if one does.
    pub(super) fn place(&self, text: &str, from: u32, mode: u16) -> Option<Place> {
        let bytes = text.as_bytes().get(from as usize..)?;
        let bytes = &bytes[..bytes.len().min(LONGEST as usize)];
        let space = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let word = bytes[space..].iter().take_while(|byte| is_word(byte)).count();
        // Of others a sign may be more than a byte.
        if word == 0 || !bytes.get(space + word)?.is_ascii() {
            return None;
        }
        let signs = &bytes[..=space + word];
        let hash = signs.iter().fold(u64::from(mode), |hash, byte| {
            (hash.rotate_left(5) ^ u64::from(*byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        });
        let number = (hash >> 32) as usize % KEPT;
        Some(Place { from, end: from + (space + word) as u32, mode, number })
    }

    /// What was found for it.
    pub(super) fn find(&self, text: &str, place: &Place) -> Option<Word> {
        let (known, word) = self.kept.get(place.number)?.as_ref()?;
        let signs = |place: &Place| text.as_bytes().get(place.from as usize..=place.end as usize);
        if known.mode != place.mode || signs(known) != signs(place) {
            return None;
        }
        let moved = |token: Token| Token {
            start: token.start - known.from + place.from,
            end: token.end - known.from + place.from,
            ..token
        };
        Some(Word { token: moved(word.token), keyword: word.keyword.map(moved) })
    }

    /// Remembers what was found for it, unless more was looked at.
    pub(super) fn keep(&mut self, place: &Place, word: Word, reach: u32) {
        if reach > place.end {
            return;
        }
        if self.kept.is_empty() {
            self.kept.resize(KEPT, None);
        }
        self.kept[place.number] = Some((*place, word));
    }
}
