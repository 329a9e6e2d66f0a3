//! The overlays that a request asks for, checked and made canonical.
//!
//! Not here: how they are mounted (`native::layers`), what they disagree about (`conflicts`).

use std::path::{Component, Path, PathBuf};

use palisade_spec::{Layers, Upper};
use palisade_sys::OVERLAY_LAYERS;

use crate::{
    error::StartError,
    job::{Access, Job, Shown},
    language::WORK,
    trees::{is_own, path_error},
};

/// The same overlays with canonical host paths, outer places first.
pub(crate) fn resolve(asked: &[Layers]) -> Result<Vec<Layers>, StartError> {
    let mut all = asked.iter().map(overlay).collect::<Result<Vec<_>, _>>()?;
    all.sort_by_key(|overlay| overlay.at.components().count());
    if let Some([one, _]) = all.array_windows().find(|[one, next]| one.at == next.at) {
        return Err(StartError::Path {
            path: one.at.clone(),
            because: "two overlays are wanted there".to_owned(),
            hint: "one overlay can have all the layers".to_owned(),
        });
    }
    Ok(all)
}

fn overlay(asked: &Layers) -> Result<Layers, StartError> {
    let at = &asked.at;
    let is_plain = at.is_absolute() && at.components().all(|part| part != Component::ParentDir);
    if !is_plain || (is_own(at, at) && at != Path::new(WORK)) {
        return Err(StartError::Path {
            path: at.clone(),
            because: "no overlay can be there: it must be an absolute path without `..`, and no place of the sandbox \
                      itself"
                .to_owned(),
            hint: format!("{WORK} and what is below it can be used"),
        });
    }
    if asked.lower.is_empty() || asked.lower.len() > OVERLAY_LAYERS {
        return Err(StartError::Value {
            what: "the number of layers",
            value: asked.lower.len().to_string(),
            because: format!("an overlay has 1 to {OVERLAY_LAYERS} of them (the kernel's OVL_MAX_STACK)"),
            hint: "merge some of them into one directory (cp -al takes no space)".to_owned(),
        });
    }
    let upper = match &asked.upper {
        Upper::Kept { changes, work } => {
            let (changes, work) = (directory(changes)?, directory(work)?);
            if changes.starts_with(&work) || work.starts_with(&changes) {
                return Err(StartError::Path {
                    path: changes,
                    because: format!("it and the work directory {} are inside each other", work.display()),
                    hint: "make two directories side by side".to_owned(),
                });
            }
            Upper::Kept { changes, work }
        }
        other => other.clone(),
    };
    let lower = asked.lower.iter().map(|path| directory(path)).collect::<Result<_, _>>()?;
    Ok(Layers { at: at.components().collect(), lower, upper, conflicts: asked.conflicts })
}

/// A canonical path of a directory.
pub(crate) fn directory(path: &Path) -> Result<PathBuf, StartError> {
    let canonical = path.canonicalize().map_err(|error| path_error(path, &error))?;
    if canonical.is_dir() {
        return Ok(canonical);
    }
    Err(StartError::Path {
        path: canonical,
        because: "a layer is a directory, and this is none".to_owned(),
        hint: "unpack it into a directory".to_owned(),
    })
}

/// The host's directories that a stack of layers shows, for whoever bounds what may be shown.
pub(crate) fn trees(layers: &Layers) -> Vec<Shown> {
    let shown = |from: &PathBuf, access| Shown { from: from.clone(), at: layers.at.clone(), access, held: None };
    let mut all: Vec<Shown> = layers.lower.iter().map(|layer| shown(layer, Access::Read)).collect();
    if let Upper::Kept { changes, work } = &layers.upper {
        all.extend([changes, work].map(|directory| shown(directory, Access::Write)));
    }
    all
}

/// Refuses a job with a layer in which something has to be hidden: nothing covers parts of a layer.
pub(crate) fn check_hidden(job: &Job) -> Result<(), StartError> {
    for tree in job.layers.iter().flat_map(trees) {
        let overlaps = |hidden: &&PathBuf| hidden.starts_with(&tree.from) || tree.from.starts_with(hidden);
        if let Some(hidden) = job.hidden.iter().find(overlaps) {
            return Err(StartError::Path {
                because: format!("{} has to be hidden, and a layer is shown whole", hidden.display()),
                path: tree.from,
                hint: "use a layer without it".to_owned(),
            });
        }
    }
    Ok(())
}
