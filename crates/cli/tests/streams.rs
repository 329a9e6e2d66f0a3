//! The three streams of the caller: closed, full, endless, gone.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::process::{Command, Stdio};

use common::{Place, everyone, finish, text};
use palisade_testkit::wait_for;

/// `palisade` by way of a shell, for redirections; `$RUN` is `palisade run`.
fn shell(place: &Place, line: &str) -> Command {
    let mut command = place.seat.command("/bin/bash");
    command.args(["-c", &line.replace("$RUN", &format!("{} run --quiet", place.palisade.display()))]);
    command.env("PALISADE_TEST", place.token()).stdin(Stdio::null());
    command
}

/// Peak memory of a process so far, in KiB.
fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().trim_end_matches(" kB").parse().ok()
}

#[test]
fn closed_streams_are_no_panic_and_no_leak() {
    everyone(|place| {
        for (closed, status) in [("<&-", 0), ("2>&-", 0), ("<&- 2>&-", 0)] {
            let output = place.output(&mut shell(place, &format!("$RUN -- /bin/sh -c 'echo hi' {closed}")));
            assert_eq!(
                (output.status.code(), output.stdout.as_slice()),
                (Some(status), b"hi\n".as_slice()),
                "{closed}"
            );
        }
        for closed in [">&-", "<&- >&- 2>&-", "<&- >&-"] {
            let output =
                place.output(&mut shell(place, &format!("$RUN -- /bin/sh -c 'echo hi; ls /proc/$$/fd >&2' {closed}")));
            let said = text(&output);
            assert!(output.status.code().is_some_and(|code| [0, 2, 125, 141].contains(&code)), "{closed}: {said}");
            assert!(!said.contains("panicked"), "{closed}: {said}");
        }
        let output = place.output(&mut shell(place, "$RUN --json -- /bin/true >&-"));
        assert_eq!(output.status.code(), Some(125), "a report that cannot be written: {}", text(&output));
    });
}

#[test]
fn a_full_disk_behind_stdout_is_said() {
    everyone(|place| {
        let output = place.output(&mut shell(place, "$RUN --json -- /bin/true >/dev/full"));
        assert_eq!(output.status.code(), Some(125), "{}", text(&output));
        assert!(String::from_utf8_lossy(&output.stderr).contains("No space left"), "{}", text(&output));
        let output = place.output(&mut shell(place, "$RUN -- /bin/sh -c 'yes | head -c 300000' >/dev/full"));
        assert_ne!(output.status.code(), Some(0), "output was lost in silence: {}", text(&output));
    });
}

#[test]
fn a_large_input_passes_in_constant_memory() {
    everyone(|place| {
        let file = std::fs::File::create(place.home().join("sparse")).unwrap();
        file.set_len(1 << 30).unwrap();
        let input = std::fs::File::open(place.home().join("sparse")).unwrap();
        let mut command = place.run("--quiet --time-limit 50s --cpu-time-limit 40s", "$H count-stdin");
        let mut child = place.start(command.stdin(input));
        let mut highest = 0;
        wait_for(common::PATIENCE, || {
            highest = highest.max(peak(child.id()).unwrap_or(0));
            child.try_wait().unwrap().is_some()
        });
        let output = finish(child);
        assert!(String::from_utf8_lossy(&output.stdout).contains(&(1_u64 << 30).to_string()), "{}", text(&output));
        // A debug build has 16 MiB without any input; what passes is 32 times this bound.
        assert!((1..32 << 10).contains(&highest), "palisade's peak was {highest} KiB");
    });
}

#[test]
fn an_input_that_nobody_reads_is_not_waited_for() {
    everyone(|place| {
        let output = place.output(&mut shell(place, "yes | $RUN -- /bin/echo done"));
        assert_eq!(output.stdout, b"done\n", "{}", text(&output));
        // A writer that neither writes nor closes.
        let mut child = place.start(place.run("--quiet", "/bin/echo done").stdin(Stdio::piped()));
        let held = child.stdin.take();
        let output = finish(child);
        assert_eq!(output.stdout, b"done\n", "{}", text(&output));
        drop(held);
    });
}

#[test]
fn a_program_reads_what_comes_while_it_runs() {
    use std::io::Write as _;
    everyone(|place| {
        let script = "read a; echo got $a; read b; echo got $b";
        let mut child = place.start(place.shell("--quiet", script).stdin(Stdio::piped()));
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"one\n").unwrap();
        common::read_until(child.stdout.as_mut().unwrap(), "got one\n");
        stdin.write_all(b"two\n").unwrap();
        let output = finish(child);
        assert_eq!(output.stdout, b"got two\n");
    });
}

#[test]
fn a_reader_that_goes_away_ends_an_endless_program() {
    everyone(|place| {
        let output = place.output(&mut shell(place, "$RUN --time-limit 50s -- yes | head -c1; echo ${PIPESTATUS[0]}"));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(["y141\n", "y0\n"].contains(&said.as_str()), "as without a sandbox: {}", text(&output));
    });
}

#[test]
fn a_broken_pipe_ends_a_program_as_it_does_outside() {
    everyone(|place| {
        // If SIGPIPE came in ignored, `yes` would complain instead of ending.
        let report = place.shell_report("--time-limit 5s", "yes | head -c1; true");
        assert_eq!(report.json["stderr"], "", "{:#}", report.json);
        let report = place.shell_report("", "trap 2>&1; grep SigIgn /proc/self/status");
        assert!(report.stdout().contains("SigIgn:\t0000000000000000"), "{}", report.stdout());
    });
}

#[test]
fn a_slow_reader_gets_everything() {
    everyone(|place| {
        let output = place.output(&mut shell(
            place,
            "$RUN -- head -c 3000000 /dev/zero | (read -t 0.3 -N 0 x </dev/tty 2>/dev/null; wc -c)",
        ));
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "3000000", "{}", text(&output));
    });
}

#[test]
fn output_that_a_child_still_holds_is_not_waited_for() {
    everyone(|place| {
        let report = place.shell_report("--time-limit 30s", "setsid sleep 60 & echo done");
        assert_eq!((report.outcome().as_str(), report.stdout()), ("exited 0", "done\n"));
        assert!(report.number("execution_time_ms") < 10_000.0);
    });
}

#[test]
fn a_program_that_closes_its_streams_goes_on() {
    everyone(|place| {
        let report = place.report("", "$H close-stdio 1");
        assert_eq!(report.outcome(), "exited 0");
        assert!(report.number("execution_time_ms") >= 900.0);
    });
}
