//! Images with a language's tools (R21), for whoever runs containers: `coding-sandbox-LANGUAGE:latest`.
//!
//! Made of what this host has, without a registry; or from an image of a registry. palisade's own runs need none of them: they
//! show the host's tools. Not here: the image that palisade's containers are made of (`engine::base`).

mod archive;
mod bundle;
mod dpkg;
mod parts;

use std::{
    io,
    path::{Path, PathBuf},
};

use palisade_spec::{Backend, Refusal};
use serde::Serialize;

use self::parts::Parts;
use crate::{
    engine::{self, Connected, Trouble},
    language::{Language, LanguageError},
    resolve::own_languages,
};

/// The label of every such image; its value is the language.
const LABEL: &str = "palisade.language";
/// The label that says where its tools are, with a colon between two.
const TOOLS: &str = "palisade.tools";
/// How their names begin.
const PREFIX: &str = "coding-sandbox-";
/// Languages whose images have another name, and those that have none of their own.
const NAMES: [(&str, Option<&str>); 2] = [("javascript", Some("node")), ("typescript", None)];
/// Images of a registry with the same tools, by image name.
const REGISTRY: [(&str, &str); 7] = [
    ("c", "docker.io/library/gcc:latest"),
    ("cpp", "docker.io/library/gcc:latest"),
    ("go", "docker.io/library/golang:latest"),
    ("java", "docker.io/library/eclipse-temurin:latest"),
    ("node", "docker.io/library/node:slim"),
    ("python", "docker.io/library/python:slim"),
    ("rust", "docker.io/library/rust:slim"),
];

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The engine cannot be used.
    #[error("{}: needs {}, but {}", .0.backend, .0.needs, .0.because)]
    Refused(Refusal),
    /// The engine failed.
    #[error("the engine could not {doing}: {because}")]
    Engine {
        /// What was asked of it.
        doing: &'static str,
        /// What it said.
        because: String,
    },
    /// No language has an image of this name.
    #[error("`{name}` is no image: there are {}", known.join(", "))]
    Unknown {
        /// As asked.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Nobody offers it.
    #[error("no registry is known to have an image for {0}")]
    NotOffered(String),
    /// The language's tools are not here.
    #[error(transparent)]
    Language(#[from] LanguageError),
    /// None could be made of another.
    #[error("the engine could not make an image of {image}: {because}")]
    From {
        /// Which.
        image: String,
        /// Why not.
        because: String,
    },
    /// A directory cannot be written.
    #[error("{}: {source}", path.display())]
    Bundle {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl ImageError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused(refusal) => Some(refusal.hint.clone()),
            Self::Language(error) => error.hint(),
            Self::NotOffered(_) => Some("name one: --from IMAGE".to_owned()),
            Self::Bundle { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
                Some("a bundle is written to a new directory".to_owned())
            }
            Self::Bundle { path, source } if source.kind() == io::ErrorKind::NotFound => {
                let parent = path.parent().unwrap_or(path);
                Some(format!("the directory above it has to be there: mkdir -p {}", parent.display()))
            }
            Self::From { image, .. } => {
                Some(format!("name one that the engine has or can get: is {image} spelled so?"))
            }
            Self::Engine { .. } | Self::Unknown { .. } | Self::Bundle { .. } => None,
        }
    }

    fn engine(doing: &'static str) -> impl FnOnce(Trouble) -> Self {
        move |trouble| Self::Engine { doing, because: trouble.to_string() }
    }
}

/// An image that an engine has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Image {
    /// What it is for.
    pub language: String,
    /// Its name.
    pub name: String,
    /// Its name for good.
    pub id: String,
    /// In bytes.
    pub size: u64,
    /// Its tools, if it says where they are.
    #[serde(skip)]
    tools: Vec<PathBuf>,
}

/// What came of trying an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trial {
    /// Which image.
    pub name: String,
    /// What was run in it.
    pub command: Vec<String>,
    /// How that ended.
    pub exit_code: i64,
    /// What it printed.
    pub printed: String,
}

/// What images are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The tools of this host.
    Host,
    /// The usual image of a registry.
    Registry,
    /// An image that the engine has, or can get.
    Image(String),
}

/// Something that an image can be made for.
#[derive(Debug)]
pub struct Kind {
    name: String,
    language: Language,
}

