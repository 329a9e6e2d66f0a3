//! `palisade pool`: a run that wants a sandbox which stands ready has it, with the same walls, report and verdict; nobody else has
//! anything; and nothing is left, whoever is killed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests too")]

mod common;
#[path = "common/screen.rs"]
mod screen;

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use common::{LANDLOCKED, PATIENCE, Place, Report, processes_with, read_until, text};
use palisade_testkit::{Delegated, Person, Residue, keep_own_mounts, need, wait_for};
use serde_json::Value;

/// What a sandbox of these tests shows.
const SHOWN: &str = "--allow-read $H";

/// A pool of this person's own, in their home.
struct Kept<'a> {
    place: &'a Place,
    pid: u32,
}

/// As `common::everyone`. A pool makes all its sandboxes anew where somebody mounts something, as engines do.
fn everyone(test: impl Fn(&Place)) {
    keep_own_mounts().unwrap();
    common::everyone(test);
}

fn in_home(place: &Place, mut command: Command) -> Command {
    command.env("XDG_RUNTIME_DIR", place.home());
    command
}

fn pool(place: &Place, words: &str) -> Output {
    place.output(&mut in_home(place, place.palisade(&format!("pool {words}"))))
}

fn status(place: &Place) -> Value {
    serde_json::from_slice(&pool(place, "status --json").stdout).unwrap()
}

fn socket(place: &Place) -> PathBuf {
    place.home().join("palisade/pool")
}

/// Groups of a process's sandboxes.
fn groups(pid: u32) -> Vec<String> {
    let group = format!("/palisade-{pid}-");
    Residue::now().lines().filter(|line| line.contains(&group)).map(str::to_owned).collect()
}

impl<'a> Kept<'a> {
    #[track_caller]
    fn new(place: &'a Place, words: &str) -> Self {
        let output = pool(place, &format!("start {words}"));
        assert!(output.status.success(), "{}", text(&output));
        let said = String::from_utf8(output.stdout).unwrap();
        let pid = said.trim().rsplit(' ').next().unwrap().parse().unwrap();
        Self { place, pid }
    }

    /// One number of its status.
    fn number(&self, name: &str) -> u64 {
        status(self.place)["pool"][name].as_u64().unwrap()
    }

