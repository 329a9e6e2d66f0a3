//! A process that gives up everything but its memory and the streams that it has: for one that reads strangers' text.
//!
//! Not here: resource limits, which need no `unsafe`.

use std::io;

use crate::{
    child::install_filter,
    raw::sys,
    script::Listener,
    seccomp::{Action, Arch, Call, Rule, Rules, compile},
};

/// What pure computation and two streams take.
const CALLS: [Call; 22] = [
    Call::read,
    Call::readv,
    Call::write,
    Call::writev,
    Call::close,
    Call::fstat,
    Call::brk,
    Call::mmap,
    Call::munmap,
    Call::mremap,
    Call::mprotect,
    Call::madvise,
    Call::futex,
    Call::getrandom,
    Call::clock_gettime,
    Call::rt_sigaction,
    Call::rt_sigprocmask,
    Call::rt_sigreturn,
    Call::sigaltstack,
    Call::restart_syscall,
    Call::exit,
    Call::exit_group,
];

/// From now on this process can open, start, reach and ask nothing: any other system call kills the process. Memory can be made, but
/// not made executable. For this thread and those that it starts; it cannot be undone.
///
/// # Errors
/// If the kernel has no filters, or this architecture has none here.
pub fn confine() -> io::Result<()> {
    let unsupported = || io::Error::from(io::ErrorKind::Unsupported);
    let arch = Arch::host().ok_or_else(unsupported)?;
    let program = compile(&rules(), arch).map_err(|_| unsupported())?;
    // SAFETY: scalar arguments.
    unsafe { sys!(SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.map_err(io::Error::from_raw_os_error)?;
    install_filter(program.as_ptr().cast(), program.len(), Listener::Nobody).map_err(io::Error::from_raw_os_error)?;
    Ok(())
}

fn rules() -> Rules {
    use crate::seccomp::{Arg, INT, Is, Test};
    const PROT_EXEC: u64 = libc::PROT_EXEC as u64;
    let executable = || [Test::new(Arg::Third, INT & PROT_EXEC, Is::NonZero)];
    let rules = CALLS.into_iter().map(|call| match call {
        Call::mmap | Call::mprotect => Rule::new(call, Action::Allow).when(executable(), Action::KillProcess),
        _ => Rule::new(call, Action::Allow),
    });
    Rules { rules: rules.collect(), otherwise: Action::KillProcess }
}
