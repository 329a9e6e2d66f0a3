//! A launch as a script for the kernel. Nothing is decided here.

use std::{
    ffi::CString,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use palisade_spec::{Keep, NetworkPolicy, Upper};
use palisade_sys::{
    Listener, Namespaces, Op, Program, Script, Slot, Stage, Stdio, cgroup,
    landlock::{Rules, Tcp, access},
};

use super::{
    HOST_NAME,
    builder::{Builder, Target},
    files::{Entry, Kind, ROOT_INODES},
    launch::{Launch, Wall},
    layers::Stacks,
    owners::HOST_TREE,
    syscalls::{self, Denied, SetId},
};
use crate::{
    host::Ids,
    job::{Access, Base, Job},
    language::BUILD,
    outputs,
    resolve::SOURCE,
};

/// Points in time that a script notes.
pub(crate) mod marks {
    /// The child runs.
    pub(crate) const BORN: usize = 0;
    /// It has its ids.
    pub(crate) const IDS: usize = 1;
    /// Its file tree stands.
    pub(crate) const FILES: usize = 2;
    /// It is in its cgroup.
    pub(crate) const CGROUP: usize = 3;
    /// It has no privileges left.
    pub(crate) const PRIVILEGES: usize = 4;
}

/// The program's ends of its three streams.
#[derive(Debug)]
pub(crate) struct Pipes(pub(crate) [OwnedFd; 3]);

/// Pseudo-terminals that one sandbox can have; all sandboxes together share the host's `kernel.pty.max`.
pub(super) const TERMINALS: u32 = 32;

/// Whose network namespace a closed sandbox has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Network {
    /// Its own.
    #[default]
    New,
    /// That of the thread which starts it: an empty one, in which nothing else is ([`crate::lane`]).
    OfThread,
}

/// The script for `launch` with these ids. It gives the handles of [`handles`] away, then both ends of the terminal if there
/// is one. A program without pipes has a terminal.
pub(crate) fn script(
    launch: &Launch,
    ids: Ids,
    network: Network,
    pipes: Option<Pipes>,
    cgroup: Option<OwnedFd>,
) -> io::Result<Script> {
    let mut builder = Builder::new(Target::Root);
    builder.ops.push(Op::Mark(marks::BORN));
    builder.ops.push(Op::Umask(0o022));
    builder.ops.push(Op::PrivateMounts);
    let opened = Opened::of(launch, ids, &mut builder)?;
    builder.ops.push(Op::AwaitIds);
    builder.ops.push(Op::SetIds { uid: ids.inside.0, gid: ids.inside.1, groups: ids.groups });
    builder.ops.push(Op::Mark(marks::IDS));
    builder.ops.push(Op::EnterRoot { over: c_path(&launch.anchor)?, options: root_options(launch)? });
    opened.build(launch, &mut builder)?;
    builder.pivot();
    if launch.wall == Wall::Full {
        builder.ops.push(Op::HostName(c_string(HOST_NAME)?));
    }
    let namespaces = slow_namespaces(launch, network);
    if !namespaces.is_empty() {
        builder.ops.push(Op::Await(Stage::Namespaces));
        builder.ops.extend(namespaces.iter().map(|(slot, ..)| Op::EnterNamespace(*slot)));
    }
    builder.ops.push(Op::Mark(marks::FILES));
    builder.handles(launch)?;
    if matches!(launch.cgroup, Some(cgroup::Place::V1 { .. })) {
        builder.ops.push(Op::JoinCgroups);
    }
    if launch.wall == Wall::Full {
        // Only now: the root of the cgroup namespace is the group that the caller of unshare is in.
        builder.ops.push(Op::Unshare(Namespaces::CGROUP));
    }
    builder.ops.push(Op::Mark(marks::CGROUP));
    if launch.wall == Wall::Full {
        builder.ops.push(Op::NewKeyring);
        if launch.landlock > 0 {
            builder.ops.push(Op::Landlock(landlock(launch)?));
        }
        builder.ops.push(Op::DropPrivileges);
    }
    // In a host tree that others can change, its path may have become a link, and that may lead anywhere but out. Places of
    // the sandbox's own need no wait, and the kernel takes its time to detach.
    let job = &launch.job;
    if job.base == Base::Host || job.shown.iter().any(|shown| job.directory.starts_with(&shown.at)) {
        builder.ops.push(Op::Await(Stage::Detached));
    }
    builder.ops.push(Op::WorkingDirectory(c_path(&launch.job.directory)?));
    builder.ops.push(Op::Mark(marks::PRIVILEGES));
    // Where the helper is in the run's group, it counts as one of its tasks until it has ended.
    if matches!(launch.cgroup, Some(cgroup::Place::V1 { pids: Some(_), .. })) {
        builder.ops.push(Op::UntilDetached);
    }
    Ok(Script {
        namespaces: quick_namespaces(launch),
        cgroup,
        ops: builder.ops,
        aside: aside(launch, &namespaces)?,
        program: Some(program(launch, pipes)?),
    })
}

