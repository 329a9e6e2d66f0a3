//! The three streams between a program and the caller.
//!
//! The program always gets pipes of ours, or a terminal of the sandbox's own, never a descriptor of the caller's: a terminal
//! could be written to and typed into, and a file reopened for writing through /proc/self/fd. Not here: deciding what an
//! excess means (`mod.rs`), the caller's terminal (`terminal.rs`).

use std::{
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use palisade_spec::{
    Input, Output, OutputExcess, Stream,
    guest::{Secrets, Stdin},
};
use rustix::{
    buffer::spare_capacity,
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{FileType, Mode, OFlags, fstat, open},
    io::{Errno, fcntl_dupfd_cloexec, ioctl_fionbio, read, write},
    pipe::{PipeFlags, fcntl_setpipe_size, pipe_with},
};

use super::{meter::NULL, words::Words};
use crate::native::Pipes;

const CHUNK: usize = 64 << 10;

/// What a pipe holds from then on when it has been full once: who writes and who reads take turns less often. Not more, because
/// what the pipes of an ordinary user hold together is limited (`fs.pipe-user-pages-soft`, 64 MiB).
const WIDE: usize = 256 << 10;

/// Chunks moved from one pipe before timers and the other descriptors get their turn.
const TURN: usize = 16;

/// Our ends.
#[derive(Debug)]
pub(crate) struct Streams {
    input: Option<Feed>,
    /// The same, before it may begin.
    held: Option<Feed>,
    pub(crate) output: [Drain; 2],
    /// Room for what is read. Never filled beforehand: each page that is touched costs a page fault after a clone.
    chunk: Vec<u8>,
    /// The program's end of its terminal. Held as long as the program runs: it may close its own and open it again, and in
    /// between our end would be hung up.
    terminal: Option<OwnedFd>,
}

/// Bytes on their way to the program.
#[derive(Debug)]
struct Feed {
    pipe: OwnedFd,
    source: Source,
    waiting: Vec<u8>,
    done: usize,
    /// What says that no more will come: nothing on a pipe, which is closed; Ctrl-D on a terminal.
    end: &'static [u8],
}

/// Ctrl-D ends a line that has begun; the second one ends the input.
const TYPED_END: &[u8] = b"\x04\x04";

#[derive(Debug)]
enum Source {
    /// The caller's own standard input.
    Stdin,
    /// Something that the caller has given.
    File(Arc<File>),
    /// No more than what waits already.
    Ended,
    /// These bytes, then the other source; but nothing before the program has started.
    Later(Vec<u8>, Box<Source>),
}

impl Source {
    /// Where more comes from.
    fn more(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Stdin => Some(rustix::stdio::stdin()),
            Self::File(file) => Some(file.as_fd()),
            Self::Ended | Self::Later(..) => None,
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
    /// Whether the pipe is as wide as it may become.
    wide: bool,
    /// Somebody else's words among the program's.
    words: Option<Words>,
    /// Whether there is but one of them: that the program starts.
    words_end_at_start: bool,
    /// Whether nobody can write any more: what is not there now will not come.
    unwritten: bool,
}

#[derive(Debug)]
enum Sink {
    /// Kept for the report.
    Keep,
    /// Counted; its receiver is gone, and somebody else's words still have to be heard.
    Nobody,
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
    pub(crate) fn new(stdin: Input, output: &Output, limit: u64, excess: OutputExcess) -> io::Result<(Self, Pipes)> {
        let (stdin, input) = feed(stdin)?;
        let [out, err] = sinks(output, limit, excess)?;
        let (stdout, out) = drain(out)?;
        let (stderr, err) = drain(err)?;
        let streams = Self { input, held: None, output: [out, err], chunk: Vec::with_capacity(CHUNK), terminal: None };
        Ok((streams, Pipes([stdin, stdout, stderr])))
    }

    /// As [`Streams::new`], with pipes that a waiting program has already: `order` comes before its input.
    pub(super) fn of_waiting(
        [input, stdout, stderr]: [OwnedFd; 3],
        order: Vec<u8>,
        stdin: Input,
        output: &Output,
        limit: u64,
        excess: OutputExcess,
    ) -> io::Result<Self> {
        let mut waiting = order;
        let source = match stdin {
            Input::Empty => Source::Ended,
            Input::Bytes(mut bytes) => {
                waiting.append(&mut bytes);
                Source::Ended
            }
            Input::Inherit => Source::Stdin,
            Input::File(file) => Source::File(file),
        };
        let input = Feed { pipe: input, source, waiting, done: 0, end: b"" };
        let [(out, cap), (err, err_cap)] = sinks(output, limit, excess)?;
        let out = Drain { pipe: Some(stdout), sink: out, cap, ..Drain::nothing() };
        let err = Drain { pipe: Some(stderr), sink: err, cap: err_cap, ..Drain::nothing() };
        let chunk = Vec::with_capacity(CHUNK);
        Ok(Self { input: Some(input), held: None, output: [out, err], chunk, terminal: None })
    }

    /// As [`Streams::new`], for a program behind an agent: `order` comes before its input, and the agent's words stand among
    /// its errors. What is printed on either stream before the program starts is what the wall's own program says.
    pub(super) fn of_agent(
        stdin: Input,
        order: impl FnOnce(Stdin) -> io::Result<(Vec<u8>, Secrets)>,
        output: &Output,
        limit: u64,
        excess: OutputExcess,
    ) -> io::Result<(Self, Pipes)> {
        let (mut streams, mut pipes) = Self::new(stdin, output, limit, excess)?;
        let what = if streams.input.is_some() { Stdin::Rest } else { Stdin::Nothing };
        let (order, secrets) = order(what)?;
        match &mut streams.input {
            Some(feed) => {
                let input = std::mem::replace(&mut feed.waiting, order);
                let source = std::mem::replace(&mut feed.source, Source::Ended);
                feed.source = Source::Later(input, Box::new(source));
            }
            none => {
                let (theirs, ours) = feeding(order, Source::Ended)?;
                (pipes.0[0], *none) = (theirs, Some(ours));
            }
        }
        streams.output[0].words = Some(Words::new(secrets));
        streams.output[0].words_end_at_start = true;
        streams.output[1].words = Some(Words::new(secrets));
        Ok((streams, pipes))
    }

    /// The program behind the agent has started: its input follows.
    pub(super) fn started(&mut self) {
        let Some(feed) = &mut self.input else { return };
        if let Source::Later(input, source) = std::mem::replace(&mut feed.source, Source::Ended) {
            feed.waiting.extend(input);
            feed.source = *source;
        }
    }

    /// Feeds nothing until [`Streams::release`].
    pub(super) fn hold(&mut self) {
        self.held = self.input.take();
    }

    pub(super) fn release(&mut self) {
        self.input = self.held.take();
    }

    /// What the agent says.
    pub(super) fn words(&mut self) -> Option<&mut Words> {
        self.output[1].words.as_mut()
    }

    /// What the wall's program said before the program started.
    pub(super) fn complaints(&self) -> String {
        let said = self.output.iter().rev().filter_map(|drain| drain.words.as_ref()).map(Words::complaints);
        said.filter(|said| !said.is_empty()).collect::<Vec<_>>().join("\n")
    }

    /// No streams: those of a terminal follow when the program's process has opened it.
    pub(crate) fn none() -> Self {
        Self {
            input: None,
            held: None,
            output: [Drain::nothing(), Drain::nothing()],
            chunk: Vec::new(),
            terminal: None,
        }
    }

    /// The streams of a terminal, by both of its ends. All that is printed on it counts as standard output.
    pub(crate) fn of_terminal(
        stdin: Input,
        output: &Output,
        limit: u64,
        excess: OutputExcess,
        [master, terminal]: [OwnedFd; 2],
    ) -> io::Result<Self> {
        ioctl_fionbio(&master, true)?;
        let (mut waiting, source) = match stdin {
            Input::Empty => (Vec::new(), Source::Ended),
            Input::Bytes(bytes) => (bytes, Source::Ended),
            Input::Inherit => (Vec::new(), Source::Stdin),
            Input::File(file) => (Vec::new(), Source::File(file)),
        };
        if matches!(source, Source::Ended) {
            waiting.extend_from_slice(TYPED_END);
        }
        let feed = Feed { pipe: fcntl_dupfd_cloexec(&master, 3)?, source, waiting, done: 0, end: TYPED_END };
        let [(sink, cap), _] = sinks(output, limit, excess)?;
        let out = Drain { pipe: Some(master), sink, cap, ..Drain::nothing() };
        let (input, output) = (Some(feed), [out, Drain::nothing()]);
        Ok(Self { input, held: None, output, chunk: Vec::with_capacity(CHUNK), terminal: Some(terminal) })
    }

    /// The program's end of its terminal.
    pub(crate) fn terminal(&self) -> Option<BorrowedFd<'_>> {
        self.terminal.as_ref().map(AsFd::as_fd)
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
        err.serve(&mut self.chunk)?;
        if self.terminal.is_some() && self.output[0].pipe.is_none() {
            // Nobody reads any more. The program's terminal hangs up when the last descriptor of our end is closed.
            self.input = None;
        }
        Ok(())
    }

    /// The program is gone: nothing more is fed. `all`: so is everybody who could write, and what is in the pipes is all there
    /// will be. Their end may not come by itself: descriptors that were sent and not received are open until the kernel looks for
    /// such, and nothing says when it does.
    pub(crate) fn ended(&mut self, all: bool) {
        (self.input, self.held) = (None, None);
        self.terminal = None;
        self.output.iter_mut().for_each(|drain| drain.unwritten = all);
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
        Input::Inherit if is_null(rustix::stdio::stdin()) => return Ok((nothing()?, None)),
        Input::File(file) if is_null(file.as_fd()) => return Ok((nothing()?, None)),
        Input::Inherit => (Vec::new(), Source::Stdin),
        Input::File(file) => (Vec::new(), Source::File(file)),
    };
    let (theirs, ours) = feeding(waiting, source)?;
    Ok((theirs, Some(ours)))
}

/// Whether it is the null device, in which there never is anything.
fn is_null(file: BorrowedFd<'_>) -> bool {
    fstat(file).is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == rustix::fs::makedev(1, 3)
    })
}

