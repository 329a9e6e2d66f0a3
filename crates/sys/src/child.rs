//! The child between `clone3` and `execve`.
//!
//! In: a [`Script`] built by the parent. Out: messages on the control socket. The first process (pid 1 of a new pid
//! namespace) runs the steps, starts the program as a second process, reaps everything, and reports the program's end; its
//! own end makes the kernel kill whatever is left in the namespace.
//! Not here: the single steps (`step.rs`), deciding what to do (`palisade::native`), waiting for it (`palisade::supervise`).
//!
//! This runs in a copy of a possibly multi-threaded process: system calls only, no allocation, locks, panics or drops.
//! `tests/no_allocation.rs` kills the child that tries.

use std::{os::fd::AsRawFd, sync::atomic::Ordering};

use libc::{c_char, c_int, c_ulong, c_void};

use crate::{
    call::{self, Errno},
    raw::sys,
    record::{self, FAILED, READY, STANDS, message, send},
    script::{Listener, Namespaces, Op, Rlimit, Script, Stdio},
    spawn::Strings,
    step::{NEVER, State, kept, step},
    terminal,
    told::{self, Heard},
};

/// Everything that the child needs, on the parent's stack until the clone, and a copy of it afterwards.
pub(crate) struct Child<'a> {
    pub(crate) script: &'a Script,
    pub(crate) strings: &'a Strings,
    /// The child's end of the control socket.
    pub(crate) control: i32,
    /// The parent itself.
    pub(crate) parent: i32,
    /// Descriptors that the set-up needs beside the first three, in order.
    pub(crate) kept: &'a [i32],
    /// Tops of stacks for the program's process and for the helper.
    pub(crate) stacks: [*mut c_void; 2],
}

