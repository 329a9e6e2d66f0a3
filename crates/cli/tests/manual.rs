//! The console blocks of README.md and docs/*.md are run, and must print what they say.
//!
//! In a ```` ```console ```` block, a line `$ COMMAND` is given to `sh` in the repository's root directory, with this
//! build's `palisade` first on PATH. The lines below it are its standard output (write `2>&1` to show errors). `...`
//! stands for any text; alone on a line, for any lines. ```` ```console needs=node,java ```` names what the host must
//! have, as `palisade_testkit::need` knows it. Blocks that must not run are ```` ```text ````.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests: the helpers too")]

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use palisade_testkit::{Engine, Person, need};

/// A command of a page, and what it prints.
struct Example {
    line: usize,
    command: String,
    output: Vec<String>,
    needs: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn examples(text: &str) -> Vec<Example> {
    let mut all: Vec<Example> = Vec::new();
    let mut needs: Option<Vec<String>> = None;
    for (index, line) in text.lines().enumerate() {
        if let Some(list) = &needs {
            if line == "```" {
                needs = None;
            } else if let Some(command) = line.strip_prefix("$ ") {
                let (command, needs) = (command.to_owned(), list.clone());
                all.push(Example { line: index + 1, command, output: Vec::new(), needs });
            } else {
                all.last_mut().expect("a block begins with a command").output.push(line.to_owned());
            }
        } else if let Some(rest) = line.strip_prefix("```console") {
            let list = rest.trim().strip_prefix("needs=").unwrap_or_default();
            needs = Some(list.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect());
        }
    }
    assert!(needs.is_none(), "a block is not closed");
    all
}

/// Whether `text` is what `pattern` says, where `...` stands for anything.
fn line_matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once("...") {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices()
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| rest.get(at..).is_some_and(|rest| line_matches(after, rest)))
        }),
    }
}

fn lines_match(pattern: &[&str], text: &[&str]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, _) => text.is_empty(),
        (Some((&"...", rest)), _) => (0..=text.len()).any(|skipped| lines_match(rest, &text[skipped..])),
        (Some((first, rest)), Some((line, lines))) => line_matches(first, line) && lines_match(rest, lines),
        (Some(_), None) => false,
    }
}

fn path_with(palisade: &Path) -> OsString {
    let own = palisade.parent().unwrap().to_owned();
    let rest = env::var_os("PATH").unwrap_or_default();
    env::join_paths([own].into_iter().chain(env::split_paths(&rest))).unwrap()
}

