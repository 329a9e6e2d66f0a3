//! Finds a language's tools on the host, and the host directories that must be seen for them to work.
//!
//! In: the tools of a definition and a [`SearchPath`]. Out: a [`Toolchain`]. A tool under /usr costs a few `stat` calls
//! and needs no directory. Not here: version managers (`launcher`), mounting.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::Language;
use super::definition::ToolTable;
use super::error::{LanguageError, Skipped};
use super::launcher::{self, Found};
use super::search::SearchPath;

/// Where every sandbox sees the host's own files.
const ALREADY_SEEN: [&str; 5] = ["/usr", "/bin", "/sbin", "/lib", "/lib64"];
/// Directories with a `bin` that hold more than one tool: never given away as a whole.
const SHARED: [&str; 7] = ["/", "/opt", "/etc", "/etc/alternatives", "/snap", "/var", "/tmp"];
/// The same, below the home directory.
const SHARED_IN_HOME: [&str; 4] = [".local", ".cargo", ".config", ".cache"];
/// Stores whose packages read each other by absolute paths: needed as a whole.
const STORES: [&str; 2] = ["/nix/store", "/gnu/store"];
/// As many as the kernel follows (path_resolution(7)).
const LINKS: usize = 40;

/// A host file or directory that a tool reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadOnly {
    /// Canonical path on the host.
    pub host: PathBuf,
    /// Path inside the sandbox. Differs from `host` where the tool is reached through a linked directory.
    pub at: PathBuf,
}

/// The tools of a language, found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Toolchain {
    tools: Vec<(String, Tool)>,
}

/// A tool, found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tool {
    program: PathBuf,
    reads: Vec<ReadOnly>,
}

impl Language {
    /// Finds every tool of the language. Starts nothing.
    ///
    /// # Errors
    /// [`LanguageError::MissingTool`] for the first that is not there.
    pub fn locate(&self, search: &SearchPath) -> Result<Toolchain, LanguageError> {
        let mut tools = Vec::with_capacity(self.definition.tools.len());
        for table in &self.definition.tools {
            let tool = find(table, search).map_err(|skipped| LanguageError::MissingTool {
                language: self.title().to_owned(),
                names: table.names.clone(),
                package: table.package.clone(),
                missing: self.definition.missing.clone(),
                skipped,
            })?;
            tools.push((table.id.clone(), tool));
        }
        Ok(Toolchain { tools })
    }
}

impl Toolchain {
    /// Absolute path of a tool, the same on the host and in the sandbox.
    #[must_use]
    pub fn program(&self, id: &str) -> Option<&Path> {
        self.tools.iter().find(|(known, _)| known == id).map(|(_, tool)| tool.program.as_path())
    }

    /// Absolute path of every tool, in the definition's order.
    pub fn programs(&self) -> impl Iterator<Item = &Path> {
        self.tools.iter().map(|(_, tool)| tool.program.as_path())
    }

    /// Host files that the tools read, beside /usr: without repetition, outer directories first.
    #[must_use]
    pub fn read_only(&self) -> Vec<ReadOnly> {
        self.read_only_of(self.tools.iter().map(|(id, _)| id.as_str()))
    }

    pub(super) fn read_only_of<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Vec<ReadOnly> {
        let ids: Vec<_> = ids.collect();
        let wanted = self.tools.iter().filter(|(id, _)| ids.contains(&id.as_str()));
        let mut all: Vec<_> = wanted.flat_map(|(_, tool)| tool.reads.iter().cloned()).collect();
        all.sort_by(|a, b| a.at.cmp(&b.at));
        all.dedup();
        all
    }

    pub(super) fn add(&mut self, id: String, tool: Tool) {
        self.tools.push((id, tool));
    }

    pub(super) fn program_text(&self, id: &str) -> Result<String, LanguageError> {
        let program = self.program(id).unwrap_or(Path::new(""));
        program.to_str().map(str::to_owned).ok_or_else(|| LanguageError::NotUtf8 { path: program.to_owned() })
    }
}

pub(super) fn find(table: &ToolTable, search: &SearchPath) -> Result<Tool, Vec<Skipped>> {
    let mut skipped = Vec::new();
    for name in &table.names {
        for directory in search.directories() {
            let path = directory.join(name);
            if !is_program(&path) {
                continue;
            }
            let program = match launcher::follow(&path, name, search) {
                Found::Program => path.clone(),
                Found::Launches(program) => program,
                Found::Unfollowed(because) => {
                    skipped.push(Skipped { path, because });
                    continue;
                }
            };
            match placed(program, search.home()) {
                Some(mut tool) => {
                    tool.reads.extend(table.also_read.iter().flat_map(|pattern| matching(pattern)));
                    return Ok(tool);
                }
                None => skipped.push(Skipped { path, because: "its links lead nowhere".to_owned() }),
            }
        }
    }
    Err(skipped)
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && may_execute(&file))
}

