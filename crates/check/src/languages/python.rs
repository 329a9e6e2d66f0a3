//! Python.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use crate::{
    facts::{Facts, Getter, Importer, LATER},
    role::{Role, Table},
    scope::{Import, Scopes, What},
    tree::Id,
    unquote,
};

pub(crate) static FACTS: Facts = Facts {
    tables: &[TABLE],
    importers: &[
        Importer { path: "__import__", argument: 0 },
        Importer { path: "importlib.import_module", argument: 0 },
        Importer { path: "importlib.__import__", argument: 0 },
        Importer { path: "importlib.util.find_spec", argument: 0 },
        Importer { path: "pkgutil.resolve_name", argument: 0 },
        Importer { path: "runpy.run_module", argument: 0 },
        Importer { path: "sys.modules.get", argument: 0 },
        Importer { path: "imp.load_module", argument: 0 },
    ],
    getters: &[
        Getter { path: "getattr", object: 0, name: 1 },
        Getter { path: "object.__getattribute__", object: 0, name: 1 },
        Getter { path: "inspect.getattr_static", object: 0, name: 1 },
        // They give a function that takes the member of what it is given.
        Getter { path: "operator.attrgetter", object: LATER, name: 0 },
        Getter { path: "operator.methodcaller", object: LATER, name: 0 },
    ],
    runners: &[],
    openers: &[],
    powers: &[],
    held: &["os", "_os", "sys", "_sys", "subprocess", "builtins", "importlib", "shutil", "socket", "ctypes"],
    same: &[
        ("builtins.", ""),
        ("__builtins__.", ""),
        ("__builtin__.", ""),
        ("globals().__builtins__.", ""),
        ("globals().", ""),
        ("locals().", ""),
        ("vars().", ""),
        ("sys.modules.builtins.", ""),
        ("sys.modules.", ""),
        ("posix.", "os."),
        ("nt.", "os."),
    ],
    namespaces: &[
        "globals()",
        "locals()",
        "vars()",
        "builtins",
        "__builtins__",
        "sys.modules",
        "globals().__builtins__",
    ],
    brings_parents: true,
    is_qualified: false,
    full_names_are_imports: false,
    own_types: &[],
    names_fall_through: true,
    class_names_are_hidden: true,
    fields_are_names: false,
    declare,
    normal,
    unquote: unquote::python,
    module: |module| Some(module).filter(|module| !module.starts_with('.')),
};

const TABLE: Table = Table {
    roles: &[
        ("comment", Role::Comment),
        ("identifier", Role::Name),
        ("attribute", Role::Member("object", "attribute")),
        ("subscript", Role::Index("value", "subscript")),
        ("call", Role::Call("function", "arguments")),
        ("string", Role::Text),
        ("concatenated_string", Role::Texts),
        ("integer", Role::Number),
        ("binary_operator", Role::Join("left", "right")),
        ("boolean_operator", Role::Or("left", "right")),
        ("parenthesized_expression", Role::Inner),
        ("await", Role::Inner),
        ("conditional_expression", Role::Plain),
        ("list", Role::List),
        ("tuple", Role::List),
        ("pattern_list", Role::List),
        ("tuple_pattern", Role::List),
        ("list_pattern", Role::List),
        ("expression_list", Role::List),
        ("keyword_argument", Role::Of("value")),
        ("assignment", Role::Bind("left", "right")),
        ("named_expression", Role::Bind("name", "value")),
        ("default_parameter", Role::Bind("name", "value")),
        ("typed_default_parameter", Role::Bind("name", "value")),
        ("augmented_assignment", Role::Declares(&["left"])),
        ("for_statement", Role::Declares(&["left"])),
        ("for_in_clause", Role::Declares(&["left"])),
        ("function_definition", Role::Function("name", "parameters")),
        ("lambda", Role::Function("name", "parameters")),
        ("class_definition", Role::Class("name")),
        ("import_statement", Role::Import),
        ("import_from_statement", Role::Import),
        ("delete_statement", Role::Own),
        ("global_statement", Role::Own),
        ("as_pattern", Role::Own),
        ("case_pattern", Role::Plain),
    ],
    branches: &[
        "if_statement",
        "elif_clause",
        "for_statement",
        "while_statement",
        "except_clause",
        "case_clause",
        "conditional_expression",
        "if_clause",
        "for_in_clause",
        "assert_statement",
    ],
    shortcuts: &["and", "or"],
    functions: &["function_definition", "lambda"],
};