fn feeding(waiting: Vec<u8>, source: Source) -> io::Result<(OwnedFd, Feed)> {
    let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
    ioctl_fionbio(&ours, true)?;
    Ok((theirs, Feed { pipe: ours, source, waiting, done: 0, end: b"" }))
}

impl Feed {
    /// `false` when nothing is left to do.
    fn serve(&mut self) -> io::Result<bool> {
        if self.waiting.is_empty() {
            if ready(self.pipe.as_fd(), PollFlags::empty()).contains(PollFlags::ERR) {
                return Ok(false); // the program has closed its end
            }
            let Some(more) = self.source.more() else { return Ok(self.waits_for_start()) };
            if ready(more, PollFlags::IN).is_empty() {
                return Ok(true);
            }
            self.waiting.reserve(CHUNK);
            match read(more, spare_capacity(&mut self.waiting)) {
                Err(Errno::INTR | Errno::AGAIN) => return Ok(true),
                Ok(n) if n > 0 => {}
                // As for any program that reads a directory or a dead terminal: the input ends here.
                Ok(_) | Err(_) => {
                    self.source = Source::Ended;
                    self.waiting = self.end.to_vec();
                }
            }
            self.done = 0;
            if self.waiting.is_empty() {
                return Ok(false);
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
            self.done = 0;
            return Ok(self.source.more().is_some() || self.waits_for_start());
        }
        Ok(true)
    }

    fn waits_for_start(&self) -> bool {
        matches!(self.source, Source::Later(..))
    }
}

fn drain((sink, cap): (Sink, u64)) -> io::Result<(OwnedFd, Drain)> {
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    ioctl_fionbio(&ours, true)?;
    Ok((theirs, Drain { pipe: Some(ours), sink, cap, ..Drain::nothing() }))
}

/// Where standard output and error go, and how many bytes of each.
fn sinks(output: &Output, limit: u64, excess: OutputExcess) -> io::Result<[(Sink, u64); 2]> {
    let pass = |own: BorrowedFd<'_>| -> io::Result<Sink> {
        let (to, portion) = unblocked(own)?;
        Ok(Sink::Pass { to, portion, waiting: Vec::new(), done: 0 })
    };
    // Of what passes nothing is kept, so only a limit that kills is one. A file that was given keeps all it gets.
    let passing = if excess == OutputExcess::Cut { u64::MAX } else { limit };
    let of_given = |file: &File| if is_regular(file) { limit } else { passing };
    Ok(match output {
        Output::Keep => [(Sink::Keep, limit), (Sink::Keep, limit)],
        Output::Pass => [(pass(rustix::stdio::stdout())?, passing), (pass(rustix::stdio::stderr())?, passing)],
        Output::To { stdout, stderr } => {
            [(pass(stdout.as_fd())?, of_given(stdout)), (pass(stderr.as_fd())?, of_given(stderr))]
        }
        Output::PassTo { stdout, stderr } => [(pass(stdout.as_fd())?, passing), (pass(stderr.as_fd())?, passing)],
    })
}

