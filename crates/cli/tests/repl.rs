//! `palisade repl` as programs and pipes drive it: what a session keeps, what stops an input and what a session, and what hostile
//! inputs can say. People at terminals: `repl_console.rs`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests too")]

mod common;
#[path = "common/talk.rs"]
mod talk;

use std::process::Stdio;

use common::{everyone, text};
use palisade_testkit::{need, wait_for};
use serde_json::Value;
use talk::{Talk, everyone_who_has};

/// An input that never ends by itself, in each language.
const ENDLESS: [(&str, &str); 3] =
    [("python", "while True: pass"), ("javascript", "for (;;) {}"), ("typescript", "for (;;) {}")];

/// Short enough for a test, long enough for a busy host to evaluate anything else.
const SHORT: &str = "--time-limit 5s";

#[test]
fn python_keeps_names_from_one_input_to_the_next() {
    everyone_who_has("python", |place| {
        let mut talk = Talk::start(place, "python", "");
        assert_eq!(talk.value("x = 6"), Value::Null);
        assert_eq!(talk.value("def f(n):\n    return n * x"), Value::Null);
        assert_eq!(talk.value("import math; f(7)"), "42");
        assert_eq!(talk.value("_ + math.floor(1.5)"), "43");
        assert_eq!(talk.value("import asyncio\nawait asyncio.sleep(0, 'slept')"), "'slept'");
        assert_eq!(talk.value("from __future__ import annotations\nclass A: x: nowhere\nA.__name__"), "'A'");
        assert_eq!(talk.value("import pickle; pickle.loads(pickle.dumps(A)) is A"), "True");
        assert_eq!(talk.end(), 0);
    });
}

#[test]
fn javascript_keeps_let_and_const_and_awaits() {
    everyone_who_has("node", |place| {
        let mut talk = Talk::start(place, "javascript", "");
        assert_eq!(talk.value("let x = 6; const y = 7;"), Value::Null);
        assert_eq!(talk.value("const y = 8; x * y"), "48", "as at Node's own prompt, a name may be declared again");
        assert_eq!(talk.value("await new Promise((done) => setTimeout(done, 1, 'late'))"), "'late'");
        assert_eq!(talk.value("{ a: [1, { b: 2 }] }"), "{ a: [ 1, { b: 2 } ] }");
        assert_eq!(talk.value("_.a[0] + require('path').sep"), "'1/'");
        assert_eq!(talk.end(), 0);
    });
}

#[test]
fn typescript_has_types_and_keeps_its_names() {
    everyone_who_has("node", |place| {
        let mut talk = Talk::start(place, "typescript", "");
        assert_eq!(talk.value("interface P { x: number }\nenum E { A = 4, B }"), Value::Null);
        assert_eq!(talk.value("const p: P = { x: E.B }; p.x as number"), "5");
        assert_eq!(talk.value("await Promise.resolve<number>(p.x)"), "5");
        let wrong = talk.ask("const q: number = ;");
        assert_eq!(wrong["error"]["name"], "SyntaxError");
        assert!(wrong["error"]["message"].as_str().unwrap().starts_with("input.ts:1:"), "{wrong}");
        assert_eq!(talk.value("p.x"), "5");
        assert_eq!(talk.end(), 0);
    });
}

#[test]
fn errors_are_told_and_the_session_goes_on() {
    let inputs = [
        ("python", "python", "1 / 0", "ZeroDivisionError", "1 / 0", "(", "SyntaxError", "1 + 1"),
        ("javascript", "node", "null.x", "TypeError", "input-", "(", "SyntaxError", "1 + 1"),
    ];
    for (language, tool, raising, name, place_of, broken, wrong, fine) in inputs {
        everyone_who_has(tool, |place| {
            let mut talk = Talk::start(place, language, "");
            let raised = talk.ask(raising);
            assert_eq!((&raised["outcome"]["kind"], &raised["error"]["name"]), (&"failed".into(), &name.into()));
            let trace = raised["error"]["trace"].as_str().unwrap();
            assert!(trace.contains(place_of) && !trace.contains("palisade"), "only the input's own frames: {trace}");
            assert_eq!(talk.ask(broken)["error"]["name"], wrong);
            assert_eq!(talk.value(fine), "2");
            assert_eq!(talk.end(), 0);
        });
    }
}

