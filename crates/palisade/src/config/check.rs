//! What a file says that no run would accept, told where it stands.
//!
//! In: the settings of one table. Out: every mistake in it; and for `palisade config check`, what depends on the host: policies
//! that are not there, and, as warnings, environments and paths. Not here: how a value is written (`word.rs`), keys that
//! contradict each other (`merge.rs`).

use std::{io::ErrorKind, path::Path};

use palisade_spec::Bytes;

use super::{
    Config, ConfigError, Said, Settings, Word, Worded,
    notice::in_one_line,
    origin::{Origin, Rank, Text},
    word::Count,
};
use crate::{
    diagnose::{Malformed, Mistake, nearest},
    environment::{Store, check_name},
    policies::{PolicyError, PolicyFile, is_file_name, policy_of},
    resolve::{BAD_VARIABLE, LEAST_DESCRIPTORS, LEAST_INODES, LEAST_MEMORY, is_variable},
};

/// That a run could accept each value.
///
/// # Errors
/// All that it would refuse, with their places.
pub(super) fn values(settings: &Settings, text: &Text) -> Result<(), Malformed> {
    let mut all = Vec::new();
    for (name, said) in &settings.environment {
        if !is_variable(name, &said.value.0) {
            all.extend(at(&said.by, format!("`{}` cannot be a variable", name.escape_debug()), BAD_VARIABLE));
        }
    }
    if let Some(Said { value: Word(name), by }) = &settings.env
        && let Err(error) = check_name(name)
    {
        all.extend(at(by, error, "the name of an environment: `palisade env list` shows them"));
    }
    limits(settings, &mut all);
    settings.languages.values().for_each(|language| limits(language, &mut all));
    for said in [&settings.allow_read, &settings.allow_write, &settings.hidden].into_iter().flatten() {
        all.extend(said.value.iter().filter_map(|path| without_home(&path.0, &said.by)));
    }
    all.extend(settings.workspace.iter().filter_map(|said| without_home(&said.value.0, &said.by)));
    if let Some(said) = &settings.policy {
        for path in said.value.iter().filter(|word| is_file_name(&word.0)).map(|word| Path::new(&word.0)) {
            all.extend(without_home(path, &said.by));
            all.extend(no_policy(path, text).and_then(|message| {
                at(&said.by, message, format!("palisade policy check {} shows it", in_one_line(path)))
            }));
        }
    }
    for Said { value: Word(name), by } in [&settings.check, &settings.check_policy].into_iter().flatten() {
        let path = Path::new(name);
        if is_file_name(name) {
            all.extend(without_home(path, by));
            all.extend(foreign_validation(path, text).and_then(|message| at(by, message, "copy it into the project")));
        }
    }
    if all.is_empty() { Ok(()) } else { Err(Malformed::new(&text.name, &text.content, all)) }
}

/// Why a project cannot have a file as its validation policy: what is said of a malformed one shows a line of it.
fn foreign_validation(path: &Path, text: &Text) -> Option<String> {
    let own = text.path.parent()?.canonicalize().ok()?;
    let is_outside = text.rank == Rank::Project && path.canonicalize().is_ok_and(|real| !real.starts_with(&own));
    is_outside
        .then(|| format!("{} is outside of the project's directory: no validation policy of it", in_one_line(path)))
}

/// Limits with which no program could start.
fn limits(settings: &Settings, all: &mut Vec<Mistake>) {
    let memory = settings.memory_limit.as_ref();
    all.extend(memory.and_then(|said| least(said, LEAST_MEMORY, "even loading a program needs that much")));
    let counts = [(&settings.descriptor_limit, LEAST_DESCRIPTORS), (&settings.tmp_inodes, LEAST_INODES)];
    for (said, fewest) in counts {
        let said = said.as_ref();
        all.extend(said.and_then(|said| least(said, Count(fewest), "no program could start with fewer")));
    }
}

fn least<T: Least>(said: &Said<Word<T>>, least: T, because: &str) -> Option<Mistake> {
    let message = || format!("{} is less than {}: {because}", said.value.0.shown(), least.shown());
    (said.value.0 < least).then(|| at(&said.by, message(), least.hint())).flatten()
}

/// An amount that can be too small.
trait Least: Worded + PartialOrd {
    fn hint(&self) -> String;
}

impl Least for Bytes {
    fn hint(&self) -> String {
        format!("give at least \"{}M\"", self.0 >> 20)
    }
}

