//! Host paths that no tree may show: asked for, known to hold credentials, sockets of daemons, or another way to what is left
//! out of the whole host; by every name that a mount gives them.
//!
//! In: paths. Out: canonical paths. Nothing of this is done for a run that shows and hides nothing. Not here: how a path is
//! covered (`native::files`), where mounts are (`mounts.rs`).

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    io::ErrorKind,
    os::unix::{
        ffi::OsStringExt,
        fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use rustix::process::geteuid;

use crate::{
    credentials::{HOST_KEYS, OF_A_HOME, OF_THE_HOST},
    error::StartError,
    host::{FOREIGN, is_left_out},
    job::{Base, Shown},
    mounts::Mounts,
    trees::path_error,
};

/// Of what a program sees, the host has nothing there, so that nothing can be hidden there.
const NEVER_SHOWN: [&str; 2] = ["/proc", "/dev"];

/// Links that a path may lead through, as for the kernel (`MAXSYMLINKS` in include/linux/namei.h).
const LINKS: usize = 40;

/// Paths that somebody wants hidden. One that does not exist is fine: its directory is resolved, and it is covered if it is
/// there when the program starts.
pub(crate) fn asked(paths: &[PathBuf]) -> Result<Vec<PathBuf>, StartError> {
    let mut hidden = Vec::new();
    for path in paths {
        let wrong = |because: &str, hint: &str| StartError::Path {
            path: path.clone(),
            because: because.to_owned(),
            hint: hint.to_owned(),
        };
        let absolute = std::path::absolute(path).map_err(|error| path_error(path, &error))?;
        let found = nearest(&absolute);
        if found == Path::new("/") {
            return Err(wrong("hiding everything would leave no program to run", "hide the directories below it"));
        }
        if NEVER_SHOWN.iter().any(|place| found.starts_with(place)) {
            return Err(wrong(
                "the program's /proc and /dev are the sandbox's own, and nothing in them can be hidden",
                "leave it out: of the host's, nothing is shown there",
            ));
        }
        if found.is_symlink() {
            return Err(wrong("its symbolic links lead nowhere but to each other", "name what is to be hidden itself"));
        }
        hidden.push(found);
    }
    Ok(hidden)
}

/// The path, resolved as far as it exists: a link to nothing is what it leads to.
pub(crate) fn nearest(path: &Path) -> PathBuf {
    resolved(path, LINKS)
}

fn resolved(path: &Path, links: usize) -> PathBuf {
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return path.to_owned() };
    let place = resolved(parent, links);
    let here = place.join(name);
    match fs::read_link(&here) {
        Ok(target) if links > 0 => resolved(&place.join(target), links - 1),
        _ => here,
    }
}

/// What is there, as [`Path::canonicalize`] says, or may be there in a directory that the caller keeps closed.
///
/// A program that has the caller's id and may change that directory can open it. An earlier one may have closed it, so that
/// nobody sees what is in it while its next run is being planned.
pub(crate) fn found(path: &Path) -> Option<PathBuf> {
    match path.canonicalize() {
        Ok(found) => Some(found),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => closed_by_caller(path).map(|_| nearest(path)),
        Err(_) => None,
    }
}

/// The caller's own directory that keeps the caller from looking at a path.
pub(crate) fn closed_by_caller(path: &Path) -> Option<PathBuf> {
    let near = nearest(path);
    let mut around = near.ancestors().skip(1);
    let (closed, meta) = around.find_map(|around| Some((around, fs::symlink_metadata(around).ok()?)))?;
    (meta.uid() == geteuid().as_raw()).then(|| closed.to_owned())
}

/// The paths by every name that a mount gives them.
pub(crate) fn everywhere(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    if paths.is_empty() {
        return paths;
    }
    let mounts = Mounts::look();
    let all: BTreeSet<PathBuf> = paths.iter().flat_map(|path| mounts.names(path)).collect();
    all.into_iter().collect()
}

