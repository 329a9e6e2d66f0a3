//! C. C++ adds to it (`cpp.rs`).

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
    same: SAME,
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

/// Compilers know some functions by other names.
pub(super) const SAME: &[(&str, &str)] = &[
    ("__builtin_system", "system"),
    ("__libc_system", "system"),
    ("__syscall", "syscall"),
    ("_exit", "_Exit"),
    ("std.", ""),
];

pub(super) const TABLE: Table = Table {
    roles: &[
        ("comment", Role::Comment),
        ("identifier", Role::Name),
        ("field_expression", Role::Member("argument", "field")),
        ("call_expression", Role::Call("function", "arguments")),
        ("string_literal", Role::Text),
        ("concatenated_string", Role::Texts),
        ("number_literal", Role::Number),
        ("parenthesized_expression", Role::Inner),
        ("pointer_expression", Role::Of("argument")),
        ("cast_expression", Role::Of("value")),
        ("conditional_expression", Role::Either(&["consequence", "alternative"])),
        ("comma_expression", Role::Of("right")),
        ("initializer_list", Role::List),
        ("init_declarator", Role::Own),
        ("assignment_expression", Role::Bind("left", "right")),
        ("declaration", Role::Own),
        ("function_definition", Role::Own),
        ("enumerator", Role::Declares(&["name"])),
        ("for_statement", Role::Block(&[])),
        ("compound_statement", Role::Block(&[])),
        ("preproc_include", Role::Import),
        ("preproc_call", Role::Own),
        ("attribute_specifier", Role::Own),
        ("preproc_def", Role::Own),
        ("preproc_function_def", Role::Own),
    ],
    branches: &[
        "if_statement",
        "for_statement",
        "while_statement",
        "do_statement",
        "case_statement",
        "conditional_expression",
    ],
    shortcuts: &["&&", "||"],
    functions: &["function_definition"],
};

pub(super) fn declare(scopes: &mut Scopes<'_>, id: Id) {
    let tree = scopes.tree();
    match tree.kind(id) {
        "declaration" => {
            for declarator in tree.fields(id, "declarator").collect::<Vec<_>>() {
                match declared_function(scopes, declarator).and_then(|function| tree.field(function, "declarator")) {
                    Some(name) if is_in_namespace(scopes, id) => scopes.declare(name),
                    // A prototype says that something exists, perhaps in a library.
                    Some(name) => scopes.pass_by(name),
                    None if tree.kind(declarator) != "init_declarator" => scopes.declare(declarator),
                    None => {}
                }
            }
        }
        "init_declarator" => {
            let (Some(declarator), Some(value)) = (tree.field(id, "declarator"), tree.field(id, "value")) else {
                return;
            };
            let mut names = tree.below(declarator).filter(|below| tree.role(*below) == Role::Name);
            match (names.next(), names.next()) {
                (Some(name), None) => scopes.bind(name, What::Value(value)),
                _ => scopes.declare(declarator),
            }
        }
        "function_definition" => {
            let function = tree.field(id, "declarator").and_then(|declarator| declared_function(scopes, declarator));
            if let Some(name) = function.and_then(|function| tree.field(function, "declarator")) {
                scopes.declare(name);
            }
            scopes.open(id, false);
            if let Some(parameters) = function.and_then(|function| tree.field(function, "parameters")) {
                scopes.declare(parameters);
            }
        }
        "preproc_include" => include(scopes, id),
        "preproc_call" => directive(scopes, id),
        // Each of its names: `__attribute__((alias("system")))`.
        "attribute_specifier" => {
            for name in tree.below(id).filter(|below| tree.role(*below) == Role::Name).collect::<Vec<_>>() {
                let plain = tree.source(name).trim_matches('_');
                scopes.mentions.push((format!("__attribute__.{plain}"), name));
            }
        }
        "preproc_def" | "preproc_function_def" => define(scopes, id),
        _ => {}
    }
}

/// The function declarator in a declarator, if that is what it declares (and not a pointer to one).
fn declared_function(scopes: &Scopes<'_>, declarator: Id) -> Option<Id> {
    let tree = scopes.tree();
    let mut here = declarator;
    loop {
        match tree.kind(here) {
            "function_declarator" => {
                let name = tree.field(here, "declarator")?;
                return (tree.kind(name) != "parenthesized_declarator").then_some(here);
            }
            "pointer_declarator" | "reference_declarator" | "attributed_declarator" => {
                here = tree.field(here, "declarator").or_else(|| tree.named(here).next())?;
            }
            _ => return None,
        }
    }
}

