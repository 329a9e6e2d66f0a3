//! The child between `clone3` and `execve`.
//!
//! In: a [`Script`] built by the parent. Out: messages on the control socket. The first process (pid 1 of a new pid
//! namespace) runs the steps, starts the program as a second process, reaps everything, and reports the program's end; its
//! own end makes the kernel kill whatever is left in the namespace.
//! Not here: deciding what to do (`palisade::native`), waiting for it (`palisade::supervise`).
//!
//! This runs in a copy of a possibly multi-threaded process: system calls only, no allocation, locks, panics or drops.
//! `tests/no_allocation.rs` kills the child that tries.

use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use libc::{c_int, c_ulong, c_void};

use crate::{
    call::{self, Errno},
    raw::sys,
    record::{self, FAILED, FDS, GO, HANDLES, IDS_WRITTEN, MARKS, READY, message, send},
    script::{Groups, Listener, Op, Presence, SLOTS, STAGES, Script, Stage},
    spawn::Strings,
    trial,
};

/// Everything that the child needs, on the parent's stack until the clone, and a copy of it afterwards.
pub(crate) struct Child<'a> {
    pub(crate) script: &'a Script,
    pub(crate) strings: &'a Strings,
    /// Standard input, output and error of the program.
    pub(crate) stdio: [i32; 3],
    /// The child's end of the control socket.
    pub(crate) control: i32,
    /// The parent itself.
    pub(crate) parent: i32,
    /// The parent's end, of which the child has a copy until it closes it: otherwise it would never see the parent go.
    pub(crate) parents_end: i32,
    /// Tops of stacks for the program's process and for the helper.
    pub(crate) stacks: [*mut c_void; 2],
}

/// securebits(7): NOROOT, NO_SETUID_FIXUP and NO_CAP_AMBIENT_RAISE set, and these and KEEP_CAPS locked.
const SECUREBITS: c_ulong = 0b1110_1111;

/// What the first process and its helper share. Each slot is written by one of them, and read by the other only behind a
/// [`Stage`] that it awaited.
pub(crate) struct State {
    slots: [AtomicI32; SLOTS],
    marks: [AtomicU64; MARKS],
    stages: [AtomicU32; STAGES],
    /// The helper, as the first process sees it; 0 if there is none.
    helper: AtomicI32,
}

/// Stages: nothing yet, reached, never to be reached.
const NOT_YET: u32 = 0;
const REACHED: u32 = 1;
const NEVER: u32 = 2;

/// Runs the script. Never returns.
pub(crate) fn run(child: &Child<'_>) -> ! {
    let state = State {
        slots: [const { AtomicI32::new(-1) }; SLOTS],
        marks: [const { AtomicU64::new(0) }; MARKS],
        stages: [const { AtomicU32::new(NOT_YET) }; STAGES],
        helper: AtomicI32::new(0),
    };
    let start = Start { child, state: &state };
    // First: a caller that ignores SIGCHLD would have its children reaped before anybody could wait for them.
    default_signals();
    die_with_parent(child);
    call::close(child.parents_end);
    crate::arguments::erase();
    // Cannot fail: the name is short.
    let _ = call::prctl(libc::PR_SET_NAME, c"palisade-init".as_ptr() as c_ulong, 0);
    let helper = if child.script.aside.is_empty() { None } else { Some(start_helper(&start)) };
    state.helper.store(helper.unwrap_or(0), Ordering::Release);
    for (index, op) in child.script.ops.iter().enumerate() {
        if let Err(errno) = step(child, op, &state) {
            fail(child, index, errno);
        }
    }
    if let Some(helper) = helper {
        await_end_of(child, helper);
    }
    die_with_parent(child);
    if child.script.program.is_none() {
        report(child, &message(READY, 0, 0), &state, &[]);
        call::exit(0);
    }
    let program = start_program(&start);
    let keep = child.control;
    // Nothing of the caller's may stay open here, not even its terminal.
    for fd in 0..3 {
        call::close(fd);
    }
    close_from_to(3, keep - 1);
    close_from_to(keep + 1, c_int::MAX);
    reap(child, program)
}

