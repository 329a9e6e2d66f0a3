//! From a recipe to an environment.
//!
//! In: a [`Recipe`]. Out: a finished environment, or nothing at all. Not here: starting the installer (`install`).

use std::{
    fs,
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
};

use palisade_spec::{Below, Environment, Interpreter, Manifest, Unfit, Value, VariableName};

use super::{MANIFEST, Store, draft::Draft, error::EnvironmentError, install, interpreter, store, tree};
use crate::{
    language::{Language, Packages, SearchPath, Toolchain},
    resolve::own_languages,
};

/// Variables that get the search path in every environment.
const PATH_VARIABLES: [&str; 2] = ["PALISADE_PATH", "SIMPLE_PATH"];
/// Where packages are, below the environment.
pub(super) const PACKAGES: &str = "packages";

/// What an environment is made of.
#[derive(Clone, Debug, Default)]
pub struct Recipe {
    /// Name of the language. Needed for packages.
    pub language: Option<String>,
    /// Packages: names that the installer knows, or paths of archives, projects, lists and directories of archives.
    pub packages: Vec<String>,
    /// Directories of archives in which packages are looked for.
    pub look_in: Vec<PathBuf>,
    /// Directories that are copied and put on the search path, after the packages.
    pub path: Vec<PathBuf>,
    /// Variables that programs get.
    pub variables: Vec<(String, String)>,
    /// Profile of programs that run in it.
    pub profile: Option<String>,
    /// Name of the installer; `None` takes the first that is there.
    pub installer: Option<String>,
    /// Whether the installer may download.
    pub internet: Internet,
    /// Whether packages from elsewhere may execute their own code while they are installed.
    pub scripts: Scripts,
}

/// Whether the installer may use the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Internet {
    /// It has none.
    #[default]
    Closed,
    /// **It has the host's, whole.**
    Open,
}

/// Whether packages may execute their own code while they are installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scripts {
    /// The installer is told not to. A project that is given as a directory is built all the same.
    #[default]
    Off,
    /// They may, inside the installer's sandbox.
    On,
}

impl Store {
    /// Makes an environment. It appears when all of it is there, and not at all if anything fails.
    ///
    /// The installer is stopped as soon as `cancel` becomes readable.
    ///
    /// # Errors
    /// If the name is taken, the recipe makes no sense, or the packages cannot be installed.
    pub fn create(
        &self,
        name: &str,
        recipe: &Recipe,
        cancel: Option<BorrowedFd<'_>>,
    ) -> Result<Environment, EnvironmentError> {
        self.free(name)?;
        let variables = recipe.variables.iter().cloned().map(variable).collect::<Result<_, Unfit>>();
        let mut manifest = Manifest {
            profile: recipe.profile.clone(),
            variables: variables.map_err(|unfit| nonsense("a variable", &unfit.to_string(), "--setenv NAME=VALUE"))?,
            path_variables: PATH_VARIABLES
                .into_iter()
                .flat_map(|name| VariableName::try_from(name.to_owned()))
                .collect(),
            ..Manifest::default()
        };
        let set_up = recipe.language.as_deref().map(SetUp::of).transpose()?;
        if let Some(set_up) = &set_up {
            set_up.describe(&mut manifest);
        }
        let path = recipe.path.iter().map(|path| directory(path)).collect::<Result<Vec<_>, _>>()?;
        let items = install::items(recipe, set_up.as_ref().and_then(|set_up| set_up.packages.as_ref()))?;

        let draft = Draft::begin(&self.prepare()?, name)?;
        // Somebody may have finished one meanwhile.
        self.free(name)?;
        fs::create_dir(draft.root()).map_err(EnvironmentError::io("create", draft.root()))?;
        tree::permit(&draft.root(), 0o755)?;
        if let Some(set_up) = &set_up
            && let Some(packages) = &set_up.packages
        {
            if !items.is_empty() {
                let installation = install::Installation { packages, tools: &set_up.tools, recipe, items: &items };
                installation.carry_out(&draft, cancel)?;
                manifest.packages = items.iter().map(install::Item::shown).collect();
                manifest.path.clone_from(&packages.path);
                manifest.programs.clone_from(&packages.programs);
                manifest.places.clone_from(&packages.places);
                // A package without programs makes no directory for them, and what is not there cannot be shown.
                let there = |below: &Below| draft.root().join(below.as_path()).is_dir();
                manifest.path.retain(there);
                manifest.programs.retain(there);
                manifest.places.retain(|_, below| there(below));
            }
            manifest.interpreter = Some(Interpreter {
                tool: packages.interpreter.tool.clone(),
                version: interpreter::version(packages, &set_up.tools)?,
            });
        }
        for (number, from) in path.iter().enumerate() {
            if number == 0 {
                let parent = draft.root().join("path");
                fs::create_dir(&parent).map_err(EnvironmentError::io("create", &parent))?;
                tree::permit(&parent, 0o755)?;
            }
            let below = format!("path/{}", number + 1);
            tree::copy(from, &draft.root().join(&below), |_| false)?;
            manifest.path.extend(Below::try_from(below));
        }
        if let (Some(set_up), Some(interpreter)) = (&set_up, &manifest.interpreter) {
            interpreter::remember(&draft.root(), &set_up.tools, interpreter);
        }
        draft.finish(&manifest)?;
        self.open(name)
    }
}

