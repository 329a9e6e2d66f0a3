//! What the tests of the command share: a person's place to run it from, bounded runs, reports, and the look at what is
//! left.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "for tests; each uses a part")]

pub(crate) mod etc;

use std::cell::RefCell;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use palisade_testkit::{Person, Residue, Seat, wait_for};
use serde_json::Value;

/// Longer than any run takes; a run that hangs is a failure, not a hang of the tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Python that executes its arguments in a Landlock domain that lets everything be done but making sockets, and mounting.
pub(crate) const LANDLOCKED: &str = "import ctypes, os, struct, sys
call = ctypes.CDLL(None, use_errno=True).syscall
domain = call(444, struct.pack('Q', 1 << 9), 8, 0)
assert domain >= 0 and call(446, domain, 0) == 0, os.strerror(ctypes.get_errno())
os.execvp(sys.argv[1], sys.argv[1:])";

/// A person with a home, the command and the hostile program.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) person: Person,
    pub(crate) seat: Seat,
    /// `palisade`, where this person can execute it.
    pub(crate) palisade: PathBuf,
    /// `hostile`, in the home.
    pub(crate) hostile: PathBuf,
    before: Residue,
    /// Process ids of the palisades that were started: their groups are named by them.
    started: RefCell<Vec<u32>>,
}

/// Runs a test for root and for an ordinary user, and looks each time whether anything is left.
#[track_caller]
pub(crate) fn everyone(test: impl Fn(&Place)) {
    for person in Person::ALL {
        if let Some(place) = Place::new(person) {
            test(&place);
            place.assert_clean();
        }
    }
}

impl Place {
    pub(crate) fn new(person: Person) -> Option<Self> {
        let seat = person.seat().unwrap()?;
        let built = palisade_testkit::palisade();
        let reachable = seat.command(&built).arg("--version").output().is_ok();
        let palisade = if reachable { built } else { seat.lend(&built).unwrap() };
        if !reachable {
            seat.lend(&palisade_testkit::palisade().with_file_name("palisade-guest")).unwrap();
        }
        let hostile = seat.lend(&palisade_testkit::hostile()).unwrap();
        Some(Self { person, seat, palisade, hostile, before: Residue::now(), started: RefCell::default() })
    }

    /// A word that is in the command line and the environment of everything that this place starts.
    pub(crate) fn token(&self) -> String {
        self.home().file_name().unwrap().to_string_lossy().into_owned()
    }

    pub(crate) fn home(&self) -> &Path {
        self.seat.home()
    }

    /// A file in the home that this person can read.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Whether limits are held by a cgroup for this person here.
    pub(crate) fn has_cgroup(&self) -> bool {
        self.report("", "/bin/true").weakened().is_empty()
    }

    /// `palisade` with these words, split at spaces; `$H` is the hostile program, `$DIR` the home. No input.
    pub(crate) fn palisade(&self, words: &str) -> Command {
        let mut command = self.seat.command(&self.palisade);
        command.env("PALISADE_TEST", self.token()).stdin(Stdio::null());
        command.args(words.split_whitespace().map(|word| self.expand(word)));
        command
    }

    fn expand(&self, word: &str) -> String {
        word.replace("$H", &self.hostile.display().to_string()).replace("$DIR", &self.home().display().to_string())
    }

    /// `palisade run OPTIONS -- LINE`, where the program can be `$H`.
    pub(crate) fn run(&self, options: &str, line: &str) -> Command {
        let mut command = self.palisade("run --allow-read $H");
        command.arg("--setenv").arg(format!("PALISADE_TEST={}", self.token()));
        command.args(options.split_whitespace().map(|word| self.expand(word))).arg("--");
        command.args(line.split_whitespace().map(|word| self.expand(word)));
        command
    }

    /// As [`Place::run`], with a shell script.
    pub(crate) fn shell(&self, options: &str, script: &str) -> Command {
        let mut command = self.run(options, "/bin/sh -c");
        command.arg(self.expand(script));
        command
    }

    /// The report of `palisade run --json OPTIONS -- LINE`.
    #[track_caller]
    pub(crate) fn report(&self, options: &str, line: &str) -> Report {
        self.report_of(&mut self.run(&format!("--json {options}"), line))
    }

    /// As [`Place::report`], with a shell script.
    #[track_caller]
    pub(crate) fn shell_report(&self, options: &str, script: &str) -> Report {
        self.report_of(&mut self.shell(&format!("--json {options}"), script))
    }

    #[track_caller]
    pub(crate) fn report_of(&self, command: &mut Command) -> Report {
        let output = self.output(command);
        Report::of(&output)
    }

    /// Starts it, with its streams held.
    #[track_caller]
    pub(crate) fn start(&self, command: &mut Command) -> Child {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        self.started.borrow_mut().push(child.id());
        child
    }

