//! Python by ruff's parser.
//!
//! In: text. Out: a tree with the names of the grammar, as far as the analysis knows them; or nothing, if the text is not
//! Python 3. Other nodes are `expression_statement`. Comments are left out. Not here: what follows a mistake (`grammar.rs`).

use std::{ops::Range, sync::LazyLock};

use ruff_python_ast::{
    AnyParameterRef, ArgOrKeyword, Arguments, BoolOp, Comprehension, Decorator, ElifElseClause, ExceptHandler, Expr,
    FString, FStringPart, InterpolatedStringElement, MatchCase, Mod, Number, Operator, Parameter, Parameters, Stmt,
    TString, WithItem,
    visitor::source_order::{self, SourceOrderVisitor},
};
use ruff_python_parser::{Mode, ParseOptions, parse_unchecked};
use ruff_text_size::{Ranged, TextLen, TextRange, TextSize};

use super::words;
use crate::{
    language::Language,
    role::Grammar,
    tree::{Builder, Form, GaveUp, Tree},
};

words! {
    nodes: module expression_statement identifier attribute subscript call argument_list keyword_argument string
        concatenated_string string_content interpolation integer binary_operator boolean_operator conditional_expression
        list tuple named_expression assignment augmented_assignment for_statement while_statement if_statement elif_clause
        else_clause finally_clause try_statement except_clause with_item match_statement case_clause assert_statement
        for_in_clause if_clause function_definition lambda class_definition parameters default_parameter import_statement
        import_from_statement dotted_name aliased_import wildcard_import relative_import delete_statement global_statement
        as_pattern as_pattern_target slice block;
    waits = "await";
    signs: plus = "+" minus = "-" times = "*" rest = "%" either = "^" and = "and" or = "or";
    fields: object = "object" member = "attribute" value = "value" index = "subscript" function = "function"
        arguments = "arguments" name = "name" left = "left" right = "right" parameters_of = "parameters" body = "body"
        alias = "alias" module_name = "module_name" kind = "type" superclasses = "superclasses";
}

static WORDS: LazyLock<Words> = LazyLock::new(|| Words::of(&Language::Python.grammar().language));

/// The tree, unless the text is not Python 3.
pub(super) fn parse<'a>(text: &'a str, grammar: &'a Grammar) -> Option<Result<Tree<'a>, GaveUp>> {
    let parsed = parse_unchecked(text, ParseOptions::from(Mode::Module));
    let Mod::Module(module) = parsed.syntax() else { return None };
    if !parsed.errors().is_empty() {
        return None;
    }
    let mut maker = Maker { tree: Builder::new(text, grammar), text, words: &WORDS };
    maker.node(maker.words.module, TextRange::up_to(text.text_len()), |maker| {
        module.body.iter().for_each(|one| maker.visit_stmt(one));
    });
    Some(maker.tree.finish(false, None))
}

struct Maker<'a> {
    tree: Builder<'a>,
    text: &'a str,
    words: &'static Words,
}

fn place(range: TextRange) -> Range<u32> {
    range.start().to_u32()..range.end().to_u32()
}

