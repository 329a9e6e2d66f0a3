//! The host's files that a request shows to a program: which, where, and whether they may be shown at all.
//!
//! Not here: how they are mounted (`native::files`).

use std::path::Path;

use palisade_spec::Request;

use crate::{
    error::StartError,
    job::{Access, Shown},
    language::WORK,
};

/// Places of the sandbox's tree that are palisade's own.
const OWN: [&str; 6] = ["/", "/tmp", "/dev/shm", "/work", "/build", "/.empty"];
/// Places that can be shown only as a whole, and are the sandbox's own.
const WHOLE: [&str; 2] = ["/proc", "/dev"];

/// Host paths of the policy: canonical outside, as they were named inside.
pub(crate) fn shown(request: &Request) -> Result<Vec<Shown>, StartError> {
    let files = &request.policy.files;
    let mut all: Vec<Shown> = Vec::new();
    let list =
        files.read.iter().map(|path| (path, Access::Read)).chain(files.write.iter().map(|path| (path, Access::Write)));
    for (path, access) in list {
        let at = std::path::absolute(path).map_err(|error| path_error(path, &error))?;
        let from = path.canonicalize().map_err(|error| path_error(path, &error))?;
        for place in [&at, &from] {
            if is_own(place, &at) {
                return Err(StartError::Path {
                    path: path.clone(),
                    because: format!("{} is a place of the sandbox itself", place.display()),
                    hint: "name the directories below it that the program needs".to_owned(),
                });
            }
        }
        if at.components().any(|part| part == std::path::Component::ParentDir) {
            return Err(StartError::Path {
                path: path.clone(),
                because: "it has `..` after a name that may be a link".to_owned(),
                hint: format!("write {}", from.display()),
            });
        }
        all.push(Shown { from, at, access });
    }
    if let Some(work) = &request.work {
        let from = work.canonicalize().map_err(|error| path_error(work, &error))?;
        all.push(Shown { from, at: WORK.into(), access: Access::Write });
    }
    // Outer trees first, so that an inner one is not covered.
    all.sort_by_key(|shown| shown.at.components().count());
    Ok(all)
}

/// Whether `place`, which a program would see at `at`, belongs to the sandbox itself.
pub(crate) fn is_own(place: &Path, at: &Path) -> bool {
    let inside = place == at && OWN.iter().any(|own| place == Path::new(own));
    inside || place == Path::new("/") || WHOLE.iter().any(|own| place.starts_with(own))
}

pub(crate) fn path_error(path: &Path, error: &std::io::Error) -> StartError {
    StartError::Path {
        path: path.to_owned(),
        because: error.to_string(),
        hint: "the path must exist on the host, and this user must be able to reach it".to_owned(),
    }
}
