//! Where an engine listens, and why it cannot be used: each reason with its remedy.
//!
//! Only engines of this host: the program's file tree is made of this host's directories. Not here: what is said (`client.rs`),
//! an engine that palisade starts itself (`service.rs`).

use std::{
    env,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use palisade_spec::{Backend, Refusal};
use serde::Serialize;

use super::{
    client::{Client, Trouble},
    http,
};
use crate::backend::tool;

/// The oldest API that is spoken: Docker Engine 20.10, Podman 4.
const OLDEST: (u32, u32) = (1, 41);

/// Where an engine is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// It listens here.
    Socket(PathBuf),
    /// It is this program, and palisade has to start it.
    Program(PathBuf),
}

/// How an engine is called by those who have it.
struct Words {
    /// The variable that names its socket.
    variable: &'static str,
    /// Its sockets: for everybody, below `$XDG_RUNTIME_DIR`.
    usual: [&'static str; 2],
    program: &'static str,
    package: &'static str,
    /// What gives the right to use it.
    allow: &'static str,
}

fn words(engine: Backend) -> Words {
    match engine {
        Backend::Podman => Words {
            variable: "CONTAINER_HOST",
            usual: ["/run/podman/podman.sock", "podman/podman.sock"],
            program: "podman",
            package: "podman",
            allow: "it is somebody else's: unset CONTAINER_HOST, and an engine of your own is started",
        },
        _ => Words {
            variable: "DOCKER_HOST",
            usual: ["/run/docker.sock", "docker.sock"],
            program: "dockerd",
            package: "docker.io",
            allow: "sudo usermod -aG docker $USER, and log in again; whoever may use it is as good as root",
        },
    }
}

/// How an engine is started here, and by the right user.
fn start(engine: Backend) -> String {
    let (root, systemd) = (rustix::process::geteuid().is_root(), Path::new("/run/systemd/system").is_dir());
    let unit = if engine == Backend::Podman { "podman.socket" } else { "docker" };
    let at = words(engine).usual[0];
    let command = match (engine, systemd, root) {
        (Backend::Podman, true, false) => "systemctl --user start podman.socket",
        (Backend::Podman, false, false) => {
            "podman system service --time 0 unix://$XDG_RUNTIME_DIR/podman/podman.sock &"
        }
        (_, true, false) => return format!("sudo systemctl start {unit}"),
        (_, true, true) => return format!("systemctl start {unit}"),
        (Backend::Podman, false, true) => return format!("podman system service --time 0 unix://{at} &"),
        (_, false, false) => "sudo sh -c 'dockerd >/var/log/dockerd.log 2>&1 &'",
        (_, false, true) => "dockerd >/var/log/dockerd.log 2>&1 &",
    };
    command.to_owned()
}

/// What ends that an engine hangs.
fn restart(engine: Backend) -> String {
    format!("end the one that hangs, and start it again: {}", start(engine))
}

/// The variable that names this engine's socket, if it is set.
fn named_by(engine: Backend) -> Option<&'static str> {
    let variable = words(engine).variable;
    env::var_os(variable).filter(|value| !value.is_empty()).map(|_| variable)
}

/// How a socket was come by, for whoever did not expect it.
fn at(engine: Backend, socket: &Path) -> String {
    let named = named_by(engine).map(|variable| format!(", which ${variable} names")).unwrap_or_default();
    format!("{}{named}", socket.display())
}

/// What helps where nobody answers.
fn nobody(engine: Backend) -> String {
    match named_by(engine) {
        Some(variable) => {
            format!("unset {variable}, or name the socket of an engine that runs; or start it: {}", start(engine))
        }
        None => start(engine),
    }
}

