//! Named policies on the command line: where they come from, what they take away, and how they are shown, checked and
//! compared.
#![allow(clippy::unwrap_used, clippy::panic, reason = "not library code")]
#![cfg(target_os = "linux")]

mod common;

use std::process::{Command, Output};

use common::{Place, etc::in_etc, everyone, text};
use palisade_testkit::need;
use serde_json::Value;

/// A command whose user store is in the home.
fn palisade(place: &Place, words: &str) -> Command {
    let mut command = place.palisade(words);
    command.env("XDG_CONFIG_HOME", place.home().join("config"));
    command
}

fn store(place: &Place, name: &str, content: &str) -> String {
    std::fs::create_dir_all(place.home().join("config/palisade/policies")).unwrap();
    place.file(&format!("config/palisade/policies/{name}"), content).display().to_string()
}

fn done(place: &Place, words: &str) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = place.output(&mut palisade(place, words));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn json(place: &Place, words: &str) -> Value {
    let output = place.output(&mut palisade(place, words));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output)))
}

#[test]
fn a_policy_that_is_asked_for_narrows_the_request_and_says_only_what_it_took() {
    everyone(|place| {
        let report = place.report_of(&mut palisade(
            place,
            "run --json --policy no-network --policy judge --network --time-limit 9s -- /bin/true",
        ));
        assert_eq!(report.json["limits"]["memory"], 500 << 20, "the default is below what the policy allows");
        assert_eq!(report.json["limits"]["wall_time_ms"], 9000);
        let clamped = report.json["clamped"].as_array().unwrap();
        let network: Vec<&Value> = clamped.iter().filter(|clamp| clamp["what"] == "network").collect();
        assert_eq!(
            (&network[0]["given"], &network[0]["because"]),
            (&"loopback".into(), &"the policy no-network".into())
        );
        assert_eq!((&network[1]["given"], &network[1]["because"]), (&"none".into(), &"the policy judge".into()));
        assert!(!clamped.iter().any(|clamp| clamp["what"] == "cpu-percent"), "nobody asked for more: {clamped:#?}");
    });
}

#[test]
fn a_policy_that_holds_calls_hostile_ends_the_program_at_one() {
    everyone(|place| {
        let words = "run --json --allow-read $H --policy judge -- $H";
        let mut command = palisade(place, words);
        command.arg("mount-tmpfs");
        let outcome = place.report_of(&mut command).outcome();
        let mut free = palisade(place, "run --json --allow-read $H -- $H");
        free.arg("mount-tmpfs");
        let usual = place.report_of(&mut free).outcome();
        assert!(!usual.starts_with("violation") && outcome.starts_with("violation"), "{usual}; {outcome}");
    });
}

#[test]
fn what_a_policy_hides_is_hidden_from_plans() {
    everyone(|place| {
        let ssh = place.home().canonicalize().unwrap().join(".ssh");
        std::fs::create_dir(&ssh).unwrap();
        let plan = json(place, "plan --json --policy agent --allow-read $DIR -- /bin/true");
        let hidden = plan["launches"][0]["job"]["hidden"].as_array().unwrap();
        assert!(hidden.iter().any(|path| path.as_str() == ssh.to_str()), "{hidden:#?}");
    });
}

#[test]
fn a_user_s_policy_covers_a_shipped_one_and_the_list_says_so() {
    everyone(|place| {
        let (code, before, _) = done(place, "policy list");
        assert_eq!(code, Some(0));
        for id in ["agent", "judge", "no-network", "strict"] {
            assert!(before.lines().any(|line| line.starts_with(id) && line.contains("  shipped ")), "{before}");
        }
        store(place, "judge.toml", "id = 'judge'\ndescription = 'mine'\nmax_time = '3s'\n");
        store(place, "own.toml", "id = 'own'\nwhat = 1\n");
        store(place, "notes.txt", "not a policy");
        let (_, list, _) = done(place, "policy list");
        let line = |id: &str| list.lines().find(|line| line.starts_with(id)).unwrap_or_default().to_owned();
        assert!(line("judge").contains("user") && line("judge").ends_with("mine (in place of: shipped)"), "{list}");
        assert!(line("own").contains("cannot be used: unknown key `what`"), "{list}");
        assert!(!list.contains("notes"), "{list}");
        let report = place.report_of(&mut palisade(place, "run --json --policy judge -- /bin/true"));
        assert_eq!(report.json["limits"]["wall_time_ms"], 3000);
        let all = json(place, "policy list --json");
        let judge = all.as_array().unwrap().iter().find(|policy| policy["id"] == "judge").unwrap();
        assert_eq!((&judge["origin"], &judge["covers"][0]), (&"user".into(), &"shipped".into()));
    });
}

#[test]
fn a_policy_that_cannot_be_had_lets_nothing_run() {
    everyone(|place| {
        store(place, "wrong.toml", "id = 'wrong'\n[maxima]\nmemroy = '5M'\n");
        store(place, "other.toml", "id = 'another'\n");
        store(place, "mode.toml", "id = 'mode'\nmode = 'clamp'\n");
        std::fs::create_dir_all(place.home().join("config/palisade/policies/dir.toml")).unwrap();
        for (id, words) in [
            ("judg", &["there is no policy `judg`", "there are: agent, dir, judge", "did you mean `judge`?"][..]),
            ("zzzz", &["there is no policy `zzzz`", "palisade policy list"]),
            ("../judge.toml", &["cannot read ../judge.toml", "check the path"]),
            ("wrong", &["unknown key `memroy`", "wrong.toml:3:1", "did you mean `memory`?", "palisade policy check"]),
            ("other", &["the id is `another`, and the file's name says `other`", "other.toml:1:6"]),
            ("mode", &["only a ceiling has a mode", "mode.toml:2:8"]),
            ("dir", &["it is not a regular file"]),
        ] {
            let (code, out, err) = done(place, &format!("run --policy {id} -- /bin/echo ran"));
            assert_eq!((code, &*out), (Some(125), ""), "{err}");
            for word in words {
                assert!(err.contains(word), "{id}: `{word}` is missing: {err}");
            }
        }
    });
}

