//! Files that are copied into a sandbox and out of it.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    path::{Path, PathBuf},
    process::Stdio,
};

use common::{PATIENCE, Place, Report, everyone, finish, read_until, text};
use palisade_testkit::{ORDINARY_ID, Person, wait_for};

fn out(place: &Place) -> PathBuf {
    place.home().join("out")
}

/// Paths of the outputs that were taken.
fn taken(report: &Report) -> Vec<&str> {
    let all = report.json["outputs"].as_array().unwrap();
    all.iter().map(|output| output["path"].as_str().unwrap()).collect()
}

/// `PATH: KIND: WHY` of what was not.
fn left(report: &Report) -> Vec<String> {
    let all = report.json["outputs_left"].as_array().cloned().unwrap_or_default();
    let word = |left: &serde_json::Value, name: &str| left[name].as_str().unwrap().to_owned();
    all.iter().map(|one| format!("{}: {}: {}", word(one, "path"), word(one, "kind"), word(one, "because"))).collect()
}

#[test]
fn a_file_is_copied_in_and_its_results_are_copied_out() {
    everyone(|place| {
        place.file("data.csv", "1,2\n");
        let options = "--file $DIR/data.csv:/work/in/data.csv --file $DIR/data.csv:/tmp/scratch.csv \
                       --file $DIR/data.csv:/data/set.csv --output *.txt --output made/**/*.bin --output /tmp/*.csv --out $DIR/out";
        let script = "pwd; cat in/data.csv /data/set.csv; echo 3 >> /tmp/scratch.csv; echo x >> /data/set.csv; \
                      echo result > r.txt; mkdir -p made/deep/er; echo b > made/deep/er/x.bin; echo c > made/x.bin; echo no > made/no.txt";
        let report = place.shell_report(options, script);
        assert_eq!(report.stdout(), "/work\n1,2\n1,2\n", "{:#}", report.json);
        let paths = ["made/deep/er/x.bin", "made/x.bin", "r.txt", "tmp/scratch.csv"];
        assert_eq!((taken(&report), left(&report)), (paths.into(), Vec::new()), "{:#}", report.json);
        let read = |name: &str| fs::read_to_string(out(place).join(name)).unwrap();
        assert_eq!((read("r.txt").as_str(), read("tmp/scratch.csv").as_str()), ("result\n", "1,2\n3\n"));
        assert_eq!(fs::metadata(out(place).join("made/deep")).unwrap().uid(), place.seat.uid());
        assert_eq!(fs::read_to_string(place.home().join("data.csv")).unwrap(), "1,2\n");
    });
}

#[test]
fn outputs_are_taken_from_a_program_that_failed_or_was_stopped() {
    everyone(|place| {
        let report = place.shell_report("--output r --out $DIR/out", "echo partial > r; exit 3");
        assert_eq!((report.outcome().as_str(), taken(&report)), ("exited 3", vec!["r"]));
        let report =
            place.shell_report("--output r --out $DIR/out --force --time-limit 1s", "echo late > r; exec sleep 100");
        assert_eq!((report.outcome().as_str(), taken(&report)), ("limit-hit wall-time", vec!["r"]));
        assert_eq!(fs::read_to_string(out(place).join("r")).unwrap(), "late\n");
    });
}

#[test]
fn only_regular_files_are_taken_whatever_the_program_leaves() {
    everyone(|place| {
        let secret = place.file("secret", "secret");
        let script = format!(
            "ln -s {} link; ln -s /etc/passwd passwd; ln -s / root; mkfifo fifo; mkdir dir; echo x > dir/f; ln dir/f hard; \
             echo '{}' | tr -d '\\n' > plain; ln -s dir sub; chmod 4755 plain",
            secret.display(),
            "p"
        );
        let report = place.shell_report("--output ** --out $DIR/out", &script);
        assert_eq!(taken(&report), ["dir/f", "hard", "plain"], "{:#}", report.json);
        let mut not = left(&report);
        not.sort();
        let names: Vec<&str> = not.iter().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(names, ["fifo", "link", "passwd", "root", "sub"], "{not:?}");
        assert!(not.iter().all(|line| line.contains(": no-file: ")), "{not:?}");
        assert_eq!(report.status, 0, "what can be no output is no failure");
        assert_eq!(fs::metadata(out(place).join("plain")).unwrap().mode() & 0o7000, 0);
        for name in ["link", "passwd", "root", "sub", "fifo"] {
            assert!(fs::symlink_metadata(out(place).join(name)).is_err(), "{name}");
        }
    });
}

