//! `palisade bench`: what it finds out by trying, what it says of what it cannot try, and what it leaves. No time is asserted.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests: the helpers too")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use common::{Place, everyone, text};
use palisade_testkit::{need, wait_for};
use serde_json::Value;

const SIGHTS: [&str; 3] = ["processes", "files", "network"];

fn bench(place: &Place, words: &str) -> Command {
    place.palisade(&format!("bench {words}"))
}

fn output(place: &Place, words: &str) -> Output {
    place.output(&mut bench(place, words))
}

fn compared(place: &Place, words: &str) -> Value {
    let output = output(place, &format!("--json {words}"));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output)))
}

/// Whether it was refused with these words in its reason, before anything was measured.
#[track_caller]
fn assert_refused(output: &Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(125), "{}", text(output));
    assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
}

fn method<'a>(comparison: &'a Value, name: &str) -> &'a Value {
    let mut methods = comparison["methods"].as_array().unwrap().iter();
    methods.find(|method| method["name"] == name).unwrap_or_else(|| panic!("no {name}: {comparison:#}"))
}

/// Which of the host a method's program sees.
fn seen(method: &Value) -> Vec<&'static str> {
    SIGHTS.into_iter().filter(|sight| method["sees"][sight]["seen"] == true).collect()
}

#[test]
fn isolation_is_found_by_trying_for_root_and_for_an_ordinary_user() {
    if !need("bubblewrap") || !need("unshare") {
        return;
    }
    everyone(|place| {
        let words = "--runs 1 --method bwrap,bwrap-minimal,bwrap-network,unshare,palisade,palisade-pool,palisade-library,palisade-warm,palisade-none";
        let comparison = compared(place, words);
        let of = |name| seen(method(&comparison, name));
        assert_eq!(of("baseline"), SIGHTS, "{comparison:#}");
        assert_eq!(of("bwrap-minimal"), SIGHTS, "{comparison:#}");
        assert_eq!(of("bwrap-network"), ["processes", "files"], "{comparison:#}");
        assert_eq!(of("unshare"), ["files"], "{comparison:#}");
        assert!(of("palisade-none").contains(&"network"), "{comparison:#}");
        for name in ["bwrap", "palisade", "palisade-pool", "palisade-library", "palisade-warm"] {
            assert_eq!(method(&comparison, name)["isolated"], true, "{name}: {comparison:#}");
        }
        assert_eq!(method(&comparison, "baseline")["isolated"], false);
    });
}

#[test]
fn a_comparison_as_json_has_every_figure_with_its_samples() {
    everyone(|place| {
        let comparison = compared(place, "--runs 3 --idle 1 --method palisade");
        assert_eq!(comparison["schema"], "palisade.bench/1");
        assert_eq!((&comparison["rounds"]["counted"], &comparison["rounds"]["idle_ms"]), (&3.into(), &1.into()));
        for key in ["cpu", "cores", "memory", "kernel", "system", "load", "date"] {
            assert!(!comparison["host"][key].is_null(), "{key}: {comparison:#}");
        }
        assert_eq!(comparison["methods"].as_array().unwrap().len(), 2, "{comparison:#}");
        for name in ["baseline", "palisade"] {
            let method = method(&comparison, name);
            let samples: Vec<f64> =
                method["samples"].as_array().unwrap().iter().map(|ms| ms.as_f64().unwrap()).collect();
            assert_eq!((samples.len(), &method["n"]), (3, &3.into()));
            let of = |key: &str| method[key].as_f64().unwrap_or_else(|| panic!("{key}: {method:#}"));
            assert!(of("min") > 0.0 && of("min") <= of("median") && of("median") <= of("p95"), "{method:#}");
            assert!(of("p95") <= of("p99") && of("p99") <= of("max") && of("mean") > 0.0, "{method:#}");
            assert!(samples.contains(&of("min")) && samples.contains(&of("max")));
            assert_eq!(method["pass"], of("mean") < 1000.0);
            assert!(["yes", "limited", "no"].contains(&method["pi_ready"].as_str().unwrap()));
            assert!(of("memory") > 0.0 && method["to_baseline"]["median"].as_f64().unwrap() > 0.0, "{method:#}");
        }
        assert!(method(&comparison, "palisade")["command"][1] == "run");
        assert!(comparison["not_measured"].as_array().unwrap().is_empty());
    });
}

