//! `palisade advise`: what it says can be done, and was measured.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use common::{everyone, text};
use palisade_testkit::need;
use serde_json::Value;

#[test]
fn the_command_it_gives_runs_with_the_limits_it_recommends() {
    if !need("python") {
        return;
    }
    everyone(|place| {
        let program = format!("{}\nprint('ran')\n", "# long\n".repeat(2000));
        let file = place.file("it's long.py", program);
        let mut command = place.palisade("advise --no-measure");
        let output = place.output(command.arg(&file));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("bytes of code: ×1.5"), "{}", text(&output));
        assert!(said.contains("not measured"), "{said}");
        let line = said.lines().find_map(|line| line.strip_prefix("run ")).unwrap().trim();
        let line = line.replace("palisade run", &format!("{} run --json", place.palisade.display()));
        let output = place.output(place.seat.command("sh").args(["-c", &line]).env("PALISADE_TEST", place.token()));
        let report = common::Report::of(&output);
        assert_eq!(report.stdout(), "ran\n");
        let mut command = place.palisade("advise --no-measure --json");
        let advice: Value = serde_json::from_slice(&place.output(command.arg(&file)).stdout).unwrap();
        assert_eq!(report.json["limits"], advice["limits"]);
        assert_ne!(advice["limits"], advice["default"]);
    });
}

#[test]
fn the_overhead_is_measured_and_the_price_follows_the_rates() {
    everyone(|place| {
        let file = place.file("a.py", "");
        let advice = |options: &str| -> Value {
            let mut command = place.palisade(&format!("advise --json {options}"));
            serde_json::from_slice(&place.output(command.arg(&file)).stdout).unwrap()
        };
        let one = advice("--runs 3");
        let overhead = &one["overhead"];
        assert_eq!((&overhead["runs"], &one["method"]["backend"]), (&3.into(), &"native".into()), "{one:#}");
        for backend in overhead["backends"].as_array().unwrap() {
            let [all, added, plain] =
                [&backend["median_ms"], &backend["added_ms"], &overhead["plain_ms"]].map(|ms| ms.as_f64().unwrap());
            assert!(all > 0.0 && plain > 0.0 && (all - plain - added).abs() < 1e-6, "{overhead:#}");
        }
        let other = advice("--no-measure --rate-memory 0 --rate-time 2");
        assert_eq!((&other["overhead"], other["cost"].as_f64()), (&Value::Null, Some(60.0)), "{other:#}");
        assert_eq!(other["code"]["complexity"], 1);
    });
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    everyone(|place| {
        let file = place.file("a.unknown", "");
        for (words, status, wanted) in [
            ("advise nosuch.py", 125, "error: nosuch.py: No such file"),
            ("advise $DIR/a.unknown", 125, ".unknown"),
            ("advise --rate-time -1 a.py", 125, "unexpected argument"),
            ("advise --rate-time=-1 a.py", 125, "`-1` is not a rate"),
            ("advise --rate-time 1e308 a.py", 125, "`1e308` is not a rate: write a number from 0 to 1e9"),
            ("advise --runs 0 a.py", 125, "give a whole number from 1 to 10000"),
            ("advise --runs 5 --no-measure a.py", 125, "cannot be used with"),
        ] {
            let output = place.output(&mut place.palisade(words));
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.code() == Some(status) && said.contains(wanted), "{words}: {}", text(&output));
        }
        drop(file);
    });
}
