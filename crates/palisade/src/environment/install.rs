//! Installing packages: strangers' code, so inside a sandbox.
//!
//! What is to be installed is copied into a staging directory, the only one that the installer can write to; as root it
//! runs as a user who owns nothing. What it left is copied into the draft. Not here: which installer and which words
//! (`language/packages/*.toml`).

use std::{
    fs,
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
    time::Duration,
};

use palisade_spec::{Bytes, FilesPolicy, LimitsAsk, NetworkPolicy, Outcome, Policy, Program, Report, Request};

use super::{
    create::{Internet, PACKAGES, Recipe, Scripts, nonsense},
    draft::Draft,
    error::EnvironmentError,
    tree,
};
use crate::{
    language::{Filling, Installer, Packages, SearchPath, Toolchain},
    resolve::own_languages,
    run::run_until,
};

/// Where programs will see what is installed.
const SEEN_AT: &str = "/env/packages";
/// How long an installation may take.
const TIME: Duration = Duration::from_secs(30 * 60);
/// Lines of the installer's output that an error shows.
const LINES: usize = 20;

/// One thing to be installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A name that the installer looks up.
    Named(String),
    /// A file of packages.
    Archive(PathBuf),
    /// A directory that is a package.
    Project(PathBuf),
    /// A file that names packages.
    List(PathBuf),
}

impl Item {
    /// As it stands in a manifest: nothing of where it was on this host.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Named(name) => name.clone(),
            Self::Archive(path) | Self::Project(path) | Self::List(path) => {
                path.file_name().unwrap_or_default().to_string_lossy().into_owned()
            }
        }
    }
}

/// The packages of a recipe, told apart.
pub(super) fn items(recipe: &Recipe, packages: Option<&Packages>) -> Result<Vec<Item>, EnvironmentError> {
    if recipe.packages.is_empty() {
        return match recipe.look_in.first() {
            Some(_) => Err(nonsense("--from", "there is nothing to look for", "name packages with --packages")),
            None => Ok(Vec::new()),
        };
    }
    let Some(language) = &recipe.language else {
        return Err(nonsense("--packages", "each language has its own packages", "say which with --lang NAME"));
    };
    let Some(packages) = packages else {
        let all = Packages::all(own_languages().as_deref())?;
        let known = all.into_iter().flat_map(|packages| packages.languages).collect();
        return Err(EnvironmentError::NoPackages { language: language.clone(), known });
    };
    let mut items = Vec::new();
    for word in &recipe.packages {
        items.extend(told_apart(word, packages)?);
    }
    Ok(items)
}

fn told_apart(word: &str, packages: &Packages) -> Result<Vec<Item>, EnvironmentError> {
    let kinds = &packages.kinds;
    let path = Path::new(word);
    let looks_like_a_path = word.starts_with(['/', '.']) || word.ends_with('/');
    let real = match path.canonicalize() {
        Ok(real) if looks_like_a_path || word.contains('/') || real.is_file() => real,
        Err(error) if looks_like_a_path => {
            return Err(nonsense(word, &error.to_string(), "a package is a name, or the path of a file or directory"));
        }
        _ if word.starts_with('-') || word.trim().is_empty() || word.contains(char::is_control) => {
            return Err(nonsense(
                &format!("package `{}`", word.escape_debug()),
                "that is no name of a package",
                "options of the installer cannot be given",
            ));
        }
        _ => return Ok(vec![Item::Named(word.to_owned())]),
    };
    let name = real.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let ends = |list: &[String]| list.iter().any(|end| name.ends_with(end.as_str()));
    if real.is_file() && ends(&kinds.lists) {
        return Ok(vec![Item::List(real)]);
    }
    if real.is_file() && ends(&kinds.archives) {
        return Ok(vec![Item::Archive(real)]);
    }
    if real.is_dir() && kinds.projects.iter().any(|file| real.join(file).is_file()) {
        return Ok(vec![Item::Project(real)]);
    }
    let archives = if real.is_dir() { archives_in(&real, packages)? } else { Vec::new() };
    if archives.is_empty() {
        let known = [kinds.archives.as_slice(), &kinds.lists].concat();
        let hint = format!(
            "give a file ({}), a directory with {}, or a directory of such files",
            known.join(" "),
            kinds.projects.join(" or ")
        );
        return Err(nonsense(word, "there is no package in it", &hint));
    }
    Ok(archives.into_iter().map(Item::Archive).collect())
}

