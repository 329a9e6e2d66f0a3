//! What tests of `palisade test` share: cases, runs of them, and what those printed.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "for tests; each uses a part")]

use std::{fs, process::Command};

use quick_xml::{Reader, events::Event};
use serde_json::Value;

use crate::common::{Place, processes_with, text};

/// Writes `NAME.in` and `NAME.out` for each, into a directory `cases` of the home.
pub(crate) fn cases(place: &Place, cases: &[(&str, &str, &str)]) {
    for (name, input, expected) in cases {
        let path = place.home().join("cases").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let input = input.replace("$H", &place.hostile.display().to_string());
        fs::write(path.with_file_name(format!("{}.in", path.file_name().unwrap().display())), input).unwrap();
        fs::write(path.with_file_name(format!("{}.out", path.file_name().unwrap().display())), expected).unwrap();
    }
}

/// `palisade test WORDS`, as this person.
pub(crate) fn test(place: &Place, words: &str) -> Command {
    let mut command = place.palisade("test");
    command.arg("--setenv").arg(format!("PALISADE_TEST={}", place.token()));
    let expand = |word: &str| {
        word.replace("$H", &place.hostile.display().to_string()).replace("$DIR", &place.home().display().to_string())
    };
    command.args(words.split_whitespace().map(expand));
    command
}

/// What `palisade test --json WORDS` printed, and its exit status, which has to be the one it tells.
#[track_caller]
pub(crate) fn results(place: &Place, words: &str) -> (Value, i32) {
    let output = place.output(&mut test(place, &format!("--json {words}")));
    let json: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output)));
    let status = output.status.code().unwrap();
    assert_eq!((json["exit_code"].as_i64(), json["success"].as_bool()), (Some(status.into()), Some(status == 0)));
    assert_eq!(json["schema"], "palisade.test/1");
    (json, status)
}

/// `NAME VERDICT` of each case, in order.
pub(crate) fn verdicts(json: &Value) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let all = json["cases"].as_array().unwrap().iter();
    all.map(|case| format!("{} {}", word(&case["name"]), word(&case["verdict"]))).collect()
}

/// The elements of a document with their text, and that every character in it is one that XML 1.0 has.
pub(crate) fn elements(document: &str) -> Vec<(String, String)> {
    assert!(
        document
            .chars()
            .all(|sign| matches!(sign, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)),
        "{document:?}"
    );
    let mut reader = Reader::from_str(document);
    reader.config_mut().check_end_names = true;
    let mut all: Vec<(String, String)> = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) | Event::Empty(start) => {
                let mut text = String::new();
                for attribute in start.attributes() {
                    let attribute = attribute.unwrap();
                    let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).unwrap();
                    text.push_str(&format!("{}={value} ", attribute.key.as_ref()));
                }
                all.push((start.name().as_ref().to_owned(), text));
            }
            Event::Text(text) => all.iter_mut().last().into_iter().for_each(|(_, before)| before.push_str(&text)),
            Event::GeneralRef(name) => {
                let sign = quick_xml::escape::resolve_predefined_entity(&name);
                all.last_mut().unwrap().1.push_str(sign.unwrap_or_else(|| panic!("{name:?}")));
            }
            Event::Eof => return all,
            _ => {}
        }
    }
}

/// How many of this place's programs sleep.
pub(crate) fn sleepers(place: &Place) -> usize {
    let is_sleep = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "sleep");
    processes_with(&place.token()).iter().filter(|pid| is_sleep(pid)).count()
}
