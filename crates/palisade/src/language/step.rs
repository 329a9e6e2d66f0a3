//! From a language, its toolchain and one job to what has to be started.
//!
//! In: a [`Language`], a [`Toolchain`], a [`Job`]. Out: a [`Step`]: command, environment, limits, host files. Not here:
//! the sandbox's basic environment (PATH, HOME, LANG, TMPDIR), clamping of limits, the program's own arguments: the
//! caller appends them to `argv` of the run step.

use std::time::Duration;

use super::definition::{Definition, Repl, Template, Zygote};
use super::entry;
use super::error::LanguageError;
use super::locate::{ReadOnly, Toolchain};
use super::words::Part;
use super::{BUILD, Language, WORK, ZYGOTE};

/// What one step may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes.
    pub memory: u64,
    /// Processor time of all processes together.
    pub cpu_time: Duration,
    /// Elapsed time.
    pub wall_time: Duration,
    /// Processes at one time, threads not counted.
    pub processes: u32,
    /// Tasks at one time as the pids cgroup counts them: the threads of all processes together.
    pub threads: u32,
    /// Bytes in /tmp.
    pub tmp: u64,
}

/// A source file under the name that its language wants.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct SourceFile {
    /// Name of the file in the sandbox's /work.
    pub file_name: String,
    name: String,
    extension: String,
    declared: String,
    entry: String,
}

/// What a step is about.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The file to compile or run, as [`Language::source`] named it.
    pub source: &'a SourceFile,
    /// Absolute path of our own static binary inside the sandbox.
    pub palisade: &'a str,
    /// The memory limit in force, in bytes, if it is not the language's own.
    pub memory: Option<u64>,
    /// The most that it may be told of, in bytes.
    pub most: u64,
}

/// One program to start in a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Step {
    /// Program and arguments. The program is an absolute path inside the sandbox.
    pub argv: Vec<String>,
    /// Variables beside the basic ones.
    pub environment: Vec<(String, String)>,
    /// The language's own limits for this step.
    pub limits: Limits,
    /// Host files that the tools of this step read, beside /usr.
    pub read_only: Vec<ReadOnly>,
    /// Compile step only: file or directory that exists afterwards. Give it to the run step at the same place.
    pub artefact: Option<String>,
    /// Whether a word of the command or the environment is our own binary.
    pub needs_palisade: bool,
}

/// An interpreter to start before its source is known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Waiting {
    /// What is started.
    pub step: Step,
    /// Variables that are lists of paths, to go before what they are already.
    pub paths: Vec<(String, String)>,
    /// Where the source has to be.
    pub source: String,
    /// Where the program has to be by which it waits.
    pub bootstrap: String,
    /// That program.
    pub text: String,
}

impl Language {
    /// Gives a source file the name that the language wants.
    ///
    /// `called` is the user's own file name, if there is one. `text` is only looked at if [`Self::reads_source`].
    pub fn source(&self, called: Option<&str>, text: &str) -> SourceFile {
        let Definition { extensions, entry: words, source_name, .. } = &self.definition;
        let (stem, extension) = called.and_then(|file| file.rsplit_once('.')).unwrap_or((called.unwrap_or(""), ""));
        let extension = extensions.iter().find(|e| e.eq_ignore_ascii_case(extension)).or(extensions.first());
        let name = plain(stem);
        let found = words.as_ref().and_then(|words| entry::find(text, words));
        let mut source = SourceFile {
            file_name: String::new(),
            extension: extension.cloned().unwrap_or_default(),
            declared: found.as_ref().map_or(name.clone(), |entry| entry.declared.clone()),
            entry: found.map_or(name.clone(), |entry| entry.start),
            name,
        };
        let filled = source_name.fill(|part| {
            Ok::<_, std::convert::Infallible>(match part {
                Part::Extension => source.extension.clone(),
                Part::Declared => source.declared.clone(),
                _ => source.name.clone(),
            })
        });
        let Ok(file_name) = filled;
        source.file_name = file_name;
        source
    }

    /// Whether [`Self::source`] looks into the text.
    #[must_use]
    pub fn reads_source(&self) -> bool {
        self.definition.entry.is_some()
    }

    /// The step that makes the artefact, for languages that have one.
    ///
    /// # Errors
    /// [`LanguageError::NotUtf8`] if a tool's path cannot stand in a command.
    pub fn compile_step(&self, toolchain: &Toolchain, job: &Job<'_>) -> Result<Option<Step>, LanguageError> {
        let Some(compile) = &self.definition.compile else { return Ok(None) };
        let artefact = format!("{BUILD}/{}", compile.artefact);
        let mut step = fill(&compile.template, &compile.limits, toolchain, job, &artefact, "")?;
        step.artefact = Some(artefact);
        Ok(Some(step))
    }

    /// The step that runs the program. The program's own arguments come after `argv`.
    ///
    /// # Errors
    /// [`LanguageError::NotUtf8`] if a tool's path cannot stand in a command.
    pub fn run_step(&self, toolchain: &Toolchain, job: &Job<'_>) -> Result<Step, LanguageError> {
        let name = self.definition.compile.as_ref().map_or("", |compile| compile.artefact.as_str());
        fill(&self.definition.run, &self.definition.limits, toolchain, job, &format!("{BUILD}/{name}"), "")
    }

