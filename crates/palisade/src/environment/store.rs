//! Where environments are kept: one private directory, with a directory for each.
//!
//! In: names. Out: opened environments, checked to be nobody else's work. Not here: making one (`create`, `archive`).

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use palisade_spec::{Environment, Manifest};
use serde::Serialize;

use super::{
    MANIFEST, draft,
    error::EnvironmentError,
    interpreter::{self, HOST},
    lock::{Difference, LOCK, Lock},
    name, tree,
};
use crate::{
    diagnose::nearest,
    language::{Language, SearchPath},
    resolve::{own_languages, user_directory},
};

/// Largest manifest, in bytes.
pub(super) const LARGEST: u64 = 1 << 20;

/// A directory of environments.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
}

/// One of a store's environments, usable or not.
#[derive(Debug)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// What it is, or why it cannot be opened.
    pub environment: Result<Environment, EnvironmentError>,
}

/// What `verify` found.
#[derive(Debug, Serialize)]
pub struct Verification {
    /// Files that are not as the lock says.
    pub differences: Vec<Difference>,
    /// One digest for all of it, as it should be.
    pub digest: String,
    /// Files that were compared.
    pub files: usize,
    /// Why the host's interpreter does not fit, if it does not.
    pub interpreter: Option<String>,
}

impl Store {
    /// The store at `directory`, else at `$PALISADE_ENVIRONMENTS`, else below `$XDG_DATA_HOME` or `~/.local/share`.
    ///
    /// # Errors
    /// If none of them is set.
    pub fn new(directory: Option<PathBuf>) -> Result<Self, EnvironmentError> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let data = || user_directory("XDG_DATA_HOME", ".local/share").map(|data| data.join("palisade/environments"));
        let directory = directory.or_else(|| variable("PALISADE_ENVIRONMENTS")).or_else(data);
        Ok(Self { directory: directory.ok_or(EnvironmentError::NoPlace)? })
    }

    /// Where it is. It may not exist yet.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Opens an environment. Reads its manifest, and none of its packages.
    ///
    /// # Errors
    /// If there is none, somebody else could have changed it, or its manifest is wrong.
    pub fn open(&self, name: &str) -> Result<Environment, EnvironmentError> {
        name::check(name)?;
        let path = self.directory.join(name);
        if matches!(fs::symlink_metadata(&path), Err(error) if error.kind() == io::ErrorKind::NotFound) {
            return Err(self.unknown(name));
        }
        trusted(&self.directory, fs::metadata(&self.directory))?;
        trusted(&path, fs::symlink_metadata(&path))?;
        let directory = path.canonicalize().map_err(EnvironmentError::io("open", &path))?;
        let manifest = manifest(&directory.join(MANIFEST))?;
        Ok(Environment { name: name.to_owned(), directory, manifest })
    }

    fn unknown(&self, name: &str) -> EnvironmentError {
        let known = self.names().unwrap_or_default();
        let nearest = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
        EnvironmentError::Unknown { name: name.to_owned(), store: self.directory.clone(), nearest }
    }

    /// Names of the directories that are environments, in order.
    pub(crate) fn names(&self) -> Result<Vec<String>, EnvironmentError> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(EnvironmentError::io("read", &self.directory))?,
        };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.retain(|name| name::check(name).is_ok());
        names.sort();
        Ok(names)
    }

    /// All environments, in the order of their names. Removes what was left by a palisade that was killed.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>, EnvironmentError> {
        draft::sweep(&self.directory);
        let names = self.names()?;
        Ok(names.into_iter().map(|name| Listed { environment: self.open(&name), name }).collect())
    }

    /// Removes an environment. Programs that run in it keep what they have open, and find nothing new.
    ///
    /// # Errors
    /// If there is none, or it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), EnvironmentError> {
        name::check(name)?;
        let path = self.directory.join(name);
        let old = self.directory.join(format!("{}{name}-{}", draft::OLD, std::process::id()));
        // At once out of sight, also if the rest takes long or is interrupted.
        fs::rename(&path, &old).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => self.unknown(name),
            _ => EnvironmentError::io("remove", &path)(error),
        })?;
        tree::remove(&old)
    }

    /// The lock of an environment: what it was when it was made.
    ///
    /// # Errors
    /// If the environment cannot be opened, or its lock file is wrong.
    pub fn lock(&self, name: &str) -> Result<Lock, EnvironmentError> {
        Lock::read(&self.open(name)?.directory.join(LOCK))
    }

    /// Reads every file of an environment and compares it with its lock, or with another lock file that was kept elsewhere.
    ///
    /// # Errors
    /// If it cannot be read. Differences are no errors.
    pub fn verify(&self, name: &str, other: Option<&Path>) -> Result<Verification, EnvironmentError> {
        // The manifest is read last: if that has become wrong, it is one of the differences.
        name::check(name)?;
        let path = self.directory.join(name);
        if !path.exists() {
            return Err(self.unknown(name));
        }
        trusted(&path, fs::symlink_metadata(&path))?;
        let lock = Lock::read(&other.map_or_else(|| path.join(LOCK), Path::to_owned))?;
        let (now, odd) = Lock::of(&path, &[LOCK, HOST])?;
        let mut differences = lock.differences(&now);
        differences.extend(odd);
        differences.sort();
        let interpreter = match self.open(name) {
            Ok(environment) => self.other_interpreter(&environment)?,
            Err(_) if !differences.is_empty() => None,
            Err(error) => return Err(error),
        };
        Ok(Verification { digest: lock.digest(), files: lock.files().len(), differences, interpreter })
    }

    /// Why the host's interpreter does not fit an environment, if it does not.
    ///
    /// # Errors
    /// If it cannot be asked.
    pub fn other_interpreter(&self, environment: &Environment) -> Result<Option<String>, EnvironmentError> {
        let Some(language) = environment.manifest.languages.first() else { return Ok(None) };
        let language = Language::named(language, own_languages().as_deref())?;
        let tools = match language.locate(&SearchPath::of_this_process()) {
            Ok(tools) => tools,
            Err(error) => return Ok(Some(error.to_string())),
        };
        match interpreter::check(environment, language.name(), &tools) {
            Ok(()) => Ok(None),
            Err(error @ EnvironmentError::OtherInterpreter { .. }) => Ok(Some(error.to_string())),
            Err(error) => Err(error),
        }
    }

    /// Makes sure that the store is there, and clears away what killed palisades left in it.
    pub(super) fn prepare(&self) -> Result<PathBuf, EnvironmentError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)
            .map_err(EnvironmentError::io("create", &self.directory))?;
        trusted(&self.directory, fs::metadata(&self.directory))?;
        draft::sweep(&self.directory);
        self.directory.canonicalize().map_err(EnvironmentError::io("open", &self.directory))
    }

    /// That the name is good and free.
    pub(super) fn free(&self, name: &str) -> Result<(), EnvironmentError> {
        name::check(name)?;
        if fs::symlink_metadata(self.directory.join(name)).is_ok() {
            return Err(EnvironmentError::Exists { name: name.to_owned(), store: self.directory.clone() });
        }
        Ok(())
    }
}