#[test]
fn an_endless_input_is_stopped_and_the_state_is_still_there() {
    for (language, endless) in ENDLESS {
        everyone_who_has(if language == "python" { "python" } else { "node" }, |place| {
            let mut talk = Talk::start(place, language, SHORT);
            talk.ask(if language == "python" { "x = 41" } else { "const x = 41" });
            let stopped = talk.ask(endless);
            let outcome = serde_json::json!({ "kind": "limit-hit", "limit": "wall-time" });
            assert_eq!((&stopped["outcome"], &stopped["session"]), (&outcome, &Value::Null), "{language}");
            assert!(stopped["wall_time_ms"].as_f64().unwrap() >= 5000.0, "{stopped}");
            assert_eq!(talk.value("x + 1"), "42", "{language}");
            assert_eq!(talk.end(), 0);
        });
    }
}

#[test]
fn what_waits_or_has_awaited_is_stopped_too() {
    everyone_who_has("node", |place| {
        let mut talk = Talk::start(place, "javascript", "--time-limit 2s");
        for input in [
            "await new Promise(() => {})",
            "await 0; for (;;) {}",
            "/(a+)+$/.test('a'.repeat(50) + 'b')",
            "require('child_process').execSync('sleep 70; true')",
        ] {
            let stopped = talk.ask(input);
            assert_eq!(
                (&stopped["outcome"]["kind"], &stopped["session"]),
                (&"limit-hit".into(), &Value::Null),
                "{input}"
            );
            assert_eq!(talk.value("6 * 7"), "42", "{input}");
        }
        assert_eq!(talk.end(), 0);
    });
    everyone_who_has("python", |place| {
        let mut talk = Talk::start(place, "python", "--time-limit 2s");
        for input in [
            "import time; time.sleep(70)",
            "import re; re.match(r'(a+)+$', 'a' * 50 + 'b')",
            "import subprocess; subprocess.run(['sleep', '70'])",
            "import os; os.system('sleep 70')",
            "import threading; threading.Event().wait()",
        ] {
            let stopped = talk.ask(input);
            assert_eq!(
                (&stopped["outcome"]["kind"], &stopped["session"]),
                (&"limit-hit".into(), &Value::Null),
                "{input}"
            );
            assert_eq!(talk.value("6 * 7"), "42", "{input}");
        }
        assert_eq!(talk.end(), 0);
    });
}

#[test]
fn processor_time_is_counted_from_the_beginning_of_each_input() {
    everyone_who_has("python", |place| {
        let mut talk = Talk::start(place, "python", "--cpu-time-limit 1s --time-limit 60s");
        let burn = "import time\nbegun = time.process_time()\nwhile time.process_time() < begun + 0.6: pass";
        for _ in 0..3 {
            let burnt = talk.ask(burn);
            assert_eq!(burnt["outcome"]["kind"], "finished", "each has a second to itself: {burnt}");
            assert!(burnt["cpu_time_ms"].as_f64().unwrap() > 300.0, "{burnt}");
        }
        let stopped = talk.ask("while True: pass");
        assert_eq!(stopped["outcome"]["limit"], "cpu-time", "{stopped}");
        assert_eq!(talk.value("1"), "1");
        assert_eq!(talk.end(), 0);
    });
}

#[test]
fn what_an_input_leaves_running_uses_its_processor_time() {
    everyone_who_has("python", |place| {
        let mut talk = Talk::start(place, "python", "--cpu-time-limit 1s --time-limit 60s");
        let left =
            "import threading\ndef burn():\n    while True: pass\nthreading.Thread(target=burn, daemon=True).start()";
        assert_eq!(talk.ask(left)["outcome"]["kind"], "finished");
        // Nobody asks for anything any more, and still it comes to its end.
        assert!(wait_for(common::PATIENCE, || talk.is_alone()), "it burns on");
        let over = talk.ask("1");
        assert_eq!(over["outcome"]["kind"], "session-ended");
        assert_eq!(over["session"]["outcome"]["limit"], "cpu-time", "{over}");
        assert_eq!(talk.end(), 124);
    });
}