fn is_regular(file: &File) -> bool {
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
    /// Of a stream that the program has not.
    fn nothing() -> Self {
        Self {
            pipe: None,
            sink: Sink::Keep,
            cap: 0,
            stream: Stream::default(),
            wide: false,
            words: None,
            words_end_at_start: false,
            unwritten: false,
        }
    }

    fn serve(&mut self, chunk: &mut Vec<u8>) -> io::Result<()> {
        for _ in 0..TURN {
            if !self.flush()? {
                return Ok(());
            }
            let Some(pipe) = &self.pipe else { return Ok(()) };
            chunk.clear();
            chunk.reserve(CHUNK); // the last one may have gone as it was
            match read(pipe, spare_capacity(chunk)) {
                // A terminal that nobody has open any more says EIO.
                Ok(0) | Err(Errno::IO) => self.end(),
                Err(Errno::AGAIN) if self.unwritten => self.end(),
                Ok(n) => {
                    if n >= CHUNK && !std::mem::replace(&mut self.wide, true) {
                        // Slower without; a terminal has no width, and a user's pipes may be wide enough already.
                        let _ = fcntl_setpipe_size(pipe, WIDE);
                    }
                    match self.words.as_mut().map(|words| words.pass(chunk)) {
                        Some(mut written) => {
                            self.take(&mut written);
                            self.listen_no_more();
                        }
                        None => self.take(chunk),
                    }
                }
                Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        self.pipe = None;
        if let Some(mut rest) = self.words.as_mut().map(Words::end) {
            self.take(&mut rest);
        }
    }

    /// Whose words are its errors' has started its program, and says nothing more among its output.
    fn listen_no_more(&mut self) {
        if self.words_end_at_start
            && let Some(words) = self.words.take_if(|words| words.next().is_some())
        {
            let mut words = words;
            self.take(&mut words.end());
        }
    }

    /// Takes bytes in, and may take their room with them.
    fn take(&mut self, bytes: &mut Vec<u8>) {
        let read = bytes.len();
        let room = usize::try_from(self.cap.saturating_sub(self.stream.total)).unwrap_or(usize::MAX);
        bytes.truncate(room);
        self.stream.total += read as u64;
        self.stream.cut |= bytes.len() < read;
        match &mut self.sink {
            Sink::Keep => self.stream.kept.extend_from_slice(bytes),
            Sink::Pass { waiting, .. } if waiting.is_empty() => std::mem::swap(waiting, bytes),
            Sink::Pass { waiting, .. } => waiting.extend_from_slice(bytes),
            Sink::Nobody => {}
        }
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
                    match self.words {
                        Some(_) => self.sink = Sink::Nobody,
                        None => self.pipe = None,
                    }
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

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;
