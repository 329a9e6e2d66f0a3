//! The operator's ceiling, with real runs: what it takes away, that no route leads round it, and that one which cannot be
//! used lets nothing run.
#![allow(clippy::unwrap_used, reason = "not library code")]
#![cfg(target_os = "linux")]

mod common;

use std::process::{Command, Output};

use common::{Place, etc::in_etc, everyone, text};
use palisade_testkit::{Person, need};

/// `palisade` with these words, below a ceiling of this text in the home.
fn below(place: &Place, ceiling: &str, words: &str) -> Command {
    let file = place.file("ceiling.toml", ceiling.replace("$DIR", &home(place)));
    let mut command = place.palisade(words);
    command.env("PALISADE_CEILING", file).env("XDG_CONFIG_HOME", place.home().join("config"));
    command
}

/// The canonical home, as a ceiling has to name it.
fn home(place: &Place) -> String {
    place.home().canonicalize().unwrap().display().to_string()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// That nothing ran: no output, 125, and these words.
#[track_caller]
fn assert_refused(output: &Output, words: &[&str]) {
    assert_eq!(output.status.code(), Some(125), "{}", text(output));
    assert!(output.stdout.is_empty(), "{}", text(output));
    for word in words {
        assert!(err(output).contains(word), "`{word}` is missing: {}", text(output));
    }
}

#[test]
fn a_ceiling_lowers_what_was_asked_and_what_nobody_asked_and_says_so() {
    everyone(|place| {
        let ceiling = "max_time = '20s'\n[network]\noutbound = 'none'\n[maxima]\nmemory = '64M'\nprocesses = 9";
        let report = place.report_of(&mut below(
            place,
            ceiling,
            "run --json --network --memory-limit 1G -- /bin/cat /proc/net/dev",
        ));
        let clamped: Vec<(&str, &str, &str)> = report.json["clamped"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|clamp| clamp["because"].as_str().unwrap().starts_with("the ceiling /"))
            .map(|clamp| {
                let text = |field: &str| clamp[field].as_str().unwrap();
                (text("what"), text("asked"), text("given"))
            })
            .collect();
        assert_eq!(
            clamped,
            [
                ("memory", "1 GiB", "64 MiB"),
                ("network", "allow-all", "none"),
                ("wall-time", "30s", "20s"),
                ("processes", "16", "9")
            ]
        );
        assert_eq!(report.json["limits"]["memory"], 64 << 20);
        assert_eq!(report.json["limits"]["wall_time_ms"], 20_000);
        let interfaces: Vec<&str> = report.stdout().lines().skip(2).filter_map(|line| line.split(':').next()).collect();
        assert_eq!(interfaces.iter().map(|name| name.trim()).collect::<Vec<_>>(), ["lo"], "{}", report.stdout());

        let said = err(&place.output(&mut below(place, ceiling, "run --memory-limit 1G -- /bin/true")));
        let line = said.lines().find(|line| line.starts_with("palisade: lowered: ")).unwrap_or_default();
        assert!(line.contains("memory 1 GiB to 64 MiB") && line.contains("/ceiling.toml)"), "{said}");
        let quiet = place.output(&mut below(place, ceiling, "run --quiet --memory-limit 1G -- /bin/true"));
        assert_eq!(err(&quiet), "");
        let plan = place.output(&mut below(place, ceiling, "plan --memory-limit 1G -- /bin/true"));
        assert!(out(&plan).contains("lowered      memory: 1 GiB to 64 MiB (the ceiling /"), "{}", text(&plan));
    });
}

/// What `config show WORDS` says of a key below a ceiling: value and origin.
#[track_caller]
fn shown(place: &Place, ceiling: &str, words: &str, key: &str) -> (serde_json::Value, String) {
    let output = place.output(&mut below(place, ceiling, &format!("config show --json {words}")));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = json["values"].as_array().unwrap();
    let row = rows.iter().find(|row| row["key"] == key).unwrap();
    (row["value"].clone(), row["from"].as_str().unwrap().to_owned())
}

#[test]
fn the_configuration_is_shown_as_a_ceiling_and_policies_leave_it() {
    everyone(|place| {
        tree(place);
        let ceiling = "max_time = '20s'\non_hostile_call = 'kill'\n[network]\noutbound = 'none'\n[maxima]\nmemory = '64M'\n[files]\nread_only = ['$DIR/public']";
        let options = "--memory-limit 1G --cpu-time-limit 3s --network --filesystem read-only";
        for (key, value) in [
            ("memory_limit", "64 MiB"),
            ("time_limit", "by language, at most 20s; 20s for a command"),
            ("network", "none"),
            ("on_hostile_call", "kill"),
            ("filesystem", "custom"),
        ] {
            let (is, by) = shown(place, ceiling, options, key);
            assert_eq!(is, value, "{key}");
            assert!(by.starts_with("ceiling /") && by.ends_with("/ceiling.toml"), "{key}: {by}");
        }
        let read = serde_json::json!([format!("{}/public", home(place))]);
        assert_eq!(shown(place, ceiling, options, "allow_read").0, read);
        let said = ("3s".into(), "command line".to_owned());
        assert_eq!(shown(place, ceiling, options, "cpu_time_limit"), said);
        let (is, by) = shown(place, "", "--network --policy no-network", "network");
        assert_eq!((is, &*by), ("loopback".into(), "policy no-network"));
        assert_eq!(shown(place, "", "--network", "network"), ("allow-all".into(), "command line".to_owned()));
        for (ceiling, word) in [("memory = [", "ceiling.toml"), ("mode = 'refuse'\n[maxima]\nmemory = '64M'", "memory")]
        {
            let output = place.output(&mut below(place, ceiling, "config show --memory-limit 1G"));
            assert_refused(&output, &[word]);
        }
    });
}

#[test]
fn a_ceiling_that_lets_nothing_run_is_said_once_and_no_fault_of_any_file() {
    everyone(|place| {
        place.file("a.py", "");
        place.file("b.py", "");
        for (ceiling, words) in [
            ("memory = [", "test $DIR/a.py $DIR/b.py"),
            ("mode = 'refuse'\n[maxima]\nmemory = '64M'", "test --memory-limit 1G $DIR/a.py $DIR/b.py"),
        ] {
            let output = place.output(&mut below(place, ceiling, words));
            assert_refused(&output, &["ceiling.toml"]);
            assert_eq!(err(&output).matches("error: ").count(), 1, "{}", text(&output));
        }
    });
}

#[test]
fn the_lowered_limit_is_the_one_that_holds_and_the_hint_says_whose_it_is() {
    everyone(|place| {
        let ceiling = "max_time = '1s'";
        let output = place.output(&mut below(place, ceiling, "run --time-limit 50s -- /bin/sleep 40"));
        assert_eq!(output.status.code(), Some(124), "{}", text(&output));
        assert!(err(&output).contains("its wall-time limit of 1.000 s"), "{}", text(&output));
        assert!(err(&output).contains("hint: it is kept low by the ceiling /"), "{}", text(&output));
        assert!(!err(&output).contains("raise it"), "{}", text(&output));
    });
}

#[test]
fn a_refusing_ceiling_lists_every_excess_and_lowers_only_what_nobody_asked() {
    everyone(|place| {
        let ceiling = "mode = 'refuse'\non_hostile_call = 'kill'\n[network]\noutbound = 'loopback'\n[maxima]\nmemory = '64M'\nthreads = 20\n[files]\nread_only = ['$DIR/public']";
        std::fs::create_dir(place.home().join("public")).unwrap();
        let words = "run --network --memory-limit 1G --allow-read $DIR --allow-write $DIR/public -- /bin/echo ran";
        let output = place.output(&mut below(place, ceiling, words));
        let home = home(place);
        let (read, write) = (
            format!("files.read-only: asked {home}, allowed {home}/public"),
            format!("files.writable: asked {home}/public, allowed reading"),
        );
        assert_refused(
            &output,
            &[
                "more was asked for",
                "memory: asked 1 GiB, allowed 64 MiB",
                "network: asked allow-all, allowed loopback",
                &read,
                &write,
                "(the ceiling /",
                "hint: ask for less",
            ],
        );
        assert!(!err(&output).contains("threads"), "{}", text(&output));
        let lowered = place.output(&mut below(place, ceiling, "run --memory-limit 32M -- /bin/echo ran"));
        assert_eq!((lowered.status.code(), &*lowered.stdout), (Some(0), &b"ran\n"[..]), "{}", text(&lowered));
        assert!(
            err(&lowered).contains("threads 64 to 20") && err(&lowered).contains("hostile-calls deny to kill"),
            "{}",
            text(&lowered)
        );
    });
}

/// A way to read what is in `secret`: options, and the command line.
const WAYS_TO_READ: [(&str, &str); 8] = [
    ("--allow-read $DIR/secret", "$DIR/secret/f"),
    ("--allow-read $DIR/secret/f", "$DIR/secret/f"),
    ("--allow-read $DIR", "$DIR/secret/f"),
    ("--allow-write $DIR/secret", "$DIR/secret/f"),
    ("--allow-read secret", "$DIR/secret/f"),
    ("--allow-read $DIR/public/link", "$DIR/public/link/f"),
    ("--allow-read $DIR/public/file", "$DIR/public/file"),
    ("--allow-read $DIR/public --allow-read $DIR/moved", "$DIR/moved/f"),
];

fn tree(place: &Place) {
    let at = |name: &str| place.home().join(name);
    for name in ["secret", "public", "config"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    place.file("secret/f", "the secret\n");
    place.file("public/f", "open\n");
    std::os::unix::fs::symlink("../secret", at("public/link")).unwrap();
    std::os::unix::fs::symlink("../secret/f", at("public/file")).unwrap();
    std::os::unix::fs::symlink("secret", at("moved")).unwrap();
    // Root's programs run as somebody who owns nothing: what they may write has to be open to all.
    let open = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode;
    for (name, mode) in [("secret", 0o777), ("public", 0o777), ("secret/f", 0o666), ("", 0o755)] {
        std::fs::set_permissions(at(name), open(mode)).unwrap();
    }
}

#[test]
fn no_path_leads_to_what_a_ceiling_does_not_let_be_read() {
    everyone(|place| {
        tree(place);
        for (options, file) in WAYS_TO_READ {
            let words = format!("run --quiet {options} -- /bin/cat {file}");
            let free = place.output(&mut below(place, "", &words));
            assert_eq!(out(&free), "the secret\n", "outside, {words} has to succeed: {}", text(&free));
            for ceiling in [
                "[files]\nread_only = ['$DIR/public']",
                "[files]\nread_only = ['$DIR/public']\nwritable = ['$DIR/public']",
                // A link of the user's own does not carry the ceiling elsewhere.
                "[files]\nread_only = ['$DIR/moved', '$DIR/public/link', '$DIR/public/file']",
            ] {
                let held = place.output(&mut below(place, ceiling, &words));
                assert!(!text(&held).contains("the secret"), "{ceiling}: {words}: {}", text(&held));
                assert_ne!(held.status.code(), Some(0), "{ceiling}: {words}: {}", text(&held));
            }
        }
        let open = place.output(&mut below(
            place,
            "[files]\nread_only = ['$DIR/public']",
            "run --quiet --allow-read $DIR -- /bin/cat $DIR/public/f",
        ));
        assert_eq!(out(&open), "open\n", "what is allowed of it is at its place: {}", text(&open));
    });
}

#[test]
fn what_a_ceiling_hides_is_hidden_by_every_name_and_in_every_view() {
    everyone(|place| {
        tree(place);
        std::os::unix::fs::symlink(".", place.home().join("again")).unwrap();
        let whole = ("--filesystem read-only", "$DIR/secret/f");
        let ways = [
            ("--allow-read $DIR", "$DIR/secret/f"),
            ("--allow-read $DIR", "$DIR/public/link/f"),
            ("--allow-read $DIR/again", "$DIR/again/secret/f"),
            ("--allow-read $DIR/secret/f", "$DIR/secret/f"),
            ("--allow-write $DIR/secret --allow-read $DIR", "$DIR/secret/f"),
            ("--allow-read $DIR --overlay $DIR", "$DIR/secret/f"),
        ];
        // The sandbox has a /tmp of its own, whatever it sees of the host.
        let in_tmp = home(place).starts_with("/tmp/");
        for (options, file) in ways.into_iter().chain((!in_tmp).then_some(whole)) {
            let words = format!("run --quiet {options} -- /bin/cat {file}");
            let free = place.output(&mut below(place, "", &words));
            assert_eq!(out(&free), "the secret\n", "outside, {words} has to succeed: {}", text(&free));
            // By its name, and by that of a link to it.
            for hidden in ["secret", "moved", "public/link"] {
                let ceiling = format!("[files]\nhidden = ['$DIR/{hidden}']");
                let held = place.output(&mut below(place, &ceiling, &words));
                assert!(!text(&held).contains("the secret"), "{hidden}: {words}: {}", text(&held));
                assert_ne!(held.status.code(), Some(0), "{hidden}: {words}: {}", text(&held));
            }
        }
        // The rest stays to be seen.
        let words = "run --quiet --allow-read $DIR -- /bin/cat $DIR/public/f";
        let rest = place.output(&mut below(place, "[files]\nhidden = ['$DIR/secret']", words));
        assert_eq!(out(&rest), "open\n", "{}", text(&rest));
    });
}

#[test]
fn all_of_the_host_is_narrowed_to_what_a_ceiling_lets_be_read() {
    everyone(|place| {
        let words = "run --quiet --filesystem read-only -- /bin/cat /etc/hostname";
        let name = std::fs::read_to_string("/etc/hostname").unwrap();
        let seen = |ceiling: &str| out(&place.output(&mut below(place, ceiling, words)));
        assert!(!name.is_empty() && seen("") == name, "outside, it has to succeed: {}", seen(""));
        for ceiling in ["[files]\nread_only = ['/srv']", "[files]\nhidden = ['/etc/hostname']"] {
            assert_eq!(seen(ceiling), "", "{ceiling}");
        }
    });
}

#[test]
fn nothing_is_written_that_a_ceiling_only_lets_be_read() {
    everyone(|place| {
        tree(place);
        let script = place.file("write.sh", "echo changed > \"$1\" && echo done\n");
        let words = |options: &str, file: &str| {
            format!("run --quiet --allow-read {} {options} -- /bin/sh {} {file}", script.display(), script.display())
        };
        for (options, file) in [
            ("--allow-write $DIR/secret", "$DIR/secret/f"),
            ("--allow-write $DIR/secret/f", "$DIR/secret/f"),
            ("--allow-write $DIR/public/link", "$DIR/public/link/f"),
            ("--allow-write secret --allow-read $DIR/secret", "$DIR/secret/f"),
        ] {
            place.file("secret/f", "the secret\n");
            let free = place.output(&mut below(place, "", &words(options, file)));
            assert_eq!(out(&free), "done\n", "outside, {options} has to succeed: {}", text(&free));
            place.file("secret/f", "the secret\n");
            for ceiling in
                ["[files]\nwritable = []", "[files]\nwritable = ['$DIR/public']", "[files]\nread_only = ['/']"]
            {
                let held = place.output(&mut below(place, ceiling, &words(options, file)));
                assert_ne!(held.status.code(), Some(0), "{ceiling}: {options}: {}", text(&held));
                let content = std::fs::read_to_string(place.home().join("secret/f")).unwrap();
                assert_eq!(content, "the secret\n", "{ceiling}: {options}");
            }
        }
    });
}

#[test]
fn a_project_s_and_a_user_s_configuration_stay_below_the_ceiling() {
    everyone(|place| {
        let config = "[sandbox]\nmemory_limit = '300M'\ntime_limit = '25s'\n";
        std::fs::create_dir_all(place.home().join("config/palisade")).unwrap();
        place.file("config/palisade/config.toml", config);
        place.file("palisade.toml", config);
        let report = |ceiling: &str| place.report_of(&mut below(place, ceiling, "run --json -- /bin/true")).json;
        let free = report("");
        assert_eq!(free["limits"]["memory"], 300 << 20, "outside, the file has its say: {free:#}");
        let held = report("max_time = '4s'\n[maxima]\nmemory = '64M'");
        assert_eq!((&held["limits"]["memory"], &held["limits"]["wall_time_ms"]), (&(64 << 20).into(), &4000.into()));
    });
}

/// A language of the user's own that prints a file, and reads one tree beside /usr for it.
fn define(place: &Place, name: &str, file: &str, also_read: &str) {
    let languages = place.home().join("config/palisade/languages");
    std::fs::create_dir_all(&languages).unwrap();
    let definition = format!(
        "name = '{name}'\ntitle = 'x'\nextensions = ['{name}']\nsource-name = 'main.{name}'\nmissing = 'x'\n\
         [[tool]]\nid = 'cat'\nnames = ['cat']\npackage = 'coreutils'\nalso-read = [{also_read}]\n\
         [run]\ncommand = ['{{tool.cat}}', '{file}']\n\
         [limits]\nmemory = '64 MiB'\ncpu-time = '5s'\nwall-time = '5s'\nprocesses = 5\nthreads = 5\ntmp = '1 MiB'\n",
    );
    std::fs::write(languages.join(format!("{name}.toml")), definition).unwrap();
}

#[test]
fn what_comes_with_a_language_is_below_the_ceiling_too() {
    everyone(|place| {
        tree(place);
        let secret = home(place) + "/secret";
        define(place, "beside", "/work/f", "");
        define(place, "leak", &format!("{secret}/f"), &format!("'{secret}'"));
        place.file("secret/x.beside", "");
        place.file("x.leak", "");
        for (words, hint) in
            [("--with-dir $DIR/secret/x.beside", "leave --with-dir out"), ("$DIR/x.leak", "or use tools under /usr")]
        {
            let words = format!("run --quiet {words}");
            let free = place.output(&mut below(place, "", &words));
            assert_eq!(out(&free), "the secret\n", "outside, {words} has to succeed: {}", text(&free));
            let held = place.output(&mut below(place, "[files]\nread_only = ['$DIR/public']", &words));
            assert_refused(&held, &["/secret to the program: the ceiling /", "does not let it be read", hint]);
            let hidden = place.output(&mut below(place, "[files]\nhidden = ['$DIR/moved']", &words));
            assert!(!text(&hidden).contains("the secret"), "{words}: {}", text(&hidden));
        }
        // Its limits are defaults, and lowered.
        let report = place.report_of(&mut below(place, "[maxima]\nmemory = '8M'", "run --json $DIR/x.leak"));
        assert_eq!(report.json["limits"]["memory"], 8 << 20, "{:#}", report.json);
    });
}

#[test]
fn a_backend_without_a_wall_is_refused_below_a_ceiling_that_needs_one() {
    everyone(|place| {
        tree(place);
        let words = "run --backend none -- /bin/cat $DIR/secret/f";
        let free = place.output(&mut below(place, "max_time = '20s'", words));
        assert_eq!(out(&free), "the secret\n", "limits need no wall: {}", text(&free));
        for ceiling in ["[files]\nread_only = ['$DIR/public']", "[network]\noutbound = 'none'", "capabilities = []"] {
            assert_refused(
                &place.output(&mut below(place, ceiling, words)),
                &["forbids some of them", "leave --backend out"],
            );
        }
    });
}

#[test]
fn a_ceiling_that_cannot_be_used_lets_nothing_run() {
    everyone(|place| {
        let run = |name: &str| {
            let mut command = place.palisade("run -- /bin/echo ran");
            place.output(command.env("PALISADE_CEILING", name))
        };
        let at = |name: &str| place.home().join(name).display().to_string();
        assert_eq!(out(&run(&place.file("good.toml", "max_time = '9s'").display().to_string())), "ran\n");
        assert_refused(&run(""), &["PALISADE_CEILING is set, and names no file", "hint: name a file"]);
        assert_refused(&run(&at("none.toml")), &["cannot read", "none.toml: entity not found"]);
        assert_refused(&run("none.toml"), &["cannot read /", "/none.toml"]);
        assert_refused(&run(&at("")), &["it is not a regular file"]);
        assert_refused(&run(&at("good.toml/x")), &["cannot read"]);
        assert!(Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
        assert_refused(&run(&at("fifo")), &["it is not a regular file"]);
        assert_refused(&run("/dev/null"), &["it is not a regular file"]);
        place.file("wrong.toml", "max_tme = '5s'\n[files]\nhiden = []\n");
        let words = [
            "unknown key `max_tme`",
            "wrong.toml:1:1",
            "did you mean `max_time`?",
            "wrong.toml:3:1",
            "`hidden`",
            "palisade policy check /",
        ];
        assert_refused(&run(&at("wrong.toml")), &words);
        place.file("mode.toml", "mode = 'ignore'");
        assert_refused(&run(&at("mode.toml")), &["unknown value `ignore`", "mode.toml:1:8"]);
        if place.person == Person::Ordinary {
            let closed = place.file("closed.toml", "");
            std::fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
            assert_refused(&run(&at("closed.toml")), &["Permission denied", "chmod a+r"]);
        }
        // As JSON too.
        let mut command = place.palisade("run --json -- /bin/echo ran");
        let output = place.output(command.env("PALISADE_CEILING", at("mode.toml")));
        assert_eq!(output.status.code(), Some(125), "{}", text(&output));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["schema"], "palisade.error/1");
    });
}

#[test]
fn the_ceiling_of_the_host_holds_for_everybody() {
    if !need("root") {
        return;
    }
    everyone(|place| {
        tree(place);
        let read = "run --quiet --allow-read $DIR/secret -- /bin/cat $DIR/secret/f";
        assert_eq!(out(&in_etc(place, ":", read, None)), "the secret\n", "without a ceiling");
        let ceiling = format!("printf \"[files]\\nread_only = ['{}/public']\\n\" > ceiling.toml", home(place));
        let held = in_etc(place, &ceiling, read, None);
        assert!(held.status.code() != Some(0) && !text(&held).contains("the secret"), "{}", text(&held));
        // A further one can only narrow.
        let wide = place.file("wide.toml", "[files]\nread_only = ['/']\nwritable = ['/']\n");
        let held = in_etc(place, &ceiling, read, Some(&wide));
        assert!(held.status.code() != Some(0) && !text(&held).contains("the secret"), "{}", text(&held));
        let time = in_etc(
            place,
            "echo \"max_time = '7s'\" > ceiling.toml",
            "run --json -- /bin/true",
            Some(&place.file("f.toml", "max_time = '9s'")),
        );
        assert_eq!(common::Report::of(&time).json["limits"]["wall_time_ms"], 7000);
        // The user's own files are no ceiling.
        std::fs::create_dir_all(place.home().join("config/palisade")).unwrap();
        place.file("config/palisade/ceiling.toml", "max_time = '400s'");
        let own =
            in_etc(place, "echo \"max_time = '7s'\" > ceiling.toml", "run --json --time-limit 90s -- /bin/true", None);
        assert_eq!(common::Report::of(&own).json["limits"]["wall_time_ms"], 7000);
    });
}

#[test]
fn a_ceiling_of_the_host_that_is_not_root_s_alone_lets_nothing_run() {
    if !need("root") {
        return;
    }
    everyone(|place| {
        let run = |setup: &str| {
            in_etc(place, &format!("echo \"max_time = '9s'\" > ceiling.toml; {setup}"), "run -- /bin/echo ran", None)
        };
        assert_eq!(out(&run(":")), "ran\n");
        assert_eq!(
            out(&run("mv ceiling.toml kept; ln -s kept ceiling.toml")),
            "ran\n",
            "a link of root's to a file of root's"
        );
        assert_refused(
            &run("chown 12345 ceiling.toml"),
            &["/etc/palisade/ceiling.toml is not to be trusted", "belongs to user 12345", "chown root"],
        );
        assert_refused(
            &run("chmod 666 ceiling.toml"),
            &["others than root can write to it (mode 666)", "chmod go-w /etc/palisade/ceiling.toml"],
        );
        assert_refused(&run("chgrp 12345 ceiling.toml; chmod 664 ceiling.toml"), &["others than root can write"]);
        assert_refused(&run("chmod 777 ."), &["/etc/palisade is not to be trusted", "chmod go-w /etc/palisade"]);
        assert_refused(&run("chown 12345 ."), &["/etc/palisade is not to be trusted", "chown root /etc/palisade"]);
        assert_refused(&run("rm ceiling.toml; mkdir ceiling.toml"), &["it is not a regular file"]);
        assert_refused(
            &run("rm ceiling.toml; ln -s ceiling.toml ceiling.toml"),
            &["cannot read /etc/palisade/ceiling.toml"],
        );
        assert_refused(&run("rm ceiling.toml; mkfifo ceiling.toml"), &["it is not a regular file"]);
        assert_refused(&run("echo 'max_time =' > ceiling.toml"), &["/etc/palisade/ceiling.toml:1:"]);
        assert_refused(&run("cd ..; rm -r palisade; echo > palisade"), &["cannot read /etc/palisade/ceiling.toml"]);
        if place.person == Person::Ordinary {
            assert_refused(
                &run("chmod 600 ceiling.toml"),
                &["Permission denied", "chmod a+r /etc/palisade/ceiling.toml"],
            );
            assert_refused(&run("chmod 700 ."), &["Permission denied", "a+x its directory"]);
        }
    });
}

#[test]
fn the_home_directory_of_a_ceiling_is_not_the_caller_s_to_choose() {
    if !need("root") {
        return;
    }
    everyone(|place| {
        tree(place);
        let uid = place.seat.uid();
        let (home, secret) = (home(place), "run --quiet --allow-read $DIR/secret -- /bin/cat $DIR/secret/f");
        let passwd = |at: &str| {
            format!(
                "grep -v ':x:{uid}:' /etc/passwd > /etc/p; echo 'u:x:{uid}:{uid}::{at}:/bin/sh' >> /etc/p; mv /etc/p /etc/passwd"
            )
        };
        // $HOME is the home of the test: it would be allowed.
        let ceiling = "printf \"[files]\\nread_only = ['~/secret']\\n\" > ceiling.toml";
        let held = in_etc(place, &format!("{ceiling}; {}", passwd("/elsewhere")), secret, None);
        assert!(held.status.code() != Some(0) && !text(&held).contains("the secret"), "{}", text(&held));
        let free = in_etc(place, &format!("{ceiling}; {}", passwd(&home)), secret, None);
        assert_eq!(out(&free), "the secret\n", "{}", text(&free));
        let nobody = format!("{ceiling}; grep -v ':x:{uid}:' /etc/passwd > /etc/p; mv /etc/p /etc/passwd");
        let none = in_etc(place, &nobody, secret, None);
        assert_refused(&none, &["`~` cannot be known here", "/etc/palisade/ceiling.toml:2:14"]);
    });
}
