//! `palisade run --tty`, at a real terminal: what the program gets, what the caller keeps, and what is left.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests too")]

mod common;
#[path = "common/screen.rs"]
mod screen;

use std::process::{Child, Command, Stdio};

use common::{PATIENCE, Place, everyone, text};
use palisade_testkit::{need, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{Action, tcflow};
use screen::Screen;

/// `sh -c SCRIPT` on a terminal of its own.
fn shell(place: &Place, options: &str, script: &str) -> Command {
    place.shell(&format!("--tty --quiet {options}"), script)
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
}

/// The host's view of a process of this place with this command line: its id, state, process group and the terminal's
/// foreground group.
fn look(place: &Place, line: &[u8]) -> Option<(u32, String, String, String)> {
    let pids = common::processes_with(&place.token());
    let pid = pids.into_iter().find(|pid| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|it| it == line))?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    Some((pid, fields[0].to_owned(), fields[2].to_owned(), fields[5].to_owned()))
}

const SLEEP: &[u8] = b"sleep\x0070\x00";

#[test]
fn a_program_has_a_terminal_that_is_not_the_caller_s() {
    everyone(|place| {
        let screen = Screen::new(place);
        let script = "tty; for fd in 0 1 2; do test -t $fd || echo $fd is no terminal; done; ls -1 /dev/pts; \
                      stat -c 'device %d %t:%T' $(tty); echo to tty >/dev/tty; echo TERM $TERM; exit 7";
        let mut child = screen.start(place, &shell(place, "", script));
        let (status, said) = screen.end_of(&mut child);
        assert_eq!(status.code(), Some(7), "{said}");
        assert!(said.starts_with("/dev/pts/0\r\n0\r\nptmx\r\ndevice "), "{said}");
        assert!(said.ends_with("to tty\r\nTERM vt100\r\n"), "{said}");
        let device = said.split("device ").nth(1).unwrap().split(['\r', ' ']).collect::<Vec<_>>();
        let (system, number) = screen.device();
        assert_ne!(device[0].parse::<u64>().unwrap(), system, "the same devpts: {said}");
        let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
        assert_ne!(device[1], format!("{major:x}:{minor:x}"), "the same number: {said}");
    });
}

#[test]
fn nothing_can_be_typed_into_a_terminal_from_inside() {
    everyone(|place| {
        let screen = Screen::new(place);
        let mut child = screen.start(place, &place.run("--tty", "$H tiocsti"));
        let (status, said) = screen.end_of(&mut child);
        // That it succeeds outside is a row of `testkit/tests/outside.rs`.
        assert_eq!(status.code(), Some(10), "{said}");
        assert!(said.contains("denied system calls: ioctl (once)"), "{said}");
    });
}

#[test]
fn without_the_option_there_is_no_terminal_and_no_way_to_one() {
    everyone(|place| {
        let report = place.shell_report("", "ls -d /dev/pts /dev/ptmx /dev/tty 2>/dev/null; tty");
        assert_eq!(report.stdout(), "not a tty\n");
    });
}

#[test]
fn the_size_is_the_caller_s_and_follows_it() {
    everyone(|place| {
        let screen = Screen::new(place);
        let script = "trap 'stty size; exit 0' WINCH; stty size; while :; do sleep 0.1; done";
        let mut child = screen.start(place, &shell(place, "", script));
        screen.until("30 100\r\n");
        screen.resize(41, 123);
        let (status, said) = screen.end_of(&mut child);
        assert_eq!((status.code(), said.as_str()), (Some(0), "41 123\r\n"));
    });
}

#[test]
fn control_c_is_for_the_program_and_not_for_palisade() {
    everyone(|place| {
        let screen = Screen::new(place);
        let script = "trap 'echo caught; exit 4' INT; echo ready; while :; do sleep 0.1; done";
        let mut child = screen.start(place, &shell(place, "", script));
        screen.until("ready\r\n");
        screen.keys("\x03");
        let (status, said) = screen.end_of(&mut child);
        assert_eq!((status.code(), said.as_str()), (Some(4), "^Ccaught\r\n"));
        // One that does not catch it is ended by it, which is not a cancellation.
        let mut child = screen.start(place, &place.shell("--tty", "echo ready; exec sleep 70"));
        screen.until("ready\r\n");
        screen.keys("\x03");
        let (status, said) = screen.end_of(&mut child);
        assert_eq!(status.code(), Some(130), "{said}");
        assert!(said.contains("palisade: the program was ended by SIGINT"), "{said}");
    });
}

