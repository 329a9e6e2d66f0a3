//! What is asked of an engine, and what it answers: a handful of calls of the Docker Engine API, which Podman has too.
//!
//! Every call is bounded in time: an engine that hangs is an error like any other. Not here: what a container is made of
//! (`body.rs`), why an engine cannot be used (`socket.rs`).

use std::{
    fmt,
    io::{self, Read},
    path::Path,
    time::Duration,
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use ureq::{
    Agent, Error, SendBody,
    http::{Method, Request},
};

use super::http;

/// How long a question may take that an engine answers from memory.
const QUESTION: Duration = Duration::from_secs(10);
/// How long it may take to make, start or remove something.
const WORK: Duration = Duration::from_secs(60);
/// How long anything may take once the program runs: the program has a time limit of its own.
pub(super) const PARTING: Duration = Duration::from_secs(8);
/// How long an image may take to be taken in.
const IMPORT: Duration = Duration::from_secs(1800);
/// Longest answer that is read, in bytes.
const LONGEST: u64 = 64 << 20;

/// An engine that answers.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    version: String,
    pub(super) dialect: Dialect,
}

/// Whose API it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Docker,
    Podman,
}

/// What an engine is like.
#[derive(Debug)]
pub(super) struct About {
    /// Whether it runs as an ordinary user.
    pub(super) rootless: bool,
    /// Whether it is on a host of cgroup version 1.
    pub(super) v1: bool,
}

/// Why a call came to nothing.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It did not answer in time.
    Hangs(Duration),
    /// It says no.
    Says {
        /// As HTTP has it.
        status: u16,
        /// In its own words.
        message: String,
    },
    /// The answer is none.
    Nonsense(String),
    /// The connection failed.
    Io(io::Error),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hangs(patience) => write!(f, "it did not answer within {} s", patience.as_secs()),
            Self::Says { status, message } => write!(f, "it says: {message} ({status})"),
            Self::Nonsense(what) => write!(f, "its answer makes no sense: {what}"),
            Self::Io(error) => write!(f, "the connection failed: {error}"),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A container, as a list has it.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    #[serde(rename = "Id")]
    pub(super) id: String,
    #[serde(rename = "Labels", default)]
    pub(super) labels: Option<std::collections::BTreeMap<String, String>>,
}

/// An image, as a list has it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Image {
    /// Its name for good.
    #[serde(rename = "Id")]
    pub(crate) id: String,
    #[serde(rename = "RepoTags", default)]
    tags: Option<Vec<String>>,
    #[serde(rename = "Labels", default)]
    labels: Option<std::collections::BTreeMap<String, String>>,
    /// Bytes.
    #[serde(rename = "Size", default)]
    pub(crate) size: u64,
}

impl Image {
    /// Its other names.
    pub(crate) fn tags(&self) -> &[String] {
        self.tags.as_deref().unwrap_or_default()
    }

    /// What it says of itself under this name.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        Some(self.labels.as_ref()?.get(name)?)
    }
}

impl Client {
    /// Asks an engine what it is.
    pub(super) fn at(socket: &Path) -> Result<Self, Trouble> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Version {
            api_version: String,
            #[serde(default)]
            components: Vec<Component>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Component {
            name: String,
        }
        let agent = http::agent(socket);
        let mut client = Self { agent, version: String::new(), dialect: Dialect::Docker };
        let answer: Version = client.ask("/version")?;
        let is_podman = answer.components.iter().any(|component| component.name.contains("Podman"));
        client.dialect = if is_podman { Dialect::Podman } else { Dialect::Docker };
        client.version = answer.api_version;
        Ok(client)
    }

    /// The version of its API, as two numbers.
    pub(super) fn version(&self) -> (u32, u32) {
        let mut numbers = self.version.split('.').map(|part| part.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }

    pub(super) fn about(&self) -> Result<About, Trouble> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Info {
            #[serde(default)]
            rootless: bool,
            #[serde(default)]
            security_options: Option<Vec<String>>,
            #[serde(default)]
            cgroup_version: String,
        }
        let info: Info = self.ask("/info")?;
        let says = info.security_options.unwrap_or_default().iter().any(|option| option.contains("name=rootless"));
        Ok(About { rootless: info.rootless || says, v1: info.cgroup_version == "1" })
    }

