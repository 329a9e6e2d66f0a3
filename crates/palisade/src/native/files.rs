//! The file tree that a program sees, as an ordered list.
//!
//! Everything before [`Entry::Seal`] becomes read-only, submounts included; what comes after may be writable. Not here:
//! the calls that build it (`script.rs`).

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use palisade_spec::{Layers, NetworkPolicy, Upper};
use palisade_sys::{Closed, Presence};
use serde::Serialize;

use super::inner;
use crate::{
    host::{self, Host, System, is_left_out},
    job::{Access, Base, Held, Job, Shown},
};

/// One step of building the tree. Later entries cover earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub enum Entry {
    /// A host tree, its submounts included; parents are made.
    Host {
        /// On the host.
        from: PathBuf,
        /// In the sandbox.
        at: PathBuf,
        /// File or directory.
        kind: Kind,
        /// What the program may do there.
        access: Access,
        /// User and group whose files are the program's there.
        #[serde(skip_serializing_if = "Option::is_none")]
        owner: Option<(u32, u32)>,
        /// What was checked.
        #[serde(skip)]
        held: Option<Arc<Held>>,
    },
    /// An empty directory in memory, over one that the program may not enter and that has something of its own inside.
    Cover {
        /// Where.
        at: PathBuf,
    },
    /// Host directories laid over each other.
    Layers {
        /// In the sandbox.
        at: PathBuf,
        /// On the host; the leftmost wins.
        lower: Vec<PathBuf>,
        /// Where writes go.
        upper: Upper,
    },
    /// A symbolic link.
    Link {
        /// Where.
        at: PathBuf,
        /// What it says.
        target: PathBuf,
    },
    /// An empty directory.
    Directory {
        /// Where.
        at: PathBuf,
    },
    /// A file with fixed content.
    Text {
        /// Where.
        at: PathBuf,
        /// All of it.
        content: String,
    },
    /// A copy of the n-th file that the stage gives.
    Copy {
        /// Where.
        at: PathBuf,
        /// Which of `Job::given`.
        number: usize,
        /// Permission bits.
        mode: u32,
    },
    /// A file that is written when the sandbox's program is known, and read-only for it.
    Blank {
        /// Where.
        at: PathBuf,
    },
    /// A fresh process file system.
    Proc,
    /// Something of /proc that tells about the host, covered if it exists.
    Mask {
        /// What.
        at: PathBuf,
        /// File or directory.
        kind: Kind,
    },
    /// A device node of the host.
    Device {
        /// Its path on both sides.
        at: PathBuf,
    },
    /// Pseudo-terminals of the sandbox's own, with the /dev/ptmx that makes more of them.
    Terminals,
    /// From here on, everything above is the root and read-only.
    Seal,
    /// An empty, writable, sized file system in memory.
    Scratch {
        /// Where; the directory exists.
        at: PathBuf,
        /// Bytes.
        size: u64,
        /// Files and directories.
        inodes: u32,
    },
    /// Space for what is written to an overlay.
    Upper {
        /// Bytes.
        size: u64,
        /// Files and directories.
        inodes: u32,
        /// Permission bits of the directory that gets the overlay.
        mode: u32,
    },
    /// A copy-on-write view of the directory that is there.
    Overlay {
        /// Where.
        at: PathBuf,
    },
    /// A directory that stays in its place, because of what is below it.
    Pin {
        /// Where.
        at: PathBuf,
        /// Whether it is known to be there.
        #[serde(skip)]
        presence: Presence,
    },
    /// Something in a writable tree that stays in its place and is only read.
    Keep {
        /// Where.
        at: PathBuf,
        /// Whether it is known to be there.
        #[serde(skip)]
        presence: Presence,
    },
    /// Something that is covered by an empty directory or file.
    Hide {
        /// Where.
        at: PathBuf,
        /// Whether it was there when it was looked for.
        #[serde(skip)]
        presence: Presence,
        /// Whether the program might open the way to it.
        #[serde(skip)]
        closed: Closed,
    },
}