/// Starts the helper, which shares everything but its namespaces and privileges.
fn start_helper(start: &Start<'_, '_>) -> c_int {
    let flags = libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES | libc::SIGCHLD;
    match clone_with(start, helper, start.child.stacks[1], flags) {
        Ok(pid) => pid,
        Err(errno) => fail(start.child, start.child.script.ops.len(), errno),
    }
}

extern "C" fn helper(start: *mut c_void) -> c_int {
    // SAFETY: the pointer was made from a `Start` that outlives this process, see `start_helper`.
    let start = unsafe { &*start.cast::<Start<'_, '_>>() };
    let script = start.child.script;
    for (index, op) in script.aside.iter().enumerate() {
        if let Err(errno) = step(start.child, op, start.state) {
            // Its steps are counted after those of the first process and the execution.
            let number = script.ops.len() + 1 + index;
            let _ = send(start.child.control, &message(FAILED, number as u64, errno as u64), &[]);
            for stage in &start.state.stages {
                stage.store(NEVER, Ordering::Release);
                call::futex_wake(stage);
            }
            return 1;
        }
    }
    0
}

/// Waits for the helper. It has said itself what failed, if anything did.
fn await_end_of(child: &Child<'_>, helper: c_int) {
    let mut status = 0;
    let mut wait = |flags| {
        // SAFETY: `status` is valid for writing.
        unsafe { sys!(SYS_wait4, helper, &raw mut status, libc::__WALL | flags, 0) }
    };
    let now = call::soon(|| match wait(libc::WNOHANG) {
        Ok(0) => None,
        answer => Some(answer),
    });
    let pid = match now {
        Some(answer) => answer,
        None => wait(0),
    };
    if pid != Ok(helper.into()) {
        fail(child, child.script.ops.len(), libc::ECHILD);
    }
    if status != 0 {
        call::exit(1);
    }
}

