//! What a project's file, or an environment's profile, opens, in words.
//!
//! A repository is a stranger until somebody has read it, and so is an archive. In: the policy with and without its file. Out:
//! one sentence, or none.

use std::path::{Path, PathBuf};

use palisade_spec::{Backend, LimitsAsk, NetworkPolicy, Policy, Strictness, acts};

use super::{Settings, word::Holds as _};

/// A policy and its wall.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side<'a> {
    pub(super) policy: &'a Policy,
    /// Of all programs, then of those in single languages, the same on both sides.
    pub(super) limits: &'a [LimitsAsk],
    /// As somebody said.
    pub(super) backend: Option<Backend>,
}

/// How somebody widens what would hold without them: the network, host files, privileges, reactions. Reading in the
/// project's own `directory` opens nothing that the project has not got, and is not told; nor is a limit that nobody else said.
pub(super) fn widenings(directory: Option<&Path>, with: Side<'_>, without: Side<'_>) -> Vec<String> {
    let mut told = Vec::new();
    if without.backend.is_some_and(|backend| Some(backend) != with.backend) {
        told.push(format!("backend {}", with.backend.unwrap_or_default()));
    }
    let are_higher = with.limits.iter().zip(without.limits).any(|(with, without)| with.meet(without) != *with);
    let (with, without) = (with.policy, without.policy);
    if with.network.meet(&without.network) != with.network {
        told.push(match &with.network {
            NetworkPolicy::Custom(destinations) => format!("network {destinations}"),
            other => format!("network {other}"),
        });
    }
    let known = |trees: &[PathBuf], path: &Path| trees.iter().any(|tree| path.starts_with(real(tree)));
    let mut readable = [&*without.files.read, &without.files.write].concat();
    readable.extend(directory.map(Path::to_owned));
    for path in with.files.write.iter().map(|path| real(path)) {
        if !known(&without.files.write, &path) {
            told.push(format!("may write {}", in_one_line(&path)));
        }
    }
    for path in with.files.read.iter().map(|path| real(path)) {
        if !known(&readable, &path) {
            told.push(format!("may read {}", in_one_line(&path)));
        }
    }
    if with.capabilities.meet(without.capabilities) != with.capabilities {
        told.push(format!("capabilities {}", with.capabilities));
    }
    if with.hostile_calls < without.hostile_calls {
        told.push("hostile calls do not kill".to_owned());
    }
    if with.output_excess < without.output_excess {
        told.push("too much output does not kill".to_owned());
    }
    if with.strictness == Strictness::ReportWeakened && without.strictness == Strictness::RefuseWeakened {
        told.push("not strict".to_owned());
    }
    if with.strength < without.strength {
        told.push(format!("a wall weaker than {} will do", without.strength));
    }
    if are_higher {
        told.push("higher limits than your own".to_owned());
    }
    told
}

/// Name servers that somebody else has not said. They narrow nothing: whoever answers decides where an allowed name leads.
pub(super) fn other_servers(with: &Settings, without: &Settings) -> Option<String> {
    let said = with.dns.as_ref().filter(|said| !said.value.is_empty())?;
    let is_other = without.dns.as_ref().is_none_or(|known| !said.value.iter().all(|one| known.value.contains(one)));
    is_other.then(|| format!("name servers {}", said.value.shown()))
}

/// What a project's file says that no profile closes: the environment and variables.
pub(super) fn left_open(settings: &Settings) -> Vec<String> {
    let variables = settings.environment.iter().filter(|(_, said)| said.by.is_project());
    let names: Vec<String> = variables.map(|(name, _)| name.escape_debug().to_string()).collect();
    let env = settings.env.iter().filter(|said| said.by.is_project());
    let env = env.map(|said| format!("environment {}", said.value.0.escape_debug()));
    env.chain((!names.is_empty()).then(|| format!("sets {}", names.join(" ")))).collect()
}

/// What `who` opens, and what to do about it. Nothing if nothing is opened.
pub(super) fn sentence(who: &str, told: &[String], remedy: &str) -> Option<String> {
    (!told.is_empty()).then(|| format!("{who}: {} ({remedy}, --quiet hides this)", told.join(", ")))
}

/// What a path stands for: a link in a repository may lead anywhere.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// A path that cannot feign a second message.
pub(crate) fn in_one_line(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains(acts) { text.escape_debug().to_string() } else { text }
}
