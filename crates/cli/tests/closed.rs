//! Directories that a program closes, or that are closed to whoever looks: what is in them stays hidden and kept.
//!
//! A program may change the mode of a directory that it may write, and what plans its next run cannot look into it then.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{PermissionsExt as _, chown, symlink},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use common::{Place, everyone, text};
use palisade_testkit::{Person, need};

/// A file of this person's in the home, with its directories, which everybody may look into.
fn file(place: &Place, name: &str, content: &str) -> PathBuf {
    let path = place.home().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    own(place, &path, place.seat.uid());
    path
}

/// Gives everything from below the home down to `path` to somebody.
fn own(place: &Place, path: &Path, user: u32) {
    for path in path.ancestors().take_while(|path| *path != place.home()) {
        chown(path, Some(user), Some(user)).unwrap();
    }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn credentials_stay_hidden_in_a_directory_that_an_earlier_run_has_closed() {
    everyone(|place| {
        let secret = file(place, ".config/gh/hosts.yml", "secret");
        let config = place.home().join(".config");
        let listener = UnixListener::bind(config.join("socket")).unwrap();
        mode(&config.join("socket"), 0o777);
        let options = "--no-config --allow-write $DIR/.config --allow-read $DIR";
        let outside = fs::read_to_string(&secret).unwrap();
        assert_eq!(outside, "secret");
        let first = place.shell_report(options, "chmod 0 $DIR/.config && echo closed");
        assert_eq!(first.stdout(), "closed\n", "{:#}", first.json);
        let attack = "chmod 755 $DIR/.config; cat $DIR/.config/gh/hosts.yml; $H unix-connect $DIR/.config/socket >/dev/null; echo $?";
        let second = place.shell_report(options, attack);
        assert_eq!(second.stdout(), "10\n", "{:#}", second.json);
        drop(listener);
    });
}

#[test]
fn configuration_in_a_directory_that_an_earlier_run_has_closed_is_neither_overlooked_nor_changed() {
    everyone(|place| {
        let own = file(place, ".config/palisade/palisade.toml", "[sandbox]\nhidden = ['/etc/os-release']\n");
        let run = |options: &str, script: &str| {
            let mut command = place.shell(&format!("--quiet --allow-write $DIR {options}"), script);
            place.output(command.env_remove("XDG_CONFIG_HOME").current_dir(place.home()))
        };
        let first = run("", "chmod 0 $DIR/.config && echo closed");
        assert_eq!(String::from_utf8_lossy(&first.stdout), "closed\n", "{}", text(&first));
        let attack =
            format!("chmod 755 $DIR/.config; echo '# changed' >>{0} || echo held; cat /etc/os-release", own.display());
        let second = run("", &attack);
        // Root looks where it likes.
        if place.person == Person::Ordinary {
            assert_eq!((second.status.code(), second.stdout.len()), (Some(125), 0), "{}", text(&second));
            let hint = format!("hint: chmod u+rx {}", place.home().join(".config").display());
            assert!(text(&second).contains("is your own directory, and closed") && text(&second).contains(&hint));
        } else {
            assert_eq!(String::from_utf8_lossy(&second.stdout), "held\n", "{}", text(&second));
            mode(&place.home().join(".config"), 0o000);
        }
        let third = run("--no-config", &attack);
        assert!(third.stdout.starts_with(b"held\n"), "{}", text(&third));
        assert!(!fs::read_to_string(&own).unwrap().contains("changed"));
    });
}

#[test]
fn a_closed_directory_is_not_opened_by_another_name_that_is_writable() {
    if !need("root") {
        return;
    }
    let Some(place) = Place::new(Person::Root) else { return };
    let secret = file(&place, "around/work/closed/secret", "secret");
    own(&place, &secret, 1234);
    let closed = secret.parent().unwrap();
    symlink(closed.parent().unwrap(), place.home().join("link")).unwrap();
    let script = "chmod 755 $DIR/link/closed; cat $DIR/around/work/closed/secret $DIR/link/closed/secret";
    let options = "--allow-write $DIR/link --allow-read $DIR/around";
    mode(closed, 0o700);
    let seen = place.shell_report(options, script);
    assert_eq!(seen.stdout(), "secretsecret", "where it is not hidden, it is opened: {:#}", seen.json);
    mode(closed, 0o700);
    let options = format!("{options} --hide {}", secret.display());
    let output = place.output(&mut place.shell(&options, script));
    assert_eq!((output.status.code(), output.stdout.len()), (Some(125), 0), "{}", text(&output));
    assert!(text(&output).contains("hint: it is in a closed directory of a writable tree"), "{}", text(&output));
    place.assert_clean();
}
