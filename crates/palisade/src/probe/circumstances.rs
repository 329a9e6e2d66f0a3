//! What explains a failure: settings of the host and of this process, read for this purpose alone.
//!
//! Not here: what follows from them (`explain`), whether anything works (that is tried).

use std::{fs, path::Path};

use rustix::{
    fs::{StatVfsMountFlags, statvfs},
    process::{Resource, getegid, geteuid, getrlimit},
};
use serde::Serialize;

/// Who tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Caller {
    /// User 0, at least of this user namespace.
    Root,
    /// Anybody else.
    Ordinary {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
}

impl Caller {
    /// What stands before a command that only root may give.
    pub(super) fn sudo(self) -> &'static str {
        match self {
            Self::Root => "",
            Self::Ordinary { .. } => "sudo ",
        }
    }
}

/// What this process runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// None that shows.
    None,
    /// Docker's.
    Docker,
    /// Podman's.
    Podman,
    /// A pod's.
    Kubernetes,
}

/// Whether groups may be given up in this user namespace (user_namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetGroups {
    /// Yes.
    Allowed,
    /// No: somebody without privileges made it.
    Denied,
}

/// Which control groups are mounted at /sys/fs/cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupVersion {
    /// One directory for each controller.
    V1,
    /// One tree.
    V2,
    /// Neither.
    None,
}

/// Whether files can be made in a mounted file system at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mounted {
    /// No: every container engine mounts the control groups like this.
    ReadOnly,
    /// As far as permissions allow it.
    Writable,
}

/// What explains a failure. None of it decides whether something works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circumstances {
    /// Who tries.
    pub caller: Caller,
    /// What this process runs in.
    pub container: Container,
    /// The AppArmor profile that confines this process.
    pub profile: Option<String>,
    /// Whether groups may be given up.
    pub groups: SetGroups,
    /// System call filters that hold for this process already.
    pub filters: u64,
    /// `kernel.unprivileged_userns_clone`: Debian's and Ubuntu's switch.
    pub unprivileged_userns_clone: Option<u64>,
    /// `kernel.apparmor_restrict_unprivileged_userns`: that of Ubuntu 24.04.
    pub apparmor_restrict_userns: Option<u64>,
    /// `user.max_NAME_namespaces`, by the names of the settings.
    pub namespace_limits: Vec<(&'static str, u64)>,
    /// Hard `RLIMIT_NPROC`.
    pub process_limit: Option<u64>,
    /// Which control groups there are.
    pub cgroups: CgroupVersion,
    /// How they are mounted.
    pub cgroup_mount: Mounted,
    /// Names of the security modules that are on, with commas.
    pub security_modules: Option<String>,
}

const LIMITS: [&str; 7] = [
    "user.max_user_namespaces",
    "user.max_mnt_namespaces",
    "user.max_pid_namespaces",
    "user.max_net_namespaces",
    "user.max_ipc_namespaces",
    "user.max_uts_namespaces",
    "user.max_cgroup_namespaces",
];

impl Circumstances {
    /// Reads what can be read.
    #[must_use]
    pub fn look() -> Self {
        let uid = geteuid();
        Self {
            caller: if uid.is_root() {
                Caller::Root
            } else {
                Caller::Ordinary { uid: uid.as_raw(), gid: getegid().as_raw() }
            },
            container: container(),
            profile: fs::read_to_string("/proc/self/attr/current")
                .ok()
                .map(|label| label.trim().to_owned())
                .filter(|label| !label.is_empty() && label != "unconfined" && label != "kernel"),
            groups: match fs::read_to_string("/proc/self/setgroups") {
                Ok(word) if word.trim() == "deny" => SetGroups::Denied,
                _ => SetGroups::Allowed,
            },
            filters: status_field("Seccomp_filters:").or_else(|| status_field("Seccomp:")).unwrap_or(0),
            unprivileged_userns_clone: setting("kernel.unprivileged_userns_clone"),
            apparmor_restrict_userns: setting("kernel.apparmor_restrict_unprivileged_userns"),
            namespace_limits: LIMITS.into_iter().filter_map(|name| Some((name, setting(name)?))).collect(),
            process_limit: getrlimit(Resource::Nproc).maximum,
            cgroups: cgroup_version(Path::new("/sys/fs/cgroup")),
            cgroup_mount: cgroup_mount(Path::new("/sys/fs/cgroup")),
            security_modules: fs::read_to_string("/sys/kernel/security/lsm").ok().map(|list| list.trim().to_owned()),
        }
    }
}

fn container() -> Container {
    if Path::new("/.dockerenv").exists() {
        Container::Docker
    } else if Path::new("/run/.containerenv").exists() {
        Container::Podman
    } else if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        Container::Kubernetes
    } else {
        Container::None
    }
}

fn cgroup_version(root: &Path) -> CgroupVersion {
    if root.join("cgroup.controllers").exists() {
        CgroupVersion::V2
    } else if root.join("memory").is_dir() || root.join("pids").is_dir() {
        CgroupVersion::V1
    } else {
        CgroupVersion::None
    }
}

fn cgroup_mount(root: &Path) -> Mounted {
    // On version 1 the root is a tmpfs, which systemd mounts read-only everywhere.
    let path = ["memory", "pids"].into_iter().map(|name| root.join(name)).find(|path| path.is_dir());
    match statvfs(path.as_deref().unwrap_or(root)) {
        Ok(mount) if mount.f_flag.contains(StatVfsMountFlags::RDONLY) => Mounted::ReadOnly,
        _ => Mounted::Writable,
    }
}

fn setting(name: &str) -> Option<u64> {
    fs::read_to_string(Path::new("/proc/sys").join(name.replace('.', "/"))).ok()?.trim().parse().ok()
}

fn status_field(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}
