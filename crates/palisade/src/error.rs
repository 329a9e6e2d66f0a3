//! Why a run could not be started, and what to do about it.
//!
//! A program that crashes, times out or breaks its policy is a `Report`, not an error.

use std::{io, path::PathBuf};

pub use palisade_spec::Refusal;
use palisade_spec::{Backend, Clamp};

use crate::{
    config::{ConfigError, in_one_line},
    diagnose::Malformed,
    environment::EnvironmentError,
    language::LanguageError,
    policies::PolicyError,
};

/// Why a run could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No backend can hold the policy here.
    #[error("no backend can hold this policy ({} considered)", backends(refusals))]
    NoBackend {
        /// Each with its reason.
        refusals: Vec<Refusal>,
    },
    /// A step failed inside the child before the program was executed.
    #[error("sandbox setup failed: {step}: {source}")]
    Setup {
        /// Which step.
        step: String,
        /// What the kernel said.
        source: io::Error,
        /// What may help.
        hint: Option<String>,
        /// What it is about.
        about: About,
    },
    /// The program that makes the wall did not.
    #[error("{backend} {happened}{}", then(said))]
    Wall {
        /// Which wall.
        backend: Backend,
        /// What became of its program.
        happened: String,
        /// What it said.
        said: String,
    },
    /// The child was killed before the program was executed.
    #[error("sandbox setup failed: the process was killed during {during}")]
    KilledDuringSetup {
        /// What it was doing, as far as is known.
        during: &'static str,
    },
    /// The program is not in the sandbox's file tree.
    #[error("`{program}` was not found inside the sandbox")]
    NotFound {
        /// As it was asked for.
        program: String,
        /// What may help.
        hint: String,
    },
    /// The program is there and cannot be executed.
    #[error("`{program}` cannot be executed: {source}")]
    NotExecutable {
        /// As it was asked for.
        program: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The source file cannot be used.
    #[error("{}: {because}", in_one_line(file))]
    Source {
        /// Which.
        file: PathBuf,
        /// Why not.
        because: String,
        /// What may help.
        hint: String,
    },
    /// A path of the policy cannot be given.
    #[error("cannot give {} to the program: {because}", in_one_line(path))]
    Path {
        /// Which.
        path: PathBuf,
        /// Why not.
        because: String,
        /// What may help.
        hint: String,
    },
    /// A value that no host could hold.
    #[error("{what} cannot be {value}: {because}")]
    Value {
        /// Which.
        what: &'static str,
        /// As asked.
        value: String,
        /// Why not.
        because: String,
        /// What may help.
        hint: String,
    },
    /// The language is unknown, or its tools are missing.
    #[error(transparent)]
    Language(#[from] LanguageError),
    /// More was asked for than a ceiling allows, and it refuses instead of lowering.
    #[error("more was asked for than is allowed here:{}", excesses(excess))]
    Exceeds {
        /// Each value: what was asked, the most that would be given, whose ceiling it is.
        excess: Vec<Clamp>,
    },
    /// A ceiling or a named policy cannot be used.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A file that has a say in every run is not what it should be.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The configuration cannot hold.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The environment does not fit.
    #[error(transparent)]
    Environment(Box<EnvironmentError>),
    /// palisade's own input or output failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// What a failure before the program was executed is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The wall: another one may work.
    Wall,
    /// The request: it is the same for every wall.
    Request,
}

impl From<EnvironmentError> for StartError {
    fn from(error: EnvironmentError) -> Self {
        Self::Environment(Box::new(error))
    }
}

/// What helps against what a wall's program says in these words.
fn known(said: &str) -> Option<String> {
    // crun, and whatever has crun do its work (its src/libcrun/cgroup-setup.c).
    let hybrid = "this host has cgroup v1 with controllers in v2 (hybrid), which crun refuses and runc takes: install runc; \
                  a podman service that you start yourself needs it in /etc/containers/containers.conf: [engine] \
                  runtime=\"runc\" cgroup_manager=\"cgroupfs\"";
    said.contains("hybrid mode").then(|| hybrid.to_owned())
}

/// The Debian package of a wall's program, and the version that the tests are run with.
fn package(backend: Backend) -> Option<(&'static str, &'static str)> {
    Some(match backend {
        Backend::Unshare => ("util-linux", "2.38"),
        Backend::Chroot => ("coreutils", "9.1"),
        Backend::Bubblewrap => ("bubblewrap", "0.8"),
        Backend::Firejail => ("firejail", "0.9.72"),
        Backend::Nspawn => ("systemd-container", "252"),
        Backend::Lxc => ("lxc", "5.0"),
        Backend::Runc => ("runc", "1.1.5"),
        Backend::Crun => ("crun", "1.8.1"),
        Backend::Gvisor => ("runsc", "20221219"),
        _ => return None,
    })
}

/// How many walls these are the reasons of.
fn backends(refusals: &[Refusal]) -> usize {
    let mut names: Vec<&str> = refusals.iter().map(|refusal| refusal.backend).collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}

fn then(said: &str) -> String {
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| format!("; {}", short(line).replace(palisade_spec::acts, "\u{fffd}"))).collect()
}

