//! `palisade test`: every verdict, the forms of its results, what it refuses, and how it is stopped.
//!
//! Most cases are shell scripts for a program that does what its input says: `sh`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests too")]

mod common;
#[path = "common/testing.rs"]
mod testing;

use std::{fs, process::Output, time::Duration};

use common::{Place, everyone, finish, text};
use palisade_testkit::{need, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testing::{cases, elements, results, sleepers, test, verdicts};

fn case<'a>(json: &'a Value, name: &str) -> &'a Value {
    json["cases"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap()
}

fn because<'a>(json: &'a Value, name: &str) -> &'a str {
    case(json, name)["because"].as_str().unwrap()
}

#[test]
fn every_way_to_end_has_its_verdict() {
    everyone(|place| {
        let all = [
            ("accepted", "echo 1", "1\n"),
            ("cpu", "while :; do :; done", ""),
            ("exit", "echo 1; echo why >&2; exit 3", "1\n"),
            ("flood", "exec yes", "y\n"),
            ("hostile", "echo 1; mount -t tmpfs none /tmp", "1\n"),
            ("memory", "exec $H memory 512", ""),
            ("processes", "for i in 1 2 3 4 5 6 7 8; do sleep 60 & done; wait", ""),
            ("signal", "kill -SEGV $$", ""),
            ("wall", "exec sleep 60", ""),
            ("wrong", "echo one; echo 2; echo 3", "one\n4\n3\n"),
        ];
        cases(place, &all);
        let limits = "--time-limit 3s --cpu-time-limit 400ms --memory-limit 64M --output-limit 64K --process-limit 5";
        let words = format!("{limits} --on-hostile-call kill --allow-read $H --jobs 2 --cases $DIR/cases -- sh");
        let (json, status) = results(place, &words);
        assert_eq!(status, 1);
        let wanted = [
            "accepted accepted",
            "cpu time-limit",
            "exit runtime-error",
            "flood output-limit",
            "hostile violation",
            "memory memory-limit",
            "processes runtime-error",
            "signal runtime-error",
            "wall time-limit",
            "wrong wrong-answer",
        ];
        assert_eq!(verdicts(&json), wanted, "{json:#}");
        for (name, words) in [
            ("cpu", "cpu-time limit of 0.400 s"),
            ("exit", "exited with 3"),
            ("flood", "output limit of 64 KiB"),
            ("hostile", "mount"),
            ("memory", "memory limit of 64 MiB"),
            ("processes", "processes limit of 5 processes"),
            ("signal", "SIGSEGV"),
            ("wall", "wall-time limit of 3.000 s"),
            ("wrong", "line 2"),
        ] {
            assert!(because(&json, name).contains(words), "{name}: {}", because(&json, name));
        }
        assert_eq!(case(&json, "exit")["stderr"], "why\n");
        assert_eq!(case(&json, "exit")["exit_code"], 3);
        let difference = serde_json::json!({ "line": 2, "expected": "4", "got": "2" });
        assert_eq!(case(&json, "wrong")["difference"], difference);
        assert_eq!((&json["slowest"], &json["counts"]["accepted"]), (&"wall".into(), &1.into()));
        assert_eq!(json["cases"].as_array().unwrap().len(), 10);
    });
}

#[test]
fn a_program_is_compiled_once_and_run_for_each_case_in_natural_order() {
    if !need("gcc") {
        return;
    }
    everyone(|place| {
        let source = "#include <stdio.h>\nint main(int n, char **words) { int i; scanf(\"%d\", &i);\n\
                      printf(\"%d %s\\n\", 2 * i, n > 1 ? words[1] : \"\"); }";
        let file = place.file("twice.c", source);
        for number in [10, 9, 1, 100] {
            cases(place, &[(&format!("case{number}"), &number.to_string(), &format!("{} x\n", 2 * number))]);
        }
        let (json, status) = results(place, "--cases $DIR/cases $DIR/twice.c -- x");
        assert_eq!(status, 0, "{json:#}");
        assert_eq!(verdicts(&json), ["case1", "case9", "case10", "case100"].map(|name| format!("{name} accepted")));
        assert_eq!(json["program"], file.display().to_string());
        assert!(json["compile"]["cpu_time_ms"].as_f64().unwrap() > 0.0, "{json:#}");
        assert_eq!(case(&json, "case100")["used"]["stdout_bytes"], "200 x\n".len());
        for case in json["cases"].as_array().unwrap() {
            assert!(case["used"]["wall_time_ms"].as_f64().unwrap() > 0.0, "{case:#}");
        }
    });
}

