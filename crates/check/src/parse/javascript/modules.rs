//! Imports and exports, each way to write them.
//!
//! Not here: `import()`, which is a call (`values.rs`).

use oxc_ast::ast::{
    ExportAllDeclaration, ExportFromDeclaration, ExportSpecifier, ImportDeclaration, ImportDeclarationSpecifier,
    ModuleExportName, TSImportEqualsDeclaration, TSModuleReference,
};
use oxc_ast_visit::walk;
use oxc_span::{GetSpan, Span};

use super::{Maker, place};
use crate::tree::Form;

impl<'a> Maker<'_> {
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

    pub(super) fn import_declaration(&mut self, it: &ImportDeclaration<'a>) {
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

    pub(super) fn ts_import_equals_declaration(&mut self, it: &TSImportEqualsDeclaration<'a>) {
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

    pub(super) fn export_from_declaration(&mut self, it: &ExportFromDeclaration<'a>) {
        let words = self.words;
        self.node(words.export_statement, it.span, |maker| {
            maker.type_only(it.export_kind.is_type(), it.span);
            maker.exported(&it.specifiers);
            maker.at(words.source, |maker| maker.leaf(words.string, it.source.span));
        });
    }

    pub(super) fn export_all_declaration(&mut self, it: &ExportAllDeclaration<'a>) {
        let words = self.words;
        self.node(words.export_statement, it.span, |maker| {
            maker.type_only(it.export_kind.is_type(), it.span);
            maker.at(words.source, |maker| maker.leaf(words.string, it.source.span));
        });
    }
}
