//! What Debian's package database says of this host: whose a file is, what a package needs, which files it has.
//!
//! Read from its files, as dpkg(1) keeps them: no program is run. Not here: what is wanted of it (`parts.rs`).

use std::{
    collections::{BTreeSet, HashMap},
    fs, io,
    path::{Path, PathBuf},
};

const DATABASE: &str = "/var/lib/dpkg";

/// Installed packages.
#[derive(Debug)]
pub(super) struct Packages {
    database: PathBuf,
    /// By name: what each depends on, with the alternatives of each.
    needs: HashMap<String, Vec<Vec<String>>>,
    /// By a name that no package has: who stands in for it.
    provided: HashMap<String, String>,
}

impl Packages {
    /// Those of this host; `None` if it has no such database.
    pub(super) fn of_host() -> Option<Self> {
        Self::read(Path::new(DATABASE)).ok()
    }

    fn read(database: &Path) -> io::Result<Self> {
        let status = fs::read_to_string(database.join("status"))?;
        let mut all = Self { database: database.to_owned(), needs: HashMap::new(), provided: HashMap::new() };
        for paragraph in status.split("\n\n") {
            let field = |name: &str| {
                paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
            };
            let (Some(name), Some(true)) =
                (field("Package"), field("Status").map(|status| status.ends_with(" installed")))
            else {
                continue;
            };
            let lists = ["Pre-Depends", "Depends"].into_iter().filter_map(field);
            let needs =
                lists.flat_map(|list| list.split(',')).map(|choice| choice.split('|').map(bare).collect()).collect();
            for provided in field("Provides").into_iter().flat_map(|list| list.split(',')) {
                all.provided.entry(bare(provided)).or_insert_with(|| name.to_owned());
            }
            all.needs.insert(name.to_owned(), needs);
        }
        Ok(all)
    }

    /// The package that has brought a file, by its path without links.
    pub(super) fn owner(&self, file: &Path) -> Option<String> {
        // Packages from before /usr was merged say /bin and /lib.
        let old = file.strip_prefix("/usr").ok().map(|rest| Path::new("/").join(rest));
        let names: Vec<&str> = [Some(file), old.as_deref()].into_iter().flatten().filter_map(Path::to_str).collect();
        let lists = fs::read_dir(self.database.join("info")).ok()?;
        lists.flatten().find_map(|entry| {
            let path = entry.path();
            let text = (path.extension()? == "list").then(|| fs::read_to_string(&path).ok())??;
            let is_its = text.lines().any(|line| names.contains(&line));
            let name = path.file_stem()?.to_str()?;
            is_its.then(|| name.split(':').next().unwrap_or(name).to_owned())
        })
    }

    /// These packages, and all that they need.
    pub(super) fn with_needs(&self, names: impl IntoIterator<Item = String>) -> BTreeSet<String> {
        let mut waiting: Vec<String> = names.into_iter().filter(|name| self.needs.contains_key(name)).collect();
        let mut all = BTreeSet::new();
        while let Some(name) = waiting.pop() {
            for choice in self.needs.get(&name).into_iter().flatten() {
                let there = |name: &String| match self.needs.contains_key(name) {
                    true => Some(name.clone()),
                    false => self.provided.get(name).cloned(),
                };
                waiting.extend(choice.iter().find_map(there).filter(|needed| !all.contains(needed)));
            }
            all.insert(name);
        }
        all
    }

    /// What a package has brought: files, directories, links.
    pub(super) fn files(&self, name: &str) -> Vec<PathBuf> {
        let info = self.database.join("info");
        let native = info.join(format!("{name}.list"));
        let text = fs::read_to_string(native).or_else(|_| {
            let prefix = format!("{name}:");
            let is_its = |path: &PathBuf| {
                let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                file.starts_with(&prefix) && file.ends_with(".list")
            };
            let all = fs::read_dir(&info)?.flatten().map(|entry| entry.path());
            all.into_iter().find(is_its).map_or(Ok(String::new()), fs::read_to_string)
        });
        text.unwrap_or_default()
            .lines()
            .filter(|line| line.starts_with('/') && *line != "/.")
            .map(PathBuf::from)
            .collect()
    }
}

/// A name without version and architecture.
fn bare(text: &str) -> String {
    let name = text.trim().split([' ', '(', ':']).next().unwrap_or_default();
    name.to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_package_brings_what_it_needs_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("info")).unwrap();
        let status = "Package: tool\nStatus: install ok installed\nPre-Depends: libc (>= 2)\nDepends: gone | stand-in, virtual:any\n\n\
                      Package: libc\nStatus: install ok installed\n\nPackage: stand-in\nStatus: install ok installed\nDepends: tool\n\n\
                      Package: real\nStatus: install ok installed\nProvides: other, virtual (= 3)\n\n\
                      Package: gone\nStatus: deinstall ok config-files\n\nPackage: more\nStatus: install ok installed\n";
        fs::write(directory.path().join("status"), status).unwrap();
        fs::write(directory.path().join("info/tool:amd64.list"), "/.\n/bin\n/bin/tool\n").unwrap();
        fs::write(directory.path().join("info/libc.list"), "/usr/lib/libc.so\n").unwrap();
        let packages = Packages::read(directory.path()).unwrap();
        let all = packages.with_needs(["tool".to_owned(), "unknown".to_owned()]);
        assert_eq!(all.into_iter().collect::<Vec<_>>(), ["libc", "real", "stand-in", "tool"]);
        assert_eq!(packages.owner(Path::new("/usr/bin/tool")), Some("tool".to_owned()));
        assert_eq!(packages.owner(Path::new("/usr/bin/other")), None);
        assert_eq!(packages.files("tool"), [PathBuf::from("/bin"), PathBuf::from("/bin/tool")]);
    }
}
