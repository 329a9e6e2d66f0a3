//! Configuration files of three ranks in a directory of their own.
#![allow(dead_code, reason = "not every test uses all of it")]

use std::{fs, path::PathBuf};

use palisade::config::{Config, ConfigError, Places, Project, Said, Settings, Settled, Word};
use tempfile::TempDir;

/// A directory with a project, a user's and a system's file.
pub(crate) struct Files {
    top: TempDir,
}

impl Files {
    pub(crate) fn new(project: &str, user: &str, system: &str) -> Self {
        let top = tempfile::tempdir().unwrap();
        for (place, text) in [("project", project), ("user", user), ("system", system)] {
            fs::create_dir(top.path().join(place)).unwrap();
            if !text.is_empty() {
                fs::write(top.path().join(place).join("palisade.toml"), text).unwrap();
            }
        }
        Self { top }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.top.path().join(name)
    }

    pub(crate) fn places(&self) -> Places {
        Places {
            project: Project::Upwards(self.path("project")),
            user: Some(self.path("user/palisade.toml")),
            system: Some(self.path("system/palisade.toml")),
            home: Some(self.path("home")),
        }
    }

    pub(crate) fn settle(&self, caller: &Settings) -> Result<Settled, ConfigError> {
        Config::load(&self.places())?.settle(caller)
    }

    pub(crate) fn settled(&self) -> Settled {
        self.settle(&Settings::default()).unwrap()
    }
}

/// `KEY = VALUE (ORIGIN)` of one key.
pub(crate) fn row(settled: &Settled, key: &str) -> String {
    let row = settled.rows().into_iter().find(|row| row.key == key).unwrap();
    format!("{} ({})", row.value, row.from)
}

pub(crate) fn named(profile: &str) -> Settings {
    let mut caller = Settings::default();
    caller.profile = Some(Said::by_caller(Word(profile.to_owned())));
    caller
}
