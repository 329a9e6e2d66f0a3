//! `palisade doctor`, run as root, as an ordinary user, and where something is missing.
//!
//! A feature is taken away from the command alone (a nested user namespace, a resource limit, a filter), never from the
//! host. Not here: the wording for hosts unlike this one (`palisade::probe::explain`).
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "helpers of tests")]

use std::{
    fs,
    io::Read,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use palisade_sys::{
    Listener, Namespaces, Op, Program, Script, Trial,
    seccomp::{Action, Arch, Call, Rule, Rules, compile},
    spawn,
};
use palisade_testkit::need;
use serde_json::Value;

const UID: u32 = 12_345;

/// A copy of the command that everybody may execute.
struct Copied(PathBuf);

impl Copied {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("palisade-doctor-{}-{name}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_palisade"), directory.join("palisade")).unwrap();
        Self(directory)
    }

    fn program(&self) -> String {
        self.0.join("palisade").display().to_string()
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn doctor(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir("/").env("HOME", "/nonexistent").stdin(Stdio::null());
    command
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn finding<'a>(found: &'a Value, feature: &str) -> &'a Value {
    let findings = found["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["feature"] == feature).unwrap_or_else(|| panic!("{feature}: {found:#}"))
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field}: {value:#}"))
}

fn as_somebody(program: &str) -> Command {
    let id = UID.to_string();
    doctor(&["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups", program, "doctor", "--json"])
}

#[test]
fn every_finding_has_evidence_and_every_failure_says_what_it_costs() {
    let output = doctor(&[env!("CARGO_BIN_EXE_palisade"), "doctor", "--json"]).output().unwrap();
    let found = json(&output);
    assert_eq!(found["schema"], "palisade.doctor/1");
    let findings = found["findings"].as_array().unwrap();
    for group in ["kernel", "cgroups", "languages", "backends"] {
        assert!(findings.iter().any(|finding| finding["group"] == group), "{group}: {found:#}");
    }
    for finding in findings {
        assert!(!text(finding, "evidence").is_empty(), "{finding:#}");
        assert!(!text(finding, "needed_by").is_empty(), "{finding:#}");
        assert!(finding["status"] != "usable" || finding["fix"].is_null(), "{finding:#}");
    }
    let usable = found["native"]["status"] != "not-usable";
    assert_eq!(output.status.code(), Some(i32::from(!usable)), "{found:#}");
}

#[test]
fn root_finds_the_limits_of_its_cgroups_usable() {
    if !need("root") {
        return;
    }
    let output = doctor(&[env!("CARGO_BIN_EXE_palisade"), "doctor", "--json"]).output().unwrap();
    let found = json(&output);
    assert_eq!(found["caller"]["kind"], "root");
    for feature in ["place for groups", "memory limit", "task limit", "processor time"] {
        assert_eq!(finding(&found, feature)["status"], "usable", "{found:#}");
    }
    let refused = text(finding(&found, "task limit"), "evidence");
    assert!(refused.contains("a fork beyond the limit was refused"), "{refused}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn an_ordinary_user_is_told_how_to_get_cgroups_and_still_has_a_sandbox() {
    if !need("root") {
        return;
    }
    let copied = Copied::new("ordinary");
    let output = as_somebody(&copied.program()).output().unwrap();
    let found = json(&output);
    assert_eq!((&found["caller"]["kind"], &found["caller"]["uid"]), (&"ordinary".into(), &UID.into()));
    assert_eq!(finding(&found, "user namespace")["status"], "usable", "{found:#}");
    for feature in ["place for groups", "memory limit", "task limit"] {
        let finding = finding(&found, feature);
        assert_eq!(finding["status"], "not-usable", "{finding:#}");
        let fix = text(finding, "fix");
        assert!(fix.contains("sudo chown 12345:12345") || fix.contains("systemd-run --user --scope"), "{fix}");
    }
    assert_eq!(found["native"]["status"], "weakened");
    assert!(found["native"]["weakened"].as_array().unwrap().iter().any(|weak| weak["what"] == "memory"), "{found:#}");
    assert_eq!(output.status.code(), Some(0));
}

/// Removes what a test made, also if it fails.
struct Groups(Vec<PathBuf>);

impl Drop for Groups {
    fn drop(&mut self) {
        for group in &self.0 {
            let _ = fs::remove_dir(group);
        }
    }
}

#[test]
fn the_command_that_delegates_version_1_cgroups_makes_them_usable() {
    let name = "the_command_that_delegates_version_1_cgroups_makes_them_usable";
    if !need("root") {
        return;
    }
    if !Path::new("/sys/fs/cgroup/memory/tasks").exists() {
        eprintln!("SKIPPED {name}: no cgroup version 1 here");
        return;
    }
    let copied = Copied::new("delegated");
    let first = as_somebody(&copied.program()).output().unwrap();
    // Root needs no sudo, and another name keeps apart from whoever follows the advice in earnest.
    let mine = format!("user-{UID}-test-{}", std::process::id());
    let advice = text(finding(&json(&first), "place for groups"), "fix").replace("sudo ", "");
    let advice = advice.replace(&format!("user-{UID}"), &mine);
    let groups = ["memory", "pids", "cpuacct", "cpu"].map(|c| Path::new("/sys/fs/cgroup").join(c).join(&mine));
    let _groups = Groups(groups.to_vec());
    let script = format!(
        "{advice} >/dev/null && exec setpriv --reuid {UID} --regid {UID} --clear-groups {} doctor --json",
        copied.program()
    );
    let output = doctor(&["sh", "-c", &script]).output().unwrap();
    let found = json(&output);
    for feature in ["place for groups", "memory limit", "task limit", "processor time", "processor share"] {
        assert_eq!(finding(&found, feature)["status"], "usable", "{advice}: {found:#}");
    }
    assert_eq!(found["native"]["status"], "usable");
}

#[test]
fn nothing_is_left_on_the_host() {
    let name = "nothing_is_left_on_the_host";
    if !need("root") {
        return;
    }
    let mark = format!("PALISADE_TEST_MARK={name}-{}", std::process::id());
    let (key, value) = mark.split_once('=').unwrap();
    let child = doctor(&[env!("CARGO_BIN_EXE_palisade"), "doctor"])
        .env(key, value)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let prefix = format!("palisade-{}-", child.id());
    assert!(child.wait_with_output().unwrap().status.success());
    let mut groups = Vec::new();
    directories_with(Path::new("/sys/fs/cgroup"), &prefix, &mut groups);
    assert!(groups.is_empty(), "{groups:?}");
    let marked = |entry: &fs::DirEntry| {
        fs::read(entry.path().join("environ"))
            .is_ok_and(|all| all.split(|byte| *byte == 0).any(|one| one == mark.as_bytes()))
    };
    let left: Vec<_> = fs::read_dir("/proc").unwrap().flatten().filter(marked).map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "{left:?}");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.lines().any(|line| line.ends_with("palisade") || line.contains(" palisade ")), "{mounts}");
}

fn directories_with(directory: &Path, prefix: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                found.push(entry.path());
            }
            directories_with(&entry.path(), prefix, found);
        }
    }
}

