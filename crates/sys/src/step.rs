//! Each step of a script, carried out.
//!
//! In: one [`Op`]. Out: nothing, or an errno. Not here: the order of steps and the processes that take them (`child.rs`).
//!
//! The rules of `child.rs` hold: system calls only, no allocation, locks, panics or drops.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};

use libc::{c_char, c_int, c_ulong};

use crate::{
    call::{self, Errno},
    child::{Child, die_with_parent},
    overlay,
    raw::sys,
    record::{self, FDS, GO, HANDLES, IDS_WRITTEN, MARKS, message, send},
    script::{Closed, Groups, Op, Presence, SLOTS, STAGES, Stage},
    terminal, trial, users,
};

/// securebits(7): NOROOT, NO_SETUID_FIXUP and NO_CAP_AMBIENT_RAISE set, and these and KEEP_CAPS locked.
const SECUREBITS: c_ulong = 0b1110_1111;

/// Of the structures of capget(2) and capset(2).
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

/// What the first process and its helper share. Each slot is written by one of them, and read by the other only behind a
/// [`Stage`] that it awaited.
pub(crate) struct State {
    slots: [AtomicI32; SLOTS],
    pub(crate) marks: [AtomicU64; MARKS],
    pub(crate) stages: [AtomicU32; STAGES],
    /// The helper, as the first process sees it; 0 if there is none.
    pub(crate) helper: AtomicI32,
    /// Whether a program that ends with 0 is not the end.
    pub(crate) outlives: AtomicBool,
}

/// How often is looked whether the old root is gone: for some tens of microseconds.
const DETACHING: u32 = 128;

/// Stages: nothing yet, reached, never to be reached.
const NOT_YET: u32 = 0;
const REACHED: u32 = 1;
pub(crate) const NEVER: u32 = 2;

impl Default for State {
    fn default() -> Self {
        Self {
            slots: [const { AtomicI32::new(-1) }; SLOTS],
            marks: [const { AtomicU64::new(0) }; MARKS],
            stages: [const { AtomicU32::new(NOT_YET) }; STAGES],
            helper: AtomicI32::new(0),
            outlives: AtomicBool::new(false),
        }
    }
}

