//! What a child says reaches its parent, also when it does not listen to what it is told.
#![allow(clippy::unwrap_used, reason = "not library code")]
#![cfg(target_os = "linux")]

use std::os::fd::AsRawFd as _;

use palisade_sys::{Child, Namespaces, Op, Record, Script, spawn};

/// Waits until the parent says that it has done something.
fn stop() -> i32 {
    // SAFETY: no preconditions.
    unsafe { libc::raise(libc::SIGSTOP) }
}

/// Waits for the child to stop or to end.
fn wait(child: &Child, event: i32) {
    // SAFETY: siginfo_t is plain data, filled by the call; WNOWAIT leaves the child to `reap`.
    unsafe {
        let mut info = std::mem::zeroed::<libc::siginfo_t>();
        let id = child.pidfd().as_raw_fd().cast_unsigned();
        assert_eq!(libc::waitid(libc::P_PIDFD, id, &raw mut info, event | libc::WNOWAIT), 0);
    }
}

#[test]
fn the_failure_of_a_child_that_ended_without_reading_is_told() {
    let missing = Op::WorkingDirectory(c"/no/such/directory".to_owned());
    let ops = vec![Op::Call(stop), missing];
    let script = Script { namespaces: Namespaces::default(), cgroup: None, ops, aside: Vec::new(), program: None };
    let child = spawn(&script).unwrap();
    wait(&child, libc::WSTOPPED);
    child.go(&[]).unwrap();
    // SAFETY: a signal to a child that has not been reaped.
    assert_eq!(unsafe { libc::kill(child.pid().cast_signed(), libc::SIGCONT) }, 0);
    wait(&child, libc::WEXITED);
    assert!(matches!(child.record(), Ok(Some(Record::Failed { step: 1, errno: libc::ENOENT }))));
    assert!(matches!(child.record(), Ok(None)));
}
