//! Files that root makes as somebody else, and nobody else can.
#![allow(clippy::unwrap_used, reason = "not library code")]
#![cfg(target_os = "linux")]

use std::{
    ffi::CString,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
};

use palisade_sys::{Child, Namespaces, Op, Record, Script, spawn};
use rustix::event::{PollFd, PollFlags, poll};

fn run(ops: Vec<Op>) -> Option<Record> {
    let script = Script { namespaces: Namespaces::default(), cgroup: None, ops, aside: Vec::new(), program: None };
    let child: Child = spawn(&script).unwrap();
    poll(&mut [PollFd::from_borrowed_fd(child.control(), PollFlags::IN)], None).unwrap();
    child.record().unwrap()
}

#[test]
fn what_is_made_as_somebody_else_is_theirs_and_coming_back_returns_every_privilege() {
    // SAFETY: no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        let refused = run(vec![Op::FilesAs { uid: 4321, gid: 1234 }]);
        assert!(matches!(refused, Some(Record::Failed { step: 0, errno: libc::EPERM })), "{refused:?}");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let closed = place.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let path = |name: &str| CString::new(place.path().join(name).to_str().unwrap()).unwrap();
    let make = |name: &str| Op::File { path: path(name), content: b"x".to_vec(), mode: 0o644 };
    let as_whom = |uid, gid| Op::FilesAs { uid, gid };
    // The closed directory is root's: the work directory of an overlay is closed like that.
    let ended = run(vec![as_whom(4321, 1234), make("closed/theirs"), as_whom(0, 0), make("closed/ours")]);
    assert!(matches!(ended, Some(Record::Ready { .. })), "{ended:?}");
    let owner = |name: &str| fs::metadata(closed.join(name)).map(|meta| (meta.uid(), meta.gid())).unwrap();
    assert_eq!((owner("theirs"), owner("ours")), ((4321, 1234), (0, 0)));
}