pub(crate) fn step(child: &Child<'_>, op: &Op, state: &State) -> Result<(), Errno> {
    match op {
        Op::PrivateMounts => {
            let flags = libc::MS_REC | libc::MS_PRIVATE;
            call::mount(std::ptr::null(), c"/".as_ptr(), std::ptr::null(), flags, std::ptr::null())
        }
        Op::OpenTree { slot, path, attributes, same } => {
            let tree = call::open_tree(path.as_ptr())?;
            keep(state, slot.0, tree)?;
            if let Some(same) = same
                && call::identity(tree)? != *same
            {
                return Err(libc::ESTALE);
            }
            call::mount_setattr(tree, c"".as_ptr(), *attributes)
        }
        Op::KeepTree { slot, tree } => {
            use std::os::fd::AsRawFd;
            keep(state, slot.0, tree.as_raw_fd())
        }
        Op::AwaitIds => await_message(child, IDS_WRITTEN, &mut [-1; FDS]).map(drop),
        Op::FilesAs { uid, gid } => files_as(*uid, *gid),
        Op::SetIds { uid, gid, groups } => {
            set_ids(*uid, *gid, *groups)?;
            die_with_parent(child);
            Ok(())
        }
        Op::EnterRoot { over, options } => {
            let flags = libc::MS_NOSUID | libc::MS_NODEV;
            call::mount(c"palisade".as_ptr(), over.as_ptr(), c"tmpfs".as_ptr(), flags, options.as_ptr())?;
            chdir(over.as_ptr())
        }
        Op::Directory { path, mode } => {
            // SAFETY: `path` is a valid C string.
            match unsafe { sys!(SYS_mkdirat, libc::AT_FDCWD, path.as_ptr(), *mode) } {
                Err(libc::EEXIST) => Ok(()),
                answer => answer.map(drop),
            }
        }
        Op::Symlink { target, path } => {
            // SAFETY: both are valid C strings.
            unsafe { sys!(SYS_symlinkat, target.as_ptr(), libc::AT_FDCWD, path.as_ptr()) }.map(drop)
        }
        Op::File { path, content, mode } => {
            let fd = match call::open(path.as_ptr(), libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL, *mode) {
                Err(libc::EEXIST) if content.is_empty() => return Ok(()), // a mount point that is there already
                answer => answer?,
            };
            let written = call::write_all(fd, content);
            call::close(fd);
            written
        }
        Op::CopyFile { from, path, mode } => {
            use std::os::fd::AsRawFd;
            let fd = call::open(path.as_ptr(), libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL, *mode)?;
            let copied = call::copy_file(from.as_raw_fd(), fd);
            call::close(fd);
            copied
        }
        Op::Blank { slot, directory, name, mode } => {
            // Of a mount of its own: no other becomes read-only while somebody can write by it.
            let tree = call::open_tree(directory.as_ptr())?;
            let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC;
            // SAFETY: `name` is a valid C string.
            let made = unsafe { sys!(SYS_openat, tree, name.as_ptr(), flags, *mode) };
            call::close(tree);
            keep(state, slot.0, made? as i32)
        }
        Op::AttachTree { slot, at } => {
            let tree = kept(state, slot.0)?;
            let moved = call::move_mount(tree, at.as_ptr());
            call::close(tree);
            moved
        }
        Op::OpenLayer { slot, path } => keep(state, slot.0, overlay::open_layer(path.as_ptr())?),
        Op::MountOverlay { lower, upper, at } => overlay::mount(state, lower, *upper, at.as_ptr()),
        Op::BeginOverlay { slot } => keep(state, slot.0, overlay::begin()?),
        Op::AddLayer { slot, role, path } => overlay::add(kept(state, slot.0)?, *role, path.as_ptr()),
        Op::FinishOverlay { slot, attributes } => {
            let context = kept(state, slot.0)?;
            let tree = overlay::finish(context, *attributes);
            call::close(context);
            keep(state, slot.0, tree?)
        }
        Op::Bind { source, at, presence } => {
            let flags = libc::MS_BIND;
            match call::mount(source.as_ptr(), at.as_ptr(), std::ptr::null(), flags, std::ptr::null()) {
                Err(libc::ENOENT) if *presence != Presence::Needed => Ok(()),
                answer => answer,
            }
        }
        Op::Pin { path, attributes, presence } => {
            let Some(target) = there(path.as_ptr(), *presence, Closed::Refused)? else { return Ok(()) };
            let pinned = call::clone_tree(target).and_then(|tree| cover(tree, *attributes, target));
            call::close(target);
            pinned
        }
        Op::Hide { path, directory, file, presence, closed } => {
            let Some(target) = there(path.as_ptr(), *presence, *closed)? else { return Ok(()) };
            let hidden = hide(target, directory.as_ptr(), file.as_ptr());
            call::close(target);
            hidden
        }
        Op::Mount { kind, at, flags, options } => {
            call::mount(kind.as_ptr(), at.as_ptr(), kind.as_ptr(), *flags as c_ulong, options.as_ptr())
        }
        Op::PivotRoot => call::pivot_root_here(),
        Op::DetachOldRoot => call::detach_old_root(),
        Op::ReadOnlyTree { attributes } => {
            call::mount_setattr(libc::AT_FDCWD, c".".as_ptr(), attributes | libc::MOUNT_ATTR_RDONLY)
        }
        Op::HostName(name) => {
            // SAFETY: pointer and length describe `name`.
            unsafe { sys!(SYS_sethostname, name.as_ptr(), name.count_bytes()) }.map(drop)
        }
        Op::LoopbackUp => loopback_up(),
        Op::OpenDirectory { slot, path } => {
            let fd = call::open(path.as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
            keep(state, slot.0, fd)
        }
        Op::OpenTerminal { master, terminal, rows, columns } => {
            let (ours, theirs) = terminal::open(*rows, *columns)?;
            keep(state, master.0, ours)?;
            keep(state, terminal.0, theirs)
        }
        Op::GiveHandles(slots) => {
            let mut fds = [-1; FDS];
            for (fd, slot) in fds.iter_mut().zip(slots) {
                *fd = kept(state, slot.0)?;
            }
            send(child.control, &message(HANDLES, 0, 0), fds.get(..slots.len()).ok_or(libc::E2BIG)?)
        }
        Op::JoinCgroups => {
            let mut fds = [-1; FDS];
            let count = await_message(child, GO, &mut fds)?;
            for fd in fds.iter().take(count) {
                // "0" is the writing thread itself. For that one case the kernel needs no global lock, which costs 15 ms
                // on an idle host (cgroup_procs_write_start in kernel/cgroup/cgroup.c).
                call::write_all(*fd, b"0")?;
                call::close(*fd);
            }
            Ok(())
        }
        // SAFETY: unshare takes flags only; none of those used shares memory or descriptors.
        Op::Unshare(namespaces) => unsafe { sys!(SYS_unshare, namespaces.0) }.map(drop),
        Op::OpenNamespace { slot, path } => {
            let fd = call::open(path.as_ptr(), libc::O_RDONLY, 0)?;
            keep(state, slot.0, fd)
        }
        Op::EnterNamespace(slot) => {
            let fd = kept(state, slot.0)?;
            // SAFETY: scalar arguments.
            let entered = unsafe { sys!(SYS_setns, fd, 0) };
            call::close(fd);
            entered.map(drop)
        }
        Op::Await(stage) => await_stage(state, *stage),
        Op::UntilDetached => match call::within(DETACHING, || call::is_top_of_all().then_some(())) {
            Some(()) => Ok(()),
            None => await_stage(state, Stage::Detached),
        },
        Op::Reached(stage) => {
            let word = state.stages.get(*stage as usize).ok_or(libc::EINVAL)?;
            word.store(REACHED, Ordering::Release);
            call::futex_wake(word);
            Ok(())
        }
        Op::NewKeyring => {
            const KEYCTL_JOIN_SESSION_KEYRING: c_int = 1;
            // SAFETY: a null name asks for an anonymous keyring.
            let joined = unsafe { sys!(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0) };
            match joined {
                Err(libc::ENOSYS) => Ok(()), // a kernel without keyrings has none to leak
                answer => answer.map(drop),
            }
        }
        Op::Landlock(rules) => rules.restrict_self(),
        Op::DropPrivileges => drop_privileges(),
        Op::GiveUp(ids) => give_up(*ids),
        Op::OwnUsers { users, groups } => users::own(users, groups),
        Op::OutliveProgram => {
            state.outlives.store(true, Ordering::Release);
            Ok(())
        }
        Op::AdoptOrphans => match call::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0) {
            Err(libc::EINVAL) => Ok(()), // gVisor: they are given to process 1, the agent
            answer => answer,
        },
        Op::Umask(mask) => {
            // SAFETY: umask cannot fail.
            let _ = unsafe { sys!(SYS_umask, *mask) };
            Ok(())
        }
        Op::WorkingDirectory(path) => chdir(path.as_ptr()),
        Op::Mark(index) => {
            if let Some(mark) = state.marks.get(*index) {
                mark.store(call::now(), Ordering::Release);
            }
            Ok(())
        }
        Op::Trial(trial) => trial::attempt(child, trial, state),
        Op::Call(function) => match function() {
            0 => Ok(()),
            errno => Err(errno),
        },
    }
}

