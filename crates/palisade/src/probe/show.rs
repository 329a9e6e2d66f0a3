//! The script that shows a kernel feature.
//!
//! In: the feature and the host. Out: a script all of whose steps succeed exactly if the feature works. Not here: running
//! it (`trial`), what its failure means (`explain`).

use std::ffi::{CStr, CString};

use palisade_sys::{
    LayerRole, Namespaces as N, Op, Script, Slot, Trial,
    landlock::{Rules, Tcp},
    seccomp::SockFilter,
};

use super::kernel::Feature::{self, self as F};
use crate::host::Host;

fn refused(step: Op, errno: i32) -> Op {
    Op::Trial(Trial::Refused { step: Box::new(step), errno })
}

fn file(path: &CStr) -> Op {
    Op::File { path: path.to_owned(), content: b"palisade".to_vec(), mode: 0o600 }
}

fn directory(path: &CStr) -> Op {
    Op::Directory { path: path.to_owned(), mode: 0o700 }
}

fn mount(kind: &CStr, at: &CStr, options: &CStr) -> Op {
    let flags = libc::MS_NOSUID | libc::MS_NODEV;
    Op::Mount { kind: kind.to_owned(), at: at.to_owned(), flags, options: options.to_owned() }
}

fn open(path: &CStr) -> Op {
    Op::OpenDirectory { slot: Slot(9), path: path.to_owned() }
}

