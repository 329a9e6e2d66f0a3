//! Build tasks in the manner of BitBake (R32, R35, R36): a script with a directory of its own, and sysroots made of layers.
//!
//! ```text
//! sandbox_dir/            the program sees
//! ├ work/                 /work                        WORKDIR, writable, where the script starts
//! │ ├ src/                /work/src                    S
//! │ ├ build/              /work/build                  B
//! │ ├ outputs/            /work/outputs                D
//! │ ├ recipe-sysroot/     the layers of target_dep     writable; the writes are in sysroots/target/changes
//! │ └ recipe-sysroot-native/  the layers of native_dep likewise, sysroots/native/changes
//! ├ sysroots/             not at all
//! ├ stdout.log            not at all
//! └ stderr.log            not at all
//! ```
//!
//! Not here: running it (`run.rs`), mounting the layers (`native::layers`).

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::fs::{DirBuilderExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use palisade_spec::{
    Conflicts, Input, Layers, LimitsAsk, NetworkPolicy, Output, Policy, Program, Report, Request, Upper,
};
use rustix::{
    fs::{CWD, FlockOperation, Mode, OFlags, flock, mkdirat, openat},
    io::Errno,
};

use crate::{error::StartError, language::WORK, layers::directory, run::run_until, trees::path_error};

/// Longest argument that Linux gives to a program, with its NUL (`MAX_ARG_STRLEN` in include/uapi/linux/binfmts.h).
const ARGUMENT: usize = 128 << 10;

/// Where each sysroot is in the task's directory, and its name under `sysroots`.
const TARGET: (&str, &str) = ("recipe-sysroot", "target");
const NATIVE: (&str, &str) = ("recipe-sysroot-native", "native");

/// Describes a build task. The order of the calls does not matter, except among dependencies, of which the first wins.
///
/// ```
/// use palisade::SandboxBuilder;
///
/// # let place = tempfile::tempdir()?;
/// # let [task, zlib] = ["task", "zlib"].map(|name| place.path().join(name));
/// # std::fs::create_dir_all(zlib.join("usr/include"))?;
/// # std::fs::write(zlib.join("usr/include/zlib.h"), "")?;
/// // Runs a program, so it needs user namespaces.
/// let report = SandboxBuilder::new()
///     .sandbox_dir(&task)
///     .script("ls $WORKDIR/recipe-sysroot/usr/include; echo $MACHINE > $D/result")
///     .env("MACHINE", "qemux86")
///     .target_dep(&zlib)
///     .network(false)
///     .build()?
///     .execute()?;
/// assert!(report.success);
/// assert_eq!(std::fs::read_to_string(task.join("stdout.log"))?, "zlib.h\n");
/// assert_eq!(std::fs::read_to_string(task.join("work/outputs/result"))?, "qemux86\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct SandboxBuilder {
    sandbox_dir: Option<PathBuf>,
    script: Option<String>,
    environment: Vec<(String, String)>,
    target: Vec<PathBuf>,
    native: Vec<PathBuf>,
    network: NetworkPolicy,
    limits: LimitsAsk,
    read: Vec<PathBuf>,
    conflicts: Compare,
}

/// Whether the dependencies of a task are compared with each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Compare {
    #[default]
    Yes,
    No,
}

impl SandboxBuilder {
    /// Nothing is set: a directory and a script have to be.
    pub fn new() -> Self {
        Self::default()
    }