#[test]
fn a_program_that_does_not_compile_fails_every_case_and_runs_none() {
    if !need("gcc") {
        return;
    }
    everyone(|place| {
        place.file("wrong.c", "int main(void) { return undeclared; }");
        cases(place, &[("a", "", ""), ("b", "", "")]);
        let (json, status) = results(place, "--cases $DIR/cases $DIR/wrong.c");
        assert_eq!((status, verdicts(&json)), (1, vec!["a compile-error".to_owned(), "b compile-error".to_owned()]));
        assert!(case(&json, "a")["stderr"].as_str().unwrap().contains("undeclared"), "{json:#}");
        assert_eq!(case(&json, "a")["used"], Value::Null);
        let output = place.output(&mut test(place, "--cases $DIR/cases $DIR/wrong.c"));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.starts_with("compile error: the compiler exited with 1\n"), "{said}");
    });
}

/// Prints what it finds of the answers, and writes others over them.
const CHEAT: &str = "import glob, os\nfor top in ('/work', '@'):\n  for file in glob.glob(top + '/**/*.out', recursive=True):\n    \
                     print(open(file).read())\n    try: open(file, 'w').write('')\n    except OSError: pass";

#[test]
fn no_program_reads_or_changes_an_answer() {
    if !need("python") {
        return;
    }
    everyone(|place| {
        let home = place.home().canonicalize().unwrap().display().to_string();
        let open = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode;
        place.file("main.py", CHEAT.replace('@', &home));
        place.file("linked.out.real", "the answer");
        cases(place, &[("a", "", "the answer"), ("b", "", "the answer")]);
        fs::write(place.home().join("cases/c.in"), "").unwrap();
        std::os::unix::fs::symlink("../linked.out.real", place.home().join("cases/c.out")).unwrap();
        // Another name, which is not hidden by being in the directory.
        std::os::unix::fs::symlink("linked.out.real", place.home().join("linked.out")).unwrap();
        for name in ["", "cases", "cases/a.out", "cases/b.out", "linked.out.real"] {
            let mode = if name.ends_with("out") || name.ends_with("real") { 0o666 } else { 0o777 };
            fs::set_permissions(place.home().join(name), open(mode)).unwrap();
        }
        let seen = place.output(&mut place.palisade("run --with-dir $DIR/main.py"));
        assert!(text(&seen).contains("the answer"), "where nothing hides them, they are read: {}", text(&seen));
        place.file("palisade.toml", "[sandbox]\nfilesystem = 'custom'\nallow_read = ['.']");
        for words in [
            "--with-dir",
            "--no-config --allow-read $DIR",
            "--no-config --allow-read $DIR/cases",
            "--no-config --allow-write $DIR --jobs 1",
            "--no-config --allow-write $DIR/cases --jobs 1",
            "--no-config --filesystem read-only",
            "--sandbox=development",
            "--sandbox=agent --jobs 1",
            "",
        ] {
            let mut command = test(place, &format!("--json {words} --cases cases main.py"));
            let output = place.output(command.current_dir(place.home()));
            let json: Value = serde_json::from_slice(&output.stdout)
                .unwrap_or_else(|error| panic!("{words}: {error}: {}", text(&output)));
            assert_eq!(
                verdicts(&json),
                ["a", "b", "c"].map(|name| format!("{name} wrong-answer")),
                "{words}: {json:#}"
            );
            assert_eq!(fs::read_to_string(place.home().join("cases/b.out")).unwrap(), "the answer", "{words}");
            assert_eq!(fs::read_to_string(place.home().join("linked.out.real")).unwrap(), "the answer", "{words}");
        }
        fs::copy(place.home().join("main.py"), place.home().join("cases/main.py")).unwrap();
        let output = place.output(&mut test(place, "--with-dir --cases $DIR/cases $DIR/cases/main.py"));
        assert_eq!((output.status.code(), output.stdout.len()), (Some(125), 0), "{}", text(&output));
        assert!(text(&output).contains("--with-dir would show the answers"), "{}", text(&output));
    });
}

