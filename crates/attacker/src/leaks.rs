//! Leaks: what a launcher may have left behind in the process it started.

use crate::operation::{Answer, Arguments, Operation, Place, Stop, any, blocked, errno_name, last_errno};
use std::mem::MaybeUninit;
use std::path::PathBuf;

#[rustfmt::skip] // a table
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "leaked-descriptors", arguments: "", about: "finds open descriptors above 2", needs: "started with one", place: Place::Itself, run: descriptors },
    Operation { name: "reopen-stdio-for-writing", arguments: "", about: "opens /proc/self/fd/{0,1,2} again for writing; succeeds if one is a file", needs: "started with a file as stdin, stdout or stderr", place: Place::Itself, run: reopen_stdio },
    Operation { name: "leaked-variable", arguments: "NAME", about: "finds an environment variable; its value is not printed", needs: "started with it", place: Place::Itself, run: variable },
    Operation { name: "leaked-directory", arguments: "", about: "finds a directory outside the root: as working directory or descriptor", needs: "started with a directory as a descriptor", place: Place::Itself, run: directory },
    Operation { name: "proc-1-environ", arguments: "[NAME]", about: "reads the environment of process 1, with NAME looks for it there; no value is printed", needs: "same user as process 1, or root", place: Place::Itself, run: init_environment },
];

/// Descriptors above 2, asked one by one: opening /proc/self/fd would add one and /proc may be missing.
fn open_descriptors() -> impl Iterator<Item = i32> {
    // SAFETY: plain numbers.
    (3..65536).filter(|fd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } != -1)
}

fn target(fd: i32) -> String {
    std::fs::read_link(format!("/proc/self/fd/{fd}")).map_or("?".into(), |path| path.display().to_string())
}

fn kind(fd: i32) -> Option<libc::mode_t> {
    let mut data = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the kernel fills the whole structure if it answers 0.
    (unsafe { libc::fstat(fd, data.as_mut_ptr()) } == 0).then(|| {
        // SAFETY: filled, see above.
        unsafe { data.assume_init() }.st_mode & libc::S_IFMT
    })
}

fn descriptors(_: &Arguments) -> Answer {
    let found: Vec<_> = open_descriptors().map(|fd| format!("{fd} -> {}", target(fd))).collect();
    if found.is_empty() {
        return Err(Stop::Blocked("fcntl(F_GETFD): EBADF for every descriptor from 3 to 65535".into()));
    }
    Ok(found.join(", "))
}

fn reopen_stdio(_: &Arguments) -> Answer {
    any((0..3).map(|fd| {
        let call = format!("open /proc/self/fd/{fd} for writing");
        let Some(kind) = kind(fd) else { return Err(Stop::Blocked(format!("{fd} is closed"))) };
        let path = format!("/proc/self/fd/{fd}\0");
        // SAFETY: a terminated string; O_NONBLOCK keeps a FIFO without readers from blocking.
        let again = unsafe { libc::open(path.as_ptr().cast(), libc::O_WRONLY | libc::O_NONBLOCK | libc::O_CLOEXEC) };
        if again == -1 {
            return Err(Stop::Blocked(format!("{call}: {}", errno_name(last_errno()))));
        }
        // SAFETY: opened above, used nowhere else.
        unsafe { libc::close(again) };
        match kind {
            libc::S_IFREG | libc::S_IFBLK => Ok(format!("{call} gave a host file: {}", target(fd))),
            libc::S_IFIFO => Err(Stop::Blocked(format!("{fd} is only a pipe"))),
            libc::S_IFCHR => Err(Stop::Blocked(format!("{fd} is only the character device {}", target(fd)))),
            _ => Err(Stop::Blocked(format!("{fd} is no file"))),
        }
    }))
}

fn variable(arguments: &Arguments) -> Answer {
    let name = arguments.text(0, "NAME")?;
    match std::env::var_os(name) {
        Some(value) => Ok(format!("{name} is set, {} bytes", value.len())),
        None => Err(Stop::Blocked(format!("getenv: {name} is not set"))),
    }
}

fn directory(_: &Arguments) -> Answer {
    let mut found = Vec::new();
    // SAFETY: the buffer is live and its length its own. The raw call, because glibc turns "(unreachable)" into ENOENT.
    let unreachable = unsafe {
        let mut name = [0_u8; 4096];
        libc::syscall(libc::SYS_getcwd, name.as_mut_ptr(), name.len()) > 0 && name[0] != b'/'
    };
    if unreachable {
        found.push("the working directory is outside the root".to_owned());
    }
    for fd in open_descriptors().chain(0..3).filter(|fd| kind(*fd) == Some(libc::S_IFDIR)) {
        // SAFETY: a terminated string.
        let above = unsafe { libc::openat(fd, c"..".as_ptr(), libc::O_PATH | libc::O_CLOEXEC) };
        let above =
            if above == -1 { format!("its parent: {}", errno_name(last_errno())) } else { "can be left by ..".into() };
        found.push(format!("{fd} -> {} {above}", target(fd)));
    }
    if found.is_empty() {
        return Err(Stop::Blocked("getcwd, fstat: no directory outside the root is held".into()));
    }
    Ok(found.join(", "))
}

fn init_environment(arguments: &Arguments) -> Answer {
    let path = PathBuf::from("/proc/1/environ");
    let bytes = std::fs::read(&path).map_err(blocked("read /proc/1/environ"))?;
    let Some(name) = arguments.optional(0) else {
        return if bytes.is_empty() {
            Err(Stop::Blocked("read /proc/1/environ: it is empty".into()))
        } else {
            Ok(format!("/proc/1/environ gave {} bytes", bytes.len()))
        };
    };
    let wanted = format!("{name}=");
    if bytes.split(|byte| *byte == 0).any(|entry| entry.starts_with(wanted.as_bytes())) {
        Ok(format!("process 1 has {name} in its environment"))
    } else {
        Err(Stop::Blocked(format!("read /proc/1/environ: {name} is not among its {} bytes", bytes.len())))
    }
}
