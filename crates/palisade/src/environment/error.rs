//! Why an environment cannot be made or used.
//!
//! Messages name the thing that failed; [`EnvironmentError::hint`] says what to do about it. Not here: files that differ
//! from the lock, which is an answer of `verify`.

use std::{
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
};

use crate::{
    diagnose::{Malformed, Mistake},
    error::StartError,
    language::LanguageError,
};

/// Why an environment cannot be made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// The name could not be one of a directory.
    #[error("`{}` cannot name an environment: {because}", name.escape_debug())]
    Name {
        /// As given.
        name: String,
        /// Why not.
        because: &'static str,
    },
    /// There is none of that name.
    #[error("no environment is called `{name}` in {}{}", store.display(), nearest.as_ref().map_or_else(String::new, |near| format!("; did you mean `{near}`?")))]
    Unknown {
        /// As given.
        name: String,
        /// Where it was looked for.
        store: PathBuf,
        /// The most similar name.
        nearest: Option<String>,
    },
    /// There is one of that name.
    #[error("environment `{name}` exists already in {}", store.display())]
    Exists {
        /// Its name.
        name: String,
        /// Where.
        store: PathBuf,
    },
    /// Another palisade makes one of that name at this moment.
    #[error("environment `{name}` is being created by another palisade")]
    Busy {
        /// Its name.
        name: String,
    },
    /// There is no place to keep environments in.
    #[error("there is no place for environments: neither XDG_DATA_HOME nor HOME is an absolute path")]
    NoPlace,
    /// Somebody else could have changed it.
    #[error("{} cannot be trusted: {because}", path.display())]
    Untrusted {
        /// The directory.
        path: PathBuf,
        /// Why not.
        because: String,
        /// What may help.
        hint: String,
    },
    /// A file of the environment is not of the expected form, shown where.
    #[error(transparent)]
    Toml(#[from] Malformed),
    /// An environment is not what it was made to be.
    #[error("{}: {because}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        because: String,
    },
    /// It is for other languages.
    #[error("environment `{name}` is for {}, and the program is in {language}", languages.join(" and "))]
    OtherLanguage {
        /// Its name.
        name: String,
        /// What it is for.
        languages: Vec<String>,
        /// What the program is in.
        language: String,
    },
    /// The host has another interpreter now.
    #[error("environment `{name}` was made for {tool} {was}, and this host has {tool} {is}")]
    OtherInterpreter {
        /// Its name.
        name: String,
        /// Which interpreter.
        tool: String,
        /// What the environment was made for.
        was: String,
        /// What the host has.
        is: String,
    },
    /// palisade cannot install packages of this language.
    #[error("palisade cannot install packages for {language} (known: {})", known.join(" "))]
    NoPackages {
        /// Which.
        language: String,
        /// Languages with packages.
        known: Vec<String>,
    },
    /// Something to be made does not make sense.
    #[error("{what}: {because}")]
    Recipe {
        /// What was given.
        what: String,
        /// Why it cannot be used.
        because: String,
        /// What to do instead.
        hint: String,
    },
    /// No program that could install the packages is on this host.
    #[error("no program can install packages for {language}: {}", tried.iter().map(|(name, because, _)| format!("{name}: {because}")).collect::<Vec<_>>().join("; "))]
    NoInstaller {
        /// For which language.
        language: String,
        /// Name, why it is not usable, and how to get it.
        tried: Vec<(String, String, String)>,
    },
    /// The installer did not succeed.
    #[error("{installer} {story}{}", quoted(output))]
    Installation {
        /// Which.
        installer: String,
        /// How it ended.
        story: String,
        /// The end of what it printed.
        output: String,
        /// What may help.
        hint: String,
    },
    /// The caller wanted it to end.
    #[error("cancelled: nothing was created")]
    Cancelled,
    /// A file cannot be part of an environment.
    #[error("{} cannot be part of an environment: {because}", path.display())]
    Unfit {
        /// Which.
        path: PathBuf,
        /// Why not.
        because: String,
    },
    /// What an archive holds is not what its lock file says.
    #[error("{} is not an exported environment: {because}", file.display())]
    Archive {
        /// The archive.
        file: PathBuf,
        /// What is wrong.
        because: String,
    },
    /// The language is unknown, or its tools are missing.
    #[error(transparent)]
    Language(#[from] LanguageError),
    /// The sandbox for the installer could not be had.
    #[error("cannot run {program} in a sandbox: {source}")]
    Sandbox {
        /// What should have run.
        program: String,
        /// Why not.
        source: Box<StartError>,
    },
    /// The system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What was printed, as lines below an error.
fn quoted(output: &str) -> String {
    let mut lines = String::new();
    for line in output.lines() {
        let _ = write!(lines, "\n  | {line}");
    }
    lines
}

impl EnvironmentError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Name { .. } => "use letters, digits, `-`, `_` and `.`, such as web-1.2".to_owned(),
            Self::Unknown { name, .. } => format!(
                "`palisade env list` shows what there is; make one with `palisade env create {name}`; \
                 PALISADE_ENVIRONMENTS names another place"
            ),
            Self::Exists { name, .. } => {
                format!("choose another name, or remove it first with `palisade env remove {name}`")
            }
            Self::Busy { .. } => "wait for it, or choose another name".to_owned(),
            Self::NoPlace => "set HOME, or name a directory with --dir or PALISADE_ENVIRONMENTS".to_owned(),
            Self::Untrusted { hint, .. } | Self::Recipe { hint, .. } | Self::Installation { hint, .. } => hint.clone(),
            Self::Toml(_) | Self::Damaged { .. } => {
                "an environment is not edited by hand: remove it and create it again".to_owned()
            }
            Self::OtherLanguage { language, .. } => {
                format!("create one with `palisade env create NAME --lang {language}`, or leave --env out")
            }
            Self::OtherInterpreter { name, tool, was, .. } => format!(
                "install {tool} {was} and put it first on PATH, or remove `{name}` and create it again for this one"
            ),
            Self::NoPackages { .. } => {
                "without --packages an environment can still have directories (--path) and variables (--setenv)"
                    .to_owned()
            }
            Self::NoInstaller { tried, .. } => {
                let ways: Vec<&str> = tried.iter().map(|(_, _, obtain)| obtain.as_str()).collect();
                format!("get one: {}", ways.join(", or "))
            }
            Self::Unfit { .. } => {
                "regular files, directories and links within the tree can be; leave the rest out".to_owned()
            }
            Self::Archive { .. } => {
                "archives are made by `palisade env export NAME`; this one may be damaged".to_owned()
            }
            Self::Language(error) => return error.hint(),
            Self::Sandbox { source, .. } => return source.hint(),
            Self::Io { .. } => {
                "check that the path is there and that this user may reach it; environments can be kept \
                                elsewhere: --dir DIR or PALISADE_ENVIRONMENTS"
                    .to_owned()
            }
            Self::Cancelled => return None,
        })
    }

    /// 125, or 130 if it was cancelled: the exit status of R27.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        if matches!(self, Self::Cancelled) { 130 } else { 125 }
    }

    /// What is wrong with a TOML file.
    pub(super) fn toml(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        Self::Toml(Malformed::new(path.display(), text, vec![Mistake::of_toml(error)]))
    }

    pub(super) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
