//! What this host can do, found out by doing it (R28).
//!
//! ```text
//! each feature ─script→ throwaway child ─Record→ Outcome ─explain→ Finding
//! ```
//!
//! Every kernel feature is tried through the code that runs programs. Version numbers are never read; settings only to
//! explain a failure. Nothing is changed on the host: what is made for a trial is gone when it ends. Not here: how a
//! finding is printed (`palisade doctor`), what a run does without a feature (`native`).

mod cgroup;
mod circumstances;
mod explain;
mod kernel;
mod show;
mod tools;
mod trial;
mod walls;

use std::io;

use palisade_spec::Weakening;
use serde::Serialize;

pub use circumstances::{Caller, CgroupVersion, Circumstances, Container, Mounted, SetGroups};
pub use explain::Explanation;
pub use kernel::Feature;
pub use walls::Walls;

use crate::host::Host;

/// Name and version of the form in which an [`Examination`] is serialised.
pub const SCHEMA: &str = "palisade.doctor/1";

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where it belongs.
    pub group: Group,
    /// What was tried.
    pub feature: String,
    /// Whether it works.
    pub status: Status,
    /// What was done and what came of it; if it does not work, why not.
    pub evidence: String,
    /// What makes it work: commands, ready to be copied.
    pub fix: Option<String>,
    /// What cannot be had without it.
    pub needed_by: String,
}

/// Whether something works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It does.
    Usable,
    /// A part of it does; the evidence says which.
    Partial,
    /// It does not.
    NotUsable,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// What the kernel lets this process do.
    Kernel,
    /// Limits for whole trees of processes.
    Cgroups,
    /// Compilers and interpreters.
    Languages,
    /// Walls.
    Backends,
}

/// Whether palisade's own sandbox works here as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Native {
    /// The verdict.
    pub status: Soundness,
    /// How that is known.
    pub evidence: String,
    /// What a run has in a weaker form, if it works.
    pub weakened: Vec<Weakening>,
    /// What makes it work, if it does not.
    pub fix: Option<String>,
}

/// How well the native sandbox works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Soundness {
    /// In full.
    Usable,
    /// Some protections in a weaker form.
    Weakened,
    /// It does not.
    NotUsable,
}

/// Everything that was found out about a host, for one caller.
#[derive(Clone, Debug, Serialize)]
pub struct Examination {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Who tried. Another user may find something else.
    pub caller: Caller,
    /// One for each feature, in the order of their groups.
    pub findings: Vec<Finding>,
    /// The sum.
    pub native: Native,
}

impl Examination {
    /// Tries everything: some fifty short-lived processes, about a tenth of a second; and each wall of another program, which takes
    /// up to a second, unless it is remembered.
    ///
    /// # Errors
    /// If not even the process's own id map can be read.
    pub fn of_this_host(walls: Walls) -> io::Result<Self> {
        let host = Host::look()?;
        let circumstances = Circumstances::look();
        let mut findings = kernel::findings(&host, &circumstances);
        let cause = kernel::cause(&findings, &host).cloned();
        findings.push(tools::resource_limits());
        findings.extend(cgroup::findings(&host, &circumstances));
        findings.extend(tools::languages());
        let native = tools::native(cause.as_ref());
        findings.push(tools::own(&native));
        findings.extend(walls::findings(&host, walls));
        Ok(Self { schema: SCHEMA, caller: circumstances.caller, findings, native })
    }

    /// What was found out about a feature, by its name.
    #[must_use]
    pub fn finding(&self, feature: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.feature == feature)
    }
}

/// Tries one kernel feature and those it needs, for the hint of an error.
///
/// # Errors
/// If not even the process's own id map can be read.
pub fn try_one(feature: Feature) -> io::Result<Finding> {
    Ok(kernel::finding(feature, &Host::look()?, &Circumstances::look()))
}
