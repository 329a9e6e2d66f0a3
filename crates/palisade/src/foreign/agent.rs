//! Where the agent is: beside this program, beside the `palisade` command on PATH, or on PATH itself.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

/// Its path inside.
pub(crate) const AGENT: &str = "/.palisade/guest";

const PROGRAM: &str = "palisade-guest";

/// Finds it, or says where it is not.
pub(super) fn find() -> Result<PathBuf, String> {
    let own = std::env::current_exe().ok();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = directories(own.as_deref(), &path).map(|directory| directory.join(PROGRAM)).find(|file| file.is_file());
    found
        .and_then(|file| file.canonicalize().ok())
        .ok_or_else(|| format!("there is no `{PROGRAM}` beside this program or on PATH"))
}

/// Where it may be. In some walls it runs as root, so neither the directory above this program's nor the working one will do:
/// others may write there. Only cargo puts the programs of tests one level deeper.
fn directories(own: Option<&Path>, path: &OsStr) -> impl Iterator<Item = PathBuf> {
    let beside = own.and_then(Path::parent);
    let above = beside.filter(|beside| beside.ends_with("deps")).and_then(Path::parent);
    let own: Vec<PathBuf> = [beside, above].into_iter().flatten().map(Path::to_owned).collect();
    let path: Vec<PathBuf> = std::env::split_paths(path).filter(|directory| directory.is_absolute()).collect();
    own.into_iter().chain(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_is_not_taken_from_where_strangers_may_put_one() {
        let of = |own: &str, path: &str| -> Vec<PathBuf> { directories(Some(Path::new(own)), path.as_ref()).collect() };
        assert_eq!(of("/tmp/mine/palisade", "bin:.::/usr/bin"), ["/tmp/mine", "/usr/bin"].map(PathBuf::from));
        assert_eq!(of("/t/debug/deps/test-1", ""), ["/t/debug/deps", "/t/debug"].map(PathBuf::from));
    }
}
