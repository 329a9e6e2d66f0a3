//! The caller's terminal while a program has one of its own: raw, and its size passed on.
//!
//! Every key then reaches the program's terminal as it is, and that one's line discipline makes an interrupt of Ctrl-C. The
//! size is looked at, not waited for: SIGWINCH belongs to the whole process, and the supervisor wakes often enough anyway.
//! Not here: the bytes that pass (`output.rs`), making the program's terminal (`palisade-sys`).

use std::{io, os::fd::BorrowedFd};

use palisade_spec::Terminal;
use rustix::{
    process::getpgrp,
    stdio::stdin,
    termios::{
        LocalModes, OptionalActions, QueueSelector, Termios, Winsize, isatty, tcflush, tcgetattr, tcgetpgrp,
        tcgetwinsize, tcsetattr, tcsetwinsize,
    },
};

/// The caller's terminal, raw until this is dropped.
#[derive(Debug)]
pub(super) struct CallersTerminal {
    before: Termios,
    raw: Termios,
    size: Winsize,
}

impl CallersTerminal {
    /// Makes the terminal at standard input raw. `None` if there is none.
    pub(super) fn enter(program: Terminal) -> io::Result<Option<Self>> {
        if !isatty(stdin()) {
            return Ok(None);
        }
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        let size = Winsize { ws_row: program.rows, ws_col: program.columns, ws_xpixel: 0, ws_ypixel: 0 };
        let entered = Self { before, raw, size };
        tcsetattr(stdin(), OptionalActions::Now, &entered.raw)?;
        Ok(Some(entered))
    }

    /// Passes a new size on to the program's terminal, whose kernel side then tells the program by SIGWINCH.
    ///
    /// After a stop and `fg` the caller's shell has set the terminal for itself, so it is made raw again.
    pub(super) fn look(&mut self, program: BorrowedFd<'_>) {
        // A terminal that has gone away cannot be asked, and the supervisor learns of that by SIGHUP. One without a size
        // (a serial line) has none to pass on.
        if let Ok(size) = tcgetwinsize(stdin())
            && parts(size) != parts(self.size)
            && (size.ws_row, size.ws_col) != (0, 0)
            && tcsetwinsize(program, size).is_ok()
        {
            self.size = size;
        }
        if tcgetattr(stdin()).is_ok_and(|now| now.local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO))
            && tcgetpgrp(stdin()).is_ok_and(|group| group == getpgrp())
        {
            let _ = tcsetattr(stdin(), OptionalActions::Now, &self.raw);
        }
    }
}

fn parts(size: Winsize) -> [u16; 4] {
    [size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel]
}

impl Drop for CallersTerminal {
    fn drop(&mut self) {
        // Another job has the terminal now, and what is set and typed there is that one's. A terminal that cannot be asked is
        // not this session's, so there are no jobs.
        if tcgetpgrp(stdin()).is_ok_and(|group| group != getpgrp()) {
            return;
        }
        // A terminal answers to some of what a program prints. What the program did not read must not be typed into the
        // shell that is there next. Failures: the terminal is gone.
        let _ = tcflush(stdin(), QueueSelector::IFlush);
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}
