//! The three streams between a program and the caller.
//!
//! The program always gets pipes of ours, never a descriptor of the caller's: a terminal could be written to and typed
//! into, and a file reopened for writing through /proc/self/fd. Not here: deciding what an excess means (`mod.rs`).

use std::{
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use palisade_spec::{Input, Output, OutputExcess, Stream};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{FileType, Mode, OFlags, fstat, open},
    io::{Errno, fcntl_dupfd_cloexec, ioctl_fionbio, read, write},
    pipe::{PipeFlags, pipe_with},
};

use super::meter::NULL;
use crate::native::Pipes;

const CHUNK: usize = 64 << 10;

/// Chunks moved from one pipe before timers and the other descriptors get their turn.
const TURN: usize = 16;

/// Our ends.
#[derive(Debug)]
pub(crate) struct Streams {
    input: Option<Feed>,
    pub(crate) output: [Drain; 2],
    chunk: Vec<u8>,
}

/// Bytes on their way to the program.
#[derive(Debug)]
struct Feed {
    pipe: OwnedFd,
    source: Source,
    waiting: Vec<u8>,
    done: usize,
}

#[derive(Debug)]
enum Source {
    /// The caller's own standard input.
    Stdin,
    /// Something that the caller has given.
    File(File),
    /// No more than what waits already.
    Ended,
}

impl Source {
    /// Where more comes from.
    fn more(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Stdin => Some(rustix::stdio::stdin()),
            Self::File(file) => Some(file.as_fd()),
            Self::Ended => None,
        }
    }
}

/// Bytes on their way from the program.
#[derive(Debug)]
pub(crate) struct Drain {
    pipe: Option<OwnedFd>,
    sink: Sink,
    cap: u64,
    pub(crate) stream: Stream,
}

#[derive(Debug)]
enum Sink {
    /// Kept for the report.
    Keep,
    /// Passed on; what the receiver did not take yet waits here, and as long as it does nothing more is read.
    Pass { to: OwnedFd, portion: Portion, waiting: Vec<u8>, done: usize },
}

/// How much one write may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Portion {
    /// Anything: the descriptor does not block, or is a file.
    Any,
    /// Little, and only when there is room: a socket, or a terminal of another user, under the caller's own descriptor.
    Small,
}

impl Streams {
    /// Makes the pipes. Passing on needs the caller's streams 1 and 2 to be open. `limit`: bytes of each stream that are
    /// kept, and that may pass if more is an excess that kills.
    pub(crate) fn new(stdin: Input, output: Output, limit: u64, excess: OutputExcess) -> io::Result<(Self, Pipes)> {
        let passing = if excess == OutputExcess::Cut { u64::MAX } else { limit };
        // A file of the caller's keeps what it gets.
        let of_given = |file: &File| if is_regular(file.as_fd()) { limit } else { passing };
        let (stdin, input) = feed(stdin)?;
        let ((stdout, out), (stderr, err)) = match output {
            Output::Keep => (drain(Sink::Keep, limit)?, drain(Sink::Keep, limit)?),
            Output::Pass => {
                let [out, err] = [rustix::stdio::stdout(), rustix::stdio::stderr()].map(pass);
                (drain(out?, passing)?, drain(err?, passing)?)
            }
            Output::To { stdout, stderr } => {
                (drain(pass(stdout.as_fd())?, of_given(&stdout))?, drain(pass(stderr.as_fd())?, of_given(&stderr))?)
            }
        };
        Ok((Self { input, output: [out, err], chunk: vec![0; CHUNK] }, Pipes([stdin, stdout, stderr])))
    }

    /// Adds what there is to wait for.
    pub(crate) fn poll_on<'a>(&'a self, list: &mut Vec<PollFd<'a>>) {
        if let Some(feed) = &self.input {
            if feed.waiting.is_empty() {
                if let Some(more) = feed.source.more() {
                    list.push(PollFd::from_borrowed_fd(more, PollFlags::IN));
                }
                // Errors are always reported: the program may close its end while we wait for the caller.
                list.push(PollFd::new(&feed.pipe, PollFlags::empty()));
            } else {
                list.push(PollFd::new(&feed.pipe, PollFlags::OUT));
            }
        }
        for drain in &self.output {
            match (&drain.sink, &drain.pipe) {
                (Sink::Pass { to, waiting, .. }, _) if !waiting.is_empty() => {
                    list.push(PollFd::new(to, PollFlags::OUT));
                }
                (_, Some(pipe)) => list.push(PollFd::new(pipe, PollFlags::IN)),
                _ => {}
            }
        }
    }

    /// Moves what can be moved without waiting.
    pub(crate) fn serve(&mut self) -> io::Result<()> {
        if let Some(feed) = &mut self.input
            && !feed.serve()?
        {
            self.input = None;
        }
        let [out, err] = &mut self.output;
        out.serve(&mut self.chunk)?;
        err.serve(&mut self.chunk)
    }

    /// The program is gone: nothing more is fed.
    pub(crate) fn ended(&mut self) {
        self.input = None;
    }

    /// Drops what the reader did not take.
    pub(crate) fn give_up(&mut self) {
        for drain in &mut self.output {
            drain.stream.cut |= drain.pipe.take().is_some();
        }
    }

    /// Whether everything that the program wrote has reached its place.
    pub(crate) fn is_drained(&self) -> bool {
        self.output.iter().all(|drain| {
            drain.pipe.is_none() && !matches!(&drain.sink, Sink::Pass { waiting, .. } if !waiting.is_empty())
        })
    }
}

