//! Limits of single languages in configuration files: who goes before whom, and that a project opens nothing unseen.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

#[path = "common/files.rs"]
mod files;

use std::path::Path;

use files::{Files, named, row};
use palisade::{
    config::{Said, Settings, Settled, Word},
    spec::Bytes,
};
use proptest::prelude::*;

/// MiB of memory that a Python program, a Java program and a command may have.
fn memory(settled: &Settled) -> [Option<u64>; 3] {
    let mib = |memory: Option<Bytes>| memory.map(|memory| memory.0 >> 20);
    let of = |file: &str| mib(settled.policy_of(Path::new(file), None).limits.memory);
    [of("a.py"), of("A.java"), mib(settled.policy.limits.memory)]
}

/// A table that says this of all programs, and this of those in Python.
fn says(all: Option<u64>, python: Option<u64>) -> String {
    let line = |mib: Option<u64>| mib.map(|mib| format!("memory_limit = '{mib}M'\n")).unwrap_or_default();
    format!("[sandbox]\n{}[sandbox.languages.python]\n{}", line(all), line(python))
}

fn by_caller(mib: u64) -> Settings {
    let mut caller = Settings::default();
    caller.memory_limit = Some(Said::by_caller(Word(Bytes::mib(mib))));
    caller
}

#[test]
fn the_nearer_source_goes_first_and_within_one_the_language() {
    let user = says(Some(200), Some(300));
    for (project, wanted) in [
        ("", [Some(300), Some(200), Some(200)]),
        (&*says(Some(20), Some(30)), [Some(30), Some(20), Some(20)]),
        (&*says(Some(20), None), [Some(20), Some(20), Some(20)]),
        (&*says(None, Some(30)), [Some(30), Some(200), Some(200)]),
        ("[sandbox.languages.java]\nmemory_limit = '40M'\n", [Some(300), Some(40), Some(200)]),
    ] {
        let files = Files::new(project, &user, "");
        assert_eq!(memory(&files.settled()), wanted, "{project}");
        assert_eq!(memory(&files.settle(&by_caller(7)).unwrap()), [Some(7); 3], "an option goes before all of them");
    }
    assert_eq!(memory(&Files::new(&says(None, Some(30)), "", "").settled()), [Some(30), None, None]);
}

#[test]
fn each_limit_is_a_key_of_its_own_and_is_shown_where_it_holds() {
    let project = "[sandbox.languages.python]\nprocess_limit = 9\n";
    let files = Files::new(project, &says(Some(200), Some(300)), "");
    let settled = files.settled();
    let at = |place: &str, line: u32| format!("{}:{line}", files.path(place).join("palisade.toml").display());
    assert_eq!(row(&settled, "languages.python.process_limit"), format!("9 ({})", at("project", 2)));
    assert_eq!(row(&settled, "languages.python.memory_limit"), format!("300 MiB ({})", at("user", 4)));
    assert_eq!(row(&settled, "memory_limit"), format!("200 MiB ({})", at("user", 2)));
    assert_eq!(settled.policy_of(Path::new("x"), Some("py")).limits.processes, Some(9), "by its other name too");
    assert_eq!(settled.policy_of(Path::new("a.py"), Some("java")).limits.processes, None);
    assert_eq!(settled.policy_of(Path::new("a.nothing"), None), settled.policy);
    // What an option says of all programs is shown once.
    let keys: Vec<String> = files.settle(&by_caller(7)).unwrap().rows().into_iter().map(|row| row.key).collect();
    assert!(keys.contains(&"languages.python.process_limit".to_owned()));
    assert!(!keys.contains(&"languages.python.memory_limit".to_owned()), "{keys:?}");
}

#[test]
fn a_profile_has_limits_of_languages_too_and_stands_where_it_always_does() {
    let profile =
        "[sandbox.profiles.p]\nextends = 'testing'\n[sandbox.profiles.p.languages.python]\nmemory_limit = '50M'\n";
    let files = Files::new(profile, &says(Some(200), Some(300)), "");
    assert_eq!(memory(&files.settle(&named("p")).unwrap()), [Some(50), Some(500), Some(500)]);
    assert_eq!(memory(&files.settle(&named("testing")).unwrap()), [Some(500); 3], "a nearer profile says it of all");
}

#[test]
fn a_project_cannot_raise_a_limit_through_a_language_unseen_or_under_a_sealed_profile() {
    let told = |project: &str, user: &str| Files::new(project, user, "").settled().notices.join("\n");
    assert!(told(&says(None, Some(900)), &says(Some(200), None)).contains("higher limits than your own"));
    assert!(told(&says(None, Some(900)), &says(None, Some(200))).contains("higher limits than your own"));
    assert!(told(&says(Some(900), None), &says(Some(999), Some(200))).contains("higher limits than your own"));
    assert_eq!(told(&says(None, Some(100)), &says(Some(200), None)), "");
    // One that the user's profile says, which the project's displaces.
    let mine = "[sandbox]\nprofile = 'mine'\n[sandbox.profiles.mine.languages.python]\nmemory_limit = '20M'\n";
    assert!(told("[sandbox]\nprofile = 'testing'\n", mine).contains("higher limits than your own"));
    for sealed in ["agent", "judge"] {
        let with = Files::new(&says(None, Some(9000)), "", "").settle(&named(sealed)).unwrap();
        let without = Files::new("", "", "").settle(&named(sealed)).unwrap();
        assert_eq!(memory(&with), memory(&without), "{sealed}");
    }
}

#[test]
fn a_language_that_nobody_knows_is_a_mistake_where_it_stands() {
    for (name, instead) in [("pyhton", "did you mean `python`?"), ("'c++'", "write `cpp`"), ("''", "there are: python")]
    {
        for table in ["sandbox", "sandbox.profiles.unused"] {
            let files = Files::new(&format!("\n[{table}.languages.{name}]\nmemory_limit = '9M'\n"), "", "");
            let error = files.settle(&Settings::default()).unwrap_err().to_string();
            assert!(error.contains(instead) && error.contains("palisade.toml:2:"), "{error}");
        }
    }
    for (line, instead) in [
        ("network = 'allow-all'", "it belongs into [sandbox]"),
        ("memory_limt = '9M'", "did you mean `memory_limit`?"),
        ("memory_limit = '1M'", "give at least \"4M\""),
    ] {
        let error = Files::new(&format!("[sandbox.languages.c]\n{line}\n"), "", "").settle(&Settings::default());
        let error = error.unwrap_err().to_string();
        assert!(error.contains(instead) && error.contains("palisade.toml:2:"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Not by the type's own idea of order: source by source, and in each the language before the rest.
    #[test]
    fn the_first_that_says_anything_of_a_program_decides(
        said in proptest::collection::vec((proptest::option::of(5u64..99), proptest::option::of(5u64..99)), 3)
    ) {
        let texts: Vec<String> = said.iter().map(|(all, python)| says(*all, *python)).collect();
        let settled = Files::new(&texts[0], &texts[1], &texts[2]).settled();
        let python = said.iter().find_map(|(all, python)| python.or(*all));
        let all = said.iter().find_map(|(all, _)| *all);
        prop_assert_eq!(memory(&settled), [python, all, all]);
    }
}