#[test]
fn what_is_not_installed_is_named_with_its_package_and_only_quoted_apart() {
    everyone(|place| {
        let words = "--runs 1 --method bwrap,docker,firecracker,kata";
        let output = place.output(bench(place, &format!("{words} --json")).env("PATH", place.home()));
        let comparison: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(comparison["methods"].as_array().unwrap().len(), 1, "only the baseline: {comparison:#}");
        assert_eq!(output.status.code(), Some(125), "{}", text(&output));
        let missing = comparison["not_measured"].as_array().unwrap();
        let of = |name: &str| missing.iter().find(|one| one["name"] == name).unwrap();
        let word = |name: &str, key: &str| of(name)[key].as_str().unwrap().to_owned();
        assert!(word("bwrap", "because").contains("bwrap is not installed"), "{comparison:#}");
        assert!(word("bwrap", "hint").ends_with("apt-get install bubblewrap"));
        assert!(word("docker", "hint").ends_with("apt-get install docker.io"));
        assert!(word("firecracker", "hint").contains("https://"));
        assert!(of("firecracker")["quoted"]["source"].as_str().unwrap().starts_with("https://"));

        let output = place.output(bench(place, words).env("PATH", place.home()));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let (measured, rest) = said.split_once("\nnot measured\n").unwrap();
        let (missing, quoted) = rest.split_once("\nquoted, ").unwrap();
        assert!(!measured.contains("firecracker") && missing.contains("firecracker"), "{said}");
        assert!(quoted.contains("125 ms") && !measured.contains("125 ms"), "{said}");
    });
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_measured() {
    everyone(|place| {
        assert_refused(
            &output(place, "--method bwarp"),
            &["there is no method `bwarp`: did you mean `bwrap`?", "--list"],
        );
        assert_refused(&output(place, "--runs 0"), &["--runs"]);
        assert_refused(&output(place, "--html /nonexistent/x.html"), &["--html /nonexistent/x.html", "hint: "]);
        assert_refused(&output(place, "--kernel /nonexistent"), &["--kernel /nonexistent", "hint: "]);
        place.file("old.json", "{}");
        assert_refused(
            &output(place, "--compare $DIR/old.json"),
            &["old.json: it says no form", "hint: name a file that"],
        );
        assert_refused(&output(place, "--compare $DIR/none.json"), &["none.json: No such file"]);
    });
}

#[test]
fn a_change_is_told_only_if_it_is_beyond_noise() {
    everyone(|place| {
        let mut old = compared(place, "--runs 3 --method palisade");
        let changes = |old: &Value| {
            place.file("old.json", old.to_string());
            let new = compared(place, "--runs 3 --method palisade --compare $DIR/old.json");
            let changes = new["changes"].as_array().unwrap().clone();
            let one = changes.iter().find(|change| change["name"] == "palisade").unwrap();
            assert_eq!(changes.len(), 2, "{new:#}");
            assert!(["old_ms", "new_ms", "old_ratio", "new_ratio"].iter().all(|key| one[key].is_f64()), "{one:#}");
            one["verdict"].as_str().unwrap().to_owned()
        };
        // As if it had taken ten thousand times as long: no noise does that.
        let methods = old["methods"].as_array_mut().unwrap();
        let palisade = methods.iter_mut().find(|method| method["name"] == "palisade").unwrap();
        for sample in palisade["samples"].as_array_mut().unwrap() {
            *sample = (sample.as_f64().unwrap() * 1e4).into();
        }
        assert_eq!(changes(&old), "faster");
        let methods = old["methods"].as_array_mut().unwrap();
        let palisade = methods.iter_mut().find(|method| method["name"] == "palisade").unwrap();
        // One that was measured neither well nor badly.
        palisade["samples"] = serde_json::json!([1e-3, 5.0, 1e6]);
        assert_eq!(changes(&old), "same");
    });
}

#[test]
fn a_picture_and_a_page_are_whole_and_need_nothing_else() {
    everyone(|place| {
        let output = output(place, "--runs 1 --method palisade,kata --svg $DIR/chart.svg --html $DIR/page.html");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        let svg = fs::read_to_string(place.home().join("chart.svg")).unwrap();
        assert!(svg.starts_with("<?xml") && svg.contains(">palisade</text>") && svg.contains("limit 1000 ms"), "{svg}");
        let mut reader = quick_xml::Reader::from_str(&svg);
        while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {}
        let page = fs::read_to_string(place.home().join("page.html")).unwrap();
        assert!(page.contains("<svg ") && page.contains("<td class=\"\">palisade</td>"), "{page}");
        assert!(page.contains("kata") && page.contains("prefers-color-scheme: dark"));
        assert!(!page.contains("<script") && !page.contains("<link") && !page.contains(" src="), "{page}");
    });
}

/// The directory that a comparison works in, by the descriptor that it holds on it.
fn ground(pid: u32) -> Option<PathBuf> {
    let held =
        fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    let mut held = held.filter(|path| path.to_string_lossy().contains("/palisade-bench-"));
    held.next()
}

#[test]
fn nothing_is_left_of_what_it_made() {
    if !need("root") || !need("chroot") {
        return;
    }
    let place = Place::new(palisade_testkit::Person::Root).unwrap();
    let comparison = compared(&place, "--runs 1 --method chroot");
    let root = method(&comparison, "chroot")["command"][1].as_str().unwrap();
    assert!(root.contains("/palisade-bench-") && !Path::new(root).exists(), "{root}");
    place.assert_clean();
}

#[test]
fn an_interrupted_comparison_ends_at_once_and_leaves_nothing() {
    everyone(|place| {
        let mut command = bench(place, "--runs 100000 --method palisade,chroot");
        let child = place.start(&mut command);
        let (pid, mut found) = (child.id(), None);
        assert!(wait_for(Duration::from_secs(30), || {
            found = ground(pid);
            found.is_some()
        }));
        let kill = Command::new("kill").args(["-TERM", &pid.to_string()]).status().unwrap();
        assert!(kill.success());
        let output = common::finish(child);
        assert_eq!(output.status.code(), Some(130), "{}", text(&output));
        assert!(!found.as_ref().unwrap().exists(), "{found:?}");
    });
}

#[test]
fn the_methods_are_listed_by_name() {
    everyone(|place| {
        let output = output(place, "--list --json");
        let list: Value = serde_json::from_slice(&output.stdout).unwrap();
        let names: Vec<&str> =
            list["methods"].as_array().unwrap().iter().map(|method| method["name"].as_str().unwrap()).collect();
        let required = [
            "baseline",
            "unshare",
            "chroot",
            "bwrap-minimal",
            "bwrap-network",
            "bwrap",
            "firejail",
            "gvisor",
            "docker",
            "podman",
            "lxc",
            "nspawn",
            "firecracker",
            "qemu-microvm",
            "kata",
            "qemu",
            "palisade",
            "palisade-pool",
            "palisade-library",
            "palisade-warm",
        ];
        for name in required {
            assert!(names.contains(&name), "{name}: {names:?}");
        }
    });
}
