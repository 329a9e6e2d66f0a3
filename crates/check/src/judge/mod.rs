//! What a policy says of a program.
//!
//! In: names, values and imports of a program, and a policy. Out: findings. A thing is found where it is named, whether it is
//! called there or not: who holds it can call it anywhere. Its other names are not found again. Not here: calls, and what only the
//! run decides (`calls.rs`), how names are followed (`scope.rs`, `value.rs`), when a word of a policy fits a path (`bans.rs`).

mod calls;

use std::{collections::HashSet, rc::Rc};

use palisade_spec::{Finding, FindingCode, PolicyLine, Severity};

use crate::{
    Policy,
    bans::{any_path, hits, is_excepted, named_in, within},
    facts::Facts,
    policy::Ban,
    role::Role,
    scope::{Reach, Scopes},
    text::Text,
    tree::{Id, Tree},
    value::{Eval, Value, Values},
};

/// One program before its judge.
pub(crate) struct Judge<'t> {
    tree: &'t Tree<'t>,
    text: &'t Text<'t>,
    scopes: &'t Scopes<'t>,
    eval: Eval<'t>,
    facts: &'t Facts,
    policy: &'t Policy,
    modules: HashSet<String, foldhash::fast::RandomState>,
    /// Paths of which nothing is blocked, by the two kinds of rules: most names come again and again.
    harmless: [HashSet<Box<str>, foldhash::fast::RandomState>; 2],
    findings: Vec<Finding>,
}

/// Everything that the policy says of the program's names.
pub(crate) fn judge<'t>(
    tree: &'t Tree<'t>,
    text: &'t Text<'t>,
    scopes: &'t Scopes<'t>,
    facts: &'t Facts,
    policy: &'t Policy,
) -> Vec<Finding> {
    let eval = Eval::new(tree, scopes, facts);
    let modules = scopes
        .imports
        .iter()
        .filter_map(|import| match eval.canonical((facts.module)(&import.module)?) {
            Value::Path(path) => Some(path.to_string()),
            _ => None,
        })
        .collect();
    let mut judge =
        Judge { tree, text, scopes, eval, facts, policy, modules, harmless: Default::default(), findings: Vec::new() };
    judge.imports();
    for (path, at) in &scopes.mentions {
        judge.mention(path, *at);
    }
    for (object, name, at) in &scopes.parts {
        let objects = judge.eval.of(*object);
        for value in objects.iter() {
            if let Value::Path(path) = judge.eval.member(value, name) {
                judge.path(&path, *at, &objects);
            }
        }
    }
    for (what, at) in &scopes.undecided {
        judge.undecided(what, *at, policy.dynamic.0);
    }
    judge.walk();
    judge.findings
}

