//! Plans are plain data: what a request would do, checked without any privilege and without running anything.
#![allow(clippy::unwrap_used, reason = "not library code")]
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};

use palisade::spec::{Backend, FilesPolicy, LimitsAsk, NetworkPolicy, Policy, Program, Request, Siblings};
use palisade::{Plan, StartError, plan};
use serde_json::Value;

fn command(policy: Policy) -> Request {
    Request { policy, ..Request::new(Program::Command("true".to_owned())) }
}

/// The first launch as JSON, as `palisade plan --json` prints it.
fn launch(request: &Request) -> Value {
    serde_json::to_value(&plan(request).unwrap().launches[0]).unwrap()
}

fn tree(launch: &Value) -> &Vec<Value> {
    launch["tree"].as_array().unwrap()
}

/// Numbers of the entries that this holds for.
fn positions(launch: &Value, wanted: impl Fn(&Value) -> bool) -> Vec<usize> {
    tree(launch).iter().enumerate().filter(|(_, entry)| wanted(entry)).map(|(number, _)| number).collect()
}

fn seal(launch: &Value) -> usize {
    let seals = positions(launch, |entry| entry["entry"] == "seal");
    assert_eq!(seals.len(), 1, "one seal");
    seals[0]
}

fn is_at(entry: &Value, place: &str) -> bool {
    entry["at"].as_str().is_some_and(|at| Path::new(at).starts_with(place))
}

#[test]
fn nothing_of_the_host_s_homes_and_data_is_in_the_tree() {
    let launch = launch(&command(Policy::default()));
    for entry in tree(&launch).iter().filter(|entry| entry["entry"] == "host") {
        for forbidden in ["/home", "/root", "/var", "/srv", "/run", "/boot", "/sys", "/proc", "/dev", "/tmp"] {
            assert!(!is_at(entry, forbidden), "{entry}");
            let from = entry["from"].as_str().unwrap();
            assert!(!Path::new(from).starts_with(forbidden), "{entry}");
        }
        assert_ne!(entry["at"], "/etc", "{entry}");
        assert_ne!(entry["at"], "/", "{entry}");
        assert_eq!(entry["access"], "read", "{entry}");
    }
    for secret in ["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/hosts"] {
        let of_host = positions(&launch, |entry| entry["entry"] == "host" && is_at(entry, secret));
        assert!(of_host.is_empty(), "{secret} is the host's");
    }
}

#[test]
fn what_tells_of_the_host_in_proc_is_masked_after_proc_is_mounted() {
    let launch = launch(&command(Policy::default()));
    let proc = positions(&launch, |entry| entry["entry"] == "proc");
    assert_eq!(proc.len(), 1);
    for name in ["kallsyms", "keys", "key-users", "modules", "interrupts", "acpi", "scsi"] {
        let at = format!("/proc/{name}");
        let mask = positions(&launch, |entry| entry["entry"] == "mask" && entry["at"] == at.as_str());
        assert_eq!(mask.len(), 1, "{name} is masked once");
        assert!(proc[0] < mask[0] && mask[0] < seal(&launch), "{name} is masked after /proc and before the seal");
    }
}

#[test]
fn only_scratch_space_is_writable_and_comes_after_the_seal() {
    let launch = launch(&command(Policy::default()));
    let seal = seal(&launch);
    let scratch = positions(&launch, |entry| entry["entry"] == "scratch");
    let places: Vec<&str> = scratch.iter().map(|number| tree(&launch)[*number]["at"].as_str().unwrap()).collect();
    assert_eq!(places, ["/tmp", "/dev/shm"]);
    assert!(scratch.iter().all(|number| *number > seal));
    assert_eq!(tree(&launch).len() - 1 - seal, scratch.len(), "nothing else follows the seal");
    for number in scratch {
        assert_eq!(tree(&launch)[number]["size"], 100 << 20);
        assert_eq!(tree(&launch)[number]["inodes"], 10_000);
    }
}

#[test]
fn devices_are_the_five_that_give_access_to_nothing() {
    let launch = launch(&command(Policy::default()));
    let mut devices: Vec<&str> = positions(&launch, |entry| entry["entry"] == "device")
        .into_iter()
        .map(|number| tree(&launch)[number]["at"].as_str().unwrap())
        .collect();
    devices.sort_unstable();
    assert_eq!(devices, ["/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero"]);
}

