//! Whether a cell that stands is the sandbox that somebody wants.
//!
//! Two launches are alike if nothing differs but what a cell is told when its program starts: words, variables, and the limits that
//! the supervisor alone holds ([`Errand`](super::Errand)). What is alike is compared by digests with names, so that it can be said
//! what differs, and nobody has to send a file tree. Not here: giving cells away (`errand.rs`).

use std::{borrow::Cow, collections::BTreeMap, fmt::Write, os::unix::fs::MetadataExt, time::Duration};

use palisade_spec::{Bytes, Limits};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    job::{Access, Job},
    native::{Entry, Launch},
    prepare::Prepared,
};

/// What a sandbox is, part by part, whatever runs in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Likeness(BTreeMap<String, String>);

impl Likeness {
    /// The first part in which they differ.
    #[must_use]
    pub fn difference<'a>(&'a self, other: &'a Self) -> Option<&'a str> {
        let names = self.0.keys().chain(other.0.keys());
        names.map(String::as_str).find(|name| self.0.get(*name) != other.0.get(*name))
    }
}

impl Prepared {
    /// What its sandbox is, with the host's files as they are now: which they are, not what is in them.
    ///
    /// # Errors
    /// Why no cell that is kept for others can be it. Those have the toolchain, and what is shown read-only.
    pub fn likeness(&self) -> Result<Likeness, &'static str> {
        self.is_warmable()?;
        if !self.is_plain() {
            return Err("more has to be told of it than its run: of a compiler, of layers, or of other walls");
        }
        // Each part of it is looked at here, or left out on purpose.
        let Launch {
            backend,
            wall,
            foreign: _, // there is none, nor an engine
            engine: _,
            job,
            namespaces,
            ids,
            anchor: _, // covered by the root, and seen by nobody
            tree,
            landlock,
            cgroup,
            rlimits,
            candidates: _, // of the words
            layers,
            weakened,
            clamped,
        } = self.launch();
        let Job {
            stage,
            command: _, // told when it starts, as are the variables
            environment: _,
            stated: _,
            directory,
            base,
            shown: _, // in the tree, as are what is hidden and kept
            layers: stacks,
            hidden: _,
            kept: _,
            given,
            overlay,
            outputs,
            artefact,
            zygote,
            blank: _,    // in the tree
            terminal: _, // there is none
            network,
            capabilities,
            hostile_calls: _, // an answer of the supervisor's
            limits,
        } = job;
        if zygote.is_some() {
            return Err("its interpreter is started before its program");
        }
        if !given.is_empty() && self.launch().one_source().is_none() {
            return Err("files are copied into it, beside a source file that is run as it is");
        }
        if outputs.is_some() || overlay.is_some() || artefact.is_some() || !stacks.is_empty() {
            return Err("something is taken from it when its program has ended");
        }
        let entries = tree.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        let limits = Limits { wall_time: Duration::ZERO, output: Bytes(0), ..limits.clone() };
        let parts = [
            ("the wall", digest(&(backend, wall, namespaces, landlock, format!("{capabilities:?}")))),
            ("the network", digest(network)),
            ("the user", digest(&ids.likeness())),
            ("the working directory", digest(&(base, directory))),
            ("the files", digest(&entries)),
            ("the limits", digest(&(limits, format!("{rlimits:?}")))),
            ("the place of its cgroups", digest(&format!("{cgroup:?}"))),
            ("what happens at the output limit, or where something is weaker", digest(&self.reactions())),
            ("what its report says of the policy", digest(&(stage, layers, weakened, clamped))),
        ];
        Ok(Likeness(parts.map(|(name, digest)| (name.to_owned(), digest)).into()))
    }
}

/// A step of a file tree, and which file of the host that is about: device and inode.
type Step<'a> = (Cow<'a, Entry>, Option<(u64, u64)>);

fn entry(entry: &Entry) -> Result<Step<'_>, &'static str> {
    let none = |entry| Ok((Cow::Borrowed(entry), None));
    match entry {
        Entry::Host { from, access: Access::Read, owner: None, held, .. } => {
            let identity = match held {
                Some(held) => (held.identity.device, held.identity.inode),
                None => from
                    .metadata()
                    .map(|found| (found.dev(), found.ino()))
                    .map_err(|_| "a part of the toolchain is not there")?,
            };
            Ok((Cow::Borrowed(entry), Some(identity)))
        }
        // It is written when it is known.
        Entry::Copy { at, .. } => Ok((Cow::Owned(Entry::Blank { at: at.clone() }), None)),
        Entry::Link { .. }
        | Entry::Directory { .. }
        | Entry::Text { .. }
        | Entry::Blank { .. }
        | Entry::Proc
        | Entry::Mask { .. }
        | Entry::Device { .. }
        | Entry::Seal
        | Entry::Scratch { .. } => none(entry),
        _ => Err("it shows more of the host than the toolchain and what is only read"),
    }
}

fn digest(part: &impl Serialize) -> String {
    // Nothing in here is a map with keys that are no text, so that it can always be written.
    let text = serde_json::to_vec(part).unwrap_or_default();
    Sha256::digest(&text).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