fn archives_in(directory: &Path, packages: &Packages) -> Result<Vec<PathBuf>, EnvironmentError> {
    let entries = fs::read_dir(directory).map_err(EnvironmentError::io("read", directory))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.is_file() && packages.kinds.archives.iter().any(|end| name.ends_with(end.as_str()))
    });
    files.sort();
    Ok(files)
}

/// What is to be done.
pub(super) struct Installation<'a> {
    pub packages: &'a Packages,
    pub tools: &'a Toolchain,
    pub recipe: &'a Recipe,
    pub items: &'a [Item],
}

impl Installation<'_> {
    /// Installs into a draft.
    pub(super) fn carry_out(&self, draft: &Draft, cancel: Option<BorrowedFd<'_>>) -> Result<(), EnvironmentError> {
        let staging = Staging::new(&draft.staging())?;
        let (installer, tools) = self.installer(&staging, cancel)?;
        self.needs_network(installer)?;
        let filling = staging.filling(&tools);
        let mut words = self.words(&installer.command, &filling, "")?;
        let of_the_network = match self.recipe.internet {
            Internet::Closed => &installer.offline,
            Internet::Open => &installer.online,
        };
        words.extend(self.words(of_the_network, &filling, "")?);
        if self.recipe.scripts == Scripts::Off {
            words.extend(self.words(&installer.no_scripts, &filling, "")?);
        }
        for directory in &self.recipe.look_in {
            let Some(look_in) = &installer.look_in else {
                let because = format!("{} cannot look for packages in a directory", installer.name);
                return Err(nonsense("--from", &because, "name the files in it with --packages"));
            };
            let archives = archives_in(directory, self.packages)?;
            let copies = staging.copies(&archives)?;
            words.extend(self.words(look_in, &filling, &copies)?);
        }
        for item in self.items {
            match (item, &installer.list_name) {
                (Item::Named(name), _) => words.push(name.clone()),
                (Item::Archive(path) | Item::Project(path), _) => words.push(staging.copy(path)?),
                (Item::List(path), Some(name)) => staging.put_into_target(path, name, &installer.list_beside)?,
                (Item::List(path), None) => {
                    let list = installer.list.as_deref().unwrap_or_default();
                    words.extend(self.words(list, &filling, &staging.copy(path)?)?);
                }
            }
        }
        let report = self.start(words, installer, &staging, &filling, cancel)?;
        if !report.success {
            return Err(self.failed(installer, &report));
        }
        let after = self.words(&installer.after, &filling, "")?;
        if !after.is_empty() {
            // A help for speed. That it failed is no reason to have nothing.
            self.start(after, installer, &staging, &filling, cancel)?;
        }
        let discard = &self.packages.discard;
        tree::copy(&staging.target, &draft.root().join(PACKAGES), |path| {
            let name = path.rsplit('/').next().unwrap_or_default();
            discard.names.iter().any(|one| one == name) || discard.top.iter().any(|one| one == path)
        })?;
        tree::remove(&draft.staging())
    }

    /// The first installer that answers, or the one that was asked for.
    fn installer(
        &self,
        staging: &Staging,
        cancel: Option<BorrowedFd<'_>>,
    ) -> Result<(&Installer, Toolchain), EnvironmentError> {
        let wanted = self.recipe.installer.as_deref();
        let mut tried = Vec::new();
        let all = &self.packages.installer;
        for installer in all.iter().filter(|installer| wanted.is_none_or(|wanted| installer.name == wanted)) {
            let mut refuse = |because: String| tried.push((installer.name.clone(), because, installer.obtain.clone()));
            let tools = match installer.locate(self.tools, &SearchPath::of_this_process()) {
                Ok(tools) => tools,
                Err(because) => {
                    refuse(because);
                    continue;
                }
            };
            let filling = staging.filling(&tools);
            let words = self.words(&installer.check, &filling, "")?;
            let report = self.start(words, installer, staging, &filling, cancel)?;
            if report.success {
                return Ok((installer, tools));
            }
            let said = String::from_utf8_lossy(&report.stderr.kept);
            refuse(said.lines().last().unwrap_or("it does not answer").trim().to_owned());
        }
        if tried.is_empty() {
            let known: Vec<&str> = all.iter().map(|installer| installer.name.as_str()).collect();
            let hint = format!("one of: {}", known.join(" "));
            let what = format!("installer `{}`", wanted.unwrap_or_default());
            return Err(nonsense(&what, "there is no such installer for this language", &hint));
        }
        Err(EnvironmentError::NoInstaller { language: self.packages.languages.join(" and "), tried })
    }

    /// A name alone has to be downloaded.
    fn needs_network(&self, installer: &Installer) -> Result<(), EnvironmentError> {
        if self.recipe.internet == Internet::Open || !self.recipe.look_in.is_empty() {
            return Ok(());
        }
        match self.items.iter().find(|item| matches!(item, Item::Named(_))) {
            Some(item) => Err(nonsense(
                &format!("package `{}`", item.shown()),
                "it would have to be downloaded, and the network is closed",
                if installer.look_in.is_some() {
                    "open the network to the installer with --network, or name a directory that has it with --from DIR; \
                     a directory of that name is written ./NAME"
                } else {
                    "open the network to the installer with --network, or name a file or directory; a directory of that \
                     name is written ./NAME"
                },
            )),
            None => Ok(()),
        }
    }

    fn words(&self, words: &[String], filling: &Filling<'_>, item: &str) -> Result<Vec<String>, EnvironmentError> {
        filling.words(words, item).map_err(|placeholder| {
            let what = format!("the definition of packages for {}", self.packages.languages.join(" and "));
            nonsense(&what, &format!("there is nothing for `{placeholder}`"), "mend it in languages/packages")
        })
    }

    fn start(
        &self,
        words: Vec<String>,
        installer: &Installer,
        staging: &Staging,
        filling: &Filling<'_>,
        cancel: Option<BorrowedFd<'_>>,
    ) -> Result<Report, EnvironmentError> {
        let mut words = words.into_iter();
        let program = words.next().unwrap_or_default();
        let variables = installer.environment.iter();
        let variables = variables.map(|(name, value)| Ok((name.clone(), filling.word(value, "")?)));
        let mut environment = variables.collect::<Result<Vec<_>, String>>().map_err(|placeholder| {
            nonsense("environment", &format!("there is nothing for `{placeholder}`"), "mend it in languages/packages")
        })?;
        // On disk: what is in /tmp counts as memory.
        environment.extend(["HOME", "TMPDIR"].map(|name| (name.to_owned(), staging.scratch.clone())));
        let request = Request {
            arguments: words.collect(),
            environment,
            policy: Policy {
                files: FilesPolicy {
                    read: filling.reads().into_iter().map(|read| read.at).collect(),
                    write: vec![staging.directory.clone()],
                    ..FilesPolicy::default()
                },
                network: match self.recipe.internet {
                    Internet::Closed => NetworkPolicy::None,
                    Internet::Open => NetworkPolicy::AllowAll,
                },
                limits: limits(),
                ..Policy::default()
            },
            ..Request::new(Program::Command(program.clone()))
        };
        let report = run_until(request, cancel)
            .map_err(|source| EnvironmentError::Sandbox { program, source: Box::new(source) })?;
        if report.outcome == Outcome::Cancelled {
            return Err(EnvironmentError::Cancelled);
        }
        Ok(report)
    }

    fn failed(&self, installer: &Installer, report: &Report) -> EnvironmentError {
        let story = match &report.outcome {
            Outcome::Exited { code } => format!("failed with status {code}"),
            Outcome::LimitHit { limit } => format!("was stopped at its {limit} limit"),
            Outcome::Signalled { signal } => format!("was ended by {signal}"),
            _ => "was killed".to_owned(),
        };
        let all = [&report.stdout.kept, &report.stderr.kept].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let lines: Vec<&str> =
            all.iter().flat_map(|text| text.lines()).filter(|line| !line.trim().is_empty()).collect();
        let last = lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default();
        let network = "dependencies and build tools have to be given as well, with --packages or --from DIR, or opened to it \
                       with --network";
        let scripts =
            "what has to be built may need --allow-scripts: its code is then executed, in the installer's sandbox";
        let hint = match (self.recipe.internet, self.recipe.scripts) {
            (Internet::Closed, Scripts::Off) => format!("it had no network: {network}; {scripts}"),
            (Internet::Closed, Scripts::On) => format!("it had no network: {network}"),
            (Internet::Open, Scripts::Off) => scripts.to_owned(),
            (Internet::Open, Scripts::On) => format!("these are the words of {} itself", installer.name),
        };
        EnvironmentError::Installation { installer: installer.name.clone(), story, output: last.join("\n"), hint }
    }
}

