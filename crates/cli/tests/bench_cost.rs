//! `palisade bench` and one question: each measures what it says, with as little of it as shows the shape of its answer.
//!
//! No figure is held against a bar, and no two against each other unless one contains the other: this host may be busy.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests: the helpers too")]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};
use std::time::Duration;

use common::{Place, everyone, text};
use palisade_testkit::{need, wait_for};
use serde_json::Value;

/// `palisade bench WORDS`, with its files in a directory of the home that nobody is kept out of.
fn bench(place: &Place, words: &str) -> Command {
    let files = place.home().join("files");
    if !files.exists() {
        fs::set_permissions(place.home(), Permissions::from_mode(0o755)).unwrap();
        let mut made = place.seat.command("mkdir");
        assert!(made.arg(&files).status().unwrap().success());
    }
    let mut command = place.palisade(&format!("bench {words}"));
    command.env("TMPDIR", files);
    command
}

/// Both forms of an answer: JSON, and lines that name the host.
#[track_caller]
fn answer(place: &Place, words: &str) -> (Value, String) {
    let output = place.output(&mut bench(place, &format!("{words} --json")));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let json: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output)));
    assert!(json["host"]["kernel"].as_str().is_some_and(|kernel| !kernel.is_empty()), "{json:#}");
    let output = place.output(&mut bench(place, words));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let lines = String::from_utf8(output.stdout).unwrap();
    assert!(lines.lines().next().is_some_and(|host| host.contains("Linux ")), "{lines}");
    let left: Vec<_> = fs::read_dir(place.home().join("files")).unwrap().flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    (json, lines)
}

/// A summary of `n` samples, in its order.
#[track_caller]
fn assert_stats(stats: &Value, n: u64) {
    assert_eq!(stats["n"], n, "{stats}");
    let of = |name: &str| stats[name].as_f64().unwrap();
    let rising = ["min", "median", "p95", "p99", "max"].map(of);
    assert!(rising.is_sorted(), "{stats}");
    assert!(of("min") <= of("mean") && of("mean") <= of("max"), "{stats}");
}

fn names(list: &Value, field: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|one| one[field].as_str().unwrap().to_owned()).collect()
}

#[test]
fn phases_cover_a_launch_and_every_piece_of_it_is_measured() {
    everyone(|place| {
        let (json, lines) = answer(place, "phases --runs 2");
        assert_eq!(json["schema"], "palisade.bench-phases/1");
        assert_stats(&json["plain_ms"], 2);
        assert_stats(&json["cleanup_ms"], 2);
        assert_eq!(names(&json["ways"], "name"), ["palisade run", "library", "prepared", "warm"]);
        for way in json["ways"].as_array().unwrap() {
            assert_stats(&way["whole_ms"], 2);
            let cold =
                ["prepare", "clone", "ids", "files", "cgroup", "privileges", "filter", "program", "teardown", "rest"];
            let warm = ["prepare", "cell", "program", "teardown", "rest"];
            let phases = if way["name"] == "warm" { warm.as_slice() } else { &cold };
            assert_eq!(names(&way["phases"], "name"), phases);
            let sum = |field: &str| -> f64 {
                way["phases"].as_array().unwrap().iter().map(|phase| phase["ms"][field].as_f64().unwrap()).sum()
            };
            // Phases are parts of the whole, and what is in none of them is the rest.
            let (least, most) = (&way["whole_ms"]["min"], &way["whole_ms"]["max"]);
            assert!(sum("min") <= least.as_f64().unwrap() + 1e-6, "{way:#}");
            assert!(sum("max") >= most.as_f64().unwrap() - 1e-6, "{way:#}");
        }
        let pieces = json["pieces"].as_array().unwrap();
        for piece in pieces {
            assert_stats(&piece["set_up_ms"], 2);
            assert!(piece["set_up_ms"]["min"].as_f64().unwrap() >= 0.0, "{piece}");
            assert!(piece["steps"].as_u64().unwrap() > 0, "{piece}");
        }
        let of = |part: &str| -> Vec<String> {
            let all = pieces.iter().filter(|piece| piece["part"] == part);
            all.map(|piece| piece["what"].as_str().unwrap().to_owned()).collect()
        };
        for namespace in ["user", "mount", "pid", "uts", "ipc", "cgroup", "network"] {
            assert!(of("namespaces").iter().any(|what| what == namespace), "{namespace}: {:?}", of("namespaces"));
        }
        for part in ["clone", "ids", "mounts", "helper", "privileges", "limits", "filter", "teardown"] {
            assert!(!of(part).is_empty(), "{part}");
        }
        assert_eq!(
            !of("cgroup").iter().all(|what| what == "cgroup namespace"),
            place.has_cgroup(),
            "{:?}",
            of("cgroup")
        );
        let steps = |what: &str| pieces.iter().find(|piece| piece["what"] == what).unwrap()["steps"].as_u64().unwrap();
        assert!(
            steps("clone the host's trees, read-only") >= 1 && steps("instructions, and a listener") > 50,
            "{pieces:?}"
        );
        assert!(lines.contains("teardown") && lines.contains("█") && lines.contains("Landlock"), "{lines}");
    });
}

