//! `--backend none`: what a run without a wall still keeps to itself.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::{collections::BTreeSet, fs, path::PathBuf};

use common::{everyone, text};
use palisade_testkit::need;

/// A program for each language that keeps something in its cache, or needs palisade inside.
const PROGRAMS: [(&str, &str, &str); 2] = [
    ("go", "hello.go", "package main\nimport \"fmt\"\nfunc main() { fmt.Println(\"hello\") }\n"),
    ("node", "hello.ts", "const word: string = \"hello\";\nconsole.log(word);\n"),
];

/// What a language could have left where everybody may write.
fn left() -> BTreeSet<PathBuf> {
    ["/tmp/go-cache", "/tmp/go", "/tmp/.cache", "/tmp/.config", "/.palisade"]
        .map(PathBuf::from)
        .into_iter()
        .filter(|path| path.exists())
        .collect()
}

#[test]
fn languages_run_and_leave_nothing_in_a_directory_of_everybody_s() {
    let before = left();
    everyone(|place| {
        for (tool, name, content) in PROGRAMS {
            if need(tool) {
                place.file(name, content);
                let output =
                    place.output(&mut place.palisade(&format!("run --no-config --quiet --backend none $DIR/{name}")));
                assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n", "{}", text(&output));
            }
        }
        assert_eq!(left(), before);
    });
}

#[test]
fn home_and_scratch_space_are_of_the_run_alone_unless_the_caller_names_others() {
    everyone(|place| {
        let run = |options: &str| {
            let script = "echo ${HOME} $TMPDIR; ls -A ${HOME}; echo kept >$TMPDIR/mine; cat $TMPDIR/mine";
            let mut command = place.shell(&format!("--no-config --quiet --backend none {options}"), script);
            let output = place.output(&mut command);
            assert!(output.status.success(), "{}", text(&output));
            String::from_utf8(output.stdout).unwrap()
        };
        // The second run finds nothing of the first.
        for _ in 0..2 {
            assert_eq!(run(""), "/.palisade/tmp /.palisade/tmp\nkept\n");
        }
        let home = place.home().display().to_string();
        let own = place.home().join("own");
        fs::create_dir(&own).unwrap();
        fs::set_permissions(&own, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let said = run(&format!("--setenv HOME=/tmp --setenv TMPDIR={home}/own"));
        assert!(said.starts_with(&format!("/tmp {home}/own\n")), "{said}");
        assert_eq!(fs::read_to_string(own.join("mine")).unwrap(), "kept\n");
    });
}
