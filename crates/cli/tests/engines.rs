//! What is special about walls that a container engine makes. What they have in common with all others, `parity` compares.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests too")]

mod common;

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixListener, process::CommandExt as _},
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use common::{Place, read_until, text};
use palisade_testkit::{Delegated, Engine, Person, configuration, need, wait_for};
use rustix::process::{Pid, Signal, kill_process};

/// An engine of this test's own, and root's place.
fn engine(name: &str) -> Option<(Engine, Place)> {
    let engine = Engine::start(name, Person::Root).unwrap()?;
    Some((engine, Place::new(Person::Root)?))
}

/// Both engines, one after the other.
fn each_engine(test: impl Fn(&str, &Engine, &Place)) {
    for name in ["docker", "podman"] {
        if let Some((engine, place)) = engine(name) {
            test(name, &engine, &place);
            assert_nothing_is_left(name, &engine, &place);
        }
    }
}

/// No process, no file, no container.
#[track_caller]
fn assert_nothing_is_left(name: &str, engine: &Engine, place: &Place) {
    place.assert_clean();
    let listed = containers(name, engine);
    assert!(wait_for(Duration::from_secs(20), || containers(name, engine).is_empty()), "{name} still has {listed}");
}

/// Containers of an engine, running or not.
fn containers(name: &str, engine: &Engine) -> String {
    let socket = format!("unix://{}", engine.socket().display());
    let mut command = Command::new(name);
    match name {
        "docker" => command.args(["--host", &socket]),
        _ => command.args(["--remote", "--url", &socket]),
    };
    let output = command.args(["ps", "--all", "--format", "{{.Names}} {{.Status}}"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

#[track_caller]
fn refused(output: &Output, words: &[&str]) {
    let said = text(output);
    assert_eq!(output.status.code(), Some(125), "{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
}

#[test]
fn docker_is_asked_for_everything_that_its_policy_names() {
    let Some((engine, place)) = engine("docker") else { return };
    let options = "--backend docker --memory-limit 64M --cpu-limit 50 --thread-limit 100";
    let mut child = place.start(&mut place.shell(options, "echo begun; exec sleep 60"));
    read_until(child.stdout.as_mut().unwrap(), "begun\n");
    let docker = |words: &[&str]| {
        let mut command = Command::new("docker");
        command.arg("--host").arg(format!("unix://{}", engine.socket().display()));
        String::from_utf8(command.args(words).output().unwrap().stdout).unwrap().trim().to_owned()
    };
    let id = docker(&["ps", "--quiet", "--filter", "label=palisade.of"]);
    let json: serde_json::Value = serde_json::from_str(&docker(&["inspect", &id])).unwrap();
    let host = &json[0]["HostConfig"];
    assert_eq!(host["NetworkMode"], "none", "{host:#}");
    assert_eq!(host["ReadonlyRootfs"], true);
    assert_eq!(host["CapDrop"], serde_json::json!(["ALL"]));
    assert_eq!(host["CapAdd"], serde_json::Value::Null);
    assert_eq!(host["Privileged"], false);
    assert!(host["SecurityOpt"].as_array().unwrap().contains(&"no-new-privileges".into()));
    let memory = (64 << 20) + (2 << 20); // with what the agent takes
    assert_eq!((&host["Memory"], &host["MemorySwap"]), (&memory.into(), &memory.into()));
    assert_eq!((&host["CpuPeriod"], &host["CpuQuota"]), (&100_000.into(), &50_000.into()));
    assert!(host["PidsLimit"].as_u64().unwrap() <= 102, "{host:#}");
    for word in ["noexec", "nosuid", "nodev", "size="] {
        assert!(host["Tmpfs"]["/tmp"].as_str().unwrap().contains(word), "{host:#}");
    }
    assert_eq!(host["LogConfig"]["Type"], "none");
    assert_eq!(host["IpcMode"], "private");
    let user = json[0]["Config"]["User"].as_str().unwrap();
    assert!(user.split(':').all(|id| id.parse::<u32>().unwrap() >= 0x7000_0000), "{user}");
    kill(child.id(), Signal::INT);
    common::finish(child);
    assert_nothing_is_left("docker", &engine, &place);
}

#[test]
fn only_scratch_space_can_be_written_to_and_nothing_in_tmp_executed() {
    each_engine(|name, _, place| {
        let script = "cp /bin/true /tmp/t; /tmp/t; echo $?; while read -r a b c d at how rest; do case $how in rw*) echo $at;; esac; done < /proc/self/mountinfo";
        let report = place.shell_report(&format!("--backend {name} --tmp-size 3M"), script);
        let mut lines = report.stdout().lines();
        assert_eq!(lines.next(), Some("126"), "{:#}", report.json);
        let kernel = ["/proc", "/sys", "/dev/"];
        let left: Vec<&str> = lines.filter(|at| !kernel.iter().any(|kernel| at.starts_with(kernel))).collect();
        assert_eq!(left, ["/tmp"], "{name}");
        let size = place.shell_report(&format!("--backend {name} --tmp-size 3M"), "df --output=size /tmp | tail -1");
        assert_eq!(size.stdout().trim(), "3072");
    });
}

#[test]
fn a_writable_mount_below_a_directory_that_is_shown_for_reading_is_read_only() {
    each_engine(|name, _, place| {
        let inner = place.home().join("shown/inner");
        fs::create_dir_all(&inner).unwrap();
        let script = format!(
            "mount -t tmpfs -o mode=777 none {0} && echo here > {0}/f && exec {1} run --quiet --backend {name} --allow-read {2} -- \
             sh -c 'cat {0}/f; echo x > {0}/f; echo x > {2}/g; ls {0}'; ",
            inner.display(),
            place.palisade.display(),
            place.home().join("shown").display(),
        );
        // The daemon is where the host's mounts are, so this one is made there.
        let output = place.output(place.seat.command("/bin/sh").args(["-c", &script]));
        let unmounted = Command::new("umount").arg(&inner).status().unwrap();
        assert!(unmounted.success());
        assert_eq!(String::from_utf8_lossy(&output.stdout), "here\nf\n", "{}", text(&output));
        assert_eq!(text(&output).matches("Read-only file system").count(), 2, "{}", text(&output));
    });
}

#[test]
fn everything_ends_with_a_palisade_that_is_killed() {
    each_engine(|name, engine, place| {
        let script = "setsid sleep 70 & (trap '' TERM HUP INT; sleep 70) & echo running; exec sleep 70";
        let mut child = place.start(&mut place.shell(&format!("--backend {name}"), script));
        read_until(child.stdout.as_mut().unwrap(), "running\n");
        kill(child.id(), Signal::KILL);
        child.wait().unwrap();
        let token = place.token();
        let gone = wait_for(Duration::from_secs(20), || common::processes_with(&token).is_empty());
        assert!(gone, "{name}: {:?}", common::processes_with(&token));
        assert!(wait_for(Duration::from_secs(20), || containers(name, engine).is_empty()));
        // Files stay until the next run.
        let output = place.output(&mut place.run(&format!("--quiet --backend {name}"), "true"));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    });
}

#[test]
fn nothing_is_left_after_kills_at_any_time() {
    each_engine(|name, _, place| {
        let steps: u64 = if name == "docker" { 50 } else { 140 };
        for number in 0..8 {
            let mut child = place.start(&mut place.shell(&format!("--backend {name}"), "exec sleep 70"));
            // Not for an event: the moment of the kill is what is varied.
            std::thread::sleep(Duration::from_millis(number * steps));
            kill(child.id(), Signal::KILL);
            child.wait().unwrap();
        }
        let output = place.output(&mut place.run(&format!("--quiet --backend {name}"), "true"));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        // One that the engine was still making when its palisade was killed is found by the next run.
        let output = place.output(&mut place.run(&format!("--quiet --backend {name}"), "true"));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    });
}

#[test]
fn a_small_limit_of_threads_does_not_keep_a_container_from_starting() {
    each_engine(|name, _, place| {
        let report = place.shell_report(&format!("--backend {name} --thread-limit 2 --memory-limit 4M"), "echo here");
        assert_eq!((report.outcome().as_str(), report.stdout()), ("exited 0", "here\n"), "{name}: {:#}", report.json);
    });
}

#[test]
fn what_the_engine_took_to_start_is_not_the_program_s() {
    each_engine(|name, _, place| {
        let report = place.report(&format!("--backend {name}"), "/bin/true");
        assert_eq!(report.number("threads_peak") as u32, 1, "{name}: {:#}", report.json);
        assert_eq!(report.number("processes_peak") as u32, 1, "{name}");
        assert!(report.number("memory_used_bytes") < 4e6, "{name}: {:#}", report.json);
        assert!(report.json["phases_ms"]["container"].as_f64().unwrap() > 0.0, "{name}");
    });
}

#[test]
fn every_language_runs_in_a_container() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let all = [
        ("hello.py", "python"),
        ("hello.js", "node"),
        ("hello.ts", "node"),
        ("hello.go", "go"),
        ("hello.rs", "rustc"),
        ("Hello.java", "javac"),
        ("hello.cpp", "g++"),
        ("hello.c", "gcc"),
    ];
    each_engine(|name, _, place| {
        for (file, tool) in all {
            if need(tool) {
                let source = place.file(file, fs::read(examples.join(file)).unwrap());
                let mut command = place.palisade(&format!("run --quiet --backend {name} {}", source.display()));
                let output = place.output_with(&mut command, b"1000\n");
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                let answer = "1000: 168 primes, the largest is 997";
                assert_eq!(said.trim_end(), answer, "{file} in {name}: {}", text(&output));
            }
        }
    });
}

#[test]
fn what_an_engine_cannot_do_is_refused_by_name() {
    let Some((engine, place)) = engine("docker") else { return };
    for name in ["a", "b"] {
        fs::create_dir(place.home().join(name)).unwrap();
    }
    let output = place.output(&mut place.run("--backend docker --overlay $DIR/a", "true"));
    refused(&output, &["docker: needs a copy-on-write view", "leave --backend out"]);
    fs::set_permissions(place.home().join("b"), fs::Permissions::from_mode(0o755)).unwrap();
    let output = place.output(&mut place.run("--backend docker --allow-write $DIR/b", "true"));
    refused(&output, &["write access for the sandboxed user", "an engine maps no owners"]);
    let strange = place.home().join("a:b");
    fs::create_dir(&strange).unwrap();
    let output = place.output(place.palisade("run --backend docker --allow-read").arg(&strange).args(["--", "true"]));
    refused(&output, &["a path without colons"]);
    assert_nothing_is_left("docker", &engine, &place);
}

#[test]
fn an_engine_that_cannot_be_used_is_refused_with_the_remedy() {
    let Some(place) = Place::new(Person::Ordinary) else { return };
    let ask = |host: &str| place.output(place.run("--backend docker", "true").env("DOCKER_HOST", host));
    refused(&ask("tcp://192.0.2.1:2375"), &["an engine on this host", "unset DOCKER_HOST"]);
    let at = |name: &str| format!("unix://{}", place.home().join(name).display());
    refused(&ask(&at("none")), &["a running engine", "which $DOCKER_HOST names", "unset DOCKER_HOST"]);
    let bind = |name: &str| {
        let path = place.home().join(name);
        let listener = UnixListener::bind(&path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
        listener
    };
    drop(bind("dead"));
    refused(&ask(&at("dead")), &["a running engine", "Connection refused"]);
    let closed = bind("closed");
    fs::set_permissions(place.home().join("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    refused(&ask(&at("closed")), &["the right to use", "usermod -aG docker"]);
    drop(closed);
    let answers = [
        ("old", "200 OK", r#"{"ApiVersion":"1.24"}"#, "version 1.41 of the API"),
        ("lies", "200 OK", "yes", "its answer makes no sense"),
        ("empty", "200 OK", "", "its answer makes no sense"),
        ("broken", "500 No", r#"{"message":"no room"}"#, "it says: no room (500)"),
    ];
    for (name, status, body, said) in answers {
        let listener = bind(name);
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        std::thread::scope(|scope| {
            let serving = scope.spawn(move || {
                // Whether it listens is tried first, and nothing is said.
                loop {
                    let (mut client, _) = listener.accept().unwrap();
                    if client.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
                        return client.write_all(answer.as_bytes()).unwrap();
                    }
                }
            });
            refused(&ask(&at(name)), &[said]);
            serving.join().unwrap();
        });
    }
    let missing =
        place.output(place.run("--backend podman", "true").env("PATH", "/nowhere").env_remove("CONTAINER_HOST"));
    if Command::new("/usr/bin/podman").arg("--version").output().is_err() {
        refused(&missing, &["the program `podman`", "apt-get install podman"]);
    }
    place.assert_clean();
}

#[test]
fn an_engine_that_hangs_is_refused_in_time() {
    let Some((engine, place)) = engine("docker") else { return };
    kill(engine.pid(), Signal::STOP);
    let output = place.output(&mut place.run("--backend docker", "true"));
    kill(engine.pid(), Signal::CONT);
    refused(&output, &["an engine that answers", "did not answer within 10 s"]);
    assert_nothing_is_left("docker", &engine, &place);
}

#[test]
fn a_run_ends_in_time_with_its_verdict_although_its_engine_hangs() {
    for person in Person::ALL {
        let Some(engine) = Engine::start("docker", Person::Root).unwrap() else { return };
        let Some(place) = Place::new(person) else { continue };
        let mut command = place.shell("--json --backend docker --time-limit 3s", "echo begun; exec sleep 600");
        let mut child = place.start(&mut command);
        // Its program runs when it has a process with the token.
        assert!(wait_for(Duration::from_secs(60), || containers("docker", &engine).contains("Up")));
        assert!(wait_for(Duration::from_secs(60), || started(&place)));
        kill(engine.pid(), Signal::STOP);
        let ended = wait_for(Duration::from_secs(50), || child.try_wait().unwrap().is_some());
        kill(engine.pid(), Signal::CONT);
        assert!(ended, "{person:?}");
        let report = common::Report::of(&child.wait_with_output().unwrap());
        assert_eq!(report.outcome(), "limit-hit wall-time", "{person:?}");
        let left = report.json["weakened"].as_array().unwrap().iter().find(|one| one["what"] == "removal").unwrap();
        assert!(left["because"].as_str().unwrap().contains("did not answer"), "{left}");
        assert!(left["hint"].as_str().unwrap().contains("docker rm --force"), "{left}");
        // And a later run removes it, if the engine has not.
        assert!(place.output(&mut place.run("--backend docker", "true")).status.success());
        assert_nothing_is_left("docker", &engine, &place);
    }
}

/// Whether a program of this place runs.
fn started(place: &Place) -> bool {
    let token = place.token();
    let all = fs::read_dir("/proc").unwrap().flatten();
    let environments =
        all.filter(|entry| fs::read(entry.path().join("cmdline")).is_ok_and(|line| line.starts_with(b"sleep")));
    environments
        .filter_map(|entry| fs::read(entry.path().join("environ")).ok())
        .any(|environment| environment.windows(token.len()).any(|window| window == token.as_bytes()))
}

#[test]
fn an_ordinary_user_s_podman_holds_its_limits_by_groups_of_that_user() {
    let Some(place) = Place::new(Person::Ordinary) else { return };
    if !need("podman") {
        return;
    }
    let engine = Engine::start("podman", Person::Ordinary).unwrap();
    let Some(delegated) = Delegated::to(place.seat.uid()).unwrap() else { return };
    if engine.is_none() {
        return;
    }
    let output = place.output(&mut place.run("--backend podman", "true"));
    if place.seat.uid() != 0 {
        refused(&output, &["podman: needs the guarantee `memory`", "cgroup v1"]);
    }
    let wrapped = place.home().join("in-groups");
    delegated.wrap(&place.palisade, &wrapped).unwrap();
    let run = |options: &str, program: &[&str]| {
        let mut command = place.seat.command(&wrapped);
        command.args(["run", "--json", "--backend", "podman"]).args(options.split_whitespace()).arg("--").args(program);
        place.report_of(&mut command)
    };
    run("--memory-limit 64M", &["python3", "-c", "x = bytearray(300 << 20)"]).assert_limit("memory", 137);
    let script =
        "id -u; cat /proc/self/uid_map; touch /dev/x /usr/x /x; grep Cap /proc/self/status | grep -v 0000000000000000";
    let report = run("", &["sh", "-c", script]);
    let said = report.stdout().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(said, "1000 1000 0 1", "{:#}", report.json);
    assert_eq!(
        report.json["stderr"].as_str().unwrap().matches("Read-only file system").count(),
        3,
        "{:#}",
        report.json
    );
    place.assert_clean();
}

#[test]
fn podman_is_started_where_none_is_running_and_ends_with_the_run() {
    if !need("podman") {
        return;
    }
    let Some(place) = Place::new(Person::Root) else { return };
    let configured = configuration(place.home()).unwrap();
    let podman = |words: &str| {
        let mut command = place.run(words, "sh -c id;exit$IFS$0 4");
        command.env("CONTAINERS_CONF", &configured).env_remove("CONTAINER_HOST");
        command
    };
    let services = || {
        let all = fs::read_dir("/proc").unwrap().flatten();
        let lines = all.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok());
        lines.filter(|line| line.contains("/run/palisade-") && line.contains("service")).count()
    };
    if fs::exists("/run/podman/podman.sock").unwrap() {
        return; // that one would be used
    }
    let output = place.output(&mut podman("--quiet --backend podman"));
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    assert!(wait_for(Duration::from_secs(10), || services() == 0));
    // As little is left when palisade is killed.
    let mut command = place.shell("--quiet --backend podman", "echo begun; exec sleep 70");
    let mut child = place.start(command.env("CONTAINERS_CONF", &configured).env_remove("CONTAINER_HOST"));
    read_until(child.stdout.as_mut().unwrap(), "begun\n");
    kill(child.id(), Signal::KILL);
    child.wait().unwrap();
    assert!(wait_for(Duration::from_secs(10), || services() == 0));
    let output = place.output(&mut podman("--quiet --backend podman"));
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    // Nobody has to say that crun cannot be had on some hosts.
    let bare = place.file("bare.conf", "[containers]\ndefault_ulimits=[]\n[engine]\nevents_logger=\"file\"\n");
    let output = place.output(podman("--quiet --backend podman").env("CONTAINERS_CONF", &bare));
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    // What it takes in does not stay where it took it in.
    let spooled = || fs::read_dir("/var/tmp").unwrap().flatten().map(|entry| entry.path()).collect::<BTreeSet<_>>();
    let before = spooled();
    let mut build = place.palisade("images build python --engine podman");
    let output = place.output(build.env("CONTAINERS_CONF", &configured).env_remove("CONTAINER_HOST"));
    assert!(output.status.success(), "{}", text(&output));
    let strangers = spooled().into_iter().filter(|path| !before.contains(path));
    let own: Vec<_> = strangers
        .filter(|path| ["palisade-", "api_load"].iter().any(|own| path.display().to_string().contains(own)))
        .collect();
    assert!(own.iter().all(|path| path.display().to_string().contains("palisade-attack-")), "{own:?}");
    // The image is this host's, and goes.
    let mut images = place.palisade("images remove all --engine podman");
    let output = place.output(images.env("CONTAINERS_CONF", &configured).env_remove("CONTAINER_HOST"));
    assert!(output.status.success() && text(&output).contains("palisade-base"), "{}", text(&output));
    place.assert_clean();
}

#[test]
fn images_are_built_tested_listed_and_removed() {
    each_engine(|name, _, place| {
        if !need("python") {
            return;
        }
        let images = |words: &str| place.output(&mut place.palisade(&format!("images {words} --engine {name}")));
        let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
        refused(&images("test python"), &["coding-sandbox-python:latest", "images build python"]);
        refused(&images("build perl"), &["`perl` is no image", "go, java, node, python"]);
        let built = images("build python --json");
        let json: serde_json::Value =
            serde_json::from_slice(&built.stdout).unwrap_or_else(|_| panic!("{}", text(&built)));
        assert_eq!(json["images"][0]["name"], "coding-sandbox-python:latest", "{json:#}");
        let tested = images("test python");
        assert!(said(&tested).contains("ok: ") && said(&tested).contains("--version: Python 3."), "{}", text(&tested));
        // A second one takes the place of the first; one of an image is as good.
        assert!(images("build python").status.success());
        let from =
            if name == "docker" { "coding-sandbox-python:latest" } else { "localhost/coding-sandbox-python:latest" };
        let again = images(&format!("build python --from {from}"));
        assert!(again.status.success(), "{}", text(&again));
        assert_eq!(said(&images("list")).lines().count(), 1);
        assert!(images("test all").status.success());
        assert!(said(&images("remove all")).contains("removed coding-sandbox-python:latest"));
        assert_eq!(said(&images("list")), format!("{name} has no image of palisade's\n"));
        assert!(said(&images("remove python")).starts_with("nothing to remove: "));
        refused(&images("build python --from localhost/nosuch:latest"), &["an image of localhost/nosuch:latest"]);
    });
}

#[test]
fn a_bundle_runs_in_any_oci_runtime() {
    let Some(place) = Place::new(Person::Root) else { return };
    if !need("runc") || !need("python") {
        return;
    }
    let output = place.output(&mut place.palisade("images build python --bundle $DIR/bundle"));
    assert!(output.status.success(), "{}", text(&output));
    let again = place.output(&mut place.palisade("images build python --bundle $DIR/bundle"));
    refused(&again, &["a bundle is written to a new directory"]);
    let mut runc = place.seat.command("/usr/sbin/runc");
    runc.args(["--root"]).arg(place.home().join("state")).args(["run", "--bundle"]).arg(place.home().join("bundle"));
    let ran = place.output(runc.arg(format!("bundle-{}", std::process::id())).arg0("runc"));
    assert!(String::from_utf8_lossy(&ran.stdout).starts_with("Python 3."), "{}", text(&ran));
    place.assert_clean();
}
