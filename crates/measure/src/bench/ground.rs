//! What methods are given: a directory of its own, a file tree in it, a secret, a socket; and what they have left behind.

use std::{
    cell::{OnceCell, RefCell},
    fs, io,
    net::{Ipv4Addr, TcpListener},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::PermissionsExt,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use super::{
    probe,
    process::{Failed, Line},
    root,
};
use crate::{attack::decoy, left::clear};

/// How the names of such directories begin, and of everything else that is made.
pub(super) const PREFIX: &str = "palisade-bench-";

/// The longest that an engine is given to remove something.
const PATIENCE: Duration = Duration::from_secs(20);

/// The ground. Dropped, all of it is removed.
#[derive(Debug)]
pub(super) struct Ground {
    directory: TempDir,
    /// A word that nobody else has, in the names of what is made.
    pub(super) token: String,
    /// What is in the file that no sandbox should read.
    pub(super) secret: String,
    /// Who is in the host's network sees this.
    listener: TcpListener,
    root: OnceCell<Result<PathBuf, String>>,
    /// This program itself.
    pub(super) palisade: PathBuf,
    /// The kernel of virtual machines, if there is one.
    pub(super) kernel: Option<PathBuf>,
    /// Becomes readable when all is to stop.
    cancel: Option<OwnedFd>,
    /// What has to be done in the end.
    undo: RefCell<Vec<Line>>,
    /// Locked as long as it is in use.
    _held: fs::File,
}

impl Ground {
    pub(super) fn new(palisade: &Path, kernel: Option<PathBuf>, cancel: Option<BorrowedFd<'_>>) -> io::Result<Self> {
        // Not in /tmp if it can be helped: many sandboxes have a /tmp of their own, and would look better than they are.
        let make = |place: &Path| tempfile::Builder::new().prefix(PREFIX).tempdir_in(place);
        let place = Path::new("/var/tmp");
        clear(place, PREFIX);
        let directory = make(place).or_else(|_| make(&std::env::temp_dir()))?;
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
        let held = fs::File::open(directory.path())?;
        flock(&held, FlockOperation::NonBlockingLockExclusive)?;
        let secret = decoy();
        fs::write(directory.path().join("secret"), format!("{secret}\n"))?;
        let name = directory.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self {
            token: name.trim_start_matches(PREFIX).to_ascii_lowercase(),
            listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?,
            root: OnceCell::new(),
            undo: RefCell::default(),
            cancel: cancel.map(|cancel| cancel.try_clone_to_owned()).transpose()?,
            palisade: palisade.to_owned(),
            kernel,
            directory,
            secret,
            _held: held,
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn secret_file(&self) -> PathBuf {
        self.path().join("secret")
    }

    pub(super) fn port(&self) -> u16 {
        self.listener.local_addr().map_or(0, |address| address.port())
    }

    /// The name of whatever is made elsewhere.
    pub(super) fn name(&self) -> String {
        format!("{PREFIX}{}", self.token)
    }

    /// A file tree with the programs, made when it is first needed.
    pub(super) fn root(&self) -> Result<&Path, String> {
        let made = self.root.get_or_init(|| {
            let path = self.path().join("root");
            fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            root::build(&path)?;
            Ok(path)
        });
        made.as_deref().map_err(Clone::clone)
    }

    /// The file that a virtual machine's kernel starts with, whose first process carries out `script`.
    pub(super) fn initramfs(&self, name: &str, script: &str) -> Result<PathBuf, String> {
        let path = self.path().join(format!("{name}.cpio"));
        let write = || {
            let init = format!("#!/bin/sh\n{script}\n");
            root::initramfs(self.root().map_err(io::Error::other)?, &init, fs::File::create(&path)?)
        };
        write().map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }

    /// A new directory in it.
    pub(super) fn fresh(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.path().join(name);
        match fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(format!("{}: {error}", path.display())),
            _ => Ok(path),
        }
    }

    /// Carries out something that a method needs before it can be tried.
    pub(super) fn prepare(&self, line: &Line) -> Result<(), String> {
        match line.look(self.cancel.as_ref().map(AsFd::as_fd), None) {
            Ok(_) => Ok(()),
            Err(Failed::So(because)) => Err(because),
            Err(Failed::Cancelled) => Err("interrupted".to_owned()),
        }
    }

    /// Leaves something to be done in the end.
    pub(super) fn undo(&self, line: Line) {
        self.undo.borrow_mut().push(line);
    }

    /// The question that is put to every method.
    pub(super) fn question(&self) -> String {
        probe::script(self)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        for line in self.undo.take() {
            // An engine that does not take its image back has nobody to tell.
            let _ = line.look_within(PATIENCE, None, None);
        }
        // Groups that a method was too late to remove itself.
        remove_groups(Path::new("/sys/fs/cgroup"), &self.name(), 4);
    }
}

fn remove_groups(directory: &Path, name: &str, depth: u32) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let is_ours = entry.file_name().to_string_lossy().contains(name);
        if is_ours || depth > 0 {
            remove_groups(&entry.path(), name, depth.saturating_sub(1));
        }
        if is_ours {
            // One that is still in use stays, and there is nobody to tell.
            let _ = fs::remove_dir(entry.path());
        }
    }
}
