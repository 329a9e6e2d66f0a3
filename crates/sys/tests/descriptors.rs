//! What a child holds of its parent while it is set up.
#![allow(clippy::unwrap_used, reason = "not library code")]
#![cfg(target_os = "linux")]

use std::{
    io::{Read as _, pipe},
    os::fd::AsRawFd as _,
};

use palisade_sys::{Namespaces, Op, Script, spawn};

/// A step that takes longer than any test.
fn for_ever() -> i32 {
    loop {
        // SAFETY: no preconditions.
        unsafe { libc::pause() };
    }
}

#[test]
fn a_child_that_is_being_set_up_holds_no_end_of_another_pipe_of_its_parent() {
    let (mut reader, writer) = pipe().unwrap();
    let script = Script {
        namespaces: Namespaces::default(),
        cgroup: None,
        ops: vec![Op::Call(for_ever)],
        aside: Vec::new(),
        program: None,
    };
    let child = spawn(&script).unwrap();
    drop(writer);
    let mut ended = libc::pollfd { fd: reader.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one structure that lives across the call.
    assert_eq!(unsafe { libc::poll(&raw mut ended, 1, 20_000) }, 1, "the child keeps the pipe open");
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    assert!(child.record().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock), "still being set up");
}
