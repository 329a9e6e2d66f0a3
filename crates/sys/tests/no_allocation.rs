//! The child between `clone3` and `execve` allocates nothing: an allocator that ends any process with a number below 5,
//! which only a child in a new pid namespace has: its first process, the helper beside it, and the program's.
#![allow(clippy::unwrap_used, clippy::panic, reason = "not library code")]
#![cfg(target_os = "linux")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::CString;
use std::io::Write as _;
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use palisade_sys::landlock::{Rules, Tcp, abi, access};
use palisade_sys::seccomp::{Arch, Denied, Families, Forks, Policy, compile};
use palisade_sys::{
    Child, Closed, Groups, IdMap, Identity, LayerRole, Listener, Namespaces, Op, Presence, Program, Record, Rlimit,
    Script, Slot, Stage, Stdio, Told, Trial, spawn,
};

/// How a child that allocates ends.
const CAUGHT: i32 = 99;

struct Deadly;

/// Ends a scripted child. Asks the kernel: the child is a copy of this process, and nothing in memory tells them apart.
fn deadly() {
    // SAFETY: no preconditions.
    unsafe {
        if libc::syscall(libc::SYS_getpid) < 5 {
            libc::_exit(CAUGHT);
        }
    }
}

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Deadly {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        deadly();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        deadly();
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        deadly();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Deadly = Deadly;

fn identity(path: &str) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    let meta = std::fs::metadata(path).unwrap();
    Identity { device: meta.dev(), inode: meta.ino() }
}

fn c(text: &str) -> CString {
    CString::new(text).unwrap()
}

fn null(write: bool) -> OwnedFd {
    std::fs::File::options().read(!write).write(write).open("/dev/null").unwrap().into()
}

