//! A launch as a script for the kernel. Nothing is decided here.

use std::{
    collections::HashSet,
    ffi::CString,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

use palisade_spec::{NetworkPolicy, Upper};
use palisade_sys::{
    Listener, Namespaces, Op, Presence, Program, Script, Slot, Stage, Stdio,
    landlock::{Rules, Tcp, access},
};

use super::{
    HOST_NAME,
    files::{EMPTY, Entry, Kind, ROOT_INODES},
    launch::{Launch, Wall},
    layers::Stacks,
    syscalls,
};
use crate::job::Access;

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
const TERMINALS: u32 = 32;

/// Where the program's end of its terminal is kept, and the supervisor's.
const TERMINAL: Slot = Slot(palisade_sys::SLOTS - 5);
const MASTER: Slot = Slot(palisade_sys::SLOTS - 6);

/// `MOUNT_ATTR_*` of every host tree.
const HOST_TREE: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

/// The script for `launch`. It gives these handles away: /proc; /build if there is one; both ends of the terminal if there is
/// one. A program without pipes has a terminal.
pub(crate) fn script(launch: &Launch, pipes: Option<Pipes>, cgroup: Option<OwnedFd>) -> io::Result<Script> {
    let mut builder = Builder { ops: Vec::with_capacity(160), made: HashSet::new(), slot: 0, sealed: false };
    builder.ops.push(Op::Mark(marks::BORN));
    builder.ops.push(Op::Umask(0o022));
    builder.ops.push(Op::PrivateMounts);
    let mut trees = Vec::new();
    let mut stacks = Stacks::of(&launch.tree);
    for entry in &launch.tree {
        match entry {
            Entry::Host { from, access, .. } => {
                let slot = builder.next_slot()?;
                let read_only = if *access == Access::Read { libc::MOUNT_ATTR_RDONLY } else { 0 };
                let every = if launch.wall == Wall::Full { HOST_TREE } else { 0 };
                builder.ops.push(Op::OpenTree { slot, path: c_path(from)?, attributes: every | read_only });
                trees.push(slot);
            }
            Entry::Layers { lower, upper, .. } => trees.push(stacks.open(&mut builder, lower, upper)?),
            _ => {}
        }
    }
    builder.ops.push(Op::AwaitIds);
    builder.ops.push(Op::SetIds { uid: launch.ids.inside.0, gid: launch.ids.inside.1, groups: launch.ids.groups });
    builder.ops.push(Op::Mark(marks::IDS));
    let copied: u64 = launch.job.given.iter().map(|given| given.size.next_multiple_of(4096) + 4096).sum();
    builder.ops.push(Op::EnterRoot {
        over: c_path(&launch.anchor)?,
        options: c_string(format!("mode=0755,size={},nr_inodes={ROOT_INODES}", copied + (4 << 20)))?,
    });
    stacks.mount(&mut builder, launch.job.limits.tmp_inodes)?;
    let mut trees = trees.into_iter();
    for entry in &launch.tree {
        builder.entry(entry, &mut trees, launch)?;
    }
    if !builder.sealed {
        builder.pivot();
    }
    if launch.wall == Wall::Full {
        builder.ops.push(Op::HostName(c_string(HOST_NAME)?));
    }
    let namespaces = slow_namespaces(launch);
    if !namespaces.is_empty() {
        builder.ops.push(Op::Await(Stage::Namespaces));
        builder.ops.extend(namespaces.iter().map(|(slot, ..)| Op::EnterNamespace(*slot)));
    }
    builder.ops.push(Op::Mark(marks::FILES));
    builder.handles(launch)?;
    if launch.cgroup.is_some() && cgroup.is_none() {
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
    builder.ops.push(Op::WorkingDirectory(c_path(&launch.job.directory)?));
    builder.ops.push(Op::Mark(marks::PRIVILEGES));
    Ok(Script {
        namespaces: quick_namespaces(launch),
        cgroup,
        ops: builder.ops,
        aside: aside(launch, &namespaces)?,
        program: Some(program(launch, pipes)?),
    })
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
fn slow_namespaces(launch: &Launch) -> Vec<(Slot, Namespaces, &'static str)> {
    let ipc = (Slot(palisade_sys::SLOTS - 4), Namespaces::IPC, "/proc/self/ns/ipc");
    let network = (HIGHEST, Namespaces::NETWORK, "/proc/self/ns/net");
    match (launch.wall, &launch.job.network) {
        (Wall::Nothing, _) => Vec::new(),
        (Wall::Full, NetworkPolicy::AllowAll) => vec![ipc],
        (Wall::Full, _) => vec![ipc, network],
    }
}

/// Slots from [`MASTER`] on are not for trees.
const HIGHEST: Slot = Slot(palisade_sys::SLOTS - 3);

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
    ops.extend([Op::Await(Stage::Pivoted), Op::DetachOldRoot]);
    Ok(ops)
}

fn program(launch: &Launch, pipes: Option<Pipes>) -> io::Result<Program> {
    let job = &launch.job;
    let (filter, listener) = match launch.wall {
        Wall::Full => (syscalls::filter(&job.network)?, Listener::Parent),
        Wall::Nothing => (Vec::new(), Listener::Nobody),
    };
    Ok(Program {
        stdio: pipes.map_or(Stdio::Terminal(TERMINAL), |pipes| Stdio::Given(pipes.0)),
        rlimits: launch.rlimits.clone(),
        filter,
        listener,
        candidates: launch.candidates.iter().map(|path| c_string(path.as_str())).collect::<io::Result<_>>()?,
        arguments: job.command.iter().map(|word| c_string(word.as_str())).collect::<io::Result<_>>()?,
        environment: job
            .environment
            .iter()
            .map(|(name, value)| c_string(format!("{name}={value}")))
            .collect::<io::Result<_>>()?,
    })
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
            Entry::Scratch { at, .. } => rules.allow(c_path(at)?, access::READ | access::WRITE),
            Entry::Host { at, access: Access::Write, kind, .. } => {
                let rights = access::READ | access::WRITE;
                let rights = if *kind == Kind::File { rights & access::OF_FILES } else { rights };
                rules.allow(c_path(at)?, rights);
            }
            Entry::Layers { at, upper, .. } if *upper != Upper::ReadOnly => {
                rules.allow(c_path(at)?, access::READ | access::WRITE);
            }
            _ => {}
        }
    }
    Ok(rules)
}