    /// Makes a container, and gives its id.
    pub(super) fn create(&self, name: &str, body: &Value) -> Result<String, Trouble> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Created {
            id: String,
        }
        let created: Created = self.send(&format!("/containers/create?name={name}"), body)?;
        Ok(created.id)
    }

    pub(super) fn start(&self, id: &str) -> Result<(), Trouble> {
        self.call(Method::POST, &format!("/containers/{id}/start"), Body::Nothing, WORK).map(drop)
    }

    /// Lets no more tasks be in it than that.
    pub(super) fn limit_tasks(&self, id: &str, tasks: u64) -> Result<(), Trouble> {
        let body = json!({ "PidsLimit": tasks });
        self.call(Method::POST, &format!("/containers/{id}/update"), Body::Json(&body), PARTING).map(drop)
    }

    /// Whether it is still there.
    pub(super) fn has(&self, id: &str, patience: Duration) -> Result<bool, Trouble> {
        match self.call(Method::GET, &format!("/containers/{id}/json"), Body::Nothing, patience) {
            Ok(_) => Ok(true),
            Err(Trouble::Says { status: 404, .. }) => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    /// Ends and removes it. One that is gone already is fine, and so is one that is about to be.
    pub(super) fn remove(&self, id: &str, patience: Duration) -> Result<(), Trouble> {
        let path = format!("/containers/{id}?force=true&v=true");
        match self.call(Method::DELETE, &path, Body::Nothing, patience) {
            Ok(_) | Err(Trouble::Says { status: 404 | 409, .. }) => Ok(()),
            Err(trouble) => Err(trouble),
        }
    }

    /// Containers that have this label, running or not.
    pub(super) fn containers(&self, label: &str) -> Result<Vec<Listed>, Trouble> {
        self.ask(&format!("/containers/json?all=true&filters={}", labelled(label)))
    }

    /// Images that have this label, or this label with this value.
    pub(crate) fn images(&self, label: &str) -> Result<Vec<Image>, Trouble> {
        self.ask(&format!("/images/json?filters={}", labelled(label)))
    }

    /// Takes in a file tree as an image. `changes`: lines of a Dockerfile.
    pub(crate) fn import(&self, name: &str, changes: &[String], tree: Box<dyn Read>) -> Result<(), Trouble> {
        let (name, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
        // Podman takes no notice of the tag beside a name.
        let place = match self.dialect {
            Dialect::Docker => format!("repo={}&tag={}", escaped(name), escaped(tag)),
            Dialect::Podman => format!("repo={}", escaped(&format!("localhost/{name}:{tag}"))),
        };
        let changes: String = changes.iter().map(|line| format!("&changes={}", escaped(line))).collect();
        let path = format!("/images/create?fromSrc=-&{place}{changes}");
        let answer = self.call(Method::POST, &path, Body::Tree(tree), IMPORT)?;
        last_error(&answer)
    }

    /// Builds an image by these lines of a Dockerfile. What they begin with, the engine may have to get from a registry.
    pub(crate) fn build(&self, name: &str, lines: &str) -> Result<(), Trouble> {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(lines.len() as u64);
        archive.append_data(&mut header, "Dockerfile", lines.as_bytes())?;
        let name = match self.dialect {
            Dialect::Docker => name.to_owned(),
            Dialect::Podman => format!("localhost/{name}"),
        };
        let path = format!("/build?t={}&rm=true&forcerm=true", escaped(&name));
        let tree = Box::new(io::Cursor::new(archive.into_inner()?));
        let answer = self.call(Method::POST, &path, Body::Tree(tree), IMPORT)?;
        last_error(&answer)
    }

    /// Runs a command in a container of an image, with nothing to write to but /tmp, no network and no rights (R20). Gives its
    /// exit status and what it printed.
    pub(crate) fn try_out(&self, image: &str, command: &[String]) -> Result<(i64, String), Trouble> {
        let body = json!({
            "Image": image,
            "Entrypoint": [],
            "Cmd": command,
            "User": "1000:1000",
            "Labels": { super::body::LABEL: palisade_sys::Life::own().to_string() },
            "HostConfig": {
                "NetworkMode": "none",
                "ReadonlyRootfs": true,
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges"],
                "Memory": 1 << 30,
                "MemorySwap": 1 << 30,
                "PidsLimit": 256,
                "Tmpfs": { "/tmp": "rw,noexec,nosuid,nodev,size=100m" },
                "Ulimits": super::body::rlimits(),
            },
        });
        let id = self.create(&super::container::name(), &body)?;
        let tried = self.run_to_end(&id);
        self.remove(&id, WORK)?;
        tried
    }

    fn run_to_end(&self, id: &str) -> Result<(i64, String), Trouble> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Waited {
            status_code: i64,
        }
        self.start(id)?;
        let waited: Waited = read(&self.call(Method::POST, &format!("/containers/{id}/wait"), Body::Nothing, WORK)?)?;
        let path = format!("/containers/{id}/logs?stdout=true&stderr=true");
        let printed = self.call(Method::GET, &path, Body::Nothing, QUESTION)?;
        Ok((waited.status_code, String::from_utf8_lossy(&joined(&printed)).trim().to_owned()))
    }

    /// Removes an image. One that is gone already is fine.
    pub(crate) fn remove_image(&self, id: &str) -> Result<(), Trouble> {
        match self.call(Method::DELETE, &format!("/images/{}?force=true", escaped(id)), Body::Nothing, WORK) {
            Ok(_) | Err(Trouble::Says { status: 404, .. }) => Ok(()),
            Err(trouble) => Err(trouble),
        }
    }

    fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        read(&self.call(Method::GET, path, Body::Nothing, QUESTION)?)
    }

    fn send<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Trouble> {
        read(&self.call(Method::POST, path, Body::Json(body), WORK)?)
    }

    fn call(&self, method: Method, path: &str, body: Body<'_>, patience: Duration) -> Result<Vec<u8>, Trouble> {
        let version = if self.version.is_empty() { String::new() } else { format!("/v{}", self.version) };
        let method_has_body = method == Method::POST;
        let request = Request::builder().method(method).uri(format!("http://engine{version}{path}"));
        let kind = match &body {
            Body::Tree(_) => "application/x-tar",
            Body::Json(_) | Body::Nothing => "application/json",
        };
        // Docker takes no body of unknown length where it wants none.
        let (length, send) = match body {
            Body::Nothing => (Some(0), SendBody::none()),
            Body::Json(value) => {
                let text = value.to_string();
                (Some(text.len()), SendBody::from_owned_reader(io::Cursor::new(text)))
            }
            Body::Tree(tree) => (None, SendBody::from_owned_reader(tree)),
        };
        let request = match length.filter(|_| method_has_body) {
            Some(length) => request.header("Content-Length", length.to_string()),
            None => request,
        };
        let request = request.header("Content-Type", kind).body(send);
        let request = request.map_err(|error| Trouble::Nonsense(error.to_string()))?;
        let request = self.agent.configure_request(request).timeout_global(Some(patience)).build();
        let failed = |error| match error {
            Error::Timeout(_) => Trouble::Hangs(patience),
            Error::Io(error) => Trouble::Io(error),
            other => Trouble::Nonsense(other.to_string()),
        };
        let mut answer = self.agent.run(request).map_err(failed)?;
        let text = answer.body_mut().with_config().limit(LONGEST).read_to_vec().map_err(failed)?;
        let status = answer.status().as_u16();
        // 304: what was asked for is so already.
        if answer.status().is_success() || status == 304 {
            return Ok(text);
        }
        let said = serde_json::from_slice::<Value>(&text).ok();
        let message = said.as_ref().and_then(|said| said.get("message")?.as_str());
        let message = message.map_or_else(|| String::from_utf8_lossy(&text).trim().to_owned(), str::to_owned);
        Err(Trouble::Says { status, message })
    }
}