fn feed(input: Input) -> io::Result<(OwnedFd, Option<Feed>)> {
    let nothing = || open(NULL, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let (waiting, source) = match input {
        Input::Empty => return Ok((nothing()?, None)),
        Input::Bytes(bytes) if bytes.is_empty() => return Ok((nothing()?, None)),
        Input::Bytes(bytes) => (bytes, Source::Ended),
        Input::Inherit => {
            let own = fstat(rustix::stdio::stdin());
            if own.is_ok_and(|own| {
                FileType::from_raw_mode(own.st_mode) == FileType::CharacterDevice
                    && own.st_rdev == rustix::fs::makedev(1, 3)
            }) {
                return Ok((nothing()?, None));
            }
            (Vec::new(), Source::Stdin)
        }
        Input::File(file) => (Vec::new(), Source::File(file)),
    };
    let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
    ioctl_fionbio(&ours, true)?;
    Ok((theirs, Some(Feed { pipe: ours, source, waiting, done: 0 })))
}

impl Feed {
    /// `false` when nothing is left to do.
    fn serve(&mut self) -> io::Result<bool> {
        if self.waiting.is_empty() {
            if ready(self.pipe.as_fd(), PollFlags::empty()).contains(PollFlags::ERR) {
                return Ok(false); // the program has closed its end
            }
            let Some(more) = self.source.more() else { return Ok(false) };
            if ready(more, PollFlags::IN).is_empty() {
                return Ok(true);
            }
            let mut chunk = vec![0; CHUNK];
            match read(more, &mut chunk) {
                Ok(0) => return Ok(false),
                Ok(n) => {
                    chunk.truncate(n);
                    self.waiting = chunk;
                    self.done = 0;
                }
                Err(Errno::INTR | Errno::AGAIN) => return Ok(true),
                // As for any program that reads a directory or a dead terminal: the input ends here.
                Err(_) => return Ok(false),
            }
        }
        match write(&self.pipe, self.waiting.get(self.done..).unwrap_or_default()) {
            Ok(n) => self.done += n,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(Errno::PIPE) => return Ok(false), // the program does not want more
            Err(error) => return Err(error.into()),
        }
        if self.done >= self.waiting.len() {
            self.waiting.clear();
            return Ok(self.source.more().is_some());
        }
        Ok(true)
    }
}

fn drain(sink: Sink, cap: u64) -> io::Result<(OwnedFd, Drain)> {
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    ioctl_fionbio(&ours, true)?;
    Ok((theirs, Drain { pipe: Some(ours), sink, cap, stream: Stream::default() }))
}

fn pass(own: BorrowedFd<'_>) -> io::Result<Sink> {
    let (to, portion) = unblocked(own)?;
    Ok(Sink::Pass { to, portion, waiting: Vec::new(), done: 0 })
}

fn is_regular(file: BorrowedFd<'_>) -> bool {
    fstat(file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

/// The same pipe, terminal or file under a descriptor of its own that does not block: a slow reader must not hold up the
/// supervision, and setting the flag on the caller's own descriptor would change it for everybody who shares it.
fn unblocked(own: BorrowedFd<'_>) -> io::Result<(OwnedFd, Portion)> {
    use std::os::fd::AsRawFd;
    let kind = FileType::from_raw_mode(fstat(own)?.st_mode);
    if matches!(kind, FileType::Fifo | FileType::CharacterDevice) {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        if let Ok(fd) = open(format!("/proc/self/fd/{}", own.as_raw_fd()), flags, Mode::empty()) {
            return Ok((fd, Portion::Any));
        }
    }
    let portion = if kind == FileType::RegularFile { Portion::Any } else { Portion::Small };
    Ok((fcntl_dupfd_cloexec(own, 3)?, portion))
}

fn ready(fd: BorrowedFd<'_>, flags: PollFlags) -> PollFlags {
    let mut list = [PollFd::from_borrowed_fd(fd, flags)];
    match poll(&mut list, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
        Ok(_) => list[0].revents(),
        Err(_) => PollFlags::empty(),
    }
}

impl Drain {
    fn serve(&mut self, chunk: &mut [u8]) -> io::Result<()> {
        for _ in 0..TURN {
            if !self.flush()? {
                return Ok(());
            }
            let Some(pipe) = &self.pipe else { return Ok(()) };
            match read(pipe, &mut *chunk) {
                Ok(0) => self.pipe = None,
                Ok(n) => self.take(chunk.get(..n).unwrap_or_default()),
                Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) {
        let room = usize::try_from(self.cap.saturating_sub(self.stream.total)).unwrap_or(usize::MAX);
        let kept = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        match &mut self.sink {
            Sink::Keep => self.stream.kept.extend_from_slice(kept),
            Sink::Pass { waiting, .. } => waiting.extend_from_slice(kept),
        }
        self.stream.total += bytes.len() as u64;
        self.stream.cut |= kept.len() < bytes.len();
    }

    /// `false` while the receiver takes nothing.
    fn flush(&mut self) -> io::Result<bool> {
        let Sink::Pass { to, portion, waiting, done } = &mut self.sink else { return Ok(true) };
        while *done < waiting.len() {
            let rest = waiting.get(*done..).unwrap_or_default();
            let rest = match portion {
                Portion::Any => rest,
                Portion::Small if !ready(to.as_fd(), PollFlags::OUT).is_empty() => rest.get(..512).unwrap_or(rest),
                Portion::Small => return Ok(false),
            };
            match write(&*to, rest) {
                Ok(n) => *done += n,
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::INTR) => {}
                // Nobody reads any more: so it is for the program, which gets SIGPIPE.
                Err(Errno::PIPE | Errno::CONNRESET) => {
                    waiting.clear();
                    *done = 0;
                    self.pipe = None;
                    return Ok(true);
                }
                Err(error) => return Err(error.into()),
            }
        }
        waiting.clear();
        *done = 0;
        Ok(true)
    }
}
