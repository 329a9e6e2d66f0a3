//! Every attack must succeed outside the sandbox, or the table says why it cannot here. A wall proves nothing against
//! an attack that never works.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "helpers of tests are tests too")]

#[path = "outside/table.rs"]
mod table;

use palisade_testkit::{ORDINARY_ID, Person, Residue, Seat, hostile, need, wait_for};
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;
use table::{Expect, ROWS, SPEAK_FOR_THEMSELVES};

/// A cgroup of ours that goes when dropped.
struct Group(PathBuf);

impl Group {
    fn new(person: Person, uid: u32) -> Option<Self> {
        let name = format!("palisade-testkit-{}-{person:?}", std::process::id());
        let parents = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"];
        let group = parents.iter().map(|parent| Path::new(parent).join(&name));
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

/// A process made for one row.
struct Victim(Child);

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What an answer must look like for `SUCCEEDED`, `BLOCKED`, `INCONCLUSIVE`.
const CODES: [(&str, i32); 3] = [("SUCCEEDED ", 0), ("BLOCKED ", 10), ("INCONCLUSIVE ", 11)];

/// The operation that a row of the table is about.
fn operation(line: &str) -> &str {
    let rest = line.rsplit_once("$H ").unwrap().1;
    rest.split([' ', ';', '\'']).next().unwrap()
}

struct Stage {
    seat: Seat,
    program: PathBuf,
    tcp: TcpListener,
    udp: UdpSocket,
    name: String,
    _abstract: UnixListener,
    _socket: UnixListener,
    group: Option<Group>,
    /// Whether `DIR/setuid` belongs to somebody else.
    setuid: bool,
}

impl Stage {
    fn new(person: Person) -> Option<Self> {
        let seat = person.seat().unwrap()?;
        let program_outside = hostile();
        let program = seat.lend(&program_outside).unwrap();
        let name = format!("palisade-testkit-{}-{person:?}", std::process::id());
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
            group: Group::new(person, seat.uid()),
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

    /// The last line that a row printed, and its exit code.
    fn run(&self, line: &str) -> (String, Option<i32>) {
        let marker = "61.25";
        let victim = line.contains("$PID").then(|| {
            let mut command = self.seat.command(&self.program);
            Victim(command.args(["sleep", marker]).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
        });
        let pid = victim.as_ref().map_or(0, |victim| victim.0.id());
        let output = self
            .seat
            .command("/bin/sh")
            .args(["-c", line])
            .stdin(Stdio::null())
            .env("H", &self.program)
            .env("DIR", self.seat.home())
            .env("PID", pid.to_string())
            .env("MARKER", marker)
            .env("TCP", self.tcp.local_addr().unwrap().port().to_string())
            .env("UDP", self.udp.local_addr().unwrap().port().to_string())
            .env("NAME", &self.name)
            .env("GROUP", self.group.as_ref().map_or(Path::new("/none"), |group| &group.0))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let last = text.lines().last().unwrap_or_default().to_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        (if last.is_empty() { format!("no line; stderr: {errors}") } else { last }, output.status.code())
    }
}

fn hold(person: Person, expect: fn(&(&'static str, Expect, Expect)) -> Expect) {
    let before = Residue::now();
    let Some(stage) = Stage::new(person) else { return };
    let mut wrong = Vec::new();
    for row in ROWS {
        let line = row.0;
        let missing = line.contains("$GROUP") && stage.group.is_none() || line.contains("/setuid") && !stage.setuid;
        let expected = if missing { Expect::NotTried("only root can set it up") } else { expect(row) };
        if let Expect::NotTried(why) = expected {
            eprintln!("NOT TRIED as {person:?}: {}: {why}", operation(line));
            continue;
        }
        let (answer, code) = stage.run(line);
        println!("{person:?}: {}: {answer}", operation(line));
        let fits = CODES.iter().any(|(word, number)| answer.starts_with(word) && code == Some(*number));
        let succeeded = answer.starts_with("SUCCEEDED ");
        let right = match expected {
            Expect::Cannot(text, why) if !succeeded => {
                eprintln!("CANNOT SUCCEED as {person:?}: {}: {why}", operation(line));
                answer.contains(text)
            }
            _ => succeeded,
        };
        if !fits || !right {
            wrong.push(format!("{}: {answer} (exit {code:?})", operation(line)));
        }
    }
    drop(stage);
    assert!(wrong.is_empty(), "as {person:?}:\n{}", wrong.join("\n"));
    // Other tests may be at work on this machine; what this one leaves has these words in it.
    let id = std::process::id().to_string();
    let ours = |line: &String| line.contains("palisade-hostile-") || line.contains("61.25") || line.contains(&id);
    let mut left = Vec::new();
    wait_for(Duration::from_secs(5), || {
        left = Residue::now().since(&before).into_iter().filter(ours).collect();
        left.is_empty()
    });
    assert_eq!(left, Vec::<String>::new(), "residue");
}

#[test]
fn every_attack_succeeds_outside_and_leaves_nothing_behind() {
    // One after the other: each would see the other's processes as residue.
    if need("root") {
        hold(Person::Root, |row| row.1);
    }
    hold(Person::Ordinary, |row| row.2);
}

#[test]
fn every_operation_is_listed_once_and_tried() {
    let output = std::process::Command::new(hostile()).arg("--list").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut names = Vec::new();
    for line in text.lines() {
        let fields: Vec<_> = line.split('\t').collect();
        assert_eq!(fields.len(), 4, "name and arguments, group, description, precondition: {line}");
        assert!(fields.iter().all(|field| !field.is_empty()), "{line}");
        names.push(fields[0].split(' ').next().unwrap().to_owned());
    }
    for name in &names {
        assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{name} is listed twice");
        let tried = SPEAK_FOR_THEMSELVES.contains(&name.as_str()) || ROWS.iter().any(|row| operation(row.0) == name);
        assert!(tried, "{name} is not in the table");
    }
}