#[test]
fn nothing_is_written_through_a_link_in_the_caller_s_directory() {
    everyone(|place| {
        let elsewhere = place.home().join("elsewhere");
        for directory in [&elsewhere, &out(place)] {
            fs::create_dir(directory).unwrap();
            chown(directory, Some(place.seat.uid()), None).unwrap();
        }
        let victim = place.file("victim", "untouched");
        symlink(&elsewhere, out(place).join("sub")).unwrap();
        symlink(&victim, out(place).join("file")).unwrap();
        symlink(place.home().join("dangling"), out(place).join("new")).unwrap();
        let script = "mkdir sub; echo evil > sub/x; echo evil > file; echo evil > new";
        // Outside, the same names lead out.
        fs::write(out(place).join("sub/x"), "evil").unwrap();
        assert!(elsewhere.join("x").exists());
        fs::remove_file(elsewhere.join("x")).unwrap();
        for (options, status) in [("", 125), (" --force", 125)] {
            let report = place.shell_report(&format!("--output ** --out $DIR/out{options}"), script);
            assert_eq!(report.status, status, "{:#}", report.json);
            assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0, "{:#}", report.json);
            assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
            assert!(!place.home().join("dangling").exists());
            assert!(
                left(&report).contains(&"sub/x: failed: sub is there, and no directory".to_owned()),
                "{:#}",
                report.json
            );
        }
        // The link itself is what was replaced.
        assert_eq!(fs::read_to_string(out(place).join("file")).unwrap(), "evil\n");
        assert!(fs::symlink_metadata(out(place).join("file")).unwrap().is_file());
    });
}

#[test]
fn a_file_that_is_there_stays_unless_it_may_be_replaced() {
    everyone(|place| {
        let first = place.shell_report("--output r --out $DIR/out", "echo 1 > r");
        let second = place.shell_report("--output r --out $DIR/out", "echo 2 > r");
        assert_eq!((first.status, second.status, second.number("exit_code") as i32), (0, 125, 125));
        assert_eq!(left(&second), ["r: failed: a file is in its place (--force replaces it)"]);
        assert_eq!(fs::read_to_string(out(place).join("r")).unwrap(), "1\n");
        let third = place.shell_report("--output r --out $DIR/out --force", "echo 3 > r");
        assert_eq!((third.status, taken(&third)), (0, vec!["r"]));
        assert_eq!(fs::read_to_string(out(place).join("r")).unwrap(), "3\n");
        assert_eq!(fs::read_dir(out(place)).unwrap().count(), 1);
    });
}

#[test]
fn what_is_hidden_from_a_program_is_none_of_its_outputs() {
    everyone(|place| {
        let work = directory(place, "w");
        let key = directory(place, "w/keys").join("key");
        for hidden in [&key, &work.join(".env")] {
            fs::write(hidden, "secret").unwrap();
            chown(hidden, Some(place.seat.uid()), None).unwrap();
        }
        for option in ["--workspace", "--overlay"] {
            let seen = place.shell_report(&format!("{option} $DIR/w --output ** --out $DIR/out"), "echo new >new");
            assert_eq!(taken(&seen), [".env", "keys/key", "new"], "where nothing is hidden: {:#}", seen.json);
            fs::remove_dir_all(out(place)).unwrap();
            let options = format!("{option} $DIR/w --hide $DIR/w/.env --hide $DIR/w/keys --output ** --out $DIR/out");
            let report = place.shell_report(&options, "echo new >new; cat .env keys/key");
            assert_eq!((report.stdout(), taken(&report)), ("", vec!["new"]), "{:#}", report.json);
            assert_eq!(left(&report), [".env: no-file: it was to be hidden from the program"]);
            assert_eq!(fs::read_dir(out(place)).unwrap().count(), 1);
            fs::remove_dir_all(out(place)).unwrap();
        }
    });
}

