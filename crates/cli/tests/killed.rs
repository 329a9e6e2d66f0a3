//! palisade is killed in the middle of a hundred runs on each wall, and nothing is left: no process, mount, cgroup, file.
//!
//! The kills are spread over the time that one whole run takes, so that they meet every step of it: setting up, the wall's own
//! program, the agent, the program, the end.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use common::Place;
use palisade_testkit::{Person, need};

/// Runs that are killed.
const RUNS: u32 = 100;
/// Of these, so many at one time.
const AT_ONCE: u32 = 4;

fn nothing_is_left(backend: &str, person: Person) {
    if !need(backend) {
        return;
    }
    let _engine = palisade_testkit::Engine::start(backend, person).unwrap();
    let Some(place) = Place::new(person) else { return };
    let network = if ["unshare", "chroot"].contains(&backend) { "--network=allow-all" } else { "" };
    let command = |seconds: &str| {
        let mut command = place.palisade(&format!("run --quiet --no-config --backend {backend} {network} --"));
        command.args(["sleep", seconds]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.env("PALISADE_TEST", place.token());
        command
    };
    let begun = Instant::now();
    let output = place.output(&mut command("0"));
    assert!(output.status.success(), "{backend}: {}", common::text(&output));
    let whole = begun.elapsed();
    for batch in 0..RUNS / AT_ONCE {
        let mut children: Vec<_> = (0..AT_ONCE).map(|_| place.spawn(&mut command("600"))).collect();
        // A fault at a chosen time, not a wait for something.
        std::thread::sleep(whole * 3 * batch / (RUNS / AT_ONCE) / 2);
        for child in &mut children {
            child.kill().unwrap();
        }
        for child in &mut children {
            let _ = child.wait();
        }
    }
    // A cgroup that a killed palisade has left is removed by the next run.
    let clean = palisade_testkit::wait_for(Duration::from_secs(20), || {
        let _ = place.output(&mut command("0"));
        place.left().is_empty()
    });
    assert!(clean, "{backend} as {person:?} leaves {:#?}", place.left());
}

macro_rules! walls {
    ($($name:ident: $($person:ident),+;)+) => {
        $(mod $name {
            $(#[allow(non_snake_case)]
            #[test]
            fn $person() {
                super::nothing_is_left(stringify!($name), palisade_testkit::Person::$person);
            })+
        })+
    };
}

walls! {
    native: Root, Ordinary;
    bubblewrap: Root, Ordinary;
    lxc: Root;
    crun: Root, Ordinary;
    runc: Root, Ordinary;
    nspawn: Root;
    firejail: Root;
    gvisor: Root, Ordinary;
    docker: Root;
    podman: Root;
    unshare: Root, Ordinary;
    chroot: Root;
}
