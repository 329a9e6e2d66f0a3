//! Overlays in a request: which layer is seen, what can be written, and what is refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "not library code")]
#![cfg(target_os = "linux")]

mod common;

use std::{fs, os::unix::fs::FileTypeExt as _, path::Path, path::PathBuf, process};

use common::{as_everybody, as_person, is_root, layer, open_directory, printed, text};
use palisade::{
    Policy, Sandbox, StartError, plan,
    spec::{Backend, Bytes, Conflicts, Difference, FilesPolicy, Layers, NamedPolicy, Program, Request, Upper},
};
use palisade_testkit::Person;

fn overlay(at: &str, lower: &[&Path], upper: Upper) -> Layers {
    let lower = lower.iter().map(|path| path.to_path_buf()).collect();
    Layers { at: at.into(), lower, upper, conflicts: Conflicts::Ignored }
}

fn shell(overlays: impl IntoIterator<Item = Layers>, script: &str) -> palisade::Report {
    let sandbox = overlays.into_iter().fold(Sandbox::new(), Sandbox::layers);
    sandbox.command("sh").args(["-c", script]).output().unwrap()
}

fn kept(place: &Path) -> (Upper, PathBuf) {
    let [changes, work] = ["changes", "work"].map(|name| open_directory(place.join(name)));
    (Upper::Kept { changes: changes.clone(), work }, changes)
}

#[test]
fn the_leftmost_layer_wins_and_directories_are_merged() {
    as_everybody(|place| {
        let left = layer(place.join("left"), &["both=left", "etc/left=1", "thing/is-a-directory=1"]);
        let right = layer(place.join("right"), &["both=right", "etc/right=1", "thing=is a file"]);
        let seen = |lower: &[&Path]| {
            printed(&shell([overlay("/opt/all", lower, Upper::ReadOnly)], "cd /opt/all; cat both; echo; find . | sort"))
        };
        let names = ".\n./both\n./etc\n./etc/left\n./etc/right\n./thing\n";
        assert_eq!(seen(&[&left, &right]), format!("left\n{names}./thing/is-a-directory\n"));
        assert_eq!(seen(&[&right, &left]), format!("right\n{names}"));
        assert_eq!(seen(&[&right]), "right\n.\n./both\n./etc\n./etc/right\n./thing\n");
    });
}

#[test]
fn nothing_is_written_without_an_upper_directory() {
    as_everybody(|place| {
        let [one, two] = ["one", "two"].map(|name| open_directory(place.join(name)));
        for lower in [&[&*one] as &[&Path], &[&one, &two]] {
            let report = shell([overlay("/opt/all", lower, Upper::ReadOnly)], "echo x > /opt/all/new");
            assert!(text(&report.stderr.kept).contains("Read-only file system"), "{report:?}");
        }
        assert_eq!(fs::read_dir(&one).unwrap().count() + fs::read_dir(&two).unwrap().count(), 0);
    });
}

#[test]
fn what_is_written_to_scratch_space_is_seen_and_gone_with_the_run() {
    as_everybody(|place| {
        let lower = layer(place.join("lower"), &["old=old"]);
        let upper = || Upper::Scratch(Bytes::mib(1));
        let script = "cd /opt/all; rm old; echo new > new; mkdir d; mv new d; find . | sort; cat d/new";
        let report = shell([overlay("/opt/all", &[&lower], upper())], script);
        assert_eq!(printed(&report), ".\n./d\n./d/new\nnew\n");
        assert_eq!(printed(&shell([overlay("/opt/all", &[&lower], upper())], "ls /opt/all")), "old\n");
        assert_eq!(fs::read_dir(&lower).unwrap().count(), 1);
        let report = shell([overlay("/opt/all", &[&lower], upper())], "head -c 2M /dev/zero > /opt/all/large");
        assert!(text(&report.stderr.kept).contains("No space left"), "{report:?}");
    });
}

#[test]
fn changes_that_are_kept_are_on_the_host_and_removals_are_whiteouts() {
    as_everybody(|place| {
        let lower = layer(place.join("lower"), &["old=old", "stays=1"]);
        let (upper, changes) = kept(place);
        let again = upper.clone();
        let script = "cd /opt/all; rm old; echo new > new; mkdir -p d/e; echo deep > d/e/f; find . | sort";
        let all = ".\n./d\n./d/e\n./d/e/f\n./new\n./stays\n";
        assert_eq!(printed(&shell([overlay("/opt/all", &[&lower], upper)], script)), all);
        assert_eq!(fs::read_to_string(changes.join("d/e/f")).unwrap(), "deep\n");
        assert!(fs::symlink_metadata(changes.join("old")).unwrap().file_type().is_char_device());
        assert_eq!(fs::read_to_string(lower.join("old")).unwrap(), "old");
        assert!(!lower.join("new").exists());
        let seen_again = shell([overlay("/opt/all", &[&lower], again)], "cd /opt/all; find . | sort");
        assert_eq!(printed(&seen_again), all);
    });
}

