//! One request gives an equal outcome on every wall, or a refusal, or a difference that is listed with its reason.
//!
//! `requests.rs` is the table of requests, `differences.rs` that of differences; both are in the manual (docs/backends.md), and
//! the last test here holds the manual to them (`PALISADE_WRITE=1` writes it). palisade's own wall is what the others are
//! compared with, and is itself held to what each request says.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "for tests")]

#[path = "../common/mod.rs"]
mod common;
mod differences;
mod manual;
mod requests;
mod seen;

use common::Place;
use differences::{DIFFERENCES, Difference};
use palisade_testkit::{Delegated, Person, need};
use requests::REQUESTS;
use seen::Seen;

/// Walls that close no network: what is asked of them leaves it open, unless it is about that.
const OPEN: [&str; 2] = ["unshare", "chroot"];

/// Every request on a wall, as a person, beside palisade's own wall.
#[track_caller]
fn equal(backend: &'static str, person: Person) {
    if !need(backend) {
        return;
    }
    let engine = palisade_testkit::Engine::start(backend, person).unwrap();
    let Some(mut place) = Place::new(person) else { return };
    // An ordinary user's podman holds no limit under version 1 of cgroups.
    let delegated =
        (backend == "podman" && person == Person::Ordinary).then(|| Delegated::to(place.seat.uid()).unwrap());
    if let Some(Some(delegated)) = &delegated {
        let wrapped = place.home().join("palisade-in-groups");
        delegated.wrap(&place.palisade, &wrapped).unwrap();
        place.palisade = wrapped;
    }
    let has_cgroup = place.has_cgroup();
    let mut wrong = Vec::new();
    for request in REQUESTS {
        let open = OPEN.contains(&backend) && !request.is_of_network();
        let more = if open { "--network=allow-all" } else { "" };
        let native = Seen::of(&place, request, more, "native");
        let expected = request.weakly.filter(|_| !has_cgroup).unwrap_or(request.outcome);
        if !native.is(expected) {
            wrong.push(format!("{}: on native it should be {expected}: {native}", request.name));
        }
        if backend == "native" {
            continue;
        }
        let other = Seen::of(&place, request, more, backend);
        let listed = DIFFERENCES.iter().find(|difference| difference.is_of(backend, person, request.name));
        match listed {
            None if other != native => wrong.push(format!("{}: {}", request.name, native.against(&other))),
            Some(_) if other == native => wrong.push(format!("{}: listed as a difference, and equal", request.name)),
            Some(Difference { outcome, because, .. }) if !other.is(outcome) => {
                wrong.push(format!("{}: it is listed as {outcome} ({because}): {other}", request.name));
            }
            _ => {}
        }
    }
    place.assert_clean();
    drop((engine, delegated));
    assert!(wrong.is_empty(), "{backend} as {person:?}:\n{}", wrong.join("\n"));
}

macro_rules! walls {
    ($($name:ident: $($person:ident),+;)+) => {
        $(mod $name {
            $(#[allow(non_snake_case)]
            #[test]
            fn $person() {
                super::equal(stringify!($name), palisade_testkit::Person::$person);
            })+
        })+
        /// The walls that are compared.
        const WALLS: &[&str] = &[$(stringify!($name)),+];
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
    docker: Root, Ordinary;
    podman: Root, Ordinary;
    unshare: Root, Ordinary;
    chroot: Root;
}

#[test]
fn the_manual_lists_every_request_and_difference() {
    manual::holds();
}
