//! Walls that the programs of others make: what is special about them. That each gives what palisade's own gives is in
//! `parity`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests too")]

mod common;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output},
    time::Duration,
};

use common::{Place, read_until, text};
use palisade_testkit::{Person, need, wait_for};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(10);

/// A wall, the name of its program, the package that has it.
const WALLS: [(&str, &str, &str); 9] = [
    ("bubblewrap", "bwrap", "bubblewrap"),
    ("unshare", "unshare", "util-linux"),
    ("chroot", "chroot", "coreutils"),
    ("firejail", "firejail", "firejail"),
    ("nspawn", "systemd-nspawn", "systemd-container"),
    ("lxc", "lxc-execute", "lxc"),
    ("runc", "runc", "runc"),
    ("crun", "crun", "crun"),
    ("gvisor", "runsc", "runsc"),
];

/// Those of which the program ends before the agent is told anything.
const RUNTIMES: [&str; 3] = ["runc", "crun", "gvisor"];

/// Options for a wall; those that close no network are asked to leave it open.
fn options(wall: &str) -> String {
    let open = if ["unshare", "chroot"].contains(&wall) { "--network=allow-all" } else { "" };
    format!("--quiet --backend {wall} {open}")
}

/// Puts a program of that name first on PATH.
fn fake(place: &Place, command: &mut Command, name: &str, content: &str) -> PathBuf {
    let directory = place.home().join("bin");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir(&directory).unwrap();
    let program = directory.join(name);
    fs::write(&program, content).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", directory.display()));
    program
}

#[track_caller]
fn error(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(125), "{}", text(output));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    format!("{}\n{}", json["error"].as_str().unwrap(), json["hint"].as_str().unwrap_or_default())
}

#[test]
fn a_wall_s_program_that_fails_lies_or_is_none_is_named_with_its_package() {
    let Some(place) = Place::new(Person::Root) else { return };
    let fakes = [
        ("#!/bin/sh\necho \"$0: unrecognized option '--what'\" >&2; exit 1\n", "unrecognized option '--what'"),
        ("#!/bin/sh\nexit 0\n", "exited with 0 and started no program"),
        ("#!/bin/sh\nkill -9 $$\n", "was killed by SIGKILL"),
        ("#!/bin/sh\necho Started; cat >/dev/null\n", "exited with 0 and started no program"),
        ("garbage", "cannot be started: Exec format error"),
    ];
    for (wall, name, package) in WALLS {
        for (content, expected) in fakes {
            // Nobody would write what this one reads.
            if content.contains("cat") && RUNTIMES.contains(&wall) {
                continue;
            }
            let mut command = place.run(&format!("--json {}", options(wall)), "/bin/true");
            let program = fake(&place, &mut command, name, content);
            let error = error(&place.output(&mut command));
            let program = program.display().to_string();
            for part in [wall, expected, &program, &format!("apt-get install {package}")] {
                assert!(error.contains(part), "{wall}: `{part}` is not in: {error}");
            }
        }
    }
    place.assert_clean();
}

#[test]
fn what_a_wall_s_program_prints_is_no_output() {
    let Some(place) = Place::new(Person::Root) else { return };
    for (wall, name, _) in WALLS {
        if !need(if name == "runsc" { "gvisor" } else { wall }) {
            continue;
        }
        let mut command = place.shell(&options(wall), "echo mine; echo also mine >&2");
        let real = format!("$(PATH=$(echo $PATH | cut -d: -f2-) command -v {name})");
        fake(&place, &mut command, name, &format!("#!/bin/sh\necho INJECTED; echo MORE >&2; exec {real} \"$@\"\n"));
        let output = place.output(&mut command);
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!((&*stdout, &*stderr), ("mine\n", "also mine\n"), "{wall}");
        // It is what a wall says that fails.
        let mut command = place.run(&format!("--json {}", options(wall)), "/bin/true");
        fake(&place, &mut command, name, "#!/bin/sh\necho out of luck; exit 1\n");
        let output = place.output(&mut command);
        let error = error(&output);
        assert!(error.contains("out of luck"), "{wall}: {error}");
    }
    place.assert_clean();
}

