//! Where the programs under test are.

use std::path::{Path, PathBuf};

/// The `palisade` binary: `$PALISADE_BIN`, else beside the running test in cargo's target directory.
///
/// # Panics
/// If there is none, with the command that builds it.
#[track_caller]
#[must_use]
pub fn palisade() -> PathBuf {
    find("PALISADE_BIN", "palisade", "cargo build -p palisade-cli")
}

/// The `hostile` binary: `$PALISADE_HOSTILE_BIN`, else beside the running test in cargo's target directory.
///
/// # Panics
/// If there is none, with the command that builds it.
#[track_caller]
#[must_use]
pub fn hostile() -> PathBuf {
    find("PALISADE_HOSTILE_BIN", "hostile", "cargo build -p palisade-testkit")
}

#[track_caller]
#[allow(clippy::panic, reason = "for tests: a missing program is a failed test")]
fn find(variable: &str, name: &str, remedy: &str) -> PathBuf {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let path = named.or_else(|| beside(&std::env::current_exe().ok()?, name));
    match path {
        Some(path) if path.is_file() => path,
        Some(path) => panic!("{} does not exist\nhint: {remedy}, or set {variable}", path.display()),
        None => panic!("{name} was not found\nhint: {remedy}, or set {variable}"),
    }
}

/// `target/debug/deps/test-0123` and `target/debug/tool` both have their programs in `target/debug`.
fn beside(test: &Path, name: &str) -> Option<PathBuf> {
    let directory = test.parent()?;
    let directory = if directory.ends_with("deps") { directory.parent()? } else { directory };
    Some(directory.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_in_deps_finds_programs_one_level_up() {
        assert_eq!(beside(Path::new("/t/debug/deps/x-1"), "palisade"), Some("/t/debug/palisade".into()));
    }

    #[test]
    fn a_program_finds_others_beside_itself() {
        assert_eq!(beside(Path::new("/t/debug/x"), "hostile"), Some("/t/debug/hostile".into()));
    }
}