fn ids() -> (u32, u32) {
    // SAFETY: no preconditions.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

fn groups() -> Groups {
    if ids().0 == 0 { Groups::Drop } else { Groups::Denied }
}

const LEAST: Namespaces = Namespaces(Namespaces::USER.0 | Namespaces::MOUNT.0 | Namespaces::PID.0);

/// What the child said, until it was gone, and how it ended: `si_status` of waitid(2).
#[derive(Debug)]
struct Story {
    records: Vec<Record>,
    code: i32,
}

fn poll(child: &Child, deadline: Instant) {
    let mut fd = libc::pollfd { fd: child.control().as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let left = deadline.saturating_duration_since(Instant::now()).as_millis();
    // SAFETY: one structure that lives across the call.
    let ready = unsafe { libc::poll(&raw mut fd, 1, i32::try_from(left).unwrap()) };
    assert!(ready > 0, "the child says nothing");
}

/// What a child is told that waits for its program.
fn later(streams: &[OwnedFd; 3]) -> Told<'_> {
    static WORDS: OnceLock<[Vec<CString>; 3]> = OnceLock::new();
    let script = "test $PWD$A = /usrb && test ! -e /proc/self/fd/3 && exit 7";
    let [candidates, arguments, environment] = WORDS.get_or_init(|| {
        [vec![c("/nonexistent/sh"), c("/bin/sh")], vec![c("sh"), c("-c"), c(script)], vec![c("A=b"), c("EMPTY=")]]
    });
    let stdio = streams.each_ref().map(|stream| stream.as_fd());
    Told { stdio, directory: c"/usr", candidates, arguments, environment }
}

/// Plays the parent's part.
fn tell(script: &Script, cgroups: bool) -> Story {
    let child = spawn(script).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    if script.ops.iter().any(|op| matches!(op, Op::AwaitIds)) {
        let (uid, gid) = ids();
        // The child may be gone already: then its record says more.
        let _ = child.map_ids(IdMap { uid: (1000, uid), gid: (1000, gid), groups: groups() });
    }
    if cgroups {
        let files = [null(true)];
        let _ = child.go(&[files[0].as_fd()]);
    }
    let streams = [null(false), null(true), null(true)];
    let mut records = Vec::new();
    loop {
        poll(&child, deadline);
        match child.record() {
            Ok(Some(record)) => {
                if matches!(record, Record::Stands { .. }) {
                    child.execute(&later(&streams)).unwrap();
                }
                records.push(record);
            }
            Ok(None) => break,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
    // SAFETY: siginfo_t is plain data, filled by the call; WNOWAIT leaves the child to `reap`.
    let code = unsafe {
        let mut info = std::mem::zeroed::<libc::siginfo_t>();
        let flags = libc::WEXITED | libc::WNOWAIT;
        let id = child.pidfd().as_raw_fd().cast_unsigned();
        assert_eq!(libc::waitid(libc::P_PIDFD, id, &raw mut info, flags), 0);
        info.si_status()
    };
    Story { records, code }
}

const TERMINAL: Slot = Slot(14);

/// A script with every kind of step.
fn everything() -> Vec<Op> {
    let tree = |slot, path: &str| Op::OpenTree {
        slot: Slot(slot),
        path: c(path),
        attributes: libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
        same: Some(identity(path)),
    };
    let directory = |path: &str| Op::Directory { path: c(path), mode: 0o755 };
    // A link is refused as a tree, so the directories behind them.
    let tops = ["/usr", "/bin", "/lib", "/lib64"].map(|top| std::fs::canonicalize(top).unwrap());
    let mut ops = vec![Op::Mark(0), Op::Umask(0o022), Op::PrivateMounts];
    ops.extend(tops.iter().enumerate().map(|(slot, top)| tree(slot, top.to_str().unwrap())));
    let layer = |slot| Op::OpenLayer { slot: Slot(slot), path: c("/usr/share") };
    ops.extend([layer(20), Op::BeginOverlay { slot: Slot(21) }]);
    let add = |path| Op::AddLayer { slot: Slot(21), role: LayerRole::Lower, path: c(path) };
    ops.extend(["/usr/share", "/usr/bin"].map(add));
    ops.push(Op::KeepTree { slot: Slot(24), tree: std::sync::Arc::new(file()) });
    ops.push(Op::AwaitIds);
    ops.push(Op::SetIds { uid: 1000, gid: 1000, groups: groups() });
    ops.push(Op::EnterRoot { over: c("/tmp"), options: c("mode=0755,size=1m") });
    for (slot, top) in ["usr", "bin", "lib", "lib64"].iter().enumerate() {
        ops.extend([directory(top), Op::AttachTree { slot: Slot(slot), at: c(top) }]);
    }
    ops.extend(["proc", "dev", "dev/pts", "tmp", "empty"].map(directory));
    ops.push(Op::Symlink { target: c("/proc/self/fd"), path: c("dev/fd") });
    ops.push(Op::File { path: c("dev/null"), content: Vec::new(), mode: 0o644 });
    ops.push(Op::Bind { source: c("/dev/null"), at: c("dev/null"), presence: Presence::Needed });
    ops.push(Op::Bind { source: c("empty"), at: c("proc/nowhere"), presence: Presence::IfThere });
    ops.push(Op::FilesAs { uid: 1000, gid: 1000 });
    ops.push(Op::File { path: c("text"), content: b"content".to_vec(), mode: 0o644 });
    ops.push(Op::CopyFile { from: std::sync::Arc::new(file()), path: c("copy"), mode: 0o444 });
    let flags = libc::MS_NOSUID | libc::MS_NODEV;
    ops.push(Op::Mount { kind: c("proc"), at: c("proc"), flags, options: CString::default() });
    ops.extend(["one", "one/upper", "one/work", "one/changes", "one/space", "two", "three"].map(directory));
    let open = |slot, path| Op::OpenLayer { slot: Slot(slot), path: c(path) };
    ops.extend([open(22, "one/upper"), open(23, "one/work")]);
    let upper = Some([Slot(22), Slot(23)]);
    ops.push(Op::MountOverlay { lower: vec![Slot(20)], upper, at: c("two") });
    for (role, path) in [(LayerRole::Upper, "one/changes"), (LayerRole::Work, "one/space")] {
        ops.push(Op::AddLayer { slot: Slot(21), role, path: c(path) });
    }
    ops.push(Op::FinishOverlay { slot: Slot(21), attributes: libc::MOUNT_ATTR_NODEV });
    ops.push(Op::AttachTree { slot: Slot(21), at: c("three") });
    let (kind, options) = (c("devpts"), c("newinstance,ptmxmode=0666"));
    ops.push(Op::Mount { kind, at: c("dev/pts"), flags: libc::MS_NOSUID, options });
    ops.push(Op::PivotRoot);
    ops.push(Op::Reached(Stage::Pivoted));
    ops.push(Op::ReadOnlyTree { attributes: libc::MOUNT_ATTR_NOSUID });
    ops.push(Op::Mount { kind: c("tmpfs"), at: c("/tmp"), flags, options: c("mode=1777,size=64k") });
    let (presence, closed) = (Presence::IfThere, Closed::Passed);
    let hide = |path| Op::Hide { path: c(path), directory: c("/two"), file: c("/copy"), presence, closed };
    let pin = |path| Op::Pin { path: c(path), attributes: libc::MOUNT_ATTR_RDONLY, presence };
    ops.extend(["/usr/lib", "/not/there"].map(pin));
    ops.extend(["/usr/share", "/usr/lib/os-release", "/not/there"].map(hide));
    ops.push(Op::HostName(c("sandbox")));
    ops.push(Op::AdoptOrphans);
    ops.push(Op::OutliveProgram);
    ops.push(Op::Await(Stage::Namespaces));
    ops.push(Op::EnterNamespace(Slot(12)));
    ops.push(Op::LoopbackUp);
    ops.push(Op::OpenDirectory { slot: Slot(10), path: c("/proc") });
    ops.push(Op::OpenDirectory { slot: Slot(11), path: c("/tmp") });
    ops.push(Op::OpenTerminal { master: Slot(13), terminal: TERMINAL, rows: 24, columns: 80 });
    ops.push(Op::GiveHandles(vec![Slot(10), Slot(11), Slot(13)]));
    ops.push(Op::JoinCgroups);
    ops.push(Op::Unshare(Namespaces::CGROUP));
    ops.push(Op::NewKeyring);
    if abi() > 0 {
        ops.push(Op::Landlock(landlock()));
    }
    ops.push(Op::DropPrivileges);
    ops.push(Op::Await(Stage::Detached));
    ops.push(Op::WorkingDirectory(c("/tmp")));
    ops.push(Op::Mark(1));
    ops
}

/// Steps of the helper.
fn beside() -> Vec<Op> {
    vec![
        Op::Unshare(Namespaces::NETWORK),
        Op::OpenNamespace { slot: Slot(12), path: c("/proc/thread-self/ns/net") },
        Op::Reached(Stage::Namespaces),
        Op::Await(Stage::Pivoted),
        Op::DetachOldRoot,
        Op::Reached(Stage::Detached),
    ]
}

/// A file with some content that is in no directory.
fn file() -> OwnedFd {
    // SAFETY: a terminated name; the new descriptor is nobody else's.
    let mut file = unsafe {
        let fd = libc::memfd_create(c"content".as_ptr(), libc::MFD_CLOEXEC);
        assert!(fd >= 0);
        std::fs::File::from_raw_fd(fd)
    };
    file.write_all(b"content").unwrap();
    file.into()
}

fn landlock() -> Rules {
    let mut rules = Rules::everything(abi(), Tcp::Forbidden);
    rules.allow(c("/"), access::READ);
    rules.allow(c("/tmp"), access::READ | access::WRITE);
    rules
}

fn program(path: &str, arguments: &[&str]) -> Program {
    let policy = Policy { denied: Denied::Notify, forks: Forks::Free, families: Families::Unix };
    Program {
        stdio: Stdio::Given([null(false), null(true), null(true)]),
        rlimits: vec![Rlimit { resource: libc::RLIMIT_CORE, value: 0 }],
        filter: compile(&policy.rules(), Arch::host().unwrap()).unwrap(),
        listener: Listener::Parent,
        announcement: Vec::new(),
        candidates: [&format!("/nonexistent{path}"), path].map(c).into(),
        arguments: arguments.iter().map(|word| c(word)).collect(),
        environment: vec![c("A=b")],
    }
}

fn all_namespaces() -> Namespaces {
    LEAST.and(Namespaces::IPC).and(Namespaces::UTS)
}

#[test]
fn a_whole_script_with_a_program_allocates_nothing() {
    let at_terminal = Program {
        stdio: Stdio::Terminal(TERMINAL),
        ..program("/bin/sh", &["sh", "-c", "test -t 0 && : </dev/pts/0 && exit 7"])
    };
    let script = Script {
        namespaces: all_namespaces(),
        cgroup: None,
        ops: everything(),
        aside: beside(),
        program: Some(at_terminal),
    };
    let story = tell(&script, true);
    let failed = story.records.iter().find_map(|record| match record {
        Record::Failed { step, errno } => Some((script.step(*step).map(ToString::to_string), *errno)),
        _ => None,
    });
    assert_eq!(failed, None);
    assert!(story.records.iter().any(|record| matches!(record, Record::Handles(fds) if fds.len() == 3)), "{story:?}");
    let ready =
        |record: &Record| matches!(record, Record::Ready { listener: Some(_), marks, .. } if marks[1] >= marks[0]);
    assert!(story.records.iter().any(ready), "{story:?}");
    let exited = |record: &Record| matches!(record, Record::Exited { status, .. } if libc::WEXITSTATUS(*status) == 7);
    assert!(story.records.iter().any(exited), "{story:?}");
    assert_eq!(story.code, 0);
}

#[test]
fn a_program_that_is_told_when_all_else_is_done_allocates_nothing() {
    let waiting = Program { stdio: Stdio::Told, ..program("/nonexistent", &[]) };
    let ops = vec![Op::AwaitIds, Op::SetIds { uid: 1000, gid: 1000, groups: groups() }, Op::Mark(1)];
    let script = Script { namespaces: LEAST, cgroup: None, ops, aside: Vec::new(), program: Some(waiting) };
    let story = tell(&script, false);
    let [stands, ready, exited] = &story.records[..] else { panic!("{story:?}") };
    assert!(matches!(stands, Record::Stands { listener: Some(_), marks } if marks[1] > 0), "{story:?}");
    assert!(matches!(ready, Record::Ready { listener: None, .. }), "{story:?}");
    let ended = |status| libc::WEXITSTATUS(status) == 7;
    assert!(matches!(exited, Record::Exited { status, alone: true, .. } if ended(*status)), "{story:?}");
    assert_eq!(story.code, 0);
}

#[test]
fn a_user_namespace_that_a_child_makes_for_itself_allocates_nothing() {
    let ids = Op::SetIds { uid: 1000, gid: 1000, groups: groups() };
    let own = Op::OwnUsers { users: c("7 1000 1"), groups: c("8 1000 1") };
    // As it is called there.
    let taken = Op::SetIds { uid: 7, gid: 8, groups: Groups::Denied };
    let ops = vec![Op::AwaitIds, ids, own, taken];
    let story = tell(&Script { namespaces: LEAST, cgroup: None, ops, aside: Vec::new(), program: None }, false);
    assert!(matches!(story.records[..], [Record::Ready { .. }]), "{story:?}");
    assert_eq!(story.code, 0);
}

#[test]
fn a_script_that_fails_allocates_nothing() {
    let missing = Op::WorkingDirectory(c("/no/such/directory"));
    let ops = vec![Op::Mark(0), missing, Op::Mark(1)];
    let story = tell(&Script { namespaces: LEAST, cgroup: None, ops, aside: Vec::new(), program: None }, false);
    assert!(matches!(story.records[..], [Record::Failed { step: 1, errno: libc::ENOENT }]), "{story:?}");
    assert_eq!(story.code, 1);
}

#[test]
fn a_program_that_cannot_be_executed_allocates_nothing() {
    let ops = vec![Op::Mark(0), Op::DropPrivileges];
    let mut program = program("/no/such/program", &["x"]);
    program.filter.clear();
    program.listener = Listener::Nobody;
    let story =
        tell(&Script { namespaces: LEAST, cgroup: None, ops, aside: Vec::new(), program: Some(program) }, false);
    let not_found = |record: &Record| matches!(record, Record::Failed { step: 2, errno: libc::ENOENT });
    assert!(story.records.iter().any(not_found), "{story:?}");
    assert_ne!(story.code, CAUGHT, "{story:?}");
}

#[test]
fn a_child_that_allocates_is_caught() {
    fn allocate() -> i32 {
        i32::try_from(std::hint::black_box(vec![1_u8; 100]).len()).unwrap() - 100
    }
    let ops = vec![Op::Mark(0), Op::Call(allocate), Op::Mark(1)];
    let story = tell(&Script { namespaces: LEAST, cgroup: None, ops, aside: Vec::new(), program: None }, false);
    assert_eq!(story.code, CAUGHT, "{story:?}");
    assert!(story.records.is_empty(), "{story:?}");
}

#[test]
fn a_call_that_does_not_allocate_is_not_caught() {
    let ops = vec![Op::Call(|| 0), Op::Call(|| libc::EDOM)];
    let story = tell(&Script { namespaces: LEAST, cgroup: None, ops, aside: Vec::new(), program: None }, false);
    assert!(matches!(story.records[..], [Record::Failed { step: 1, errno: libc::EDOM }]), "{story:?}");
}

#[test]
fn a_helper_that_allocates_is_caught() {
    fn allocate() -> i32 {
        i32::try_from(std::hint::black_box(vec![1_u8; 100]).len()).unwrap() - 100
    }
    let wait = vec![Op::Mark(0), Op::Await(Stage::Namespaces)];
    let aside = vec![Op::Call(allocate), Op::Reached(Stage::Namespaces)];
    let script = Script { namespaces: LEAST, cgroup: None, ops: vec![Op::Mark(0)], aside, program: None };
    let story = tell(&script, false);
    assert!(!story.records.iter().any(|record| matches!(record, Record::Ready { .. })), "{story:?}");
    // The same without the allocation gets ready.
    let aside = vec![Op::Call(|| 0), Op::Reached(Stage::Namespaces)];
    let story = tell(&Script { namespaces: LEAST, cgroup: None, ops: wait, aside, program: None }, false);
    assert!(matches!(story.records[..], [Record::Ready { .. }]), "{story:?}");
}

#[test]
fn the_trials_of_probes_allocate_nothing() {
    let policy = Policy { denied: Denied::Errno, forks: Forks::Free, families: Families::Unix };
    let code = compile(&policy.rules(), Arch::host().unwrap()).unwrap();
    let missing = Box::new(Op::WorkingDirectory(c("/no/such/directory")));
    let ops = [
        Trial::Fork,
        Trial::Refused { step: missing, errno: libc::ENOENT },
        Trial::NoNewPrivileges,
        Trial::Filter { code, listener: None },
        Trial::CloseOnExecute,
    ];
    let ops = ops.into_iter().map(Op::Trial).collect();
    let story = tell(&Script { namespaces: LEAST, cgroup: None, ops, aside: Vec::new(), program: None }, false);
    assert!(matches!(story.records[..], [Record::Ready { .. }]), "{story:?}");
}

#[test]
fn the_last_words_of_a_child_that_did_not_listen_are_heard() {
    let ops = vec![Op::AwaitIds, Op::WorkingDirectory(c("/no/such/directory"))];
    let script = Script { namespaces: LEAST, cgroup: None, ops, aside: Vec::new(), program: None };
    let child = spawn(&script).unwrap();
    let signal = |number| {
        // SAFETY: a child of this process that has not been waited for.
        assert_eq!(unsafe { libc::kill(i32::try_from(child.pid()).unwrap(), number) }, 0);
    };
    // Stopped until it has been told one thing more than it hears: its end then breaks the connection.
    signal(libc::SIGSTOP);
    let (uid, gid) = ids();
    child.map_ids(IdMap { uid: (1000, uid), gid: (1000, gid), groups: groups() }).unwrap();
    child.go(&[]).unwrap();
    signal(libc::SIGCONT);
    // Readable when it has ended.
    let mut fd = libc::pollfd { fd: child.pidfd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one structure that lives across the call.
    assert_eq!(unsafe { libc::poll(&raw mut fd, 1, 20_000) }, 1);
    let first = child.record().unwrap();
    assert!(matches!(first, Some(Record::Failed { step: 1, errno: libc::ENOENT })), "{first:?}");
    assert!(child.record().unwrap().is_none());
}
