//! An environment (R30): packages, search path and variables that a program gets.
//!
//! A [`Manifest`] is the file `environment.toml` in an environment's directory. Not here: where environments are kept, how
//! they are made, what a program sees of them (`palisade::environment`).

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// An environment that has been opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// Its directory on the host: canonical.
    pub directory: PathBuf,
    /// What it says about itself.
    pub manifest: Manifest,
}

/// What an environment says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// Form of this file.
    pub schema: Schema,
    /// Short names of the languages that it is for; empty for any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// The packages as they were asked for; of a path, its last name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// Profile of programs that run in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The search path, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<Below>,
    /// Directories of programs, in order: they come first on `PATH`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<Below>,
    /// Variables that get the search path, joined with `:`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path_variables: Vec<VariableName>,
    /// Further places where the program sees a part of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub places: BTreeMap<Place, Below>,
    /// The interpreter that the packages were installed for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<Interpreter>,
    /// Variables that programs get.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<VariableName, Value>,
}

/// Form of a manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Schema {
    /// This one.
    #[default]
    #[serde(rename = "palisade.environment/1")]
    V1,
}

/// An interpreter, as far as packages depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Interpreter {
    /// Which tool of the language: its `id` in the language definition.
    pub tool: String,
    /// The part of its version that packages depend on, such as `3.11`.
    pub version: String,
}

/// A text of a manifest that has been checked.
macro_rules! checked {
    ($(#[$documentation:meta])* $name:ident, $check:ident) => {
        $(#[$documentation])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Unfit;

            fn try_from(text: String) -> Result<Self, Unfit> {
                match $check(&text) {
                    Ok(()) => Ok(Self(text)),
                    Err(because) => Err(Unfit { text, because }),
                }
            }
        }

        impl From<$name> for String {
            fn from(checked: $name) -> Self {
                checked.0
            }
        }
    };
}

checked! {
    /// A path below the environment's directory, such as `packages/bin`: no `..`, and no `:`, which separates paths.
    Below, below
}
checked! {
    /// A directory that a program sees at the root of its tree, such as `/node_modules`.
    Place, place
}
checked! {
    /// A variable's name: not empty, without `=`.
    VariableName, variable_name
}
checked! {
    /// A variable's value.
    Value, value
}

impl Below {
    /// As a path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl AsRef<Path> for Place {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

/// A text that cannot stand in its field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` {because}", text.escape_debug())]
pub struct Unfit {
    text: String,
    because: &'static str,
}

/// Names at the root that programs expect or that are the sandbox's own.
const TAKEN: [&str; 20] = [
    "bin", "boot", "build", "dev", "env", "etc", "home", "lib", "lib32", "lib64", "libx32", "mnt", "nix", "opt",
    "proc", "root", "sbin", "sys", "usr", "work",
];

fn below(text: &str) -> Result<(), &'static str> {
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    if text.split('/').all(plain) && !text.contains([':', '\0']) {
        Ok(())
    } else {
        Err("is not a path below the environment: write DIRECTORY/NAME, without `.`, `..` and `:`")
    }
}

fn place(text: &str) -> Result<(), &'static str> {
    let name = text.strip_prefix('/').unwrap_or_default();
    if name.is_empty() || name.starts_with('.') || name.contains(['/', ':', '\0']) {
        Err("is not a place for a part of an environment: write one name, such as /node_modules")
    } else if TAKEN.contains(&name) || matches!(name, "tmp" | "var" | "run" | "srv") {
        Err("is not a place for a part of an environment: that directory is the system's or the sandbox's own")
    } else {
        Ok(())
    }
}

fn variable_name(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.contains(['=', '\0']) {
        Err("is not the name of a variable: it must not be empty or contain `=`, nor a NUL byte")
    } else {
        Ok(())
    }
}

fn value(text: &str) -> Result<(), &'static str> {
    if text.contains('\0') { Err("is not a value for a variable: no program can receive a NUL byte") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_the_environment_are_refused() {
        for text in ["", "/etc", "../x", "a/../b", "./a", "a//b", "a/", "a:b", "a\0b"] {
            let error = Below::try_from(text.to_owned()).unwrap_err();
            assert!(error.to_string().contains("below the environment"), "{error}");
        }
        assert_eq!(Below::try_from("a/b".to_owned()).unwrap().as_path(), Path::new("a/b"));
    }

    #[test]
    fn a_place_is_one_new_name_at_the_root() {
        for text in ["", "/", "node_modules", "/a/b", "/..", "/usr", "/proc", "/work", "/env", "/tmp", "/.x", "/a:b"] {
            assert!(Place::try_from(text.to_owned()).is_err(), "{text}");
        }
        Place::try_from("/node_modules".to_owned()).unwrap();
    }

    #[test]
    fn variables_that_no_program_could_receive_are_refused() {
        for text in ["", "A=B", "A\0"] {
            assert!(VariableName::try_from(text.to_owned()).is_err(), "{text:?}");
        }
        assert!(Value::try_from("a\0".to_owned()).is_err());
        Value::try_from("a=b".to_owned()).unwrap();
    }
}
