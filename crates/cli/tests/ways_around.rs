//! Other names of what is not shown with the whole of the host's files, and names that hide nothing.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::{
    fs::{self, Permissions},
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            fs::{PermissionsExt as _, chown, symlink},
            net::{SocketAddr, UnixListener},
        },
    },
    process::Stdio,
};

use common::{Place, everyone, text};
use palisade_testkit::{Person, need};
use tempfile::TempDir;

fn elsewhere(place: &Place) -> TempDir {
    let directory = tempfile::Builder::new().prefix("palisade-ways-").tempdir_in("/var/tmp").unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    chown(directory.path(), Some(place.seat.uid()), None).unwrap();
    directory
}

#[test]
fn what_is_left_out_of_the_host_has_no_other_name_either() {
    if !need("root") {
        return;
    }
    let Some(place) = Place::new(Person::Root) else { return };
    let around = elsewhere(&place);
    let root = around.path().display().to_string();
    for name in ["proc", "run", "home"] {
        fs::create_dir(around.path().join(name)).unwrap();
    }
    let key = place.home().join(".kube");
    fs::create_dir(&key).unwrap();
    fs::write(key.join("config"), "secret").unwrap();
    for (path, mode) in [(place.home(), 0o755), (&key, 0o755)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    let mark = format!("/run/{}", place.token());
    fs::write(&mark, "of /run").unwrap();
    let mount = format!(
        "mount -t proc proc {root}/proc && mount --bind /run {root}/run && mount --bind {} {root}/home",
        place.home().display()
    );
    let look = format!("cat {root}/home/.kube/config {root}/run/{}; ls {root}/proc; echo end", place.token());
    let run = |line: &str| {
        let script = format!("{mount} && exec {line} /bin/sh -c '{look}'");
        let mut command = place.seat.command("unshare");
        command.args(["--mount", "sh", "-c", &script]).env("PALISADE_TEST", place.token());
        let output = place.output(command.env("HOME", place.home()).stdin(Stdio::null()));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let outside = run("");
    assert!(outside.starts_with("secretof /run") && outside.contains("cpuinfo"), "{outside}");
    let palisade = place.palisade.display();
    assert_eq!(run(&format!("{palisade} run --quiet --filesystem read-only --")), "end\n");
    let said = run(&format!("{palisade} run --quiet --allow-read {root}/home --"));
    assert_eq!(said, "end\n", "a home by another name");
    let said = run(&format!("{palisade} run --quiet --filesystem read-only --allow-read {root}/run --"));
    assert_eq!(said, "of /runend\n", "what is named is shown");
    fs::remove_file(mark).unwrap();
    place.assert_clean();
}

#[test]
fn a_socket_that_is_called_like_a_directory_hides_nothing() {
    everyone(|place| {
        for name in ["/usr", "x /usr"] {
            let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap();
            let report = place.shell_report("--filesystem read-only", "echo -n hi");
            assert_eq!(report.stdout(), "hi", "{:#}", report.json);
        }
    });
}

#[test]
fn what_cannot_be_hidden_is_refused_with_a_reason_and_what_is_not_there_is_none() {
    everyone(|place| {
        symlink("loop", place.home().join("loop")).unwrap();
        symlink("missing", place.home().join("dangling")).unwrap();
        for (path, said) in [
            ("/proc/cpuinfo", "are the sandbox's own"),
            ("/dev/null", "are the sandbox's own"),
            ("$DIR/loop", "lead nowhere but to each other"),
        ] {
            let output = place.output(&mut place.run(&format!("--allow-read $DIR --hide {path}"), "/bin/true"));
            assert_eq!(output.status.code(), Some(125), "{path}: {}", text(&output));
            assert!(text(&output).contains(said), "{path}: {}", text(&output));
        }
        let report = place.report("--allow-read $DIR --hide $DIR/dangling", "/bin/true");
        assert_eq!(report.outcome(), "exited 0", "{:#}", report.json);
    });
}

#[test]
fn a_part_of_hidden_credentials_is_not_left_out_in_silence() {
    everyone(|place| {
        let home = elsewhere(place);
        let keys = home.path().join(".kube");
        fs::create_dir(&keys).unwrap();
        fs::write(keys.join("config"), "secret").unwrap();
        let run = |named: &str| {
            let line = format!("--filesystem read-only --allow-read {named}");
            let mut command = place.run(&line, &format!("cat {}/config", keys.display()));
            place.output(command.env("HOME", home.path()))
        };
        let part = run(&format!("{}/config", keys.display()));
        assert_eq!(part.status.code(), Some(125), "{}", text(&part));
        assert!(text(&part).contains("itself with --allow-read"), "{}", text(&part));
        let whole = run(&keys.display().to_string());
        assert_eq!(String::from_utf8_lossy(&whole.stdout), "secret", "{}", text(&whole));
    });
}
