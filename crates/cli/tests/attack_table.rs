//! `palisade attack`: the table bites where there is no wall, and finds nothing where palisade's own is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests: the helpers too")]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use common::{Place, everyone, processes_with, text};
use palisade_testkit::wait_for;
use serde_json::Value;

const GROUPS: [&str; 7] =
    ["host-files", "host-processes", "network", "kernel-surface", "privileges", "exhaustion", "side-doors"];

/// `palisade attack WORDS`. Where `palisade` is lent, so is what it needs.
fn attack(place: &Place, words: &str) -> Command {
    if place.palisade.starts_with(place.home()) {
        let built = palisade_testkit::palisade();
        for name in ["palisade-attacker", "palisade-guest"] {
            place.seat.lend(&built.with_file_name(name)).unwrap();
        }
    }
    place.palisade(&format!("attack {words}"))
}

fn output(place: &Place, words: &str) -> Output {
    place.output(&mut attack(place, words))
}

fn table(place: &Place, words: &str) -> (Value, Output) {
    let output = output(place, &format!("--json {words}"));
    let table = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output)));
    (table, output)
}

/// Name, result and evidence of every cell of the first column.
fn cells(table: &Value) -> Vec<(String, String, String)> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = table["rows"].as_array().unwrap().iter();
    rows.map(|row| (word(&row["name"]), word(&row["cells"][0]["result"]), word(&row["cells"][0]["evidence"]))).collect()
}

/// Every path and name of a stage that the evidence tells of.
fn stages(table: &Value) -> BTreeSet<PathBuf> {
    let text = table.to_string();
    let words = text.split(|sign: char| !(sign.is_alphanumeric() || "/._-".contains(sign)));
    let of_stage = |word: &str| {
        let end = word.find("palisade-attack-").or_else(|| word.find("palisade_attack_"))?;
        let rest = word[end..].find('/').map_or(word.len(), |slash| end + slash);
        word.starts_with('/').then(|| PathBuf::from(&word[..rest]))
    };
    words.filter_map(of_stage).collect()
}

#[test]
fn palisade_s_own_wall_stops_every_attack_for_root_and_for_an_ordinary_user() {
    everyone(|place| {
        let (table, output) = table(place, "--backend native");
        let cells = cells(&table);
        assert!(cells.len() >= 45, "{} attacks", cells.len());
        let through: Vec<_> = cells.iter().filter(|(_, result, _)| result == "vulnerable").collect();
        assert!(through.is_empty(), "{:?}: {through:#?}", place.person);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        // Those that were not tried prove nothing, and must not be all there is.
        let tried = cells.iter().filter(|(_, result, _)| ["blocked", "isolated"].contains(&result.as_str())).count();
        assert!(tried >= 45, "{:?}: only {tried} attacks succeed outside: {cells:#?}", place.person);
        let stages = stages(&table);
        assert!(stages.iter().any(|stage| stage.starts_with("/var/tmp")), "{stages:?}");
        let left: Vec<_> = stages.iter().filter(|stage| stage.exists()).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    });
}

#[test]
fn without_a_wall_the_attacks_succeed() {
    everyone(|place| {
        let (table, output) = table(place, "--backend none");
        assert_eq!(
            output.status.code(),
            Some(0),
            "it promises none of what is broken: {}",
            table["backends"][0]["broken"]
        );
        let through = cells(&table).iter().filter(|(_, result, _)| result == "vulnerable").count();
        assert!(
            through >= 30,
            "{:?}: only {through} attacks succeed without a wall: {:#?}",
            place.person,
            cells(&table)
        );
        for required in ["delete-config", "read-passwd", "exfiltrate-tcp", "escape"] {
            let row = cells(&table).into_iter().find(|(name, ..)| name == required).unwrap();
            assert_eq!(row.1, "vulnerable", "{row:?}");
        }
        let left: Vec<_> = stages(&table).into_iter().filter(|stage| stage.exists()).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    });
}

#[test]
fn every_group_has_rows_and_every_guarantee_but_that_of_another_kernel_is_attacked() {
    everyone(|place| {
        let output = output(place, "--list --json");
        let list: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(list["schema"], "palisade.attack-list/1");
        let attacks = list["attacks"].as_array().unwrap();
        let of = |field: &str| attacks.iter().map(|one| one[field].as_str().unwrap()).collect::<BTreeSet<_>>();
        assert_eq!(of("group"), GROUPS.into_iter().collect());
        assert_eq!(of("name").len(), attacks.len(), "two attacks have one name");
        let guarantees =
            ["files", "network", "processes", "system-calls", "memory", "cpu", "time", "disk", "privileges"];
        assert_eq!(of("guarantee"), guarantees.into_iter().collect());
        assert!(of("name").is_superset(
            &["delete-config", "read-passwd", "kill-process", "exfiltrate-tcp", "escape"].into_iter().collect()
        ));
    });
}

#[test]
fn rows_and_groups_can_be_chosen() {
    everyone(|place| {
        let names = |words: &str| {
            let (table, _) = table(place, words);
            cells(&table).into_iter().map(|(name, ..)| name).collect::<Vec<_>>()
        };
        // In the order of the table, whatever the order of the words.
        assert_eq!(names("--row exfiltrate-udp,read-passwd"), ["read-passwd", "exfiltrate-udp"]);
        assert_eq!(names("--row exfiltrate-udp read-passwd --group privileges").len(), 2 + 7);
    });
}

