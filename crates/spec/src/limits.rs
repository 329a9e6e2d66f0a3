//! How much a program may use.
//!
//! [`LimitsAsk`] is what somebody said (every part optional), [`Limits`] is what holds (every part there). Not here: how
//! a limit is enforced (`palisade::native::limits`), what a language needs by default (`palisade::language`).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::Bytes;

/// Every limit of one run. Nothing is unlimited; a large number says so openly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Elapsed time from the start of the program.
    #[serde(serialize_with = "milliseconds", rename = "wall_time_ms")]
    pub wall_time: Duration,
    /// Processor time of all processes together.
    #[serde(serialize_with = "milliseconds", rename = "cpu_time_ms")]
    pub cpu_time: Duration,
    /// Memory of all processes together, swap and the private `/tmp` included.
    pub memory: Bytes,
    /// Processes at one time.
    pub processes: u32,
    /// Threads of all processes together at one time.
    pub threads: u32,
    /// Open descriptors of each process (`RLIMIT_NOFILE`).
    pub descriptors: u32,
    /// Size of each file written (`RLIMIT_FSIZE`).
    pub file_size: Bytes,
    /// Size of the private `/tmp`.
    pub tmp_size: Bytes,
    /// Files and directories in the private `/tmp`.
    pub tmp_inodes: u32,
    /// Bytes kept of each output stream.
    pub output: Bytes,
    /// Percent of one processor; `None` leaves the scheduler alone.
    pub cpu_percent: Option<u32>,
}

impl Default for Limits {
    /// R26: 10 s of CPU, 500 MB, 100 descriptors. The rest follows: 30 s of wall time, 16 processes,
    /// 64 threads, 100 MB of `/tmp`, 8 MiB of each output stream.
    fn default() -> Self {
        Self {
            wall_time: Duration::from_secs(30),
            cpu_time: Duration::from_secs(10),
            memory: Bytes::mib(500),
            processes: 16,
            threads: 64,
            descriptors: 100,
            file_size: Bytes::mib(100),
            tmp_size: Bytes::mib(100),
            tmp_inodes: 10_000,
            output: Bytes::mib(8),
            cpu_percent: None,
        }
    }
}

/// Limits as one source states them: a command line, a language, a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LimitsAsk {
    /// See [`Limits::wall_time`].
    #[serde(deserialize_with = "duration", serialize_with = "seconds")]
    pub wall_time: Option<Duration>,
    /// See [`Limits::cpu_time`].
    #[serde(deserialize_with = "duration", serialize_with = "seconds")]
    pub cpu_time: Option<Duration>,
    /// See [`Limits::memory`].
    pub memory: Option<Bytes>,
    /// See [`Limits::processes`].
    pub processes: Option<u32>,
    /// See [`Limits::threads`].
    pub threads: Option<u32>,
    /// See [`Limits::descriptors`].
    pub descriptors: Option<u32>,
    /// See [`Limits::file_size`].
    pub file_size: Option<Bytes>,
    /// See [`Limits::tmp_size`].
    pub tmp_size: Option<Bytes>,
    /// See [`Limits::tmp_inodes`].
    pub tmp_inodes: Option<u32>,
    /// See [`Limits::output`].
    pub output: Option<Bytes>,
    /// See [`Limits::cpu_percent`].
    pub cpu_percent: Option<u32>,
}

impl LimitsAsk {
    /// What this source says, and where it is silent, what `lower` says.
    #[must_use]
    pub fn over(self, lower: Self) -> Self {
        Self {
            // A CPU time without a wall time brings its own: an old wall time must not undercut it.
            wall_time: self.wall_time.or(if self.cpu_time.is_some() { None } else { lower.wall_time }),
            cpu_time: self.cpu_time.or(lower.cpu_time),
            memory: self.memory.or(lower.memory),
            processes: self.processes.or(lower.processes),
            threads: self.threads.or(lower.threads),
            descriptors: self.descriptors.or(lower.descriptors),
            file_size: self.file_size.or(lower.file_size),
            tmp_size: self.tmp_size.or(lower.tmp_size),
            tmp_inodes: self.tmp_inodes.or(lower.tmp_inodes),
            output: self.output.or(lower.output),
            cpu_percent: self.cpu_percent.or(lower.cpu_percent),
        }
    }

