//! `palisade check` and `run --check`, as programs and people see them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests: the helpers too")]

mod common;

use common::{everyone, text};
use serde_json::Value;

const HOSTILE: &str = "import subprocess as s\ns.run(['id'])\n";

#[test]
fn a_finding_is_shown_with_its_line_and_what_to_do_and_fails() {
    everyone(|place| {
        place.file("a.py", HOSTILE);
        let output = place.output(&mut place.palisade("check $DIR/a.py"));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        for part in [
            "error[BLOCKED_IMPORT]: `subprocess` starts other programs",
            "1 | import subprocess as s",
            "= help: ",
            "= policy: default:",
        ] {
            assert!(said.contains(part), "{part}: {}", text(&output));
        }
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        let output = place.output(&mut place.palisade("check --policy permissive $DIR/a.py"));
        assert!(output.status.success(), "{}", text(&output));
    });
}

#[test]
fn the_severity_that_fails_can_be_chosen() {
    everyone(|place| {
        place.file("a.py", "def f(a, b):\n    return getattr(a, b)\n");
        for (fail_on, status) in [("note", 1), ("warning", 0), ("error", 0)] {
            let output = place.output(&mut place.palisade(&format!("check --fail-on {fail_on} $DIR/a.py")));
            assert_eq!(output.status.code(), Some(status), "{fail_on}: {}", text(&output));
        }
    });
}

#[test]
fn json_is_one_object_with_every_finding() {
    everyone(|place| {
        place.file("a.py", HOSTILE);
        let output = place.output(&mut place.palisade("check --format json $DIR/a.py"));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let finding = &answer["files"][0]["findings"][0];
        assert_eq!((&answer["schema"], &answer["failed"]), (&"palisade.check/1".into(), &true.into()));
        assert_eq!((&finding["code"], &finding["span"]["column"]), (&"BLOCKED_IMPORT".into(), &8.into()), "{answer:#}");
        assert_eq!(finding["policy"]["file"], "default");
    });
}

#[test]
fn sarif_is_what_its_schema_says() {
    everyone(|place| {
        place.file("a b.py", "import subprocess\nx = 1 +\n");
        place.file("c.js", "eval('1')\n");
        let output = place.output(&mut place.palisade("check --format sarif $DIR"));
        // Types that are made from the schema, which know no key but its own.
        let log: serde_sarif::sarif::Sarif = serde_json::from_slice(&output.stdout).unwrap();
        let run = &log.runs[0];
        let results = run.results.as_ref().unwrap();
        let codes: Vec<&str> = results.iter().filter_map(|result| result.rule_id.as_deref()).collect();
        assert!(codes.contains(&"SYNTAX_ERROR") && codes.contains(&"BLOCKED_IMPORT"), "{codes:?}");
        let rules = run.tool.driver.rules.as_ref().unwrap();
        for result in results {
            let index = usize::try_from(result.rule_index.unwrap()).unwrap();
            assert_eq!(Some(&rules[index].id), result.rule_id.as_ref());
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("a%20b.py") && text.contains("\"version\": \"2.1.0\""), "{text}");
    });
}

#[test]
fn a_run_that_is_checked_first_is_refused_with_the_code() {
    everyone(|place| {
        place.file("a.py", HOSTILE);
        let output = place.output(&mut place.palisade("run --check --json $DIR/a.py"));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(125), "{}", text(&output));
        assert_eq!((&answer["exit_code"], &answer["codes"][0]), (&125.into(), &"BLOCKED_IMPORT".into()), "{answer:#}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("error: not run: ") && said.contains("a.py:1:8"), "{said}");
    });
}

#[test]
fn tests_and_plans_are_checked_first_too() {
    everyone(|place| {
        place.file("a.py", HOSTILE);
        for words in ["test --check $DIR/a.py", "plan --check $DIR/a.py"] {
            let output = place.output(&mut place.palisade(words));
            assert!(
                output.status.code() == Some(125) && text(&output).contains("not run: "),
                "{words}: {}",
                text(&output)
            );
        }
        let output = place.output(&mut place.palisade("plan --check=permissive $DIR/a.py"));
        assert!(text(&output).contains("code-validation: enforced by palisade-check"), "{}", text(&output));
    });
}

#[test]
fn the_report_says_what_looked_at_the_code() {
    everyone(|place| {
        place.file("a.py", "print(1)\n");
        let layer = |words: &str| -> (String, String) {
            let output = place.output(&mut place.palisade(words));
            let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
            let layers = report["layers"].as_array().unwrap().clone();
            let layer = layers.into_iter().find(|layer| layer["layer"] == "code-validation").unwrap();
            (layer["status"].as_str().unwrap().to_owned(), layer["by"].as_str().unwrap().to_owned())
        };
        let (status, by) = layer("run --check=strict --json $DIR/a.py");
        assert_eq!(status, "enforced");
        assert!(by.contains("policy strict: 0 errors"), "{by}");
        assert_eq!(layer("run --json $DIR/a.py").0, "off");
        let (status, by) = layer("run --check --json -- true");
        assert!(status == "off" && by.contains("a command is not looked at"), "{by}");
    });
}

#[test]
fn the_configuration_says_whether_and_by_what_code_is_checked() {
    everyone(|place| {
        place.file("a.py", HOSTILE);
        let config = place.file("c.toml", "[sandbox]\ncheck = \"on\"\n[check]\npolicy = \"strict\"\n");
        let output = place.output(place.palisade("run --config").arg(&config).arg(place.home().join("a.py")));
        assert_eq!(output.status.code(), Some(125), "{}", text(&output));
        assert!(text(&output).contains("policy strict finds"), "{}", text(&output));
        let output =
            place.output(place.palisade("run --check=off --config").arg(&config).arg(place.home().join("a.py")));
        assert!(!text(&output).contains("not run"), "{}", text(&output));
    });
}

