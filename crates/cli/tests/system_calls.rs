//! What a launch costs in system calls: a number that does not depend on how busy the host is.
//!
//! All processes count: palisade, its sandbox's first process, the helper, the program itself (about 40 of its own). Waiting
//! makes calls too, as many as it takes, so the least of several launches is held against the ceiling.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::path::Path;

use common::{Place, everyone, text};
use palisade_testkit::{Delegated, Person, need};

/// What `palisade run -- /bin/true` makes at most. Root's has cgroups of version 1, an ordinary user's none.
///
/// Measured on 2026-11-23 (Linux 6.18, Debian 12, cgroup v1): 572 as root, 500 as an ordinary user. A twentieth more is room
/// for hosts that differ: a directory more below the root, another C library.
const fn ceiling(person: Person) -> u64 {
    match person {
        Person::Root => 570 + 28,
        Person::Ordinary => 560 + 28,
    }
}

/// Launches of which the least is taken.
const LAUNCHES: usize = 8;

#[test]
fn a_launch_makes_no_more_system_calls_than_it_did() {
    if !need("strace") {
        return;
    }
    everyone(|place| {
        let counted = (0..LAUNCHES).map(|_| count(place)).min_by_key(|(calls, _)| *calls);
        let (calls, table) = counted.unwrap();
        let most = ceiling(place.person);
        assert!(
            calls <= most,
            "as {:?}, a launch makes {calls} system calls, {most} at most were expected.\nIf that is on purpose, measure what \
             it costs (`palisade bench phases`, and the last column below against the same of the commit before), and raise \
             the ceiling in this file with the reason.\n{table}",
            place.person
        );
        // A ceiling far above what is needed guards nothing.
        assert!(
            calls + most / 5 >= most,
            "as {:?}, a launch makes {calls} system calls: lower the ceiling of {most} in this file",
            place.person
        );
    });
}

/// System calls of one launch, and the table that strace made of them.
fn count(place: &Place) -> (u64, String) {
    let table = place.home().join("calls");
    // In groups where nobody else has any: palisade looks at each that it finds beside its own, for one whose owner is gone.
    let delegated = Delegated::to(place.seat.uid()).unwrap();
    let strace = delegated.as_ref().map_or_else(
        || "strace".into(),
        |groups| {
            let wrapped = place.home().join("strace");
            groups.wrap(Path::new("/usr/bin/strace"), &wrapped).unwrap();
            wrapped
        },
    );
    let mut command = place.seat.command(strace);
    command.current_dir("/").args(["-f", "-qq", "-c", "-S", "calls", "-o"]).arg(&table).arg(&place.palisade);
    command.args(["run", "--no-config", "--quiet", "--backend", "native", "--", "/bin/true"]);
    let output = place.output(command.env("PALISADE_TEST", place.token()));
    assert!(output.status.success(), "{}", text(&output));
    let table = std::fs::read_to_string(&table).unwrap();
    // The last line is `100.00  SECONDS  MICROS  CALLS  ERRORS  total`.
    let total = table.lines().last().and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    (total.unwrap(), table)
}

#[test]
fn the_end_of_a_sandbox_is_waited_for_and_not_looked_for() {
    if !need("strace") {
        return;
    }
    everyone(|place| {
        for _ in 0..LAUNCHES {
            let trace = place.home().join("trace");
            let mut command = place.seat.command("strace");
            command.args(["-qq", "-e", "trace=ppoll", "-e", "signal=none", "-o"]).arg(&trace).arg(&place.palisade);
            // Long enough that counters were read, and are due again.
            command.args(["run", "--no-config", "--quiet", "--backend", "native", "--", "sleep", "0.03"]);
            let output = place.output(command.env("PALISADE_TEST", place.token()));
            assert!(output.status.success(), "{}", text(&output));
            let trace = std::fs::read_to_string(&trace).unwrap();
            // Where the sandbox's first process tells of the program: closed, it is readable for ever.
            let closed = trace.lines().filter(|line| line.contains("revents=POLLIN|POLLHUP")).count();
            assert!(closed <= 1, "as {:?}, it looks again and again:\n{trace}", place.person);
        }
    });
}
