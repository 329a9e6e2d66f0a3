//! One stream of a session: what is printed, and answers behind marks.
//!
//! An answer comes in pieces: the mark, `+` or `.` (the last one), the length of the piece in four hexadecimal digits, the
//! piece. A piece is written at once and is below what a pipe takes whole (pipe(7): `PIPE_BUF`), so that others who print on
//! the same stream cannot get between. Who does not know the mark cannot forge one. Not here: what an answer says (`mod.rs`).

use std::{io, os::fd::OwnedFd};

use memchr::memmem;
use rustix::{
    buffer::spare_capacity,
    io::{Errno, read},
};

/// Bytes read at once.
const CHUNK: usize = 64 << 10;
/// Chunks taken from one stream before the other one, and the time, get their turn.
const TURN: usize = 16;
/// Behind a mark: the kind of piece, and its length.
const HEADER: usize = 5;
/// Longest answer, whatever the limit.
const ANSWER: usize = 64 << 20;
/// Bytes of the names in an answer, and of what stands between its texts.
const NAMES: usize = 1 << 10;
/// Bytes that JSON may take for each sign of the limit: there are four texts, and a sign is up to two `\uXXXX`.
const SIGN: usize = 4 * 12;

/// What the answer to one input stands behind.
#[derive(Debug)]
pub(super) struct Mark(String);