impl Least for Count {
    fn hint(&self) -> String {
        format!("give at least {}", self.0)
    }
}

/// A tilde that was left as it is: whose home it means is not known.
fn without_home(path: &Path, by: &Origin) -> Option<Mistake> {
    let first = path.components().next()?.as_os_str().to_str()?;
    if first == "~" {
        return at(by, "nobody knows what `~` is: HOME is not set to an absolute path", "write the whole path");
    }
    first.starts_with('~').then(|| at(by, not_expanded(path), OTHERS_HOME)).flatten()
}

/// Why a file outside of the project's directory is no policy. A repository could point at any file of its user's, and what
/// is said of a malformed one shows a line of it: in the log of a build, to everybody.
fn no_policy(path: &Path, text: &Text) -> Option<String> {
    let own = text.path.parent()?.canonicalize().ok()?;
    let is_outside = text.rank == Rank::Project && path.canonicalize().is_ok_and(|real| !real.starts_with(&own));
    let is_malformed = || matches!(PolicyFile::open(path), Err(PolicyError::Malformed(_)));
    let message =
        || format!("{} is no policy, and outside of the project's directory: its text is not shown", in_one_line(path));
    (is_outside && is_malformed()).then(message)
}

/// What to write instead of `~somebody/x`.
pub(super) const OTHERS_HOME: &str = "write the whole path; a file of this very name is ./~…";

/// `~somebody/x`, which a shell would make a path below another's home.
pub(super) fn not_expanded(path: &Path) -> String {
    format!("`{}`: only your own home has a short name here, `~/`", path.display().to_string().escape_debug())
}

/// A mistake at this place, if it is in a file.
fn at(by: &Origin, message: impl std::fmt::Display, instead: impl Into<String>) -> Option<Mistake> {
    let Origin::File(spot) = by else { return None };
    Some(Mistake { instead: Some(instead.into()), ..Mistake::new(spot.span.clone(), message) })
}

impl Config {
    /// That every policy which a file names, or a profile in it, is there and can be used.
    pub(super) fn check_policies(&self) -> Result<(), ConfigError> {
        for source in &self.sources {
            let mut all = Vec::new();
            for said in source.tables().filter_map(|settings| settings.policy.as_ref()) {
                for Word(id) in &said.value {
                    let found = if is_file_name(id) {
                        PolicyFile::open(Path::new(id)).map(drop)
                    } else {
                        policy_of(id).map(drop)
                    };
                    let Err(error) = found else { continue };
                    // One that is malformed shows its own text.
                    let message = match &error {
                        PolicyError::Malformed(malformed) => format!("{} is malformed", malformed.file),
                        other => other.to_string(),
                    };
                    all.extend(at(&said.by, message, error.hint().unwrap_or_default()));
                }
            }
            if !all.is_empty() {
                return Err(Malformed::new(&source.text.name, &source.text.content, all).into());
            }
        }
        Ok(())
    }

    /// What files say of things that are not there yet, in sentences. A run that needs them refuses.
    #[must_use]
    pub fn absent(&self) -> Vec<String> {
        let mut all = Vec::new();
        let environments: Vec<String> = Store::new(None).and_then(|store| store.names()).unwrap_or_default();
        for settings in self.sources.iter().flat_map(super::Source::tables) {
            if let Some(Said { value: Word(name), by }) = &settings.env
                && !environments.contains(name)
            {
                let near = nearest(name, environments.iter().map(String::as_str));
                let near = near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
                all.push(format!("{by}: there is no environment `{name}`{near}"));
            }
            let lists = [
                ("allow_read", &settings.allow_read),
                ("allow_write", &settings.allow_write),
                ("hidden", &settings.hidden),
            ];
            let lists = lists.into_iter().filter_map(|(key, said)| Some((key, said.as_ref()?)));
            let workspace = settings.workspace.iter().map(|said| ("workspace", &said.value, &said.by));
            let listed = lists.flat_map(|(key, said)| said.value.iter().map(move |path| (key, path, &said.by)));
            for (key, Word(path), by) in listed.chain(workspace) {
                if let Err(error) = path.metadata() {
                    let why = match error.kind() {
                        ErrorKind::NotFound => "nothing is there".to_owned(),
                        _ => error.to_string(),
                    };
                    all.push(format!("{by}: {key}: {}: {why}", in_one_line(path)));
                }
            }
        }
        all
    }
}