#[test]
fn memory_is_that_of_the_wall_s_own_processes() {
    everyone(|place| {
        let (json, lines) = answer(place, "memory --runs 1");
        assert_eq!(json["schema"], "palisade.bench-memory/1");
        let walls = json["walls"].as_array().unwrap();
        // The command and pid 1 of its sandbox; of the library, pid 1 alone.
        assert_eq!((&walls[0]["name"], &walls[0]["processes"]), (&"palisade run".into(), &2.into()));
        assert_eq!((&walls[1]["name"], &walls[1]["processes"]), (&"library".into(), &1.into()));
        for wall in walls {
            assert_stats(&wall["rss_bytes"], 1);
            let (now, peak) = (wall["rss_bytes"]["median"].as_f64(), wall["peak_rss_bytes"]["median"].as_f64());
            assert!(now > Some(0.0) && now <= peak, "{wall}");
            if let Some(pss) = wall["pss_bytes"]["median"].as_f64() {
                assert!(Some(pss) <= now, "shared memory counts once: {wall}");
            }
        }
        assert_compared(&json, walls.iter().any(|wall| wall["name"] == "bwrap"));
        assert!(lines.contains("peak RSS"), "{lines}");
    });
}

/// What others are compared with is there, or it is said that it is not.
#[track_caller]
fn assert_compared(json: &Value, is_compared: bool) {
    assert_eq!(is_compared, need("bubblewrap"), "{json:#}");
    let says = json["missing"].as_array().is_some_and(|list| list[0].as_str().unwrap().contains("package bubblewrap"));
    assert_eq!(says, !is_compared, "{json:#}");
}

#[test]
fn work_is_done_outside_and_inside() {
    everyone(|place| {
        let (json, lines) = answer(place, "work --runs 2 --steps 1000 --calls 100 --files 10");
        assert_eq!(json["schema"], "palisade.bench-work/1");
        assert_eq!(names(&json["kinds"], "name"), ["compute", "calls", "files"]);
        for kind in json["kinds"].as_array().unwrap() {
            assert_stats(&kind["outside_ms"], 2);
            let inside = kind["inside"].as_array().unwrap();
            assert_eq!(inside[0]["name"], "palisade run");
            for one in inside {
                assert_stats(&one["ms"], 2);
                assert!(one["ms"]["min"].as_f64().unwrap() > 0.0, "{one}");
            }
            assert_compared(&json, inside.iter().any(|one| one["name"] == "bwrap"));
        }
        assert!(lines.contains("10 files of 4096 bytes"), "{lines}");
    });
}

#[test]
fn interpreters_that_wait_are_measured_beside_plain_starts() {
    everyone(|place| {
        let (json, lines) = answer(place, "interpreters --runs 2");
        assert_eq!(json["schema"], "palisade.bench-interpreters/1");
        assert_eq!(names(&json["languages"], "name"), ["python", "javascript"]);
        for language in json["languages"].as_array().unwrap() {
            assert_stats(&language["plain_ms"], 2);
            assert_stats(&language["waiting_ms"], 2);
            assert!(language["of_plain"]["median"].as_f64().is_some_and(|ratio| ratio > 0.0), "{language}");
        }
        assert!(lines.contains("of plain"), "{lines}");
    });
}

#[test]
fn throughput_is_measured_for_each_number_of_workers() {
    everyone(|place| {
        let (json, lines) = answer(place, "throughput --workers 1,3 --launches 4 --runs 1");
        assert_eq!(json["schema"], "palisade.bench-throughput/1");
        let rates = json["rates"].as_array().unwrap();
        let missing = json["missing"].to_string();
        for workers in [1, 3] {
            for way in ["without a sandbox", "unshare", "palisade run", "library", "library, lanes", "library, pool"] {
                if way == "unshare" && missing.contains("unshare") {
                    continue;
                }
                let rate = rates.iter().find(|rate| rate["way"] == way && rate["workers"] == workers).unwrap();
                assert_stats(&rate["per_second"], 1);
                assert!(rate["per_second"]["min"].as_f64().unwrap() > 0.0, "{rate}");
                assert_eq!(rate["of_bwrap"].is_object(), need("bubblewrap"), "{rate}");
            }
        }
        assert_compared(&json, rates.iter().any(|rate| rate["way"] == "bwrap"));
        assert!(lines.contains("library, lanes"), "{lines}");
    });
}