/// Runs the script. Never returns.
pub(crate) fn run(child: &Child<'_>) -> ! {
    let state = State::default();
    let start = Start { child, state: &state };
    // First: a caller that ignores SIGCHLD would have its children reaped before anybody could wait for them.
    default_signals();
    die_with_parent(child);
    // The parent's end of the control socket, or this would never see the parent go; and the ends of other runs' pipes,
    // whose readers wait for the last writer: other threads of the parent may be starting children just now.
    close_but(child.kept);
    if child.script.program.as_ref().is_some_and(|program| matches!(program.stdio, Stdio::Told)) {
        give_up_streams();
    }
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
    if let (Some(helper), false) = (helper, matches!(child.script.ops.last(), Some(Op::UntilDetached))) {
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
    reap(child, program, state.outlives.load(Ordering::Acquire))
}

/// Holds nothing in place of the caller's streams, which may be pipes whose end somebody waits for.
fn give_up_streams() {
    let nothing = call::open(c"/dev/null".as_ptr(), libc::O_RDWR, 0);
    for fd in 0..3 {
        match nothing {
            // SAFETY: scalar arguments.
            Ok(nothing) if nothing != fd => drop(unsafe { sys!(SYS_dup3, nothing, fd, 0) }),
            Ok(_) => {}
            Err(_) => call::close(fd),
        }
    }
    if let Ok(nothing @ 3..) = nothing {
        call::close(nothing);
    }
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

/// Makes the kernel kill this process when its parent ends. Changing ids or capabilities clears that, so it has to be said
/// again; a parent that ended before it was said is seen by its descriptor.
pub(crate) fn die_with_parent(child: &Child<'_>) {
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
    if !child.script.namespaces.contains(Namespaces::PID) {
        // Nothing else ends it with the first process. Cannot fail: SIGKILL is a signal.
        let _ = call::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as c_ulong, 0);
    }
    match &program.stdio {
        Stdio::Given(fds) => connect(fds.each_ref().map(AsRawFd::as_raw_fd))?,
        Stdio::Terminal(slot) => connect([terminal::control(kept(state, slot.0)?)?; 3])?,
        Stdio::Told => {}
        Stdio::Later => return Err(libc::EBADF),
    }
    let nothing = 0u64;
    // SAFETY: the kernel reads an empty signal set of 8 bytes.
    unsafe { sys!(SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const nothing, 0, 8) }?;
    let mut listener = -1;
    if !program.filter.is_empty() {
        listener = install_filter(program.filter.as_ptr().cast(), program.filter.len(), program.listener)?;
    }
    let mut heard = None;
    if matches!(program.stdio, Stdio::Told) {
        give_listener(child, STANDS, state, listener);
        // The parent has its own, and nobody else may answer.
        if listener >= 0 {
            call::close(listener);
        }
        listener = -1;
        heard = Some(await_program(child)?);
    }
    // Now that the last descriptor has its number, which the limit of descriptors might not allow.
    limit(&program.rlimits)?;
    give_listener(child, READY, state, listener);
    if !program.announcement.is_empty() {
        for stream in [libc::STDOUT_FILENO, libc::STDERR_FILENO] {
            call::write_all(stream, &program.announcement)?;
            await_reader(stream);
        }
    }
    // Everything else closes by executing; the control socket until then tells of a failure.
    call::close_on_execute()?;
    let Some(Heard { mut candidates, arguments, environment, .. }) = heard else {
        let (arguments, environment) = (child.strings.arguments(), child.strings.environment());
        let tried = program.candidates.iter().map(|path| execve(path.as_ptr(), arguments, environment));
        return Err(tried.fold(libc::ENOENT, worse));
    };
    let mut errno = libc::ENOENT;
    loop {
        // SAFETY: `told::hear` gives three null-terminated arrays of C strings, which stay mapped.
        let path = unsafe { *candidates };
        if path.is_null() {
            return Err(errno);
        }
        errno = worse(errno, execve(path, arguments, environment));
        // SAFETY: this was not the last one.
        candidates = unsafe { candidates.add(1) };
    }
}

/// Executes a file, or says why not. `path` is a C string, the others are null-terminated arrays of such.
fn execve(path: *const c_char, arguments: *const *const c_char, environment: *const *const c_char) -> Errno {
    // SAFETY: they live in the script, or where `told::hear` has mapped them.
    unsafe { sys!(SYS_execve, path, arguments, environment) }.err().unwrap_or(0)
}

/// Of two reasons the one to be told. Like a shell: a file that is there but cannot be executed says more than one that is not
/// there.
fn worse(one: Errno, other: Errno) -> Errno {
    if other == libc::ENOENT || other == libc::ENOTDIR { one } else { other }
}

/// Makes these descriptors 0, 1 and 2.
fn connect(stdio: [c_int; 3]) -> Result<(), Errno> {
    // First out of the way of 0, 1 and 2, in case they are among them.
    let mut high = [0; 3];
    for (to, from) in high.iter_mut().zip(stdio) {
        // SAFETY: scalar arguments.
        *to = unsafe { sys!(SYS_fcntl, from, libc::F_DUPFD_CLOEXEC, 3) }? as c_int;
    }
    for (to, from) in high.iter().enumerate() {
        // SAFETY: scalar arguments.
        unsafe { sys!(SYS_dup3, *from, to, 0) }?;
    }
    Ok(())
}

fn give_listener(child: &Child<'_>, kind: u64, state: &State, listener: c_int) {
    let fds = [listener];
    let given = if listener >= 0 { fds.as_slice() } else { &[] };
    report(child, &message(kind, 0, 0), state, given);
}

/// Waits for the program's paths, streams and directory, and takes the last two.
fn await_program(child: &Child<'_>) -> Result<Heard, Errno> {
    let heard = told::hear(child.control)?;
    connect(heard.stdio)?;
    // SAFETY: a C string, see `told::hear`.
    unsafe { sys!(SYS_chdir, heard.directory) }?;
    Ok(heard)
}

/// Waits until what was written to a stream has been read: the program could take it out of the pipe, if that is its own user's.
/// A kernel that does not say how much there is (gVisor's) lets nobody do that.
fn await_reader(stream: c_int) {
    let moment = [0u64, 20_000];
    loop {
        let mut left: c_int = 0;
        // SAFETY: the request writes one int.
        let asked = unsafe { sys!(SYS_ioctl, stream, libc::FIONREAD, &raw mut left) };
        if asked.is_err() || left == 0 {
            return;
        }
        // SAFETY: the kernel reads one `timespec`.
        let _ = unsafe { sys!(SYS_nanosleep, moment.as_ptr(), 0) };
    }
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

/// Sets resource limits on the calling process.
pub(crate) fn limit(limits: &[Rlimit]) -> Result<(), Errno> {
    for limit in limits {
        let value = [limit.value; 2];
        // SAFETY: `value` is read by the kernel.
        unsafe { sys!(SYS_prlimit64, 0, limit.resource, value.as_ptr(), 0) }?;
    }
    Ok(())
}

fn close_from_to(first: c_int, last: c_int) {
    if first <= last {
        // SAFETY: scalar arguments; both callers name only what this process does not use from here on.
        let _ = unsafe { sys!(SYS_close_range, first, last, 0) };
    }
}

/// Closes every descriptor from 3 on that is not in `kept`, which is in order.
fn close_but(kept: &[i32]) {
    let mut first = 3;
    for fd in kept.iter().copied().filter(|fd| *fd >= 3) {
        close_from_to(first, fd - 1);
        first = fd + 1;
    }
    close_from_to(first, c_int::MAX);
}

/// Reaps every process of the namespace until the program ends, and reports that. `outlives`: after one that ends with 0, until
/// nobody is left.
fn reap(child: &Child<'_>, program: c_int, outlives: bool) -> ! {
    let mut reported = false;
    loop {
        let mut status = 0;
        // SAFETY: rusage is plain data for which zero is valid.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both are valid for writing.
        let pid = unsafe { sys!(SYS_wait4, -1i32, &raw mut status, libc::__WALL, &raw mut usage) };
        if pid == Ok(program.into()) && !reported {
            let micros = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
            let used = micros(usage.ru_utime) + micros(usage.ru_stime);
            let mut ended = message(record::EXITED, status as u64, used);
            ended[4] = u64::from(is_alone());
            // If this cannot be sent, the parent is gone, and so is everything here after the exit.
            let _ = send(child.control, &ended, &[]);
            reported = true;
            if !outlives || status != 0 {
                call::exit(0);
            }
        }
        if pid.is_err_and(|errno| errno != libc::EINTR) {
            // No children: cannot be before the program was reaped.
            call::exit(c_int::from(!reported));
        }
    }
}

/// Whether no other process is left, now that the program has been waited for. One without a parent would be a child of this.
fn is_alone() -> bool {
    loop {
        // SAFETY: null pointers: nothing is written.
        match unsafe { sys!(SYS_wait4, -1i32, 0, libc::__WALL | libc::WNOHANG, 0) } {
            Ok(0) => return false,
            Ok(_) | Err(libc::EINTR) => {}
            Err(_) => return true, // ECHILD
        }
    }
}
