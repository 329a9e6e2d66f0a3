//! Pseudo-terminals, opened and taken by a child between `clone3` and `execve`.
//!
//! Not here: the devpts they are in (a mount), and what becomes of the supervisor's end (`palisade::supervise`).
//!
//! The rules of `child.rs` hold: system calls only, no allocation, locks, panics or drops.

use libc::{c_int, c_uint};

use crate::{
    call::{self, Errno},
    raw::sys,
};

/// Lengths of erased signs are right for UTF-8, as terminal emulators set it (termios(3)).
const IUTF8: c_uint = 0o40000;

/// Opens a new pseudo-terminal of the devpts at /dev/pts: the supervisor's end and the program's.
pub(crate) fn open(rows: u16, columns: u16) -> Result<(c_int, c_int), Errno> {
    // Not /dev/ptmx: that is the host's where the host's /dev is shown.
    let master = call::open(c"/dev/pts/ptmx".as_ptr(), libc::O_RDWR | libc::O_NOCTTY, 0)?;
    let unlocked: c_int = 0;
    // SAFETY: TIOCSPTLCK reads an int.
    unsafe { sys!(SYS_ioctl, master, libc::TIOCSPTLCK, &raw const unlocked) }?;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // By descriptor (Linux 4.13): no path is trusted. SAFETY: TIOCGPTPEER takes flags only.
    let terminal = unsafe { sys!(SYS_ioctl, master, libc::TIOCGPTPEER, flags) }? as c_int;
    // The kernel's `struct termios` is 36 bytes: four words of flags, the input modes first, then bytes.
    let mut modes = [0 as c_uint; 16];
    // SAFETY: the kernel writes and reads less than `modes` holds.
    unsafe {
        sys!(SYS_ioctl, terminal, libc::TCGETS, modes.as_mut_ptr())?;
        modes[0] |= IUTF8;
        sys!(SYS_ioctl, terminal, libc::TCSETS, modes.as_ptr())?;
    }
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads a winsize.
    unsafe { sys!(SYS_ioctl, terminal, libc::TIOCSWINSZ, &raw const size) }?;
    Ok((master, terminal))
}

/// Makes `terminal` the controlling one of this process, which leads a session that has none.
pub(crate) fn control(terminal: c_int) -> Result<c_int, Errno> {
    // SAFETY: scalar arguments; 0 takes no terminal away from another session.
    unsafe { sys!(SYS_ioctl, terminal, libc::TIOCSCTTY, 0) }?;
    Ok(terminal)
}