fn limits() -> LimitsAsk {
    LimitsAsk {
        wall_time: Some(TIME),
        cpu_time: Some(TIME),
        memory: Some(Bytes::mib(2048)),
        processes: Some(256),
        threads: Some(512),
        descriptors: Some(1024),
        file_size: Some(Bytes::mib(2048)),
        ..LimitsAsk::default()
    }
}

/// The only directory that the installer can write to.
struct Staging {
    directory: PathBuf,
    target: PathBuf,
    target_text: String,
    scratch: String,
    items: PathBuf,
    count: std::cell::Cell<usize>,
}

impl Staging {
    fn new(directory: &Path) -> Result<Self, EnvironmentError> {
        let (target, scratch, items) = (directory.join("target"), directory.join("scratch"), directory.join("items"));
        for path in [directory, &target, &scratch, &items] {
            fs::create_dir(path).map_err(EnvironmentError::io("create", path))?;
            // Writable for root's installer, who is nobody. The draft around it is closed to others.
            tree::permit(path, 0o777)?;
        }
        Ok(Self {
            directory: directory.to_owned(),
            target_text: text(&target)?,
            target,
            scratch: text(&scratch)?,
            items,
            count: std::cell::Cell::new(0),
        })
    }

    fn filling<'a>(&'a self, tools: &'a Toolchain) -> Filling<'a> {
        Filling { tools, target: &self.target_text, scratch: &self.scratch, place: SEEN_AT }
    }

