//! `palisade images …`: images with a language's tools for Docker and Podman, and bundles for OCI runtimes.
//!
//! In: arguments. Out: calls of `palisade::images`, and words for people or JSON. Not here: what is in an image (the library).

use std::{fmt::Write as _, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use palisade::{
    images::{self, Image, ImageError, Images, Kind, Source, Trial},
    spec::{Backend, Bytes},
};
use serde::Serialize;

use crate::print;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make images of the tools that this host has: coding-sandbox-NAME:latest
    Build(Build),
    /// Ask the tools in images for their versions, without network and rights
    Test(Chosen),
    /// List the images that were made
    List(Printed),
    /// Remove images; `all`: every one, and what containers of palisade's are made of
    Remove(Chosen),
}

#[derive(Args, Debug)]
struct Build {
    /// go, python, node and so on, or `all` that this host has tools for
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,

    /// Write a bundle for OCI runtimes (runc, crun, runsc) to this new directory, and use no engine
    #[arg(long, value_name = "DIR", conflicts_with_all = ["engine", "from_registry", "from"])]
    bundle: Option<PathBuf>,

    /// Make them of the usual images of docker.io, not of this host
    #[arg(long, conflicts_with = "from")]
    from_registry: bool,

    /// Make it of this image, of a registry or one that is there
    #[arg(long, value_name = "IMAGE")]
    from: Option<String>,

    #[command(flatten)]
    printed: Printed,
}

#[derive(Args, Debug)]
struct Chosen {
    /// go, python, node and so on, or `all`
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,

    #[command(flatten)]
    printed: Printed,
}