enum Body<'a> {
    Nothing,
    Json(&'a Value),
    Tree(Box<dyn Read>),
}

/// Of an answer with a status for each step: the error that it ended with.
fn last_error(answer: &[u8]) -> Result<(), Trouble> {
    let lines = answer.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let error = lines.filter_map(|line| Some(line.get("error")?.as_str()?.to_owned())).next_back();
    error.map_or(Ok(()), |message| Err(Trouble::Says { status: 200, message }))
}

/// Both streams, as they came: each piece has a head with its stream in the first byte and its length in the last four.
fn joined(frames: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    let mut rest = frames;
    while let Some((head, after)) = rest.split_at_checked(8) {
        let length = head.last_chunk().map_or(0, |length| u32::from_be_bytes(*length) as usize).min(after.len());
        let (piece, next) = after.split_at(length);
        all.extend_from_slice(piece);
        rest = next;
    }
    all
}

fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, Trouble> {
    serde_json::from_slice(text).map_err(|error| Trouble::Nonsense(error.to_string()))
}

fn labelled(label: &str) -> String {
    escaped(&json!({ "label": [label] }).to_string())
}

/// As it stands in an address.
fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut all, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => all.push(char::from(byte)),
            _ => {
                let _ = write!(all, "%{byte:02X}");
            }
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_both_streams_are_joined() {
        let frames = b"\x01\0\0\0\0\0\0\x03out\x02\0\0\0\0\0\0\x04err!\x01\0\0\0\0\0\0\x09cut";
        assert_eq!(joined(frames), b"outerr!cut");
        assert_eq!(joined(b"\x01"), b"");
    }

    #[test]
    fn an_address_has_only_plain_characters() {
        assert_eq!(escaped("a-b.c_9~ {\"ä\":/}"), "a-b.c_9~%20%7B%22%C3%A4%22%3A%2F%7D");
    }
}
