//! Steps that only probes take: they show that something works, or that something is refused.
//!
//! In: a [`Trial`] of the script. Out: nothing, or an errno; 0 is "this had to fail and did not". Not here: which of them
//! prove what (`palisade::probe`).
//!
//! The rules of `child.rs` hold: system calls only, no allocation, locks, panics or drops.

use std::fmt;

use crate::{
    call::{self, Errno},
    child::{self, Child},
    raw::sys,
    script::{Listener, Op, Rlimit, Slot},
    seccomp::SockFilter,
    step::{self, State},
};

/// A step of a probe.
#[derive(Debug)]
#[non_exhaustive]
pub enum Trial {
    /// A step that has to fail with `errno`. If it succeeds, this one fails with errno 0.
    Refused {
        /// What is to be refused.
        step: Box<Op>,
        /// How.
        errno: i32,
    },
    /// Gives up the ability to gain privileges, and reads back that it is gone.
    NoNewPrivileges,
    /// Installs a system call filter on the process itself.
    Filter {
        /// Its instructions.
        code: Vec<SockFilter>,
        /// Where its listener is kept, if it has one.
        listener: Option<Slot>,
    },
    /// Marks every descriptor from 3 on to be closed when a program is executed.
    CloseOnExecute,
    /// Starts a process that ends at once, and waits for it.
    Fork,
    /// Sets resource limits on the process itself.
    Limits(Vec<Rlimit>),
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { step, .. } => write!(f, "be refused when trying to {step}"),
            Self::NoNewPrivileges => f.write_str("give up gaining privileges"),
            Self::Filter { listener: None, .. } => f.write_str("install a system call filter"),
            Self::Filter { listener: Some(_), .. } => f.write_str("install a system call filter with a listener"),
            Self::CloseOnExecute => f.write_str("close_range"),
            Self::Fork => f.write_str("start a process"),
            Self::Limits(limits) => write!(f, "set {} resource limits", limits.len()),
        }
    }
}

pub(crate) fn attempt(child: &Child<'_>, trial: &Trial, state: &State) -> Result<(), Errno> {
    match trial {
        Trial::Refused { step, errno } => match step::step(child, step, state) {
            Err(refused) if refused == *errno => Ok(()),
            Err(other) => Err(other),
            Ok(()) => Err(0),
        },
        Trial::NoNewPrivileges => {
            call::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0)?;
            // SAFETY: scalar arguments.
            match unsafe { sys!(SYS_prctl, libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) } {
                Ok(1) => Ok(()),
                _ => Err(0),
            }
        }
        Trial::Filter { code, listener } => {
            let wanted = if listener.is_some() { Listener::Parent } else { Listener::Nobody };
            let fd = child::install_filter(code.as_ptr().cast(), code.len(), wanted)?;
            listener.map_or(Ok(()), |slot| step::keep(state, slot.0, fd))
        }
        Trial::CloseOnExecute => call::close_on_execute(),
        Trial::Fork => fork(),
        Trial::Limits(limits) => child::limit(limits),
    }
}

fn fork() -> Result<(), Errno> {
    // A raw call: glibc's fork runs handlers and takes locks. Only the exit signal is given, so the order of the other
    // arguments, which differs between architectures, does not matter.
    // SAFETY: without CLONE_VM the new process has a copy of all memory, and it does nothing but exit.
    let pid = unsafe { sys!(SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) }?;
    if pid == 0 {
        call::exit(0);
    }
    let mut status = 0;
    // SAFETY: `status` is valid for writing.
    unsafe { sys!(SYS_wait4, pid, &raw mut status, libc::__WALL, 0) }.map(drop)
}
