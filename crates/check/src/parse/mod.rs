//! Text to a tree, by the fastest parser that can give what is asked for.
//!
//! In: text and a language. Out: [`Tree`], or why it was given up. Python and JavaScript have parsers of their own that are ten
//! times as fast as their grammars; they give nodes with the grammar's names, so that everything behind them is the same. The
//! others, and texts with mistakes, are parsed by the grammar's own tables (`lr/`). Where a policy asks for more than these give,
//! tree-sitter parses. `tests/parsers.rs` compares what is found by both. Not here: what nodes mean (`role.rs`).

mod grammar;
mod javascript;
mod lr;
mod python;

use crate::{
    Language,
    tree::{GaveUp, Tree},
};

/// Which nodes are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nodes {
    /// Those that mean something to the analysis.
    Known,
    /// All that the grammar has.
    All,
    /// These, and tree-sitter's own tree, for queries.
    Queried,
}

/// Parses `text`, which is shorter than 4 GiB.
pub(crate) fn parse(text: &str, language: Language, nodes: Nodes) -> Result<Tree<'_>, GaveUp> {
    let grammar = language.grammar();
    let own = match (nodes, language) {
        (Nodes::Known, Language::Python) => python::parse(text, grammar),
        (Nodes::Known, Language::JavaScript | Language::TypeScript | Language::Tsx) => {
            javascript::parse(text, language, grammar)
        }
        _ => None,
    };
    let own = own.or_else(|| if nodes == Nodes::Queried { None } else { lr::parse(text, grammar) });
    own.unwrap_or_else(|| grammar::parse(text, grammar))
}

/// Numbers of a grammar's words: nodes, its other signs, and fields.
macro_rules! words {
    (nodes: $($node:ident)*; $($other:ident = $word:literal)*; signs: $($sign:ident = $text:literal)*; fields: $($field:ident = $name:literal)*;) => {
        #[derive(Debug)]
        struct Words {
            $($node: u16,)*
            $($other: u16,)*
            $($sign: u16,)*
            $($field: u16,)*
        }

        impl Words {
            fn of(language: &tree_sitter::Language) -> Self {
                Self {
                    $($node: language.id_for_node_kind(stringify!($node), true),)*
                    $($other: language.id_for_node_kind($word, true),)*
                    $($sign: language.id_for_node_kind($text, false),)*
                    $($field: language.field_id_for_name($name).map_or(0, std::num::NonZero::get),)*
                }
            }

            /// Words that the grammar does not have.
            #[cfg(test)]
            fn unknown(&self) -> Vec<&'static str> {
                let all = [$((stringify!($node), self.$node),)* $(($word, self.$other),)* $(($text, self.$sign),)* $(($name, self.$field),)*];
                all.into_iter().filter(|(_, id)| *id == 0).map(|(word, _)| word).collect()
            }
        }
    };
}
use words;
