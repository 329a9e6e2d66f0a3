//! `palisade repl` at a real terminal: several lines, Ctrl-C and Ctrl-D, the history, and what is left of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests too")]

mod common;
#[path = "common/screen.rs"]
mod screen;
#[path = "common/talk.rs"]
mod talk;

use std::process::Command;

use common::{PATIENCE, Place};
use palisade_testkit::wait_for;
use rustix::process::{Pid, Signal, kill_process};
use screen::Screen;
use talk::everyone_who_has;

const READY: &str = "Ctrl-D ends\r\n";

fn repl(place: &Place, words: &str) -> Command {
    let mut command = place.palisade("repl");
    command.arg("--setenv").arg(format!("PALISADE_TEST={}", place.token())).args(words.split_whitespace());
    command
}

/// The keys that a person types, and a word of the answer.
fn type_and_see(screen: &Screen, keys: &str, wanted: &str) -> String {
    // A prompt is there, and the terminal in the editor's hands.
    assert!(wait_for(PATIENCE, || screen.is_raw()), "no prompt");
    screen.keys(keys);
    screen.until(wanted)
}

#[test]
fn inputs_are_evaluated_and_keep_their_state() {
    everyone_who_has("python", |place| {
        let screen = Screen::new(place);
        let mut child = screen.start(place, &repl(place, "python"));
        let greeting = screen.until(READY);
        assert!(greeting.contains("palisade: Python in a sandbox; 60 s and 30 s of processor time"), "{greeting}");
        type_and_see(&screen, "x = 40 + 2\r", "\r\n");
        type_and_see(&screen, "x\r", "\r\n42\r\n");
        type_and_see(&screen, "1 / 0\r", "ZeroDivisionError: division by zero\r\n");
        type_and_see(&screen, "print('no end', end='')\r", "\r\nno end\r\n");
        type_and_see(&screen, "x + 1\r", "\r\n43\r\n");
        type_and_see(&screen, "\x04", "\x1b[?2004l");
        assert_eq!(screen.end_of(&mut child).0.code(), Some(0));
    });
}

#[test]
fn an_input_goes_on_until_the_language_says_it_is_complete() {
    everyone_who_has("python", |place| {
        let screen = Screen::new(place);
        let mut child = screen.start(place, &repl(place, "python"));
        screen.until(READY);
        let said = type_and_see(&screen, "for n in range(2):\r    print('line', n)\r\r", "line 1\r\n");
        assert!(said.contains("line 0\r\nline 1\r\n"), "{said}");
        type_and_see(&screen, "print('a'\r, 'b')\r", "a b\r\n");
        type_and_see(&screen, "\x04", "\x1b[?2004l");
        assert_eq!(screen.end_of(&mut child).0.code(), Some(0));
    });
    for language in ["javascript", "typescript"] {
        everyone_who_has("node", |place| {
            let screen = Screen::new(place);
            let mut child = screen.start(place, &repl(place, language));
            screen.until(READY);
            type_and_see(&screen, "function f() {\r return 6 * 7;\r}\r", "\r\n");
            type_and_see(&screen, "`${f()}\r${f()}`\r", "'42\\n42'\r\n");
            if language == "typescript" {
                type_and_see(&screen, "interface P {\r x: number\r}\r", "\r\n");
            }
            type_and_see(&screen, "await f(\r)\r", "\r\n42\r\n");
            type_and_see(&screen, "\x04", "\x1b[?2004l");
            assert_eq!(screen.end_of(&mut child).0.code(), Some(0), "{language}");
        });
    }
}

#[test]
fn control_c_interrupts_an_input_and_clears_a_line() {
    everyone_who_has("python", |place| {
        let screen = Screen::new(place);
        let mut child = screen.start(place, &repl(place, "python"));
        screen.until(READY);
        type_and_see(&screen, "x = 42\r", "\r\n");
        type_and_see(&screen, "exec('print(1)\\nwhile True: pass')\r", "\r\n1\r\n");
        screen.keys("\x03");
        let said = screen.until("with its state\r\n");
        assert!(said.contains("palisade: the input was interrupted\r\n"), "{said}");
        type_and_see(&screen, "this is not \x03", "\x1b[?2004l");
        type_and_see(&screen, "x\r", "\r\n42\r\n");
        type_and_see(&screen, "\x04", "\x1b[?2004l");
        assert_eq!(screen.end_of(&mut child).0.code(), Some(0));
    });
}

