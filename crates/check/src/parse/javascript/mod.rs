//! JavaScript, TypeScript and TSX by oxc's parser.
//!
//! In: text. Out: a tree with the names of the grammar, as far as the analysis knows them; or nothing, if the text has a mistake.
//! Other nodes are `expression_statement`. Comments and types are left out. Not here: what follows a mistake (`grammar.rs`).

mod blocks;
mod modules;
mod names;
mod values;
mod visit;

use std::{ops::Range, sync::LazyLock};

use oxc_allocator::Allocator;
use oxc_ast::ast::Expression;
use oxc_ast_visit::Visit;
use oxc_parser::{ParseOptions, Parser};
use oxc_span::{SourceType, Span};

use super::words;
use crate::{
    language::Language,
    role::Grammar,
    tree::{Builder, Form, GaveUp, Tree},
};

words! {
    nodes: program expression_statement identifier property_identifier shorthand_property_identifier
        shorthand_property_identifier_pattern member_expression subscript_expression call_expression new_expression arguments
        string template_string template_substitution string_fragment number binary_expression ternary_expression
        assignment_expression augmented_assignment_expression assignment_pattern object_assignment_pattern object_pattern
        pair_pattern pair array array_pattern variable_declarator await_expression spread_element sequence_expression
        for_in_statement for_statement while_statement do_statement if_statement statement_block catch_clause switch_case
        switch_default function_declaration generator_function_declaration function_expression generator_function
        method_definition arrow_function class_declaration formal_parameters import_statement import_specifier
        export_statement export_specifier return_statement this;
    // Those of TypeScript are 0 in JavaScript, where they do not occur.
    class = "class" import = "import" as_expression = "as_expression" satisfies = "satisfies_expression"
        non_null = "non_null_expression" assertion = "type_assertion" require = "import_require_clause"
        enumeration = "enum_declaration";
    signs: and = "&&" or = "||" nullish = "??" plus = "+" minus = "-" times = "*" rest = "%" either = "^" kind = "type";
    fields: object = "object" property = "property" index = "index" function = "function" arguments_of = "arguments"
        constructor = "constructor" left = "left" right = "right" consequence = "consequence" alternative = "alternative"
        condition = "condition" name = "name" value = "value" key = "key" parameters = "parameters" body = "body"
        parameter = "parameter" source = "source" alias = "alias";
}

static WORDS: LazyLock<[Words; 3]> =
    LazyLock::new(|| LANGUAGES.map(|language| Words::of(&language.grammar().language)));
const LANGUAGES: [Language; 3] = [Language::JavaScript, Language::TypeScript, Language::Tsx];

/// The parser is recursive and counts nothing: a text whose brackets are nested deeper is for the grammar.
const DEEPEST: i64 = 1000;

/// The tree, unless the text has a mistake or its brackets are nested too deep.
pub(super) fn parse<'a>(text: &'a str, language: Language, grammar: &'a Grammar) -> Option<Result<Tree<'a>, GaveUp>> {
    if is_deep(text) {
        return None;
    }
    let kind = match language {
        Language::JavaScript => SourceType::unambiguous().with_jsx(true),
        Language::TypeScript => SourceType::ts(),
        _ => SourceType::tsx(),
    };
    let allocator = Allocator::default();
    let options =
        ParseOptions { allow_return_outside_function: true, preserve_parens: false, ..ParseOptions::default() };
    let parsed = Parser::new(&allocator, text, kind).with_options(options).parse();
    if parsed.panicked || !parsed.diagnostics.is_empty() {
        return None;
    }
    let words = &WORDS[LANGUAGES.iter().position(|one| *one == language).unwrap_or(0)];
    let mut maker = Maker { tree: Builder::new(text, grammar), words };
    maker.node(words.program, Span::new(0, text.len() as u32), |maker| maker.visit_program(&parsed.program));
    Some(maker.tree.finish(false, None))
}

/// Whether there are more brackets open than anybody writes; what stands in strings is counted too.
fn is_deep(text: &str) -> bool {
    let mut open: i64 = 0;
    text.bytes().any(|byte| {
        match byte {
            b'(' | b'[' | b'{' | b'<' => open += 1,
            b')' | b']' | b'}' | b'>' => open = (open - 1).max(0),
            b'\n' => return false,
            _ => {}
        }
        open > DEEPEST
    })
}

struct Maker<'a> {
    tree: Builder<'a>,
    words: &'static Words,
}

fn place(span: Span) -> Range<u32> {
    span.start..span.end
}

impl<'a> Maker<'_> {
    /// A node and what is below it; deeper than anybody follows, nothing is.
    fn node(&mut self, kind: u16, span: Span, below: impl FnOnce(&mut Self)) {
        if self.tree.is_too_deep() {
            return;
        }
        self.tree.open(kind, Form::Named, place(span));
        below(self);
        self.tree.close();
    }

    fn leaf(&mut self, kind: u16, span: Span) {
        self.tree.leaf(kind, Form::Named, place(span));
    }

    /// What is next stands in this field.
    fn at(&mut self, field: u16, below: impl FnOnce(&mut Self)) {
        self.tree.field = field;
        below(self);
        self.tree.field = 0;
    }

    fn value_at(&mut self, field: u16, value: &Expression<'a>) {
        self.at(field, |maker| maker.visit_expression(value));
    }

    fn sign(&mut self, kind: u16, before: Span, after: Span) {
        if kind != 0 {
            self.tree.leaf(kind, Form::Anonymous, before.end.min(after.start)..after.start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_one_of_its_grammar() {
        let typescript = [
            "as_expression",
            "satisfies_expression",
            "non_null_expression",
            "import_require_clause",
            "enum_declaration",
        ];
        let only = |language| match language {
            Language::JavaScript => [&typescript[..], &["type_assertion", "type"]].concat(),
            Language::Tsx => vec!["type_assertion"],
            _ => Vec::new(),
        };
        for (language, words) in LANGUAGES.into_iter().zip(&*WORDS) {
            let mut unknown = words.unknown();
            unknown.retain(|word| !only(language).contains(word));
            assert_eq!(unknown, Vec::<&str>::new(), "{language:?}");
        }
    }
}
