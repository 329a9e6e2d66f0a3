//! What an attacker is given: its words, and inside palisade's default policy with no more than the attack needs to be tried.

use std::{path::Path, time::Duration};

use palisade::config::{Config, ConfigError, Places, Project, Said, Settings, Word};
use palisade_spec::{Backend, Outputs, Policy, Program, Request};

use super::{execute::Untold, ground::Ground, host::PROGRAM, scene::Scene};

/// The elapsed time that an attack has inside, unless it is on that limit.
const TIME: Duration = Duration::from_secs(10);

/// The words of an attacker that others have to find.
pub(crate) fn words(scene: &Scene, token: &str, leash: &[&str]) -> Vec<String> {
    let hold = if scene.held.is_some() { &["--hold"][..] } else { &[] };
    let options = leash.iter().copied().chain(["--token", token]).chain(hold.iter().copied());
    options.map(str::to_owned).chain(scene.words.iter().cloned()).collect()
}

/// palisade's default policy, and no more than the attack needs to be tried: its own program.
pub(crate) fn request(scene: &Scene, ground: &Ground, token: &str, backend: Backend) -> Result<Request, Untold> {
    let program = scene.program.as_deref().unwrap_or_else(|| ground.attacker());
    debug_assert_eq!(program.file_name(), Some(PROGRAM.as_ref()));
    let mut request = Request::new(Program::Command(program.display().to_string()));
    request.arguments = words(scene, token, &[]);
    request.backend = backend;
    if let Some(workspace) = &scene.workspace {
        let policy = policy_with(workspace).map_err(|error| Untold::Failed(error.to_string()))?;
        request.policy = policy;
    }
    request.policy.files.read = [program.to_owned()].into_iter().chain(scene.given.iter().cloned()).collect();
    request.policy.limits = scene.limits.clone();
    request.policy.limits.wall_time.get_or_insert(TIME);
    if let Some(collect) = &scene.collect {
        request.files.outputs =
            Some(Outputs { patterns: vec![collect.name.to_owned()], ..Outputs::to(collect.directory.clone()) });
    }
    Ok(request)
}

/// What `palisade run --workspace` comes to where there are no configuration files.
fn policy_with(workspace: &Path) -> Result<Policy, ConfigError> {
    let nowhere = Places { project: Project::Ignored, user: None, system: None, home: None };
    let mut said = Settings::default();
    said.workspace = Some(Said::by_caller(Word(workspace.to_owned())));
    Ok(Config::load(&nowhere)?.settle(&said)?.policy)
}
