//! Which names a program gives to what, and where they hold.
//!
//! In: a tree. Out: [`Scopes`]: for each name in each scope, everything it is ever given, whatever the order; and the imports. A
//! name that is given two things means both: what a branch decides is not decided here. Not here: what the things are
//! (`value.rs`).

use std::{
    borrow::Cow,
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    rc::Rc,
};

use crate::{
    facts::Facts,
    role::Role,
    tree::{Id, Tree},
};

/// What a name is given.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// Something that is made here: a parameter, a function of the program's own.
    Opaque,
    /// The value of a node.
    Value(Id),
    /// A member of the value of a node.
    MemberOf(Id, String),
    /// An item of the value of a node.
    ItemOf(Id, usize),
    /// Something from outside.
    Path(Rc<str>),
    /// It is taken away again, or belongs to a scope further out.
    Removed,
}

#[derive(Clone, Debug)]
pub(crate) struct Binding {
    pub(crate) what: What,
}

/// A module that the program asks for.
#[derive(Clone, Debug)]
pub(crate) struct Import {
    pub(crate) module: String,
    /// What it takes from it by name, each with its place.
    pub(crate) names: Vec<(String, Id)>,
    pub(crate) at: Id,
}

/// Things that one name is given which are followed; a thing from outside is found where it is named in any case.
const MOST_BINDINGS: usize = 16;

/// Modules whose names all hold that are followed. Nobody asks for more.
pub(crate) const MOST_WILDCARDS: usize = 32;

/// All that one name is given in one scope.
#[derive(Debug, Default)]
struct Given {
    bindings: Vec<Binding>,
    /// Where it is first given something that no branch can pass by.
    sure_from: Option<u32>,
    is_removed: bool,
}

#[derive(Debug)]
struct Scope {
    parent: u32,
    /// The first node behind it.
    after: Id,
    /// What it declares is not seen from scopes in it: a class body in Python.
    is_hidden: bool,
}

/// Hashes numbers that count up: every name is looked for in every scope around it.
#[derive(Debug, Default)]
struct Numbers(u64);

impl Hasher for Numbers {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0.rotate_left(26) ^ u64::from(number)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

/// All names of a program.
#[derive(Debug)]
pub(crate) struct Scopes<'t> {
    tree: &'t Tree<'t>,
    facts: &'t Facts,
    scopes: Vec<Scope>,
    of: Vec<u32>,
    numbers: HashMap<Cow<'t, str>, u32, foldhash::fast::RandomState>,
    bindings: HashMap<(u32, u32), Given, BuildHasherDefault<Numbers>>,
    targets: Vec<bool>,
    current: u32,
    /// Modules whose names all hold.
    pub(crate) wildcards: Vec<String>,
    pub(crate) imports: Vec<Import>,
    /// Paths that the language's own code has seen used: directives, macros, `use` of a function.
    pub(crate) mentions: Vec<(String, Id)>,
    /// Members that are taken out of the value of a node into names.
    pub(crate) parts: Vec<(Id, String, Id)>,
    /// What the language's own code could not decide.
    pub(crate) undecided: Vec<(String, Id)>,
    /// Macros by their names: a body that was given up is `None`.
    pub(crate) macros: HashMap<&'t str, (Vec<&'t str>, &'t str)>,
}

/// Fields in which no name is declared.
const NOT_DECLARED: [&str; 10] =
    ["type", "value", "default_value", "right", "body", "size", "return_type", "superclass", "key", "parameters"];

impl<'t> Scopes<'t> {
    pub(crate) fn of(tree: &'t Tree<'t>, facts: &'t Facts) -> Self {
        let count = tree.all().len();
        let mut scopes = Self {
            tree,
            facts,
            scopes: vec![Scope { parent: 0, after: count as Id, is_hidden: false }],
            of: Vec::with_capacity(count),
            numbers: HashMap::default(),
            bindings: HashMap::default(),
            targets: vec![false; count],
            current: 0,
            wildcards: Vec::new(),
            imports: Vec::new(),
            mentions: Vec::new(),
            parts: Vec::new(),
            undecided: Vec::new(),
            macros: HashMap::new(),
        };
        for id in tree.all() {
            while scopes.scopes[scopes.current as usize].after <= id && scopes.current != 0 {
                scopes.current = scopes.scopes[scopes.current as usize].parent;
            }
            scopes.of.push(scopes.current);
            scopes.enter(id);
        }
        scopes
    }

