//! From a request to jobs: language, toolchain, files, limits, all of it checked.
//!
//! Everything a caller can get wrong is found here, before anything is started. Not here: the host's files that it shows
//! (`trees.rs`), what a host can hold (`native::plan`).

use std::{
    fs,
    io::Read,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
};

use palisade_spec::{Bytes, Limits, LimitsAsk, Program, Request, Siblings, Stage};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};

use crate::{
    bound::{Bounds, Resolved},
    changes, copied, environment,
    error::StartError,
    job::{Access, Base, Given, Held, Job, Overlay, Shown},
    language::{self, Language, SearchPath, WORK},
    layers, outputs,
    trees::{Trees, is_own, path_error},
    zygote,
};

/// Largest source file, in bytes.
pub(crate) const SOURCE: u64 = 16 << 20;
/// Where palisade's own binary is for languages that need it.
const HELPER: &str = "/.palisade/palisade";
/// Least memory with which a sandbox can be set up and a program loaded.
pub(crate) const LEAST_MEMORY: Bytes = Bytes::mib(4);
/// Fewest descriptors with which a program can be loaded.
pub(crate) const LEAST_DESCRIPTORS: u32 = 8;
/// Fewest files and directories of a /tmp.
pub(crate) const LEAST_INODES: u32 = 8;

/// The jobs of a request, in order: a compiler first where the language has one. Each is within every ceiling of this
/// host and every policy that the request asks for.
pub(crate) fn resolve(request: &Request) -> Result<Vec<Resolved>, StartError> {
    let bounds = Bounds::of(request)?;
    let mut clamped = Vec::new();
    let mut narrowed = None;
    if !bounds.is_empty() {
        let (policy, lowered) = bounds.narrow(&request.policy)?;
        clamped = lowered;
        narrowed = Some(Request { policy, ..request.clone() });
    }
    let request = narrowed.as_ref().unwrap_or(request);
    let jobs = jobs(request, bounds.memory())?;
    let last = jobs.len().saturating_sub(1);
    let hold = |(number, job)| {
        let clamped = if number == last { std::mem::take(&mut clamped) } else { Vec::new() };
        bounds.hold(job, &request.policy, clamped)
    };
    jobs.into_iter().enumerate().map(hold).collect()
}

/// The jobs as they were asked for. No language is told of more memory than `most` bytes.
fn jobs(request: &Request, most: u64) -> Result<Vec<Job>, StartError> {
    check_words(request)?;
    let mut jobs = match &request.program {
        Program::Command(command) => vec![command_job(request, command)?],
        Program::Source { file, language, siblings } => {
            source_jobs(request, file, language.as_deref(), *siblings, most)?
        }
        Program::Interpreter { language } => vec![interpreter_job(request, language, most)?],
        Program::Session { language } => vec![session_job(request, language, most)?],
    };
    let trees = Trees::of(request)?;
    let layers = layers::resolve(&request.layers)?;
    for job in &mut jobs {
        if let Some(environment) = &request.activated {
            environment::activate(environment, job);
        }
        trees.give(job);
        job.layers.clone_from(&layers);
        check_limits(&job.limits)?;
    }
    if let Some(last) = jobs.last_mut() {
        exchange(request, trees, last)?;
        last.terminal = request.terminal;
        last.command.extend(request.arguments.iter().cloned());
        for (name, value) in &request.environment {
            last.stated.push(name.clone());
            set(&mut last.environment, name.clone(), value.clone());
        }
        zygote::find_bootstrap(last);
    }
    Ok(jobs)
}

/// What goes into the program's own sandbox and comes out of it.
fn exchange(request: &Request, trees: Trees, job: &mut Job) -> Result<(), StartError> {
    if let Some(directory) = trees.directory {
        job.directory = directory;
    }
    if let (Some(directory), Some(overlay)) = (trees.overlay, &request.files.overlay) {
        let (changes, target) = changes::checked(&overlay.changes, job)?;
        job.overlay = Some(Overlay { directory, changes, target });
    }
    job.outputs = request.files.outputs.as_ref().map(|outputs| outputs::checked(outputs, job)).transpose()?;
    copied::give(&request.files.copied, job)
}

/// Sets a variable, in place of one of the same name.
pub(crate) fn set(environment: &mut Vec<(String, String)>, name: String, value: String) {
    environment.retain(|(known, _)| *known != name);
    environment.push((name, value));
}

