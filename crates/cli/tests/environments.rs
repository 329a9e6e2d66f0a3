//! Environments: what they give to programs, where they are kept, what is refused.
//!
//! Not here: their packages (`env_packages.rs`), their archives and locks (`env_archives.rs`).
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;
#[path = "common/environments.rs"]
mod kept;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use common::{Place, everyone, text};
use kept::{assert_refused, has, in_store, output, palisade, refused, said, store, write};
use palisade_testkit::need;

#[test]
fn directories_and_variables_are_an_environment_too_and_compilers_see_them() {
    if !need("gcc") {
        return;
    }
    everyone(|place| {
        write(&place.home().join("include/word.h"), "#define WORD \"hello\"\n");
        if place.seat.uid() == 0 {
            // Root's programs are nobody's, and have to be able to read the copy.
            let private = fs::Permissions::from_mode(0o700);
            fs::set_permissions(place.home().join("include"), private).unwrap();
        }
        said(place, "env create c --lang c --path include --setenv CPATH=/env/path/1");
        place.file(
            "a.c",
            "#include <stdio.h>\n#include <stdlib.h>\n#include <word.h>\n\
                           int main(void) { puts(WORD); puts(getenv(\"PALISADE_PATH\")); return 0; }\n",
        );
        assert_eq!(said(place, "run --quiet --env c a.c"), "hello\n/env/path/1\n");
        // For any language, and any command.
        said(place, "env create any --path include --setenv A=B");
        let mut command = palisade(place, "run --quiet --env any --setenv A=C -- sh -c");
        let output = place.output(command.arg("echo $A $PALISADE_PATH; cat $PALISADE_PATH/word.h"));
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "C /env/path/1\n#define WORD \"hello\"\n",
            "{}",
            text(&output)
        );
        fs::remove_dir_all(place.home().join("include")).unwrap();
        said(place, "env verify any");
    });
}

#[test]
fn tests_of_programs_run_in_one_too() {
    everyone(|place| {
        if !(need("python") && has(place, "python3 --version")) {
            return;
        }
        write(&place.home().join("lib/greet.py"), "WORD = 'hello'\n");
        said(place, "env create web --lang python --path lib");
        place.file("a.py", "import greet; print(greet.WORD)");
        write(&place.home().join("cases/one.in"), "");
        write(&place.home().join("cases/one.out"), "hello\n");
        for words in ["test --env web a.py", "test --env web a.py --cases cases"] {
            let tested = output(place, words);
            assert_eq!(tested.status.code(), Some(0), "{words}: {}", text(&tested));
        }
        assert_eq!(output(place, "test a.py").status.code(), Some(1), "without it the module is missing");
        refused(place, "test --env wbe a.py", &["`wbe`", "palisade env list"]);
        refused(place, "plan --env wbe a.py", &["`wbe`"]);
        let plan = said(place, "plan --env web a.py");
        assert!(plan.contains("PYTHONPATH=/env/path/1") && plan.contains("/env from "), "{plan}");
    });
}

#[test]
fn without_isolation_it_is_an_environment_and_nothing_more() {
    everyone(|place| {
        write(&place.home().join("lib/word"), "hello\n");
        said(place, "env create only --path lib");
        let mut command = palisade(place, "run --quiet --backend none --env only -- sh -c");
        let output = place.output(command.arg("cat $SIMPLE_PATH/word"));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n", "{}", text(&output));
        assert!(!Path::new("/env").exists());
    });
}

#[test]
fn what_an_environment_says_stays_in_its_line_and_moves_no_cursor() {
    let place = Place::new(palisade_testkit::Person::Ordinary).unwrap();
    let mut create = palisade(&place, "env create odd --profile");
    let made = place.output(create.args(["x\x1b]0;pwn\x07", "--setenv", "A=1\ndigest       sha256:forged"]));
    assert!(made.status.success(), "{}", text(&made));
    for words in ["env info odd", "env list", "env verify odd"] {
        let shown = said(&place, words);
        assert!(!shown.contains(|sign: char| sign.is_control() && sign != '\n'), "{words}: {shown:?}");
        assert!(!shown.contains("\ndigest       sha256:forged"), "{words}: {shown}");
    }
    assert!(said(&place, "env info odd").contains("A=1\\ndigest"), "{}", said(&place, "env info odd"));
}

