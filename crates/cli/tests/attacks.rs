//! Every attack of the hostile program that works outside the sandbox does nothing inside it.
//!
//! The table and its outside half are `palisade_testkit::outside`; here is what differs inside. Exhaustion: `limits.rs`.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are tests too; reasons are to be read"
)]

mod common;

use std::collections::BTreeSet;
use std::io::Write as _;

use common::Place;
use palisade_testkit::outside::{Expect, ROWS, SPEAK_FOR_THEMSELVES, Stage, answer, operation};
use palisade_testkit::{Person, hostile};

/// What an attack must come to inside.
#[derive(Clone, Copy)]
enum Inside {
    /// `BLOCKED`.
    Blocked,
    /// It may think that it succeeded; nothing outside has changed, for this reason.
    NoEffect(&'static str),
    /// It finds nothing to attack: `INCONCLUSIVE` and this text.
    NothingThere(&'static str),
    /// Looked at elsewhere.
    Elsewhere,
}

use Inside::{Blocked, Elsewhere, NoEffect, NothingThere};

/// Rows whose inside differs from "the same line, blocked": the operation, its line inside, what must come of it.
const DIFFERENT: &[(&str, &str, Inside)] = &[
    ("$H write-file $DIR/w", "$RUN write-file $DIR/w keep", NoEffect("/tmp is the sandbox's own")),
    ("$H list-dir /etc", "$RUN list-dir /var", Blocked),
    ("$H write-readonly-submount $DIR", "", Elsewhere), // submounts.rs
    ("$H sees-process $PID $MARKER", "", Elsewhere),    // leaks.rs: /proc/1/cmdline holds the marker of any such line
    ("$H signal-init KILL", "$RUN signal-init KILL", NoEffect("the kernel protects the sandbox's pid 1 from its own")),
    ("$H signal-init STOP", "$RUN signal-init STOP", NoEffect("the kernel protects the sandbox's pid 1 from its own")),
    ("$H pdeathsig-clear", "$RUN pdeathsig-clear", NoEffect("what dies with palisade is pid 1, and all with it")),
    ("$H remount-rw $DIR/m", "$RUN remount-rw /usr", Blocked),
    ("$H umount $DIR/m", "$RUN umount /usr", Blocked),
    ("$H tiocsti", "$RUN tiocsti", NothingThere("no terminal to try")),
    ("$H personality-aslr", "$RUN personality-aslr", NoEffect("it weakens nobody but itself")),
    ("$H setuid-program $DIR/setuid", "$RUN setuid-program $DIR/setuid", Blocked),
];

/// The line inside for a line outside.
fn inside(line: &'static str) -> (String, Inside) {
    // Without the wrappers that make an own init or own mounts: inside there are such.
    let bare =
        line.find("$H ").map(|start| line[start..].split("; exit").next().unwrap().trim_end_matches('\'')).unwrap();
    match DIFFERENT.iter().find(|(outside, ..)| *outside == bare) {
        Some((_, line, expected)) => ((*line).to_owned(), *expected),
        None if line.starts_with("unshare") => (bare.replace("$H ", "$RUN "), Blocked),
        None => (line.replace("$H ", "$RUN "), Blocked),
    }
}

/// Name and group of every operation.
fn operations() -> Vec<(String, String)> {
    let output = std::process::Command::new(hostile()).arg("--list").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let rows = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    rows.map(|row| (row[0].split(' ').next().unwrap().to_owned(), row[1].to_owned())).collect()
}

/// Past the test harness, which hides what a test that passes prints.
fn loudly(message: &str) {
    let _ = std::io::stderr().write_all(format!("{message}\n").as_bytes());
}

fn hold(group: &str) {
    let group: BTreeSet<String> =
        operations().into_iter().filter(|(_, its)| its == group).map(|(name, _)| name).collect();
    let mut wrong = Vec::new();
    for person in Person::ALL {
        let (Some(place), Some(stage)) = (Place::new(person), Stage::new(person)) else { continue };
        for row in ROWS.iter().filter(|row| group.contains(operation(row.0))) {
            if let Err(why) = attack(&place, &stage, row) {
                wrong.push(format!("{person:?}: {}: {why}", row.0));
            }
        }
        place.assert_clean();
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn attack(place: &Place, stage: &Stage, row: &(&'static str, Expect, Expect)) -> Result<(), String> {
    let (line, expected_inside) = inside(row.0);
    let because = match stage.expected(row, place.person) {
        Expect::Success => None,
        Expect::Cannot(_, why) | Expect::NotTried(why) => Some(why),
    };
    if let Some(why) = because {
        loudly(&format!("NOT PROVABLE HERE as {:?}: {}: {why}", place.person, operation(row.0)));
    } else {
        let (said, _) = stage.run(row.0);
        if !said.starts_with("SUCCEEDED ") {
            return Err(format!("outside it should succeed: {said}"));
        }
    }
    if matches!(expected_inside, Elsewhere) {
        return Ok(());
    }
    let canary = place.file("canary", "unharmed");
    let names = || {
        let names = std::fs::read_dir(stage.seat.home()).unwrap().flatten().map(|entry| entry.file_name());
        names.filter(|name| name != "log").collect::<BTreeSet<_>>()
    };
    let (victim, before) = (stage.victim(), names());
    let mut run = format!("{} run --quiet --allow-read {}", place.palisade.display(), stage.program.display());
    if line.contains("$DIR/setuid") {
        run.push_str(" --allow-read $DIR/setuid");
    }
    let line = line.replace("$RUN", &format!("{run} -- {}", stage.program.display()));
    let output = place.output(stage.command(&line, Some(&victim)).env("PALISADE_TEST", place.token()));
    let (said, code) = answer(&output);
    let right = match expected_inside {
        Blocked => said.starts_with("BLOCKED ") && code == Some(10),
        NothingThere(text) => said.contains(text) && code == Some(11),
        NoEffect(_why) => code.is_some_and(|code| [0, 10].contains(&code)),
        Elsewhere => true,
    };
    if !right {
        return Err(format!("inside it was not stopped: {said} (exit {code:?})"));
    }
    if !victim.lives() {
        return Err(format!("inside it said {said}, and a process outside was hit"));
    }
    if std::fs::read(canary).unwrap() != b"unharmed" || names() != before {
        return Err(format!("inside it said {said}, and files outside have changed: {before:?} to {:?}", names()));
    }
    Ok(())
}

#[test]
fn no_attack_on_files_reaches_the_host() {
    hold("files");
}

#[test]
fn no_attack_on_processes_reaches_the_host() {
    hold("processes");
}

#[test]
fn nothing_leaks_into_the_sandbox() {
    hold("leaks");
}

#[test]
fn no_network_is_reachable() {
    hold("network");
}

#[test]
fn no_mount_can_be_changed() {
    hold("mounts");
}

#[test]
fn no_namespace_or_cgroup_can_be_entered_or_made() {
    hold("namespaces");
}

#[test]
fn no_dangerous_call_is_possible() {
    hold("calls");
}

#[test]
fn no_process_can_be_traced() {
    hold("tracing");
}

#[test]
fn no_setting_of_the_kernel_can_be_read_or_changed() {
    hold("settings");
}

#[test]
fn no_privilege_is_left_or_can_be_gained() {
    hold("privileges");
}

#[test]
fn every_operation_is_tried_here_or_is_a_matter_of_limits() {
    let here = [
        "files",
        "processes",
        "leaks",
        "network",
        "mounts",
        "namespaces",
        "calls",
        "tracing",
        "settings",
        "privileges",
    ];
    for (name, group) in operations() {
        let tried = here.contains(&group.as_str()) && ROWS.iter().any(|row| operation(row.0) == name);
        let elsewhere = group == "exhaustion" || SPEAK_FOR_THEMSELVES.contains(&name.as_str()) || group == "plain";
        assert!(tried || elsewhere, "{name} of the group {group} is not tried");
    }
}
