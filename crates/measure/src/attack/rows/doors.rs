//! Side doors: what a launcher forgets to close. Not here: what a caller takes from a program (`output.rs`).

use std::{
    fs,
    io::Read,
    os::{
        fd::AsFd,
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use palisade_spec::Guarantee;
use rustix::{
    fs::OFlags,
    io::{FdFlags, fcntl_setfd},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};

use super::{
    Staged, is_root,
    network::{heard, holds},
    row, text,
};
use crate::attack::{
    Attack, DECOY_VARIABLE, Group,
    ground::{Ground, failed, mode, random, secret},
    scene::Scene,
};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[Attack] = &[
    on(Guarantee::Files, "leaked-descriptor", "reads from a descriptor that its launcher left open", "it printed what is in the file", leaked_descriptor),
    on(Guarantee::Files, "leaked-directory", "reads a file below a directory that its launcher left open", "it printed what is in the file", leaked_directory),
    on(Guarantee::Files, "leaked-working-directory", "reads a file in its launcher's working directory, and above it", "it printed what is in the file", leaked_working_directory),
    on(Guarantee::Files, "overwrite-program", "writes into the program that it was started from", "the program on the host has changed", overwrite_program),
    on(Guarantee::Processes, "environment-secret", "reads its launcher's environment", "it printed a variable of it", environment_secret),
    on(Guarantee::Privileges, "type-into-terminal", "types a command into a terminal of the host (TIOCSTI)", "the terminal has it as its input", type_into_terminal),
    on(Guarantee::Files, "agent-socket", "speaks to a socket in the home, such as ssh-agent's", "the agent has heard it", agent_socket),
    on(Guarantee::Files, "docker-socket", "speaks to a socket in /run, such as Docker's", "the daemon has heard it", docker_socket),
    on(Guarantee::Network, "abstract-socket", "speaks to an abstract socket, such as the session bus's", "the listener has heard it", abstract_socket),
    on(Guarantee::Processes, "shared-memory", "leaves System V shared memory behind", "the host has it when the run has ended", shared_memory),
    on(Guarantee::Memory, "leave-cgroup", "moves itself into another cgroup, away from its limits", "it is in it", leave_cgroup),
];

const fn on(
    guarantee: Guarantee,
    name: &'static str,
    about: &'static str,
    effect: &'static str,
    stage: fn(&Ground) -> Staged,
) -> Attack {
    row(Group::SideDoors, guarantee, name, about, effect, stage)
}

/// Leaves a file open for whoever is started by this process without care.
fn leak(path: &Path) -> Result<fs::File, String> {
    let file = fs::File::open(path).map_err(|error| failed("open a file", &error))?;
    fcntl_setfd(file.as_fd(), FdFlags::empty()).map_err(|error| failed("leave it open", &error.into()))?;
    Ok(file)
}

fn leaked_descriptor(ground: &Ground) -> Staged {
    let secret = secret();
    let file = leak(&ground.file("secret", &secret)?)?;
    Ok(Scene::of(["loot-descriptors", "none"]).told(secret, "what is in a file of its launcher's").keep(file))
}

fn leaked_directory(ground: &Ground) -> Staged {
    let secret = secret();
    let path = ground.file("secret", &secret)?;
    let directory = leak(path.parent().unwrap_or(&path))?;
    Ok(Scene::of(["loot-descriptors", "secret"]).told(secret, "what is in a file of its launcher's").keep(directory))
}

/// The working directory of this process, until it is dropped.
#[derive(Debug)]
struct WorkingDirectory(PathBuf);

impl Drop for WorkingDirectory {
    fn drop(&mut self) {
        // A directory that is gone in the meantime cannot be gone back to.
        let _ = std::env::set_current_dir(&self.0);
    }
}

fn leaked_working_directory(ground: &Ground) -> Staged {
    let secret = secret();
    let path = ground.file("secret", &secret)?;
    let before = std::env::current_dir().map_err(|error| failed("find the working directory", &error))?;
    let back = WorkingDirectory(before);
    let moved = std::env::set_current_dir(path.parent().unwrap_or(&path));
    moved.map_err(|error| failed("change the working directory", &error))?;
    Ok(Scene::of(["loot-directory", "secret"]).told(secret, "what is in its launcher's directory").keep(back))
}

fn overwrite_program(ground: &Ground) -> Staged {
    let program = ground.copy_of_attacker()?;
    let length = |path: &Path| fs::metadata(path).map(|data| data.len());
    let before = length(&program).map_err(|error| failed("look at the attacker", &error))?;
    let mut scene = Scene::of(["overwrite-itself", &secret()]);
    scene.program = Some(program.clone());
    Ok(scene.after(move |_| {
        let now = length(&program).ok()?;
        (now != before).then(|| format!("{} had {before} bytes and has {now}", program.display()))
    }))
}

fn environment_secret(_: &Ground) -> Staged {
    let secret = std::env::var(DECOY_VARIABLE).map_err(|_| format!("{DECOY_VARIABLE} is not set"))?;
    Ok(Scene::of(["loot-environment"]).told(secret, "a variable of its launcher's"))
}

fn type_into_terminal(_: &Ground) -> Staged {
    let open = || {
        let outer = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&outer)?;
        unlockpt(&outer)?;
        let name = ptsname(&outer, Vec::new())?.to_string_lossy().into_owned();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let inner = rustix::fs::open(&*name, flags, rustix::fs::Mode::empty())?;
        Ok((outer, name, inner))
    };
    let (outer, name, inner) = open().map_err(|error: rustix::io::Errno| failed("open a terminal", &error.into()))?;
    let (secret, mut inner) = (secret(), fs::File::from(inner));
    let line = format!("{secret}\n");
    let scene = Scene::of(["type-into".to_owned(), name.clone(), line]).after(move |_| {
        let mut typed = vec![0_u8; 4096];
        let count = inner.read(&mut typed).ok()?;
        holds(&typed[..count], &secret).then(|| format!("{name} has it as its input"))
    });
    Ok(scene.keep(outer))
}

/// A listener in the file system, and a scene in which it is told a secret.
fn listener(path: &Path) -> Staged {
    let listener = UnixListener::bind(path).and_then(|listener| {
        mode(path, 0o777)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    let listener = listener.map_err(|error| failed("listen", &error))?;
    Ok(tells(listener, "tell-unix", text(path)))
}

fn tells(listener: UnixListener, operation: &str, name: String) -> Scene {
    let secret = secret();
    let words = [operation.to_owned(), name.clone(), format!("POST /containers/create {secret}")];
    Scene::of(words).after(move |_| {
        let accept = || {
            let (stream, _) = listener.accept()?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            Ok(stream)
        };
        holds(&heard(accept), &secret).then(|| format!("the listener at {name} has heard it"))
    })
}

fn agent_socket(ground: &Ground) -> Staged {
    listener(&ground.fresh("agent")?.join("socket"))
}

fn docker_socket(ground: &Ground) -> Staged {
    let of_user = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let place = if is_root() { Some(PathBuf::from("/run")) } else { of_user };
    let place = place.unwrap_or_else(|| ground.path().to_owned());
    let directory = tempfile::Builder::new().prefix("palisade-attack-").tempdir_in(place);
    let directory = directory.map_err(|error| failed("make a directory", &error))?;
    mode(directory.path(), 0o755).map_err(|error| failed("open a directory", &error))?;
    Ok(listener(&directory.path().join("docker.sock"))?.keep(directory))
}

fn abstract_socket(_: &Ground) -> Staged {
    let name = format!("palisade-attack-{}", random());
    let listener = SocketAddr::from_abstract_name(&name).and_then(|address| {
        let listener = UnixListener::bind_addr(&address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    Ok(tells(listener.map_err(|error| failed("listen", &error))?, "tell-abstract", name))
}

fn shared_memory(ground: &Ground) -> Staged {
    // 31 bits that are most likely nobody's; the attacker takes none that is there.
    let key = u32::from_str_radix(&random()[..8], 16).unwrap_or(1) >> 1;
    let key = key.max(1).to_string();
    let remover = ground.attacker().to_owned();
    let own = key.clone();
    Ok(Scene::of(["leave-shared-memory", &key]).after(move |_| {
        let table = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
        let left = table.lines().any(|line| line.split_whitespace().next() == Some(&own));
        if left {
            let _ = std::process::Command::new(&remover).args(["remove-shared-memory", &own]).output();
        }
        left.then(|| format!("the host has a segment with the key {own}"))
    }))
}

/// A cgroup that is gone when dropped.
#[derive(Debug)]
struct Group2(PathBuf);

impl Drop for Group2 {
    fn drop(&mut self) {
        // It cannot go before the last of its processes has.
        let end = std::time::Instant::now() + Duration::from_secs(2);
        while fs::remove_dir(&self.0).is_err() && self.0.exists() && std::time::Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn leave_cgroup(_: &Ground) -> Staged {
    let name = format!("palisade_attack_{}", random());
    let parents = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"].into_iter().map(Path::new);
    // Not every directory: where no hierarchy is mounted, an ordinary one would be made.
    let mut parents = parents.filter(|parent| parent.join("cgroup.procs").exists());
    let made = parents.find_map(|parent| fs::create_dir(parent.join(&name)).ok().map(|()| parent.join(&name)));
    let group = Group2(made.ok_or("no cgroup can be made")?);
    let procs = group.0.join("cgroup.procs");
    let scene = Scene::of(["cgroup-join", &text(&group.0)]).held(move |attackers| {
        let inside = fs::read_to_string(&procs).unwrap_or_default();
        let joined = attackers.iter().find(|one| inside.lines().any(|line| line == one.0.to_string()))?;
        Some(format!("{} has process {}", procs.display(), joined.0))
    });
    Ok(scene.keep(group))
}
