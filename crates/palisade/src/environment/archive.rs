//! Environments as files: a tar archive of the lock file and everything that it names.
//!
//! An archive is a stranger's: nothing in it is executed, and it is unpacked by the lock alone. An entry that the lock does
//! not name, a name out of place, a wrong size or digest end the import, and nothing is left. Not here: signatures. Who
//! wants to know who made an archive compares its digest with one received another way.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, symlink},
    path::{Path, PathBuf},
};

use palisade_spec::{Below, Environment, Manifest};

use super::{
    MANIFEST, Store,
    create::whole,
    draft::Draft,
    error::EnvironmentError,
    interpreter::HOST,
    lock::{self, LOCK, Lock, Locked},
    tree,
};

impl Store {
    /// Writes an environment to a file that does not exist yet. Returns its lock.
    ///
    /// # Errors
    /// If there is none, a file of it is not as its lock says, or the archive cannot be written.
    pub fn export(&self, name: &str, to: &Path) -> Result<Lock, EnvironmentError> {
        let environment = self.open(name)?;
        let root = &environment.directory;
        let kept = Lock::read(&root.join(LOCK))?;
        let (now, odd) = Lock::of(root, &[LOCK, HOST])?;
        if let Some(difference) = kept.differences(&now).into_iter().chain(odd).next() {
            return Err(EnvironmentError::Damaged {
                path: root.join(&difference.path),
                because: format!("it was {:?} since the environment was made", difference.change).to_lowercase(),
            });
        }
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(to);
        let file = file.map_err(EnvironmentError::io("create", to))?;
        if let Err(error) = write(root, &kept, file, to) {
            let _ = fs::remove_file(to);
            return Err(error);
        }
        Ok(kept)
    }

    /// Makes an environment from an exported one. Every file is compared with the lock before anything is kept.
    ///
    /// Without its profile it is another environment, with another digest.
    ///
    /// # Errors
    /// If the name is taken, or the file is not what an export writes.
    pub fn import(&self, from: &Path, name: &str, profile: ForeignProfile) -> Result<Imported, EnvironmentError> {
        self.free(name)?;
        let file = tree::open_file(&from.canonicalize().map_err(EnvironmentError::io("open", from))?)?;
        let draft = Draft::begin(&self.prepare()?, name)?;
        self.free(name)?;
        let mut manifest = unpack(file, &draft.root()).map_err(|problem| match problem {
            Problem::Archive(because) => EnvironmentError::Archive { file: from.to_owned(), because },
            Problem::Host(error) => error,
        })?;
        let dropped = manifest.profile.take_if(|_| profile == ForeignProfile::Drop);
        match dropped {
            Some(_) => draft.finish(&manifest)?,
            None => draft.publish()?,
        }
        Ok(Imported { environment: self.open(name)?, dropped })
    }
}

/// What becomes of the profile that an archive names. It may open what its importer keeps closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignProfile {
    /// It is left out.
    Drop,
    /// It holds for programs that run in the environment.
    Keep,
}

/// What an import made.
#[derive(Debug)]
pub struct Imported {
    /// The environment.
    pub environment: Environment,
    /// The profile that was left out.
    pub dropped: Option<String>,
}

fn write(root: &Path, lock: &Lock, file: fs::File, to: &Path) -> Result<(), EnvironmentError> {
    let failed = || EnvironmentError::io("write", to);
    let mut archive = tar::Builder::new(io::BufWriter::new(file));
    let text = lock.to_string();
    archive.append_data(&mut header(0o644, text.len() as u64), LOCK, text.as_bytes()).map_err(failed())?;
    for (path, locked) in lock.files() {
        match locked {
            Locked::File(file) => {
                let content = tree::open_file(&root.join(path))?.take(file.size);
                let mode = if file.executable { 0o755 } else { 0o644 };
                archive.append_data(&mut header(mode, file.size), path, content).map_err(failed())?;
            }
            Locked::Link(link) => {
                let mut header = header(0o777, 0);
                header.set_entry_type(tar::EntryType::Symlink);
                archive.append_link(&mut header, path, &link.link).map_err(failed())?;
            }
        }
    }
    archive.into_inner().and_then(|mut file| file.flush()).map_err(failed())
}

/// The same environment gives the same archive: no owner, no times.
fn header(mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header
}

/// Whose fault it is.
enum Problem {
    Archive(String),
    Host(EnvironmentError),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Archive(error.to_string())
    }
}

impl From<EnvironmentError> for Problem {
    fn from(error: EnvironmentError) -> Self {
        Self::Host(error)
    }
}

