//! Runs under way: their streams, their end, and that nothing outlives its handle.
#![allow(clippy::unwrap_used, clippy::panic, reason = "not library code")]
#![cfg(target_os = "linux")]

mod common;

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _},
    process, thread,
    time::Duration,
};

use common::{as_everybody, printed, processes_with, text};
use palisade::{
    Policy, Running, Sandbox, StartError,
    spec::{Input, LimitKind, LimitsAsk, NetworkPolicy, Outcome, OutputExcess, Stage},
};

fn sandbox(limits: LimitsAsk) -> Sandbox {
    Sandbox::new().policy(Policy { limits, ..Policy::default() })
}

fn shell(script: &str) -> Running {
    Sandbox::new().command("sh").args(["-c", script]).spawn().unwrap()
}

/// A word that no other process has in its command line.
fn word(name: &str) -> String {
    format!("7{}.{name}", process::id())
}

/// A program with a child in a session of its own. Both have said that they run.
fn family(word: &str) -> Running {
    // `sleep` takes only numbers, so the word is another shell's name for itself.
    let script = format!("setsid sh -c 'echo child; read x' {word} & sh -c 'echo parent; read x' {word}; wait");
    let mut running = shell(&script);
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    let mut said = [lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap()];
    said.sort();
    assert_eq!(said, ["child", "parent"]);
    assert!(processes_with(word) >= 2);
    running
}

#[test]
fn what_is_written_and_read_passes_while_the_program_runs() {
    as_everybody(|_| {
        let mut running = shell("while read line; do echo \"got $line\"; echo \"err $line\" >&2; done");
        let mut stdin = running.stdin.take().unwrap();
        let mut stdout = BufReader::new(running.stdout.take().unwrap());
        let mut stderr = BufReader::new(running.stderr.take().unwrap());
        for number in 0..3 {
            writeln!(stdin, "{number}").unwrap();
            let mut lines = [String::new(), String::new()];
            stdout.read_line(&mut lines[0]).unwrap();
            stderr.read_line(&mut lines[1]).unwrap();
            assert_eq!(lines, [format!("got {number}\n"), format!("err {number}\n")]);
        }
        assert!(running.try_wait().unwrap().is_none());
        drop(stdin);
        assert_eq!(running.wait().unwrap().outcome, Outcome::Exited { code: 0 });
    });
}

#[test]
fn waiting_ends_the_input_and_keeps_what_nobody_has_read() {
    as_everybody(|_| {
        let mut running = shell("cat; echo error >&2; exit 5");
        running.stdin.as_mut().unwrap().write_all(b"input\n").unwrap();
        let report = running.wait().unwrap();
        assert_eq!(report.outcome, Outcome::Exited { code: 5 });
        assert_eq!([text(&report.stdout.kept), text(&report.stderr.kept)], ["input\n", "error\n"]);
        assert_eq!((report.stdout.total, report.stdout.cut), (6, false));
    });
}

#[test]
fn waiting_keeps_no_more_than_the_output_limit() {
    as_everybody(|_| {
        let limits = LimitsAsk { output: Some(palisade::spec::Bytes(1000)), ..LimitsAsk::default() };
        let mut command = sandbox(limits).command("head");
        let report = command.args(["-c", "3000000", "/dev/zero"]).spawn().unwrap().wait().unwrap();
        assert_eq!((report.stdout.kept.len(), report.stdout.total, report.stdout.cut), (1000, 3_000_000, true));
        assert!(report.success);
    });
}

#[test]
fn a_run_can_be_asked_whether_it_has_ended_again_and_again() {
    as_everybody(|_| {
        let mut running = shell("read x; exit 4");
        assert!(running.try_wait().unwrap().is_none());
        running.stdin.take().unwrap().write_all(b"x\n").unwrap();
        let report = loop {
            if let Some(report) = running.try_wait().unwrap() {
                break report;
            }
            thread::yield_now();
        };
        assert_eq!(report.exit_code, 4);
        assert_eq!(running.try_wait().unwrap().unwrap().exit_code, 4);
        assert_eq!(running.wait().unwrap().exit_code, 4);
    });
}

#[test]
fn a_killed_run_leaves_nothing_and_says_that_it_was_cancelled() {
    as_everybody(|_| {
        let word = word("killed");
        let running = family(&word);
        running.kill();
        running.kill();
        assert_eq!(running.wait().unwrap().outcome, Outcome::Cancelled);
        assert_eq!(processes_with(&word), 0);
    });
}