#[cfg(unix)]
fn may_execute(file: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn may_execute(_: &fs::Metadata) -> bool {
    true
}

/// A program as it can be started inside the sandbox, with what it reads.
fn placed(found: PathBuf, home: Option<&Path>) -> Option<Tool> {
    let real = fs::canonicalize(&found).ok()?;
    if let Some(tool) = chain(found, home) {
        // A linked directory may lead out of what the sandbox sees: /usr/local/go -> /opt/go.
        if already_seen(&real) || tool.reads.iter().any(|read| real.starts_with(&read.host)) {
            return Some(tool);
        }
    }
    let reads = if already_seen(&real) { None } else { Some(own_directory(&real, home).unwrap_or(real.clone())) };
    Some(Tool { program: real, reads: reads.as_deref().and_then(as_seen).into_iter().collect() })
}

/// Follows the links of a program, noting the directory of each hop, so that the chain holds inside the sandbox too.
///
/// The name a program is called by is kept where it can be: it selects what `clang++` or a virtual environment's
/// `python` do. A link in a directory that is not given away (`/etc/alternatives`, `~/.local/bin`) is replaced by its
/// target.
fn chain(found: PathBuf, home: Option<&Path>) -> Option<Tool> {
    let mut program = found.clone();
    let mut reads = Vec::new();
    let mut hop = found;
    for _ in 0..LINKS {
        let target =
            fs::read_link(&hop).ok().map(|target| normal(&hop.parent().unwrap_or(Path::new("/")).join(target)));
        if !already_seen(&hop) {
            match (own_directory(&hop, home), &target) {
                (Some(directory), _) => {
                    reads.push(as_seen(&directory)?);
                    if let Some(base) = launcher::base_of_virtual_environment(&directory) {
                        let base = own_directory(&base.join("python"), home).filter(|base| !already_seen(base));
                        reads.extend(base.as_deref().and_then(as_seen));
                    }
                }
                (None, Some(target)) => program.clone_from(target),
                (None, None) => reads.push(as_seen(&hop)?),
            }
        }
        match target {
            Some(target) => hop = target,
            None => return Some(Tool { program, reads }),
        }
    }
    None
}

fn already_seen(path: &Path) -> bool {
    ALREADY_SEEN.iter().any(|seen| path.starts_with(seen))
}

/// The directory that a program lives in with all that belongs to it: the parent of its `bin`, else its directory.
/// `None` if that holds other things too, such as the user's home.
fn own_directory(program: &Path, home: Option<&Path>) -> Option<PathBuf> {
    if let Some(store) = STORES.iter().find(|store| program.starts_with(store)) {
        return Some(PathBuf::from(store));
    }
    let directory = program.parent()?;
    let in_bin = directory.file_name().is_some_and(|name| name == "bin" || name == "sbin");
    let own = if in_bin { directory.parent()? } else { directory };
    // Compared by their real places, so that a link to the home directory is not a way round.
    let real = fs::canonicalize(own).unwrap_or_else(|_| own.to_owned());
    let shared = |place: &Path| {
        let home = home.map(|home| fs::canonicalize(home).unwrap_or_else(|_| home.to_owned()));
        let of_home = |home: &Path| home.starts_with(place) || SHARED_IN_HOME.iter().any(|n| place == home.join(n));
        SHARED.iter().any(|shared| place == Path::new(shared)) || home.as_deref().is_some_and(of_home)
    };
    (!shared(&real)).then(|| own.to_owned())
}

fn as_seen(path: &Path) -> Option<ReadOnly> {
    Some(ReadOnly { host: fs::canonicalize(path).ok()?, at: path.to_owned() })
}

/// Removes `.` and `..` by the text alone: inside the sandbox every noted directory is a real one.
fn normal(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                result.pop();
            }
            part => result.push(part),
        }
    }
    result
}

/// The existing paths that a pattern stands for.
fn matching(pattern: &str) -> Vec<ReadOnly> {
    let Some((before, after)) = pattern.split_once('*') else {
        return as_seen(Path::new(pattern)).into_iter().collect();
    };
    let (directory, start) = before.rsplit_once('/').unwrap_or(("", before));
    let (end, below) = after.split_once('/').map_or((after, None), |(end, below)| (end, Some(below)));
    let entries = fs::read_dir(if directory.is_empty() { "/" } else { directory }).into_iter().flatten().flatten();
    let fits = |name: &str| name.strip_prefix(start).is_some_and(|rest| rest.ends_with(end));
    let fitting = entries.filter(|entry| entry.file_name().to_str().is_some_and(fits)).map(|entry| entry.path());
    fitting.filter_map(|path| as_seen(&below.map_or(path.clone(), |below| path.join(below)))).collect()
}
