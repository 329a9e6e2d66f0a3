//! From the start of the program to its end, word by word.

use std::{io, os::fd::OwnedFd};

use palisade_spec::guest::{Calls, Order, Secrets, Word};
use palisade_sys::{
    Guest, Record, Script,
    notify::{Answer, Listener},
    signals::leave_no_zombies,
    start,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, Signal, WaitOptions, getpid, kill_process_group, set_child_subreaper, wait},
    stdio::stderr,
};

use crate::{count::Counter, link::Link};

/// How often processes are counted.
const COUNTING: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// How often it is looked whether others are gone.
const LOOKS: u32 = 10_000;
const BETWEEN_LOOKS: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000 };

/// Most characters of a step's name in a word.
const LONGEST_STEP: usize = 100;

/// Runs the script and tells of it.
pub(crate) fn until_ended(order: &Order, script: &Script, link: Option<&Link>) -> io::Result<()> {
    // Orphans are given to the process that starts the program, and to this one where the kernel does not know that.
    leave_no_zombies();
    // And to this one once more when that process is gone, wherever this is not process 1. gVisor does not know it.
    let _ = set_child_subreaper(Some(getpid()));
    let guest = start(script)?;
    let mut watch = Watch {
        order,
        script,
        link,
        guest,
        listener: None,
        calls: Vec::new(),
        counter: Counter::default(),
        ready: false,
        ended: false,
    };
    while !watch.ended {
        watch.wait()?;
    }
    // This may be process 1 of its pid namespace: everybody else ends with it.
    Ok(())
}

struct Watch<'a> {
    order: &'a Order,
    script: &'a Script,
    link: Option<&'a Link>,
    guest: Guest,
    listener: Option<Listener>,
    /// Numbers of the hostile calls that were made, each once.
    calls: Vec<i32>,
    counter: Counter,
    ready: bool,
    ended: bool,
}

impl Watch<'_> {
    fn wait(&mut self) -> io::Result<()> {
        let mut list = vec![PollFd::new(&self.guest, PollFlags::IN)];
        let listener = self.listener.as_ref().map(|listener| PollFd::new(listener, PollFlags::IN));
        let listening = listener.as_ref().map(|_| list.len());
        list.extend(listener);
        let linked = self.link.map(|_| list.len());
        list.extend(self.link.map(|link| PollFd::new(link, PollFlags::IN)));
        let counts = self.order.counts && self.ready;
        match poll(&mut list, counts.then_some(&COUNTING)) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<PollFlags> = list.iter().map(PollFd::revents).collect();
        drop(list);
        let flags = |place: Option<usize>| ready.get(place?).copied().filter(|flags| !flags.is_empty());
        if flags(linked).is_some() {
            self.ended = true; // palisade is gone, and nobody else would end this
        }
        if let Some(flags) = flags(listening) {
            self.answer(flags)?;
        }
        if flags(Some(0)).is_some() {
            self.record()?;
        }
        if let Some(word) = counts.then(|| self.counter.look()).flatten() {
            self.tell(&word);
        }
        Ok(())
    }

    fn answer(&mut self, flags: PollFlags) -> io::Result<()> {
        let Some(listener) = &self.listener else { return Ok(()) };
        if !flags.contains(PollFlags::IN) {
            self.listener = None; // nobody is under the filter any more
            return Ok(());
        }
        if let Some(call) = listener.receive()? {
            self.tell(&Word::Called { number: call.number });
            if !self.calls.contains(&call.number) && self.calls.len() < Word::CALLS {
                self.calls.push(call.number);
            }
            if self.order.calls == Calls::Told {
                listener.answer(&call, Answer::Fail(libc::EPERM));
            } else {
                self.ended(libc::SIGKILL, 0);
            }
        }
        Ok(())
    }

    fn record(&mut self) -> io::Result<()> {
        match self.guest.record() {
            Ok(Some(Record::Ready { listener, .. })) => {
                // That it starts is told by the process that becomes the program: whoever else told it might be too late.
                self.listener = listener.map(|fd: OwnedFd| Listener::new(fd));
                self.ready = true;
            }
            Ok(Some(Record::Failed { step, errno })) => {
                let step = self.script.step(step).map(|op| op.to_string().chars().take(LONGEST_STEP).collect());
                self.tell(&Word::Failed { step, errno });
                self.ended = true;
            }
            Ok(Some(Record::Exited { status, cpu_micros, .. })) => {
                self.ended(status, cpu_micros);
            }
            Ok(Some(Record::Handles(_) | Record::Stands { .. })) => {}
            Ok(None) => self.lost()?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The process that started the program is gone and has said nothing: somebody has killed it.
    fn lost(&mut self) -> io::Result<()> {
        if !self.ready {
            return Err(io::Error::from_raw_os_error(libc::ECHILD));
        }
        self.ended(libc::SIGKILL, 0);
        Ok(())
    }

    /// The program has ended. That is told when nobody else is there: nobody can take these words away.
    fn ended(&mut self, status: i32, cpu_micros: u64) {
        // Other walls than an engine's are in a pid namespace of palisade's. Whatever an engine has done, nobody else is hit.
        if self.link.is_none() || getpid() == Pid::INIT {
            end_all_others();
        }
        let calls = std::mem::take(&mut self.calls);
        self.tell(&Word::Ended { status, cpu_micros, calls });
        self.ended = true;
    }

    fn tell(&self, word: &Word) {
        tell(&self.order.secrets, word);
    }
}

/// Ends everybody that this process may end, and waits until they are gone; those that nobody can end, not for ever.
fn end_all_others() {
    for _ in 0..LOOKS {
        // The group of process 1 is everybody (kill(2): -1), but process 1 and the caller.
        let _ = kill_process_group(Pid::INIT, Signal::KILL);
        if matches!(wait(WaitOptions::NOHANG), Err(Errno::CHILD)) {
            return;
        }
        let _ = poll(&mut [], Some(&BETWEEN_LOOKS));
    }
}

/// Whether this network namespace is another one than that outside.
pub(crate) fn has_left(outside: &str) -> Result<(), String> {
    let path = "/proc/self/ns/net";
    let here = std::fs::read_link(path).map_err(|error| format!("{path}: {error}"))?;
    if here.as_os_str() == outside { Err(format!("{outside} is the host's")) } else { Ok(()) }
}

/// Says a word.
pub(crate) fn tell(secrets: &Secrets, word: &Word) {
    if let Ok(bytes) = secrets.mark(word) {
        write(&bytes);
    }
}

/// Says something to whoever looks for the reason.
pub(crate) fn complain(text: &str) {
    write(text.as_bytes());
}

/// Writes all of it, or nothing more: if palisade is gone, nobody wants to know.
fn write(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(stderr(), bytes) {
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            // The program has the same open file: it may have made it one that never waits, and full.
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::new(&stderr(), PollFlags::OUT)], None);
            }
            Err(_) => return,
        }
    }
}
