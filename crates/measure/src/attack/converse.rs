//! Listening to an attacker: its words as they come, the look at its height, the end of its output.

use std::{
    io::{PipeReader, PipeWriter, Read},
    os::fd::BorrowedFd,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    host,
    scene::{Scene, Word},
};

/// Bytes of the output that are kept: more than any answer has.
const KEPT: usize = 1 << 20;
/// Bytes of its end that are kept, for the answer that follows a flood.
const TAIL: usize = 4096;

/// What was heard.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) output: Vec<u8>,
    tail: Vec<u8>,
    pub(crate) bytes: u64,
    at_height: bool,
    /// Until the end of the output.
    pub(crate) took: Duration,
    /// What was seen at the height.
    pub(crate) effect: Option<String>,
    pub(crate) why: Silence,
}

/// Why nothing more was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// The output ended.
    End,
    /// It has not ended in time.
    Late,
    /// The caller wants to stop.
    Cancelled,
}

/// Hears an attacker out. At the height of the attack the scene's look is taken, and then the attacker's input ended.
pub(crate) fn converse(
    mut output: PipeReader,
    input: PipeWriter,
    scene: &mut Scene,
    token: &str,
    cancel: Option<BorrowedFd<'_>>,
    patience: Duration,
) -> Heard {
    let (begin, end) = (Instant::now(), Instant::now() + patience);
    // Who has nothing to wait for has no input.
    let mut input = scene.held.is_some().then_some(input);
    let mut heard = Heard::of(&[]);
    let mut block = vec![0_u8; 64 << 10];
    loop {
        heard.why = match wait(&output, cancel, end.saturating_duration_since(Instant::now())) {
            Some(silence) => silence,
            None => match output.read(&mut block) {
                Ok(0) | Err(_) => Silence::End,
                Ok(count) => {
                    heard.take(&block[..count]);
                    if input.is_some() && !heard.at_height && heard.says_so() {
                        heard.at_height = true;
                        heard.effect = scene.held.as_mut().and_then(|look| look(&host::attackers(token)));
                        input = None;
                    }
                    continue;
                }
            },
        };
        drop(input);
        heard.took = begin.elapsed();
        return heard;
    }
}

/// Waits for output; `None` if there is some.
fn wait(output: &PipeReader, cancel: Option<BorrowedFd<'_>>, patience: Duration) -> Option<Silence> {
    let mut fds = vec![PollFd::new(output, PollFlags::IN)];
    fds.extend(cancel.map(|cancel| PollFd::from_borrowed_fd(cancel, PollFlags::IN)));
    let patience = Timespec::try_from(patience).ok();
    loop {
        match poll(&mut fds, patience.as_ref()) {
            Ok(0) => return Some(Silence::Late),
            Ok(_) if fds.get(1).is_some_and(|fd| !fd.revents().is_empty()) => return Some(Silence::Cancelled),
            Ok(_) => return None,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Some(Silence::End),
        }
    }
}

impl Heard {
    /// Of output that is all there.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut heard = Self {
            output: Vec::new(),
            tail: Vec::new(),
            bytes: 0,
            at_height: false,
            took: Duration::ZERO,
            effect: None,
            why: Silence::End,
        };
        heard.take(bytes);
        heard
    }

    fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let room = KEPT.saturating_sub(self.output.len());
        self.output.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL)..]);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
    }

    /// Whether a whole line says that the attack is at its height.
    fn says_so(&self) -> bool {
        let lines = self.output.split_inclusive(|byte| *byte == b'\n');
        lines.into_iter().any(|line| line.starts_with(b"HOLDING ") && line.ends_with(b"\n"))
    }

    /// What it said last, if that is an answer.
    pub(crate) fn word(&self) -> Option<Word> {
        let whole = self.output.len() as u64 == self.bytes;
        let text = String::from_utf8_lossy(if whole { &self.output } else { &self.tail });
        let last = text.lines().rfind(|line| !line.is_empty())?;
        let (word, rest) = last.split_once(' ')?;
        let rest = rest.to_owned();
        match word {
            "SUCCEEDED" => Some(Word::Succeeded(rest)),
            "BLOCKED" => Some(Word::Blocked(rest)),
            "INCONCLUSIVE" => Some(Word::Doubt(rest)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_answer_however_long_it_is() {
        let long = "x".repeat(100_000);
        let heard = Heard::of(format!("HOLDING still\nSUCCEEDED {long}\n").as_bytes());
        assert_eq!(heard.word(), Some(Word::Succeeded(long)));
        assert_eq!(Heard::of(b"BLOCKED open: EPERM\n\n").word(), Some(Word::Blocked("open: EPERM".into())));
        assert_eq!(Heard::of(b"anything else\n").word(), None);
        assert_eq!(Heard::of(b"").word(), None);
    }

    #[test]
    fn an_answer_after_a_flood_is_found_and_the_flood_is_counted() {
        let mut bytes = vec![b'x'; 3 << 20];
        bytes.extend_from_slice(b"\nINCONCLUSIVE why\n");
        let heard = Heard::of(&bytes);
        assert_eq!((heard.word(), heard.bytes), (Some(Word::Doubt("why".into())), bytes.len() as u64));
        assert_eq!(heard.output.len(), KEPT);
    }

    #[test]
    fn the_height_is_a_whole_line() {
        assert!(Heard::of(b"HOLDING x\n").says_so());
        assert!(!Heard::of(b"HOLDING x").says_so());
        assert!(!Heard::of(b"SUCCEEDED HOLDING \n").says_so());
    }
}
