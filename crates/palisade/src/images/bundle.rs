//! An image as a bundle of the Open Container Initiative: a directory that any OCI runtime runs.
//!
//! Not here: bundles of a run (`backend::oci`).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{archive, parts::Parts};

/// Its two parts.
const TREE: &str = "rootfs";
const CONFIG: &str = "config.json";

/// Writes the bundle into a directory that is not there yet. `command` is what it runs.
pub(super) fn write(
    parts: &Parts,
    directory: &Path,
    environment: &[String],
    command: &[String],
) -> io::Result<PathBuf> {
    fs::create_dir(directory)?;
    let written = unpack(parts, &directory.join(TREE))
        .and_then(|()| fs::write(directory.join(CONFIG), config(environment, command).to_string()));
    if written.is_err() {
        let _ = fs::remove_dir_all(directory);
    }
    written.map(|()| directory.to_owned())
}

/// The archive is of this process's own making.
fn unpack(parts: &Parts, tree: &Path) -> io::Result<()> {
    fs::create_dir(tree)?;
    let (reader, writer) = io::pipe()?;
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || archive::write(parts, writer));
        let mut archive = tar::Archive::new(reader);
        archive.set_preserve_permissions(true);
        let read = archive.unpack(tree);
        drop(archive);
        let written = writing.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        read.and(written)
    })
}

/// The policy of R20: nothing to write to but /tmp, no network, nobody in particular.
fn config(environment: &[String], command: &[String]) -> Value {
    let mount = |at: &str, kind: &str, options: &[&str]| json!({ "destination": at, "type": kind, "source": kind, "options": options });
    let namespaces = ["pid", "network", "ipc", "uts", "mount", "cgroup"].map(|kind| json!({ "type": kind }));
    json!({
        "ociVersion": "1.0.2",
        "hostname": "sandbox",
        "root": { "path": TREE, "readonly": true },
        "process": {
            "user": { "uid": 1000, "gid": 1000 },
            "args": command,
            "env": environment,
            "cwd": "/work",
            "capabilities": { "bounding": [], "effective": [], "inheritable": [], "permitted": [], "ambient": [] },
            "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 }],
            "noNewPrivileges": true,
        },
        "mounts": [
            mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
            mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            mount("/tmp", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=100m"]),
        ],
        "linux": {
            "namespaces": namespaces,
            "resources": {
                "memory": { "limit": 536_870_912, "swap": 536_870_912 },
                "pids": { "limit": 128 },
                "cpu": { "period": 100_000, "quota": 100_000 },
            },
            "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                            "/proc/sched_debug", "/proc/scsi", "/proc/kallsyms"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    })
}
