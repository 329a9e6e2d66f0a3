//! Each limit stops what goes over it: the right outcome, name, exit status and evidence, the output up to then, and
//! nothing left alive.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use common::{Place, everyone, read_until};
use palisade_testkit::Person;

/// Where a cgroup holds a limit, its name is not among the weakened; elsewhere it has to be.
#[track_caller]
fn assert_honest(place: &Place, report: &common::Report, limit: &str) {
    if place.person == Person::Root && palisade_testkit::need("cgroup") {
        assert_eq!(report.weakened(), Vec::<&str>::new());
    } else if !report.weakened().is_empty() {
        assert!(report.weakened().contains(&limit), "{limit} is not among {:?}", report.weakened());
        let layers = report.json["layers"].as_array().unwrap();
        let layer = layers.iter().find(|layer| layer["layer"] == "resource-limits").unwrap();
        assert_eq!(layer["status"], "weakened");
    }
}

#[test]
fn the_time_limit_stops_a_program_and_keeps_what_it_said() {
    everyone(|place| {
        let report = place.shell_report("--time-limit 300ms", "echo before; echo complaint >&2; exec sleep 60");
        report.assert_limit("wall-time", 124);
        assert_eq!((report.stdout(), &report.json["stderr"]), ("before\n", &"complaint\n".into()));
        let took = report.number("execution_time_ms");
        assert!((300.0..3000.0).contains(&took), "{took} ms");
    });
}

#[test]
fn the_time_limit_stops_a_program_that_ignores_every_signal() {
    everyone(|place| place.report("--time-limit 300ms", "$H ignore-signals 60").assert_limit("wall-time", 124));
}

#[test]
fn the_time_limit_stops_processes_that_are_stopped() {
    everyone(|place| place.report("--time-limit 300ms", "$H stop-everything 60").assert_limit("wall-time", 124));
}

#[test]
fn the_time_limit_stops_what_left_the_session_and_the_family() {
    everyone(|place| {
        // A double fork into an own session, its output kept open, beside a parent that waits.
        let script = "(setsid sh -c 'trap \"\" HUP TERM INT; echo away; exec sleep 60' &) ; exec sleep 60";
        place.shell_report("--time-limit 500ms", script).assert_limit("wall-time", 124);
    });
}

#[test]
fn what_a_program_leaves_behind_ends_with_it() {
    everyone(|place| {
        let script = "setsid sh -c 'trap \"\" HUP TERM; exec sleep 60' & (sleep 60 &) ; kill -STOP $!; echo done";
        let report = place.shell_report("", script);
        assert_eq!((report.outcome().as_str(), report.stdout()), ("exited 0", "done\n"));
        assert!(report.number("execution_time_ms") < 10_000.0);
    });
}

#[test]
fn a_grandchild_in_its_own_session_never_writes_afterwards() {
    everyone(|place| {
        let shared = place.home().join("shared");
        std::fs::create_dir(&shared).unwrap();
        std::os::unix::fs::chown(&shared, Some(place.seat.uid()), None).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(&shared, mode).unwrap();
        let report = place.report("--allow-write $DIR/shared", "$H escape-session $DIR/shared/escaped 1500");
        assert_eq!(report.outcome(), "exited 0", "{:#}", report.json);
        place.assert_clean();
        assert!(!shared.join("escaped").exists(), "the grandchild outlived the run");
    });
}

#[test]
fn the_processor_time_of_one_process_is_limited() {
    everyone(|place| {
        let report = place.shell_report("--cpu-time-limit 500ms", "echo before; while :; do :; done");
        report.assert_limit("cpu-time", 124);
        assert_eq!(report.stdout(), "before\n");
        let used = report.number("cpu_time_ms");
        assert!((500.0..1500.0).contains(&used), "{used} ms");
        assert_honest(place, &report, "cpu-time");
    });
}

#[test]
fn the_processor_time_of_many_processes_counts_together() {
    everyone(|place| {
        let report = place.report("--cpu-time-limit 1s", "$H cpu-burn 6 60");
        report.assert_limit("cpu-time", 124);
        let used = report.number("cpu_time_ms");
        assert!((1000.0..2500.0).contains(&used), "{used} ms");
    });
}

#[test]
fn the_processor_time_of_processes_that_have_ended_counts() {
    everyone(|place| {
        // Each child is short: only an account that outlives them can see the sum.
        let script = "while :; do sh -c 'i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done'; done";
        place.shell_report("--cpu-time-limit 1s", script).assert_limit("cpu-time", 124);
    });
}