    /// A directory of its own for the next item.
    fn next(&self) -> Result<PathBuf, EnvironmentError> {
        self.count.set(self.count.get() + 1);
        let place = self.items.join(self.count.get().to_string());
        fs::create_dir(&place).map_err(EnvironmentError::io("create", &place))?;
        tree::permit(&place, 0o777)?;
        Ok(place)
    }

    /// A copy of a file or directory under its own name, which the installer may change.
    fn copy(&self, from: &Path) -> Result<String, EnvironmentError> {
        let to = self.next()?.join(from.file_name().unwrap_or_default());
        if from.is_dir() {
            tree::copy(from, &to, |_| false)?;
            for directory in tree::look(&to)?.iter().filter(|found| found.kind == tree::Kind::Directory) {
                tree::permit(&to.join(&directory.path), 0o777)?;
            }
            tree::permit(&to, 0o777)?;
        } else {
            tree::copy_file(from, &to, false)?;
        }
        text(&to)
    }

    /// A directory with copies of files.
    fn copies(&self, from: &[PathBuf]) -> Result<String, EnvironmentError> {
        let place = self.next()?;
        for file in from {
            let file = file.canonicalize().map_err(EnvironmentError::io("open", file))?;
            tree::copy_file(&file, &place.join(file.file_name().unwrap_or_default()), false)?;
        }
        text(&place)
    }

    /// Copies of a list, and of the files beside it that belong to it, in the target.
    fn put_into_target(&self, from: &Path, name: &str, beside: &[String]) -> Result<(), EnvironmentError> {
        let beside = beside.iter().map(|name| (from.with_file_name(name), name.as_str()));
        let beside = beside.filter(|(from, _)| from.is_file());
        for (from, name) in [(from.to_owned(), name)].into_iter().chain(beside) {
            let to = self.target.join(name);
            tree::copy_file(&from, &to, false)?;
            tree::permit(&to, 0o666)?;
        }
        Ok(())
    }
}

fn text(path: &Path) -> Result<String, EnvironmentError> {
    path.to_str().map(str::to_owned).ok_or_else(|| tree::unfit(path, "its path is not UTF-8"))
}
