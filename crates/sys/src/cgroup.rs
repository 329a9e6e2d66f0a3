//! One cgroup for one run, on version 1, version 2 and hybrid hosts.
//!
//! [`Place::find`] says where this process may make groups, [`Place::create`] makes one with its limits set,
//! [`Group`] measures it and removes it. A controller that is missing is `None`, never guessed. Not here: what limits a
//! policy wants, and what stands in for a missing controller (`palisade::native::limits`).
//!
//! Facts from Documentation/admin-guide/cgroup-v1/ and cgroup-v2.rst.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

mod counters;
mod narrow;

use crate::life::{Life, text};

const ROOT: &str = "/sys/fs/cgroup";
const PREFIX: &str = "palisade-";

/// Where groups can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Version 1: one directory per controller.
    V1 {
        /// Memory and swap.
        memory: Option<PathBuf>,
        /// Number of tasks.
        pids: Option<PathBuf>,
        /// Processor time used.
        cpuacct: Option<PathBuf>,
        /// Processor share.
        cpu: Option<PathBuf>,
    },
    /// Version 2: one directory.
    V2 {
        /// Directory whose children have the memory and pids controllers.
        directory: PathBuf,
        /// Whether they have the cpu controller too.
        cpu: bool,
        /// Whether the controllers have to be enabled for them first.
        enable: bool,
    },
}

/// What a group is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of memory and swap together.
    pub memory: u64,
    /// Tasks (threads of all processes).
    pub tasks: u64,
    /// Percent of one processor.
    pub cpu_percent: Option<u32>,
}

/// A group that exists. Dropping it removes it.
#[derive(Debug)]
pub struct Group {
    v2: bool,
    memory: Option<PathBuf>,
    pids: Option<PathBuf>,
    cpuacct: Option<PathBuf>,
    cpu: Option<PathBuf>,
    /// Why a controller that exists could not be used.
    failures: Vec<(&'static str, io::Error)>,
    keeper: Keeper,
    opened: counters::Opened,
}

/// Who removes a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeper {
    /// Whoever made it here.
    Own,
    /// Somebody else, at a time of their own.
    Other,
}

/// Why no group can be made.
#[derive(Debug)]
pub struct NoPlace {
    /// What was tried and what came of it.
    pub because: String,
}

impl Place {
    /// Finds where this process may make groups: as near as possible to its own group, so that the limits that hold for
    /// it hold for the run as well.
    ///
    /// # Errors
    /// [`NoPlace`] if there is no writable directory with a memory or pids controller.
    pub fn find() -> Result<Self, NoPlace> {
        let own = text(Path::new("/proc/self/cgroup"))
            .map_err(|error| NoPlace { because: format!("/proc/self/cgroup: {error}") })?;
        if Path::new(ROOT).join("cgroup.controllers").exists() {
            return Self::find_v2(Path::new(ROOT), &own);
        }
        let find = |controller: &str| {
            let base = Path::new(ROOT).join(controller);
            let path = own.lines().find_map(|line| {
                let mut parts = line.splitn(3, ':').skip(1);
                parts.next()?.split(',').any(|c| c == controller).then(|| parts.next()).flatten()
            })?;
            // Inside a container the path may be one of the host's that is not mounted here.
            let directory = base.join(path.trim_start_matches('/'));
            let directory = if directory.is_dir() { directory } else { base };
            writable(&directory).then_some(directory)
        };
        let place = Self::V1 { memory: find("memory"), pids: find("pids"), cpuacct: find("cpuacct"), cpu: find("cpu") };
        match &place {
            Self::V1 { memory: None, pids: None, .. } => {
                let v1 = "no cgroup v1 directory of the memory or pids controller is writable here";
                let unified = Path::new(ROOT).join("unified");
                if unified.join("cgroup.controllers").exists() {
                    return Self::find_v2(&unified, &own)
                        .map_err(|v2| NoPlace { because: format!("{v1}; {}", v2.because) });
                }
                Err(NoPlace { because: v1.to_owned() })
            }
            _ => Ok(place),
        }
    }

    fn find_v2(root: &Path, own: &str) -> Result<Self, NoPlace> {
        let path = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
        let mut directory = root.join(path.trim_start_matches('/'));
        let mut tried = Vec::new();
        while directory.starts_with(root) {
            match offers(&directory) {
                Ok((cpu, enable)) => return Ok(Self::V2 { directory, cpu, enable }),
                Err(why) => tried.push(format!("{}: {why}", directory.display())),
            }
            // Beyond what was delegated to us nothing can be joined.
            if !directory.pop() || !writable(&directory) {
                break;
            }
        }
        Err(NoPlace { because: tried.join("; ") })
    }