/// What a mount point has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A file.
    File,
    /// A directory.
    Directory,
}

impl Kind {
    pub(crate) fn of(path: &Path) -> Self {
        if path.is_dir() { Self::Directory } else { Self::File }
    }
}

/// Nodes that programs expect and that give access to nothing.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// Parts of /proc about the whole host. What only root can read needs no mask: nobody in here is root of anything.
const MASKS: [(&str, Kind); 15] = [
    ("acpi", Kind::Directory),
    ("asound", Kind::Directory),
    ("bus", Kind::Directory),
    ("driver", Kind::Directory),
    ("irq", Kind::Directory),
    ("scsi", Kind::Directory),
    ("cmdline", Kind::File),
    ("config.gz", Kind::File),
    ("diskstats", Kind::File),
    ("interrupts", Kind::File),
    ("kallsyms", Kind::File),
    ("keys", Kind::File),
    ("key-users", Kind::File),
    ("modules", Kind::File),
    ("partitions", Kind::File),
];

/// What TLS libraries look for, where there is somebody to talk to.
const CERTIFICATES: [&str; 3] = ["/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/pki/ca-trust/extracted"];

/// What resolvers look for, on the host's network.
const NAMES: [&str; 5] = ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/etc/protocols"];

/// Shown by /etc/passwd and friends: just the one user.
const TEXTS: [(&str, &str); 4] = [
    ("/etc/passwd", "user:x:1000:1000:user:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"),
    ("/etc/group", "user:x:1000:\nnogroup:x:65534:\n"),
    ("/etc/hosts", "127.0.0.1 localhost sandbox\n::1 localhost sandbox\n"),
    ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
];

/// Directory that covers masked directories.
pub(crate) const EMPTY: &str = "/.empty";
/// File that covers hidden files.
pub(crate) const HIDDEN: &str = "/.hidden";
/// Where the upper layer of an overlay is, until it is hidden.
pub(crate) const UPPER: &str = "/.upper";
/// Inodes of what is built before the seal.
pub(crate) const ROOT_INODES: u32 = 16_384;

