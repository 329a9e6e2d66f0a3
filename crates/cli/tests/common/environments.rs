//! What tests of environments share: a store in the home, and what `palisade env` says.
#![allow(dead_code, clippy::unwrap_used, reason = "for tests; each uses a part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::{Place, text};

/// `palisade WORDS`, with the store in the home.
pub(crate) fn palisade(place: &Place, words: &str) -> Command {
    let mut command = place.palisade(words);
    command.env_remove("PALISADE_ENVIRONMENTS").env_remove("XDG_DATA_HOME").env_remove("XDG_CONFIG_HOME");
    command
}

#[track_caller]
pub(crate) fn output(place: &Place, words: &str) -> Output {
    place.output(&mut palisade(place, words))
}

/// What it printed. It succeeds, and says nothing else.
#[track_caller]
pub(crate) fn said(place: &Place, words: &str) -> String {
    let output = output(place, words);
    assert!(output.status.success(), "{words}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// One error with these words, a hint, status 125, nothing on standard output.
#[track_caller]
pub(crate) fn assert_refused(output: &Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(125), "{}", text(output));
    assert_eq!(said.lines().filter(|line| line.starts_with("error: ")).count(), 1, "one error: {said}");
    assert!(["hint: ", "(known: "].iter().any(|mark| said.contains(mark)), "no remedy: {said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
    assert!(output.stdout.is_empty() && !said.contains("panicked"), "{}", text(output));
}

#[track_caller]
pub(crate) fn refused(place: &Place, line: &str, words: &[&str]) {
    assert_refused(&output(place, line), words);
}

pub(crate) fn store(place: &Place) -> PathBuf {
    place.home().join(".local/share/palisade/environments")
}

/// All that is in the store, hidden or not.
pub(crate) fn in_store(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(store(place)).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Whether this person has what answers to this. The toolchains of root's home are out of an ordinary user's reach.
pub(crate) fn has(place: &Place, question: &str) -> bool {
    let works =
        place.seat.command("/bin/sh").args(["-c", question]).output().is_ok_and(|output| output.status.success());
    if !works {
        let message = format!("SKIPPED: `{question}` fails as {:?}\n", place.person);
        let _ = std::io::Write::write_all(&mut std::io::stderr(), message.as_bytes());
    }
    works
}

pub(crate) fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}