#[test]
fn an_input_that_does_not_let_itself_be_interrupted_ends_the_session_by_the_limit() {
    everyone_who_has("python", |place| {
        let mut talk = Talk::start(place, "python", "--time-limit 2s");
        let deaf = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\nwhile True: pass";
        let over = talk.ask(deaf);
        assert_eq!((&over["outcome"]["kind"], &over["session"]["exit_code"]), (&"session-ended".into(), &124.into()));
        let violation = &over["session"]["violations"][0];
        assert_eq!((&violation["what"], &violation["limit"]), (&"wall-time".into(), &"2.000 s an input".into()));
        assert_eq!(talk.end(), 124);
    });
    everyone_who_has("node", |place| {
        let mut talk = Talk::start(place, "javascript", "--time-limit 2s");
        let deaf =
            "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); require('fs').readSync(0, Buffer.alloc(1))";
        let over = talk.ask(&format!("{deaf}; for (;;) {{ try {{ {deaf} }} catch {{}} }}"));
        // V8 cannot be kept from being interrupted; a system call can wait.
        if over["session"] != Value::Null {
            assert_eq!(over["session"]["outcome"]["limit"], "wall-time", "{over}");
        }
        talk.end();
    });
}

#[test]
fn a_flood_is_cut_for_each_input_and_each_stream() {
    everyone_who_has("python", |place| {
        let mut talk = Talk::start(place, "python", "--output-limit 1000");
        let flood = talk.ask("import sys\nfor _ in range(100000): print('x' * 99)\nprint('few', file=sys.stderr)");
        assert_eq!(flood["stdout"].as_str().unwrap().len(), 1000);
        assert_eq!((&flood["stdout_bytes"], &flood["stdout_truncated"]), (&10_000_000.into(), &true.into()));
        assert_eq!((&flood["stderr"], &flood["stderr_truncated"]), (&"few\n".into(), &false.into()));
        assert_eq!((&flood["truncated"], &flood["outcome"]["kind"]), (&true.into(), &"finished".into()));
        let long = talk.ask("'v' * 5000");
        assert_eq!((long["value"].as_str().unwrap().len(), &long["truncated"]), (1000, &true.into()));
        let again = talk.ask("print('y')");
        assert_eq!((&again["stdout"], &again["truncated"]), (&"y\n".into(), &false.into()));
        assert_eq!(talk.end(), 0);
    });
}

#[test]
fn bytes_that_are_no_text_are_told_exactly() {
    everyone_who_has("python", |place| {
        let mut talk = Talk::start(place, "python", "");
        let told = talk.ask(r"import os; _ = os.write(1, b'\xff\x00a'); '\ud800'");
        assert_eq!((&told["stdout"], &told["stdout_base64"]), (&"\u{fffd}\0a".into(), &"/wBh".into()));
        assert_eq!(told["value"], r"'\ud800'");
        assert_eq!(talk.ask("raise ValueError('\\ud800 \\x1b[2J')")["error"]["message"], "\\ud800 \u{1b}[2J");
        assert_eq!(talk.end(), 0);
    });
}

#[test]
fn memory_that_runs_out_ends_the_session_and_is_said() {
    for (language, tool, greedy) in [
        ("python", "python", "x = [bytes([1]) * 1000000 for _ in range(1000)]"),
        ("javascript", "node", "const all = []; for (;;) all.push(Buffer.alloc(1000000, 1))"),
    ] {
        everyone_who_has(tool, |place| {
            let mut talk = Talk::start(place, language, "--memory-limit 128M");
            assert_eq!(talk.value("40 + 2"), "42");
            let over = talk.ask(greedy);
            assert_eq!(over["outcome"]["kind"], "session-ended");
            assert_eq!(over["session"]["outcome"]["limit"], "memory", "{over:#}");
            assert_eq!(over["session"]["violations"][0]["limit"], "128 MiB");
            assert_eq!(talk.end(), 137);
        });
    }
}