    /// Starts it, with the streams that it was given.
    #[track_caller]
    pub(crate) fn spawn(&self, command: &mut Command) -> Child {
        let child = command.spawn().unwrap();
        self.started.borrow_mut().push(child.id());
        child
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn output(&self, command: &mut Command) -> Output {
        finish(self.start(command))
    }

    /// Runs it to its end with this input.
    #[track_caller]
    pub(crate) fn output_with(&self, command: &mut Command, input: &[u8]) -> Output {
        let mut child = self.start(command.stdin(Stdio::piped()));
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        // A program may end without having read all of it.
        std::thread::spawn(move || drop(stdin.write_all(&input)));
        finish(child)
    }

    /// Everything that this place started and that is still there.
    pub(crate) fn left(&self) -> Vec<String> {
        let token = self.token();
        let mut left = Residue::now().since(&self.before);
        let groups: Vec<String> = self.started.borrow().iter().map(|pid| format!("/palisade-{pid}-")).collect();
        left.retain(|line| line.contains(&token) || groups.iter().any(|group| line.contains(group)));
        left.extend(processes_with(&token).into_iter().map(|pid| format!("process {pid}")));
        left
    }

    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        let mut left = Vec::new();
        let clean = wait_for(Duration::from_secs(5), || {
            left = self.left();
            left.is_empty()
        });
        assert!(clean, "left behind as {:?}: {left:#?}", self.person);
    }
}

/// Processes in whose command line or environment the word is. Not this one.
pub(crate) fn processes_with(word: &str) -> Vec<u32> {
    let own = std::process::id();
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let has = |path: String| std::fs::read(path).is_ok_and(|text| contains(&text, word.as_bytes()));
    pids.filter(|pid| *pid != own)
        .filter(|pid| has(format!("/proc/{pid}/cmdline")) || has(format!("/proc/{pid}/environ")))
        .collect()
}

pub(crate) fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Waits for the end of a child and kills it if that takes too long.
#[track_caller]
pub(crate) fn finish(child: Child) -> Output {
    let pid = child.id().to_string();
    let (done, waiting) = mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        let late = waiting.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout);
        if late {
            let _ = Command::new("kill").args(["-KILL", &pid]).status();
        }
        late
    });
    let output = child.wait_with_output().unwrap();
    drop(done);
    assert!(!watchdog.join().unwrap(), "it did not end within {PATIENCE:?}: {}", text(&output));
    output
}

/// Both streams, for messages of assertions.
pub(crate) fn text(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let start: String = out.chars().take(4000).collect();
    format!("{}\nstdout: {start}\nstderr: {err}", output.status)
}

/// What `--json` printed.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) json: Value,
    pub(crate) status: i32,
}

impl Report {
    #[track_caller]
    pub(crate) fn of(output: &Output) -> Self {
        let json = match serde_json::from_slice(&output.stdout) {
            Ok(json) => json,
            Err(error) => panic!("not one JSON object: {error}: {}", text(output)),
        };
        Self { json, status: output.status.code().unwrap_or(-1) }
    }

    /// `exited 3`, `signalled SIGSEGV`, `limit-hit memory`, `violation mount` or `cancelled`.
    #[track_caller]
    pub(crate) fn outcome(&self) -> String {
        let Some(outcome) = self.json["outcome"].as_object() else { panic!("no outcome: {}", self.json) };
        let rest = outcome.iter().filter(|(name, _)| *name != "kind");
        let rest = rest.map(|(_, value)| {
            let name = value.as_str().or_else(|| value["name"].as_str());
            name.map_or_else(|| value.to_string(), str::to_owned)
        });
        [outcome["kind"].as_str().unwrap().to_owned()].into_iter().chain(rest).collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn stdout(&self) -> &str {
        self.json["stdout"].as_str().unwrap()
    }

    pub(crate) fn number(&self, field: &str) -> f64 {
        self.json[field].as_f64().unwrap()
    }

    /// What is weakened, by name.
    pub(crate) fn weakened(&self) -> Vec<&str> {
        self.json["weakened"].as_array().unwrap().iter().map(|weak| weak["what"].as_str().unwrap()).collect()
    }

    /// Names of the hostile calls that were denied.
    pub(crate) fn denied(&self) -> Vec<&str> {
        let calls = self.json["violations"].as_array().unwrap().iter();
        calls.filter(|act| act["kind"] == "system-call").map(|act| act["what"].as_str().unwrap()).collect()
    }

    /// That it ended at this limit, with this exit status, and that the first violation proves it.
    #[track_caller]
    pub(crate) fn assert_limit(&self, limit: &str, status: i32) {
        assert_eq!(self.outcome(), format!("limit-hit {limit}"), "{:#}", self.json);
        assert_eq!((self.status, self.number("exit_code") as i32), (status, status), "{:#}", self.json);
        assert_eq!(self.json["success"], false);
        let evidence = &self.json["violations"][0];
        assert_eq!((&evidence["kind"], &evidence["what"]), (&"limit".into(), &limit.into()), "{evidence}");
        for field in ["limit", "measured", "evidence"] {
            assert!(evidence[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {evidence}");
        }
    }
}

/// Reads from a stream until the text is in it, so that what comes next happens after it.
#[track_caller]
pub(crate) fn read_until(stream: &mut impl std::io::Read, wanted: &str) -> String {
    let mut seen = Vec::new();
    while !contains(&seen, wanted.as_bytes()) {
        let mut byte = [0];
        assert_eq!(stream.by_ref().read(&mut byte).unwrap(), 1, "ended: {}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
    String::from_utf8_lossy(&seen).into_owned()
}