#[test]
fn a_dropped_run_leaves_nothing() {
    as_everybody(|_| {
        let word = word("dropped");
        drop(family(&word));
        assert_eq!(processes_with(&word), 0);
    });
}

#[test]
fn a_dropped_run_whose_output_nobody_has_read_leaves_nothing() {
    as_everybody(|_| {
        let word = word("flood");
        let mut running = shell(&format!("sh -c 'echo; while :; do echo flood; done' {word}"));
        let mut first = [0];
        running.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
        assert!(processes_with(&word) > 0);
        drop(running);
        assert_eq!(processes_with(&word), 0);
    });
}

#[test]
fn a_run_whose_program_has_ended_can_be_dropped() {
    as_everybody(|_| {
        let mut running = shell("exit 0");
        while running.try_wait().unwrap().is_none() {
            thread::yield_now();
        }
        running.kill();
        drop(running);
    });
}

#[test]
fn many_runs_of_several_threads_keep_their_own_streams() {
    as_everybody(|_| {
        let sandbox = Sandbox::new();
        thread::scope(|scope| {
            for thread in 0..4 {
                let sandbox = &sandbox;
                scope.spawn(move || {
                    let started: Vec<Running> = (0..5).map(|_| sandbox.command("cat").spawn().unwrap()).collect();
                    for (number, mut running) in started.into_iter().enumerate() {
                        let said = format!("{thread}/{number}");
                        running.stdin.take().unwrap().write_all(said.as_bytes()).unwrap();
                        match number {
                            3 => drop(running),
                            4 => running.kill(),
                            _ => assert_eq!(printed(&running.wait().unwrap()), said),
                        }
                    }
                });
            }
        });
    });
}

#[test]
fn writing_to_a_program_that_does_not_read_fails_when_it_ends() {
    as_everybody(|_| {
        let mut running = shell("exit 0");
        let mut stdin = running.stdin.take().unwrap();
        // More than all pipes on the way hold.
        let error = stdin.write_all(&vec![b'x'; 10 << 20]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert!(running.wait().unwrap().success);
    });
}

#[test]
fn a_large_output_passes_whole() {
    as_everybody(|_| {
        const SIZE: usize = 64 << 20;
        let mut command = Sandbox::new().command("head");
        let mut running = command.args(["-c", &SIZE.to_string(), "/dev/zero"]).spawn().unwrap();
        let mut stdout = running.stdout.take().unwrap();
        let (mut all, mut chunk) = (0, vec![1; 1 << 20]);
        loop {
            let read = stdout.read(&mut chunk).unwrap();
            assert!(chunk[..read].iter().all(|byte| *byte == 0));
            all += read;
            if read == 0 {
                break;
            }
        }
        let report = running.wait().unwrap();
        assert!(report.success);
        assert_eq!((all, report.stdout.total, report.stdout.cut), (SIZE, SIZE as u64, false));
    });
}

#[test]
fn output_that_nobody_reads_makes_the_program_wait_instead_of_growing() {
    as_everybody(|_| {
        let limits = LimitsAsk { wall_time: Some(Duration::from_secs(1)), ..LimitsAsk::default() };
        let mut running = sandbox(limits).command("cat").arg("/dev/zero").spawn().unwrap();
        let stdout = running.stdout.take().unwrap();
        let report = running.wait().unwrap();
        assert_eq!(report.outcome, Outcome::LimitHit { limit: LimitKind::WallTime });
        assert!(report.stdout.total <= 512 << 10, "{} bytes were taken", report.stdout.total);
        drop(stdout);
    });
}

#[test]
fn a_program_whose_reader_has_gone_gets_sigpipe() {
    as_everybody(|_| {
        let mut running = Sandbox::new().command("cat").arg("/dev/zero").spawn().unwrap();
        drop(running.stdout.take());
        let report = running.wait().unwrap();
        assert_eq!(report.outcome, Outcome::Signalled { signal: palisade::spec::Signal(13) });
    });
}

#[test]
fn an_output_limit_that_kills_holds_for_what_is_streamed() {
    as_everybody(|_| {
        let limits = LimitsAsk { output: Some(palisade::spec::Bytes(1000)), ..LimitsAsk::default() };
        let policy = Policy { limits, output_excess: OutputExcess::Kill, ..Policy::default() };
        let mut running = Sandbox::new().policy(policy).command("cat").arg("/dev/zero").spawn().unwrap();
        let mut all = Vec::new();
        running.stdout.take().unwrap().read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), 1000);
        assert_eq!(running.wait().unwrap().outcome, Outcome::LimitHit { limit: LimitKind::Output });
    });
}

