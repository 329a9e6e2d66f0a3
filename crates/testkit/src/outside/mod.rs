//! Where attacks are tried without a sandbox: targets of the person's own, and the shell lines of the table.

#![allow(clippy::unwrap_used, reason = "for tests: what cannot be set up is a failed test")]

mod table;

use crate::{ORDINARY_ID, Person, Seat, hostile, wait_for};
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

pub use table::{Expect, ROWS, SPEAK_FOR_THEMSELVES};

/// A word of a victim's command line.
const MARKER: &str = "61.25";

/// A cgroup of ours that goes when dropped.
#[derive(Debug)]
struct Group(PathBuf);

impl Group {
    fn new(name: &str, uid: u32) -> Option<Self> {
        let parents = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"];
        let group = parents.iter().map(|parent| Path::new(parent).join(name));
        let path = group.into_iter().find(|path| std::fs::create_dir(path).is_ok())?;
        for file in [path.clone(), path.join("cgroup.procs"), path.join("tasks")] {
            let _ = chown(file, Some(uid), None);
        }
        Some(Self(path))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        wait_for(Duration::from_secs(5), || std::fs::remove_dir(&self.0).is_ok());
    }
}

/// A process made for one row, killed when dropped.
#[derive(Debug)]
pub struct Victim(Child);

impl Victim {
    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it still runs.
    #[must_use]
    pub fn lives(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'T', 'X']))
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The operation that a row of the table is about.
///
/// # Panics
/// If the line has no `$H`.
#[must_use]
pub fn operation(line: &str) -> &str {
    let rest = line.rsplit_once("$H ").unwrap().1;
    rest.split([' ', ';', '\'']).next().unwrap()
}

/// Targets for attacks: sockets, a cgroup, a set-user-id program, a home directory, all removed when dropped.
#[derive(Debug)]
pub struct Stage {
    /// Whose it is.
    pub seat: Seat,
    /// The copy of `hostile` that they can run.
    pub program: PathBuf,
    tcp: TcpListener,
    udp: UdpSocket,
    name: String,
    _abstract: UnixListener,
    _socket: UnixListener,
    /// A cgroup that they may use; only root can make one.
    group: Option<Group>,
    /// Whether `DIR/setuid` belongs to somebody else.
    setuid: bool,
}

impl Stage {
    /// Sets everything up, or `None`, loudly, if this person is not to be had.
    ///
    /// # Panics
    /// If something cannot be set up.
    #[must_use]
    pub fn new(person: Person) -> Option<Self> {
        let seat = person.seat().unwrap()?;
        let program_outside = hostile();
        let program = seat.lend(&program_outside).unwrap();
        // The home's name is nobody else's.
        let own = seat.home().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = format!("testkit-{}-{own}", std::process::id());
        let abstract_name = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = seat.home().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o777)).unwrap();
        // For root somebody else's, for anybody else root's: in both cases ids that they do not have.
        let setuid = seat.home().join("setuid");
        std::fs::rename(&program, &setuid).unwrap();
        let given = chown(&setuid, Some(if seat.uid() == 0 { ORDINARY_ID } else { 0 }), None).is_ok();
        std::fs::set_permissions(&setuid, std::fs::Permissions::from_mode(0o4755)).unwrap();
        Some(Self {
            group: Group::new(&format!("palisade_{name}"), seat.uid()),
            setuid: given,
            program: seat.lend(&program_outside).unwrap(),
            tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
            udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
            _abstract: UnixListener::bind_addr(&abstract_name).unwrap(),
            _socket: listener,
            name,
            seat,
        })
    }

    /// What must come of a row of [`ROWS`] outside, on this host.
    #[must_use]
    pub fn expected(&self, row: &(&'static str, Expect, Expect), person: Person) -> Expect {
        let missing = row.0.contains("$GROUP") && self.group.is_none() || row.0.contains("/setuid") && !self.setuid;
        match person {
            _ if missing => Expect::NotTried("only root can set it up"),
            Person::Root => row.1,
            Person::Ordinary => row.2,
        }
    }

    /// A process to attack.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn victim(&self) -> Victim {
        let mut command = self.seat.command(&self.program);
        Victim(command.args(["sleep", MARKER]).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }

    /// A shell that runs `line` against `victim` and the other targets, with no input.
    ///
    /// # Panics
    /// If a socket has no address.
    #[must_use]
    pub fn command(&self, line: &str, victim: Option<&Victim>) -> Command {
        let mut command = self.seat.command("/bin/sh");
        command
            .args(["-c", line])
            .stdin(Stdio::null())
            .env("H", &self.program)
            .env("DIR", self.seat.home())
            .env("PID", victim.map_or(0, Victim::id).to_string())
            .env("MARKER", MARKER)
            .env("TCP", self.tcp.local_addr().unwrap().port().to_string())
            .env("UDP", self.udp.local_addr().unwrap().port().to_string())
            .env("NAME", &self.name)
            .env("GROUP", self.group.as_ref().map_or(Path::new("/none"), |group| &group.0));
        command
    }

    /// The last line that a row of [`ROWS`] printed outside, and its exit code.
    ///
    /// # Panics
    /// If there is no shell.
    #[must_use]
    pub fn run(&self, line: &str) -> (String, Option<i32>) {
        let victim = line.contains("$PID").then(|| self.victim());
        answer(&self.command(line, victim.as_ref()).output().unwrap())
    }
}

/// The last line that a program printed, and its exit code.
#[must_use]
pub fn answer(output: &Output) -> (String, Option<i32>) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = text.lines().last().unwrap_or_default().to_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    (if last.is_empty() { format!("no line; stderr: {errors}") } else { last }, output.status.code())
}
