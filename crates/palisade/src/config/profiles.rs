//! Profiles: named settings, from files and shipped ones, each with those that it extends.
//!
//! Not here: when a profile holds and before whom (`settle.rs`).

use std::{ops::Range, sync::Arc};

use super::{
    Config, ConfigError, Said, Settings, Word,
    file::{Base, From, Profile},
    origin::{Origin, Rank, Text},
    settle::Scope,
};
use crate::diagnose::{Malformed, Mistake, nearest};

/// The profiles that come with palisade (R25, and two more).
const SHIPPED: [(&str, &str); 6] = [
    ("agent", include_str!("profiles/agent.toml")),
    ("ci", include_str!("profiles/ci.toml")),
    ("development", include_str!("profiles/development.toml")),
    ("judge", include_str!("profiles/judge.toml")),
    ("production", include_str!("profiles/production.toml")),
    ("testing", include_str!("profiles/testing.toml")),
];

/// Profiles for programs that may be hostile, and for directories that such programs have written in. They mean the same
/// everywhere: no file can say anything under these names.
pub(super) const SEALED: [&str; 2] = ["agent", "judge"];

/// That a file may define a profile of this name.
pub(super) fn check_name(name: &str, span: Range<usize>, text: &Arc<Text>) -> Result<(), Malformed> {
    if !SEALED.contains(&name) {
        return Ok(());
    }
    let message = format!("the profile `{name}` is palisade's own and means the same everywhere");
    let mistake = Mistake {
        instead: Some(format!("choose another name, and say extends = \"{name}\"")),
        ..Mistake::new(span, message)
    };
    Err(Malformed::new(&text.name, &text.content, vec![mistake]))
}

impl Config {
    /// Names of all profiles, sorted, each with where it is defined first.
    pub fn profiles(&self) -> Vec<&str> {
        let own = self.sources.iter().flat_map(|source| source.profiles.keys().map(String::as_str));
        let mut all: Vec<&str> = own.chain(SHIPPED.map(|(name, _)| name)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// What a profile says, nearest first: its own definitions, then those of the one that it extends, and so on.
    pub(super) fn chain(&self, wanted: &Said<Word<String>>, scope: Scope) -> Result<Vec<Settings>, ConfigError> {
        let mut all = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        let mut next = Some(wanted.clone());
        while let Some(Said { value: Word(name), by }) = next {
            if seen.contains(&name) {
                seen.push(name);
                return Err(circle(&seen, &by));
            }
            let definitions = self.definitions(&name, scope)?;
            if definitions.is_empty() {
                return if scope == Scope::All { Err(self.unknown(name, &by)) } else { Ok(all) };
            }
            next = definitions.iter().find_map(|settings| settings.extends.clone());
            all.extend(definitions.into_iter().map(|settings| Settings { extends: None, ..settings }));
            seen.push(name);
        }
        Ok(all)
    }

    fn definitions(&self, name: &str, scope: Scope) -> Result<Vec<Settings>, ConfigError> {
        let own = self.sources.iter().filter(|source| scope.has(source.text.rank));
        let mut all: Vec<Settings> = own.filter_map(|source| source.profiles.get(name).cloned()).collect();
        if let Some((name, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
            let profile: Profile = toml::from_str(text)
                .map_err(|error| Malformed::new(format!("profile {name}"), text, vec![Mistake::of_toml(&error)]))?;
            let base = Base { directory: &self.workspace, home: self.home.as_deref() };
            all.push(profile.settings(&From::Shipped(name), &base));
        }
        Ok(all)
    }

    fn unknown(&self, name: String, by: &Origin) -> ConfigError {
        let known = self.profiles();
        let near = nearest(&name, known.iter().copied()).map(|near| format!("did you mean `{near}`? "));
        let hint = format!("{}there are: {}", near.unwrap_or_default(), known.join(", "));
        match by {
            Origin::File(spot) => {
                let mistake = Mistake::new(spot.span.clone(), format!("there is no profile `{}`", name.escape_debug()));
                ConfigError::Malformed(spot.malformed(Mistake { instead: Some(hint), ..mistake }))
            }
            _ => ConfigError::Profile { name, hint },
        }
    }

    /// That no file of a project takes over a name that the user or the operator has given to something.
    pub(super) fn check_names(&self) -> Result<(), ConfigError> {
        let Some((project, others)) = self.sources.split_first().filter(|(first, _)| first.text.rank == Rank::Project)
        else {
            return Ok(());
        };
        for name in project.profiles.keys() {
            if let Some(other) = others.iter().find(|other| other.profiles.contains_key(name)) {
                return Err(ConfigError::File {
                    file: project.text.path.clone(),
                    because: format!("it defines the profile `{name}`, which is yours ({})", other.text.name),
                    hint: "give one of them another name: a project cannot change what your profiles mean".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// That every profile extends what is there, and not itself.
    pub(super) fn check_chains(&self) -> Result<(), ConfigError> {
        for name in self.profiles() {
            self.chain(&Said::by_caller(Word(name.to_owned())), Scope::All)?;
        }
        for wanted in self.sources.iter().filter_map(|source| source.settings.profile.as_ref()) {
            self.chain(wanted, Scope::All)?;
        }
        Ok(())
    }
}

fn circle(seen: &[String], by: &Origin) -> ConfigError {
    let message = format!("profiles extend each other in a circle: {}", seen.join(" extends "));
    match by {
        Origin::File(spot) => {
            let mistake = Mistake::new(spot.span.clone(), message);
            let instead = Some("extend another profile, or none".to_owned());
            ConfigError::Malformed(spot.malformed(Mistake { instead, ..mistake }))
        }
        // A circle is closed by a file: shipped profiles extend none.
        _ => ConfigError::Profile { name: seen.join(" extends "), hint: message },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_profile_can_be_read_and_says_nothing_contradictory() {
        let config =
            Config { sources: Vec::new(), places: Vec::new(), workspace: "/project".into(), here: None, home: None };
        config.check_chains().unwrap();
        for (name, _) in SHIPPED {
            for settings in config.definitions(name, Scope::All).unwrap() {
                super::super::merge::check(&settings).unwrap();
                assert_eq!(settings.extends, None, "{name}: a shipped profile stands for itself");
            }
        }
    }

    #[test]
    fn a_sealed_profile_says_every_key_that_opens_something() {
        let config =
            Config { sources: Vec::new(), places: Vec::new(), workspace: "/project".into(), here: None, home: None };
        for name in SEALED {
            let settings = config.definitions(name, Scope::All).unwrap().remove(0);
            let said = [
                settings.backend.is_some(),
                settings.network.is_some(),
                settings.filesystem.is_some(),
                settings.capabilities.is_some(),
                settings.on_hostile_call.is_some(),
                settings.time_limit.is_some() && settings.cpu_time_limit.is_some() && settings.memory_limit.is_some(),
                settings.process_limit.is_some() && settings.thread_limit.is_some(),
                settings.descriptor_limit.is_some() && settings.file_size_limit.is_some(),
                settings.tmp_size.is_some() && settings.tmp_inodes.is_some(),
                settings.output_limit.is_some() && settings.on_output_limit.is_some(),
            ];
            assert!(!said.contains(&false), "{name}: {said:?}");
        }
    }
}