#[test]
fn a_file_of_a_layer_is_changed_above_it_by_its_owner() {
    as_person(Person::Ordinary, |place| {
        let lower = layer(place.join("lower"), &["usr/include/a.h=old\n"]);
        let (upper, changes) = kept(place);
        let script = "cd /opt/all/usr/include; echo more >> a.h; cat a.h; echo b > b.h";
        assert_eq!(printed(&shell([overlay("/opt/all", &[&lower], upper)], script)), "old\nmore\n");
        assert_eq!(fs::read_to_string(changes.join("usr/include/a.h")).unwrap(), "old\nmore\n");
        assert_eq!(fs::read_to_string(lower.join("usr/include/a.h")).unwrap(), "old\n");
        assert_eq!(fs::read_dir(lower.join("usr/include")).unwrap().count(), 1);
    });
}

#[test]
fn a_whiteout_in_a_layer_hides_what_is_to_its_right() {
    as_person(Person::Root, |place| {
        let left = layer(place.join("left"), &[]);
        let right = layer(place.join("right"), &["hidden=1", "seen=1"]);
        let made = process::Command::new("mknod").arg(left.join("hidden")).args(["c", "0", "0"]).status().unwrap();
        assert!(made.success());
        assert_eq!(printed(&shell([overlay("/opt/all", &[&left, &right], Upper::ReadOnly)], "ls /opt/all")), "seen\n");
    });
}

/// `count` layers; layer n has the files `n` and `all`.
fn many(place: &Path, count: usize) -> Vec<PathBuf> {
    (0..count).map(|n| layer(place.join(n.to_string()), &[&format!("{n}=1"), &format!("all={n}")])).collect()
}

#[test]
fn five_hundred_layers_are_one_directory() {
    as_everybody(|place| {
        let layers = many(place, 500);
        let lower: Vec<&Path> = layers.iter().map(|path| &**path).collect();
        let seen = shell([overlay("/opt/all", &lower, Upper::ReadOnly)], "cd /opt/all; cat all; echo; ls | wc -l");
        assert_eq!(printed(&seen), "0\n501\n");
        let (upper, changes) = kept(place);
        let script = "cd /opt/all; rm 0 499; echo new > new; ls | wc -l";
        assert_eq!(printed(&shell([overlay("/opt/all", &lower, upper)], script)), "500\n");
        assert_eq!(fs::read_to_string(changes.join("new")).unwrap(), "new\n");
        assert!(layers[499].join("499").exists());
    });
}

#[test]
fn several_overlays_with_few_and_with_many_layers_stand_side_by_side() {
    as_everybody(|place| {
        for count in [2, 40] {
            let layers = many(&place.join(count.to_string()), count);
            let lower: Vec<&Path> = layers.iter().map(|path| &**path).collect();
            let scratch = Upper::Scratch(Bytes::mib(1));
            let overlays = [
                overlay("/opt/one", &lower, Upper::ReadOnly),
                overlay("/opt/two", &lower, scratch.clone()),
                overlay("/tmp/three", &lower, scratch.clone()),
                overlay("/work", &lower, scratch),
            ];
            let script = "echo x > new; echo y > /opt/two/new; ls /opt/one /opt/two /tmp/three . | grep -c .; cat new";
            // The lines of `ls`: four names of places, and the files.
            assert_eq!(printed(&shell(overlays, script)), format!("{}\nx\n", 4 + 4 * (count + 1) + 2));
        }
    });
}

#[test]
fn nothing_inside_names_a_place_of_the_host_or_reaches_the_upper_directory() {
    as_everybody(|place| {
        let lower = layer(place.join("lower"), &["old=old"]);
        let (upper, _) = kept(place);
        let both =
            [overlay("/opt/kept", &[&lower], upper), overlay("/opt/scratch", &[&lower], Upper::Scratch(Bytes::mib(1)))];
        let script = format!("grep -c '{}' /proc/self/mountinfo /proc/mounts; ls -A /tmp", place.display());
        let report = shell(both, &script);
        assert_eq!(text(&report.stdout.kept), "/proc/self/mountinfo:0\n/proc/mounts:0\n");
    });
}

#[test]
fn conflicts_are_in_the_report_if_they_are_asked_for() {
    as_everybody(|place| {
        let left = layer(place.join("left"), &["usr/same=1", "usr/differs=1", "usr/kind/"]);
        let right = layer(place.join("right"), &["usr/same=1", "usr/differs=2", "usr/kind=file"]);
        let mut asked = overlay("/opt/all", &[&left, &right], Upper::ReadOnly);
        assert!(shell([asked.clone()], "true").layer_conflicts.is_empty());
        asked.conflicts = Conflicts::Reported;
        let report = shell([asked], "true");
        let all: Vec<_> = report.layer_conflicts.iter().map(|it| (it.path.to_str().unwrap(), it.differ)).collect();
        assert_eq!(all, [("usr/differs", Difference::Content), ("usr/kind", Difference::Kind)]);
        assert_eq!((&report.layer_conflicts[0].seen, &report.layer_conflicts[0].hidden), (&left, &right));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["layer_conflicts"][1]["differ"], "kind");
        let direct = palisade::conflicts(&[right, left]).unwrap();
        assert_eq!(direct.len(), 2);
        assert!(direct[0].seen.ends_with("right"));
    });
}

