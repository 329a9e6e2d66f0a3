//! The file tree that a program sees, as an ordered list.
//!
//! Everything before [`Entry::Seal`] becomes read-only, submounts included; what comes after may be writable. Not here:
//! the calls that build it (`script.rs`).

use std::path::{Path, PathBuf};

use palisade_spec::{Layers, NetworkPolicy, Upper};
use serde::Serialize;

use crate::{
    host::{Host, System},
    job::{Access, Job, Shown},
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
/// Inodes of what is built before the seal.
pub(crate) const ROOT_INODES: u32 = 16_384;

/// The whole tree for `stage`.
pub(crate) fn tree(job: &Job, host: &Host) -> Vec<Entry> {
    let mut tree: Vec<Entry> = Vec::with_capacity(64);
    for part in &host.system {
        tree.push(match part {
            System::Tree(path, kind) => {
                Entry::Host { from: path.clone(), at: path.clone(), kind: *kind, access: Access::Read }
            }
            System::Link { at, target } => Entry::Link { at: at.clone(), target: target.clone() },
        });
    }
    let network: &[&str] = match &job.network {
        NetworkPolicy::None => &[],
        NetworkPolicy::Loopback | NetworkPolicy::Custom(_) => &CERTIFICATES,
        NetworkPolicy::AllowAll => &[CERTIFICATES.as_slice(), &NAMES].concat(),
    };
    for name in network {
        if let Ok(from) = Path::new(name).canonicalize() {
            tree.push(Entry::Host { kind: Kind::of(&from), from, at: name.into(), access: Access::Read });
        }
    }
    for (at, content) in TEXTS {
        if !tree.iter().any(|entry| matches!(entry, Entry::Host { at: taken, .. } if taken == Path::new(at))) {
            tree.push(Entry::Text { at: at.into(), content: content.to_owned() });
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
    for (number, given) in job.given.iter().enumerate() {
        tree.push(Entry::Copy { at: given.at.clone(), number, mode: given.mode });
    }
    let (early, late) = by_time(&job.shown);
    tree.extend(early.into_iter().map(host_tree));
    // A mount point for a late tree has to exist before the seal, unless something late covers it.
    for (index, shown) in late.iter().enumerate() {
        let covered = late.iter().take(index).any(|outer| shown.at.starts_with(&outer.at)) || in_scratch(&shown.at);
        if !covered {
            tree.push(match Kind::of(&shown.from) {
                Kind::Directory => Entry::Directory { at: shown.at.clone() },
                Kind::File => Entry::Text { at: shown.at.clone(), content: String::new() },
            });
        }
    }
    for (index, overlay) in job.layers.iter().enumerate() {
        let at = &overlay.at;
        let covered = late.iter().any(|outer| at.starts_with(&outer.at))
            || job.layers.iter().take(index).any(|outer| at.starts_with(&outer.at))
            || in_scratch(at);
        if !covered {
            tree.push(Entry::Directory { at: at.clone() });
        }
    }
    tree.push(Entry::Seal);
    let scratch =
        |at: &str| Entry::Scratch { at: at.into(), size: job.limits.tmp_size.0, inodes: job.limits.tmp_inodes };
    tree.push(scratch("/tmp"));
    tree.push(scratch("/dev/shm"));
    if job.artefact.is_some() {
        tree.push(scratch("/build"));
    }
    tree.extend(late.into_iter().map(host_tree));
    tree.extend(job.layers.iter().map(stack));
    tree
}

fn stack(layers: &Layers) -> Entry {
    let at = layers.at.clone();
    match (&*layers.lower, &layers.upper) {
        // The kernel makes no overlay of one directory alone.
        ([one], Upper::ReadOnly) => Entry::Host { from: one.clone(), at, kind: Kind::Directory, access: Access::Read },
        (lower, upper) => Entry::Layers { at, lower: lower.to_owned(), upper: upper.clone() },
    }
}

fn host_tree(shown: &Shown) -> Entry {
    Entry::Host { from: shown.from.clone(), at: shown.at.clone(), kind: Kind::of(&shown.from), access: shown.access }
}

/// Trees that are attached before the seal, and those that follow it: writable ones, those in scratch space, which is
/// mounted then, and those inside another late one, which would cover them. Outer trees stand before inner ones.
fn by_time(shown: &[Shown]) -> (Vec<&Shown>, Vec<&Shown>) {
    let (mut early, mut late): (Vec<&Shown>, Vec<&Shown>) = (Vec::new(), Vec::new());
    for shown in shown {
        let covered = late.iter().any(|outer| shown.at.starts_with(&outer.at));
        if shown.access == Access::Write || in_scratch(&shown.at) || covered {
            late.push(shown);
        } else {
            early.push(shown);
        }
    }
    (early, late)
}

fn in_scratch(at: &Path) -> bool {
    SCRATCH.iter().any(|scratch| at.starts_with(scratch))
}

/// Where scratch space is mounted after the seal.
const SCRATCH: [&str; 3] = ["/tmp", "/dev/shm", "/build"];
