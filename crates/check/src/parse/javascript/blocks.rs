//! What has a scope of its own: functions, classes, loops, cases.
//!
//! Not here: what stands in them.

use oxc_ast::ast::{
    ArrowFunctionBody, ArrowFunctionExpression, CatchClause, Class, ClassType, Expression, ForInStatement,
    ForOfStatement, ForStatementLeft, FormalParameter, Function, FunctionType, MethodDefinition, PropertyDefinition,
    Statement, SwitchCase, TSEnumDeclaration,
};
use oxc_ast_visit::{Visit, walk};
use oxc_span::Span;

use super::Maker;

impl<'a> Maker<'_> {
    /// Parameters and body, and the name of what has one.
    pub(super) fn function(&mut self, kind: u16, span: Span, name: impl FnOnce(&mut Self), function: &Function<'a>) {
        let words = self.words;
        self.node(kind, span, |maker| {
            maker.at(words.name, name);
            maker.at(words.parameters, |maker| maker.visit_formal_parameters(&function.params));
            if let Some(body) = &function.body {
                maker.at(words.body, |maker| maker.visit_function_body(body));
            }
        });
    }

    fn for_each(&mut self, span: Span, left: &ForStatementLeft<'a>, right: &Expression<'a>, body: &Statement<'a>) {
        let words = self.words;
        self.node(words.for_in_statement, span, |maker| {
            maker.at(words.left, |maker| match left {
                ForStatementLeft::VariableDeclaration(it) => {
                    it.declarations.iter().for_each(|one| maker.visit_binding_pattern(&one.id));
                }
                other => walk::walk_for_statement_left(maker, other),
            });
            maker.value_at(words.right, right);
            maker.at(words.body, |maker| maker.visit_statement(body));
        });
    }

    pub(super) fn method_definition(&mut self, it: &MethodDefinition<'a>) {
        self.visit_decorators(&it.decorators);
        if it.value.body.is_none() {
            // Only declared.
            return;
        }
        self.function(self.words.method_definition, it.span, |maker| maker.key(&it.key, it.computed), &it.value);
    }

    pub(super) fn property_definition(&mut self, it: &PropertyDefinition<'a>) {
        let words = self.words;
        if it.declare {
            return;
        }
        self.node(words.expression_statement, it.span, |maker| {
            maker.visit_decorators(&it.decorators);
            maker.at(words.property, |maker| maker.key(&it.key, it.computed));
            if let Some(value) = &it.value {
                maker.value_at(words.value, value);
            }
        });
    }

    pub(super) fn arrow_function_expression(&mut self, it: &ArrowFunctionExpression<'a>) {
        let words = self.words;
        self.node(words.arrow_function, it.span, |maker| {
            maker.at(words.parameters, |maker| maker.visit_formal_parameters(&it.params));
            maker.at(words.body, |maker| match &it.body {
                ArrowFunctionBody::FunctionBody(body) => maker.visit_function_body(body),
                value => walk::walk_arrow_function_body(maker, value),
            });
        });
    }

    pub(super) fn formal_parameter(&mut self, it: &FormalParameter<'a>) {
        let words = self.words;
        self.visit_decorators(&it.decorators);
        match &it.initializer {
            None => self.visit_binding_pattern(&it.pattern),
            Some(value) => self.node(words.assignment_pattern, it.span, |maker| {
                maker.at(words.left, |maker| maker.visit_binding_pattern(&it.pattern));
                maker.value_at(words.right, value);
            }),
        }
    }

    pub(super) fn class(&mut self, it: &Class<'a>) {
        let words = self.words;
        let kind = if it.r#type == ClassType::ClassDeclaration { words.class_declaration } else { words.class };
        if it.declare {
            return;
        }
        self.visit_decorators(&it.decorators);
        self.node(kind, it.span, |maker| {
            if let Some(name) = &it.id {
                maker.at(words.name, |maker| maker.leaf(words.identifier, name.span));
            }
            if let Some(above) = &it.heritage {
                maker.visit_expression(&above.expression);
            }
            maker.at(words.body, |maker| maker.visit_class_body(&it.body));
        });
    }

    pub(super) fn ts_enum_declaration(&mut self, it: &TSEnumDeclaration<'a>) {
        let words = self.words;
        if !it.declare {
            self.node(words.enumeration, it.span, |maker| {
                maker.at(words.name, |maker| maker.leaf(words.identifier, it.id.span));
                walk::walk_ts_enum_body(maker, &it.body);
            });
        }
    }

    pub(super) fn for_in_statement(&mut self, it: &ForInStatement<'a>) {
        self.for_each(it.span, &it.left, &it.right, &it.body);
    }

    pub(super) fn for_of_statement(&mut self, it: &ForOfStatement<'a>) {
        self.for_each(it.span, &it.left, &it.right, &it.body);
    }

    pub(super) fn catch_clause(&mut self, it: &CatchClause<'a>) {
        let words = self.words;
        self.node(words.catch_clause, it.span, |maker| {
            if let Some(parameter) = &it.param {
                maker.at(words.parameter, |maker| maker.visit_binding_pattern(&parameter.pattern));
            }
            maker.at(words.body, |maker| maker.visit_block_statement(&it.body));
        });
    }

    pub(super) fn switch_case(&mut self, it: &SwitchCase<'a>) {
        let kind = if it.test.is_some() { self.words.switch_case } else { self.words.switch_default };
        self.node(kind, it.span, |maker| {
            if let Some(test) = &it.test {
                maker.visit_expression(test);
            }
            maker.visit_statements(&it.consequent);
        });
    }

    pub(super) fn any_function(&mut self, it: &Function<'a>) {
        let words = self.words;
        let kind = match (it.r#type, it.generator) {
            (FunctionType::FunctionDeclaration, false) => words.function_declaration,
            (FunctionType::FunctionDeclaration, true) => words.generator_function_declaration,
            (FunctionType::FunctionExpression, false) => words.function_expression,
            (FunctionType::FunctionExpression, true) => words.generator_function,
            // Only declared.
            _ => return,
        };
        let name = |maker: &mut Self| {
            if let Some(name) = &it.id {
                maker.leaf(words.identifier, name.span);
            }
        };
        if !it.declare {
            self.function(kind, it.span, name, it);
        }
    }
}
