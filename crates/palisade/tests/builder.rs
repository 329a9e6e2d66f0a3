//! Build tasks: the builder of R32, the sysroots of R35, the variables and logs of R36.
#![allow(clippy::unwrap_used, clippy::panic, reason = "not library code")]
#![cfg(target_os = "linux")]

mod common;

use std::{
    fs,
    io::{Write as _, pipe},
    os::{
        fd::AsFd as _,
        unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    },
    path::Path,
    thread,
    time::Duration,
};

use common::{as_everybody, as_person, layer, processes_with};
use palisade::{
    Report, SandboxBuilder, Task,
    spec::{Bytes, LayerName, LayerStatus, LimitKind, LimitsAsk, Outcome},
};
use palisade_testkit::{Person, wait_for};

fn builder(task: &Path, script: &str) -> SandboxBuilder {
    SandboxBuilder::new().sandbox_dir(task).script(script)
}

/// The report of a script, and what it printed.
fn execute(builder: SandboxBuilder, task: &Path) -> (Report, String) {
    let report = builder.build().unwrap().execute().unwrap();
    assert!(report.success, "{:?}: {}", report.outcome, read(&task.join("stderr.log")));
    (report, read(&task.join("stdout.log")))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_task_has_its_directory_its_variables_and_its_logs() {
    as_everybody(|place| {
        let task = place.join("task");
        let script = "echo $WORKDIR $S $B $D; pwd; echo $A-$C; echo wrong >&2
            mkdir -p $S/deep && echo s > $S/deep/file && echo b > $B/file && echo d > $D/file && echo w > file";
        let report = SandboxBuilder::new()
            .env("A", "1")
            .network(false)
            .script(script)
            .env("A", "2")
            .sandbox_dir(&task)
            .env("C", "a b")
            .build()
            .unwrap()
            .execute()
            .unwrap();
        assert_eq!(read(&task.join("stderr.log")), "wrong\n");
        assert!(report.success);
        assert_eq!(read(&task.join("stdout.log")), "/work /work/src /work/build /work/outputs\n/work\n2-a b\n");
        for (file, content) in
            [("src/deep/file", "s\n"), ("build/file", "b\n"), ("outputs/file", "d\n"), ("file", "w\n")]
        {
            assert_eq!(read(&task.join("work").join(file)), content);
        }
        assert_eq!((report.stdout.total, report.stderr.total), (54, 6));
        assert_eq!(task.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        // Also as root, whose scripts run as somebody else.
        let owner = |path: &Path| path.metadata().unwrap().uid();
        assert_eq!(owner(&task.join("work/src/deep/file")), owner(&task));
    });
}

#[test]
fn sources_and_results_of_an_earlier_task_are_there_for_the_next() {
    as_everybody(|place| {
        let task = place.join("task");
        execute(builder(&task, "true"), &task);
        layer(task.join("work/src"), &["main.c=int main(void) { return 0; }"]);
        execute(builder(&task, "cp $S/main.c $B/copy.c; echo >> $S/main.c"), &task);
        let (_, printed) = execute(builder(&task, "ls $B; cat $B/copy.c > $D/result"), &task);
        assert_eq!(printed, "copy.c\n");
        assert!(read(&task.join("work/outputs/result")).starts_with("int main"));
    });
}

#[test]
fn the_sysroots_are_the_dependencies_of_which_the_first_wins() {
    as_everybody(|place| {
        let task = place.join("task");
        let one = layer(place.join("one"), &["usr/include/a.h=one", "usr/lib/liba=1"]);
        let two = layer(place.join("two"), &["usr/include/a.h=two", "usr/include/b.h=b"]);
        let tool = layer(place.join("tool"), &["usr/bin/tool=#!/bin/sh\necho tool works"]);
        fs::set_permissions(tool.join("usr/bin/tool"), fs::Permissions::from_mode(0o755)).unwrap();
        let script = "cd recipe-sysroot && find . -type f | sort && cat usr/include/a.h && echo
            /work/recipe-sysroot-native/usr/bin/tool";
        let ask = builder(&task, script).target_dep(&one).native_dep(&tool).target_dep(&two);
        let (report, printed) = execute(ask, &task);
        assert_eq!(printed, "./usr/include/a.h\n./usr/include/b.h\n./usr/lib/liba\none\ntool works\n");
        let conflict = &report.layer_conflicts[0];
        assert_eq!((report.layer_conflicts.len(), conflict.path.to_str()), (1, Some("usr/include/a.h")));
        assert_eq!((&conflict.seen, &conflict.hidden), (&one, &two));
        let ask = builder(&task, script).target_dep(&two).target_dep(&one).native_dep(&tool).without_conflicts();
        let (report, printed) = execute(ask, &task);
        assert!(printed.contains("two"), "{printed}");
        assert!(report.layer_conflicts.is_empty());
    });
}

#[test]
fn what_is_written_in_a_sysroot_is_above_the_layers_until_the_next_execution() {
    as_everybody(|place| {
        let task = place.join("task");
        let layers = ["one", "two"].map(|name| layer(place.join(name), &["old=old"]));
        let ask = |script| builder(&task, script).target_dep(&layers[0]).native_dep(&layers[1]);
        let change = "for root in recipe-sysroot recipe-sysroot-native; do (cd $root && rm old && echo new > new); done
            mkdir -m 0 recipe-sysroot/closed; ls recipe-sysroot recipe-sysroot-native";
        let (_, printed) = execute(ask(change), &task);
        assert_eq!(printed, "recipe-sysroot:\nclosed\nnew\n\nrecipe-sysroot-native:\nnew\n");
        for name in ["target", "native"] {
            let changes = task.join("sysroots").join(name).join("changes");
            assert_eq!(read(&changes.join("new")), "new\n");
            assert!(fs::symlink_metadata(changes.join("old")).unwrap().file_type().is_char_device());
        }
        for layer in &layers {
            let names: Vec<_> = fs::read_dir(layer).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(names, ["old"]);
        }
        let mount_point = task.join("work/recipe-sysroot");
        assert_eq!(fs::read_dir(mount_point).unwrap().count(), 0);
        let (_, printed) = execute(ask("ls recipe-sysroot recipe-sysroot-native"), &task);
        assert_eq!(printed, "recipe-sysroot:\nold\n\nrecipe-sysroot-native:\nold\n");
    });
}

#[test]
fn an_ordinary_user_changes_what_the_layers_have_without_changing_them() {
    as_person(Person::Ordinary, |place| {
        let task = place.join("task");
        let one = layer(place.join("one"), &["usr/lib/pc=prefix=/usr\n"]);
        let script =
            "cd recipe-sysroot/usr/lib && sed -i s,/usr,/work, pc && cat pc && echo x > new && rm -r ../lib && ls ..";
        let (_, printed) = execute(builder(&task, script).target_dep(&one), &task);
        assert_eq!(printed, "prefix=/work\n");
        assert_eq!(read(&one.join("usr/lib/pc")), "prefix=/usr\n");
    });
}

#[test]
fn five_hundred_dependencies_are_one_sysroot_and_five_hundred_and_one_are_refused() {
    as_everybody(|place| {
        let task = place.join("task");
        let layers: Vec<_> = (0..501)
            .map(|n| layer(place.join(format!("layers/{n}")), &[&format!("usr/of-{n}=1"), "usr/same=1"]))
            .collect();
        let script = "ls recipe-sysroot/usr | wc -l; echo x > recipe-sysroot/new";
        let ask = |count| layers.iter().take(count).fold(builder(&task, script), SandboxBuilder::target_dep);
        let (report, printed) = execute(ask(500).native_dep(&layers[500]), &task);
        assert_eq!(printed, "501\n");
        assert!(report.layer_conflicts.is_empty());
        let error = ask(501).build().unwrap().execute().unwrap_err();
        assert!(error.to_string().contains("the number of layers cannot be 501"), "{error}");
    });
}

#[test]
fn the_logs_are_written_while_the_script_runs_and_stay_when_it_is_stopped() {
    as_everybody(|place| {
        let task = place.join("task");
        let word = format!("logs-{}", std::process::id());
        let (cancel, mut stop) = pipe().unwrap();
        let asked = builder(&task, &format!("echo begun; echo wrong >&2; sh -c 'sleep 1000 & wait' {word}"));
        let asked = asked.limits(LimitsAsk { wall_time: Some(Duration::from_secs(1000)), ..LimitsAsk::default() });
        let asked = asked.build().unwrap();
        thread::scope(|scope| {
            let execution = scope.spawn(|| asked.execute_until(Some(cancel.as_fd())).unwrap());
            let logs = ["stdout.log", "stderr.log"].map(|name| task.join(name));
            let written = || logs.iter().all(|log| fs::metadata(log).is_ok_and(|meta| meta.len() == 6));
            assert!(wait_for(Duration::from_secs(20), written));
            // One execution at a time.
            let error = asked.execute().unwrap_err();
            assert!(error.to_string().contains("another task is being executed there"), "{error}");
            stop.write_all(b"x").unwrap();
            assert_eq!(execution.join().unwrap().outcome, Outcome::Cancelled);
        });
        assert_eq!([read(&task.join("stdout.log")), read(&task.join("stderr.log"))], ["begun\n", "wrong\n"]);
        assert_eq!(processes_with(&word), 0);
    });
}

#[test]
fn a_log_does_not_grow_beyond_the_output_limit() {
    as_everybody(|place| {
        let task = place.join("task");
        let limits = LimitsAsk { output: Some(Bytes(5000)), ..LimitsAsk::default() };
        let (report, printed) = execute(builder(&task, "head -c 3000000 /dev/zero").limits(limits), &task);
        assert_eq!((printed.len(), report.stdout.total, report.stdout.cut), (5000, 3_000_000, true));
    });
}

#[test]
fn limits_hold_and_a_failed_script_says_its_status() {
    as_everybody(|place| {
        let task = place.join("task");
        let run = |script: &str, limits| builder(&task, script).limits(limits).build().unwrap().execute().unwrap();
        assert_eq!(run("exit 9", LimitsAsk::default()).outcome, Outcome::Exited { code: 9 });
        let short = LimitsAsk { wall_time: Some(Duration::from_millis(200)), ..LimitsAsk::default() };
        assert_eq!(run("echo in time; sleep 1000", short).outcome, Outcome::LimitHit { limit: LimitKind::WallTime });
        assert_eq!(read(&task.join("stdout.log")), "in time\n");
    });
}

#[test]
fn the_network_is_closed_unless_it_is_asked_for() {
    as_everybody(|place| {
        let task = place.join("task");
        let of = |builder: SandboxBuilder| {
            let (report, printed) = execute(builder, &task);
            let network = report.layers.into_iter().find(|layer| layer.layer == LayerName::NetworkIsolation);
            (network.unwrap().status, printed.trim().to_owned())
        };
        let script = "readlink /proc/self/ns/net";
        let own = fs::read_link("/proc/self/ns/net").unwrap().display().to_string();
        for closed in [builder(&task, script), builder(&task, script).network(true).network(false)] {
            let (status, namespace) = of(closed);
            assert_eq!(status, LayerStatus::Enforced);
            assert_ne!(namespace, own);
        }
        assert_eq!(of(builder(&task, script).network(true)), (LayerStatus::Off, own));
    });
}

#[test]
fn nothing_of_the_task_s_directory_but_work_is_seen() {
    as_everybody(|place| {
        let task = place.join("task");
        let one = layer(place.join("one"), &["a=1"]);
        let script = format!(
            "ls /work; ls {0} /work/../sysroots 2>&1 | grep -c 'No such file'; echo x > /stdout.log || echo no",
            task.display()
        );
        let (_, printed) = execute(builder(&task, &script).target_dep(&one), &task);
        assert_eq!(printed, "build\noutputs\nrecipe-sysroot\nsrc\n2\nno\n");
    });
}

#[test]
fn a_link_that_a_script_leaves_in_place_of_a_directory_is_not_followed() {
    as_everybody(|place| {
        let task = place.join("task");
        let victim = layer(place.join("victim"), &["file=1"]);
        let before = victim.metadata().unwrap().permissions().mode();
        execute(builder(&task, &format!("rmdir $D; ln -s {} $D", victim.display())), &task);
        let error = builder(&task, "true").build().unwrap().execute().unwrap_err();
        assert!(error.to_string().contains("work/outputs"), "{error}");
        assert_eq!(victim.metadata().unwrap().permissions().mode(), before);
    });
}

#[test]
fn a_description_that_cannot_be_carried_out_is_refused_by_name() {
    as_everybody(|place| {
        let task = place.join("task");
        let refusal = |builder: SandboxBuilder| builder.build().unwrap_err().to_string();
        assert!(refusal(SandboxBuilder::new().script("true")).contains("the task's directory"));
        assert!(refusal(SandboxBuilder::new().sandbox_dir(&task)).contains("the script"));
        assert!(refusal(builder(&task, &"x".repeat(128 << 10))).contains("131072 bytes long"));
        assert!(refusal(builder(&task, "true").target_dep(place.join("missing"))).contains("No such file"));
        let file = layer(place, &["file=1"]).join("file");
        assert!(refusal(builder(&task, "true").native_dep(&file)).contains("a layer is a directory"));
        let run = |builder: SandboxBuilder| builder.build().as_ref().map(Task::execute).unwrap().unwrap_err();
        assert!(run(builder(&file.join("below"), "true")).to_string().contains("Not a directory"));
        assert!(run(builder(&place.join("no/parent"), "true")).to_string().contains("No such file"));
        assert!(run(builder(&task, "true").env("A=B", "x")).to_string().contains("a variable"));
        // The longest script that is taken is one that the kernel takes.
        let longest = format!("exit 0;{}", "x".repeat((128 << 10) - 8));
        assert!(builder(&task, &longest).build().unwrap().execute().unwrap().success);
    });
}
