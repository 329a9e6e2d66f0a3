//! Starting a scripted child, and the parent's side of the conversation with it.
//!
//! Not here: what the child does (`child.rs`), waiting for it (`palisade::supervise`).

use std::{
    ffi::{CString, c_char, c_void},
    fs::OpenOptions,
    io::{self, Write},
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use rustix::{
    net::{
        AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, sendmsg,
        socketpair,
    },
    process::{PidfdFlags, Signal, WaitId, WaitIdOptions, getpid, pidfd_open, pidfd_send_signal, waitid},
};

use crate::{
    call::CloneArgs,
    child,
    raw::sys,
    record::{self, EXECUTE, FDS, GO, IDS_WRITTEN, Record, SOON, message, receive_record},
    script::{Namespaces, Op, Script, Stdio},
    told::Told,
};

/// A stack of the child's other processes. They run a few frames of `child.rs`.
const STACK: usize = 64 << 10;

/// A running child. Dropping it kills it, and with it everything in its pid namespace, and waits for that.
#[derive(Debug)]
pub struct Child {
    pid: u32,
    pidfd: OwnedFd,
    control: OwnedFd,
    reaped: bool,
}

/// Which ids outside stand for the ones inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdMap {
    /// User id inside and outside.
    pub uid: (u32, u32),
    /// Group id inside and outside.
    pub gid: (u32, u32),
    /// Whether `setgroups` has to be denied, as for every map that an ordinary user writes.
    pub groups: crate::script::Groups,
}

/// Null-terminated arrays of C strings, made before the clone.
pub(crate) struct Strings {
    arguments: Vec<*const c_char>,
    environment: Vec<*const c_char>,
}

impl Strings {
    fn of(script: &Script) -> Self {
        let pointers = |strings: &[CString]| {
            strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect::<Vec<*const c_char>>()
        };
        let program = script.program.as_ref();
        Self {
            arguments: program.map(|p| pointers(&p.arguments)).unwrap_or_default(),
            environment: program.map(|p| pointers(&p.environment)).unwrap_or_default(),
        }
    }

    pub(crate) fn arguments(&self) -> *const *const c_char {
        self.arguments.as_ptr()
    }

    pub(crate) fn environment(&self) -> *const *const c_char {
        self.environment.as_ptr()
    }
}

/// Starts a child that runs `script`.
///
/// It is killed by the kernel when the calling *thread* ends, and when the [`Child`] is dropped.
///
/// # Errors
/// What clone3(2) says, for example `EPERM` where user namespaces are forbidden, `ENOSPC` at their limit.
pub fn spawn(script: &Script) -> io::Result<Child> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    // The child gives 0, 1 and 2 to the program; a caller may have closed its own.
    let theirs = rustix::io::fcntl_dupfd_cloexec(&theirs, 3)?;
    let parent = pidfd_open(getpid(), PidfdFlags::empty())?;
    let strings = Strings::of(script);
    let mut stacks: [Vec<u128>; 2] = [const { Vec::new() }; 2];
    let tops = stacks.each_mut().map(top);
    let kept = kept(script, &[theirs.as_raw_fd(), parent.as_raw_fd()]);
    let context = child::Child {
        script,
        kept: &kept,
        strings: &strings,
        control: theirs.as_raw_fd(),
        parent: parent.as_raw_fd(),
        stacks: tops,
    };
    let mut pidfd: RawFd = -1;
    const CLONE_CLEAR_SIGHAND: u64 = 1 << 32;
    const CLONE_INTO_CGROUP: u64 = 1 << 33;
    let mut arguments = CloneArgs {
        flags: script.namespaces.0 | libc::CLONE_PIDFD as u64 | CLONE_CLEAR_SIGHAND,
        pidfd: (&raw mut pidfd) as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    if let Some(cgroup) = &script.cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: without CLONE_VM this is a fork: the child has copies of all memory. It runs only `child::run`, which makes
    // system calls and never returns, so no lock that another thread held can matter.
    let pid = unsafe { sys!(SYS_clone3, &raw const arguments, size_of::<CloneArgs>()) }
        .map_err(io::Error::from_raw_os_error)?;
    if pid == 0 {
        child::run(&context);
    }
    // SAFETY: CLONE_PIDFD has stored a new descriptor, which nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Child { pid: pid as u32, pidfd, control: ours, reaped: false })
}

