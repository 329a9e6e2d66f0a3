//! Privileges of the kernel's capabilities(7), as a set.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// Names in the order of their numbers (`linux/capability.h`, Linux 5.9 to 6.18), without `CAP_`.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// A set of capabilities. Empty is the default, and all that palisade's own sandbox ever gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capabilities {
    /// Every one.
    #[must_use]
    pub const fn all() -> Self {
        Self((1 << NAMES.len()) - 1)
    }

    /// Those in both.
    #[must_use]
    pub const fn meet(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those in one or the other.
    #[must_use]
    pub const fn join(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Their names, `CAP_` in front.
    pub fn names(self) -> impl Iterator<Item = String> {
        let is_in = move |number: &usize| self.0 & (1 << number) != 0;
        NAMES.iter().enumerate().filter(move |(number, _)| is_in(number)).map(|(_, name)| format!("CAP_{name}"))
    }
}

/// A capability that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a capability: write a name of capabilities(7), such as CAP_NET_BIND_SERVICE, or ALL")]
pub struct CapabilityError(String);

impl FromStr for Capabilities {
    type Err = CapabilityError;

    /// One by its name, in any case, with or without `CAP_`; or `ALL`.
    fn from_str(text: &str) -> Result<Self, CapabilityError> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if name == "ALL" {
            return Ok(Self::all());
        }
        let number = NAMES.iter().position(|known| *known == name).ok_or_else(|| CapabilityError(text.to_owned()))?;
        Ok(Self(1 << number))
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            none if none.is_empty() => f.write_str("none"),
            all if all == Self::all() => f.write_str("all"),
            some => f.write_str(&some.names().collect::<Vec<_>>().join(", ")),
        }
    }
}

impl Serialize for Capabilities {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}