impl Mark {
    /// A new one.
    ///
    /// # Errors
    /// If the kernel has no random numbers.
    pub(super) fn new() -> io::Result<Self> {
        super::random().map(Self)
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

/// Our end of a stream.
#[derive(Debug)]
pub(super) struct Marked {
    pipe: Option<OwnedFd>,
    /// What may be the beginning of a mark or piece, or comes behind an answer.
    held: Vec<u8>,
    /// Pieces of an answer that has begun.
    pieces: Vec<u8>,
    /// Bytes of an answer that are kept. No driver gives a longer one.
    longest: usize,
}

impl Marked {
    /// The one where answers have texts of up to `most` signs.
    pub(super) fn of_answers(pipe: Option<OwnedFd>, most: u64) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let longest = most.saturating_mul(SIGN).saturating_add(NAMES).min(ANSWER);
        Self { longest, ..Self::of_ends(pipe) }
    }

    /// The one where nothing stands behind a mark.
    pub(super) const fn of_ends(pipe: Option<OwnedFd>) -> Self {
        Self { pipe, held: Vec::new(), pieces: Vec::new(), longest: 0 }
    }

    /// Whether more may come.
    pub(super) const fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    pub(super) const fn pipe(&self) -> Option<&OwnedFd> {
        self.pipe.as_ref()
    }

    /// Takes what has come: prints it, up to an answer, which it gives.
    ///
    /// # Errors
    /// What read(2) says.
    pub(super) fn until(&mut self, mark: &Mark, print: &mut dyn FnMut(&[u8])) -> io::Result<Option<Vec<u8>>> {
        for _ in 0..TURN {
            if let Some(answer) = self.split(mark.0.as_bytes(), print) {
                return Ok(Some(answer));
            }
            if !self.fill()? {
                break;
            }
        }
        if self.pipe.is_none() {
            print(&std::mem::take(&mut self.held));
        }
        Ok(None)
    }

    /// Prints all that has come.
    ///
    /// # Errors
    /// What read(2) says.
    pub(super) fn rest(&mut self, print: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        for _ in 0..TURN {
            print(&self.held);
            self.held.clear();
            if !self.fill()? {
                break;
            }
        }
        Ok(())
    }

    /// `false` if nothing has come.
    fn fill(&mut self) -> io::Result<bool> {
        let Some(pipe) = &self.pipe else { return Ok(false) };
        self.held.reserve(CHUNK);
        match read(pipe, spare_capacity(&mut self.held)) {
            Ok(0) => {
                self.pipe = None;
                Ok(false)
            }
            Ok(_) | Err(Errno::INTR) => Ok(true),
            Err(Errno::AGAIN) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Prints what stands before a mark, and takes the pieces behind it.
    fn split(&mut self, mark: &[u8], print: &mut dyn FnMut(&[u8])) -> Option<Vec<u8>> {
        let mut done = 0;
        let mut answer = None;
        while answer.is_none() {
            let rest = self.held.get(done..).unwrap_or_default();
            let Some(at) = memmem::find(rest, mark) else {
                let ready = rest.len() - beginning(rest, mark);
                print(rest.get(..ready).unwrap_or_default());
                done += ready;
                break;
            };
            print(rest.get(..at).unwrap_or_default());
            done += at;
            let behind = rest.get(at + mark.len()..).unwrap_or_default();
            let Some(header) = behind.get(..HEADER) else { break };
            let Some((is_last, length)) = piece(header) else {
                // Not from the driver.
                print(mark);
                done += mark.len();
                continue;
            };
            let Some(text) = behind.get(HEADER..HEADER + length) else { break };
            let room = self.longest.saturating_sub(self.pieces.len());
            self.pieces.extend_from_slice(text.get(..room).unwrap_or(text));
            done += mark.len() + HEADER + length;
            if is_last {
                answer = Some(std::mem::take(&mut self.pieces));
            }
        }
        self.held.drain(..done);
        answer
    }
}

/// Whether it is the last piece, and how long it is.
fn piece(header: &[u8]) -> Option<(bool, usize)> {
    let (kind, length) = header.split_first()?;
    let is_last = match kind {
        b'+' => false,
        b'.' => true,
        _ => return None,
    };
    Some((is_last, usize::from_str_radix(std::str::from_utf8(length).ok()?, 16).ok()?))
}

/// How many of the last bytes may be the beginning of the mark.
fn beginning(text: &[u8], mark: &[u8]) -> usize {
    let longest = text.len().min(mark.len() - 1);
    (1..=longest).rev().find(|length| text.ends_with(mark.get(..*length).unwrap_or_default())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::{PipeWriter, Write as _};

    use rustix::io::ioctl_fionbio;

    use super::*;

    fn pipe() -> (Option<OwnedFd>, PipeWriter) {
        let (reader, writer) = std::io::pipe().unwrap();
        ioctl_fionbio(&reader, true).unwrap();
        (Some(reader.into()), writer)
    }

    fn stream() -> (Marked, PipeWriter) {
        let (pipe, writer) = pipe();
        (Marked::of_answers(pipe, 0), writer)
    }

    #[test]
    fn of_an_answer_no_more_is_kept_than_the_limit_makes_possible() {
        let mark = Mark::new().unwrap();
        let piece = format!("{}+0400{}", mark.text(), "x".repeat(1024));
        let text = format!("{}{}.0000", piece.repeat(9), mark.text());
        let kept = |of: fn(Option<OwnedFd>) -> Marked| {
            let (pipe, mut writer) = pipe();
            writer.write_all(text.as_bytes()).unwrap();
            of(pipe).until(&mark, &mut |bytes| assert!(bytes.is_empty(), "{bytes:?}")).unwrap().unwrap().len()
        };
        assert_eq!(kept(|pipe| Marked::of_answers(pipe, 0)), 1024);
        assert_eq!(kept(|pipe| Marked::of_answers(pipe, 100)), 1024 + 100 * 48);
        assert_eq!(kept(|pipe| Marked::of_answers(pipe, u64::MAX)), 9 * 1024);
        assert_eq!(kept(Marked::of_ends), 0);
    }

    #[test]
    fn an_answer_is_found_wherever_the_stream_is_cut() {
        let mark = Mark::new().unwrap();
        let text = format!("out\0{}x{m}+0003abcmore{m}.0002de tail", &mark.text()[..7], m = mark.text());
        for cut in 0..text.len() {
            let (mut marked, mut writer) = stream();
            let (mut printed, mut answer) = (Vec::new(), None);
            for part in [&text[..cut], &text[cut..]] {
                writer.write_all(part.as_bytes()).unwrap();
                if answer.is_none() {
                    answer = marked.until(&mark, &mut |bytes| printed.extend_from_slice(bytes)).unwrap();
                }
            }
            assert_eq!(answer.unwrap(), b"abcde", "cut at {cut}");
            assert_eq!(printed, format!("out\0{}xmore", &mark.text()[..7]).as_bytes(), "cut at {cut}");
            let mut rest = Vec::new();
            marked.rest(&mut |bytes| rest.extend_from_slice(bytes)).unwrap();
            assert_eq!(rest, b" tail", "cut at {cut}");
        }
    }

    #[test]
    fn a_mark_without_a_piece_is_print() {
        let mark = Mark::new().unwrap();
        let (mut marked, mut writer) = stream();
        writer.write_all(format!("{m}?0000{m}+zzzz{m}", m = mark.text()).as_bytes()).unwrap();
        drop(writer);
        let mut printed = Vec::new();
        assert!(marked.until(&mark, &mut |bytes| printed.extend_from_slice(bytes)).unwrap().is_none());
        assert_eq!(printed, format!("{m}?0000{m}+zzzz{m}", m = mark.text()).as_bytes());
        assert!(!marked.is_open());
    }
}
