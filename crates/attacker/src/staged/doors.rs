//! Side doors: what a launcher forgot to close, and what a caller looks at afterwards.

use super::{loot, shown};
use crate::child::{fork, wait};
use crate::operation::{Answer, Arguments, Operation, Place, Stop, any, blocked, check, errno_name};
use std::ffi::CString;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::FromRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

#[rustfmt::skip] // a table
pub(super) const OPERATIONS: &[Operation] = &[
    Operation { name: "loot-descriptors", arguments: "NAME", about: "reads every descriptor above 2, and NAME in those that are directories", needs: "started with one", place: Place::Itself, run: descriptors },
    Operation { name: "loot-directory", arguments: "NAME", about: "reads NAME in its working directory and in those above it", needs: "started in a directory made for the test", place: Place::Itself, run: directory },
    Operation { name: "loot-environment", arguments: "", about: "tells its environment, and that of its parent and of process 1", needs: "-", place: Place::Itself, run: environment },
    Operation { name: "leave-link", arguments: "NAME TARGET", about: "leaves a symbolic link in its working directory", needs: "-", place: Place::Itself, run: leave_link },
    Operation { name: "leave-pipe", arguments: "NAME", about: "leaves a FIFO in its working directory", needs: "-", place: Place::Itself, run: leave_pipe },
    Operation { name: "leave-shared-memory", arguments: "KEY", about: "leaves a System V shared memory segment of one page", needs: "KEY was made for the test", place: Place::Child, run: leave_shared_memory },
    Operation { name: "type-into", arguments: "TERMINAL TEXT", about: "types TEXT into a terminal: its standard input, /dev/tty, or TERMINAL", needs: "dev.tty.legacy_tiocsti = 1, or CAP_SYS_ADMIN", place: Place::Child, run: type_into },
];

fn descriptors(arguments: &Arguments) -> Answer {
    let name = CString::new(arguments.text(0, "NAME")?).map_err(|_| Stop::Inconclusive("NAME has a NUL".into()))?;
    let mut found = Vec::new();
    for fd in 3..4096 {
        // SAFETY: plain numbers.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 {
            continue;
        }
        // SAFETY: an open descriptor of this process that nobody else uses; it is not closed here.
        let file = std::mem::ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
        let mut bytes = vec![0_u8; 4096];
        if let Ok(count) = file.read_at(&mut bytes, 0) {
            found.push(format!("{fd}: {}", shown(&bytes[..count])));
            continue;
        }
        // SAFETY: a terminated string.
        let below = unsafe { libc::openat(fd, name.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
        if below >= 0 {
            // SAFETY: a new descriptor that nobody else owns.
            let mut file = unsafe { File::from_raw_fd(below) };
            let count = file.read(&mut bytes).unwrap_or(0);
            found.push(format!("{fd}/{}: {}", name.to_string_lossy(), shown(&bytes[..count])));
        } else {
            found.push(format!("{fd}: open, and nothing can be read"));
        }
    }
    if found.is_empty() {
        return Err(Stop::Blocked("fcntl(F_GETFD): EBADF for every descriptor from 3 to 4095".into()));
    }
    Ok(found.join(", "))
}

fn directory(arguments: &Arguments) -> Answer {
    let name = arguments.text(0, "NAME")?;
    let above = (0..8).map(|depth| PathBuf::from("../".repeat(depth)).join(name));
    let paths = above.chain([Path::new("/proc/self/cwd").join(name)]);
    any(paths.map(|path| Ok(format!("read {}: {}", path.display(), shown(&loot(&path)?)))))
}

fn environment(_: &Arguments) -> Answer {
    let own = std::env::vars_os().map(|(name, value)| format!("{}={}", name.display(), value.display()));
    let own: Vec<String> = own.collect();
    let parent = std::os::unix::process::parent_id();
    let others = ["1".to_owned(), parent.to_string()];
    let theirs = others.iter().filter_map(|pid| loot(&PathBuf::from(format!("/proc/{pid}/environ"))).ok());
    let theirs: Vec<String> = theirs.map(|bytes| shown(&bytes)).collect();
    Ok(format!("{} variables: {}; of others: {}", own.len(), own.join(" "), theirs.join(" ")))
}

fn leave_link(arguments: &Arguments) -> Answer {
    let (name, target) = (arguments.text(0, "NAME")?, arguments.text(1, "TARGET")?);
    std::os::unix::fs::symlink(target, name).map_err(blocked("symlink"))?;
    Ok(format!("left {name} -> {target}"))
}

fn leave_pipe(arguments: &Arguments) -> Answer {
    let name = arguments.text(0, "NAME")?;
    let path = CString::new(name).map_err(|_| Stop::Inconclusive("NAME has a NUL".into()))?;
    // SAFETY: a terminated string.
    check("mkfifo", unsafe { libc::mkfifo(path.as_ptr(), 0o644) })?;
    Ok(format!("left the FIFO {name}"))
}

fn leave_shared_memory(arguments: &Arguments) -> Answer {
    let key = arguments.number(0, "KEY", i32::MAX as u64)? as i32;
    let flags = libc::IPC_CREAT | libc::IPC_EXCL | 0o666;
    // SAFETY: plain numbers.
    let id = check("shmget", unsafe { libc::shmget(key, 4096, flags) })?;
    Ok(format!("left the shared memory segment {id}"))
}

/// Removes what `leave-shared-memory` left.
pub(super) fn remove_shared_memory(arguments: &Arguments) -> Answer {
    let key = arguments.number(0, "KEY", i32::MAX as u64)? as i32;
    // SAFETY: plain numbers; a segment that is not there is not made.
    let id = check("shmget", unsafe { libc::shmget(key, 0, 0) })? as i32;
    // SAFETY: removal takes no structure.
    check("shmctl(IPC_RMID)", unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) })?;
    Ok(format!("removed the shared memory segment {id}"))
}

