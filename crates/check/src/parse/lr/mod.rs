//! Parsing by a language's grammar without what an editor needs: twice as fast as tree-sitter, and more.
//!
//! In: text and a grammar. Out: the nodes that tree-sitter gives, with the same marks at the same mistakes. Tests compare the two,
//! node by node. Not here: queries, which need tree-sitter's own tree (`../grammar.rs`).

mod engine;
mod flat;
mod forest;
mod mend;
mod rank;
mod stack;
mod tokens;
mod words;

use std::time::Duration;

use crate::{
    role::Grammar,
    tree::{GaveUp, Tree},
};

/// Time for one parse. Ordinary code takes 5 ms for 100 KB; what the compiler has not made fast, ten times that.
const LONGEST: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 2 });

/// Parses `text`, which is shorter than 4 GiB; nothing if the grammar's tables are of a kind that is not known here.
pub(super) fn parse<'a>(text: &'a str, grammar: &'a Grammar) -> Option<Result<Tree<'a>, GaveUp>> {
    let tables = grammar.tables?;
    Some(match engine::Engine::new(tables, text, LONGEST).run() {
        Ok((forest, root)) => flat::tree(&forest, root, tables, text, grammar),
        Err(engine::Stuck) => Err(GaveUp::TooSlow),
    })
}

#[cfg(test)]
#[path = "../../../tests/common/ordinary.rs"]
mod ordinary;

#[cfg(test)]
#[path = "../../../tests/common/mutate.rs"]
mod mutate;

#[cfg(test)]
mod tests {
    use super::{
        mutate::{Random, mutated},
        ordinary, parse,
    };
    use crate::{Language, parse::grammar, text::Text, tree::GaveUp};

    /// Programs of each language; `PALISADE_PROGRAMS=100000` takes all that are installed.
    fn most() -> usize {
        std::env::var("PALISADE_PROGRAMS").ok().and_then(|count| count.parse().ok()).unwrap_or(150)
    }

    /// Where the nodes of a text differ from tree-sitter's.
    fn difference(text: &[u8], language: Language) -> Option<String> {
        let grammar = language.grammar();
        let text = Text::new(text, language);
        let theirs = grammar::parse(&text.seen, grammar).ok()?;
        let ours = match parse(&text.seen, grammar) {
            Some(Ok(ours)) => ours,
            Some(Err(GaveUp::TooSlow)) => return Some("too slow".to_owned()),
            Some(Err(GaveUp::TooDeep(at))) => return Some(format!("too deep at {at}")),
            None => return Some("not read".to_owned()),
        };
        if ours.has_errors() != theirs.has_errors() {
            return Some(format!("has errors: {}", ours.has_errors()));
        }
        let other = ours.nodes.iter().zip(&theirs.nodes).position(|(a, b)| a != b);
        (other.is_some() || ours.nodes.len() != theirs.nodes.len()).then(|| {
            let at = other.unwrap_or(ours.nodes.len().min(theirs.nodes.len()));
            let (a, b) = (ours.nodes.get(at), theirs.nodes.get(at));
            format!("node {at}: {a:?}, should be {b:?}")
        })
    }

    /// Node by node, mistakes and what is behind them too.
    fn compare(language: Language) {
        let programs = ordinary::programs(language, most());
        let wrong: Vec<String> = programs
            .iter()
            .filter_map(|program| Some(format!("{}: {}", program.name, difference(&program.code, language)?)))
            .collect();
        println!("{}: {} programs", language.name(), programs.len());
        assert!(wrong.is_empty(), "{} of {} programs\n{}", wrong.len(), programs.len(), wrong.join("\n"));
    }

    /// As `compare`, in texts that are mostly mistakes; `PALISADE_FUZZ=100000` tries that many.
    fn compare_mutated(language: Language, hostile: &str) {
        let turns = std::env::var("PALISADE_FUZZ").ok().and_then(|count| count.parse().ok()).unwrap_or(400);
        let mut seeds: Vec<Vec<u8>> = hostile.split("#### ").skip(1).map(|case| case.as_bytes().to_vec()).collect();
        seeds.extend(ordinary::programs(language, 10).into_iter().map(|program| program.code));
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        for turn in 0..turns {
            let text = mutated(&seeds, &mut random);
            if let Some(difference) = difference(&text, language) {
                let file = std::env::temp_dir().join(format!("{}-{turn}", language.name()));
                std::fs::write(&file, &text).expect("the directory of temporary files takes one");
                panic!("turn {turn}, {}: {difference}", file.display());
            }
        }
    }

    macro_rules! mutated_programs_have_the_same_nodes {
        ($($test:ident: $language:ident, $hostile:literal;)+) => {$(
            #[test]
            fn $test() {
                compare_mutated(Language::$language, include_str!(concat!("../../../tests/hostile/", $hostile, ".txt")));
            }
        )+};
    }

    mutated_programs_have_the_same_nodes! {
        mutated_go_has_the_nodes_that_tree_sitter_gives: Go, "go";
        mutated_java_has_the_nodes_that_tree_sitter_gives: Java, "java";
        mutated_rust_has_the_nodes_that_tree_sitter_gives: Rust, "rust";
        mutated_c_has_the_nodes_that_tree_sitter_gives: C, "c";
        mutated_cpp_has_the_nodes_that_tree_sitter_gives: Cpp, "cpp";
        mutated_python_has_the_nodes_that_tree_sitter_gives: Python, "python";
        mutated_javascript_has_the_nodes_that_tree_sitter_gives: JavaScript, "javascript";
        mutated_typescript_has_the_nodes_that_tree_sitter_gives: TypeScript, "typescript";
        mutated_tsx_has_the_nodes_that_tree_sitter_gives: Tsx, "typescript";
    }

    #[test]
    fn go_has_the_nodes_that_tree_sitter_gives() {
        compare(Language::Go);
    }

    #[test]
    fn java_has_the_nodes_that_tree_sitter_gives() {
        compare(Language::Java);
    }

    #[test]
    fn rust_has_the_nodes_that_tree_sitter_gives() {
        compare(Language::Rust);
    }

    #[test]
    fn c_has_the_nodes_that_tree_sitter_gives() {
        compare(Language::C);
    }

    #[test]
    fn python_has_the_nodes_that_tree_sitter_gives() {
        compare(Language::Python);
    }

    #[test]
    fn javascript_has_the_nodes_that_tree_sitter_gives() {
        compare(Language::JavaScript);
    }

    #[test]
    fn typescript_has_the_nodes_that_tree_sitter_gives() {
        compare(Language::TypeScript);
    }

    #[test]
    fn cpp_has_the_nodes_that_tree_sitter_gives() {
        compare(Language::Cpp);
    }
}