#[test]
fn showing_a_policy_prints_what_can_be_read_again() {
    everyone(|place| {
        for id in ["agent", "judge", "no-network", "strict"] {
            let (code, shown, err) = done(place, &format!("policy show {id}"));
            assert_eq!((code, &*err), (Some(0), ""));
            let copy = place.file("copy.toml", &shown);
            let (code, out, err) = done(place, &format!("policy diff {id} {}", copy.display()));
            assert_eq!((code, &*out, &*err), (Some(0), "", ""), "{shown}");
        }
        let judge = json(place, "policy show --json judge");
        assert_eq!((&judge["id"], &judge["policy"]["limits"]["cpu-time"]), (&"judge".into(), &"15s".into()));
        assert_eq!(judge["mode"], Value::Null);
        let ceiling = place.file("ceiling.toml", "max_time = '5s'");
        let (_, shown, _) = done(place, &format!("policy show {}", ceiling.display()));
        assert!(shown.contains("mode = \"clamp\"") && shown.contains("max_time = \"5s\""), "{shown}");
        let (code, out, err) = done(place, "policy show nothing");
        assert_eq!((code, &*out), (Some(125), ""));
        assert!(err.starts_with("error: there is no policy `nothing`"), "{err}");
    });
}

#[test]
fn checking_tells_mistakes_and_warnings_apart() {
    everyone(|place| {
        let good = place.file("good.toml", "id = 'good'\ndescription = 'd'\nmax_time = '5s'\n");
        let odd = place.file("odd.toml", "id = 'odd'\n[files]\nhidden = ['/nowhere/at/all']\n");
        let bad = place.file("bad.toml", "id = 'bad'\nmax_time = 5\n[maxima]\nthreads = 0\n");
        let (code, out, err) = done(place, &format!("policy check {}", good.display()));
        assert_eq!((code, &*out, &*err), (Some(0), &*format!("{}: the policy good, no mistake\n", good.display()), ""));
        let (code, out, err) = done(place, &format!("policy check {}", odd.display()));
        assert_eq!(code, Some(0));
        assert!(out.ends_with("no mistake, 2 warnings\n"), "{out}");
        assert!(err.contains("it has no description") && err.contains("/nowhere/at/all cannot be found"), "{err}");
        let (code, out, err) =
            done(place, &format!("policy check {} {} {}", bad.display(), good.display(), "none.toml"));
        assert_eq!(code, Some(1));
        assert!(out.contains("good.toml: the policy good") && !out.contains("bad.toml:"), "{out}");
        assert!(
            err.contains("bad.toml:2:12") && err.contains("bad.toml:4:11") && err.contains("none.toml: entity"),
            "{err}"
        );
    });
}

#[test]
fn comparing_says_what_is_narrower_on_each_side() {
    everyone(|place| {
        place.file("a.toml", "id = 'a'\nmax_time = '5s'\n[maxima]\nmemory = '1G'\n[files]\nread_only = ['/data']\n");
        place.file("b.toml", "id = 'b'\nmax_time = '9s'\n[maxima]\nmemory = '64M'\n[files]\nread_only = ['/data/x']\nhidden = ['/data/x/y', '/z']\n");
        let (code, out, err) = done(place, "policy diff a.toml b.toml");
        assert_eq!((code, &*err), (Some(1), ""));
        assert_eq!(
            out,
            "b.toml allows less than a.toml:\n  memory: 1 GiB → 64 MiB\n  files.read-only: /data → /data/x\n  \
             files.hidden: /data/x/y → hidden\n  files.hidden: /z → hidden\na.toml allows less than b.toml:\n  \
             wall-time: 9s → 5s\n"
        );
        let (code, out, err) = done(place, "policy diff a.toml nothing");
        assert_eq!((code, &*out), (Some(125), ""), "{err}");
    });
}

/// In a mount namespace of its own, so that the host's /etc stays as it is.
#[test]
fn nobody_covers_a_policy_of_the_operator() {
    if !need("root") {
        return;
    }
    everyone(|place| {
        store(place, "judge.toml", "id = 'judge'\nmax_time = '300s'\n");
        let limit = |setup: &str| {
            let setup = format!("cd policies; {setup}");
            let output = in_etc(place, &setup, "run --json --time-limit 200s --policy judge -- /bin/true", None);
            // An option's value that makes no sense is no report.
            let json: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            (json["limits"]["wall_time_ms"].clone(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        assert_eq!(limit(":").0, 200_000, "the user's own");
        assert_eq!(limit("printf \"id = 'judge'\\nmax_time = '7s'\\n\" > judge.toml").0, 7000);
        let (none, err) = limit("echo wrong > judge.toml");
        assert!(none.is_null() && err.contains("/etc/palisade/policies/judge.toml:1:"), "never passed over: {err}");
        let (none, err) = limit("printf \"id = 'judge'\\n\" > judge.toml; chown 12345 judge.toml");
        assert!(none.is_null() && err.contains("is not to be trusted"), "{err}");
    });
}
