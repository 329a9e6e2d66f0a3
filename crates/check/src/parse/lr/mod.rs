//! Parsing by a language's grammar without what an editor needs: three times as fast as tree-sitter, for a text without mistakes.
//!
//! In: text and a grammar. Out: the nodes that tree-sitter gives; or nothing, and then it is its turn. Tests compare the
//! two, node by node. Not here: mistakes and queries (`../grammar.rs`).

mod engine;
mod flat;
mod forest;
mod stack;

use std::time::Duration;

use crate::{
    role::Grammar,
    tree::{GaveUp, Tree},
};

/// Time for one parse; behind it tree-sitter has its own. Ordinary code takes 5 ms for 100 KB.
const LONGEST: Duration = Duration::from_millis(500);

/// Parses `text`, which is shorter than 4 GiB.
pub(super) fn parse<'a>(text: &'a str, grammar: &'a Grammar) -> Option<Result<Tree<'a>, GaveUp>> {
    let tables = grammar.tables?;
    let (forest, root) = engine::Engine::new(tables, text, LONGEST).run().ok()?;
    Some(flat::tree(&forest, root, tables, text, grammar))
}

#[cfg(test)]
#[path = "../../../tests/common/ordinary.rs"]
mod ordinary;

#[cfg(test)]
mod tests {
    use super::{ordinary, parse};
    use crate::{Language, parse::grammar, text::Text};

    /// Programs of each language; `PALISADE_PROGRAMS=100000` takes all that are installed.
    fn most() -> usize {
        std::env::var("PALISADE_PROGRAMS").ok().and_then(|count| count.parse().ok()).unwrap_or(150)
    }

    /// Node by node, in all programs that have no mistakes; in those that have, ours must give up.
    fn compare(language: Language) {
        let grammar = language.grammar();
        let programs = ordinary::programs(language, most());
        let (mut wrong, mut read) = (Vec::new(), 0);
        for program in &programs {
            let text = Text::new(&program.code, language);
            let Ok(theirs) = grammar::parse(&text.seen, grammar) else { continue };
            match parse(&text.seen, grammar) {
                Some(Ok(ours)) => {
                    read += 1;
                    let other = ours.nodes.iter().zip(&theirs.nodes).position(|(a, b)| a != b);
                    if other.is_some() || ours.nodes.len() != theirs.nodes.len() {
                        let at = other.unwrap_or(ours.nodes.len().min(theirs.nodes.len()));
                        let (a, b) = (ours.nodes.get(at), theirs.nodes.get(at));
                        wrong.push(format!("{}: node {at}: {a:?}, should be {b:?}", program.name));
                    }
                }
                Some(Err(_)) => wrong.push(format!("{}: gave up", program.name)),
                None if !theirs.has_errors() => wrong.push(format!("{}: not read", program.name)),
                None => {}
            }
        }
        println!("{}: {} programs, {read} read", language.name(), programs.len());
        assert!(wrong.is_empty(), "{} of {} programs\n{}", wrong.len(), programs.len(), wrong.join("\n"));
        assert!(read > programs.len() / 20, "{read} of {} programs were read", programs.len());
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
    fn cpp_has_the_nodes_that_tree_sitter_gives() {
        compare(Language::Cpp);
    }
}