#[test]
fn no_compiler_reads_an_answer() {
    if !need("gcc") {
        return;
    }
    everyone(|place| {
        let home = place.home().canonicalize().unwrap().display().to_string();
        cases(place, &[("a", "", "7")]);
        let source = "#include <stdio.h>\nint main(void) { printf(\"%d\", \n#include \"@/cases/a.out\"\n); }";
        place.file("main.c", source.replace('@', &home));
        let seen = place.output(&mut place.palisade("run --allow-read $DIR $DIR/main.c"));
        assert!(text(&seen).contains('7'), "where nothing hides it, it is read: {}", text(&seen));
        for words in ["--allow-read $DIR", "--with-dir"] {
            let (json, _) = results(place, &format!("{words} --cases $DIR/cases $DIR/main.c"));
            assert_eq!(verdicts(&json), ["a compile-error"], "{words}: {json:#}");
        }
    });
}

#[test]
fn files_pass_when_they_exit_with_0() {
    if !need("python") {
        return;
    }
    everyone(|place| {
        place.file(
            "good.py",
            "import sys\nassert sys.argv[1:] == ['word'] and sys.stdin.read() == ''\nprint('anything')",
        );
        place.file("bad.py", "import sys\nsys.exit('a complaint')");
        place.file("late.py", "import time\ntime.sleep(60)");
        let (json, status) = results(place, "--time-limit 2s $DIR/good.py $DIR/bad.py $DIR/late.py -- word");
        let name = |file: &str| place.home().join(file).display().to_string();
        let wanted = [("good.py", "accepted"), ("bad.py", "runtime-error"), ("late.py", "time-limit")];
        assert_eq!(verdicts(&json), wanted.map(|(file, verdict)| format!("{} {verdict}", name(file))));
        assert_eq!((status, &json["program"], &json["compile"]), (1, &Value::Null, &Value::Null));
        let (_, status) = results(place, "$DIR/good.py -- word");
        assert_eq!(status, 0);
    });
}

#[test]
fn what_palisade_cannot_do_is_no_fault_of_a_program() {
    everyone(|place| {
        cases(place, &[("a", "", ""), ("b", "", "")]);
        let (json, status) = results(place, "--cases $DIR/cases -- no-such-command");
        assert_eq!(
            (status, verdicts(&json)),
            (125, vec!["a internal-error".to_owned(), "b internal-error".to_owned()])
        );
        assert!(because(&json, "a").contains("`no-such-command` was not found"), "{json:#}");
        place.file("real.py", "");
        let (json, status) = results(place, "$DIR/real.py $DIR/missing.py");
        assert_eq!(status, 125, "{json:#}");
        assert!(verdicts(&json)[1].ends_with("missing.py internal-error"), "{json:#}");
    });
}

#[test]
fn after_a_failure_nothing_is_begun_if_that_is_wanted() {
    everyone(|place| {
        cases(place, &[("1", "echo 1", "1"), ("2", "exit 1", ""), ("3", "echo 3", "3")]);
        let (json, status) = results(place, "--fail-fast --jobs 1 --cases $DIR/cases -- sh");
        assert_eq!(
            (status, verdicts(&json)),
            (1, ["1 accepted", "2 runtime-error", "3 not-run"].map(str::to_owned).into())
        );
        let (json, _) = results(place, "--jobs 1 --cases $DIR/cases -- sh");
        assert_eq!(verdicts(&json)[2], "3 accepted");
    });
}

/// Takes a name that all of a network namespace share, leaves a process that holds it, and tells whether it is at home.
const SQUATTER: &str = r#"
import os, socket, sys, time
name = socket.socket(socket.AF_UNIX)
try:
    name.bind("\0a-name-for-all")
    name.listen()
except OSError as error:
    sys.exit(f"the name is taken: {error}")
