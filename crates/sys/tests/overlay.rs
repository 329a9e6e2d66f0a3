//! Overlays: which layer is seen, how many there may be, and what is written where.
#![allow(clippy::unwrap_used, clippy::panic, reason = "not library code")]
#![cfg(target_os = "linux")]

use std::{ffi::CString, fs, os::unix::ffi::OsStrExt as _, os::unix::fs::PermissionsExt as _, path::Path};

use palisade_sys::{Groups, IdMap, LayerRole, Namespaces, OVERLAY_LAYERS, Op, Record, Script, Slot, Trial, spawn};
use tempfile::TempDir;

fn c(text: impl AsRef<Path>) -> CString {
    CString::new(text.as_ref().as_os_str().as_bytes()).unwrap()
}

/// The step and the errno with which a child fails that builds a root, with an overlay made by `begin`, which may look
/// at host paths, and `then`, which sees the new root as its working directory.
fn failure(begin: Vec<Op>, then: Vec<Op>) -> Option<(String, i32)> {
    // SAFETY: no preconditions.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    let root = uid == 0;
    let groups = if root { Groups::Drop } else { Groups::Denied };
    let own = 0x7000_0001;
    let mut ops = vec![Op::PrivateMounts];
    ops.extend(begin);
    ops.extend([Op::AwaitIds, Op::SetIds { uid: 1000, gid: 1000, groups }]);
    ops.push(Op::EnterRoot { over: c("/tmp"), options: c("mode=0755,size=1m") });
    ops.extend(["all", "scratch"].map(directory));
    ops.extend(then);
    let namespaces = Namespaces::USER.and(Namespaces::MOUNT).and(Namespaces::PID);
    let script = Script { namespaces, cgroup: None, ops, aside: Vec::new(), program: None };
    let child = spawn(&script).unwrap();
    // A step before may have failed, and its record says more.
    let _ = child.map_ids(IdMap {
        uid: (1000, if root { own } else { uid }),
        gid: (1000, if root { own } else { gid }),
        groups,
    });
    loop {
        match child.record() {
            Ok(Some(Record::Ready { .. })) => return None,
            Ok(Some(Record::Failed { step, errno })) => {
                return Some((script.step(step).unwrap().to_string(), errno));
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

fn directory(path: &str) -> Op {
    Op::Directory { path: c(path), mode: 0o755 }
}

fn write(path: &str) -> Op {
    Op::File { path: c(path), content: b"written".to_vec(), mode: 0o644 }
}

fn refused(step: Op, errno: i32) -> Op {
    Op::Trial(Trial::Refused { step: Box::new(step), errno })
}

fn lower(slot: usize, path: impl AsRef<Path>) -> Op {
    Op::AddLayer { slot: Slot(slot), role: LayerRole::Lower, path: c(path) }
}

/// Attributes without which nobody mounts an overlay here, and the place of the tree.
fn finish() -> [Op; 2] {
    let attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    [Op::FinishOverlay { slot: Slot(0), attributes }, Op::AttachTree { slot: Slot(0), at: c("all") }]
}

fn begin() -> Op {
    Op::BeginOverlay { slot: Slot(0) }
}

/// Directories `0`, `1`, …, each with a directory of its own name and one that all have.
fn layers(count: usize) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for number in 0..count {
        let layer = place.path().join(number.to_string());
        fs::create_dir_all(layer.join(format!("of-{number}"))).unwrap();
        fs::create_dir(layer.join("common")).unwrap();
        fs::create_dir(layer.join(format!("common/of-{number}"))).unwrap();
    }
    place
}

fn is_there(path: &str) -> Op {
    Op::OpenDirectory { slot: Slot(9), path: c(path) }
}

#[test]
fn as_many_layers_as_the_kernel_takes_are_shown_as_one() {
    let place = layers(OVERLAY_LAYERS);
    let mut all = vec![begin()];
    all.extend((0..OVERLAY_LAYERS).map(|number| lower(0, place.path().join(number.to_string()))));
    let mut then = Vec::from(finish());
    for number in [0, 1, 127, 128, 254, 255, 256, OVERLAY_LAYERS - 2, OVERLAY_LAYERS - 1] {
        then.extend([format!("all/of-{number}"), format!("all/common/of-{number}")].map(|path| is_there(&path)));
    }
    then.push(refused(is_there("all/of-500"), libc::ENOENT));
    then.push(refused(write("all/new"), libc::EROFS));
    assert_eq!(failure(all, then), None);
}

#[test]
fn one_layer_more_than_that_is_refused_by_the_kernel() {
    let place = layers(1);
    let mut all = vec![begin()];
    all.extend((0..=OVERLAY_LAYERS).map(|_| lower(0, place.path().join("0"))));
    let (step, errno) = failure(all, finish().into()).unwrap();
    assert!(step.starts_with("open the layer "), "{step}");
    assert_eq!(errno, libc::EINVAL);
}

/// Reads a file of the root that is being built: only the right content makes this step fail as it should.
fn link_of(path: &str, target: &str) -> Op {
    Op::OpenLayer { slot: Slot(8), path: c(format!("{path}/{target}")) }
}

#[test]
fn the_leftmost_layer_wins_and_only_the_upper_one_is_written_either_way() {
    let place = layers(2);
    // `0` has a directory where `1` has a file.
    fs::create_dir_all(place.path().join("0/which/left")).unwrap();
    fs::write(place.path().join("1/which"), "right").unwrap();
    let [left, right] = ["0", "1"].map(|name| place.path().join(name));
    let seen = || {
        vec![
            link_of("all/which", "left"),
            is_there("all/of-0"),
            is_there("all/of-1"),
            write("all/new"),
            Op::OpenLayer { slot: Slot(7), path: c("scratch/upper") },
            // It exists already, so it cannot be made.
            refused(write("scratch/upper/new"), libc::EEXIST),
        ]
    };
    let scratch = || {
        let flags = libc::MS_NOSUID | libc::MS_NODEV;
        let mount = Op::Mount { kind: c("tmpfs"), at: c("scratch"), flags, options: c("mode=0755,size=64k") };
        [mount, directory("scratch/upper"), directory("scratch/work")]
    };
    let upper = |role, path: &str| Op::AddLayer { slot: Slot(0), role, path: c(path) };
    let mut then = Vec::from(scratch());
    then.extend([upper(LayerRole::Upper, "scratch/upper"), upper(LayerRole::Work, "scratch/work")]);
    then.extend(finish());
    then.extend(seen());
    assert_eq!(failure(vec![begin(), lower(0, &left), lower(0, &right)], then), None);

    let open = |slot: usize, path: &Path| Op::OpenLayer { slot: Slot(slot), path: c(path) };
    let mut then = Vec::from(scratch());
    then.extend([open(3, Path::new("scratch/upper")), open(4, Path::new("scratch/work"))]);
    let lower = vec![Slot(1), Slot(2)];
    then.push(Op::MountOverlay { lower, upper: Some([Slot(3), Slot(4)]), at: c("all") });
    then.extend(seen());
    assert_eq!(failure(vec![open(1, &left), open(2, &right)], then), None);
    assert!(!left.join("new").exists() && !right.join("new").exists());
}

#[test]
fn a_link_is_no_layer() {
    let place = layers(1);
    std::os::unix::fs::symlink("0", place.path().join("link")).unwrap();
    let link = place.path().join("link");
    let error = failure(vec![begin(), lower(0, &link)], Vec::new()).unwrap();
    assert_eq!(error, (format!("open the layer {}", link.display()), libc::ELOOP));
    let open = Op::OpenLayer { slot: Slot(1), path: c(link.join("common")) };
    assert_eq!(failure(vec![open], Vec::new()).unwrap().1, libc::ELOOP);
}
