//! A repository's configuration file against what its user has closed, with programs that really look.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use common::{Place, text};
use palisade_testkit::{Person, need};

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

#[test]
fn what_a_repository_calls_a_policy_is_not_shown_if_it_is_a_file_elsewhere() {
    let place = &Place::new(Person::Ordinary).unwrap();
    let secret = "TOKEN = the-secret\n";
    file(place, "secret", secret);
    file(place, "repository/own.toml", secret);
    symlink("../secret", place.home().join("repository/link.toml")).unwrap();
    let policy = |name: &str| {
        file(place, "repository/palisade.toml", &format!("[sandbox]\npolicy = [{name:?}]\n"));
        [said(place, "run -- true"), said(place, "config check"), said(place, "plan -- true")]
    };
    // A file of its own is shown where it is wrong: else nothing could be shown at all.
    assert!(policy("own.toml")[0].contains("TOKEN = the-secret"), "{:?}", policy("own.toml"));
    for name in ["link.toml", "../secret", "~/secret", "./link.toml"] {
        for output in policy(name) {
            assert!(!output.contains("the-secret") && output.contains("its text is not shown"), "{name}: {output}");
        }
    }
    // A good one elsewhere is one.
    file(place, "secret", "id = \"secret\"\nmax_time = \"9s\"\n");
    assert!(policy("link.toml")[0].contains("exit status: 0"), "{:?}", policy("link.toml"));
}

#[test]
fn a_repository_cannot_feign_a_second_message() {
    let place = &Place::new(Person::Ordinary).unwrap();
    for line in [
        r#"policy = ["x\nerror: all is lost"]"#,
        r#"policy = ["./x\nerror: all is lost"]"#,
        r#"env = "x\nerror: all is lost""#,
        r#"profile = "x\nerror: all is lost""#,
        r#"allow_read = ["x\nerror: all is lost"]"#,
        r#"workspace = "x\nerror: all is lost""#,
        r#"environment = { "x=\nerror: all is lost" = "1" }"#,
        r#"languages = { "x\nerror: all is lost" = {} }"#,
    ] {
        file(place, "repository/palisade.toml", &format!("[sandbox]\n{line}\n"));
        for words in ["config check", "run -- true", "config show"] {
            let output = said(place, words);
            assert!(!output.contains("\nerror: all is lost"), "{words}: {line}: {output}");
        }
    }
}

#[test]
fn a_program_that_may_change_the_home_cannot_change_what_its_next_run_may_do() {
    let place = &Place::new(Person::Root).unwrap();
    environment(place, "mine", "");
    file(place, "repository/note", "");
    for name in ["own/palisade/palisade.toml", "own/palisade/languages/x.toml", "own/palisade/policies/p.toml"] {
        file(place, name, "");
    }
    let home = place.home().display().to_string();
    file(place, "outside.txt", "");
    let script = format!(
        "cd {home}; for d in own/palisade own/palisade/languages own/palisade/policies data/palisade/environments/mine; do \
         echo x >>$d/new.toml; for f in $d/*.toml; do echo x >>$f; done; mv $d $d.old; done; echo x >>outside.txt"
    );
    file(place, "attack.sh", &script);
    let output = said(place, "run --allow-write $DIR -- sh $DIR/attack.sh");
    let written = |name: &str| !fs::read_to_string(place.home().join(name)).unwrap().is_empty();
    assert!(written("outside.txt"), "the home itself can be written: {output}");
    let empty = ["own/palisade/palisade.toml", "own/palisade/languages/x.toml", "own/palisade/policies/p.toml"];
    assert!(!empty.into_iter().any(written), "{output}");
    let manifest = fs::read_to_string(place.home().join("data/palisade/environments/mine/environment.toml")).unwrap();
    assert!(!manifest.contains('x'), "{manifest}");
    assert!(!place.home().join("own/palisade/languages/new.toml").exists(), "{output}");
}

#[test]
fn a_limit_of_a_language_is_below_the_ceiling() {
    if !need("python") {
        return;
    }
    let place = &Place::new(Person::Ordinary).unwrap();
    let ask = "[sandbox.languages.python]\nmemory_limit = \"9G\"\nprocess_limit = 900\n";
    file(place, "repository/palisade.toml", ask);
    file(place, "repository/a.py", "print('ran')\n");
    let ceiling = place.home().join("c.toml");
    let under = |mode: &str, words: &str| {
        file(place, "c.toml", &format!("mode = \"{mode}\"\n[maxima]\nmemory = \"64M\"\n"));
        let mut command = place.palisade(words);
        command.current_dir(place.home().join("repository")).env("PALISADE_CEILING", &ceiling);
        text(&place.output(command.env("XDG_CONFIG_HOME", place.home().join("own"))))
    };
    assert!(said(place, "plan a.py").contains("9 GiB memory, 900 processes"), "{}", said(place, "plan a.py"));
    let plan = under("clamp", "plan a.py");
    assert!(plan.contains("64 MiB memory, 900 processes") && !plan.contains("9 GiB memory"), "{plan}");
    let run = under("clamp", "run a.py");
    assert!(run.contains("lowered: memory 9 GiB to 64 MiB") && run.contains("stdout: ran"), "{run}");
    let show = under("clamp", "config show");
    let row = show.lines().find(|line| line.contains("languages.python.memory_limit")).unwrap();
    assert!(row.contains("64 MiB") && row.contains("ceiling "), "{row}");
    for words in ["run a.py", "plan a.py", "run --language py a.py", "config show"] {
        let refused = under("refuse", words);
        assert!(
            refused.contains("memory: asked 9 GiB, allowed 64 MiB") && !refused.contains("ran"),
            "{words}: {refused}"
        );
    }
}