#[test]
fn a_shell_controls_its_jobs() {
    everyone(|place| {
        let screen = Screen::new(place);
        let mut child = screen.start(place, &place.run("--tty --quiet", "bash --norc --noprofile -i"));
        screen.keys("PS1='ready'' '\n");
        screen.until("ready ");
        screen.keys("sleep 70\n");
        let in_front = |state: &'static str| {
            move || look(place, SLEEP).is_some_and(|(_, is, group, front)| is == state && group == front)
        };
        assert!(wait_for(PATIENCE, in_front("S")), "it does not run in the foreground");
        screen.keys("\x1a");
        assert!(screen.until("ready ").contains("Stopped"));
        assert_eq!(look(place, SLEEP).unwrap().1, "T");
        screen.keys("fg\n");
        assert!(wait_for(PATIENCE, in_front("S")), "it does not go on in the foreground");
        screen.keys("\x03");
        screen.until("ready ");
        screen.keys("echo status $?\n");
        screen.until("status 130\r\n");
        screen.keys("sleep 70 &\n");
        assert!(wait_for(PATIENCE, || look(place, SLEEP).is_some_and(|(_, _, group, front)| group != front)));
        screen.keys("exit 6\n");
        let (status, said) = screen.end_of(&mut child);
        assert_eq!(status.code(), Some(6), "{said}");
    });
}

#[test]
fn control_z_does_not_hang_a_program_that_nobody_could_continue() {
    everyone(|place| {
        let screen = Screen::new(place);
        let mut child = screen.start(place, &shell(place, "", "echo ready; read line; echo got $line"));
        screen.until("ready\r\n");
        screen.keys("\x1aabc\n");
        let (status, said) = screen.end_of(&mut child);
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.ends_with("got abc\r\n"), "{said}");
    });
}

#[test]
fn control_d_ends_the_input() {
    everyone(|place| {
        let screen = Screen::new(place);
        let mut child = screen.start(place, &shell(place, "", "echo ready; exec cat"));
        screen.until("ready\r\n");
        screen.keys("line\n");
        screen.until("line\r\nline\r\n");
        screen.keys("\x04");
        let (status, said) = screen.end_of(&mut child);
        assert_eq!((status.code(), said.as_str()), (Some(0), ""));
    });
}

#[test]
fn the_caller_s_terminal_is_raw_meanwhile_and_restored_whatever_happens() {
    everyone(|place| {
        let screen = Screen::new(place);
        let before = screen.modes();
        let wait = "echo ready; exec sleep 70";
        let cases: [(&str, Command, Option<Signal>, i32); 6] = [
            ("an exit", shell(place, "", "echo ready; exit 9"), None, 9),
            ("a limit", shell(place, "--time-limit 200ms", wait), None, 124),
            ("SIGTERM", shell(place, "", wait), Some(Signal::TERM), 130),
            ("SIGHUP", shell(place, "", wait), Some(Signal::HUP), 130),
            ("SIGINT", shell(place, "", wait), Some(Signal::INT), 130),
            ("a killed program", shell(place, "", "echo ready; kill -KILL $$"), None, 137),
        ];
        for (case, command, stop, code) in cases {
            let mut child = screen.start(place, &command);
            screen.until("ready\r\n");
            if let Some(stop) = stop {
                assert!(screen.is_raw(), "{case}");
                signal(&child, stop);
            }
            let (status, said) = screen.end_of(&mut child);
            assert_eq!(status.code(), Some(code), "{case}: {said}");
            assert_eq!(screen.modes(), before, "{case}");
        }
        let failures = [("", "nosuch", 127), ("", "/etc/os-release", 126), ("--allow-read /nosuch", "true", 125)];
        for (options, line, code) in failures {
            let mut child = screen.start(place, &place.run(&format!("--tty {options}"), line));
            let (status, said) = screen.end_of(&mut child);
            assert_eq!(status.code(), Some(code), "{line}: {said}");
            assert_eq!(screen.modes(), before, "{line}");
            assert!(said.contains("error: ") && said.contains("hint: "), "{line}: {said}");
        }
    });
}