pub(crate) fn keep(state: &State, slot: usize, fd: i32) -> Result<(), Errno> {
    state.slots.get(slot).ok_or(libc::EMFILE)?.store(fd, Ordering::Release);
    Ok(())
}

pub(crate) fn kept(state: &State, slot: usize) -> Result<i32, Errno> {
    let fd = state.slots.get(slot).ok_or(libc::EBADF)?.load(Ordering::Acquire);
    if fd >= 0 { Ok(fd) } else { Err(libc::EBADF) }
}

/// Whether a child of this process has ended. It stays to be waited for.
fn has_ended(pid: i32) -> bool {
    // `siginfo_t` has 128 bytes; its third word is the pid, which stays 0 if there is nothing to tell.
    let mut told = [0u64; 16];
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: the kernel writes at most 128 bytes.
    let answer = unsafe { sys!(SYS_waitid, libc::P_PID, pid, told.as_mut_ptr(), options, 0) };
    pid > 0 && answer.is_ok() && told[0] != 0
}

fn await_stage(state: &State, stage: Stage) -> Result<(), Errno> {
    let word = state.stages.get(stage as usize).ok_or(libc::EINVAL)?;
    // Whether it is soon or not, the word says what follows.
    let _ = call::soon(|| (word.load(Ordering::Acquire) != NOT_YET).then_some(()));
    loop {
        match word.load(Ordering::Acquire) {
            NOT_YET => {
                call::futex_wait(word, NOT_YET);
                // A helper that was killed, by the out-of-memory killer say, reaches nothing any more.
                if word.load(Ordering::Acquire) == NOT_YET && has_ended(state.helper.load(Ordering::Acquire)) {
                    return Err(libc::ECHILD);
                }
            }
            REACHED => return Ok(()),
            // The other process has failed and has said so: nobody needs to hear of this one.
            _ => call::exit(1),
        }
    }
}