pub(crate) fn step(child: &Child<'_>, op: &Op, state: &State) -> Result<(), Errno> {
    match op {
        Op::PrivateMounts => {
            let flags = libc::MS_REC | libc::MS_PRIVATE;
            call::mount(std::ptr::null(), c"/".as_ptr(), std::ptr::null(), flags, std::ptr::null())
        }
        Op::OpenTree { slot, path, attributes } => {
            let tree = call::open_tree(path.as_ptr())?;
            keep(state, slot.0, tree)?;
            call::mount_setattr(tree, c"".as_ptr(), *attributes)
        }
        Op::AwaitIds => await_message(child, IDS_WRITTEN, &mut [-1; FDS]).map(drop),
        Op::SetIds { uid, gid, groups } => {
            set_ids(*uid, *gid, *groups)?;
            die_with_parent(child);
            Ok(())
        }
        Op::EnterRoot { over, options } => {
            let flags = libc::MS_NOSUID | libc::MS_NODEV;
            call::mount(c"palisade".as_ptr(), over.as_ptr(), c"tmpfs".as_ptr(), flags, options.as_ptr())?;
            chdir(over.as_ptr())
        }
        Op::Directory { path, mode } => {
            // SAFETY: `path` is a valid C string.
            match unsafe { sys!(SYS_mkdirat, libc::AT_FDCWD, path.as_ptr(), *mode) } {
                Err(libc::EEXIST) => Ok(()),
                answer => answer.map(drop),
            }
        }
        Op::Symlink { target, path } => {
            // SAFETY: both are valid C strings.
            unsafe { sys!(SYS_symlinkat, target.as_ptr(), libc::AT_FDCWD, path.as_ptr()) }.map(drop)
        }
        Op::File { path, content, mode } => {
            let fd = match call::open(path.as_ptr(), libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL, *mode) {
                Err(libc::EEXIST) if content.is_empty() => return Ok(()), // a mount point that is there already
                answer => answer?,
            };
            let written = call::write_all(fd, content);
            call::close(fd);
            written
        }
        Op::CopyFile { from, path, mode } => {
            use std::os::fd::AsRawFd;
            let fd = call::open(path.as_ptr(), libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL, *mode)?;
            let copied = call::copy_file(from.as_raw_fd(), fd);
            call::close(fd);
            copied
        }
        Op::AttachTree { slot, at } => {
            let tree = kept(state, slot.0)?;
            let moved = call::move_mount(tree, at.as_ptr());
            call::close(tree);
            moved
        }
        Op::Bind { source, at, presence } => {
            let flags = libc::MS_BIND;
            match call::mount(source.as_ptr(), at.as_ptr(), std::ptr::null(), flags, std::ptr::null()) {
                Err(libc::ENOENT) if *presence == Presence::IfThere => Ok(()),
                answer => answer,
            }
        }
        Op::Mount { kind, at, flags, options } => {
            call::mount(kind.as_ptr(), at.as_ptr(), kind.as_ptr(), *flags as c_ulong, options.as_ptr())
        }
        Op::PivotRoot => call::pivot_root_here(),
        Op::DetachOldRoot => call::detach_old_root(),
        Op::ReadOnlyTree { attributes } => {
            call::mount_setattr(libc::AT_FDCWD, c".".as_ptr(), attributes | libc::MOUNT_ATTR_RDONLY)
        }
        Op::HostName(name) => {
            // SAFETY: pointer and length describe `name`.
            unsafe { sys!(SYS_sethostname, name.as_ptr(), name.count_bytes()) }.map(drop)
        }
        Op::LoopbackUp => loopback_up(),
        Op::OpenDirectory { slot, path } => {
            let fd = call::open(path.as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
            keep(state, slot.0, fd)
        }
        Op::GiveHandles(slots) => {
            let mut fds = [-1; FDS];
            for (fd, slot) in fds.iter_mut().zip(slots) {
                *fd = kept(state, slot.0)?;
            }
            send(child.control, &message(HANDLES, 0, 0), fds.get(..slots.len()).ok_or(libc::E2BIG)?)
        }
        Op::JoinCgroups => {
            let mut fds = [-1; FDS];
            let count = await_message(child, GO, &mut fds)?;
            for fd in fds.iter().take(count) {
                // "0" is the writing thread itself. For that one case the kernel needs no global lock, which costs 15 ms
                // on an idle host (cgroup_procs_write_start in kernel/cgroup/cgroup.c).
                call::write_all(*fd, b"0")?;
                call::close(*fd);
            }
            Ok(())
        }
        // SAFETY: unshare takes flags only; none of those used shares memory or descriptors.
        Op::Unshare(namespaces) => unsafe { sys!(SYS_unshare, namespaces.0) }.map(drop),
        Op::OpenNamespace { slot, path } => {
            let fd = call::open(path.as_ptr(), libc::O_RDONLY, 0)?;
            keep(state, slot.0, fd)
        }
        Op::EnterNamespace(slot) => {
            let fd = kept(state, slot.0)?;
            // SAFETY: scalar arguments.
            let entered = unsafe { sys!(SYS_setns, fd, 0) };
            call::close(fd);
            entered.map(drop)
        }
        Op::Await(stage) => await_stage(state, *stage),
        Op::Reached(stage) => {
            let word = state.stages.get(*stage as usize).ok_or(libc::EINVAL)?;
            word.store(REACHED, Ordering::Release);
            call::futex_wake(word);
            Ok(())
        }
        Op::NewKeyring => {
            const KEYCTL_JOIN_SESSION_KEYRING: c_int = 1;
            // SAFETY: a null name asks for an anonymous keyring.
            let joined = unsafe { sys!(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0) };
            match joined {
                Err(libc::ENOSYS) => Ok(()), // a kernel without keyrings has none to leak
                answer => answer.map(drop),
            }
        }
        Op::Landlock(rules) => rules.restrict_self(),
        Op::DropPrivileges => drop_privileges(),
        Op::Umask(mask) => {
            // SAFETY: umask cannot fail.
            let _ = unsafe { sys!(SYS_umask, *mask) };
            Ok(())
        }
        Op::WorkingDirectory(path) => chdir(path.as_ptr()),
        Op::Mark(index) => {
            if let Some(mark) = state.marks.get(*index) {
                mark.store(call::now(), Ordering::Release);
            }
            Ok(())
        }
        Op::Trial(trial) => trial::attempt(child, trial, state),
        Op::Call(function) => match function() {
            0 => Ok(()),
            errno => Err(errno),
        },
    }
}

pub(crate) fn keep(state: &State, slot: usize, fd: i32) -> Result<(), Errno> {
    state.slots.get(slot).ok_or(libc::EMFILE)?.store(fd, Ordering::Release);
    Ok(())
}

fn kept(state: &State, slot: usize) -> Result<i32, Errno> {
    let fd = state.slots.get(slot).ok_or(libc::EBADF)?.load(Ordering::Acquire);
    if fd >= 0 { Ok(fd) } else { Err(libc::EBADF) }
}

/// Whether a child of this process has ended. It stays to be waited for.
fn has_ended(pid: i32) -> bool {
    // `siginfo_t` has 128 bytes; its third word is the pid, which stays 0 if there is nothing to tell.
    let mut told = [0u64; 16];
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: the kernel writes at most 128 bytes.
    let answer = unsafe { sys!(SYS_waitid, libc::P_PID, pid, told.as_mut_ptr(), options, 0) };
    pid > 0 && answer.is_ok() && told[0] != 0
}

fn await_stage(state: &State, stage: Stage) -> Result<(), Errno> {
    let word = state.stages.get(stage as usize).ok_or(libc::EINVAL)?;
    // Whether it is soon or not, the word says what follows.
    let _ = call::soon(|| (word.load(Ordering::Acquire) != NOT_YET).then_some(()));
    loop {
        match word.load(Ordering::Acquire) {
            NOT_YET => {
                call::futex_wait(word, NOT_YET);
                // A helper that was killed, by the out-of-memory killer say, reaches nothing any more.
                if word.load(Ordering::Acquire) == NOT_YET && has_ended(state.helper.load(Ordering::Acquire)) {
                    return Err(libc::ECHILD);
                }
            }
            REACHED => return Ok(()),
            // The other process has failed and has said so: nobody needs to hear of this one.
            _ => call::exit(1),
        }
    }
}

/// Makes the kernel kill this process when its parent ends. Changing ids or capabilities clears that, so it has to be said
/// again; a parent that ended before it was said is seen by its descriptor.
fn die_with_parent(child: &Child<'_>) {
    // Cannot fail: SIGKILL is a signal.
    let _ = call::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as c_ulong, 0);
    let mut parent = libc::pollfd { fd: child.parent, events: libc::POLLIN, revents: 0 };
    let no_time = [0u64; 2];
    // SAFETY: both live across the call.
    let answer = unsafe { sys!(SYS_ppoll, &raw mut parent, 1, no_time.as_ptr(), 0, 8) };
    if answer != Ok(0) {
        call::exit(1);
    }
}