pub(super) struct Builder {
    pub(super) ops: Vec<Op>,
    made: HashSet<PathBuf>,
    slot: usize,
    sealed: bool,
}

impl Builder {
    pub(super) fn next_slot(&mut self) -> io::Result<Slot> {
        if self.slot == MASTER.0 {
            return Err(io::Error::other(format!("more than {} host trees in one sandbox", self.slot)));
        }
        self.slot += 1;
        Ok(Slot(self.slot - 1))
    }

    /// As seen from the working directory: before the seal the new root is not the root yet.
    fn place(&self, at: &Path) -> io::Result<CString> {
        if self.sealed { c_path(at) } else { c_path(at.strip_prefix("/").unwrap_or(at)) }
    }

    pub(super) fn directory(&mut self, at: &Path) -> io::Result<()> {
        if at == Path::new("/") || self.made.contains(at) {
            return Ok(());
        }
        if let Some(parent) = at.parent() {
            self.directory(parent)?;
        }
        self.ops.push(Op::Directory { path: self.place(at)?, mode: 0o755 });
        self.made.insert(at.to_owned());
        Ok(())
    }

    fn parent_of(&mut self, at: &Path) -> io::Result<()> {
        at.parent().map_or(Ok(()), |parent| self.directory(parent))
    }

    fn mount_point(&mut self, at: &Path, kind: Kind) -> io::Result<()> {
        match kind {
            Kind::Directory => self.directory(at),
            Kind::File => {
                self.parent_of(at)?;
                if self.made.insert(at.to_owned()) {
                    self.ops.push(Op::File { path: self.place(at)?, content: Vec::new(), mode: 0o644 });
                }
                Ok(())
            }
        }
    }