    /// Why the last run had none of its sandboxes.
    fn last(&self) -> String {
        status(self.place)["pool"]["last_not_served"].as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    fn wait_until_one_is_ready(&self) {
        assert!(wait_for(PATIENCE, || self.number("ready") > 0), "{:#}", status(self.place));
    }

    /// `palisade run --json SHOWN OPTIONS -- sh -c SCRIPT`.
    fn command(&self, options: &str, script: &str) -> Command {
        in_home(self.place, self.place.shell(&format!("--json {options}"), script))
    }

    #[track_caller]
    fn report(&self, options: &str, script: &str) -> Report {
        self.wait_until_one_is_ready();
        self.place.report_of(&mut self.command(options, script))
    }

    /// In a sandbox that stood ready.
    #[track_caller]
    fn warm(&self, options: &str, script: &str) -> Report {
        let report = self.report(options, script);
        assert!(is_warm(&report), "{}: {:#}", self.last(), report.json);
        report
    }

    /// In one of its own, for a reason in which these words are.
    #[track_caller]
    fn cold(&self, options: &str, script: &str, because: &str) -> Report {
        let report = self.report(options, script);
        assert!(!is_warm(&report), "{:#}", report.json);
        assert!(self.last().contains(because), "{}", self.last());
        report
    }

    #[track_caller]
    fn stop(self) {
        let output = pool(self.place, "stop");
        assert!(output.status.success(), "{}", text(&output));
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        pool(self.place, "stop --now");
    }
}

fn is_warm(report: &Report) -> bool {
    report.json["phases_ms"].get("cell").is_some()
}

/// What two runs of one program tell alike.
fn told(report: &Report) -> Value {
    let mut json = report.json.clone();
    // Processes and threads are counted by looking now and then.
    for measured in
        ["execution_time_ms", "cpu_time_ms", "memory_used_bytes", "phases_ms", "processes_peak", "threads_peak"]
    {
        json.as_object_mut().unwrap().remove(measured).unwrap();
    }
    json
}

#[test]
fn a_run_in_a_sandbox_that_stood_ready_tells_what_any_other_tells() {
    everyone(|place| {
        let kept = Kept::new(place, &format!("{SHOWN} --size 2"));
        for script in [
            "echo out; echo err >&2; exit 3",
            "kill -SEGV $$",
            "cat /etc/passwd /proc/self/status | grep -v -e ctxt -e Vm -e Rss; id",
            "ls / /dev /work; ls /proc/self/fd; hostname; env | sort; ulimit -a; pwd; umask",
            "$H tcp-connect 127.0.0.1 9; $H mount-tmpfs; $H unshare-user; $H keyctl",
            "cut -d' ' -f4- /proc/self/mountinfo | sed 's/[ug]id=[0-9]*//g'",
        ] {
            let warm = kept.warm("", script);
            let cold = place.report_of(&mut kept.command("--no-pool", script));
            assert!(!is_warm(&cold));
            assert_eq!(warm.status, cold.status, "{script}");
            let (warm, cold) = (told(&warm), told(&cold));
            assert_eq!(warm.as_object().unwrap().len(), cold.as_object().unwrap().len());
            for (name, value) in warm.as_object().unwrap() {
                assert_eq!(value, &cold[name], "{name} of {script}");
            }
        }
    });
}

#[test]
fn its_streams_are_those_of_the_caller_and_an_error_is_said_in_the_same_words() {
    everyone(|place| {
        let kept = Kept::new(place, SHOWN);
        let run = |pool: &str, line: &str| {
            kept.wait_until_one_is_ready();
            let mut command = in_home(place, place.run(pool, line));
            let output = place.output_with(&mut command, b"input\n");
            (output.status.code(), output.stdout, output.stderr)
        };
        for line in ["cat", "sort no-such-file", "no-such-program", "/etc/passwd", "$H output-flood 3000000"] {
            let served = kept.number("served");
            let warm = run("", line);
            assert_eq!(kept.number("served"), served + 1, "{}", kept.last());
            assert_eq!(warm, run("--no-pool", line), "{line}");
        }
    });
}

#[test]
fn limits_hold_in_a_sandbox_that_stood_ready() {
    everyone(|place| {
        let kept = Kept::new(place, &format!("{SHOWN} --memory-limit 64M --process-limit 4 --on-output-limit kill"));
        let limits = "--memory-limit 64M --process-limit 4 --on-output-limit kill";
        let warm = |more: &str, script: &str| kept.warm(&format!("{limits} {more}"), script);
        warm("", "$H memory 512; exec sleep 60").assert_limit("memory", 137);
        warm("--time-limit 300ms", "exec sleep 60").assert_limit("wall-time", 124);
        warm("", "i=0; while [ $i -lt 9 ]; do sleep 60 & i=$((i+1)); done; wait").assert_limit("processes", 137);
        let flood = warm("--output-limit 1000", "exec $H output-flood 9000000000");
        flood.assert_limit("output", 137);
        assert_eq!(flood.stdout().len(), 1000);
        let hostile = warm("--on-hostile-call kill", "exec $H mount-tmpfs");
        assert!(hostile.outcome().starts_with("violation"), "{:#}", hostile.json);
        // The next one is as good as new.
        assert_eq!(warm("", "echo here").stdout(), "here\n");
    });
}

#[test]
fn nothing_of_one_run_is_there_in_the_next() {
    everyone(|place| {
        let kept = Kept::new(place, &format!("{SHOWN} --size 1"));
        let script = "set -- /proc/[0-9]*; echo $#; cat /tmp/left /dev/shm/left; echo secret | tee /tmp/left >/dev/shm/left; \
                      setsid sleep 600 &";
        let first = kept.warm("", script);
        let second = kept.warm("", script);
        assert_eq!(first.stdout(), second.stdout());
        assert!(!second.stdout().contains("secret"), "{}", second.stdout());
    });
}

#[test]
fn another_sandbox_is_made_as_ever_and_the_pool_knows_in_what_it_differs() {
    everyone(|place| {
        let kept = Kept::new(place, SHOWN);
        kept.cold("--memory-limit 65M", "true", "the limits differ");
        // Certificates are shown where there is a network.
        kept.cold("--network=loopback", "true", "the files differ");
        place.file("other", "");
        kept.cold("--allow-read $DIR/other", "true", "the files differ");
        kept.cold("--strict", "true", "the output limit, or where something is weaker differ");
        kept.cold("--overlay $DIR", "true", "is taken from it");
        kept.warm("--time-limit 5s --output-limit 1M --on-hostile-call kill --setenv A=b", "true");
        assert_eq!(kept.number("not_served"), 5);
    });
}

#[test]
fn a_directory_that_was_replaced_is_seen_as_it_is_now() {
    everyone(|place| {
        let shown = place.home().join("shown");
        let make = |content: &str| {
            fs::create_dir(&shown).unwrap();
            fs::write(shown.join("file"), content).unwrap();
            // As root, the program is somebody else, and the way there has to be open as well.
            let open: fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(&shown, open).unwrap();
        };
        make("old");
        let kept = Kept::new(place, &format!("{SHOWN} --allow-read $DIR/shown"));
        let script = "cat $DIR/shown/file";
        assert_eq!(kept.warm("--allow-read $DIR/shown", script).stdout(), "old");
        fs::rename(&shown, place.home().join("away")).unwrap();
        make("new");
        assert_eq!(kept.cold("--allow-read $DIR/shown", script, "the files differ").stdout(), "new");
        // Who wants what is not there has gone with an error before the pool has looked.
        let not_served = kept.number("not_served");
        fs::remove_dir_all(&shown).unwrap();
        for _ in 0..5 {
            let output = place.output(&mut kept.command("--allow-read $DIR/shown", script));
            assert_eq!(output.status.code(), Some(125), "{}", text(&output));
        }
        assert_eq!(kept.number("not_served"), not_served, "{}", kept.last());
    });
}

#[test]
fn a_mount_makes_all_sandboxes_anew() {
    if !need("root") {
        return;
    }
    let Some(place) = Place::new(Person::Root) else { return };
    let directory = place.home().join("shown");
    fs::create_dir_all(directory.join("sub")).unwrap();
    // All of it in a mount namespace of its own.
    let script = "p=$1; d=$2; shift 2; run() { $p run --allow-read $d --json -- ls $d/sub; }\n\
        $p pool start --size 2 --allow-read $d >&2 && run && mount -t tmpfs t $d/sub && touch $d/sub/mounted && run && $p pool status >&2\n\
        until $p pool status | grep -q '2 of 2'; do :; done; run; $p pool stop";
    let mut command = place.seat.command("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]).arg(&place.palisade).arg(&directory).stdin(Stdio::null());
    let output = place.output(in_home(&place, command).env("PALISADE_TEST", place.token()));
    let reports = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let reports: Vec<_> = reports.map(|json| Report { json: json.unwrap(), status: 0 }).collect();
    let seen: Vec<_> = reports.iter().map(|report| (is_warm(report), report.stdout())).collect();
    // The one in the middle may have come before new ones stood.
    assert!(matches!(seen[..], [(true, ""), (_, "mounted\n"), (true, "mounted\n")]), "{}", text(&output));
    place.assert_clean();
}

#[test]
fn source_files_are_served_by_a_pool_for_their_language() {
    if !need("python") {
        return;
    }
    everyone(|place| {
        let kept = Kept::new(place, "--language python");
        let program = "import sys; print(__file__, sys.argv[1:], open(__file__).read() == sys.stdin.read())";
        for (number, text) in [program.to_owned(), format!("{program} # {}", "x".repeat(1 << 20))].iter().enumerate() {
            let file = place.file(&format!("{number}.py"), text);
            let run = |words: &str| {
                let mut command = in_home(place, place.palisade(words));
                Report::of(&place.output_with(command.arg(&file).args(["a b", "c"]), text.as_bytes()))
            };
            kept.wait_until_one_is_ready();
            let report = run("run --json");
            assert!(is_warm(&report), "{}", kept.last());
            assert_eq!(report.stdout(), "/work/main.py ['a b', 'c'] True\n");
            assert_eq!(told(&report), told(&run("run --json --no-pool")));
        }
        kept.cold("", "true", "the files differ");
    });
}

#[track_caller]
fn assert_differs(because: &str, name: &str) {
    assert!(because.contains(&format!("({name} differs)")), "{because}");
}

#[test]
fn who_is_in_a_sandbox_or_gave_up_something_gets_nothing() {
    everyone(|place| {
        let kept = Kept::new(place, SHOWN);
        // It is the same command, and outside it is served.
        kept.warm("", "true");
        let program = |around: &[&str]| {
            kept.wait_until_one_is_ready();
            let mut command = place.seat.command(around[0]);
            command.args(&around[1..]).arg(&place.palisade).args(["run", "--backend", "native", "--json"]);
            command.arg("--allow-read").arg(&place.hostile).args(["--", "true"]);
            command.stdin(Stdio::null()).env("PALISADE_TEST", place.token());
            let served = kept.number("served");
            let output = place.output(&mut in_home(place, command));
            assert_eq!(kept.number("served"), served, "{around:?}: {}", text(&output));
            kept.last()
        };
        let user = if place.person == Person::Root { "-m" } else { "-Um" };
        let mapped: &[&str] = if place.person == Person::Root { &[] } else { &["--map-current-user"] };
        let because = program(&[&["unshare", user], mapped].concat());
        if place.person == Person::Root {
            assert_differs(&because, "mnt namespace");
            assert_differs(&program(&["unshare", "-n"]), "net namespace");
            assert_differs(&program(&["setpriv", "--bounding-set=-net_raw"]), "CapBnd");
        }
        assert!(because.contains("does not stand where the pool stands"), "{because}");
        assert_differs(&program(&["setpriv", "--no-new-privs"]), "NoNewPrivs");
        assert_differs(&program(&["nice", "-n", "5"]), "niceness");
        if let Some(groups) = Delegated::to(place.seat.uid()).unwrap() {
            let wrapped = place.home().join("env");
            groups.wrap(Path::new("/usr/bin/env"), &wrapped).unwrap();
            assert_differs(&program(&[wrapped.to_str().unwrap()]), "cgroup");
        }
        assert_differs(&program(&["sh", "-c", "ulimit -S -n 50; exec \"$@\"", "sh"]), "limits");
        if place.person == Person::Root && need("python") && need("landlock") {
            // No file of /proc tells of this. Root needs nothing for it that would show.
            let because = program(&["/usr/bin/python3", "-c", LANDLOCKED]);
            assert!(because.contains("may not look into the pool's process"), "{because}");
        }
    });
}

/// Sends an order by hand, and gives all that is answered.
fn ask(socket: &Path, order: &str) -> Vec<u8> {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // It may have hung up before it has read that.
    let _ = stream.write_all(&(order.len() as u64).to_le_bytes());
    let _ = stream.write_all(order.as_bytes());
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    said
}

#[test]
fn another_user_and_another_program_are_told_nothing() {
    // Who asks is this test, which stands where its first thread does.
    common::everyone(|place| {
        let kept = Kept::new(place, SHOWN);
        // This test is root, or another program of the same user.
        let said = ask(&socket(place), "\"Status\"");
        let reason = match place.person {
            Person::Ordinary if place.seat.uid() != rustix::process::geteuid().as_raw() => "another user asked",
            _ => "exe differs",
        };
        assert!(kept.last().contains(reason), "{}", kept.last());
        assert_eq!(String::from_utf8_lossy(&said), "N");
        // And nobody goes where somebody else may have put the socket.
        let open: fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        let directory = place.home().join("palisade");
        fs::set_permissions(&directory, open).unwrap();
        let report = place.report_of(&mut kept.command("", "true"));
        assert!(!is_warm(&report));
        assert_eq!(pool(place, "status").status.code(), Some(1));
        let closed: fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(&directory, closed).unwrap();
        // Others may mount something here meanwhile.
        assert!(wait_for(PATIENCE, || is_warm(&kept.report("", "true"))), "{}", kept.last());
    });
}

#[test]
fn a_program_ends_with_the_run_that_was_killed() {
    everyone(|place| {
        let kept = Kept::new(place, SHOWN);
        kept.wait_until_one_is_ready();
        let mut command = in_home(place, place.shell("", "setsid sleep 1234567 & echo here; exec sleep 1234567"));
        let mut run = place.start(&mut command);
        let mut stdout = run.stdout.take().unwrap();
        read_until(&mut stdout, "here");
        assert_eq!(kept.number("running"), 1);
        run.kill().unwrap();
        run.wait().unwrap();
        assert!(wait_for(PATIENCE, || kept.number("running") == 0));
        // Nobody is left who could write.
        stdout.read_to_end(&mut Vec::new()).unwrap();
        kept.warm("", "true");
    });
}

#[test]
fn what_interrupts_a_run_interrupts_its_program() {
    everyone(|place| {
        let kept = Kept::new(place, SHOWN);
        kept.wait_until_one_is_ready();
        let mut run = place.start(&mut in_home(place, place.shell("", "echo here; exec sleep 1234567")));
        read_until(run.stdout.as_mut().unwrap(), "here");
        assert!(Command::new("kill").arg(run.id().to_string()).status().unwrap().success());
        let output = common::finish(run);
        assert_eq!(output.status.code(), Some(130), "{}", text(&output));
        assert!(String::from_utf8_lossy(&output.stderr).ends_with("palisade: cancelled\n"), "{}", text(&output));
        assert_eq!((kept.number("running"), kept.number("served")), (0, 1));
    });
}

#[test]
fn what_is_typed_reaches_its_program_and_nobody_while_the_run_is_stopped() {
    everyone(|place| {
        let kept = Kept::new(place, SHOWN);
        kept.wait_until_one_is_ready();
        let screen = screen::Screen::new(place);
        let mut command = Command::new("env");
        command.arg(format!("XDG_RUNTIME_DIR={}", place.home().display()));
        let run = place.shell("", "echo ready; while read line; do echo got $line; done");
        let mut run = screen.start(place, command.arg(run.get_program()).args(run.get_args()));
        screen.until("ready");
        assert_eq!(kept.number("running"), 1, "{}", kept.last());
        screen.keys("one\n");
        screen.until("got one");
        let signal = |name: &str| Command::new("kill").args([name, &run.id().to_string()]).status().unwrap();
        assert!(signal("-STOP").success());
        // Each thread stops by itself, and the one that reads may be the last.
        let threads = || fs::read_dir(format!("/proc/{}/task", run.id())).unwrap().flatten();
        let is_stopped = |path: PathBuf| fs::read_to_string(path.join("stat")).unwrap().contains(") T ");
        assert!(wait_for(PATIENCE, || threads().all(|thread| is_stopped(thread.path()))));
        screen.keys("two\n");
        // It is there for whoever has the terminal meanwhile.
        let mut line = [0; 4];
        fs::File::from(screen.clone_of_slave()).read_exact(&mut line).unwrap();
        assert_eq!(&line, b"two\n");
        assert!(signal("-CONT").success());
        screen.keys("three\n");
        let seen = screen.until("got three");
        assert!(!seen.contains("got two"), "{seen}");
        screen.keys("\x04");
        assert!(run.wait().unwrap().success());
    });
}

#[test]
fn nothing_is_left_of_a_pool_that_was_killed_with_a_program_under_way() {
    everyone(|place| {
        let kept = Kept::new(place, SHOWN);
        kept.wait_until_one_is_ready();
        let mut run = place.start(&mut in_home(place, place.shell("", "echo here; exec sleep 1234567")));
        read_until(run.stdout.as_mut().unwrap(), "here");
        assert!(Command::new("kill").args(["-KILL", &kept.pid.to_string()]).status().unwrap().success());
        let output = common::finish(run);
        assert_eq!(output.status.code(), Some(125), "{}", text(&output));
        assert!(String::from_utf8_lossy(&output.stderr).contains("--no-pool"), "{}", text(&output));
        let mut left = Vec::new();
        let ended = wait_for(PATIENCE, || {
            left = processes_with(&place.token());
            left.is_empty()
        });
        assert!(ended, "{left:?}");
        // It makes a sandbox of its own, as if there had never been a pool.
        let report = place.report_of(&mut kept.command("", "echo here"));
        assert_eq!((is_warm(&report), report.stdout()), (false, "here\n"));
        let next = Kept::new(place, SHOWN);
        // Groups of processes that were not reaped yet, the next run removes that makes its own.
        let clean = wait_for(PATIENCE, || {
            place.report_of(&mut kept.command("--no-pool", "true"));
            groups(kept.pid).is_empty()
        });
        assert!(clean, "{:#?}", groups(kept.pid));
        next.warm("", "true");
        drop(next);
        assert!(!socket(place).exists());
    });
}

#[test]
fn a_pool_that_hangs_holds_nobody_up() {
    everyone(|place| {
        let kept = Kept::new(place, SHOWN);
        let signal = |name: &str| Command::new("kill").args([name, &kept.pid.to_string()]).status().unwrap();
        kept.wait_until_one_is_ready();
        assert!(signal("-STOP").success());
        let report = place.report_of(&mut kept.command("", "echo here"));
        assert!(signal("-CONT").success());
        assert_eq!((is_warm(&report), report.stdout()), (false, "here\n"));
        // Nor does it run the program a second time when it goes on.
        assert!(wait_for(PATIENCE, || kept.number("running") == 0));
        kept.warm("", "true");
        assert_eq!(kept.number("served"), 1);
    });
}

#[test]
fn a_sandbox_that_was_ended_while_it_waited_is_nobodys() {
    everyone(|place| {
        let kept = Kept::new(place, &format!("{SHOWN} --size 1"));
        kept.wait_until_one_is_ready();
        let children = fs::read_dir(format!("/proc/{}/task", kept.pid)).unwrap().flatten();
        let children = children.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap());
        let children: Vec<String> =
            children.flat_map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
        assert!(!children.is_empty());
        for child in children {
            let _ = Command::new("kill").args(["-KILL", &child]).status();
        }
        let report = place.report_of(&mut kept.command("", "echo here"));
        assert_eq!((is_warm(&report), report.stdout()), (false, "here\n"));
        kept.warm("", "true");
    });
}

#[test]
fn stop_leaves_nothing_and_lets_programs_end_unless_it_is_to_be_now() {
    everyone(|place| {
        let kept = Kept::new(place, SHOWN);
        let pid = kept.pid;
        assert!(pool(place, "start").status.code() == Some(125), "a second one");
        assert_eq!(kept.number("ready"), 4);
        kept.stop();
        assert!(wait_for(Duration::from_secs(5), || !Path::new(&format!("/proc/{pid}")).exists()));
        assert_eq!((groups(pid), processes_with(&place.token())), (Vec::new(), Vec::new()));
        assert!(!place.home().join("palisade").exists());
        assert_eq!((pool(place, "stop").status.code(), pool(place, "status").status.code()), (Some(1), Some(1)));

        for now in [false, true] {
            let kept = Kept::new(place, SHOWN);
            kept.wait_until_one_is_ready();
            let mut command = in_home(place, place.shell("--json", "echo here >&2; read line; echo $line"));
            let mut run = place.start(command.stdin(Stdio::piped()));
            // What a report keeps is not seen before its end.
            assert!(wait_for(PATIENCE, || kept.number("running") == 1));
            let stop = place.start(&mut in_home(place, place.palisade("pool stop")));
            // It takes nobody in any more.
            assert!(wait_for(PATIENCE, || !is_warm(&place.report_of(&mut kept.command("", "true")))));
            assert_eq!(kept.number("running"), 1);
            // Who waits may change their mind.
            let now = now.then(|| place.start(&mut in_home(place, place.palisade("pool stop --now"))));
            let mut stdin = run.stdin.take().unwrap();
            if now.is_none() {
                stdin.write_all(b"end\n").unwrap();
            }
            let report = Report::of(&common::finish(run));
            let expected = if now.is_some() { ("cancelled", "") } else { ("exited 0", "end\n") };
            assert_eq!((report.outcome().as_str(), report.stdout()), expected);
            drop(stdin);
            for stop in now.into_iter().chain([stop]) {
                assert!(common::finish(stop).status.success());
            }
        }
    });
}

#[test]
fn what_cannot_stand_ready_for_others_is_refused_with_a_remedy() {
    everyone(|place| {
        for (words, because) in [
            ("--allow-write $DIR", "more of the host"),
            ("--size 0", "from 1 to 32"),
            ("--size 33", "from 1 to 32"),
            ("--language c", "compiled"),
            ("--language python --check", "each program would be looked at first"),
            ("--no-such-option", "unexpected argument"),
        ] {
            let output = pool(place, &format!("start {words}"));
            assert_eq!(output.status.code(), Some(125), "{words}: {}", text(&output));
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains(because), "{words}: {said}");
            assert!(!place.home().join("palisade").exists(), "{words}");
        }
    });
}
