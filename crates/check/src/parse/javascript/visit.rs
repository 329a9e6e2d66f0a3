//! Which node is made of what in oxc's tree.
//!
//! Not here: how those with parts in fields are made (the files beside this one).

use oxc_ast::{
    AstKind,
    ast::{
        ArrayAssignmentTarget, ArrowFunctionExpression, AssignmentExpression, AssignmentPattern,
        AssignmentTargetPropertyIdentifier, AssignmentTargetPropertyProperty, AssignmentTargetWithDefault,
        BinaryExpression, BindingProperty, CallExpression, CatchClause, ChainExpression, Class,
        ComputedMemberExpression, ConditionalExpression, Declaration, ExportAllDeclaration, ExportFromDeclaration,
        Expression, ForInStatement, ForOfStatement, FormalParameter, Function, ImportDeclaration, ImportExpression,
        LogicalExpression, MethodDefinition, NewExpression, ObjectProperty, PrivateFieldExpression, PropertyDefinition,
        Statement, StaticMemberExpression, SwitchCase, TSClassImplements, TSEnumDeclaration,
        TSExternalModuleDeclaration, TSGlobalDeclaration, TSImportEqualsDeclaration, TSInstantiationExpression,
        TSInterfaceDeclaration, TSNamespaceDeclaration, TSQualifiedName, TSThisParameter, TSType,
        TSTypeAliasDeclaration, TSTypeAnnotation, TSTypeParameterDeclaration, TSTypeParameterInstantiation,
        TaggedTemplateExpression, TemplateLiteral, VariableDeclaration, VariableDeclarator,
    },
};
use oxc_ast_visit::{Visit, walk};
use oxc_span::GetSpan;
use oxc_syntax::scope::ScopeFlags;

use super::{Maker, place};
use crate::tree::Form;

impl<'a> Maker<'_> {
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
            AstKind::ReturnStatement(_) => words.return_statement,
            AstKind::ThisExpression(_) => words.this,
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

/// Nodes that are made in a way of their own.
macro_rules! made {
    ($($visit:ident($node:ident) = $make:ident;)+) => {$(
        fn $visit(&mut self, it: &$node<'a>) {
            self.$make(it);
        }
    )+};
}

impl<'a> Visit<'a> for Maker<'_> {
    made! {
        visit_static_member_expression(StaticMemberExpression) = static_member_expression;
        visit_private_field_expression(PrivateFieldExpression) = private_field_expression;
        visit_computed_member_expression(ComputedMemberExpression) = computed_member_expression;
        visit_call_expression(CallExpression) = call_expression;
        visit_new_expression(NewExpression) = new_expression;
        visit_import_expression(ImportExpression) = import_expression;
        visit_tagged_template_expression(TaggedTemplateExpression) = tagged_template_expression;
        visit_template_literal(TemplateLiteral) = template_literal;
        visit_binary_expression(BinaryExpression) = binary_expression;
        visit_logical_expression(LogicalExpression) = logical_expression;
        visit_conditional_expression(ConditionalExpression) = conditional_expression;
        visit_ts_qualified_name(TSQualifiedName) = ts_qualified_name;
        visit_assignment_expression(AssignmentExpression) = assignment_expression;
        visit_array_assignment_target(ArrayAssignmentTarget) = array_assignment_target;
        visit_assignment_target_with_default(AssignmentTargetWithDefault) = assignment_target_with_default;
        visit_assignment_target_property_identifier(AssignmentTargetPropertyIdentifier) = assignment_target_property_identifier;
        visit_assignment_target_property_property(AssignmentTargetPropertyProperty) = assignment_target_property_property;
        visit_assignment_pattern(AssignmentPattern) = assignment_pattern;
        visit_binding_property(BindingProperty) = binding_property;
        visit_variable_declarator(VariableDeclarator) = variable_declarator;
        visit_object_property(ObjectProperty) = object_property;
        visit_method_definition(MethodDefinition) = method_definition;
        visit_property_definition(PropertyDefinition) = property_definition;
        visit_arrow_function_expression(ArrowFunctionExpression) = arrow_function_expression;
        visit_formal_parameter(FormalParameter) = formal_parameter;
        visit_class(Class) = class;
        visit_ts_enum_declaration(TSEnumDeclaration) = ts_enum_declaration;
        visit_for_in_statement(ForInStatement) = for_in_statement;
        visit_for_of_statement(ForOfStatement) = for_of_statement;
        visit_catch_clause(CatchClause) = catch_clause;
        visit_switch_case(SwitchCase) = switch_case;
        visit_import_declaration(ImportDeclaration) = import_declaration;
        visit_ts_import_equals_declaration(TSImportEqualsDeclaration) = ts_import_equals_declaration;
        visit_export_from_declaration(ExportFromDeclaration) = export_from_declaration;
        visit_export_all_declaration(ExportAllDeclaration) = export_all_declaration;
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

    fn visit_chain_expression(&mut self, it: &ChainExpression<'a>) {
        self.visit_chain_element(&it.expression);
    }

    fn visit_ts_instantiation_expression(&mut self, it: &TSInstantiationExpression<'a>) {
        self.visit_expression(&it.expression);
    }

    fn visit_function(&mut self, it: &Function<'a>, _: ScopeFlags) {
        self.any_function(it);
    }

    fn visit_declaration(&mut self, it: &Declaration<'a>) {
        walk::walk_declaration(self, it);
    }
}