#[test]
fn a_fork_bomb_ends_the_session_and_nothing_is_left() {
    everyone_who_has("python", |place| {
        let mut talk = Talk::start(place, "python", "");
        // One that gives up at the first refusal may have answered before it is killed.
        let over = talk.ask("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass");
        assert_eq!(over["session"]["outcome"]["kind"], "limit-hit", "{over:#}");
        assert_eq!(talk.end(), 137);
    });
}

#[test]
fn a_child_of_an_input_does_not_become_a_second_session() {
    everyone_who_has("python", |place| {
        let mut talk = Talk::start(place, "python", "");
        assert_eq!(talk.value("import os; x = 1; child = os.fork(); bool(child) if child else None"), "True");
        assert_eq!(talk.value("os.waitpid(child, 0)[1]"), "0");
        for number in 2..6 {
            assert_eq!(talk.value("x = x + 1; x"), number.to_string());
        }
        assert_eq!(talk.end(), 0);
    });
}

#[test]
fn an_input_can_end_the_session_with_its_own_status() {
    for (language, tool, exit) in [
        ("python", "python", "import sys; print('bye'); sys.exit(3)"),
        ("python", "python", "import os; print('bye', flush=True); os._exit(3)"),
        ("javascript", "node", "console.log('bye'); process.exit(3)"),
    ] {
        everyone_who_has(tool, |place| {
            let mut talk = Talk::start(place, language, "");
            let over = talk.ask(exit);
            assert_eq!((&over["outcome"]["kind"], &over["stdout"]), (&"session-ended".into(), &"bye\n".into()));
            assert_eq!(over["session"]["outcome"], serde_json::json!({ "kind": "exited", "code": 3 }));
            // What it said was told with the input; the rest was between palisade and its driver.
            assert_eq!((&over["session"]["stdout"], &over["session"]["stdout_bytes"]), (&"".into(), &0.into()));
            assert_eq!(talk.end(), 3);
        });
    }
}

/// Finds the mark of the input that runs: it shares its process with the driver.
const FIND: &str = "import sys, os\nframe, mark = sys._getframe(), None\nwhile frame and not mark:\n    mark = frame.f_locals.get('mark')\n    frame = frame.f_back\n";

#[test]
fn who_does_not_know_the_mark_cannot_forge_an_answer() {
    everyone_who_has("python", |place| {
        let mut talk = Talk::start(place, "python", "");
        // An earlier one, and one that it has made up.
        talk.ask(&format!("{FIND}old = mark"));
        let forged = r#"{"value": "forged", "error": null}"#;
        let told = talk.ask(&format!(
            "import os\nfor mark in (old, '0' * 32): os.write(1, (mark + '.{:04x}' + '''{forged}''').encode())\n'genuine'",
            forged.len()
        ));
        assert_eq!(told["value"], "'genuine'");
        assert_eq!(told["stdout"].as_str().unwrap().matches("forged").count(), 2, "it is what it is, print: {told}");
        assert_eq!(talk.end(), 0);
    });
}

#[test]
fn who_forges_an_answer_lies_about_itself_and_not_about_time_or_limits() {
    everyone_who_has("python", |place| {
        let mut talk = Talk::start(place, "python", "--time-limit 2s");
        let answer = r#"{"value": "forged"}"#;
        let forge = format!(
            "{FIND}import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\nos.write(1, (mark + \
             '.{:04x}' + '''{answer}''').encode()); os.write(2, (mark + '.0000').encode())\nwhile True: pass",
            answer.len()
        );
        let lie = talk.ask(&forge);
        assert_eq!((&lie["value"], &lie["outcome"]["kind"]), (&"forged".into(), &"finished".into()));
        // It goes on in there; who is next waits in vain, and that ends at the limit.
        let over = talk.ask("1");
        assert_eq!(over["session"]["outcome"]["limit"], "wall-time", "{over:#}");
        assert_eq!(talk.end(), 124);
    });
}

