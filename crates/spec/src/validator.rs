//! What `palisade` and its validator say to each other, one JSON object a line. Not here: the findings (`findings.rs`).

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::findings::Checked;

/// More of a file is never read: no policy takes so much.
pub const LARGEST_SOURCE: u64 = 16 << 20;

/// Exit status of a validator that could not give up what it has to give up, and has read nothing.
pub const UNCONFINED: u8 = 3;

/// The first line: by which policy everything is checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The name of a shipped policy, or what findings call the text.
    pub policy: String,
    /// The text of a policy that is not shipped.
    pub text: Option<String>,
}

/// A line before each file's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// What findings call it.
    pub name: String,
    /// Its language.
    pub language: String,
    /// Bytes that follow, at most [`LARGEST_SOURCE`].
    pub size: u64,
}

/// The line that answers a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// What was found.
    Checked(Box<Checked>),
    /// Nothing could be looked for.
    Failed {
        /// Why.
        message: String,
        /// Where in the policy's text, if it is the policy.
        span: Option<Range<usize>>,
    },
}
