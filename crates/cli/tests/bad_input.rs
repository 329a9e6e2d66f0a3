//! Whatever is wrong with the input: one clear error with its remedy, a status from 125 to 127, no panic, nothing left.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};

use common::{Place, everyone, text};

/// One error that holds these words, and a hint. Command line errors of the parser have usage or a tip instead.
#[track_caller]
fn assert_refused(output: &Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code().is_some_and(|code| (125..=127).contains(&code)), "{}", text(output));
    assert_eq!(said.lines().filter(|line| line.starts_with("error: ")).count(), 1, "one error: {said}");
    let remedy = ["hint: ", "(known: ", "tip: ", "For more information", "write ", "give "]
        .iter()
        .any(|mark| said.contains(mark));
    assert!(remedy, "no remedy: {said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
    for panic in ["panicked", "RUST_BACKTRACE", "unwrap", "src/"] {
        assert!(!said.contains(panic), "{said}");
    }
    assert!(output.stdout.is_empty(), "stdout is for data: {}", text(output));
}

/// `palisade` by way of a shell, for redirections.
fn shell(place: &Place, line: &str) -> Command {
    let mut command = place.seat.command("/bin/bash");
    command.args(["-c", &line.replace("$RUN", &format!("{} run", place.palisade.display()))]);
    command.env("PALISADE_TEST", place.token()).stdin(Stdio::null());
    command
}

#[test]
fn sources_that_are_none_are_refused_by_name() {
    everyone(|place| {
        place.file("x.unknown", "");
        place.file("noextension", "");
        std::fs::create_dir(place.home().join("directory.py")).unwrap();
        assert!(Command::new("mkfifo").arg(place.home().join("fifo.py")).status().unwrap().success());
        let _socket = std::os::unix::net::UnixListener::bind(place.home().join("socket.py")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", place.home().join("device.py")).unwrap();
        std::os::unix::fs::symlink("loop.py", place.home().join("loop.py")).unwrap();
        for (file, words) in [
            ("x.unknown", &["x.unknown", ".py"][..]),
            ("noextension", &["noextension", "extension"]),
            ("missing.py", &["missing.py", "No such file"]),
            ("directory.py", &["directory.py", "a directory"]),
            ("fifo.py", &["fifo.py", "a FIFO"]),
            ("socket.py", &["socket.py"]),
            ("device.py", &["device.py", "a device"]),
            ("loop.py", &["loop.py", "symbolic links"]),
            ("no/such/dir/x.py", &["x.py", "No such file"]),
        ] {
            let output = place.output(&mut place.palisade(&format!("run {file}")));
            assert_refused(&output, words);
        }
    });
}

#[test]
fn a_source_that_may_not_be_read_is_refused() {
    everyone(|place| {
        if place.seat.uid() == 0 {
            return; // root may read everything
        }
        let file = place.file("secret.py", "print(1)");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o000)).unwrap();
        assert_refused(&place.output(&mut place.palisade("run secret.py")), &["secret.py", "Permission denied"]);
    });
}

#[test]
fn a_source_that_is_too_large_is_refused() {
    everyone(|place| {
        let file = place.file("large.py", "");
        std::fs::File::options().write(true).open(file).unwrap().set_len(20 << 20).unwrap();
        assert_refused(&place.output(&mut place.palisade("run large.py")), &["large.py", "20 MiB", "16 MiB"]);
    });
}

#[test]
fn values_that_make_no_sense_are_refused_with_an_example() {
    everyone(|place| {
        for (option, words) in [
            ("--memory-limit 0", &["0", "unlimited"][..]),
            ("--memory-limit 1", &["memory limit"]),
            ("--memory-limit lots", &["lots", "500M"]),
            ("--memory-limit -5M", &["-5M"]),
            ("--memory-limit 99999999999T", &["too large"]),
            ("--memory-limit=", &["500M"]),
            ("--time-limit 5", &["5", "10s"]),
            ("--time-limit 0s", &["0s"]),
            ("--time-limit soon", &["soon", "10s"]),
            ("--time-limit 500days", &["500days", "365days"]),
            ("--cpu-limit 0", &["0"]),
            ("--cpu-limit x", &["x"]),
            ("--process-limit 0", &["--process-limit", "positive"]),
            ("--process-limit -1", &["-1"]),
            ("--thread-limit 0", &["--thread-limit", "positive"]),
            ("--thread-limit 99999999999", &["99999999999"]),
            ("--descriptor-limit 3", &["descriptor limit", "8"]),
            ("--tmp-inodes 0", &["inode"]),
            ("--tmp-size x", &["x"]),
            ("--output-limit none", &["none"]),
            ("--on-output-limit explode", &["explode", "kill"]),
            ("--network=some", &["some", "loopback"]),
            ("--backend qemu", &["qemu", "native"]),
            ("--setenv NOVALUE", &["NOVALUE", "NAME=VALUE"]),
            ("--setenv =x", &["NAME=VALUE"]),
            ("--allow-domain example.org", &["example.org", "network"]),
            ("--sandbox=strict", &["strict"]),
            ("--language cobol", &["cobol"]),
            ("--nonsense", &["--nonsense"]),
            ("--memory-limi 5M", &["--memory-limi"]),
        ] {
            let target = if option.contains("language") { "x.py" } else { "-- /bin/true" };
            place.file("x.py", "print(1)");
            let output = place.output(&mut place.palisade(&format!("run {option} {target}")));
            assert!(!output.status.success(), "{option} was taken");
            assert_refused(&output, words);
        }
    });
}

