//! What the one who started this process wants of it: to hold still at the height, so that others can look from outside, and
//! not to outlive him.

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether somebody is waiting to look.
static ASKED: AtomicBool = AtomicBool::new(false);

/// The next [`here`] holds.
pub(crate) fn ask() {
    ASKED.store(true, Ordering::Relaxed);
}

/// Tells that the operation is at its height, once, and waits until the input ends. Nothing if nobody asked.
pub(crate) fn here(evidence: &str) {
    if ASKED.swap(false, Ordering::Relaxed) {
        say(&format!("HOLDING {}", crate::one_line(evidence)));
        wait();
    }
}

/// One line, at once. Nobody may be listening.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Until the input ends, or cannot be read.
pub(crate) fn wait() {
    let mut block = [0_u8; 256];
    while std::io::stdin().lock().read(&mut block).is_ok_and(|count| count > 0) {}
}

/// The kernel kills this process when the thread that started it ends.
pub(crate) fn leash() {
    // SAFETY: plain numbers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Blocks no signal: whoever started this process may have blocked some, and a victim must be able to die.
pub(crate) fn take_signals() {
    // SAFETY: sigset_t is plain data, which sigemptyset initialises; the calls take valid pointers to it.
    unsafe {
        let mut none = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}