/// Runs every example of a page in order, and tells of all that went wrong.
fn check(page: &str) {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let settings = tempfile::tempdir().unwrap();
    let path = path_with(Path::new(env!("CARGO_BIN_EXE_palisade")));
    let mut failures = Vec::new();
    let examples = examples(&text);
    // Engines of the test's own, as long as it takes.
    let wanted = ["docker", "podman"].into_iter();
    let wanted = wanted.filter(|name| examples.iter().any(|example| example.needs.iter().any(|need| need == name)));
    let engines: Vec<Engine> = wanted.filter_map(|name| Engine::start(name, Person::Root).unwrap()).collect();
    for example in examples {
        if !example.needs.iter().all(|feature| need(feature)) {
            continue;
        }
        let output = Command::new("sh")
            .args(["-c", &example.command])
            .current_dir(root())
            .env("PATH", &path)
            .env("XDG_CONFIG_HOME", settings.path())
            .env("PALISADE_ENVIRONMENTS", settings.path().join("environments"))
            .envs(engines.iter().map(Engine::variable))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        let seen: Vec<&str> = printed.lines().collect();
        let wanted: Vec<&str> = example.output.iter().map(String::as_str).collect();
        if !lines_match(&wanted, &seen) {
            failures.push(format!(
                "{page}:{}: $ {}\n--- the page says\n{}\n--- it printed\n{}\n--- and on standard error\n{}",
                example.line,
                example.command,
                wanted.join("\n"),
                printed.trim_end(),
                String::from_utf8_lossy(&output.stderr).trim_end(),
            ));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}

/// One test for each page, and the list of them.
macro_rules! pages {
    ($($test:ident: $page:literal,)+) => {
        const PAGES: &[&str] = &[$($page),+];
        $(#[test]
        fn $test() {
            check($page);
        })+
    };
}

pages! {
    the_readme_prints_what_it_says: "README.md",
    running_prints_what_it_says: "docs/running.md",
    testing_prints_what_it_says: "docs/testing.md",
    sessions_prints_what_it_says: "docs/repl.md",
    configuration_prints_what_it_says: "docs/configuration.md",
    profiles_prints_what_it_says: "docs/profiles.md",
    limits_prints_what_it_says: "docs/limits.md",
    library_prints_what_it_says: "docs/library.md",
    policy_prints_what_it_says: "docs/policy.md",
    files_prints_what_it_says: "docs/files.md",
    policies_prints_what_it_says: "docs/policies.md",
    report_prints_what_it_says: "docs/report.md",
    languages_prints_what_it_says: "docs/languages.md",
    environments_prints_what_it_says: "docs/environments.md",
    cgroups_prints_what_it_says: "docs/cgroups.md",
    backends_prints_what_it_says: "docs/backends.md",
    images_prints_what_it_says: "docs/images.md",
    doctor_prints_what_it_says: "docs/doctor.md",
    terminal_prints_what_it_says: "docs/terminal.md",
    advise_prints_what_it_says: "docs/advise.md",
    validator_prints_what_it_says: "docs/validator.md",
    bench_prints_what_it_says: "docs/bench.md",
    attacks_prints_what_it_says: "docs/attacks.md",
    pools_prints_what_it_says: "docs/pool.md",
    performance_prints_what_it_says: "docs/performance.md",
}

#[test]
fn every_page_of_the_manual_is_tested() {
    let entries = fs::read_dir(root().join("docs")).unwrap();
    for entry in entries {
        let name = format!("docs/{}", entry.unwrap().file_name().to_string_lossy());
        if name.ends_with(".md") {
            assert!(PAGES.contains(&name.as_str()), "{name} has no test: add it to `pages!` in {}", file!());
        }
    }
}

/// `FILE.rs: TEST` or, after one of those, `TEST` alone, in backquotes.
#[test]
fn the_tests_that_the_security_page_names_exist() {
    let text = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let mut sources = String::new();
    for package in ["cli", "palisade", "sys", "testkit"] {
        for entry in fs::read_dir(root().join("crates").join(package).join("tests")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                let source = fs::read_to_string(&path).unwrap();
                sources.extend(source.lines().filter_map(|line| {
                    let test = line.trim_start().strip_prefix("fn ")?.split('(').next()?;
                    Some(format!("{name}: {test}\n"))
                }));
            }
        }
    }
    let mut missing = Vec::new();
    for row in text.lines().filter(|line| line.starts_with('|')) {
        let mut file = "";
        for word in row.rsplit(" | ").next().unwrap_or_default().split('`').skip(1).step_by(2) {
            let test = match word.split_once(": ") {
                Some((name, test)) => {
                    file = name;
                    test
                }
                None if word.contains('.') || file.is_empty() => continue,
                None => word,
            };
            let named = format!("{file}: {test}");
            if !sources.lines().any(|line| line == named) {
                missing.push(named);
            }
        }
    }
    assert!(missing.is_empty(), "SECURITY.md names tests that are not there: {missing:#?}");
}

#[test]
fn three_dots_stand_for_any_text_or_any_lines() {
    assert!(line_matches("took ... ms", "took 1.5 ms"));
    assert!(line_matches("...", ""));
    assert!(!line_matches("took ... ms", "took 1.5 s"));
    assert!(lines_match(&["a", "...", "d"], &["a", "b", "c", "d"]));
    assert!(lines_match(&["a", "...", "d"], &["a", "d"]));
    assert!(!lines_match(&["a", "...", "d"], &["a", "d", "e"]));
    assert!(!lines_match(&["a", "b"], &["a"]));
}

#[test]
fn blocks_of_other_kinds_are_left_alone() {
    let page = "```text\n$ no\n```\n```console needs=go\n$ echo a\na\n$ echo b\n```\n";
    let all = examples(page);
    assert_eq!(all.iter().map(|one| one.command.as_str()).collect::<Vec<_>>(), ["echo a", "echo b"]);
    assert_eq!((all[0].output.as_slice(), all[0].line), (["a".to_owned()].as_slice(), 5));
    assert_eq!(all[1].needs, ["go"]);
}