#[test]
fn a_projects_file_cannot_point_at_files_outside_of_it() {
    everyone(|place| {
        place.file("a.py", HOSTILE);
        place.file("secret.toml", "token-in-a-file\n");
        let project = place.home().join("project");
        std::fs::create_dir(&project).unwrap();
        for table in ["[check]\npolicy", "[sandbox]\ncheck"] {
            std::fs::write(project.join("palisade.toml"), format!("{table} = '../secret.toml'\n")).unwrap();
            let output = place.output(place.palisade("check $DIR/a.py").current_dir(&project));
            let said = text(&output);
            assert!(output.status.code() == Some(125) && said.contains("outside of the project"), "{said}");
            assert!(!said.contains("token-in-a-file"), "{said}");
        }
    });
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    everyone(|place| {
        place.file("a.unknown", "");
        place.file("a.py", "");
        place.file("bad.toml", "[python]\nblocked_import = ['os']\n");
        place.file("query.toml", "[[python.blocked_patterns]]\npattern = '(nosuch) @x'\ndescription = 'x'\n");
        place.file("call.toml", "[python]\nblocked_calls = ['eval()']\n");
        place.file("middle.toml", "[python]\nblocked_imports = ['ok', 'a*b']\n");
        place.file("space.toml", "[[python.block]]\ncalls = ['a b']\ndoes = 'x'\n");
        place.file("nothing.toml", "[[python.block]]\nexcept = ['a']\ndoes = 'x'\n");
        place.file("empty.toml", "[[python.blocked_patterns]]\npattern = ''\ndescription = 'x'\n");
        place.file("size.toml", "extends = 'none'\nmax_code_size = '20M'\n");
        place.file("regex.toml", "[[python.blocked_patterns]]\npattern = 'a(b'\ndescription = 'x'\n");
        for (words, wanted) in [
            ("check $DIR/nosuch.py", "nosuch.py: No such file"),
            ("check $DIR/a.unknown", "the language of"),
            ("check --language cobol $DIR/a.py", "`cobol` is not a language"),
            ("check --policy nosuch $DIR/a.py", "there is no validation policy `nosuch`"),
            ("check --policy $DIR/none.toml $DIR/a.py", "none.toml: No such file"),
            ("check --policy $DIR/bad.toml $DIR/a.py", "bad.toml:2:1"),
            ("check --policy $DIR/query.toml $DIR/a.py", "query.toml:2:11"),
            ("check --policy $DIR/size.toml $DIR/a.py", "size.toml:2:17"),
            ("check --policy $DIR/call.toml $DIR/a.py", "`eval()` fits nothing: leave `()` out"),
            ("check --policy $DIR/middle.toml $DIR/a.py", "`a*b` fits nothing: `*` stands at the end only"),
            ("check --policy $DIR/space.toml $DIR/a.py", "space.toml:2:10"),
            ("check --policy $DIR/nothing.toml $DIR/a.py", "this blocks nothing"),
            ("check --policy $DIR/empty.toml $DIR/a.py", "an empty pattern is found everywhere"),
            ("check --policy /dev/zero $DIR/a.py", "it is not a regular file"),
            ("check --policy $DIR/size.toml $DIR/a.py", "20 MiB is more code than is looked at: say 100 KiB or less"),
            ("check --policy $DIR/regex.toml $DIR/a.py", "regex.toml:2:11"),
            ("check --explain NOSUCH", "there are UNSAFE_CODE_PATTERN"),
            ("check", "required"),
            ("check --fail-on sometimes $DIR/a.py", "sometimes"),
            ("run --check=nosuch $DIR/a.py", "there is no validation policy `nosuch`"),
        ] {
            let output = place.output(&mut place.palisade(words));
            assert!(output.status.code() == Some(125) && text(&output).contains(wanted), "{words}: {}", text(&output));
        }
    });
}

#[test]
fn every_code_is_explained() {
    everyone(|place| {
        for code in palisade_spec::FindingCode::ALL {
            let output = place.output(&mut place.palisade(&format!("check --explain {code}")));
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(said.starts_with(code.name()) && said.contains("Why: ") && said.contains("Instead: "), "{said}");
        }
    });
}

#[test]
fn a_text_too_deep_to_follow_is_a_finding_and_the_next_one_is_checked() {
    everyone(|place| {
        place.file("a.py", "(".repeat(90_000));
        place.file("b.py", HOSTILE);
        let output = place.output(&mut place.palisade("check $DIR/a.py $DIR/b.py"));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("b.py:1:8") && said.contains("a.py"), "{}", text(&output));
        assert_eq!(output.status.code(), Some(1));
    });
}

#[test]
fn signs_that_move_a_cursor_are_not_printed() {
    everyone(|place| {
        place.file("a.py", "import os # \x1b[2J\u{9b}31m\n\x1b]0;x\x07import subprocess\n");
        let output = place.output(&mut place.palisade("check $DIR/a.py"));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!said.chars().any(|sign| sign.is_control() && sign != '\n'), "{said:?}");
    });
}

#[test]
fn without_the_validators_program_it_is_said_how_to_get_it() {
    let alone = tempfile::tempdir().unwrap();
    let copy = alone.path().join("palisade");
    std::fs::copy(env!("CARGO_BIN_EXE_palisade"), &copy).unwrap();
    std::fs::write(alone.path().join("a.py"), "").unwrap();
    let output = std::process::Command::new(&copy).arg("check").arg(alone.path().join("a.py")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(125));
    assert!(said.contains("there is no ") && said.contains("cargo build --release"), "{said}");
}
