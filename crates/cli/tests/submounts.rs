//! Host trees that are given to a program: read-only means all of it, mounts below it included.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use common::{Place, everyone, text};
use palisade_testkit::{Person, need};
use std::os::unix::fs::PermissionsExt as _;

/// A directory that everybody may write to.
fn shared(place: &Place, name: &str) -> std::path::PathBuf {
    let path = place.home().join(name);
    std::fs::create_dir_all(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
    path
}

/// Runs a line in a mount namespace of its own where `outer/inner` is a writable tmpfs. An ordinary user gets it with a
/// user namespace, and is nobody special again in one more.
fn with_submount(place: &Place, line: &str) -> std::process::Output {
    let again = match place.person {
        Person::Root => "exec",
        Person::Ordinary => "exec unshare --user --map-user=1000 --map-group=1000",
    };
    with_submount_as(place, again, line)
}

fn with_submount_as(place: &Place, again: &str, line: &str) -> std::process::Output {
    let inner = shared(place, "outer").join("inner");
    std::fs::create_dir_all(&inner).unwrap();
    let script = format!("mount -t tmpfs -o mode=1777,size=1m none {} && {again} {line}", inner.display());
    let mut command = place.seat.command("unshare");
    if place.person == Person::Ordinary {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "sh", "-c", &script]).env("PALISADE_TEST", place.token());
    place.output(command.stdin(std::process::Stdio::null()))
}

#[test]
fn a_writable_mount_below_a_directory_that_is_given_for_reading_is_read_only() {
    everyone(|place| {
        let inner = place.home().join("outer/inner");
        let attack = format!("{} write-readonly-submount {}", place.hostile.display(), inner.display());
        let outside = with_submount(place, &attack);
        assert_eq!(outside.status.code(), Some(0), "outside it should succeed: {}", text(&outside));
        let given =
            format!("--allow-read {} --allow-read {}", place.home().join("outer").display(), place.hostile.display());
        let line = format!("{} run {given} -- {attack}", place.palisade.display());
        let output = with_submount(place, &line);
        assert_eq!(output.status.code(), Some(10), "{}", text(&output));
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("BLOCKED create "), "{}", text(&output));
        assert!(String::from_utf8_lossy(&output.stdout).contains("EROFS"), "{}", text(&output));
    });
}

#[test]
fn a_mount_below_a_directory_that_is_given_is_seen() {
    everyone(|place| {
        let outer = place.home().join("outer");
        let run = format!("{} run --allow-read {} -- ls", place.palisade.display(), outer.display());
        let line = format!("sh -c 'touch {0}/inner/seen && {run} {0}/inner'", outer.display());
        let output = with_submount(place, &line);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "seen\n", "{}", text(&output));
    });
}

#[test]
fn a_directory_that_is_given_for_reading_is_seen_and_cannot_be_changed() {
    everyone(|place| {
        let directory = shared(place, "given");
        std::fs::write(directory.join("file"), "content").unwrap();
        let script = "cat $DIR/given/file; for a in 'touch new' 'rm file' 'mv file x' 'chmod 777 file' 'ln file l' \
                      'mkdir d' 'truncate -s0 file'; do (cd $DIR/given && $a) 2>/dev/null && echo \"$a worked\"; done; true";
        let report = place.shell_report("--allow-read $DIR/given", script);
        assert_eq!(report.stdout(), "content", "{:#}", report.json);
        assert_eq!(std::fs::read_dir(directory).unwrap().count(), 1);
    });
}

#[test]
fn a_directory_that_is_given_for_writing_is_changed_on_the_host() {
    everyone(|place| {
        let directory = shared(place, "given");
        let report = place.shell_report("--allow-write $DIR/given", "echo hello > $DIR/given/new");
        assert_eq!(report.outcome(), "exited 0", "{:#}", report.json);
        assert_eq!(std::fs::read_to_string(directory.join("new")).unwrap(), "hello\n");
    });
}

#[test]
fn what_lies_beside_a_given_path_stays_invisible() {
    everyone(|place| {
        shared(place, "given");
        place.file("beside", "secret");
        let report = place.shell_report("--allow-read $DIR/given", "ls -A $DIR; cat $DIR/given/../beside");
        assert_eq!(report.outcome(), "exited 1", "{:#}", report.json);
        assert!(!report.stdout().contains("beside") && !report.stdout().contains("secret"), "{}", report.stdout());
    });
}

#[test]
fn a_link_out_of_a_given_directory_leads_nowhere() {
    everyone(|place| {
        let directory = shared(place, "given");
        std::os::unix::fs::symlink("/etc/hostname", directory.join("link")).unwrap();
        std::os::unix::fs::symlink("../beside", directory.join("climbing")).unwrap();
        place.file("beside", "secret");
        let report = place.shell_report("--allow-read $DIR/given", "cat $DIR/given/link $DIR/given/climbing");
        assert_eq!((report.outcome().as_str(), report.stdout()), ("exited 1", ""));
    });
}

#[test]
fn a_set_user_id_bit_and_devices_in_a_given_tree_do_nothing() {
    if !need("root") {
        return;
    }
    let Some(place) = Place::new(Person::Root) else { return };
    let directory = shared(&place, "given");
    let status =
        std::process::Command::new("mknod").arg(directory.join("null")).args(["c", "1", "3"]).status().unwrap();
    assert!(status.success());
    std::fs::set_permissions(directory.join("null"), std::fs::Permissions::from_mode(0o666)).unwrap();
    let report = place.shell_report("--allow-write $DIR/given", "echo x > $DIR/given/null");
    assert_ne!(report.outcome(), "exited 0", "a device node of the host was opened: {:#}", report.json);
    place.assert_clean();
}

#[test]
fn root_of_a_rootless_container_can_run_programs() {
    // `unshare --map-root-user`, rootless podman with one id: uid 0, and setgroups denied.
    let Some(place) = Place::new(Person::Ordinary) else { return };
    let line = format!("{} run --quiet -- id -u", place.palisade.display());
    let output = with_submount_as(&place, "", &line);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1000\n", "{}", text(&output));
    place.assert_clean();
}

/// Landlock refuses writes as well, so only the mounts themselves tell whether this wall stands.
#[test]
fn every_mount_but_the_scratch_space_is_read_only_by_itself() {
    everyone(|place| {
        let report = place.report("", "/bin/cat /proc/self/mounts");
        let mounts: Vec<Vec<&str>> = report.stdout().lines().map(|line| line.split(' ').collect()).collect();
        assert!(mounts.len() > 5, "{}", report.stdout());
        for mount in mounts {
            let writable = ["/tmp", "/dev/shm"].contains(&mount[1]);
            let options: Vec<&str> = mount[3].split(',').collect();
            assert_eq!(options.contains(&"rw"), writable, "{mount:?}");
            assert!(options.contains(&"nosuid"), "{mount:?}");
        }
    });
}