/// Whether a declaration of C++ stands in a namespace, where no library of the system declares anything.
fn is_in_namespace(scopes: &Scopes<'_>, id: Id) -> bool {
    let tree = scopes.tree();
    let list = tree.parent(id).filter(|parent| tree.kind(*parent) == "declaration_list");
    list.and_then(|list| tree.parent(list)).is_some_and(|parent| tree.kind(parent) == "namespace_definition")
}

fn include(scopes: &mut Scopes<'_>, id: Id) {
    let tree = scopes.tree();
    let Some(path) = tree.field(id, "path") else { return };
    let written = match tree.kind(path) {
        "system_lib_string" | "string_literal" => tree.source(path),
        _ => match scopes.macros.get(tree.source(path)) {
            Some((parameters, body)) if parameters.is_empty() && body.starts_with(['<', '"']) => body,
            _ => {
                scopes.undecided.push(("which file this includes".to_owned(), path));
                return;
            }
        },
    };
    let module = written.trim_matches(['<', '>', '"']).to_owned();
    scopes.imports.push(Import { module, names: Vec::new(), at: path });
}

/// Directives that the grammar does not know: `#include_next`, `#import`, `#pragma`.
fn directive(scopes: &mut Scopes<'_>, id: Id) {
    let tree = scopes.tree();
    let argument = tree.word(id, "argument").trim();
    let word = tree.word(id, "directive").trim_start_matches(['#', ' ', '\t']);
    match word {
        "include_next" | "import" => {
            let module = argument.trim_matches(['<', '>', '"']).to_owned();
            scopes.imports.push(Import { module, names: Vec::new(), at: id });
        }
        "pragma" => {
            let first = argument.split_whitespace().next().unwrap_or_default();
            scopes.mentions.push((format!("#pragma.{first}"), id));
        }
        _ => {}
    }
}

/// Every name in a macro's body is used wherever the macro is.
fn define(scopes: &mut Scopes<'_>, id: Id) {
    let tree = scopes.tree();
    let (Some(name), Some(value)) = (tree.field(id, "name"), tree.field(id, "value")) else { return };
    let parameters: Vec<&str> = tree
        .field(id, "parameters")
        .map_or_else(Vec::new, |list| tree.named(list).map(|parameter| tree.source(parameter)).collect());
    let body = tree.source(value).trim();
    for word in words(body) {
        if !parameters.contains(&&*word) {
            scopes.mentions.push((word, value));
        }
    }
    scopes.macros.insert(tree.source(name), (parameters, body));
}

/// The identifiers of a macro's body that are not members, strings or comments; `a##b` is one, and `a::b` is `a.b`.
fn words(body: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut rest = body;
    let (mut is_member, mut is_pasted, mut is_below) = (false, false, false);
    while let Some(sign) = rest.chars().next() {
        let is_word = |sign: char| sign.is_alphanumeric() || sign == '_';
        let length = if is_word(sign) {
            let word: &str = &rest[..rest.find(|sign| !is_word(sign)).unwrap_or(rest.len())];
            if !sign.is_ascii_digit() || is_pasted {
                match all.last_mut() {
                    Some(last) if is_pasted => last.push_str(word),
                    Some(last) if is_below => last.extend([".", word]),
                    _ if is_member => {}
                    _ => all.push(word.to_owned()),
                }
            }
            (is_member, is_pasted, is_below) = (false, false, false);
            word.len()
        } else if sign == '"' || sign == '\'' {
            let mut escaped = false;
            let end = rest[1..].find(|inner: char| {
                let closes = inner == sign && !escaped;
                escaped = inner == '\\' && !escaped;
                closes
            });
            end.map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("//") {
            rest.len()
        } else if rest.starts_with("##") {
            is_pasted = true;
            2
        } else if rest.starts_with("::") {
            is_below = true;
            2
        } else if rest.starts_with("->") {
            is_member = true;
            2
        } else {
            if !sign.is_whitespace() {
                is_member = sign == '.';
                (is_pasted, is_below) = (false, false);
            }
            sign.len_utf8()
        };
        rest = &rest[length..];
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_macro_are_its_identifiers() {
        let of = |body: &str| words(body).join(" ");
        assert_eq!(of("(x.system + p->fork(2), sys ## tem(\"popen\" /* exec */))"), "x p system");
        assert_eq!(of("a '\\'' b \"\\\"c\" 1e5 // d"), "a b");
        assert_eq!(of("\"open"), "");
        assert_eq!(of("::a :: b(c)"), "a.b c");
    }
}