fn chdir(path: *const libc::c_char) -> Result<(), Errno> {
    // SAFETY: `path` is a valid C string.
    unsafe { sys!(SYS_chdir, path) }.map(drop)
}

/// Waits for one message of the parent. `ECANCELED` if it is gone or says something else.
fn await_message(child: &Child<'_>, kind: u64, fds: &mut [i32; FDS]) -> Result<usize, Errno> {
    match record::receive(child.control, fds)? {
        (message, count) if message[0] == kind => Ok(count),
        _ => Err(libc::ECANCELED),
    }
}

fn set_ids(uid: u32, gid: u32, groups: Groups) -> Result<(), Errno> {
    // Raw calls: glibc's wrappers would signal every thread of the process, and those of the parent are not ours.
    // SAFETY: scalar arguments, or a null pointer with length 0.
    unsafe {
        if groups == Groups::Drop {
            sys!(SYS_setgroups, 0, 0)?;
        }
        sys!(SYS_setresgid, gid, gid, gid)?;
        sys!(SYS_setresuid, uid, uid, uid)?;
    }
    Ok(())
}

fn loopback_up() -> Result<(), Errno> {
    // SAFETY: scalar arguments.
    let socket = unsafe { sys!(SYS_socket, libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) }? as c_int;
    // SAFETY: ifreq is plain data for which zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads an ifreq.
    let set = unsafe { sys!(SYS_ioctl, socket, libc::SIOCSIFFLAGS, &raw const request) };
    call::close(socket);
    set.map(drop)
}