#[test]
fn a_limit_is_said_with_what_raises_it() {
    everyone_who_has("python", |place| {
        let screen = Screen::new(place);
        let mut child = screen.start(place, &repl(place, "--time-limit 1s --output-limit 100 python"));
        screen.until(READY);
        let said = type_and_see(&screen, "while True: print('flood')\r", "with its state\r\n");
        assert!(said.contains("standard output was cut: ") && said.contains("raise it with --output-limit"), "{said}");
        assert!(said.contains("s, and may take 1 s\r\nhint: raise it with --time-limit\r\n"), "{said}");
        type_and_see(&screen, "6 * 7\r", "\r\n42\r\n");
        type_and_see(&screen, "\x04", "\x1b[?2004l");
        assert_eq!(screen.end_of(&mut child).0.code(), Some(0));
    });
}

#[test]
fn a_session_that_dies_says_why_and_a_fresh_one_is_offered() {
    everyone_who_has("python", |place| {
        let screen = Screen::new(place);
        let mut child = screen.start(place, &repl(place, "--memory-limit 100M python"));
        screen.until(READY);
        type_and_see(&screen, "x = 1\r", "\r\n");
        let greedy = "y = [bytes([1]) * 1000000 for _ in range(1000)]\r";
        let said = type_and_see(&screen, greedy, "fresh one? [Y/n] ");
        assert!(said.contains("the program was stopped at its memory limit of 100 MiB"), "{said}");
        type_and_see(&screen, "\r", READY);
        type_and_see(&screen, "x\r", "NameError: name 'x' is not defined\r\n");
        type_and_see(&screen, greedy, "fresh one? [Y/n] ");
        type_and_see(&screen, "n\r", "\r\n");
        assert_eq!(screen.end_of(&mut child).0.code(), Some(137));
        // One that ends by itself is not asked for another.
        let mut child = screen.start(place, &repl(place, "python"));
        screen.until(READY);
        type_and_see(&screen, "exit(3)\r", "\r\n");
        assert_eq!(screen.end_of(&mut child).0.code(), Some(3));
    });
}

#[test]
fn inputs_of_an_earlier_session_come_back_and_nobody_else_can_read_them() {
    everyone_who_has("python", |place| {
        let history = place.home().join(".local/state/palisade/history/python");
        let one = |options: &str, keys: &str, wanted: &str| {
            let screen = Screen::new(place);
            let mut command = repl(place, &format!("{options} python"));
            command.env_remove("XDG_STATE_HOME");
            let mut child = screen.start(place, &command);
            screen.until(READY);
            type_and_see(&screen, keys, wanted);
            type_and_see(&screen, "\x04", "\x1b[?2004l");
            assert_eq!(screen.end_of(&mut child).0.code(), Some(0));
        };
        one("--no-history", "6 * 8\r", "\r\n48\r\n");
        assert!(!history.exists());
        one("", "6 * 7\r", "\r\n42\r\n");
        // The arrow up.
        one("", "\x1b[A\r", "\r\n42\r\n");
        let mode = |path: &std::path::Path| {
            std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions()) & 0o777
        };
        assert_eq!((mode(&history), mode(history.parent().unwrap())), (0o600, 0o700));
    });
}

#[test]
fn a_terminal_that_hangs_up_or_a_request_to_stop_leaves_nothing() {
    everyone_who_has("python", |place| {
        for hangs_up in [false, true] {
            let screen = Screen::new(place);
            let before = screen.modes();
            let mut child = screen.start(place, &repl(place, "python"));
            screen.until(READY);
            type_and_see(&screen, "import subprocess; p = subprocess.Popen(['sleep', '73'])\r", "\r\n");
            assert!(wait_for(PATIENCE, || screen.is_raw()), "no prompt");
            if hangs_up {
                screen.hang_up();
            } else {
                kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::TERM).unwrap();
                assert_eq!(screen.end_of(&mut child).0.code(), Some(130));
                assert_eq!(screen.modes(), before, "the terminal is as it was");
            }
            assert!(wait_for(PATIENCE, || child.try_wait().unwrap().is_some()), "it is still there");
            place.assert_clean();
        }
    });
}
