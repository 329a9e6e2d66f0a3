//! What a new process does before it executes a program, as data.
//!
//! The parent decides everything and prepares every string; the child (`child.rs`) only loops over the list. Paths that do
//! not begin with `/` are relative to the new root while it is being built.

use std::{ffi::CString, fmt, os::fd::OwnedFd, sync::Arc};

use crate::{landlock, seccomp::SockFilter, trial::Trial};

/// How many descriptors a script can hold at one time.
pub const SLOTS: usize = 256;

/// A place for a descriptor that one step makes and a later one uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub usize);

/// A file or directory, whatever it is called. Numbers are used again: it is the same only while somebody holds it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
}

/// Whether the thing a step names has to exist; the later, the more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// The step does nothing if it is gone, or a symbolic link is in its place: it was of a kind that no link is.
    Fleeting,
    /// The step does nothing if the kernel says `ENOENT`.
    IfThere,
    /// The script fails without it.
    Needed,
}

/// What becomes of a step whose place is in a directory that this process cannot enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Nothing is done: what this process cannot reach, the program cannot. It has the same ids and fewer privileges.
    Passed,
    /// The script fails: the program may own that directory, and open it.
    Refused,
}

/// One step.
#[derive(Debug)]
#[non_exhaustive]
pub enum Op {
    /// Makes every mount of the new namespace private.
    PrivateMounts,
    /// Clones the host tree at `path`, submounts included, and sets mount attributes on all of it.
    OpenTree {
        /// Where the tree is kept.
        slot: Slot,
        /// Absolute host path without symbolic links: a link that somebody puts there in the meantime is refused.
        path: CString,
        /// `MOUNT_ATTR_*` bits to set.
        attributes: u64,
        /// What the path has to be; anything else fails with `ESTALE`.
        same: Option<Identity>,
    },
    /// Keeps a tree that the parent has cloned: [`crate::mapped_tree`].
    KeepTree {
        /// Where the tree is kept.
        slot: Slot,
        /// Its descriptor.
        tree: Arc<OwnedFd>,
    },
    /// Waits until the parent has written the id maps.
    AwaitIds,
    /// Takes the mapped ids. The old groups are given up where that is allowed.
    SetIds {
        /// User id inside.
        uid: u32,
        /// Group id inside.
        gid: u32,
        /// Whether the namespace allows `setgroups`.
        groups: Groups,
    },
    /// Makes files as somebody else from now on (setfsuid(2)). Of the privileges over files, only that of reaching them stays.
    FilesAs {
        /// User.
        uid: u32,
        /// Group.
        gid: u32,
    },
    /// Mounts an empty tmpfs at the host path `over` and enters it: the new root.
    EnterRoot {
        /// A host directory that no later step needs.
        over: CString,
        /// tmpfs options.
        options: CString,
    },
    /// Makes a directory; one that exists is fine.
    Directory {
        /// Where.
        path: CString,
        /// Permission bits.
        mode: u32,
    },
    /// Makes a symbolic link.
    Symlink {
        /// What it says.
        target: CString,
        /// Where.
        path: CString,
    },
    /// Writes a small file.
    File {
        /// Where.
        path: CString,
        /// All of it.
        content: Vec<u8>,
        /// Permission bits.
        mode: u32,
    },
    /// Copies a file that the parent has open.
    CopyFile {
        /// Its descriptor.
        from: Arc<OwnedFd>,
        /// Where to.
        path: CString,
        /// Permission bits.
        mode: u32,
    },
    /// Makes an empty file and keeps it open for writing, whatever becomes of the mount that it is on.
    Blank {
        /// Where the descriptor is kept.
        slot: Slot,
        /// Its directory.
        directory: CString,
        /// Its name there.
        name: CString,
        /// Permission bits.
        mode: u32,
    },
    /// Attaches a tree that [`Op::OpenTree`] has cloned.
    AttachTree {
        /// Where it is kept.
        slot: Slot,
        /// Mount point, which exists.
        at: CString,
    },
    /// Opens a directory as a layer of an overlay.
    OpenLayer {
        /// Where it is kept.
        slot: Slot,
        /// Its path, in which no symbolic link is followed.
        path: CString,
    },
    /// Mounts an overlay of opened layers at a place, nosuid and nodev. All of them have to fit into one page of options:
    /// about 200.
    MountOverlay {
        /// The lower layers, of which the leftmost wins.
        lower: Vec<Slot>,
        /// What is written goes to the first, on the file system of the second, which is for the kernel alone. Without
        /// them the overlay is read-only.
        upper: Option<[Slot; 2]>,
        /// Mount point, which exists.
        at: CString,
    },
    /// Starts an overlay that grows layer by layer, [`OVERLAY_LAYERS`] at most (Linux 6.5).
    BeginOverlay {
        /// Where it is kept.
        slot: Slot,
    },
    /// Adds a directory to it.
    AddLayer {
        /// Where the overlay is kept.
        slot: Slot,
        /// As what. Of lower layers, the first one wins.
        role: LayerRole,
        /// Its path, in which no symbolic link is followed. Who may reach it is asked in this step.
        path: CString,
    },
    /// Makes it a tree for [`Op::AttachTree`]: of two lower layers at least, or one and an upper one. Whoever the process is in this step acts on the layers, whoever uses them.
    FinishOverlay {
        /// Where it is kept.
        slot: Slot,
        /// `MOUNT_ATTR_*` bits to set.
        attributes: u64,
    },
    /// Binds one file or directory over another.
    Bind {
        /// What to show.
        source: CString,
        /// Over what.
        at: CString,
        /// Whether both have to exist.
        presence: Presence,
    },
    /// Mounts something over itself, submounts included. It, and each directory above it in which it is mounted so, can then
    /// be neither moved nor removed.
    Pin {
        /// Absolute path; behind a symbolic link, the step fails.
        path: CString,
        /// `MOUNT_ATTR_*` bits to set.
        attributes: u64,
        /// Whether it has to exist.
        presence: Presence,
    },
    /// Covers one file or directory by an empty one.
    Hide {
        /// Absolute path; behind a symbolic link, nothing is covered and the step fails.
        path: CString,
        /// An empty directory, to cover a directory by.
        directory: CString,
        /// An empty file, to cover anything else by.
        file: CString,
        /// Whether it has to exist.
        presence: Presence,
        /// What becomes of it in a directory that nobody here can enter.
        closed: Closed,
    },
    /// Mounts a new file system.
    Mount {
        /// `tmpfs`, `proc`, …
        kind: CString,
        /// Mount point, which exists.
        at: CString,
        /// `MS_*` bits.
        flags: u64,
        /// File system options.
        options: CString,
    },
    /// Makes the new root the root. The old one is stacked over it until [`Op::DetachOldRoot`].
    PivotRoot,
    /// Detaches the root that [`Op::PivotRoot`] has replaced.
    DetachOldRoot,
    /// Makes everything mounted in the new root so far read-only, submounts included, and sets further attributes.
    ReadOnlyTree {
        /// `MOUNT_ATTR_*` bits beside read-only.
        attributes: u64,
    },
    /// Names the host inside a UTS namespace.
    HostName(CString),
    /// Brings the loopback of the network namespace up.
    LoopbackUp,
    /// Opens a directory for the parent.
    OpenDirectory {
        /// Where it is kept.
        slot: Slot,
        /// Which.
        path: CString,
    },
    /// Opens a new pseudo-terminal of the devpts at /dev/pts.
    OpenTerminal {
        /// Where the supervisor's end is kept.
        master: Slot,
        /// Where the program's end is kept.
        terminal: Slot,
        /// Lines.
        rows: u16,
        /// Signs in a line.
        columns: u16,
    },
    /// Gives descriptors to the parent, as one [`crate::Record::Handles`].
    GiveHandles(Vec<Slot>),
    /// Waits for the parent's go-ahead and joins the cgroups whose `tasks` files come with it.
    JoinCgroups,
    /// Leaves the named namespaces for new ones.
    Unshare(Namespaces),
    /// Opens a namespace that this process is in.
    OpenNamespace {
        /// Where it is kept.
        slot: Slot,
        /// `/proc/self/ns/…`.
        path: CString,
    },
    /// Enters a namespace that was opened.
    EnterNamespace(Slot),
    /// Waits until the other of the two processes that set up has come as far as its [`Op::Reached`] of this number.
    Await(Stage),
    /// Waits until the old root is gone. As the last step: the helper may go on meanwhile, and is not waited for. The call that
    /// detaches the old root returns later than it is gone: the kernel waits for all processors to notice.
    UntilDetached,
    /// Tells the other process that this one has come so far.
    Reached(Stage),
    /// Starts an empty session keyring.
    NewKeyring,
    /// Restricts itself by Landlock (after which no privilege can be gained).
    Landlock(landlock::Rules),
    /// Gives up every capability for good, and the ability to gain privileges.
    DropPrivileges,
    /// Becomes another user, if one is named, and gives up what it has of privileges: for processes that start with any, or none.
    GiveUp(Option<(u32, u32)>),
    /// Leaves its user namespace for a new one.
    OwnUsers {
        /// What is written to its `uid_map`.
        users: CString,
        /// What is written to its `gid_map`.
        groups: CString,
    },
    /// Becomes the one that processes without a parent are given to (PR_SET_CHILD_SUBREAPER), which reaps them.
    AdoptOrphans,
    /// If the program ends with 0 and leaves anybody behind, the first process ends with the last of them.
    OutliveProgram,
    /// Sets the file mode mask.
    Umask(u32),
    /// Enters a directory.
    WorkingDirectory(CString),
    /// Notes the time under a number below [`crate::MARKS`].
    Mark(usize),
    /// Shows something, for a probe.
    Trial(Trial),
    /// Calls a function. For tests of the rule that nothing here allocates.
    #[doc(hidden)]
    Call(fn() -> i32),
}