impl Judge<'_> {
    fn imports(&mut self) {
        for import in &self.scopes.imports {
            let Some(module) = (self.facts.module)(&import.module) else { continue };
            let Value::Path(module) = self.eval.rooted(module, import.at, 0) else { continue };
            let names = import.names.iter().map(|(name, at)| (format!("{module}.{name}"), *at));
            if self.import(&module, import.at, &names.clone().map(|(full, _)| full).collect::<Vec<_>>()) {
                continue;
            }
            for (full, at) in names {
                let Value::Path(full) = self.eval.canonical(&full) else { continue };
                if !self.import(&full, at, &[]) {
                    self.path(&full, at, &[]);
                }
            }
            self.path(&module, import.at, &[]);
        }
    }

    /// A module is asked for. `names` are all that is taken from it. Whether it was found.
    fn import(&mut self, module: &str, at: Id, names: &[String]) -> bool {
        let policy = self.policy;
        let is_star = self.scopes.wildcards.iter().any(|star| star == module);
        let hit = policy.imports.iter().find(|ban| {
            hits(&ban.pattern, module, self.facts.brings_parents)
                && !is_excepted(ban, module)
                // Where modules are used by full names, a part that does no harm may be all that is wanted.
                && (!self.facts.is_qualified || is_star || within(ban, module))
                && (names.is_empty() || names.iter().any(|name| !is_excepted(ban, name)))
        });
        if let Some(ban) = hit {
            self.banned(FindingCode::BlockedImport, ban, module, at);
            return true;
        }
        self.unlisted(module, at)
    }

    /// A module is used that may not be on the policy's list. Whether it is not.
    fn unlisted(&mut self, module: &str, at: Id) -> bool {
        let Some((allowed, line)) = &self.policy.allowed else { return false };
        if module.is_empty() || allowed.iter().any(|pattern| hits(pattern, module, true)) {
            return false;
        }
        self.findings.push(Finding {
            code: FindingCode::ImportNotAllowed,
            severity: Severity::Error,
            message: format!("`{module}` is not among the modules that may be imported"),
            recommendation: Some(if allowed.is_empty() {
                "import nothing".to_owned()
            } else {
                format!("allowed are: {}", allowed.iter().take(12).cloned().collect::<Vec<_>>().join(", "))
            }),
            span: self.text.span(&self.tree.range(at)),
            policy: Some(line.clone()),
        });
        true
    }

    /// The language's own code has seen this path used.
    fn mention(&mut self, path: &str, at: Id) {
        let is_macro = path.ends_with('!');
        if path.starts_with(['/', '#']) {
            self.path(path, at, &[]);
            return;
        }
        for value in self.eval.dotted(path.trim_end_matches('!'), at).iter() {
            if let Value::Path(path) = value {
                let path = if is_macro { self.eval.canonical(&format!("{path}!")) } else { Value::Path(path.clone()) };
                if let Value::Path(path) = path {
                    self.path(&path, at, &[]);
                    self.qualified(&path, at, &[]);
                }
            }
        }
    }

    /// Every node, but for those that mean nothing.
    fn walk(&mut self) {
        let tree = self.tree;
        let mut id = 0;
        while id < tree.all().end {
            match tree.role(id) {
                Role::Comment | Role::Skip => {
                    id = tree.after(id);
                    continue;
                }
                Role::Import if tree.kind(id) != "export_statement" || tree.field(id, "source").is_some() => {
                    id = tree.after(id);
                    continue;
                }
                Role::Name => self.name(id),
                Role::Member(object, _) => self.member(id, tree.field(id, object)),
                Role::Pair => self.member(id, tree.named(id).next()),
                Role::Dotted => self.dotted(id),
                Role::Index(object, key) => {
                    self.member(id, tree.field(id, object));
                    self.index(id, object, key);
                }
                Role::Call(callee, arguments) => {
                    self.results(id);
                    if let Some(callee) = tree.field(id, callee) {
                        self.call(id, callee, arguments);
                    }
                }
                Role::Method(object, name, _) => self.method(id, tree.field(id, object), tree.word(id, name)),
                _ => {}
            }
            if !self.policy.syntax.is_empty() {
                self.kind(id);
            }
            if !self.facts.powers.is_empty() {
                self.given_away(id);
            }
            id += 1;
        }
    }

    fn kind(&mut self, id: Id) {
        let kind = self.tree.kind(id);
        let policy = self.policy;
        if self.tree.is_named(id)
            && let Some(ban) = policy.syntax.iter().find(|ban| ban.pattern == kind)
        {
            let does = ban.does.as_deref().unwrap_or("is blocked");
            let range = self.tree.range(id);
            let line =
                self.tree.text.get(range.clone()).and_then(|text| text.lines().next()).unwrap_or_default().trim_end();
            let span = self.text.span(&(range.start..range.start + line.len()));
            self.push(FindingCode::UnsafeCodePattern, ban, format!("this {does}"), span);
        }
    }

    /// A name by itself, unless the program gave it its meaning: then that was the place to look at.
    fn name(&mut self, id: Id) {
        if self.scopes.is_target(id) || self.is_label(id) {
            return;
        }
        let name = (self.facts.normal)(self.tree.source(id));
        let (_, reach) = self.scopes.find(&name, id);
        if reach == Reach::Outside {
            for value in self.eval.of(id).iter() {
                if let Value::Path(path) = value {
                    self.path(path, id, &[]);
                    self.handed_on(path, id);
                }
            }
            // One that every file imports.
            if self.facts.is_qualified
                && let Value::Path(path) = self.eval.canonical(&name)
                && *path != *name
            {
                self.qualified(&path, id, &[]);
            }
            self.starred(&name, id);
        }
    }

    /// One of a module whose names all hold, if it is blocked by itself: what is blocked as a whole was found at the star.
    fn starred(&mut self, name: &str, at: Id) {
        if !self.facts.is_qualified {
            return;
        }
        let (policy, scopes) = (self.policy, self.scopes);
        for star in &scopes.wildcards {
            let Value::Path(path) = self.eval.canonical(&format!("{star}.{name}")) else { continue };
            let hit = policy.imports.iter().find(|ban| {
                within(ban, &path) && !is_excepted(ban, &path) && !hits(&ban.pattern, star, self.facts.brings_parents)
            });
            if let Some(ban) = hit {
                self.banned(FindingCode::BlockedImport, ban, &path, at);
            }
        }
    }

    /// Whether the name is one of a member, an argument or a label, which say nothing by themselves.
    fn is_label(&self, id: Id) -> bool {
        let tree = self.tree;
        let Some(parent) = tree.parent(id) else { return false };
        match tree.role(parent) {
            Role::Member(_, name) => tree.is_in(id, name),
            Role::Method(_, name, _) => tree.is_in(id, name),
            Role::Of(field) => !tree.is_in(id, field) && tree.kind(parent) == "keyword_argument",
            Role::Function(name, _) | Role::Class(name) => tree.is_in(id, name),
            Role::Dotted => true,
            Role::Pair => tree.children(parent).last() == Some(id),
            Role::Plain => matches!(
                tree.kind(parent),
                "labeled_statement" | "break_statement" | "continue_statement" | "goto_statement"
            ),
            _ => false,
        }
    }

    /// A member, if its object is not found already.
    fn member(&mut self, id: Id, object: Option<Id>) {
        let known = object.map_or_else(|| Rc::new([]) as Values, |object| self.eval.of(object));
        if let Some(root) = object {
            self.full_name(id, root);
        }
        for value in self.eval.of(id).iter() {
            if let Value::Path(path) = value {
                if self.facts.held.contains(&&**path) && !any_path(&known, |above| above.ends_with(&**path)) {
                    // As if it had been imported.
                    self.import(path, id, &[]);
                }
                self.path(path, id, &known);
                self.qualified(path, id, &known);
            }
        }
    }

    /// A path in one node. What it begins with was found where it was imported.
    fn dotted(&mut self, id: Id) {
        let root = self.tree.source(id).split(['.', '<', ' ']).next().unwrap_or_default();
        let known = match self.scopes.find(root, id) {
            (_, Reach::Inside) => self.eval.named(root, id),
            (_, Reach::Outside) => Rc::new([]) as Values,
        };
        for value in self.eval.of(id).iter() {
            if let Value::Path(path) = value {
                self.path(path, id, &known);
                self.qualified(path, id, &known);
            }
        }
    }

    /// A crate of Rust is used by its full name, which is as good as an import.
    fn full_name(&mut self, id: Id, root: Id) {
        let tree = self.tree;
        let is_path = self.facts.full_names_are_imports && tree.kind(id).starts_with("scoped_");
        if !is_path || tree.role(root) != Role::Name {
            return;
        }
        let name = (self.facts.normal)(tree.source(root));
        let is_crate = name.chars().all(|sign| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '_')
            && !self.facts.own_types.contains(&&*name);
        let (given, reach) = self.scopes.find(&name, root);
        if is_crate && given.is_empty() && reach == Reach::Outside {
            self.qualified(&name, root, &[]);
            self.unlisted(&name, root);
        }
    }

    fn method(&mut self, id: Id, object: Option<Id>, name: &str) {
        let object = object.filter(|object| !self.eval.is_own_field(*object, name));
        let known = object.map_or_else(|| Rc::new([]) as Values, |object| self.eval.of(object));
        let values = match object {
            Some(_) => known.iter().map(|object| self.eval.member(object, name)).collect(),
            None => match self.scopes.find(name, id) {
                // Its import was the place to look at.
                (_, Reach::Inside) => return,
                (_, Reach::Outside) => self.eval.named(name, id).to_vec(),
            },
        };
        for value in &values {
            if let Value::Path(path) = value {
                self.path(path, id, &known);
                if object.is_some() {
                    self.qualified(path, id, &known);
                }
                self.loads(path, id, "arguments");
            }
        }
    }

    /// A path is used. What is found in one of `known` is not found again.
    fn path(&mut self, path: &str, at: Id, known: &[Value]) {
        if self.harmless[0].contains(path) {
            return;
        }
        let fits = |ban: &&Ban| named_in(&ban.pattern, path) && !is_excepted(ban, path);
        let mut hits = self.policy.calls.iter().filter(fits).peekable();
        if hits.peek().is_none() {
            self.harmless[0].insert(path.into());
        } else if let Some(ban) = hits.find(|ban| !any_path(known, |path| named_in(&ban.pattern, path))) {
            self.banned(FindingCode::UnsafeCodePattern, ban, path, at);
        }
    }

    /// A module is used by its full name.
    fn qualified(&mut self, path: &str, at: Id, known: &[Value]) {
        if !self.facts.is_qualified {
            return;
        }
        if self.harmless[1].contains(path) {
            return;
        }
        let mut hits = self.policy.imports.iter().filter(|ban| within(ban, path) && !is_excepted(ban, path)).peekable();
        if hits.peek().is_none() {
            self.harmless[1].insert(path.into());
        } else if let Some(ban) = hits.find(|ban| !any_path(known, |path| within(ban, path))) {
            self.banned(FindingCode::BlockedImport, ban, path, at);
        }
    }

    fn banned(&mut self, code: FindingCode, ban: &Ban, path: &str, at: Id) {
        let written = self.tree.source(at).lines().next().unwrap_or_default();
        let name = match path.strip_prefix("?.").or_else(|| path.strip_prefix("function.")) {
            Some(member) => member,
            None => path,
        };
        let does = ban.does.as_deref().unwrap_or("is blocked");
        let plain =
            |text: &str| text.replace("::", ".").replace(['<', '>', '"', '\'', '`', ' '], "").replace("node:", "");
        let message = if plain(written).contains(name.trim_end_matches(['!', '(', ')'])) || written.len() > 60 {
            format!("`{name}` {does}")
        } else {
            format!("`{}` is `{name}`, which {does}", written.trim())
        };
        let span = self.text.span(&self.tree.range(at));
        self.push(code, ban, message, span);
    }

    fn push(&mut self, code: FindingCode, ban: &Ban, message: String, span: palisade_spec::Span) {
        self.findings.push(Finding {
            code,
            severity: ban.severity,
            message,
            recommendation: ban.instead.as_deref().map(str::to_owned),
            span,
            policy: Some(PolicyLine { file: ban.line.file.clone(), line: ban.line.line }),
        });
    }
}
