//! Every attack must succeed outside the sandbox, or the table says why it cannot here. A wall proves nothing against
//! an attack that never works.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "helpers of tests are tests too")]

use palisade_testkit::outside::{Expect, ROWS, SPEAK_FOR_THEMSELVES, Stage, operation};
use palisade_testkit::{Person, Residue, hostile, need, wait_for};
use std::time::Duration;

/// What an answer must look like for `SUCCEEDED`, `BLOCKED`, `INCONCLUSIVE`.
const CODES: [(&str, i32); 3] = [("SUCCEEDED ", 0), ("BLOCKED ", 10), ("INCONCLUSIVE ", 11)];

fn hold(person: Person) {
    let before = Residue::now();
    let Some(stage) = Stage::new(person) else { return };
    let mut wrong = Vec::new();
    for row in ROWS {
        let line = row.0;
        let expected = stage.expected(row, person);
        if let Expect::NotTried(why) = expected {
            eprintln!("NOT TRIED as {person:?}: {}: {why}", operation(line));
            continue;
        }
        let (answer, code) = stage.run(line);
        println!("{person:?}: {}: {answer}", operation(line));
        let fits = CODES.iter().any(|(word, number)| answer.starts_with(word) && code == Some(*number));
        let succeeded = answer.starts_with("SUCCEEDED ");
        let right = match expected {
            Expect::Cannot(text, why) if !succeeded => {
                eprintln!("CANNOT SUCCEED as {person:?}: {}: {why}", operation(line));
                answer.contains(text)
            }
            _ => succeeded,
        };
        if !fits || !right {
            wrong.push(format!("{}: {answer} (exit {code:?})", operation(line)));
        }
    }
    drop(stage);
    assert!(wrong.is_empty(), "as {person:?}:\n{}", wrong.join("\n"));
    // Other tests may be at work on this machine; what this one leaves has these words in it.
    let id = std::process::id().to_string();
    let ours = |line: &String| line.contains("palisade-hostile-") || line.contains("61.25") || line.contains(&id);
    let mut left = Vec::new();
    wait_for(Duration::from_secs(5), || {
        left = Residue::now().since(&before).into_iter().filter(ours).collect();
        left.is_empty()
    });
    assert_eq!(left, Vec::<String>::new(), "residue");
}

#[test]
fn every_attack_succeeds_outside_and_leaves_nothing_behind() {
    // One after the other: each would see the other's processes as residue.
    if need("root") {
        hold(Person::Root);
    }
    hold(Person::Ordinary);
}

#[test]
fn every_operation_is_listed_once_and_tried() {
    let output = std::process::Command::new(hostile()).arg("--list").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut names = Vec::new();
    for line in text.lines() {
        let fields: Vec<_> = line.split('\t').collect();
        assert_eq!(fields.len(), 4, "name and arguments, group, description, precondition: {line}");
        assert!(fields.iter().all(|field| !field.is_empty()), "{line}");
        names.push(fields[0].split(' ').next().unwrap().to_owned());
    }
    for name in &names {
        assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{name} is listed twice");
        let tried = SPEAK_FOR_THEMSELVES.contains(&name.as_str()) || ROWS.iter().any(|row| operation(row.0) == name);
        assert!(tried, "{name} is not in the table");
    }
}