/// What a directory is to an overlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerRole {
    /// Read, and never written.
    Lower,
    /// Where everything that is written goes.
    Upper,
    /// An empty directory on the same mount as the upper one, for the kernel alone.
    Work,
}

/// Most lower layers of one overlay (`OVL_MAX_STACK` in fs/overlayfs/params.h).
pub const OVERLAY_LAYERS: usize = 500;

/// Points at which one of the two processes that set up waits for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Stage {
    /// There are the namespaces that the helper makes.
    Namespaces = 0,
    /// The new root is the root.
    Pivoted = 1,
    /// The old root is gone: until then, a link to `/..` leads onto it.
    Detached = 2,
}

/// How many [`Stage`]s there are.
pub(crate) const STAGES: usize = 3;

/// What happens to supplementary groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Groups {
    /// Given up.
    Drop,
    /// `setgroups` is denied in this namespace (an ordinary user made it), so they stay as they are.
    Denied,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PrivateMounts => f.write_str("make the mounts private"),
            Self::OpenTree { path, .. } => write!(f, "open the host's {}", path.to_string_lossy()),
            Self::KeepTree { .. } => f.write_str("keep a tree"),
            Self::Hide { path, .. } => write!(f, "hide {}", path.to_string_lossy()),
            Self::Pin { path, .. } => write!(f, "hold {} in its place", path.to_string_lossy()),
            Self::AwaitIds => f.write_str("wait for the id maps"),
            Self::SetIds { uid, gid, .. } => write!(f, "become user {uid} and group {gid}"),
            Self::FilesAs { uid, gid } => write!(f, "make files as user {uid} and group {gid}"),
            Self::EnterRoot { .. } => f.write_str("make a new root"),
            Self::Directory { path, .. } => write!(f, "make the directory /{}", path.to_string_lossy()),
            Self::Symlink { path, .. } => write!(f, "make the link /{}", path.to_string_lossy()),
            Self::File { path, .. } | Self::CopyFile { path, .. } => write!(f, "write /{}", path.to_string_lossy()),
            Self::Blank { directory, name, .. } => {
                write!(f, "make the file /{}/{}", directory.to_string_lossy(), name.to_string_lossy())
            }
            Self::OpenLayer { path, .. } | Self::AddLayer { path, .. } => {
                write!(f, "open the layer {}", path.to_string_lossy())
            }
            Self::BeginOverlay { .. } => f.write_str("begin an overlay"),
            Self::FinishOverlay { .. } => f.write_str("mount an overlay"),
            Self::MountOverlay { lower, .. } => write!(f, "mount an overlay of {} layers", lower.len()),
            Self::AttachTree { at, .. } | Self::Bind { at, .. } => write!(f, "bind /{}", at.to_string_lossy()),
            Self::Mount { kind, at, .. } => write!(f, "mount {} on /{}", kind.to_string_lossy(), at.to_string_lossy()),
            Self::PivotRoot => f.write_str("pivot_root"),
            Self::DetachOldRoot => f.write_str("detach the old root"),
            Self::ReadOnlyTree { .. } => f.write_str("make the root read-only"),
            Self::HostName(_) => f.write_str("set the host name"),
            Self::LoopbackUp => f.write_str("bring the loopback up"),
            Self::OpenDirectory { path, .. } => write!(f, "open {}", path.to_string_lossy()),
            Self::OpenTerminal { .. } => f.write_str("open a pseudo-terminal"),
            Self::GiveHandles(_) => f.write_str("give descriptors to the supervisor"),
            Self::JoinCgroups => f.write_str("join the cgroups"),
            Self::Unshare(namespaces) => write!(f, "make namespaces: {namespaces}"),
            Self::OpenNamespace { path, .. } => write!(f, "open {}", path.to_string_lossy()),
            Self::EnterNamespace(_) => f.write_str("enter a namespace"),
            Self::Await(stage) => write!(f, "wait for {stage:?}"),
            Self::UntilDetached => f.write_str("wait until the old root is gone"),
            Self::Reached(stage) => write!(f, "tell of {stage:?}"),
            Self::NewKeyring => f.write_str("start an empty keyring"),
            Self::Landlock(_) => f.write_str("restrict itself by Landlock"),
            Self::DropPrivileges => f.write_str("give up all capabilities"),
            Self::GiveUp(None) => f.write_str("give up all privileges"),
            Self::GiveUp(Some((uid, gid))) => write!(f, "become user {uid} and group {gid} without privileges"),
            Self::OwnUsers { .. } => f.write_str("make a user namespace"),
            Self::AdoptOrphans => f.write_str("adopt orphans"),
            Self::OutliveProgram => f.write_str("outlive the program"),
            Self::Umask(_) => f.write_str("set the file mode mask"),
            Self::WorkingDirectory(path) => write!(f, "enter {}", path.to_string_lossy()),
            Self::Mark(_) => f.write_str("note the time"),
            Self::Trial(trial) => trial.fmt(f),
            Self::Call(_) => f.write_str("call a test function"),
        }
    }
}

