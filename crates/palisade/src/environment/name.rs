//! Names of environments: one plain name of a directory that `list` would show.

use super::error::EnvironmentError;

/// Longest name, in bytes.
const LONGEST: usize = 64;

/// Whether `name` can name an environment.
///
/// # Errors
/// [`EnvironmentError::Name`] says why not.
pub(crate) fn check(name: &str) -> Result<(), EnvironmentError> {
    let odd = |sign: char| !(sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_' | '.'));
    let because = if name.is_empty() {
        "it is empty"
    } else if name.len() > LONGEST {
        "it is longer than 64 bytes"
    } else if name.starts_with(['.', '-']) {
        "it starts with a dot or a dash"
    } else if name.contains('/') {
        "it has a slash, and a name is not a path"
    } else if name.contains(odd) {
        "it has a sign that is not a letter, a digit, `-`, `_` or `.`"
    } else {
        return Ok(());
    };
    Err(EnvironmentError::Name { name: name.to_owned(), because })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_something_else_are_refused() {
        for name in ["", ".", "..", ".hidden", "-x", "a/b", "/a", "a b", "a\n", "ü", "a:b", &"x".repeat(65)] {
            check(name).unwrap_err();
        }
        for name in ["a", "web-1.2", "A_b", &"x".repeat(64)] {
            check(name).unwrap();
        }
    }
}