/// What is at `path`, or nothing if that is fine.
fn there(path: *const c_char, presence: Presence, closed: Closed) -> Result<Option<c_int>, Errno> {
    match call::open_without_links(path, libc::O_PATH) {
        Err(libc::ENOENT | libc::ENOTDIR) if presence != Presence::Needed => Ok(None),
        Err(libc::ELOOP) if presence == Presence::Fleeting => Ok(None),
        Err(libc::EACCES) if closed == Closed::Passed => Ok(None),
        answer => answer.map(Some),
    }
}

fn hide(target: c_int, directory: *const c_char, file: *const c_char) -> Result<(), Errno> {
    let by = if call::is_directory(target)? { directory } else { file };
    let attributes =
        libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;
    cover(call::open_tree(by)?, attributes, target)
}

/// Attaches a cloned tree over `target` with these attributes, and closes it.
fn cover(tree: c_int, attributes: u64, target: c_int) -> Result<(), Errno> {
    let covered = call::mount_setattr(tree, c"".as_ptr(), attributes).and_then(|()| call::cover(tree, target));
    call::close(tree);
    covered
}

fn chdir(path: *const libc::c_char) -> Result<(), Errno> {
    // SAFETY: `path` is a valid C string.
    unsafe { sys!(SYS_chdir, path) }.map(drop)
}

/// Waits for one message of the parent. `ECANCELED` if it is gone or says something else.
fn await_message(child: &Child<'_>, kind: u64, fds: &mut [i32; FDS]) -> Result<usize, Errno> {
    match record::receive(child.control, fds)? {
        (message, count) if message[0] == kind => Ok(count),
        _ => Err(libc::ECANCELED),
    }
}

fn set_ids(uid: u32, gid: u32, groups: Groups) -> Result<(), Errno> {
    // Raw calls: glibc's wrappers would signal every thread of the process, and those of the parent are not ours.
    // SAFETY: scalar arguments, or a null pointer with length 0.
    unsafe {
        if groups == Groups::Drop {
            sys!(SYS_setgroups, 0, 0)?;
        }
        sys!(SYS_setresgid, gid, gid, gid)?;
        sys!(SYS_setresuid, uid, uid, uid)?;
    }
    Ok(())
}

