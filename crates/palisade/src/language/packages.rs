//! How packages of a language are installed, and what a program needs to find them.
//!
//! In: a language's short name. Out: [`Packages`], whose commands can be filled. The data is in `packages/NAME.toml`, to
//! which a user may add `languages/packages/*.toml` of their own. Apart from the definition of the language, so that a
//! launch does not read it. Not here: installing (`environment`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use palisade_spec::{Below, Place, VariableName};
use serde::Deserialize;

use super::definition::ToolTable;
use super::error::LanguageError;
use super::locate::{self, ReadOnly, Toolchain};
use super::search::SearchPath;

const SHIPPED: [(&str, &str); 2] =
    [("python", include_str!("packages/python.toml")), ("javascript", include_str!("packages/javascript.toml"))];

/// How packages of one language are installed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Packages {
    /// Short names of the languages that use them.
    pub languages: Vec<String>,
    /// Where they are found, in the environment.
    pub path: Vec<Below>,
    /// Where their programs are.
    #[serde(default)]
    pub programs: Vec<Below>,
    /// Variables that the language reads its search path from.
    #[serde(default)]
    pub path_variables: Vec<VariableName>,
    /// Further places where the program sees a part of the environment.
    #[serde(default)]
    pub places: BTreeMap<Place, Below>,
    /// What they depend on.
    pub interpreter: AskedInterpreter,
    /// What can be installed.
    pub kinds: Kinds,
    /// Programs that install them, best first.
    pub installer: Vec<Installer>,
    /// What is not kept.
    #[serde(default)]
    pub discard: Discard,
}

/// A tool, and how it is asked for the part of its version that packages depend on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedInterpreter {
    /// A tool of the language definition.
    pub tool: String,
    /// Prints the version and nothing else.
    pub version: Vec<String>,
}

/// What can be installed beside packages of an index.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kinds {
    /// Ends of file names.
    pub archives: Vec<String>,
    /// Files by which a directory is known to be a package.
    pub projects: Vec<String>,
    /// Ends of names of files that list packages.
    pub lists: Vec<String>,
}

/// A program that installs packages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Installer {
    pub name: String,
    /// A command that gets it.
    pub obtain: String,
    /// Tools beside those of the language.
    #[serde(default)]
    tool: Vec<ToolTable>,
    /// Succeeds if the installer is there.
    pub check: Vec<String>,
    /// What to install follows.
    pub command: Vec<String>,
    /// Words for an installation without a network.
    pub offline: Vec<String>,
    /// Words for one with a network.
    #[serde(default)]
    pub online: Vec<String>,
    /// Words that keep code of packages from being executed.
    pub no_scripts: Vec<String>,
    /// Words for a file that lists packages.
    pub list: Option<Vec<String>>,
    /// The name under which such a file is put into the target instead.
    pub list_name: Option<String>,
    /// Names of files beside it that belong to it.
    #[serde(default)]
    pub list_beside: Vec<String>,
    /// Words for a directory of archives, if it can look in one.
    pub look_in: Option<Vec<String>>,
    /// Started once the packages are there. It may fail.
    #[serde(default)]
    pub after: Vec<String>,
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

/// What installers write and an environment does not keep.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Discard {
    /// Names of files, anywhere.
    pub names: Vec<String>,
    /// Names of files in the target itself.
    pub top: Vec<String>,
}

impl Packages {
    /// Those of the language, if palisade can install any. `own` is the directory of the user's own languages.
    ///
    /// # Errors
    /// If a file of the user's own cannot be read or is wrong.
    pub(crate) fn of(language: &str, own: Option<&Path>) -> Result<Option<Self>, LanguageError> {
        Ok(Self::all(own)?.into_iter().find(|packages| packages.languages.iter().any(|name| name == language)))
    }

    /// All of them, the user's own first.
    pub(crate) fn all(own: Option<&Path>) -> Result<Vec<Self>, LanguageError> {
        let mut all = Vec::new();
        for path in own.map(files_of).unwrap_or_default() {
            let text =
                fs::read_to_string(&path).map_err(|source| LanguageError::Unreadable { path: path.clone(), source })?;
            all.push(Self::parse(&path.display().to_string(), &text)?);
        }
        for (origin, text) in SHIPPED {
            all.push(Self::parse(origin, text)?);
        }
        Ok(all)
    }

