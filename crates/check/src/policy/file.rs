//! A policy as a file says it.
//!
//! In: TOML. Out: [`File`], with the place of each word, or [`PolicyError`]. Not here: what the words mean together (`mod.rs`).

use std::ops::Range;

use palisade_spec::{Bytes, Severity, UnitError};
use serde::Deserialize;
use toml::Spanned;

/// A policy file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct File {
    /// For whom it is.
    pub(crate) description: String,
    /// A shipped policy that this one adds to, or `none`; `default` if nothing is said.
    pub(crate) extends: Option<Spanned<String>>,
    /// Such as "100K".
    pub(crate) max_code_size: Option<Spanned<String>>,
    pub(crate) allow_network_access: Option<bool>,
    pub(crate) allow_file_system_access: Option<bool>,
    pub(crate) allow_external_commands: Option<bool>,
    /// How much it matters that something is decided only when the program runs.
    pub(crate) dynamic_code: Option<Spanned<Severity>>,
    pub(crate) go: Table,
    pub(crate) python: Table,
    pub(crate) javascript: Table,
    pub(crate) typescript: Table,
    pub(crate) rust: Table,
    pub(crate) java: Table,
    #[serde(rename = "c++", alias = "cpp")]
    pub(crate) cpp: Table,
    pub(crate) c: Table,
}

/// What it says of one language.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Table {
    /// If it is there, only these modules may be imported.
    pub(crate) allowed_imports: Option<Spanned<Vec<String>>>,
    pub(crate) blocked_imports: Vec<Spanned<String>>,
    pub(crate) blocked_calls: Vec<Spanned<String>>,
    pub(crate) blocked_patterns: Vec<Pattern>,
    /// Things that are blocked for one reason.
    pub(crate) block: Vec<Block>,
}

/// A pattern of the user's own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pattern {
    /// A query or a regular expression.
    pub(crate) pattern: Spanned<String>,
    #[serde(default)]
    pub(crate) kind: PatternKind,
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) severity: Severity,
    pub(crate) recommendation: Option<String>,
}

/// How a pattern is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PatternKind {
    /// A query if it begins with a bracket, as every query does; else a regular expression.
    #[default]
    Auto,
    /// A tree-sitter query; what it captures is found.
    Query,
    /// A regular expression over code, in which comments and strings are blank.
    Regex,
}

/// Things that are blocked for one reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Block {
    #[serde(default)]
    pub(crate) imports: Vec<Spanned<String>>,
    /// Of the imports and calls, those that do no harm.
    #[serde(default)]
    pub(crate) except: Vec<String>,
    #[serde(default)]
    pub(crate) calls: Vec<Spanned<String>>,
    /// Kinds of nodes of the grammar.
    #[serde(default)]
    pub(crate) syntax: Vec<Spanned<String>>,
    /// Which of the `allow_…` keys lifts it.
    pub(crate) access: Option<Access>,
    /// What such a thing does: "starts other programs".
    pub(crate) does: Spanned<String>,
    /// What to write instead.
    pub(crate) instead: Option<String>,
    #[serde(default)]
    pub(crate) severity: Severity,
}

/// What a thing reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Access {
    Network,
    Files,
    Commands,
}

/// A policy that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{message}")]
pub struct PolicyError {
    /// What is wrong.
    pub message: String,
    /// Where in its text, in bytes.
    pub span: Range<usize>,
}

impl PolicyError {
    pub(crate) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), span }
    }
}

pub(crate) fn read(text: &str) -> Result<File, PolicyError> {
    toml::from_str(text).map_err(|error| PolicyError::new(error.span().unwrap_or(0..0), error.message().trim_end()))
}

/// Largest code, of which a policy may say less (R39).
pub(super) const LARGEST: Bytes = Bytes(100 << 10);

pub(crate) fn size(word: &Spanned<String>) -> Result<u64, PolicyError> {
    let error = |because: String| PolicyError::new(word.span(), because);
    let bytes: Bytes = word.get_ref().parse().map_err(|because: UnitError| error(because.to_string()))?;
    if bytes > LARGEST {
        let most = format!("{bytes} is more code than is looked at");
        return Err(error(format!("{most}: say {LARGEST} or less, or leave max_code_size out")));
    }
    Ok(bytes.0)
}
