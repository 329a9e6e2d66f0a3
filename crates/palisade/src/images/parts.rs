//! The parts of this host that a language's image has: its tools, and what those need.
//!
//! In: a language. Out: paths. On Debian, those are the files of the packages that have the tools and of all that they depend on;
//! elsewhere all of /usr. Tools of one's own (rustup, /opt) come with the directories that a run shows. Not here: writing them
//! down (`archive.rs`).

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use super::{ImageError, dpkg::Packages};
use crate::language::{Language, SearchPath};

/// What every image has beside: a shell, its commands, and what programs from elsewhere are linked with.
const ALWAYS: [&str; 7] = ["base-files", "coreutils", "dash", "libc6", "libgcc-s1", "libstdc++6", "zlib1g"];

/// What nobody runs.
const LEFT_OUT: [&str; 8] = [
    "/usr/share/bug",
    "/usr/share/doc",
    "/usr/share/doc-base",
    "/usr/share/info",
    "/usr/share/lintian",
    "/usr/share/locale",
    "/usr/share/man",
    "/usr/games",
];

/// Files that no package has.
const LOADER: &str = "/etc/ld.so.cache";
const ALTERNATIVES: &str = "/etc/alternatives";
/// The most links that lead to one program (path_resolution(7)).
const LINKS: usize = 40;

/// The parts of one image.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// Files, links and directories, the latter without what is in them. Paths without links but the last part.
    pub(super) single: BTreeSet<PathBuf>,
    /// Directories with everything in them.
    pub(super) whole: BTreeSet<PathBuf>,
    /// The tools.
    pub(super) programs: Vec<PathBuf>,
}

impl Parts {
    /// Those of a language.
    pub(super) fn of(language: &Language) -> Result<Self, ImageError> {
        let toolchain = language.locate(&search())?;
        let mut parts = Self { programs: toolchain.programs().map(Path::to_owned).collect(), ..Self::default() };
        let packages = Packages::of_host();
        let mut named: BTreeSet<String> = ALWAYS.map(str::to_owned).into();
        let mut unowned = packages.is_none();
        for program in parts.programs.clone() {
            for link in links(&program) {
                parts.add(&link);
            }
            let Ok(real) = program.canonicalize() else { continue };
            match packages.as_ref().and_then(|packages| packages.owner(&real)) {
                Some(package) => drop(named.insert(package)),
                None => unowned |= real.starts_with("/usr") && !real.starts_with("/usr/local"),
            }
            if real.starts_with("/usr/local") {
                parts.whole.insert("/usr/local".into());
            }
        }
        for tree in toolchain.read_only() {
            parts.whole.insert(tree.host.clone());
            for link in links(&tree.at) {
                parts.add(&link);
            }
        }
        match packages.filter(|_| !unowned) {
            Some(packages) => {
                for package in packages.with_needs(named) {
                    packages.files(&package).iter().for_each(|file| parts.add(file));
                }
                parts.add_alternatives();
            }
            None => drop(parts.whole.insert("/usr".into())),
        }
        for link in ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"].map(Path::new) {
            match link.symlink_metadata() {
                Ok(meta) if meta.is_symlink() => drop(parts.single.insert(link.to_owned())),
                Ok(_) => drop(parts.whole.insert(link.to_owned())),
                Err(_) => {}
            }
        }
        parts.add(Path::new(LOADER));
        Ok(parts)
    }

    /// Adds one path, if it is there and somebody needs it.
    fn add(&mut self, path: &Path) {
        let Some(path) = without_links(path) else { return };
        if !is_left_out(&path) && path.symlink_metadata().is_ok() {
            self.single.insert(path);
        }
    }

    /// The links that choose among packages, if what they lead to is here.
    fn add_alternatives(&mut self) {
        for entry in fs::read_dir(ALTERNATIVES).into_iter().flatten().flatten() {
            let link = entry.path();
            let Ok(target) = link.canonicalize() else { continue };
            if !self.single.contains(&target) {
                continue;
            }
            self.add(&link);
            let user = Path::new("/usr/bin").join(entry.file_name());
            if fs::read_link(&user).is_ok_and(|target| target == link) {
                self.add(&user);
            }
        }
    }
}

/// Whether it is in none of the images.
pub(super) fn is_left_out(path: &Path) -> bool {
    LEFT_OUT.iter().any(|out| path.starts_with(out)) || ["share/doc", "share/man"].iter().any(|end| path.ends_with(end))
}

/// The distribution's own tools first: an image is for others, too.
fn search() -> SearchPath {
    let own = std::env::var("PATH").unwrap_or_default();
    let path = format!("/usr/local/bin:/usr/bin:/bin:{own}");
    let variables = std::env::vars_os().filter(|(name, _)| name != "PATH");
    let variables = variables.chain([(OsString::from("PATH"), OsString::from(path))]);
    SearchPath::new(variables, std::env::current_dir().unwrap_or_default())
}

/// The path and every link that it leads through, as far as they are in the last part.
fn links(path: &Path) -> Vec<PathBuf> {
    let mut all = vec![path.to_owned()];
    while let (Some(last), true) = (all.last(), all.len() < LINKS) {
        let Ok(target) = fs::read_link(last) else { break };
        let next = last.parent().unwrap_or(Path::new("/")).join(target);
        all.push(without_links(&next).unwrap_or(next));
    }
    all
}

/// The same place, with no link on the way to it.
fn without_links(path: &Path) -> Option<PathBuf> {
    Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?))
}
