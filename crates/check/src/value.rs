//! What an expression is, as far as it can be known without running it.
//!
//! In: a tree and its scopes. Out: for a node, the few things it may be: something from outside by its path (`os.system`), a
//! constant, or unknown. Not here: folding of constants (`fold.rs`), what is forbidden (`judge.rs`).

use std::{
    borrow::Cow,
    cell::{OnceCell, RefCell},
    rc::Rc,
};

use crate::{
    facts::{Facts, LATER},
    fold,
    role::Role,
    scope::{Reach, Scopes, What},
    tree::{DEEPEST, Id, Tree},
};

/// Values that one expression may have; more are cut.
const MOST_VALUES: usize = 8;
/// Length of a path or constant that is followed, in bytes.
pub(crate) const LONGEST: usize = 4096;

/// One thing that an expression may be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Something from outside the program. `?` is an object that is not known.
    Path(Rc<str>),
    Text(Rc<str>),
    Number(i64),
    List(Rc<[Value]>),
    Unknown,
}

impl Value {
    pub(crate) fn path(path: &str) -> Self {
        if path.len() > LONGEST { Self::Unknown } else { Self::Path(path.into()) }
    }

    pub(crate) fn text(text: &str) -> Self {
        if text.len() > LONGEST { Self::Unknown } else { Self::Text(text.into()) }
    }
}

/// The things that an expression may be.
pub(crate) type Values = Rc<[Value]>;

/// The arguments of a call, which most calls are not asked for.
struct Arguments<'a, 't> {
    eval: &'a Eval<'t>,
    call: Id,
    field: &'static str,
    known: OnceCell<Vec<Value>>,
}

impl Arguments<'_, '_> {
    fn values(&self) -> &[Value] {
        let (eval, tree) = (self.eval, self.eval.tree);
        let list = || tree.field(self.call, self.field).into_iter().flat_map(|list| tree.named(list));
        self.known.get_or_init(|| list().take(64).map(|argument| eval.one(argument)).collect())
    }
}

/// Finds values, each node's once.
pub(crate) struct Eval<'t> {
    pub(crate) tree: &'t Tree<'t>,
    pub(crate) scopes: &'t Scopes<'t>,
    pub(crate) facts: &'t Facts,
    memo: RefCell<Vec<Option<Values>>>,
    depth: RefCell<usize>,
    unknown: Values,
}

impl<'t> Eval<'t> {
    pub(crate) fn new(tree: &'t Tree<'t>, scopes: &'t Scopes<'t>, facts: &'t Facts) -> Self {
        Self {
            tree,
            scopes,
            facts,
            memo: RefCell::new(vec![None; tree.all().len()]),
            depth: RefCell::new(0),
            unknown: Rc::new([Value::Unknown]),
        }
    }

    /// What the node may be.
    pub(crate) fn of(&self, id: Id) -> Values {
        if let Some(known) = &self.memo.borrow()[id as usize] {
            return known.clone();
        }
        if *self.depth.borrow() > DEEPEST {
            return self.unknown.clone();
        }
        // A name that is given itself is unknown while it is looked at.
        self.memo.borrow_mut()[id as usize] = Some(self.unknown.clone());
        *self.depth.borrow_mut() += 1;
        let values = self.look(id);
        *self.depth.borrow_mut() -= 1;
        self.memo.borrow_mut()[id as usize] = Some(values.clone());
        values
    }

