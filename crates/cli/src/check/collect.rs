//! The source files that are meant: files as they are named, and in directories those whose extension is a language's.
//!
//! In: paths. Out: bytes with languages. Not here: more than a file may have is not read.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use palisade_check::Language;
use palisade_spec::validator::LARGEST_SOURCE;

use super::Failed;

/// A file that is to be checked.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) language: Language,
    pub(crate) content: Vec<u8>,
}

/// Directories that hold what others wrote, or what was built.
const PASSED_BY: [&str; 6] = ["target", "node_modules", "__pycache__", "venv", "build", "dist"];

pub(crate) fn language(name: &str) -> Result<Language, Failed> {
    name.parse().map_err(|error: palisade_check::UnknownLanguage| Failed::new(error.to_string(), ""))
}

pub(crate) fn collect(paths: &[PathBuf], language: Option<Language>) -> Result<Vec<Source>, Failed> {
    let mut all = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = all.len();
            walk(path, language, &mut all)?;
            if all.len() == before {
                let what = format!("there is no source file in {}", path.display());
                return Err(Failed::new(what, "name a file, and its --language if its extension does not tell"));
            }
        } else {
            all.push(read(path, language)?);
        }
    }
    Ok(all)
}

fn walk(directory: &Path, language: Option<Language>, all: &mut Vec<Source>) -> Result<(), Failed> {
    let failed = |error: &std::io::Error| Failed::new(format!("{}: {error}", directory.display()), "");
    let mut entries: Vec<fs::DirEntry> =
        fs::read_dir(directory).and_then(Iterator::collect).map_err(|error| failed(&error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        // Links are not followed: a directory may hold itself.
        let kind = entry.file_type().map_err(|error| failed(&error))?;
        if kind.is_dir() && !name.starts_with('.') && !PASSED_BY.contains(&&*name) {
            walk(&path, language, all)?;
        } else if kind.is_file() && Language::of_file(&path, b"").is_some() {
            all.push(read(&path, language)?);
        }
    }
    Ok(())
}

/// Reads one file. Its language is the one that is given, or the one that it tells.
pub(crate) fn read(path: &Path, language: Option<Language>) -> Result<Source, Failed> {
    let failed = |error: &std::io::Error| Failed::new(format!("{}: {error}", path.display()), "");
    let file = File::open(path).map_err(|error| failed(&error))?;
    if !file.metadata().map_err(|error| failed(&error))?.is_file() {
        return Err(Failed::new(format!("{} is not a regular file", path.display()), ""));
    }
    let mut content = Vec::new();
    file.take(LARGEST_SOURCE).read_to_end(&mut content).map_err(|error| failed(&error))?;
    let Some(language) = language.or_else(|| Language::of_file(path, &content)) else {
        let what = format!("the language of {} is not known", path.display());
        return Err(Failed::new(what, "neither its extension nor its first line tells: name it with --language"));
    };
    Ok(Source { name: path.display().to_string(), language, content })
}
