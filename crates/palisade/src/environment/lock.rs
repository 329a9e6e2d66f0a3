//! The lock file of an environment: the SHA-256 digest of every file in it.
//!
//! In: a directory. Out: a [`Lock`], and what differs between two of them. Not here: who compares, and when. A run does
//! not: it would read every file.

use std::{collections::BTreeMap, fmt, fs, io::Read, path::Path};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    error::EnvironmentError,
    tree::{self, Kind},
};

/// Name of the lock file in an environment.
pub(super) const LOCK: &str = "environment.lock";
/// Largest lock file that is read, in bytes.
pub(super) const LARGEST: u64 = 256 << 20;

/// Every file of an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    schema: Schema,
    /// By path below the environment.
    #[serde(default)]
    files: BTreeMap<String, Locked>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Schema {
    #[serde(rename = "palisade.lock/1")]
    V1,
}

/// What a file was when the environment was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Locked {
    /// A regular file.
    File(LockedFile),
    /// A symbolic link.
    Link(LockedLink),
}

/// A regular file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedFile {
    /// SHA-256 of its content, in hexadecimal digits.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
    /// Whether it can be executed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
}

/// A symbolic link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedLink {
    /// What it says.
    pub link: String,
}

/// A file that is not as its lock says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// Below the environment.
    pub path: String,
    /// What happened to it.
    pub change: Change,
}

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Its content, kind, link or permission to execute is another.
    Changed,
    /// It is not there.
    Missing,
    /// It was not there.
    Added,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let change = match self.change {
            Change::Changed => "changed",
            Change::Missing => "missing",
            Change::Added => "added",
        };
        write!(f, "{change:<8} {}", self.path)
    }
}

/// As it stands in the file.
impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&toml::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Lock {
    /// Of all files below `root` as they are now, without those that say where and what the host is.
    pub(super) fn of(root: &Path, without: &[&str]) -> Result<(Self, Vec<Difference>), EnvironmentError> {
        let mut files = BTreeMap::new();
        let mut odd = Vec::new();
        for found in tree::look(root)? {
            if without.contains(&found.path.as_str()) {
                continue;
            }
            let path = root.join(&found.path);
            match found.kind {
                Kind::Directory => {}
                Kind::File { executable, .. } => {
                    let (sha256, size) =
                        digest(tree::open_file(&path)?).map_err(EnvironmentError::io("read", &path))?;
                    files.insert(found.path, Locked::File(LockedFile { sha256, size, executable }));
                }
                Kind::Link { target } => {
                    let link = target.into_os_string().into_string();
                    let link = link.map_err(|_| tree::unfit(&path, "what it links to is not UTF-8"))?;
                    files.insert(found.path, Locked::Link(LockedLink { link }));
                }
                Kind::Other => odd.push(Difference { path: found.path, change: Change::Added }),
            }
        }
        Ok((Self { schema: Schema::V1, files }, odd))
    }

    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, EnvironmentError> {
        toml::from_str(text).map_err(|error| EnvironmentError::toml(path, text, &error))
    }

    pub(super) fn read(path: &Path) -> Result<Self, EnvironmentError> {
        Self::parse(path, &tree::read_text(path, LARGEST)?)
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), EnvironmentError> {
        fs::write(path, self.to_string()).map_err(EnvironmentError::io("write", path))?;
        tree::permit(path, 0o644)
    }

    /// Every file, by its path below the environment.
    #[must_use]
    pub fn files(&self) -> &BTreeMap<String, Locked> {
        &self.files
    }

    /// Bytes of all files.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.files.values().map(|locked| if let Locked::File(file) = locked { file.size } else { 0 }).sum()
    }

    /// One digest for all of it: `sha256:…` of the lock file. Equal environments have equal digests on every host.
    #[must_use]
    pub fn digest(&self) -> String {
        format!("sha256:{}", hex(&Sha256::digest(self.to_string())))
    }

    /// What is different `now`, in the order of paths.
    pub(super) fn differences(&self, now: &Self) -> Vec<Difference> {
        let was = self.files.iter().filter_map(|(path, locked)| {
            let change = match now.files.get(path) {
                Some(is) if is == locked => return None,
                Some(_) => Change::Changed,
                None => Change::Missing,
            };
            Some(Difference { path: path.clone(), change })
        });
        let added = now.files.keys().filter(|path| !self.files.contains_key(*path));
        let mut all: Vec<_> =
            was.chain(added.map(|path| Difference { path: path.clone(), change: Change::Added })).collect();
        all.sort();
        all
    }
}

/// The digest of all that can be read, and how much that is.
pub(super) fn digest(mut from: impl Read) -> std::io::Result<(String, u64)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    let mut size = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok((hex(&hasher.finalize()), size)),
            Ok(count) => {
                hasher.update(buffer.get(..count).unwrap_or_default());
                size += count as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(make: impl FnOnce(&Path)) -> Lock {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("d")).unwrap();
        fs::write(root.path().join("d/a"), "abc").unwrap();
        fs::write(root.path().join("b"), "").unwrap();
        make(root.path());
        Lock::of(root.path(), &[LOCK]).unwrap().0
    }

    #[test]
    fn digests_are_sha_256_and_survive_the_file() {
        let lock = lock(|_| {});
        let Locked::File(file) = &lock.files["d/a"] else { unreachable!() };
        // FIPS 180-2, appendix B.1.
        assert_eq!(file.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!((file.size, lock.size()), (3, 3));
        assert_eq!(Lock::parse(Path::new("x"), &lock.to_string()).unwrap(), lock);
    }

    #[test]
    fn every_change_is_named() {
        let old = lock(|_| {});
        assert_eq!(old.differences(&lock(|_| {})), []);
        let new = lock(|at| {
            fs::write(at.join("d/a"), "abd").unwrap();
            fs::remove_file(at.join("b")).unwrap();
            std::os::unix::fs::symlink("d", at.join("c")).unwrap();
        });
        let said: Vec<String> = old.differences(&new).iter().map(ToString::to_string).collect();
        assert_eq!(said, ["missing  b", "added    c", "changed  d/a"]);
        let executable = lock(|at| tree::permit(&at.join("b"), 0o755).unwrap());
        assert_eq!(old.differences(&executable).len(), 1);
        assert_ne!(old.digest(), executable.digest());
    }

    #[test]
    fn an_unknown_field_or_form_is_refused() {
        for text in ["", "schema = 'palisade.lock/2'", "schema = 'palisade.lock/1'\ncolour = 1"] {
            let error = Lock::parse(Path::new("x.lock"), text).unwrap_err().to_string();
            assert!(error.contains("x.lock"), "{error}");
        }
        let text = "schema = 'palisade.lock/1'\n[files.a]\nsha256 = 'x'\nsize = 1\ncolour = 1";
        Lock::parse(Path::new("x.lock"), text).unwrap_err();
    }
}
