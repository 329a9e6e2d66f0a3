//! `config.json` of a bundle: as much of <https://github.com/opencontainers/runtime-spec> as a wall needs.
//!
//! The file tree is palisade's, and sealed. A runtime is kept from adding anything to it: what it would make itself, it is told to
//! take from there.

use std::path::Path;

use palisade_spec::NetworkPolicy;
use serde::Serialize;

use super::runtime::Runtime;
use crate::{
    foreign::{AGENT, Kernel, Places},
    native::{Entry, HOST_NAME, Launch},
};

/// Its name in the directory of a bundle.
pub(super) const CONFIG: &str = "config.json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    oci_version: &'static str,
    process: Process,
    root: Root,
    hostname: &'static str,
    mounts: Vec<Mount>,
    linux: Linux,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    terminal: bool,
    user: User,
    args: [&'static str; 1],
    env: [&'static str; 0],
    cwd: &'static str,
    capabilities: Capabilities,
    no_new_privileges: bool,
}

#[derive(Serialize)]
struct User {
    uid: u32,
    gid: u32,
}

/// What the agent needs to make a user namespace in which the program is not root (user_namespaces(7)): CAP_SETFCAP, and
/// nothing after that.
#[derive(Serialize)]
struct Capabilities {
    bounding: [&'static str; 1],
    effective: [&'static str; 1],
    permitted: [&'static str; 1],
}

#[derive(Serialize)]
struct Root {
    path: String,
    readonly: bool,
}

#[derive(Serialize)]
struct Mount {
    destination: String,
    r#type: &'static str,
    source: String,
    options: Vec<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Linux {
    namespaces: Vec<Namespace>,
    uid_mappings: [Mapping; 1],
    gid_mappings: [Mapping; 1],
    masked_paths: Vec<String>,
    readonly_paths: Vec<&'static str>,
}

#[derive(Serialize)]
struct Namespace {
    r#type: &'static str,
}

#[derive(Serialize)]
struct Mapping {
    #[serde(rename = "containerID")]
    container: u32,
    #[serde(rename = "hostID")]
    host: u32,
    size: u32,
}

/// What it says for this launch.
pub(super) fn config(runtime: &Runtime, launch: &Launch, places: &Places) -> String {
    let one = || [Mapping { container: 0, host: 0, size: 1 }];
    let needed = || ["CAP_SETFCAP"];
    let (masked, readonly) = match runtime.kernel {
        Kernel::Hosts => (
            launch.masks().map(|(at, _)| at.to_string_lossy().into_owned()).collect(),
            // Of the namespaces' own settings the program's user is the owner, as the one user that there is.
            vec!["/proc/sys"],
        ),
        // It is not the host's /proc.
        Kernel::Own => (Vec::new(), Vec::new()),
    };
    let config = Config {
        oci_version: "1.0.2",
        process: Process {
            terminal: false,
            user: User { uid: 0, gid: 0 },
            args: [AGENT],
            env: [],
            cwd: "/",
            capabilities: Capabilities { bounding: needed(), effective: needed(), permitted: needed() },
            no_new_privileges: true,
        },
        root: Root { path: places.root.to_string_lossy().into_owned(), readonly: false },
        hostname: HOST_NAME,
        mounts: mounts(runtime, launch, places),
        linux: Linux {
            namespaces: namespaces(launch).map(|r#type| Namespace { r#type }).collect(),
            uid_mappings: one(),
            gid_mappings: one(),
            masked_paths: masked,
            readonly_paths: readonly,
        },
    };
    // Strings and numbers always have a form in JSON.
    serde_json::to_string(&config).unwrap_or_default()
}

fn namespaces(launch: &Launch) -> impl Iterator<Item = &'static str> {
    let own = ["user", "pid", "mount", "ipc", "uts", "cgroup"];
    own.into_iter().chain((launch.job.network != NetworkPolicy::AllowAll).then_some("network"))
}

fn mounts(runtime: &Runtime, launch: &Launch, places: &Places) -> Vec<Mount> {
    let of_tree = |at: &Path| Mount {
        destination: at.to_string_lossy().into_owned(),
        r#type: "bind",
        source: places.root.join(at.strip_prefix("/").unwrap_or(at)).to_string_lossy().into_owned(),
        options: vec!["rbind"],
    };
    let mut mounts = vec![Mount {
        destination: "/proc".to_owned(),
        r#type: "proc",
        source: "proc".to_owned(),
        options: vec!["nosuid", "nodev", "noexec"],
    }];
    let devices = launch.tree.iter().filter_map(|entry| match entry {
        Entry::Device { at } => Some(at.as_path()),
        _ => None,
    });
    match runtime.kernel {
        Kernel::Hosts => {
            // A /dev that is mounted is not filled. Not every runtime takes what is mounted in it along (crun).
            mounts.push(of_tree(Path::new("/dev")));
            mounts.extend(devices.chain([Path::new("/dev/shm")]).map(of_tree));
        }
        // Such a kernel has devices of its own, and would have scratch space of its own, without a limit.
        Kernel::Own => mounts.extend(["/dev/shm", "/tmp"].map(Path::new).map(of_tree)),
    }
    mounts
}