    /// The lower of each. What one side leaves open, the other decides.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        Self {
            wall_time: lower(self.wall_time, other.wall_time),
            cpu_time: lower(self.cpu_time, other.cpu_time),
            memory: lower(self.memory, other.memory),
            processes: lower(self.processes, other.processes),
            threads: lower(self.threads, other.threads),
            descriptors: lower(self.descriptors, other.descriptors),
            file_size: lower(self.file_size, other.file_size),
            tmp_size: lower(self.tmp_size, other.tmp_size),
            tmp_inodes: lower(self.tmp_inodes, other.tmp_inodes),
            output: lower(self.output, other.output),
            cpu_percent: lower(self.cpu_percent, other.cpu_percent),
        }
    }

    /// Fills what nobody said from the built-in defaults. A wall time that nobody set is twice the CPU time
    /// and 10 s: a busy host must not turn one verdict into the other.
    #[must_use]
    pub fn or_default(self) -> Limits {
        let base = Limits::default();
        let cpu_time = self.cpu_time.unwrap_or(base.cpu_time);
        let processes = self.processes.unwrap_or(base.processes);
        Limits {
            wall_time: self.wall_time.unwrap_or(cpu_time.saturating_mul(2).saturating_add(Duration::from_secs(10))),
            cpu_time,
            memory: self.memory.unwrap_or(base.memory),
            processes,
            threads: self.threads.unwrap_or(base.threads.max(processes)),
            descriptors: self.descriptors.unwrap_or(base.descriptors),
            file_size: self.file_size.unwrap_or(base.file_size),
            tmp_size: self.tmp_size.unwrap_or(base.tmp_size),
            tmp_inodes: self.tmp_inodes.unwrap_or(base.tmp_inodes),
            output: self.output.unwrap_or(base.output),
            cpu_percent: self.cpu_percent,
        }
    }
}

/// The lower of two, where `None` is open.
pub(crate) fn lower<T: Ord + Copy>(a: Option<T>, b: Option<T>) -> Option<T> {
    a.zip(b).map(|(a, b)| a.min(b)).or(a).or(b)
}

fn milliseconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// As it is read: `2s`, `1m 30s`.
pub(crate) fn seconds<S: serde::Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| humantime::format_duration(duration).to_string()).serialize(serializer)
}

pub(crate) fn duration<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    crate::parse_duration(&text).map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stronger_source_wins_and_the_weaker_fills_the_gaps() {
        let said = LimitsAsk { memory: Some(Bytes::mib(64)), ..LimitsAsk::default() };
        let language = LimitsAsk { memory: Some(Bytes::mib(512)), processes: Some(5), ..LimitsAsk::default() };
        let limits = said.over(language).or_default();
        assert_eq!((limits.memory, limits.processes), (Bytes::mib(64), 5));
        assert_eq!(limits.descriptors, 100);
    }

    #[test]
    fn a_wall_time_nobody_set_follows_the_cpu_time() {
        let said = LimitsAsk { cpu_time: Some(Duration::from_secs(60)), ..LimitsAsk::default() };
        let lower = LimitsAsk { wall_time: Some(Duration::from_secs(5)), ..LimitsAsk::default() };
        assert_eq!(said.over(lower).or_default().wall_time, Duration::from_secs(130));
    }

    #[test]
    fn an_unknown_limit_is_refused_by_name() {
        let error = serde_json::from_str::<LimitsAsk>(r#"{"memroy":"5M"}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field `memroy`"), "{error}");
    }
}