/// Where this engine is for this user.
///
/// # Errors
/// Why it cannot be used.
pub(crate) fn find(engine: Backend) -> Result<Place, Refusal> {
    let Words { variable, program, package, allow, .. } = words(engine);
    let refusal =
        |needs: String, because: String, hint: String| Refusal { backend: engine.name(), needs, because, hint };
    let sockets = sockets(engine).map_err(|named| {
        refusal(
            "an engine on this host".to_owned(),
            format!("${variable} is {named}, and the program's file tree is made of directories of this host"),
            format!("unset {variable}, or name a socket: {variable}=unix://{}", words(engine).usual[0]),
        )
    })?;
    let mut failed = None;
    for socket in sockets {
        let error = match http::open(&socket) {
            Ok(_) => return Ok(Place::Socket(socket)),
            Err(error) => error,
        };
        let at = at(engine, &socket);
        let (needs, because, hint) = match error.kind() {
            ErrorKind::NotFound if named_by(engine).is_none() => continue,
            ErrorKind::PermissionDenied => {
                (format!("the right to use {at}"), format!("this user has none ({error})"), allow.to_owned())
            }
            ErrorKind::WouldBlock => (
                format!("an answer from {at}"),
                "it takes no more connections: the engine hangs".to_owned(),
                restart(engine),
            ),
            _ => ("a running engine".to_owned(), format!("nobody answers at {at} ({error})"), nobody(engine)),
        };
        failed.get_or_insert(refusal(needs, because, hint));
    }
    if let Some(refusal) = failed {
        return Err(refusal);
    }
    let missing =
        |mut all: Vec<Refusal>| all.pop().unwrap_or_else(|| refusal(program.to_owned(), String::new(), String::new()));
    let program = tool(engine, &[program], package).map_err(missing)?;
    match engine {
        Backend::Podman => Ok(Place::Program(program)),
        _ => Err(refusal(
            "a running engine".to_owned(),
            format!("it listens at none of its sockets ({})", words(engine).usual[0]),
            start(engine),
        )),
    }
}

/// Sockets to be tried, or what is named and is none.
fn sockets(engine: Backend) -> Result<Vec<PathBuf>, String> {
    let Words { variable, usual: [everybody, own], .. } = words(engine);
    if let Ok(named) = env::var(variable)
        && !named.is_empty()
    {
        let path = named.strip_prefix("unix://").map(PathBuf::from).filter(|path| path.is_absolute());
        return path.map(|path| vec![path]).ok_or(named);
    }
    let own = env::var_os("XDG_RUNTIME_DIR").map(|directory| Path::new(&directory).join(own));
    let everybody = PathBuf::from(everybody);
    Ok(match engine {
        // Root's, which is nobody else's business; others have their own.
        Backend::Podman if rustix::process::geteuid().is_root() => vec![everybody],
        Backend::Podman => own.into_iter().collect(),
        _ => std::iter::once(everybody).chain(own).collect(),
    })
}

/// Whether an engine at this place runs as an ordinary user, as far as that can be told from where it is.
pub(super) fn is_rootless(place: &Place) -> bool {
    use std::os::unix::fs::MetadataExt;
    match place {
        Place::Socket(path) => path.metadata().is_ok_and(|meta| meta.uid() != 0),
        Place::Program(_) => !rustix::process::geteuid().is_root(),
    }
}

/// The engine that listens there.
///
/// # Errors
/// Why it cannot be used.
pub(super) fn client(engine: Backend, socket: &Path) -> Result<Client, Refusal> {
    let refusal = |needs: &str, because: String, hint: &str| Refusal {
        backend: engine.name(),
        needs: needs.to_owned(),
        because: format!("{}: {because}", at(engine, socket)),
        hint: hint.to_owned(),
    };
    let client = Client::at(socket).map_err(|trouble| match &trouble {
        Trouble::Hangs(_) => refusal("an engine that answers", trouble.to_string(), &restart(engine)),
        Trouble::Io(_) => refusal("a running engine", trouble.to_string(), &nobody(engine)),
        Trouble::Says { .. } | Trouble::Nonsense(_) => {
            refusal("an engine that speaks Docker's API", trouble.to_string(), "see what listens at this socket")
        }
    })?;
    if client.version() < OLDEST {
        let (major, minor) = client.version();
        return Err(refusal(
            &format!("version {}.{} of the API", OLDEST.0, OLDEST.1),
            format!("it has {major}.{minor}"),
            "install Docker Engine 20.10 or Podman 4, or later ones",
        ));
    }
    Ok(client)
}