/// Everything that the trees of a program must not show: what was asked for, and by itself credentials, sockets and other
/// ways to what is left out. To name one of these itself is the way to have it shown.
pub(crate) fn all(
    asked: Vec<PathBuf>,
    base: Base,
    shown: &[Shown],
    named: &[PathBuf],
) -> Result<Vec<PathBuf>, StartError> {
    let shows_host = base == Base::Host || !shown.is_empty();
    if asked.is_empty() && !shows_host {
        return Ok(asked);
    }
    let mounts = Mounts::look();
    let mut hidden: BTreeSet<PathBuf> = asked.iter().flat_map(|path| mounts.names(path)).collect();
    if shows_host {
        let view = View { base, shown, named, mounts: &mounts };
        for path in view.credentials() {
            view.add(&path, "credentials are kept there", &mut hidden)?;
        }
        for path in view.ways_around() {
            view.add(&path, "it is another way to what is left out of the host's files", &mut hidden)?;
        }
    }
    // One that is a root of something would hide what was never meant.
    hidden.remove(Path::new("/"));
    // What lies in a hidden directory needs no cover of its own, and could have none.
    let outer = |path: &PathBuf| !path.ancestors().skip(1).any(|around| hidden.contains(around));
    Ok(hidden.iter().filter(|path| outer(path)).cloned().collect())
}

/// What a program would see of the host.
struct View<'a> {
    base: Base,
    shown: &'a [Shown],
    named: &'a [PathBuf],
    mounts: &'a Mounts,
}

impl View<'_> {
    fn is_in_base(&self, path: &Path) -> bool {
        self.base == Base::Host && !is_left_out(path)
    }

    fn is_inside(&self, path: &Path) -> bool {
        self.is_in_base(path) || self.shown.iter().any(|tree| path.starts_with(&tree.from))
    }

    /// Whether a wider tree shows the path, and not only it or what is inside.
    fn is_covered(&self, path: &Path) -> bool {
        self.is_in_base(path) || self.shown.iter().any(|tree| tree.from != path && path.starts_with(&tree.from))
    }

    /// Hides the path if it is to be seen, and was not named itself.
    fn add(&self, path: &Path, why: &str, hidden: &mut BTreeSet<PathBuf>) -> Result<(), StartError> {
        if !self.is_covered(path) || self.named.iter().any(|named| named == path) {
            return Ok(());
        }
        let trees = self.shown.iter().map(|tree| &tree.from).chain(self.named);
        if let Some(tree) = trees.filter(|tree| *tree != path).find(|tree| tree.starts_with(path)) {
            return Err(StartError::Path {
                path: tree.clone(),
                because: format!("it lies in {}, which is hidden because {why}", path.display()),
                hint: format!("name {} itself with --allow-read, and all of it is shown", path.display()),
            });
        }
        hidden.insert(path.to_owned());
        Ok(())
    }

    /// Places of credentials, and sockets, by every name.
    fn credentials(&self) -> BTreeSet<PathBuf> {
        let mut known: Vec<PathBuf> = OF_THE_HOST.iter().map(PathBuf::from).collect();
        let (keys, begin) = HOST_KEYS;
        if self.is_near(Path::new(keys)) {
            let files = fs::read_dir(keys).into_iter().flatten().flatten();
            known.extend(
                files
                    .filter(|file| file.file_name().as_encoded_bytes().starts_with(begin.as_bytes()))
                    .map(|file| file.path()),
            );
        }
        let homes = homes();
        for home in homes.iter().filter(|home| self.is_near(home)) {
            known.extend(OF_A_HOME.iter().map(|name| home.join(name)));
        }
        let mut known: Vec<PathBuf> = known.iter().filter_map(|path| found(path)).collect();
        if self.base == Base::Host || homes.iter().any(|home| self.is_inside(home)) {
            known.extend(sockets());
        }
        known.iter().flat_map(|path| self.mounts.names(path)).collect()
    }

    /// Whether some of the path, or of what is in it, can be seen by any name.
    fn is_near(&self, path: &Path) -> bool {
        let near = |name: &PathBuf| self.is_inside(name) || self.shown.iter().any(|tree| tree.from.starts_with(name));
        let mounts = self.mounts.below(path);
        self.mounts
            .names(path)
            .iter()
            .chain(&mounts.iter().flat_map(|at| self.mounts.names(at)).collect::<Vec<_>>())
            .any(near)
    }

    /// Other names of what is not shown with the whole host, and file systems of the kernel's. In a tree that was asked for
    /// at such a place, they are what was asked for.
    fn ways_around(&self) -> BTreeSet<PathBuf> {
        let mut ways: BTreeSet<PathBuf> = self.mounts.of_the_kernel().into_iter().collect();
        if self.base == Base::Host {
            for place in FOREIGN.iter().filter_map(|place| Path::new(place).canonicalize().ok()) {
                let within = self.mounts.in_memory_below(&place);
                ways.extend([place].iter().chain(&within).flat_map(|path| self.mounts.names(path)));
            }
        }
        ways.retain(|path| {
            let given = |tree: &&Shown| is_left_out(&tree.from) && path.starts_with(&tree.from);
            !self.shown.iter().any(|tree| given(&tree))
        });
        ways
    }
}

