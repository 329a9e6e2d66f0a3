//! An environment as part of a job: where the program sees it, and the variables by which it finds it.
//!
//! Not here: opening one (`store`), the wall (`backend`).

use std::path::{Path, PathBuf};

use palisade_spec::Environment;

use super::{error::EnvironmentError, interpreter};
use crate::{
    job::{Access, Job, Shown},
    language::{Language, Toolchain},
};

/// Where programs see their environment.
pub(crate) const PLACE: &str = "/env";

/// That a program in this language can use the environment.
///
/// # Errors
/// If it is for other languages, or for another version of the interpreter.
pub(crate) fn fits(environment: &Environment, language: &Language, tools: &Toolchain) -> Result<(), EnvironmentError> {
    let languages = &environment.manifest.languages;
    if !languages.is_empty() && !languages.iter().any(|name| name == language.name()) {
        return Err(EnvironmentError::OtherLanguage {
            name: environment.name.clone(),
            languages: languages.clone(),
            language: language.name().to_owned(),
        });
    }
    interpreter::check(environment, language.name(), tools)
}

/// What of the host the program sees, and where.
pub(crate) fn shown(environment: &Environment) -> Vec<Shown> {
    let tree = |from: PathBuf, at: &Path| Shown { from, at: at.to_owned(), access: Access::Read, held: None };
    let places = environment.manifest.places.iter();
    let places = places.map(|(at, from)| tree(environment.directory.join(from.as_path()), at.as_ref()));
    [tree(environment.directory.clone(), Path::new(PLACE))].into_iter().chain(places).collect()
}

/// Shows the environment to the job's program and sets its variables. Paths go before those that are set already.
pub(crate) fn activate(environment: &Environment, job: &mut Job) {
    job.shown.extend(shown(environment));
    let manifest = &environment.manifest;
    let joined = |paths: &[palisade_spec::Below]| {
        paths.iter().map(|path| format!("{PLACE}/{}", path.as_str())).collect::<Vec<_>>().join(":")
    };
    let (path, programs) = (joined(&manifest.path), joined(&manifest.programs));
    for variable in &manifest.path_variables {
        prepend(&mut job.environment, variable.as_str(), &path);
    }
    prepend(&mut job.environment, "PATH", &programs);
    for (name, value) in &manifest.variables {
        crate::resolve::set(&mut job.environment, name.as_str().to_owned(), value.as_str().to_owned());
    }
}

fn prepend(environment: &mut Vec<(String, String)>, name: &str, paths: &str) {
    if paths.is_empty() {
        return;
    }
    match environment.iter_mut().find(|(known, _)| known == name) {
        Some((_, value)) if !value.is_empty() => *value = format!("{paths}:{value}"),
        Some((_, value)) => paths.clone_into(value),
        None => environment.push((name.to_owned(), paths.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_before_those_that_are_there() {
        let mut variables = vec![("PATH".to_owned(), "/bin".to_owned()), ("EMPTY".to_owned(), String::new())];
        prepend(&mut variables, "PATH", "/env/bin");
        prepend(&mut variables, "EMPTY", "/env");
        prepend(&mut variables, "NEW", "/env");
        prepend(&mut variables, "NOTHING", "");
        let values: Vec<_> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(values, ["PATH=/env/bin:/bin", "EMPTY=/env", "NEW=/env"]);
    }
}
