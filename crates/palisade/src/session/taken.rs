//! What a session prints, on its way to whoever evaluates: kept or passed on, up to the limit of one input.
//!
//! Not here: telling it from answers (`marked.rs`), and when it is read (`mod.rs`).

use palisade_spec::Stream;

/// Which of two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Printed {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// What becomes of what an input prints.
pub enum Sink<'a> {
    /// It is kept for the [`palisade_spec::Evaluation`].
    Keep,
    /// It is given away as it comes, and only counted in the evaluation.
    Pass(&'a mut dyn FnMut(Printed, &[u8])),
}

/// What has been taken so far.
pub(super) struct Taken<'a, 'b> {
    /// Standard output and standard error.
    pub(super) streams: [Stream; 2],
    sink: &'a mut Sink<'b>,
    limit: u64,
}

impl<'a, 'b> Taken<'a, 'b> {
    /// Goes on after `early`, which was kept before there was this sink.
    pub(super) fn after(mut early: [Stream; 2], sink: &'a mut Sink<'b>, limit: u64) -> Self {
        if let Sink::Pass(pass) = sink {
            for (stream, which) in early.iter_mut().zip([Printed::Output, Printed::Error]) {
                let kept = std::mem::take(&mut stream.kept);
                if !kept.is_empty() {
                    pass(which, &kept);
                }
            }
        }
        Self { streams: early, sink, limit }
    }

    pub(super) fn take(&mut self, which: Printed, bytes: &[u8]) {
        let [out, err] = &mut self.streams;
        let stream = if which == Printed::Output { out } else { err };
        let room = usize::try_from(self.limit.saturating_sub(stream.total)).unwrap_or(usize::MAX);
        let kept = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        match self.sink {
            Sink::Keep => stream.kept.extend_from_slice(kept),
            Sink::Pass(pass) if !kept.is_empty() => pass(which, kept),
            Sink::Pass(_) => {}
        }
        stream.total += bytes.len() as u64;
        stream.cut |= kept.len() < bytes.len();
    }
}

impl std::fmt::Debug for Sink<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Keep => "Keep",
            Self::Pass(_) => "Pass",
        })
    }
}
