//! What a program may do: files, network, limits, system calls.
//!
//! Everything starts closed; each field that widens says so. Not here: clamping by a ceiling, profiles, configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::limits::LimitsAsk;

/// What one run may do. The default allows a program to compute, to print, and to use a private `/tmp`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Which host files are visible beyond the toolchain.
    pub files: FilesPolicy,
    /// What it may reach.
    pub network: NetworkPolicy,
    /// How much it may use.
    pub limits: LimitsAsk,
    /// What happens at a hostile system call.
    pub hostile_calls: HostileCalls,
    /// What happens at the output limit.
    pub output_excess: OutputExcess,
    /// What happens if a protection cannot be had in full.
    pub strictness: Strictness,
}

/// Host files that the program sees, each at its own host path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilesPolicy {
    /// Readable, submounts included.
    pub read: Vec<PathBuf>,
    /// Readable and **writable on the host**.
    pub write: Vec<PathBuf>,
}

/// What the program may reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkPolicy {
    /// An own network namespace whose loopback is down; internet sockets are refused.
    #[default]
    None,
    /// An own network namespace with a loopback of its own.
    Loopback,
    /// **The host's network, whole.**
    AllowAll,
}

/// What happens when a program makes a call that only an attack needs (mount, ptrace, bpf, …).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostileCalls {
    /// The call fails with `EPERM`, is recorded as a violation, and the program goes on.
    #[default]
    Deny,
    /// The program is killed; the verdict names the call.
    Kill,
}

/// What happens when a stream passes its output limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputExcess {
    /// What follows is read, counted and dropped; the report says that the stream was cut.
    #[default]
    Cut,
    /// The program is killed; the verdict is the output limit.
    Kill,
}

/// What happens if this host cannot give a protection in full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strictness {
    /// Protections that have a weaker substitute (limits without cgroups, no Landlock) may use it; the report lists each
    /// under `weakened`. Namespaces, privileges and the call filter are never substituted.
    #[default]
    ReportWeakened,
    /// Refuse to run instead.
    RefuseWeakened,
}
