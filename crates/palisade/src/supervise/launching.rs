//! From a launch to a running program: pipes, cgroup, clone, id maps, and the child's first words.

use std::{
    cell::RefCell,
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    time::Duration,
};

use palisade_spec::{Input, Strictness, Weakening};
use palisade_sys::{Child, IdMap, Namespaces, Op, Record, Script, cgroup::Group, notify, spawn};
use rustix::event::{PollFd, PollFlags};

use super::{
    Connection, LOOKS, Left, Run, Stop, Times, Upkeep, meter::Meter, now, output::Streams, poll_on, process::Process,
    terminal::CallersTerminal, verdict::Acts,
};
use crate::{
    error::{About, Refusal, StartError},
    foreign::{self, Kernel},
    host::Ids,
    native::{self, Launch, Pipes},
};

/// What helps where there may be no more namespaces.
const NAMESPACES: &str = "raise /proc/sys/user/max_*_namespaces, or nest fewer sandboxes (32 levels at most)";

/// What the set-up may take beyond the time limit of the program.
pub(super) const SETUP: Duration = Duration::from_secs(10);

/// Starts the child and gives it what it waits for.
pub(super) fn start<'a>(
    launch: &'a Launch,
    connection: &'a Connection<'a>,
    stdin: Input,
) -> Result<Run<'a>, StartError> {
    refuse_weakened(launch, connection.strictness, &launch.weakened)?;
    let (limit, excess) = (launch.job.limits.output.0, connection.excess);
    let (streams, pipes, typed, terminal) = match (launch.job.terminal, &launch.foreign) {
        (None, Some(foreign)) => {
            let order = |stdin| foreign::order(launch, foreign.agent(launch), stdin);
            let (streams, pipes) = Streams::of_agent(stdin, order, &connection.output, limit, excess)
                .map_err(StartError::io("make pipes"))?;
            (streams, Some(pipes), Input::Empty, None)
        }
        (None, None) => {
            let (streams, pipes) =
                Streams::new(stdin, &connection.output, limit, excess).map_err(StartError::io("make pipes"))?;
            (streams, Some(pipes), Input::Empty, None)
        }
        (Some(size), _) => {
            let inherited = matches!(stdin, Input::Inherit);
            let entered = if inherited { CallersTerminal::enter(size) } else { Ok(None) };
            let terminal = entered.map_err(StartError::io("make the terminal raw"))?;
            (Streams::none(), None, stdin, terminal)
        }
    };
    let mut acts = Acts::new();
    let kept = connection.turn.script.and_then(RefCell::take);
    let born = bear(launch, connection.strictness, &mut acts, |ids, birthplace, directory| match kept {
        Some(script) => Ok(native::of_this_run(script, pipes, birthplace)),
        None => new_script(launch, connection, ids, pipes, birthplace, directory),
    })?;
    let Born { child, script, group, ids, cloned } = born;
    let mut run = Run {
        launch,
        connection,
        child: Process::Own(child),
        streams,
        typed,
        terminal,
        meter: Meter::new(group, launch.room()),
        listener: None,
        acts,
        stop: None,
        times: Times { begun: connection.begun, cloned, ..Times::default() },
        exit: None,
        alone: false,
        looks: LOOKS,
        failed: None,
        told_all: false,
        left: Left { user: ids.uid, ..Left::default() },
        made: false,
    };
    if launch.foreign.as_ref().is_some_and(|foreign| foreign.kernel == Kernel::Own) {
        run.meter.is_told();
    }
    if !launch.has_agent() {
        run.meter.is_helped();
    }
    run.until_ready(&script)?;
    if launch.foreign.is_some() && run.stop.is_none() {
        run.until_started()?;
    }
    match connection.turn.script {
        // What is around a foreign wall names the run: its cgroup, and what no other run has.
        Some(kept) if launch.foreign.is_none() => drop(kept.replace(native::of_every_run(script))),
        _ => drop(script), // and with it the program's ends of its streams
    }
    // Off the launch path: the program runs already.
    if let Some(group) = run.meter.group() {
        group.open_counters();
    }
    if let (Some(place), Upkeep::Due) = (&launch.cgroup, connection.upkeep) {
        place.remove_stale();
    }
    Ok(run)
}