/// Home directories: the caller's, and those of all users.
fn homes() -> BTreeSet<PathBuf> {
    let mut homes: BTreeSet<PathBuf> = ["/root"].map(PathBuf::from).into();
    homes.extend(std::env::var_os("HOME").map(PathBuf::from));
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    homes.extend(users.lines().filter_map(|line| line.split(':').nth(5)).map(PathBuf::from));
    homes.extend(fs::read_dir("/home").into_iter().flatten().flatten().map(|entry| entry.path()));
    homes.iter().filter_map(|home| found(home)).filter(|home| home != Path::new("/")).collect()
}

/// Unix sockets that somebody listens on by a path: a read-only mount keeps nobody from connecting. The kernel tells of
/// those made in this network namespace. Anybody can have any name in that list, so only what is a socket counts.
fn sockets() -> Vec<PathBuf> {
    let table = fs::read("/proc/net/unix").unwrap_or_default();
    let all: BTreeSet<PathBuf> = table.split(|byte| *byte == b'\n').filter_map(socket_path).collect();
    let may_be_one = |path: &PathBuf| path.symlink_metadata().map_or(true, |meta| meta.file_type().is_socket());
    all.iter().filter_map(|path| found(path)).filter(may_be_one).collect()
}

/// The path of one line of /proc/net/unix (`unix_seq_show` in net/unix/af_unix.c): what follows seven fields and one blank.
/// A name that is no path begins with `@`.
fn socket_path(line: &[u8]) -> Option<PathBuf> {
    let mut rest = line;
    for _ in 0..7 {
        rest = rest.trim_ascii_start();
        rest = rest.get(rest.iter().position(|byte| *byte == b' ')?..)?;
    }
    let path = rest.get(1..)?;
    path.starts_with(b"/").then(|| PathBuf::from(OsString::from_vec(path.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_does_not_exist_is_resolved_as_far_as_it_does() {
        let place = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(place.path(), place.path().join("link")).unwrap();
        let real = place.path().canonicalize().unwrap();
        assert_eq!(nearest(&place.path().join("link/not/there")), real.join("not/there"));
    }

    #[test]
    fn a_link_to_nothing_is_the_nothing_that_it_leads_to() {
        use std::os::unix::fs::symlink;
        let place = tempfile::tempdir().unwrap();
        let real = place.path().canonicalize().unwrap();
        symlink("missing", real.join("one")).unwrap();
        symlink(real.join("one"), real.join("two")).unwrap();
        assert_eq!(nearest(&real.join("two")), real.join("missing"));
        symlink("loop", real.join("loop")).unwrap();
        assert_eq!(nearest(&real.join("loop")), real.join("loop"));
        assert!(asked(&[real.join("loop")]).unwrap_err().to_string().contains("to each other"));
        assert_eq!(asked(&[real.join("two")]).unwrap(), [real.join("missing")]);
    }

    #[test]
    fn only_a_name_that_begins_as_a_path_is_the_path_of_a_socket() {
        let path = |line: &str| socket_path(line.as_bytes());
        let line = "0000000000000000: 00000002 00000000 00010000 0001 01";
        assert_eq!(path(&format!("{line} 12345 /run/a b")), Some("/run/a b".into()));
        assert_eq!(path(&format!("{line}   345 /x")), Some("/x".into()));
        assert_eq!(path(&format!("{line} 12345 @/usr")), None);
        assert_eq!(path(&format!("{line} 12345  /usr")), None, "a name of two bytes and more that begins with a blank");
        assert_eq!(path(&format!("{line} 12345")), None);
        assert_eq!(path("Num       RefCount Protocol Flags    Type St Inode Path"), None);
    }
}
