//! Which argument is not text, where the parser only says that there is one.
//!
//! In: all arguments. Out: a refusal that names one. Not here: which options take any bytes (`args.rs`): the parser is asked.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
};

use clap::{Parser, error::ErrorKind};

use crate::{args::Cli, request::Refused};

/// The argument for which the parser refuses all of them.
pub(crate) fn refused(all: &[OsString]) -> Option<Refused> {
    // Some options take any bytes, and there is nothing wrong with those.
    let is_wrong = |number: usize| {
        let others = all.iter().enumerate().map(|(at, word)| match at == number {
            true => word.clone(),
            false => word.to_string_lossy().into_owned().into(),
        });
        matches!(Cli::try_parse_from(others), Err(error) if error.kind() == ErrorKind::InvalidUtf8)
    };
    let (number, word) =
        all.iter().enumerate().filter(|(_, word)| word.to_str().is_none()).find(|(number, _)| is_wrong(*number))?;
    Some(Refused {
        what: format!("argument {number} is not UTF-8: `{}`", shown(word)),
        hint: "rename a file of that name; a program reads other bytes from standard input or from a file (--file)",
    })
}

/// Text as it is, and every other byte as `\xff`.
fn shown(word: &OsStr) -> String {
    let parts = word.as_bytes().utf8_chunks();
    parts.map(|part| format!("{}{}", part.valid(), part.invalid().escape_ascii())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &[&[u8]]) -> Option<String> {
        let words: Vec<OsString> = words.iter().map(|word| OsStr::from_bytes(word).to_owned()).collect();
        refused(&words).map(|refused| refused.what)
    }

    #[test]
    fn the_argument_that_is_no_text_is_named_by_its_position() {
        let one = said(&[b"palisade", b"run", b"--", b"echo", b"good", b"\xc3\xa9t\xe9 \xff"]);
        assert_eq!(one.as_deref(), Some(r"argument 5 is not UTF-8: `ét\xe9 \xff`"));
        let option = said(&[b"palisade", b"run", b"--setenv=A=\x80", b"x.py"]);
        assert_eq!(option.as_deref(), Some(r"argument 2 is not UTF-8: `--setenv=A=\x80`"));
    }

    #[test]
    fn a_path_may_have_any_name_and_is_not_blamed_for_what_follows() {
        let path: &[u8] = b"--allow-read=/\xff";
        assert_eq!(said(&[b"palisade", b"run", path, b"x.py"]), None);
        let second = said(&[b"palisade", b"run", path, b"--policy", b"\xfe", b"x.py"]);
        assert_eq!(second.as_deref(), Some(r"argument 4 is not UTF-8: `\xfe`"));
    }
}
