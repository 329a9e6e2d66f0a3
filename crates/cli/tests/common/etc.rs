//! A host whose `/etc/palisade` is a test's own, in a mount namespace, so that the real one stays as it is.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use palisade_testkit::Person;

use super::Place;

/// Runs `palisade` where `/etc/palisade` is what this script makes of it, for this command alone. Needs root.
pub(crate) fn in_etc(place: &Place, setup: &str, words: &str, further: Option<&Path>) -> Output {
    let mount = place.home().join("etc");
    std::fs::create_dir_all(&mount).unwrap();
    let script = format!(
        "set -e; umask 022; mount -t tmpfs t {0}; mkdir {0}/u {0}/w; mount -t overlay o -o lowerdir=/etc,upperdir={0}/u,workdir={0}/w /etc\n\
         rm -rf /etc/palisade; mkdir -p /etc/palisade/policies; cd /etc/palisade\n{setup}\ncd {1}\nexec \"$@\"",
        mount.display(),
        place.home().display()
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script, "sh"]);
    if place.person == Person::Ordinary {
        let id = place.seat.uid();
        command.args([format!("--reuid={id}"), format!("--regid={id}"), "--clear-groups".to_owned()]);
        let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        command = Command::new("unshare");
        command.args(&args[..5]).arg("setpriv").args(&args[5..]);
    }
    command.arg(&place.palisade).args(place.palisade(words).get_args());
    command.current_dir(place.home()).env("HOME", place.home()).env("PALISADE_TEST", place.token());
    command.env("XDG_CONFIG_HOME", place.home().join("config")).env_remove("PALISADE_CEILING");
    if let Some(further) = further {
        command.env("PALISADE_CEILING", further);
    }
    place.output(command.stdin(Stdio::null()))
}