#[test]
fn a_wall_s_program_without_its_interpreter_is_not_called_missing() {
    let Some(place) = Place::new(Person::Root) else { return };
    let mut command = place.run("--json --backend bubblewrap", "/bin/true");
    fake(&place, &mut command, "bwrap", "#!/no/such/interpreter\n");
    let error = error(&place.output(&mut command));
    assert!(error.contains("it is there, and what it is to be started with is not"), "{error}");
}

#[test]
fn a_wall_s_program_that_hangs_is_given_up_and_ended() {
    let Some(place) = Place::new(Person::Root) else { return };
    for (wall, name) in [("lxc", "lxc-execute"), ("runc", "runc")] {
        let mut command = place.run(&format!("--json {}", options(wall)), "/bin/true");
        fake(&place, &mut command, name, "#!/bin/sh\necho waiting >&2\nexec sleep 1000\n");
        let error = error(&place.output(&mut command));
        assert!(error.contains("started no program within 10 s; waiting"), "{error}");
        place.assert_clean();
    }
}

#[test]
fn a_wall_that_leaves_the_network_open_is_found_out() {
    let Some(place) = Place::new(Person::Root) else { return };
    // It starts the agent in the tree, as it should, and makes no namespace, as it should not.
    let liar = "#!/bin/sh\nroot=$(sed -n 's/^lxc.rootfs.path = dir://p' \"$6\")\nmount -t proc proc $root/proc\n\
                exec chroot $root /.palisade/guest\n";
    let run = |options: &str| {
        let mut command = place.run(&format!("--json {options}"), "/bin/echo it runs");
        fake(&place, &mut command, "lxc-execute", liar);
        place.output(&mut command)
    };
    let error = error(&run(&options("lxc")));
    assert!(error.contains("this wall does not close the network: net:["), "{error}");
    // Where it may be open, the liar is as good as another: it was the network that was found out.
    let output = run(&format!("{} --network=allow-all", options("lxc")));
    assert!(text(&output).contains("it runs"), "{}", text(&output));
    place.assert_clean();
}

#[test]
fn runtimes_that_are_missing_are_refused_with_all_that_is_missing() {
    for person in Person::ALL {
        let Some(place) = Place::new(person) else { continue };
        let is_there =
            |program: &str| std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|d| d.join(program).exists());
        for (wall, program, from) in
            [("youki", "youki", "github.com/youki-dev"), ("kata", "kata-runtime", "github.com/kata-containers")]
        {
            if !is_there(program) {
                let error = error(&place.output(&mut place.run(&format!("--json {}", options(wall)), "/bin/true")));
                assert!(error.contains(program) && error.contains(from), "{wall}: {error}");
                // Root may open it, if the host has it.
                assert!(wall != "kata" || person == Person::Root || error.contains("/dev/kvm: "), "{error}");
            }
        }
        place.assert_clean();
    }
}

#[test]
fn a_platform_that_gvisor_has_not_is_refused_by_its_name() {
    let Some(place) = Place::new(Person::Root) else { return };
    if need("gvisor") {
        let mut command = place.run(&format!("--json {}", options("gvisor")), "/bin/true");
        let error = error(&place.output(command.env("PALISADE_GVISOR_PLATFORM", "abacus")));
        assert!(error.contains("is `abacus`") && error.contains("ptrace, systrap, kvm"), "{error}");
    }
}

#[test]
fn walls_that_need_root_are_refused_to_others_with_the_reason() {
    let Some(place) = Place::new(Person::Ordinary) else { return };
    for (wall, part) in
        [("chroot", "makes its wall as root"), ("nspawn", "as root"), ("lxc", "as root"), ("firejail", "no file tree")]
    {
        if need(wall) {
            let error = error(&place.output(&mut place.run(&format!("--json {}", options(wall)), "/bin/true")));
            assert!(error.contains("needs root") && error.contains(part), "{wall}: {error}");
        }
    }
    place.assert_clean();
}

#[test]
fn a_wall_that_only_changes_the_root_says_so_and_is_refused_by_strict() {
    let Some(place) = Place::new(Person::Root) else { return };
    for wall in ["unshare", "chroot", "firejail"] {
        if need(wall) {
            let report = place.report(&options(wall), "/bin/true");
            assert!(report.weakened().contains(&"files"), "{wall}: {:#}", report.json);
            let strict = format!("--json --strict {}", options(wall));
            let error = error(&place.output(&mut place.run(&strict, "/bin/true")));
            assert!(error.contains(&format!("{wall}: needs files in full (--strict)")), "{error}");
        }
    }
    place.assert_clean();
}

