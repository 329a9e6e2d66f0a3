//! System calls as a child between `clone3` and `execve` may use them: no allocation, no panic, an errno for a failure.
//!
//! Not here: any order of calls (`child.rs`).

use libc::{c_char, c_int, c_uint, c_ulong};

pub(crate) use crate::raw::Errno;
use crate::{raw::sys, script::Identity};

/// How often something that is about to happen is looked for before sleeping.
pub(crate) const LOOKS: u32 = 8;

/// Looks for something that is about to happen, giving way to whoever makes it happen in between: that may be waiting for
/// this processor. Going to sleep at once, and being woken on another processor, costs more.
pub(crate) fn soon<T>(look: impl FnMut() -> Option<T>) -> Option<T> {
    within(LOOKS, look)
}

/// As [`soon`], so often.
pub(crate) fn within<T>(looks: u32, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    for _ in 0..looks {
        let seen = look();
        if seen.is_some() {
            return seen;
        }
        // SAFETY: no arguments; it cannot fail.
        let _ = unsafe { sys!(SYS_sched_yield) };
    }
    None
}

/// `struct mount_attr` of mount_setattr(2).
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct MountAttr {
    pub(crate) set: u64,
    pub(crate) clear: u64,
    pub(crate) propagation: u64,
    pub(crate) userns: u64,
}

/// `struct clone_args` of clone3(2), version 2 (Linux 5.7: with `cgroup`).
#[repr(C, align(8))]
#[derive(Clone, Copy, Default)]
pub(crate) struct CloneArgs {
    pub(crate) flags: u64,
    pub(crate) pidfd: u64,
    pub(crate) child_tid: u64,
    pub(crate) parent_tid: u64,
    pub(crate) exit_signal: u64,
    pub(crate) stack: u64,
    pub(crate) stack_size: u64,
    pub(crate) tls: u64,
    pub(crate) set_tid: u64,
    pub(crate) set_tid_size: u64,
    pub(crate) cgroup: u64,
}

const OPEN_TREE_CLONE: c_uint = 1;
const AT_RECURSIVE: c_uint = 0x8000;
const MOVE_MOUNT_F_EMPTY_PATH: c_uint = 4;
const MOVE_MOUNT_T_EMPTY_PATH: c_uint = 0x40;
const MS_PRIVATE: u64 = 1 << 18;

/// Clones the mount tree at `path`, in which no symbolic link is followed, into a detached one. `path` is a C string.
pub(crate) fn open_tree(path: *const c_char) -> Result<c_int, Errno> {
    let fd = open_without_links(path, libc::O_PATH)?;
    let tree = clone_tree(fd);
    close(fd);
    tree
}

/// Clones the mount tree at what `fd` names into a detached one.
pub(crate) fn clone_tree(fd: c_int) -> Result<c_int, Errno> {
    let flags = OPEN_TREE_CLONE | AT_RECURSIVE | (libc::O_CLOEXEC | libc::AT_EMPTY_PATH) as c_uint;
    // SAFETY: the path is a static C string.
    unsafe { sys!(SYS_open_tree, fd, c"".as_ptr(), flags) }.map(|fd| fd as c_int)
}

fn stat(fd: c_int) -> Result<libc::stat, Errno> {
    // SAFETY: stat is plain data for which zero is valid.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the path is a static C string, and the kernel writes one `struct stat`.
    unsafe { sys!(SYS_newfstatat, fd, c"".as_ptr(), &raw mut stat, libc::AT_EMPTY_PATH) }?;
    Ok(stat)
}

/// Which file or directory a descriptor is.
pub(crate) fn identity(fd: c_int) -> Result<Identity, Errno> {
    stat(fd).map(|stat| Identity { device: stat.st_dev, inode: stat.st_ino })
}

/// Whether a descriptor is one of a directory.
pub(crate) fn is_directory(fd: c_int) -> Result<bool, Errno> {
    stat(fd).map(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFDIR)
}

/// Attaches a detached tree over what `target` names.
pub(crate) fn cover(tree: c_int, target: c_int) -> Result<(), Errno> {
    let flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    // SAFETY: the paths are static C strings.
    unsafe { sys!(SYS_move_mount, tree, c"".as_ptr(), target, c"".as_ptr(), flags) }.map(drop)
}

/// Opens something in whose path no symbolic link is followed. `path` is a C string.
pub(crate) fn open_without_links(path: *const c_char, flags: c_int) -> Result<c_int, Errno> {
    const RESOLVE_NO_SYMLINKS: u64 = 4;
    // `struct open_how`: flags, mode, resolve.
    let how = [(flags | libc::O_CLOEXEC) as u64, 0, RESOLVE_NO_SYMLINKS];
    // SAFETY: `path` is a valid C string of the script, and `how` lives across the call; the kernel only reads both.
    unsafe { sys!(SYS_openat2, libc::AT_FDCWD, path, how.as_ptr(), size_of_val(&how)) }.map(|fd| fd as c_int)
}

/// Sets attributes on a whole mount tree, named by descriptor (`path` empty) or by path, and makes it private.
pub(crate) fn mount_setattr(fd: c_int, path: *const c_char, set: u64) -> Result<(), Errno> {
    set_attributes(fd, path, &MountAttr { set, propagation: MS_PRIVATE, ..MountAttr::default() })
}

/// As [`mount_setattr`], and shows the files of the tree with the ids of a user namespace.
pub(crate) fn map_tree(tree: c_int, set: u64, users: c_int) -> Result<(), Errno> {
    let set = set | libc::MOUNT_ATTR_IDMAP;
    let attr = MountAttr { set, propagation: MS_PRIVATE, userns: users as u64, ..MountAttr::default() };
    set_attributes(tree, c"".as_ptr(), &attr)
}

