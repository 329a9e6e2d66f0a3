//! What this host is like, as far as a launch needs to know: a handful of cheap readings.
//!
//! Not here: whether a feature really works. A launch finds that out by launching; `probe` by trying each one apart.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use palisade_sys::{Groups, cgroup, landlock};
use serde::Serialize;

use crate::native::Kind;

/// Facts about the host, read once per run and passed on as a value.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// Ids that the program has on the host.
    pub ids: Ids,
    /// Landlock version, 0 for none.
    pub landlock: u32,
    /// Where cgroups can be made, or why not.
    pub cgroup: Result<cgroup::Place, String>,
    /// `/usr` and its friends.
    pub system: Vec<System>,
    /// A directory to build the new root over.
    pub anchors: Vec<PathBuf>,
}

/// Ids of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ids {
    /// User on the host.
    pub uid: u32,
    /// Group on the host.
    pub gid: u32,
    /// User and group inside.
    pub inside: (u32, u32),
    /// Whether the caller's other groups are given up.
    #[serde(skip)]
    pub groups: Groups,
    /// How many runs at one time can have ids of their own: the first has those above.
    #[serde(skip)]
    lanes: u32,
}

/// A part of the system that every program sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum System {
    /// A directory or file, shown read-only.
    Tree(PathBuf, Kind),
    /// A symbolic link, made again.
    Link {
        /// Where.
        at: PathBuf,
        /// What it says.
        target: PathBuf,
    },
}

/// The host's directories with programs and libraries.
const TOP: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32", "/nix/store"];

/// What the loader and the alternatives system need of /etc. Nothing here says anything about the host's users.
const ETC: [&str; 3] = ["/etc/ld.so.cache", "/etc/alternatives", "/etc/os-release"];

/// What every program sees of the host, whatever its policy.
pub(crate) fn system_paths() -> impl Iterator<Item = &'static str> {
    TOP.into_iter().chain(ETC)
}

/// Whether every program sees this.
pub(crate) fn is_system(path: &Path) -> bool {
    system_paths().any(|system| path.starts_with(system))
}

impl Host {
    /// Looks at this host.
    ///
    /// # Errors
    /// If not even the process's own id map can be read.
    pub(crate) fn look() -> io::Result<Self> {
        let system = system_paths().filter_map(|path| System::at(Path::new(path))).collect();
        Ok(Self {
            ids: Ids::of_caller()?,
            landlock: landlock::abi(),
            cgroup: cgroup::Place::find().map_err(|no| no.because),
            system,
            anchors: ["/mnt", "/media", "/srv", "/tmp", "/var"].into_iter().map(PathBuf::from).collect(),
        })
    }
}

/// Of the places that are left out, those whose content is not to be seen by another name either. The others are merely
/// covered by the sandbox's own.
pub(crate) const FOREIGN: [&str; 5] = ["/proc", "/dev", "/sys", "/run", "/tmp"];

/// Whether a path is not shown with the whole of the host's files: it is at a place that the sandbox has of its own, or in
/// /run, where the sockets of daemons are, which a read-only mount protects from nobody, or in /sys, which is the machine.
pub(crate) fn is_left_out(path: &Path) -> bool {
    const LEFT_OUT: [&str; 12] = [
        "/proc",
        "/dev",
        "/sys",
        "/run",
        "/tmp",
        "/work",
        "/build",
        "/lost+found",
        "/.empty",
        "/.hidden",
        "/.upper",
        "/.palisade",
    ];
    LEFT_OUT.iter().any(|place| path.starts_with(place))
}

impl System {
    /// Everything in a directory but devices, FIFOs and sockets, in order of names.
    pub(crate) fn children(directory: &Path) -> Vec<Self> {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_file() || kind.is_symlink()))
            .map(|entry| entry.path())
            .collect();
        paths.sort();
        paths.iter().filter_map(|path| Self::at(path)).collect()
    }

    fn at(path: &Path) -> Option<Self> {
        let kind = fs::symlink_metadata(path).ok()?.file_type();
        if kind.is_symlink() {
            Some(Self::Link { at: path.to_owned(), target: fs::read_link(path).ok()? })
        } else {
            Some(Self::Tree(path.to_owned(), if kind.is_dir() { Kind::Directory } else { Kind::File }))
        }
    }
}