/// Starts a child that runs `script` in the namespaces of this process, whatever the kernel is.
///
/// For the agent inside a foreign wall: a single-threaded process with little memory, perhaps on a kernel that knows neither
/// clone3(2) nor pidfds (gVisor). The child is killed when the calling thread ends.
///
/// # Errors
/// What clone(2) says; `EINVAL` for a script that wants namespaces or a cgroup of its own.
pub fn start(script: &Script) -> io::Result<Guest> {
    if script.namespaces != Namespaces::default() || script.cgroup.is_some() {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let theirs = rustix::io::fcntl_dupfd_cloexec(&theirs, 3)?;
    let strings = Strings::of(script);
    let mut stacks: [Vec<u128>; 2] = [const { Vec::new() }; 2];
    let tops = stacks.each_mut().map(top);
    let kept = kept(script, &[theirs.as_raw_fd()]);
    // A poll of no descriptor: whether the parent is there, its control socket tells as well.
    let context =
        child::Child { script, kept: &kept, strings: &strings, control: theirs.as_raw_fd(), parent: -1, stacks: tops };
    // SAFETY: without CLONE_VM this is a fork; the rest is as in `spawn`.
    let pid = unsafe { sys!(SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) }.map_err(io::Error::from_raw_os_error)?;
    if pid == 0 {
        child::run(&context);
    }
    Ok(Guest { control: ours })
}

/// A child in the namespaces of this process.
#[derive(Debug)]
pub struct Guest {
    control: OwnedFd,
}

impl Guest {
    /// The next record, without waiting. `Ok(None)`: there will be no more.
    ///
    /// # Errors
    /// What recvmsg(2) says; `WouldBlock` if there is none yet.
    pub fn record(&self) -> io::Result<Option<Record>> {
        receive_record(self.control.as_fd())
    }
}

impl AsFd for Guest {
    /// Readable when there is a record.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }
}

/// The top of a stack that nobody else uses. Not zeroed: only the pages that are used are ever touched.
fn top(stack: &mut Vec<u128>) -> *mut c_void {
    stack.reserve_exact(STACK / size_of::<u128>());
    // SAFETY: one past the end of the allocation, which is aligned to 16 as the ABI wants it.
    unsafe { stack.as_mut_ptr().add(stack.capacity()) }.cast()
}

/// Descriptors that the child needs, in order.
fn kept(script: &Script, own: &[RawFd]) -> Vec<RawFd> {
    let stdio = script.program.iter().filter_map(|program| match &program.stdio {
        Stdio::Given(fds) => Some(fds.iter().map(AsRawFd::as_raw_fd)),
        Stdio::Terminal(_) | Stdio::Told | Stdio::Later => None,
    });
    let copied = script.ops.iter().filter_map(|op| match op {
        Op::CopyFile { from, .. } | Op::KeepTree { tree: from, .. } => Some(from.as_raw_fd()),
        _ => None,
    });
    let mut kept: Vec<RawFd> = own.iter().copied().chain(stdio.flatten()).chain(copied).collect();
    kept.sort_unstable();
    kept.dedup();
    kept
}

impl Child {
    /// Its process id, as this process sees it.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Readable when it has ended.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Readable when there is a [`Record`].
    #[must_use]
    pub fn control(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// Writes its id maps, which it waits for in [`crate::Op::AwaitIds`].
    ///
    /// # Errors
    /// What the kernel says to the maps; user_namespaces(7) has the rules.
    pub fn map_ids(&self, map: IdMap) -> io::Result<()> {
        let write = |name: &str, text: &str| {
            OpenOptions::new().write(true).open(format!("/proc/{}/{name}", self.pid))?.write_all(text.as_bytes())
        };
        if map.groups == crate::script::Groups::Denied {
            write("setgroups", "deny")?;
        }
        write("gid_map", &format!("{} {} 1", map.gid.0, map.gid.1))?;
        write("uid_map", &format!("{} {} 1", map.uid.0, map.uid.1))?;
        self.tell(IDS_WRITTEN, 0, &[])
    }

    /// Lets it go on from [`crate::Op::JoinCgroups`], with the files it joins by.
    ///
    /// # Errors
    /// If the child is gone, or more than eight files are given.
    pub fn go(&self, cgroups: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.tell(GO, 0, cgroups)
    }

    /// Wakes a process that has said [`Record::Stands`]: a program comes soon. Once, or not at all.
    ///
    /// # Errors
    /// If the child is gone.
    pub fn expect(&self) -> io::Result<()> {
        self.tell(SOON, 0, &[])
    }

    /// Tells a process that has said [`Record::Stands`] what to execute.
    ///
    /// # Errors
    /// If the child is gone, or there is no memory for the strings.
    pub fn execute(&self, program: &Told<'_>) -> io::Result<()> {
        let (strings, length) = program.file()?;
        let [input, output, error] = program.stdio;
        self.tell(EXECUTE, length as u64, &[input, output, error, strings.as_fd()])
    }

    fn tell(&self, kind: u64, number: u64, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for word in message(kind, number, 0) {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(io::Error::from_raw_os_error(libc::E2BIG));
        }
        sendmsg(&self.control, &[io::IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// The next record, without waiting. `Ok(None)`: there will be no more.
    ///
    /// # Errors
    /// `WouldBlock` if there is none yet.
    pub fn record(&self) -> io::Result<Option<Record>> {
        match receive_record(self.control.as_fd()) {
            // It went without having read all that was told to it. The kernel says that first, and once (sock_error); what
            // the child had to say itself is still there.
            Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) => receive_record(self.control.as_fd()),
            answer => answer,
        }
    }

    /// Kills the child, and with it everything in its pid namespace. One that is gone already is fine.
    pub fn kill(&self) {
        // The only failure is ESRCH: it has ended.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// Waits until it has ended. Everything in its pid namespace has ended before.
    pub fn reap(&mut self) {
        while !self.reaped {
            match waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED) {
                Err(rustix::io::Errno::INTR) => {}
                _ => self.reaped = true, // reaped, or reaped by somebody else who waits for any child
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill();
            self.reap();
        }
    }
}

// The protocol must fit: checked when compiled.
const _: () = assert!(record::MARKS <= 8);