/// A child on its way through its script, with everything that it waits for.
pub(super) struct Born {
    pub(super) child: Child,
    pub(super) script: Script,
    pub(super) group: Option<Group>,
    pub(super) ids: Ids,
    /// When, in nanoseconds of the monotonic clock.
    pub(super) cloned: u64,
}

/// Makes the cgroup, clones the child, and gives it its ids and its cgroup. `script` gets the ids, where it is born and the
/// directory of its group.
pub(super) fn bear(
    launch: &Launch,
    strictness: Strictness,
    acts: &mut Acts,
    script: impl FnOnce(Ids, Option<OwnedFd>, Option<&Path>) -> io::Result<Script>,
) -> Result<Born, StartError> {
    // On version 2 a child is born in its group; on version 1 it joins while it is set up, so the group can be made
    // beside that.
    let v2 = matches!(&launch.cgroup, Some(palisade_sys::cgroup::Place::V2 { .. }));
    // The program of a foreign wall may want to know its directory.
    let early = v2 || launch.foreign.is_some();
    let mut group = if early { make_group(launch, acts) } else { None };
    let birthplace = match &group {
        Some(group) => group.birthplace().map_err(StartError::io("open the cgroup"))?,
        None => None,
    };
    // The files of a foreign wall may name ids, and are planned.
    let ids = if launch.foreign.is_some() { launch.ids } else { launch.ids.of_next_run() };
    let directory = group.as_ref().and_then(Group::directory);
    let mut script = script(ids, birthplace, directory).map_err(StartError::io("prepare the sandbox"))?;
    let cloned = now();
    let mut spawned = spawn(&script);
    if let (Err(error), Some(_)) = (&spawned, &script.cgroup)
        && matches!(error.raw_os_error(), Some(libc::EACCES | libc::EBUSY | libc::EOPNOTSUPP | libc::EINVAL))
    {
        // A group that can be made and not be born in: the run is weaker, and says so.
        acts.without_cgroup(&format!("no process may be born in a group of ours: {error}"));
        (script.cgroup, group) = (None, None);
        refuse_weakened(launch, strictness, &acts.weakened)?;
        spawned = spawn(&script);
    }
    let child = spawned.map_err(|source| clone_failed(launch, source))?;
    if script.namespaces.contains(Namespaces::USER) {
        map_ids(&child, &script, ids)?;
    }
    if v2 {
        refuse_weakened(launch, strictness, &acts.weakened)?;
    } else if launch.cgroup.is_some() {
        if !early {
            group = make_group(launch, acts);
        }
        refuse_weakened(launch, strictness, &acts.weakened)?;
        let files = match &group {
            Some(group) => group.join_files().map_err(StartError::io("open the cgroup"))?,
            None => Vec::new(),
        };
        let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        // A failure here means that the child has failed before: its own record says more.
        if child.go(&files).is_err()
            && let Some(error) = first_failure(&child, &script)
        {
            return Err(error);
        }
    }
    Ok(Born { child, script, group, ids, cloned })
}

fn new_script(
    launch: &Launch,
    connection: &Connection<'_>,
    ids: Ids,
    pipes: Option<Pipes>,
    birthplace: Option<OwnedFd>,
    group: Option<&Path>,
) -> io::Result<Script> {
    match (&launch.foreign, pipes) {
        (Some(foreign), Some(pipes)) => foreign::script(launch, foreign, ids, pipes, birthplace, group),
        (_, pipes) => native::script(launch, ids, connection.turn.network, pipes, birthplace),
    }
}

fn map_ids(child: &Child, script: &Script, ids: Ids) -> Result<(), StartError> {
    let map = IdMap { uid: (ids.inside.0, ids.uid), gid: (ids.inside.1, ids.gid), groups: ids.groups };
    child.map_ids(map).map_err(|source| {
        first_failure(child, script).unwrap_or(StartError::Setup {
            step: "write the id maps".to_owned(),
            source,
            hint: Some("user namespaces with own ids are not allowed here; `palisade doctor` says why".to_owned()),
            about: About::Wall,
        })
    })
}