/// PEP 3131: identifiers are compared in normal form KC.
fn normal(name: &str) -> Cow<'_, str> {
    if name.is_ascii() || is_nfkc_quick(name.chars()) == IsNormalized::Yes {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.nfkc().collect())
    }
}

/// A module as it is written, blanks and continued lines left out.
fn path(written: &str) -> String {
    normal(written).chars().filter(|sign| !sign.is_whitespace() && *sign != '\\').collect()
}

fn declare(scopes: &mut Scopes<'_>, id: Id) {
    let tree = scopes.tree();
    match tree.kind(id) {
        "import_statement" => {
            for part in tree.fields(id, "name").collect::<Vec<_>>() {
                let (name, alias) = named(scopes, part);
                let module = path(tree.source(name));
                match alias {
                    Some(alias) => scopes.bind(alias, What::Path(module.as_str().into())),
                    None => {
                        let first = module.split('.').next().unwrap_or_default().to_owned();
                        if let Some(root) = tree.named(name).next() {
                            scopes.bind(root, What::Path(first.as_str().into()));
                        }
                    }
                }
                scopes.imports.push(Import { module, names: Vec::new(), at: name });
            }
        }
        "import_from_statement" => {
            let Some(from) = tree.field(id, "module_name") else { return };
            let module = path(tree.source(from));
            let mut names = Vec::new();
            for part in tree.fields(id, "name").collect::<Vec<_>>() {
                let (name, alias) = named(scopes, part);
                let word = normal(tree.source(name)).into_owned();
                let path = format!("{module}.{word}");
                let target = alias.or_else(|| tree.named(name).next()).unwrap_or(name);
                if !module.starts_with('.') {
                    scopes.bind(target, What::Path(path.as_str().into()));
                } else {
                    scopes.bind(target, What::Opaque);
                }
                names.push((word, name));
            }
            if tree.child(id, "wildcard_import").is_some() && !module.starts_with('.') {
                scopes.star(module.clone(), from);
            }
            scopes.imports.push(Import { module, names, at: from });
        }
        "delete_statement" => {
            for name in tree.below(id).filter(|below| tree.kind(*below) == "identifier").collect::<Vec<_>>() {
                let is_whole = tree.parent(name).is_some_and(|parent| {
                    matches!(tree.kind(parent), "delete_statement" | "expression_list" | "tuple")
                });
                if is_whole {
                    scopes.lift(name);
                }
            }
        }
        "global_statement" => tree.named(id).collect::<Vec<_>>().into_iter().for_each(|name| scopes.lift(name)),
        "as_pattern" => {
            if let Some(alias) = tree.field(id, "alias")
                && let Some(name) = tree.named(alias).next()
                && let Some(value) = tree.named(id).next()
                && tree.kind(name) == "identifier"
            {
                let is_context = tree.parent(id).is_some_and(|parent| tree.kind(parent) == "with_item");
                scopes.bind(name, if is_context { What::Opaque } else { What::Value(value) });
            }
        }
        _ => {}
    }
}

/// A name and what it is called here.
fn named(scopes: &Scopes<'_>, part: Id) -> (Id, Option<Id>) {
    let tree = scopes.tree();
    match tree.kind(part) {
        "aliased_import" => (tree.field(part, "name").unwrap_or(part), tree.field(part, "alias")),
        _ => (part, None),
    }
}
