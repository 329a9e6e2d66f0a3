//! The calls that are refused without a word, because honest programs try them and do without.
//!
//! The error is the one that the caller knows how to live with: mostly what a kernel without the call, or an ordinary
//! user without the privilege, would answer. Calls in no table at all get `ENOSYS` ([`UNKNOWN`]): new ones are then
//! "not there yet", which every libc handles; `EPERM` would not be believed (glibc's and Docker's lesson of 2020).

use libc::{ENOSYS, EOPNOTSUPP, EPERM};

#[allow(clippy::enum_glob_use, reason = "the whole file is a list of them")]
use super::call::Call::{self, *};
use super::rule::Action;

/// For every call that no table names.
pub(super) const UNKNOWN: Action = errno(ENOSYS);

/// (error, calls)
#[rustfmt::skip] // one paragraph per reason
pub(super) const QUIET: &[(i32, &[Call])] = &[
    // Its flags are in memory, where a filter cannot look and another thread could change them. glibc, Go and the JVM
    // fall back to `clone`, whose flags are in a register.
    (ENOSYS, &[clone3]),
    // libuv (Node), tokio-uring, Netty, liburing's users probe it at start and fall back to epoll or threads. So a try
    // is no evidence of anything. It stays closed: it makes file and socket calls that no filter sees.
    (ENOSYS, &[io_uring_setup, io_uring_enter, io_uring_register]),
    // Kernel AIO: its users (libaio: databases, qemu) have other ways.
    (ENOSYS, &[io_setup, io_destroy, io_submit, io_cancel, io_getevents, io_pgetevents]),
    // Memory that not even our supervisor could look at; off by default before 6.5.
    (ENOSYS, &[memfd_secret]),
    // Many kernels are built without it. Wine and DOSEMU.
    (ENOSYS, &[modify_ldt]),
    // Allocators try them on themselves; they also take other processes.
    (ENOSYS, &[process_madvise, process_mrelease]),
    // Page cache residency: a side channel to whoever shares the files.
    (ENOSYS, &[cachestat]),
    // systemd's libraries ask for a handle to see whether a directory is a mount point, and know this answer.
    (EOPNOTSUPP, &[name_to_handle_at]),
    // What every ordinary user gets. Installers and `hostname` try.
    (EPERM, &[sethostname, setdomainname]),
];

/// From the type that libc's constants have.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "error numbers are from 1 to 4095")]
pub(super) const fn errno(number: i32) -> Action {
    Action::Errno(number as u16)
}
