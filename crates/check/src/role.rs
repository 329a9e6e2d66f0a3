//! What the nodes of a grammar mean to the analysis: the shape of a language's table.
//!
//! In: a language's list of (kind of node, role). Out: [`Grammar`], where a role is looked up by number. Not here: the tables
//! themselves (`languages/`), what is done with roles (`scope.rs`, `value.rs`, `complexity.rs`).

use palisade_tables::Tables;
use tree_sitter::Language;
use tree_sitter_language::LanguageFn;

/// What a node is. Words in it are names of the grammar's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nothing by itself; what is below it is looked at.
    Plain,
    /// A comment.
    Comment,
    /// Nothing below it matters: a type in a language where types do nothing.
    Skip,
    /// A name that means something else: a variable, a function, a module.
    Name,
    /// `object.name`.
    Member(&'static str, &'static str),
    /// `object[key]`.
    Index(&'static str, &'static str),
    /// `callee(arguments)`; also `new callee(arguments)`.
    Call(&'static str, &'static str),
    /// `object.name(arguments)` in one node; the object may be missing.
    Method(&'static str, &'static str, &'static str),
    /// `a.b.c` in one node.
    Dotted,
    /// `object::name`: the first child and the last.
    Pair,
    /// A string, perhaps with values in it.
    Text,
    /// Strings beside each other, which are one.
    Texts,
    /// A whole number.
    Number,
    /// `left + right`, if the sign between them is `+`.
    Join(&'static str, &'static str),
    /// The value of the first child: parentheses, `await`.
    Inner,
    /// The value of this field: casts, named arguments.
    Of(&'static str),
    /// `(Type) value`: what is there, or a thing of the type.
    Cast(&'static str, &'static str),
    /// The value of the last child: `(0, eval)`.
    Last,
    /// The value of one of these fields.
    Either(&'static [&'static str]),
    /// `or` and the like: the value of one of two fields, whatever the sign.
    Or(&'static str, &'static str),
    /// Several values.
    List,
    /// `target = value`, both fields. Its own value is that of the second.
    Bind(&'static str, &'static str),
    /// Names in these fields are given values that are not known.
    Declares(&'static [&'static str]),
    /// Names declared in this field hold below the node only.
    Block(&'static [&'static str]),
    /// A named function or class: the name holds around it, a scope of its own is below it; parameters in the field.
    Function(&'static str, &'static str),
    /// A named type: the name holds around it.
    Class(&'static str),
    /// Imports: read by the language's own code.
    Import,
    /// Anything else that the language's own code looks at.
    Own,
}

/// A language's table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    pub(crate) roles: &'static [(&'static str, Role)],
    /// Nodes that are one more path through a function.
    pub(crate) branches: &'static [&'static str],
    /// Operators that are one more path.
    pub(crate) shortcuts: &'static [&'static str],
    /// Nodes that are functions.
    pub(crate) functions: &'static [&'static str],
}

/// A grammar with the roles of its nodes.
#[derive(Debug)]
pub(crate) struct Grammar {
    pub(crate) language: Language,
    /// The same, for our own parser.
    pub(crate) tables: Option<Tables>,
    roles: Vec<Role>,
    kinds: Vec<Box<str>>,
    fields: Vec<Box<str>>,
    branches: Vec<bool>,
    functions: Vec<bool>,
}

impl Grammar {
    pub(crate) fn new(generated: LanguageFn, tables: &[Table]) -> Self {
        let language = Language::new(generated);
        let count = language.node_kind_count();
        let kinds: Vec<Box<str>> =
            (0..count).map(|id| language.node_kind_for_id(id as u16).unwrap_or_default().into()).collect();
        let fields = (0..=language.field_count())
            .map(|id| language.field_name_for_id(id as u16).unwrap_or_default().into())
            .collect();
        let is_named = |id: usize| language.node_kind_is_named(id as u16);
        let mut roles = vec![Role::Plain; count];
        let mut branches = vec![false; count];
        let mut functions = vec![false; count];
        for table in tables {
            for (id, kind) in kinds.iter().enumerate() {
                let named = is_named(id);
                if let Some((_, role)) = table.roles.iter().find(|(name, _)| named && *name == &**kind) {
                    roles[id] = *role;
                }
                branches[id] |= if named { table.branches } else { table.shortcuts }.contains(&&**kind);
                functions[id] |= named && table.functions.contains(&&**kind);
            }
        }
        Self { language, tables: Tables::of(generated), roles, kinds, fields, branches, functions }
    }

    pub(crate) fn role(&self, kind: u16) -> Role {
        self.roles.get(usize::from(kind)).copied().unwrap_or(Role::Plain)
    }

    pub(crate) fn kind(&self, kind: u16) -> &str {
        self.kinds.get(usize::from(kind)).map_or("ERROR", |kind| kind)
    }

    pub(crate) fn field_name(&self, field: u16) -> &str {
        self.fields.get(usize::from(field)).map_or("", |name| name)
    }

    pub(crate) fn is_branch(&self, kind: u16) -> bool {
        self.branches.get(usize::from(kind)).copied().unwrap_or(false)
    }

    pub(crate) fn is_function(&self, kind: u16) -> bool {
        self.functions.get(usize::from(kind)).copied().unwrap_or(false)
    }
}
