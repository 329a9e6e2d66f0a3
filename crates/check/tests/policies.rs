//! Every word of every shipped policy has programs of three kinds: some use it, some use it by another name, some are innocent
//! and look like it.
//!
//! A word is tried by a policy that holds nothing else, so that no other line can answer for it. Its programs are made by its
//! language's frame (`common/frames.rs`); words that fit no frame have theirs in `OWN`, with a reason if there is no other name. A word
//! that is added to a policy is tried at once, and one without its three programs fails. Not here: what is hidden with more
//! effort (`hostile.rs`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests: the helpers too")]

#[path = "common/frames.rs"]
mod frames;

use std::collections::BTreeMap;

use frames::{Kind, Rows, Word};
use palisade_check::{Language, Policy, SHIPPED, check};
use palisade_spec::FindingCode::{BlockedImport, DynamicCode, UnsafeCodePattern};

/// Every word of a shipped policy.
fn words() -> Vec<Word> {
    let mut all = Vec::new();
    for (policy, text) in SHIPPED {
        let file: toml::Table = text.parse().unwrap();
        for (name, table) in &file {
            let (Some(table), Ok(language)) = (table.as_table(), name.parse::<Language>()) else { continue };
            let list = |table: &toml::Table, key: &str| -> Vec<String> {
                let list = table.get(key).and_then(|list| list.as_array()).into_iter().flatten();
                list.map(|word| word.as_str().unwrap().to_owned()).collect()
            };
            for key in table.keys() {
                let known = ["block", "allowed_imports", "blocked_imports", "blocked_calls"];
                assert!(known.contains(&&**key), "{policy} {name}: nothing here tries {key}");
            }
            let mut add = |kind, table: &toml::Table, key: &str, except: &[String]| {
                for text in list(table, key) {
                    all.push(Word { policy, language, kind, text, except: except.to_vec() });
                }
            };
            add(Kind::Import, table, "blocked_imports", &[]);
            add(Kind::Call, table, "blocked_calls", &[]);
            for block in table.get("block").and_then(|blocks| blocks.as_array()).into_iter().flatten() {
                let block = block.as_table().unwrap();
                let except = list(block, "except");
                add(Kind::Import, block, "imports", &except);
                add(Kind::Call, block, "calls", &except);
                add(Kind::Syntax, block, "syntax", &except);
            }
        }
    }
    all
}

/// What a policy of this word alone finds, and everything that stands in the way of believing it.
fn findings(word: &Word, language: Language, program: &str) -> (usize, Vec<String>) {
    let key = match word.kind {
        Kind::Import => "imports",
        Kind::Call => "calls",
        Kind::Syntax => "syntax",
    };
    let text = format!(
        "extends = 'none'\ndynamic_code = 'note'\n[[\"{}\".block]]\n{key} = [{:?}]\nexcept = {:?}\ndoes = 'does it'\n",
        language.name(),
        word.text,
        word.except
    );
    let policy = Policy::read("word.toml", &text, language).unwrap_or_else(|error| panic!("{text}\n{error}"));
    let checked = check("word", program.as_bytes(), language, &policy);
    let is_hit = |code| matches!(code, BlockedImport | UnsafeCodePattern);
    let hits = checked.findings.iter().filter(|found| is_hit(found.code) && found.message.contains("does it")).count();
    let other = checked.findings.iter().filter(|found| !is_hit(found.code) && found.code != DynamicCode);
    (hits, other.map(|found| format!("{}: {}", found.code, found.message)).collect())
}

#[test]
fn every_word_of_a_policy_is_found_by_each_of_its_names_and_nothing_innocent_is() {
    let mut wrong = Vec::new();
    let mut sums: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    for word in words() {
        let about = format!("{} {} {:?} {}", word.policy, word.language.name(), word.kind, word.text);
        let Some(Rows { uses, aliases, innocents }) = frames::of(&word) else {
            wrong.push(format!("{about}: no frame fits it, and it has no programs of its own"));
            continue;
        };
        let aliases = aliases.unwrap_or_else(|why| {
            assert!(why.len() > 20, "{about}: a reason says why");
            Vec::new()
        });
        if uses.is_empty() || innocents.is_empty() {
            wrong.push(format!("{about}: one of its three programs is missing"));
        }
        let sum = sums.entry(word.language.name()).or_default();
        let counts = [1, uses.len(), aliases.len(), innocents.len()];
        sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        // What is blocked in JavaScript is blocked in TypeScript, and C's words in C++.
        let languages: &[Language] = match word.language {
            Language::JavaScript => &[Language::JavaScript, Language::TypeScript, Language::Tsx],
            Language::C => &[Language::C, Language::Cpp],
            _ => &[word.language],
        };
        for language in languages {
            let kinds = [("use", &uses, true), ("alias", &aliases, true), ("innocent", &innocents, false)];
            for (kind, programs, is_wanted) in kinds {
                for program in programs {
                    let (hits, other) = findings(&word, *language, program);
                    if (hits > 0) != is_wanted || !other.is_empty() {
                        wrong.push(format!("{about}: {kind} as {language:?}: {hits} hits, {other:?}\n{program}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{} are wrong", wrong.join("\n"), wrong.len());
    assert!(sums.values().map(|sum| sum[0]).sum::<usize>() > 500, "{sums:?}");
    assert_eq!(sums.len(), 7, "TypeScript's words are JavaScript's: {sums:?}");
}

#[test]
fn no_program_is_kept_for_a_word_that_no_policy_has() {
    let words = words();
    for (language, text) in frames::own() {
        let is_known = words.iter().any(|word| word.language.name() == language && word.text == text);
        assert!(is_known, "{language} {text} is in no policy");
    }
}
