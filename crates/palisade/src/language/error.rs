//! Why a language cannot be used.
//!
//! Messages name the thing that failed; [`LanguageError::hint`] says what to do about it. Not here: a program that does
//! not compile or crashes (that is its report, not an error).

use std::io;
use std::path::PathBuf;

/// Why a source file cannot be turned into steps.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LanguageError {
    /// No language claims the extension of the file.
    #[error("{}: no language has the extension `.{extension}` (known: {})", path.display(), known.join(" "))]
    UnknownExtension { path: PathBuf, extension: String, known: Vec<String> },
    /// The file has no extension to choose a language by.
    #[error("{}: no file extension to choose a language by (known: {})", path.display(), known.join(" "))]
    NoExtension { path: PathBuf, known: Vec<String> },
    /// No language has the name.
    #[error("no language is called `{name}` (known: {})", known.join(" "))]
    UnknownName { name: String, known: Vec<String> },
    /// Two of the user's own definitions claim the same extension.
    #[error("`.{extension}` is claimed by both {first} and {second}")]
    ClaimedTwice { extension: String, first: String, second: String },
    /// A definition could not be read.
    #[error("cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// A definition is not of the expected form.
    #[error("language definition {origin}: {source}")]
    Malformed { origin: String, source: Box<toml::de::Error> },
    /// A definition is well formed and makes no sense.
    #[error("language definition {origin}: {at}: {source}")]
    Senseless { origin: String, at: String, source: Flaw },
    /// A tool is not installed, or only as a launcher that cannot be followed into the sandbox.
    #[error("{language} needs {}, not found on the search path{}", names.join(" or "), passed_over(skipped))]
    MissingTool { language: String, names: Vec<String>, package: String, missing: String, skipped: Vec<Skipped> },
    /// A path that has to stand in a command is not UTF-8.
    #[error("{}: the path is not UTF-8 and cannot stand in a command", path.display())]
    NotUtf8 { path: PathBuf },
}

impl LanguageError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownExtension { .. } | Self::NoExtension { .. } => {
                Some("run any program with its own command line: palisade run -- CMD ARGS…".to_owned())
            }
            Self::MissingTool { package, missing, .. } => {
                Some(format!("{missing} (Debian: apt-get install {package}), or put it on PATH"))
            }
            Self::ClaimedTwice { .. } => Some("remove the extension from one of the two files".to_owned()),
            Self::NotUtf8 { .. } => Some("install the tool under a path of plain characters".to_owned()),
            Self::UnknownName { .. } | Self::Unreadable { .. } | Self::Malformed { .. } | Self::Senseless { .. } => {
                None
            }
        }
    }
}

/// What makes no sense in a definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    #[error("unknown placeholder `{{{0}}}` (known here: {1})")]
    UnknownPlaceholder(String, String),
    #[error("`{0}` is not closed; write `{{{{` for a brace")]
    UnclosedBrace(String),
    #[error("`{{tool.{0}}}` is not declared by any [[tool]]")]
    UndeclaredTool(String),
    #[error("`{{artefact}}` without a [compile] step that makes one")]
    NoArtefact,
    #[error("`{{{0}}}` without an [entry] section that finds it")]
    NoEntry(&'static str),
    #[error("must not be empty")]
    Empty,
    #[error("`{0}` must be one plain file name")]
    NotAFileName(String),
    #[error("`{0}` must be written in lower case, without a dot")]
    NotAnExtension(String),
    #[error("`{0}` is declared twice")]
    Twice(String),
    #[error("`{0}` must be an absolute path without `..`, with `*` inside one name at most")]
    NotAPattern(String),
}

/// A launcher on the search path that does not work inside a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The launcher.
    pub path: PathBuf,
    /// Why the program behind it could not be found.
    pub because: String,
}

fn passed_over(skipped: &[Skipped]) -> String {
    skipped.iter().map(|s| format!("; passed over {} ({})", s.path.display(), s.because)).collect()
}
