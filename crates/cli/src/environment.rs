//! `palisade env …`: environments from the command line.
//!
//! In: arguments. Out: calls of `palisade::environment`, and words for people or JSON. Not here: what a run
//! does with one (the library).

use std::{fmt::Write, os::fd::AsFd, path::PathBuf};

use clap::{Args, Subcommand};
use palisade::{
    config::{Config, Places},
    environment::{EnvironmentError, ForeignProfile, Imported, Internet, Listed, Recipe, Scripts, Store},
    spec::{Bytes, Environment},
};
use serde_json::{Value, json};

use crate::{
    args::variable,
    print::{self, one_line},
};

#[derive(Args, Debug)]
pub(crate) struct Env {
    /// Where environments are kept [default: $PALISADE_ENVIRONMENTS, or palisade/environments below $XDG_DATA_HOME]
    #[arg(long, value_name = "DIR", global = true)]
    dir: Option<PathBuf>,

    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make an environment: packages, a search path, variables
    Create(Create),
    /// List all environments
    List(Printed),
    /// Tell all about one
    Info(Named),
    /// Remove one
    Remove {
        /// Which
        name: String,
    },
    /// Write one to a file
    Export {
        /// Which
        name: String,
        /// The file to write
        #[arg(long, short, value_name = "FILE", required_unless_present = "lock")]
        output: Option<PathBuf>,
        /// Print the lock file alone: the digest of every file
        #[arg(long, conflicts_with = "output")]
        lock: bool,
    },
    /// Make an environment of an exported file
    Import {
        /// The file
        file: PathBuf,
        /// Its name here [default: the file's name without .tar]
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Keep the profile that the file names, which may open the network and files
        #[arg(long)]
        keep_profile: bool,
    },
    /// Compare every file of one with its lock file
    Verify {
        #[command(flatten)]
        named: Named,
        /// A lock file that was kept elsewhere
        #[arg(long, value_name = "FILE")]
        lock: Option<PathBuf>,
    },
}

#[derive(Args, Debug)]
struct Printed {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct Named {
    /// Which
    name: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
// NAME first: behind --packages it would be one more of them.
#[command(override_usage = "palisade env create NAME [--lang LANGUAGE] [--packages PACKAGE...] [OPTIONS]")]
struct Create {
    /// Its name: letters, digits, `-`, `_` and `.`
    name: String,

    /// Language that it is for
    #[arg(long, visible_alias = "language", value_name = "LANGUAGE")]
    lang: Option<String>,

    /// Packages: names, or paths of archives, package directories, directories of archives, or lists of packages
    #[arg(long, value_name = "PACKAGE", num_args = 1..)]
    packages: Vec<String>,

    /// Look for packages in this directory of archives
    #[arg(long, value_name = "DIR")]
    from: Vec<PathBuf>,

    /// Copy this directory and put it on the search path
    #[arg(long, value_name = "DIR")]
    path: Vec<PathBuf>,

    /// Set a variable for programs that run in it
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    setenv: Vec<(String, String)>,

    /// Profile of programs that run in it
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,

    /// Program that installs the packages [default: the first that is there]
    #[arg(long, requires = "packages", value_name = "NAME")]
    installer: Option<String>,

    /// Open the network to the installer, in its sandbox
    #[arg(long, requires = "packages")]
    network: bool,