#[test]
fn the_network_variants_differ_in_namespace_layer_and_names() {
    for (network, namespace, status, resolver) in [
        (NetworkPolicy::None, true, "enforced", false),
        (NetworkPolicy::Loopback, true, "enforced", false),
        (NetworkPolicy::AllowAll, false, "off", Path::new("/etc/resolv.conf").exists()),
    ] {
        let launch = launch(&command(Policy { network: network.clone(), ..Policy::default() }));
        let namespaces = launch["namespaces"].as_array().unwrap();
        assert_eq!(namespaces.contains(&"network".into()), namespace, "{network:?}");
        for always in ["user", "mount", "pid", "ipc", "uts", "cgroup"] {
            assert!(namespaces.contains(&always.into()), "{network:?}: {always}");
        }
        let layers = launch["layers"].as_array().unwrap();
        let layer = layers.iter().find(|layer| layer["layer"] == "network-isolation").unwrap();
        assert_eq!(layer["status"], status, "{network:?}");
        let names = positions(&launch, |entry| entry["entry"] == "host" && entry["at"] == "/etc/resolv.conf");
        assert_eq!(!names.is_empty(), resolver, "{network:?}");
    }
}

#[test]
fn a_tree_that_may_be_written_follows_the_seal_over_a_mount_point_that_precedes_it() {
    use std::os::unix::fs::PermissionsExt as _;
    // Not below /tmp, where scratch space is in between.
    let home = tempfile::Builder::new().prefix("palisade-plan-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let write = home.path().join("write");
    std::fs::create_dir(&write).unwrap();
    std::fs::set_permissions(&write, std::fs::Permissions::from_mode(0o777)).unwrap();
    let write = write.canonicalize().unwrap();
    let files = FilesPolicy { write: vec![write.clone()], ..FilesPolicy::default() };
    let launch = launch(&command(Policy { files, ..Policy::default() }));
    let at = |entry: &Value| entry["at"].as_str() == write.to_str();
    let attached = positions(&launch, |entry| entry["entry"] == "host" && at(entry));
    assert_eq!(attached.len(), 1);
    assert_eq!(tree(&launch)[attached[0]]["access"], "write");
    assert!(attached[0] > seal(&launch));
    if !write.starts_with("/tmp") {
        let point = positions(&launch, |entry| entry["entry"] == "directory" && at(entry));
        assert!(!point.is_empty() && point[0] < seal(&launch));
    }
}

#[test]
fn a_tree_below_tmp_follows_the_scratch_space_that_would_cover_it() {
    let home = tempfile::Builder::new().prefix("palisade-plan-").tempdir_in("/tmp").unwrap();
    let files = FilesPolicy { read: vec![home.path().to_owned()], ..FilesPolicy::default() };
    let launch = launch(&command(Policy { files, ..Policy::default() }));
    let scratch = positions(&launch, |entry| entry["entry"] == "scratch" && entry["at"] == "/tmp")[0];
    let attached = positions(&launch, |entry| entry["at"].as_str() == home.path().to_str());
    assert!(attached.last().is_some_and(|number| *number > scratch));
    assert_eq!(tree(&launch)[*attached.last().unwrap()]["access"], "read");
}

#[test]
fn an_inner_tree_is_attached_after_the_outer_one_whatever_the_order() {
    let home = tempfile::Builder::new().prefix("palisade-plan-").tempdir_in("/tmp").unwrap();
    let inner = home.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let files = FilesPolicy { read: vec![inner.clone(), home.path().to_owned()], ..FilesPolicy::default() };
    let launch = launch(&command(Policy { files, ..Policy::default() }));
    let of = |path: &Path| positions(&launch, |entry| entry["at"].as_str() == path.to_str())[0];
    assert!(of(home.path()) < of(&inner));
}

#[test]
fn what_is_the_sandbox_s_own_cannot_be_given() {
    let whole = ["/", "//", "/usr/.."].map(|path| (path, true));
    let own = ["/proc", "/proc/self", "/dev", "/dev/shm"].map(|path| (path, false));
    for (path, write) in whole.into_iter().chain(own) {
        let (none, one) = (Vec::new(), vec![PathBuf::from(path)]);
        let (read, write) = if write { (none, one) } else { (one, none) };
        let files = FilesPolicy { read, write, ..FilesPolicy::default() };
        let error = plan(&command(Policy { files, ..Policy::default() })).unwrap_err();
        assert!(matches!(error, StartError::Path { .. }), "{path}: {error}");
        assert!(error.hint().is_some(), "{path}");
        assert_eq!(error.exit_code(), 125);
    }
}

#[test]
fn a_link_to_what_is_the_sandbox_s_own_cannot_be_given_either() {
    let home = tempfile::Builder::new().prefix("palisade-plan-").tempdir_in("/tmp").unwrap();
    let link = home.path().join("link");
    for target in ["/", "/proc", "/dev"] {
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(target, &link).unwrap();
        for write in [false, true] {
            let paths = vec![link.clone()];
            let files = if write {
                FilesPolicy { write: paths, ..FilesPolicy::default() }
            } else {
                FilesPolicy { read: paths, ..FilesPolicy::default() }
            };
            let planned = plan(&command(Policy { files, ..Policy::default() }));
            // All of the host can be read, and that is not the sandbox's own root.
            assert_eq!(planned.is_ok(), target == "/" && !write, "{target}");
        }
    }
}

#[test]
fn limits_are_in_the_plan_as_rlimits() {
    let limits = LimitsAsk { descriptors: Some(33), threads: Some(20), ..LimitsAsk::default() };
    let launch = launch(&command(Policy { limits, ..Policy::default() }));
    let rlimits = &launch["rlimits"];
    assert_eq!(rlimits["descriptors"], 33);
    // Not 0, for which a core_pattern handler is started all the same.
    assert_eq!(rlimits["core-size"], 1);
    assert!(rlimits["tasks"].as_u64().is_some_and(|tasks| (20..=40).contains(&tasks)), "{rlimits}");
    assert_eq!(launch["job"]["limits"]["threads"], 20);
}

#[test]
fn the_environment_is_the_small_fixed_one() {
    let launch = launch(&command(Policy::default()));
    let names: Vec<&str> =
        launch["job"]["environment"].as_array().unwrap().iter().map(|pair| pair[0].as_str().unwrap()).collect();
    assert_eq!(names, ["PATH", "HOME", "TMPDIR", "LANG"]);
}

#[test]
fn a_compiled_language_is_two_launches_of_which_the_first_has_no_network() {
    if !palisade_testkit::need("gcc") {
        return;
    }
    let home = tempfile::Builder::new().prefix("palisade-plan-").tempdir_in("/tmp").unwrap();
    let file = home.path().join("main.c");
    std::fs::write(&file, "int main(void) { return 0; }").unwrap();
    let source = Program::Source { file, language: None, siblings: Siblings::Hidden };
    let policy = Policy { network: NetworkPolicy::AllowAll, ..Policy::default() };
    let Plan { launches, backend } = plan(&Request { policy, ..Request::new(source) }).unwrap();
    assert_eq!((launches.len(), backend), (2, Backend::Native));
    let launches: Vec<Value> = launches.iter().map(|launch| serde_json::to_value(launch).unwrap()).collect();
    assert_eq!((&launches[0]["job"]["stage"], &launches[1]["job"]["stage"]), (&"compile".into(), &"run".into()));
    assert_eq!((&launches[0]["job"]["network"], &launches[1]["job"]["network"]), (&"none".into(), &"allow-all".into()));
    for launch in &launches {
        let copies = positions(launch, |entry| entry["entry"] == "copy" && is_at(entry, "/work"));
        assert_eq!(copies.len(), 1, "the source is a copy");
        let shown = positions(launch, |entry| entry["entry"] == "host" && is_at(entry, home.path().to_str().unwrap()));
        assert!(shown.is_empty(), "the directory of the source is not visible");
    }
    let writable =
        |launch: &Value| positions(launch, |entry| entry["entry"] == "scratch" && entry["at"] == "/build").len();
    assert_eq!((writable(&launches[0]), writable(&launches[1])), (1, 0), "only the compiler may write to /build");
}

#[test]
fn planning_the_backend_none_says_that_every_wall_is_off() {
    let request = Request { backend: Backend::None, ..command(Policy::default()) };
    let launch = launch(&request);
    for layer in launch["layers"].as_array().unwrap() {
        let limits = ["resource-limits", "time-limits", "input-validation", "output-filtering"];
        if !limits.contains(&layer["layer"].as_str().unwrap()) {
            assert_eq!(layer["status"], "off", "{layer}");
        }
    }
}