/// The whole tree for `stage`.
pub(crate) fn tree(job: &Job, host: &Host, owners: &Owners) -> Vec<Entry> {
    let mut tree: Vec<Entry> = Vec::with_capacity(64);
    let everything = if job.base == Base::Host { everything() } else { Vec::new() };
    for part in if job.base == Base::Host { &everything } else { &host.system } {
        tree.push(match part {
            System::Tree(path, kind) => read_only(path.clone(), path.clone(), *kind),
            System::Link { at, target } => Entry::Link { at: at.clone(), target: target.clone() },
        });
    }
    for name in of_network(&job.network) {
        let Ok(from) = Path::new(name).canonicalize() else { continue };
        match job.base {
            Base::Toolchain => tree.push(read_only(from.clone(), name.into(), Kind::of(&from))),
            // The name is there, and leads to where nothing else is shown (systemd's resolv.conf).
            Base::Host if from.starts_with("/run") => tree.push(read_only(from.clone(), from.clone(), Kind::of(&from))),
            Base::Host => {}
        }
    }
    let texts = if job.base == Base::Host { [].as_slice() } else { &TEXTS };
    for (at, content) in texts {
        if !tree.iter().any(|entry| matches!(entry, Entry::Host { at: taken, .. } if taken == Path::new(at))) {
            tree.push(Entry::Text { at: at.into(), content: (*content).to_owned() });
        }
    }
    tree.extend(["/dev", "/dev/shm", "/proc", "/tmp", "/work"].map(|at| Entry::Directory { at: at.into() }));
    if job.artefact.is_some() {
        tree.push(Entry::Directory { at: "/build".into() });
    }
    tree.extend(DEVICES.map(|at| Entry::Device { at: at.into() }));
    for (at, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        tree.push(Entry::Link { at: Path::new("/dev").join(at), target: target.into() });
    }
    if job.terminal.is_some() {
        tree.push(Entry::Terminals);
        tree.push(Entry::Link { at: "/dev/ptmx".into(), target: "pts/ptmx".into() });
        // Whoever opens it gets the terminal that controls their own session.
        tree.push(Entry::Device { at: "/dev/tty".into() });
    }
    tree.push(Entry::Proc);
    tree.push(Entry::Directory { at: EMPTY.into() });
    for (name, kind) in MASKS {
        tree.push(Entry::Mask { at: Path::new("/proc").join(name), kind });
    }
    let scratch = job.scratch();
    let in_scratch = |at: &Path| scratch.iter().any(|scratch| at.starts_with(scratch));
    let copies = |wanted: bool| {
        let given = job.given.iter().enumerate().filter(move |(_, given)| in_scratch(&given.at) == wanted);
        given.map(|(number, given)| Entry::Copy { at: given.at.clone(), number, mode: given.mode })
    };
    tree.extend(copies(false));
    if let Some(zygote) = &job.zygote {
        tree.push(Entry::Text { at: zygote.bootstrap.clone(), content: zygote.text.clone() });
    }
    tree.extend(job.blank().map(|at| Entry::Blank { at: at.to_owned() }));
    let (early, late) = by_time(&job.shown, in_scratch);
    let is_owner_of_nothing = host.ids.groups == palisade_sys::Groups::Drop;
    if is_owner_of_nothing && job.base == Base::Host {
        tree.extend(covers(&job.shown.iter().collect::<Vec<_>>(), |path| !is_left_out(path)));
    }
    tree.extend(early.iter().map(|shown| host_tree(shown, None)));
    if is_owner_of_nothing {
        let in_early = |path: &Path| early.iter().any(|tree| tree.at == tree.from && path.starts_with(&tree.at));
        tree.extend(covers(&late, in_early));
    }
    // A mount point for a late tree has to exist before the seal, unless something late covers it.
    for (index, shown) in late.iter().enumerate() {
        let covered = late.iter().take(index).any(|outer| shown.at.starts_with(&outer.at)) || in_scratch(&shown.at);
        if !covered {
            tree.push(match shown.kind() {
                Kind::Directory => Entry::Directory { at: shown.at.clone() },
                Kind::File => Entry::Text { at: shown.at.clone(), content: String::new() },
            });
        }
    }
    for (index, layers) in job.layers.iter().enumerate() {
        let at = &layers.at;
        let covered = late.iter().any(|outer| at.starts_with(&outer.at))
            || job.layers.iter().take(index).any(|outer| at.starts_with(&outer.at))
            || in_scratch(at);
        if !covered {
            tree.push(Entry::Directory { at: at.clone() });
        }
    }
    let overlaid = late.iter().find(|shown| shown.access == Access::Overlay);
    if overlaid.is_some() {
        tree.push(Entry::Directory { at: UPPER.into() });
    }
    if !job.hidden.is_empty() {
        tree.push(Entry::Text { at: HIDDEN.into(), content: String::new() });
    }
    tree.push(Entry::Seal);
    let (size, inodes) = (job.limits.tmp_size.0, job.limits.tmp_inodes);
    tree.extend(scratch.iter().map(|at| Entry::Scratch { at: at.into(), size, inodes }));
    tree.extend(copies(true));
    if let Some(shown) = overlaid {
        let mode = shown.held.as_ref().map_or(0o755, |held| held.mode & 0o777);
        tree.push(Entry::Upper { size, inodes, mode });
    }
    for shown in late {
        tree.push(host_tree(shown, owners.get(&shown.at).copied()));
        if shown.access == Access::Overlay {
            tree.push(Entry::Overlay { at: shown.at.clone() });
        }
    }
    tree.extend(job.layers.iter().map(stack));
    let inner = inner::entries(&tree, job);
    tree.extend(inner);
    if overlaid_is_there(&tree) {
        tree.push(Entry::Hide { at: UPPER.into(), presence: Presence::Needed, closed: Closed::Refused });
    }
    tree
}

