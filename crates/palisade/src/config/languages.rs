//! Limits of programs in single languages (R42).
//!
//! What one source says of a language goes before what the same source says of all programs, and behind all that nearer sources
//! say: who is nearer decides first, then what is narrower. Not here: limits that a language has of itself
//! (`crate::language`).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use palisade_spec::{LimitsAsk, Policy};

use super::{
    Row, Settings, Settled,
    file::Sandbox,
    merge::merge,
    origin::Text,
    settle::{self, limits},
};
use crate::{
    diagnose::{Malformed, Mistake, nearest},
    language::{Language, LanguageError},
    resolve::own_languages,
};

/// What holds for all programs, and what for those in single languages.
#[derive(Clone, Debug, Default)]
pub(super) struct Merged {
    pub(super) settings: Settings,
    pub(super) languages: BTreeMap<String, Settings>,
}

impl Merged {
    /// Of sources, nearest first.
    pub(super) fn of(sources: Vec<Settings>) -> Self {
        let names: BTreeSet<String> = sources.iter().flat_map(|source| source.languages.keys().cloned()).collect();
        let one = |name: String| {
            let settings = merge(sources.iter().map(|source| source.of_language(&name)));
            (name, settings)
        };
        let languages = names.into_iter().map(one).collect();
        Self { languages, settings: merge(sources) }
    }

    /// The limits of all programs, and of those in these languages.
    pub(super) fn limits<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> Vec<LimitsAsk> {
        let each = names.into_iter().map(|name| self.languages.get(name).unwrap_or(&self.settings));
        std::iter::once(&self.settings).chain(each).map(limits).collect()
    }
}

impl Settings {
    /// What this says of programs in this language.
    fn of_language(&self, name: &str) -> Self {
        match self.languages.get(name) {
            Some(own) => own.clone().or(self.clone()),
            None => self.clone(),
        }
    }
}

impl Settled {
    /// What a program in this source file may do. If it is in no known language, running it says so.
    #[must_use]
    pub fn policy_of(&self, file: &Path, language: Option<&str>) -> Policy {
        if self.languages.is_empty() {
            return self.policy.clone();
        }
        let own = own_languages();
        let found = match language {
            Some(name) => Language::named(name, own.as_deref()),
            None => Language::for_path(file, own.as_deref()),
        };
        found.map_or_else(|_| self.policy.clone(), |language| self.policy_in(language.name()))
    }

    /// What a program in the language of this name may do.
    pub(super) fn policy_in(&self, language: &str) -> Policy {
        let limits = self.languages.get(language).map_or_else(|| self.policy.limits.clone(), settle::limits);
        Policy { limits, ..self.policy.clone() }
    }

    /// The limits of single languages where they are others than those of all programs.
    pub(super) fn language_rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (name, settings) in &self.languages {
            for (own, usual) in settings.limit_rows().into_iter().zip(self.settings.limit_rows()) {
                if own != usual
                    && let (key, Some((value, from))) = own
                {
                    rows.push(Row { key: row_key(name, key), value, from: from.clone() });
                }
            }
        }
        rows
    }
}

/// The key of a language's limit.
pub(super) fn row_key(language: &str, key: &str) -> String {
    format!("languages.{language}.{key}")
}

/// That there are languages of these names.
///
/// # Errors
/// Every name that no language has, with the nearest.
pub(super) fn check_names(sandbox: &Sandbox, text: &Text) -> Result<(), Malformed> {
    let profiles = sandbox.profiles.values().map(|profile| &profile.languages);
    let mut mistakes = Vec::new();
    for name in std::iter::once(&sandbox.languages).chain(profiles).flat_map(BTreeMap::keys) {
        let wanted = name.get_ref();
        let (message, instead) = match Language::named(wanted, own_languages().as_deref()) {
            Ok(language) if language.name() == wanted => continue,
            Ok(language) => (format!("`{wanted}` is another name"), format!("write `{}`", language.name())),
            Err(LanguageError::UnknownName { known, .. }) => {
                let near =
                    nearest(wanted, known.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`? "));
                let message = format!("no language is called `{}`", wanted.escape_debug());
                (message, format!("{}there are: {}", near.unwrap_or_default(), known.join(", ")))
            }
            // A definition of the user's own is wrong: what runs a file says so.
            Err(_) => continue,
        };
        mistakes.push(Mistake { instead: Some(instead), ..Mistake::new(name.span(), message) });
    }
    if mistakes.is_empty() { Ok(()) } else { Err(Malformed::new(&text.name, &text.content, mistakes)) }
}
