//! What the host's own /proc says of the attackers: the evidence that does not come from them.
//!
//! Attackers are known by their program's name and a word of their command line that is nobody else's. A wall with a kernel of
//! its own has no such processes on the host.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// The file name of the attackers' program.
pub(crate) const PROGRAM: &str = "palisade-attacker";

/// A process on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attacker(pub(crate) u32);

/// An open descriptor of a process.
#[derive(Debug)]
pub(crate) struct Descriptor {
    /// Its name in /proc, by which it can be looked at.
    pub(crate) path: PathBuf,
    /// What it is of: a path, or the kernel's name for it.
    pub(crate) target: String,
    /// Whether it is open for writing.
    pub(crate) writes: bool,
}

/// Every process number in /proc.
fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The living processes that have `token` among their words.
pub(crate) fn attackers(token: &str) -> Vec<Attacker> {
    let marked = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        let program = words.next().map(|word| Path::new(OsStr::from_bytes(word)));
        program.and_then(Path::file_name) == Some(OsStr::new(PROGRAM)) && words.any(|word| word == token.as_bytes())
    };
    processes().filter(marked).map(Attacker).filter(|one| one.state().is_some_and(|state| state != 'Z')).collect()
}

/// Ends whatever is left of an execution.
pub(crate) fn sweep(token: &str) {
    // One that forks while it is looked for is found in a later round.
    for _ in 0..20 {
        let left = attackers(token);
        if left.is_empty() {
            return;
        }
        for one in left {
            one.kill(token);
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

impl Attacker {
    /// Kills it, if it is still the one that has `token`.
    fn kill(self, token: &str) {
        let Some(pid) = i32::try_from(self.0).ok().and_then(Pid::from_raw) else { return };
        let Ok(held) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        // The number is not given to another process while a descriptor of this one is held.
        if attackers(token).contains(&self) {
            let _ = pidfd_send_signal(held, Signal::KILL);
        }
    }

    fn file(self, name: &str) -> PathBuf {
        format!("/proc/{}/{name}", self.0).into()
    }

    /// The fields of /proc/PID/stat from the third on: `fields[n - 3]` is field n of proc_pid_stat(5).
    pub(crate) fn stat(self) -> Option<Vec<String>> {
        let text = fs::read_to_string(self.file("stat")).ok()?;
        Some(text.rsplit_once(") ")?.1.split_whitespace().map(str::to_owned).collect())
    }

    /// A numeric field of it.
    pub(crate) fn number(self, field: usize) -> Option<i64> {
        self.stat()?.get(field.checked_sub(3)?)?.parse().ok()
    }

    pub(crate) fn state(self) -> Option<char> {
        self.stat()?.first()?.chars().next()
    }

    pub(crate) fn parent(self) -> Option<Self> {
        u32::try_from(self.number(4)?).ok().filter(|pid| *pid > 0).map(Self)
    }

    pub(crate) fn children(self) -> Vec<Self> {
        processes().map(Self).filter(|one| one.parent() == Some(self)).collect()
    }

    /// A line of /proc/PID/status.
    pub(crate) fn status(self, key: &str) -> Option<String> {
        let text = fs::read_to_string(self.file("status")).ok()?;
        text.lines().find_map(|line| Some(line.strip_prefix(key)?.strip_prefix(':')?.trim().to_owned()))
    }

    /// Real and effective user id, as the host counts them.
    pub(crate) fn uids(self) -> Option<(u32, u32)> {
        let line = self.status("Uid")?;
        let mut ids = line.split_whitespace();
        Some((ids.next()?.parse().ok()?, ids.next()?.parse().ok()?))
    }

    /// Memory of its own and shared memory that it has touched, in bytes.
    pub(crate) fn memory(self) -> u64 {
        let kib = |key| self.status(key).and_then(|text| text.split(' ').next()?.parse::<u64>().ok()).unwrap_or(0);
        (kib("RssAnon") + kib("RssShmem")) << 10
    }

    pub(crate) fn namespace(self, kind: &str) -> Option<PathBuf> {
        fs::read_link(self.file("ns").join(kind)).ok()
    }

    /// Whether it is in the caller's own pid namespace: one further in has a number for each namespace (NSpid).
    pub(crate) fn is_of_host(self) -> bool {
        let depth = |one: Self| one.status("NSpid").map(|numbers| numbers.split_whitespace().count());
        depth(self).is_some_and(|own| Some(own) == depth(Self(std::process::id())))
    }

    pub(crate) fn mounts(self) -> String {
        fs::read_to_string(self.file("mountinfo")).unwrap_or_default()
    }

    pub(crate) fn descriptors(self) -> Vec<Descriptor> {
        let entries = fs::read_dir(self.file("fd")).into_iter().flatten().flatten();
        let described = entries.filter_map(|entry| {
            let path = entry.path();
            let target = fs::read_link(&path).ok()?.to_string_lossy().into_owned();
            let info = fs::read_to_string(self.file("fdinfo").join(entry.file_name())).unwrap_or_default();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or_default();
            // O_ACCMODE of the octal flags: 0 only reads.
            let writes = u32::from_str_radix(flags.trim(), 8).is_ok_and(|flags| flags & 3 != 0);
            Some(Descriptor { path, target, writes })
        });
        described.collect()
    }
}

impl Descriptor {
    /// The kernel's name for the protocol of a socket (sockfs has it as an attribute).
    pub(crate) fn protocol(&self) -> Option<String> {
        let mut name = [0_u8; 64];
        let length = rustix::fs::getxattr(&self.path, "system.sockprotoname", &mut name[..]).ok()?;
        Some(String::from_utf8_lossy(&name[..length]).trim_end_matches('\0').to_owned())
    }

    /// Whether the file is on a file system of this type (statfs(2)).
    pub(crate) fn is_on(&self, kind: u64) -> io::Result<bool> {
        use rustix::fs::{Mode, OFlags, fstatfs, open};
        let named = open(&self.path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        Ok(fstatfs(named)?.f_type as u64 == kind)
    }
}

/// A namespace of the caller's own.
pub(crate) fn own_namespace(kind: &str) -> Option<PathBuf> {
    fs::read_link(format!("/proc/thread-self/ns/{kind}")).ok()
}

/// Bytes of memory of all processes that descend from this one: where the attackers are no processes of the host, of the
/// wall's own.
pub(crate) fn memory_of_descendants() -> u64 {
    let mut below = vec![Attacker(std::process::id())];
    let parents: Vec<(Attacker, Attacker)> =
        processes().map(Attacker).filter_map(|one| Some((one, one.parent()?))).collect();
    let mut sum = 0;
    while let Some(one) = below.pop() {
        for (child, _) in parents.iter().filter(|(_, parent)| *parent == one) {
            sum += child.memory();
            below.push(*child);
        }
    }
    sum
}
