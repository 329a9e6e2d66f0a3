//! Where the agent is: beside this program, beside the `palisade` command on PATH, or on PATH itself.

use std::path::{Path, PathBuf};

/// Its path inside.
pub(crate) const AGENT: &str = "/.palisade/guest";

const PROGRAM: &str = "palisade-guest";

/// Finds it, or says where it is not.
pub(super) fn find() -> Result<PathBuf, String> {
    let own = std::env::current_exe().ok();
    let beside = own.iter().flat_map(|own| own.ancestors().skip(1).take(2)).map(Path::to_owned);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> = beside.chain(std::env::split_paths(&path)).collect();
    let found = directories.iter().map(|directory| directory.join(PROGRAM)).find(|file| file.is_file());
    found
        .and_then(|file| file.canonicalize().ok())
        .ok_or_else(|| format!("there is no `{PROGRAM}` beside this program or on PATH"))
}
