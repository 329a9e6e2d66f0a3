//! Names of processes that hold for good, for what a killed one leaves behind.

use std::{fmt, fs, io, path::Path, sync::OnceLock};

/// What names a process for good: with its start time, a pid is never used again; in another pid namespace, it says nothing.
///
/// Written as three numbers with hyphens between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    pid: u32,
    start: u64,
    namespace: u64,
}

impl Life {
    /// That of this process, looked up once; a fork of it is another.
    #[must_use]
    pub fn own() -> Self {
        static OWN: OnceLock<Life> = OnceLock::new();
        let pid = std::process::id();
        let look = || Self { pid, start: start_time("self").unwrap_or_default(), namespace: pid_namespace() };
        let own = *OWN.get_or_init(look);
        if own.pid == pid { own } else { look() }
    }

    /// Reads one at the beginning of a text, which may go on after another hyphen.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (pid, start, namespace) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { pid: pid.parse().ok()?, start: start.parse().ok()?, namespace: namespace.parse().ok()? })
    }

    /// Whether that process has ended. Of one in another pid namespace, nobody can say.
    #[must_use]
    pub fn is_over(self) -> bool {
        self.namespace == pid_namespace() && start_time(&self.pid.to_string()) != Some(self.start)
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.pid, self.start, self.namespace)
    }
}

/// A number for the pid namespace that this process is in.
fn pid_namespace() -> u64 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino())
}

/// Start time of a process in clock ticks since boot.
fn start_time(pid: &str) -> Option<u64> {
    let stat = text(Path::new(&format!("/proc/{pid}/stat"))).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// A file of the kernel's: one read gives all of it, unless it is long.
pub(crate) fn text(path: &Path) -> io::Result<String> {
    use std::io::Read;
    let mut file = fs::File::open(path)?;
    let mut bytes = [0; 4096];
    let n = file.read(&mut bytes)?;
    let mut text = String::from_utf8_lossy(bytes.get(..n).unwrap_or_default()).into_owned();
    if n == bytes.len() {
        file.read_to_string(&mut text)?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_life_is_read_as_it_is_written() {
        let own = Life::own();
        assert_eq!(Life::read(&format!("{own}-7")), Some(own));
        assert!(!own.is_over());
    }

    #[test]
    fn a_life_is_over_when_its_process_is_gone_or_its_pid_is_another_s() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let theirs = Life { pid: child.id(), ..Life::own() };
        child.wait().unwrap();
        assert!(theirs.is_over());
        assert!(Life { start: 1, ..Life::own() }.is_over());
        assert!(!Life { namespace: 1, start: 1, ..Life::own() }.is_over());
        assert_eq!(Life::read("7-x-1"), None);
    }
}