fn set_attributes(fd: c_int, path: *const c_char, attr: &MountAttr) -> Result<(), Errno> {
    let flags = AT_RECURSIVE | libc::AT_EMPTY_PATH as c_uint;
    // SAFETY: `path` is a valid C string and `attr` lives across the call; the kernel only reads both.
    unsafe { sys!(SYS_mount_setattr, fd, path, flags, std::ptr::from_ref(attr), size_of::<MountAttr>()) }.map(drop)
}

/// Attaches a detached tree at `at`.
pub(crate) fn move_mount(tree: c_int, at: *const c_char) -> Result<(), Errno> {
    // SAFETY: both strings are valid C strings; the kernel only reads them.
    unsafe { sys!(SYS_move_mount, tree, c"".as_ptr(), libc::AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) }.map(drop)
}

/// mount(2). Null pointers are allowed where the manual allows them.
pub(crate) fn mount(
    source: *const c_char,
    at: *const c_char,
    kind: *const c_char,
    flags: c_ulong,
    data: *const c_char,
) -> Result<(), Errno> {
    // SAFETY: every pointer is null or a valid C string of the script; the kernel only reads them.
    unsafe { sys!(SYS_mount, source, at, kind, flags, data) }.map(drop)
}

/// Makes the working directory the root. The old root is stacked on it.
pub(crate) fn pivot_root_here() -> Result<(), Errno> {
    let here = c".".as_ptr();
    // SAFETY: `here` is a static C string.
    unsafe { sys!(SYS_pivot_root, here, here) }.map(drop)
}

/// Detaches the uppermost mount at the root, which is the old root after [`pivot_root_here`].
pub(crate) fn detach_old_root() -> Result<(), Errno> {
    // SAFETY: the path is a static C string.
    unsafe { sys!(SYS_umount2, c"/".as_ptr(), libc::MNT_DETACH) }.map(drop)
}

/// Whether nothing is stacked on the root: `/..` leads onto what is.
pub(crate) fn is_top_of_all() -> bool {
    let identity = |path: *const c_char| {
        // SAFETY: stat is plain data for which zero is valid.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: both callers pass a static C string, and the kernel writes one `struct stat`.
        unsafe { sys!(SYS_newfstatat, libc::AT_FDCWD, path, &raw mut stat, 0) }.map(|_| (stat.st_dev, stat.st_ino))
    };
    let root = identity(c"/".as_ptr());
    root.is_ok() && root == identity(c"/..".as_ptr())
}

/// Waits as long as `word` is `old`, a tenth of a second at most; may return earlier.
pub(crate) fn futex_wait(word: &std::sync::atomic::AtomicU32, old: u32) {
    let timeout = [0u64, 100_000_000];
    // SAFETY: the word and the timeout outlive the call. An error means that there is nothing to wait for any more.
    let _ = unsafe { sys!(SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, old, timeout.as_ptr()) };
}

/// Wakes whoever waits for `word`.
pub(crate) fn futex_wake(word: &std::sync::atomic::AtomicU32) {
    // SAFETY: the word is only used as an address. Nobody waiting is fine.
    let _ = unsafe { sys!(SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
}

/// Opens a file or directory.
pub(crate) fn open(path: *const c_char, flags: c_int, mode: c_uint) -> Result<c_int, Errno> {
    // SAFETY: `path` is a valid C string.
    unsafe { sys!(SYS_openat, libc::AT_FDCWD, path, flags | libc::O_CLOEXEC, mode) }.map(|fd| fd as c_int)
}

/// Closes a descriptor that this process owns. A failure has no remedy here.
pub(crate) fn close(fd: c_int) {
    // SAFETY: closing has no memory effect; a wrong number gives EBADF.
    let _ = unsafe { sys!(SYS_close, fd) };
}

/// Marks every descriptor from 3 on to be closed when a program is executed.
pub(crate) fn close_on_execute() -> Result<(), Errno> {
    const CLOSE_RANGE_CLOEXEC: u32 = 4;
    // SAFETY: scalar arguments.
    unsafe { sys!(SYS_close_range, 3, c_int::MAX, CLOSE_RANGE_CLOEXEC) }.map(drop)
}

/// Writes all of `bytes`.
pub(crate) fn write_all(fd: c_int, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        // SAFETY: pointer and length describe `bytes`.
        let n = unsafe { sys!(SYS_write, fd, bytes.as_ptr(), bytes.len()) }?;
        bytes = bytes.get(n as usize..).unwrap_or_default();
    }
    Ok(())
}

/// Copies the whole file `from`, starting at its beginning, to `to`.
pub(crate) fn copy_file(from: c_int, to: c_int) -> Result<(), Errno> {
    let mut offset: libc::off_t = 0;
    loop {
        // SAFETY: `offset` lives across the call and is the only memory the kernel writes.
        let n = unsafe { sys!(SYS_sendfile, to, from, &raw mut offset, 1 << 30) }?;
        if n == 0 {
            return Ok(());
        }
    }
}

/// prctl(2) with scalar arguments.
pub(crate) fn prctl(option: c_int, a: c_ulong, b: c_ulong) -> Result<(), Errno> {
    // SAFETY: used only with options whose arguments are numbers, or pointers to static strings.
    unsafe { sys!(SYS_prctl, option, a, b, 0, 0) }.map(drop)
}

/// Nanoseconds of `CLOCK_MONOTONIC`.
pub(crate) fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Ends this process at once, without destructors or exit handlers.
pub(crate) fn exit(code: c_int) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}
