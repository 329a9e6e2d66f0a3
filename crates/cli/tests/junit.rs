//! `palisade test --junit`: what is in the document, and what becomes of the file.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests too")]

mod common;
#[path = "common/testing.rs"]
mod testing;

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    time::Duration,
};

use common::{Place, everyone, finish, text};
use palisade_testkit::{Person, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use testing::{cases, elements, results, sleepers, test, verdicts};

#[test]
fn junit_is_valid_whatever_a_program_prints() {
    everyone(|place| {
        let nasty = "say() { printf '\\001\\033[2J<&>]]>\\r\\377\\357\\277\\277\\n'; }; say; say >&2";
        cases(place, &[("<&\"'", "echo 1", "1"), ("wrong", nasty, "x"), ("exit", &format!("{nasty}; exit 1"), "x")]);
        let (_, status) = results(place, "--junit $DIR/junit.xml --cases $DIR/cases -- sh");
        assert_eq!(status, 1);
        let document = fs::read_to_string(place.home().join("junit.xml")).unwrap();
        let elements = elements(&document);
        let of = |name: &str| {
            elements.iter().filter(|(tag, _)| tag == name).map(|(_, text)| text.as_str()).collect::<Vec<_>>()
        };
        assert_eq!((of("testsuite").len(), of("testcase").len(), of("failure").len()), (1, 3, 2), "{document}");
        assert!(of("testsuite")[0].contains("tests=3 ") && of("testsuite")[0].contains("failures=2 "), "{document}");
        assert!(of("testcase")[0].starts_with("name=<&\"' classname=sh "), "{document}");
        assert!(of("failure")[0].starts_with("type=runtime-error message=exited with 1 "), "{document}");
        assert!(of("failure")[1].contains("got: \\u{1}\\u{1b}[2J<&>]]>"), "{document}");
        assert!(of("system-err")[0].contains("\\u{1}\\u{1b}[2J<&>]]>\\r"), "{document}");
    });
}

/// Names in the home that begin as those of unfinished files do.
fn unfinished(place: &Place) -> Vec<String> {
    let names = fs::read_dir(place.home()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(".palisade-")).collect()
}

#[test]
fn an_earlier_junit_file_stays_until_there_is_a_whole_new_one() {
    everyone(|place| {
        let file = place.file("junit.xml", "earlier");
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        chown(&file, Some(place.seat.uid()), None).unwrap();
        let before = fs::metadata(&file).unwrap();
        cases(place, &[("1", "echo ready; exec sleep 70", "")]);
        let output = place.output(&mut test(place, "--junit $DIR/junit.xml --cases $DIR/nowhere -- sh"));
        assert_eq!(output.status.code(), Some(125), "{}", text(&output));
        assert_eq!(fs::read_to_string(&file).unwrap(), "earlier", "nothing was tested");
        let mut command = test(place, "--junit $DIR/junit.xml --cases $DIR/cases -- sh");
        let mut child = place.start(&mut command);
        assert!(wait_for(Duration::from_secs(20), || sleepers(place) == 1));
        assert_eq!((fs::read_to_string(&file).unwrap().as_str(), unfinished(place)), ("earlier", vec![]));
        child.kill().unwrap();
        finish(child);
        assert_eq!((fs::read_to_string(&file).unwrap().as_str(), unfinished(place)), ("earlier", vec![]));
        let child = place.start(&mut command);
        assert!(wait_for(Duration::from_secs(20), || sleepers(place) == 1));
        kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::INT).unwrap();
        finish(child);
        assert_eq!(elements(&fs::read_to_string(&file).unwrap()).last().unwrap().0, "skipped");
        let after = fs::metadata(&file).unwrap();
        assert_ne!(before.ino(), after.ino(), "a reader of the earlier file has it whole");
        assert_eq!((after.mode() & 0o777, unfinished(place)), (0o640, vec![]));
    });
}

#[test]
fn results_go_to_the_place_that_was_found_before_the_tests_and_through_no_link_of_theirs() {
    everyone(|place| {
        let [work, victim] = ["work", "victim"].map(|name| place.home().join(name));
        for directory in [&work, &victim, &work.join("out")] {
            fs::create_dir(directory).unwrap();
            chown(directory, Some(place.seat.uid()), Some(place.seat.uid())).unwrap();
        }
        let script = format!("cd {}; mv out moved; ln -s ../victim out; ls", work.display());
        cases(place, &[("1", &script, "moved\nout")]);
        let (json, _) =
            results(place, "--allow-write $DIR/work --junit $DIR/work/out/junit.xml --cases $DIR/cases -- sh");
        assert_eq!(verdicts(&json), ["1 accepted"], "it was exchanged: {json:#}");
        assert_eq!(fs::read_dir(&victim).unwrap().count(), 0);
        assert!(work.join("moved/junit.xml").exists());
    });
}

#[test]
fn what_is_no_file_or_cannot_be_replaced_is_written_to() {
    everyone(|place| {
        cases(place, &[("1", "echo 1", "1")]);
        let line = format!("{} test --junit /dev/stdout --cases cases -- sh | cat", place.palisade.display());
        let output = place.output(place.seat.command("sh").args(["-c", &line]));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.starts_with("<?xml") && said.contains("</testsuites>\ncase  verdict"), "{}", text(&output));
        // A link stays one, and all of what it leads to is replaced.
        let file = place.file("elsewhere", "earlier\n".repeat(1000));
        chown(&file, Some(place.seat.uid()), None).unwrap();
        let link = place.home().join("link.xml");
        symlink(&file, &link).unwrap();
        results(place, "--junit $DIR/link.xml --cases $DIR/cases -- sh");
        assert!(link.is_symlink());
        elements(&fs::read_to_string(&file).unwrap());
        // A directory in which nothing can be made.
        let closed = place.home().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::rename(&file, closed.join("file")).unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o555)).unwrap();
        let (_, status) = results(place, "--junit $DIR/closed/file --cases $DIR/cases -- sh");
        assert_eq!((status, fs::read_dir(&closed).unwrap().count()), (0, 1));
        elements(&fs::read_to_string(closed.join("file")).unwrap());
        if place.person != Person::Root {
            let output = place.output(&mut test(place, "--junit $DIR/closed/new --cases $DIR/cases -- sh"));
            assert_eq!((output.status.code(), output.stdout.len()), (Some(125), 0), "{}", text(&output));
            assert!(text(&output).contains("closed/new: Permission denied"), "{}", text(&output));
        }
        symlink("nowhere", place.home().join("dangling")).unwrap();
        let output = place.output(&mut test(place, "--junit $DIR/dangling --cases $DIR/cases -- sh"));
        assert!(text(&output).contains("dangling: it is a link that leads nowhere"), "{}", text(&output));
    });
}

#[test]
fn a_junit_file_that_cannot_be_written_is_told_of_before_anything_runs() {
    everyone(|place| {
        cases(place, &[("a", "", "")]);
        let output = place.output(&mut test(place, "--junit $DIR/no/such.xml --cases $DIR/cases -- sh"));
        assert_eq!((output.status.code(), output.stdout.len()), (Some(125), 0), "{}", text(&output));
        assert!(String::from_utf8_lossy(&output.stderr).contains("no/such.xml"), "{}", text(&output));
    });
}
