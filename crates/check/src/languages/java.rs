//! Java.

use crate::{
    facts::{Facts, Importer, any_module, as_written},
    role::{Role, Table},
    scope::{Import, Scopes, What},
    tree::Id,
    unquote,
};

pub(crate) static FACTS: Facts = Facts {
    tables: &[TABLE],
    importers: &[
        Importer { path: "java.lang.Class.forName", argument: 0 },
        Importer { path: "java.lang.ClassLoader.getSystemClassLoader().loadClass", argument: 0 },
        Importer { path: "java.lang.Thread.currentThread().getContextClassLoader().loadClass", argument: 0 },
        Importer { path: "java.lang.ClassLoader().loadClass", argument: 0 },
    ],
    getters: &[],
    // Of java.lang, which every file imports, the classes that rules speak of; and what some methods give.
    runners: &[],
    openers: &[
        ("java.io.PrintWriter", "java.io.FileWriter"),
        ("java.io.PrintStream", "java.io.FileOutputStream"),
        ("java.util.Formatter", "java.io.FileWriter"),
    ],
    powers: &["java.lang.Runtime()", "java.lang.Runtime.getRuntime"],
    held: &[],
    same: &[
        ("Runtime", "java.lang.Runtime"),
        ("ProcessBuilder", "java.lang.ProcessBuilder"),
        ("ProcessHandle", "java.lang.ProcessHandle"),
        ("Process", "java.lang.Process"),
        ("System", "java.lang.System"),
        ("Class", "java.lang.Class"),
        ("ClassLoader", "java.lang.ClassLoader"),
        ("Thread", "java.lang.Thread"),
        ("Module", "java.lang.Module"),
        ("ModuleLayer", "java.lang.ModuleLayer"),
        ("String", "java.lang.String"),
        ("StringBuilder", "java.lang.StringBuilder"),
        ("StringBuffer", "java.lang.StringBuffer"),
        ("java.lang.Runtime.getRuntime()", "java.lang.Runtime()"),
    ],
    namespaces: &[],
    brings_parents: true,
    is_qualified: true,
    full_names_are_imports: false,
    own_types: &[],
    names_fall_through: false,
    class_names_are_hidden: false,
    fields_are_names: true,
    declare,
    normal: as_written,
    unquote: unquote::java,
    module: any_module,
};

const TABLE: Table = Table {
    roles: &[
        ("line_comment", Role::Comment),
        ("block_comment", Role::Comment),
        ("identifier", Role::Name),
        ("type_identifier", Role::Name),
        ("scoped_type_identifier", Role::Dotted),
        ("field_access", Role::Member("object", "field")),
        ("array_access", Role::Index("array", "index")),
        ("method_invocation", Role::Method("object", "name", "arguments")),
        ("method_reference", Role::Pair),
        ("object_creation_expression", Role::Call("type", "arguments")),
        ("generic_type", Role::Inner),
        ("string_literal", Role::Text),
        ("decimal_integer_literal", Role::Number),
        ("hex_integer_literal", Role::Number),
        ("binary_expression", Role::Join("left", "right")),
        ("parenthesized_expression", Role::Inner),
        ("cast_expression", Role::Cast("type", "value")),
        ("ternary_expression", Role::Either(&["consequence", "alternative"])),
        ("array_initializer", Role::List),
        ("variable_declarator", Role::Bind("name", "value")),
        ("assignment_expression", Role::Bind("left", "right")),
        ("resource", Role::Bind("name", "value")),
        ("formal_parameter", Role::Own),
        ("instanceof_expression", Role::Own),
        ("local_variable_declaration", Role::Own),
        ("field_declaration", Role::Own),
        ("catch_formal_parameter", Role::Declares(&["name"])),
        ("enhanced_for_statement", Role::Block(&["name"])),
        ("for_statement", Role::Block(&[])),
        ("block", Role::Block(&[])),
        ("lambda_expression", Role::Block(&["parameters"])),
        ("method_declaration", Role::Function("name", "")),
        ("constructor_declaration", Role::Function("", "")),
        ("class_declaration", Role::Class("name")),
        ("interface_declaration", Role::Class("name")),
        ("enum_declaration", Role::Class("name")),
        ("record_declaration", Role::Class("name")),
        ("annotation_type_declaration", Role::Class("name")),
        ("package_declaration", Role::Skip),
        ("import_declaration", Role::Import),
        ("modifiers", Role::Own),
    ],
    branches: &[
        "if_statement",
        "for_statement",
        "enhanced_for_statement",
        "while_statement",
        "do_statement",
        "switch_label",
        "catch_clause",
        "ternary_expression",
    ],
    shortcuts: &["&&", "||"],
    functions: &[
        "method_declaration",
        "constructor_declaration",
        "compact_constructor_declaration",
        "lambda_expression",
    ],
};

fn declare(scopes: &mut Scopes<'_>, id: Id) {
    let tree = scopes.tree();
    match tree.kind(id) {
        "import_declaration" => {
            let Some(name) = tree.named(id).find(|part| matches!(tree.kind(*part), "scoped_identifier" | "identifier"))
            else {
                return;
            };
            let module: String = tree.source(name).split_whitespace().collect();
            if tree.child(id, "asterisk").is_some() {
                scopes.star(module.clone(), name);
            } else {
                let last = tree.field(name, "name").unwrap_or(name);
                scopes.bind(last, What::Path(module.as_str().into()));
            }
            scopes.imports.push(Import { module, names: Vec::new(), at: name });
        }
        // What a parameter is, its type tells.
        "formal_parameter" => {
            let Some(name) = tree.field(id, "name") else { return };
            let what = tree.field(id, "type").and_then(|kind| instance(scopes, kind));
            scopes.bind(name, what.unwrap_or(What::Opaque));
        }
        "instanceof_expression" => {
            let (Some(name), Some(kind)) = (tree.field(id, "name"), tree.field(id, "right")) else { return };
            let what = instance(scopes, kind);
            scopes.bind(name, what.unwrap_or(What::Opaque));
        }
        "local_variable_declaration" | "field_declaration" => {
            let Some(what) = tree.field(id, "type").and_then(|kind| instance(scopes, kind)) else { return };
            for declarator in tree.fields(id, "declarator").collect::<Vec<_>>() {
                if let Some(name) = tree.field(declarator, "name") {
                    scopes.bind(name, what.clone());
                }
            }
        }
        "modifiers" => {
            if let Some(native) = tree.child(id, "native") {
                scopes.mentions.push(("native".to_owned(), native));
            }
        }
        _ => {}
    }
}

/// What a type of java.lang that rules speak of says of a name.
fn instance(scopes: &Scopes<'_>, kind: Id) -> Option<What> {
    let tree = scopes.tree();
    let name = Some(kind).filter(|kind| tree.kind(*kind) == "type_identifier").map(|kind| tree.source(kind))?;
    let is_known = FACTS.same.iter().any(|(from, _)| *from == name);
    is_known.then(|| What::Path(format!("{name}()").as_str().into()))
}
