//! Where all stages of one table are: a directory of its own, the attacker's program in it, words that nobody else knows.

use std::{
    fs, io,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use palisade_sys::Life;
use rustix::rand::{GetRandomFlags, getrandom};
use tempfile::TempDir;

use super::host::PROGRAM;
use crate::left::clear;

/// The environment variable that the caller sets to a word of its own before it starts this process. An attacker that finds
/// the word has read the environment of whoever started it.
pub const DECOY_VARIABLE: &str = "PALISADE_ATTACK_DECOY";

/// The ground. Dropped, all of it is removed.
#[derive(Debug)]
pub(crate) struct Ground {
    directory: TempDir,
    attacker: PathBuf,
    count: AtomicU32,
}

/// How the names of grounds begin. Whose it is follows.
const PREFIX: &str = "palisade-attack-";

/// A home directory that looks like one, and was made for an attack.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) path: PathBuf,
    /// What is in each of its files.
    pub(crate) secret: String,
}

impl Ground {
    pub(crate) fn new(attacker: &Path) -> io::Result<Self> {
        // Not in /tmp if it can be helped: many sandboxes have a /tmp of their own, and would look better than they are.
        let prefix = format!("{PREFIX}{}-", Life::own());
        let make = |place: &Path| tempfile::Builder::new().prefix(&prefix).tempdir_in(place);
        let (place, other) = (Path::new("/var/tmp"), std::env::temp_dir());
        for place in [place, &other] {
            clear(place, PREFIX);
        }
        let directory = make(place).or_else(|_| make(&other))?;
        open_to_all(directory.path())?;
        let copy = directory.path().join(PROGRAM);
        fs::copy(attacker, &copy)?;
        open_to_all(&copy)?;
        Ok(Self { attacker: copy, directory, count: AtomicU32::new(0) })
    }

    pub(crate) fn attacker(&self) -> &Path {
        &self.attacker
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A new directory that everybody may look into.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf, String> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let path = self.directory.path().join(format!("{name}-{number}"));
        fs::create_dir(&path).and_then(|()| open_to_all(&path)).map_err(|error| failed("make a directory", &error))?;
        Ok(path)
    }

    /// A new file in a new directory, for everybody to read.
    pub(crate) fn file(&self, name: &str, content: &str) -> Result<PathBuf, String> {
        let path = self.fresh("files")?.join(name);
        fs::write(&path, content).and_then(|()| mode(&path, 0o644)).map_err(|error| failed("make a file", &error))?;
        Ok(path)
    }

    /// A copy of the attacker that may be harmed.
    pub(crate) fn copy_of_attacker(&self) -> Result<PathBuf, String> {
        let copy = self.fresh("program")?.join(PROGRAM);
        let made = fs::copy(&self.attacker, &copy).and_then(|_| open_to_all(&copy));
        made.map_err(|error| failed("copy the attacker", &error))?;
        Ok(copy)
    }

    pub(crate) fn home(&self) -> Result<Home, String> {
        let path = self.fresh("home")?;
        let secret = secret();
        let make = || {
            for (name, file, rights) in
                [(".config/app", "settings.toml", 0o644), (".ssh", "id_ed25519", 0o600), ("private", "letter", 0o644)]
            {
                fs::create_dir_all(path.join(name))?;
                let file = path.join(name).join(file);
                fs::write(&file, format!("{secret}\n"))?;
                mode(&file, rights)?;
            }
            fs::write(path.join("private").join(&secret), "")?;
            fs::write(path.join(".profile"), "# made for an attack\n")?;
            symlink(".profile", path.join(".bashrc"))
        };
        make().map_err(|error| failed("make a home directory", &error))?;
        Ok(Home { path, secret })
    }

    /// Runs an operation of the attacker's that attacks nobody, and gives its answer.
    pub(crate) fn help(&self, words: &[&str]) -> Result<String, String> {
        let output = Command::new(&self.attacker).args(words).stdin(Stdio::null()).output();
        let output = output.map_err(|error| failed("start a helper", &error))?;
        let text = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        text.strip_prefix("SUCCEEDED ").map(str::to_owned).ok_or(text)
    }
}

/// A sentence about something that could not be made.
pub(crate) fn failed(doing: &str, error: &io::Error) -> String {
    format!("could not {doing}: {error}")
}

pub(crate) fn mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Read and executed by everybody, changed by its owner.
fn open_to_all(path: &Path) -> io::Result<()> {
    mode(path, 0o755)
}

/// A word for [`DECOY_VARIABLE`] that nobody can guess.
#[must_use]
pub fn decoy() -> String {
    secret()
}

/// A word that nobody can guess, and that says what it is.
pub(crate) fn secret() -> String {
    format!("palisade-decoy-{}", random())
}

/// 24 random hexadecimal digits.
pub(crate) fn random() -> String {
    let mut bytes = [0_u8; 12];
    // Cannot be interrupted below 256 bytes (getrandom(2)); zeros would only make the word a poor one.
    let _ = getrandom(&mut bytes, GetRandomFlags::empty());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