    /// Makes a group with its limits set, empty.
    ///
    /// # Errors
    /// If not even one controller could be used.
    pub fn create(&self, settings: &Settings) -> io::Result<Group> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}", Life::own());
        match self {
            Self::V2 { directory, cpu, enable } => {
                if *enable {
                    put(directory, "cgroup.subtree_control", "+memory +pids")?;
                    if *cpu {
                        put(directory, "cgroup.subtree_control", "+cpu")?;
                    }
                }
                let path = directory.join(name);
                fs::create_dir(&path)?;
                let mut group = Group::none(Keeper::Own);
                group.v2 = true;
                (group.memory, group.pids) = (Some(path.clone()), Some(path.clone()));
                (group.cpuacct, group.cpu) = (Some(path.clone()), cpu.then(|| path.clone()));
                put(&path, "memory.max", settings.memory)?;
                optional(put(&path, "memory.swap.max", 0))?;
                optional(put(&path, "memory.oom.group", 1))?;
                put(&path, "pids.max", settings.tasks)?;
                if let (Some(percent), true) = (settings.cpu_percent, cpu) {
                    put(&path, "cpu.max", format_args!("{} {PERIOD}", quota(percent)))?;
                }
                Ok(group)
            }
            Self::V1 { memory, pids, cpuacct, cpu } => {
                let mut group = Group::none(Keeper::Own);
                group.memory = group.make(memory, &name, "memory", |path| {
                    put(path, "memory.limit_in_bytes", settings.memory)?;
                    // Absent where the kernel does not account swap.
                    optional(put(path, "memory.memsw.limit_in_bytes", settings.memory))
                });
                group.pids = group.make(pids, &name, "pids", |path| put(path, "pids.max", settings.tasks));
                group.cpuacct = group.make(cpuacct, &name, "cpuacct", |_| Ok(()));
                if let Some(percent) = settings.cpu_percent {
                    group.cpu = group.make(cpu, &name, "cpu", |path| {
                        put(path, "cpu.cfs_period_us", PERIOD)?;
                        put(path, "cpu.cfs_quota_us", quota(percent))
                    });
                }
                if group.directories().next().is_none() {
                    return Err(group.failures.pop().map_or_else(|| io::ErrorKind::NotFound.into(), |(_, e)| e));
                }
                Ok(group)
            }
        }
    }

    /// Removes groups whose palisade was killed before it could.
    pub fn remove_stale(&self) {
        let all: Vec<&Path> = match self {
            Self::V2 { directory, .. } => vec![directory],
            Self::V1 { memory, pids, cpuacct, cpu } => {
                [memory, pids, cpuacct, cpu].into_iter().flatten().map(PathBuf::as_path).collect()
            }
        };
        for directory in all {
            let Ok(entries) = fs::read_dir(directory) else { continue };
            for name in entries.flatten().map(|entry| entry.file_name()) {
                let Some(owner) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
                if Life::read(owner).is_some_and(Life::is_over) {
                    // A group that is in use after all stays: rmdir refuses it.
                    let _ = remove(&directory.join(&name));
                }
            }
        }
    }
}

/// Removes a group with the groups that were made in it, unless one of them is in use. Whatever else is in there is no file.
fn remove(group: &Path) -> io::Result<()> {
    match fs::remove_dir(group) {
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
            let mut inner =
                fs::read_dir(group)?.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            inner.try_for_each(|entry| remove(&entry.path()))?;
            fs::remove_dir(group)
        }
        answer => answer,
    }
}

const PERIOD: u64 = 100_000;

fn quota(percent: u32) -> u64 {
    (u64::from(percent) * PERIOD / 100).max(1000) // the kernel's smallest quota is 1 ms
}

/// Whether children of `directory` have the cpu controller beside memory and pids, and whether these must be enabled first.
fn offers(directory: &Path) -> Result<(bool, bool), String> {
    let read = |name: &str| text(&directory.join(name)).map_err(|error| format!("{name}: {error}"));
    if !writable(directory) {
        return Err("not writable".to_owned());
    }
    let has = |list: &str, name: &str| list.split_whitespace().any(|c| c == name);
    let enabled = read("cgroup.subtree_control")?;
    if has(&enabled, "memory") && has(&enabled, "pids") {
        return Ok((has(&enabled, "cpu"), false));
    }
    let available = read("cgroup.controllers")?;
    if let Some(name) = ["memory", "pids"].into_iter().find(|name| !has(&available, name)) {
        return Err(format!("the {name} controller is not delegated to it"));
    }
    // The kernel refuses it for a group that has processes itself and is not the root, which has no `cgroup.type`.
    if directory.join("cgroup.type").exists() && !read("cgroup.procs")?.is_empty() {
        return Err("its controllers are not enabled for children, and cannot be while it has processes".to_owned());
    }
    Ok((has(&available, "cpu"), true))
}

fn writable(directory: &Path) -> bool {
    rustix::fs::access(directory, rustix::fs::Access::WRITE_OK).is_ok()
}

fn put(directory: &Path, file: &'static str, value: impl std::fmt::Display) -> io::Result<()> {
    let write = || OpenOptions::new().write(true).open(directory.join(file))?.write_all(value.to_string().as_bytes());
    write().map_err(|error| io::Error::new(error.kind(), format!("{}/{file}: {error}", directory.display())))
}

fn optional(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.kind() == io::ErrorKind::PermissionDenied => {
            Ok(())
        }
        other => other,
    }
}

