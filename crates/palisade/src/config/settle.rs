//! From all sources to what a request needs.
//!
//! In: what the files and the caller say. Out: [`Settled`]: a policy, a wall, variables, and what to tell the caller. Not here:
//! how two sources meet (`merge.rs`).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use palisade_spec::{
    Backend, Capabilities, CostRates, Destinations, Dns, FilesPolicy, LimitsAsk, NetworkPolicy, Policy, Ports,
    Severity, Strength, Strictness,
};

use super::{
    Config, ConfigError, Said, Settings, Word,
    languages::Merged,
    merge,
    notice::{self, Side},
    origin::{Origin, Rank},
    profiles::SEALED,
    word::{FilesMode, NetworkMode},
};
use crate::{backend::strength_of, environment::EnvironmentError, hiding};

/// Ports of `allow_domains` if nobody says any.
const WEB: [u16; 2] = [80, 443];

/// What holds, for a request.
#[derive(Clone, Debug)]
pub struct Settled {
    /// What the program may do.
    pub policy: Policy,
    /// Behind which wall.
    pub backend: Backend,
    /// Ids of the policies that narrow it.
    pub policies: Vec<String>,
    /// Variables that it gets.
    pub environment: Vec<(String, String)>,
    /// The environment that it runs in.
    pub env: Option<String>,
    /// Host directory that it starts in. The policy lets it be changed.
    pub workspace: Option<PathBuf>,
    /// Prices to count with.
    pub rates: CostRates,
    /// The validation policy by which a source file is looked at before it is run; `None` if none is.
    pub check: Option<String>,
    /// The validation policy of `palisade check`.
    pub check_policy: String,
    /// The least severity of a finding that fails.
    pub check_fail_on: Severity,
    /// What a run says before it starts: how the project's file, or the environment's profile, widens what would hold without
    /// it, and a workspace that nobody named. Sentences for people.
    pub notices: Vec<String>,
    /// Everything that was said, with who said it.
    pub settings: Settings,
    /// The same, with the limits of programs in single languages.
    pub languages: BTreeMap<String, Settings>,
}

/// What names the profile of an environment, if that has one.
pub type ProfileOf<'a> = &'a dyn Fn(&str) -> Result<Option<String>, EnvironmentError>;

/// Which files count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// All of them.
    All,
    /// All but the project's.
    Trusted,
}

impl Scope {
    pub(super) fn has(self, rank: Rank) -> bool {
        self == Self::All || rank != Rank::Project
    }
}

impl Config {
    /// What holds if `caller` is said on top of the files.
    ///
    /// # Errors
    /// A profile that does not exist, options that contradict each other, a project's file that takes the wall away.
    pub fn settle(&self, caller: &Settings) -> Result<Settled, ConfigError> {
        self.settle_within(caller, &|_| Ok(None))
    }

