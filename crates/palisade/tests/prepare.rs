//! One preparation, many runs: one after the other, and at one time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "not library code")]
#![cfg(target_os = "linux")]

use std::{fs, path::Path, thread};

use palisade::{
    Preparation, Prepared, prepare,
    spec::{Input, Outcome, Output, Program, Report, Request, Siblings, Stage},
};
use palisade_testkit::need;

/// Prints its input, doubled.
const TWICE: &str = r#"
#include <stdio.h>
int main(void) { long number; if (scanf("%ld", &number) != 1) return 1; printf("%ld\n", 2 * number); }
"#;

fn source(file: &Path) -> Request {
    Request::new(Program::Source { file: file.to_owned(), language: None, siblings: Siblings::Hidden })
}

fn prepared(request: &Request) -> Prepared {
    match prepare(request, None).unwrap() {
        Preparation::Ready(prepared) => prepared,
        Preparation::Failed(report) => panic!("{:?}: {}", report.outcome, String::from_utf8_lossy(&report.stderr.kept)),
    }
}

fn run(prepared: &Prepared, stdin: &str) -> Report {
    prepared.run(Input::Bytes(stdin.into()), Output::Keep, None).unwrap()
}

#[test]
fn a_program_that_was_compiled_once_is_run_by_several_threads_at_once() {
    if !need("userns") || !need("gcc") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("twice.c");
    fs::write(&file, TWICE).unwrap();
    let prepared = prepared(&source(&file));
    // What was compiled does not need its source any more.
    fs::remove_file(&file).unwrap();
    let compile = prepared.compile().unwrap();
    assert_eq!((compile.ended_in, compile.success), (Stage::Compile, true));
    thread::scope(|scope| {
        for first in 0..4 {
            let prepared = &prepared;
            scope.spawn(move || {
                for number in (first..40).step_by(4) {
                    let report = run(prepared, &number.to_string());
                    assert_eq!(report.outcome, Outcome::Exited { code: 0 });
                    assert_eq!(String::from_utf8_lossy(&report.stdout.kept), format!("{}\n", 2 * number));
                    assert!(report.compile.is_some_and(|compile| compile.success));
                }
            });
        }
    });
}

#[test]
fn a_program_that_does_not_compile_is_a_report_and_not_run() {
    if !need("userns") || !need("gcc") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("wrong.c");
    fs::write(&file, "int main(void) { return wrong; }").unwrap();
    let Preparation::Failed(report) = prepare(&source(&file), None).unwrap() else { panic!("it compiled") };
    assert_eq!((report.ended_in, report.success), (Stage::Compile, false));
    assert!(String::from_utf8_lossy(&report.stderr.kept).contains("wrong"), "{report:?}");
}

#[test]
fn runs_of_one_preparation_see_nothing_of_each_other() {
    if !need("userns") {
        return;
    }
    let mut request = Request::new(Program::Command("sh".to_owned()));
    request.arguments = ["-c", "ls -A /tmp /work; echo mine >/tmp/mine"].map(str::to_owned).into();
    let prepared = prepared(&request);
    for _ in 0..2 {
        let report = run(&prepared, "");
        assert_eq!(String::from_utf8_lossy(&report.stdout.kept), "/tmp:\n\n/work:\n");
    }
}

#[test]
fn programs_that_run_at_one_time_hold_their_own_three_streams_and_nothing_else() {
    if !need("userns") {
        return;
    }
    let mut request = Request::new(Program::Command("sh".to_owned()));
    // The fourth is the directory that `ls` reads. `cat` ends when nobody holds the other end of its input any more.
    request.arguments = ["-c", "ls /proc/self/fd; cat"].map(str::to_owned).into();
    let prepared = prepared(&request);
    thread::scope(|scope| {
        for first in 0..8 {
            let prepared = &prepared;
            scope.spawn(move || {
                for number in (first..80).step_by(8) {
                    let report = run(prepared, &number.to_string());
                    assert_eq!(String::from_utf8_lossy(&report.stdout.kept), format!("0\n1\n2\n3\n{number}"));
                    assert_eq!(report.outcome, Outcome::Exited { code: 0 });
                }
            });
        }
    });
}

#[test]
fn what_the_compiler_left_is_held_as_long_as_the_program_can_be_run() {
    if !need("userns") || !need("gcc") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("twice.c");
    fs::write(&file, TWICE).unwrap();
    // The test runner gives each test a process of its own.
    let before = fs::read_dir("/proc/self/fd").unwrap().count();
    let prepared = prepared(&source(&file));
    assert!(fs::read_dir("/proc/self/fd").unwrap().count() > before);
    assert!(run(&prepared, "4").success);
    drop(prepared);
    // Nothing else holds its file system: its mount namespace ended with the compiler.
    assert_eq!(fs::read_dir("/proc/self/fd").unwrap().count(), before);
}

/// The kernel goes on for a while after it has detached the old root, and a link to `/..` leads onto one that is still there.
#[test]
fn a_program_never_starts_while_the_old_root_is_there() {
    if !need("userns") {
        return;
    }
    let mut request = Request::new(Program::Command("sh".to_owned()));
    request.arguments = vec!["-c".to_owned(), "[ / -ef /.. ] && [ ! -e /../root ]".to_owned()];
    let prepared = prepared(&request);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let report = run(&prepared, "");
                    assert_eq!(report.outcome, Outcome::Exited { code: 0 });
                }
            });
        }
    });
}