    fn look(&self, id: Id) -> Values {
        let tree = self.tree;
        let all = match tree.role(id) {
            Role::Name => return self.name(id),
            Role::Member(object, name) => {
                let name = (self.facts.normal)(tree.word(id, name));
                match tree.field(id, object) {
                    Some(object) if self.is_own_field(object, &name) => return self.named(&name, id),
                    Some(object) => self.each(object, |value| self.member(value, &name)),
                    None => self.global(&name),
                }
            }
            Role::Index(object, key) => {
                let key = tree.field(id, key).map(|key| self.of(key));
                let Some(object) = tree.field(id, object) else { return self.unknown.clone() };
                let is_slice = tree.children(id).any(|child| tree.kind(child) == "slice");
                self.each(object, |value| match key.as_deref() {
                    _ if is_slice => match tree.child(id, "slice") {
                        Some(slice) => fold::slice(value, tree.source(slice)),
                        None => Value::Unknown,
                    },
                    Some([Value::Text(key)]) => self.member(value, key),
                    Some([Value::Number(number)]) => fold::item(value, *number),
                    _ => Value::Unknown,
                })
            }
            Role::Call(callee, arguments) => {
                let Some(callee) = tree.field(id, callee) else { return self.unknown.clone() };
                if let Some(name) = self.pasted(callee, id, arguments) {
                    return self.named(&name, id);
                }
                if let Some(given) = self.given_at_once(callee) {
                    return given;
                }
                let arguments = Arguments { eval: self, call: id, field: arguments, known: OnceCell::new() };
                let callees = self.callees(callee);
                callees.iter().map(|(object, value)| self.call(object, value, &arguments)).collect()
            }
            Role::Method(object, name, arguments) => {
                let name = tree.word(id, name);
                let arguments = Arguments { eval: self, call: id, field: arguments, known: OnceCell::new() };
                match tree.field(id, object).filter(|object| !self.is_own_field(*object, name)) {
                    Some(object) => self
                        .of(object)
                        .iter()
                        .map(|object| {
                            self.call(&(object.clone(), name.to_owned()), &self.member(object, name), &arguments)
                        })
                        .collect(),
                    None => {
                        let nobody = (Value::Unknown, String::new());
                        self.named(name, id).iter().map(|value| self.call(&nobody, value, &arguments)).collect()
                    }
                }
            }
            Role::Dotted => return self.dotted(tree.source(id), id),
            Role::Pair => {
                let name = tree.children(id).last().map_or("", |last| tree.source(last));
                match tree.named(id).next() {
                    Some(object) => self.each(object, |value| self.member(value, name)),
                    None => Vec::new(),
                }
            }
            Role::Text => vec![self.literal(id)],
            Role::Texts => {
                let parts: Vec<Value> = tree.named(id).map(|part| self.one(part)).collect();
                vec![fold::joined(&parts)]
            }
            Role::Number => vec![fold::number(tree.source(id)).map_or(Value::Unknown, Value::Number)],
            Role::Join(left, right) => {
                let parts =
                    [left, right].map(|side| tree.field(id, side).map_or(Value::Unknown, |side| self.one(side)));
                let sign = tree.children(id).find(|child| !tree.is_named(*child)).map_or("", |child| tree.kind(child));
                vec![fold::operator(sign, &parts)]
            }
            Role::Inner => match tree.named(id).next() {
                Some(inner) => return self.of(inner),
                None => Vec::new(),
            },
            Role::Last => match tree.named(id).last() {
                Some(last) => return self.of(last),
                None => Vec::new(),
            },
            Role::Of(field) => match tree.field(id, field) {
                Some(inner) => return self.of(inner),
                None => Vec::new(),
            },
            Role::Cast(kind, value) => {
                let mut all = tree.field(id, value).map_or_else(Vec::new, |value| self.of(value).to_vec());
                let name = tree.word(id, kind);
                if self.facts.same.iter().any(|(from, _)| *from == name) {
                    all.push(self.canonical(&format!("{name}()")));
                }
                all
            }
            Role::Bind(_, value) => match tree.field(id, value) {
                Some(value) => return self.of(value),
                None => Vec::new(),
            },
            Role::Either(fields) => fields
                .iter()
                .filter_map(|field| tree.field(id, field))
                .flat_map(|branch| self.of(branch).to_vec())
                .collect(),
            Role::Or(left, right) => [left, right]
                .iter()
                .filter_map(|side| tree.field(id, side))
                .flat_map(|side| self.of(side).to_vec())
                .collect(),
            Role::List => vec![Value::List(tree.named(id).take(1024).map(|item| self.one(item)).collect())],
            Role::Function(..) => vec![Value::path("function")],
            Role::Own if tree.grammar.is_function(tree.kind_id(id)) => vec![Value::path("function")],
            _ => Vec::new(),
        };
        if all.is_empty() { self.unknown.clone() } else { self.bounded(all) }
    }

    /// What a function gives that is called where it is written: `(function () { return this })()`.
    fn given_at_once(&self, callee: Id) -> Option<Values> {
        let tree = self.tree;
        let mut function = callee;
        while tree.role(function) == Role::Inner {
            function = tree.named(function).next()?;
        }
        if !tree.grammar.is_function(tree.kind_id(function)) {
            return None;
        }
        let body = tree.field(function, "body")?;
        if tree.kind(body) != "statement_block" {
            return Some(self.of(body));
        }
        let given = tree.child(body, "return_statement").and_then(|given| tree.named(given).next())?;
        match tree.kind(given) {
            "this" if tree.kind(function) == "function_expression" => Some(Rc::new([Value::path("globalThis")])),
            _ => Some(self.of(given)),
        }
    }

