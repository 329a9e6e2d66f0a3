//! Go.

use crate::{
    facts::{Facts, any_module, as_written},
    role::{Role, Table},
    scope::{Import, Scopes, What},
    tree::Id,
    unquote,
};

pub(crate) static FACTS: Facts = Facts {
    tables: &[TABLE],
    importers: &[],
    getters: &[],
    runners: &[],
    openers: &[],
    powers: &[],
    held: &[],
    same: &[],
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
    unquote: unquote::go,
    module: any_module,
};

const TABLE: Table = Table {
    roles: &[
        ("comment", Role::Own),
        ("identifier", Role::Name),
        ("package_identifier", Role::Name),
        ("selector_expression", Role::Member("operand", "field")),
        ("qualified_type", Role::Member("package", "name")),
        ("index_expression", Role::Index("operand", "index")),
        ("call_expression", Role::Call("function", "arguments")),
        ("interpreted_string_literal", Role::Text),
        ("raw_string_literal", Role::Text),
        ("int_literal", Role::Number),
        ("binary_expression", Role::Join("left", "right")),
        ("parenthesized_expression", Role::Inner),
        ("expression_list", Role::List),
        ("short_var_declaration", Role::Bind("left", "right")),
        ("assignment_statement", Role::Bind("left", "right")),
        ("var_spec", Role::Own),
        ("const_spec", Role::Own),
        ("range_clause", Role::Declares(&["left"])),
        ("receive_statement", Role::Declares(&["left"])),
        ("block", Role::Block(&[])),
        ("if_statement", Role::Block(&[])),
        ("for_statement", Role::Block(&[])),
        ("expression_switch_statement", Role::Block(&[])),
        ("type_switch_statement", Role::Block(&["alias"])),
        ("function_declaration", Role::Function("name", "parameters")),
        ("func_literal", Role::Function("", "parameters")),
        ("method_declaration", Role::Own),
        ("import_spec", Role::Import),
    ],
    branches: &["if_statement", "for_statement", "expression_case", "type_case", "communication_case"],
    shortcuts: &["&&", "||"],
    functions: &["function_declaration", "method_declaration", "func_literal"],
};

fn declare(scopes: &mut Scopes<'_>, id: Id) {
    let tree = scopes.tree();
    match tree.kind(id) {
        "import_spec" => {
            let Some(path) = tree.field(id, "path") else { return };
            let Some(module) = unquote::go(tree.source(path)) else { return };
            match tree.field(id, "name") {
                Some(dot) if tree.kind(dot) == "dot" => scopes.star(module.clone(), path),
                Some(blank) if tree.kind(blank) == "blank_identifier" => {}
                Some(alias) => scopes.bind(alias, What::Path(module.as_str().into())),
                None => {
                    // `example.org/x/v2` is usually called x.
                    let mut parts = module.rsplit('/');
                    let last = parts.next().unwrap_or_default();
                    let is_version = last.strip_prefix('v').is_some_and(|rest| rest.parse::<u32>().is_ok());
                    let name = if is_version { parts.next().unwrap_or(last) } else { last }.to_owned();
                    scopes.bind_as(name.into(), path, What::Path(module.as_str().into()));
                }
            }
            scopes.imports.push(Import { module, names: Vec::new(), at: path });
        }
        // A directive is a comment that begins its line, without a space.
        "comment" => {
            let text = tree.source(id);
            if let Some(directive) = text.strip_prefix("//go:")
                && (tree.start(id) == 0 || tree.text.as_bytes().get(tree.start(id) as usize - 1) == Some(&b'\n'))
            {
                let word: String =
                    directive.chars().take_while(|sign| sign.is_ascii_alphanumeric() || *sign == '_').collect();
                scopes.mentions.push((format!("//go:{word}"), id));
            }
        }
        "var_spec" | "const_spec" => {
            let names: Vec<Id> = tree.fields(id, "name").filter(|name| tree.is_named(*name)).collect();
            let values = tree.field(id, "value");
            let items: Vec<Id> = values.map(|values| tree.named(values).collect()).unwrap_or_default();
            for (at, name) in names.into_iter().enumerate() {
                let what = match (items.get(at), values) {
                    (Some(item), _) => What::Value(*item),
                    (None, Some(values)) => What::ItemOf(values, at),
                    (None, None) => What::Opaque,
                };
                scopes.bind(name, what);
            }
        }
        "method_declaration" => {
            scopes.open(id, false);
            for field in ["receiver", "parameters"] {
                if let Some(part) = tree.field(id, field) {
                    scopes.declare(part);
                }
            }
        }
        _ => {}
    }
}
