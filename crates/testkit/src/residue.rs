//! What a run left on the machine.
//!
//! Counted: processes of palisade's programs; mounts of this mount namespace; cgroups, files and network
//! namespaces; System V objects. Not counted: anything inside another mount namespace, which ends with its processes.
//!
//! A comparison is as good as the quiet around it: another test's living run shows up too, so wait with
//! [`wait_until_clean`], or run such tests one by one.
//! An orphan that has ended counts until the machine's init reaps it, which took up to a second on our host.

use crate::wait::wait_for;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The traces on the machine at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Residue {
    /// One line per thing, with enough in it to tell it from a later one of the same name.
    lines: BTreeSet<String>,
    /// What could not be looked at. Blindness is never cleanliness.
    unseen: Vec<String>,
}

impl Residue {
    /// Looks at the machine.
    #[must_use]
    pub fn now() -> Self {
        let mut found = Self { lines: BTreeSet::new(), unseen: Vec::new() };
        found.processes();
        found.mounts();
        found.groups(Path::new("/sys/fs/cgroup"));
        for place in places() {
            found.files(&place);
        }
        found.system_v();
        for name in names(Path::new("/run/netns")) {
            found.lines.insert(format!("network namespace /run/netns/{name}"));
        }
        found
    }

    /// Everything that was found, one line each.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// An earlier look, from the lines that it gave.
    #[must_use]
    pub fn of_lines(text: &str) -> Self {
        Self { lines: text.lines().map(str::to_owned).collect(), unseen: Vec::new() }
    }

    /// What is here now and was not there before, one line each; also what could not be looked at.
    #[must_use]
    pub fn since(&self, before: &Self) -> Vec<String> {
        self.lines.difference(&before.lines).chain(&self.unseen).cloned().collect()
    }

