//! Forked children: the isolated run of one operation, and the helpers that flooding operations share.
//!
//! The process is single-threaded whenever it forks, so a child may allocate.

use crate::operation::{Answer, Stop, check, errno_name, last_errno};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// A counter in a page shared with the isolated child, so that a killed child still tells how far it got.
static PROGRESS: AtomicPtr<AtomicU64> = AtomicPtr::new(std::ptr::null_mut());

fn share_progress() {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new anonymous mapping; nothing existing is touched.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), 4096, access, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1, 0) };
    if page != libc::MAP_FAILED {
        PROGRESS.store(page.cast(), Ordering::Relaxed);
    }
}

fn progress() -> Option<&'static AtomicU64> {
    // SAFETY: null, or a zeroed, aligned page that is never unmapped.
    unsafe { PROGRESS.load(Ordering::Relaxed).as_ref() }
}

/// Notes how far the operation has got.
pub(crate) fn reached(amount: u64) {
    if let Some(counter) = progress() {
        counter.store(amount, Ordering::Relaxed);
    }
}

/// Adds to the notes of several processes at once.
pub(crate) fn reached_more(amount: u64) {
    if let Some(counter) = progress() {
        counter.fetch_add(amount, Ordering::Relaxed);
    }
}

/// What all processes together have noted.
pub(crate) fn reached_so_far() -> u64 {
    progress().map_or(0, |counter| counter.load(Ordering::Relaxed))
}

/// The name of a signal that ends processes, or its number.
pub(crate) fn signal_name(signal: i32) -> String {
    match signal {
        libc::SIGKILL => "SIGKILL".into(),
        libc::SIGSYS => "SIGSYS".into(),
        libc::SIGSEGV => "SIGSEGV".into(),
        libc::SIGBUS => "SIGBUS".into(),
        libc::SIGXCPU => "SIGXCPU".into(),
        libc::SIGXFSZ => "SIGXFSZ".into(),
        libc::SIGTERM => "SIGTERM".into(),
        libc::SIGABRT => "SIGABRT".into(),
        other => format!("signal {other}"),
    }
}

/// Forks; the child runs `body` and exits with its result.
pub(crate) fn fork(body: impl FnOnce() -> i32) -> Result<libc::pid_t, Stop> {
    // SAFETY: single-threaded, see the module header.
    let pid = check("fork", unsafe { libc::fork() })? as libc::pid_t;
    if pid == 0 {
        let code = body();
        // SAFETY: ends the child without running the parent's exit handlers a second time.
        unsafe { libc::_exit(code) };
    }
    Ok(pid)
}

/// Waits for a child and returns its raw status.
pub(crate) fn wait(pid: libc::pid_t) -> i32 {
    let mut status = 0;
    loop {
        // SAFETY: `status` outlives the call.
        let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
        if waited != -1 || last_errno() != libc::EINTR {
            return status;
        }
    }
}

/// Kills and reaps children.
pub(crate) fn end(pids: &[libc::pid_t]) {
    for pid in pids {
        // SAFETY: our own unreaped child, so the id cannot have been reused.
        unsafe { libc::kill(*pid, libc::SIGKILL) };
    }
    for pid in pids {
        wait(*pid);
    }
}

/// A pipe: reading end, writing end.
pub(crate) fn pipe() -> Result<(OwnedFd, OwnedFd), Stop> {
    let mut ends = [0; 2];
    // SAFETY: the kernel fills two numbers.
    check("pipe2", unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    // SAFETY: new descriptors that nobody else owns.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// Blocks until every writing end of the pipe is closed: a child that waits like this dies with its parent, however
/// the parent dies.
pub(crate) fn wait_for_close(reading: &OwnedFd) {
    let mut byte = [0_u8; 1];
    // SAFETY: reads at most one byte into a live buffer.
    while unsafe { libc::read(reading.as_raw_fd(), byte.as_mut_ptr().cast(), 1) } == -1 && last_errno() == libc::EINTR {
    }
}

/// Writes all of `bytes`, as far as the descriptor takes them, and returns how much it took.
pub(crate) fn write_all(fd: i32, mut bytes: &[u8]) -> Result<(), i32> {
    while !bytes.is_empty() {
        // SAFETY: the buffer is live and the length its own.
        match unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) } {
            -1 if last_errno() == libc::EINTR => {}
            -1 => return Err(last_errno()),
            count => bytes = &bytes[count as usize..],
        }
    }
    Ok(())
}

/// Runs `body` in a child. If the child is killed, that is the answer, after `clean_up` for its process id. Where
/// forking is forbidden, runs it here.
pub(crate) fn isolated(name: &str, body: impl FnOnce() -> Answer, clean_up: impl FnOnce(libc::pid_t)) -> Answer {
    let Ok((reading, writing)) = pipe() else { return body() };
    share_progress();
    // SAFETY: single-threaded, see the module header.
    let pid = unsafe { libc::fork() };
    if pid == -1 {
        return body();
    }
    if pid == 0 {
        let (kind, mut text) = match body() {
            Ok(evidence) => ('S', evidence),
            Err(Stop::Blocked(wall)) => ('B', wall),
            Err(Stop::Inconclusive(doubt)) => ('I', doubt),
        };
        text.insert(0, kind);
        // At most PIPE_BUF, so that the parent finds the answer whole in the pipe after the child has ended.
        let bytes = &text.as_bytes()[..text.len().min(4096)];
        let code = i32::from(write_all(writing.as_raw_fd(), bytes).is_err());
        // SAFETY: ends the child without running the parent's exit handlers a second time.
        unsafe { libc::_exit(code) };
    }
    drop(writing);
    let status = wait(pid);
    let mut bytes = vec![0_u8; 4096];
    // Not to end of file: descendants that are still alive may hold the writing end.
    // SAFETY: our own descriptor.
    unsafe { libc::fcntl(reading.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    // SAFETY: the buffer is live and 4096 bytes long.
    let count = unsafe { libc::read(reading.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len()) };
    let text = String::from_utf8_lossy(&bytes[..count.max(0) as usize]).into_owned();
    if let Some(kind) = text.chars().next() {
        let text = text[1..].to_owned();
        return match kind {
            'S' => Ok(text),
            'B' => Err(Stop::Blocked(text)),
            _ => Err(Stop::Inconclusive(text)),
        };
    }
    let far = progress().map_or(0, |counter| counter.load(Ordering::Relaxed));
    let far = if far == 0 { String::new() } else { format!(" after reaching {far}") };
    if libc::WIFSIGNALED(status) {
        clean_up(pid);
        return Err(Stop::Blocked(format!("{name}: killed by {}{far}", signal_name(libc::WTERMSIG(status)))));
    }
    Err(Stop::Inconclusive(format!("the child ended without an answer (status {status}){far}")))
}

/// Says in words how a child ended.
pub(crate) fn ending(status: i32) -> String {
    if libc::WIFSIGNALED(status) {
        format!("killed by {}", signal_name(libc::WTERMSIG(status)))
    } else {
        let code = libc::WEXITSTATUS(status);
        if code == 0 { "ended well".into() } else { format!("failed: {}", errno_name(code)) }
    }
}
