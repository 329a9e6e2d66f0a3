//! What a program may do: files, network, limits, capabilities, system calls; and how two such policies meet.
//!
//! Everything starts closed; each field that widens says so. Policies form a lattice: [`Policy::meet`] is idempotent,
//! commutative and associative, and never wider than either side (`tests/policy_laws.rs`). Not here: profiles and
//! configuration files, an operator's ceiling.

mod capabilities;
mod changes;
mod files;
mod network;

use serde::{Deserialize, Serialize};

pub use self::{
    capabilities::{Capabilities, CapabilityError},
    changes::changes,
    files::{FilesPolicy, Seen},
    network::{DestinationError, Destinations, Dns, Endpoint, Host, NetworkPolicy, Ports},
};
use crate::{guarantee::Strength, limits::LimitsAsk};

/// What one run may do. The default allows a program to compute, to print, and to use a private `/tmp`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// Which host files are visible beyond the toolchain.
    pub files: FilesPolicy,
    /// What it may reach.
    pub network: NetworkPolicy,
    /// How much it may use.
    pub limits: LimitsAsk,
    /// Which privileges it may hold.
    pub capabilities: Capabilities,
    /// What happens at a hostile system call.
    pub hostile_calls: HostileCalls,
    /// What happens at the output limit.
    pub output_excess: OutputExcess,
    /// What happens if a protection cannot be had in full.
    pub strictness: Strictness,
    /// The weakest wall that will do. What nobody names is [`Strength::Namespaces`] where palisade chooses the wall, and
    /// anything where somebody names one.
    pub strength: Strength,
}

impl Policy {
    /// A policy that forbids nothing: what a ceiling starts from.
    #[must_use]
    pub fn open() -> Self {
        Self {
            files: FilesPolicy::open(),
            network: NetworkPolicy::AllowAll,
            capabilities: Capabilities::all(),
            ..Self::default()
        }
    }

    /// What both allow: limits take the minimum, sets intersect, the stricter reaction wins. In normal form.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        Self {
            files: self.files.meet(&other.files),
            network: self.network.meet(&other.network),
            limits: self.limits.meet(&other.limits),
            capabilities: self.capabilities.meet(other.capabilities),
            hostile_calls: self.hostile_calls.max(other.hostile_calls),
            output_excess: self.output_excess.max(other.output_excess),
            strictness: self.strictness.max(other.strictness),
            strength: self.strength.max(other.strength),
        }
    }

    /// The same policy in the form in which policies that allow the same are equal.
    #[must_use]
    pub fn normal(&self) -> Self {
        Self { files: self.files.normal(), ..self.clone() }
    }

    /// Whether nothing is allowed here that `other` forbids.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.meet(other) == self.normal()
    }
}

/// A policy that has a name (R46). It only narrows: what it does not say is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedPolicy {
    /// What it is asked for by; also the name of its file, without `.toml`.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it allows. Paths are absolute.
    pub policy: Policy,
}

/// What happens when a program makes a call that only an attack needs (mount, ptrace, bpf, …).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostileCalls {
    /// The call fails with `EPERM`, is recorded as a violation, and the program goes on.
    #[default]
    Deny,
    /// The program is killed; the verdict names the call.
    Kill,
}

/// What happens when a stream passes its output limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputExcess {
    /// What follows is read, counted and dropped; the report says that the stream was cut.
    #[default]
    Cut,
    /// The program is killed; the verdict is the output limit.
    Kill,
}

/// What happens if this host cannot give a protection in full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strictness {
    /// Protections that have a weaker substitute (limits without cgroups, no Landlock) may use it; the report lists each
    /// under `weakened`. Namespaces, privileges and the call filter are never substituted.
    #[default]
    ReportWeakened,
    /// Refuse to run instead.
    RefuseWeakened,
}
