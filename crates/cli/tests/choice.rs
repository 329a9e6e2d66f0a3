//! Which wall is taken when nobody names one, and that nothing weaker ever is.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use common::{LANDLOCKED, Place, Report, everyone, text};
use palisade_testkit::{Person, need};

/// `palisade` where a call of its own set-up fails: palisade's own wall needs it, the others do not.
fn without_keyrings(place: &Place, words: &str) -> std::process::Command {
    let mut command = place.seat.command("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", "inject=keyctl:error=EPERM"]).arg(&place.palisade);
    command.args(words.split_whitespace()).env("PALISADE_TEST", place.token());
    command
}

#[test]
fn where_the_first_wall_fails_the_next_that_holds_the_policy_runs_the_program_and_says_so() {
    let Some(place) = Place::new(Person::Root) else { return };
    if !need("strace") || !need("bubblewrap") {
        return;
    }
    // Nothing of the input is lost on the wall that failed.
    let input = "line\n".repeat(100_000);
    let mut command = without_keyrings(&place, "run --json --no-config -- sha256sum");
    let report = Report::of(&place.output_with(&mut command, input.as_bytes()));
    let expected = Report::of(&place.output_with(&mut place.palisade("run --json -- sha256sum"), input.as_bytes()));
    assert_eq!((report.outcome(), report.stdout()), (expected.outcome(), expected.stdout()));
    assert_eq!(expected.json["passed_over"], serde_json::Value::Null);
    assert_ne!(report.json["backend"], "native");
    let first = &report.json["passed_over"][0];
    assert_eq!(first["backend"], "native");
    assert!(first["because"].as_str().unwrap().contains("keyring"), "{first}");
    let output = place.output(&mut without_keyrings(&place, "run --no-config -- true"));
    assert!(text(&output).contains("because native: needs to start the program"), "{}", text(&output));
    // Who names a wall gets that one or none.
    let output = place.output(&mut without_keyrings(&place, "run --no-config --backend native -- true"));
    assert_eq!(output.status.code(), Some(125), "{}", text(&output));
    place.assert_clean();
}