    fn enter(&mut self, id: Id) {
        let tree = self.tree;
        match tree.role(id) {
            Role::Bind(target, value) => {
                if let Some(target) = tree.field(id, target) {
                    match tree.field(id, value) {
                        Some(value) => self.bind_pattern(target, value),
                        None => self.declare(target),
                    }
                }
            }
            Role::Declares(fields) => fields.iter().for_each(|field| self.declare_field(id, field)),
            Role::Block(fields) => {
                self.open(id, false);
                fields.iter().for_each(|field| self.declare_field(id, field));
            }
            Role::Function(name, parameters) => {
                self.declare_field(id, name);
                self.open(id, false);
                self.declare_field(id, parameters);
            }
            Role::Class(name) => {
                self.declare_field(id, name);
                self.open(id, self.facts.class_names_are_hidden);
            }
            Role::Import | Role::Own => (self.facts.declare)(self, id),
            _ => {}
        }
    }

    /// The tree, for the languages' own code.
    pub(crate) fn tree(&self) -> &'t Tree<'t> {
        self.tree
    }

    /// Begins a scope that ends with the node.
    pub(crate) fn open(&mut self, id: Id, is_hidden: bool) {
        self.scopes.push(Scope { parent: self.current, after: self.tree.after(id), is_hidden });
        self.current = (self.scopes.len() - 1) as u32;
    }

    fn declare_field(&mut self, id: Id, field: &str) {
        let tree = self.tree;
        for node in tree.fields(id, field).collect::<Vec<_>>() {
            self.declare(node);
        }
    }

    /// Every name of a pattern is something unknown.
    pub(crate) fn declare(&mut self, pattern: Id) {
        let tree = self.tree;
        let mut id = pattern;
        while id < tree.after(pattern) {
            match tree.role(id) {
                _ if id != pattern && NOT_DECLARED.iter().any(|field| tree.is_in(id, field)) => id = tree.after(id),
                Role::Name => {
                    self.bind(id, What::Opaque);
                    id = tree.after(id);
                }
                Role::Member(..) | Role::Index(..) | Role::Call(..) | Role::Method(..) | Role::Skip => {
                    id = tree.after(id)
                }
                _ => id += 1,
            }
        }
    }

    fn bind_pattern(&mut self, target: Id, value: Id) {
        let tree = self.tree;
        match (tree.role(target), tree.kind(target)) {
            (Role::Name, _) => self.bind(target, What::Value(value)),
            (Role::List, _) => {
                let items: Vec<Id> = tree.named(value).collect();
                let is_list = tree.role(value) == Role::List;
                let targets: Vec<Id> = tree.named(target).collect();
                for (index, one) in targets.into_iter().enumerate() {
                    let what = match items.get(index).filter(|_| is_list) {
                        Some(item) => What::Value(*item),
                        None => What::ItemOf(value, index),
                    };
                    match tree.role(one) {
                        Role::Name => self.bind(one, what),
                        _ => self.declare(one),
                    }
                }
            }
            (_, "object_pattern") => self.bind_members(target, value, ""),
            (Role::Inner, _) => {
                if let Some(inner) = tree.named(target).next() {
                    self.bind_pattern(inner, value);
                }
            }
            _ => self.declare(target),
        }
    }

    /// `{ a, b: c, d: { e }, f = 1 } = value`, where the value's member `above` is meant.
    fn bind_members(&mut self, pattern: Id, value: Id, above: &str) {
        let tree = self.tree;
        let below = |key: &str| if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") };
        for part in tree.named(pattern).collect::<Vec<_>>() {
            match tree.kind(part) {
                "shorthand_property_identifier_pattern" => self.bind_member(part, value, below(tree.source(part))),
                "object_assignment_pattern" => {
                    if let Some(name) = tree.field(part, "left") {
                        self.bind_member(name, value, below(tree.source(name)));
                        if let Some(default) = tree.field(part, "right") {
                            self.bind(name, What::Value(default));
                        }
                    }
                }
                "pair_pattern" => {
                    let key = below(tree.word(part, "key").trim_matches(['"', '\'']));
                    let Some(target) = tree.field(part, "value") else { continue };
                    match (tree.role(target), tree.kind(target)) {
                        (Role::Name, _) => self.bind_member(target, value, key),
                        (_, "object_pattern") => self.bind_members(target, value, &key),
                        // With a default, which `enter` binds.
                        (Role::Bind(name, _), _) => match tree.field(target, name) {
                            Some(name) if tree.role(name) == Role::Name => self.bind_member(name, value, key),
                            _ => self.declare(target),
                        },
                        _ => self.declare(target),
                    }
                }
                _ => self.declare(part),
            }
        }
    }

