//! The methods by name: what each is, and what has to be there for it. Not here: how each is called (`recipes`).

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use palisade_spec::Backend;

use super::{
    ground::Ground,
    recipes::{self, Way},
};

/// A way to start a program.
#[derive(Clone, Copy)]
pub struct Method {
    /// What it is asked for by.
    pub name: &'static str,
    /// In a few words.
    pub about: &'static str,
    /// Whose it is.
    pub side: Side,
    /// What has to be there.
    pub(super) needs: &'static [Need],
    /// How it may be called: each of these is tried until one works.
    pub(super) ways: fn(&Ground, &Found) -> Result<Vec<Way>, String>,
}

/// Whose a method is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Nobody's: a plain start, that all are compared with.
    Baseline,
    /// Another project's.
    Other,
    /// palisade's.
    Own,
}

/// What a method cannot do without.
#[derive(Clone, Copy, Debug)]
pub(super) enum Need {
    /// One of these programs on PATH, and where it comes from.
    Program(&'static [&'static str], &'static str),
    /// To be root.
    Root,
    /// Hardware that virtualises.
    Kvm,
    /// A kernel for a guest.
    Kernel,
}

/// What was found, in the order of the needs.
pub(super) struct Found {
    programs: Vec<String>,
    /// The wall of palisade's that is meant.
    pub(super) backend: Option<Backend>,
}

impl Found {
    pub(super) fn program(&self) -> &str {
        self.programs.first().map_or("", String::as_str)
    }
}

/// Why a method cannot be measured here, and what can be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) because: String,
    pub(super) hint: String,
}

impl std::fmt::Debug for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Method").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What all are compared with.
pub const BASELINE: &str = "baseline";
/// What has as many walls as it offers.
pub const PEER: &str = "bwrap";
/// How palisade's other walls are called.
const WITH: &str = "palisade-";

const BWRAP: &[Need] = &[Need::Program(&["bwrap"], "apt-get install bubblewrap")];
const QEMU: Need = Need::Program(
    &[if cfg!(target_arch = "aarch64") { "qemu-system-aarch64" } else { "qemu-system-x86_64" }],
    if cfg!(target_arch = "aarch64") { "apt-get install qemu-system-arm" } else { "apt-get install qemu-system-x86" },
);

const fn other(
    name: &'static str,
    about: &'static str,
    needs: &'static [Need],
    ways: fn(&Ground, &Found) -> Result<Vec<Way>, String>,
) -> Method {
    Method { name, about, side: Side::Other, needs, ways }
}

const fn own(
    name: &'static str,
    about: &'static str,
    needs: &'static [Need],
    ways: fn(&Ground, &Found) -> Result<Vec<Way>, String>,
) -> Method {
    Method { name, about, side: Side::Own, needs, ways }
}

/// Every method, in the order in which they take turns.
pub const METHODS: [Method; 20] = [
    Method { name: BASELINE, about: "posix_spawn, no walls", side: Side::Baseline, needs: &[], ways: recipes::plain },
    own("palisade", "`palisade run`, a new process each time", &[], recipes::own::cold),
    own("palisade-pool", "`palisade run` with a `palisade pool`", &[], recipes::pool::pooled),
    own("palisade-library", "the library, from this process", &[], recipes::own::library),
    own("palisade-warm", "a cell that stands ready, from this process", &[], recipes::own::warm),
    other(
        "unshare",
        "seven namespaces",
        &[Need::Program(&["unshare"], "apt-get install util-linux")],
        recipes::namespaces::unshare,
    ),
    other(
        "chroot",
        "another root directory",
        &[Need::Program(&["chroot"], "apt-get install coreutils"), Need::Root],
        recipes::namespaces::chroot,
    ),
    other("bwrap-minimal", "its pid namespace, files read-only", BWRAP, recipes::namespaces::bwrap_minimal),
    other("bwrap-network", "the same, and no network", BWRAP, recipes::namespaces::bwrap_network),
    other(PEER, "all its namespaces, /usr read-only", BWRAP, recipes::namespaces::bwrap_full),
    other(
        "firejail",
        "no network, private home, seccomp",
        &[Need::Program(&["firejail"], "apt-get install firejail")],
        recipes::namespaces::firejail,
    ),
    other(
        "gvisor",
        "a kernel in user space",
        &[Need::Program(&["runsc"], "apt-get install runsc")],
        recipes::containers::gvisor,
    ),
    other(
        "docker",
        "a container by the engine's command",
        &[Need::Program(&["docker"], "apt-get install docker.io")],
        recipes::containers::docker,
    ),
    other(
        "podman",
        "a container without an engine",
        &[Need::Program(&["podman"], "apt-get install podman")],
        recipes::containers::podman,
    ),
    other(
        "lxc",
        "a container by lxc-execute",
        &[Need::Program(&["lxc-execute"], "apt-get install lxc"), Need::Root],
        recipes::containers::lxc,
    ),
    other(
        "nspawn",
        "a container by systemd-nspawn",
        &[Need::Program(&["systemd-nspawn"], "apt-get install systemd-container"), Need::Root],
        recipes::containers::nspawn,
    ),
    other(
        "firecracker",
        "a small virtual machine",
        &[
            Need::Program(
                &["firecracker"],
                "no Debian package: get it from https://github.com/firecracker-microvm/firecracker/releases",
            ),
            Need::Kvm,
            Need::Kernel,
        ],
        recipes::machines::firecracker,
    ),
    other("qemu-microvm", "a small virtual machine", &[QEMU, Need::Kernel], recipes::machines::microvm),
    other(
        "kata",
        "a container in a virtual machine",
        &[
            Need::Program(
                &["containerd-shim-kata-v2"],
                "no Debian package: get it from https://github.com/kata-containers/kata-containers/releases",
            ),
            Need::Program(&["ctr"], "apt-get install containerd"),
            Need::Root,
            Need::Kvm,
        ],
        recipes::machines::kata,
    ),
    other("qemu", "a virtual machine", &[QEMU, Need::Kernel], recipes::machines::pc),
];

