//! Files of the host that a program has no business with: taken, deleted, reached by devices and handles.

use super::{loot, shown};
use crate::operation::{
    Answer, Arguments, Operation, Place, Stop, any, blocked, check, errno_name, last_errno, system_call,
};
use crate::scratch::Scratch;
use std::ffi::CString;
use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

#[rustfmt::skip] // a table
pub(super) const OPERATIONS: &[Operation] = &[
    Operation { name: "steal", arguments: "PATH…", about: "reads the first of these files that it can", needs: "one is readable", place: Place::Itself, run: steal },
    Operation { name: "fingerprint", arguments: "PATH", about: "reads a file and tells its length and FNV-1a sum", needs: "PATH is readable", place: Place::Child, run: fingerprint },
    Operation { name: "list-names", arguments: "PATH", about: "tells the names in a directory", needs: "PATH is readable", place: Place::Itself, run: list },
    Operation { name: "delete-tree", arguments: "PATH", about: "deletes a directory with all that is in it", needs: "PATH was made for the test", place: Place::Child, run: delete },
    Operation { name: "plant-set-user-id", arguments: "PATH", about: "makes a file that runs as its owner, whoever executes it", needs: "PATH is in a directory made for the test", place: Place::Child, run: set_user_id },
    Operation { name: "open-device", arguments: "b|c MAJOR MINOR PATH", about: "opens a device for reading, at PATH or by making a node of its own", needs: "root", place: Place::Child, run: open_device },
    Operation { name: "steal-by-handle", arguments: "TYPE HEX", about: "reads a file by its handle, on the file system of this program", needs: "CAP_DAC_READ_SEARCH", place: Place::Child, run: by_handle },
];

fn steal(arguments: &Arguments) -> Answer {
    arguments.text(0, "PATH")?;
    any(arguments.0.iter().map(|path| Ok(format!("read {path}: {}", shown(&loot(Path::new(path))?)))))
}

fn fingerprint(arguments: &Arguments) -> Answer {
    let path = arguments.text(0, "PATH")?;
    let bytes = loot(Path::new(path))?;
    // FNV-1a, 64 bits (RFC 9923): no secret, only a name for what was read.
    let sum = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    Ok(format!("read {path}: {} bytes, sum {sum:016x}", bytes.len()))
}

fn list(arguments: &Arguments) -> Answer {
    let path = arguments.text(0, "PATH")?;
    let entries = std::fs::read_dir(path).map_err(blocked(format!("opendir {path}")))?;
    let names: Vec<_> = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    Ok(format!("{path} has {}", names.join(" ")))
}

fn delete(arguments: &Arguments) -> Answer {
    let path = arguments.text(0, "PATH")?;
    std::fs::remove_dir_all(path).map_err(blocked(format!("delete {path}")))?;
    Ok(format!("deleted {path}"))
}

fn set_user_id(arguments: &Arguments) -> Answer {
    let path = arguments.text(0, "PATH")?;
    std::fs::write(path, b"#!/bin/sh\n").map_err(blocked(format!("create {path}")))?;
    let rights = std::fs::Permissions::from_mode(0o4755);
    std::fs::set_permissions(path, rights).map_err(blocked(format!("chmod(4755) of {path}")))?;
    Ok(format!("made {path} with mode 4755"))
}

fn open_device(arguments: &Arguments) -> Answer {
    let block = arguments.text(0, "b|c")? == "b";
    let (major, minor) = (arguments.number(1, "MAJOR", 4095)?, arguments.number(2, "MINOR", 1 << 20)?);
    let number = libc::makedev(major as u32, minor as u32);
    let open = |path: &Path| {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NONBLOCK);
        let file = options.open(path).map_err(blocked(format!("open {}", path.display())))?;
        let data = file.metadata().map_err(blocked("fstat"))?;
        let kind = data.file_type();
        if data.rdev() != number || !(if block { kind.is_block_device() } else { kind.is_char_device() }) {
            return Err(Stop::Blocked(format!("{} is another file", path.display())));
        }
        // Held until this process ends.
        std::mem::forget(file);
        Ok(format!("opened {} as the device {major}:{minor}", path.display()))
    };
    let by_node = || {
        let scratch = Scratch::new()?;
        let path = scratch.path().join("device");
        let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| Stop::Inconclusive("NUL".into()))?;
        let mode = if block { libc::S_IFBLK } else { libc::S_IFCHR } | 0o600;
        // SAFETY: a terminated string.
        check(format!("mknod({major}:{minor})"), unsafe { libc::mknod(name.as_ptr(), mode, number) })?;
        open(&path)
    };
    let given = open(Path::new(arguments.text(3, "PATH")?));
    if given.is_ok() { given } else { any([given, by_node()]) }
}

/// `struct file_handle` with room for the longest (MAX_HANDLE_SZ is 128).
#[repr(C)]
pub(super) struct Handle {
    pub(super) bytes: u32,
    pub(super) kind: i32,
    pub(super) handle: [u8; 128],
}

/// What is behind a handle, on the file system of this program's own file.
pub(super) fn open_handle(handle: &mut Handle, flags: i32) -> Result<OwnedFd, Stop> {
    let own = std::env::args_os().next().unwrap_or_default();
    let mount = std::fs::File::open(&own).map_err(blocked(format!("open {}", own.display())))?;
    let words = [mount.as_raw_fd() as usize, (&raw mut *handle) as usize, flags as usize];
    let fd = system_call("open_by_handle_at", libc::SYS_open_by_handle_at, &words)?;
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn by_handle(arguments: &Arguments) -> Answer {
    let kind = arguments.number(0, "TYPE", 255)? as i32;
    let hex = arguments.text(1, "HEX")?;
    let bytes: Option<Vec<u8>> =
        (0..hex.len() / 2).map(|at| u8::from_str_radix(hex.get(at * 2..at * 2 + 2)?, 16).ok()).collect();
    let bytes =
        bytes.filter(|bytes| bytes.len() <= 128).ok_or_else(|| Stop::Inconclusive("HEX is no handle".into()))?;
    let mut handle = Handle { bytes: bytes.len() as u32, kind, handle: [0; 128] };
    handle.handle[..bytes.len()].copy_from_slice(&bytes);
    let file = std::fs::File::from(open_handle(&mut handle, libc::O_RDONLY)?);
    let mut content = Vec::new();
    file.take(super::LOOT).read_to_end(&mut content).map_err(blocked("read"))?;
    Ok(format!("open_by_handle_at gave a file: {}", shown(&content)))
}

/// The handle of a file: type and bytes.
pub(super) fn handle_of(path: &str) -> Result<Handle, Stop> {
    let name = CString::new(path).map_err(|_| Stop::Inconclusive("PATH has a NUL".into()))?;
    let mut handle = Handle { bytes: 128, kind: 0, handle: [0; 128] };
    let mut mount = 0_i32;
    let at = libc::AT_FDCWD as usize;
    let words = [at, name.as_ptr() as usize, (&raw mut handle) as usize, (&raw mut mount) as usize, 0];
    match system_call("name_to_handle_at", libc::SYS_name_to_handle_at, &words) {
        Ok(_) => Ok(handle),
        Err(_) => Err(Stop::Inconclusive(format!("name_to_handle_at: {}", errno_name(last_errno())))),
    }
}