#[test]
fn a_stop_and_a_continuation_make_the_terminal_raw_again() {
    everyone(|place| {
        let screen = Screen::new(place);
        let mut child = screen.start(place, &shell(place, "", "echo ready; read line; echo got $line"));
        screen.until("ready\r\n");
        signal(&child, Signal::STOP);
        let stat = format!("/proc/{}/stat", child.id());
        assert!(wait_for(PATIENCE, || std::fs::read_to_string(&stat).unwrap().contains(") T ")));
        // As a shell does when its job has stopped.
        let sane = Command::new("stty").arg("sane").stdin(screen.clone_of_slave()).status().unwrap();
        assert!(sane.success() && !screen.is_raw());
        signal(&child, Signal::CONT);
        assert!(wait_for(PATIENCE, || screen.is_raw()), "the terminal stays as the shell has set it");
        screen.keys("on\n");
        let (status, said) = screen.end_of(&mut child);
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.ends_with("got on\r\n"), "{said}");
    });
}

/// What a shell with jobs does: the run begins in front, another job takes its place, and sets the terminal for itself. Its
/// argument is what becomes of a job that sets a terminal behind which it is.
const JOBS: &str = "import os, signal, subprocess, sys, termios
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
def front():
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, getattr(signal, sys.argv[1]))
run = subprocess.Popen(sys.argv[2:], preexec_fn=front)
while termios.tcgetattr(0)[3] & termios.ICANON and run.poll() is None: pass
os.tcsetpgrp(0, os.getpgrp())
modes = termios.tcgetattr(0)
modes[3] = modes[3] & ~termios.ECHO | termios.ICANON
termios.tcsetattr(0, termios.TCSANOW, modes)
os.kill(run.pid, signal.SIGTERM)
_, status = os.waitpid(run.pid, os.WUNTRACED)
settings = 'kept' if termios.tcgetattr(0)[:6] == modes[:6] else 'changed'
print(settings, 'stopped' if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status), flush=True)
os.WIFSTOPPED(status) and run.kill()
";

#[test]
fn a_run_that_ends_in_the_background_leaves_the_terminal_to_the_job_in_front() {
    if !need("python") {
        return;
    }
    everyone(|place| {
        let jobs = place.file("jobs.py", JOBS);
        for action in ["SIG_IGN", "SIG_DFL"] {
            let screen = Screen::new(place);
            let line = shell(place, "", "exec sleep 70");
            let mut shell = Command::new("python3");
            shell.arg(&jobs).arg(action).arg(line.get_program()).args(line.get_args());
            let mut child = screen.start(place, &shell);
            let (_, said) = screen.end_of(&mut child);
            assert!(said.contains("kept 130"), "{action}: {said}");
        }
    });
}

#[test]
fn what_was_typed_and_not_read_is_not_left_to_the_shell() {
    everyone(|place| {
        let screen = Screen::new(place);
        let mut child = screen.start(place, &shell(place, "", "echo ready; read line; echo last words"));
        screen.until("ready\r\n");
        // As by Ctrl-S: palisade waits to print the last words of a program that has ended, and passes no key on any more.
        tcflow(screen.clone_of_slave(), Action::OOff).unwrap();
        screen.keys("go\n");
        let pid = child.id();
        let alone = || std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap().is_empty();
        assert!(wait_for(PATIENCE, alone), "the program goes on");
        screen.keys("rm -rf everything\n");
        tcflow(screen.clone_of_slave(), Action::OOn).unwrap();
        screen.end_of(&mut child);
        assert_eq!(rustix::io::ioctl_fionread(screen.clone_of_slave()).unwrap(), 0, "it waits for the shell");
    });
}

#[test]
fn processes_in_the_background_end_with_the_program() {
    everyone(|place| {
        let screen = Screen::new(place);
        let script = "setsid sleep 70 & sleep 70 & (trap '' HUP; exec sleep 70) & echo done; exit 3";
        let mut child = screen.start(place, &shell(place, "", script));
        let (status, said) = screen.end_of(&mut child);
        assert_eq!((status.code(), said.as_str()), (Some(3), "done\r\n"));
    });
}

#[test]
fn a_program_may_let_its_terminal_go_and_take_it_again() {
    everyone(|place| {
        let screen = Screen::new(place);
        // The supervisor looks every 10 ms.
        let script = "exec </dev/null >/dev/null 2>&1; sleep 0.1; echo back >/dev/tty";
        let mut child = screen.start(place, &shell(place, "", script));
        let (status, said) = screen.end_of(&mut child);
        assert_eq!((status.code(), said.as_str()), (Some(0), "back\r\n"));
    });
}

