//! `palisade config check` calls bad what a run would refuse, and says where it stands and what to write.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use common::{Place, text};
use palisade_testkit::Person;

/// What `palisade WORDS` says, and its exit status.
fn said(place: &Place, words: &str) -> (String, Option<i32>) {
    let output = place.output(place.palisade(words).env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME"));
    (text(&output), output.status.code())
}

/// The mistakes of a file, each with its place, and what is written below it.
fn mistakes(place: &Place, file: &str) -> String {
    place.file("palisade.toml", file);
    let (check, status) = said(place, "config check");
    assert_eq!(status, Some(125), "{file}: {check}");
    check
}

#[test]
fn what_a_run_would_refuse_is_bad_where_it_stands() {
    let place = Place::new(Person::Ordinary).unwrap();
    for (line, message, remedy) in [
        ("env = \"../../x\"", "`../../x` cannot name an environment", "`palisade env list` shows them"),
        ("env = \"\"", "cannot name an environment: it is empty", "`palisade env list` shows them"),
        ("environment = { \"A=B\" = \"1\" }", "`A=B` cannot be a variable", "must not be empty or contain `=`"),
        ("environment = { \"\" = \"1\" }", "`` cannot be a variable", "must not be empty or contain `=`"),
        ("environment = { A = \"\\u0000\" }", "`A` cannot be a variable", "no part a NUL byte"),
        ("memory_limit = \"1M\"", "1 MiB is less than 4 MiB", "give at least \"4M\""),
        ("descriptor_limit = 7", "7 is less than 8", "give at least 8"),
        ("tmp_inodes = 7", "7 is less than 8", "give at least 8"),
        (
            "allow_read = [\"~bob/x\"]",
            "`~bob/x`: only your own home has a short name",
            "a file of this very name is ./~",
        ),
        ("workspace = \"~bob\"", "`~bob`: only your own home has a short name", "a file of this very name is ./~"),
        ("policy = [\"~bob/p.toml\"]", "`~bob/p.toml`: only your own home", "a file of this very name is ./~"),
    ] {
        for table in ["[sandbox]", "[sandbox.profiles.mine]"] {
            let check = mistakes(&place, &format!("{table}\n{line}\n"));
            assert!(check.contains(message) && check.contains(remedy), "{line}: {check}");
            assert!(check.contains(" --> palisade.toml:2:"), "{line}: {check}");
            let (run, status) = said(&place, "run -- true");
            assert_eq!((run, status), (check, Some(125)), "a run says the same: {line}");
        }
    }
}

#[test]
fn every_mistake_of_a_table_is_told_at_once() {
    let place = Place::new(Person::Ordinary).unwrap();
    let check = mistakes(&place, "[sandbox]\nmemory_limit = \"1M\"\nenv = \"-x\"\n");
    assert!(check.contains("palisade.toml:2:16") && check.contains("palisade.toml:3:7"), "{check}");
}

#[test]
fn a_policy_that_is_not_there_is_bad_wherever_it_is_named() {
    let place = Place::new(Person::Ordinary).unwrap();
    for table in ["[sandbox]", "[sandbox.profiles.unused]"] {
        let check = mistakes(&place, &format!("{table}\npolicy = [\"strict\", \"jugde\"]\n"));
        assert!(check.contains("there is no policy `jugde`") && check.contains("did you mean `judge`?"), "{check}");
        assert!(check.contains(" --> palisade.toml:2:10"), "{check}");
    }
    let check = mistakes(&place, "[sandbox]\npolicy = [\"own.toml\"]\n");
    assert!(check.contains("own.toml: entity not found") && check.contains("palisade.toml:2:10"), "{check}");
    place.file("own.toml", "id = \"own\"\nmax_tme = \"1s\"\n");
    let check = mistakes(&place, "[sandbox]\npolicy = [\"own.toml\"]\n");
    assert!(check.contains("own.toml is malformed") && check.contains("palisade policy check "), "{check}");
    place.file("own.toml", "id = \"own\"\n");
    assert_eq!(said(&place, "config check").1, Some(0));
}

#[test]
fn what_may_come_to_be_later_is_a_warning() {
    let place = Place::new(Person::Ordinary).unwrap();
    place.file("palisade.toml", "[sandbox]\nenv = \"numbers\"\nallow_read = [\"data\", \"./~odd\"]\n");
    let (check, status) = said(&place, "config check");
    assert_eq!(status, Some(0), "{check}");
    assert!(check.contains("warning: palisade.toml:2: there is no environment `numbers`"), "{check}");
    assert!(check.contains("warning: palisade.toml:3: allow_read: ") && check.contains("/~odd: "), "{check}");
}

#[test]
fn a_home_that_nobody_knows_is_no_directory_of_the_project() {
    let place = Place::new(Person::Ordinary).unwrap();
    place.file("palisade.toml", "[sandbox]\nhidden = [\"~/secrets\"]\n");
    for home in ["", "relative"] {
        let output = place.output(place.palisade("run -- true").env_remove("XDG_CONFIG_HOME").env("HOME", home));
        assert_eq!(output.status.code(), Some(125));
        assert!(text(&output).contains("nobody knows what `~` is"), "{}", text(&output));
    }
}

#[test]
fn a_key_in_the_wrong_table_is_told_where_it_belongs() {
    let place = Place::new(Person::Ordinary).unwrap();
    for (file, instead) in [
        ("[sandbox.profiles.x]\nprofile = \"testing\"\n", "^^^^^^^ a profile stands on another with `extends`"),
        ("[sandbox]\nextends = \"testing\"\n", "choose one with `profile`"),
        ("memory_limit = \"1G\"\n", "it belongs into [sandbox]"),
        ("[cost]\nprofile = \"testing\"\n", "it belongs into [sandbox]"),
        ("time = 5\n", "it belongs into [cost]"),
        ("[sandbox]\nmemory = \"1G\"\n", "did you mean `memory_limit`?"),
    ] {
        let check = mistakes(&place, file);
        assert!(check.contains(instead), "{file}: {check}");
    }
}

#[test]
fn a_hidden_path_that_is_not_there_is_told_and_a_broken_ceiling_is_bad() {
    let place = Place::new(Person::Ordinary).unwrap();
    place.file("palisade.toml", "[sandbox]\nhidden = [\"secrts\"]\n");
    let (check, status) = said(&place, "config check");
    assert!(check.contains("secrts: nothing is there") && check.contains(": good"), "{check}");
    assert_eq!(status, Some(0));
    let ceiling = place.file("bad.toml", "nonsense = 1\n");
    let mut command = place.palisade("config check");
    let output = place.output(command.env("PALISADE_CEILING", &ceiling));
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output).contains("bad.toml:1"), "{}", text(&output));
}
