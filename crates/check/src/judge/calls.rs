//! Calls, and what is decided only when the program runs.
//!
//! In: a call. Out: findings about what it gives, loads, takes or runs, as far as that is known; or that nobody can know it. Not
//! here: names by themselves (`mod.rs`).

use palisade_spec::{Finding, FindingCode, Severity};

use super::Judge;
use crate::{bans::any_path, role::Role, scope::Reach, tree::Id, value::Value};

impl Judge<'_> {
    /// What a call gives, if that is not just its result: `__import__("os")`, `getattr(os, "system")`.
    pub(super) fn results(&mut self, id: Id) {
        for value in self.eval.of(id).iter() {
            if let Value::Path(path) = value
                && !path.ends_with("()")
            {
                self.path(path, id, &[]);
            }
        }
    }

    pub(super) fn call(&mut self, id: Id, callee: Id, arguments: &str) {
        for value in self.eval.of(callee).iter() {
            match value {
                Value::Path(path) => {
                    self.loads(path, id, arguments);
                    self.gets(path, id, arguments);
                    self.runs(path, id, arguments);
                    self.opens(path, id, arguments);
                    self.formats(path, id, callee);
                }
                // A name may be given 0 for nothing.
                Value::Number(_) if self.tree.kind(self.inner(callee)) == "cast_expression" => {
                    self.undecided("what stands at this address", callee, self.policy.dynamic.0);
                }
                _ => {}
            }
        }
        self.twice_indexed(callee);
    }

    /// A thing that is made of a file if it is given a text: its name.
    fn opens(&mut self, path: &str, id: Id, arguments: &str) {
        let Some((_, like)) = self.facts.openers.iter().find(|(opener, _)| *opener == path) else { return };
        let name = self.tree.field(id, arguments).and_then(|list| self.tree.named(list).next());
        let Some(name) = name else { return };
        // A builder of texts is known by its text as well, and may stand there.
        let is_name = |value: &Value| match value {
            Value::Text(text) => !text.is_empty(),
            Value::Path(path) => &**path == "java.lang.String()",
            _ => false,
        };
        if !matches!(self.tree.role(name), Role::Call(..)) && self.eval.of(name).iter().all(is_name) {
            self.import(like, id, &[]);
        }
    }

    /// `"{0.a.b}".format(x)` takes members as `x.a.b` does.
    fn formats(&mut self, path: &str, id: Id, callee: Id) {
        let Role::Member(object, _) = self.tree.role(callee) else { return };
        if !matches!(path, "text.format" | "text.format_map") {
            return;
        }
        let Some(Value::Text(text)) = self.tree.field(callee, object).map(|object| self.eval.one(object)) else {
            return;
        };
        for field in text.replace("{{", "").split('{').skip(1) {
            let field = field.split(['}', '!', ':']).next().unwrap_or_default();
            for member in field.split('.').skip(1) {
                let member = member.split('[').next().unwrap_or_default();
                self.path(&format!("?.{member}"), id, &[]);
            }
        }
    }

    /// `[][a][b]()`: two members by names that are not known are the constructor of all functions, or nothing that anybody writes.
    fn twice_indexed(&mut self, callee: Id) {
        let tree = self.tree;
        let unknown = |id: Id| {
            let Role::Index(object, key) = tree.role(id) else { return None };
            let key = tree.field(id, key).map(|key| self.eval.one(key))?;
            (!matches!(key, Value::Text(_) | Value::Number(_))).then(|| tree.field(id, object))?
        };
        let Some(object) = unknown(callee).and_then(unknown).map(|object| self.inner(object)) else { return };
        let is_constant = matches!(tree.role(object), Role::List | Role::Text | Role::Number | Role::Function(..));
        if is_constant || tree.grammar.is_function(tree.kind_id(object)) {
            self.undecided("which member this calls", callee, self.policy.dynamic.0);
        }
    }

    /// What stands in parentheses.
    fn inner(&self, id: Id) -> Id {
        let tree = self.tree;
        let next = |id: &Id| Some(*id).filter(|id| tree.role(*id) == Role::Inner).and_then(|id| tree.named(id).next());
        std::iter::successors(Some(id), next).last().unwrap_or(id)
    }

    /// What can do blocked things is given to something that is not followed: a list, whoever calls this.
    pub(super) fn given_away(&mut self, id: Id) {
        let tree = self.tree;
        let Some(parent) = tree.parent(id) else { return };
        let is_away = match tree.role(id) {
            Role::Pair => true,
            Role::Name | Role::Call(..) | Role::Method(..) => {
                matches!(tree.kind(parent), "argument_list" | "array_initializer" | "return_statement")
                    || tree.kind(parent) == "lambda_expression" && tree.is_in(id, "body")
            }
            _ => false,
        };
        let is_power = |path: &str| self.facts.powers.contains(&path);
        if is_away && any_path(&self.eval.of(id), is_power) {
            self.undecided("what is done with this", id, self.policy.dynamic.0);
        }
    }

    /// A call that gives a module for a name.
    pub(super) fn loads(&mut self, path: &str, id: Id, arguments: &str) {
        let Some(importer) = self.facts.importers.iter().find(|importer| importer.path == path) else { return };
        let argument = self.tree.field(id, arguments).and_then(|list| self.tree.named(list).nth(importer.argument));
        let Some(argument) = argument else { return };
        for value in self.eval.of(argument).iter() {
            match value {
                Value::Text(module) => {
                    let module = (self.facts.module)(module).map(|module| self.eval.canonical(module));
                    if let Some(Value::Path(module)) = module {
                        self.import(&module, argument, &[]);
                    }
                }
                _ => self.undecided("which module this loads", argument, self.policy.dynamic.0),
            }
        }
    }

    /// A call that gives a member for a name.
    fn gets(&mut self, path: &str, id: Id, arguments: &str) {
        let Some(getter) = self.facts.getters.iter().find(|getter| getter.path == path) else { return };
        let Some(list) = self.tree.field(id, arguments) else { return };
        let given: Vec<Id> = self.tree.named(list).collect();
        let Some(name) = given.get(getter.name) else { return };
        if !matches!(self.eval.one(*name), Value::Text(_)) {
            let holds_names = given.get(getter.object).is_some_and(|object| self.holds_names(*object));
            let severity = if holds_names { self.policy.dynamic.0 } else { Severity::Note };
            self.undecided("which member this takes", id, severity);
        }
    }

    /// A function that gives things for names is given to another one, which calls it with whatever it likes.
    pub(super) fn handed_on(&mut self, path: &str, id: Id) {
        let gives = self.facts.importers.iter().any(|importer| importer.path == path)
            || self.facts.getters.iter().any(|getter| getter.path == path);
        let is_argument =
            self.tree.parent(id).is_some_and(|parent| matches!(self.tree.kind(parent), "argument_list" | "arguments"));
        if gives && is_argument {
            self.undecided("what this is called with", id, self.policy.dynamic.0);
        }
    }

    /// A call that runs text as code: one that is given a text.
    fn runs(&mut self, path: &str, id: Id, arguments: &str) {
        let is_runner = |runner: &&str| runner.strip_prefix('*').map_or(*runner == path, |end| path.ends_with(end));
        if !self.facts.runners.iter().any(is_runner) {
            return;
        }
        let Some(text) = self.tree.field(id, arguments).and_then(|list| self.tree.named(list).next()) else { return };
        // A name that the program does not declare is given by somebody else.
        let is_free = || {
            let name = self.tree.source(text);
            !path.contains('.')
                && self.tree.role(text) == Role::Name
                && self.scopes.find(name, text).1 == Reach::Outside
        };
        if self.eval.of(text).iter().any(|value| matches!(value, Value::Text(_))) || is_free() {
            self.undecided("what this text does", text, self.policy.dynamic.0);
        }
    }

    pub(super) fn index(&mut self, id: Id, object: &str, key: &str) {
        let tree = self.tree;
        let (Some(object), Some(key)) = (tree.field(id, object), tree.field(id, key)) else { return };
        if self.holds_names(object) && !matches!(self.eval.one(key), Value::Text(_) | Value::Number(_)) {
            self.undecided("which member this takes", id, self.policy.dynamic.0);
        }
    }

    /// Whether an object holds the names of a module, or of everything.
    fn holds_names(&self, object: Id) -> bool {
        self.eval.of(object).iter().any(|value| match value {
            Value::Path(path) => {
                self.facts.namespaces.contains(&&**path)
                    || path.ends_with(".__dict__")
                    || self.modules.contains(&**path)
            }
            _ => false,
        })
    }

    pub(super) fn undecided(&mut self, what: &str, at: Id, severity: Severity) {
        let finding = Finding {
            code: FindingCode::DynamicCode,
            severity,
            message: format!("{what} is decided only when the program runs"),
            recommendation: Some("write the name out, so that everybody can see what is used".to_owned()),
            span: self.text.span(&self.tree.range(at)),
            policy: self.policy.dynamic.1.clone(),
        };
        self.findings.push(finding);
    }
}
