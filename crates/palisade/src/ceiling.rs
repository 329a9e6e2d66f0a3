//! The operator's ceiling: a policy that no request on this host exceeds.
//!
//! A ceiling that is there and cannot be used keeps everything from running; it is never passed over. Not here: what a
//! file may say (`policies`), holding a request below it (`bound`).

use std::path::{Path, PathBuf};

use palisade_spec::NamedPolicy;

use crate::{
    error::StartError,
    policies::{Mode, Owner, PolicyError, ceiling, text_of},
};

/// The operator's.
const SYSTEM: &str = "/etc/palisade/ceiling.toml";
/// Names one more, which can only narrow further: for wrappers and tests.
const FURTHER: &str = "PALISADE_CEILING";

/// A ceiling and what it does with what exceeds it.
#[derive(Debug)]
pub(crate) struct Ceiling {
    /// Its file, for messages.
    pub(crate) file: PathBuf,
    pub(crate) mode: Mode,
    pub(crate) policy: NamedPolicy,
}

/// The ceilings of this process. None costs one `open`.
///
/// # Errors
/// If one is there and cannot be read, is not to be trusted, or is wrong.
pub(crate) fn ceilings() -> Result<Vec<Ceiling>, PolicyError> {
    let mut all = Vec::new();
    let system = Path::new(SYSTEM);
    if let Some(text) = text_of(system, Owner::Operator)? {
        all.push(read(system, &text)?);
    }
    if let Some(file) = std::env::var_os(FURTHER) {
        let file = PathBuf::from(file);
        if file.as_os_str().is_empty() {
            return Err(PolicyError::NoCeiling);
        }
        let file = std::path::absolute(&file).unwrap_or(file);
        let text = text_of(&file, Owner::Anybody)?.ok_or_else(|| PolicyError::Unreadable {
            path: file.clone(),
            source: std::io::Error::from(std::io::ErrorKind::NotFound),
        })?;
        all.push(read(&file, &text)?);
    }
    Ok(all)
}

/// Looks at the ceilings of this process: with one that is wrong, nothing runs.
///
/// # Errors
/// If one is there and cannot be read, is not to be trusted, or is wrong.
pub fn check_ceilings() -> Result<(), StartError> {
    Ok(ceilings().map(drop)?)
}

fn read(file: &Path, text: &str) -> Result<Ceiling, PolicyError> {
    let (policy, mode) = ceiling(&file.display().to_string(), text)?;
    Ok(Ceiling { file: file.to_owned(), mode, policy })
}