    /// The task's directory on the host. It is made, closed to others, if it is not there.
    pub fn sandbox_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.sandbox_dir = Some(directory.into());
        self
    }

    /// What `bash -c` executes, in `/work`.
    pub fn script(mut self, script: impl Into<String>) -> Self {
        self.script = Some(script.into());
        self
    }

    /// Sets a variable, beside `WORKDIR`, `S`, `B`, `D` and the small fixed environment. The last one of a name counts.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Adds a layer to `recipe-sysroot`: a directory of what was built for the target. The first one wins.
    pub fn target_dep(mut self, layer: impl Into<PathBuf>) -> Self {
        self.target.push(layer.into());
        self
    }

    /// Adds a layer to `recipe-sysroot-native`: a directory of tools for this host. The first one wins.
    pub fn native_dep(mut self, layer: impl Into<PathBuf>) -> Self {
        self.native.push(layer.into());
        self
    }

    /// Whether the script has the host's network. Without this call it has none.
    ///
    /// A boolean, against the rule of this library, because R32 wants this shape.
    pub fn network(mut self, allowed: bool) -> Self {
        self.network = if allowed { NetworkPolicy::AllowAll } else { NetworkPolicy::None };
        self
    }

    /// Limits in place of the default ones, which are those of a short program: 30 s, 500 MiB, 16 processes.
    pub fn limits(mut self, limits: LimitsAsk) -> Self {
        self.limits = limits;
        self
    }

    /// Shows a host path at its own place, read-only: a toolchain outside /usr, say.
    pub fn allow_read(mut self, path: impl Into<PathBuf>) -> Self {
        self.read.push(path.into());
        self
    }

    /// Leaves out the comparison of the dependencies, whose result is `layer_conflicts` of the report. It reads every name
    /// in them before each execution.
    pub fn without_conflicts(mut self) -> Self {
        self.conflicts = Compare::No;
        self
    }

    /// Checks what can be checked without changing anything.
    ///
    /// # Errors
    /// If the directory or the script is missing, or a dependency is not a directory.
    pub fn build(self) -> Result<Task, StartError> {
        let missing = |what, hint: &str| StartError::Value {
            what,
            value: "left out".to_owned(),
            because: "a task needs one".to_owned(),
            hint: hint.to_owned(),
        };
        let script = self.script.ok_or_else(|| missing("the script", "call .script(\"…\")"))?;
        let place = self.sandbox_dir.ok_or_else(|| missing("the task's directory", "call .sandbox_dir(…)"))?;
        if script.len() >= ARGUMENT {
            return Err(StartError::Value {
                what: "the script",
                value: format!("{} bytes long", script.len()),
                because: format!("Linux gives no program an argument of {ARGUMENT} bytes or more"),
                hint: "put it into a file in work/src, and let the script be: . $S/FILE".to_owned(),
            });
        }
        // The last name may be of a directory that is made later; those before it are resolved once.
        let place = std::path::absolute(&place).map_err(|error| path_error(&place, &error))?;
        let canonical = |layers: Vec<PathBuf>| layers.iter().map(|layer| directory(layer)).collect::<Result<_, _>>();
        Ok(Task {
            place,
            script,
            environment: self.environment,
            target: canonical(self.target)?,
            native: canonical(self.native)?,
            policy: Policy {
                files: palisade_spec::FilesPolicy { read: self.read, ..Default::default() },
                network: self.network,
                limits: self.limits,
                ..Policy::default()
            },
            conflicts: self.conflicts,
        })
    }
}

/// A build task that can be executed again and again, one execution at a time.
///
/// `work` stays as the execution before has left it. The sysroots begin anew: what an execution has written there is in
/// `sysroots` until the next one.
#[derive(Clone, Debug)]
pub struct Task {
    place: PathBuf,
    script: String,
    environment: Vec<(String, String)>,
    target: Vec<PathBuf>,
    native: Vec<PathBuf>,
    policy: Policy,
    conflicts: Compare,
}

impl Task {
    /// Runs the script to its end. Its output goes to `stdout.log` and `stderr.log`, live; each keeps as much as the output
    /// limit allows, and the report counts the rest.
    ///
    /// As root, the script runs as a user of its own. In `work`, files of the owner of `work` are that user's, and what the
    /// script makes belongs to the owner. In the sysroots, it can change what is open to everybody.
    ///
    /// Blocks the calling thread. The script and all its descendants are killed if that thread ends.
    ///
    /// # Errors
    /// If the task's directory cannot be prepared, another execution is using it, or the script could not be started;
    /// whatever it does afterwards is in the report.
    pub fn execute(&self) -> Result<Report, StartError> {
        self.execute_until(None)
    }

    /// As [`Task::execute`], and stops as soon as `cancel` becomes readable: the outcome is then `Cancelled`.
    ///
    /// # Errors
    /// As [`Task::execute`].
    pub fn execute_until(&self, cancel: Option<BorrowedFd<'_>>) -> Result<Report, StartError> {
        let (request, _lock) = self.prepare()?;
        run_until(request, cancel)
    }

