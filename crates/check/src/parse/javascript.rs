//! JavaScript, TypeScript and TSX by oxc's parser.
//!
//! In: text. Out: a tree with the names of the grammar, as far as the analysis knows them; or nothing, if the text has a mistake.
//! Other nodes are `expression_statement`. Comments and types are left out. Not here: what follows a mistake (`grammar.rs`).

use std::{ops::Range, sync::LazyLock};

use oxc_allocator::Allocator;
use oxc_ast::{
    AstKind,
    ast::{
        Argument, ArrayAssignmentTarget, ArrowFunctionBody, ArrowFunctionExpression, AssignmentExpression,
        AssignmentOperator, AssignmentPattern, AssignmentTargetPropertyIdentifier, AssignmentTargetPropertyProperty,
        AssignmentTargetWithDefault, BinaryExpression, BindingPattern, BindingProperty, CallExpression, CatchClause,
        ChainExpression, Class, ClassType, ComputedMemberExpression, ConditionalExpression, Declaration,
        ExportAllDeclaration, ExportFromDeclaration, ExportSpecifier, Expression, ForInStatement, ForOfStatement,
        ForStatementLeft, FormalParameter, Function, FunctionType, ImportDeclaration, ImportDeclarationSpecifier,
        ImportExpression, LogicalExpression, MethodDefinition, ModuleExportName, NewExpression, ObjectProperty,
        PrivateFieldExpression, PropertyDefinition, PropertyKey, PropertyKind, Statement, StaticMemberExpression,
        SwitchCase, TSClassImplements, TSEnumDeclaration, TSExternalModuleDeclaration, TSGlobalDeclaration,
        TSImportEqualsDeclaration, TSInstantiationExpression, TSInterfaceDeclaration, TSModuleReference,
        TSNamespaceDeclaration, TSQualifiedName, TSThisParameter, TSType, TSTypeAliasDeclaration, TSTypeAnnotation,
        TSTypeParameterDeclaration, TSTypeParameterInstantiation, TaggedTemplateExpression, TemplateLiteral,
        VariableDeclaration, VariableDeclarator,
    },
};
use oxc_ast_visit::{Visit, walk};
use oxc_parser::{ParseOptions, Parser};
use oxc_span::{GetSpan, SourceType, Span};
use oxc_syntax::scope::ScopeFlags;

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
        export_statement export_specifier;
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

    fn arguments(&mut self, arguments: &[Argument<'a>], end: u32) {
        let words = self.words;
        let Some(first) = arguments.first() else { return };
        self.at(words.arguments_of, |maker| {
            maker.node(words.arguments, Span::new(first.span().start, end), |maker| {
                arguments.iter().for_each(|argument| maker.visit_argument(argument));
            });
        });
    }

    fn key(&mut self, key: &PropertyKey<'a>, is_computed: bool) {
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

    /// Parameters and body, and the name of what has one.
    fn function(&mut self, kind: u16, span: Span, name: impl FnOnce(&mut Self), function: &Function<'a>) {
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

    /// `import type`: nothing of it runs.
    fn type_only(&mut self, is_type: bool, span: Span) {
        if is_type {
            self.tree.leaf(self.words.kind, Form::Anonymous, place(Span::new(span.start, span.start)));
        }
    }

    fn exported(&mut self, specifiers: &[ExportSpecifier<'a>]) {
        let words = self.words;
        for one in specifiers {
            self.node(words.export_specifier, one.span, |maker| {
                maker.at(words.name, |maker| match &one.local {
                    ModuleExportName::StringLiteral(text) => maker.leaf(words.string, text.span),
                    name => maker.leaf(words.identifier, name.span()),
                });
            });
        }
    }

    /// The kind of a node whose parts stand in no field that matters.
    fn plain(&self, kind: &AstKind<'a>) -> u16 {
        let words = self.words;
        match kind {
            AstKind::IdentifierReference(_) | AstKind::BindingIdentifier(_) => words.identifier,
            AstKind::StringLiteral(_) => words.string,
            AstKind::NumericLiteral(_) => words.number,
            AstKind::ArrayExpression(_) => words.array,
            AstKind::ArrayPattern(_) => words.array_pattern,
            AstKind::ObjectPattern(_) | AstKind::ObjectAssignmentTarget(_) => words.object_pattern,
            AstKind::AwaitExpression(_) => words.await_expression,
            AstKind::SpreadElement(_) => words.spread_element,
            AstKind::SequenceExpression(_) => words.sequence_expression,
            AstKind::FormalParameters(_) => words.formal_parameters,
            AstKind::BlockStatement(_) | AstKind::FunctionBody(_) => words.statement_block,
            AstKind::StaticBlock(_) => words.statement_block,
            AstKind::ForStatement(_) => words.for_statement,
            AstKind::WhileStatement(_) => words.while_statement,
            AstKind::DoWhileStatement(_) => words.do_statement,
            AstKind::IfStatement(_) => words.if_statement,
            AstKind::TSAsExpression(_) => words.as_expression,
            AstKind::TSSatisfiesExpression(_) => words.satisfies,
            AstKind::TSNonNullExpression(_) => words.non_null,
            AstKind::TSTypeAssertion(_) => words.assertion,
            _ => words.expression_statement,
        }
    }
}

impl<'a> Visit<'a> for Maker<'_> {
    fn enter_node(&mut self, kind: AstKind<'a>) {
        self.tree.open(self.plain(&kind), Form::Named, place(kind.span()));
    }

    fn leave_node(&mut self, _: AstKind<'a>) {
        self.tree.close();
    }

    fn visit_expression(&mut self, it: &Expression<'a>) {
        if !self.tree.is_too_deep() {
            walk::walk_expression(self, it);
        }
    }

    fn visit_statement(&mut self, it: &Statement<'a>) {
        if !self.tree.is_too_deep() {
            walk::walk_statement(self, it);
        }
    }

    // What does nothing when the program runs.
    fn visit_ts_type(&mut self, _: &TSType<'a>) {}
    fn visit_ts_type_annotation(&mut self, _: &TSTypeAnnotation<'a>) {}
    fn visit_ts_type_parameter_instantiation(&mut self, _: &TSTypeParameterInstantiation<'a>) {}
    fn visit_ts_type_parameter_declaration(&mut self, _: &TSTypeParameterDeclaration<'a>) {}
    fn visit_ts_interface_declaration(&mut self, _: &TSInterfaceDeclaration<'a>) {}
    fn visit_ts_type_alias_declaration(&mut self, _: &TSTypeAliasDeclaration<'a>) {}
    fn visit_ts_class_implements(&mut self, _: &TSClassImplements<'a>) {}
    fn visit_ts_this_parameter(&mut self, _: &TSThisParameter<'a>) {}
    fn visit_ts_external_module_declaration(&mut self, _: &TSExternalModuleDeclaration<'a>) {}
    fn visit_ts_global_declaration(&mut self, _: &TSGlobalDeclaration<'a>) {}

    fn visit_ts_namespace_declaration(&mut self, it: &TSNamespaceDeclaration<'a>) {
        if !it.declare {
            walk::walk_ts_namespace_declaration(self, it);
        }
    }

    fn visit_variable_declaration(&mut self, it: &VariableDeclaration<'a>) {
        if !it.declare {
            walk::walk_variable_declaration(self, it);
        }
    }

    // What means what is in it.
    fn visit_chain_expression(&mut self, it: &ChainExpression<'a>) {
        self.visit_chain_element(&it.expression);
    }

    fn visit_ts_instantiation_expression(&mut self, it: &TSInstantiationExpression<'a>) {
        self.visit_expression(&it.expression);
    }

    fn visit_static_member_expression(&mut self, it: &StaticMemberExpression<'a>) {
        let words = self.words;
        self.node(words.member_expression, it.span, |maker| {
            maker.value_at(words.object, &it.object);
            maker.at(words.property, |maker| maker.leaf(words.property_identifier, it.property.span));
        });
    }

    fn visit_private_field_expression(&mut self, it: &PrivateFieldExpression<'a>) {
        let words = self.words;
        self.node(words.member_expression, it.span, |maker| {
            maker.value_at(words.object, &it.object);
            maker.at(words.property, |maker| maker.leaf(words.property_identifier, it.field.span));
        });
    }

    fn visit_computed_member_expression(&mut self, it: &ComputedMemberExpression<'a>) {
        let words = self.words;
        self.node(words.subscript_expression, it.span, |maker| {
            maker.value_at(words.object, &it.object);
            maker.value_at(words.index, &it.expression);
        });
    }

    fn visit_call_expression(&mut self, it: &CallExpression<'a>) {
        self.node(self.words.call_expression, it.span, |maker| {
            maker.value_at(maker.words.function, &it.callee);
            maker.arguments(&it.arguments, it.span.end);
        });
    }

    fn visit_new_expression(&mut self, it: &NewExpression<'a>) {
        self.node(self.words.new_expression, it.span, |maker| {
            maker.value_at(maker.words.constructor, &it.callee);
            maker.arguments(&it.arguments, it.span.end);
        });
    }

    fn visit_import_expression(&mut self, it: &ImportExpression<'a>) {
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

    fn visit_tagged_template_expression(&mut self, it: &TaggedTemplateExpression<'a>) {
        let words = self.words;
        self.node(words.call_expression, it.span, |maker| {
            maker.value_at(words.function, &it.tag);
            maker.at(words.arguments_of, |maker| maker.visit_template_literal(&it.quasi));
        });
    }

    fn visit_template_literal(&mut self, it: &TemplateLiteral<'a>) {
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

    fn visit_binary_expression(&mut self, it: &BinaryExpression<'a>) {
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

    fn visit_logical_expression(&mut self, it: &LogicalExpression<'a>) {
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

    fn visit_conditional_expression(&mut self, it: &ConditionalExpression<'a>) {
        let words = self.words;
        self.node(words.ternary_expression, it.span, |maker| {
            maker.value_at(words.condition, &it.test);
            maker.value_at(words.consequence, &it.consequent);
            maker.value_at(words.alternative, &it.alternate);
        });
    }

    fn visit_assignment_expression(&mut self, it: &AssignmentExpression<'a>) {
        let words = self.words;
        let is_plain = it.operator == AssignmentOperator::Assign;
        let kind = if is_plain { words.assignment_expression } else { words.augmented_assignment_expression };
        self.node(kind, it.span, |maker| {
            maker.at(words.left, |maker| maker.visit_assignment_target(&it.left));
            maker.value_at(words.right, &it.right);
        });
    }

    fn visit_array_assignment_target(&mut self, it: &ArrayAssignmentTarget<'a>) {
        self.node(self.words.array_pattern, it.span, |maker| {
            it.elements.iter().flatten().for_each(|one| maker.visit_assignment_target_maybe_default(one));
            if let Some(rest) = &it.rest {
                maker.visit_assignment_target_rest(rest);
            }
        });
    }

    fn visit_assignment_target_with_default(&mut self, it: &AssignmentTargetWithDefault<'a>) {
        let words = self.words;
        self.node(words.assignment_pattern, it.span, |maker| {
            maker.at(words.left, |maker| maker.visit_assignment_target(&it.binding));
            maker.value_at(words.right, &it.init);
        });
    }

    fn visit_assignment_target_property_identifier(&mut self, it: &AssignmentTargetPropertyIdentifier<'a>) {
        let words = self.words;
        match &it.init {
            None => self.leaf(words.shorthand_property_identifier_pattern, it.binding.span),
            Some(value) => self.node(words.object_assignment_pattern, it.span, |maker| {
                maker.at(words.left, |maker| maker.leaf(words.shorthand_property_identifier_pattern, it.binding.span));
                maker.value_at(words.right, value);
            }),
        }
    }

    fn visit_assignment_target_property_property(&mut self, it: &AssignmentTargetPropertyProperty<'a>) {
        let words = self.words;
        self.node(words.pair_pattern, it.span, |maker| {
            maker.at(words.key, |maker| maker.key(&it.name, it.computed));
            maker.at(words.value, |maker| maker.visit_assignment_target_maybe_default(&it.binding));
        });
    }

    fn visit_assignment_pattern(&mut self, it: &AssignmentPattern<'a>) {
        let words = self.words;
        self.node(words.assignment_pattern, it.span, |maker| {
            maker.at(words.left, |maker| maker.visit_binding_pattern(&it.left));
            maker.value_at(words.right, &it.right);
        });
    }

    fn visit_binding_property(&mut self, it: &BindingProperty<'a>) {
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

    fn visit_variable_declarator(&mut self, it: &VariableDeclarator<'a>) {
        let words = self.words;
        self.node(words.variable_declarator, it.span, |maker| {
            maker.at(words.name, |maker| maker.visit_binding_pattern(&it.id));
            if let Some(value) = &it.init {
                maker.value_at(words.value, value);
            }
        });
    }

    fn visit_object_property(&mut self, it: &ObjectProperty<'a>) {
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

    fn visit_function(&mut self, it: &Function<'a>, _: ScopeFlags) {
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

    fn visit_method_definition(&mut self, it: &MethodDefinition<'a>) {
        self.visit_decorators(&it.decorators);
        if it.value.body.is_none() {
            // Only declared.
            return;
        }
        self.function(self.words.method_definition, it.span, |maker| maker.key(&it.key, it.computed), &it.value);
    }

    fn visit_property_definition(&mut self, it: &PropertyDefinition<'a>) {
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

    fn visit_arrow_function_expression(&mut self, it: &ArrowFunctionExpression<'a>) {
        let words = self.words;
        self.node(words.arrow_function, it.span, |maker| {
            maker.at(words.parameters, |maker| maker.visit_formal_parameters(&it.params));
            maker.at(words.body, |maker| match &it.body {
                ArrowFunctionBody::FunctionBody(body) => maker.visit_function_body(body),
                value => walk::walk_arrow_function_body(maker, value),
            });
        });
    }

    fn visit_formal_parameter(&mut self, it: &FormalParameter<'a>) {
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

    fn visit_class(&mut self, it: &Class<'a>) {
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

    fn visit_ts_enum_declaration(&mut self, it: &TSEnumDeclaration<'a>) {
        let words = self.words;
        if !it.declare {
            self.node(words.enumeration, it.span, |maker| {
                maker.at(words.name, |maker| maker.leaf(words.identifier, it.id.span));
                walk::walk_ts_enum_body(maker, &it.body);
            });
        }
    }

    fn visit_for_in_statement(&mut self, it: &ForInStatement<'a>) {
        self.for_each(it.span, &it.left, &it.right, &it.body);
    }

    fn visit_for_of_statement(&mut self, it: &ForOfStatement<'a>) {
        self.for_each(it.span, &it.left, &it.right, &it.body);
    }

    fn visit_catch_clause(&mut self, it: &CatchClause<'a>) {
        let words = self.words;
        self.node(words.catch_clause, it.span, |maker| {
            if let Some(parameter) = &it.param {
                maker.at(words.parameter, |maker| maker.visit_binding_pattern(&parameter.pattern));
            }
            maker.at(words.body, |maker| maker.visit_block_statement(&it.body));
        });
    }

    fn visit_switch_case(&mut self, it: &SwitchCase<'a>) {
        let kind = if it.test.is_some() { self.words.switch_case } else { self.words.switch_default };
        self.node(kind, it.span, |maker| {
            if let Some(test) = &it.test {
                maker.visit_expression(test);
            }
            maker.visit_statements(&it.consequent);
        });
    }

    fn visit_import_declaration(&mut self, it: &ImportDeclaration<'a>) {
        let words = self.words;
        self.node(words.import_statement, it.span, |maker| {
            maker.type_only(it.import_kind.is_type(), it.span);
            for one in it.specifiers.iter().flatten() {
                match one {
                    ImportDeclarationSpecifier::ImportDefaultSpecifier(it) => {
                        maker.leaf(words.identifier, it.local.span)
                    }
                    ImportDeclarationSpecifier::ImportNamespaceSpecifier(it) => {
                        maker.leaf(words.identifier, it.local.span)
                    }
                    ImportDeclarationSpecifier::ImportSpecifier(it) => {
                        maker.node(words.import_specifier, it.span, |maker| {
                            let kind = match &it.imported {
                                ModuleExportName::StringLiteral(_) => words.string,
                                _ => words.identifier,
                            };
                            maker.at(words.name, |maker| maker.leaf(kind, it.imported.span()));
                            if it.imported.span() != it.local.span {
                                maker.at(words.alias, |maker| maker.leaf(words.identifier, it.local.span));
                            }
                        });
                    }
                }
            }
            maker.at(words.source, |maker| maker.leaf(words.string, it.source.span));
        });
    }

    fn visit_ts_import_equals_declaration(&mut self, it: &TSImportEqualsDeclaration<'a>) {
        let words = self.words;
        match &it.module_reference {
            TSModuleReference::ExternalModuleReference(module) => self.node(words.require, it.span, |maker| {
                maker.type_only(it.import_kind.is_type(), it.span);
                maker.leaf(words.identifier, it.id.span);
                maker.at(words.source, |maker| maker.leaf(words.string, module.expression.span));
            }),
            other => self.node(words.variable_declarator, it.span, |maker| {
                maker.at(words.name, |maker| maker.leaf(words.identifier, it.id.span));
                maker.at(words.value, |maker| walk::walk_ts_module_reference(maker, other));
            }),
        }
    }

    fn visit_ts_qualified_name(&mut self, it: &TSQualifiedName<'a>) {
        let words = self.words;
        self.node(words.member_expression, it.span, |maker| {
            maker.at(words.object, |maker| maker.visit_ts_type_name(&it.left));
            maker.at(words.property, |maker| maker.leaf(words.property_identifier, it.right.span));
        });
    }

    fn visit_export_from_declaration(&mut self, it: &ExportFromDeclaration<'a>) {
        let words = self.words;
        self.node(words.export_statement, it.span, |maker| {
            maker.type_only(it.export_kind.is_type(), it.span);
            maker.exported(&it.specifiers);
            maker.at(words.source, |maker| maker.leaf(words.string, it.source.span));
        });
    }

    fn visit_export_all_declaration(&mut self, it: &ExportAllDeclaration<'a>) {
        let words = self.words;
        self.node(words.export_statement, it.span, |maker| {
            maker.type_only(it.export_kind.is_type(), it.span);
            maker.at(words.source, |maker| maker.leaf(words.string, it.source.span));
        });
    }

    fn visit_declaration(&mut self, it: &Declaration<'a>) {
        walk::walk_declaration(self, it);
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
