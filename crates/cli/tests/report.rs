//! The report: every field, of the right type, in every kind of ending, and on standard output alone.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::{Report, everyone, text};
use serde_json::Value;

/// What a field must be.
type Kind = fn(&Value) -> bool;

/// Every field of a report of a single stage.
const FIELDS: &[(&str, Kind)] = &[
    ("schema", |v| v == "palisade.report/1"),
    ("success", Value::is_boolean),
    ("outcome", |v| v["kind"].is_string()),
    ("exit_code", Value::is_i64),
    ("ended_in", |v| v == "run" || v == "compile"),
    ("stdout", Value::is_string),
    ("stderr", Value::is_string),
    ("stdout_truncated", Value::is_boolean),
    ("stderr_truncated", Value::is_boolean),
    ("stdout_bytes", Value::is_u64),
    ("stderr_bytes", Value::is_u64),
    ("execution_time_ms", Value::is_number),
    ("cpu_time_ms", Value::is_number),
    ("memory_used_bytes", Value::is_u64),
    ("processes_peak", Value::is_u64),
    ("threads_peak", |v| v.is_u64() || v.is_null()),
    ("backend", |v| v == "native" || v == "none"),
    ("violations", Value::is_array),
    ("violations_omitted", Value::is_u64),
    ("layers", Value::is_array),
    ("weakened", Value::is_array),
    ("clamped", Value::is_array),
    ("limits", Value::is_object),
    ("phases_ms", |v| v.as_object().is_some_and(|phases| phases.values().all(Value::is_number))),
];

#[track_caller]
fn assert_complete(json: &Value) {
    let object = json.as_object().unwrap();
    for (name, kind) in FIELDS {
        let value = object.get(*name);
        assert!(value.is_some_and(kind), "{name} is {value:?}");
    }
    let known = |name: &str| {
        FIELDS.iter().any(|(field, _)| *field == name) || ["compile", "stdout_base64", "stderr_base64"].contains(&name)
    };
    let unknown: Vec<_> = object.keys().filter(|name| !known(name)).collect();
    assert!(unknown.is_empty(), "fields that nobody has agreed on: {unknown:?}");
    for layer in object["layers"].as_array().unwrap() {
        assert!(layer["layer"].is_string() && layer["by"].is_string(), "{layer}");
        let status = layer["status"].as_str().unwrap();
        assert!(["enforced", "weakened", "off", "unavailable"].contains(&status), "{layer}");
    }
    for weak in object["weakened"].as_array().unwrap() {
        assert!(["what", "because", "instead", "hint"].iter().all(|field| weak[field].is_string()), "{weak}");
    }
}

#[test]
fn success_is_reported_with_every_field() {
    everyone(|place| {
        let report = place.shell_report("", "echo out; echo err >&2");
        assert_complete(&report.json);
        assert_eq!((report.status, report.outcome().as_str()), (0, "exited 0"));
        assert_eq!(report.json["success"], true);
        assert_eq!((report.stdout(), &report.json["stderr"]), ("out\n", &"err\n".into()));
        assert_eq!((report.number("stdout_bytes"), report.number("stderr_bytes")), (4.0, 4.0));
        assert_eq!(report.json["backend"], "native");
        assert_eq!(report.json["layers"].as_array().unwrap().len(), 10, "ten lines of defence (R49)");
        assert!(report.number("memory_used_bytes") > 0.0 || !report.weakened().is_empty());
    });
}

#[test]
fn an_exit_code_is_passed_on() {
    everyone(|place| {
        for code in [1, 3, 77, 125, 255] {
            let report = place.report("", &format!("$H exit {code}"));
            assert_complete(&report.json);
            assert_eq!((report.outcome(), report.status), (format!("exited {code}"), code));
            assert_eq!(report.json["success"], false);
        }
    });
}

#[test]
fn a_signal_is_named_and_gives_128_and_its_number() {
    everyone(|place| {
        for (line, name, status) in [
            ("$H segfault", "SIGSEGV", 139),
            ("$H abort", "SIGABRT", 134),
            ("$H raise 15", "SIGTERM", 143),
            ("$H raise 9", "SIGKILL", 137),
            ("$H raise 14", "SIGALRM", 142),
        ] {
            let report = place.report("", line);
            assert_complete(&report.json);
            assert_eq!((report.outcome(), report.status), (format!("signalled {name}"), status), "{line}");
            assert_eq!(report.json["violations"], serde_json::json!([]), "nobody broke a limit");
        }
    });
}

#[test]
fn binary_output_is_exact() {
    everyone(|place| {
        let report = place.report("", "$H binary-output");
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(STANDARD.decode(report.json["stdout_base64"].as_str().unwrap()).unwrap(), bytes);
        assert_eq!(report.json["stderr_base64"], Value::Null);
        assert_complete(&report.json);
    });
}

#[test]
fn text_that_is_cut_within_a_letter_is_still_exact() {
    everyone(|place| {
        let report = place.shell_report("--output-limit 4", "printf 'ab\\303\\274\\303\\274'");
        assert_eq!((report.stdout(), &report.json["stdout_truncated"]), ("abü", &true.into()));
        let report = place.shell_report("--output-limit 3", "printf 'ab\\303\\274\\303\\274'");
        let exact = STANDARD.decode(report.json["stdout_base64"].as_str().unwrap()).unwrap();
        assert_eq!(exact, b"ab\xc3");
    });
}

#[test]
fn a_program_cannot_put_words_into_the_report() {
    everyone(|place| {
        let forged = r#"{"schema":"palisade.report/1","success":true}"#;
        let report = place.shell_report("", &format!("echo '{forged}'; echo '\"}}' >&2; exit 3"));
        assert_eq!((report.outcome().as_str(), report.stdout().trim()), ("exited 3", forged));
    });
}

