//! Entries of a policy that say nothing, or not what was meant: not mistakes, and worth a look.

use std::path::{Path, PathBuf};

use palisade_spec::{NamedPolicy, NetworkPolicy, Policy};

/// What is useless in a policy, in words.
#[must_use]
pub fn useless(named: &NamedPolicy) -> Vec<String> {
    let mut all = Vec::new();
    let policy = &named.policy;
    if named.description.is_empty() {
        all.push("it has no description: whoever finds it in a list has to guess".to_owned());
    }
    if *policy == Policy::open() {
        all.push("it forbids nothing".to_owned());
    }
    if let NetworkPolicy::Custom(_) = policy.network {
        all.push("network.outbound: no backend of this version can hold chosen destinations, so a request for them is refused".to_owned());
    }
    let files = &policy.files;
    let lists = [("read_only", &files.read), ("writable", &files.write), ("hidden", &files.hidden)];
    for (name, paths) in lists {
        for path in paths.iter().filter(|path| **path != Path::new("/")) {
            let mut say = |what: String| all.push(format!("files.{name}: {} {what}", path.display()));
            if let Err(error) = path.symlink_metadata() {
                say(format!("cannot be found here ({})", error.kind()));
            } else if let Some(real) = real(path).filter(|_| name != "hidden") {
                say(format!(
                    "leads through a symbolic link, and links are not followed here: write {}",
                    real.display()
                ));
            }
            let wider =
                |others: &[PathBuf]| others.iter().find(|other| *other != path && path.starts_with(other)).cloned();
            if let Some(other) = wider(paths) {
                say(format!("is within {}, which stands here too", other.display()));
            }
            if name != "hidden" && (files.hidden.contains(path) || wider(&files.hidden).is_some()) {
                say("is hidden by `hidden`".to_owned());
            }
            if name == "read_only" && (files.write.contains(path) || wider(&files.write).is_some()) {
                say("can be written, and so be read, by `writable`".to_owned());
            }
        }
    }
    all
}

/// The canonical path, if it is another one.
fn real(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().filter(|real| real != path)
}
