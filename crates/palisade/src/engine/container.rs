//! One container, from its making to its removal.
//!
//! Its first process is palisade's agent, which connects to a socket of ours and is given the program's streams: no byte of the
//! program goes through the engine. As long as the agent has got no order, nobody else is inside, so what the engine has made
//! is looked at, and the program's files are put in their places, before. Not here: what is asked of the engine (`body.rs`), the
//! program's story (`supervise`).

use std::{
    fs::File,
    io::{self, IoSlice},
    mem::MaybeUninit,
    net::Shutdown,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{
            fs::{MetadataExt, PermissionsExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use palisade_spec::Weakening;
use palisade_sys::{
    Life, Peer,
    cgroup::{Group, Settings},
    peer,
};
use rustix::{
    cmsg_space,
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Gid, Mode, OFlags, Uid, fchmod, fchown, mkdirat, open, openat},
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
    process::{Signal, pidfd_send_signal},
};

use super::{
    Engine, Place, base, body,
    client::{Client, PARTING, Trouble},
    private::{self, Private},
    service::Service,
    tree::{DEVICES, From, LINK},
};
use crate::{
    error::StartError,
    mounts::Mounts,
    native::{Launch, Pipes},
    supervise::Upkeep,
};

/// How long a container that was started may take to run the agent.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long an agent that is told that palisade is gone may take to end.
const FAREWELL: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// A container whose agent is connected. Dropping it ends and removes it.
#[derive(Debug)]
pub(crate) struct Container {
    made: Made,
    pid: u32,
    pidfd: OwnedFd,
    /// As long as this is open, the agent goes on.
    link: UnixStream,
    /// When the engine had started it, in nanoseconds of the monotonic clock.
    pub(crate) started: u64,
}

/// What there is of a container on the host.
#[derive(Debug)]
struct Made {
    client: Client,
    id: String,
    /// Whether the engine was asked to remove it.
    removed: bool,
    #[expect(dead_code, reason = "removed after the container")]
    private: Private,
    #[expect(dead_code, reason = "ended last")]
    service: Option<Service>,
}

impl Made {
    /// Has the engine remove it. One that does not in time is not asked again.
    fn remove(&mut self) -> Result<(), Trouble> {
        if std::mem::replace(&mut self.removed, true) {
            return Ok(());
        }
        let begun = Instant::now();
        self.client.remove(&self.id, PARTING)?;
        // The engine removes one that has ended by itself, too, and at its own time.
        loop {
            let left = PARTING.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(Trouble::Hangs(PARTING));
            }
            if !self.client.has(&self.id, left)? {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // What is left now, a later run removes.
        let _ = self.remove();
    }
}

/// Why there is no container.
enum Failure {
    /// The engine would not.
    Engine(&'static str, Trouble),
    /// There is none, and one of our own did not start.
    Service(io::Error),
    /// What it made is not what was asked for.
    Lies(String),
    /// On our side.
    Own(&'static str, io::Error),
}

impl Failure {
    fn engine(doing: &'static str) -> impl FnOnce(Trouble) -> Self {
        move |trouble| Self::Engine(doing, trouble)
    }

    fn own(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Own(doing, error)
    }
}

impl Container {
    /// Makes and starts the container of `launch`, and gives `streams` to its agent.
    pub(crate) fn start(launch: &Launch, engine: &Engine, streams: &Pipes, upkeep: Upkeep) -> Result<Self, StartError> {
        let wall = |happened: String| StartError::Wall { backend: launch.backend, happened, said: String::new() };
        match Self::try_start(launch, engine, streams, upkeep) {
            Ok(container) => Ok(container),
            Err(Failure::Engine(doing, trouble)) => Err(wall(format!("could not {doing}: {trouble}"))),
            Err(Failure::Service(error)) => Err(wall(format!("did not start: {error}"))),
            Err(Failure::Lies(what)) => Err(wall(format!("made another container than was asked for: {what}"))),
            Err(Failure::Own(doing, source)) => Err(StartError::Io { doing, source }),
        }
    }

    fn try_start(launch: &Launch, engine: &Engine, streams: &Pipes, upkeep: Upkeep) -> Result<Self, Failure> {
        let private = Private::make().map_err(Failure::own("make a directory for a container"))?;
        let (service, path) = match &engine.place {
            Place::Socket(path) => (None, path.clone()),
            Place::Program(program) => {
                let started = Service::start(program, private.path(), private.path());
                let service = started.map_err(Failure::Service)?;
                let path = service.socket().to_owned();
                (Some(service), path)
            }
        };
        let client = Client::at(&path).map_err(Failure::engine("say what it is"))?;
        if upkeep == Upkeep::Due {
            sweep(&client);
        }
        let image = base::image(&client, &engine.tree.image).map_err(Failure::engine("make the base image"))?;
        let listener = listen(&private).map_err(Failure::own("make a socket for the container"))?;
        let sources = sources(launch, engine, &private).map_err(Failure::own("make the container's own files"))?;
        let body = body::body(launch, engine, client.dialect, &image, &sources);
        let id = client.create(&name(), &body).map_err(Failure::engine("make a container"))?;
        let made = Made { client, id, removed: false, private, service };
        made.client.start(&made.id).map_err(Failure::engine("start the container"))?;
        let started = crate::supervise::now();
        let link = made.accept(&listener)?;
        let Some(Peer { pid, pidfd, .. }) = peer(&link).map_err(Failure::own("find the container's process"))? else {
            return Err(Failure::Lies(
                "its processes cannot be seen from here: it is in another pid namespace".to_owned(),
            ));
        };
        let container = Self { made, pid, pidfd, link, started };
        container.check(engine, &sources)?;
        container.fill(launch, engine).map_err(Failure::own("put files into the container"))?;
        send(&container.link, streams).map_err(Failure::own("give the container its streams"))?;
        Ok(container)
    }

    /// The agent's, and thereby that of the whole container. Readable when everything in it has ended.
    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Kills the agent, and with it everything in its pid namespace. Who may not, leaves: then it ends by itself. The engine, which
    /// may hang, is asked last.
    pub(crate) fn kill(&self) {
        if pidfd_send_signal(&self.pidfd, Signal::KILL) != Err(rustix::io::Errno::PERM) {
            return;
        }
        let _ = self.link.shutdown(Shutdown::Both);
        if poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], Some(&FAREWELL)) != Ok(1) {
            let _ = self.made.client.remove(&self.made.id, PARTING);
        }
    }

    /// Removes it. `None`: it is gone.
    pub(crate) fn remove(&mut self, engine: &str) -> Option<Weakening> {
        let trouble = self.made.remove().err()?;
        let id = self.made.id.get(..12).unwrap_or(&self.made.id);
        Some(Weakening {
            what: Weakening::REMOVAL.to_owned(),
            because: format!("{engine} was to remove the container of this run: {trouble}"),
            instead: format!("container {id} may be left; no process of it is"),
            hint: format!(
                "{engine} rm --force {id}, as soon as it answers again; a later run with {engine} does that too"
            ),
        })
    }

    /// Waits until it has ended.
    pub(crate) fn reap(&self) {
        let mut list = [PollFd::new(&self.pidfd, PollFlags::IN)];
        while let Err(rustix::io::Errno::INTR) = poll(&mut list, None) {}
    }

    /// The group that it is in.
    pub(crate) fn group(&self) -> io::Result<Group> {
        Group::of_process(self.pid)
    }

    /// Puts it into another group, before the program is there.
    pub(crate) fn join(&self, group: &Group) -> io::Result<()> {
        group.take_in(self.pid)
    }

    /// Sets the program's limits, some of which were higher while the engine's own processes had to be counted.
    pub(crate) fn narrow(&self, group: &Group, settings: &Settings) -> io::Result<()> {
        group.narrow(settings).or_else(|_| {
            let limited = self.made.client.limit_tasks(&self.made.id, settings.tasks);
            limited.map_err(|trouble| io::Error::other(trouble.to_string()))
        })
    }

    /// A directory in it.
    pub(crate) fn directory(&self, at: &Path) -> io::Result<OwnedFd> {
        Ok(open(self.inside(at), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// The path by which a place in it is reached. There are no links in places of mounts: nobody has been inside.
    fn inside(&self, at: &Path) -> PathBuf {
        let mut path = PathBuf::from(format!("/proc/{}/root", self.pid));
        path.push(at.strip_prefix("/").unwrap_or(at));
        path
    }

    /// Whether the engine has done what it was asked for. What a caller named may have been exchanged for something else since
    /// it was checked, too.
    fn check(&self, engine: &Engine, sources: &[PathBuf]) -> Result<(), Failure> {
        for (mount, source) in engine.tree.mounts.iter().zip(sources) {
            let there = self.inside(&mount.at).symlink_metadata().map(|meta| (meta.dev(), meta.ino()));
            let wanted = match &mount.from {
                From::Host { held: Some(held), .. } => Ok((held.identity.device, held.identity.inode)),
                _ => source.metadata().map(|meta| (meta.dev(), meta.ino())),
            };
            if !matches!((&there, &wanted), (Ok(there), Ok(wanted)) if there == wanted) {
                return Err(Failure::Lies(format!("{} is not {}", mount.at.display(), source.display())));
            }
        }
        let mounts = Mounts::of_process(self.pid).map_err(Failure::own("look at the container's mounts"))?;
        // Of these, /proc is the process's own, and only root writes to the others, which no program is.
        const ENGINES: [&str; 5] = ["/proc", "/sys", "/dev/pts", "/dev/mqueue", "/dev/console"];
        let is_known = |at: &Path| {
            ENGINES.iter().any(|own| at.starts_with(own))
                || engine.tree.scratch.iter().any(|scratch| scratch.at == at)
                || engine.tree.mounts.iter().any(|mount| mount.write && mount.at == at)
        };
        match mounts.writable().into_iter().find(|at| !is_known(at)) {
            Some(at) => Err(Failure::Lies(format!("{} is writable", at.display()))),
            None => Ok(()),
        }
    }

    /// Puts the copies into their places, as files of the program's.
    fn fill(&self, launch: &Launch, engine: &Engine) -> io::Result<()> {
        let ids = launch.ids;
        let give = |file: BorrowedFd<'_>| match rustix::process::geteuid().is_root() {
            true => fchown(file, Some(Uid::from_raw(ids.uid)), Some(Gid::from_raw(ids.gid))),
            false => Ok(()),
        };
        for (at, number, mode) in &engine.tree.fills {
            let given = launch.job.given.get(*number).ok_or_else(|| io::Error::other("a file is missing"))?;
            let scratch = engine.tree.scratch.iter().rfind(|scratch| at.starts_with(&scratch.at));
            let scratch = scratch.ok_or_else(|| io::Error::other("there is no room for a file"))?;
            let mut directory = self.directory(&scratch.at)?;
            let rest = at.strip_prefix(&scratch.at).unwrap_or(at);
            for part in rest.parent().unwrap_or(Path::new("")) {
                match mkdirat(&directory, part, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                directory = openat(&directory, part, flags, Mode::empty())?;
                give(directory.as_fd())?;
            }
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let name = rest.file_name().ok_or(io::ErrorKind::InvalidInput)?;
            let mut file = File::from(openat(&directory, name, flags, Mode::from_raw_mode(0o600))?);
            private::copy(&*given.content, &mut file)?;
            fchmod(&file, Mode::from_raw_mode(*mode))?;
            give(file.as_fd())?;
        }
        Ok(())
    }
}

impl Made {
    /// Waits for the agent.
    fn accept(&self, listener: &UnixListener) -> Result<UnixStream, Failure> {
        let begun = Instant::now();
        let step = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };
        while begun.elapsed() < PATIENCE {
            let mut list = [PollFd::new(listener, PollFlags::IN)];
            if poll(&mut list, Some(&step)).unwrap_or(0) > 0 {
                return listener.accept().map(|(link, _)| link).map_err(Failure::own("hear the container's agent"));
            }
            if !self.client.has(&self.id, PARTING).map_err(Failure::engine("say what became of the container"))? {
                return Err(Failure::Lies("it ended before it began".to_owned()));
            }
        }
        Err(Failure::Lies(format!("it did nothing within {} s", PATIENCE.as_secs())))
    }
}

/// A name that no other container has.
pub(super) fn name() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    format!("palisade-{}-{}", Life::own(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

fn listen(private: &Private) -> io::Result<UnixListener> {
    let path = private.path().join(private::LINK);
    let listener = UnixListener::bind(&path)?;
    // Whoever the agent is. Nobody else gets there.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// Where on the host each of the tree's mounts is. What is made for this run is made now.
fn sources(launch: &Launch, engine: &Engine, private: &Private) -> io::Result<Vec<PathBuf>> {
    let empty = private.directory("empty", 0o755)?;
    let nothing = private.file("nothing", &[], 0o644)?;
    let devices = private.directory("dev", 0o755)?;
    for (at, target) in &engine.tree.devices {
        let name = at.strip_prefix(DEVICES).unwrap_or(at);
        let name = format!("dev/{}", name.display());
        match target {
            Some(target) => private.link(&name, target)?,
            // A file system that is mounted there takes its mode over (runc's `mountToRootfs`).
            None => drop(private.directory(&name, 0o1777)?),
        }
    }
    // Mount points, which the engine cannot make in a read-only directory.
    for mount in &engine.tree.mounts {
        if let Ok(name) = mount.at.strip_prefix(DEVICES)
            && name.components().count() == 1
            && !devices.join(name).exists()
        {
            private.file(&format!("dev/{}", name.display()), &[], 0o644)?;
        }
    }
    let mounts = engine.tree.mounts.iter().enumerate();
    mounts
        .map(|(number, mount)| {
            Ok(match &mount.from {
                From::Host { path, .. } => path.clone(),
                From::Text(text) => private.file(&number.to_string(), text.as_bytes(), 0o644)?,
                From::Given(given, mode) => {
                    let given = launch.job.given.get(*given).ok_or_else(|| io::Error::other("a file is missing"))?;
                    private.copy(&number.to_string(), &given.content, *mode)?
                }
                From::Devices => devices.clone(),
                From::Link => private.path().join(LINK.trim_start_matches("/.palisade/")),
                From::Nothing => nothing.clone(),
                From::Empty => empty.clone(),
            })
        })
        .collect()
}

/// Gives the streams to the agent.
fn send(link: &UnixStream, Pipes(streams): &Pipes) -> io::Result<()> {
    let streams = streams.each_ref().map(AsFd::as_fd);
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(3))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&streams)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    sendmsg(link, &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Removes containers and directories whose palisade is gone.
fn sweep(client: &Client) {
    private::sweep();
    for container in client.containers(body::LABEL).unwrap_or_default() {
        let life = container.labels.as_ref().and_then(|labels| Life::read(labels.get(body::LABEL)?));
        if life.is_some_and(Life::is_over) {
            let _ = client.remove(&container.id, PARTING);
        }
    }
}
