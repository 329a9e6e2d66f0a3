//! Rust.

use crate::{
    facts::{Facts, any_module},
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
    same: &[
        ("core.arch.asm!", "asm!"),
        ("std.arch.asm!", "asm!"),
        ("core.arch.global_asm!", "global_asm!"),
        ("std.arch.global_asm!", "global_asm!"),
        ("std.include!", "include!"),
        ("core.include!", "include!"),
        ("core.arch.naked_asm!", "naked_asm!"),
        ("std.arch.naked_asm!", "naked_asm!"),
        ("core.arch.llvm_asm!", "llvm_asm!"),
        ("std.arch.llvm_asm!", "llvm_asm!"),
        ("std.option_env!", "option_env!"),
        ("core.option_env!", "option_env!"),
        ("std.include_str!", "include_str!"),
        ("core.include_str!", "include_str!"),
        ("std.include_bytes!", "include_bytes!"),
        ("core.include_bytes!", "include_bytes!"),
        ("std.env!", "env!"),
        ("core.env!", "env!"),
        ("core.", "std."),
        ("alloc.", "std."),
    ],
    namespaces: &[],
    brings_parents: true,
    is_qualified: true,
    full_names_are_imports: true,
    own_types: &[
        "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128", "usize", "f32", "f64", "bool",
        "char", "str",
    ],
    names_fall_through: false,
    class_names_are_hidden: false,
    fields_are_names: false,
    declare,
    normal: |name| name.strip_prefix("r#").unwrap_or(name).into(),
    unquote: unquote::rust,
    module: any_module,
};

const TABLE: Table = Table {
    roles: &[
        ("line_comment", Role::Comment),
        ("block_comment", Role::Comment),
        ("identifier", Role::Name),
        ("type_identifier", Role::Name),
        ("scoped_identifier", Role::Member("path", "name")),
        ("scoped_type_identifier", Role::Member("path", "name")),
        ("field_expression", Role::Member("value", "field")),
        ("call_expression", Role::Call("function", "arguments")),
        ("generic_function", Role::Of("function")),
        ("generic_type", Role::Of("type")),
        ("generic_type_with_turbofish", Role::Of("type")),
        ("string_literal", Role::Text),
        ("raw_string_literal", Role::Text),
        ("integer_literal", Role::Number),
        ("parenthesized_expression", Role::Inner),
        ("reference_expression", Role::Of("value")),
        ("try_expression", Role::Inner),
        ("await_expression", Role::Inner),
        ("type_cast_expression", Role::Of("value")),
        ("array_expression", Role::List),
        ("tuple_expression", Role::List),
        ("tuple_pattern", Role::List),
        ("let_declaration", Role::Bind("pattern", "value")),
        ("let_condition", Role::Bind("pattern", "value")),
        ("const_item", Role::Bind("name", "value")),
        ("static_item", Role::Bind("name", "value")),
        ("assignment_expression", Role::Bind("left", "right")),
        ("for_expression", Role::Block(&["pattern"])),
        ("match_arm", Role::Block(&["pattern"])),
        ("block", Role::Block(&[])),
        ("function_item", Role::Function("name", "parameters")),
        ("function_signature_item", Role::Function("name", "parameters")),
        ("closure_expression", Role::Function("", "parameters")),
        ("mod_item", Role::Class("name")),
        ("struct_item", Role::Class("name")),
        ("enum_item", Role::Class("name")),
        ("union_item", Role::Class("name")),
        ("trait_item", Role::Class("name")),
        ("type_item", Role::Class("name")),
        ("use_declaration", Role::Import),
        ("extern_crate_declaration", Role::Import),
        ("macro_invocation", Role::Own),
        ("token_tree", Role::Own),
        ("attribute", Role::Own),
        ("function_modifiers", Role::Own),
    ],
    branches: &[
        "if_expression",
        "for_expression",
        "while_expression",
        "loop_expression",
        "match_arm",
        "try_expression",
    ],
    shortcuts: &["&&", "||"],
    functions: &["function_item", "closure_expression"],
};

fn declare(scopes: &mut Scopes<'_>, id: Id) {
    let tree = scopes.tree();
    match tree.kind(id) {
        "use_declaration" => {
            if let Some(argument) = tree.field(id, "argument") {
                take(scopes, argument, "");
            }
        }
        "extern_crate_declaration" => {
            let Some(name) = tree.field(id, "name") else { return };
            let module = tree.source(name).to_owned();
            scopes.bind(tree.field(id, "alias").unwrap_or(name), What::Path(module.as_str().into()));
            scopes.imports.push(Import { module, names: Vec::new(), at: name });
        }
        "macro_invocation" => invoked(scopes, id),
        "token_tree" => tokens(scopes, id),
        "attribute" => {
            if let Some(name) = tree.named(id).next() {
                scopes.mentions.push((format!("#[{}]", tree.source(name).replace("::", ".")), id));
                if tree.source(name) == "cfg_attr" {
                    conditional(scopes, id);
                }
            }
        }
        "function_modifiers" => {
            if let Some(keyword) = tree.child(id, "unsafe") {
                scopes.mentions.push(("unsafe".to_owned(), keyword));
            }
        }
        _ => {}
    }
}

