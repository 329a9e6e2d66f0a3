//! The names of the walls, and how one says no.
//!
//! Not here: what each holds (`guarantee.rs`), how one is built (`palisade::backend`).

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// Which wall to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// The first usable one that holds the policy (R19): palisade's own, if it can.
    #[default]
    Auto,
    /// palisade's own Linux sandbox (R1).
    Native,
    /// util-linux `unshare` (R2).
    Unshare,
    /// `chroot` (R3): no isolation.
    Chroot,
    /// `bwrap` (R4).
    Bubblewrap,
    /// `firejail` (R5).
    Firejail,
    /// Docker Engine, by its API (R6).
    Docker,
    /// Podman, by its API (R7).
    Podman,
    /// `lxc-execute` (R8).
    Lxc,
    /// `systemd-nspawn` (R9).
    Nspawn,
    /// The OCI runtime `runc` (R10).
    Runc,
    /// The OCI runtime `crun` (R10).
    Crun,
    /// The OCI runtime `youki` (R10).
    Youki,
    /// The OCI runtime `runsc`: a kernel in user space (R11).
    Gvisor,
    /// The OCI runtime `kata-runtime`: a virtual machine (R13).
    Kata,
    /// No isolation at all (R18). Only by name.
    None,
    /// One that has a name (R12 to R17) and is not in this version: asking for it is understood, and refused with that reason.
    Missing(&'static str),
}

/// Every name that can be asked for.
const NAMED: [(&str, Backend); 22] = [
    ("auto", Backend::Auto),
    ("native", Backend::Native),
    ("none", Backend::None),
    ("bubblewrap", Backend::Bubblewrap),
    ("chroot", Backend::Chroot),
    ("crun", Backend::Crun),
    ("docker", Backend::Docker),
    ("firecracker", Backend::Missing("firecracker")),
    ("firejail", Backend::Firejail),
    ("gvisor", Backend::Gvisor),
    ("kata", Backend::Kata),
    ("lxc", Backend::Lxc),
    ("macos", Backend::Missing("macos")),
    ("nspawn", Backend::Nspawn),
    ("podman", Backend::Podman),
    ("qemu", Backend::Missing("qemu")),
    ("qemu-microvm", Backend::Missing("qemu-microvm")),
    ("runc", Backend::Runc),
    ("unshare", Backend::Unshare),
    ("wasm", Backend::Missing("wasm")),
    ("windows", Backend::Missing("windows")),
    ("youki", Backend::Youki),
];

impl Backend {
    /// Every name that can be asked for. `Missing` ones are understood, and refused.
    pub const NAMES: [&str; NAMED.len()] = {
        let mut names = [""; NAMED.len()];
        let mut number = 0;
        while number < names.len() {
            names[number] = NAMED[number].0;
            number += 1;
        }
        names
    };

    /// The name that it is asked for by.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMED.iter().find(|(_, backend)| *backend == self).map_or("?", |(name, _)| name)
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Backend {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// One reason why a backend cannot hold a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Who refuses.
    pub backend: &'static str,
    /// What is needed.
    pub needs: String,
    /// Why it cannot be had.
    pub because: String,
    /// What to do.
    pub hint: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: needs {}, but {}", self.backend, self.needs, self.because)
    }
}

/// A backend name that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a backend{meant}: there are {names}", meant = meant(.0), names = names().join(", "))]
pub struct BackendParseError(String);

/// What walls are called by those who know their programs.
const PROGRAMS: [(&str, Backend); 7] = [
    ("bwrap", Backend::Bubblewrap),
    ("dockerd", Backend::Docker),
    ("kata-containers", Backend::Kata),
    ("kata-runtime", Backend::Kata),
    ("lxc-execute", Backend::Lxc),
    ("runsc", Backend::Gvisor),
    ("systemd-nspawn", Backend::Nspawn),
];

/// Those that this version has.
fn names() -> Vec<&'static str> {
    NAMED.iter().filter(|(_, backend)| !matches!(backend, Backend::Missing(_))).map(|(name, _)| *name).collect()
}

/// What of it may have been meant.
fn meant(text: &str) -> String {
    let by_program = PROGRAMS.iter().find(|(program, _)| *program == text).map(|(_, backend)| backend.name());
    let alike = names().into_iter().map(|name| (strsim::jaro_winkler(text, name), name));
    let nearest = alike.filter(|(likeness, _)| *likeness > 0.8).max_by(|a, b| a.0.total_cmp(&b.0));
    let name = by_program.or(nearest.map(|(_, name)| name));
    name.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

impl FromStr for Backend {
    type Err = BackendParseError;

    fn from_str(text: &str) -> Result<Self, BackendParseError> {
        let named = NAMED.iter().find(|(name, _)| *name == text);
        named.map(|(_, backend)| *backend).ok_or_else(|| BackendParseError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_none_is_answered_by_the_nearest_and_by_those_that_can_be_had() {
        for (wrong, right) in
            [("bubblewarp", "bubblewrap"), ("bwrap", "bubblewrap"), ("runsc", "gvisor"), ("systemd-nspawn", "nspawn")]
        {
            let error = wrong.parse::<Backend>().map_err(|error| error.to_string());
            assert!(
                error.as_ref().is_err_and(|error| error.contains(&format!("did you mean `{right}`?"))),
                "{error:?}"
            );
            assert!(error.is_err_and(|error| !error.contains("firecracker")));
        }
    }

    #[test]
    fn every_name_is_read_as_it_is_written() {
        for name in Backend::NAMES {
            assert_eq!(name.parse::<Backend>().map(|backend| backend.to_string()), Ok(name.to_owned()));
        }
    }
}
