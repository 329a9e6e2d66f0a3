//! JavaScript, TypeScript and TSX: one table, since TypeScript only adds to the grammar.

use std::borrow::Cow;

use crate::{
    facts::{Facts, Getter, Importer},
    role::{Role, Table},
    scope::{Import, Scopes, What},
    tree::Id,
    unquote,
};

pub(crate) static FACTS: Facts = Facts {
    tables: &[TABLE],
    importers: &[
        Importer { path: "require", argument: 0 },
        Importer { path: "import", argument: 0 },
        Importer { path: "require.resolve", argument: 0 },
        Importer { path: "process.getBuiltinModule", argument: 0 },
        Importer { path: "process.binding", argument: 0 },
        Importer { path: "module.createRequire()", argument: 0 },
        Importer { path: "importScripts", argument: 0 },
    ],
    getters: &[
        Getter { path: "Reflect.get", object: 0, name: 1 },
        Getter { path: "Object.getOwnPropertyDescriptor", object: 0, name: 1 },
    ],
    // The constructor of something unknown may be that of all functions.
    runners: &["setTimeout", "setInterval", "setImmediate", "execScript", "*.constructor"],
    openers: &[],
    powers: &[],
    held: &[],
    same: &[
        ("globalThis.", ""),
        ("window.", ""),
        ("global.", ""),
        ("self.", ""),
        ("top.", ""),
        ("module.require", "require"),
        ("process.mainModule.require", "require"),
        ("require.main.require", "require"),
        ("function.constructor", "Function"),
        ("Function.constructor", "Function"),
        ("text.constructor.constructor", "Function"),
        ("number.constructor.constructor", "Function"),
        ("list.constructor.constructor", "Function"),
        ("Object.constructor", "Function"),
        ("process.mainModule.constructor._load", "require"),
        ("module.constructor._load", "require"),
        ("module.Module._load", "require"),
        ("module._load", "require"),
        ("Function.prototype.constructor", "Function"),
    ],
    namespaces: &["globalThis", "window", "global", "self", "module", "process", "require"],
    brings_parents: false,
    is_qualified: false,
    full_names_are_imports: false,
    own_types: &[],
    names_fall_through: false,
    class_names_are_hidden: false,
    fields_are_names: false,
    declare,
    normal,
    unquote: unquote::javascript,
    module: |module| {
        let module = module.strip_prefix("node:").unwrap_or(module);
        (!module.starts_with('.') && !module.starts_with('#')).then_some(module)
    },
};