fn unpack(file: impl Read, root: &Path) -> Result<Manifest, Problem> {
    directory(root)?;
    let mut archive = tar::Archive::new(io::BufReader::new(file));
    let mut entries = archive.entries()?;
    let lock = match entries.next().transpose()? {
        Some(first) if first.path_bytes().as_ref() == LOCK.as_bytes() => read_lock(first)?,
        _ => return Err(Problem::Archive(format!("its first entry is not {LOCK}"))),
    };
    if !lock.files().contains_key(MANIFEST) {
        return Err(Problem::Archive(format!("it has no {MANIFEST}")));
    }
    let mut left = lock.files().clone();
    for entry in entries {
        let entry = entry?;
        let bytes = entry.path_bytes().into_owned();
        let path = String::from_utf8(bytes).map_err(|_| Problem::Archive("a name is not UTF-8".to_owned()))?;
        let Some(locked) = left.remove(&path) else {
            return Err(Problem::Archive(format!("`{}` is not in its lock file, or twice in it", path.escape_debug())));
        };
        let at = place(root, &path)?;
        match locked {
            Locked::File(file) if entry.header().entry_type().is_file() => {
                let mut out = fs::File::create_new(&at).map_err(EnvironmentError::io("create", &at))?;
                let mut content = Copied { from: entry.take(file.size.saturating_add(1)), to: &mut out };
                let (sha256, size) = lock::digest(&mut content)?;
                if (sha256, size) != (file.sha256, file.size) {
                    return Err(Problem::Archive(format!("`{path}` does not have the digest that its lock file says")));
                }
                tree::permit(&at, if file.executable { 0o755 } else { 0o644 })?;
            }
            Locked::Link(link) if entry.header().entry_type().is_symlink() => {
                let target = entry.link_name()?.unwrap_or_default();
                if target != Path::new(&link.link) || !tree::stays(&path, &target) {
                    return Err(Problem::Archive(format!("the link `{path}` leads somewhere else")));
                }
                symlink(&target, &at).map_err(EnvironmentError::io("create", &at))?;
            }
            _ => return Err(Problem::Archive(format!("`{path}` is something else than its lock file says"))),
        }
    }
    if let Some((missing, _)) = left.first_key_value() {
        return Err(Problem::Archive(format!("`{missing}` is missing")));
    }
    lock.write(&root.join(LOCK))?;
    whole(root).map_err(|error| Problem::Archive(error.to_string()))
}

fn read_lock(entry: impl Read) -> Result<Lock, Problem> {
    let mut text = String::new();
    entry.take(lock::LARGEST).read_to_string(&mut text)?;
    Lock::parse(Path::new(LOCK), &text).map_err(|error| Problem::Archive(error.to_string()))
}

/// Where a file of the archive goes; its parents are made. Plain names only, and no parent that the archive made a link.
fn place(root: &Path, path: &str) -> Result<PathBuf, Problem> {
    // A file's name may have a colon, unlike a directory of the search path.
    if path == LOCK || path == HOST || Below::try_from(path.replace(':', "_")).is_err() {
        return Err(Problem::Archive(format!("`{}` is not a place for a file", path.escape_debug())));
    }
    let mut at = root.to_owned();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        at.push(part);
        if parts.peek().is_some() {
            match fs::symlink_metadata(&at) {
                Ok(meta) if meta.is_dir() => {}
                Ok(_) => return Err(Problem::Archive(format!("`{}` is below something else", path.escape_debug()))),
                Err(_) => directory(&at)?,
            }
        }
    }
    Ok(at)
}

fn directory(path: &Path) -> Result<(), EnvironmentError> {
    fs::create_dir(path).map_err(EnvironmentError::io("create", path))?;
    tree::permit(path, 0o755)
}

/// Writes what is read.
struct Copied<'a, R> {
    from: R,
    to: &'a mut fs::File,
}