/// The host's trees of a launch, opened before the process takes its ids, and not yet in their places.
pub(crate) struct Opened<'a> {
    trees: Vec<Slot>,
    stacks: Stacks<'a>,
}

impl<'a> Opened<'a> {
    /// Opens them.
    pub(crate) fn of(launch: &'a Launch, ids: Ids, builder: &mut Builder) -> io::Result<Self> {
        let mut trees = Vec::new();
        let mut stacks = Stacks::of(&launch.tree);
        for entry in &launch.tree {
            if let Entry::Layers { lower, upper, .. } = entry {
                trees.push(stacks.open(builder, lower, upper)?);
            }
            if let Entry::Host { from, access, owner, held, .. } = entry {
                let slot = builder.next_slot()?;
                let read_only = if *access == Access::Write { 0 } else { libc::MOUNT_ATTR_RDONLY };
                let every = if launch.wall == Wall::Full { HOST_TREE } else { 0 };
                let attributes = every | read_only;
                builder.ops.push(match (owner, held) {
                    (Some(_), Some(held)) => {
                        Op::KeepTree { slot, tree: Arc::new(super::owners::tree(held, attributes, ids)?) }
                    }
                    _ => {
                        let same = held.as_ref().map(|held| held.identity);
                        Op::OpenTree { slot, path: c_path(from)?, attributes, same }
                    }
                });
                trees.push(slot);
            }
        }
        Ok(Self { trees, stacks })
    }

    /// Builds the file tree in the working directory, which is empty and writable.
    pub(crate) fn build(self, launch: &Launch, builder: &mut Builder) -> io::Result<()> {
        self.stacks.mount(builder, launch.job.limits.tmp_inodes)?;
        let mut trees = self.trees.into_iter();
        launch.tree.iter().try_for_each(|entry| builder.entry(entry, &mut trees, launch))
    }
}

/// tmpfs options of the new root, with room for the files that are copied into it.
pub(crate) fn root_options(launch: &Launch) -> io::Result<CString> {
    let copied: u64 = launch.job.given.iter().map(|given| given.size.next_multiple_of(4096) + 4096).sum();
    let blank = if launch.job.blank().is_some() { SOURCE } else { 0 };
    c_string(format!("mode=0755,size={},nr_inodes={ROOT_INODES}", copied + blank + (4 << 20)))
}

/// What of a script holds for every run of its launch; `None` if a step of it is for one run alone.
pub(crate) fn of_every_run(mut script: Script) -> Option<Script> {
    let program = script.program.as_mut()?;
    program.stdio = Stdio::Later;
    script.cgroup = None;
    let of_one_run = |op: &Op| matches!(op, Op::KeepTree { .. } | Op::OpenTerminal { .. });
    (!script.ops.iter().any(of_one_run)).then_some(script)
}