#[derive(Args, Debug)]
struct Printed {
    /// Whose images [default: docker's, or podman's where there is no docker]
    #[arg(long, value_enum, value_name = "ENGINE")]
    engine: Option<Engine>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engine {
    Docker,
    Podman,
}

/// Name and version of the form in which answers are printed as JSON.
const SCHEMA: &str = "palisade.images/1";
/// The name of all of them.
const ALL: &str = "all";

#[derive(Default, Serialize)]
struct Answer {
    schema: &'static str,
    /// Whose images they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<Vec<Image>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundles: Option<Vec<PathBuf>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tests: Option<Vec<Trial>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<Vec<String>>,
    /// What there are no tools for here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<String>,
}

pub(crate) fn command(arguments: &Arguments) -> i32 {
    let (answer, json) = match &arguments.action {
        Action::Build(build) => (build.answer(), build.printed.json),
        Action::Test(chosen) => (test(chosen), chosen.printed.json),
        Action::List(printed) => (list(printed), printed.json),
        Action::Remove(chosen) => (remove(chosen), chosen.printed.json),
    };
    let answer = match answer {
        Ok(answer) => Answer { schema: SCHEMA, ..answer },
        Err(error) => return print::image_error(&error, json),
    };
    let failed = answer.tests.iter().flatten().any(|trial| trial.exit_code != 0);
    let code = if json { print::json(&answer) } else { print::words(&text(&answer)) };
    if failed { 1 } else { code }
}

impl Build {
    fn answer(&self) -> Result<Answer, ImageError> {
        let mut answer = Answer::default();
        let chosen = chosen(&self.names)?;
        if let Some(directory) = &self.bundle {
            let mut bundles = Vec::new();
            for (kind, _) in &chosen {
                // One directory each, where several are wanted.
                let place = if chosen.len() > 1 { directory.join(kind.name()) } else { directory.clone() };
                if chosen.len() > 1 {
                    let made = std::fs::create_dir_all(directory);
                    made.map_err(|source| ImageError::Bundle { path: directory.clone(), source })?;
                }
                bundles.push(images::bundle(kind, &place)?);
            }
            answer.bundles = Some(bundles);
            return Ok(answer);
        }
        let source = match &self.from {
            Some(image) => Source::Image(image.clone()),
            None if self.from_registry => Source::Registry,
            None => Source::Host,
        };
        let engine = of(self.printed.engine)?;
        let mut made = Vec::new();
        for (kind, all) in &chosen {
            match engine.build(kind, &source) {
                Ok(image) => made.push(image),
                Err(ImageError::Language(_)) if *all => answer.left_out.push(kind.name().to_owned()),
                Err(error) => return Err(error),
            }
        }
        answer.images = Some(made);
        answer.engine = Some(engine.engine());
        Ok(answer)
    }
}

fn test(chosen: &Chosen) -> Result<Answer, ImageError> {
    let engine = of(chosen.printed.engine)?;
    let there = engine.list()?;
    let mut tests = Vec::new();
    for (kind, all) in self::chosen(&chosen.names)? {
        if !all || there.iter().any(|image| image.language == kind.name()) {
            tests.extend(engine.test(&kind)?);
        }
    }
    Ok(Answer { tests: Some(tests), engine: Some(engine.engine()), ..Answer::default() })
}

fn list(printed: &Printed) -> Result<Answer, ImageError> {
    let engine = of(printed.engine)?;
    Ok(Answer { images: Some(engine.list()?), engine: Some(engine.engine()), ..Answer::default() })
}

fn remove(chosen: &Chosen) -> Result<Answer, ImageError> {
    let engine = of(chosen.printed.engine)?;
    let mut removed = Vec::new();
    if chosen.names.iter().any(|name| name == ALL) {
        removed = engine.remove(None)?;
    } else {
        for (kind, _) in self::chosen(&chosen.names)? {
            removed.extend(engine.remove(Some(&kind))?);
        }
    }
    Ok(Answer { removed: Some(removed), engine: Some(engine.engine()), ..Answer::default() })
}

/// The kinds with these names, and whether each is one of all.
fn chosen(names: &[String]) -> Result<Vec<(Kind, bool)>, ImageError> {
    let mut kinds = images::kinds()?;
    if names.iter().any(|name| name == ALL) {
        return Ok(kinds.into_iter().map(|kind| (kind, true)).collect());
    }
    let known = |kinds: &[Kind]| kinds.iter().map(|kind| kind.name().to_owned()).collect::<Vec<_>>();
    let all = known(&kinds);
    let mut chosen = Vec::new();
    for name in names {
        let Some(place) = kinds.iter().position(|kind| kind.name() == name) else {
            if chosen.iter().any(|(kind, _): &(Kind, bool)| kind.name() == name) {
                continue;
            }
            return Err(ImageError::Unknown { name: name.clone(), known: all });
        };
        chosen.push((kinds.remove(place), false));
    }
    Ok(chosen)
}

fn of(engine: Option<Engine>) -> Result<Images, ImageError> {
    match engine {
        Some(Engine::Docker) => Images::of(Backend::Docker),
        Some(Engine::Podman) => Images::of(Backend::Podman),
        // Of two that cannot be used, the first is told of.
        None => Images::of(Backend::Docker).or_else(|error| match Images::of(Backend::Podman) {
            Ok(podman) => {
                print::notices(&[format!("these are podman's images ({error}); --engine says whose")]);
                Ok(podman)
            }
            Err(_) => Err(error),
        }),
    }
}

fn text(answer: &Answer) -> String {
    let mut text = String::new();
    for image in answer.images.iter().flatten() {
        let size = Bytes(image.size >> 20 << 20).to_string();
        let _ = writeln!(text, "{:<30} {size:>10}  {}", image.name, image.id.get(..19).unwrap_or(&image.id));
    }
    for bundle in answer.bundles.iter().flatten() {
        let _ = writeln!(text, "{}", bundle.display());
    }
    for trial in answer.tests.iter().flatten() {
        let printed = trial.printed.lines().next().unwrap_or_default();
        let status = if trial.exit_code == 0 { "ok".to_owned() } else { format!("exit status {}", trial.exit_code) };
        let _ =
            writeln!(text, "{:<30} {status}: {}: {}", trial.name, trial.command.join(" "), print::one_line(printed));
    }
    for name in answer.removed.iter().flatten() {
        let _ = writeln!(text, "removed {name}");
    }
    if let Some(engine) = answer.engine
        && text.is_empty()
    {
        let _ = match answer.removed {
            Some(_) => writeln!(text, "nothing to remove: {engine} has no such image of palisade's"),
            None => writeln!(text, "{engine} has no image of palisade's"),
        };
    }
    for name in &answer.left_out {
        let _ = writeln!(text, "{name}: its tools are not on this host");
    }
    text
}