#[test]
fn a_name_that_there_is_not_is_refused_with_the_nearest() {
    everyone(|place| {
        for (words, said) in [
            ("--row delete-confg", "there is no attack `delete-confg`: did you mean `delete-config`?"),
            ("--group host-file", "there is no group of attacks `host-file`: did you mean `host-files`?"),
            ("--backend bublewrap", "there is no backend `bublewrap`: did you mean `bubblewrap`?"),
        ] {
            let output = output(place, words);
            assert_eq!(output.status.code(), Some(125), "{}", text(&output));
            assert!(String::from_utf8_lossy(&output.stderr).contains(said), "{}", text(&output));
            assert!(output.stdout.is_empty(), "{}", text(&output));
        }
    });
}

#[test]
fn a_backend_that_this_version_does_not_have_refuses_every_attack() {
    everyone(|place| {
        let (table, output) = table(place, "--backend firecracker --row read-passwd");
        let cells = cells(&table);
        assert_eq!(cells[0].1, "refused", "{cells:?}");
        assert!(cells[0].2.contains("this version does not have it"), "{cells:?}");
        assert_eq!(output.status.code(), Some(125), "nothing was tried: {}", text(&output));
    });
}

#[test]
fn the_page_has_every_row_and_needs_nothing_else() {
    everyone(|place| {
        let (page, rows) = (place.home().join("attacks.html"), "--group network");
        let (table, _) = table(place, &format!("{rows} --html {}", page.display()));
        let html = std::fs::read_to_string(&page).unwrap();
        for (name, result, _) in cells(&table) {
            assert!(html.contains(&format!("<details id=\"{name}\"")), "{name}");
            assert!(html.contains(&format!("<td class=\"{result}\"")), "{name}: {result}");
        }
        for outside in ["<script", "http:", "https:", "url(", "@import", "<link"] {
            assert!(!html.contains(outside), "{outside}");
        }
        assert!(html.contains("prefers-color-scheme: dark"));
        assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"));
        // Where it cannot be written, nothing is attacked.
        let nowhere = output(place, "--html /nowhere/page.html --row read-passwd");
        assert_eq!(nowhere.status.code(), Some(125), "{}", text(&nowhere));
        assert!(nowhere.stdout.is_empty(), "{}", text(&nowhere));
    });
}

#[test]
fn the_text_has_the_evidence_of_what_succeeded_and_a_legend() {
    everyone(|place| {
        let output = output(place, "--backend native,none --row read-host-tmp,fill-disk");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("\nnone is vulnerable to\n  read-host-tmp: "), "{said}");
        assert!(!said.contains("native is vulnerable"), "{said}");
        assert!(said.contains("\nvulnerable    the effect is there, outside\n"), "{said}");
        assert!(!said.contains('\x1b'), "no terminal: {said}");
    });
}

#[test]
fn interrupted_it_leaves_nothing_behind() {
    everyone(|place| {
        let mut child = place.start(&mut attack(place, "--group exhaustion --backend native"));
        // An attacker or a victim is there, and so is the ground that it was started from.
        let mut ground = None;
        assert!(wait_for(Duration::from_secs(30), || {
            ground = processes_with(&place.token()).into_iter().find_map(ground_of);
            ground.is_some()
        }));
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(130));
        let ground = ground.unwrap();
        assert!(!ground.exists(), "{} is still there", ground.display());
    });
}

/// The directory of an attacker's program, if the process is one outside.
fn ground_of(pid: u32) -> Option<PathBuf> {
    let program = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let ground = program.parent().filter(|parent| parent.starts_with("/var/tmp"))?;
    ground.file_name()?.to_str()?.starts_with("palisade-attack-").then(|| Path::to_owned(ground))
}

#[test]
fn attacks_of_which_none_was_tried_are_no_success() {
    everyone(|place| {
        let mut command = attack(place, "--backend docker,qemu --row escape");
        let output = place.output(command.env("DOCKER_HOST", "unix:///none"));
        assert_eq!(output.status.code(), Some(125), "{}", text(&output));
        for words in ["nothing was tried", "which $DOCKER_HOST names", "fix: unset DOCKER_HOST", "does not have it"] {
            assert!(text(&output).contains(words), "`{words}` is not in {}", text(&output));
        }
    });
}

#[test]
fn the_next_attacks_remove_what_killed_ones_have_left() {
    everyone(|place| {
        let grounds = || -> BTreeSet<PathBuf> {
            let all = std::fs::read_dir("/var/tmp").unwrap().flatten().map(|entry| entry.path());
            all.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("palisade-attack-")).collect()
        };
        let before = grounds();
        let mut child = place.start(&mut attack(place, "--backend native"));
        assert!(wait_for(Duration::from_secs(60), || grounds().difference(&before).next().is_some()));
        let of_child = format!("palisade-attack-{}-", child.id());
        let own = || grounds().into_iter().find(|path| path.to_string_lossy().contains(&of_child));
        assert!(wait_for(Duration::from_secs(60), || own().is_some()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(own().is_some());
        assert_eq!(output(place, "--backend native --row read-passwd").status.code(), Some(0));
        assert_eq!(own(), None);
    });
}