if os.readlink("/proc/self/ns/net") == input():
    sys.exit("this is the host's network namespace")
if open("/proc/net/dev").read().count(":") != 1:
    sys.exit("there are interfaces")
if os.fork() == 0:
    os.setsid()
    for stream in range(3):
        os.close(stream)
    time.sleep(1000)
"#;

#[test]
fn no_case_meets_what_another_left_in_the_network() {
    if !need("python") {
        return;
    }
    let hosts = fs::read_link("/proc/self/ns/net").unwrap();
    everyone(|place| {
        place.file("squatter.py", SQUATTER);
        let names: Vec<String> = (0..24).map(|number| number.to_string()).collect();
        let all: Vec<_> = names.iter().map(|name| (name.as_str(), hosts.to_str().unwrap(), "")).collect();
        cases(place, &all);
        for jobs in [1, 3] {
            let (json, status) = results(place, &format!("--jobs {jobs} --cases $DIR/cases $DIR/squatter.py"));
            assert_eq!(status, 0, "{json:#}");
            assert_eq!(json["cases"].as_array().unwrap().len(), 24);
        }
    });
}

#[test]
fn output_is_compared_as_it_is_wanted() {
    everyone(|place| {
        cases(place, &[("a", "printf '1.0  \\n2\\n\\n'", "1.0\n2\n"), ("b", "echo 0.30000001", "0.3")]);
        for (how, wanted) in [
            ("exact", ["wrong-answer", "wrong-answer"]),
            ("trailing", ["accepted", "wrong-answer"]),
            ("tokens", ["accepted", "wrong-answer"]),
            ("float:1e-6", ["accepted", "accepted"]),
        ] {
            let (json, _) = results(place, &format!("--compare {how} --cases $DIR/cases -- sh"));
            assert_eq!(verdicts(&json), [format!("a {}", wanted[0]), format!("b {}", wanted[1])], "{how}");
        }
        let output = place.output(&mut test(place, "--compare sloppy --cases $DIR/cases -- sh"));
        assert_eq!(output.status.code(), Some(125), "{}", text(&output));
    });
}

#[test]
fn cases_that_are_not_whole_are_refused() {
    everyone(|place| {
        cases(place, &[("a", "", "")]);
        place.file("cases/b.in", "");
        fs::create_dir(place.home().join("empty")).unwrap();
        for (words, what) in [
            ("--cases $DIR/cases -- sh", "b.in has no b.out or b.ans"),
            ("--cases $DIR/empty -- sh", "there is no NAME.in"),
            ("--cases $DIR/nowhere -- sh", "no such directory"),
            ("--cases $DIR/empty", "none is named"),
            ("--cases $DIR/empty a.py b.py", "2 are named"),
            ("", "nothing to test"),
            ("--network=none --allow-domain example.org a.py", "network=none and allow_domains contradict"),
            ("--sandbox=jugde a.py", "there is no profile `jugde`"),
            ("--cases $DIR/cases --with-dir -- sh", "--with-dir"),
        ] {
            let output = place.output(&mut test(place, words));
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!((output.status.code(), output.stdout.len()), (Some(125), 0), "{words}: {}", text(&output));
            assert!(said.contains(what) || words.contains("--with-dir"), "{words}: {said}");
            assert!(said.contains("hint: "), "{words}: {said}");
        }
        let output = place.output(&mut test(place, "--json --cases $DIR/empty -- sh"));
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&json["schema"], &json["exit_code"]), (&"palisade.error/1".into(), &125.into()));
    });
}

#[test]
fn an_interrupt_ends_what_runs_and_tells_of_what_was_done() {
    everyone(|place| {
        cases(
            place,
            &[("1", "echo 1", "1"), ("2", "exec sleep 70", ""), ("3", "exec sleep 70", ""), ("4", "echo 4", "4")],
        );
        let mut command = test(place, "--json --jobs 2 --junit $DIR/junit.xml --cases $DIR/cases -- sh");
        let child = place.start(&mut command);
        assert!(wait_for(Duration::from_secs(20), || sleepers(place) == 2), "two at one time");
        kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::INT).unwrap();
        let output = finish(child);
        assert_eq!(output.status.code(), Some(130), "{}", text(&output));
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(verdicts(&json), ["1 accepted", "2 cancelled", "3 cancelled", "4 not-run"], "{json:#}");
        assert_eq!(sleepers(place), 0);
        let document = fs::read_to_string(place.home().join("junit.xml")).unwrap();
        assert_eq!(elements(&document).iter().filter(|(name, _)| name == "skipped").count(), 3, "{document}");
    });
}