#[test]
fn what_a_program_leaves_in_the_host_s_system_v_objects_is_nothing() {
    let make = "import ctypes; print(ctypes.CDLL(None).shmget(0, 4096, 0o1600))";
    for person in Person::ALL {
        let Some(place) = Place::new(person) else { continue };
        for wall in ["unshare", "chroot"] {
            if need(wall) && (wall == "unshare" || person == Person::Root) {
                let objects = || fs::read_to_string("/proc/sysvipc/shm").unwrap();
                let before = objects();
                let mut command = place.run(&options(wall), "/usr/bin/python3 -c");
                let output = place.output(command.arg(make));
                assert!(output.status.success() && output.stdout == b"0\n", "{wall}: {}", text(&output));
                assert_eq!(before, objects(), "{wall} as {person:?}");
            }
        }
        place.assert_clean();
    }
}

#[test]
fn runs_at_one_time_do_not_get_in_each_other_s_way() {
    let Some(place) = Place::new(Person::Root) else { return };
    for (wall, ..) in WALLS {
        if !need(wall) {
            continue;
        }
        let script = "echo running; cat";
        let start = || place.start(place.shell(&options(wall), script).stdin(std::process::Stdio::piped()));
        let mut all: Vec<Child> = (0..3).map(|_| start()).collect();
        for child in &mut all {
            read_until(child.stdout.as_mut().unwrap(), "running\n");
        }
        for child in all {
            let output = common::finish(child);
            assert!(output.status.success(), "{wall}: {}", text(&output));
        }
    }
    place.assert_clean();
}

#[test]
fn a_program_is_tested_with_many_inputs_behind_any_wall() {
    let Some(place) = Place::new(Person::Root) else { return };
    let cases = place.home().join("cases");
    fs::create_dir(&cases).unwrap();
    for number in 0..6 {
        fs::write(cases.join(format!("{number}.in")), format!("{number}\n")).unwrap();
        fs::write(cases.join(format!("{number}.out")), format!("{}\n", number * 2)).unwrap();
    }
    let program = place.file("double.py", "print(int(input()) * 2)\n");
    for (wall, ..) in WALLS {
        if !need(wall) {
            continue;
        }
        // One plan, used by two threads, several times by each.
        let mut command =
            place.palisade(&format!("test {} --json --no-config --jobs 2 --cases $DIR/cases", options(wall)));
        let output = place.output(command.arg(&program));
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["counts"]["accepted"], 6, "{wall}: {}", text(&output));
    }
    place.assert_clean();
}

/// Its standard error never waits and is full; then it makes a hostile call, and its others keep the pipe full.
const FULL: &str = "import ctypes, fcntl, os, time
fcntl.fcntl(2, fcntl.F_SETFL, os.O_WRONLY | os.O_NONBLOCK)
until = time.monotonic() + 1
for _ in range(2):
    if os.fork() == 0:
        while time.monotonic() < until:
            try: os.write(2, bytes(4096))
            except BlockingIOError: pass
        os._exit(0)
time.sleep(0.2)
for number in [101] * 20: ctypes.CDLL(None).syscall(number, 0, 0, 0, 0)
os._exit(7)
";

/// It reads the pipe that its agent writes to, which is its own user's.
const THIEF: &str = "import ctypes, os, threading
errors = os.open('/proc/self/fd/2', os.O_RDONLY)
def steal():
    while True: os.read(errors, 65536)
for _ in range(8): threading.Thread(target=steal, daemon=True).start()
if os.fork() == 0:
    while True: os.read(errors, 65536)
ctypes.CDLL(None).syscall(101, 0, 0, 0, 0)
os._exit(7)
";

#[test]
fn no_word_of_the_agent_is_lost_in_a_pipe_that_its_program_has_filled() {
    let Some(place) = Place::new(Person::Root) else { return };
    let file = place.file("full.py", FULL);
    for wall in ["bubblewrap", "nspawn", "runc"].into_iter().filter(|wall| need(wall)) {
        for _ in 0..3 {
            let words = format!("run --json --output-limit 1k {} {}", options(wall), file.display());
            let report = place.report_of(&mut place.palisade(&words));
            assert_eq!((report.outcome(), report.denied()), ("exited 7".to_owned(), vec!["ptrace"]), "{wall}");
        }
    }
}

