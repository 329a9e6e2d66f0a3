//! What the validator says of a source file (R39, R40). Pure data: the words on the pipe between `palisade` and its validator,
//! and what both print. Not here: finding anything (`palisade-check`), showing it to people (`palisade-cli`).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Name and version of the form in which findings are printed as JSON.
pub const CHECK_SCHEMA: &str = "palisade.check/1";

/// What kind of thing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FindingCode {
    /// A construct or a call that the policy blocks.
    UnsafeCodePattern,
    /// A module that the policy blocks.
    BlockedImport,
    /// A module that is not on the policy's list.
    ImportNotAllowed,
    /// More code than the policy takes.
    CodeTooLarge,
    /// The text is not a program of its language.
    SyntaxError,
    /// What this does is decided when it runs: nobody can say it before.
    DynamicCode,
    /// Nested too deep, or too slow to read: the rest was not looked at.
    CodeTooComplex,
}

impl FindingCode {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::UnsafeCodePattern,
        Self::BlockedImport,
        Self::ImportNotAllowed,
        Self::CodeTooLarge,
        Self::SyntaxError,
        Self::DynamicCode,
        Self::CodeTooComplex,
    ];

    /// The name that programs know it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UnsafeCodePattern => "UNSAFE_CODE_PATTERN",
            Self::BlockedImport => "BLOCKED_IMPORT",
            Self::ImportNotAllowed => "IMPORT_NOT_ALLOWED",
            Self::CodeTooLarge => "CODE_TOO_LARGE",
            Self::SyntaxError => "SYNTAX_ERROR",
            Self::DynamicCode => "DYNAMIC_CODE",
            Self::CodeTooComplex => "CODE_TOO_COMPLEX",
        }
    }
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How much it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Probably not wanted.
    Warning,
    /// Against the policy.
    #[default]
    Error,
}

impl Severity {
    /// Every name.
    pub const NAMES: [&str; 3] = ["note", "warning", "error"];

    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "note" => Ok(Self::Note),
            "warning" => Ok(Self::Warning),
            "error" => Ok(Self::Error),
            _ => Err(format!("`{text}` is not a severity: write note, warning or error")),
        }
    }
}

/// A stretch of a source file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// First line, from 1.
    pub line: u32,
    /// Column of its first sign, from 1, in Unicode code points.
    pub column: u32,
    /// Last line.
    pub end_line: u32,
    /// The column behind its last sign.
    pub end_column: u32,
    /// Offset of its first byte.
    pub start: u32,
    /// Offset behind its last byte.
    pub end: u32,
}

/// Where a policy says something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyLine {
    /// A file, or the name of a shipped policy.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind of thing.
    pub code: FindingCode,
    /// How much it matters.
    pub severity: Severity,
    /// What was found, in a sentence for people.
    pub message: String,
    /// What to do instead.
    pub recommendation: Option<String>,
    /// Where.
    pub span: Span,
    /// The line of the policy that forbids it; `None` if no policy is needed to see that it is wrong.
    pub policy: Option<PolicyLine>,
}

/// A function with the number of independent paths through it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionComplexity {
    /// Its name; empty if it has none.
    pub name: String,
    /// Where it begins.
    pub line: u32,
    /// Cyclomatic complexity (McCabe): 1 and 1 for each branch.
    pub complexity: u32,
}

/// Everything said of one source file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The file as it was named.
    pub file: String,
    /// Its language.
    pub language: String,
    /// Bytes.
    pub size: u64,
    /// Sum over all functions and the code outside of them.
    pub complexity: u32,
    /// In the order of the file, the first thousand.
    pub functions: Vec<FunctionComplexity>,
    /// In the order of the file.
    pub findings: Vec<Finding>,
    /// Findings beyond those listed.
    pub findings_omitted: u64,
}

impl Checked {
    /// The worst that was found.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}