#[test]
fn an_answer_that_makes_no_sense_is_no_answer() {
    everyone_who_has("python", |place| {
        let mut talk = Talk::start(place, "python", "");
        let told = talk
            .ask(&format!("{FIND}os.write(1, (mark + '.0003[{{x').encode()); os.write(2, (mark + '.0000').encode())"));
        assert_eq!(told["outcome"]["kind"], "failed");
        assert!(told["error"]["message"].as_str().unwrap().contains("makes no sense"), "{told}");
        assert_eq!(talk.end(), 0);
    });
}

#[test]
fn descriptors_that_an_input_closes_end_the_session_and_never_hang_it() {
    for (language, tool, close) in [
        ("python", "python", "import os; os.closerange(0, 1000)"),
        ("javascript", "node", "for (const fd of [0, 1, 2]) require('fs').closeSync(fd)"),
    ] {
        everyone_who_has(tool, |place| {
            let mut talk = Talk::start(place, language, SHORT);
            let over = talk.ask(close);
            assert_eq!(over["outcome"]["kind"], "session-ended", "{over:#}");
            assert_ne!(talk.end(), 0);
        });
    }
    // Those that are the program's own are not the session's.
    everyone_who_has("python", |place| {
        let mut talk = Talk::start(place, "python", "");
        talk.ask("import os\nfor fd in (0, 1, 2): os.close(fd)");
        assert_eq!(talk.value("6 * 7"), "42");
        talk.end();
    });
}

#[test]
fn inputs_can_be_large_and_larger_ones_are_refused_by_number() {
    everyone_who_has("python", |place| {
        let mut talk = Talk::start(place, "python", "");
        let large = format!("x = '{}'; len(x)", "a".repeat(4 << 20));
        assert_eq!(talk.value(&large), (4 << 20).to_string());
        let refused = talk.ask(&"#".repeat((16 << 20) + 1));
        assert!(refused["refused"].as_str().unwrap().contains("16 MiB"), "{refused}");
        assert_eq!(talk.value("len(x)"), (4 << 20).to_string());
        assert_eq!(talk.end(), 0);
    });
}