/// The manifest in that file.
pub(super) fn manifest(path: &Path) -> Result<Manifest, EnvironmentError> {
    let text = tree::read_text(path, LARGEST)?;
    toml::from_str(&text).map_err(|error| EnvironmentError::toml(path, &text, &error))
}

/// That only its owner can change a directory, who is root or the caller. The store may be reached through a link, an
/// environment not.
fn trusted(path: &Path, meta: io::Result<fs::Metadata>) -> Result<(), EnvironmentError> {
    let distrust = |because: String, hint: &str| EnvironmentError::Untrusted {
        path: path.to_owned(),
        because,
        hint: hint.to_owned(),
    };
    let meta = meta.map_err(EnvironmentError::io("open", path))?;
    if !meta.is_dir() {
        return Err(distrust("it is not a directory".to_owned(), "remove it"));
    }
    let caller = rustix::process::geteuid().as_raw();
    if meta.uid() != caller && meta.uid() != 0 {
        let because = format!("it belongs to user {}, and this is user {caller}", meta.uid());
        return Err(distrust(because, "have its owner export the environment, and import it into a store of your own"));
    }
    if meta.mode() & 0o022 != 0 {
        let because = format!("others can write to it (mode {:03o})", meta.mode() & 0o777);
        return Err(distrust(because, "keep environments in a directory that nobody else can write to (mode 700)"));
    }
    Ok(())
}