impl Maker<'_> {
    /// A node and what is below it; deeper than anybody follows, nothing is.
    fn node(&mut self, kind: u16, range: impl Ranged, below: impl FnOnce(&mut Self)) {
        if self.tree.is_too_deep() {
            return;
        }
        self.tree.open(kind, Form::Named, place(range.range()));
        below(self);
        self.tree.close();
    }

    fn leaf(&mut self, kind: u16, range: impl Ranged) {
        self.tree.leaf(kind, Form::Named, place(range.range()));
    }

    /// What is next stands in this field.
    fn at(&mut self, field: u16, below: impl FnOnce(&mut Self)) {
        self.tree.field = field;
        below(self);
        self.tree.field = 0;
    }

    fn value_at(&mut self, field: u16, value: &Expr) {
        self.at(field, |maker| maker.visit_expr(value));
    }

    fn sign(&mut self, kind: u16, before: &Expr, after: &Expr) {
        self.tree.leaf(kind, Form::Anonymous, before.end().to_u32()..after.start().to_u32());
    }

    fn block(&mut self, body: &[Stmt]) {
        if let (Some(first), Some(last)) = (body.first(), body.last()) {
            let words = self.words;
            self.at(words.body, |maker| {
                maker.node(words.block, TextRange::new(first.start(), last.end()), |maker| {
                    body.iter().for_each(|one| maker.visit_stmt(one));
                });
            });
        }
    }

    /// `else:` or `finally:`.
    fn clause(&mut self, kind: u16, body: &[Stmt]) {
        if let (Some(first), Some(last)) = (body.first(), body.last()) {
            self.node(kind, TextRange::new(first.start(), last.end()), |maker| maker.block(body));
        }
    }

    /// What is decorated begins behind its decorators, with this word.
    fn behind(&self, decorators: &[Decorator], whole: impl Ranged, name: impl Ranged, word: &str) -> TextRange {
        let Some(last) = decorators.last() else { return whole.range() };
        let between = TextRange::new(last.end(), name.start());
        let at = self.text[between].rfind(word).unwrap_or(0) as u32;
        TextRange::new(last.end() + TextSize::from(at), whole.end())
    }

    /// `a = b = value`: each assignment is the value of the one before.
    fn assign(&mut self, targets: &[Expr], value: &Expr) {
        let Some((first, others)) = targets.split_first() else { return self.visit_expr(value) };
        let words = self.words;
        self.node(words.assignment, TextRange::new(first.start(), value.end()), |maker| {
            maker.value_at(words.left, first);
            maker.at(words.right, |maker| maker.assign(others, value));
        });
    }

    /// `a and b and c`, as two operators.
    fn chain(&mut self, sign: u16, values: &[Expr]) {
        let words = self.words;
        match values {
            [] => {}
            [one] => self.visit_expr(one),
            [before @ .., last] => {
                let Some(previous) = before.last() else { return };
                let range = TextRange::new(values[0].start(), last.end());
                self.node(words.boolean_operator, range, |maker| {
                    maker.at(words.left, |maker| maker.chain(sign, before));
                    maker.sign(sign, previous, last);
                    maker.value_at(words.right, last);
                });
            }
        }
    }

    /// A module's or a name's path, `a.b`, whose first name stands by itself.
    fn dotted(&mut self, range: TextRange) {
        let words = self.words;
        let written = &self.text[range];
        let first = written.find('.').map_or(written, |end| &written[..end]).trim_end().len() as u32;
        self.node(words.dotted_name, range, |maker| {
            maker.leaf(words.identifier, TextRange::at(range.start(), first.into()));
        });
    }

    fn aliases(&mut self, names: &[ruff_python_ast::Alias]) {
        let words = self.words;
        for alias in names {
            if alias.name.as_str() == "*" {
                self.leaf(words.wildcard_import, alias);
                continue;
            }
            self.at(words.name, |maker| match &alias.asname {
                None => maker.dotted(alias.name.range),
                Some(other) => maker.node(words.aliased_import, alias, |maker| {
                    maker.at(words.name, |maker| maker.dotted(alias.name.range));
                    maker.at(words.alias, |maker| maker.leaf(words.identifier, other));
                }),
            });
        }
    }

    /// `value as name`.
    fn named(&mut self, value: &Expr, name: impl FnOnce(&mut Self), end: TextRange) {
        let words = self.words;
        self.node(words.as_pattern, TextRange::new(value.start(), end.end()), |maker| {
            maker.visit_expr(value);
            maker.at(words.alias, |maker| maker.node(words.as_pattern_target, end, name));
        });
    }

    fn parts<'b>(&mut self, elements: impl IntoIterator<Item = &'b InterpolatedStringElement>) {
        let words = self.words;
        for element in elements {
            match element {
                InterpolatedStringElement::Literal(text) => self.leaf(words.string_content, text),
                InterpolatedStringElement::Interpolation(value) => self.node(words.interpolation, value, |maker| {
                    maker.visit_expr(&value.expression);
                    if let Some(form) = &value.format_spec {
                        maker.node(words.expression_statement, form.as_ref(), |maker| maker.parts(&form.elements));
                    }
                }),
            }
        }
    }

    /// Strings beside each other are one.
    fn strings<T>(&mut self, range: TextRange, parts: &[T], mut one: impl FnMut(&mut Self, &T)) {
        match parts {
            [part] => one(self, part),
            _ => {
                self.node(self.words.concatenated_string, range, |maker| parts.iter().for_each(|part| one(maker, part)))
            }
        }
    }

    fn parameter(&mut self, parameter: &Parameter) {
        if let Some(kind) = &parameter.annotation {
            let words = self.words;
            self.node(words.expression_statement, parameter, |maker| {
                maker.leaf(words.identifier, &parameter.name);
                maker.value_at(words.kind, kind);
            });
        } else {
            self.leaf(self.words.identifier, &parameter.name);
        }
    }
}

