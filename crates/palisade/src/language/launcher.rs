//! Programs on PATH that only choose another one: pyenv and its kin, rustup, and those that we cannot follow.
//!
//! In: a path found on PATH. Out: the program behind it, found by reading the manager's own files; nothing is started,
//! because a launcher is a script of the user's. Not here: which host directories the program needs (`locate`).
//!
//! Version files lie in project directories, which may not be trusted: a version is one plain name below the manager's
//! own `versions` or `toolchains`, never a path.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::search::SearchPath;

/// What a path found on PATH is.
pub(super) enum Found {
    /// A program, to be taken as it is.
    Program,
    /// A launcher of this program.
    Launches(PathBuf),
    /// A launcher that leads nowhere that we know, and why.
    Unfollowed(String),
}

/// Managers that descend from rbenv: name in variables, name of the language in `.NAME-version` files.
const SHIM_FAMILY: [(&str, &str); 5] =
    [("PYENV", "python"), ("NODENV", "node"), ("GOENV", "go"), ("JENV", "java"), ("RBENV", "ruby")];

/// Launchers whose files we do not read.
const FOREIGN: [&str; 5] = ["volta-shim", "mise", "asdf", "proto-shim", "snap"];

/// Tells what the file `path` called `name` is.
pub(super) fn follow(path: &Path, name: &str, search: &SearchPath) -> Found {
    let Some(directory) = path.parent() else { return Found::Program };
    let target = fs::read_link(path).ok();
    let behind = target.as_deref().and_then(Path::file_name);
    if let Some(foreign) = FOREIGN.iter().find(|foreign| behind.is_some_and(|b| b == **foreign) && name != **foreign) {
        return Found::Unfollowed(format!("a launcher of {foreign}"));
    }
    if is_rustup(path, directory, behind.is_some_and(|behind| behind == "rustup")) {
        return rustup(name, search);
    }
    if directory.ends_with("shims") {
        return shim(path, name, search);
    }
    Found::Program
}

/// Launchers of rustup are links to it, symbolic or hard, depending on its version and system.
fn is_rustup(path: &Path, directory: &Path, linked: bool) -> bool {
    linked || is_hard_link_of(&directory.join("rustup"), path)
}

#[cfg(unix)]
fn is_hard_link_of(original: &Path, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(file) = fs::metadata(path) else { return false };
    let same = |original: fs::Metadata| (original.dev(), original.ino()) == (file.dev(), file.ino());
    file.nlink() > 1 && original != path && fs::metadata(original).is_ok_and(same)
}

#[cfg(not(unix))]
fn is_hard_link_of(_: &Path, _: &Path) -> bool {
    false
}

fn rustup(name: &str, search: &SearchPath) -> Found {
    let home = search.variable("RUSTUP_HOME").map(PathBuf::from);
    let Some(home) = home.or_else(|| Some(search.home()?.join(".rustup"))) else {
        return Found::Unfollowed("rustup, without a home directory".to_owned());
    };
    let settings: toml::Table =
        fs::read_to_string(home.join("settings.toml")).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
    let setting = |key: &str| settings.get(key).and_then(toml::Value::as_str);
    let overridden = || {
        let overrides = settings.get("overrides")?.as_table()?;
        search.upwards().find_map(|directory| overrides.get(directory.to_str()?)?.as_str())
    };
    let in_project = || search.upwards().find_map(toolchain_file);
    let chosen = search.variable("RUSTUP_TOOLCHAIN").map(str::to_owned);
    let chosen = chosen.or_else(|| overridden().map(str::to_owned)).or_else(in_project);
    let Some(chosen) = chosen.or_else(|| setting("default_toolchain").map(str::to_owned)) else {
        return Found::Unfollowed("rustup, without a default toolchain".to_owned());
    };
    let Some(channel) = plain(&chosen) else {
        return Found::Unfollowed(format!("rustup, toolchain `{chosen}` is not a plain name"));
    };
    let toolchains = home.join("toolchains");
    let exact = toolchains.join(channel);
    let host = setting("default_host_triple").map(|host| toolchains.join(format!("{channel}-{host}")));
    let program = |toolchain: PathBuf| Some(toolchain.join("bin").join(name)).filter(|program| program.is_file());
    let on_this_machine = || {
        let prefix = format!("{channel}-{}-", std::env::consts::ARCH);
        names_in(&toolchains).into_iter().find(|name| name.starts_with(&prefix)).map(|name| toolchains.join(name))
    };
    let found = program(exact).or_else(|| host.and_then(program)).or_else(|| on_this_machine().and_then(program));
    found.map_or_else(
        || Found::Unfollowed(format!("rustup, toolchain `{channel}` without `{name}` in {}", home.display())),
        Found::Launches,
    )
}