#[test]
fn a_quiet_run_still_tells_of_an_output_that_failed() {
    everyone(|place| {
        let options = "--quiet --output * --out $DIR/out";
        let script = "echo 1 >r; ln -s r link; echo talk >&2";
        let first = place.output(&mut place.shell(options, script));
        assert_eq!(String::from_utf8_lossy(&first.stderr), "talk\n", "a link is no output, and no failure");
        let second = place.output(&mut place.shell(options, script));
        let said = String::from_utf8_lossy(&second.stderr);
        assert_eq!(said, "talk\nerror: not taken: r: a file is in its place (--force replaces it)\n");
        assert_eq!((first.status.code(), second.status.code()), (Some(0), Some(125)));
    });
}

#[test]
fn too_much_is_refused_with_the_limit_and_the_option() {
    everyone(|place| {
        for (options, script, said) in [
            (
                "--out-file-size 1K",
                "head -c 1025 /dev/zero > a",
                "a: failed: its 1025 bytes exceed the limit of 1 KiB (--out-file-size)",
            ),
            ("", "truncate -s 90M a; truncate -s 90M b; truncate -s 10M c", ""),
            (
                "--out-size 100M",
                "truncate -s 90M a; truncate -s 90M b",
                "with it the outputs exceed the limit of 100 MiB (--out-size)",
            ),
            ("--out-files 2", "touch a b c", "with it the outputs exceed the limit of 2 files (--out-files)"),
        ] {
            let report = place.shell_report(&format!("--output * --out $DIR/out {options}"), script);
            let left = left(&report);
            if said.is_empty() {
                assert_eq!((report.status, left.len()), (0, 0), "{left:?}");
            } else {
                assert_eq!((report.status, left.len()), (125, 1), "{left:?}");
                assert!(left[0].contains(said), "{left:?}");
            }
            fs::remove_dir_all(out(place)).unwrap();
        }
    });
}

#[test]
fn names_with_strange_bytes_are_kept_exactly() {
    everyone(|place| {
        let script =
            r#"printf x > "$(printf 'a\nb')"; printf x > "$(printf '\377')"; mkdir -- -d; printf x > ./-d/'*'"#;
        let report = place.shell_report("--output ** --out $DIR/out", script);
        let outputs = report.json["outputs"].as_array().unwrap();
        assert_eq!((outputs.len(), left(&report)), (3, Vec::new()), "{:#}", report.json);
        assert!(outputs.iter().any(|output| output["path_base64"] == "/w=="), "{:#}", report.json);
        assert!(out(place).join("a\nb").exists() && out(place).join("-d/*").exists());
    });
}

#[test]
fn outputs_come_out_of_an_overlay_and_a_workspace_too() {
    everyone(|place| {
        let work = place.home().join("project");
        fs::create_dir(&work).unwrap();
        chown(&work, Some(place.seat.uid()), Some(place.seat.uid())).unwrap();
        fs::write(work.join("old"), "old").unwrap();
        let report = place.shell_report("--overlay $DIR/project --output *w --out $DIR/out", "echo new > new");
        assert_eq!(taken(&report), ["new"], "{:#}", report.json);
        assert!(!work.join("new").exists());
        let report = place.shell_report("--workspace $DIR/project --output b --out $DIR/out", "echo b > b");
        assert_eq!(taken(&report), ["b"], "{:#}", report.json);
    });
}

