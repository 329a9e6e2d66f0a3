//! The host as far as finding tools goes: PATH, home, working directory, variables.
//!
//! A value that is passed in, so that tests need no process environment. Not here: looking anything up (`locate`).

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Where tools are looked for.
#[derive(Clone, Debug, Default)]
pub struct SearchPath {
    directories: Vec<PathBuf>,
    home: Option<PathBuf>,
    working_directory: PathBuf,
    variables: BTreeMap<OsString, OsString>,
}

impl SearchPath {
    /// From our own process.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self::new(env::vars_os(), env::current_dir().unwrap_or_default())
    }

    /// From a set of variables (`PATH`, `HOME`, `PYENV_VERSION`, `RUSTUP_TOOLCHAIN`, …) and a working directory.
    ///
    /// Relative entries of `PATH` are left out: what they mean depends on where an untrusted program was put.
    #[must_use]
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>, working_directory: PathBuf) -> Self {
        let variables: BTreeMap<_, _> = variables.into_iter().collect();
        let path = variables.get(OsStr::new("PATH")).map(OsString::as_os_str).unwrap_or_default();
        Self {
            directories: env::split_paths(path).filter(|directory| directory.is_absolute()).collect(),
            home: variables.get(OsStr::new("HOME")).map(PathBuf::from).filter(|home| home.is_absolute()),
            working_directory,
            variables,
        }
    }

    /// The directories of PATH, in order.
    pub(super) fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// The user's home directory.
    pub(super) fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// The working directory and the directories above it, innermost first.
    pub(super) fn upwards(&self) -> impl Iterator<Item = &Path> {
        self.working_directory.ancestors()
    }

    /// A variable, unless it is empty or not UTF-8.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(OsStr::new(name))?.to_str().filter(|value| !value.is_empty())
    }
}
