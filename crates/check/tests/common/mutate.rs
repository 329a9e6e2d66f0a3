//! Texts that nobody would write, made of those that somebody has.
//!
//! In: texts, and a generator of numbers. Out: one of them with a few changes. Not here: what must hold for it.
#![allow(unreachable_pub, reason = "each test uses its part")]

/// Words that grammars stumble over.
const WORDS: [&[u8]; 40] = [
    b"(",
    b")",
    b"[",
    b"]",
    b"{",
    b"}",
    b"\"",
    b"'",
    b"`",
    b"\"\"\"",
    b"\\",
    b"\n",
    b"\r\n",
    b"\t",
    b"\0",
    b"\xFF",
    b"\xEF\xBB\xBF",
    b"\xF0\x9F\x98\x80",
    b"\\u0022",
    b"\\u{110000}",
    b"//",
    b"/*",
    b"*/",
    b"#",
    b"##",
    b"#define A(x) x##x\n",
    b"${",
    b"f'{",
    b"<",
    b">",
    b"::",
    b"=>",
    b"r#\"",
    b"R\"(",
    b"import ",
    b"use ",
    b"eval",
    b"__import__(",
    b"lambda: ",
    b"\\\n",
];

/// Marsaglia's xorshift64: the same numbers everywhere.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.next() % end as u64) as usize }
    }
}

/// One of the seeds with some changes.
pub fn mutated(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut text = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(text.len() + 1);
        let end = (at + random.below(40)).min(text.len());
        match random.below(8) {
            0 => drop(text.drain(at..end)),
            1 => {
                let part = text[at..end].to_vec();
                text.splice(at..at, part);
            }
            2 => text.truncate(at),
            3 => {
                let other = &seeds[random.below(seeds.len())];
                let (from, length) = (random.below(other.len() + 1), random.below(200));
                let part = other[from..(from + length).min(other.len())].to_vec();
                text.splice(at..at, part);
            }
            4 => {
                let word = WORDS[random.below(WORDS.len())];
                // Sometimes deeper than anybody can follow.
                let times = if random.below(20) == 0 { 4000 } else { 1 + random.below(4) };
                text.splice(at..at, word.repeat(times));
            }
            5 if at < text.len() => text[at] ^= 1 << random.below(8),
            _ => {
                let word = WORDS[random.below(WORDS.len())];
                text.splice(at..end, word.to_vec());
            }
        }
    }
    text.truncate(40_000);
    text
}
