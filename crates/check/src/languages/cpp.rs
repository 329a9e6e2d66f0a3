//! C++: what it has beside C.

use crate::{
    facts::{Facts, any_module, as_written},
    languages::c,
    role::{Role, Table},
    scope::{Scopes, What},
    tree::Id,
    unquote,
};

pub(crate) static FACTS: Facts = Facts {
    tables: &[c::TABLE, TABLE],
    importers: &[],
    getters: &[],
    runners: &[],
    openers: &[],
    powers: &[],
    held: &[],
    same: c::SAME,
    namespaces: &[],
    brings_parents: false,
    is_qualified: false,
    full_names_are_imports: false,
    own_types: &[],
    names_fall_through: false,
    class_names_are_hidden: false,
    fields_are_names: false,
    declare,
    normal: as_written,
    unquote: unquote::c,
    module: any_module,
};

const TABLE: Table = Table {
    roles: &[
        ("namespace_identifier", Role::Name),
        ("type_identifier", Role::Name),
        ("qualified_identifier", Role::Member("scope", "name")),
        ("template_type", Role::Of("name")),
        ("template_function", Role::Of("name")),
        ("raw_string_literal", Role::Text),
        ("new_expression", Role::Call("type", "arguments")),
        ("for_range_loop", Role::Block(&["declarator"])),
        ("catch_clause", Role::Block(&["parameters"])),
        ("lambda_expression", Role::Own),
        ("class_specifier", Role::Class("name")),
        ("struct_specifier", Role::Class("name")),
        ("union_specifier", Role::Class("name")),
        ("namespace_definition", Role::Own),
        ("alias_declaration", Role::Class("name")),
        ("using_declaration", Role::Own),
        ("namespace_alias_definition", Role::Own),
    ],
    branches: &["for_range_loop", "catch_clause"],
    shortcuts: &["and", "or"],
    functions: &["lambda_expression"],
};

fn declare(scopes: &mut Scopes<'_>, id: Id) {
    let tree = scopes.tree();
    match tree.kind(id) {
        "using_declaration" => {
            let Some(name) = tree.named(id).next() else { return };
            let path = tree.source(name).replace("::", ".").trim_start_matches('.').to_owned();
            if tree.child(id, "namespace").is_some() {
                scopes.star(path, id);
            } else if let Some(last) = tree.field(name, "name") {
                scopes.mentions.push((path.clone(), name));
                scopes.bind(last, What::Path(path.as_str().into()));
            }
        }
        "namespace_definition" => {
            if let Some(name) = tree.field(id, "name") {
                scopes.declare(name);
                // All names of another one are also its own.
                let body = tree.field(id, "body").into_iter().flat_map(|body| tree.children(body));
                for using in body.filter(|part| tree.kind(*part) == "using_declaration") {
                    if let (Some(_), Some(other)) = (tree.child(using, "namespace"), tree.named(using).next()) {
                        let path = tree.source(other).replace("::", ".").trim_start_matches('.').to_owned();
                        scopes.bind(name, What::Path(path.as_str().into()));
                    }
                }
            }
            scopes.open(id, false);
        }
        "namespace_alias_definition" => {
            let Some(name) = tree.field(id, "name") else { return };
            if let Some(target) = tree.named(id).last().filter(|last| *last != name) {
                let path = tree.source(target).replace("::", ".").trim_start_matches('.').to_owned();
                scopes.bind(name, What::Path(path.as_str().into()));
            }
        }
        "lambda_expression" => {
            scopes.open(id, false);
            let parameters = tree.field(id, "declarator").and_then(|declarator| tree.field(declarator, "parameters"));
            if let Some(parameters) = parameters {
                scopes.declare(parameters);
            }
        }
        _ => c::declare(scopes, id),
    }
}