    /// `this.name`, where the class declares the name.
    pub(crate) fn is_own_field(&self, object: Id, name: &str) -> bool {
        self.facts.fields_are_names
            && self.tree.source(object) == "this"
            && self.scopes.find(name, object).1 == Reach::Inside
    }

    /// What a path as it is written means at a node: its first name may be one of the program's.
    pub(crate) fn dotted(&self, path: &str, at: Id) -> Values {
        let path: String = path.split_whitespace().collect::<String>().replace("::", ".");
        let mut parts = path.split('.').map(|part| part.split('<').next().unwrap_or_default());
        let mut values = self.named(parts.next().unwrap_or_default(), at);
        for part in parts {
            values = values.iter().map(|value| self.member(value, part)).collect();
        }
        values
    }

    /// The name that a C macro of the form `a##b` makes of this call's arguments.
    fn pasted(&self, callee: Id, call: Id, arguments: &str) -> Option<String> {
        if self.scopes.macros.is_empty() || self.tree.role(callee) != Role::Name {
            return None;
        }
        let list = self.tree.field(call, arguments)?;
        let given = self.tree.named(list).map(|argument| self.tree.source(argument).to_owned()).collect();
        self.expanded(self.tree.source(callee), given, 0)
    }

    /// What a macro of the form `a##b`, or one that hands on to such a one, makes of arguments.
    fn expanded(&self, name: &str, given: Vec<String>, steps: usize) -> Option<String> {
        let (parameters, body) = self.scopes.macros.get(name)?;
        if parameters.is_empty() || steps > 4 {
            return None;
        }
        let part = |word: &str| match parameters.iter().position(|parameter| *parameter == word.trim()) {
            Some(at) => given.get(at).cloned(),
            None => Some(word.trim().to_owned()),
        };
        if body.contains("##") {
            return body.split("##").map(part).collect();
        }
        let (name, arguments) = body.strip_suffix(')')?.split_once('(')?;
        let handed: Option<Vec<String>> = arguments.split(',').map(part).collect();
        self.expanded(name.trim(), handed?, steps + 1)
    }

    fn bounded(&self, all: Vec<Value>) -> Values {
        if all.len() == 1 {
            return all.into();
        }
        let mut kept: Vec<Value> = Vec::with_capacity(all.len().min(MOST_VALUES));
        for value in all {
            if kept.len() < MOST_VALUES && !kept.contains(&value) {
                kept.push(value);
            }
        }
        kept.into()
    }

    fn each(&self, id: Id, what: impl Fn(&Value) -> Value) -> Vec<Value> {
        self.of(id).iter().map(what).collect()
    }

    /// The value, if there is but one.
    pub(crate) fn one(&self, id: Id) -> Value {
        match &*self.of(id) {
            [value] => value.clone(),
            _ => Value::Unknown,
        }
    }

    fn name(&self, id: Id) -> Values {
        let name = (self.facts.normal)(self.tree.source(id));
        self.named(&name, id)
    }

    /// What a name means at a node.
    pub(crate) fn named(&self, name: &str, at: Id) -> Values {
        let (bindings, reach) = self.scopes.find(name, at);
        if bindings.is_empty() && reach == Reach::Inside {
            return self.unknown.clone();
        }
        let mut all: Vec<Value> = Vec::new();
        for binding in bindings.iter().rev().take(2 * MOST_VALUES) {
            match &binding.what {
                What::Opaque | What::Removed => all.push(Value::Unknown),
                What::Path(path) => all.push(self.rooted(path, at, 0)),
                What::Value(id) => all.extend(self.of(*id).iter().cloned()),
                What::MemberOf(id, name) => all.extend(self.each(*id, |value| self.member(value, name))),
                What::ItemOf(id, index) => all.extend(self.each(*id, |value| fold::item(value, *index as i64))),
            }
        }
        if reach == Reach::Inside {
            return self.bounded(all);
        }
        let mut kept = self.bounded(all).to_vec();
        kept.extend(self.global(name));
        kept.into()
    }

    /// A path whose first name may itself be one that an import has given: `use std as s; use s::process;`.
    pub(crate) fn rooted(&self, path: &str, at: Id, steps: usize) -> Value {
        if self.facts.is_qualified
            && steps < 4
            && let Some((root, rest)) = path.split_once('.')
        {
            let (bindings, _) = self.scopes.find(root, at);
            if let Some(What::Path(above)) = bindings.first().map(|binding| &binding.what)
                && **above != *path
            {
                return self.rooted(&format!("{above}.{rest}"), at, steps + 1);
            }
        }
        self.canonical(path)
    }