impl<R: Read> Read for Copied<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.to.write_all(buffer.get(..count).unwrap_or_default())?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "schema = \"palisade.environment/1\"\npath = [\"packages\"]\n";

    /// A store with one environment `a`, and its archive.
    fn exported() -> (tempfile::TempDir, Store, Vec<u8>) {
        let place = tempfile::tempdir().unwrap();
        tree::permit(place.path(), 0o700).unwrap();
        let store = Store::new(Some(place.path().join("store"))).unwrap();
        let draft = Draft::begin(&store.prepare().unwrap(), "a").unwrap();
        fs::create_dir_all(draft.root().join("packages/bin")).unwrap();
        fs::write(draft.root().join("packages/m.py"), "x = 1\n").unwrap();
        fs::write(draft.root().join("packages/bin/run"), "#!/bin/sh\n").unwrap();
        tree::permit(&draft.root().join("packages/bin/run"), 0o755).unwrap();
        symlink("../m.py", draft.root().join("packages/bin/link")).unwrap();
        draft.finish(&toml::from_str(TEXT).unwrap()).unwrap();
        let file = place.path().join("a.tar");
        store.export("a", &file).unwrap();
        let bytes = fs::read(file).unwrap();
        (place, store, bytes)
    }

    /// An archive of these entries after a lock file that names them, as an attacker would write it.
    fn forged(entries: &[(&str, tar::EntryType, &str)], lock: &str) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        archive.append_data(&mut header(0o644, lock.len() as u64), LOCK, lock.as_bytes()).unwrap();
        for (path, kind, text) in entries {
            let mut header = header(0o644, if kind.is_file() { text.len() as u64 } else { 0 });
            header.set_entry_type(*kind);
            // Past the checks of the crate that writes it.
            let name = &mut header.as_old_mut().name;
            name[..path.len()].copy_from_slice(path.as_bytes());
            if !kind.is_file() {
                header.set_link_name_literal(text).unwrap();
            }
            header.set_cksum();
            archive.append(&header, if kind.is_file() { text.as_bytes() } else { b"" }).unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn line(path: &str, text: &str) -> String {
        let (sha256, size) = lock::digest(text.as_bytes()).unwrap();
        format!("[files.\"{path}\"]\nsha256 = \"{sha256}\"\nsize = {size}\n")
    }

    /// What importing these bytes says. Nothing of it may stay.
    fn refusal(bytes: &[u8]) -> String {
        let (place, store, _) = exported();
        let file = place.path().join("forged.tar");
        fs::write(&file, bytes).unwrap();
        let error = store.import(&file, "b", ForeignProfile::Drop).unwrap_err();
        assert!(matches!(error, EnvironmentError::Archive { .. }), "{error}");
        let left: Vec<_> = fs::read_dir(store.directory()).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["a"]);
        let outside: Vec<_> = fs::read_dir(place.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(outside.len(), 3, "{outside:?}");
        error.to_string()
    }

    #[test]
    fn what_was_exported_is_the_same_after_an_import() {
        let (place, store, bytes) = exported();
        store.import(&place.path().join("a.tar"), "b", ForeignProfile::Drop).unwrap();
        assert_eq!(store.lock("a").unwrap(), store.lock("b").unwrap());
        assert_eq!(store.verify("b", None).unwrap().differences, []);
        store.export("b", &place.path().join("b.tar")).unwrap();
        assert_eq!(fs::read(place.path().join("b.tar")).unwrap(), bytes, "bit for bit");
    }

    #[test]
    fn an_archive_that_was_changed_or_cut_is_refused_wherever_that_is() {
        let (_place, _, bytes) = exported();
        let at = bytes.windows(5).position(|part| part == b"x = 1").unwrap();
        let mut changed = bytes.clone();
        changed[at] = b'y';
        assert!(refusal(&changed).contains("`packages/m.py` does not have the digest"));
        for length in [0, 100, 600, at, at + 3] {
            refusal(&bytes[..length]);
        }
        refusal(&[b'x'; 4096]);
    }

    #[test]
    fn an_archive_reaches_nothing_outside_and_brings_nothing_unnamed() {
        use tar::EntryType as Kind;
        let manifest = "schema = \"palisade.environment/1\"\n";
        let head = format!("schema = \"palisade.lock/1\"\n{}", line(MANIFEST, manifest));
        let own = (MANIFEST, Kind::Regular, manifest);
        let with = |path: &str, text: &str| format!("{head}{}", line(path, text));
        for path in ["../escaped", "/tmp/palisade-escaped", "a/../../escaped", "host.toml", "environment.lock", "./x"] {
            let said = refusal(&forged(&[own, (path, Kind::Regular, "x")], &with(path, "x")));
            assert!(said.contains("not a place for a file"), "{said}");
        }
        assert!(refusal(&forged(&[own, ("extra", Kind::Regular, "x")], &head)).contains("not in its lock file"));
        assert!(refusal(&forged(&[own, own], &head)).contains("twice"));
        assert!(refusal(&forged(&[own], &with("gone", "x"))).contains("`gone` is missing"));
        assert!(refusal(&forged(&[own, ("f", Kind::Fifo, "")], &with("f", ""))).contains("something else"));
        assert!(refusal(&forged(&[own, ("f", Kind::Link, "a")], &with("f", ""))).contains("something else"));
        let link = |target: &str| format!("{head}[files.d]\nlink = \"{target}\"\n");
        for target in ["/tmp", "..", "../.."] {
            let said = refusal(&forged(&[own, ("d", Kind::Symlink, target)], &link(target)));
            assert!(said.contains("leads somewhere else"), "{said}");
        }
        let through = format!("{}{}", link("e"), line("d/x", "x"));
        let said = refusal(&forged(&[own, ("d", Kind::Symlink, "e"), ("d/x", Kind::Regular, "x")], &through));
        assert!(said.contains("below something else"), "{said}");
    }

    #[test]
    fn an_archive_without_a_fitting_manifest_is_refused() {
        let said = |manifest: &str| {
            let lock = format!("schema = \"palisade.lock/1\"\n{}", line(MANIFEST, manifest));
            refusal(&forged(&[(MANIFEST, tar::EntryType::Regular, manifest)], &lock))
        };
        assert!(said("schema = \"palisade.environment/1\"\ncolour = 1\n").contains("unknown key `colour`"));
        assert!(said(TEXT).contains("`packages` is named there and is not a directory"));
        assert!(refusal(&forged(&[], "schema = \"palisade.lock/1\"\n")).contains("has no environment.toml"));
        assert!(refusal(&forged(&[], "colour = 1")).contains("environment.lock"));
    }
}
