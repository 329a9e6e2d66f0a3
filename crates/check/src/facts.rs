//! What the analysis must know of a language beside its grammar: data, and a few functions of its own.
//!
//! Not here: the values (`languages/`).

use std::borrow::Cow;

use crate::{role::Table, scope::Scopes, tree::Id};

/// A function that gives a module for a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Importer {
    /// Its path.
    pub(crate) path: &'static str,
    /// Which argument is the name.
    pub(crate) argument: usize,
}

/// The object is given later.
pub(crate) const LATER: usize = usize::MAX;

/// A function that gives a member of an object for a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Getter {
    pub(crate) path: &'static str,
    pub(crate) object: usize,
    pub(crate) name: usize,
}

/// A language.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) tables: &'static [Table],
    pub(crate) importers: &'static [Importer],
    pub(crate) getters: &'static [Getter],
    /// Functions that run their first argument if it is a text; with `*` all whose path ends so.
    pub(crate) runners: &'static [&'static str],
    /// Things that are made of a file if they are given its name, and what that is like.
    pub(crate) openers: &'static [(&'static str, &'static str)],
    /// Objects by which blocked things are done: who gives one away does not know what for.
    pub(crate) powers: &'static [&'static str],
    /// Modules that other modules hold as a member.
    pub(crate) held: &'static [&'static str],
    /// Other spellings: a path that begins with the first is one that begins with the second.
    pub(crate) same: &'static [(&'static str, &'static str)],
    /// Objects that hold the names of everything: a key that is not known could be any of them.
    pub(crate) namespaces: &'static [&'static str],
    /// A module brings those above it: `import os.path` imports `os`.
    pub(crate) brings_parents: bool,
    /// A module can be used without an import, by its full name.
    pub(crate) is_qualified: bool,
    /// The first name of a path is a module that nothing imports, unless it is one of `own_types`.
    pub(crate) full_names_are_imports: bool,
    pub(crate) own_types: &'static [&'static str],
    /// A name that no statement has given anything yet is looked for outside.
    pub(crate) names_fall_through: bool,
    /// What a class declares is not seen from its functions.
    pub(crate) class_names_are_hidden: bool,
    /// `this.name` is `name`.
    pub(crate) fields_are_names: bool,
    /// Reads `Import` and `Own` nodes.
    pub(crate) declare: fn(&mut Scopes<'_>, Id),
    /// One spelling for each name.
    pub(crate) normal: fn(&str) -> Cow<'_, str>,
    /// What a string literal without values in it says.
    pub(crate) unquote: fn(&str) -> Option<String>,
    /// The module as policies write it; `None` if it is one of the program's own files.
    pub(crate) module: fn(&str) -> Option<&str>,
}

/// Names are what they are written as.
pub(crate) fn as_written(name: &str) -> Cow<'_, str> {
    Cow::Borrowed(name)
}

/// Every module is from outside.
pub(crate) fn any_module(module: &str) -> Option<&str> {
    Some(module)
}