fn type_into(arguments: &Arguments) -> Answer {
    let (terminal, text) = (arguments.text(0, "TERMINAL")?, arguments.text(1, "TEXT")?);
    // A session of its own, which it may then give a terminal to: this child is no leader of a group.
    // SAFETY: takes nothing.
    unsafe { libc::setsid() };
    let typed = |fd: i32, name: &str| {
        // SAFETY: plain numbers, and the address of a live byte.
        unsafe {
            libc::ioctl(fd, libc::TIOCSCTTY, 0);
            for byte in text.bytes() {
                check(format!("ioctl({name}, TIOCSTI)"), libc::ioctl(fd, libc::TIOCSTI, &raw const byte))?;
            }
        }
        Ok(format!("typed {} characters into {name}", text.len()))
    };
    let opened = |path: &str| {
        let name = CString::new(path).map_err(|_| Stop::Inconclusive("TERMINAL has a NUL".into()))?;
        // SAFETY: a terminated string; the descriptor ends with this child.
        let fd = unsafe { libc::open(name.as_ptr(), libc::O_RDWR | libc::O_NOCTTY) };
        check(format!("open {path}"), fd)?;
        typed(fd, path)
    };
    // Each in a process of its own, or the first session would be in the way of the second.
    let attempt = |body: &dyn Fn() -> Answer| {
        let (reading, mut writing) = std::io::pipe().map_err(blocked("pipe"))?;
        let child = fork(|| match body() {
            Ok(_) => 0,
            Err(Stop::Blocked(wall) | Stop::Inconclusive(wall)) => {
                let _ = std::io::Write::write_all(&mut writing, wall.as_bytes());
                1
            }
        })?;
        drop(writing);
        let wall = std::io::read_to_string(reading).unwrap_or_default();
        match wait(child) {
            0 => Ok("typed".to_owned()),
            status if libc::WIFSIGNALED(status) => Err(Stop::Blocked(crate::child::ending(status))),
            _ if wall.is_empty() => Err(Stop::Blocked(errno_name(0))),
            _ => Err(Stop::Blocked(wall)),
        }
    };
    any([
        attempt(&|| typed(0, "standard input")),
        attempt(&|| opened("/dev/tty")),
        attempt(&|| {
            // SAFETY: takes nothing; this child is no leader of a group either.
            unsafe { libc::setsid() };
            opened(terminal)
        }),
    ])
    .map(|_| format!("typed {} characters into a terminal", text.len()))
}