#[test]
fn names_recipes_and_environments_that_do_not_fit_are_refused() {
    everyone(|place| {
        said(place, "env create numbers --lang python");
        place.file("a.js", "");
        place.file("a.py", "");
        for (words, told) in [
            ("env create ../x", &["`../x`", "starts with a dot"][..]),
            ("env create a/b", &["`a/b`", "a slash"]),
            ("env create .x", &["`.x`", "letters"]),
            ("env create numbers", &["`numbers` exists already"]),
            ("env create x --lang cobol", &["cobol", "known: "]),
            ("env create x --packages six", &["--packages", "--lang NAME"]),
            ("env create x --lang go --packages six", &["go", "known: python", "--path"]),
            ("env create x --lang python --packages ./missing", &["./missing", "No such file"]),
            ("env create x --lang python --packages ./a.js", &["./a.js", "no package in it", "pyproject.toml"]),
            ("env create x --lang python --packages=--index-url=x", &["--index-url", "no name of a package"]),
            ("env create x --lang python --packages ./a.py --installer conda", &["a.py"]),
            ("env create x --lang python --from .", &["--from", "--packages"]),
            ("env create x --path missing", &["missing", "No such file", "--path DIR"]),
            ("env create x --path a.py", &["a.py", "not a directory"]),
            ("env info nubmers", &["`nubmers`", "did you mean `numbers`?"]),
            ("env remove nothing", &["`nothing`", "palisade env list"]),
            ("env verify nothing", &["`nothing`"]),
            ("env import missing.tar", &["missing.tar", "No such file"]),
            ("env import a.py", &["a.py", "not an exported environment"]),
            ("run --env nubmers a.py", &["`nubmers`", "did you mean `numbers`?"]),
            ("run --env ../numbers a.py", &["`../numbers`", "starts with a dot"]),
            ("run --env numbers a.js", &["for python", "in javascript", "--lang javascript"]),
            ("run --env numbers --allow-read /env -- true", &["/env"]),
            ("env list --dir /dev/null/x", &["/dev/null/x"]),
            ("env create x --dir /dev/null/x", &["/dev/null/x", "--dir"]),
            ("env create x --dir /tmp", &["/tmp", "cannot be trusted", "others can write"]),
        ] {
            refused(place, words, told);
        }
        let json = output(place, "env info nothing --json");
        let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!((&json["schema"], &json["exit_code"]), (&"palisade.error/1".into(), &125.into()));
        assert_eq!(in_store(place), ["numbers"]);
        // A profile holds, and one that is not there is told.
        said(place, "env create strict --profile judge");
        assert!(said(place, "config show --env strict").contains("profile judge (shipped)"));
        let odd = output(place, "env create odd --profile jugde");
        assert!(
            odd.status.success() && text(&odd).contains("warning: there is no profile `jugde` here"),
            "{}",
            text(&odd)
        );
        refused(place, "run --env odd -- true", &["no profile `jugde`", "did you mean `judge`?"]);
        let mut nowhere = palisade(place, "env list");
        assert_refused(&place.output(nowhere.env_remove("HOME")), &["HOME", "--dir"]);
    });
}

#[test]
fn they_are_kept_where_the_caller_says() {
    everyone(|place| {
        said(place, "env create one --dir $DIR/elsewhere");
        let mut list = palisade(place, "env list");
        let output = place.output(list.env("PALISADE_ENVIRONMENTS", place.home().join("elsewhere")));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "one  any language\n", "{}", text(&output));
        let mut run = palisade(place, "run --quiet --env one -- printenv PATH");
        let output = place.output(run.env("PALISADE_ENVIRONMENTS", place.home().join("elsewhere")));
        assert!(output.status.success(), "{}", text(&output));
        assert!(in_store(place).is_empty());
        let mut list = palisade(place, "env list");
        let data = place.output(list.env("XDG_DATA_HOME", place.home().join("data")));
        assert!(data.stdout.is_empty() && data.status.success(), "{}", text(&data));
    });
}

#[test]
fn another_interpreter_of_the_same_version_is_taken_and_one_of_another_version_refused() {
    everyone(|place| {
        if !(need("python") && has(place, "python3 --version")) {
            return;
        }
        said(place, "env create web --lang python");
        let manifest = fs::read_to_string(store(place).join("web/environment.toml")).unwrap();
        let version = manifest.lines().find_map(|line| line.strip_prefix("version = ")).unwrap().replace('"', "");
        place.file("a.py", "");
        // A stand-in for a Python that was upgraded: it tells its version, and "runs" programs by printing its name.
        let stand_in = |version: &str| {
            let script = format!("#!/bin/sh\ncase $2 in -c) echo {version};; *) echo stand-in;; esac\n");
            write(&place.home().join("stand-in/python3"), &script);
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(place.home().join("stand-in/python3"), mode).unwrap();
        };
        let run = |words: &str| place.output(palisade(place, words).env("PATH", place.home().join("stand-in")));
        stand_in(&version);
        let output = run("run --quiet --env web a.py");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "stand-in\n", "{}", text(&output));
        stand_in("9.99");
        let told = [format!("was made for python {version}"), "this host has python 9.99".to_owned()];
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        assert_refused(&run("run --quiet --env web a.py"), &told);
        assert_refused(&run("run --quiet --env web a.py"), &told);
        let verified = run("env verify web");
        assert_eq!(verified.status.code(), Some(1), "{}", text(&verified));
        assert!(String::from_utf8_lossy(&verified.stderr).contains("python 9.99"), "{}", text(&verified));
        assert_eq!(said(place, "run --quiet --env web a.py"), "");
    });
}
