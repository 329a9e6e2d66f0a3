//! The host's mounts, as far as names go: which other names a path has, and where the kernel shows itself.
//!
//! In: proc_pid_mountinfo(5). Out: paths. Not here: what is hidden by them (`hiding.rs`).

use std::{
    ffi::OsString,
    fs,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

/// File systems that tell of this machine and its processes, or are a way to them, wherever somebody has mounted them.
const OF_THE_KERNEL: [&str; 21] = [
    "proc",
    "sysfs",
    "devtmpfs",
    "devpts",
    "mqueue",
    "cgroup",
    "cgroup2",
    "resctrl",
    "debugfs",
    "tracefs",
    "securityfs",
    "selinuxfs",
    "smackfs",
    "configfs",
    "bpf",
    "pstore",
    "efivarfs",
    "fusectl",
    "binfmt_misc",
    "binder",
    "rpc_pipefs",
];

/// File systems in memory: what is in them was made on this host, by its daemons for the most part.
const IN_MEMORY: [&str; 2] = ["tmpfs", "ramfs"];

/// All of them, in order.
#[derive(Debug)]
pub(crate) struct Mounts(Vec<Mount>);

#[derive(Debug)]
struct Mount {
    /// Which file system.
    device: String,
    /// What of it, seen from its own root.
    root: PathBuf,
    /// Where.
    at: PathBuf,
    kind: String,
    /// Whether anything may be written through it.
    writable: bool,
}

impl Mounts {
    /// Those that this process sees.
    pub(crate) fn look() -> Self {
        Self::of(&fs::read("/proc/self/mountinfo").unwrap_or_default())
    }

    /// Those that a process sees.
    pub(crate) fn of_process(pid: u32) -> std::io::Result<Self> {
        Ok(Self::of(&fs::read(format!("/proc/{pid}/mountinfo"))?))
    }

    /// Where something may be written: of several mounts at a place, the last counts.
    pub(crate) fn writable(&self) -> Vec<&Path> {
        let is_covered = |number: usize, at: &Path| self.0.iter().skip(number + 1).any(|mount| mount.at == at);
        let all = self.0.iter().enumerate().filter(|(number, mount)| mount.writable && !is_covered(*number, &mount.at));
        all.map(|(_, mount)| mount.at.as_path()).collect()
    }

    fn of(table: &[u8]) -> Self {
        Self(table.split(|byte| *byte == b'\n').filter_map(mount).collect())
    }

    /// The path, and every other name that it has through a mount: of a directory around it, or of something inside it.
    pub(crate) fn names(&self, path: &Path) -> Vec<PathBuf> {
        let mut names = vec![path.to_owned()];
        // Of two mounts at one place, the later one is on top.
        let Some(own) =
            self.0.iter().filter(|mount| path.starts_with(&mount.at)).max_by_key(|mount| mount.at.components().count())
        else {
            return names;
        };
        let Ok(rest) = path.strip_prefix(&own.at) else { return names };
        let inside = join(&own.root, rest);
        let same = self.0.iter().filter(|mount| mount.device == own.device);
        names.extend(same.filter_map(|mount| match inside.strip_prefix(&mount.root) {
            Ok(rest) => Some(join(&mount.at, rest)),
            Err(_) => mount.root.starts_with(&inside).then(|| mount.at.clone()),
        }));
        names
    }

    /// Where something is mounted below a path.
    pub(crate) fn below(&self, path: &Path) -> Vec<PathBuf> {
        self.0.iter().filter(|mount| mount.at != path && mount.at.starts_with(path)).map(|m| m.at.clone()).collect()
    }

    /// As [`Mounts::below`], of what is in memory only: a disk that is mounted there is also a disk elsewhere.
    pub(crate) fn in_memory_below(&self, path: &Path) -> Vec<PathBuf> {
        let is_one = |at: &PathBuf| self.0.iter().any(|m| m.at == *at && IN_MEMORY.contains(&&*m.kind));
        self.below(path).into_iter().filter(is_one).collect()
    }

    /// Where file systems of the kernel's own are.
    pub(crate) fn of_the_kernel(&self) -> Vec<PathBuf> {
        self.0.iter().filter(|mount| OF_THE_KERNEL.contains(&&*mount.kind)).map(|mount| mount.at.clone()).collect()
    }
}

/// As [`Path::join`], which would add a slash to the path of a file.
fn join(path: &Path, rest: &Path) -> PathBuf {
    if rest == Path::new("") { path.to_owned() } else { path.join(rest) }
}

/// One line: six fields, any number of others, a hyphen, and the type.
fn mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ').skip(2);
    let device = String::from_utf8(fields.next()?.to_vec()).ok()?;
    let (root, at) = (unescaped(fields.next()?), unescaped(fields.next()?));
    let writable = fields.next()?.split(|byte| *byte == b',').any(|option| option == b"rw");
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
    Some(Mount { device, root, at, kind: String::from_utf8_lossy(kind).into_owned(), writable })
}

/// Blanks, tabs, newlines and backslashes stand there as `\ooo`.
fn unescaped(text: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| *first == b'\\');
        let code = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match code {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn mounts() -> Mounts {
        let table = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                     30 22 8:1 /home/u /mnt/whole\\040home rw shared:1 master:2 - ext4 /dev/sda1 rw\n\
                     31 22 8:1 /home/u/.ssh/inner /mnt/inner rw - ext4 /dev/sda1 rw\n\
                     32 22 8:2 / /data rw - ext4 /dev/sdb1 rw\n\
                     33 22 0:5 / /run rw - tmpfs tmpfs rw\n\
                     34 33 0:6 / /run/user/1000 rw - tmpfs tmpfs rw\n\
                     35 33 8:2 / /run/media/disk rw - ext4 /dev/sdb1 rw\n\
                     36 22 0:7 / /srv/p rw shared:3 - proc x rw\n";
        Mounts::of(table.as_bytes())
    }

    #[test]
    fn a_path_has_a_name_in_every_mount_that_shows_it_or_something_inside_it() {
        let names = |path: &str| -> BTreeSet<PathBuf> { mounts().names(Path::new(path)).into_iter().collect() };
        let set = |list: &[&str]| list.iter().map(PathBuf::from).collect::<BTreeSet<_>>();
        assert_eq!(names("/home/u/.ssh"), set(&["/home/u/.ssh", "/mnt/whole home/.ssh", "/mnt/inner"]));
        assert_eq!(names("/mnt/whole home/x"), set(&["/home/u/x", "/mnt/whole home/x"]));
        assert_eq!(names("/data/home/u/.ssh"), set(&["/data/home/u/.ssh", "/run/media/disk/home/u/.ssh"]));
    }

    #[test]
    fn mounts_are_told_apart_by_type() {
        assert_eq!(mounts().of_the_kernel(), [PathBuf::from("/srv/p")]);
        assert_eq!(mounts().in_memory_below(Path::new("/run")), [PathBuf::from("/run/user/1000")]);
        assert_eq!(mounts().below(Path::new("/run")).len(), 2);
    }
}
