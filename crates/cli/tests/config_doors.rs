//! A repository's configuration file against what its user has closed, with programs that really look.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use common::{Place, text};
use palisade_testkit::Person;

/// What `palisade WORDS` says in the directory `repository`, whose user has a configuration and environments.
fn said(place: &Place, words: &str) -> String {
    let mut command = place.palisade(words);
    command.current_dir(place.home().join("repository"));
    command.env("XDG_CONFIG_HOME", place.home().join("own")).env("XDG_DATA_HOME", place.home().join("data"));
    text(&place.output(&mut command))
}

/// A file in the home, with its directories, that the person can read and only root can write.
fn file(place: &Place, name: &str, content: &str) {
    let path = place.home().join(name);
    for directory in path.ancestors().skip(1).take_while(|path| *path != place.home()).collect::<Vec<_>>().iter().rev()
    {
        if !directory.exists() {
            fs::create_dir(directory).unwrap();
            fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
        }
    }
    fs::write(path, content).unwrap();
}

/// An environment without packages.
fn environment(place: &Place, name: &str, profile: &str) {
    let manifest = format!("schema = \"palisade.environment/1\"\n{profile}\nlanguages = [\"python\"]\n");
    let manifest =
        format!("{manifest}path-variables = [\"PYTHONPATH\"]\n[interpreter]\ntool = \"python\"\nversion = \"3\"\n");
    file(place, &format!("data/palisade/environments/{name}/environment.toml"), &manifest);
}

#[test]
fn a_repository_cannot_show_what_the_users_environment_hides_by_choosing_another() {
    let place = &Place::new(Person::Ordinary).unwrap();
    file(place, "secret", "the secret\n");
    environment(place, "mine", "profile = \"careful\"");
    environment(place, "other", "");
    let hidden = format!("[sandbox.profiles.careful]\nhidden = [{:?}]\n", place.home().join("secret"));
    let (user, attack) = ("[sandbox]\nenv = \"mine\"\n", "[sandbox]\nallow_read = [\"../secret\"]\n");
    file(place, "own/palisade/palisade.toml", user);
    file(place, "repository/palisade.toml", attack);
    // What is asked for is shown, if nobody hides it: else the rest would show nothing.
    file(place, "own/palisade/palisade.toml", "");
    assert!(said(place, "run -- cat $DIR/secret").contains("the secret"), "{}", said(place, "run -- cat ../secret"));
    file(place, "own/palisade/palisade.toml", &format!("{user}{hidden}"));
    for more in ["", "env = \"other\"\n", "env = \"mine\"\nprofile = \"testing\"\n", "env = \"other\"\nhidden = []\n"] {
        file(place, "repository/palisade.toml", &format!("{attack}{more}"));
        let output = said(place, "run -- cat $DIR/secret");
        assert!(!output.contains("the secret") && output.contains("No such file"), "{more}: {output}");
    }
}