/// `CLONE_NEW*` bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Namespaces(pub u64);

impl Namespaces {
    /// Cgroup.
    pub const CGROUP: Self = Self(libc::CLONE_NEWCGROUP as u64);
    /// System V IPC and POSIX message queues.
    pub const IPC: Self = Self(libc::CLONE_NEWIPC as u64);
    /// Mounts.
    pub const MOUNT: Self = Self(libc::CLONE_NEWNS as u64);
    /// Network.
    pub const NETWORK: Self = Self(libc::CLONE_NEWNET as u64);
    /// Processes.
    pub const PID: Self = Self(libc::CLONE_NEWPID as u64);
    /// Users and capabilities.
    pub const USER: Self = Self(libc::CLONE_NEWUSER as u64);
    /// Host name.
    pub const UTS: Self = Self(libc::CLONE_NEWUTS as u64);

    /// Whether all of the others are among these.
    #[must_use]
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Namespaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [
            (Self::CGROUP, "cgroup"),
            (Self::IPC, "ipc"),
            (Self::MOUNT, "mount"),
            (Self::NETWORK, "network"),
            (Self::PID, "pid"),
            (Self::USER, "user"),
            (Self::UTS, "uts"),
        ];
        let names: Vec<&str> = all.iter().filter(|(one, _)| self.contains(*one)).map(|(_, name)| *name).collect();
        f.write_str(&names.join(", "))
    }
}