/// All of a program's environment that is not asked for.
fn environment() -> Vec<(String, String)> {
    [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", "/tmp"),
        ("TMPDIR", "/tmp"),
        ("LANG", "C.UTF-8"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn command_job(request: &Request, command: &str) -> Result<Job, StartError> {
    if command.is_empty() {
        return Err(StartError::Value {
            what: "the command",
            value: "empty".to_owned(),
            because: "there is nothing to execute".to_owned(),
            hint: "palisade run -- CMD ARGS…".to_owned(),
        });
    }
    Ok(Job {
        stage: Stage::Run,
        command: vec![command.to_owned()],
        environment: environment(),
        stated: Vec::new(),
        directory: WORK.into(),
        base: Base::default(),
        shown: Vec::new(),
        layers: Vec::new(),
        hidden: Vec::new(),
        kept: Vec::new(),
        given: Vec::new(),
        overlay: None,
        outputs: None,
        artefact: None,
        zygote: None,
        blank: None,
        terminal: None,
        network: request.policy.network.clone(),
        capabilities: request.policy.capabilities,
        hostile_calls: request.policy.hostile_calls,
        limits: request.policy.limits.clone().or_default(),
    })
}

/// An interpreter that waits for its source.
fn interpreter_job(request: &Request, language: &str, most: u64) -> Result<Job, StartError> {
    zygote::check(request)?;
    let language = Language::named(language, own_languages().as_deref())?;
    language.offers_interpreters()?;
    let toolchain = language.locate(&SearchPath::of_this_process())?;
    if let Some(environment) = &request.activated {
        environment::fits(environment, &language, &toolchain)?;
    }
    let ask = request.policy.limits.clone();
    let source = language.source(None, "");
    let memory = ask.memory.map(|memory| memory.0);
    let template = language::Job { source: &source, palisade: HELPER, memory, most };
    let waiting = language.zygote_step(&toolchain, &template)?;
    let mut job = command_job(request, language.name())?;
    job.shown = waiting
        .step
        .read_only
        .iter()
        .map(|tree| Shown { from: tree.host.clone(), at: tree.at.clone(), access: Access::Read, held: None })
        .collect();
    for (name, value) in &waiting.step.environment {
        set(&mut job.environment, name.clone(), value.clone());
    }
    job.limits = ask.over(limits_of(&waiting.step.limits)).or_default();
    zygote::give(waiting, &mut job);
    Ok(job)
}

/// The driver of an interactive session.
fn session_job(request: &Request, language: &str, most: u64) -> Result<Job, StartError> {
    let language = Language::named(language, own_languages().as_deref())?;
    language.offers_sessions()?;
    let toolchain = language.locate(&SearchPath::of_this_process())?;
    if let Some(environment) = &request.activated {
        environment::fits(environment, &language, &toolchain)?;
    }
    let ask = request.policy.limits.clone();
    let source = language.source(None, "");
    let memory = ask.memory.map(|memory| memory.0);
    let template = language::Job { source: &source, palisade: HELPER, memory, most };
    let step = language.session_step(&toolchain, &template)?;
    let mut job = command_job(request, language.name())?;
    job.shown = step
        .read_only
        .into_iter()
        .map(|tree| Shown { from: tree.host, at: tree.at, access: Access::Read, held: None })
        .collect();
    if step.needs_palisade {
        job.shown.push(Shown { from: helper()?, at: HELPER.into(), access: Access::Read, held: None });
    }
    for (name, value) in step.environment {
        set(&mut job.environment, name, value);
    }
    (job.command, job.limits) = (step.argv, ask.over(limits_of(&step.limits)).or_default());
    Ok(job)
}

fn source_jobs(
    request: &Request,
    file: &Path,
    language: Option<&str>,
    siblings: Siblings,
    most: u64,
) -> Result<Vec<Job>, StartError> {
    if let Some(work) = &request.work {
        return Err(StartError::Path {
            path: work.clone(),
            because: "it would be /work, and that is where a source file is put".to_owned(),
            hint: "put the file into that directory and run it by a command, such as `python3 FILE`".to_owned(),
        });
    }
    let (content, size) = open_source(file)?;
    let own = own_languages();
    let language = match language {
        Some(name) => Language::named(name, own.as_deref())?,
        None => Language::for_path(file, own.as_deref())?,
    };
    let text = if language.reads_source() { read_text(file, &content)? } else { String::new() };
    let name = file.file_name().and_then(|name| name.to_str());
    let mut source = language.source(name, &text);
    let mut shown = Vec::new();
    let mut given = Vec::new();
    match (siblings, name) {
        (Siblings::Visible, Some(name)) => {
            let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let from = directory.canonicalize().map_err(|error| path_error(directory, &error))?;
            if is_own(&from, Path::new(WORK)) {
                return Err(StartError::Path {
                    path: from,
                    because: "--with-dir would show the whole of it".to_owned(),
                    hint: "put the program into a directory of its own".to_owned(),
                });
            }
            source.file_name = name.to_owned();
            let held = Held::open(&from).map_err(|error| path_error(directory, &error))?;
            shown.push(Shown { from, at: WORK.into(), access: Access::Read, held: Some(Arc::new(held)) });
        }
        (Siblings::Visible, None) => {
            return Err(StartError::Source {
                file: file.to_owned(),
                because: "its name is not UTF-8, and --with-dir needs it in a command".to_owned(),
                hint: "rename the file".to_owned(),
            });
        }
        (Siblings::Hidden, _) => given.push(Given {
            at: Path::new(WORK).join(&source.file_name),
            content: Arc::new(content),
            size,
            mode: 0o444,
        }),
    }
    let toolchain = language.locate(&SearchPath::of_this_process())?;
    if let Some(environment) = &request.activated {
        environment::fits(environment, &language, &toolchain)?;
    }
    let template = language::Job { source: &source, palisade: HELPER, memory: None, most };
    let base = |stage, step: language::Step, ask: LimitsAsk| -> Result<Job, StartError> {
        let mut job_shown: Vec<Shown> = step
            .read_only
            .iter()
            .map(|tree| Shown { from: tree.host.clone(), at: tree.at.clone(), access: Access::Read, held: None })
            .collect();
        if step.needs_palisade {
            job_shown.push(Shown { from: helper()?, at: HELPER.into(), access: Access::Read, held: None });
        }
        job_shown.extend(shown.iter().cloned());
        let mut environment = environment();
        for (name, value) in step.environment {
            set(&mut environment, name, value);
        }
        Ok(Job {
            stage,
            command: step.argv,
            environment,
            stated: Vec::new(),
            directory: WORK.into(),
            base: Base::default(),
            shown: job_shown,
            layers: Vec::new(),
            hidden: Vec::new(),
            kept: Vec::new(),
            given: given.clone(),
            overlay: None,
            outputs: None,
            artefact: step.artefact.map(PathBuf::from),
            zygote: None,
            blank: None,
            terminal: None,
            network: request.policy.network.clone(),
            capabilities: request.policy.capabilities,
            hostile_calls: request.policy.hostile_calls,
            limits: ask.over(limits_of(&step.limits)).or_default(),
        })
    };
    let mut jobs = Vec::new();
    if let Some(step) = language.compile_step(&toolchain, &template)? {
        let mut compile = base(Stage::Compile, step, LimitsAsk::default())?;
        compile.network = palisade_spec::NetworkPolicy::None;
        compile.limits.file_size = compile.limits.tmp_size;
        compile.limits.descriptors = compile.limits.descriptors.max(1024);
        jobs.push(compile);
    }
    let ask = request.policy.limits.clone();
    let memory = ask.memory.map(|memory| memory.0);
    let step = language.run_step(&toolchain, &language::Job { memory, ..template })?;
    jobs.push(base(Stage::Run, step, ask)?);
    Ok(jobs)
}

pub(crate) fn limits_of(limits: &language::Limits) -> LimitsAsk {
    LimitsAsk {
        wall_time: Some(limits.wall_time),
        cpu_time: Some(limits.cpu_time),
        memory: Some(Bytes(limits.memory)),
        processes: Some(limits.processes),
        threads: Some(limits.threads),
        tmp_size: Some(Bytes(limits.tmp)),
        ..LimitsAsk::default()
    }
}

/// `$XDG_CONFIG_HOME/palisade/languages`: the user's own definitions.
pub(crate) fn own_languages() -> Option<PathBuf> {
    user_config().map(|config| config.join("languages"))
}

/// `$XDG_CONFIG_HOME/palisade`: what is the user's own.
pub(crate) fn user_config() -> Option<PathBuf> {
    let config = user_directory("XDG_CONFIG_HOME", ".config")?;
    Some(config.join("palisade"))
}

/// A user's directory by its variable, else below the home. What is empty or relative counts as unset (XDG Base Directory
/// Specification): it would be whatever lies in the working directory.
pub(crate) fn user_directory(variable: &str, below_home: &str) -> Option<PathBuf> {
    absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below_home)))
}