/// What programs look for where there is somebody to talk to.
fn of_network(network: &NetworkPolicy) -> impl Iterator<Item = &'static str> {
    let (certificates, names) = match network {
        NetworkPolicy::None => (0, 0),
        NetworkPolicy::Loopback | NetworkPolicy::Custom(_) => (CERTIFICATES.len(), 0),
        NetworkPolicy::AllowAll => (CERTIFICATES.len(), NAMES.len()),
    };
    CERTIFICATES.into_iter().take(certificates).chain(NAMES.into_iter().take(names))
}

/// Places of the tree that are filled whatever is shown and given: nothing else can be put there or below.
pub(crate) fn filled(job: &Job) -> impl Iterator<Item = &'static str> {
    let own = ["/proc", "/dev", "/sys", "/build", EMPTY, HIDDEN, UPPER];
    own.into_iter().chain(host::system_paths()).chain(TEXTS.map(|(at, _)| at)).chain(of_network(&job.network))
}

/// Directories of the tree in which there is room.
pub(crate) const ROOMY: [&str; 3] = ["/tmp", "/dev/shm", "/work"];

fn stack(layers: &Layers) -> Entry {
    match (&*layers.lower, &layers.upper) {
        // The kernel makes no overlay of one directory alone.
        ([one], Upper::ReadOnly) => read_only(one.clone(), layers.at.clone(), Kind::Directory),
        (lower, upper) => Entry::Layers { at: layers.at.clone(), lower: lower.to_owned(), upper: upper.clone() },
    }
}

fn overlaid_is_there(tree: &[Entry]) -> bool {
    tree.iter().any(|entry| matches!(entry, Entry::Upper { .. }))
}

/// Whose files are the program's, by the place of a tree.
pub(crate) type Owners = HashMap<PathBuf, (u32, u32)>;

fn read_only(from: PathBuf, at: PathBuf, kind: Kind) -> Entry {
    Entry::Host { from, at, kind, access: Access::Read, owner: None, held: None }
}

fn host_tree(shown: &Shown, owner: Option<(u32, u32)>) -> Entry {
    Entry::Host {
        from: shown.from.clone(),
        at: shown.at.clone(),
        kind: shown.kind(),
        access: shown.access,
        owner,
        held: shown.held.clone(),
    }
}

/// Everything at the top of the host's tree but what is left out.
fn everything() -> Vec<System> {
    let mut parts = System::children(Path::new("/"));
    parts.retain(|part| {
        let (System::Tree(path, _) | System::Link { at: path, .. }) = part;
        !is_left_out(path)
    });
    parts
}

/// Directories of the host that the program may not enter, with something of its own inside: nothing else in them is for it
/// either.
fn covers(shown: &[&Shown], is_host: impl Fn(&Path) -> bool) -> Vec<Entry> {
    let mut covers: Vec<PathBuf> = Vec::new();
    for shown in shown {
        let around: Vec<&Path> = shown.at.ancestors().skip(1).collect();
        let closed =
            around.into_iter().rev().find(|path| path.parent().is_some() && is_host(path) && !is_enterable(path));
        covers.extend(closed.map(Path::to_owned));
    }
    covers.sort();
    covers.dedup();
    covers.into_iter().map(|at| Entry::Cover { at }).collect()
}

/// Whether somebody who owns nothing may enter it.
pub(crate) fn is_enterable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o001 != 0)
}

/// Trees that are attached before the seal, and those that follow it: writable ones, those in scratch space, which is
/// mounted then, and those inside another late one, which would cover them. Outer trees stand before inner ones.
fn by_time(shown: &[Shown], in_scratch: impl Fn(&Path) -> bool) -> (Vec<&Shown>, Vec<&Shown>) {
    let (mut early, mut late): (Vec<&Shown>, Vec<&Shown>) = (Vec::new(), Vec::new());
    for shown in shown {
        let covered = late.iter().any(|outer| shown.at.starts_with(&outer.at));
        if shown.access != Access::Read || in_scratch(&shown.at) || covered {
            late.push(shown);
        } else {
            early.push(shown);
        }
    }
    (early, late)
}