#[test]
fn output_passes_both_ways() {
    everyone(|place| {
        let (json, lines) = answer(place, "output --size 1000K --runs 1");
        assert_eq!((&json["schema"], &json["bytes"]), (&"palisade.bench-output/1".into(), &(1 << 20).into()));
        let writers = json["writers"].as_array().unwrap();
        assert_eq!(writers.len(), 2);
        for writer in writers {
            assert_stats(&writer["pipe_per_second"], 1);
            assert_stats(&writer["palisade_per_second"], 1);
            assert!(writer["ratio"]["median"].as_f64().unwrap() > 0.0, "{writer}");
        }
        assert!(lines.contains("1 MiB through a pipe"), "{lines}");
    });
}

#[test]
fn layers_are_staged_both_ways() {
    everyone(|place| {
        let (json, lines) = answer(place, "staging --layers 1,3 --files 60 --runs 1");
        assert_eq!((&json["schema"], &json["files"]), (&"palisade.bench-staging/1".into(), &60.into()));
        // One more run of palisade for each number of layers.
        assert_stats(&json["run_ms"], 2);
        let stacks = json["stacks"].as_array().unwrap();
        assert_eq!(stacks.iter().map(|stack| stack["layers"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 3]);
        for stack in stacks {
            for field in ["overlay_ms", "links_ms", "removal_ms"] {
                assert_stats(&stack[field], 1);
            }
        }
        assert!(lines.contains("cp -afl"), "{lines}");
    });
}

#[test]
fn a_short_soak_leaves_nothing_and_opens_nothing() {
    everyone(|place| {
        let (json, lines) = answer(place, "soak --duration 300ms");
        assert_eq!(json["schema"], "palisade.bench-soak/1");
        let looks = json["looks"].as_array().unwrap();
        let launches: Vec<u64> = looks.iter().map(|look| look["launches"].as_u64().unwrap()).collect();
        assert!(!launches.is_empty() && launches.is_sorted() && launches.last() == json["launches"].as_u64().as_ref());
        for (name, expected) in
            [("descriptors", None), ("threads", Some(1)), ("children", Some(0)), ("cgroups", Some(0))]
        {
            let track = json["tracks"].as_array().unwrap().iter().find(|track| track["name"] == name).unwrap();
            assert_eq!((&track["flat"], &track["first"]), (&true.into(), &track["last"]), "{track}");
            assert!(expected.is_none_or(|expected| track["last"] == expected), "{track}");
        }
        assert!(lines.contains("flat"), "{lines}");
    });
}

#[test]
fn a_soak_ends_when_it_is_told_to() {
    everyone(|place| {
        let child = place.start(&mut bench(place, "soak --duration 1h"));
        // It has begun to launch: it has a thread's children, which come and go.
        let path = format!("/proc/{0}/task/{0}/children", child.id());
        let launches = || fs::read_to_string(&path).is_ok_and(|children| !children.trim().is_empty());
        assert!(wait_for(Duration::from_secs(30), launches), "no launch");
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let output = common::finish(child);
        assert_eq!(output.status.code(), Some(130), "{}", text(&output));
        assert!(String::from_utf8_lossy(&output.stderr).contains("cancelled"), "{}", text(&output));
    });
}

#[test]
fn amounts_that_make_no_sense_are_refused_with_those_that_do() {
    let Some(place) = Place::new(palisade_testkit::Person::Ordinary) else { return };
    for (words, said) in [
        ("throughput --workers 0", "give a whole number from 1 to 256"),
        ("throughput --workers 1,many", "give a whole number from 1 to 256"),
        ("throughput --launches -1", "For more information, try '--help'"),
        ("phases --runs 0", "give a whole number from 1 to"),
        ("memory --runs 1.5", "give a whole number from 1 to"),
        ("staging --layers 501", "give a whole number from 1 to 500"),
        ("output --size 12Q", "write a number and a unit, such as 500M"),
        ("output --size 0", "give a positive amount"),
        ("soak --duration 5apples", "write a number and a unit, such as 10s"),
        ("soak --duration 0s", "give a positive amount"),
        ("work --file 5", "a similar argument exists: '--files'"),
        ("phase", "a similar subcommand exists: 'phases'"),
    ] {
        let output: Output = place.output(&mut bench(&place, words));
        assert_eq!(output.status.code(), Some(125), "{words}: {}", text(&output));
        assert!(String::from_utf8_lossy(&output.stderr).contains(said), "{words}: {}", text(&output));
        assert!(output.stdout.is_empty(), "{words}: {}", text(&output));
    }
    place.assert_clean();
}
