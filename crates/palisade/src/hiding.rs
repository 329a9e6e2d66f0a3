//! Host paths that no tree may show: asked for, known to hold credentials, or sockets of daemons; by every name that a mount
//! gives them.
//!
//! In: paths. Out: canonical paths. Nothing of this is done for a run that shows and hides nothing. Not here: how a path is
//! covered (`native::files`).

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

use crate::{
    credentials::{HOST_KEYS, OF_A_HOME, OF_THE_HOST},
    error::StartError,
    host::is_left_out,
    job::{Base, Shown},
    trees::path_error,
};

/// Paths that somebody wants hidden. One that does not exist is fine: its directory is resolved, and it is covered if it is
/// there when the program starts.
pub(crate) fn asked(paths: &[PathBuf]) -> Result<Vec<PathBuf>, StartError> {
    let mut hidden = Vec::new();
    for path in paths {
        let absolute = std::path::absolute(path).map_err(|error| path_error(path, &error))?;
        hidden.push(nearest(&absolute));
    }
    if let Some(everything) = hidden.iter().position(|path| path == Path::new("/")) {
        return Err(StartError::Path {
            path: paths.get(everything).cloned().unwrap_or_default(),
            because: "hiding everything would leave no program to run".to_owned(),
            hint: "hide the directories below it".to_owned(),
        });
    }
    Ok(hidden)
}

/// The path, resolved as far as it exists.
pub(crate) fn nearest(path: &Path) -> PathBuf {
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => nearest(parent).join(name),
        _ => path.to_owned(),
    }
}

/// Adds the places of credentials, and sockets, that lie inside a tree somebody asked for. To name one of them itself is the
/// way to have it shown.
pub(crate) fn add_credentials(
    hidden: &mut Vec<PathBuf>,
    base: Base,
    shown: &[Shown],
    named: &[PathBuf],
) -> Result<(), StartError> {
    if base == Base::Toolchain && shown.is_empty() {
        return Ok(());
    }
    let is_inside = |path: &Path| {
        (base == Base::Host && !is_left_out(path)) || shown.iter().any(|tree| path.starts_with(&tree.from))
    };
    let is_near = |home: &Path| is_inside(home) || shown.iter().any(|tree| tree.from.starts_with(home));
    let mut known: Vec<PathBuf> = OF_THE_HOST.iter().map(PathBuf::from).collect();
    let (keys, begin) = HOST_KEYS;
    if is_inside(Path::new(keys)) {
        let files = fs::read_dir(keys).into_iter().flatten().flatten();
        known.extend(
            files
                .filter(|file| file.file_name().as_encoded_bytes().starts_with(begin.as_bytes()))
                .map(|file| file.path()),
        );
    }
    for home in homes() {
        if is_near(&home) {
            known.extend(OF_A_HOME.iter().map(|name| home.join(name)));
        }
    }
    for path in known.into_iter().filter_map(|path| path.canonicalize().ok()) {
        if !is_inside(&path) || named.contains(&path) {
            continue;
        }
        let inner = shown.iter().find(|tree| tree.from != path && tree.from.starts_with(&path));
        if let Some(tree) = inner.filter(|_| is_covered(&path, base, shown)) {
            return Err(StartError::Path {
                path: tree.from.clone(),
                because: format!("it lies in {}, which is hidden because credentials are kept there", path.display()),
                hint: format!("name {} itself with --allow-read, and all of it is shown", path.display()),
            });
        }
        if is_covered(&path, base, shown) {
            hidden.push(path);
        }
    }
    if base == Base::Host || homes().iter().any(|home| shown.iter().any(|tree| home.starts_with(&tree.from))) {
        hidden.extend(sockets().into_iter().filter(|path| is_inside(path) && !named.contains(path)));
    }
    Ok(())
}

/// Whether a wider tree shows the path, and not only it or what is inside.
fn is_covered(path: &Path, base: Base, shown: &[Shown]) -> bool {
    (base == Base::Host && !is_left_out(path))
        || shown.iter().any(|tree| tree.from != path && path.starts_with(&tree.from))
}

/// Home directories: the caller's, and those of all users.
fn homes() -> BTreeSet<PathBuf> {
    let mut homes: BTreeSet<PathBuf> = ["/root"].map(PathBuf::from).into();
    homes.extend(std::env::var_os("HOME").map(PathBuf::from));
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    homes.extend(users.lines().filter_map(|line| line.split(':').nth(5)).map(PathBuf::from));
    homes.extend(fs::read_dir("/home").into_iter().flatten().flatten().map(|entry| entry.path()));
    homes.into_iter().filter_map(|home| home.canonicalize().ok()).filter(|home| home != Path::new("/")).collect()
}

