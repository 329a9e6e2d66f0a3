//! Parse, analyse, transform, print.
//!
//! In: source that `depth.rs` found shallow enough. Out: the program and its kind of module, or problems.
//! Not here: the stack this needs (`lib.rs`), the functions it appends (`helpers.rs`).

use std::path::Path;

use oxc_allocator::Allocator;
use oxc_ast::AstKind;
use oxc_ast::ast::{Declaration, ExportDeclaration, Program, Statement, TSImportEqualsDeclaration, TSModuleReference};
use oxc_codegen::{Codegen, CodegenOptions, CommentOptions};
use oxc_diagnostics::{Diagnostics, OxcDiagnostic, Severity};
use oxc_parser::{Parser, ParserReturn};
use oxc_semantic::SemanticBuilder;
use oxc_span::SourceType;
use oxc_transformer::{HelperLoaderMode, Module as Lowering, TransformOptions, Transformer};

use crate::depth::Syntax;
use crate::{JavaScript, Module, Problem, helpers};

/// `import x = require()` in an ES module, as `tsc` does it for Node. Hoisted like the helpers.
const REQUIRE: &str = r#"import { createRequire as __createRequire } from "node:module";
function require(name) {
	return __createRequire(import.meta.url)(name);
}
"#;

/// Compiles `source`, on whatever stack the caller provides.
pub(crate) fn compile(source: &str, file_name: &str) -> Result<JavaScript, Vec<Problem>> {
    let problem =
        |offset: u32, message: &str| vec![Problem::at(source, file_name, offset as usize, message.to_owned())];
    let found = |diagnostics: Vec<OxcDiagnostic>| match problems(source, file_name, diagnostics) {
        found if found.is_empty() => Ok(()),
        found => Err(found),
    };
    let errors = |diagnostics: Diagnostics| {
        diagnostics.into_vec().into_iter().filter(|diagnostic| diagnostic.severity == Severity::Error).collect()
    };

    let allocator = Allocator::default();
    let parsed = parse(&allocator, source, file_name);
    found(errors(parsed.diagnostics))?;
    let mut program = parsed.program;
    let linkage = Linkage::of(&program, file_name);

    // Only an AST with parent links lists its nodes; they cost as much as the rest, so they are built on suspicion only.
    let suspicious = source.contains("accessor");
    let analysed = SemanticBuilder::new()
        .with_build_nodes(suspicious)
        .with_check_syntax_error(true)
        .with_enum_eval(true)
        .with_excess_capacity(2.0)
        .build(&program);
    found(errors(analysed.diagnostics))?;
    if suspicious {
        for node in analysed.semantic.nodes().iter() {
            if let AstKind::AccessorProperty(accessor) = node.kind() {
                return Err(problem(accessor.span.start, "Node 20 has no `accessor` fields"));
            }
        }
    }

    let mut options = TransformOptions::default();
    options.typescript.optimize_const_enums = true;
    options.decorator.legacy = true;
    options.env.es2026.explicit_resource_management = true;
    options.helper_loader.mode = HelperLoaderMode::Runtime;
    options.helper_loader.module_name = helpers::PACKAGE.into();
    if linkage.is_commonjs() {
        options.env.module = Lowering::CommonJS; // adds "use strict", which every module is
    }
    let scoping = analysed.semantic.into_scoping();
    let transformed =
        Transformer::new(&allocator, Path::new(file_name), &options).build_with_scoping(scoping, &mut program);
    // Its warnings are about code it gets wrong, such as `export let` in a namespace.
    found(transformed.diagnostics.into_vec())?;

    let used = helpers::take(&mut program);
    let module = match linkage.module() {
        Module::EsModule => Module::EsModule,
        Module::Script if linkage.is_commonjs() => {
            program.body.retain(|statement| !is_empty_export(statement));
            if let Some(span) = program.body.iter().find_map(es_module_statement) {
                let message = "`export =` cannot be combined with `import` and `export` of values \
                               (use `import name = require(\"...\")`)";
                return Err(problem(span, message));
            }
            Module::Script
        }
        Module::Script if program.source_type.is_module() => Module::EsModule,
        Module::Script => Module::Script,
    };

    let printing = CodegenOptions { comments: CommentOptions::disabled(), ..CodegenOptions::default() };
    let mut code = Codegen::new().with_options(printing).build(&program).code;
    if !code.is_empty() && !code.ends_with('\n') {
        code.push('\n');
    }
    if let Err(helper) = helpers::append(&mut code, &used) {
        return Err(problem(0, &format!("Node 20 lacks a feature this file uses (`{helper}`)")));
    }
    if module == Module::EsModule && linkage.import_equals {
        code.push_str(REQUIRE);
    }
    Ok(JavaScript { code, module })
}