fn drop_privileges() -> Result<(), Errno> {
    call::prctl(libc::PR_SET_SECUREBITS, SECUREBITS, 0)?;
    for capability in 0..64 {
        match call::prctl(libc::PR_CAPBSET_DROP, capability, 0) {
            Err(libc::EINVAL) => break, // the last one that this kernel knows
            answer => answer?,
        }
    }
    call::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as c_ulong, 0)?;
    const CAPABILITY_VERSION_3: u32 = 0x2008_0522;
    let header = [CAPABILITY_VERSION_3, 0];
    let none = [0u32; 6];
    // SAFETY: the two arrays have the layout of the header and of two data elements; the kernel only reads them.
    unsafe { sys!(SYS_capset, header.as_ptr(), none.as_ptr()) }?;
    call::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0)?;
    // Nobody inside may look into this process, which still holds the caller's memory image.
    call::prctl(libc::PR_SET_DUMPABLE, 0, 0)
}

fn report(child: &Child<'_>, base: &record::Message, state: &State, fds: &[i32]) {
    let mut message = *base;
    for (word, mark) in message.iter_mut().skip(4).zip(&state.marks) {
        *word = mark.load(Ordering::Acquire);
    }
    if send(child.control, &message, fds).is_err() {
        call::exit(1); // the parent is gone
    }
}

fn fail(child: &Child<'_>, step: usize, errno: Errno) -> ! {
    // If this cannot be sent, the parent is gone and nobody wants to know.
    let _ = send(child.control, &message(FAILED, step as u64, errno as u64), &[]);
    call::exit(1)
}

/// What the other processes get to see.
struct Start<'a, 'b> {
    child: &'a Child<'b>,
    state: &'a State,
}

/// clone(2) with shared memory.
fn clone_with(
    start: &Start<'_, '_>,
    function: extern "C" fn(*mut c_void) -> c_int,
    stack: *mut c_void,
    flags: c_int,
) -> Result<c_int, Errno> {
    let argument = std::ptr::from_ref(start).cast_mut().cast::<c_void>();
    // SAFETY: both callers pass the top of a stack that nobody else uses, and keep `start` until the new process does not
    // need it any more.
    match unsafe { libc::clone(function, stack, flags, argument) } {
        // No other process shares `errno` now: the helper is not there yet, or has ended.
        // SAFETY: the C library's errno location is always valid for the calling thread.
        -1 => Err(unsafe { *libc::__errno_location() }),
        pid => Ok(pid),
    }
}

/// Starts the program with shared memory (no page tables are copied) and waits until it has been executed.
fn start_program(start: &Start<'_, '_>) -> c_int {
    // CLONE_VFORK suspends this process until the other one has executed a program or ended.
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    match clone_with(start, program, start.child.stacks[0], flags) {
        Ok(pid) => pid,
        Err(errno) => fail(start.child, start.child.script.ops.len(), errno),
    }
}

extern "C" fn program(start: *mut c_void) -> c_int {
    // SAFETY: the pointer was made from a `Start` that outlives this process's use of it, see above.
    let start = unsafe { &*start.cast::<Start<'_, '_>>() };
    let child = start.child;
    let errno = match execute(start) {
        Ok(never) => never,
        Err(errno) => errno,
    };
    fail(child, child.script.ops.len(), errno)
}