impl Run<'_> {
    /// Reads the child's records until its program is about to be executed.
    pub(super) fn until_ready(&mut self, script: &Script) -> Result<(), StartError> {
        loop {
            let mut list = vec![
                PollFd::from_borrowed_fd(self.child.control(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.child.pidfd(), PollFlags::IN),
            ];
            if let Some(cancel) = self.connection.cancel {
                list.push(PollFd::from_borrowed_fd(cancel, PollFlags::IN));
            }
            // A step can hang, for example on a dead network file system.
            let patience = self.launch.job.limits.wall_time.saturating_add(SETUP);
            let waited = Duration::from_nanos(now().saturating_sub(self.times.cloned));
            let Some(left) = patience.checked_sub(waited) else {
                return Err(StartError::KilledDuringSetup { during: "a step that took longer than the time limit" });
            };
            poll_on(&mut list, Some(left)).map_err(StartError::io("wait for the sandbox"))?;
            let ended = list.get(1).is_some_and(|fd| !fd.revents().is_empty());
            let cancelled = list.get(2).is_some_and(|fd| !fd.revents().is_empty());
            if cancelled {
                self.stop(Stop::Cancelled);
                self.times.started = now();
                return Ok(());
            }
            match self.child.record() {
                Ok(Some(Record::Handles(handles))) => {
                    let mut handles = handles.into_iter();
                    if let Some(proc) = handles.next() {
                        self.meter.watch(proc);
                    }
                    self.left.take(&self.launch.job, &mut handles);
                    if let (Some(master), Some(terminal)) = (handles.next(), handles.next()) {
                        let typed = std::mem::replace(&mut self.typed, Input::Empty);
                        let (limit, excess) = (self.launch.job.limits.output.0, self.connection.excess);
                        self.streams =
                            Streams::of_terminal(typed, &self.connection.output, limit, excess, [master, terminal])
                                .map_err(StartError::io("connect the terminal"))?;
                    }
                }
                Ok(Some(Record::Ready { marks, at, listener })) => {
                    self.times.marks = marks;
                    self.times.started = at;
                    self.listener = listener.map(notify::Listener::new);
                    return Ok(());
                }
                Ok(Some(Record::Failed { step, errno })) => return Err(step_failed(script, step, errno)),
                Ok(Some(Record::Stands { .. } | Record::Exited { .. })) => {}
                Ok(None) => return Err(StartError::KilledDuringSetup { during: "set-up" }),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !ended => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(StartError::KilledDuringSetup { during: "set-up" });
                }
                Err(error) => return Err(StartError::io("read the sandbox's report")(error)),
            }
        }
    }
}