/// The channel of a `rust-toolchain` file. A toolchain given by path is not followed.
fn toolchain_file(directory: &Path) -> Option<String> {
    let text = ["rust-toolchain", "rust-toolchain.toml"]
        .iter()
        .find_map(|name| fs::read_to_string(directory.join(name)).ok())?;
    if let Ok(table) = text.parse::<toml::Table>() {
        return Some(table.get("toolchain")?.get("channel")?.as_str()?.to_owned());
    }
    text.lines().next().map(|line| line.trim().to_owned())
}

fn shim(path: &Path, name: &str, search: &SearchPath) -> Found {
    let Some(root) = path.parent().and_then(Path::parent) else { return Found::Program };
    let script = fs::read(path).unwrap_or_default();
    let script = String::from_utf8_lossy(script.get(..1024).unwrap_or(&script));
    let manager = SHIM_FAMILY.iter().find(|(manager, _)| script.contains(&format!("export {manager}_ROOT=")));
    let Some((manager, language)) = manager else {
        return Found::Unfollowed("a launcher of an unknown version manager".to_owned());
    };
    let chosen = search.variable(&format!("{manager}_VERSION")).map(str::to_owned);
    let file = format!(".{language}-version");
    let chosen =
        chosen.or_else(|| search.upwards().find_map(|directory| fs::read_to_string(directory.join(&file)).ok()));
    let chosen = chosen.or_else(|| fs::read_to_string(root.join("version")).ok()).unwrap_or_default();
    let versions =
        chosen.lines().filter(|line| !line.starts_with('#')).flat_map(|line| line.split([':', ' ', '\t', '\r']));
    let mut tried = Vec::new();
    for version in versions.filter(|version| !version.is_empty()) {
        if let Some(program) = plain(version).and_then(|version| installed(&root.join("versions"), version, name)) {
            return Found::Launches(program);
        }
        tried.push(version);
    }
    let manager = manager.to_ascii_lowercase();
    Found::Unfollowed(match tried.as_slice() {
        [] => format!("{manager}, no version is chosen"),
        tried => format!("{manager}, version `{}` has no {name} of its own", tried.join("`, `")),
    })
}

/// `3.11` means the newest `3.11.x`, as in pyenv.
fn installed(versions: &Path, version: &str, name: &str) -> Option<PathBuf> {
    let program = |version: &str| Some(versions.join(version).join("bin").join(name)).filter(|path| path.is_file());
    let newest = || {
        let prefix = format!("{version}.");
        let number = |name: &String| name.strip_prefix(&prefix).and_then(|rest| rest.parse::<u32>().ok());
        names_in(versions).into_iter().filter(|name| number(name).is_some()).max_by_key(number)
    };
    program(version).or_else(|| program(&newest()?))
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

fn plain(version: &str) -> Option<&str> {
    let mut parts = Path::new(version).components();
    let one = matches!((parts.next(), parts.next()), (Some(Component::Normal(only)), None) if only == version);
    one.then_some(version)
}

/// The directory of the interpreter that a virtual environment was made from (PEP 405: `home = DIRECTORY`).
pub(super) fn base_of_virtual_environment(prefix: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(prefix.join("pyvenv.cfg")).ok()?;
    let home = text.lines().find_map(|line| line.split_once('=').filter(|(key, _)| key.trim() == "home"))?.1.trim();
    Some(PathBuf::from(home)).filter(|home| home.is_absolute())
}