#[test]
fn a_line_that_is_no_request_is_refused_and_the_session_goes_on() {
    everyone_who_has("python", |place| {
        let mut talk = Talk::start(place, "python", "");
        for (line, id) in [("{", Value::Null), ("[]", Value::Null), (r#"{"id":"a","coed":"1"}"#, "a".into())] {
            let refused = talk.say(line);
            assert_eq!(refused["id"], id, "{refused}");
            assert!(refused["refused"].is_string(), "{refused}");
        }
        assert_eq!(talk.say(r#"{"id":["any",7],"code":"1+1"}"#)["id"], serde_json::json!(["any", 7]));
        assert_eq!(talk.say(r#"{"code":"1+1"}"#)["id"], Value::Null);
        assert_eq!(talk.end(), 0);
    });
}

#[test]
fn the_form_of_an_answer_is_stable() {
    everyone_who_has("python", |place| {
        let mut talk = Talk::start(place, "python", "");
        let told = talk.ask("print('out'); 1");
        let names: Vec<&str> = told.as_object().unwrap().keys().map(String::as_str).collect();
        let mut wanted = vec![
            "id",
            "outcome",
            "stdout",
            "stdout_bytes",
            "stdout_truncated",
            "stderr",
            "stderr_bytes",
            "stderr_truncated",
            "value",
            "error",
            "truncated",
            "wall_time_ms",
            "cpu_time_ms",
            "session",
        ];
        wanted.sort_unstable();
        let mut names = names;
        names.sort_unstable();
        assert_eq!(names, wanted);
        assert_eq!(talk.end(), 0);
    });
}

#[test]
fn a_script_from_a_pipe_is_one_input() {
    everyone_who_has("python", |place| {
        let run = |script: &str| place.output_with(&mut place.palisade("repl --quiet python"), script.as_bytes());
        let output = run("x = 1\nfor i in range(2):\n    print(i + x)\nx\n");
        assert_eq!((output.status.code(), &*output.stdout), (Some(0), b"1\n2\n".as_slice()), "{}", text(&output));
        assert_eq!(run("import sys; sys.exit(3)").status.code(), Some(3));
        let failed = run("print(1)\n1 / 0");
        assert_eq!((failed.status.code(), &*failed.stdout), (Some(1), b"1\n".as_slice()), "{}", text(&failed));
        assert!(String::from_utf8_lossy(&failed.stderr).contains("ZeroDivisionError"), "{}", text(&failed));
        assert_eq!(run("").status.code(), Some(0));
        assert_eq!(run("print('\u{e9}')").stdout, "\u{e9}\n".as_bytes());
        let wrong = place.output_with(&mut place.palisade("repl python"), b"'\xff'");
        assert_eq!(wrong.status.code(), Some(125), "{}", text(&wrong));
        let mut command = place.palisade("repl --time-limit 1s python");
        let endless = place.output_with(&mut command, b"while True: pass");
        assert_eq!(endless.status.code(), Some(124), "{}", text(&endless));
        assert!(String::from_utf8_lossy(&endless.stderr).contains("may take 1 s"), "{}", text(&endless));
    });
}

#[test]
fn a_session_is_in_a_sandbox_and_has_what_the_options_give() {
    everyone_who_has("python", |place| {
        let secret = place.file("secret", "no");
        let data = place.file("data", "given");
        std::fs::create_dir(place.home().join("own")).unwrap();
        std::os::unix::fs::chown(place.home().join("own"), Some(place.seat.uid()), Some(place.seat.uid())).unwrap();
        let options = "--file $DIR/data:/work/data --setenv A=b --workspace $DIR/own --process-limit 9";
        let mut talk = Talk::start(place, "python", options);
        assert_eq!(
            talk.ask(&format!("open({:?})", secret.display().to_string()))["error"]["name"],
            "FileNotFoundError"
        );
        assert_eq!(talk.value("open('/work/data').read()"), "'given'");
        assert_eq!(talk.value("import os; os.environ['A'], sorted(os.environ)[0]"), "('b', 'A')");
        assert_eq!(talk.ask("import socket; socket.create_connection(('127.0.0.1', 22))")["outcome"]["kind"], "failed");
        assert_eq!(talk.ask("open('made', 'w').write('x')")["outcome"]["kind"], "finished");
        assert_eq!(talk.end(), 0);
        assert_eq!(std::fs::read(place.home().join("own/made")).unwrap(), b"x");
        assert_eq!(std::fs::read(data).unwrap(), b"given");
    });
}

#[test]
fn what_a_session_cannot_have_is_refused_by_name() {
    everyone(|place| {
        for (words, wanted) in [
            ("repl cobol", "no language is called `cobol` (known: python"),
            ("repl rust", "Rust has no interactive session: its programs are compiled"),
            ("repl python --with-dir", "--with-dir shows the directory of a source file"),
            ("repl python --check", "--check looks at a file"),
            ("repl python --language go", "--language is of a file"),
        ] {
            let output = place.output(&mut place.palisade(words));
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains(wanted) && output.status.code() == Some(125), "{words}: {}", text(&output));
        }
        let mut command = place.palisade("repl --json python");
        let output = place.output(command.env("PATH", place.home()));
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&told["schema"], output.status.code()), (&"palisade.error/1".into(), Some(125)), "{told}");
        assert!(told["hint"].as_str().unwrap().contains("apt-get install python3"), "{told}");
    });
}

#[test]
fn a_language_of_the_user_s_own_can_have_sessions() {
    everyone_who_has("perl", |place| {
        let languages = place.home().join(".config/palisade/languages");
        std::fs::create_dir_all(&languages).unwrap();
        for name in ["perl.toml", "perl-repl.pl"] {
            let text = std::fs::read(format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
            std::fs::write(languages.join(name), text).unwrap();
        }
        let mut talk = Talk::start(place, "perl", "--time-limit 2s");
        assert_eq!(talk.value("$x = 41; $x + 1"), "42");
        assert_eq!(talk.ask("print 'out'; warn 'err'")["stdout"], "out");
        assert!(talk.ask("die 'no'")["error"]["message"].as_str().unwrap().starts_with("no at (eval "));
        let stopped = talk.ask("1 while 1");
        assert_eq!((&stopped["outcome"]["kind"], &stopped["session"]), (&"limit-hit".into(), &Value::Null));
        assert_eq!(talk.value("'a' x 5000 eq 'a' x $x ? 1 : $x"), "41");
        assert_eq!(talk.end(), 0);
        // Its driver is read when a session starts.
        std::fs::remove_file(languages.join("perl-repl.pl")).unwrap();
        let output = place.output(&mut place.palisade("repl perl"));
        assert!(String::from_utf8_lossy(&output.stderr).contains("perl-repl.pl"), "{}", text(&output));
    });
}

#[test]
fn a_session_limit_ends_the_whole_session() {
    everyone_who_has("python", |place| {
        let mut talk = Talk::start(place, "python", "--session-time 3s");
        let over = talk.ask("import time; time.sleep(50)");
        assert_eq!(over["session"]["outcome"]["limit"], "wall-time", "{over:#}");
        assert_eq!(over["session"]["violations"][0]["limit"], "3.000 s");
        assert_eq!(talk.end(), 124);
    });
}

#[test]
fn a_palisade_that_is_told_to_stop_leaves_nothing_whatever_it_does() {
    everyone_who_has("python", |place| {
        for busy in [false, true] {
            let mut talk = Talk::start(place, "python", "");
            talk.ask("x = 1");
            if busy {
                talk.begin(
                    "import subprocess; subprocess.Popen(['sleep', '71'])\nprint('on'); import time; time.sleep(70)",
                );
                assert!(wait_for(common::PATIENCE, || talk.runs("sleep\x0071\x00")), "it never began");
            }
            talk.signal(rustix::process::Signal::TERM);
            assert_eq!(talk.wait(), 130, "busy: {busy}");
            place.assert_clean();
        }
    });
}

#[test]
fn an_interruption_from_outside_is_one_of_the_input() {
    everyone_who_has("python", |place| {
        let mut talk = Talk::start(place, "python", "");
        talk.ask("x = 42");
        talk.begin("import subprocess; subprocess.run(['sleep', '72'])");
        assert!(wait_for(common::PATIENCE, || talk.runs("sleep\x0072\x00")), "it never began");
        talk.signal(rustix::process::Signal::INT);
        let told = talk.answer();
        assert_eq!((&told["outcome"]["kind"], &told["session"]), (&"interrupted".into(), &Value::Null), "{told}");
        assert_eq!(talk.value("x"), "42");
        // Between two inputs it is one of palisade, as of any program that reads its input.
        talk.signal(rustix::process::Signal::INT);
        assert_eq!(talk.wait(), 130);
    });
}

#[test]
fn a_reader_that_goes_away_ends_the_session() {
    everyone_who_has("python", |place| {
        let mut command = place.palisade("repl --json python");
        let mut child = place.start(command.stdin(Stdio::piped()));
        drop(child.stdout.take());
        let mut stdin = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut stdin, b"{\"code\":\"1\"}\n").unwrap();
        // As for any program that writes to such a pipe; its input is still open.
        let mut status = None;
        let ended = wait_for(common::PATIENCE, || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        assert!(ended, "it did not end");
        assert_eq!(status.unwrap().code(), Some(141));
        drop(stdin);
    });
}

#[test]
fn other_walls_hold_sessions_too() {
    if !need("bubblewrap") {
        return;
    }
    everyone_who_has("python", |place| {
        let mut talk = Talk::start(place, "python", &format!("--backend bubblewrap {SHORT}"));
        talk.ask("x = 41");
        assert_eq!(talk.ask("while True: pass")["outcome"]["limit"], "wall-time");
        assert_eq!(talk.value("x + 1"), "42");
        assert_eq!(talk.end(), 0);
    });
}
