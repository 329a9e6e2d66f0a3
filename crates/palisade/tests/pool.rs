//! Cells of a pool: what they hold, what they never have from the pool or from each other, and that none is left.
#![allow(clippy::unwrap_used, clippy::panic, reason = "not library code")]
#![cfg(target_os = "linux")]

use std::{
    fs,
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

use palisade::{
    Pool, Preparation, StartError, prepare,
    spec::{Bytes, Input, LimitKind, Outcome, Output, Program, Report, Request},
};

fn pool_of(change: impl FnOnce(&mut Request), size: usize) -> Pool {
    let mut request = Request::new(Program::Command("cat".to_owned()));
    change(&mut request);
    let Preparation::Ready(prepared) = prepare(&request, None).unwrap() else { panic!("nothing is compiled") };
    Pool::new(prepared, size).unwrap()
}

fn shell(pool: &Pool, script: &str) -> Report {
    let words = ["sh", "-c", script].map(str::to_owned);
    pool.run_command(&words, &[], Input::Empty, Output::Keep, None).unwrap()
}

fn text(report: &Report) -> String {
    String::from_utf8(report.stdout.kept.clone()).unwrap()
}

/// Whether a run entered a cell, and had not to be set up.
fn was_warm(report: &Report) -> bool {
    report.phases_ms.0.iter().any(|(name, _)| *name == "cell")
}

#[test]
fn a_program_in_a_cell_has_its_input_output_and_end() {
    let pool = pool_of(|_| (), 1);
    pool.fill().unwrap();
    let input = vec![b'x'; 1 << 20];
    let report = pool.run(Input::Bytes(input.clone()), Output::Keep, None).unwrap();
    assert!(was_warm(&report) && report.success, "{report:?}");
    assert_eq!(report.stdout.kept, input);
    pool.fill().unwrap();
    let report = shell(&pool, "echo out; echo err >&2; exit 3");
    assert!(was_warm(&report));
    assert_eq!((text(&report).as_str(), report.stderr.kept.as_slice(), report.exit_code), ("out\n", &b"err\n"[..], 3));
    pool.fill().unwrap();
    let report = shell(&pool, "kill -SEGV $$");
    assert!(matches!(report.outcome, Outcome::Signalled { signal } if signal.0 == 11), "{report:?}");
}

#[test]
fn arguments_variables_and_the_working_directory_are_those_of_the_run() {
    let pool = pool_of(|request| request.environment.push(("OF_POOL".to_owned(), "1".to_owned())), 1);
    pool.fill().unwrap();
    let long = "y".repeat(100_000);
    let words = ["sh", "-c", "pwd; echo \"$1\"; echo \"${#2}\"; env | sort", "sh", "a b\nc", &long].map(str::to_owned);
    let own = [("OF_RUN".to_owned(), "x y".to_owned())];
    let report = pool.run_command(&words, &own, Input::Empty, Output::Keep, None).unwrap();
    assert!(was_warm(&report));
    let cold = prepare(&Request::new(Program::Command("env".to_owned())), None).unwrap();
    let Preparation::Ready(cold) = cold else { panic!("nothing is compiled") };
    let usual = text(&cold.run(Input::Empty, Output::Keep, None).unwrap());
    let mut variables: Vec<&str> = usual.lines().chain(["OF_POOL=1", "OF_RUN=x y"]).collect();
    variables.sort_unstable();
    let said = text(&report);
    let (start, rest) = said.split_once("a b\nc\n100000\n").unwrap();
    assert_eq!(start.trim(), "/work");
    // What the shell adds itself.
    let inside: Vec<&str> = rest
        .lines()
        .filter(|line| !["PWD=", "OLDPWD=", "SHLVL=", "_="].iter().any(|own| line.starts_with(own)))
        .collect();
    variables.retain(|line| !line.starts_with("PWD="));
    assert_eq!(inside, variables);
}

#[test]
fn nothing_of_one_run_or_of_the_caller_is_there_in_the_next() {
    // Descriptors that stay open across an execution, from before the pool was made and after.
    let before = fs::File::open("/etc/passwd").unwrap();
    let inheritable = |file: &fs::File| rustix::io::fcntl_setfd(file, rustix::io::FdFlags::empty()).unwrap();
    inheritable(&before);
    let pool = pool_of(|_| (), 2);
    pool.fill().unwrap();
    let after = fs::File::open("/etc/passwd").unwrap();
    inheritable(&after);
    let script = "echo /tmp/* /dev/shm/*; for fd in /proc/self/fd/*; do echo ${fd##*/}; done; umask; ulimit -c; \
                  touch /tmp/left /dev/shm/left; readlink /proc/self/ns/net /proc/self/ns/ipc /proc/self/ns/mnt; \
                  cat /proc/self/loginuid 2>/dev/null; grep -E 'SigIgn|SigBlk|CapEff|Seccomp:|NoNewPrivs' /proc/self/status";
    let reports = [shell(&pool, script), shell(&pool, script)];
    assert!(reports.iter().all(was_warm), "{} {}", before.as_raw_fd(), after.as_raw_fd());
    let [first, second] = reports.each_ref().map(text);
    let cold = Request::new(Program::Command("sh".to_owned()));
    let cold = palisade::run(Request { arguments: vec!["-c".to_owned(), script.to_owned()], ..cold }).unwrap();
    let without_numbers = |said: &str| said.lines().filter(|line| !line.contains(":[")).collect::<Vec<_>>().join("\n");
    assert_eq!(without_numbers(&first), without_numbers(&text(&cold)));
    assert_eq!(without_numbers(&first), without_numbers(&second));
    // Namespaces of their own, each.
    let own = |said: &str| said.lines().filter(|line| line.contains(":[")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(own(&first).len(), 3);
    assert!(own(&first).iter().all(|namespace| !own(&second).contains(namespace)), "{first}\n{second}");
}

#[test]
fn two_cells_draw_different_random_numbers_and_lie_at_different_addresses() {
    let pool = pool_of(|_| (), 2);
    pool.fill().unwrap();
    let script = "head -c 16 /dev/urandom | od -An -tx1; grep stack /proc/self/maps";
    let [one, other] = [shell(&pool, script), shell(&pool, script)].map(|report| text(&report));
    assert_ne!(one.lines().next(), other.lines().next());
    assert_ne!(one.lines().nth(1), other.lines().nth(1));
}

#[test]
fn limits_count_from_the_start_of_the_program() {
    let limit = Duration::from_secs(2);
    let of = |limit| {
        let limits = |request: &mut Request| {
            (request.policy.limits.wall_time, request.policy.limits.cpu_time) = (Some(limit), Some(limit));
            request.policy.limits.memory = Some(Bytes(64 << 20));
        };
        pool_of(limits, 1)
    };
    let pool = of(limit);
    pool.fill().unwrap();
    let filled = Instant::now();
    // Older than its program may become.
    while filled.elapsed() < limit + Duration::from_millis(100) {
        std::thread::park_timeout(limit);
    }
    let report = shell(&pool, "sleep 0.3; echo done");
    assert!(was_warm(&report));
    assert_eq!((text(&report).as_str(), report.exit_code), ("done\n", 0));
    assert!(report.execution_time_ms < 2000.0 && report.cpu_time_ms < 2000.0, "{report:?}");
    assert!(report.memory_used_bytes < 32 << 20, "{report:?}");
    // On a slow machine these take longer.
    let patient = of(Duration::from_secs(60));
    for (pool, script, hit) in [
        (&pool, "while :; do :; done", LimitKind::WallTime),
        (&patient, "head -c 200000000 /dev/zero | tail -c 150000000 | wc -c", LimitKind::Memory),
        (&patient, "n=0; while [ $n -lt 2000 ]; do sleep 60 & n=$((n+1)); done; wait", LimitKind::Processes),
    ] {
        pool.fill().unwrap();
        let report = shell(pool, script);
        assert!(was_warm(&report));
        let threads = hit == LimitKind::Processes && report.outcome == Outcome::LimitHit { limit: LimitKind::Threads };
        assert!(threads || report.outcome == Outcome::LimitHit { limit: hit }, "{script}: {report:?}");
    }
}

#[test]
fn a_hostile_call_in_a_cell_is_named() {
    let pool = pool_of(|_| (), 1);
    pool.fill().unwrap();
    let report = shell(&pool, "unshare --user true");
    assert!(was_warm(&report));
    assert!(report.violations.iter().any(|violation| violation.what == "unshare"), "{report:?}");
}

#[test]
fn who_stays_behind_a_program_in_a_cell_is_killed() {
    let pool = pool_of(|_| (), 1);
    pool.fill().unwrap();
    let report = shell(&pool, "setsid sleep 1000 & echo started");
    assert!(was_warm(&report) && report.success, "{report:?}");
    assert_eq!(text(&report), "started\n");
}

#[test]
fn a_cell_that_somebody_kills_while_it_waits_is_replaced() {
    let pool = pool_of(|_| (), 1);
    pool.fill().unwrap();
    let children = |pid: u32| {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
        tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default()).collect::<String>()
    };
    for pid in children(std::process::id()).split_whitespace() {
        let process = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
        let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
        // Until then its program may still start, and that would be told of a run that was killed.
        while fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
            std::thread::yield_now();
        }
    }
    assert_eq!(text(&shell(&pool, "echo here")), "here\n");
    pool.fill().unwrap();
    assert!(was_warm(&shell(&pool, "true")));
}

