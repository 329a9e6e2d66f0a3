//! Whether the host still has the interpreter that an environment was made for.
//!
//! To ask an interpreter for its version takes longer than a whole launch. So the answer is kept in the environment, with
//! the program's path, size and time of change; as long as these are the same, nothing is started. The file is not part of
//! the lock: it says something about the host. Not here: finding interpreters (`language`).

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use palisade_spec::{Bytes, Environment, FilesPolicy, Interpreter, LimitsAsk, Policy, Program, Request};
use serde::{Deserialize, Serialize};

use super::{error::EnvironmentError, tree};
use crate::{
    language::{Filling, Packages, Toolchain},
    resolve::own_languages,
    run::run,
};

/// Name of the file that keeps the answer.
pub(super) const HOST: &str = "host.toml";
/// Largest such file, in bytes.
const LARGEST: u64 = 64 << 10;

/// An interpreter's program, and the version that it told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    program: String,
    size: u64,
    /// Seconds and nanoseconds since 1970.
    changed: (i64, i64),
    version: String,
}

impl Seen {
    fn is_of(&self, program: &Path) -> bool {
        Self::of(program, String::new()).is_some_and(|now| Self { version: self.version.clone(), ..now } == *self)
    }

    fn of(program: &Path, version: String) -> Option<Self> {
        let program = program.canonicalize().ok()?;
        let meta = program.metadata().ok()?;
        Some(Self {
            program: program.to_str()?.to_owned(),
            size: meta.size(),
            changed: (meta.mtime(), meta.mtime_nsec()),
            version,
        })
    }
}

/// Asks the interpreter for its version, in a sandbox.
pub(super) fn version(packages: &Packages, tools: &Toolchain) -> Result<String, EnvironmentError> {
    let asked = &packages.interpreter;
    let filling = Filling { tools, target: "/", scratch: "/tmp", place: "/" };
    let missing = |what: String| EnvironmentError::Recipe {
        what: format!("the definition of packages for {}", packages.languages.join(" and ")),
        because: format!("there is nothing for `{what}`"),
        hint: "tools are those of the language definition".to_owned(),
    };
    let mut words = filling.words(&asked.version, "").map_err(missing)?.into_iter();
    let program = words.next().unwrap_or_default();
    let request = Request {
        arguments: words.collect(),
        policy: Policy {
            files: FilesPolicy {
                read: filling.reads().into_iter().map(|read| read.at).collect(),
                ..FilesPolicy::default()
            },
            limits: LimitsAsk { memory: Some(Bytes::mib(1024)), ..LimitsAsk::default() },
            ..Policy::default()
        },
        ..Request::new(Program::Command(program.clone()))
    };
    let report = run(request).map_err(|source| EnvironmentError::Sandbox { program, source: Box::new(source) })?;
    let said = String::from_utf8_lossy(&report.stdout.kept).trim().to_owned();
    if report.success && !said.is_empty() && said.len() < 100 && !said.contains(char::is_control) {
        return Ok(said);
    }
    Err(EnvironmentError::Installation {
        installer: asked.tool.clone(),
        story: "does not tell its version".to_owned(),
        output: String::from_utf8_lossy(&report.stderr.kept).into_owned(),
        hint: "try it without palisade: is it broken?".to_owned(),
    })
}

/// Keeps the answer. Where that is not possible it is asked for again next time.
pub(super) fn remember(directory: &Path, tools: &Toolchain, interpreter: &Interpreter) {
    let seen = tools.program(&interpreter.tool).and_then(|program| Seen::of(program, interpreter.version.clone()));
    let Some(text) = seen.and_then(|seen| toml::to_string(&seen).ok()) else { return };
    // By a rename, so that nobody reads half of it.
    let draft = directory.join(format!(".{HOST}-{}", std::process::id()));
    let written = fs::write(&draft, text).is_ok() && tree::permit(&draft, 0o644).is_ok();
    if !written || fs::rename(&draft, directory.join(HOST)).is_err() {
        let _ = fs::remove_file(draft);
    }
}

/// That the interpreter among `tools` is the one that the environment was made for.
///
/// # Errors
/// [`EnvironmentError::OtherInterpreter`] if it is another; or it cannot be asked.
pub(crate) fn check(environment: &Environment, language: &str, tools: &Toolchain) -> Result<(), EnvironmentError> {
    let Some(made_for) = &environment.manifest.interpreter else { return Ok(()) };
    let Some(program) = tools.program(&made_for.tool) else { return Ok(()) };
    let kept = tree::read_text(&environment.directory.join(HOST), LARGEST).ok();
    let kept = kept.and_then(|text| toml::from_str::<Seen>(&text).ok()).filter(|seen| seen.is_of(program));
    let is = match kept {
        Some(seen) => seen.version,
        None => {
            let Some(packages) = Packages::of(language, own_languages().as_deref())? else { return Ok(()) };
            let is = version(&packages, tools)?;
            remember(&environment.directory, tools, &Interpreter { version: is.clone(), ..made_for.clone() });
            is
        }
    };
    if is == made_for.version {
        return Ok(());
    }
    Err(EnvironmentError::OtherInterpreter {
        name: environment.name.clone(),
        tool: made_for.tool.clone(),
        was: made_for.version.clone(),
        is,
    })
}
