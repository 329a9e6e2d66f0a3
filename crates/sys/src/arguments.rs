//! What has to be known of this process's start: where it keeps its command line, so that a copy of it can be made
//! illegible, and whether it has a standard output.
//!
//! The first process of a sandbox is a copy of the caller, and /proc/1/cmdline would show its arguments, host paths among
//! them, to the program. Changing the place (PR_SET_MM) needs a privilege; overwriting the content does not.

use std::{
    ffi::{c_char, c_int},
    sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering},
};

static START: AtomicPtr<c_char> = AtomicPtr::new(std::ptr::null_mut());
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// glibc calls what is listed here with the arguments of `main`, in static and dynamic programs alike; std uses the same way.
#[cfg(target_env = "gnu")]
#[used]
#[unsafe(link_section = ".init_array")]
static NOTE: extern "C" fn(c_int, *const *mut c_char, *const *mut c_char) = note;

#[cfg(target_env = "gnu")]
extern "C" fn note(count: c_int, arguments: *const *mut c_char, _environment: *const *mut c_char) {
    // SAFETY: scalar arguments.
    OUTPUT_CLOSED.store(unsafe { libc::fcntl(1, libc::F_GETFD) } < 0, Ordering::Relaxed);
    if count > 0 && !arguments.is_null() {
        // SAFETY: the C library passes the array that it passes to `main`, which has `count` elements.
        START.store(unsafe { *arguments }, Ordering::Relaxed);
        // SAFETY: as above, and each element is a C string.
        let last = unsafe { *arguments.add(count as usize - 1) };
        let first = START.load(Ordering::Relaxed);
        // SAFETY: `last` is a C string. The kernel lays the strings out one behind the other.
        let end = unsafe { last.add(libc::strlen(last)) };
        COUNT.store((end as usize).saturating_sub(first as usize), Ordering::Relaxed);
    }
}

static OUTPUT_CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether standard output was closed when this process started. std opens /dev/null in its place, where everything that
/// is written is lost in silence.
#[must_use]
pub fn output_was_closed() -> bool {
    OUTPUT_CLOSED.load(Ordering::Relaxed)
}

/// Overwrites the command line. In a child: the parent's is another copy.
pub(crate) fn erase() {
    let start = START.load(Ordering::Relaxed);
    if !start.is_null() {
        // SAFETY: the range was measured by `note`; the memory of the arguments is writable and lives as long as the process.
        unsafe { std::ptr::write_bytes(start, 0, COUNT.load(Ordering::Relaxed)) };
    }
}
