//! What each step of a launch takes on this host.
//!
//! In: a request. Out: samples in milliseconds, piece by piece. The real script of its launch is run by children that start no
//! program, each time with the time noted at other places, until it has been noted everywhere; what cannot be seen there, such
//! as one namespace of the four that a clone makes, is tried in children of its own. Not here: the time of whole launches
//! (the report's `phases_ms`), what samples say.

use std::{
    io,
    ops::ControlFlow,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use palisade_spec::{Backend, Request};
use palisade_sys::{Child, IdMap, MARKS, Namespaces, Op, Program, Record, Script, Slot, Trial, cgroup::Group, spawn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use crate::{
    error::{About, StartError},
    host::Ids,
    native::{self, Launch, Network},
    run::plan,
    supervise::now,
};

/// Something that a launch consists of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Piece {
    /// What it belongs to.
    pub part: Part,
    /// What it is.
    pub what: String,
    /// How many steps of the script it is, or things it makes.
    pub steps: usize,
    /// What it took each time, in milliseconds.
    pub set_up_ms: Vec<f64>,
    /// By how much longer the child with it took to end than the one without it that came just before: less than nothing if the
    /// host was too restless to tell. Nothing for what was not tried in a child of its own.
    pub end_ms: Vec<f64>,
}

/// What a piece belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The first process.
    Clone,
    /// Each namespace, made alone.
    Namespaces,
    /// User and group ids.
    Ids,
    /// The file tree.
    Mounts,
    /// Waiting for the helper that works beside it, and what goes to the supervisor.
    Helper,
    /// The cgroup.
    Cgroup,
    /// Keyring, Landlock, capabilities.
    Privileges,
    /// Resource limits.
    Limits,
    /// The system call filter.
    Filter,
    /// The end of everything.
    Teardown,
}

impl Part {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clone => "clone",
            Self::Namespaces => "namespaces",
            Self::Ids => "ids",
            Self::Mounts => "mounts",
            Self::Helper => "helper",
            Self::Cgroup => "cgroup",
            Self::Privileges => "privileges",
            Self::Limits => "limits",
            Self::Filter => "filter",
            Self::Teardown => "teardown",
        }
    }
}

/// Binds that are made to see what one costs.
const BINDS: usize = 50;

/// A child takes some milliseconds; one that takes this long hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes the launch of `request` by palisade's own wall apart, `rounds` times (once at least). `None` if `step`, which is called
/// after each round, has ended it.
///
/// # Errors
/// As [`plan`], and if a step fails that would fail in a launch as well.
pub fn anatomy(
    request: &Request,
    rounds: usize,
    step: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Option<Vec<Piece>>, StartError> {
    let request = Request { backend: Backend::Native, ..request.clone() };
    let nothing = || StartError::NoBackend { refusals: Vec::new() };
    let launch = plan(&request)?.launches.pop().ok_or_else(nothing)?;
    let mut theatre = Theatre::of(&launch)?;
    for _ in 0..rounds.max(1) {
        theatre.round()?;
        if step().is_break() {
            return Ok(None);
        }
    }
    Ok(Some(theatre.pieces))
}

/// Everything that takes part in a round.
struct Theatre<'a> {
    launch: &'a Launch,
    ids: Ids,
    /// The launch's own script, again and again, each with its marks at other places.
    whole: Vec<(Script, Vec<Key>)>,
    apart: Vec<Apart>,
    pieces: Vec<Piece>,
}

