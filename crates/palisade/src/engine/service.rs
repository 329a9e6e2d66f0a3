//! An engine of our own, where none is running: Podman needs no daemon, and gives its API for as long as somebody asks for it.
//!
//! It ends with the run. If palisade is killed, the kernel kills it too, or it sees that nobody is connected any more: an ordinary
//! user's service may have moved to a process of its own. Podman's pause process, one for each such user, is left to Podman.

use std::{
    ffi::{CString, OsString},
    fs::{self, File},
    io,
    os::{
        fd::OwnedFd,
        unix::{
            ffi::{OsStrExt, OsStringExt},
            net::UnixStream,
        },
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use palisade_spec::Backend;
use palisade_sys::{Child, Listener, Namespaces, Program, Script, Stdio, peer, spawn};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Signal, geteuid, pidfd_send_signal},
};

use super::http;
use crate::backend::tool;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many seconds it goes on when nobody is connected.
const IDLE: &str = "5";
/// The variable that says where it puts what it takes in (containers-storage; podman leaves `api_load.tar*` there).
const SPOOL: &str = "TMPDIR";
/// What it says of itself is kept up to this length, in bytes.
const COMPLAINTS: usize = 2000;

/// One that listens. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Service {
    #[expect(dead_code, reason = "killed when dropped")]
    child: Child,
    /// The process that listens.
    listener: Option<OwnedFd>,
    /// As long as somebody is connected, it goes on.
    #[expect(dead_code, reason = "held open")]
    held: UnixStream,
    socket: PathBuf,
}

impl Service {
    /// Starts `program`, with its files in `directory`, and in `spool` what it takes in: it leaves that there.
    pub(super) fn start(program: &Path, directory: &Path, spool: &Path) -> io::Result<Self> {
        let (socket, log) = (directory.join("engine.sock"), directory.join("engine.log"));
        let address = format!("unix://{}", socket.display());
        let arguments = [program.to_string_lossy().into_owned()]
            .into_iter()
            .chain(runtime().into_iter().flatten().map(str::to_owned))
            .chain(["system", "service", "--time", IDLE].map(str::to_owned))
            .chain([address]);
        let null = || File::open("/dev/null").map(OwnedFd::from);
        let said = File::create(&log)?;
        let strings = |list: &mut dyn Iterator<Item = Vec<u8>>| list.map(CString::new).collect::<Result<Vec<_>, _>>();
        let spool = (OsString::from(SPOOL), spool.as_os_str().to_owned());
        let inherited = std::env::vars_os().filter(|(name, _)| name != SPOOL);
        let environment = &mut inherited.chain([spool]).map(|(name, value)| {
            let mut all = name.into_vec();
            all.push(b'=');
            all.extend(value.into_vec());
            all
        });
        let script = Script {
            namespaces: Namespaces::default(),
            cgroup: None,
            ops: Vec::new(),
            aside: Vec::new(),
            program: Some(Program {
                stdio: Stdio::Given([null()?, said.try_clone()?.into(), said.into()]),
                rlimits: Vec::new(),
                filter: Vec::new(),
                listener: Listener::Nobody,
                announcement: Vec::new(),
                candidates: vec![CString::new(program.as_os_str().as_bytes())?],
                arguments: strings(&mut arguments.map(String::into_bytes))?,
                environment: strings(environment)?,
            }),
        };
        let child = spawn(&script)?;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Ok(held) = http::open(&socket) {
                let listener = peer(&held)?.map(|listener| listener.pidfd);
                return Ok(Self { child, listener, held, socket });
            }
            let mut list = [PollFd::from_borrowed_fd(child.pidfd(), PollFlags::IN)];
            if poll(&mut list, Some(&Timespec { tv_sec: 0, tv_nsec: 5_000_000 })) == Ok(1) {
                return Err(io::Error::other(format!("{} ended: {}", program.display(), complaints(&log))));
            }
        }
        let waited = PATIENCE.as_secs();
        Err(io::Error::other(format!("{} did not listen within {waited} s: {}", program.display(), complaints(&log))))
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

/// What runs its containers, if not what it would take itself: crun refuses hosts of cgroup v1 that have controllers in v2, and
/// only root's engine has cgroups on such a host. runc takes them.
pub(super) fn runtime() -> Option<[&'static str; 4]> {
    let v2 = fs::read_to_string("/sys/fs/cgroup/unified/cgroup.controllers").unwrap_or_default();
    let is_refused = !v2.trim().is_empty() && geteuid().is_root();
    let has_other = is_refused && tool(Backend::Runc, &["runc"], "runc").is_ok();
    has_other.then_some(["--runtime", "runc", "--cgroup-manager", "cgroupfs"])
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            // The only failure is that it has ended.
            let _ = pidfd_send_signal(listener, Signal::KILL);
            let _ = poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&Timespec { tv_sec: 2, tv_nsec: 0 }));
        }
    }
}

fn complaints(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(text.get(..COMPLAINTS.min(text.len())).unwrap_or_default()).trim().to_owned()
}