impl<'b> SourceOrderVisitor<'b> for Maker<'_> {
    fn visit_stmt(&mut self, statement: &'b Stmt) {
        let words = self.words;
        match statement {
            Stmt::FunctionDef(it) => {
                it.decorator_list.iter().for_each(|decorator| self.visit_expr(&decorator.expression));
                let word = if it.is_async { "async" } else { "def" };
                self.node(words.function_definition, self.behind(&it.decorator_list, it, &it.name, word), |maker| {
                    maker.at(words.name, |maker| maker.leaf(words.identifier, &it.name));
                    if let Some(kinds) = &it.type_params {
                        maker.visit_type_params(kinds);
                    }
                    maker.at(words.parameters_of, |maker| maker.visit_parameters(&it.parameters));
                    if let Some(kind) = &it.returns {
                        maker.visit_expr(kind);
                    }
                    maker.block(&it.body);
                });
            }
            Stmt::ClassDef(it) => {
                it.decorator_list.iter().for_each(|decorator| self.visit_expr(&decorator.expression));
                self.node(words.class_definition, self.behind(&it.decorator_list, it, &it.name, "class"), |maker| {
                    maker.at(words.name, |maker| maker.leaf(words.identifier, &it.name));
                    if let Some(kinds) = &it.type_params {
                        maker.visit_type_params(kinds);
                    }
                    if let Some(arguments) = &it.arguments {
                        maker.at(words.superclasses, |maker| maker.visit_arguments(arguments));
                    }
                    maker.block(&it.body);
                });
            }
            Stmt::Assign(it) => self.assign(&it.targets, &it.value),
            Stmt::AnnAssign(it) => self.node(words.assignment, it, |maker| {
                maker.value_at(words.left, &it.target);
                maker.value_at(words.kind, &it.annotation);
                if let Some(value) = &it.value {
                    maker.value_at(words.right, value);
                }
            }),
            Stmt::AugAssign(it) => self.node(words.augmented_assignment, it, |maker| {
                maker.value_at(words.left, &it.target);
                maker.value_at(words.right, &it.value);
            }),
            Stmt::For(it) => self.node(words.for_statement, it, |maker| {
                maker.value_at(words.left, &it.target);
                maker.value_at(words.right, &it.iter);
                maker.block(&it.body);
                maker.clause(words.else_clause, &it.orelse);
            }),
            Stmt::While(it) => self.node(words.while_statement, it, |maker| {
                maker.visit_expr(&it.test);
                maker.block(&it.body);
                maker.clause(words.else_clause, &it.orelse);
            }),
            Stmt::If(it) => self.node(words.if_statement, it, |maker| source_order::walk_stmt(maker, statement)),
            Stmt::With(it) => self.node(words.expression_statement, it, |maker| {
                it.items.iter().for_each(|item| maker.visit_with_item(item));
                maker.block(&it.body);
            }),
            Stmt::Match(it) => self.node(words.match_statement, it, |maker| source_order::walk_stmt(maker, statement)),
            Stmt::Try(it) => self.node(words.try_statement, it, |maker| {
                maker.block(&it.body);
                it.handlers.iter().for_each(|handler| maker.visit_except_handler(handler));
                maker.clause(words.else_clause, &it.orelse);
                maker.clause(words.finally_clause, &it.finalbody);
            }),
            Stmt::Assert(it) => {
                self.node(words.assert_statement, it, |maker| source_order::walk_stmt(maker, statement))
            }
            Stmt::Import(it) => self.node(words.import_statement, it, |maker| maker.aliases(&it.names)),
            Stmt::ImportFrom(it) => self.node(words.import_from_statement, it, |maker| {
                maker.at(words.module_name, |maker| match (&it.module, it.level) {
                    (Some(module), 0) => maker.dotted(module.range),
                    (module, level) => {
                        let start = it.start().to_u32();
                        let dot = maker.text[it.range].find('.').map_or(start, |at| start + at as u32);
                        let end = module.as_ref().map_or(dot + level, |module| module.end().to_u32());
                        maker.leaf(words.relative_import, TextRange::new(dot.into(), end.into()));
                    }
                });
                maker.aliases(&it.names);
            }),
            Stmt::Global(it) => self.node(words.global_statement, it, |maker| {
                it.names.iter().for_each(|name| maker.leaf(words.identifier, name));
            }),
            Stmt::Nonlocal(it) => self.node(words.expression_statement, it, |maker| {
                it.names.iter().for_each(|name| maker.leaf(words.identifier, name));
            }),
            Stmt::Delete(it) => {
                self.node(words.delete_statement, it, |maker| source_order::walk_stmt(maker, statement))
            }
            _ => self.node(words.expression_statement, statement, |maker| source_order::walk_stmt(maker, statement)),
        }
    }

    fn visit_expr(&mut self, expr: &'b Expr) {
        let words = self.words;
        let walk = |maker: &mut Self| source_order::walk_expr(maker, expr);
        match expr {
            Expr::Name(it) => self.leaf(words.identifier, it),
            Expr::Attribute(it) => self.node(words.attribute, it, |maker| {
                maker.value_at(words.object, &it.value);
                maker.at(words.member, |maker| maker.leaf(words.identifier, &it.attr));
            }),
            Expr::Subscript(it) => self.node(words.subscript, it, |maker| {
                maker.value_at(words.value, &it.value);
                match &*it.slice {
                    Expr::Tuple(several) if !several.parenthesized => {
                        several.elts.iter().for_each(|one| maker.value_at(words.index, one));
                    }
                    one => maker.value_at(words.index, one),
                }
            }),
            Expr::Call(it) => self.node(words.call, it, |maker| {
                maker.value_at(words.function, &it.func);
                maker.at(words.arguments, |maker| maker.visit_arguments(&it.arguments));
            }),
            Expr::StringLiteral(it) => {
                self.strings(it.range, it.value.as_slice(), |maker, part| maker.leaf(words.string, part));
            }
            Expr::BytesLiteral(it) => {
                self.strings(it.range, it.value.as_slice(), |maker, part| maker.leaf(words.string, part));
            }
            Expr::FString(it) => self.strings(it.range, it.value.as_slice(), |maker, part| match part {
                FStringPart::Literal(text) => maker.leaf(words.string, text),
                FStringPart::FString(part) => maker.visit_f_string(part),
            }),
            Expr::TString(it) => self.strings(it.range, it.value.as_slice(), |maker, part| maker.visit_t_string(part)),
            Expr::NumberLiteral(it) => {
                let kind = if matches!(it.value, Number::Int(_)) { words.integer } else { words.expression_statement };
                self.leaf(kind, it);
            }
            Expr::BinOp(it) => self.node(words.binary_operator, it, |maker| {
                maker.value_at(words.left, &it.left);
                let sign = match it.op {
                    Operator::Add => words.plus,
                    Operator::Sub => words.minus,
                    Operator::Mult => words.times,
                    Operator::Mod => words.rest,
                    Operator::BitXor => words.either,
                    _ => 0,
                };
                if sign != 0 {
                    maker.sign(sign, &it.left, &it.right);
                }
                maker.value_at(words.right, &it.right);
            }),
            Expr::BoolOp(it) => {
                let sign = if it.op == BoolOp::And { words.and } else { words.or };
                self.chain(sign, &it.values);
            }
            Expr::If(it) => self.node(words.conditional_expression, it, walk),
            Expr::Lambda(it) => self.node(words.lambda, it, |maker| {
                if let Some(parameters) = &it.parameters {
                    maker.at(words.parameters_of, |maker| maker.visit_parameters(parameters));
                }
                maker.value_at(words.body, &it.body);
            }),
            Expr::Named(it) => self.node(words.named_expression, it, |maker| {
                maker.value_at(words.name, &it.target);
                maker.value_at(words.value, &it.value);
            }),
            Expr::Await(it) => self.node(words.waits, it, walk),
            Expr::List(it) => self.node(words.list, it, walk),
            Expr::Tuple(it) => self.node(words.tuple, it, walk),
            Expr::Slice(it) => self.node(words.slice, it, walk),
            _ => self.node(words.expression_statement, expr, walk),
        }
    }

    fn visit_arguments(&mut self, arguments: &'b Arguments) {
        let words = self.words;
        self.node(words.argument_list, arguments, |maker| {
            for argument in arguments.iter_source_order() {
                match argument {
                    ArgOrKeyword::Arg(value) => maker.visit_expr(value),
                    ArgOrKeyword::Keyword(it) => match &it.arg {
                        Some(name) => maker.node(words.keyword_argument, it, |maker| {
                            maker.at(words.name, |maker| maker.leaf(words.identifier, name));
                            maker.value_at(words.value, &it.value);
                        }),
                        None => maker.node(words.expression_statement, it, |maker| maker.visit_expr(&it.value)),
                    },
                }
            }
        });
    }

    fn visit_parameters(&mut self, parameters: &'b Parameters) {
        let words = self.words;
        self.node(words.parameters, parameters, |maker| {
            for parameter in parameters.iter_source_order() {
                match parameter {
                    AnyParameterRef::Variadic(it) => maker.parameter(it),
                    AnyParameterRef::NonVariadic(it) => match &it.default {
                        None => maker.parameter(&it.parameter),
                        Some(default) => maker.node(words.default_parameter, it, |maker| {
                            maker.at(words.name, |maker| maker.leaf(words.identifier, &it.parameter.name));
                            if let Some(kind) = &it.parameter.annotation {
                                maker.value_at(words.kind, kind);
                            }
                            maker.value_at(words.value, default);
                        }),
                    },
                }
            }
        });
    }

    fn visit_comprehension(&mut self, it: &'b Comprehension) {
        let words = self.words;
        self.node(words.for_in_clause, TextRange::new(it.start(), it.iter.end()), |maker| {
            maker.value_at(words.left, &it.target);
            maker.value_at(words.right, &it.iter);
        });
        for condition in &it.ifs {
            self.node(words.if_clause, condition, |maker| maker.visit_expr(condition));
        }
    }

    fn visit_elif_else_clause(&mut self, it: &'b ElifElseClause) {
        let kind = if it.test.is_some() { self.words.elif_clause } else { self.words.else_clause };
        self.node(kind, it, |maker| {
            if let Some(test) = &it.test {
                maker.visit_expr(test);
            }
            maker.block(&it.body);
        });
    }

    fn visit_except_handler(&mut self, ExceptHandler::ExceptHandler(it): &'b ExceptHandler) {
        let words = self.words;
        self.node(words.except_clause, it, |maker| {
            match (&it.type_, &it.name) {
                (Some(kind), Some(name)) => maker.named(kind, |maker| maker.leaf(words.identifier, name), name.range),
                (Some(kind), None) => maker.visit_expr(kind),
                (None, _) => {}
            }
            maker.block(&it.body);
        });
    }

    fn visit_with_item(&mut self, it: &'b WithItem) {
        self.node(self.words.with_item, it, |maker| match &it.optional_vars {
            Some(name) => maker.named(&it.context_expr, |maker| maker.visit_expr(name), name.range()),
            None => maker.visit_expr(&it.context_expr),
        });
    }

    fn visit_match_case(&mut self, it: &'b MatchCase) {
        self.node(self.words.case_clause, it, |maker| source_order::walk_match_case(maker, it));
    }

    fn visit_body(&mut self, body: &'b [Stmt]) {
        self.block(body);
    }

    fn visit_f_string(&mut self, it: &'b FString) {
        self.node(self.words.string, it, |maker| maker.parts(&it.elements));
    }

    fn visit_t_string(&mut self, it: &'b TString) {
        self.node(self.words.string, it, |maker| maker.parts(&it.elements));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_one_of_the_grammar() {
        assert_eq!(WORDS.unknown(), Vec::<&str>::new());
    }
}
