//! Texts that nobody would write: for each language a fixed number of mutations of real and hostile programs.
//!
//! The generator is deterministic, so a failure is the same everywhere. What breaks is written to the directory of temporary
//! files, to be kept in `corpus/LANGUAGE-*`, where it is tried first ever after. `PALISADE_FUZZ=100000` tries that many of each.
//! Holds for every text: the check ends without a panic, and each finding stands within the text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests: the helpers too")]

mod common;
#[path = "common/mutate.rs"]
mod mutate;
#[path = "common/ordinary.rs"]
mod ordinary;

use std::{env, fs, panic, path::Path};

use common::hostile;
use mutate::{Random, mutated};
use palisade_check::{Language, Policy, check};

/// Executions for each language, beside the kept corpus.
const EXECUTIONS: u64 = 2_000;

/// Whether everything holds that must hold for every text.
fn holds(text: &[u8], language: Language, policy: &Policy) {
    let checked = check("text", text, language, policy);
    assert_eq!(checked.size, text.len() as u64);
    let mut last = 0;
    for finding in &checked.findings {
        let span = finding.span;
        assert!(span.start <= span.end, "{finding:?}");
        assert!(
            span.end as usize <= text.len() || text.starts_with(b"\xFF\xFE") || text.starts_with(b"\xFE\xFF"),
            "{finding:?}"
        );
        assert!(
            span.line >= 1 && span.column >= 1 && (span.line, span.column) <= (span.end_line, span.end_column),
            "{finding:?}"
        );
        assert!(last <= span.start, "findings are in the order of the file");
        last = span.start;
    }
}

fn fuzz(language: Language, seed: u64) {
    let name = format!("{language:?}").to_lowercase();
    let policies = ["default", "strict"].map(|policy| Policy::shipped(policy, language).unwrap().unwrap());
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut kept: Vec<_> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    kept.retain(|file| file.file_name().unwrap().to_string_lossy().starts_with(&format!("{name}-")));
    kept.sort();
    let mut seeds: Vec<Vec<u8>> = kept.iter().map(|file| fs::read(file).unwrap()).collect();
    for text in &seeds {
        policies.iter().for_each(|policy| holds(text, language, policy));
    }
    seeds.extend(hostile().into_iter().map(|case| case.code.into_bytes()));
    seeds.extend(ordinary::kept(language).into_iter().map(|program| program.code));
    let own: Vec<Vec<u8>> = hostile()
        .into_iter()
        .filter(|case| case.language.name() == language.name())
        .map(|case| case.code.into_bytes())
        .collect();
    let executions =
        env::var("PALISADE_FUZZ").map_or(EXECUTIONS, |count| count.parse().expect("PALISADE_FUZZ is a number"));
    let mut random = Random(seed);
    for turn in 0..executions {
        // Mostly of its own language, sometimes of any.
        let text = mutated(if turn % 4 == 0 || own.is_empty() { &seeds } else { &own }, &mut random);
        let policy = &policies[random.below(policies.len())];
        if let Err(panic) = panic::catch_unwind(|| holds(&text, language, policy)) {
            let file = env::temp_dir().join(format!("{name}-{turn}"));
            fs::write(&file, &text).unwrap();
            let why = panic.downcast_ref::<String>().map_or("", String::as_str);
            panic!("turn {turn}: {} breaks it, keep it in tests/corpus: {why}", file.display());
        }
    }
}

macro_rules! each {
    ($($test:ident: $language:ident, $seed:literal;)+) => {$(
        #[test]
        fn $test() {
            fuzz(Language::$language, $seed);
        }
    )+};
}

each! {
    no_text_breaks_the_validator_as_go: Go, 0x9E37_79B9_7F4A_7C15;
    no_text_breaks_the_validator_as_python: Python, 0xBF58_476D_1CE4_E5B9;
    no_text_breaks_the_validator_as_javascript: JavaScript, 0x94D0_49BB_1331_11EB;
    no_text_breaks_the_validator_as_typescript: TypeScript, 0xD6E8_FEB8_6659_FD93;
    no_text_breaks_the_validator_as_tsx: Tsx, 0xA5A5_A5A5_1234_5678;
    no_text_breaks_the_validator_as_rust: Rust, 0x1357_9BDF_2468_ACE0;
    no_text_breaks_the_validator_as_java: Java, 0x0F1E_2D3C_4B5A_6978;
    no_text_breaks_the_validator_as_cpp: Cpp, 0xC0FF_EE00_DEAD_BEEF;
    no_text_breaks_the_validator_as_c: C, 0x0123_4567_89AB_CDEF;
}
