//! Mounts: changing the file tree from within.

use crate::operation::{Answer, Arguments, Operation, Place, Stop, any, check, harmless_call, system_call};
use crate::scratch::Scratch;
use std::ffi::CString;
use std::mem::MaybeUninit;
use std::path::Path;

#[rustfmt::skip] // a table
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "mount-tmpfs", arguments: "", about: "mounts a tmpfs on a directory of its own, by mount and by fsopen, and removes it", needs: "CAP_SYS_ADMIN", place: Place::Child, run: mount_tmpfs },
    Operation { name: "remount-rw", arguments: "PATH", about: "makes a read-only mount writable, by mount and mount_setattr, then read-only again", needs: "CAP_SYS_ADMIN; PATH is a read-only mount made for the test", place: Place::Child, run: remount },
    Operation { name: "umount", arguments: "PATH", about: "detaches a mount", needs: "CAP_SYS_ADMIN; PATH is a mount made for the test", place: Place::Child, run: unmount },
    Operation { name: "pivot-root", arguments: "", about: "asks for pivot_root on a path that does not exist: ENOENT means permitted", needs: "CAP_SYS_ADMIN", place: Place::Child, run: pivot_root },
    Operation { name: "chroot", arguments: "", about: "changes its root to /", needs: "CAP_SYS_CHROOT", place: Place::Child, run: change_root },
    Operation { name: "open-by-handle", arguments: "", about: "opens the root directory by a file handle", needs: "CAP_DAC_READ_SEARCH", place: Place::Child, run: open_by_handle },
];

fn c_path(path: &Path) -> Result<CString, Stop> {
    use std::os::unix::ffi::OsStrExt as _;
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Stop::Inconclusive("a path with NUL".into()))
}

fn path_argument(arguments: &Arguments) -> Result<CString, Stop> {
    c_path(Path::new(arguments.text(0, "PATH")?))
}

fn detach(path: &CString) -> Result<i64, Stop> {
    // SAFETY: a terminated string.
    check(format!("umount2({})", path.to_string_lossy()), unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) })
}

fn mount_tmpfs(_: &Arguments) -> Answer {
    // Permission is checked after the path, so the attempt needs some directory even where none can be made.
    let scratch = Scratch::new();
    let place = scratch.as_ref().map_or(Path::new("/tmp"), Scratch::path);
    let target = c_path(place)?;
    let name = c"tmpfs".as_ptr();
    // SAFETY: terminated strings.
    let mounted = unsafe { libc::mount(name, target.as_ptr(), name, 0, c"size=64k".as_ptr().cast()) };
    let classic = check("mount(tmpfs)", mounted).and_then(|_| {
        crate::hold::here(&format!("a tmpfs is mounted on {}", place.display()));
        detach(&target)?;
        Ok(format!("mounted a tmpfs on {}", place.display()))
    });
    let modern = system_call("fsopen(tmpfs)", libc::SYS_fsopen, &[name as usize, 1])
        .map(|_| "fsopen(tmpfs) gave a file system context".to_owned());
    any([classic, modern])
}

fn flags(path: &CString) -> Result<libc::c_ulong, Stop> {
    let mut data = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: a terminated string, and a live structure for the answer.
    check("statvfs", unsafe { libc::statvfs(path.as_ptr(), data.as_mut_ptr()) })?;
    // SAFETY: filled, because the call answered 0.
    Ok(unsafe { data.assume_init() }.f_flag)
}

/// `struct mount_attr` of linux/mount.h.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

fn remount(arguments: &Arguments) -> Answer {
    let path = path_argument(arguments)?;
    let before = flags(&path)?;
    if before & libc::ST_RDONLY == 0 {
        return Err(Stop::Inconclusive(format!("{} is not read-only", path.to_string_lossy())));
    }
    // Keeping the other flags: dropping a locked one would be refused for its own sake.
    let keep = before & (libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC);
    let by_mount = |extra: libc::c_ulong| {
        let flags = libc::MS_REMOUNT | libc::MS_BIND | keep | extra;
        // SAFETY: a terminated string; a remount reads nothing else.
        unsafe { libc::mount(std::ptr::null(), path.as_ptr(), std::ptr::null(), flags, std::ptr::null()) }
    };
    let by_attributes = |set: u64, clear: u64| {
        let wanted = MountAttributes { set, clear, propagation: 0, userns: 0 };
        let size = size_of::<MountAttributes>();
        let words = [libc::AT_FDCWD as usize, path.as_ptr() as usize, 0, &raw const wanted as usize, size];
        system_call("mount_setattr", libc::SYS_mount_setattr, &words)
    };
    let answer = any([
        check("mount(MS_REMOUNT)", by_mount(0)).map(|_| "mount".to_owned()),
        by_attributes(0, 1).map(|_| "mount_setattr".to_owned()),
    ])?;
    let after = flags(&path)?;
    let restored = by_mount(libc::MS_RDONLY) == 0 || by_attributes(1, 0).is_ok();
    if after & libc::ST_RDONLY != 0 {
        return Err(Stop::Blocked(format!("{answer} answered 0 but the mount stayed read-only")));
    }
    Ok(format!("{answer} made {} writable{}", path.to_string_lossy(), if restored { "" } else { " (not restored)" }))
}

fn unmount(arguments: &Arguments) -> Answer {
    let path = path_argument(arguments)?;
    detach(&path)?;
    Ok(format!("detached {}", path.to_string_lossy()))
}

fn pivot_root(_: &Arguments) -> Answer {
    let nowhere = c"/palisade-hostile-nowhere".as_ptr() as usize;
    harmless_call("pivot_root", libc::SYS_pivot_root, &[nowhere, nowhere], &[libc::ENOENT])
}

fn change_root(_: &Arguments) -> Answer {
    // SAFETY: a terminated string.
    check("chroot(/)", unsafe { libc::chroot(c"/".as_ptr()) })?;
    Ok("chroot(/) was accepted".into())
}

fn open_by_handle(_: &Arguments) -> Answer {
    let root = c".".as_ptr() as usize;
    // `struct file_handle`: size of the bytes that follow, type, bytes (at most 128).
    let mut handle = [0_u32; 34];
    handle[0] = 128;
    let mut mount = 0_i32;
    let (handle, mount) = (handle.as_mut_ptr() as usize, &raw mut mount as usize);
    let at = libc::AT_FDCWD as usize;
    system_call("name_to_handle_at", libc::SYS_name_to_handle_at, &[at, root, handle, mount, 0])?;
    let fd = system_call("open_by_handle_at", libc::SYS_open_by_handle_at, &[at, handle, libc::O_RDONLY as usize])?;
    Ok(format!("open_by_handle_at gave descriptor {fd}"))
}