/// The names of palisade's other walls, as methods.
pub const WALLS: [(&str, Backend); 12] = [
    ("palisade-bubblewrap", Backend::Bubblewrap),
    ("palisade-lxc", Backend::Lxc),
    ("palisade-crun", Backend::Crun),
    ("palisade-runc", Backend::Runc),
    ("palisade-nspawn", Backend::Nspawn),
    ("palisade-gvisor", Backend::Gvisor),
    ("palisade-docker", Backend::Docker),
    ("palisade-podman", Backend::Podman),
    ("palisade-firejail", Backend::Firejail),
    ("palisade-unshare", Backend::Unshare),
    ("palisade-chroot", Backend::Chroot),
    ("palisade-none", Backend::None),
];

/// The method of this name.
#[must_use]
pub fn method(name: &str) -> Option<Method> {
    let wall = || {
        let (name, _) = WALLS.iter().find(|(known, _)| *known == name)?;
        Some(own(name, "`palisade run --backend`", &[], recipes::own::wall))
    };
    METHODS.iter().copied().find(|method| method.name == name).or_else(wall)
}

impl Method {
    /// Looks for all that it needs.
    pub(super) fn find(&self, ground: &Ground) -> Result<Found, Missing> {
        let mut programs = Vec::new();
        for need in self.needs {
            match need {
                Need::Program(names, install) => {
                    let found = names.iter().find_map(|name| on_path(name));
                    let missing = || Missing {
                        because: format!("{} is not installed", names.join(" or ")),
                        hint: if install.starts_with("apt-get") {
                            format!("{}{install}", sudo())
                        } else {
                            (*install).into()
                        },
                    };
                    programs.push(found.ok_or_else(missing)?.to_string_lossy().into_owned());
                }
                Need::Root if !rustix::process::geteuid().is_root() => {
                    let missing = ("it takes root's rights", "sudo palisade bench");
                    return Err(Missing { because: missing.0.into(), hint: missing.1.into() });
                }
                Need::Kvm => {
                    if let Err(error) = fs::File::options().read(true).write(true).open("/dev/kvm") {
                        return Err(Missing {
                            because: format!("/dev/kvm: {error}"),
                            hint: "use a machine that can virtualise, and be a member of the group kvm".into(),
                        });
                    }
                }
                Need::Kernel if ground.kernel.is_none() => {
                    return Err(Missing {
                        because: "there is no kernel for the guest that this user can read (/boot/vmlinuz-*)".into(),
                        hint: format!("{}apt-get install linux-image-cloud-amd64, or name one: --kernel FILE", sudo()),
                    });
                }
                Need::Root | Need::Kernel => {}
            }
        }
        let backend = self.name.strip_prefix(WITH).and_then(|_| WALLS.iter().find(|(name, _)| *name == self.name));
        Ok(Found { programs, backend: backend.map(|(_, backend)| *backend) })
    }
}

fn sudo() -> &'static str {
    if rustix::process::geteuid().is_root() { "" } else { "sudo " }
}

/// The program that a shell would run.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into());
    let is_program =
        |file: &Path| file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    env::split_paths(&path)
        .filter(|place| place.is_absolute())
        .map(|place| place.join(name))
        .find(|file| is_program(file))
}

/// The newest kernel of this host's own that can be read.
#[must_use]
pub fn kernel() -> Option<PathBuf> {
    let named = |name: &str| name.starts_with("vmlinuz") || name.starts_with("vmlinux");
    let entries = fs::read_dir("/boot").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        entries.filter(|entry| entry.file_name().to_str().is_some_and(named)).map(|entry| entry.path()).collect();
    found.sort();
    found.into_iter().rev().find(|path| fs::File::open(path).is_ok())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_method_that_is_asked_for_has_a_name_of_its_own() {
        let names: BTreeSet<&str> =
            METHODS.iter().map(|method| method.name).chain(WALLS.iter().map(|(name, _)| *name)).collect();
        assert_eq!(names.len(), METHODS.len() + WALLS.len());
        for name in [
            "baseline",
            "unshare",
            "chroot",
            "bwrap",
            "firejail",
            "gvisor",
            "docker",
            "podman",
            "lxc",
            "nspawn",
            "firecracker",
            "qemu-microvm",
            "kata",
            "qemu",
            "palisade",
            "palisade-pool",
            "palisade-library",
            "palisade-warm",
        ] {
            assert!(method(name).is_some_and(|method| method.name == name), "{name}");
        }
    }
}