    /// What a name means that the program does not declare.
    fn global(&self, name: &str) -> Vec<Value> {
        let from_wildcards = self.scopes.wildcards.iter().map(|module| format!("{module}.{name}"));
        std::iter::once(name.to_owned()).chain(from_wildcards).map(|path| self.canonical(&path)).collect()
    }

    pub(crate) fn member(&self, object: &Value, name: &str) -> Value {
        match object {
            // A method of a constant is a function.
            Value::Path(path) if name == "constructor" && is_method_of_constant(path) => {
                self.canonical("function.constructor")
            }
            // `pathlib.os` is `os`.
            Value::Path(path) if self.facts.held.contains(&name) && self.scopes.is_module(path) => self.canonical(name),
            Value::Path(path) => self.canonical(&format!("{path}.{name}")),
            Value::Text(_) => Value::path(&format!("text.{name}")),
            Value::Number(_) => Value::path(&format!("number.{name}")),
            Value::List(_) => Value::path(&format!("list.{name}")),
            Value::Unknown => Value::path(&format!("?.{name}")),
        }
    }

    /// One spelling for each path.
    pub(crate) fn canonical(&self, path: &str) -> Value {
        let mut path = if path.contains("::") { Cow::Owned(path.replace("::", ".")) } else { Cow::Borrowed(path) };
        for _ in 0..4 {
            let Some((from, to)) = self.facts.same.iter().find(|(from, _)| {
                path.strip_prefix(from)
                    .is_some_and(|rest| from.ends_with('.') || rest.is_empty() || rest.starts_with(['.', '(']))
            }) else {
                break;
            };
            let rest = &path[from.len()..];
            path = Cow::Owned(format!("{to}{rest}"));
        }
        Value::path(&path)
    }

    /// What is called, each with its object and name if it is a member.
    fn callees(&self, callee: Id) -> Vec<((Value, String), Value)> {
        if let Role::Member(object, name) = self.tree.role(callee)
            && let Some(object) = self.tree.field(callee, object)
        {
            let name = (self.facts.normal)(self.tree.word(callee, name)).into_owned();
            return self.of(object).iter().map(|of| ((of.clone(), name.clone()), self.member(of, &name))).collect();
        }
        self.of(callee).iter().map(|value| ((Value::Unknown, String::new()), value.clone())).collect()
    }

    fn call(&self, (object, name): &(Value, String), callee: &Value, arguments: &Arguments<'_, '_>) -> Value {
        if matches!(object, Value::Text(_) | Value::List(_))
            && let Some(folded) = fold::method(object, name, arguments.values())
        {
            return folded;
        }
        let Value::Path(path) = callee else { return Value::Unknown };
        if let Some(importer) = self.facts.importers.iter().find(|importer| importer.path == &**path) {
            return match arguments.values().get(importer.argument) {
                Some(Value::Text(module)) => self.canonical((self.facts.module)(module).unwrap_or("?")),
                _ => Value::Unknown,
            };
        }
        if let Some(getter) = self.facts.getters.iter().find(|getter| getter.path == &**path) {
            return match (arguments.values().get(getter.object), arguments.values().get(getter.name)) {
                (Some(object), Some(Value::Text(name))) => self.member(object, name),
                (None, Some(Value::Text(name))) if getter.object == LATER => self.member(&Value::Unknown, name),
                _ => Value::Unknown,
            };
        }
        if fold::folds(path)
            && let Some(folded) = fold::function(path, arguments.values())
        {
            return folded;
        }
        self.canonical(&format!("{path}()"))
    }

    fn literal(&self, id: Id) -> Value {
        let tree = self.tree;
        let has_values =
            tree.named(id).any(|part| matches!(tree.kind(part), "interpolation" | "template_substitution"));
        if !has_values {
            return (self.facts.unquote)(tree.source(id)).map_or(Value::Unknown, |text| Value::text(&text));
        }
        let parts: Vec<Value> = tree
            .named(id)
            .filter(|part| !matches!(tree.kind(*part), "string_start" | "string_end"))
            .map(|part| match tree.kind(part) {
                "interpolation" | "template_substitution" => {
                    tree.named(part).next().map_or(Value::Unknown, |inner| self.one(inner))
                }
                _ => Value::text(&crate::unquote::unescaped(tree.source(part))),
            })
            .collect();
        fold::joined(&parts)
    }
}

/// `text.sub`, `list.map`: but not what makes such constants.
fn is_method_of_constant(path: &str) -> bool {
    path.split_once('.').is_some_and(|(of, method)| {
        matches!(of, "text" | "list" | "number") && !method.contains('.') && method != "constructor"
    })
}