/// The two calls tell of no failure: a second one, with an id that there is not, changes nothing and says who it is.
///
/// Leaving user 0 gives up CAP_DAC_OVERRIDE with the other privileges over files, and coming back to it returns them all
/// (capabilities(7)). An overlay needs that one: its work directory is closed to everybody.
fn files_as(uid: u32, gid: u32) -> Result<(), Errno> {
    const NOBODY: u32 = u32::MAX;
    const CAP_DAC_OVERRIDE: u32 = 1 << 1;
    // SAFETY: scalar arguments.
    let (user, group) = unsafe {
        // The group first: the user may be one who may not.
        sys!(SYS_setfsgid, gid)?;
        sys!(SYS_setfsuid, uid)?;
        (sys!(SYS_setfsuid, NOBODY)?, sys!(SYS_setfsgid, NOBODY)?)
    };
    if (user as u32, group as u32) != (uid, gid) {
        return Err(libc::EPERM);
    }
    let header = [CAPABILITY_VERSION_3, 0];
    // Effective, permitted and inheritable ones, of the lower 32 and of the rest.
    let mut sets = [0u32; 6];
    // SAFETY: the two arrays have the layout of the header and of two data elements, for writing and for reading.
    unsafe {
        sys!(SYS_capget, header.as_ptr(), sets.as_mut_ptr())?;
        sets[0] |= sets[1] & CAP_DAC_OVERRIDE;
        sys!(SYS_capset, header.as_ptr(), sets.as_ptr()).map(drop)
    }
}

fn loopback_up() -> Result<(), Errno> {
    // SAFETY: scalar arguments.
    let socket = unsafe { sys!(SYS_socket, libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) }? as c_int;
    // SAFETY: ifreq is plain data for which zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads an ifreq.
    let set = unsafe { sys!(SYS_ioctl, socket, libc::SIOCSIFFLAGS, &raw const request) };
    call::close(socket);
    set.map(drop)
}

fn drop_privileges() -> Result<(), Errno> {
    call::prctl(libc::PR_SET_SECUREBITS, SECUREBITS, 0)?;
    bound()?;
    no_ambient()?;
    drop_capabilities()
}

/// Of somebody without CAP_SETPCAP the bounds stay as they are: without capabilities and with no_new_privs nothing within
/// them can be had. A kernel that knows neither these bits nor an ambient set (gVisor) gives nobody anything by them.
fn give_up(ids: Option<(u32, u32)>) -> Result<(), Errno> {
    let passed = |answer| match answer {
        Err(libc::EPERM | libc::EINVAL) => Ok(()),
        answer => answer,
    };
    passed(call::prctl(libc::PR_SET_SECUREBITS, SECUREBITS, 0))?;
    passed(bound())?;
    if let Some((uid, gid)) = ids {
        set_ids(uid, gid, Groups::Drop)?;
    }
    passed(no_ambient())?;
    drop_capabilities()
}

/// What no later execution can exceed.
fn bound() -> Result<(), Errno> {
    for capability in 0..64 {
        match call::prctl(libc::PR_CAPBSET_DROP, capability, 0) {
            Err(libc::EINVAL) => break, // the last one that this kernel knows
            answer => answer?,
        }
    }
    Ok(())
}

fn no_ambient() -> Result<(), Errno> {
    call::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as c_ulong, 0)
}

fn drop_capabilities() -> Result<(), Errno> {
    let header = [CAPABILITY_VERSION_3, 0];
    let none = [0u32; 6];
    // SAFETY: the two arrays have the layout of the header and of two data elements; the kernel only reads them.
    unsafe { sys!(SYS_capset, header.as_ptr(), none.as_ptr()) }?;
    call::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0)?;
    // Nobody inside may look into this process, which still holds the caller's memory image.
    call::prctl(libc::PR_SET_DUMPABLE, 0, 0)
}
