//! Host directories that a program sees as one, laid over each other.
//!
//! Pure data. Not here: how they are mounted (`palisade::native`), how conflicts are found (`palisade::conflicts`).

use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use crate::units::Bytes;

/// Several directories seen as one. The kernel's overlay file system has the rules: where two layers have a file of the
/// same name, the one further left is seen; directories of the same name are merged; a whiteout (a character device 0/0)
/// hides what is to its right. A layer is read-only always, and what is mounted below it is not part of it.
///
/// The layers must not change while the program runs (overlayfs.rst: the behaviour is then undefined, though nothing
/// crashes).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Layers {
    /// Absolute path as the program sees it.
    pub at: PathBuf,
    /// The layers: directories of the host, 1 to 500. The leftmost wins.
    pub lower: Vec<PathBuf>,
    /// Where the program's writes go.
    pub upper: Upper,
    /// Whether somebody wants to know what the layers disagree about.
    pub conflicts: Conflicts,
}

/// What lies above the layers, and takes the program's writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Upper {
    /// Nothing: the program cannot write there.
    #[default]
    ReadOnly,
    /// Memory of that many bytes, gone with the run. It counts as the program's.
    Scratch(Bytes),
    /// Host directories: the program's writes stay.
    Kept {
        /// What was added and changed, and a whiteout for what was removed.
        changes: PathBuf,
        /// An empty directory on the same mount, for the kernel's use.
        work: PathBuf,
    },
}

/// Whether the layers are compared before the run. That reads every name in all of them, and files of equal size whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conflicts {
    /// Not compared.
    #[default]
    Ignored,
    /// Compared; the report has them.
    Reported,
}

/// Two layers have different things under one name, and only one can be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LayerConflict {
    /// The name, relative to the layers.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// The layer whose file is seen.
    #[serde(serialize_with = "lossy")]
    pub seen: PathBuf,
    /// The layer whose file is hidden.
    #[serde(serialize_with = "lossy")]
    pub hidden: PathBuf,
    /// In what they differ.
    pub differ: Difference,
}

/// In what two files of one name differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// One is a file, the other a directory, a link or something else.
    Kind,
    /// Both are files, or both are links, with different content.
    Content,
}

/// Names come from layers, and a report must not fail over one that is not UTF-8.
fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}