    /// Let packages execute their own code while they are installed, in the installer's sandbox
    #[arg(long, requires = "packages")]
    allow_scripts: bool,
}

/// Carries out the command.
pub(crate) fn command(args: Env) -> i32 {
    let json = match &args.action {
        Action::List(printed) => printed.json,
        Action::Info(named) | Action::Verify { named, .. } => named.json,
        _ => false,
    };
    let done = Store::new(args.dir).and_then(|store| match args.action {
        Action::Create(create) => self::create(&store, create),
        Action::List(_) => list(&store, json),
        Action::Info(named) => info(&store, &named),
        Action::Remove { name } => store.remove(&name).map(|()| 0),
        Action::Export { name, output: Some(file), .. } => store.export(&name, &file).map(|_| 0),
        Action::Export { name, .. } => store.lock(&name).map(|lock| print::data(&lock.to_string())),
        Action::Import { file, name, keep_profile } => {
            import(&store, file, name, if keep_profile { ForeignProfile::Keep } else { ForeignProfile::Drop })
        }
        Action::Verify { named, lock } => verify(&store, &named, lock),
    });
    done.unwrap_or_else(|error| print::environment_error(&error, json))
}

fn create(store: &Store, args: Create) -> Result<i32, EnvironmentError> {
    // Only an installer takes long.
    let cancel =
        if args.packages.is_empty() { None } else { palisade_sys::signals::receive(&palisade_sys::signals::STOP).ok() };
    let recipe = Recipe {
        language: args.lang,
        packages: args.packages,
        look_in: args.from,
        path: args.path,
        variables: args.setenv,
        profile: args.profile,
        installer: args.installer,
        internet: if args.network { Internet::Open } else { Internet::Closed },
        scripts: if args.allow_scripts { Scripts::On } else { Scripts::Off },
    };
    let environment = store.create(&args.name, &recipe, cancel.as_ref().map(AsFd::as_fd))?;
    if let Some(profile) = &recipe.profile
        && Config::load(&Places::of_this_process()).is_ok_and(|config| !config.profiles().contains(&profile.as_str()))
    {
        print::warning(&format!(
            "there is no profile `{}` here: programs run in this environment where a file defines it, and nowhere else",
            one_line(profile)
        ));
    }
    Ok(print::lines(&format!("created {}\n", one_line(&summary(store, &environment)?))))
}

fn import(
    store: &Store,
    file: PathBuf,
    name: Option<String>,
    profile: ForeignProfile,
) -> Result<i32, EnvironmentError> {
    let stem = || file.file_name().unwrap_or_default().to_string_lossy().trim_end_matches(".tar").to_owned();
    let Imported { environment, dropped } = store.import(&file, &name.unwrap_or_else(stem), profile)?;
    if let Some(profile) = dropped {
        print::warning(&format!(
            "its profile `{}` was left out, which makes its digest another one; --keep-profile imports it too",
            one_line(&profile)
        ));
    }
    if let Some(other) = store.other_interpreter(&environment)? {
        print::warning(&other);
    }
    Ok(print::lines(&format!("imported {}\n", one_line(&summary(store, &environment)?))))
}

/// `web (python 3.11): 12 files, 34 KiB, sha256:…`
fn summary(store: &Store, environment: &Environment) -> Result<String, EnvironmentError> {
    let lock = store.lock(&environment.name)?;
    let (name, count, size) = (&environment.name, lock.files().len(), Bytes(lock.size()));
    Ok(format!("{name} ({}): {count} files, {size}, {}", made_for(environment), lock.digest()))
}

fn made_for(environment: &Environment) -> String {
    let manifest = &environment.manifest;
    match &manifest.interpreter {
        Some(interpreter) => format!("{} {}", interpreter.tool, interpreter.version),
        None if manifest.languages.is_empty() => "any language".to_owned(),
        None => manifest.languages.join(" "),
    }
}

fn list(store: &Store, json: bool) -> Result<i32, EnvironmentError> {
    let all = store.list()?;
    if json {
        let all: Vec<Value> = all.iter().map(|listed| as_json(&listed.name, &listed.environment)).collect();
        return Ok(print::json(&json!({ "schema": "palisade.environments/1", "environments": all })));
    }
    let wide = all.iter().map(|listed| listed.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for Listed { name, environment } in &all {
        let rest = match environment {
            Ok(environment) => {
                format!("{}  {}", made_for(environment), environment.manifest.packages.join(" "))
            }
            Err(error) => format!("unusable: {error}"),
        };
        let _ = writeln!(text, "{}", one_line(format!("{name:wide$}  {rest}").trim_end()));
    }
    Ok(print::lines(&text))
}

fn as_json(name: &str, environment: &Result<Environment, EnvironmentError>) -> Value {
    match environment {
        Ok(environment) => json!(environment),
        Err(error) => json!({ "name": name, "error": error.to_string(), "hint": error.hint() }),
    }
}

fn info(store: &Store, named: &Named) -> Result<i32, EnvironmentError> {
    let environment = store.open(&named.name)?;
    let lock = store.lock(&named.name)?;
    if named.json {
        let mut value = json!(environment);
        value["digest"] = lock.digest().into();
        value["files"] = lock.files().len().into();
        value["size_bytes"] = lock.size().into();
        return Ok(print::json(&value));
    }
    let manifest = &environment.manifest;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "{name:<12} {}", one_line(value));
        }
    };
    let joined = |paths: &[palisade::spec::Below]| paths.iter().map(|p| p.as_str()).collect::<Vec<_>>().join(":");
    line("name", &environment.name);
    line("directory", &environment.directory.display().to_string());
    line("made for", &made_for(&environment));
    line("languages", &manifest.languages.join(" "));
    line("packages", &manifest.packages.join(" "));
    line("path", &joined(&manifest.path));
    line("programs", &joined(&manifest.programs));
    for (name, value) in &manifest.variables {
        line("variable", &format!("{}={}", name.as_str(), value.as_str()));
    }
    line("profile", manifest.profile.as_deref().unwrap_or_default());
    line("files", &format!("{}, {}", lock.files().len(), Bytes(lock.size())));
    line("digest", &lock.digest());
    Ok(print::lines(&text))
}

/// Exit status 0 if nothing differs, 1 if something does.
fn verify(store: &Store, named: &Named, lock: Option<PathBuf>) -> Result<i32, EnvironmentError> {
    let found = store.verify(&named.name, lock.as_deref())?;
    let status = i32::from(!found.differences.is_empty() || found.interpreter.is_some());
    let mut text = String::new();
    for difference in &found.differences {
        let _ = writeln!(text, "{}", one_line(&difference.to_string()));
    }
    if status == 0 {
        let _ = writeln!(text, "{}: {} files are as they were, {}", named.name, found.files, found.digest);
    }
    if let Some(other) = &found.interpreter {
        print::warning(other);
    }
    let printed = if named.json { print::json(&found) } else { print::lines(&text) };
    Ok(if printed == 0 { status } else { printed })
}