/// The path in a variable, if it is an absolute one.
pub(crate) fn absolute(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The `palisade` command itself: this process, or the one on PATH if this process only uses the library.
fn helper() -> Result<PathBuf, StartError> {
    let own = std::env::current_exe().ok().filter(|path| path.file_name().is_some_and(|name| name == "palisade"));
    let found = own.or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|directory| directory.join("palisade")).find(|file| file.is_file())
    });
    found.and_then(|path| path.canonicalize().ok()).ok_or_else(|| StartError::Source {
        file: "palisade".into(),
        because: "this language is compiled by the palisade command, which is not on PATH".to_owned(),
        hint: "install the palisade command beside this program".to_owned(),
    })
}

pub(crate) fn open_source(file: &Path) -> Result<(OwnedFd, u64), StartError> {
    open_file(file, SOURCE, "check the path; a command instead of a file is run by: palisade run -- CMD ARGS…")
        .map(|(fd, size, _)| (fd, size))
}

/// Opens a regular file of bounded size, whose permission bits are given too.
pub(crate) fn open_file(file: &Path, most: u64, absent: &str) -> Result<(OwnedFd, u64, u32), StartError> {
    let wrong = |because: &str, hint: &str| StartError::Source {
        file: file.to_owned(),
        because: because.to_owned(),
        hint: hint.to_owned(),
    };
    // Not blocking: a FIFO would otherwise wait for a writer here.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = open(file, flags, Mode::empty()).map_err(|errno| {
        let hint = match errno {
            rustix::io::Errno::NOENT => absent,
            rustix::io::Errno::ACCESS => "give yourself read permission",
            _ => "the source must be a readable regular file",
        };
        wrong(&std::io::Error::from(errno).to_string(), hint)
    })?;
    let stat = fstat(&fd).map_err(|errno| wrong(&std::io::Error::from(errno).to_string(), "is it still there?"))?;
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            let size = u64::try_from(stat.st_size).unwrap_or(0);
            return if size > most {
                let because = format!("{} are more than such a file may have ({})", Bytes(size), Bytes(most));
                Err(wrong(&because, "give large data with --allow-read PATH or on standard input"))
            } else {
                Ok((fd, size, stat.st_mode & 0o777))
            };
        }
        FileType::Directory => "a directory",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        _ => "a device",
    };
    Err(wrong(&format!("it is {kind}, not a regular file"), "write the program to a file first"))
}