/// Whether a file of this name may contain JSX.
pub(crate) fn syntax(file_name: &str) -> Syntax {
    match extension(file_name) {
        Some("tsx") => Syntax::TypeScriptAndJsx,
        _ => Syntax::TypeScript,
    }
}

fn extension(file_name: &str) -> Option<&str> {
    Path::new(file_name).extension().and_then(|extension| extension.to_str())
}

/// Parses as what the name says; a plain `.ts` that is only valid as a module, because of a top-level `await`, is one.
fn parse<'a>(allocator: &'a Allocator, source: &'a str, file_name: &str) -> ParserReturn<'a> {
    let kind = match extension(file_name) {
        Some("tsx") => SourceType::tsx(),
        Some("mts") => SourceType::ts().with_module(true),
        _ => SourceType::ts(),
    };
    let parsed = Parser::new(allocator, source, kind).parse();
    if !parsed.diagnostics.is_empty() && kind.is_unambiguous() && source.contains("await") {
        let again = Parser::new(allocator, source, kind.with_module(true)).parse();
        if again.diagnostics.is_empty() {
            return again;
        }
    }
    parsed
}

/// How the source is linked to others.
#[derive(Default)]
struct Linkage {
    /// `export =`
    export_equals: bool,
    /// `import x = require()`
    import_equals: bool,
    /// Any other `import` or `export`, or the name says so.
    es_module: bool,
}

impl Linkage {
    fn of(program: &Program<'_>, file_name: &str) -> Self {
        let mut linkage = Self { es_module: extension(file_name) == Some("mts"), ..Self::default() };
        for statement in &program.body {
            match statement {
                Statement::TSExportAssignment(_) => linkage.export_equals = true,
                Statement::TSImportEqualsDeclaration(import) if is_require(import) => {
                    linkage.import_equals = true;
                }
                Statement::ExportDeclaration(export) => {
                    linkage.es_module = true;
                    linkage.import_equals |= exports_require(export);
                }
                Statement::ImportDeclaration(_)
                | Statement::ExportAllDeclaration(_)
                | Statement::ExportNamedDeclaration(_)
                | Statement::ExportFromDeclaration(_)
                | Statement::ExportDefaultDeclaration(_) => linkage.es_module = true,
                _ => {}
            }
        }
        linkage
    }

    /// Only CommonJS has `export =`; `import x = require()` is settled by what else there is.
    fn is_commonjs(&self) -> bool {
        self.export_equals || (self.import_equals && !self.es_module)
    }

    fn module(&self) -> Module {
        if self.es_module && !self.export_equals { Module::EsModule } else { Module::Script }
    }
}

fn is_require(import: &TSImportEqualsDeclaration<'_>) -> bool {
    import.import_kind.is_value() && matches!(import.module_reference, TSModuleReference::ExternalModuleReference(_))
}

fn exports_require(export: &ExportDeclaration<'_>) -> bool {
    matches!(&export.declaration, Declaration::TSImportEqualsDeclaration(import) if is_require(import))
}

/// `export {}`, by which oxc keeps a file a module when all its imports were types.
fn is_empty_export(statement: &Statement<'_>) -> bool {
    matches!(statement, Statement::ExportNamedDeclaration(export)if export.specifiers.is_empty())
}

/// Where a statement starts that only ES modules may have.
fn es_module_statement(statement: &Statement<'_>) -> Option<u32> {
    match statement {
        Statement::ImportDeclaration(import) => Some(import.span.start),
        Statement::ExportDeclaration(export) => Some(export.span.start),
        Statement::ExportNamedDeclaration(export) => Some(export.span.start),
        Statement::ExportFromDeclaration(export) => Some(export.span.start),
        Statement::ExportAllDeclaration(export) => Some(export.span.start),
        Statement::ExportDefaultDeclaration(export) => Some(export.span.start),
        _ => None,
    }
}

/// oxc's diagnostics in the order of the source.
fn problems(source: &str, file_name: &str, diagnostics: Vec<OxcDiagnostic>) -> Vec<Problem> {
    let mut found: Vec<_> = diagnostics
        .into_iter()
        .map(|diagnostic| {
            let offset = diagnostic.labels.first().map_or(0, |label| label.offset() as usize);
            let message = match &diagnostic.help {
                Some(help) => format!("{} ({help})", diagnostic.message),
                None => diagnostic.message.to_string(),
            };
            Problem::at(source, file_name, offset, message)
        })
        .collect();
    found.sort_by_key(|problem| (problem.line, problem.column));
    found
}
