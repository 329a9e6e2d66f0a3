//! What a figure was measured on. A figure without it says nothing. Not here: what the host can do (`palisade::probe`).

use std::{fmt, fs, time::SystemTime};

use serde::{Deserialize, Serialize};

/// A host, and how busy it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// The processor's name for itself.
    pub cpu: String,
    /// Processors that this process may use.
    pub cores: usize,
    /// Memory in bytes.
    pub memory: u64,
    /// The kernel's release.
    pub kernel: String,
    /// The distribution.
    pub system: String,
    /// Processes that wanted to run, on average over 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// The user that measured.
    pub uid: u32,
    /// When it was looked at, in UTC, as RFC 3339 writes it.
    pub date: String,
}

impl Host {
    /// Looks at this host, now.
    #[must_use]
    pub fn now() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
        let mut load = read("/proc/loadavg");
        load.truncate(load.find('/').unwrap_or(load.len()));
        let mut load = load.split_whitespace().map_while(|word| word.parse().ok());
        let mut next = || load.next().unwrap_or(0.0);
        Self {
            cpu: processor(&read("/proc/cpuinfo")),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: memory(&read("/proc/meminfo")),
            kernel,
            system: system(&read("/etc/os-release")),
            load: [next(), next(), next()],
            uid: rustix::process::geteuid().as_raw(),
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        }
    }
}

/// One line, which stands beside every figure.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = if self.uid == 0 { "root".to_owned() } else { format!("user {}", self.uid) };
        write!(
            f,
            "{}, {} core{}, {:.0} GiB, Linux {}, {}, load {:.1}, {user}, {}",
            self.cpu,
            self.cores,
            if self.cores == 1 { "" } else { "s" },
            self.memory as f64 / f64::from(1 << 30),
            self.kernel,
            self.system,
            self.load[0],
            self.date
        )
    }
}

/// From /proc/cpuinfo; architectures call it differently.
fn processor(text: &str) -> String {
    let named = |key: &str| {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == key && !value.trim().is_empty()).then(|| value.trim().to_owned())
        })
    };
    // "Model" is the board of a Raspberry Pi.
    let name = ["model name", "Model", "Hardware", "cpu model", "uarch", "CPU implementer"].into_iter().find_map(named);
    name.unwrap_or_else(|| format!("unknown {} processor", std::env::consts::ARCH))
}

/// From /proc/meminfo, in bytes.
fn memory(text: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) << 10
}

/// From os-release(5).
fn system(text: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    line.map_or_else(|| "Linux".to_owned(), |name| name.trim_matches(['"', '\'']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_one_line() {
        let host = Host {
            cpu: "AMD EPYC".into(),
            cores: 2,
            memory: 24 << 30,
            kernel: "6.18.44".into(),
            system: "Debian GNU/Linux 12 (bookworm)".into(),
            load: [1.25, 2.0, 3.0],
            uid: 0,
            date: "2026-11-23T06:15:46Z".into(),
        };
        let line = "AMD EPYC, 2 cores, 24 GiB, Linux 6.18.44, Debian GNU/Linux 12 (bookworm), load 1.2, root, \
                    2026-11-23T06:15:46Z";
        assert_eq!(host.to_string(), line);
    }

    #[test]
    fn what_the_files_say_is_found() {
        assert_eq!(processor("processor\t: 0\nmodel name\t: AMD EPYC\n"), "AMD EPYC");
        assert_eq!(
            processor("processor : 0\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n"),
            "Raspberry Pi 5 Model B Rev 1.0"
        );
        assert!(processor("").starts_with("unknown "), "{}", processor(""));
        assert_eq!(memory("MemTotal:       24576 kB\nMemFree: 1 kB\n"), 24 << 20);
        assert_eq!(
            system("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"),
            "Debian GNU/Linux 12 (bookworm)"
        );
    }

    #[test]
    fn this_host_has_processors_memory_and_a_date() {
        let host = Host::now();
        assert!(host.cores > 0 && host.memory > 1 << 20 && host.date.ends_with('Z'), "{host}");
    }
}
