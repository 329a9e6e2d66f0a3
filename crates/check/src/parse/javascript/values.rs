//! Values: members, calls, operators, templates.
//!
//! Not here: names that are given to them (`names.rs`), functions (`blocks.rs`).

use oxc_ast::ast::{
    Argument, BinaryExpression, CallExpression, ComputedMemberExpression, ConditionalExpression, ImportExpression,
    LogicalExpression, NewExpression, PrivateFieldExpression, PropertyKey, StaticMemberExpression, TSQualifiedName,
    TaggedTemplateExpression, TemplateLiteral,
};
use oxc_ast_visit::{Visit, walk};
use oxc_span::{GetSpan, Span};

use super::Maker;

impl<'a> Maker<'_> {
    fn arguments(&mut self, arguments: &[Argument<'a>], end: u32) {
        let words = self.words;
        let Some(first) = arguments.first() else { return };
        self.at(words.arguments_of, |maker| {
            maker.node(words.arguments, Span::new(first.span().start, end), |maker| {
                arguments.iter().for_each(|argument| maker.visit_argument(argument));
            });
        });
    }

    pub(super) fn key(&mut self, key: &PropertyKey<'a>, is_computed: bool) {
        match key {
            PropertyKey::StaticIdentifier(name) => self.leaf(self.words.property_identifier, name.span),
            PropertyKey::PrivateIdentifier(name) => self.leaf(self.words.property_identifier, name.span),
            computed if is_computed => {
                // With its brackets.
                let span = Span::new(key.span().start.saturating_sub(1), key.span().end + 1);
                self.node(self.words.expression_statement, span, |maker| walk::walk_property_key(maker, computed));
            }
            text => walk::walk_property_key(self, text),
        }
    }

    pub(super) fn static_member_expression(&mut self, it: &StaticMemberExpression<'a>) {
        let words = self.words;
        self.node(words.member_expression, it.span, |maker| {
            maker.value_at(words.object, &it.object);
            maker.at(words.property, |maker| maker.leaf(words.property_identifier, it.property.span));
        });
    }

    pub(super) fn private_field_expression(&mut self, it: &PrivateFieldExpression<'a>) {
        let words = self.words;
        self.node(words.member_expression, it.span, |maker| {
            maker.value_at(words.object, &it.object);
            maker.at(words.property, |maker| maker.leaf(words.property_identifier, it.field.span));
        });
    }

    pub(super) fn computed_member_expression(&mut self, it: &ComputedMemberExpression<'a>) {
        let words = self.words;
        self.node(words.subscript_expression, it.span, |maker| {
            maker.value_at(words.object, &it.object);
            maker.value_at(words.index, &it.expression);
        });
    }

    pub(super) fn call_expression(&mut self, it: &CallExpression<'a>) {
        self.node(self.words.call_expression, it.span, |maker| {
            maker.value_at(maker.words.function, &it.callee);
            maker.arguments(&it.arguments, it.span.end);
        });
    }

    pub(super) fn new_expression(&mut self, it: &NewExpression<'a>) {
        self.node(self.words.new_expression, it.span, |maker| {
            maker.value_at(maker.words.constructor, &it.callee);
            maker.arguments(&it.arguments, it.span.end);
        });
    }

    pub(super) fn import_expression(&mut self, it: &ImportExpression<'a>) {
        let words = self.words;
        self.node(words.call_expression, it.span, |maker| {
            let name = Span::new(it.span.start, it.span.start + "import".len() as u32);
            maker.at(words.function, |maker| maker.leaf(words.import, name));
            maker.at(words.arguments_of, |maker| {
                maker.node(words.arguments, Span::new(it.source.span().start, it.span.end), |maker| {
                    maker.visit_expression(&it.source);
                    if let Some(options) = &it.options {
                        maker.visit_expression(options);
                    }
                });
            });
        });
    }

    pub(super) fn tagged_template_expression(&mut self, it: &TaggedTemplateExpression<'a>) {
        let words = self.words;
        self.node(words.call_expression, it.span, |maker| {
            maker.value_at(words.function, &it.tag);
            maker.at(words.arguments_of, |maker| maker.visit_template_literal(&it.quasi));
        });
    }

    pub(super) fn template_literal(&mut self, it: &TemplateLiteral<'a>) {
        let words = self.words;
        self.node(words.template_string, it.span, |maker| {
            for (at, text) in it.quasis.iter().enumerate() {
                if !text.span.is_empty() {
                    maker.leaf(words.string_fragment, text.span);
                }
                if let Some(value) = it.expressions.get(at) {
                    maker.node(words.template_substitution, value.span(), |maker| maker.visit_expression(value));
                }
            }
        });
    }

    pub(super) fn binary_expression(&mut self, it: &BinaryExpression<'a>) {
        let words = self.words;
        self.node(words.binary_expression, it.span, |maker| {
            maker.value_at(words.left, &it.left);
            let sign = match it.operator.as_str() {
                "+" => words.plus,
                "-" => words.minus,
                "*" => words.times,
                "%" => words.rest,
                "^" => words.either,
                _ => 0,
            };
            maker.sign(sign, it.left.span(), it.right.span());
            maker.value_at(words.right, &it.right);
        });
    }

    pub(super) fn logical_expression(&mut self, it: &LogicalExpression<'a>) {
        let words = self.words;
        self.node(words.binary_expression, it.span, |maker| {
            maker.value_at(words.left, &it.left);
            let sign = match it.operator.as_str() {
                "&&" => words.and,
                "||" => words.or,
                _ => words.nullish,
            };
            maker.sign(sign, it.left.span(), it.right.span());
            maker.value_at(words.right, &it.right);
        });
    }

    pub(super) fn conditional_expression(&mut self, it: &ConditionalExpression<'a>) {
        let words = self.words;
        self.node(words.ternary_expression, it.span, |maker| {
            maker.value_at(words.condition, &it.test);
            maker.value_at(words.consequence, &it.consequent);
            maker.value_at(words.alternative, &it.alternate);
        });
    }

    pub(super) fn ts_qualified_name(&mut self, it: &TSQualifiedName<'a>) {
        let words = self.words;
        self.node(words.member_expression, it.span, |maker| {
            maker.at(words.object, |maker| maker.visit_ts_type_name(&it.left));
            maker.at(words.property, |maker| maker.leaf(words.property_identifier, it.right.span));
        });
    }
}
