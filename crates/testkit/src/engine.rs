//! A container engine of a test's own: nothing of the host's is used, and nothing is left.

use std::ffi::CString;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use tempfile::TempDir;

use crate::{ORDINARY_ID, Person, need, wait_for};

/// How long an engine may take to start or end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What [`crate::Seat::command`] adds to the environment, so that the engines of this process are found.
static SOCKETS: Mutex<Vec<(&'static str, String)>> = Mutex::new(Vec::new());

/// Docker or Podman, by a socket of its own that everybody may use. Ended and removed when dropped.
///
/// As long as it is there, commands of [`crate::Seat`] find it (`DOCKER_HOST`, `CONTAINER_HOST`, `CONTAINERS_CONF`).
#[derive(Debug)]
pub struct Engine {
    process: Child,
    directory: TempDir,
    socket: PathBuf,
    variable: &'static str,
    group: String,
}

impl Engine {
    /// Starts `docker`, which is always root's, or the `podman` of a person; or says loudly that it cannot ([`need`]). `None` as
    /// well for any other name: it needs no engine.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(name: &str, person: Person) -> io::Result<Option<Self>> {
        if !["docker", "podman"].contains(&name) || !need("root") || !need(name) {
            return Ok(None);
        }
        let directory = tempfile::Builder::new().prefix("engine-").tempdir_in("/tmp")?;
        fs::set_permissions(directory.path(), Permissions::from_mode(0o711))?;
        let path = |name: &str| directory.path().join(name);
        let group = directory.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let socket = path("engine.sock");
        let mut command = match name {
            "docker" => dockerd(&path, &socket, &group),
            _ => podman(directory.path(), &socket, person)?,
        };
        let variable = if name == "docker" { "DOCKER_HOST" } else { "CONTAINER_HOST" };
        let engine = Self { process: begin(&mut command, &path("log"))?, directory, socket, variable, group };
        engine.await_socket()?;
        fs::set_permissions(&engine.socket, Permissions::from_mode(0o666))?;
        SOCKETS.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(engine.variable());
        Ok(Some(engine))
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The variable by which palisade finds it, and its value.
    #[must_use]
    pub fn variable(&self) -> (&'static str, String) {
        (self.variable, format!("unix://{}", self.socket.display()))
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    fn await_socket(&self) -> io::Result<()> {
        if wait_for(PATIENCE, || UnixStream::connect(&self.socket).is_ok()) {
            return Ok(());
        }
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        Err(io::Error::other(format!("the engine does not listen: {log}")))
    }
}

/// What podman needs on hosts where root may not raise limits and cgroups are of both versions, for a service that palisade
/// starts itself. Only the path is kept: the file is in the directory.
///
/// # Errors
/// If it cannot be written.
pub fn configuration(directory: &Path) -> io::Result<PathBuf> {
    let path = directory.join("containers.conf");
    let text = "[containers]\ndefault_ulimits=[]\n[engine]\nruntime=\"runc\"\ncgroup_manager=\"cgroupfs\"\nevents_logger=\"file\"\n";
    fs::write(&path, text)?;
    fs::set_permissions(&path, Permissions::from_mode(0o644))?;
    Ok(path)
}

/// Everything that the engines of this process are found by.
pub(crate) fn environment() -> Vec<(&'static str, String)> {
    SOCKETS.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
}

fn dockerd(path: &dyn Fn(&str) -> PathBuf, socket: &Path, group: &str) -> Command {
    let mut command = Command::new("dockerd");
    command.arg("--data-root").arg(path("data")).arg("--exec-root").arg(path("exec")).arg("--pidfile").arg(path("pid"));
    command.arg("-H").arg(format!("unix://{}", socket.display()));
    // No network of its own: that would change the host's.
    command.args(["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"]);
    command.arg(format!("--cgroup-parent=/{group}"));
    command
}

fn podman(directory: &Path, socket: &Path, person: Person) -> io::Result<Command> {
    let mut command = Command::new("podman");
    let home = directory.join("home");
    let runtime = home.join("runtime");
    for path in [&home, &runtime] {
        fs::create_dir(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o700))?;
        if person == Person::Ordinary {
            std::os::unix::fs::chown(path, Some(ORDINARY_ID), Some(ORDINARY_ID))?;
        }
    }
    if person == Person::Ordinary {
        // Where it makes its socket.
        std::os::unix::fs::chown(directory, Some(ORDINARY_ID), Some(ORDINARY_ID))?;
        command.uid(ORDINARY_ID).gid(ORDINARY_ID);
    } else {
        command.arg("--root").arg(home.join("store")).arg("--runroot").arg(runtime.join("store"));
    }
    command.args(["system", "service", "--time", "0"]).arg(format!("unix://{}", socket.display()));
    command.env("CONTAINERS_CONF", configuration(directory)?).env("HOME", &home).env("XDG_RUNTIME_DIR", &runtime);
    // What it takes in, it leaves there.
    command.env("TMPDIR", &home);
    command.current_dir(home);
    Ok(command)
}

/// Starts it as a process that ends with this thread.
fn begin(command: &mut Command, log: &Path) -> io::Result<Child> {
    let log = File::create(log)?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    // SAFETY: one system call.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            Ok(())
        });
    }
    command.spawn()
}