/// Unix sockets that somebody listens on by a path: a read-only mount keeps nobody from connecting. The kernel tells of
/// those made in this network namespace.
fn sockets() -> Vec<PathBuf> {
    let table = fs::read("/proc/net/unix").unwrap_or_default();
    let lines = table.split(|byte| *byte == b'\n');
    let path = |line: &[u8]| {
        let start = line.iter().position(|byte| *byte == b'/')?;
        Some(PathBuf::from(OsString::from_vec(line.get(start..)?.to_vec())))
    };
    lines.filter_map(path).filter_map(|path| path.canonicalize().ok()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// A mount, as far as names go.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    /// Which file system.
    device: String,
    /// What of it, seen from its own root.
    root: PathBuf,
    /// Where.
    at: PathBuf,
}

/// The paths, and every other name that they have through a mount: a bind mount of a directory around one, or of something
/// inside it.
pub(crate) fn everywhere(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    if paths.is_empty() {
        return paths;
    }
    let mounts: Vec<Mount> =
        fs::read("/proc/self/mountinfo").unwrap_or_default().split(|byte| *byte == b'\n').filter_map(mount).collect();
    let others: Vec<PathBuf> = paths.iter().flat_map(|path| other_names(path, &mounts)).collect();
    paths.extend(others);
    paths.sort();
    paths.dedup();
    // What lies in a hidden directory needs no cover of its own, and could have none.
    let all = paths.clone();
    paths.retain(|path| !all.iter().any(|other| other != path && path.starts_with(other)));
    paths
}

fn other_names(path: &Path, mounts: &[Mount]) -> Vec<PathBuf> {
    // Of two mounts at one place, the later one is on top.
    let Some(own) =
        mounts.iter().filter(|mount| path.starts_with(&mount.at)).max_by_key(|mount| mount.at.components().count())
    else {
        return Vec::new();
    };
    let Ok(rest) = path.strip_prefix(&own.at) else { return Vec::new() };
    let inside = own.root.join(rest);
    let same = mounts.iter().filter(|mount| mount.device == own.device);
    same.filter_map(|mount| match inside.strip_prefix(&mount.root) {
        Ok(rest) => Some(if rest == Path::new("") { mount.at.clone() } else { mount.at.join(rest) }),
        Err(_) => mount.root.starts_with(&inside).then(|| mount.at.clone()),
    })
    .collect()
}

/// One line of proc_pid_mountinfo(5).
fn mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ').skip(2);
    let device = String::from_utf8(fields.next()?.to_vec()).ok()?;
    Some(Mount { device, root: unescaped(fields.next()?), at: unescaped(fields.next()?) })
}

/// Blanks, tabs, newlines and backslashes stand there as `\ooo`.
fn unescaped(text: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| *first == b'\\');
        let code = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match code {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts() -> Vec<Mount> {
        [
            "22 1 8:1 / / rw - ext4 /dev/sda1 rw",
            "30 22 8:1 /home/u /mnt/whole\\040home rw - ext4 /dev/sda1 rw",
            "31 22 8:1 /home/u/.ssh/inner /mnt/inner rw - ext4 /dev/sda1 rw",
            "32 22 8:2 / /data rw - ext4 /dev/sdb1 rw",
        ]
        .iter()
        .filter_map(|line| mount(line.as_bytes()))
        .collect()
    }

    #[test]
    fn a_path_has_a_name_in_every_mount_that_shows_it_or_something_inside_it() {
        let names = |path: &str| -> BTreeSet<PathBuf> { other_names(Path::new(path), &mounts()).into_iter().collect() };
        let set = |list: &[&str]| list.iter().map(PathBuf::from).collect::<BTreeSet<_>>();
        assert_eq!(names("/home/u/.ssh"), set(&["/home/u/.ssh", "/mnt/whole home/.ssh", "/mnt/inner"]));
        assert_eq!(names("/mnt/whole home/x"), set(&["/home/u/x", "/mnt/whole home/x"]));
        assert_eq!(names("/data/home/u/.ssh"), set(&["/data/home/u/.ssh"]));
    }

    #[test]
    fn a_path_that_does_not_exist_is_resolved_as_far_as_it_does() {
        let place = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(place.path(), place.path().join("link")).unwrap();
        let real = place.path().canonicalize().unwrap();
        assert_eq!(nearest(&place.path().join("link/not/there")), real.join("not/there"));
    }
}
