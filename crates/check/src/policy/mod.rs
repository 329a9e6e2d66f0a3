//! What a policy blocks in one language: shipped policies and users' own, as data.
//!
//! In: the name of a shipped policy, or a text. Out: [`Policy`]. Not here: how a file is written (`file.rs`), finding what it
//! blocks (`judge.rs`).

mod file;

use std::{ops::Range, sync::Arc};

use palisade_spec::{PolicyLine, Severity};
use toml::Spanned;

pub(crate) use file::PatternKind;
pub use file::PolicyError;
use file::{Access, File, Table};

use crate::{Language, bans, parse::Nodes, pattern::Matcher};

/// The policies that come with palisade.
pub const SHIPPED: [(&str, &str); 3] = [
    ("default", include_str!("../../policies/default.toml")),
    ("permissive", include_str!("../../policies/permissive.toml")),
    ("strict", include_str!("../../policies/strict.toml")),
];

/// Something that is blocked.
#[derive(Clone, Debug)]
pub(crate) struct Ban {
    pub(crate) pattern: String,
    pub(crate) except: Arc<[String]>,
    pub(crate) does: Option<Arc<str>>,
    pub(crate) instead: Option<Arc<str>>,
    pub(crate) severity: Severity,
    pub(crate) line: PolicyLine,
}

/// A pattern of a user's own.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) matcher: Matcher,
    pub(crate) description: String,
    pub(crate) severity: Severity,
    pub(crate) recommendation: Option<String>,
    pub(crate) line: PolicyLine,
}

/// What is blocked in one language.
#[derive(Debug)]
pub struct Policy {
    pub(crate) largest: (u64, Option<PolicyLine>),
    pub(crate) dynamic: (Severity, Option<PolicyLine>),
    pub(crate) allowed: Option<(Vec<String>, PolicyLine)>,
    pub(crate) imports: Vec<Ban>,
    pub(crate) calls: Vec<Ban>,
    pub(crate) syntax: Vec<Ban>,
    pub(crate) searches: Vec<Search>,
}

/// What `allow_…` keys lift.
#[derive(Clone, Copy, Debug, Default)]
struct Lifted {
    network: Option<bool>,
    files: Option<bool>,
    commands: Option<bool>,
}

impl Lifted {
    /// What this leaves open, as the one below says it.
    fn or(self, below: &File) -> Self {
        Self {
            network: self.network.or(below.allow_network_access),
            files: self.files.or(below.allow_file_system_access),
            commands: self.commands.or(below.allow_external_commands),
        }
    }

    fn lifts(self, access: Option<Access>) -> bool {
        match access {
            Some(Access::Network) => self.network,
            Some(Access::Files) => self.files,
            Some(Access::Commands) => self.commands,
            None => None,
        }
        .unwrap_or(false)
    }
}

/// Where a text's lines are told.
struct Source<'a> {
    name: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn line(&self, span: &Range<usize>) -> PolicyLine {
        let before = self.text.get(..span.start).unwrap_or_default();
        PolicyLine { file: self.name.to_owned(), line: before.matches('\n').count() as u32 + 1 }
    }
}

impl Policy {
    /// A shipped policy for a language; `None` if there is none of that name.
    ///
    /// # Errors
    /// Never for the shipped ones; a test reads each.
    pub fn shipped(name: &str, language: Language) -> Option<Result<Self, PolicyError>> {
        SHIPPED.iter().find(|(shipped, _)| *shipped == name).map(|(name, text)| Self::read(name, text, language))
    }

    /// Which nodes it speaks of.
    pub(crate) fn nodes(&self) -> Nodes {
        if self.searches.iter().any(|search| matches!(search.matcher, Matcher::Query(_))) {
            Nodes::Queried
        } else if self.syntax.is_empty() && self.searches.is_empty() {
            Nodes::Known
        } else {
            Nodes::All
        }
    }

    /// A policy's text, for a language. `name` is what findings call it.
    ///
    /// # Errors
    /// If the text is not a policy, with the place.
    pub fn read(name: &str, text: &str, language: Language) -> Result<Self, PolicyError> {
        let file = file::read(text)?;
        let is_shipped = SHIPPED.iter().any(|(shipped, known)| *shipped == name && *known == text);
        let base = match &file.extends {
            Some(base) => Some(base.clone()),
            None if is_shipped => None,
            None => Some(Spanned::new(0..0, "default".to_owned())),
        };
        let lifted = Lifted {
            network: file.allow_network_access,
            files: file.allow_file_system_access,
            commands: file.allow_external_commands,
        };
        let mut policy = Self {
            largest: (file::LARGEST.0, None),
            dynamic: (Severity::Error, None),
            allowed: None,
            imports: Vec::new(),
            calls: Vec::new(),
            syntax: Vec::new(),
            searches: Vec::new(),
        };
        let extended = match base.as_ref().map(|base| &**base.get_ref()) {
            None | Some("none") => None,
            Some(name) => Some(SHIPPED.iter().find(|(shipped, _)| *shipped == name).ok_or_else(|| {
                let names: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
                let message = format!("`{name}` is not a shipped policy: there are {}, none", names.join(", "));
                PolicyError::new(base.as_ref().map_or(0..0, Spanned::span), message)
            })?),
        };
        // What a policy says itself goes before what it extends: the first line that fits is the one that holds.
        policy.add(file, &Source { name, text }, lifted, language)?;
        if let Some((shipped, text)) = extended {
            let below = file::read(text)?;
            let further = below.extends.as_ref().map(|base| base.get_ref().clone());
            let lifted = lifted.or(&below);
            policy.add(below, &Source { name: shipped, text }, lifted, language)?;
            // Shipped policies are two deep at most.
            if let Some((shipped, text)) = SHIPPED.iter().find(|(shipped, _)| further.as_deref() == Some(shipped)) {
                let below = file::read(text)?;
                let lifted = lifted.or(&below);
                policy.add(below, &Source { name: shipped, text }, lifted, language)?;
            }
        }
        Ok(policy)
    }

