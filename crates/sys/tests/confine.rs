//! A confined process computes and talks on its streams; anything else kills it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests: the helpers too")]

use std::{
    env,
    os::unix::process::ExitStatusExt,
    process::{Command, ExitStatus},
};

/// Runs this test program again, confined, to do one thing.
fn confined(what: &str) -> ExitStatus {
    let own = env::current_exe().unwrap();
    Command::new(own)
        .args(["--exact", "inside", "--nocapture", "--test-threads=1"])
        .env("CONFINED", what)
        .status()
        .unwrap()
}

/// Not a test by itself: what the process of the others does.
#[test]
fn inside() {
    let Some(what) = env::var_os("CONFINED") else { return };
    palisade_sys::confine().unwrap();
    match what.to_str().unwrap() {
        "compute" => {
            let text: String = (0..100_000).map(|number| number.to_string()).collect();
            std::process::exit(i32::from(text.len() != 488_890));
        }
        "open" => drop(std::fs::File::open("/etc/passwd")),
        "start" => drop(Command::new("/bin/true").status()),
        "connect" => drop(std::net::UdpSocket::bind("127.0.0.1:0")),
        "kill" => drop(rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::CONT)),
        _ => {}
    }
    std::process::exit(9);
}

#[test]
fn it_can_compute() {
    assert_eq!(confined("compute").code(), Some(0));
}

#[test]
fn it_dies_of_opening_starting_connecting_and_signalling() {
    for what in ["open", "start", "connect", "kill"] {
        assert_eq!(confined(what).signal(), Some(31), "{what}: SIGSYS");
    }
}