/// Ids inside a wall: somebody ordinary.
pub(crate) const INSIDE: (u32, u32) = (1000, 1000);

/// First of the ids that runs by root use. Debian's, systemd's and the container tools' ranges are elsewhere
/// (systemd's `UIDS-GIDS.md`), so such a process owns nothing and shares its id with nobody.
const FIRST: u32 = 0x7000_0000;
/// Ids of one lane: more than there are process ids (`PID_MAX_LIMIT` of the kernel). Runs of one palisade at one time are
/// in different lanes: what the kernel counts per user (pipe buffers, for one) is not shared then.
const LANE: u32 = 0x0040_0000;
/// Lanes below 2^31, from where on ids are trouble to some programs.
const LANES: u32 = 63;

impl Ids {
    /// An ordinary caller's programs keep its ids, the only ones it can map. Root's programs get ids that own nothing:
    /// a program that were 0 on the host would own the host's files.
    fn of_caller() -> io::Result<Self> {
        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        if uid != 0 {
            return Ok(Self { uid, gid, inside: INSIDE, groups: Groups::Denied, lanes: 1 });
        }
        let own = FIRST + std::process::id() % LANE;
        // In a container, not every id may exist; the last mapped one is the least likely to own anything.
        let last = fs::read_to_string("/proc/self/uid_map")
            .map_err(|error| io::Error::new(error.kind(), format!("/proc/self/uid_map: {error}")))?
            .lines()
            .filter_map(last_id)
            .max()
            .unwrap_or(0);
        let last = u32::try_from(last).unwrap_or(u32::MAX);
        let id = own.min(last);
        let lanes = ((last - id) / LANE + 1).min(LANES);
        // Root of a user namespace that an ordinary user made may not change groups either.
        let denied = fs::read_to_string("/proc/self/setgroups").is_ok_and(|word| word.trim() == "deny");
        let groups = if denied { Groups::Denied } else { Groups::Drop };
        Ok(Self { uid: id, gid: id, inside: INSIDE, groups, lanes })
    }

    /// The ids of the next run of this process.
    pub(crate) fn of_next_run(self) -> Self {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let lane = RUNS.fetch_add(1, Ordering::Relaxed) % self.lanes * LANE;
        Self { uid: self.uid + lane, gid: self.gid + lane, ..self }
    }

    /// What two callers' have in common whose programs are walled off alike.
    pub(crate) fn likeness(self) -> String {
        let own = (self.lanes == 1).then_some((self.uid, self.gid));
        format!("{:?} {:?} {own:?}", self.inside, self.groups)
    }

    /// The caller's own, inside as outside: no wall between them.
    pub(crate) fn same() -> Self {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Self { uid, gid, inside: (uid, gid), groups: Groups::Denied, lanes: 1 }
    }
}

fn last_id(line: &str) -> Option<u64> {
    let mut numbers = line.split_whitespace().map(str::parse::<u64>);
    let (first, _, count) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    (first + count).checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_at_one_time_have_ids_of_their_own_where_there_are_enough() {
        let ids = |lanes| Ids { uid: FIRST + 7, gid: FIRST + 7, inside: INSIDE, groups: Groups::Drop, lanes };
        let all: std::collections::HashSet<u32> = (0..LANES).map(|_| ids(LANES).of_next_run().uid).collect();
        assert_eq!(all.len(), LANES as usize);
        assert!(all.iter().all(|id| (FIRST..1 << 31).contains(id) && id % LANE == 7), "{all:x?}");
        assert_eq!((ids(1).of_next_run(), ids(1).of_next_run()), (ids(1), ids(1)));
    }

    #[test]
    fn the_last_mapped_id_is_read_from_a_map() {
        assert_eq!(last_id("         0     100000      65536"), Some(65535));
        assert_eq!(last_id("         0          0 4294967295"), Some(4_294_967_294));
        assert_eq!(last_id("nonsense"), None);
    }
}