    fn add(&mut self, file: File, source: &Source<'_>, lifted: Lifted, language: Language) -> Result<(), PolicyError> {
        if let (None, Some(word)) = (&self.largest.1, &file.max_code_size) {
            self.largest = (file::size(word)?, Some(source.line(&word.span())));
        }
        if let (None, Some(severity)) = (&self.dynamic.1, &file.dynamic_code) {
            self.dynamic = (*severity.get_ref(), Some(source.line(&severity.span())));
        }
        let File { go, python, javascript, typescript, rust, java, cpp, c, .. } = file;
        let tables: Vec<Table> = match language {
            Language::Go => vec![go],
            Language::Python => vec![python],
            Language::JavaScript => vec![javascript],
            Language::TypeScript | Language::Tsx => vec![javascript, typescript],
            Language::Rust => vec![rust],
            Language::Java => vec![java],
            Language::Cpp => vec![c, cpp],
            Language::C => vec![c],
        };
        // A nearer policy's list holds alone; those of one policy for a language and the one that it builds on are one list.
        let is_listed = self.allowed.is_some();
        for mut table in tables {
            if let Some(allowed) = table.allowed_imports.take().filter(|_| !is_listed) {
                let line = source.line(&allowed.span());
                for name in allowed.get_ref() {
                    fits(name, allowed.span(), false)?;
                }
                let (list, _) = self.allowed.get_or_insert_with(|| (Vec::new(), line));
                list.extend(allowed.into_inner().iter().map(|name| canonical(name)));
            }
            self.add_table(table, source, lifted, language)?;
        }
        Ok(())
    }

    fn add_table(
        &mut self,
        table: Table,
        source: &Source<'_>,
        lifted: Lifted,
        language: Language,
    ) -> Result<(), PolicyError> {
        let nothing: Arc<[String]> = Arc::new([]);
        let plain = |word: &Spanned<String>| Ban {
            pattern: canonical(word.get_ref()),
            except: nothing.clone(),
            does: None,
            instead: None,
            severity: Severity::Error,
            line: source.line(&word.span()),
        };
        words(&table.blocked_imports, &table.blocked_calls)?;
        self.imports.extend(table.blocked_imports.iter().map(plain));
        self.calls.extend(table.blocked_calls.iter().map(plain));
        for block in table.block {
            words(&block.imports, &block.calls)?;
            if block.imports.is_empty() && block.calls.is_empty() && block.syntax.is_empty() {
                let because = "this blocks nothing: say what, in `imports`, `calls` or `syntax`";
                return Err(PolicyError::new(block.does.span(), because));
            }
            if lifted.lifts(block.access) {
                continue;
            }
            let except: Arc<[String]> = block.except.iter().map(|name| canonical(name)).collect();
            let (does, instead): (Arc<str>, Option<Arc<str>>) =
                (block.does.into_inner().into(), block.instead.map(Into::into));
            let ban = |word: &Spanned<String>| Ban {
                pattern: canonical(word.get_ref()),
                except: except.clone(),
                does: Some(does.clone()),
                instead: instead.clone(),
                severity: block.severity,
                line: source.line(&word.span()),
            };
            self.imports.extend(block.imports.iter().map(ban));
            self.calls.extend(block.calls.iter().map(ban));
            for kind in &block.syntax {
                if language.grammar().language.id_for_node_kind(kind.get_ref(), true) == 0 {
                    let message = format!("the grammar of {} has no node `{}`", language.name(), kind.get_ref());
                    return Err(PolicyError::new(kind.span(), message));
                }
            }
            self.syntax.extend(block.syntax.iter().map(ban));
        }
        for pattern in table.blocked_patterns {
            let span = pattern.pattern.span();
            let matcher = Matcher::new(pattern.pattern.get_ref(), pattern.kind, language)
                .map_err(|message| PolicyError::new(span.clone(), message))?;
            self.searches.push(Search {
                matcher,
                description: pattern.description,
                severity: pattern.severity,
                recommendation: pattern.recommendation,
                line: source.line(&span),
            });
        }
        Ok(())
    }
}

/// That each of them can fit something.
fn words(imports: &[Spanned<String>], calls: &[Spanned<String>]) -> Result<(), PolicyError> {
    let imports = imports.iter().map(|word| (word, false));
    imports
        .chain(calls.iter().map(|word| (word, true)))
        .try_for_each(|(word, is_call)| fits(word.get_ref(), word.span(), is_call))
}

fn fits(word: &str, span: Range<usize>, is_call: bool) -> Result<(), PolicyError> {
    match bans::never_fits(word, is_call) {
        Some(because) => Err(PolicyError::new(span, format!("`{word}` fits nothing: {because}"))),
        None => Ok(()),
    }
}

/// Paths are written with dots inside, whatever their language.
fn canonical(name: &str) -> String {
    name.replace("::", ".").replace("node:", "")
}