    fn parse(origin: &str, text: &str) -> Result<Self, LanguageError> {
        toml::from_str(text)
            .map_err(|source| LanguageError::Malformed { origin: origin.to_owned(), source: Box::new(source) })
    }
}

impl Installer {
    /// The tools beside those of the language, or the first that is missing.
    pub(crate) fn locate(&self, language: &Toolchain, search: &SearchPath) -> Result<Toolchain, String> {
        let mut tools = language.clone();
        for table in &self.tool {
            let tool =
                locate::find(table, search).map_err(|_| format!("no `{}` on PATH", table.names.join("` or `")))?;
            tools.add(table.id.clone(), tool);
        }
        Ok(tools)
    }
}

/// What stands for the placeholders of an installer's words.
#[derive(Debug)]
pub(crate) struct Filling<'a> {
    pub tools: &'a Toolchain,
    /// Directory that packages are installed into.
    pub target: &'a str,
    /// Directory for what is needed meanwhile.
    pub scratch: &'a str,
    /// Where the program will see the target.
    pub place: &'a str,
}

impl Filling<'_> {
    /// The word with everything filled in; `item` is what is to be installed.
    ///
    /// # Errors
    /// The placeholder that there is nothing for.
    pub(crate) fn word(&self, word: &str, item: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = word;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, behind)) = after.split_once('}') else { return Err(format!("{{{after}")) };
            filled.push_str(before);
            let tool = name.strip_prefix("tool.").and_then(|id| self.tools.program(id)).and_then(Path::to_str);
            filled.push_str(match name {
                "target" => self.target,
                "scratch" => self.scratch,
                "place" => self.place,
                "item" => item,
                _ => tool.ok_or_else(|| format!("{{{name}}}"))?,
            });
            rest = behind;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// As [`Self::word`], for many.
    pub(crate) fn words(&self, words: &[String], item: &str) -> Result<Vec<String>, String> {
        words.iter().map(|word| self.word(word, item)).collect()
    }

    /// Host files that the tools read.
    pub(crate) fn reads(&self) -> Vec<ReadOnly> {
        self.tools.read_only()
    }
}

fn files_of(own: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(own.join("packages")).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_definition_is_read_and_its_words_can_be_filled() {
        let tools = Toolchain::default();
        let filling = Filling { tools: &tools, target: "/t", scratch: "/s", place: "/p" };
        for packages in Packages::all(None).unwrap() {
            for installer in &packages.installer {
                let mut words = installer.check.iter().chain(&installer.command).chain(&installer.after);
                assert!(words.all(|word| word.starts_with("{tool.") || filling.word(word, "").is_ok()));
                assert!(installer.list.is_some() != installer.list_name.is_some(), "{}", installer.name);
            }
        }
    }

    #[test]
    fn words_are_filled_and_an_unknown_placeholder_is_named() {
        let tools = Toolchain::default();
        let filling = Filling { tools: &tools, target: "/t", scratch: "/s", place: "/p" };
        assert_eq!(filling.word("a{target}/{item}{place}z", "x").as_deref(), Ok("a/t/x/pz"));
        assert_eq!(filling.word("{tool.none}", ""), Err("{tool.none}".to_owned()));
        assert!(filling.word("{target", "").is_err());
    }

    #[test]
    fn languages_that_share_packages_find_the_same_definition() {
        let of = |name| Packages::of(name, None).unwrap().map(|packages| packages.languages);
        assert_eq!(of("javascript"), of("typescript"));
        assert!(of("python").is_some() && of("c").is_none());
    }

    #[test]
    fn a_definition_of_ones_own_goes_first_and_a_wrong_one_is_named() {
        let own = tempfile::tempdir().unwrap();
        fs::create_dir(own.path().join("packages")).unwrap();
        let text = SHIPPED[0].1.replace("[\"python\"]", "[\"lua\"]");
        fs::write(own.path().join("packages/lua.toml"), &text).unwrap();
        assert!(Packages::of("lua", Some(own.path())).unwrap().is_some());
        fs::write(own.path().join("packages/lua.toml"), format!("colour = 1\n{text}")).unwrap();
        let error = Packages::of("lua", Some(own.path())).unwrap_err().to_string();
        assert!(error.contains("lua.toml") && error.contains("unknown field `colour`"), "{error}");
    }
}