/// The record of a step that failed, if there is one: waits until the child has said what there is to say.
fn first_failure(child: &Child, script: &Script) -> Option<StartError> {
    loop {
        let mut list = [PollFd::from_borrowed_fd(child.control(), PollFlags::IN)];
        poll_on(&mut list, Some(Duration::from_secs(1))).ok()?;
        match child.record() {
            Ok(Some(Record::Failed { step, errno })) => return Some(step_failed(script, step, errno)),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}

pub(super) fn step_failed(script: &Script, step: usize, errno: i32) -> StartError {
    let source = io::Error::from_raw_os_error(errno);
    let op = script.step(step);
    let hint = match (op, errno) {
        (Some(Op::Mount { kind, .. }), libc::EPERM) if kind.as_bytes() == b"proc" => Some(
            "a new /proc may only be mounted where the old one is fully visible: in a container, start it with an \
             unmasked /proc (docker: --security-opt systempaths=unconfined)"
                .to_owned(),
        ),
        (Some(Op::OpenTree { .. }), libc::ESTALE | libc::ELOOP) => Some(
            "somebody put another file or directory there after it was checked: start again, and see who changes it"
                .to_owned(),
        ),
        (Some(Op::Hide { .. } | Op::Pin { .. }), libc::ELOOP) => {
            Some("somebody put a symbolic link into its path after it was checked: start again".to_owned())
        }
        (Some(Op::Hide { .. } | Op::Pin { .. }), libc::ENOENT | libc::ENOTDIR) => {
            Some("it was there when it was checked: start again, and see who moves it".to_owned())
        }
        (Some(Op::Hide { .. } | Op::Pin { .. }), libc::EACCES) => Some(
            "it is in a closed directory of a writable tree, which the program might open: open it, or give less to be \
             written"
                .to_owned(),
        ),
        (Some(Op::OpenTree { path, .. }), libc::EACCES | libc::ENOENT) => {
            Some(format!("is {} there, and may this user enter it?", path.to_string_lossy()))
        }
        (Some(Op::MountOverlay { .. } | Op::FinishOverlay { .. }), _) => Some(
            "an overlay needs Linux 5.11 (6.5 for more than 64 layers), directories without other file systems mounted in \
             them, and above them a file system that can take the changes (ext4, xfs, btrfs, tmpfs: not an overlay)"
                .to_owned(),
        ),
        (Some(Op::WorkingDirectory(path)), _) => {
            Some(format!("the working directory {} must exist inside the sandbox", path.to_string_lossy()))
        }
        (Some(Op::CopyFile { .. } | Op::File { .. } | Op::Directory { .. }), libc::EROFS | libc::EEXIST) => {
            Some("two things are wanted at the same place of the sandbox's file tree".to_owned())
        }
        (Some(Op::Unshare(_)), libc::ENOSPC | libc::EUSERS) => Some(NAMESPACES.to_owned()),
        (_, libc::EPERM | libc::EACCES) => {
            Some("`palisade doctor` tries each kernel feature and says how to fix it".to_owned())
        }
        _ => None,
    };
    let step = op.map_or_else(|| "start the program's process".to_owned(), ToString::to_string);
    StartError::Setup { step, source, hint, about: op.map_or(About::Wall, about) }
}

/// Whether it is the request that a step is about: its paths, its files, where it starts.
fn about(step: &Op) -> About {
    match step {
        Op::OpenTree { .. }
        | Op::KeepTree { .. }
        | Op::Hide { .. }
        | Op::Pin { .. }
        | Op::OpenLayer { .. }
        | Op::AddLayer { .. }
        | Op::CopyFile { .. }
        | Op::WorkingDirectory(_) => About::Request,
        _ => About::Wall,
    }
}

fn clone_failed(launch: &Launch, source: io::Error) -> StartError {
    let (because, hint) = match source.raw_os_error() {
        Some(libc::EPERM) => (
            "the kernel forbids new user namespaces to this process",
            "Debian and Ubuntu: `sysctl kernel.unprivileged_userns_clone=1`; Ubuntu 24.04: `sysctl \
             kernel.apparmor_restrict_unprivileged_userns=0`; docker: `--security-opt seccomp=unconfined`",
        ),
        Some(libc::ENOSPC | libc::EUSERS) => ("the limit of namespaces is reached", NAMESPACES),
        Some(libc::EAGAIN) => {
            ("this user may start no more processes", "raise `ulimit -u` or the pids limit of the group")
        }
        _ => {
            return StartError::Setup { step: "clone3".to_owned(), source, hint: None, about: About::Wall };
        }
    };
    let needs = format!("the namespaces {}", launch.namespaces.join(", "));
    let (because, hint) = (format!("{because} ({source})"), hint.to_owned());
    StartError::NoBackend { refusals: vec![Refusal { backend: launch.backend.name(), needs, because, hint }] }
}

pub(super) fn make_group(launch: &Launch, acts: &mut Acts) -> Option<Group> {
    let place = launch.cgroup.as_ref()?;
    match place.create(&launch.settings_before()) {
        Ok(group) => {
            acts.note_group(&group);
            Some(group)
        }
        Err(error) => {
            acts.without_cgroup(&error.to_string());
            None
        }
    }
}

pub(super) fn refuse_weakened(
    launch: &Launch,
    strictness: Strictness,
    weakened: &[Weakening],
) -> Result<(), StartError> {
    if strictness == Strictness::ReportWeakened || weakened.is_empty() {
        return Ok(());
    }
    let refusals = weakened
        .iter()
        .map(|weak| Refusal {
            backend: launch.backend.name(),
            needs: format!("{} in full (--strict)", weak.what),
            because: weak.because.clone(),
            hint: weak.hint.clone(),
        })
        .collect();
    Err(StartError::NoBackend { refusals })
}