impl Group {
    /// Of version 1, without a controller.
    fn none(keeper: Keeper) -> Self {
        Self {
            v2: false,
            memory: None,
            pids: None,
            cpuacct: None,
            cpu: None,
            failures: Vec::new(),
            keeper,
            opened: counters::Opened::default(),
        }
    }

    /// The group that a process is in, which somebody else has made and will remove. It can be read.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn of_process(pid: u32) -> io::Result<Self> {
        let own = text(Path::new(&format!("/proc/{pid}/cgroup")))?;
        let mut group = Self::none(Keeper::Other);
        if Path::new(ROOT).join("cgroup.controllers").exists() {
            let path = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
            let directory = Path::new(ROOT).join(path.trim_start_matches('/'));
            let with = |file: &str| directory.join(file).exists().then(|| directory.clone());
            group.v2 = true;
            (group.memory, group.pids) = (with("memory.max"), with("pids.max"));
            (group.cpuacct, group.cpu) = (with("cpu.stat"), with("cpu.max"));
            return Ok(group);
        }
        let find = |controller: &str, file: &str| {
            let path = own.lines().find_map(|line| {
                let mut parts = line.splitn(3, ':').skip(1);
                parts.next()?.split(',').any(|one| one == controller).then(|| parts.next()).flatten()
            })?;
            let directory = Path::new(ROOT).join(controller).join(path.trim_start_matches('/'));
            directory.join(file).exists().then_some(directory)
        };
        group.memory = find("memory", "memory.limit_in_bytes");
        group.pids = find("pids", "pids.max");
        group.cpuacct = find("cpuacct", "cpuacct.usage");
        group.cpu = find("cpu", "cpu.cfs_quota_us");
        Ok(group)
    }

    /// Puts a process into the group.
    ///
    /// # Errors
    /// What the kernel says: the process has to be the caller's own, or the caller root.
    pub fn take_in(&self, pid: u32) -> io::Result<()> {
        self.directories().try_for_each(|path| put(path, "cgroup.procs", pid))
    }

    fn make(
        &mut self,
        parent: &Option<PathBuf>,
        name: &str,
        controller: &'static str,
        set: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Option<PathBuf> {
        let path = parent.as_ref()?.join(name);
        // Two controllers may share one hierarchy, and so one directory (`cpu,cpuacct`).
        let made = match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            made => made.map(|()| true),
        };
        match made
            .and_then(|own| set(&path).map_err(|error| if own { (fs::remove_dir(&path), error).1 } else { error }))
        {
            Ok(()) => Some(path),
            Err(error) => {
                self.failures.push((controller, error));
                None
            }
        }
    }

    fn directories(&self) -> impl Iterator<Item = &Path> {
        let all = [&self.memory, &self.pids, &self.cpuacct, &self.cpu];
        all.into_iter().take(if self.v2 { 1 } else { 4 }).flatten().map(PathBuf::as_path)
    }

    /// The directory in which more groups are made with the least harm: events of memory and tasks are told, on version 1, in
    /// the inner group alone.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        let all = [&self.cpuacct, &self.cpu, &self.pids, &self.memory];
        all.into_iter().flatten().map(PathBuf::as_path).next()
    }

    /// A descriptor to be born into ([`crate::Script::cgroup`]); `None` on version 1.
    ///
    /// # Errors
    /// If the directory cannot be opened.
    pub fn birthplace(&self) -> io::Result<Option<OwnedFd>> {
        match &self.memory {
            Some(path) if self.v2 => {
                let file = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(path)?;
                Ok(Some(file.into()))
            }
            _ => Ok(None),
        }
    }

    /// The files by which a single-threaded process joins ([`crate::Child::go`]); none on version 2.
    ///
    /// # Errors
    /// If one cannot be opened.
    pub fn join_files(&self) -> io::Result<Vec<OwnedFd>> {
        if self.v2 {
            return Ok(Vec::new());
        }
        self.directories().map(|path| Ok(OpenOptions::new().write(true).open(path.join("tasks"))?.into())).collect()
    }

    /// Whether memory is limited by this group.
    #[must_use]
    pub fn limits_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// Whether tasks are limited by this group.
    #[must_use]
    pub fn limits_tasks(&self) -> bool {
        self.pids.is_some()
    }

    /// Whether processor time is counted by this group.
    #[must_use]
    pub fn counts_cpu(&self) -> bool {
        self.cpuacct.is_some()
    }

    /// `v1` or `v2`.
    #[must_use]
    pub fn version(&self) -> &'static str {
        if self.v2 { "v2" } else { "v1" }
    }

    /// Controllers that exist and could not be used, and why.
    #[must_use]
    pub fn failures(&self) -> &[(&'static str, io::Error)] {
        &self.failures
    }
}

impl Drop for Group {
    /// Removes the group, unless somebody else does. Its members have ended; the kernel may need a moment to let go of them.
    fn drop(&mut self) {
        if self.keeper == Keeper::Other {
            return;
        }
        let deadline = Instant::now() + Duration::from_secs(2);
        for path in self.directories() {
            while let Err(error) = remove(path) {
                if error.raw_os_error() != Some(libc::EBUSY) || Instant::now() > deadline {
                    break; // left for `remove_stale` of the next run
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}
