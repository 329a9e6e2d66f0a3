//! Languages: which one a file is in, which tools it needs, what to start.
//!
//! In: a path or a name, and the host as a [`SearchPath`]. Out: a [`Language`], its [`Toolchain`], its [`Step`]s. All that
//! is particular to one language is in `languages/NAME.toml`, which a user may replace or add to; no language is named in
//! code. Not here: sandboxes, clamping of limits, compiling TypeScript, checking the source.

mod definition;
mod driver;
mod entry;
mod error;
mod launcher;
mod locate;
mod packages;
mod search;
mod step;
mod units;
mod words;

use std::path::{Path, PathBuf};
use std::{fs, io};

use definition::Definition;
pub use error::{Flaw, LanguageError, Skipped};
pub use locate::{ReadOnly, Toolchain};
pub(crate) use packages::{Filling, Installer, Packages};
pub use search::SearchPath;
pub use step::{Job, Limits, SourceFile, Step, Waiting};

/// Where the source and, in the run step, the artefact are inside the sandbox.
pub const WORK: &str = "/work";
/// Where the compile step leaves its artefact inside the sandbox.
pub const BUILD: &str = "/build";
/// Directory inside the sandbox of the program by which an interpreter waits.
pub const ZYGOTE: &str = "/.palisade/zygote";

/// A language that programs can be run in.
#[derive(Clone, Debug)]
pub struct Language {
    definition: Definition,
    /// The user's own directory that its definition is in.
    home: Option<PathBuf>,
}

/// A shipped definition. Names and extensions stand here too, so that a launch parses one definition and not all.
struct Shipped {
    /// Its name, then its other names.
    names: &'static [&'static str],
    extensions: &'static [&'static str],
    text: &'static str,
}

macro_rules! shipped {
    ($($name:literal $(or $alias:literal)*: $($extension:literal)+;)+) => {
        &[$(Shipped {
            names: &[$name $(, $alias)*],
            extensions: &[$($extension),+],
            text: include_str!(concat!("languages/", $name, ".toml")),
        }),+]
    };
}

const SHIPPED: &[Shipped] = shipped! {
    "python" or "py": "py";
    "javascript" or "js" or "node": "js" "mjs" "cjs";
    "typescript" or "ts": "ts" "mts" "cts";
    "go" or "golang": "go";
    "rust" or "rs": "rs";
    "java": "java";
    "cpp" or "c++" or "cxx": "cpp" "cc" "cxx";
    "c": "c";
};

impl Language {
    /// The language of a file, by its extension. Reads nothing of the file.
    ///
    /// A definition in `overrides` (every `*.toml` there) goes before the shipped one of the same name or extension.
    ///
    /// # Errors
    /// If no language or two of the user's own have the extension, or a definition is wrong.
    pub fn for_path(path: &Path, overrides: Option<&Path>) -> Result<Self, LanguageError> {
        let own = own(overrides)?;
        let known = || extensions(&own).into_iter().map(|e| format!(".{e}")).collect();
        let Some(extension) = path.extension() else {
            return Err(LanguageError::NoExtension { path: path.to_owned(), known: known() });
        };
        let extension = extension.to_string_lossy().to_ascii_lowercase();
        if let Some(language) = own.iter().find(|language| language.extensions().contains(&extension)) {
            return Ok(language.clone());
        }
        let fits = |shipped: &&Shipped| shipped.extensions.contains(&extension.as_str());
        match not_replaced(&own).find(fits) {
            Some(shipped) => shipped.language(),
            None => Err(LanguageError::UnknownExtension { path: path.to_owned(), extension, known: known() }),
        }
    }

    /// The language of that name or other name (`c++`, `js`), in any case.
    ///
    /// # Errors
    /// If there is none, or a definition is wrong.
    pub fn named(name: &str, overrides: Option<&Path>) -> Result<Self, LanguageError> {
        let own = own(overrides)?;
        let wanted = name.to_ascii_lowercase();
        if let Some(language) = own.iter().find(|language| language.is_called(&wanted)) {
            return Ok(language.clone());
        }
        if let Some(shipped) = not_replaced(&own).find(|shipped| shipped.names.contains(&wanted.as_str())) {
            return shipped.language();
        }
        let shipped = not_replaced(&own).filter_map(|shipped| shipped.names.first().map(|name| (*name).to_owned()));
        let known = own.iter().map(|language| language.name().to_owned()).chain(shipped).collect();
        Err(LanguageError::UnknownName { name: name.to_owned(), known })
    }

    /// Every language, the user's own first.
    ///
    /// # Errors
    /// If a definition is wrong.
    pub fn all(overrides: Option<&Path>) -> Result<Vec<Self>, LanguageError> {
        let mut all = own(overrides)?;
        let shipped = not_replaced(&all).map(Shipped::language).collect::<Result<Vec<_>, _>>()?;
        all.extend(shipped);
        Ok(all)
    }

    /// Short name, as in `languages/NAME.toml`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// Name for people.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.definition.title
    }

    /// File name extensions, without a dot.
    #[must_use]
    pub fn extensions(&self) -> &[String] {
        &self.definition.extensions
    }

    /// What each tool of it is called, by the name that is looked for first.
    pub fn tools(&self) -> impl Iterator<Item = &str> {
        self.definition.tools.iter().filter_map(|tool| tool.names.first()).map(String::as_str)
    }

    fn is_called(&self, name: &str) -> bool {
        self.name() == name || self.definition.aliases.iter().any(|alias| alias == name)
    }
}

impl Shipped {
    fn language(&self) -> Result<Language, LanguageError> {
        let origin = self.names.first().copied().unwrap_or_default();
        Definition::parse(origin, self.text).map(|definition| Language { definition, home: None })
    }
}

fn not_replaced(own: &[Language]) -> impl Iterator<Item = &'static Shipped> {
    SHIPPED.iter().filter(move |shipped| !own.iter().any(|language| shipped.names.contains(&language.name())))
}

fn extensions(own: &[Language]) -> Vec<String> {
    let own_extensions = own.iter().flat_map(|language| language.extensions().iter().cloned());
    let shipped = not_replaced(own).flat_map(|shipped| shipped.extensions.iter().map(|e| (*e).to_owned()));
    own_extensions.chain(shipped).collect()
}

/// The user's own definitions, in the order of their file names. A directory that does not exist holds none.
fn own(directory: Option<&Path>) -> Result<Vec<Language>, LanguageError> {
    let Some(directory) = directory else { return Ok(Vec::new()) };
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| LanguageError::Unreadable { path, source }
    };
    let entries = match fs::read_dir(directory) {
        // Not there, or somebody else's (`sudo -u`, with the HOME of before): not this user's definitions.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            return Ok(Vec::new());
        }
        entries => entries.map_err(unreadable(directory))?,
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable(directory))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut languages: Vec<Language> = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).map_err(unreadable(&path))?;
        let definition = Definition::parse(&path.display().to_string(), &text)?;
        for extension in &definition.extensions {
            if let Some(first) = languages.iter().find(|language| language.extensions().contains(extension)) {
                return Err(LanguageError::ClaimedTwice {
                    extension: extension.clone(),
                    first: first.name().to_owned(),
                    second: definition.name,
                });
            }
        }
        languages.push(Language { definition, home: Some(directory.to_owned()) });
    }
    Ok(languages)
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