/// What a piece is known by.
type Key = (Part, &'static str);

/// A script whose steps between its first and its second mark are one piece.
struct Apart {
    /// `None` for a script that others are compared with.
    key: Option<Key>,
    script: Script,
    /// What the piece consists of.
    steps: usize,
    /// How many times the piece is in there.
    times: usize,
    /// Which script is the same without it.
    without: Option<usize>,
}

/// What was seen of a child, in nanoseconds of the monotonic clock.
struct Seen {
    cloned: u64,
    marks: [u64; MARKS],
    /// How long it took to write its id maps.
    mapping: u64,
    ready: u64,
    gone: u64,
}

impl<'a> Theatre<'a> {
    fn of(launch: &'a Launch) -> Result<Self, StartError> {
        let ids = launch.ids.of_next_run();
        let first = script(launch, ids)?;
        let keys = segments(&first.ops);
        let mut whole = Vec::new();
        for (index, chunk) in keys.chunks(MARKS - 1).enumerate() {
            let script = script(launch, ids)?;
            let ops = marked(script.ops, index * (MARKS - 1), chunk.len());
            whole.push((Script { ops, program: None, ..script }, chunk.iter().map(|(key, _)| *key).collect()));
        }
        let mut pieces: Vec<Piece> = Vec::new();
        for (key, steps) in keys {
            piece(&mut pieces, key).steps += steps;
        }
        let apart = first.program.map(|program| apart(launch, ids, program)).transpose()?.unwrap_or_default();
        for one in &apart {
            if let Some(key) = one.key {
                piece(&mut pieces, key).steps = one.steps;
            }
        }
        Ok(Self { launch, ids, whole, apart, pieces })
    }

    fn round(&mut self) -> Result<(), StartError> {
        self.whole_launches()?;
        let mut ends = Vec::with_capacity(self.apart.len());
        for one in &mut self.apart {
            let seen = seen(&mut one.script, self.ids, None)?;
            let end = ms(seen.gone.saturating_sub(seen.ready));
            ends.push(end);
            let Some(key) = one.key else { continue };
            let piece = piece(&mut self.pieces, key);
            let [begun, done, ..] = seen.marks;
            match one.without.and_then(|index| ends.get(index)) {
                None => {
                    piece.set_up_ms.push(ms(begun.saturating_sub(seen.cloned)));
                    piece.end_ms.push(end);
                }
                Some(without) => {
                    piece.set_up_ms.push(ms(done.saturating_sub(begun)) / one.times as f64);
                    piece.end_ms.push((end - without) / one.times as f64);
                }
            }
        }
        Ok(())
    }

    /// Every step of the launch's own script.
    fn whole_launches(&mut self) -> Result<(), StartError> {
        let mut sums: Vec<(Key, f64)> = Vec::new();
        let mut add = |key: Key, took: f64| match sums.iter_mut().find(|(known, _)| *known == key) {
            Some((_, sum)) => *sum += took,
            None => sums.push((key, took)),
        };
        let scripts = self.whole.len();
        let of_all = scripts as f64;
        for (index, (script, keys)) in self.whole.iter_mut().enumerate() {
            let before = now();
            let group = match &self.launch.cgroup {
                Some(place) => {
                    Some(place.create(&self.launch.settings_before()).map_err(StartError::io("make a cgroup"))?)
                }
                None => None,
            };
            let made = now();
            let seen = seen(script, self.ids, group.as_ref())?;
            let ended = now();
            let has_group = group.is_some();
            drop(group);
            let removed = now();
            for (key, times) in keys.iter().zip(seen.marks.windows(2)) {
                add(*key, ms(times[1].saturating_sub(times[0])));
            }
            // In each of these children; a launch has it once.
            if index == 0 {
                add(CLONE, ms(seen.marks[0].saturating_sub(seen.cloned)));
            }
            if index + 1 == scripts
                && let Some(done) = seen.marks.get(keys.len())
            {
                add(HELPER_ENDS, ms(seen.ready.saturating_sub(*done)));
            }
            add(MAPS, ms(seen.mapping) / of_all);
            add(END, ms(seen.gone.saturating_sub(seen.ready)) / of_all);
            if has_group {
                add(MADE, ms(made - before) / of_all);
                add(REMOVED, ms(removed - ended) / of_all);
            }
        }
        for (key, sum) in sums {
            let piece = piece(&mut self.pieces, key);
            piece.steps = piece.steps.max(1);
            piece.set_up_ms.push(sum);
        }
        Ok(())
    }
}

const PROCESS: Key = (Part::Clone, "a process without namespaces");
const CLONE: Key = (Part::Clone, "the first process, with four namespaces (user, mount, pid, uts)");
const MAPS: Key = (Part::Ids, "write the id maps");
const MADE: Key = (Part::Cgroup, "make the group, set its limits");
const REMOVED: Key = (Part::Cgroup, "remove the group");
const END: Key = (Part::Teardown, "end of the process, its namespaces and mounts");
/// Its last step detaches the old root, and the kernel waits until every processor has noticed.
const HELPER_ENDS: Key = (Part::Helper, "wait for its end: the old root is gone");
const WAIT: Key = (Part::Helper, "wait for what is made beside, enter it");

fn piece(pieces: &mut Vec<Piece>, (part, what): Key) -> &mut Piece {
    let at = pieces.iter().position(|piece| piece.part == part && piece.what == what).unwrap_or_else(|| {
        // Beside those of its part.
        let at = pieces.iter().rposition(|piece| piece.part <= part).map_or(0, |last| last + 1);
        let what = what.to_owned();
        pieces.insert(at, Piece { part, what, steps: 0, set_up_ms: Vec::new(), end_ms: Vec::new() });
        at
    });
    &mut pieces[at]
}

fn ms(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

/// The launch's script without its own marks.
fn script(launch: &Launch, ids: Ids) -> Result<Script, StartError> {
    let mut script =
        native::script(launch, ids, Network::New, None, None).map_err(StartError::io("prepare the sandbox"))?;
    script.ops.retain(|op| !matches!(op, Op::Mark(_)));
    Ok(script)
}

/// What the steps are, those in a row that are of one kind together, with their number.
fn segments(ops: &[Op]) -> Vec<(Key, usize)> {
    let mut segments: Vec<(Key, usize)> = Vec::new();
    for key in ops.iter().map(key) {
        match segments.last_mut() {
            Some((last, steps)) if *last == key => *steps += 1,
            _ => segments.push((key, 1)),
        }
    }
    segments
}

/// The steps, with a mark at the beginning of segment `from`, and one at the end of each of `count` from there on.
fn marked(ops: Vec<Op>, from: usize, count: usize) -> Vec<Op> {
    let mut all = Vec::with_capacity(ops.len() + MARKS);
    let (mut segment, mut last) = (0, None);
    let mark = |all: &mut Vec<Op>, segment: usize| {
        if (from..=from + count).contains(&segment) {
            all.push(Op::Mark(segment - from));
        }
    };
    for op in ops {
        let this = key(&op);
        if last != Some(this) {
            mark(&mut all, segment);
            segment += 1;
        }
        last = Some(this);
        all.push(op);
    }
    mark(&mut all, segment);
    all
}

/// What a step is part of.
fn key(op: &Op) -> Key {
    use Part as P;
    match op {
        Op::AwaitIds => (P::Ids, "wait until they are written"),
        Op::SetIds { .. } | Op::FilesAs { .. } => (P::Ids, "take the ids"),
        Op::EnterRoot { .. } => (P::Mounts, "a tmpfs as the new root"),
        Op::OpenTree { .. } | Op::KeepTree { .. } => (P::Mounts, "clone the host's trees, read-only"),
        Op::AttachTree { .. } => (P::Mounts, "attach the host's trees"),
        Op::Mount { .. } => (P::Mounts, "file systems of its own (/proc, /dev, /tmp, …)"),
        Op::Bind { .. } | Op::Hide { .. } | Op::Pin { .. } => (P::Mounts, "devices, and covers over files"),
        Op::Directory { .. } | Op::Symlink { .. } | Op::File { .. } | Op::CopyFile { .. } | Op::Blank { .. } => {
            (P::Mounts, "directories, links and files")
        }
        Op::OpenLayer { .. }
        | Op::MountOverlay { .. }
        | Op::BeginOverlay { .. }
        | Op::AddLayer { .. }
        | Op::FinishOverlay { .. } => (P::Mounts, "overlays"),
        Op::PivotRoot => (P::Mounts, "pivot_root"),
        Op::ReadOnlyTree { .. } => (P::Mounts, "make the tree read-only"),
        Op::PrivateMounts => (P::Mounts, "make the copied mounts private"),
        Op::HostName(_) => (P::Namespaces, "name the host"),
        Op::Await(_) | Op::Reached(_) | Op::EnterNamespace(_) => WAIT,
        Op::OpenDirectory { .. } | Op::GiveHandles(_) => (P::Helper, "hand descriptors to the supervisor"),
        Op::JoinCgroups => (P::Cgroup, "join the group"),
        Op::Unshare(_) => (P::Cgroup, "cgroup namespace"),
        Op::NewKeyring => (P::Privileges, "an empty keyring"),
        Op::Landlock(_) => (P::Privileges, "Landlock"),
        Op::DropPrivileges => (P::Privileges, "give up all capabilities"),
        _ => (P::Privileges, "file mode mask, working directory"),
    }
}

/// What is tried in children of its own.
fn apart(launch: &Launch, ids: Ids, program: Program) -> Result<Vec<Apart>, StartError> {
    use Namespaces as N;
    use Part as P;
    let one = |key, namespaces, before: Vec<Op>, timed: Vec<Op>, without| {
        let ops = before.into_iter().chain([Op::Mark(0)]).chain(timed).chain([Op::Mark(1)]).collect();
        let script = Script { namespaces, cgroup: None, ops, aside: Vec::new(), program: None };
        Apart { key, script, steps: 1, times: 1, without }
    };
    let (none, user) = (N::default(), N::USER);
    // Compared with a process in a user namespace, where everybody may make the others.
    let unshare =
        |what, namespace| one(Some((P::Namespaces, what)), user, vec![], vec![Op::Unshare(namespace)], Some(1));
    let limits = Op::Trial(Trial::Limits(program.rlimits.clone()));
    let filter = Op::Trial(Trial::Filter { code: program.filter.clone(), listener: Some(Slot(1)) });
    let no_new = Op::Trial(Trial::NoNewPrivileges);
    let in_tree = || -> Result<Vec<Op>, StartError> {
        let over = native::c_path(&launch.anchor).map_err(StartError::io("prepare the sandbox"))?;
        let (uid, gid) = ids.inside;
        Ok(vec![
            Op::PrivateMounts,
            Op::AwaitIds,
            Op::SetIds { uid, gid, groups: ids.groups },
            Op::EnterRoot { over, options: c"mode=0755,size=64k,nr_inodes=64".to_owned() },
            Op::Directory { path: c"at".to_owned(), mode: 0o755 },
        ])
    };
    let bind = |_| {
        let (slot, path) = (Slot(0), c"/usr".to_owned());
        let attributes = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
        [Op::OpenTree { slot, path, attributes, same: None }, Op::AttachTree { slot, at: c"at".to_owned() }]
    };
    let in_mounts = user.and(N::MOUNT);
    let binds = (0..BINDS).flat_map(bind).collect();
    Ok(vec![
        one(Some(PROCESS), none, vec![], vec![], None),
        one(None, user, vec![], vec![], None),
        one(Some((P::Namespaces, "user")), none, vec![], vec![Op::Unshare(user)], Some(0)),
        unshare("mount", N::MOUNT),
        unshare("pid", N::PID),
        unshare("uts", N::UTS),
        unshare("ipc", N::IPC),
        unshare("cgroup", N::CGROUP),
        unshare("network", N::NETWORK),
        one(None, in_mounts, in_tree()?, vec![], None),
        Apart {
            times: BINDS,
            ..one(Some((P::Mounts, "(one more tree, cloned and attached)")), in_mounts, in_tree()?, binds, Some(9))
        },
        Apart {
            steps: program.rlimits.len(),
            ..one(Some((P::Limits, "resource limits")), none, vec![], vec![limits], Some(0))
        },
        Apart {
            steps: program.filter.len(),
            ..one(Some((P::Filter, "instructions, and a listener")), none, vec![no_new], vec![filter], Some(0))
        },
    ])
}

/// Runs a script to the end of its child.
fn seen(script: &mut Script, ids: Ids, group: Option<&Group>) -> Result<Seen, StartError> {
    let (joins, maps) = (has(script, |op| matches!(op, Op::JoinCgroups)), has(script, |op| matches!(op, Op::AwaitIds)));
    script.cgroup = group.map_or(Ok(None), Group::birthplace).map_err(StartError::io("open the cgroup"))?;
    let cloned = now();
    let mut child = spawn(script).map_err(|source| failed("clone3".to_owned(), source))?;
    let before = now();
    if maps {
        let map = IdMap { uid: (ids.inside.0, ids.uid), gid: (ids.inside.1, ids.gid), groups: ids.groups };
        child.map_ids(map).map_err(|source| failed("write the id maps".to_owned(), source))?;
    }
    let mapping = now() - before;
    if joins {
        let files = group.map_or(Ok(Vec::new()), Group::join_files).map_err(StartError::io("open the cgroup"))?;
        // If this fails, the child has failed before and says so.
        let _ = child.go(&files.iter().map(OwnedFd::as_fd).collect::<Vec<_>>());
    }
    let (marks, ready) = until_ready(&child, script)?;
    wait(child.pidfd(), "a trial to end")?;
    let gone = now();
    child.reap();
    Ok(Seen { cloned, marks, mapping, ready, gone })
}

fn has(script: &Script, what: impl Fn(&Op) -> bool) -> bool {
    script.ops.iter().any(what)
}

fn until_ready(child: &Child, script: &Script) -> Result<([u64; MARKS], u64), StartError> {
    loop {
        match child.record() {
            Ok(Some(Record::Ready { marks, at, .. })) => return Ok((marks, at)),
            Ok(Some(Record::Failed { step, errno })) => {
                let step = script.step(step).map_or_else(|| "start a process".to_owned(), ToString::to_string);
                return Err(failed(step, io::Error::from_raw_os_error(errno)));
            }
            Ok(Some(Record::Handles(_) | Record::Stands { .. } | Record::Exited { .. })) => {}
            Ok(None) => return Err(StartError::KilledDuringSetup { during: "a trial" }),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(child.control(), "a trial")?,
            Err(error) => return Err(StartError::io("read the report of a trial")(error)),
        }
    }
}

/// Until it is readable, or the other end is gone.
fn wait(fd: std::os::fd::BorrowedFd<'_>, during: &'static str) -> Result<(), StartError> {
    let patience = Timespec::try_from(PATIENCE).ok();
    loop {
        match poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], patience.as_ref()) {
            Ok(0) => return Err(StartError::KilledDuringSetup { during }),
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(StartError::io("wait for a trial")(error.into())),
        }
    }
}