/// What shows `feature`. `code`: the filter, where it is one that is shown.
pub(super) fn script(feature: Feature, host: &Host, anchor: CString, code: Vec<SockFilter>) -> Script {
    let own = || {
        let (uid, gid) = host.ids.inside;
        vec![Op::AwaitIds, Op::SetIds { uid, gid, groups: host.ids.groups }]
    };
    // A new root, as a run has it, but small.
    let in_new_root = |options: &CStr, ops: Vec<Op>| {
        let mut all = vec![Op::PrivateMounts];
        all.extend(own());
        all.push(Op::EnterRoot { over: anchor, options: options.to_owned() });
        all.extend(ops);
        all
    };
    let root = c"mode=0755,size=64k,nr_inodes=64";
    let no_new_privileges = || Op::Trial(Trial::NoNewPrivileges);
    let chdir = || Op::WorkingDirectory(c"/".to_owned());
    let host_name = || Op::HostName(c"sandbox".to_owned());
    let (namespaces, ops) = match feature {
        F::Clone3 | F::PidFd | F::OwnProc => (N::default(), vec![]),
        F::CloseRange => (N::default(), vec![Op::Trial(Trial::CloseOnExecute)]),
        F::UserNamespace => (N::USER, vec![]),
        F::IdMaps => (N::USER, own()),
        F::MountNamespace => (N::USER.and(N::MOUNT), vec![]),
        F::PidNamespace => (N::USER.and(N::PID), vec![]),
        F::NetworkNamespace => (N::USER.and(N::NETWORK), vec![]),
        F::IpcNamespace => (N::USER.and(N::IPC), vec![]),
        F::UtsNamespace => (N::USER.and(N::UTS), vec![host_name()]),
        F::CgroupNamespace => (N::USER.and(N::CGROUP), vec![]),
        F::PrivateMounts => (N::USER.and(N::MOUNT), vec![Op::PrivateMounts]),
        F::Tmpfs => {
            let full = vec![directory(c"a"), file(c"a/b"), refused(file(c"a/c"), libc::ENOSPC)];
            (N::USER.and(N::MOUNT), in_new_root(c"mode=0755,size=64k,nr_inodes=3", full))
        }
        F::ReadOnlyBind => {
            let ops = vec![
                directory(c"tree"),
                directory(c"tree/sub"),
                mount(c"tmpfs", c"tree/sub", c"size=64k"),
                file(c"tree/before"),
                file(c"tree/sub/before"),
                Op::OpenTree {
                    slot: Slot(0),
                    path: c"tree".to_owned(),
                    attributes: libc::MOUNT_ATTR_RDONLY,
                    same: None,
                },
                directory(c"shown"),
                Op::AttachTree { slot: Slot(0), at: c"shown".to_owned() },
                refused(file(c"shown/after"), libc::EROFS),
                refused(file(c"shown/sub/after"), libc::EROFS),
            ];
            (N::USER.and(N::MOUNT), in_new_root(root, ops))
        }
        F::PivotRoot => {
            let ops = vec![directory(c"kept"), Op::PivotRoot, open(c"/kept"), refused(open(c"/usr"), libc::ENOENT)];
            (N::USER.and(N::MOUNT), in_new_root(root, ops))
        }
        F::NewProc => {
            let ops = vec![directory(c"proc"), mount(c"proc", c"proc", c""), open(c"proc/1")];
            (N::USER.and(N::MOUNT).and(N::PID), in_new_root(root, ops))
        }
        F::Overlay => {
            let options = c"lowerdir=low,upperdir=up,workdir=work,userxattr";
            let mut ops: Vec<Op> = [c"low", c"up", c"work", c"all"].into_iter().map(directory).collect();
            ops.extend([file(c"low/a"), mount(c"overlay", c"all", options), file(c"all/b")]);
            (N::USER.and(N::MOUNT), in_new_root(root, ops))
        }
        F::ManyLayers => {
            let mut ops: Vec<Op> = [c"one", c"two", c"two/a", c"all"].into_iter().map(directory).collect();
            let slot = Slot(0);
            let layer = |path: &CStr| Op::AddLayer { slot, role: LayerRole::Lower, path: path.to_owned() };
            ops.extend([Op::BeginOverlay { slot }, layer(c"one"), layer(c"two")]);
            ops.push(Op::FinishOverlay { slot, attributes: libc::MOUNT_ATTR_RDONLY });
            ops.extend([Op::AttachTree { slot, at: c"all".to_owned() }, open(c"all/a")]);
            (N::USER.and(N::MOUNT), in_new_root(root, ops))
        }
        F::Terminals => {
            let mount = Op::Mount {
                kind: c"devpts".to_owned(),
                at: c"dev/pts".to_owned(),
                flags: libc::MS_NOSUID | libc::MS_NOEXEC,
                options: c"newinstance,ptmxmode=0666,max=1".to_owned(),
            };
            let open = || Op::OpenTerminal { master: Slot(0), terminal: Slot(1), rows: 24, columns: 80 };
            let ops = vec![
                directory(c"dev"),
                directory(c"dev/pts"),
                mount,
                Op::PivotRoot,
                open(),
                refused(open(), libc::ENOSPC),
            ];
            (N::USER.and(N::MOUNT), in_new_root(root, ops))
        }
        F::Loopback => (N::USER.and(N::NETWORK), vec![Op::LoopbackUp]),
        F::NoNewPrivileges => (N::default(), vec![no_new_privileges()]),
        F::Capabilities => {
            let mut ops = own();
            ops.extend([host_name(), Op::DropPrivileges, refused(host_name(), libc::EPERM)]);
            (N::USER.and(N::UTS), ops)
        }
        F::Keyring => (N::default(), vec![Op::NewKeyring]),
        F::Filter => {
            let install = Op::Trial(Trial::Filter { code, listener: None });
            (N::default(), vec![no_new_privileges(), chdir(), install, refused(chdir(), libc::EDOM)])
        }
        F::Notifications => {
            let install = Op::Trial(Trial::Filter { code, listener: Some(Slot(0)) });
            let give = Op::GiveHandles(vec![Slot(0)]);
            (N::default(), vec![no_new_privileges(), chdir(), install, give, refused(chdir(), libc::EDOM)])
        }
        F::Landlock => {
            let rules = Rules::everything(host.landlock.max(1), Tcp::Forbidden);
            let ops = vec![no_new_privileges(), open(c"/"), Op::Landlock(rules), refused(open(c"/"), libc::EACCES)];
            (N::default(), ops)
        }
    };
    Script { namespaces, cgroup: None, ops, aside: Vec::new(), program: None }
}
