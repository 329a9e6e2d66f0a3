//! Programs that hide what they do: each must be told as its corpus says, by the default policy.
//!
//! A corpus is `hostile/LANGUAGE.txt`: `#### name => caught|undecidable|missed`, then the program. What is missed stands there
//! too, so that the table in `docs/validator.md` is the truth, and so that a change which catches it is noticed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests: the helpers too")]

mod common;

use std::{fs, path::Path};

use common::{hostile, table, verdict};

#[test]
fn every_evasion_is_told_as_its_corpus_says() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in hostile() {
        count += 1;
        let (seen, findings) = verdict(&case);
        if seen != case.wanted {
            wrong.push(format!("{}: {}: {seen}, not {}: {findings:#?}", case.language.name(), case.name, case.wanted));
        }
    }
    assert!(count >= 150, "{count}");
    assert!(wrong.is_empty(), "{} of {count}\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_table_in_the_documentation_is_the_truth() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/validator.md");
    let page = fs::read_to_string(page).unwrap();
    let table = table();
    assert!(page.contains(&table), "docs/validator.md should have this table:\n{table}");
}