const TABLE: Table = Table {
    roles: &[
        ("comment", Role::Comment),
        ("html_comment", Role::Comment),
        ("hash_bang_line", Role::Comment),
        ("type_annotation", Role::Skip),
        ("type_arguments", Role::Skip),
        ("type_parameters", Role::Skip),
        ("interface_declaration", Role::Skip),
        ("type_alias_declaration", Role::Skip),
        ("ambient_declaration", Role::Skip),
        ("identifier", Role::Name),
        ("shorthand_property_identifier", Role::Name),
        ("import", Role::Name),
        ("member_expression", Role::Member("object", "property")),
        ("subscript_expression", Role::Index("object", "index")),
        ("call_expression", Role::Call("function", "arguments")),
        ("new_expression", Role::Call("constructor", "arguments")),
        ("string", Role::Text),
        ("template_string", Role::Text),
        ("number", Role::Number),
        ("binary_expression", Role::Join("left", "right")),
        ("parenthesized_expression", Role::Inner),
        ("await_expression", Role::Inner),
        ("spread_element", Role::Inner),
        ("as_expression", Role::Inner),
        ("satisfies_expression", Role::Inner),
        ("non_null_expression", Role::Inner),
        ("type_assertion", Role::Last),
        ("sequence_expression", Role::Last),
        ("ternary_expression", Role::Either(&["consequence", "alternative"])),
        ("array", Role::List),
        ("array_pattern", Role::List),
        ("variable_declarator", Role::Bind("name", "value")),
        ("assignment_expression", Role::Bind("left", "right")),
        ("assignment_pattern", Role::Bind("left", "right")),
        ("augmented_assignment_expression", Role::Declares(&["left"])),
        ("for_in_statement", Role::Block(&["left"])),
        ("for_statement", Role::Block(&[])),
        ("statement_block", Role::Block(&[])),
        ("catch_clause", Role::Block(&["parameter"])),
        ("function_declaration", Role::Function("name", "parameters")),
        ("generator_function_declaration", Role::Function("name", "parameters")),
        ("function_expression", Role::Function("name", "parameters")),
        ("generator_function", Role::Function("name", "parameters")),
        ("method_definition", Role::Function("", "parameters")),
        ("arrow_function", Role::Own),
        ("class_declaration", Role::Class("name")),
        ("abstract_class_declaration", Role::Class("name")),
        ("class", Role::Class("name")),
        ("enum_declaration", Role::Class("name")),
        ("import_statement", Role::Import),
        ("import_require_clause", Role::Import),
        ("export_statement", Role::Import),
    ],
    branches: &[
        "if_statement",
        "for_statement",
        "for_in_statement",
        "while_statement",
        "do_statement",
        "switch_case",
        "catch_clause",
        "ternary_expression",
    ],
    shortcuts: &["&&", "||", "??"],
    functions: &[
        "function_declaration",
        "generator_function_declaration",
        "function_expression",
        "generator_function",
        "method_definition",
        "arrow_function",
    ],
};

/// `\u0065val` is `eval`.
fn normal(name: &str) -> Cow<'_, str> {
    if name.contains('\\') { Cow::Owned(unquote::unescaped(name)) } else { Cow::Borrowed(name) }
}

fn declare(scopes: &mut Scopes<'_>, id: Id) {
    let tree = scopes.tree();
    match tree.kind(id) {
        "arrow_function" => {
            scopes.open(id, false);
            for part in [tree.field(id, "parameter"), tree.field(id, "parameters")].into_iter().flatten() {
                scopes.declare(part);
            }
        }
        "import_statement" | "export_statement" | "import_require_clause" => import(scopes, id),
        _ => {}
    }
}

fn import(scopes: &mut Scopes<'_>, id: Id) {
    let tree = scopes.tree();
    let Some(source) = tree.field(id, "source") else { return };
    let Some(module) = unquote::javascript(tree.source(source)) else { return };
    // Only the types of a module are taken: nothing of it runs.
    if tree.children(id).any(|child| tree.kind(child) == "type") {
        return;
    }
    let path = (FACTS.module)(&module).unwrap_or("?").to_owned();
    let mut names = Vec::new();
    if tree.kind(id) != "export_statement" {
        let mut part = id;
        while part < tree.after(id) {
            match tree.kind(part) {
                "import_specifier" => {
                    let Some(name) = tree.field(part, "name") else { break };
                    let word = unquoted(tree.source(name)).into_owned();
                    let what = if word == "default" { path.clone() } else { format!("{path}.{word}") };
                    scopes.bind(tree.field(part, "alias").unwrap_or(name), What::Path(what.as_str().into()));
                    names.push((word, name));
                    part = tree.after(part);
                }
                "identifier" => {
                    scopes.bind(part, What::Path(path.as_str().into()));
                    part += 1;
                }
                "string" => part = tree.after(part),
                _ => part += 1,
            }
        }
    } else {
        for part in tree.below(id).filter(|below| tree.kind(*below) == "export_specifier").collect::<Vec<_>>() {
            if let Some(name) = tree.field(part, "name") {
                names.push((unquoted(tree.source(name)).into_owned(), name));
            }
        }
    }
    scopes.imports.push(Import { module, names, at: source });
}

fn unquoted(name: &str) -> Cow<'_, str> {
    match unquote::javascript(name) {
        Some(text) => Cow::Owned(text),
        None => normal(name),
    }
}