/// Every kind of image, in order of names, for languages of one's own too.
///
/// # Errors
/// If a definition there cannot be read.
pub fn kinds() -> Result<Vec<Kind>, ImageError> {
    let name = |language: &Language| match NAMES.iter().find(|(known, _)| *known == language.name()) {
        Some((_, name)) => name.map(str::to_owned),
        None => Some(language.name().to_owned()),
    };
    let all = Language::all(own_languages().as_deref())?.into_iter();
    let mut kinds: Vec<Kind> = all.filter_map(|language| Some(Kind { name: name(&language)?, language })).collect();
    kinds.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(kinds)
}

impl Kind {
    /// Its short name: `go`, `python`, `node` and so on.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn image(&self) -> String {
        format!("{PREFIX}{}:latest", self.name)
    }
}

/// Writes a bundle for OCI runtimes into a new directory. What it runs tells the version of the language's first tool.
///
/// # Errors
/// If a tool is missing, or the directory cannot be made.
pub fn bundle(kind: &Kind, directory: &Path) -> Result<PathBuf, ImageError> {
    let parts = Parts::of(&kind.language)?;
    let command = versions(&parts.programs).into_iter().next().unwrap_or_default();
    bundle::write(&parts, directory, &[path_of(&parts.programs)], &command)
        .map_err(|source| ImageError::Bundle { path: directory.to_owned(), source })
}

/// The images of one engine.
#[derive(Debug)]
pub struct Images {
    engine: Connected,
}

impl Images {
    /// Those of Docker or Podman.
    ///
    /// # Errors
    /// Why the engine cannot be used.
    pub fn of(engine: Backend) -> Result<Self, ImageError> {
        Ok(Self { engine: engine::connect(engine).map_err(ImageError::Refused)? })
    }

