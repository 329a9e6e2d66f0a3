//! What an operation is: its row in the table, its arguments, its answer.
//!
//! Not here: the operations themselves (one file per group), printing (`main.rs`).

use std::ffi::CStr;
use std::io;

/// Why an operation did not succeed.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A wall held: which call failed, and how.
    Blocked(String),
    /// Nothing was proved, for example because an argument or a file is missing.
    Inconclusive(String),
}

/// Evidence of success, or why there is none.
pub(crate) type Answer = Result<String, Stop>;

/// Where an operation runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a forked child: a fatal signal is reported as an answer, and changes to the process end with it.
    Child,
    /// In the process itself, because the operation is about the process.
    Itself,
}

/// One row of `hostile --list`.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static str,
    pub(crate) about: &'static str,
    /// What must hold outside for the operation to succeed there; `-` for nothing.
    pub(crate) needs: &'static str,
    pub(crate) place: Place,
    pub(crate) run: fn(&Arguments) -> Answer,
}

/// The words after the operation's name.
pub(crate) struct Arguments(pub(crate) Vec<String>);

impl Arguments {
    pub(crate) fn text(&self, index: usize, name: &str) -> Result<&str, Stop> {
        self.optional(index).ok_or_else(|| Stop::Inconclusive(format!("argument {name} is missing")))
    }

    pub(crate) fn optional(&self, index: usize) -> Option<&str> {
        self.0.get(index).map(String::as_str)
    }

    /// A whole number up to `most`. The cap is what keeps an exhaustion probe harmless outside.
    pub(crate) fn number(&self, index: usize, name: &str, most: u64) -> Result<u64, Stop> {
        let text = self.text(index, name)?;
        match text.parse::<u64>() {
            Ok(number) if number <= most => Ok(number),
            _ => Err(Stop::Inconclusive(format!("argument {name} must be a number up to {most}, not `{text}`"))),
        }
    }

    /// A process id that is neither a group, nor everybody, nor init.
    pub(crate) fn process(&self, index: usize) -> Result<libc::pid_t, Stop> {
        match self.number(index, "PID", i32::MAX as u64)? {
            0 | 1 => Err(Stop::Inconclusive("PID must be greater than 1".into())),
            pid => Ok(pid as libc::pid_t),
        }
    }
}

/// The symbolic name of an errno, or its number.
pub(crate) fn errno_name(number: i32) -> String {
    unsafe extern "C" {
        // glibc 2.32; the libc crate does not declare it.
        fn strerrorname_np(number: libc::c_int) -> *const libc::c_char;
    }
    // SAFETY: any number is accepted; the answer is null or a static string.
    let name = unsafe { strerrorname_np(number) };
    if name.is_null() {
        return format!("errno {number}");
    }
    // SAFETY: not null, see above.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}

/// The errno that the last failed call left behind.
pub(crate) fn last_errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// Turns an I/O error into a blocked answer that names the call.
pub(crate) fn blocked(call: impl Into<String>) -> impl FnOnce(io::Error) -> Stop {
    let call = call.into();
    move |error| match error.raw_os_error() {
        Some(number) => Stop::Blocked(format!("{call}: {}", errno_name(number))),
        None => Stop::Blocked(format!("{call}: {error}")),
    }
}

/// The value of a C-style return, or a blocked answer.
pub(crate) fn check(call: impl Into<String>, value: impl Into<i64>) -> Result<i64, Stop> {
    match value.into() {
        -1 => Err(Stop::Blocked(format!("{}: {}", call.into(), errno_name(last_errno())))),
        value => Ok(value),
    }
}

/// Makes a raw system call.
///
/// Looks safe although it is not: callers pass numbers, or addresses of locals that outlive the call.
pub(crate) fn system_call(name: impl Into<String>, number: libc::c_long, words: &[usize]) -> Result<i64, Stop> {
    let word = |index: usize| words.get(index).copied().unwrap_or(0);
    // SAFETY: see the function's contract; the kernel checks every address itself.
    check(name, unsafe { libc::syscall(number, word(0), word(1), word(2), word(3), word(4), word(5)) })
}

/// Like [`system_call`] for a call that is made with arguments that the kernel refuses *after* its permission check:
/// one of `past` proves that the caller was allowed to get there, and nothing happens.
pub(crate) fn harmless_call(name: &str, number: libc::c_long, words: &[usize], past: &[i32]) -> Answer {
    match system_call(name, number, words) {
        Ok(value) => Ok(format!("{name} returned {value}")),
        Err(_) if past.contains(&last_errno()) => {
            Ok(format!("{name} reached the argument check ({}), so it is permitted", errno_name(last_errno())))
        }
        Err(stop) => Err(stop),
    }
}

/// The first success, or all failures in one answer.
pub(crate) fn any(answers: impl IntoIterator<Item = Answer>) -> Answer {
    let (mut walls, mut doubts) = (Vec::new(), Vec::new());
    for answer in answers {
        match answer {
            Ok(evidence) => return Ok(evidence),
            Err(Stop::Blocked(wall)) => walls.push(wall),
            Err(Stop::Inconclusive(doubt)) => doubts.push(doubt),
        }
    }
    if walls.is_empty() { Err(Stop::Inconclusive(doubts.join("; "))) } else { Err(Stop::Blocked(walls.join("; "))) }
}
