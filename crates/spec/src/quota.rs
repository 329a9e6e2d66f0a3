//! How much one user, or one session, may use over time (R46): types and how two quotas meet.
//!
//! What a quota says of one task is a limit like any other ([`Quota::limits`]), and so is held by the kernel and by the
//! supervisor. What it says of many tasks needs somebody who outlives them: a service counts, this crate does not. Not here:
//! counting, refusing, files.

use std::{
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    limits::{LimitsAsk, duration, lower, seconds},
    units::Bytes,
};

/// How much one user, or one session, may use. What is `None` is open. A session's quota is met with its user's.
///
/// As text, each part is a key of the field's name, and what is open is left out. Zero is refused: whoever may run nothing
/// has no quota, but no access.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    /// Processor time of all processes of one task together: `"30s"`.
    #[serde(deserialize_with = "duration", serialize_with = "seconds", skip_serializing_if = "Option::is_none")]
    pub max_cpu_per_task: Option<Duration>,
    /// Memory of all processes of one task together, swap and the private `/tmp` included: bytes, or `"500M"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_memory_per_task: Option<Bytes>,
    /// Tasks under way at one time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent_runs: Option<NonZeroU32>,
    /// Tasks begun in any 60 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs_per_minute: Option<NonZeroU32>,
    /// Processor time of all tasks together in any 24 hours, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_seconds_per_day: Option<NonZeroU64>,
}

impl Quota {
    /// What both allow: the lower of each. What one side leaves open, the other decides.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        Self {
            max_cpu_per_task: lower(self.max_cpu_per_task, other.max_cpu_per_task),
            max_memory_per_task: lower(self.max_memory_per_task, other.max_memory_per_task),
            concurrent_runs: lower(self.concurrent_runs, other.concurrent_runs),
            runs_per_minute: lower(self.runs_per_minute, other.runs_per_minute),
            cpu_seconds_per_day: lower(self.cpu_seconds_per_day, other.cpu_seconds_per_day),
        }
    }

    /// Whether nothing is allowed here that `other` forbids.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.meet(other) == *self
    }

    /// What this says of one task, as limits to meet those of a policy or a ceiling with. Nothing of one task may exceed what
    /// all of them may use in a day.
    #[must_use]
    pub fn limits(&self) -> LimitsAsk {
        let day = self.cpu_seconds_per_day.map(|seconds| Duration::from_secs(seconds.get()));
        LimitsAsk {
            cpu_time: lower(self.max_cpu_per_task, day),
            memory: self.max_memory_per_task,
            ..LimitsAsk::default()
        }
    }
}