    fn processes(&mut self) {
        let pids: Vec<_> = names(Path::new("/proc"))
            .into_iter()
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
            .collect();
        if pids.is_empty() {
            self.unseen.push("not seen: the processes, because /proc cannot be read".into());
        }
        for pid in pids {
            let directory = Path::new("/proc").join(&pid);
            // A process that ends while we look is no residue, so failures are not noted.
            let Ok(stat) = fs::read_to_string(directory.join("stat")) else { continue };
            let Some((name, rest)) = name_and_rest(&stat) else { continue };
            let program = fs::read_link(directory.join("exe")).unwrap_or_default();
            if !is_ours(name) && !is_ours(&program_name(&program)) {
                continue;
            }
            let mut rest = rest.split(' ');
            let state = rest.next().unwrap_or("?");
            // Field 22, the start time, tells a process from a later one with its number.
            let start = rest.nth(18).unwrap_or("?");
            let line = fs::read(directory.join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let line = if line.is_empty() { format!("[{name}]") } else { line };
            // The state changes during a life and is left out of the comparison, except for the dead.
            let dead = if state == "Z" { ", dead but not waited for" } else { "" };
            self.lines.insert(format!("process {pid} (started at tick {start}{dead}): {}", line.trim_end()));
        }
    }

    fn mounts(&mut self) {
        match fs::read_to_string("/proc/self/mountinfo") {
            // Podman mounts its storage over itself when it is first used, and leaves it so until the host restarts.
            Ok(text) => self.lines.extend(text.lines().filter(|line| !line.contains(PODMANS)).filter_map(mount)),
            Err(error) => self.unseen.push(format!("not seen: the mounts, because of /proc/self/mountinfo: {error}")),
        }
    }

    fn groups(&mut self, directory: &Path) {
        let Ok(entries) = fs::read_dir(directory) else { return };
        for entry in entries.flatten() {
            // Not through links: cgroup v1 has `cpu -> cpu,cpuacct`.
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            if entry.file_name().to_string_lossy().starts_with("palisade") {
                self.lines.insert(format!("cgroup {}", entry.path().display()));
            }
            self.groups(&entry.path());
        }
    }

    fn files(&mut self, place: &Path) {
        for name in names(place).into_iter().filter(|name| name.contains("palisade")) {
            self.lines.insert(format!("file {}", place.join(name).display()));
        }
    }

    fn system_v(&mut self) {
        for kind in ["shm", "sem", "msg"] {
            let Ok(text) = fs::read_to_string(format!("/proc/sysvipc/{kind}")) else { continue };
            for row in text.lines().skip(1) {
                let mut words = row.split_whitespace();
                let (key, id) = (words.next().unwrap_or("?"), words.next().unwrap_or("?"));
                self.lines.insert(format!("System V {kind} {id} (key {key})"));
            }
        }
    }
}

/// Waits until nothing is left that was not there `before`.
///
/// # Errors
/// What is still there after `deadline`, as [`Residue::since`] tells it.
pub fn wait_until_clean(before: &Residue, deadline: Duration) -> Result<(), Vec<String>> {
    let mut left = Vec::new();
    let clean = wait_for(deadline, || {
        left = Residue::now().since(before);
        left.is_empty()
    });
    if clean { Ok(()) } else { Err(left) }
}

fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn places() -> BTreeSet<PathBuf> {
    let fixed = ["/tmp", "/var/tmp", "/dev/shm", "/run"].into_iter().map(PathBuf::from);
    let named = ["TMPDIR", "XDG_RUNTIME_DIR"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
    fixed.chain(named).collect()
}

/// A kernel thread, a script or another program named like ours is not told apart: better one line too many.
fn is_ours(name: &str) -> bool {
    matches!(name, "palisade" | "palisaded" | "palisade-guest" | "palisade-attacker" | "hostile")
}

/// The file name behind /proc/PID/exe, also after the file has been removed.
fn program_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(" (deleted)").unwrap_or(&name).to_owned()
}

/// Splits /proc/PID/stat after the name, which may itself hold spaces and brackets.
fn name_and_rest(stat: &str) -> Option<(&str, &str)> {
    let (head, rest) = stat.rsplit_once(") ")?;
    Some((head.split_once('(')?.1, rest))
}

/// Where root's podman keeps its images.
const PODMANS: &str = " /var/lib/containers/storage/overlay ";

/// `mount ID at PLACE (TYPE)` from a line of mountinfo.
fn mount(line: &str) -> Option<String> {
    let mut words = line.split(' ');
    let (id, place) = (words.next()?, words.nth(3)?);
    let kind = line.split_once(" - ")?.1.split(' ').next()?;
    Some(format!("mount {id} at {place} ({kind})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_residue_until_it_is_removed() {
        let before = Residue::now();
        let file = tempfile::Builder::new().prefix("a-palisade-file-").tempfile_in("/tmp").unwrap();
        let line = format!("file {}", file.path().display());
        assert!(Residue::now().since(&before).contains(&line));
        assert!(wait_until_clean(&before, Duration::ZERO).unwrap_err().contains(&line));
        file.close().unwrap();
        assert!(!Residue::now().since(&before).contains(&line));
    }

    #[test]
    fn a_process_named_hostile_is_residue_by_its_program() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("hostile");
        // Not by `fs::copy`, for the reason that `Seat::lend` gives.
        assert!(std::process::Command::new("cp").arg("/bin/sleep").arg(&program).status().unwrap().success());
        let before = Residue::now();
        let mut child = std::process::Command::new(&program).arg("60").spawn().unwrap();
        let mine = |line: &String| line.starts_with(&format!("process {} ", child.id()));
        let seen = wait_for(Duration::from_secs(10), || Residue::now().since(&before).iter().any(mine));
        let pid = child.id();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(seen);
        assert!(!Residue::now().since(&before).iter().any(|line| line.starts_with(&format!("process {pid} "))));
    }

    #[test]
    fn what_was_there_before_is_no_residue() {
        let now = Residue::now();
        assert_eq!(now.since(&now), Vec::<String>::new());
    }

    #[test]
    fn what_cannot_be_seen_is_reported_although_it_was_not_seen_before_either() {
        let blind = Residue { lines: BTreeSet::new(), unseen: vec!["not seen: x".into()] };
        assert_eq!(blind.since(&blind), ["not seen: x"]);
    }

    #[test]
    fn a_name_with_brackets_and_spaces_is_read_whole() {
        assert_eq!(name_and_rest("7 (a) b (c)) S 1 7"), Some(("a) b (c)", "S 1 7")));
    }

    #[test]
    fn a_removed_program_keeps_its_name() {
        assert_eq!(program_name(Path::new("/x/palisade (deleted)")), "palisade");
    }

    #[test]
    fn a_mount_is_told_by_number_place_and_type() {
        let line = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        assert_eq!(mount(line).unwrap(), "mount 36 at /mnt2 (ext3)");
    }
}