    /// As [`Config::settle`], where environments name profiles. That of the environment that holds counts if no source before
    /// the one that chose the environment, nor that one, has chosen a profile. What it opens is told. What the profiles of
    /// other environments hide and bound that somebody has chosen holds all the same: nobody can take it away by choosing
    /// another environment.
    ///
    /// # Errors
    /// As [`Config::settle`]; an environment that takes the wall away, or that cannot be asked for its profile.
    pub fn settle_within(&self, caller: &Settings, profile_of: ProfileOf<'_>) -> Result<Settled, ConfigError> {
        merge::check(caller)?;
        let merged = self.merged(caller, profile_of, Scope::All)?;
        let settings = &merged.settings;
        let mut policy = policy(settings);
        let backend = said(&settings.backend).unwrap_or_default();
        let opened = |without: &Merged, directory: Option<&Path>| {
            let without_backend = said(&without.settings.backend);
            if strength_of(backend) < Strength::Namespaces && without_backend != Some(backend) {
                let by = settings.backend.as_ref().map(|backend| backend.by.to_string());
                return Err(ConfigError::NoWall { by: by.unwrap_or_default(), backend });
            }
            // A language of which only one of them says something has the limits of all programs in the other.
            let names = || merged.languages.keys().chain(without.languages.keys());
            let mut told = notice::widenings(
                directory,
                Side { policy: &policy, limits: &merged.limits(names()), backend: said(&settings.backend) },
                Side {
                    policy: &self::policy(&without.settings),
                    limits: &without.limits(names()),
                    backend: without_backend,
                },
            );
            told.extend(notice::other_servers(settings, &without.settings));
            Ok(told)
        };
        let check_policy = said(&settings.check_policy).unwrap_or_else(|| "default".to_owned());
        let check = match said(&settings.check).as_deref() {
            None | Some("off") => None,
            Some("on" | "") => Some(check_policy.clone()),
            Some(policy) => Some(policy.to_owned()),
        };
        let mut notices = Vec::new();
        if let Some(project) = self.sources.first().filter(|source| source.text.rank == Rank::Project) {
            let directory = project.text.path.parent();
            // A file in a home, or above it, would speak of everything that the user has.
            let own = directory.filter(|own| !self.home.as_ref().is_some_and(|home| home.starts_with(own)));
            let trusted = self.merged(caller, profile_of, Scope::Trusted)?;
            let mut told = opened(&trusted, own)?;
            if check.is_none() && said(&trusted.settings.check).is_some_and(|check| check != "off") {
                told.push("is not checked before it runs".to_owned());
            }
            // No profile can say these, and a sealed one is asked for where nothing is trusted.
            if settings.profile.as_ref().is_some_and(|profile| SEALED.contains(&profile.value.0.as_str())) {
                told.extend(notice::left_open(settings));
            }
            notices.extend(notice::sentence(&project.text.name, &told, "--no-config ignores this file"));
        }
        // An environment may come from a stranger as well.
        if let Some(Word(name)) = settings.env.as_ref().map(|said| &said.value)
            && let Some(profile) = profile_of(name)?
        {
            let told = opened(&self.merged(caller, &|_| Ok(None), Scope::All)?, None)?;
            let who = format!("environment {name} (profile {})", profile.escape_debug());
            notices.extend(notice::sentence(&who, &told, "--profile NAME goes before it"));
        }
        if let Some(Said { value: Word(workspace), by: Origin::Shipped(profile) }) = &settings.workspace
            && self.here.as_ref() != Some(workspace)
        {
            let told = [format!("may write {}, where the project's file is", notice::in_one_line(workspace))];
            notices.extend(notice::sentence(&format!("profile {profile}"), &told, "--workspace DIR names another"));
        }
        self.keep_own_files(&mut policy.files, caller);
        let words = |list: &Option<Said<Vec<Word<String>>>>| {
            list.iter().flat_map(|said| &said.value).map(|word| word.0.clone()).collect()
        };
        Ok(Settled {
            policy,
            backend,
            policies: words(&settings.policy),
            environment: settings.environment.iter().map(|(name, said)| (name.clone(), said.value.0.clone())).collect(),
            env: said(&settings.env),
            workspace: said(&settings.workspace),
            rates: CostRates {
                memory: said(&settings.cost_memory).unwrap_or(CostRates::default().memory),
                time: said(&settings.cost_time).unwrap_or(CostRates::default().time),
            },
            check,
            check_policy,
            check_fail_on: said(&settings.check_fail_on).unwrap_or_default(),
            notices,
            settings: merged.settings,
            languages: merged.languages,
        })
    }

    fn merged(&self, caller: &Settings, profile_of: ProfileOf<'_>, scope: Scope) -> Result<Merged, ConfigError> {
        let mut all = Vec::new();
        let (mut has_profile, mut has_environment) = (false, false);
        // Profiles of environments that do not count themselves.
        let mut displaced = Vec::new();
        let files = self.sources.iter().filter(|source| scope.has(source.text.rank)).map(|source| &source.settings);
        for source in std::iter::once(caller).chain(files) {
            let mut source = source.clone();
            let named = of_environment(&source, profile_of)?;
            if !has_environment && source.profile.is_none() {
                source.profile = named;
            } else {
                displaced.extend(named);
            }
            has_environment |= source.env.is_some();
            let chosen = source.profile.clone();
            all.push(source);
            // A profile stands right behind the source that chose it. Where a nearer one holds, what it takes away stays away.
            if let Some(profile) = chosen {
                let is_displaced = std::mem::replace(&mut has_profile, true);
                for settings in self.chain(&profile, scope)? {
                    displaced.extend(of_environment(&settings, profile_of)?);
                    all.push(if is_displaced { merge::only_narrowing(settings) } else { settings });
                }
            }
        }
        let mut seen = BTreeSet::new();
        while let Some(profile) = displaced.pop() {
            if seen.insert(profile.value.0.clone()) {
                let chain = match self.chain(&profile, scope) {
                    // One that nobody defines hides nothing.
                    Err(ConfigError::Profile { .. }) => continue,
                    chain => chain?,
                };
                for settings in chain {
                    displaced.extend(of_environment(&settings, profile_of)?);
                    all.push(merge::only_narrowing(settings));
                }
            }
        }
        Ok(Merged::of(all))
    }

    /// A program that may write where a configuration file is could otherwise decide what its next run may do, and one that
    /// may write what git runs, what the caller does next. Only the caller can let it, by the file's own name.
    fn keep_own_files(&self, files: &mut FilesPolicy, caller: &Settings) {
        if files.write.is_empty() {
            return;
        }
        let real = |path: &PathBuf| hiding::found(path);
        let named = caller.allow_write.iter().flat_map(|said| &said.value).filter_map(|word| real(&word.0));
        let (named, write): (Vec<PathBuf>, Vec<PathBuf>) =
            (named.collect(), files.write.iter().filter_map(real).collect());
        let own = self.places.iter().filter_map(real).filter(|file| write.iter().any(|tree| file.starts_with(tree)));
        let own = own.chain(write.iter().flat_map(|tree| run_by_git(tree)));
        files.kept.extend(own.filter(|file| !named.contains(file)));
    }
}

