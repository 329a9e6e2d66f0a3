//! palisade is killed, or told to stop, at any moment: nothing is left, or the next start removes it.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use common::{Place, Report, everyone, finish, read_until, text};
use palisade_testkit::{Person, need, wait_for};
use rustix::process::{Pid, Signal, kill_process};

const SOON: Duration = Duration::from_secs(10);

fn signal(pid: u32, signal: Signal) {
    // The only failure is that it has ended, which is fine in a race.
    let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal);
}

/// A program that has a child in an own session, one that is stopped, and one that ignores everything.
const FAMILY: &str = "setsid sleep 70 & sh -c 'kill -STOP $$' & $H ignore-signals 70 & echo running; exec sleep 70";

/// Whether anything but cgroups is there: those may stay until the next start.
fn lives(place: &Place) -> bool {
    place.left().iter().any(|line| !line.starts_with("cgroup"))
}

#[track_caller]
fn assert_gone(place: &Place, when: &str) {
    let gone = wait_for(SOON, || !lives(place));
    let left = place.left();
    if !gone {
        // What outlived its palisade would outlive the tests too.
        common::processes_with(&place.token()).into_iter().for_each(|pid| signal(pid, Signal::KILL));
    }
    assert!(gone, "after a kill {when}: {left:#?}");
}

/// That the next start leaves nothing at all.
#[track_caller]
fn assert_next_start_cleans(place: &Place) {
    let output = place.output(&mut place.run("--quiet", "/bin/true"));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    place.assert_clean();
}

fn kill_and_reap(mut child: Child) {
    signal(child.id(), Signal::KILL);
    child.wait().unwrap();
}

#[test]
fn a_kill_when_the_program_speaks_leaves_nothing() {
    everyone(|place| {
        let mut child = place.start(&mut place.shell("", FAMILY));
        read_until(child.stdout.as_mut().unwrap(), "running\n");
        kill_and_reap(child);
        assert_gone(place, "when the program spoke");
        assert_next_start_cleans(place);
    });
}

#[test]
fn a_kill_leaves_no_file_of_a_program_that_wrote_some() {
    everyone(|place| {
        let script =
            "head -c 5000000 /dev/zero >/tmp/a; head -c 5000000 /dev/zero >/dev/shm/b; echo written; exec sleep 70";
        let mut child = place.start(&mut place.shell("", script));
        read_until(child.stdout.as_mut().unwrap(), "written\n");
        kill_and_reap(child);
        assert_gone(place, "when files were written");
        assert_next_start_cleans(place);
    });
}

#[test]
fn a_kill_when_the_sandbox_s_first_process_appears_leaves_nothing() {
    everyone(|place| {
        for _ in 0..5 {
            let child = place.start(&mut place.shell("", FAMILY));
            let pid = child.id();
            let children = format!("/proc/{pid}/task/{pid}/children");
            assert!(wait_for(SOON, || std::fs::read_to_string(&children).is_ok_and(|list| !list.is_empty())));
            kill_and_reap(child);
            assert_gone(place, "when pid 1 appeared");
        }
        assert_next_start_cleans(place);
    });
}

#[test]
fn a_kill_when_the_cgroup_appears_leaves_nothing_after_the_next_start() {
    everyone(|place| {
        if !place.has_cgroup() {
            return;
        }
        for _ in 0..5 {
            let child = place.start(&mut place.shell("", FAMILY));
            let name = format!("/palisade-{}-", child.id());
            assert!(wait_for(SOON, || place
                .left()
                .iter()
                .any(|line| line.starts_with("cgroup") && line.contains(&name))));
            kill_and_reap(child);
            assert_gone(place, "when the cgroup appeared");
        }
        assert_next_start_cleans(place);
    });
}

#[test]
fn a_kill_after_any_short_time_leaves_nothing_after_the_next_start() {
    everyone(|place| {
        // From before the first system call to after the program's first word, in steps of a third of a millisecond.
        for step in 0..60_u32 {
            let child = place.start(&mut place.shell("", FAMILY));
            let end = Instant::now() + Duration::from_micros(333) * step;
            while Instant::now() < end {
                std::hint::spin_loop();
            }
            kill_and_reap(child);
        }
        assert_gone(place, "in the sweep");
        assert_next_start_cleans(place);
    });
}

#[test]
fn a_kill_of_a_compiler_s_run_leaves_nothing() {
    everyone(|place| {
        // An endless include keeps the compiler busy.
        let source = place.file("main.c", "#include \"/dev/zero\"\nint main(void) { return 0; }\n");
        let child = place.start(&mut place.palisade(&format!("run {}", source.display())));
        let pid = child.id();
        let children = format!("/proc/{pid}/task/{pid}/children");
        assert!(wait_for(SOON, || std::fs::read_to_string(&children).is_ok_and(|list| !list.is_empty())));
        kill_and_reap(child);
        assert_gone(place, "of a compiler's run");
        assert_next_start_cleans(place);
    });
}