#[test]
fn what_cannot_be_copied_in_or_out_is_refused_before_the_program_starts() {
    everyone(|place| {
        place.file("data", "x");
        let put =
            place.report("--file $DIR/data:/etc/resolv.conf --file $DIR/data:/etc/new", "/bin/cat /etc/resolv.conf");
        assert_eq!(put.stdout(), "x", "without a network there is none of palisade's: {:#}", put.json);
        symlink("data", place.home().join("link")).unwrap();
        let followed = place.report("--file $DIR/link:/work/data", "/bin/cat /work/data");
        assert_eq!(followed.stdout(), "x", "the caller's own link is followed");
        for (options, said) in [
            ("--file $DIR/data", "write HOST:INSIDE"),
            ("--file $DIR/data:relative", "write HOST:INSIDE"),
            ("--file $DIR/none:/work/x", "No such file or directory"),
            ("--file $DIR:/work/x", "it is a directory, and only files are copied"),
            ("--file /dev/zero:/work/x", "it is a device, not a regular file"),
            ("--file $DIR/data:/work/../etc/x", "without `..`"),
            ("--file $DIR/data:/usr/bin/x", "/usr is the host's or the sandbox's own"),
            ("--file $DIR/data:/etc/passwd", "/etc/passwd is the host's or the sandbox's own"),
            ("--file $DIR/data:/etc/alternatives/x", "/etc/alternatives is the host's or the sandbox's own"),
            ("--file $DIR/data:/etc", "cannot be put at /etc: /etc/"),
            ("--file $DIR/data:/nix/store/x", "/nix/store is the host's or the sandbox's own"),
            ("--file $DIR/data:/work", "cannot be put at /work: "),
            ("--file $DIR/data:/tmp", "cannot be put at /tmp: "),
            ("--file $DIR/data:/build/program", "/build is the host's or the sandbox's own"),
            ("--file $DIR/data:$DIR", "/hostile is the host's or the sandbox's own"),
            ("--network=allow-all --file $DIR/data:/etc/resolv.conf", "/etc/resolv.conf is the host's"),
            ("--network=loopback --file $DIR/data:/etc/ssl/certs/x", "/etc/ssl/certs is the host's"),
            ("--file $DIR/data:/proc/x", "/proc is the host's or the sandbox's own"),
            ("--filesystem read-only --file $DIR/data:/etc/x", "/etc is the host's or the sandbox's own"),
            ("--file $DIR/data:/work/x --file $DIR/data:/work/x", "another file is put at /work/x"),
            ("--output x", "--out"),
            ("--output /etc/* --out $DIR/out", "it does not begin with a place that the program can write to"),
            ("--output ../x --out $DIR/out", "has `..` in it"),
            ("--output [a --out $DIR/out", "unclosed character class"),
            ("--output x --out $DIR/no/out", "neither it nor the directory around it exists"),
            ("--output x --out $DIR/data", "it is no directory"),
        ] {
            let output = place.output(&mut place.run(options, "/bin/true"));
            assert_eq!(output.status.code(), Some(125), "{options}: {}", text(&output));
            assert!(text(&output).contains(said), "{options}: {}", text(&output));
            assert!(!out(place).exists(), "{options}");
        }
    });
}

#[test]
fn a_program_finds_no_place_to_write_its_outputs_that_is_not_its_own() {
    everyone(|place| {
        let script = "echo x > /work/a && echo wrote; echo x > /b; ls -ld /work | cut -c 1-10";
        let report = place.shell_report("", script);
        assert_eq!(report.stdout(), "drwxr-xr-x\n", "without outputs nothing changes: {:#}", report.json);
        let report = place.shell_report("--output a --out $DIR/out --tmp-size 1M", "head -c 2m /dev/zero > a");
        assert!(fs::metadata(out(place).join("a")).unwrap().len() <= 1 << 20, "{:#}", report.json);
    });
}

/// A directory of this person's.
fn directory(place: &Place, name: &str) -> PathBuf {
    let path = place.home().join(name);
    fs::create_dir(&path).unwrap();
    chown(&path, Some(place.seat.uid()), Some(place.seat.uid())).unwrap();
    path
}

#[test]
fn nothing_is_written_to_a_directory_that_the_program_could_exchange_for_a_link() {
    everyone(|place| {
        let victim = directory(place, "victim");
        let work = directory(place, "w");
        directory(place, "o");
        let script = "cd $DIR/w 2>/dev/null || cd /work; echo evil > evil; rmdir out; ln -s $DIR/victim out; ls -l out";
        let hint = "name a directory outside of what the program may write";
        for (made, options) in [
            (true, "--workspace $DIR/w --output evil --out $DIR/w/out"),
            (false, "--workspace $DIR/w --output evil --out $DIR/w/out"),
            (true, "--workspace $DIR/w --output evil --out $DIR/w"),
            (true, "--allow-write $DIR/w --output /tmp/* --out $DIR/w/out"),
            (false, "--allow-write $DIR/w --allow-read $DIR/o --overlay $DIR/o --overlay-out $DIR/w/out"),
            (true, "--allow-write $DIR/w --allow-read $DIR/o --overlay $DIR/o --overlay-out $DIR/alias/out"),
        ] {
            symlink("w", place.home().join("alias")).unwrap();
            if made {
                directory(place, "w/out");
            }
            let output = place.output(&mut place.shell(options, script));
            assert_eq!(fs::read_dir(&victim).unwrap().count(), 0, "{options}: {}", text(&output));
            assert_eq!(output.status.code(), Some(125), "{options}: {}", text(&output));
            assert!(text(&output).contains(hint), "{options}: {}", text(&output));
            assert!(!work.join("evil").exists(), "the program was not started: {options}");
            let _ = fs::remove_dir(work.join("out"));
            fs::remove_file(place.home().join("alias")).unwrap();
        }
    });
}