#[test]
fn a_program_can_read_a_file_or_text() {
    as_everybody(|place| {
        let file = place.join("file");
        fs::write(&file, "from a file\n").unwrap();
        let mut command = Sandbox::new().command("cat");
        assert_eq!(printed(&command.stdin(File::open(&file).unwrap()).output().unwrap()), "from a file\n");
        assert_eq!(printed(&command.stdin("text").output().unwrap()), "text");
        assert_eq!(printed(&command.output().unwrap()), "");
        let running = command.stdin(Input::Bytes(b"given".to_vec())).spawn().unwrap();
        assert!(running.stdin.is_none());
        assert_eq!(printed(&running.wait().unwrap()), "given");
        // The program does not get the file itself.
        let script = "readlink /proc/self/fd/0 | cut -c1-5";
        let mut command = Sandbox::new().command("sh");
        command.args(["-c", script]).stdin(File::open(&file).unwrap());
        assert_eq!(printed(&command.output().unwrap()), "pipe:\n");
    });
}

#[test]
fn what_cannot_be_started_says_so_at_once_and_what_is_not_there_at_the_end() {
    as_everybody(|place| {
        let closed = Policy { network: NetworkPolicy::Custom(Default::default()), ..Policy::default() };
        let error = Sandbox::new().policy(closed).command("true").spawn().unwrap_err();
        assert!(matches!(error, StartError::NoBackend { .. }), "{error}");
        let error = Sandbox::new().work(place.join("missing")).command("true").spawn().unwrap_err();
        assert!(matches!(error, StartError::Path { .. }), "{error}");
        let mut running = Sandbox::new().command("no-such-program").spawn().unwrap();
        let error = loop {
            match running.try_wait() {
                Ok(None) => thread::yield_now(),
                Ok(Some(report)) => panic!("{report:?}"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, StartError::NotFound { .. }), "{error}");
        assert!(running.wait().unwrap_err().to_string().contains("the error was told before"));
    });
}

#[test]
fn a_source_that_does_not_compile_has_a_report_of_its_compiler() {
    if !palisade_testkit::need("gcc") {
        return;
    }
    as_everybody(|place| {
        let file = place.join("wrong.c");
        fs::write(&file, "int main( {").unwrap();
        let report = Sandbox::new().source(&file).spawn().unwrap().wait().unwrap();
        assert_eq!((report.ended_in, report.success), (Stage::Compile, false));
        assert!(text(&report.stderr.kept).contains("error"), "{report:?}");
        fs::write(&file, "#include <stdio.h>\nint main(void) { puts(\"compiled\"); }").unwrap();
        assert_eq!(printed(&Sandbox::new().source(&file).spawn().unwrap().wait().unwrap()), "compiled\n");
    });
}

#[test]
fn a_work_directory_does_not_cover_a_source_file_it_is_refused_with_one() {
    as_everybody(|place| {
        let work = common::open_directory(place.join("workspace"));
        let file = place.join("main.c");
        fs::write(&file, "int main(void) { return 0; }").unwrap();
        let error = Sandbox::new().work(&work).source(&file).output().unwrap_err();
        let said = error.to_string();
        assert!(said.contains(&work.display().to_string()) && said.contains("where a source file is put"), "{said}");
        assert!(error.hint().is_some_and(|hint| hint.contains("run it by a command")), "{:?}", error.hint());
    });
}

#[test]
fn a_workspace_is_the_only_place_that_is_written_on_the_host() {
    as_everybody(|place| {
        let workspace = common::open_directory(place.join("workspace"));
        let script = "pwd; echo x > result; ls -d /work/..";
        let report = Sandbox::new().work(&workspace).command("sh").args(["-c", script]).output().unwrap();
        assert_eq!(printed(&report), "/work\n/work/..\n");
        assert_eq!(fs::read_to_string(workspace.join("result")).unwrap(), "x\n");
        assert_eq!(fs::read_dir(place).unwrap().count(), 1);
    });
}