/// The other way round. As with [`script`], but the ids were those of another run: no step that is kept has them.
pub(crate) fn of_this_run(mut script: Script, pipes: Option<Pipes>, cgroup: Option<OwnedFd>) -> Script {
    if let (Some(program), Some(pipes)) = (&mut script.program, pipes) {
        program.stdio = Stdio::Given(pipes.0);
    }
    Script { cgroup, ..script }
}

/// The same for a sandbox that is set up before its program is known.
pub(crate) fn of_a_cell(mut script: Script) -> Script {
    // Nobody waits for it, and its first process reaps nobody before the program starts.
    script.ops.retain(|op| !matches!(op, Op::UntilDetached));
    if let Some(program) = &mut script.program {
        program.stdio = Stdio::Told;
        for words in [&mut program.candidates, &mut program.arguments, &mut program.environment] {
            words.clear();
        }
    }
    script
}

/// The namespaces that the clone makes. The cgroup namespace follows when the cgroup is joined.
fn quick_namespaces(launch: &Launch) -> Namespaces {
    use Namespaces as N;
    let least = N::USER.and(N::MOUNT).and(N::PID);
    match launch.wall {
        Wall::Nothing => least,
        Wall::Full => least.and(N::UTS),
    }
}

/// Those that take long: the helper makes them, and the first process enters them.
fn slow_namespaces(launch: &Launch, of: Network) -> Vec<(Slot, Namespaces, &'static str)> {
    let ipc = (Slot(HIGHEST.0 - 1), Namespaces::IPC, "/proc/self/ns/ipc");
    let network = (HIGHEST, Namespaces::NETWORK, "/proc/self/ns/net");
    match (launch.wall, &launch.job.network) {
        (Wall::Nothing, _) => Vec::new(),
        (Wall::Full, NetworkPolicy::AllowAll) => vec![ipc],
        (Wall::Full, NetworkPolicy::None) if of == Network::OfThread => vec![ipc],
        (Wall::Full, _) => vec![ipc, network],
    }
}

/// Slots from [`BLANK`] on are not for trees. The last eight are for handles.
const HIGHEST: Slot = Slot(palisade_sys::SLOTS - 13);
/// Where the program's end of its terminal is kept, and the supervisor's.
pub(super) const TERMINAL: Slot = Slot(palisade_sys::SLOTS - 15);
pub(super) const MASTER: Slot = Slot(palisade_sys::SLOTS - 16);
/// The file that gets its content later.
pub(super) const BLANK: Slot = Slot(palisade_sys::SLOTS - 17);
/// The upper layer of an overlay for the parent, then the two that the overlay is made of, then its lower one.
pub(super) const UPPER_SLOTS: [Slot; 4] = [
    Slot(palisade_sys::SLOTS - 9),
    Slot(palisade_sys::SLOTS - 10),
    Slot(palisade_sys::SLOTS - 11),
    Slot(palisade_sys::SLOTS - 12),
];

/// What is done beside the file tree, because the kernel makes it wait: a new network namespace takes as long as all the
/// others together, and unmounting waits for every processor to have noticed (synchronize_rcu in fs/namespace.c).
fn aside(launch: &Launch, namespaces: &[(Slot, Namespaces, &str)]) -> io::Result<Vec<Op>> {
    let mut ops = Vec::new();
    if let Some(all) = namespaces.iter().map(|(_, namespace, _)| *namespace).reduce(Namespaces::and) {
        ops.push(Op::Unshare(all));
        if launch.job.network == NetworkPolicy::Loopback {
            ops.push(Op::LoopbackUp);
        }
        for (slot, _, path) in namespaces {
            ops.push(Op::OpenNamespace { slot: *slot, path: c_string(*path)? });
        }
        ops.push(Op::Reached(Stage::Namespaces));
    }
    ops.extend([Op::Await(Stage::Pivoted), Op::DetachOldRoot, Op::Reached(Stage::Detached)]);
    Ok(ops)
}