/// Of a line that some programs put all of their arguments into, the beginning.
fn short(line: &str) -> String {
    const MOST: usize = 300;
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or(line)),
        None => line.to_owned(),
    }
}

/// Every reason with its remedy. What several walls say in the same words is said once.
fn reasons(refusals: &[Refusal]) -> String {
    let mut all: Vec<(Vec<&str>, &Refusal)> = Vec::new();
    for refusal in refusals {
        let words = |one: &Refusal| (one.needs.clone(), one.because.clone(), one.hint.clone());
        match all.iter_mut().find(|(_, known)| words(known) == words(refusal)) {
            Some((backends, _)) => backends.push(refusal.backend),
            None => all.push((vec![refusal.backend], refusal)),
        }
    }
    let line = |(backends, Refusal { needs, because, hint, .. }): &(Vec<&str>, &Refusal)| {
        let fix = if hint.is_empty() { String::new() } else { format!("\n  fix: {hint}") };
        format!("{}: needs {needs}, but {because}{fix}", backends.join(", "))
    };
    all.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn excesses(excess: &[Clamp]) -> String {
    let line = |clamp: &Clamp| {
        format!("\n  {}: asked {}, allowed {} ({})", clamp.what, clamp.asked, clamp.given, clamp.because)
    };
    excess.iter().map(line).collect()
}

impl StartError {
    /// The exit status of R27.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::NotFound { .. } => 127,
            Self::NotExecutable { .. } => 126,
            _ => 125,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoBackend { refusals } => Some(reasons(refusals)),
            Self::Setup { hint, .. } => hint.clone(),
            Self::Wall { backend, happened, said } => {
                let general = "leave --backend out to have the first wall that works";
                let known = known(happened).or_else(|| known(said)).or_else(|| Some(match backend {
                    Backend::Docker => "see what it says itself: journalctl -u docker, or the log of your dockerd".to_owned(),
                    Backend::Podman => "see what it says itself: podman run --rm --rootfs / true".to_owned(),
                    _ => package(*backend).map(|(package, version)| {
                        format!("it is known to work with `{package}` {version}: `apt-get install {package}`, and see that no other program of its name is first on PATH")
                    })?,
                }));
                let remedies = [known, Some(general.to_owned())];
                Some(remedies.into_iter().flatten().collect::<Vec<_>>().join("; "))
            }
            Self::KilledDuringSetup { .. } => Some(
                "a memory limit below what the set-up itself needs (about 1M) does this; so does the host's \
                      out-of-memory killer: see `dmesg`"
                    .to_owned(),
            ),
            Self::NotFound { hint, .. }
            | Self::Source { hint, .. }
            | Self::Path { hint, .. }
            | Self::Value { hint, .. } => Some(hint.clone()),
            Self::NotExecutable { source, .. } => Some(match source.raw_os_error() {
                Some(libc::ENOEXEC) => {
                    "the kernel does not know this format: a script needs a first line such as `#!/bin/sh`, a binary \
                     the host's architecture"
                        .to_owned()
                }
                _ => "give it execute permission (chmod +x), or run it with its interpreter".to_owned(),
            }),
            Self::Language(error) => error.hint(),
            Self::Exceeds { .. } => Some("ask for less, or ask whoever keeps the ceiling".to_owned()),
            Self::Policy(error) => error.hint(),
            Self::Config(error) => error.hint(),
            Self::Environment(error) => error.hint(),
            Self::Malformed(_) | Self::Io { .. } => None,
        }
    }

    /// Whether another wall might do better.
    pub(crate) const fn is_of_wall(&self) -> bool {
        matches!(self, Self::NoBackend { .. } | Self::Wall { .. } | Self::Setup { about: About::Wall, .. })
    }

    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}