/// A resource limit of setrlimit(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rlimit {
    /// `RLIMIT_*`.
    pub resource: u32,
    /// Soft and hard, both the same.
    pub value: u64,
}

/// What the second process executes, and what holds for it alone.
#[derive(Debug)]
pub struct Program {
    /// Its standard input, output and error.
    pub stdio: Stdio,
    /// Its resource limits.
    pub rlimits: Vec<Rlimit>,
    /// Its system call filter; empty for none. A filter that notifies sends its listener to the parent.
    pub filter: Vec<SockFilter>,
    /// Whether the filter has a listener.
    pub listener: Listener,
    /// Written to its standard error when nothing is left to be done but to execute it: before all that it writes itself.
    pub announcement: Vec<u8>,
    /// Paths to try in turn.
    pub candidates: Vec<CString>,
    /// Its arguments, its own name first.
    pub arguments: Vec<CString>,
    /// Its environment, `NAME=value`.
    pub environment: Vec<CString>,
}

/// Where a program's three streams lead.
#[derive(Debug)]
pub enum Stdio {
    /// To these descriptors of the parent.
    Given([OwnedFd; 3]),
    /// All three to the terminal that [`Op::OpenTerminal`] has opened. It controls the program's session.
    Terminal(Slot),
    /// The parent says it later, with the program's paths, arguments and environment, which are empty here: the process does
    /// everything else and waits ([`crate::Record::Stands`], [`crate::Child::execute`]).
    Told,
    /// Not said yet: the script is kept for another run. A program is not started like that, `EBADF`.
    Later,
}

/// Whether a filter has somebody who answers its notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// The parent, who gets a descriptor for it.
    Parent,
    /// Nobody: the filter does not notify.
    Nobody,
}

/// A whole launch.
#[derive(Debug)]
pub struct Script {
    /// Namespaces made by the clone itself.
    pub namespaces: Namespaces,
    /// A cgroup v2 directory to be born in.
    pub cgroup: Option<OwnedFd>,
    /// Steps of the first process.
    pub ops: Vec<Op>,
    /// Steps of a helper that runs beside the first process until it starts the program, and shares memory and descriptors
    /// with it: for what makes the kernel wait long, such as a new network namespace.
    pub aside: Vec<Op>,
    /// What the second process executes. `None`: the first one exits when its steps are done (a probe).
    pub program: Option<Program>,
}

impl Script {
    /// The step that [`crate::Record::Failed`] names; `None` for executing the program.
    #[must_use]
    pub fn step(&self, number: usize) -> Option<&Op> {
        self.ops.get(number).or_else(|| self.aside.get(number.checked_sub(self.ops.len() + 1)?))
    }
}