    /// The engine's name.
    #[must_use]
    pub fn engine(&self) -> &'static str {
        self.engine.name
    }

    /// Makes an image, in place of one that was there.
    ///
    /// # Errors
    /// If a tool is missing, or the engine fails.
    pub fn build(&self, kind: &Kind, source: &Source) -> Result<Image, ImageError> {
        let label = format!("LABEL {LABEL}={}", kind.name);
        let user = ["USER 1000:1000".to_owned(), "WORKDIR /work".to_owned()];
        let from = match source {
            Source::Host => None,
            Source::Image(name) => Some(name.as_str()),
            Source::Registry => {
                let known = REGISTRY.iter().find(|(name, _)| *name == kind.name).map(|(_, image)| *image);
                Some(known.ok_or_else(|| ImageError::NotOffered(kind.name.clone()))?)
            }
        };
        let old = self.of_kind(kind)?;
        match from {
            None => {
                let parts = Parts::of(&kind.language)?;
                let environment = format!("ENV {}", path_of(&parts.programs));
                let tools: Vec<_> = parts.programs.iter().map(|program| program.to_string_lossy()).collect();
                let tools = format!("LABEL {TOOLS}={}", tools.join(":"));
                let lines: Vec<String> = [label, tools, environment].into_iter().chain(user).collect();
                let (reader, writer) = io::pipe()
                    .map_err(|error| ImageError::Engine { doing: "be given an image", because: error.to_string() })?;
                let sent = std::thread::scope(|scope| {
                    let writing = scope.spawn(|| archive::write(&parts, writer));
                    let sent = self.engine.client.import(&kind.image(), &lines, Box::new(reader));
                    let written = writing.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
                    // Who gave up first has the reason.
                    match (sent, written) {
                        (Err(trouble), _) => Err(trouble),
                        (Ok(()), written) => written.map_err(Trouble::from),
                    }
                });
                sent.map_err(ImageError::engine("take in an image"))?;
            }
            Some(from) => {
                let lines: String =
                    [format!("FROM {from}"), label].iter().chain(&user).map(|line| format!("{line}\n")).collect();
                let built = self.engine.client.build(&kind.image(), &lines);
                built.map_err(|trouble| ImageError::From { image: from.to_owned(), because: trouble.to_string() })?;
            }
        }
        let made = self.of_kind(kind)?;
        for image in old.iter().filter(|old| made.iter().all(|made| made.id != old.id || made.name != kind.image())) {
            match self.engine.client.remove_image(&image.id) {
                // The new one is made of it.
                Ok(()) | Err(Trouble::Says { status: 409, .. }) => {}
                Err(trouble) => return Err(ImageError::engine("remove the image of before")(trouble)),
            }
        }
        let named = made.into_iter().find(|image| image.name == kind.image());
        named.ok_or_else(|| ImageError::Engine {
            doing: "make an image",
            because: "it said that it did, and there is none".to_owned(),
        })
    }

    /// All images that were made here, and are there.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn list(&self) -> Result<Vec<Image>, ImageError> {
        let all = self.engine.client.images(LABEL).map_err(ImageError::engine("list its images"))?;
        let mut all: Vec<Image> = all
            .into_iter()
            .map(|image| {
                let name = image.tags().first().map_or("", |name| name.trim_start_matches("localhost/"));
                Image {
                    language: image.label(LABEL).unwrap_or_default().to_owned(),
                    tools: image
                        .label(TOOLS)
                        .map(|tools| tools.split(':').map(PathBuf::from).collect())
                        .unwrap_or_default(),
                    name: name.to_owned(),
                    size: image.size,
                    id: image.id,
                }
            })
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    fn of_kind(&self, kind: &Kind) -> Result<Vec<Image>, ImageError> {
        Ok(self.list()?.into_iter().filter(|image| image.language == kind.name).collect())
    }

    /// Asks the tools in an image for their versions, in a container as R20 wants them.
    ///
    /// # Errors
    /// If there is no such image, or the engine fails. A tool that fails is told in the trial.
    pub fn test(&self, kind: &Kind) -> Result<Vec<Trial>, ImageError> {
        let Some(image) = self.of_kind(kind)?.into_iter().find(|image| image.name == kind.image()) else {
            return Err(ImageError::Refused(Refusal {
                backend: self.engine.name,
                needs: format!("the image {}", kind.image()),
                because: "the engine does not have it".to_owned(),
                hint: format!("palisade images build {} --engine {}", kind.name, self.engine.name),
            }));
        };
        // Of one that somebody else has made, its own PATH finds them.
        let names = || kind.language.tools().map(PathBuf::from).collect();
        let tools: Vec<PathBuf> = if image.tools.is_empty() { names() } else { image.tools };
        versions(&tools)
            .into_iter()
            .map(|command| {
                let (exit_code, printed) = match self.engine.client.try_out(&image.id, &command) {
                    Ok(tried) => tried,
                    // There is no such program in it, or it cannot be executed.
                    Err(Trouble::Says { message, .. }) => (126, message),
                    Err(trouble) => return Err(ImageError::engine("run a container")(trouble)),
                };
                Ok(Trial { name: image.name.clone(), command, exit_code, printed })
            })
            .collect()
    }

    /// Removes images: those of a language, or all, and then what palisade's own containers are made of as well. Gives their names.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn remove(&self, kind: Option<&Kind>) -> Result<Vec<String>, ImageError> {
        let client = &self.engine.client;
        let mut doomed = match kind {
            Some(kind) => self.of_kind(kind)?,
            None => self.list()?,
        };
        if kind.is_none() {
            let bases = client.images(engine::BASE).map_err(ImageError::engine("list its images"))?;
            doomed.extend(bases.into_iter().map(|image| Image {
                language: String::new(),
                tools: Vec::new(),
                name: image.tags().first().cloned().unwrap_or_else(|| image.id.clone()),
                size: image.size,
                id: image.id,
            }));
        }
        for image in &doomed {
            client.remove_image(&image.id).map_err(ImageError::engine("remove an image"))?;
        }
        Ok(doomed.into_iter().map(|image| image.name).collect())
    }
}

/// What tools are asked for their versions with.
fn versions(programs: &[PathBuf]) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = programs
        .iter()
        .map(|program| {
            let question = match program.file_name().and_then(|name| name.to_str()) {
                Some("go") => "version",
                Some("java" | "javac") => "-version",
                _ => "--version",
            };
            vec![program.to_string_lossy().into_owned(), question.to_owned()]
        })
        .collect();
    all.dedup();
    all
}

/// The variable by which tools are found.
fn path_of(programs: &[PathBuf]) -> String {
    let own = programs.iter().filter_map(|program| program.parent()).map(|directory| directory.display().to_string());
    let usual = ["/usr/local/bin", "/usr/bin", "/bin"].map(str::to_owned);
    let mut all: Vec<String> = Vec::new();
    for directory in own.chain(usual) {
        if !all.contains(&directory) {
            all.push(directory);
        }
    }
    format!("PATH={}", all.join(":"))
}
