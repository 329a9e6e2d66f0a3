//! Operations that need a stage: somebody outside has made a victim for them, and looks at what becomes of it.
//!
//! What they find out is in their answer, so that who knows the secret can tell whether it got out. Not here: the stages
//! (`palisade-measure`), operations that can be tried alone.

mod doors;
mod escape;
mod files;
mod helpers;
mod kernel;
mod network;
mod overwrite;
mod privileges;
mod processes;

use crate::operation::{Operation, Stop, blocked};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Groups in the order in which `--list` prints them.
pub(crate) const GROUPS: &[(&str, &[Operation])] = &[
    ("staged files", files::OPERATIONS),
    ("staged processes", processes::OPERATIONS),
    ("staged network", network::OPERATIONS),
    ("staged kernel", kernel::OPERATIONS),
    ("staged privileges", privileges::OPERATIONS),
    ("staged privileges", escape::OPERATIONS),
    ("staged doors", doors::OPERATIONS),
    ("staged doors", overwrite::OPERATIONS),
    ("helpers of stages", helpers::OPERATIONS),
];

/// Most bytes of a file that are taken: more than any secret, less than a pipe needs a reader for twice.
const LOOT: u64 = 64 << 10;

/// The first bytes of a file.
fn loot(path: &Path) -> Result<Vec<u8>, Stop> {
    let file = File::open(path).map_err(blocked(format!("open {}", path.display())))?;
    let mut bytes = Vec::new();
    file.take(LOOT).read_to_end(&mut bytes).map_err(blocked(format!("read {}", path.display())))?;
    Ok(bytes)
}

/// Bytes as text without control characters.
fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