#[test]
fn an_unknown_option_is_not_taken_for_a_file() {
    everyone(|place| {
        let output = place.output(&mut place.palisade("run --memory-limi 5M -- /bin/true"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("unexpected argument") || said.contains("unknown option"), "{said}");
        assert!(said.contains("--memory-limit"), "the nearest option is named: {said}");
    });
}

#[test]
fn nothing_to_run_is_a_usage_error() {
    everyone(|place| {
        for words in ["run", "run --", "run --json", "", "frobnicate"] {
            let output = place.output(&mut place.palisade(words));
            assert_eq!(output.status.code(), Some(125), "{words}: {}", text(&output));
            assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{words}: {}", text(&output));
        }
    });
}

#[test]
fn paths_that_cannot_be_given_are_refused() {
    everyone(|place| {
        let closed = place.home().join("closed/inner");
        std::fs::create_dir_all(&closed).unwrap();
        let outer = place.home().join("closed");
        std::fs::set_permissions(&outer, std::fs::Permissions::from_mode(0o000)).unwrap();
        for (option, words) in [
            ("--allow-write /", &["/"][..]),
            ("--allow-read /proc", &["/proc"]),
            ("--allow-read /proc/self", &["/proc"]),
            ("--allow-write /dev", &["/dev"]),
            ("--allow-read /nonexistent", &["/nonexistent", "No such file"]),
            ("--allow-write nonexistent", &["nonexistent"]),
            ("--allow-read=", &["--allow-read"]),
        ] {
            assert_refused(&place.output(&mut place.palisade(&format!("run {option} -- /bin/true"))), words);
        }
        if place.seat.uid() != 0 {
            let output = place.output(&mut place.palisade("run --allow-read closed/inner -- /bin/true"));
            assert_refused(&output, &["closed", "Permission denied"]);
        }
        std::fs::set_permissions(&outer, std::fs::Permissions::from_mode(0o755)).unwrap();
    });
}

#[test]
fn commands_that_cannot_be_executed_have_their_own_status() {
    everyone(|place| {
        let script = place.file("noexec", "#!/bin/sh\n");
        let format = place.file("format", "no format");
        std::fs::set_permissions(&format, std::fs::Permissions::from_mode(0o755)).unwrap();
        for (options, command, status, words) in [
            ("", "no-such-command", 127, &["no-such-command", "not found"][..]),
            ("", "/no/such/command", 127, &["/no/such/command"]),
            ("", script.to_str().unwrap(), 127, &["--allow-read"]),
            ("--allow-read $DIR/noexec", script.to_str().unwrap(), 126, &["noexec", "chmod"]),
            ("--allow-read $DIR/format", format.to_str().unwrap(), 126, &["format"]),
            ("", "/usr", 126, &["/usr"]),
        ] {
            let output = place.output(&mut place.palisade(&format!("run {options} -- {command}")));
            assert_eq!(output.status.code(), Some(status), "{command}: {}", text(&output));
            assert_refused(&output, words);
        }
        assert_refused(&place.output(Command::new(&place.palisade).args(["run", "--", ""])), &["empty"]);
    });
}

#[test]
fn an_error_is_json_too_if_that_is_wanted() {
    everyone(|place| {
        let output = place.output(&mut place.palisade("run --json missing.py"));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&json["schema"], &json["exit_code"]), (&"palisade.error/1".into(), &125.into()));
        assert!(json["error"].as_str().unwrap().contains("missing.py") && json["hint"].is_string(), "{json}");
        assert_eq!(output.status.code(), Some(125));
    });
}

#[test]
fn arguments_that_are_no_text_are_refused() {
    everyone(|place| {
        let odd = OsStr::from_bytes(b"\xff\xfe");
        let output = place.output(place.palisade("run -- /bin/echo").arg(odd));
        assert_refused(&output, &[r"argument 4 is not UTF-8: `\xff\xfe`", "hint: "]);
        let output = place.output(place.palisade("run").arg(OsStr::from_bytes(b"\xff.py")));
        assert_refused(&output, &[r"argument 2 is not UTF-8: `\xff.py`", "hint: "]);
        let output = place.output(place.palisade("run --allow-read").arg(odd).args(["--", "/bin/true"]));
        assert_refused(&output, &["No such file"]);
    });
}

#[test]
fn very_many_and_very_long_arguments_are_passed_or_refused() {
    everyone(|place| {
        let long = "x".repeat(100_000);
        let output = place.output(place.run("--quiet", "/usr/bin/printf %s").arg(&long));
        assert_eq!(output.stdout.len(), long.len(), "{}", output.status);
        let mut many = place.run("--quiet", "/bin/echo");
        let output = place.output(many.args((0..5000).map(|number| number.to_string())));
        assert!(output.stdout.ends_with(b" 4999\n"), "{}", output.status);
    });
}

#[test]
fn a_home_that_is_missing_or_strange_disturbs_nothing() {
    everyone(|place| {
        for home in ["", "/nonexistent", "/dev/null", "relative"] {
            let output = place.output(place.palisade("run --quiet -- /bin/true").env("HOME", home));
            assert_eq!(output.status.code(), Some(0), "HOME={home}: {}", text(&output));
        }
        let output = place.output(shell(place, "env -i $RUN --quiet -- /bin/true").env_remove("HOME"));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    });
}