/// A language on this host, with what installs its packages.
struct SetUp {
    language: Language,
    tools: Toolchain,
    packages: Option<Packages>,
}

impl SetUp {
    fn of(name: &str) -> Result<Self, EnvironmentError> {
        let own = own_languages();
        let language = Language::named(name, own.as_deref())?;
        let packages = Packages::of(language.name(), own.as_deref())?;
        let tools = match &packages {
            Some(_) => language.locate(&SearchPath::of_this_process())?,
            None => Toolchain::default(),
        };
        Ok(Self { language, tools, packages })
    }

    fn describe(&self, manifest: &mut Manifest) {
        match &self.packages {
            Some(packages) => {
                manifest.languages.clone_from(&packages.languages);
                manifest.path_variables.extend(packages.path_variables.iter().cloned());
            }
            None => manifest.languages = vec![self.language.name().to_owned()],
        }
    }
}

fn variable((name, value): (String, String)) -> Result<(VariableName, Value), Unfit> {
    Ok((VariableName::try_from(name)?, Value::try_from(value)?))
}

fn directory(path: &Path) -> Result<PathBuf, EnvironmentError> {
    let wrong = |because: &str| nonsense(&path.display().to_string(), because, "--path DIR, a directory on this host");
    let real = path.canonicalize().map_err(|error| wrong(&error.to_string()))?;
    if real.is_dir() { Ok(real) } else { Err(wrong("it is not a directory")) }
}

pub(super) fn nonsense(what: &str, because: &str, hint: &str) -> EnvironmentError {
    EnvironmentError::Recipe { what: what.to_owned(), because: because.to_owned(), hint: hint.to_owned() }
}

/// That what an archive brought is a whole environment.
pub(super) fn whole(root: &Path) -> Result<Manifest, EnvironmentError> {
    let manifest = store::manifest(&root.join(MANIFEST))?;
    let shown = manifest.path.iter().chain(&manifest.programs).chain(manifest.places.values());
    let real = root.canonicalize().map_err(EnvironmentError::io("open", root))?;
    // Links were checked by their text; this is where they lead.
    let is_within = |below: &Below| {
        root.join(below.as_path())
            .canonicalize()
            .is_ok_and(|path| path.is_dir() && path != real && path.starts_with(&real))
    };
    match shown.into_iter().find(|below| !is_within(below)) {
        Some(missing) => Err(EnvironmentError::Damaged {
            path: root.join(MANIFEST),
            because: format!("`{}` is named there and is not a directory in it", missing.as_str()),
        }),
        None => Ok(manifest),
    }
}