#[test]
fn denied_calls_are_listed_by_name_and_counted() {
    everyone(|place| {
        for (attack, names) in [
            ("mount-tmpfs", &["mount", "fsopen"][..]),
            ("bpf", &["bpf"]),
            ("keyctl", &["keyctl"]),
            ("perf-event", &["perf_event_open"]),
            ("userfaultfd", &["userfaultfd"]),
            ("unshare-user", &["unshare"]),
            ("setns /proc/self/ns/uts", &["setns"]),
            ("clone-newuser", &["clone"]),
            ("pivot-root", &["pivot_root"]),
            ("reboot", &["reboot"]),
            ("ptrace-attach 2", &["ptrace"]),
        ] {
            let report = place.report("", &format!("$H {attack}"));
            assert_eq!(report.denied(), names, "{attack}: {:#}", report.json["violations"]);
            for act in report.json["violations"].as_array().unwrap() {
                assert!(act["measured"].is_string() && act["evidence"].is_string(), "{act}");
            }
            assert_eq!(report.outcome(), "exited 10", "a denied call is no ending");
        }
    });
}

#[test]
fn a_hostile_call_ends_the_program_if_that_is_wanted() {
    everyone(|place| {
        let script = "echo before; $H mount-tmpfs; echo after; sleep 60";
        let report = place.shell_report("--on-hostile-call kill", script);
        assert_complete(&report.json);
        assert_eq!((report.outcome().as_str(), report.status), ("violation mount", 159));
        assert_eq!(report.stdout(), "before\n");
        assert_eq!(report.denied(), ["mount"]);
    });
}

#[test]
fn a_call_of_another_architecture_is_a_violation() {
    everyone(|place| {
        // `exec`, so that the program itself makes the call and not a child that hostile waits for.
        let report = place.report("", "$H int80-call");
        assert!(report.stdout().starts_with("BLOCKED int80-call: killed by SIGSYS"), "{:#}", report.json);
        let report = place.report("", "$H raise 31");
        assert_eq!(report.status, 159, "{:#}", report.json);
    });
}

#[test]
fn a_compiled_language_tells_of_its_compiler() {
    everyone(|place| {
        let source = place.file("main.c", "#include <stdio.h>\nint main(void) { puts(\"hi\"); return 4; }\n");
        let report = place.report_of(&mut place.palisade(&format!("run --json {}", source.display())));
        assert_complete(&report.json);
        assert_eq!((report.outcome().as_str(), report.stdout(), report.status), ("exited 4", "hi\n", 4));
        assert_eq!(report.json["ended_in"], "run");
        assert_complete(&report.json["compile"]);
        assert_eq!(report.json["compile"]["success"], true);
        assert_eq!(report.json["compile"]["ended_in"], "compile");
    });
}

#[test]
fn an_interpreted_program_has_no_compiler_in_its_report() {
    everyone(|place| assert_eq!(place.report("", "/bin/true").json["compile"], serde_json::Value::Null));
}

#[test]
fn a_program_that_does_not_compile_never_runs() {
    everyone(|place| {
        let source = place.file("main.c", "int main(void) { return missing; }\n");
        let json = place.report_of(&mut place.palisade(&format!("run --json {}", source.display())));
        assert_complete(&json.json);
        assert_eq!((&json.json["ended_in"], &json.json["success"]), (&"compile".into(), &false.into()));
        assert!(json.json["stderr"].as_str().unwrap().contains("missing"), "{:#}", json.json);
        assert_eq!(json.status, json.number("exit_code") as i32);
        assert_ne!(json.status, 0);
        let output = place.output(&mut place.palisade(&format!("run {}", source.display())));
        assert!(output.stdout.is_empty(), "{}", text(&output));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("missing") && said.contains("the program was not run"), "{said}");
    });
}

#[test]
fn without_json_the_streams_pass_unchanged_and_a_success_says_nothing_more() {
    everyone(|place| {
        let output = place.output(&mut place.run("--quiet", "$H binary-output"));
        assert_eq!(output.stdout, (0..=255).collect::<Vec<u8>>());
        assert_eq!(output.stderr, b"");
        let output = place.output(&mut place.shell("", "echo out; echo err >&2"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let rest: Vec<&str> = said.lines().filter(|line| !line.starts_with("palisade: weakened:")).collect();
        assert_eq!((output.stdout.as_slice(), rest.as_slice()), (b"out\n".as_slice(), ["err"].as_slice()));
    });
}

#[test]
fn what_is_weakened_is_said_and_can_be_refused() {
    everyone(|place| {
        let report = place.report("", "/bin/true");
        let output = place.output(&mut place.run("--strict", "/bin/true"));
        if report.weakened().is_empty() {
            assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        } else {
            assert_eq!(output.status.code(), Some(125), "{}", text(&output));
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.starts_with("error: ") && said.contains("hint: ") && said.contains("--strict"), "{said}");
        }
    });
}

#[test]
fn what_was_lowered_is_said() {
    everyone(|place| {
        let mut command = place.seat.command("/bin/sh");
        let line = format!(
            "ulimit -n 64; exec {} run --json --descriptor-limit 90 -- /bin/sh -c 'ulimit -n'",
            place.palisade.display()
        );
        let report = Report::of(&place.output(command.args(["-c", &line]).env("PALISADE_TEST", place.token())));
        assert_eq!(report.stdout(), "64\n");
        let clamp = &report.json["clamped"][0];
        assert_eq!(
            (&clamp["what"], &clamp["asked"], &clamp["given"]),
            (&"descriptors".into(), &"90".into(), &"64".into())
        );
    });
}
