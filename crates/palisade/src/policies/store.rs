//! Where named policies are looked for: the operator's, the user's, the shipped ones.
//!
//! The first store that has an id decides: what the operator calls `judge` nobody else can. A file that is there and
//! wrong is an error, never a reason to look further. Not here: what a file may say (`read`), whether it is trusted
//! (`file`).

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use palisade_spec::NamedPolicy;
use serde::Serialize;

use super::{
    file::{Home, Owner, PolicyError, policy, text_of},
    read::is_id,
};
use crate::{diagnose::nearest, resolve::user_config};

/// The operator's.
const OPERATOR: &str = "/etc/palisade/policies";

macro_rules! shipped {
    ($($id:literal)+) => { &[$(($id, include_str!(concat!("shipped/", $id, ".toml")))),+] };
}

/// Embedded in the library: id and text.
const SHIPPED: &[(&str, &str)] = shipped!["agent" "judge" "no-network" "strict"];

/// Who made a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Whoever keeps this host: `/etc/palisade/policies`.
    Operator,
    /// The user: `$XDG_CONFIG_HOME/palisade/policies`.
    User,
    /// palisade.
    Shipped,
}

impl Origin {
    const ALL: [Self; 3] = [Self::Operator, Self::User, Self::Shipped];

    fn directory(self) -> Option<PathBuf> {
        match self {
            Self::Operator => Some(OPERATOR.into()),
            Self::User => user_config().map(|config| config.join("policies")),
            Self::Shipped => None,
        }
    }

    /// The text of a policy and the name of its file; `None` if this store does not have it.
    fn text(self, id: &str) -> Result<Option<(String, String)>, PolicyError> {
        let Some(directory) = self.directory() else {
            let shipped = SHIPPED.iter().find(|(known, _)| self == Self::Shipped && *known == id);
            return Ok(shipped.map(|(_, text)| (format!("shipped policy {id}"), (*text).to_owned())));
        };
        let path = directory.join(format!("{id}.toml"));
        let owner = if self == Self::Operator { Owner::Operator } else { Owner::Anybody };
        match text_of(&path, owner) {
            // Somebody else's home (`sudo -u`, with the HOME of before).
            Err(PolicyError::Unreadable { source, .. })
                if self == Self::User && source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Ok(None)
            }
            text => Ok(text?.map(|text| (path.display().to_string(), text))),
        }
    }

    const fn home(self) -> Home {
        match self {
            Self::Operator => Home::OfUser,
            Self::User | Self::Shipped => Home::OfCaller,
        }
    }

    fn ids(self) -> Result<Vec<String>, PolicyError> {
        let Some(directory) = self.directory() else {
            return Ok(SHIPPED.iter().filter(|_| self == Self::Shipped).map(|(id, _)| (*id).to_owned()).collect());
        };
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) if self == Self::User && error.kind() == io::ErrorKind::PermissionDenied => {
                return Ok(Vec::new());
            }
            Err(source) => return Err(PolicyError::Unreadable { path: directory, source }),
        };
        let id = |path: PathBuf| {
            let is_toml = path.extension().is_some_and(|extension| extension == "toml");
            path.file_stem().and_then(|stem| stem.to_str()).filter(|id| is_toml && is_id(id)).map(str::to_owned)
        };
        Ok(entries.flatten().filter_map(|entry| id(entry.path())).collect())
    }
}

/// One policy that can be asked for.
#[derive(Debug)]
pub struct Listed {
    /// What it is asked for by.
    pub id: String,
    /// Who made it.
    pub origin: Origin,
    /// Others of the same id that it covers.
    pub covers: Vec<Origin>,
    /// What it says, or what is wrong with it.
    pub policy: Result<NamedPolicy, PolicyError>,
}

/// The policy of this id: the operator's, else the user's, else the shipped one.
///
/// # Errors
/// If there is none, or the first one found is wrong or not to be trusted.
pub fn policy_of(id: &str) -> Result<NamedPolicy, PolicyError> {
    for origin in Origin::ALL.into_iter().filter(|_| is_id(id)) {
        if let Some((file, text)) = origin.text(id)? {
            return Ok(policy(&file, &text, Some(id), origin.home())?);
        }
    }
    // Another store that cannot be read does not matter for a list of what there is.
    let mut known: Vec<String> = Origin::ALL.into_iter().flat_map(|origin| origin.ids().unwrap_or_default()).collect();
    known.sort();
    known.dedup();
    let near = nearest(id, known.iter().map(String::as_str)).map(str::to_owned);
    Err(PolicyError::Unknown { id: id.to_owned(), known, near })
}

/// Every policy that can be asked for, by id.
///
/// # Errors
/// If a store is there and cannot be read.
pub fn policies() -> Result<Vec<Listed>, PolicyError> {
    let mut all: BTreeMap<String, Vec<Origin>> = BTreeMap::new();
    for origin in Origin::ALL {
        for id in origin.ids()? {
            all.entry(id).or_default().push(origin);
        }
    }
    let listed = |(id, mut origins): (String, Vec<Origin>)| {
        let policy = policy_of(&id);
        let origin = origins.remove(0);
        Listed { id, origin, covers: origins, policy }
    };
    Ok(all.into_iter().map(listed).collect())
}

/// Directories in which policies are looked for, the strongest first.
#[must_use]
pub fn policy_directories() -> Vec<PathBuf> {
    Origin::ALL.into_iter().filter_map(Origin::directory).collect()
}

/// Whether the text names a file and not an id.
#[must_use]
pub fn is_file_name(text: &str) -> bool {
    text.contains('/') || Path::new(text).extension().is_some_and(|extension| extension == "toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_policy_can_be_read_and_explains_itself() {
        for (id, text) in SHIPPED {
            let policy = policy(id, text, Some(id), Home::OfCaller).unwrap();
            assert!(!policy.description.is_empty() && !policy.name.is_empty(), "{id}");
            assert!(text.lines().filter(|line| line.starts_with('#')).count() >= 2, "{id} is commented");
            assert_ne!(policy.policy, palisade_spec::Policy::open(), "{id} narrows something");
        }
    }

    #[test]
    fn no_id_leads_out_of_a_store() {
        for id in ["../x", "/etc/passwd", "a/b", "", ".", "..", "-x", "A", "a\0b", &"a".repeat(65)] {
            assert!(matches!(policy_of(id), Err(PolicyError::Unknown { .. })), "{id}");
        }
    }
}