#[test]
fn changing_the_affinity_hides_no_processor_time() {
    everyone(|place| {
        let script = "taskset -c 0 sh -c 'while :; do :; done' & while :; do :; done";
        let report = place.shell_report("--cpu-time-limit 1s --time-limit 30s", script);
        report.assert_limit("cpu-time", 124);
        assert!(report.number("cpu_time_ms") < 2500.0, "{}", report.json["cpu_time_ms"]);
    });
}

#[test]
fn a_palisade_that_is_bound_to_one_processor_stops_as_soon() {
    everyone(|place| {
        let mut command = place.seat.command("taskset");
        command.args(["-c", "0"]).arg(&place.palisade).args("run --json --cpu-time-limit 1s --allow-read".split(' '));
        command.arg(&place.hostile).arg("--").arg(&place.hostile).args(["cpu-burn", "4", "60"]);
        command.env("PALISADE_TEST", place.token()).stdin(std::process::Stdio::null());
        let report = place.report_of(&mut command);
        report.assert_limit("cpu-time", 124);
        assert!(report.number("cpu_time_ms") < 2500.0, "{}", report.json["cpu_time_ms"]);
    });
}

#[test]
fn the_memory_of_one_process_is_limited() {
    everyone(|place| {
        let report = place.shell_report("--memory-limit 64M", "echo before; $H memory 512; exec sleep 60");
        report.assert_limit("memory", 137);
        assert_eq!(report.stdout().lines().next(), Some("before"));
        assert_honest(place, &report, "memory");
        let evidence = report.json["violations"][0]["evidence"].as_str().unwrap();
        let counter = evidence.contains("oom_kill");
        assert_eq!(counter, report.weakened().is_empty(), "{evidence}");
        if counter {
            assert!(report.number("memory_used_bytes") <= f64::from(64 << 20));
        }
    });
}

#[test]
fn the_memory_of_many_processes_counts_together() {
    everyone(|place| place.report("--memory-limit 64M", "$H memory-many 16 8").assert_limit("memory", 137));
}

#[test]
fn memory_that_is_shared_or_has_no_name_counts() {
    everyone(|place| {
        for attack in ["memory-shared 400", "memory-memfd 90", "sysv-shm 400"] {
            let report = place.report("--memory-limit 64M --file-size-limit 1G", &format!("$H {attack}"));
            // Without a cgroup, what nobody has mapped is bounded by the file size limit alone.
            if !report.weakened().is_empty() && attack.starts_with("memory-memfd") {
                continue;
            }
            assert_eq!(report.outcome(), "limit-hit memory", "{attack}: {:#}", report.json);
        }
    });
}

#[test]
fn files_in_tmp_and_shm_count_as_memory_and_cannot_pass_their_own_limit() {
    everyone(|place| {
        for place_of_files in ["/tmp", "/dev/shm"] {
            let line = format!("$H tmpfs-fill {place_of_files} 8000000");
            let report = place.report("--tmp-size 4M", &line);
            assert_eq!(report.outcome(), "exited 10", "{:#}", report.json);
            assert!(report.stdout().starts_with("BLOCKED write: ENOSPC after reaching 4194304"), "{}", report.stdout());
        }
        if place.has_cgroup() {
            let report = place.report("--memory-limit 32M --tmp-size 512M", "$H tmpfs-fill /tmp 99000000");
            report.assert_limit("memory", 137);
        }
    });
}

#[test]
fn the_number_of_files_in_tmp_is_limited() {
    everyone(|place| {
        let report = place.report("--tmp-inodes 100", "$H inode-fill /tmp 1000");
        assert_eq!(report.outcome(), "exited 10");
        assert!(report.stdout().starts_with("BLOCKED create: ENOSPC"), "{}", report.stdout());
    });
}

#[test]
fn processes_that_stay_are_counted_and_stopped() {
    everyone(|place| {
        let script = "echo before; i=0; while [ $i -lt 9 ]; do sleep 60 & i=$((i+1)); done; wait";
        let report = place.shell_report("--process-limit 4", script);
        report.assert_limit("processes", 137);
        assert_eq!(report.stdout(), "before\n");
        assert!(report.number("processes_peak") > 4.0);
    });
}

#[test]
fn a_fast_fork_bomb_is_bounded_by_the_thread_limit() {
    everyone(|place| {
        // Over within a few milliseconds, before the processes are looked at: the kernel holds the threads.
        let report = place.report("--process-limit 4 --thread-limit 20", "$H fork-bomb 50");
        let reached = !report.stdout().starts_with("SUCCEEDED");
        assert!(reached, "50 children under --thread-limit 20, {}: {}", report.outcome(), report.stdout());
    });
}