#[test]
fn a_limit_of_no_user_namespaces_is_found_and_named() {
    if !need("userns") {
        return;
    }
    let script =
        format!("echo 0 > /proc/sys/user/max_user_namespaces && exec {} doctor --json", env!("CARGO_BIN_EXE_palisade"));
    let output = doctor(&["unshare", "-Ur", "sh", "-c", &script]).output().unwrap();
    let found = json(&output);
    let namespace = finding(&found, "user namespace");
    assert_eq!(namespace["status"], "not-usable");
    assert!(text(namespace, "evidence").ends_with("user.max_user_namespaces is 0"), "{namespace:#}");
    assert_eq!(text(namespace, "fix"), "sysctl -w user.max_user_namespaces=15000");
    assert_eq!(text(finding(&found, "pivot_root"), "evidence"), "not tried: it needs tmpfs of one's own");
    assert_eq!(finding(&found, "seccomp filter")["status"], "usable", "what needs no namespace is tried all the same");
    assert!(text(&found["native"], "evidence").contains("user.max_user_namespaces is 0"), "{found:#}");
    assert_eq!(found["native"]["fix"], namespace["fix"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn one_kind_of_namespace_that_is_missing_is_told_from_the_others() {
    if !need("userns") {
        return;
    }
    let script =
        format!("echo 0 > /proc/sys/user/max_net_namespaces && exec {} doctor --json", env!("CARGO_BIN_EXE_palisade"));
    let output = doctor(&["unshare", "-Ur", "sh", "-c", &script]).output().unwrap();
    let found = json(&output);
    for (feature, status) in
        [("network namespace", "not-usable"), ("loopback", "not-usable"), ("uts namespace", "usable")]
    {
        assert_eq!(finding(&found, feature)["status"], status, "{found:#}");
    }
    let fix = text(finding(&found, "network namespace"), "fix");
    assert_eq!(fix, "sysctl -w user.max_net_namespaces=15000");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_user_without_processes_left_learns_of_the_limit() {
    if !need("root") {
        return;
    }
    let copied = Copied::new("nproc");
    // An id of its own: processes of other tests would count.
    let id = (UID + 1).to_string();
    let program = copied.program();
    let output = doctor(&[
        "prlimit",
        "--nproc=0:0",
        "setpriv",
        "--reuid",
        &id,
        "--regid",
        &id,
        "--clear-groups",
        &program,
        "doctor",
        "--json",
    ])
    .output()
    .unwrap();
    let found = json(&output);
    let clone = finding(&found, "clone3");
    assert!(text(clone, "evidence").contains("RLIMIT_NPROC is 0"), "{clone:#}");
    assert!(text(clone, "fix").starts_with("sudo prlimit"), "{clone:#}");
    let limits = finding(&found, "resource limits");
    assert_eq!(limits["status"], "partial");
    assert!(text(limits, "evidence").contains("threads 0 (default "), "{limits:#}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_proc_that_is_covered_in_parts_is_found() {
    if !need("root") {
        return;
    }
    let script = format!("mount -t tmpfs t /proc/sys && exec {} doctor --json", env!("CARGO_BIN_EXE_palisade"));
    let found = json(&doctor(&["unshare", "-mpf", "--mount-proc", "sh", "-c", &script]).output().unwrap());
    let proc = finding(&found, "new /proc");
    assert!(text(proc, "evidence").contains("covered in parts"), "{proc:#}");
    assert_eq!(finding(&found, "pivot_root")["status"], "usable");
    assert_eq!(found["native"]["fix"], proc["fix"]);
}

#[test]
fn a_proc_of_another_pid_namespace_is_found() {
    if !need("root") {
        return;
    }
    let script = format!("{} doctor --json; exit 0", env!("CARGO_BIN_EXE_palisade"));
    let found = json(&doctor(&["unshare", "-pf", "sh", "-c", &script]).output().unwrap());
    let proc = finding(&found, "/proc");
    assert_eq!(proc["status"], "not-usable", "{found:#}");
    assert_eq!(text(proc, "fix"), "mount -t proc proc /proc (unshare: --mount-proc)");
    assert_eq!(found["native"]["fix"], proc["fix"]);
}

#[test]
fn a_filter_that_hides_clone3_as_dockers_does_is_found() {
    let rules = Rules { rules: vec![Rule::new(Call::clone3, Action::Errno(libc_enosys()))], otherwise: Action::Allow };
    let filter = compile(&rules, Arch::host().unwrap()).unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let path = std::ffi::CString::new(env!("CARGO_BIN_EXE_palisade")).unwrap();
    let words = ["palisade", "doctor", "--json"].map(|word| std::ffi::CString::new(word).unwrap());
    let program = Program {
        stdio: palisade_sys::Stdio::Given([
            fs::File::open("/dev/null").unwrap().into(),
            writer.try_clone().unwrap().into(),
            writer.into(),
        ]),
        rlimits: Vec::new(),
        filter,
        listener: Listener::Nobody,
        announcement: Vec::new(),
        candidates: vec![path],
        arguments: words.to_vec(),
        environment: vec![c"PATH=/usr/bin:/bin".to_owned()],
    };
    let ops = vec![Op::Trial(Trial::NoNewPrivileges)];
    let script =
        Script { namespaces: Namespaces::default(), cgroup: None, ops, aside: Vec::new(), program: Some(program) };
    let mut child = spawn(&script).unwrap();
    drop(script); // and with it our ends for writing
    let mut printed = Vec::new();
    reader.read_to_end(&mut printed).unwrap();
    child.reap();
    let found: Value = serde_json::from_slice(&printed).unwrap();
    let clone = finding(&found, "clone3");
    assert!(text(clone, "evidence").starts_with("clone3: Function not implemented"), "{clone:#}");
    assert!(!text(clone, "fix").contains("boot"), "the kernel has it: {clone:#}");
    assert_eq!(text(finding(&found, "user namespace"), "evidence"), "not tried: it needs clone3");
    assert_eq!(found["native"]["status"], "not-usable");
}

/// The test crate has no libc; the number is the same on every Linux that filters are made for.
const fn libc_enosys() -> u16 {
    38
}

#[test]
fn a_reader_that_is_gone_is_no_reason_to_panic() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = doctor(&[env!("CARGO_BIN_EXE_palisade"), "doctor"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .arg0("palisade")
        .output()
        .unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{output:?}");
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
}