    fn bind_member(&mut self, name: Id, value: Id, member: String) {
        self.parts.push((value, member.clone(), name));
        self.bind(name, What::MemberOf(value, member));
    }

    /// The name at this node is given something, in the scope that is open.
    pub(crate) fn bind(&mut self, name: Id, what: What) {
        let text = (self.facts.normal)(self.tree.source(name));
        self.targets[name as usize] = true;
        self.bind_as(text, name, what);
    }

    /// All names of a module hold, from this node on.
    pub(crate) fn star(&mut self, module: String, at: Id) {
        if self.wildcards.contains(&module) {
            return;
        }
        if self.wildcards.len() < MOST_WILDCARDS {
            self.wildcards.push(module);
        } else {
            self.undecided.push(("which module a name comes from".to_owned(), at));
        }
    }

    /// The name at this node is written, and nothing is used or given by that: a prototype.
    pub(crate) fn pass_by(&mut self, name: Id) {
        self.targets[name as usize] = true;
    }

    /// A name that stands nowhere as such is given something.
    pub(crate) fn bind_as(&mut self, text: Cow<'t, str>, at: Id, what: What) {
        let count = self.numbers.len() as u32;
        let number = *self.numbers.entry(text).or_insert(count);
        let always = self.is_always(at);
        let scope = self.current;
        let at = self.tree.start(at);
        let given = self.bindings.entry((scope, number)).or_default();
        if matches!(what, What::Removed) {
            given.is_removed = true;
            return;
        }
        if always {
            given.sure_from = Some(given.sure_from.map_or(at, |from| from.min(at)));
        }
        if given.bindings.len() < MOST_BINDINGS {
            given.bindings.push(Binding { what });
        }
    }

    /// The name at this node belongs to the outermost scope: what it is given there and here is one.
    pub(crate) fn lift(&mut self, name: Id) {
        self.bind(name, What::Removed);
        let here = std::mem::replace(&mut self.current, 0);
        let text = (self.facts.normal)(self.tree.source(name));
        self.bind_as(text, name, What::Removed);
        self.current = here;
    }

    /// Whether the node is reached whenever its scope is.
    fn is_always(&self, id: Id) -> bool {
        if !self.facts.names_fall_through {
            return true;
        }
        let tree = self.tree;
        let mut here = id;
        while let Some(parent) = tree.parent(here) {
            if tree.grammar.is_function(tree.kind_id(parent)) && !tree.is_in(here, "name") {
                return true;
            }
            if tree.grammar.is_branch(tree.kind_id(parent))
                || matches!(tree.kind(parent), "try_statement" | "else_clause" | "finally_clause" | "match_statement")
            {
                return false;
            }
            here = parent;
        }
        true
    }

    /// Whether the program asks for a module of this name.
    pub(crate) fn is_module(&self, path: &str) -> bool {
        self.imports.iter().any(|import| import.module == path)
    }

    /// Whether a name is given something at this node.
    pub(crate) fn is_target(&self, id: Id) -> bool {
        self.targets[id as usize]
    }

    /// What the name means at the node, and whether it may also be one from outside.
    pub(crate) fn find(&self, name: &str, at: Id) -> (Vec<&Binding>, Reach) {
        let Some(number) = self.numbers.get(name) else { return (Vec::new(), Reach::Outside) };
        let own = self.of[at as usize];
        let mut scope = own;
        let mut found = Vec::new();
        loop {
            let known = &self.scopes[scope as usize];
            if (!known.is_hidden || scope == own)
                && let Some(given) = self.bindings.get(&(scope, *number))
            {
                found.extend(&given.bindings);
                let in_order = self.facts.names_fall_through && scope == own && scope == 0;
                let is_sure = given.sure_from.is_some_and(|from| !in_order || from < self.tree.start(at));
                if is_sure && !given.is_removed {
                    return (found, Reach::Inside);
                }
            }
            if scope == 0 {
                return (found, Reach::Outside);
            }
            scope = known.parent;
        }
    }
}

/// Where a name may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Only from this program.
    Inside,
    /// Also from the language itself.
    Outside,
}