#[test]
fn a_program_that_is_not_there_is_an_error_and_the_pool_goes_on() {
    let pool = pool_of(|_| (), 1);
    pool.fill().unwrap();
    let words = ["no-such-program".to_owned()];
    let answer = pool.run_command(&words, &[], Input::Empty, Output::Keep, None);
    assert!(matches!(&answer, Err(StartError::NotFound { program, .. }) if program == "no-such-program"), "{answer:?}");
    let answer = pool.run_command(&[], &[], Input::Empty, Output::Keep, None);
    assert!(matches!(answer, Err(StartError::NotFound { .. })), "{answer:?}");
    assert!(shell(&pool, "true").success);
}

#[test]
fn many_threads_can_use_one_pool_and_an_empty_one_starts_them_cold() {
    let pool = pool_of(|_| (), 2);
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..4 {
                    let report = shell(pool, &format!("echo {worker} {round}"));
                    assert_eq!(text(&report), format!("{worker} {round}\n"));
                }
            });
        }
    });
}

#[test]
fn a_pool_refuses_what_cannot_wait_in_a_cell() {
    let request = Request::new(Program::Command("true".to_owned()));
    for (size, says) in [(0, "0 cells"), (33, "33 cells")] {
        let Preparation::Ready(prepared) = prepare(&request, None).unwrap() else { panic!("nothing is compiled") };
        let error = Pool::new(prepared, size).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let terminal = Some(palisade::spec::Terminal { rows: 24, columns: 80 });
    let request = Request { terminal, ..request };
    let Preparation::Ready(prepared) = prepare(&request, None).unwrap() else { panic!("nothing is compiled") };
    let error = Pool::new(prepared, 1).unwrap_err().to_string();
    assert!(error.contains("terminal"), "{error}");
}
