//! What a wall holds, as data (R49): one word for each thing that a policy can want, and who answers for it.
//!
//! Not here: which wall holds what (each backend's own file), what a policy wants of a wall (`palisade::backend`).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Something that a wall can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guarantee {
    /// The program sees and changes only the files that it was given.
    Files,
    /// It reaches only what its policy names.
    Network,
    /// It sees, signals and shares memory with no process but its own, and all of them end with it.
    Processes,
    /// It cannot make the system calls that only attacks need.
    SystemCalls,
    /// Its memory limit.
    Memory,
    /// Its limit of processor time.
    Cpu,
    /// Its limit of elapsed time.
    Time,
    /// Its limits of space: files, scratch directories, inodes.
    Disk,
    /// It has no capability and can gain none, and its ids own nothing.
    Privileges,
    /// A fault of the host's kernel does not open the wall: the program talks to another kernel.
    Kernel,
}

impl Guarantee {
    /// All of them, in the order of every table.
    pub const ALL: [Self; 10] = [
        Self::Files,
        Self::Network,
        Self::Processes,
        Self::SystemCalls,
        Self::Memory,
        Self::Cpu,
        Self::Time,
        Self::Disk,
        Self::Privileges,
        Self::Kernel,
    ];
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Files => "files",
            Self::Network => "network",
            Self::Processes => "processes",
            Self::SystemCalls => "system-calls",
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Time => "time",
            Self::Disk => "disk",
            Self::Privileges => "privileges",
            Self::Kernel => "kernel",
        })
    }
}

/// Who answers for a guarantee, and by what means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "held", content = "by", rename_all = "kebab-case")]
pub enum Held {
    /// The wall itself.
    Itself(String),
    /// palisade, around the wall or inside it, whatever the wall does.
    Around(String),
    /// Less than the whole of it can be had on this host: by this means.
    Weakly(String),
    /// Nobody, for this reason.
    No(String),
}

impl Held {
    /// By what means, or why not.
    #[must_use]
    pub fn by(&self) -> &str {
        match self {
            Self::Itself(by) | Self::Around(by) | Self::Weakly(by) | Self::No(by) => by,
        }
    }

    /// Whether somebody answers for it.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        !matches!(self, Self::No(_))
    }
}

/// What a wall holds on one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Guarantees {
    /// [`Guarantee::Files`].
    pub files: Held,
    /// [`Guarantee::Network`].
    pub network: Held,
    /// [`Guarantee::Processes`].
    pub processes: Held,
    /// [`Guarantee::SystemCalls`].
    pub system_calls: Held,
    /// [`Guarantee::Memory`].
    pub memory: Held,
    /// [`Guarantee::Cpu`].
    pub cpu: Held,
    /// [`Guarantee::Time`].
    pub time: Held,
    /// [`Guarantee::Disk`].
    pub disk: Held,
    /// [`Guarantee::Privileges`].
    pub privileges: Held,
    /// [`Guarantee::Kernel`].
    pub kernel: Held,
}

impl Guarantees {
    /// Who answers for one.
    #[must_use]
    pub const fn of(&self, guarantee: Guarantee) -> &Held {
        match guarantee {
            Guarantee::Files => &self.files,
            Guarantee::Network => &self.network,
            Guarantee::Processes => &self.processes,
            Guarantee::SystemCalls => &self.system_calls,
            Guarantee::Memory => &self.memory,
            Guarantee::Cpu => &self.cpu,
            Guarantee::Time => &self.time,
            Guarantee::Disk => &self.disk,
            Guarantee::Privileges => &self.privileges,
            Guarantee::Kernel => &self.kernel,
        }
    }
}

/// What stands between a program and the host; a later one is stronger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// Nothing that keeps an attacker in.
    #[default]
    None,
    /// Some namespaces, and ways out beside them.
    Partial,
    /// Every namespace of the host's kernel.
    Namespaces,
    /// A kernel of its own, in user space.
    UserSpaceKernel,
    /// A virtual machine.
    Hardware,
}

impl Strength {
    /// All of them, the weakest first.
    pub const ALL: [Self; 5] = [Self::None, Self::Partial, Self::Namespaces, Self::UserSpaceKernel, Self::Hardware];
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Partial => "partial",
            Self::Namespaces => "namespaces",
            Self::UserSpaceKernel => "user-space-kernel",
            Self::Hardware => "hardware",
        })
    }
}

/// A strength that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a strength: there are none, partial, namespaces, user-space-kernel, hardware")]
pub struct StrengthParseError(String);

impl FromStr for Strength {
    type Err = StrengthParseError;

    fn from_str(text: &str) -> Result<Self, StrengthParseError> {
        let found = Self::ALL.into_iter().find(|strength| strength.to_string() == text);
        found.ok_or_else(|| StrengthParseError(text.to_owned()))
    }
}