#[test]
fn threads_are_limited() {
    everyone(|place| {
        let report = place.report("--thread-limit 8", "$H thread-bomb 50");
        if report.weakened().is_empty() {
            // It may be dead before it can say what stopped it.
            report.assert_limit("threads", 137);
        } else {
            assert!(report.stdout().starts_with("BLOCKED clone (thread): EAGAIN"), "{:#}", report.json);
            // The kernel refuses, and tells nobody.
            assert!(report.stdout().starts_with("BLOCKED clone (thread): EAGAIN"), "{:#}", report.json);
            assert_eq!(report.outcome(), "exited 10");
        }
        assert_honest(place, &report, "threads");
    });
}

#[test]
fn a_fork_bomb_and_a_flood_of_zombies_are_bounded() {
    everyone(|place| {
        for attack in ["fork-bomb 3000", "zombie-flood 3000"] {
            let report = place.report("", &format!("$H {attack}"));
            assert!(!report.stdout().starts_with("SUCCEEDED"), "{attack}: {:#}", report.json);
        }
    });
}

#[test]
fn a_shell_fork_bomb_is_stopped_or_ends_by_itself() {
    everyone(|place| {
        let report = place.shell_report("--time-limit 10s", "b() { b | b & }; b; sleep 1; echo unharmed");
        if report.weakened().is_empty() {
            assert!(
                ["limit-hit processes", "limit-hit threads"].contains(&report.outcome().as_str()),
                "{:#}",
                report.json
            );
        } else {
            // Refused by RLIMIT_NPROC, it may be over between two looks.
            assert_ne!(report.outcome(), "limit-hit wall-time", "{:#}", report.json);
        }
    });
}

#[test]
fn descriptors_are_limited() {
    everyone(|place| {
        let report = place.report("--descriptor-limit 32", "$H descriptors 1000");
        assert_eq!(report.outcome(), "exited 10");
        assert!(report.stdout().contains("EMFILE"), "{}", report.stdout());
    });
}

#[test]
fn the_size_of_a_file_is_limited() {
    everyone(|place| {
        let report = place.shell_report("--file-size-limit 1M", "echo before; exec head -c 4000000 /dev/zero > /tmp/f");
        report.assert_limit("disk", 137);
        assert_eq!(report.stdout(), "before\n");
    });
}

#[test]
fn output_beyond_its_limit_is_cut_counted_and_said() {
    everyone(|place| {
        let report = place.report("--output-limit 1000", "$H output-flood 3000000");
        assert_eq!(report.outcome(), "exited 0");
        assert_eq!(report.stdout(), "x".repeat(1000));
        assert_eq!(report.json["stdout_truncated"], true);
        assert!(report.number("stdout_bytes") > 3_000_000.0);
        assert_eq!(report.json["stderr_truncated"], false);
    });
}

#[test]
fn output_beyond_its_limit_stops_the_program_if_that_is_wanted() {
    everyone(|place| {
        let report = place.report("--output-limit 1000 --on-output-limit kill", "$H output-flood 9000000000");
        report.assert_limit("output", 137);
        assert_eq!(report.stdout(), "x".repeat(1000));
        let script = "while :; do echo complaint >&2; done";
        let report = place.shell_report("--output-limit 1000 --on-output-limit kill", script);
        report.assert_limit("output", 137);
        assert_eq!(report.json["stderr"].as_str().unwrap().len(), 1000);
    });
}

#[test]
fn an_endless_flood_is_read_in_constant_memory() {
    everyone(|place| {
        let report = place.shell_report("--output-limit 1M --time-limit 2s", "exec yes");
        report.assert_limit("wall-time", 124);
        assert_eq!(report.stdout().len(), 1 << 20);
    });
}

#[test]
fn a_share_of_the_processor_is_held() {
    everyone(|place| {
        let report = place.report("--cpu-limit 20", "$H cpu-burn 2 2");
        if !report.weakened().is_empty() {
            // What is not held must be said by its own name.
            assert!(report.weakened().contains(&"cpu-limit"), "not said: {:?}", report.weakened());
            return;
        }
        let share = report.number("cpu_time_ms") / report.number("execution_time_ms");
        assert!((0.1..0.35).contains(&share), "{share} of a processor instead of 0.2");
    });
}

#[test]
fn limits_hold_without_json_too() {
    everyone(|place| {
        let mut command = place.shell("--time-limit 500ms", "echo before; exec sleep 60");
        let mut child = place.start(&mut command);
        read_until(child.stdout.as_mut().unwrap(), "before\n");
        let output = common::finish(child);
        assert_eq!(output.status.code(), Some(124), "{}", common::text(&output));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("wall-time limit") && said.contains("--time-limit"), "{said}");
    });
}
