//! Configuration: files, profiles, and which of several sources holds (R24 to R26).
//!
//! ```text
//! Places ─find→ texts ─file→ Settings of each source ─merge→ Settings ─settle→ Policy, backend, variables
//!                                     └ profiles
//! ```
//!
//! Nearest first: the caller (command line), the project's file, the user's, the system's, what is built in. A profile stands
//! right behind the source that chose it. A system ceiling is no source: it narrows the result (`bounded`, `crate::run`).

mod bounded;
mod check;
mod file;
mod find;
mod languages;
mod merge;
mod notice;
mod origin;
mod profiles;
mod settle;
mod show;
mod word;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

pub(crate) use self::notice::in_one_line;
use self::{
    file::{Base, From},
    origin::Text,
};
pub use self::{
    file::{Settings, schema},
    find::{Places, Project},
    origin::{Origin, Rank, Said},
    settle::{ProfileOf, Settled},
    show::Row,
    word::{Count, FilesMode, Form, Holds, NetworkMode, Percent, Value, Word, Worded, count, percent},
};
use palisade_spec::Backend;

use crate::{diagnose::Malformed, environment::EnvironmentError};

/// What all configuration files say.
#[derive(Debug)]
pub struct Config {
    sources: Vec<Source>,
    /// Where configuration files can be, read or not.
    places: Vec<PathBuf>,
    /// What the paths of shipped profiles are relative to.
    workspace: PathBuf,
    /// Where the caller is.
    here: Option<PathBuf>,
    home: Option<PathBuf>,
}

/// What one file says.
#[derive(Debug)]
struct Source {
    text: Arc<Text>,
    settings: Settings,
    profiles: BTreeMap<String, Settings>,
}

impl Source {
    /// What it says, and what each profile in it says.
    fn tables(&self) -> impl Iterator<Item = &Settings> {
        std::iter::once(&self.settings).chain(self.profiles.values())
    }
}

/// Why no configuration could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file's text is not what it should be.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A file cannot be used.
    #[error("{}: {because}", in_one_line(file))]
    File {
        /// Which.
        file: PathBuf,
        /// Why not.
        because: String,
        /// What may help.
        hint: String,
    },
    /// Nobody defines this profile.
    #[error("there is no profile `{}`", name.escape_debug())]
    Profile {
        /// As asked for.
        name: String,
        /// The nearest, and all that there are.
        hint: String,
    },
    /// Two options of the caller cannot both hold.
    #[error("{mode} and {list} contradict each other")]
    Contradiction {
        /// The mode, as it was said.
        mode: String,
        /// The key of the list.
        list: &'static str,
        /// What may help.
        hint: String,
    },
    /// An environment that somebody has chosen cannot be opened.
    #[error(transparent)]
    Environment(Box<EnvironmentError>),
    /// A project's file, or an environment, wants programs to run without a wall.
    #[error("{by} says `backend = \"{backend}\"`: programs would run without a whole wall")]
    NoWall {
        /// Where it says so.
        by: String,
        /// What it says.
        backend: Backend,
    },
}

impl std::convert::From<EnvironmentError> for ConfigError {
    fn from(error: EnvironmentError) -> Self {
        Self::Environment(Box::new(error))
    }
}

impl ConfigError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Malformed(_) => None,
            Self::Environment(error) => error.hint(),
            Self::File { hint, .. } | Self::Profile { hint, .. } | Self::Contradiction { hint, .. } => {
                Some(hint.clone())
            }
            Self::NoWall { backend, .. } => Some(format!(
                "what came with a project or an environment cannot decide this: confirm it with --backend {backend}, or choose \
                 a wall with --backend native"
            )),
        }
    }
}

impl Config {
    /// Reads what is there. No file at all is a configuration as well.
    ///
    /// # Errors
    /// A file that is there and cannot be read, is not trusted, or says what it cannot.
    pub fn load(places: &Places) -> Result<Self, ConfigError> {
        let texts = places.texts()?;
        let workspace = workspace(places, texts.first());
        let here = match &places.project {
            Project::Upwards(here) => Some(here.clone()),
            _ => std::env::current_dir().ok(),
        };
        let mut config = Self { sources: Vec::new(), places: places.all(), workspace, here, home: places.home.clone() };
        for text in texts {
            config.sources.push(source(text, places.home.as_deref())?);
        }
        config.check_names()?;
        Ok(config)
    }

    /// As [`Config::load`], and looks at every profile as well, used or not.
    ///
    /// # Errors
    /// As [`Config::load`]; a profile that extends one which is not there, or itself; a policy that is not there or wrong.
    pub fn check(places: &Places) -> Result<Self, ConfigError> {
        let config = Self::load(places)?;
        config.check_chains()?;
        config.check_policies()?;
        Ok(config)
    }

    /// The files that were read, nearest first.
    pub fn files(&self) -> impl Iterator<Item = (&Path, Rank)> {
        self.sources.iter().map(|source| (source.text.path.as_path(), source.text.rank))
    }
}

/// The directory that programs of the profile `agent` may change: the project's, or where the caller is. Never a home or what
/// is above one, unless the caller is there: everything that the user has would be in it.
fn workspace(places: &Places, nearest: Option<&Text>) -> PathBuf {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let is_around_home = |directory: &Path| {
        let directory = real(directory);
        directory.parent().is_none() || places.home.as_ref().is_some_and(|home| real(home).starts_with(&directory))
    };
    let project = nearest.filter(|text| text.rank == Rank::Project).and_then(|text| text.path.parent());
    match (project.filter(|directory| !is_around_home(directory)), &places.project) {
        (Some(directory), _) => directory.to_owned(),
        (None, Project::Upwards(here)) => here.clone(),
        (None, _) => std::env::current_dir().unwrap_or_else(|_| "/".into()),
    }
}

fn source(text: Text, home: Option<&Path>) -> Result<Source, ConfigError> {
    let file::File { mut sandbox, cost, check: checked } = file::parse(&text)?;
    languages::check_names(&sandbox, &text)?;
    let text = Arc::new(text);
    let directory = text.path.parent().unwrap_or(Path::new("/")).to_owned();
    let base = Base { directory: &directory, home };
    let mut profiles = BTreeMap::new();
    for (name, profile) in std::mem::take(&mut sandbox.profiles) {
        let from = From::File(text.clone(), Some(Arc::from(name.get_ref().as_str())));
        let (span, name) = (name.span(), name.into_inner());
        profiles::check_name(&name, span, &text)?;
        let settings = profile.settings(&from, &base);
        check::values(&settings, &text)?;
        merge::check(&settings)?;
        profiles.insert(name, settings);
    }
    let from = From::File(text.clone(), None);
    let settings = checked.within(cost.within(sandbox.settings(&from, &base), &from), &from, &base);
    check::values(&settings, &text)?;
    merge::check(&settings)?;
    Ok(Source { text, settings, profiles })
}