fn execute(start: &Start<'_, '_>) -> Result<Errno, Errno> {
    let Start { child, state } = start;
    let Some(program) = &child.script.program else { return Err(libc::EINVAL) };
    // SAFETY: no preconditions. An own session has no terminal, so nothing can be typed into it (TIOCSTI).
    unsafe { sys!(SYS_setsid) }?;
    // First out of the way of 0, 1 and 2, in case they are among them.
    let mut high = [0; 3];
    for (to, from) in high.iter_mut().zip(child.stdio) {
        // SAFETY: scalar arguments.
        *to = unsafe { sys!(SYS_fcntl, from, libc::F_DUPFD_CLOEXEC, 3) }? as c_int;
    }
    for (to, from) in high.iter().enumerate() {
        // SAFETY: scalar arguments.
        unsafe { sys!(SYS_dup3, *from, to, 0) }?;
    }
    let nothing = 0u64;
    // SAFETY: the kernel reads an empty signal set of 8 bytes.
    unsafe { sys!(SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const nothing, 0, 8) }?;
    let mut listener = -1;
    if !program.filter.is_empty() {
        listener = install_filter(program.filter.as_ptr().cast(), program.filter.len(), program.listener)?;
    }
    // Now that the last descriptor has its number, which the limit of descriptors might not allow.
    for limit in &program.rlimits {
        let value = [limit.value; 2];
        // SAFETY: `value` is read by the kernel.
        unsafe { sys!(SYS_prlimit64, 0, limit.resource, value.as_ptr(), 0) }?;
    }
    let fds = [listener];
    let given = if listener >= 0 { fds.as_slice() } else { &[] };
    report(child, &message(READY, 0, 0), state, given);
    // Everything else closes by executing; the control socket until then tells of a failure.
    call::close_on_execute()?;
    let mut errno = libc::ENOENT;
    for candidate in &program.candidates {
        // SAFETY: the path and the two null-terminated arrays of C strings live in the script.
        let answer =
            unsafe { sys!(SYS_execve, candidate.as_ptr(), child.strings.arguments(), child.strings.environment()) };
        let Err(why) = answer else { continue };
        // Like a shell: a file that is there but cannot be executed says more than one that is not there.
        if why != libc::ENOENT && why != libc::ENOTDIR {
            errno = why;
        }
    }
    Err(errno)
}

/// Gives every signal its default meaning. Rust ignores SIGPIPE, and a caller may ignore more (nohup); an ignored signal
/// stays ignored across `clone3` and `execve`.
fn default_signals() {
    for signal in 1..=64 {
        // `struct sigaction` of the kernel: handler (0 is SIG_DFL), flags, restorer, mask.
        let default = [0u64; 4];
        // SAFETY: the kernel reads 32 bytes. SIGKILL and SIGSTOP give EINVAL and need nothing.
        unsafe {
            let _ = sys!(SYS_rt_sigaction, signal, default.as_ptr(), 0, 8);
        }
    }
}

/// Installs a filter, and gives its listener or -1.
pub(crate) fn install_filter(code: *const libc::sock_filter, len: usize, listener: Listener) -> Result<c_int, Errno> {
    let program = libc::sock_fprog { len: len as u16, filter: code.cast_mut() };
    let flags = match listener {
        Listener::Parent => libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
        Listener::Nobody => 0,
    };
    // SAFETY: `program` describes an array of instructions; the kernel copies and verifies it.
    let fd = unsafe { sys!(SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) }?;
    Ok(if listener == Listener::Parent { fd as c_int } else { -1 })
}

fn close_from_to(first: c_int, last: c_int) {
    if first <= last {
        // SAFETY: scalar arguments; this process uses no descriptor but the control socket from here on.
        let _ = unsafe { sys!(SYS_close_range, first, last, 0) };
    }
}

/// Reaps every process of the namespace until the program ends, and reports that.
fn reap(child: &Child<'_>, program: c_int) -> ! {
    loop {
        let mut status = 0;
        // SAFETY: rusage is plain data for which zero is valid.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both are valid for writing.
        let pid = unsafe { sys!(SYS_wait4, -1i32, &raw mut status, libc::__WALL, &raw mut usage) };
        if pid == Ok(program.into()) {
            let micros = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
            let used = micros(usage.ru_utime) + micros(usage.ru_stime);
            // If this cannot be sent, the parent is gone, and so is everything here after the exit.
            let _ = send(child.control, &message(record::EXITED, status as u64, used), &[]);
            call::exit(0);
        }
        if pid.is_err_and(|errno| errno != libc::EINTR) {
            call::exit(1); // no children: cannot be before the program was reaped
        }
    }
}