fn program(launch: &Launch, pipes: Option<Pipes>) -> io::Result<Program> {
    let job = &launch.job;
    let (filter, listener) = match launch.wall {
        Wall::Full => (syscalls::filter(&job.network, Denied::Notify, set_id(launch))?, Listener::Parent),
        Wall::Nothing => (Vec::new(), Listener::Nobody),
    };
    Ok(Program {
        stdio: pipes.map_or(Stdio::Terminal(TERMINAL), |pipes| Stdio::Given(pipes.0)),
        rlimits: launch.rlimits.clone(),
        filter,
        listener,
        announcement: Vec::new(),
        candidates: launch.candidates.iter().map(|path| c_string(path.as_str())).collect::<io::Result<_>>()?,
        arguments: job.command.iter().map(|word| c_string(word.as_str())).collect::<io::Result<_>>()?,
        environment: variables(&job.environment)?,
    })
}

/// `NAME=value` for each variable.
pub(crate) fn variables(environment: &[(String, String)]) -> io::Result<Vec<CString>> {
    environment.iter().map(|(name, value)| c_string(format!("{name}={value}"))).collect()
}

fn landlock(launch: &Launch) -> io::Result<Rules> {
    let tcp = match &launch.job.network {
        NetworkPolicy::None => Tcp::Forbidden,
        NetworkPolicy::Loopback | NetworkPolicy::Custom(_) | NetworkPolicy::AllowAll => Tcp::Free,
    };
    let mut rules = Rules::everything(launch.landlock, tcp);
    rules.allow(c_string("/")?, access::READ);
    rules.allow(c_string("/dev")?, access::READ | access::WRITE_FILE | access::TRUNCATE | access::IOCTL_DEV);
    for entry in &launch.tree {
        match entry {
            Entry::Scratch { at, .. } | Entry::Overlay { at } => {
                rules.allow(c_path(at)?, access::READ | access::WRITE);
            }
            Entry::Layers { at, upper, .. } if *upper != Upper::ReadOnly => {
                rules.allow(c_path(at)?, access::READ | access::WRITE);
            }
            Entry::Host { at, access: Access::Write, kind, .. } => {
                let rights = access::READ | access::WRITE;
                let rights = if *kind == Kind::File { rights & access::OF_FILES } else { rights };
                rules.allow(c_path(at)?, rights);
            }
            _ => {}
        }
    }
    Ok(rules)
}

/// A directory of the sandbox that the supervisor gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Handle {
    /// One with this path.
    Place(PathBuf),
    /// The upper layer of the overlay, which has no path any more.
    Upper,
    /// The file that gets its content later.
    Blank,
}

/// What a launch of this job gives away, in order: `/proc`, `/build` if there is one, the upper layer if its changes are
/// wanted, the file that gets its content later, the places of outputs.
pub(crate) fn handles(job: &Job) -> Vec<Handle> {
    let mut handles = vec![Handle::Place("/proc".into())];
    if job.artefact.is_some() {
        handles.push(Handle::Place(BUILD.into()));
    }
    if job.overlay.as_ref().is_some_and(|overlay| overlay.changes != Keep::Nothing) {
        handles.push(Handle::Upper);
    }
    if job.blank().is_some() {
        handles.push(Handle::Blank);
    }
    handles.extend(outputs::places(job).into_iter().map(Handle::Place));
    handles
}

/// Whether the program may make files that run as their owner: on the host they would, wherever it can leave one.
pub(crate) fn set_id(launch: &Launch) -> SetId {
    let stays = |entry: &Entry| {
        matches!(entry, Entry::Host { access: Access::Write, .. } | Entry::Layers { upper: Upper::Kept { .. }, .. })
    };
    if launch.tree.iter().any(stays) { SetId::Refused } else { SetId::Free }
}

pub(crate) fn c_string(text: impl Into<Vec<u8>>) -> io::Result<CString> {
    CString::new(text)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a NUL byte in a path, argument or variable"))
}

pub(crate) fn c_path(path: &Path) -> io::Result<CString> {
    c_string(path.as_os_str().as_bytes())
}