#[test]
fn all_that_is_printed_arrives() {
    everyone(|place| {
        let screen = Screen::new(place);
        let mut child = screen.start(place, &place.run("--tty --quiet", "seq 200000"));
        let (status, said) = screen.end_of(&mut child);
        assert_eq!(status.code(), Some(0));
        let wanted: String = (1..=200_000).map(|n| format!("{n}\r\n")).collect();
        assert!(said == wanted, "{} bytes of {}", said.len(), wanted.len());
    });
}

#[test]
fn the_output_limit_counts_what_the_terminal_shows() {
    everyone(|place| {
        let screen = Screen::new(place);
        let options = "--tty --output-limit 1000 --on-output-limit kill";
        let mut child = screen.start(place, &place.run(options, "yes"));
        let (status, said) = screen.end_of(&mut child);
        assert_eq!(status.code(), Some(137), "{said}");
        let (printed, verdict) = said.split_once("palisade: ").unwrap();
        assert_eq!(printed.len(), 1000, "{said}");
        assert!(verdict.contains("stopped at its output limit"), "{said}");
    });
}

#[test]
fn a_reader_that_goes_away_hangs_the_terminal_up() {
    everyone(|place| {
        let screen = Screen::new(place);
        let run = place.palisade.display();
        let mut line = place.seat.command("bash");
        line.args(["-c", &format!("{run} run --tty --quiet -- yes | head -c 3; echo ${{PIPESTATUS[0]}}")]);
        let mut child = screen.start(place, &line);
        let (_, said) = screen.end_of(&mut child);
        // SIGHUP to the program, or the EIO that `yes` complains of.
        assert!(["y\r\n129\r\n", "y\r\n1\r\n"].iter().any(|end| said.replace("\r\r", "\r") == *end), "{said:?}");
    });
}

#[test]
fn a_kill_of_palisade_or_of_its_terminal_leaves_no_process() {
    everyone(|place| {
        let family = "setsid sleep 70 & (trap '' HUP TERM; sleep 70) & echo ready; exec sleep 70";
        let screen = Screen::new(place);
        let mut child = screen.start(place, &shell(place, "", family));
        screen.until("ready\r\n");
        signal(&child, Signal::KILL);
        child.wait().unwrap();
        let gone = || place.left().iter().all(|line| line.starts_with("cgroup"));
        assert!(wait_for(PATIENCE, gone), "{:#?}", place.left());
        assert!(screen.is_raw(), "docs/terminal.md says that it stays raw");

        let screen = Screen::new(place);
        let mut child = screen.start(place, &shell(place, "", family));
        screen.until("ready\r\n");
        screen.hang_up();
        let ended = wait_for(PATIENCE, || child.try_wait().unwrap().is_some());
        if !ended {
            child.kill().unwrap();
        }
        assert!(ended, "it goes on without its terminal");
    });
}

#[test]
fn what_cannot_be_done_is_refused_with_a_remedy() {
    everyone(|place| {
        let output = place.output(&mut place.run("--tty", "true"));
        assert_eq!(output.status.code(), Some(125));
        let said = text(&output);
        assert!(said.contains("error: --tty needs a terminal") && said.contains("script -qec"), "{said}");
        let output = place.output(&mut place.run("--tty --json", "true"));
        assert_eq!(output.status.code(), Some(125));
        assert!(text(&output).contains("exclude each other"), "{}", text(&output));

        let screen = Screen::new(place);
        let before = screen.modes();
        let mut background = place.seat.command("bash");
        background.args(["-mc", &format!("{} run --tty -- true & wait $!; echo $?", place.palisade.display())]);
        let mut child = screen.start(place, &background);
        let (_, said) = screen.end_of(&mut child);
        assert!(said.contains("runs in its background") && said.contains("125\r\n"), "{said}");
        assert_eq!(screen.modes(), before);
    });
}

#[test]
fn a_plan_shows_the_terminal_and_needs_none() {
    let mut command = Command::new(palisade_testkit::palisade());
    let output = command.args(["plan", "--tty", "--", "true"]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("terminal     its own, 24 lines of 80"), "{}", text(&output));
}