#[test]
fn outputs_go_to_the_directory_that_was_there_before_the_program_ran() {
    everyone(|place| {
        let victim = directory(place, "victim");
        for (made, arrives) in [(true, true), (false, false)] {
            if made {
                directory(place, "out");
            }
            let mut command = place.shell("--output new --out $DIR/out", "echo ready; cat > new");
            let mut child = place.start(command.stdin(Stdio::piped()));
            read_until(child.stdout.as_mut().unwrap(), "ready");
            if made {
                fs::rename(out(place), place.home().join("moved")).unwrap();
            }
            symlink(&victim, out(place)).unwrap();
            drop(child.stdin.take());
            let output = finish(child);
            assert_eq!(fs::read_dir(&victim).unwrap().count(), 0, "{}", text(&output));
            assert_eq!(output.status.code(), Some(if arrives { 0 } else { 125 }), "{}", text(&output));
            assert_eq!(place.home().join("moved/new").exists(), arrives);
            fs::remove_file(out(place)).unwrap();
            let _ = fs::remove_dir_all(place.home().join("moved"));
        }
    });
}

#[test]
fn root_publishes_no_file_that_its_program_could_not_read() {
    let Some(place) = Place::new(Person::Root) else { return };
    let work = place.home().join("w");
    fs::create_dir_all(work.join("closed")).unwrap();
    for (name, mode) in [("secret", 0o600), ("closed/inner", 0o644), ("open", 0o644)] {
        fs::write(work.join(name), "of root").unwrap();
        fs::set_permissions(work.join(name), Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(work.join("closed"), Permissions::from_mode(0o700)).unwrap();
    chown(&work, Some(ORDINARY_ID), Some(ORDINARY_ID)).unwrap();
    for tree in ["--workspace $DIR/w", "--allow-read $DIR/w --overlay $DIR/w"] {
        let script = "cat secret; mv secret moved; echo own > own; chmod 600 own";
        let report = place.shell_report(&format!("{tree} --output ** --out $DIR/out"), script);
        assert_eq!(report.stdout(), "", "{:#}", report.json);
        assert_eq!(taken(&report), ["open", "own"], "{:#}", report.json);
        let left = left(&report);
        assert!(
            left.len() == 2
                && left.iter().all(|line| line.contains("closed to the program") || line.contains("Permission denied")),
            "{left:?}"
        );
        let _ = fs::rename(work.join("moved"), work.join("secret"));
        let _ = fs::remove_file(work.join("own"));
        fs::remove_dir_all(out(&place)).unwrap();
    }
    place.assert_clean();
}

/// Whether a process is writing a file in this directory, and has begun.
fn is_writing(pid: u32, directory: &Path) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.map(|entry| entry.path()).any(|path| {
        let is_file = fs::metadata(&path).is_ok_and(|file| file.is_file() && file.len() > 0);
        is_file && fs::read_link(&path).is_ok_and(|file| file.starts_with(directory))
    })
}

#[test]
fn a_palisade_that_is_killed_while_it_copies_leaves_no_part_of_a_file() {
    everyone(|place| {
        directory(place, "out");
        for (options, there) in [("", vec![]), (" --force", vec!["big"])] {
            for name in &there {
                fs::write(out(place).join(name), "old").unwrap();
            }
            let options =
                format!("--output big --out $DIR/out --out-file-size 8G --out-size 8G --file-size-limit 8G{options}");
            let mut child = place.start(&mut place.shell(&options, "truncate -s 6G big; stat -c %s big"));
            let begun = wait_for(PATIENCE, || is_writing(child.id(), &out(place)));
            child.kill().unwrap();
            let output = finish(child);
            assert!(begun && output.status.code().is_none(), "{}", text(&output));
            let left: Vec<_> = fs::read_dir(out(place)).unwrap().map(|file| file.unwrap().file_name()).collect();
            assert_eq!(left, there);
            assert!(there.is_empty() || fs::read_to_string(out(place).join("big")).unwrap() == "old");
        }
        let report = place.shell_report("--output big --out $DIR/out --force", "echo new > big");
        assert_eq!((report.status, taken(&report)), (0, vec!["big"]), "{:#}", report.json);
    });
}