/// A directory with a podman that does not start.
fn broken_podman(place: &Place) -> std::path::PathBuf {
    let bin = place.home().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let podman = bin.join("podman");
    std::fs::write(&podman, "#!/bin/sh\necho it is broken >&2; exit 3\n").unwrap();
    std::fs::set_permissions(&podman, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    bin
}

/// Without the engines of this host.
fn without_engines(place: &Place, command: &mut std::process::Command) {
    let path = format!("{}:{}", broken_podman(place).display(), std::env::var("PATH").unwrap());
    command.env("PATH", path).env("DOCKER_HOST", "unix:///none").env_remove("CONTAINER_HOST");
}

#[test]
fn what_failed_for_one_who_may_less_is_tried_for_all_others_and_forgotten_where_it_works() {
    let Some(place) = Place::new(Person::Root) else { return };
    if !["strace", "bubblewrap", "python", "landlock"].into_iter().all(need) {
        return;
    }
    // All on a `/run` of their own: what is remembered there is nobody else's. Landlock lets nobody mount.
    let both = "mount -t tmpfs none /run || exit 1
        python3 -c \"$LANDLOCKED\" \"$PALISADE\" run --no-config -- true && exit 2
        grep bubblewrap /run/palisade/walls.json | grep -q 'make the mounts private' || exit 3
        strace -f -qq -o /dev/null -e inject=keyctl:error=EPERM \"$PALISADE\" run --json --no-config -- true || exit 4
        grep -q 'podman did not start' /run/palisade/walls.json || exit 5
        ! grep -q bubblewrap /run/palisade/walls.json || exit 6
        # Nor is what failed for one who may less looked at, or forgotten.
        setpriv --bounding-set=-net_raw python3 -c \"$LANDLOCKED\" \"$PALISADE\" run --no-config -- true && exit 7
        strace -f -qq -o /dev/null -e inject=keyctl:error=EPERM \"$PALISADE\" run --no-config -- true 2>/dev/null || exit 8
        grep -q bubblewrap /run/palisade/walls.json";
    let mut command = place.seat.command("unshare");
    command.args(["--mount", "sh", "-c", both]).env("PALISADE_TEST", place.token());
    without_engines(&place, &mut command);
    let output = place.output(command.env("PALISADE", &place.palisade).env("LANDLOCKED", LANDLOCKED));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(Report::of(&output).json["backend"], "bubblewrap", "{}", text(&output));
    place.assert_clean();
}

#[test]
fn a_strength_that_no_wall_has_is_refused_with_every_reason() {
    everyone(|place| {
        let output = place.output(&mut place.palisade("run --no-config --require hardware -- true"));
        assert_eq!(output.status.code(), Some(125));
        assert!(text(&output).contains("native, bubblewrap"), "{}", text(&output));
        assert!(text(&output).contains("needs a strength of hardware"), "{}", text(&output));
        let output = place.output(&mut place.palisade("run --no-config --backend none --require partial -- true"));
        assert!(text(&output).contains("none: needs a strength of partial"), "{}", text(&output));
        let output = place.output(&mut place.palisade("run --no-config --require namespaces -- true"));
        assert!(output.status.success(), "{}", text(&output));
    });
}

#[test]
fn a_project_cannot_choose_half_a_wall() {
    everyone(|place| {
        for backend in ["unshare", "chroot", "firejail", "none"] {
            place.file("palisade.toml", format!("[sandbox]\nbackend = \"{backend}\"\n"));
            let output = place.output(&mut place.palisade("run -- true"));
            assert_eq!(output.status.code(), Some(125));
            assert!(text(&output).contains("without a whole wall"), "{}", text(&output));
        }
    });
}

#[test]
fn every_wall_says_what_it_holds_and_by_what_means() {
    everyone(|place| {
        let output = place.output(&mut place.palisade("backends --json"));
        let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let all = list["backends"].as_array().unwrap();
        assert_eq!((&list["schema"], &all[0]["backend"]), (&"palisade.backends/1".into(), &"native".into()));
        for wall in all {
            let guarantees = wall["guarantees"].as_object().unwrap();
            assert_eq!(guarantees.len(), 10, "{wall}");
            for (guarantee, held) in guarantees {
                assert!(!held["by"].as_str().unwrap().is_empty(), "{guarantee} of {wall}");
                if guarantee == "kernel" {
                    assert_eq!(
                        held["held"] == "no",
                        wall["strength"] != "user-space-kernel" && wall["strength"] != "hardware"
                    );
                }
            }
        }
        let table = text(&place.output(&mut place.palisade("backends")));
        assert!(all.iter().all(|wall| table.contains(wall["backend"].as_str().unwrap())), "{table}");
    });
}

#[test]
fn every_reason_is_told_also_if_the_last_wall_fails_late() {
    let Some(place) = Place::new(Person::Root) else { return };
    if !need("strace") {
        return;
    }
    // A podman that does not start, behind walls that cannot mount.
    // What is remembered of these walls is nobody else's, and so are the engines.
    let mut command = place.seat.command("unshare");
    command.args(["--mount", "sh", "-c", "mount -t tmpfs none /run && exec \"$@\"", "sh"]);
    command.args(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=mount:error=EPERM"]).arg(&place.palisade);
    command.args(["run", "--json", "--no-config", "--", "true"]).env("PALISADE_TEST", place.token());
    without_engines(&place, &mut command);
    let output = place.output(&mut command);
    assert_eq!(output.status.code(), Some(125), "{}", text(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let hint = json["hint"].as_str().unwrap();
    for words in
        ["native", "make the mounts private", "which $DOCKER_HOST names", "podman did not start", "it is broken"]
    {
        assert!(hint.contains(words), "`{words}` is not in {hint}");
    }
    place.assert_clean();
}

#[test]
fn nobody_who_named_no_wall_is_told_to_name_none_and_walls_are_counted_once() {
    everyone(|place| {
        let output = place.output(&mut place.palisade("run --no-config --require hardware -- true"));
        let said = text(&output);
        assert!(!said.contains("--backend"), "{said}");
        let named: std::collections::BTreeSet<&str> = said
            .lines()
            .filter_map(|line| line.strip_prefix("hint: ")?.split_once(": needs "))
            .flat_map(|(names, _)| names.split(", "))
            .collect();
        assert!(said.contains(&format!("({} considered)", named.len())), "{named:?}: {said}");
        let output = place.output(&mut place.palisade("run --no-config --backend runc --require hardware -- true"));
        assert!(
            text(&output).contains("(1 considered)") && text(&output).contains("leave --backend out"),
            "{}",
            text(&output)
        );
    });
}