    /// That it has interactive sessions.
    ///
    /// # Errors
    /// [`LanguageError::NoSession`] if it has none.
    pub fn offers_sessions(&self) -> Result<(), LanguageError> {
        self.repl().map(drop)
    }

    fn repl(&self) -> Result<&Repl, LanguageError> {
        let none = || LanguageError::NoSession {
            language: self.title().to_owned(),
            compiled: self.definition.compile.is_some(),
        };
        self.definition.repl.as_ref().ok_or_else(none)
    }

    /// The step that starts an interactive session.
    ///
    /// # Errors
    /// [`LanguageError::NoSession`] if the language has none, [`LanguageError::Unreadable`] if its driver cannot be read,
    /// [`LanguageError::NotUtf8`] if a tool's path cannot stand in a command.
    pub fn session_step(&self, toolchain: &Toolchain, job: &Job<'_>) -> Result<Step, LanguageError> {
        let repl = self.repl()?;
        let driver = self.driver(&repl.driver)?;
        fill(&repl.template, &self.definition.limits, toolchain, job, "", &driver)
    }

    /// That it has an interpreter which can wait for its source.
    ///
    /// # Errors
    /// [`LanguageError::NoZygote`] if it has none.
    pub fn offers_interpreters(&self) -> Result<(), LanguageError> {
        self.zygote().map(drop)
    }

    fn zygote(&self) -> Result<&Zygote, LanguageError> {
        let none = || LanguageError::NoZygote { language: self.title().to_owned() };
        self.definition.zygote.as_ref().ok_or_else(none)
    }

    /// The step that starts an interpreter which waits for its source, the place of the program by which it waits, and that
    /// program. The variables of the step are those of a program; then come lists of paths that go before what is set.
    ///
    /// # Errors
    /// [`LanguageError::NoZygote`] if the language has none, [`LanguageError::Unreadable`] if that program cannot be read,
    /// [`LanguageError::NotUtf8`] if a tool's path cannot stand in a command.
    pub fn zygote_step(&self, toolchain: &Toolchain, job: &Job<'_>) -> Result<Waiting, LanguageError> {
        let zygote = self.zygote()?;
        let limits = &self.definition.limits;
        let run = fill(&self.definition.run, limits, toolchain, job, "", "")?;
        let step = fill(&zygote.template, limits, toolchain, job, "", "")?;
        Ok(Waiting {
            source: format!("{WORK}/{}", job.source.file_name),
            bootstrap: format!("{ZYGOTE}/{}", zygote.bootstrap),
            text: self.driver(&zygote.bootstrap)?.into_owned(),
            paths: step.environment,
            step: Step { environment: run.environment, ..step },
        })
    }

    /// The language's own limits for the run step.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.definition.limits
    }
}

fn fill(
    template: &Template,
    limits: &Limits,
    toolchain: &Toolchain,
    job: &Job<'_>,
    artefact: &str,
    driver: &str,
) -> Result<Step, LanguageError> {
    let memory_mib = job.memory.unwrap_or(limits.memory).min(job.most) >> 20;
    let value = |part: &Part| {
        Ok(match part {
            Part::Text(text) => text.clone(),
            Part::Source => format!("{WORK}/{}", job.source.file_name),
            Part::Artefact => artefact.to_owned(),
            Part::Palisade => job.palisade.to_owned(),
            Part::Name => job.source.name.clone(),
            Part::Extension => job.source.extension.clone(),
            Part::Declared => job.source.declared.clone(),
            Part::Entry => job.source.entry.clone(),
            Part::Driver => driver.to_owned(),
            Part::Zygote => ZYGOTE.to_owned(),
            Part::MemoryMb(percent) => (memory_mib.saturating_mul(*percent) / 100).max(1).to_string(),
            Part::Tool(id) => toolchain.program_text(id)?,
        })
    };
    let argv = template.command.iter().map(|words| words.fill(value)).collect::<Result<_, LanguageError>>()?;
    let variable = |(name, words): &(String, super::words::Words)| Ok((name.clone(), words.fill(value)?));
    let environment = template.environment.iter().map(variable).collect::<Result<_, LanguageError>>()?;
    let words = || template.command.iter().chain(template.environment.iter().map(|(_, words)| words));
    Ok(Step {
        argv,
        environment,
        limits: *limits,
        read_only: toolchain.read_only_of(words().flat_map(|words| words.tools())),
        artefact: None,
        needs_palisade: words().any(|words| words.parts().contains(&Part::Palisade)),
    })
}

/// A file name without signs that mean something to a shell, a compiler or a path.
fn plain(stem: &str) -> String {
    let sign = |c: char| if c.is_alphanumeric() || c == '_' || c == '$' { c } else { '_' };
    let name: String = stem.chars().take(100).map(sign).collect();
    if name.is_empty() { "Main".to_owned() } else { name }
}