#[test]
fn clearing_the_death_signal_saves_no_program() {
    everyone(|place| {
        let mut child =
            place.start(&mut place.shell("", "$H pdeathsig-clear; echo cleared; exec $H ignore-signals 70"));
        read_until(child.stdout.as_mut().unwrap(), "cleared\n");
        kill_and_reap(child);
        assert_gone(place, "of a program without a death signal");
        assert_next_start_cleans(place);
    });
}

#[test]
fn a_signal_to_stop_cancels_and_reports() {
    everyone(|place| {
        for stop in [Signal::TERM, Signal::INT, Signal::HUP] {
            let mut child = place.start(
                &mut place
                    .shell("--json", &FAMILY.replace("echo running", "echo running | tee /dev/stderr >&2; echo out")),
            );
            // With --json nothing comes before the end, so look for the last process of the family.
            let pid = child.id();
            let started = || {
                let token = place.token();
                common::processes_with(&token).into_iter().any(|process| {
                    std::fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| line.starts_with(b"sleep\x0070"))
                })
            };
            assert!(wait_for(SOON, started), "the program does not run");
            signal(pid, stop);
            let begin = Instant::now();
            let output = finish_child(&mut child, place);
            assert!(begin.elapsed() < SOON, "{stop:?} took {:?}", begin.elapsed());
            let report = Report::of(&output);
            assert_eq!((report.outcome().as_str(), report.status), ("cancelled", 130), "{stop:?}: {:#}", report.json);
            assert_eq!(report.json["success"], false);
            place.assert_clean();
        }
    });
}

fn finish_child(child: &mut Child, _place: &Place) -> std::process::Output {
    let taken = std::mem::replace(child, Command::new("true").spawn().unwrap());
    child.wait().unwrap();
    finish(taken)
}

#[test]
fn a_signal_to_stop_works_while_nobody_reads_the_output() {
    everyone(|place| {
        let child = place.start(&mut place.shell("", "exec yes"));
        let pid = child.id();
        // Its output is not read, so in the end it cannot write.
        assert!(wait_for(SOON, || common::processes_with(&place.token()).len() >= 2));
        let blocked =
            || std::fs::read_to_string(format!("/proc/{pid}/wchan")).is_ok_and(|wchan| wchan.contains("poll"));
        wait_for(Duration::from_secs(2), blocked);
        signal(pid, Signal::TERM);
        let mut child = child;
        let ended = wait_for(SOON, || child.try_wait().unwrap().is_some());
        if !ended {
            signal(pid, Signal::KILL);
        }
        let output = finish(child);
        assert!(ended, "it waited for its reader");
        assert_eq!(output.status.code(), Some(130), "{}", output.status);
    });
}

#[test]
fn a_signal_to_stop_works_at_any_short_time() {
    everyone(|place| {
        for step in 0..30_u32 {
            let child = place.start(&mut place.shell("--quiet", FAMILY));
            let pid = child.id();
            let end = Instant::now() + Duration::from_micros(500) * step;
            while Instant::now() < end {
                std::hint::spin_loop();
            }
            signal(pid, Signal::TERM);
            let output = finish(child);
            // Before it listens, the signal simply ends it.
            let code = output.status.code();
            let ended = std::os::unix::process::ExitStatusExt::signal(&output.status) == Some(15);
            assert!(code == Some(130) || ended, "after {step} steps: {}", text(&output));
        }
        place.assert_clean();
    });
}

#[test]
fn a_kill_of_the_sandbox_s_first_process_is_told_as_a_signal_and_not_as_memory() {
    everyone(|place| {
        let child = place.start(&mut place.shell("--json", "echo before; exec sleep 70"));
        let pid = child.id();
        let children = format!("/proc/{pid}/task/{pid}/children");
        let started = || {
            let token = place.token();
            common::processes_with(&token).into_iter().any(|process| {
                std::fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| line.starts_with(b"sleep\x0070"))
            })
        };
        assert!(wait_for(SOON, started), "the program does not run");
        let first: u32 = std::fs::read_to_string(children).unwrap().split_whitespace().next().unwrap().parse().unwrap();
        signal(first, Signal::KILL);
        let report = Report::of(&finish(child));
        assert_eq!((report.outcome().as_str(), report.status), ("signalled SIGKILL", 137));
        assert_eq!(report.json["violations"], serde_json::json!([]));
        assert_eq!(report.stdout(), "before\n");
    });
}

#[test]
fn the_groups_of_others_are_left_alone() {
    if !need("root") || !need("cgroup") {
        return;
    }
    let Some(place) = Place::new(Person::Root) else { return };
    let parents = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"];
    let groups = parents.iter().map(|parent| std::path::Path::new(parent).join("palisade-ci-runner"));
    let group = groups.into_iter().find(|group| std::fs::create_dir(group).is_ok()).unwrap();
    let output = place.output(&mut place.run("--quiet", "/bin/true"));
    let there = group.exists();
    let _ = std::fs::remove_dir(&group);
    assert_eq!(output.status.code(), Some(0));
    assert!(there, "an empty group that somebody named palisade-ci-runner was removed");
    place.assert_clean();
}