/// The attributes of `cfg_attr(condition, one, another(…))`.
fn conditional(scopes: &mut Scopes<'_>, id: Id) {
    let tree = scopes.tree();
    let Some(tokens) = tree.field(id, "arguments") else { return };
    let mut is_next = false;
    for token in tree.children(tokens) {
        if is_next && tree.is_named(token) {
            scopes.mentions.push((format!("#[{}]", tree.source(token)), token));
        }
        // Keywords are no names: `unsafe(no_mangle)`.
        if is_next && tree.source(token) == "unsafe" {
            scopes.mentions.push(("#[unsafe]".to_owned(), token));
        }
        is_next = tree.source(token) == ",";
    }
}

/// One branch of a `use`.
fn take(scopes: &mut Scopes<'_>, id: Id, above: &str) {
    let tree = scopes.tree();
    let path = |part: Id| {
        let written = tree.source(part).replace("::", ".").replace("r#", "").replace(char::is_whitespace, "");
        let written = written.trim_start_matches('.').to_owned();
        match (above, &*written) {
            ("", _) => written,
            (_, "self") => above.to_owned(),
            _ => format!("{above}.{written}"),
        }
    };
    match tree.kind(id) {
        "use_as_clause" => {
            if let (Some(from), Some(alias)) = (tree.field(id, "path"), tree.field(id, "alias")) {
                used(scopes, path(from), from, alias);
            }
        }
        "scoped_use_list" => {
            let above = tree.field(id, "path").map_or_else(|| above.to_owned(), path);
            if let Some(list) = tree.field(id, "list") {
                take(scopes, list, &above);
            }
        }
        "use_list" => tree.named(id).collect::<Vec<_>>().into_iter().for_each(|part| take(scopes, part, above)),
        "use_wildcard" => {
            let module = tree.named(id).next().map_or_else(|| above.to_owned(), path);
            if !is_own(&module) {
                scopes.star(module.clone(), id);
                scopes.imports.push(Import { module, names: Vec::new(), at: id });
            }
        }
        "scoped_identifier" => {
            let name = tree.field(id, "name").unwrap_or(id);
            used(scopes, path(id), id, name);
        }
        "self" => {
            let last = above.rsplit('.').next().unwrap_or_default().to_owned();
            scopes.bind_as(last.into(), id, What::Path(above.into()));
            scopes.imports.push(Import { module: above.to_owned(), names: Vec::new(), at: id });
        }
        _ => used(scopes, path(id), id, id),
    }
}

fn used(scopes: &mut Scopes<'_>, module: String, at: Id, name: Id) {
    if is_own(&module) {
        scopes.bind(name, What::Opaque);
        return;
    }
    if scopes.tree().source(name) != "_" {
        scopes.bind(name, What::Path(module.as_str().into()));
    }
    scopes.imports.push(Import { module, names: Vec::new(), at });
}

/// A path within the program itself.
fn is_own(path: &str) -> bool {
    ["crate", "self", "super"].contains(&path.split('.').next().unwrap_or_default())
}

/// Macros matter by name; those that read files or variables when compiling, by their argument.
fn invoked(scopes: &mut Scopes<'_>, id: Id) {
    let tree = scopes.tree();
    let Some(name) = tree.field(id, "macro") else { return };
    let path = tree.source(name).replace("::", ".").trim_start_matches('.').to_owned();
    let arguments = tree.children(id).find(|child| tree.kind(*child) == "token_tree");
    used_macro(scopes, &path, name, arguments);
}

fn used_macro(scopes: &mut Scopes<'_>, path: &str, name: Id, arguments: Option<Id>) {
    let tree = scopes.tree();
    let word = path.rsplit('.').next().unwrap_or_default();
    let text = arguments.and_then(|tokens| {
        let only: Vec<Id> = tree.named(tokens).collect();
        match only[..] {
            [one] if matches!(tree.kind(one), "string_literal" | "raw_string_literal") => {
                unquote::rust(tree.source(one))
            }
            _ => None,
        }
    });
    let is_harmless = match (word, &text) {
        ("include" | "include_str" | "include_bytes", Some(file)) => !file.starts_with('/') && !file.contains(".."),
        ("env" | "option_env", Some(variable)) => variable.starts_with("CARGO_"),
        _ => false,
    };
    if !is_harmless {
        scopes.mentions.push((format!("{path}!"), name));
    }
}

/// Paths and macros in the arguments of macros, which no grammar knows.
fn tokens(scopes: &mut Scopes<'_>, id: Id) {
    let tree = scopes.tree();
    let mut path = String::new();
    let mut first = id;
    let mut joined = false;
    for token in tree.children(id).chain([id]) {
        match tree.kind(token) {
            "identifier" if joined && !path.is_empty() => {
                path.push('.');
                path.push_str(tree.source(token));
                joined = false;
            }
            "::" => joined = true,
            // `std::$part`: what the macro is given decides.
            "metavariable" if joined && !path.is_empty() => {
                scopes.undecided.push(("which path this names".to_owned(), token));
                path.clear();
                joined = false;
            }
            "!" if !path.is_empty() => {
                let next =
                    Some(tree.after(token)).filter(|next| *next < tree.after(id) && tree.kind(*next) == "token_tree");
                used_macro(scopes, &std::mem::take(&mut path), first, next);
            }
            kind => {
                if path.contains('.') {
                    scopes.mentions.push((std::mem::take(&mut path), first));
                }
                path.clear();
                joined = false;
                if kind == "identifier" {
                    path.push_str(tree.source(token));
                    first = token;
                } else if tree.source(token) == "unsafe" {
                    scopes.mentions.push(("unsafe".to_owned(), token));
                }
            }
        }
    }
}