fn refusal(overlays: impl IntoIterator<Item = Layers>) -> String {
    let sandbox = overlays.into_iter().fold(Sandbox::new(), Sandbox::layers);
    let error = sandbox.command("true").output().unwrap_err();
    format!("{error}\n{}", error.hint().unwrap_or_default())
}

#[test]
fn what_cannot_be_an_overlay_is_refused_by_name() {
    as_everybody(|place| {
        let one = layer(place.join("one"), &["file=1"]);
        let read_only = |at: &str, lower: &[&Path]| overlay(at, lower, Upper::ReadOnly);
        let lower = vec![&*one; 501];
        assert!(refusal([read_only("/opt/all", &lower)]).contains("the number of layers cannot be 501"));
        assert!(refusal([read_only("/opt/all", &[])]).contains("the number of layers cannot be 0"));
        let missing = place.join("missing");
        assert!(
            refusal([read_only("/opt/all", &[&missing])]).contains(&format!("{}: No such", missing.display())[..10])
        );
        assert!(refusal([read_only("/opt/all", &[&one.join("file")])]).contains("a layer is a directory"));
        for at in ["/", "/tmp", "/proc", "/dev/x", "relative", "/opt/../etc"] {
            assert!(refusal([read_only(at, &[&one])]).contains("no overlay can be there"), "{at}");
        }
        let twice = [read_only("/opt/all", &[&one]), read_only("/opt/all/", &[&one])];
        assert!(refusal(twice).contains("two overlays are wanted there"));
        let nested = Upper::Kept { changes: one.clone(), work: one.clone() };
        assert!(refusal([overlay("/opt/all", &[&one], nested)]).contains("inside each other"));
        let sandbox = Sandbox::new().backend(Backend::None).layers(read_only("/opt/all", &[&one]));
        assert!(matches!(sandbox.command("true").output(), Err(StartError::NoBackend { .. })));
        if is_root() {
            let closed = Upper::Kept { changes: layer(place.join("c"), &[]), work: layer(place.join("w"), &[]) };
            assert!(refusal([overlay("/opt/all", &[&one], closed)]).contains("is not writable by others"));
        }
    });
}

#[test]
fn a_layer_with_something_mounted_below_it_is_refused_with_the_reason() {
    as_everybody(|place| {
        let one = layer(place.join("one"), &[]);
        let error = refusal([overlay("/opt/all", &[Path::new("/"), &one], Upper::ReadOnly)]);
        assert!(error.contains("directories without other file systems mounted in them"), "{error}");
    });
}

#[test]
fn layers_and_the_place_of_work_are_within_every_policy_that_is_asked_for() {
    as_everybody(|place| {
        let [seen, other, work] = ["seen", "other", "work"].map(|name| layer(place.join(name), &["a=1"]));
        let bound = |files: FilesPolicy| NamedPolicy {
            id: "b".to_owned(),
            name: String::new(),
            description: String::new(),
            policy: Policy { files, ..Policy::open() },
        };
        let asked = |layers: Vec<Layers>, work: Option<&Path>, files: FilesPolicy| {
            let program = Program::Command("true".to_owned());
            let work = work.map(Path::to_path_buf);
            plan(&Request { layers, work, policies: vec![bound(files)], ..Request::new(program) })
        };
        let only = |read: &Path| FilesPolicy { read: vec![read.to_owned()], ..FilesPolicy::default() };
        let stack = |lower: &[&Path]| vec![overlay("/opt/all", lower, Upper::ReadOnly)];
        assert!(asked(stack(&[&seen]), None, only(&seen)).is_ok());
        let refused = asked(stack(&[&seen, &other]), None, only(&seen)).unwrap_err().to_string();
        assert!(refused.contains("does not let it be read") && refused.contains("other"), "{refused}");
        let (upper, _) = kept(place);
        let refused = asked(vec![overlay("/opt/all", &[&seen], upper)], None, only(place)).unwrap_err().to_string();
        assert!(refused.contains("does not let it be written"), "{refused}");
        let refused = asked(Vec::new(), Some(&work), only(place)).unwrap_err().to_string();
        assert!(refused.contains("does not let it be written"), "{refused}");
        let hiding = FilesPolicy { hidden: vec![other.join("a")], ..FilesPolicy::open() };
        assert!(asked(stack(&[&seen]), None, hiding.clone()).is_ok());
        let refused = asked(stack(&[&seen, &other]), None, hiding).unwrap_err().to_string();
        assert!(refused.contains("has to be hidden, and a layer is shown whole"), "{refused}");
    });
}
