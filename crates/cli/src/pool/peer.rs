//! Who may ask the pool: a palisade of the same user, that stands where the pool itself stands.
//!
//! A program in a sandbox has its user's id, or may have it in another sandbox than ours, and must get nothing here even if it reaches
//! the socket: a cell shows what that program may not see. So whoever asks must be in no other namespace, have no other root, no
//! filter, no capability more or less, and be the very same binary. The same comparison holds back what a process would pass on to a
//! program that it starts itself: cgroups, processors, priority, limits of its own. All of it is read from /proc by the pool. Not here: what is asked
//! (`talk.rs`).

use std::{
    collections::BTreeMap,
    fs, io,
    os::{fd::AsFd, unix::net::UnixStream},
    path::Path,
    time::Duration,
};

use palisade_sys::peer;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{AtFlags, CWD, StatxFlags, statx},
    process::geteuid,
};

/// Lines of /proc/PID/status in which both must be the same.
const STATUS: [&str; 15] = [
    "Uid",
    "Gid",
    "Groups",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Seccomp_filters",
    "Speculation_Store_Bypass",
    "SpeculationIndirectBranch",
    "Cpus_allowed",
    "Mems_allowed",
];

const FILES: [&str; 2] = ["exe", "root"];

const NAMESPACES: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

/// Where a process stands and what it passes on, by names that people understand.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Standing(BTreeMap<String, String>);

impl Standing {
    /// That of this process.
    pub(super) fn own() -> io::Result<Self> {
        let mut own = Self::of("self")?;
        own.0.extend(files("self")?);
        Ok(own)
    }

    /// What the kernel itself tells.
    fn of(process: &str) -> io::Result<Self> {
        let directory = Path::new("/proc").join(process);
        let mut all = BTreeMap::new();
        let status = fs::read_to_string(directory.join("status"))?;
        for (name, value) in status.lines().filter_map(|line| line.split_once(':')) {
            if STATUS.contains(&name) {
                all.insert(name.to_owned(), value.trim().to_owned());
            }
        }
        for name in NAMESPACES {
            // A kernel without them has one for everybody.
            if let Ok(namespace) = fs::read_link(directory.join("ns").join(name)) {
                all.insert(format!("{name} namespace"), namespace.to_string_lossy().into_owned());
            }
        }
        for name in ["limits", "oom_score_adj", "cgroup", "attr/current", "personality"] {
            // Not every kernel has every one, and then it has it for nobody.
            all.insert(name.to_owned(), fs::read_to_string(directory.join(name)).unwrap_or_default());
        }
        // Niceness, real-time priority and scheduling policy, counted from behind the name (proc_pid_stat(5)).
        let stat = fs::read_to_string(directory.join("stat"))?;
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        let picked: Vec<&str> =
            fields.enumerate().filter(|(index, _)| [16, 37, 38].contains(index)).map(|(_, field)| field).collect();
        all.insert("niceness".to_owned(), picked.join(" "));
        Ok(Self(all))
    }

    /// Whether the process at the other end stands here too; if not, in what it differs.
    pub(super) fn check(&self, stream: &UnixStream) -> Result<(), String> {
        let gone = |error: io::Error| format!("whoever asked cannot be looked at: {error}");
        let Some(peer) = peer(stream.as_fd()).map_err(gone)? else {
            return Err("whoever asked is in another pid namespace".to_owned());
        };
        if peer.uid != geteuid().as_raw() {
            return Err("another user asked".to_owned());
        }
        let process = peer.pid.to_string();
        let mut theirs = Self::of(&process).map_err(gone)?;
        // Only who is where the pool is has its files looked at.
        self.is_same(&theirs, |name| !FILES.contains(&name))?;
        theirs.0.extend(files(&process).map_err(gone)?);
        // What was read is of this process only if it is still there.
        let mut list = [PollFd::new(&peer.pidfd, PollFlags::IN)];
        let none = Timespec::try_from(Duration::ZERO).ok();
        if poll(&mut list, none.as_ref()) != Ok(0) {
            return Err("whoever asked is gone".to_owned());
        }
        self.is_same(&theirs, |_| true)
    }

    fn is_same(&self, theirs: &Self, counts: impl Fn(&str) -> bool) -> Result<(), String> {
        let mut names = self.0.keys().chain(theirs.0.keys());
        match names.find(|name| counts(name) && self.0.get(*name) != theirs.0.get(*name)) {
            Some(name) => Err(format!("whoever asked does not stand where the pool stands ({name} differs)")),
            None => Ok(()),
        }
    }
}

/// What a process runs and has for its root, without asking a file system that may never answer.
fn files(process: &str) -> io::Result<Vec<(String, String)>> {
    let look = |name: &str| {
        let path = Path::new("/proc").join(process).join(name);
        let found = statx(CWD, path, AtFlags::STATX_DONT_SYNC, StatxFlags::INO)?;
        let (major, minor) = (found.stx_dev_major, found.stx_dev_minor);
        Ok((name.to_owned(), format!("{major}:{minor}:{}", found.stx_ino)))
    };
    FILES.into_iter().map(look).collect()
}