/// What git runs on the host, or takes commands from, in a repository here: hooks, the configuration (`core.fsmonitor`,
/// filters, aliases), and the file that says where the repository of a work tree is.
fn run_by_git(tree: &Path) -> impl Iterator<Item = PathBuf> {
    let git = tree.join(".git");
    let all = if git.is_dir() { vec![git.join("hooks"), git.join("config")] } else { vec![git] };
    all.into_iter().filter_map(|path| hiding::found(&path))
}

/// The profile of the environment that these settings choose.
fn of_environment(settings: &Settings, profile_of: ProfileOf<'_>) -> Result<Option<Said<Word<String>>>, ConfigError> {
    let Some(Word(name)) = settings.env.as_ref().map(|said| &said.value) else { return Ok(None) };
    let by = Origin::Environment(name.clone());
    Ok(profile_of(name)?.map(|profile| Said { value: Word(profile), by }))
}

/// The value of a key, if anybody said one.
fn said<T: Clone>(key: &Option<Said<Word<T>>>) -> Option<T> {
    key.as_ref().map(|said| said.value.0.clone())
}

/// The policy that these settings describe. What nobody said stays closed, or is left to the language.
pub(super) fn policy(settings: &Settings) -> Policy {
    let each = |list: &Option<Said<Vec<Word<PathBuf>>>>| {
        list.iter().flat_map(|said| &said.value).map(|word| word.0.clone()).collect::<Vec<_>>()
    };
    let (read, mut write) = match said(&settings.filesystem) {
        Some(FilesMode::ReadOnly) => {
            let all = std::iter::once("/".into()).chain(each(&settings.allow_read));
            (all.collect(), each(&settings.allow_write))
        }
        Some(FilesMode::Custom) => (each(&settings.allow_read), each(&settings.allow_write)),
        Some(FilesMode::None) | None => (Vec::new(), Vec::new()),
    };
    write.extend(said(&settings.workspace));
    Policy {
        files: FilesPolicy { read, write, hidden: each(&settings.hidden), kept: Vec::new() },
        network: match said(&settings.network) {
            Some(NetworkMode::Loopback) => NetworkPolicy::Loopback,
            Some(NetworkMode::Custom) => NetworkPolicy::Custom(destinations(settings)),
            Some(NetworkMode::AllowAll) => NetworkPolicy::AllowAll,
            Some(NetworkMode::None) | None => NetworkPolicy::None,
        },
        limits: limits(settings),
        capabilities: settings
            .capabilities
            .iter()
            .flat_map(|said| &said.value)
            .fold(Capabilities::default(), |sum, word| sum.join(word.0)),
        hostile_calls: said(&settings.on_hostile_call).unwrap_or_default(),
        output_excess: said(&settings.on_output_limit).unwrap_or_default(),
        strictness: match settings.strict.as_ref().map(|said| said.value) {
            Some(true) => Strictness::RefuseWeakened,
            Some(false) | None => Strictness::ReportWeakened,
        },
        strength: said(&settings.require).unwrap_or_default(),
    }
}

/// The limits that somebody said.
pub(super) fn limits(settings: &Settings) -> LimitsAsk {
    LimitsAsk {
        wall_time: said(&settings.time_limit),
        cpu_time: said(&settings.cpu_time_limit),
        memory: said(&settings.memory_limit),
        processes: said(&settings.process_limit).map(|count| count.0),
        threads: said(&settings.thread_limit).map(|count| count.0),
        descriptors: said(&settings.descriptor_limit).map(|count| count.0),
        file_size: said(&settings.file_size_limit),
        tmp_size: said(&settings.tmp_size),
        tmp_inodes: said(&settings.tmp_inodes).map(|count| count.0),
        output: said(&settings.output_limit),
        cpu_percent: said(&settings.cpu_limit).map(|percent| percent.0),
    }
}

/// Every domain with every port, and the single destinations.
fn destinations(settings: &Settings) -> Destinations {
    let ports = settings.allow_ports.as_ref().map_or_else(
        || Ports::of(WEB.map(|port| (port, port))),
        |said| said.value.iter().fold(Ports::default(), |sum, word| sum.join(&word.0)),
    );
    let domains = settings.allow_domains.iter().flat_map(|said| &said.value);
    let domains = domains.map(|word| (word.0.clone(), ports.clone()));
    let single = settings.allow_endpoints.iter().flat_map(|said| &said.value);
    let single = single.map(|word| (word.0.host.clone(), word.0.ports.clone()));
    let dns = settings.dns.as_ref().map_or(Dns::Any, |said| Dns::Only(said.value.iter().map(|word| word.0).collect()));
    Destinations::new(domains.chain(single), dns)
}