    fn entry(&mut self, entry: &Entry, trees: &mut impl Iterator<Item = Slot>, launch: &Launch) -> io::Result<()> {
        match entry {
            Entry::Host { at, kind, .. } => {
                self.mount_point(at, *kind)?;
                if let Some(slot) = trees.next() {
                    self.ops.push(Op::AttachTree { slot, at: self.place(at)? });
                }
            }
            Entry::Layers { at, .. } => {
                self.directory(at)?;
                if let Some(slot) = trees.next() {
                    self.ops.push(Op::AttachTree { slot, at: self.place(at)? });
                }
            }
            Entry::Link { at, target } => {
                self.parent_of(at)?;
                self.ops.push(Op::Symlink { target: c_path(target)?, path: self.place(at)? });
            }
            Entry::Directory { at } => self.directory(at)?,
            Entry::Text { at, content } => {
                self.parent_of(at)?;
                if self.made.insert(at.clone()) {
                    let content = content.clone().into_bytes();
                    self.ops.push(Op::File { path: self.place(at)?, content, mode: 0o644 });
                }
            }
            Entry::Copy { at, number, mode } => {
                self.parent_of(at)?;
                let given = launch.job.given.get(*number).ok_or_else(|| io::Error::other("a file is missing"))?;
                self.ops.push(Op::CopyFile {
                    from: std::sync::Arc::clone(&given.content),
                    path: self.place(at)?,
                    mode: *mode,
                });
            }
            Entry::Proc => self.ops.push(Op::Mount {
                kind: c_string("proc")?,
                at: c_string("proc")?,
                flags: libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC,
                options: CString::default(),
            }),
            Entry::Terminals => {
                self.directory(Path::new("/dev/pts"))?;
                self.ops.push(Op::Mount {
                    kind: c_string("devpts")?,
                    at: self.place(Path::new("/dev/pts"))?,
                    flags: libc::MS_NOSUID | libc::MS_NOEXEC,
                    options: c_string(format!("newinstance,ptmxmode=0666,mode=0620,max={TERMINALS}"))?,
                });
            }
            Entry::Mask { at, kind } => {
                let source = match kind {
                    Kind::File => "dev/null",
                    Kind::Directory => EMPTY.trim_start_matches('/'),
                };
                let (source, at) = (c_string(source)?, self.place(at)?);
                self.ops.push(Op::Bind { source, at, presence: Presence::IfThere });
            }
            Entry::Device { at } => {
                self.mount_point(at, Kind::File)?;
                self.ops.push(Op::Bind { source: c_path(at)?, at: self.place(at)?, presence: Presence::Needed });
            }
            Entry::Seal => {
                self.ops.push(Op::ReadOnlyTree { attributes: libc::MOUNT_ATTR_NOSUID });
                self.pivot();
                self.sealed = true;
            }
            Entry::Scratch { at, size, inodes } => {
                // What was made below it is covered now.
                self.made.retain(|path| !path.starts_with(at) || path == at);
                self.ops.push(Op::Mount {
                    kind: c_string("tmpfs")?,
                    at: self.place(at)?,
                    flags: libc::MS_NOSUID | libc::MS_NODEV,
                    options: c_string(format!("mode=1777,size={size},nr_inodes={inodes}"))?,
                });
            }
        }
        Ok(())
    }

    fn pivot(&mut self) {
        self.ops.push(Op::PivotRoot);
        self.ops.push(Op::Reached(Stage::Pivoted));
    }

    fn handles(&mut self, launch: &Launch) -> io::Result<()> {
        let mut slots = Vec::new();
        let paths = std::iter::once("/proc").chain(launch.job.artefact.is_some().then_some("/build"));
        for path in paths {
            let slot = Slot(palisade_sys::SLOTS - 1 - slots.len());
            self.ops.push(Op::OpenDirectory { slot, path: c_string(path)? });
            slots.push(slot);
        }
        if let Some(size) = launch.job.terminal {
            let (rows, columns) = (size.rows, size.columns);
            self.ops.push(Op::OpenTerminal { master: MASTER, terminal: TERMINAL, rows, columns });
            slots.extend([MASTER, TERMINAL]);
        }
        self.ops.push(Op::GiveHandles(slots));
        Ok(())
    }
}

pub(super) fn c_string(text: impl Into<Vec<u8>>) -> io::Result<CString> {
    CString::new(text)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a NUL byte in a path, argument or variable"))
}

pub(super) fn c_path(path: &Path) -> io::Result<CString> {
    c_string(path.as_os_str().as_bytes())
}
