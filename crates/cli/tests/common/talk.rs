//! A conversation with `palisade repl --json`: one line in, one line out.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "for tests; each uses a part")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use palisade_testkit::{need, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::common::{PATIENCE, Place, everyone, processes_with};

pub(crate) struct Talk<'a> {
    place: &'a Place,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    asked: u64,
}

/// As [`everyone`], for those who can reach the tool.
#[track_caller]
pub(crate) fn everyone_who_has(tool: &str, test: impl Fn(&Place)) {
    if !need(tool) {
        return;
    }
    everyone(|place| {
        let program = if tool == "python" { "python3" } else { tool };
        let mut command = place.seat.command("/bin/sh");
        if command.args(["-c", &format!("{program} --version")]).output().is_ok_and(|output| output.status.success()) {
            test(place);
        } else {
            let message = format!("SKIPPED: {tool} is out of reach as {:?}\n", place.person);
            let _ = std::io::stderr().write_all(message.as_bytes());
        }
    });
}

impl<'a> Talk<'a> {
    #[track_caller]
    pub(crate) fn start(place: &'a Place, language: &str, options: &str) -> Self {
        let mut command = place.palisade(&format!("repl --json {options}"));
        command.arg("--setenv").arg(format!("PALISADE_TEST={}", place.token())).arg(language);
        let mut child = place.start(command.stdin(Stdio::piped()));
        let (stdin, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { place, child, stdin, stdout, asked: 0 }
    }

    /// Sends an input.
    #[track_caller]
    pub(crate) fn begin(&mut self, code: &str) {
        self.asked += 1;
        let line = serde_json::json!({ "id": self.asked, "code": code }).to_string();
        self.send(&line);
    }

    #[track_caller]
    fn send(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        // One that has ended says why on its other streams.
        let _ = stdin.write_all(format!("{line}\n").as_bytes());
    }

    #[track_caller]
    pub(crate) fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        if line.is_empty() {
            let mut said = String::new();
            let _ = std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut said);
            panic!("no answer as {:?}: {said}", self.place.person);
        }
        serde_json::from_str(&line).unwrap()
    }

    /// Sends any line, and takes the answer.
    #[track_caller]
    pub(crate) fn say(&mut self, line: &str) -> Value {
        self.send(line);
        self.answer()
    }

    /// The answer to an input.
    #[track_caller]
    pub(crate) fn ask(&mut self, code: &str) -> Value {
        self.begin(code);
        let answer = self.answer();
        assert_eq!(answer["id"], self.asked, "{answer}");
        answer
    }

    /// The value of an input that succeeds.
    #[track_caller]
    pub(crate) fn value(&mut self, code: &str) -> Value {
        let answer = self.ask(code);
        assert_eq!(answer["outcome"]["kind"], "finished", "{code}: {answer:#}");
        answer["value"].clone()
    }

    /// Whether a process of the session has this command line, its words ended by NUL.
    pub(crate) fn runs(&self, line: &str) -> bool {
        let pids = processes_with(&self.place.token());
        pids.iter().any(|pid| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|it| it == line.as_bytes()))
    }

    /// Whether nothing of the session is there but palisade.
    pub(crate) fn is_alone(&self) -> bool {
        processes_with(&self.place.token()).iter().all(|pid| *pid == self.child.id())
    }

    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().cast_signed()).unwrap(), signal).unwrap();
    }

    /// Closes the input, and waits for the exit status.
    #[track_caller]
    pub(crate) fn end(mut self) -> i32 {
        self.stdin = None;
        self.wait()
    }

    /// The exit status.
    #[track_caller]
    pub(crate) fn wait(mut self) -> i32 {
        let mut status = None;
        let ended = wait_for(PATIENCE, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        if !ended {
            self.child.kill().unwrap();
        }
        assert!(ended, "it did not end as {:?}", self.place.person);
        status.unwrap().code().unwrap()
    }
}

impl Drop for Talk<'_> {
    fn drop(&mut self) {
        // Of a test that failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