    fn prepare(&self) -> Result<(Request, OwnedFd), StartError> {
        let wrong = |what: &Path| {
            let what = what.to_owned();
            move |error: io::Error| StartError::Path {
                path: what,
                because: error.to_string(),
                hint: "the task's directory must belong to this user; what is not a plain directory there must go"
                    .to_owned(),
            }
        };
        let place = &self.place;
        match DirBuilder::new().mode(0o700).create(place) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            answer => answer.map_err(wrong(place))?,
        }
        // A link somewhere in its path is fine now, and would be refused when it is mounted.
        let place = &place.canonicalize().map_err(wrong(place))?;
        let root = open_directory(&CWD, place).map_err(wrong(place))?;
        self.lock(&root)?;
        let work_path = place.join("work");
        let work = plain_directory(&root, "work", Mode::from_raw_mode(0o755)).map_err(wrong(&work_path))?;
        for name in ["src", "build", "outputs"] {
            plain_directory(&work, name, Mode::from_raw_mode(0o755)).map_err(wrong(&work_path.join(name)))?;
        }
        let mut layers = Vec::new();
        for (lower, (mount_point, name)) in [(&self.target, TARGET), (&self.native, NATIVE)] {
            if lower.is_empty() {
                continue;
            }
            plain_directory(&work, mount_point, Mode::from_raw_mode(0o755))
                .map_err(wrong(&work_path.join(mount_point)))?;
            // Closed to everybody else, because what is in it may be open.
            plain_directory(&root, "sysroots", Mode::RWXU).map_err(wrong(&place.join("sysroots")))?;
            let above = place.join("sysroots").join(name);
            remove(&above).map_err(wrong(&above))?;
            let [changes, kernel] = ["changes", "work"].map(|name| above.join(name));
            for directory in [&changes, &kernel] {
                fs::create_dir_all(directory).map_err(wrong(directory))?;
                if rustix::process::geteuid().is_root() {
                    fs::set_permissions(directory, Permissions::from_mode(0o777)).map_err(wrong(directory))?;
                }
            }
            layers.push(Layers {
                at: Path::new(WORK).join(mount_point),
                lower: lower.clone(),
                upper: Upper::Kept { changes, work: kernel },
                conflicts: if self.conflicts == Compare::Yes { Conflicts::Reported } else { Conflicts::Ignored },
            });
        }
        let log = |name: &str| log(&root, name).map_err(wrong(&place.join(name)));
        let request = Request {
            arguments: vec!["-c".to_owned(), self.script.clone()],
            environment: self.variables(),
            stdin: Input::Empty,
            output: Output::To { stdout: log("stdout.log")?.into(), stderr: log("stderr.log")?.into() },
            policy: self.policy.clone(),
            work: Some(work_path),
            layers,
            ..Request::new(Program::Command("bash".to_owned()))
        };
        Ok((request, root))
    }

    /// R36, and what the caller has set.
    fn variables(&self) -> Vec<(String, String)> {
        let own = [("WORKDIR", ""), ("S", "/src"), ("B", "/build"), ("D", "/outputs")];
        let own = own.map(|(name, below)| (name.to_owned(), format!("{WORK}{below}")));
        own.into_iter().chain(self.environment.iter().cloned()).collect()
    }

    /// Held until the descriptor is closed.
    fn lock(&self, root: &OwnedFd) -> Result<(), StartError> {
        flock(root, FlockOperation::NonBlockingLockExclusive).map_err(|errno| StartError::Path {
            path: self.place.clone(),
            because: match errno {
                Errno::AGAIN => "another task is being executed there".to_owned(),
                other => other.to_string(),
            },
            hint: "give each task a directory of its own".to_owned(),
        })
    }
}

/// Makes a directory if there is none. The script before may have put a link there, so none is followed.
fn plain_directory(parent: &OwnedFd, name: &str, mode: Mode) -> io::Result<OwnedFd> {
    match mkdirat(parent, name, mode) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    open_directory(parent, Path::new(name))
}

fn open_directory(parent: &impl std::os::fd::AsFd, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(parent, path, flags, Mode::empty())?)
}

fn log(root: &OwnedFd, name: &str) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(root, name, flags, Mode::from_raw_mode(0o644))?.into())
}

/// Removes a tree in which directories may be closed to their owner: the kernel's own work directory is.
fn remove(tree: &Path) -> io::Result<()> {
    match fs::remove_dir_all(tree) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let mut waiting = vec![tree.to_owned()];
            while let Some(directory) = waiting.pop() {
                fs::set_permissions(&directory, Permissions::from_mode(0o700))?;
                for entry in fs::read_dir(&directory)? {
                    let entry = entry?;
                    if entry.file_type()?.is_dir() {
                        waiting.push(entry.path());
                    }
                }
            }
            fs::remove_dir_all(tree)
        }
        answer => answer,
    }
}
