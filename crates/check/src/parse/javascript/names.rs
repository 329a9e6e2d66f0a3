//! Where values are given to names: declarations, assignments, patterns, properties.
//!
//! Not here: parameters (`blocks.rs`), imports (`modules.rs`).

use oxc_ast::ast::{
    ArrayAssignmentTarget, AssignmentExpression, AssignmentOperator, AssignmentPattern,
    AssignmentTargetPropertyIdentifier, AssignmentTargetPropertyProperty, AssignmentTargetWithDefault, BindingPattern,
    BindingProperty, Expression, ObjectProperty, PropertyKind, VariableDeclarator,
};
use oxc_ast_visit::Visit;
use oxc_span::GetSpan;

use super::Maker;

impl<'a> Maker<'_> {
    pub(super) fn assignment_expression(&mut self, it: &AssignmentExpression<'a>) {
        let words = self.words;
        let is_plain = it.operator == AssignmentOperator::Assign;
        let kind = if is_plain { words.assignment_expression } else { words.augmented_assignment_expression };
        self.node(kind, it.span, |maker| {
            maker.at(words.left, |maker| maker.visit_assignment_target(&it.left));
            maker.value_at(words.right, &it.right);
        });
    }

    pub(super) fn array_assignment_target(&mut self, it: &ArrayAssignmentTarget<'a>) {
        self.node(self.words.array_pattern, it.span, |maker| {
            it.elements.iter().flatten().for_each(|one| maker.visit_assignment_target_maybe_default(one));
            if let Some(rest) = &it.rest {
                maker.visit_assignment_target_rest(rest);
            }
        });
    }

    pub(super) fn assignment_target_with_default(&mut self, it: &AssignmentTargetWithDefault<'a>) {
        let words = self.words;
        self.node(words.assignment_pattern, it.span, |maker| {
            maker.at(words.left, |maker| maker.visit_assignment_target(&it.binding));
            maker.value_at(words.right, &it.init);
        });
    }

    pub(super) fn assignment_target_property_identifier(&mut self, it: &AssignmentTargetPropertyIdentifier<'a>) {
        let words = self.words;
        match &it.init {
            None => self.leaf(words.shorthand_property_identifier_pattern, it.binding.span),
            Some(value) => self.node(words.object_assignment_pattern, it.span, |maker| {
                maker.at(words.left, |maker| maker.leaf(words.shorthand_property_identifier_pattern, it.binding.span));
                maker.value_at(words.right, value);
            }),
        }
    }

    pub(super) fn assignment_target_property_property(&mut self, it: &AssignmentTargetPropertyProperty<'a>) {
        let words = self.words;
        self.node(words.pair_pattern, it.span, |maker| {
            maker.at(words.key, |maker| maker.key(&it.name, it.computed));
            maker.at(words.value, |maker| maker.visit_assignment_target_maybe_default(&it.binding));
        });
    }

    pub(super) fn assignment_pattern(&mut self, it: &AssignmentPattern<'a>) {
        let words = self.words;
        self.node(words.assignment_pattern, it.span, |maker| {
            maker.at(words.left, |maker| maker.visit_binding_pattern(&it.left));
            maker.value_at(words.right, &it.right);
        });
    }

    pub(super) fn binding_property(&mut self, it: &BindingProperty<'a>) {
        let words = self.words;
        match &it.value {
            BindingPattern::BindingIdentifier(name) if it.shorthand => {
                self.leaf(words.shorthand_property_identifier_pattern, name.span);
            }
            BindingPattern::AssignmentPattern(value) if it.shorthand => {
                self.node(words.object_assignment_pattern, it.span, |maker| {
                    let name = value.left.span();
                    maker.at(words.left, |maker| maker.leaf(words.shorthand_property_identifier_pattern, name));
                    maker.value_at(words.right, &value.right);
                });
            }
            value => self.node(words.pair_pattern, it.span, |maker| {
                maker.at(words.key, |maker| maker.key(&it.key, it.computed));
                maker.at(words.value, |maker| maker.visit_binding_pattern(value));
            }),
        }
    }

    pub(super) fn variable_declarator(&mut self, it: &VariableDeclarator<'a>) {
        let words = self.words;
        self.node(words.variable_declarator, it.span, |maker| {
            maker.at(words.name, |maker| maker.visit_binding_pattern(&it.id));
            if let Some(value) = &it.init {
                maker.value_at(words.value, value);
            }
        });
    }

    pub(super) fn object_property(&mut self, it: &ObjectProperty<'a>) {
        let words = self.words;
        let is_method = it.method || it.kind != PropertyKind::Init;
        match &it.value {
            Expression::FunctionExpression(function) if is_method => {
                self.function(words.method_definition, it.span, |maker| maker.key(&it.key, it.computed), function);
            }
            _ if it.shorthand => self.leaf(words.shorthand_property_identifier, it.span),
            value => self.node(words.pair, it.span, |maker| {
                maker.at(words.key, |maker| maker.key(&it.key, it.computed));
                maker.value_at(words.value, value);
            }),
        }
    }
}