fn read_text(file: &Path, content: &OwnedFd) -> Result<String, StartError> {
    let mut bytes = Vec::new();
    let copy = content.as_fd().try_clone_to_owned().map_err(|error| path_error(file, &error))?;
    fs::File::from(copy).take(SOURCE).read_to_end(&mut bytes).map_err(|error| path_error(file, &error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn check_words(request: &Request) -> Result<(), StartError> {
    let bad = |what, value: &str, because: &str, hint: &str| StartError::Value {
        what,
        value: format!("`{}`", value.escape_debug()),
        because: because.to_owned(),
        hint: hint.to_owned(),
    };
    for word in &request.arguments {
        if word.contains('\0') {
            return Err(bad("an argument", word, "no program can receive a NUL byte", "pass it on standard input"));
        }
    }
    for (name, value) in &request.environment {
        if !is_variable(name, value) {
            return Err(bad("a variable", name, BAD_VARIABLE, "--setenv NAME=VALUE"));
        }
    }
    Ok(())
}

/// What [`is_variable`] wants.
pub(crate) const BAD_VARIABLE: &str = "its name must not be empty or contain `=`, and no part a NUL byte";

/// Whether a program can get this variable.
pub(crate) fn is_variable(name: &str, value: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0')
}

fn check_limits(limits: &Limits) -> Result<(), StartError> {
    if limits.memory < LEAST_MEMORY {
        return Err(StartError::Value {
            what: "the memory limit",
            value: limits.memory.to_string(),
            because: format!("even loading a program needs {LEAST_MEMORY}"),
            hint: format!("give at least --memory-limit {}M", LEAST_MEMORY.0 >> 20),
        });
    }
    let counts = [
        ("the process limit", limits.processes, 1),
        ("the thread limit", limits.threads, 1),
        ("the descriptor limit", limits.descriptors, LEAST_DESCRIPTORS),
        ("the inode limit", limits.tmp_inodes, LEAST_INODES),
    ];
    for (what, value, least) in counts {
        if value < least {
            return Err(StartError::Value {
                what,
                value: value.to_string(),
                because: format!("no program could start with fewer than {least}"),
                hint: format!("give at least {least}"),
            });
        }
    }
    Ok(())
}