#[test]
fn a_program_that_reads_its_agent_s_words_hides_nothing() {
    let Some(place) = Place::new(Person::Ordinary) else { return };
    let file = place.file("thief.py", THIEF);
    for wall in ["bubblewrap", "runc"].into_iter().filter(|wall| need(wall)) {
        for _ in 0..5 {
            let words = format!("run --json {} {}", options(wall), file.display());
            let report = place.report_of(&mut place.palisade(&words));
            assert_eq!((report.outcome(), report.denied()), ("exited 7".to_owned(), vec!["ptrace"]), "{wall}");
            let words = format!("run --json --on-hostile-call kill {} {}", options(wall), file.display());
            let report = place.report_of(&mut place.palisade(&words));
            assert_eq!(report.denied(), ["ptrace"], "{wall}: {}", report.outcome());
        }
    }
}

#[test]
fn a_kill_leaves_nothing_of_any_wall() {
    let Some(place) = Place::new(Person::Root) else { return };
    for (wall, ..) in WALLS {
        if !need(wall) {
            continue;
        }
        let before = traces();
        for moment in 0..4 {
            let mut child =
                place.start(&mut place.shell(&options(wall), "echo running; setsid sleep 70 & exec sleep 70"));
            if moment == 0 {
                read_until(child.stdout.as_mut().unwrap(), "running\n");
            }
            // When so many processes are there, of the wall or behind it.
            let pid = child.id();
            assert!(wait_for(SOON, || descendants(pid).len() >= moment), "{wall}: no {moment} processes");
            child.kill().unwrap();
            child.wait().unwrap();
            let gone = wait_for(SOON, || place.left().iter().all(|line| line.starts_with("cgroup")));
            assert!(gone, "{wall}, moment {moment}: {:#?}", place.left());
        }
        // Groups of a palisade that was killed are removed by the next one.
        assert!(place.output(&mut place.run(&options(wall), "/bin/true")).status.success());
        place.assert_clean();
        // Those of other tests' runs go with them; what was left behind stays.
        let new: BTreeSet<String> = traces().difference(&before).cloned().collect();
        let mut left = Vec::new();
        wait_for(common::PATIENCE, || {
            left = traces().intersection(&new).cloned().collect();
            left.is_empty()
        });
        assert!(left.is_empty(), "{wall}: {left:#?}");
    }
}

/// What these programs are known to leave on a host: cgroups of their own, locks and directories in /run, sockets.
fn traces() -> BTreeSet<String> {
    let mut traces = BTreeSet::new();
    let names = ["payload", "supervisor", "lxc", "machine", "firejail", "runc", "crun", "runsc"];
    groups(Path::new("/sys/fs/cgroup"), &mut |path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if names.iter().any(|part| name.contains(part)) {
            traces.insert(path.display().to_string());
        }
    });
    for place in
        ["/run", "/run/systemd/nspawn/locks", "/run/systemd/nspawn/propagate", "/run/firejail/sandbox", "/var/lib/lxc"]
    {
        let entries = fs::read_dir(place).into_iter().flatten().flatten();
        // What palisades of other tests keep there is looked at by `assert_clean`.
        let foreign = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with("palisade"));
        traces.extend(foreign.map(|entry| entry.path().display().to_string()));
    }
    let sockets = fs::read_to_string("/proc/net/unix").unwrap();
    let abstracts =
        sockets.lines().filter_map(|line| line.split_whitespace().nth(7)).filter(|path| path.starts_with('@'));
    traces.extend(abstracts.filter(|path| path.contains("palisade-")).map(str::to_owned));
    traces
}

fn groups(directory: &Path, see: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        // What is in the groups of runs goes with them, and `assert_clean` looks at those.
        let is_run = entry.file_name().to_string_lossy().starts_with("palisade-");
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && !is_run {
            see(&entry.path());
            groups(&entry.path(), see);
        }
    }
}

fn descendants(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children: Vec<u32> = list.split_whitespace().flat_map(str::parse).collect();
    children.iter().copied().chain(children.iter().flat_map(|child| descendants(*child))).collect()
}