fn failed(step: String, source: io::Error) -> StartError {
    let hint = Some("`palisade doctor` tries each kernel feature and says how to fix it".to_owned());
    StartError::Setup { step, source, hint, about: About::Wall }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ops() -> Vec<Op> {
        let directory = || Op::Directory { path: c"a".to_owned(), mode: 0o755 };
        vec![Op::PrivateMounts, directory(), directory(), Op::PivotRoot, directory(), Op::NewKeyring]
    }

    #[test]
    fn steps_of_one_kind_in_a_row_are_one_segment() {
        let of = segments(&ops()).into_iter().map(|(_, steps)| steps).collect::<Vec<_>>();
        assert_eq!(of, [1, 2, 1, 1, 1]);
    }

    #[test]
    fn every_segment_is_between_two_marks_of_one_script() {
        let count = segments(&ops()).len();
        for (from, size) in [(0, 2), (2, 2), (4, count - 4)] {
            let marked = marked(ops(), from, size);
            let marks: Vec<usize> =
                marked.iter().filter_map(|op| if let Op::Mark(index) = op { Some(*index) } else { None }).collect();
            assert_eq!(marks, (0..=size).collect::<Vec<_>>(), "from {from}");
            assert_eq!(marked.len(), ops().len() + marks.len(), "no step is lost");
        }
        let all = marked(ops(), 0, count);
        assert!(matches!((all.first(), all.last()), (Some(Op::Mark(0)), Some(Op::Mark(5)))), "{all:?}");
    }
}
