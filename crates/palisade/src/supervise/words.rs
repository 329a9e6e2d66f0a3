//! The agent's words among a program's errors, found and taken out.
//!
//! What comes before the program starts is not the program's: the wall's own program says why it failed. What comes after its
//! end is nobody's. Not here: what follows from a word (`guest.rs`).

use std::collections::VecDeque;

use memchr::memmem::Finder;
use palisade_spec::guest::{LONGEST_BODY, PREFIX, SECRET, Secrets, Word};

/// Bytes before the body of a word.
const HEAD: usize = PREFIX + SECRET + 2;
/// So many words may wait; of more, hostile calls are not taken in.
const WAITING: usize = 4096;
/// Bytes of what the wall's program says that are kept, the first ones.
const COMPLAINTS: usize = 16 << 10;

/// Whose turn it is to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaker {
    Wall,
    Program,
    Nobody,
}

/// Reads one stream.
#[derive(Debug)]
pub(super) struct Words {
    secrets: Secrets,
    finder: Finder<'static>,
    speaker: Speaker,
    /// The beginning of what may become a word.
    held: Vec<u8>,
    complaints: Vec<u8>,
    heard: VecDeque<Word>,
}

impl Words {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self {
            finder: Finder::new(&secrets.prefix).into_owned(),
            secrets,
            speaker: Speaker::Wall,
            held: Vec::new(),
            complaints: Vec::new(),
            heard: VecDeque::new(),
        }
    }

    /// The next word that was heard.
    pub(super) fn next(&mut self) -> Option<Word> {
        self.heard.pop_front()
    }

    /// What the wall's program said before the program started.
    pub(super) fn complaints(&self) -> String {
        String::from_utf8_lossy(&self.complaints).trim().to_owned()
    }

    /// Takes in what was read, and gives what of it the program wrote.
    pub(super) fn pass(&mut self, read: &[u8]) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(read);
        let mut written = Vec::new();
        let mut rest = bytes.as_slice();
        while let Some(at) = self.finder.find(rest) {
            let (before, from) = rest.split_at(at);
            self.said(before, &mut written);
            match self.word(from) {
                Taken::Word(word, length) => {
                    match word {
                        Word::Started => self.speaker = Speaker::Program,
                        Word::Ended { .. } => self.speaker = Speaker::Nobody,
                        Word::Failed { .. } | Word::Called { .. } | Word::Counted { .. } => {}
                    }
                    // Who has stolen this secret accuses itself, and not for ever.
                    if self.heard.len() < WAITING || !matches!(word, Word::Called { .. }) {
                        self.heard.push_back(word);
                    }
                    rest = from.get(length..).unwrap_or_default();
                }
                Taken::NoWord => {
                    let (prefix, after) = from.split_at(PREFIX);
                    self.said(prefix, &mut written);
                    rest = after;
                }
                Taken::More => {
                    self.held = from.to_vec();
                    return written;
                }
            }
        }
        // The prefix may have begun.
        let begun =
            (1..PREFIX).rev().find(|&length| rest.ends_with(self.secrets.prefix.get(..length).unwrap_or_default()));
        let (before, held) = rest.split_at(rest.len() - begun.unwrap_or(0));
        self.said(before, &mut written);
        self.held = held.to_vec();
        written
    }

    /// Nothing more will be read: what has begun is no word.
    pub(super) fn end(&mut self) -> Vec<u8> {
        let (held, mut written) = (std::mem::take(&mut self.held), Vec::new());
        self.said(&held, &mut written);
        written
    }

    fn said(&mut self, bytes: &[u8], written: &mut Vec<u8>) {
        match self.speaker {
            Speaker::Wall => {
                let room = COMPLAINTS.saturating_sub(self.complaints.len());
                self.complaints.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
            }
            Speaker::Program => written.extend_from_slice(bytes),
            Speaker::Nobody => {}
        }
    }

    /// The word at the beginning, with its length.
    fn word(&self, from: &[u8]) -> Taken {
        let Some(head) = from.get(..HEAD) else { return Taken::More };
        let (secret, length) = head.split_at(PREFIX).1.split_at(SECRET);
        let Some(kind) = self.secrets.kinds.iter().position(|known| known == secret) else { return Taken::NoWord };
        let length = usize::from(u16::from_le_bytes(length.try_into().unwrap_or_default()));
        if length > LONGEST_BODY {
            return Taken::NoWord;
        }
        let Some(body) = from.get(HEAD..HEAD + length) else { return Taken::More };
        match serde_json::from_slice::<Word>(body) {
            Ok(word) if word.kind() == kind => Taken::Word(word, HEAD + length),
            _ => Taken::NoWord,
        }
    }
}

enum Taken {
    Word(Word, usize),
    NoWord,
    /// More has to be read to say.
    More,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn secrets() -> Secrets {
        Secrets { prefix: *b"\x01refix!!", kinds: [[1; SECRET], [2; SECRET], [3; SECRET], [4; SECRET], [5; SECRET]] }
    }

    fn stream() -> Vec<u8> {
        let mark = |word: &Word| secrets().mark(word).unwrap();
        let mut bytes = b"bwrap: noise\n".to_vec();
        bytes.extend(mark(&Word::Started));
        bytes.extend(b"mine \x01refix!! also mine \x01ref");
        bytes.extend(mark(&Word::Called { number: 101 }));
        bytes.extend(b"rest\x01");
        bytes.extend(mark(&Word::Ended { status: 256, cpu_micros: 7, calls: vec![] }));
        bytes.extend(b"a straggler");
        bytes
    }

    #[test]
    fn words_are_found_however_the_stream_is_cut() {
        let bytes = stream();
        for size in 1..bytes.len() {
            let mut words = Words::new(secrets());
            let mut written: Vec<u8> = bytes.chunks(size).flat_map(|chunk| words.pass(chunk)).collect();
            written.extend(words.end());
            assert_eq!(String::from_utf8(written).unwrap(), "mine \x01refix!! also mine \x01refrest\x01", "by {size}");
            let heard: Vec<Word> = std::iter::from_fn(|| words.next()).collect();
            let ended = Word::Ended { status: 256, cpu_micros: 7, calls: vec![] };
            assert_eq!(heard, [Word::Started, Word::Called { number: 101 }, ended], "by {size}");
            assert_eq!(words.complaints(), "bwrap: noise");
        }
    }

    #[test]
    fn a_word_is_only_what_its_own_secret_marks() {
        let mut words = Words::new(secrets());
        let mut forged = secrets().mark(&Word::Started).unwrap();
        let body = serde_json::to_vec(&Word::Ended { status: 0, cpu_micros: 0, calls: vec![] }).unwrap();
        forged.truncate(PREFIX + SECRET);
        forged.extend(u16::try_from(body.len()).unwrap().to_le_bytes());
        forged.extend(body);
        assert_eq!((words.pass(&forged), words.next()), (Vec::new(), None));
        assert!(words.complaints().contains("Ended"));
    }
}
