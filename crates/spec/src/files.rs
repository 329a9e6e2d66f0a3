//! Files that go into one run and come out of it, and where it works.
//!
//! Not here: which host files a program may see in their own places (`policy/files.rs`), how much it may write
//! (`limits.rs`).

use std::path::PathBuf;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Serialize, Serializer};

use crate::units::Bytes;

/// Where a program works, what is put there for it, and what is taken from there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Host directory that is the working directory, at its own path. The policy or [`Files::overlay`] has to show it.
    /// `None`: `/work`.
    pub directory: Option<PathBuf>,
    /// Files that are copied in.
    pub copied: Vec<Copied>,
    /// A host directory that the program sees and changes, while the host keeps its own.
    pub overlay: Option<Overlay>,
    /// Files that are copied out when the program has ended, however it ended.
    pub outputs: Option<Outputs>,
}

/// A regular file that is copied into the sandbox: at most 64 MiB, and 256 MiB for all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// On the host. A link is followed, once.
    pub from: PathBuf,
    /// Absolute path inside: under `/work` or `/tmp`, or a new place.
    pub at: PathBuf,
}

/// A copy-on-write view of a directory at its own path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    /// Which. The policy has to let the program read it.
    pub directory: PathBuf,
    /// What becomes of the changes.
    pub changes: Keep,
}

/// What becomes of the changes to an overlay. They are held in memory, within the limit of `/tmp`'s size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// They are forgotten.
    #[default]
    Nothing,
    /// The report lists them, and they are forgotten.
    List,
    /// The report lists them, and they are written to this host directory, which is new or empty: changed and added files
    /// below `files/`, and the whole list as `changes.json`.
    Files(PathBuf),
}

/// Which files are copied out, and where to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outputs {
    /// Which regular files: globs, relative to the working directory, or absolute in a place that the program can write
    /// to. `*` and `?` stop at `/`, `**` does not.
    pub patterns: Vec<String>,
    /// Host directory. Files keep their paths below the working directory, or below `/`.
    pub directory: PathBuf,
    /// What happens to files that are there.
    pub existing: Existing,
    /// Most bytes of one file.
    pub file_size: Bytes,
    /// Most bytes of all files.
    pub size: Bytes,
    /// Most files.
    pub count: u32,
}

impl Outputs {
    /// No patterns yet; no more than 256 MiB a file, 1 GiB and 4096 files; what is there stays.
    #[must_use]
    pub fn to(directory: PathBuf) -> Self {
        Self {
            patterns: Vec::new(),
            directory,
            existing: Existing::Keep,
            file_size: Bytes::mib(256),
            size: Bytes::mib(1024),
            count: 4096,
        }
    }
}

/// What happens to a file that is in the way of an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Existing {
    /// It stays, and the output is not taken.
    #[default]
    Keep,
    /// It is replaced in one step. A link is replaced too, never followed.
    Replace,
}

/// A path that a program has made up. In JSON the text form has U+FFFD where it is no UTF-8, and `path_base64` beside it
/// holds the exact bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(pub Vec<u8>);

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.to_string();
        let exact = (text.as_bytes() != self.0).then(|| ("path_base64", STANDARD.encode(&self.0)));
        serializer.collect_map([("path", text)].into_iter().chain(exact))
    }
}

/// What a program changed in its view of a directory. Paths are relative to that directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// New, in order of their names.
    pub added: Vec<Change>,
    /// Different in content, kind or permissions.
    pub modified: Vec<Change>,
    /// Gone; of a directory that is gone, itself alone.
    pub deleted: Vec<Change>,
    /// Where the changed files were kept.
    pub kept_in: Option<PathBuf>,
    /// What could not be looked at or kept, and why. Empty if the lists are complete.
    pub incomplete: Vec<Left>,
}

/// One path that a program added, changed or deleted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// Which.
    #[serde(flatten)]
    pub path: Name,
    /// What it is now, or was if it is gone.
    pub kind: FileKind,
    /// Bytes of a file that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// What a link says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// What something in a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link: listed, never made on the host.
    Link,
    /// A FIFO, socket or device: listed, never made on the host.
    Special,
}

/// A file that was copied out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Where it is now, below the directory that was asked for.
    #[serde(flatten)]
    pub path: Name,
    /// In bytes.
    pub size: u64,
}

/// Something that matched and was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Which.
    #[serde(flatten)]
    pub path: Name,
    /// Whether it could have been.
    pub kind: LeftKind,
    /// Why.
    pub because: String,
}

/// Whether something that matched could have been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftKind {
    /// A link, FIFO, socket or device, or hidden from the program: only regular files that it could see are taken.
    NoFile,
    /// A limit, a file in the way, or an error.
    Failed,
}