impl Drop for Engine {
    fn drop(&mut self) {
        SOCKETS
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .retain(|(_, socket)| !socket.ends_with(&*self.socket.to_string_lossy()));
        // An ordinary person's podman may listen in another process than the one that was started.
        let listener = listener(&self.socket).filter(|pid| *pid != self.process.id().cast_signed());
        // SAFETY: no memory is involved, and the child has not been waited for.
        unsafe { libc::kill(self.process.id().cast_signed(), libc::SIGTERM) };
        if !wait_for(PATIENCE, || !matches!(self.process.try_wait(), Ok(None))) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
        if let Some(pid) = listener {
            // SAFETY: no memory is involved.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        end_pause(&self.directory.path().join("home/runtime/libpod/tmp/pause.pid"));
        // What it has mounted below its directory, the last first.
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let below = mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(Path::new);
        let below: Vec<&Path> = below.filter(|at| at.starts_with(self.directory.path())).collect();
        for at in below.into_iter().rev() {
            if let Ok(at) = CString::new(at.as_os_str().as_bytes()) {
                // SAFETY: a zero-terminated path.
                unsafe { libc::umount2(at.as_ptr(), libc::MNT_DETACH) };
            }
        }
        remove_groups(Path::new("/sys/fs/cgroup"), &self.group);
    }
}

/// Who listens at a socket.
fn listener(socket: &Path) -> Option<i32> {
    let stream = UnixStream::connect(socket).ok()?;
    let mut who = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: `who` has the length that is told, and both live as long as the call.
    unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut who).cast(),
            &raw mut length,
        )
    };
    Some(who.pid).filter(|pid| *pid > 1)
}

/// Ends the process that an ordinary person's podman leaves to hold its namespaces.
fn end_pause(file: &Path) {
    let pid = fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok());
    if let Some(pid) = pid.filter(|pid| *pid > 1) {
        // SAFETY: no memory is involved.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
}

/// Removes a group in every hierarchy, those below it first.
fn remove_groups(hierarchies: &Path, group: &str) {
    let own = hierarchies.join(group);
    let others = fs::read_dir(hierarchies).into_iter().flatten().flatten().map(|entry| entry.path().join(group));
    for place in std::iter::once(own).chain(others) {
        if place.is_dir() {
            remove_group(&place);
        }
    }
}

fn remove_group(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_group(&entry.path());
        }
    }
    let _ = fs::remove_dir(place);
}

/// Groups of version 1 that an ordinary person may use, made by root. Removed when dropped.
#[derive(Debug)]
pub struct Delegated {
    places: Vec<PathBuf>,
    name: String,
}

impl Delegated {
    /// Makes them for this user, or `None` where there is no version 1 or nobody who could.
    ///
    /// # Errors
    /// If they cannot be made.
    pub fn to(uid: u32) -> io::Result<Option<Self>> {
        let root = Path::new("/sys/fs/cgroup");
        if !root.join("memory").is_dir() || Person::Root.seat()?.is_none() {
            return Ok(None);
        }
        let name = format!("delegated-{}", std::process::id());
        let mut delegated = Self { places: Vec::new(), name: name.clone() };
        for controller in ["memory", "pids", "cpu", "cpuacct"] {
            let place = root.join(controller).join(&name);
            fs::create_dir(&place)?;
            for path in [place.clone(), place.join("cgroup.procs"), place.join("tasks")] {
                std::os::unix::fs::chown(path, Some(uid), Some(uid))?;
            }
            delegated.places.push(place);
        }
        Ok(Some(delegated))
    }

    /// A program at `at` that begins in these groups and becomes `program`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn wrap(&self, program: &Path, at: &Path) -> io::Result<()> {
        let joins: String =
            self.places.iter().map(|place| format!("echo $$ > {}/cgroup.procs\n", place.display())).collect();
        fs::write(at, format!("#!/bin/sh -e\n{joins}exec {} \"$@\"\n", program.display()))?;
        fs::set_permissions(at, Permissions::from_mode(0o755))
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        remove_groups(Path::new("/sys/fs/cgroup"), &self.name);
    }
}