#[test]
fn a_kill_of_palisade_ends_every_case_at_once() {
    everyone(|place| {
        let sleep = ("exec sleep 70", "");
        cases(place, &[("1", sleep.0, sleep.1), ("2", sleep.0, sleep.1), ("3", sleep.0, sleep.1)]);
        let mut child = place.start(&mut test(place, "--jobs 3 --cases $DIR/cases -- sh"));
        assert!(wait_for(Duration::from_secs(20), || sleepers(place) == 3), "three at one time");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(wait_for(Duration::from_secs(10), || sleepers(place) == 0), "they live on");
        // What is left of its cgroups goes with the next start.
        let _ = results(place, "--jobs 1 --time-limit 1ms --cases $DIR/cases -- sh");
    });
}

#[test]
fn nothing_but_the_table_is_printed_where_there_is_no_terminal() {
    everyone(|place| {
        cases(place, &[("1", "echo 1", "1"), ("2", "printf '\\033]0;title\\007'", "")]);
        let output = place.output(&mut test(place, "--cases $DIR/cases -- sh"));
        let said = String::from_utf8(output.stdout.clone()).unwrap();
        assert!(said.starts_with("case  verdict ") && said.contains("\n1     accepted "), "{said}");
        assert!(said.contains("\n    expected  (the end)\n    got       \\u{1b}]0;title\\u{7}\n"), "{said}");
        assert!(said.contains("\n1 of 2 accepted, 1 wrong answer; 2 at one time, "), "{said}");
        assert!(!text(&output).contains('\x1b'), "{}", text(&output));
        if place.has_cgroup() {
            assert!(output.stderr.is_empty(), "{}", text(&output));
        }
        let output = place.output(&mut test(place, "--quiet --cases $DIR/cases -- sh"));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!said.contains("\n1   ") && said.contains("\n2     wrong answer"), "{said}");
        assert!(output.stderr.is_empty(), "{}", text(&output));
    });
}

#[test]
fn what_was_lowered_for_all_cases_is_said_once() {
    everyone(|place| {
        cases(place, &[("1", "ulimit -n", "90"), ("2", "ulimit -n", "90")]);
        let line = format!("ulimit -n 90; exec {} test --cases cases -- sh", place.palisade.display());
        let output = place.output(place.seat.command("/bin/bash").args(["-c", &line]));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(said.matches("lowered: descriptors 100 to 90 ").count(), 1, "{said}");
    });
}

/// `palisade test` in a terminal of its own: everything that it wrote there.
fn on_a_terminal(place: &Place, environment: &[(&str, &str)]) -> Output {
    let line = format!("{} test --cases {}/cases -- sh", place.palisade.display(), place.home().display());
    let mut command = place.seat.command("script");
    command.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm").env("PALISADE_TEST", place.token());
    command.envs(environment.iter().copied()).stdin(std::process::Stdio::null());
    place.output(&mut command)
}

#[test]
fn a_terminal_gets_progress_and_colour_and_no_colour_if_that_is_wanted() {
    if !need("script") {
        return;
    }
    everyone(|place| {
        cases(place, &[("1", "echo 1", "1"), ("2", "echo 2", "2")]);
        let seen = String::from_utf8_lossy(&on_a_terminal(place, &[]).stdout).into_owned();
        assert!(seen.contains("0/2") && seen.contains("\x1b[32maccepted"), "{seen:?}");
        let seen = String::from_utf8_lossy(&on_a_terminal(place, &[("NO_COLOR", "1")]).stdout).into_owned();
        assert!(seen.contains("accepted") && !seen.contains("\x1b[3"), "{seen:?}");
    });
}
