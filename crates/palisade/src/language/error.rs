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
    UnknownExtension {
        /// The source file.
        path: PathBuf,
        /// Its extension in lower case, without a dot.
        extension: String,
        /// Extensions of all languages, each with its dot.
        known: Vec<String>,
    },
    /// The file has no extension to choose a language by.
    #[error("{}: no file extension to choose a language by (known: {})", path.display(), known.join(" "))]
    NoExtension {
        /// The source file.
        path: PathBuf,
        /// Extensions of all languages, each with its dot.
        known: Vec<String>,
    },
    /// No language has the name.
    #[error("no language is called `{name}` (known: {})", known.join(" "))]
    UnknownName {
        /// As given.
        name: String,
        /// The short name of every language.
        known: Vec<String>,
    },
    /// Two of the user's own definitions claim the same extension.
    #[error("`.{extension}` is claimed by both {first} and {second}")]
    ClaimedTwice {
        /// Without a dot.
        extension: String,
        /// Short name of one language.
        first: String,
        /// Short name of the other.
        second: String,
    },
    /// A definition could not be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file, or the directory of definitions.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A definition is not of the expected form.
    #[error("language definition {origin}: {source}")]
    Malformed {
        /// Path of the definition, or the name of a shipped one.
        origin: String,
        /// What the parser says, with the line.
        source: Box<toml::de::Error>,
    },
    /// A definition is well formed and makes no sense.
    #[error("language definition {origin}: {at}: {source}")]
    Senseless {
        /// Path of the definition, or the name of a shipped one.
        origin: String,
        /// Key or section, such as `compile.artefact`.
        at: String,
        /// What is wrong with it.
        source: Flaw,
    },
    /// A tool is not installed, or only as a launcher that cannot be followed into the sandbox.
    #[error("{language} needs {}, not found on the search path{}", names.join(" or "), passed_over(skipped))]
    MissingTool {
        /// Name of the language for people.
        language: String,
        /// Names of the tool, best first.
        names: Vec<String>,
        /// Debian package that holds it.
        package: String,
        /// How to get it, in words of the definition.
        missing: String,
        /// What was found and could not be used.
        skipped: Vec<Skipped>,
    },
    /// The language has no interactive session.
    #[error("{language} has no interactive session{}", if *compiled { ": its programs are compiled" } else { "" })]
    NoSession {
        /// Name of the language for people.
        language: String,
        /// Whether its programs are compiled.
        compiled: bool,
    },
    /// The language has no interpreter that can wait for a source.
    #[error("{language} has no interpreter that can be started before its program")]
    NoZygote {
        /// Name of the language for people.
        language: String,
    },
    /// A path that has to stand in a command is not UTF-8.
    #[error("{}: the path is not UTF-8 and cannot stand in a command", path.display())]
    NotUtf8 {
        /// The path.
        path: PathBuf,
    },
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
            Self::Unreadable { .. } | Self::Malformed { .. } | Self::Senseless { .. } => {
                Some("mend or remove this file: as long as it is wrong, no source file can be run".to_owned())
            }
            Self::NoSession { compiled: true, .. } => Some(
                "write a program to a file: palisade run FILE; sessions are there for python, javascript, typescript"
                    .to_owned(),
            ),
            Self::NoSession { .. } => Some(
                "its definition has no [repl] table: see docs/repl.md; or run a file: palisade run FILE".to_owned(),
            ),
            Self::NoZygote { .. } => Some(
                "python and javascript have one; a definition of your own needs a [zygote] table: see docs/languages.md"
                    .to_owned(),
            ),
            Self::UnknownName { .. } => None,
        }
    }
}

/// What makes no sense in a definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// A placeholder that does not exist, or not in this key; and those that do.
    #[error("unknown placeholder `{{{0}}}` (known here: {1})")]
    UnknownPlaceholder(String, String),
    /// A single brace; the whole text.
    #[error("`{0}` is not closed; write `{{{{` for a brace")]
    UnclosedBrace(String),
    /// A `{tool.ID}` whose id no `[[tool]]` has.
    #[error("`{{tool.{0}}}` is not declared by any [[tool]]")]
    UndeclaredTool(String),
    /// `{artefact}` in a language that compiles nothing.
    #[error("`{{artefact}}` without a [compile] step that makes one")]
    NoArtefact,
    /// A `[zygote]` of a language whose programs are compiled.
    #[error("a language with a [compile] step has no interpreter that could wait")]
    CompiledZygote,
    /// `{entry}` or `{declared}` in a language that does not look into the source.
    #[error("`{{{0}}}` without an [entry] section that finds it")]
    NoEntry(&'static str),
    /// A text or list with nothing in it.
    #[error("must not be empty")]
    Empty,
    /// A name with a slash or a leading `-`, or one that is `.` or `..`.
    #[error("`{0}` must be one plain file name")]
    NotAFileName(String),
    /// An extension with a dot or an upper case letter.
    #[error("`{0}` must be written in lower case, without a dot")]
    NotAnExtension(String),
    /// Two tools with this id.
    #[error("`{0}` is declared twice")]
    Twice(String),
    /// A path that is relative, has `..`, or has more than one `*`.
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
