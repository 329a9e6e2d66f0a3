//! Privileges that a program can gain, and ways from them into the host.

use crate::child::{fork, pipe, wait};
use crate::operation::{Answer, Arguments, Operation, Place, Stop, blocked, check};
use crate::scratch::Scratch;
use std::ffi::CString;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Stdio};

#[rustfmt::skip] // a table
pub(super) const OPERATIONS: &[Operation] = &[
    Operation { name: "run-setuid", arguments: "PATH", about: "executes `PATH --help`, a set-user-id program, and holds it in its first words", needs: "PATH belongs to somebody else", place: Place::Child, run: set_uid },
    Operation { name: "release-agent", arguments: "NAME SCRIPT", about: "makes a cgroup v1 hierarchy NAME and has the kernel run SCRIPT when a group of it is empty", needs: "CAP_SYS_ADMIN on the host; cgroup v1", place: Place::Child, run: release_agent },
];

fn effective(pid: u32) -> Option<(u32, u32)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mut ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace();
    Some((ids.next()?.parse().ok()?, ids.next()?.parse().ok()?))
}

/// Waits until a process sleeps: it has been executed, has its ids, and is in its first write.
fn wait_until_it_sleeps(pid: u32) {
    for _ in 0..500 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['S', 'Z', 'X'])) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

fn set_uid(arguments: &Arguments) -> Answer {
    let path = arguments.text(0, "PATH")?;
    // A pipe that is full: the program stays in its first write, where it can be looked at.
    let (reading, writing) = pipe()?;
    let block = [b'x'; 4096];
    // SAFETY: live descriptors and plain numbers; the buffer is live and its length its own.
    unsafe {
        libc::fcntl(writing.as_raw_fd(), libc::F_SETPIPE_SZ, 4096);
        libc::fcntl(writing.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK);
        while libc::write(writing.as_raw_fd(), block.as_ptr().cast(), block.len()) > 0 {}
        libc::fcntl(writing.as_raw_fd(), libc::F_SETFL, 0);
    }
    let errors = writing.try_clone().map_err(blocked("dup"))?;
    let mut command = Command::new(path);
    command.arg("--help").stdin(Stdio::null()).stdout(writing).stderr(errors);
    let mut child = command.spawn().map_err(blocked(format!("execve {path}")))?;
    wait_until_it_sleeps(child.id());
    let seen = effective(child.id());
    let answer = match seen {
        Some((real, effective)) if real != effective => Ok(format!("{path} runs as uid {effective}, not {real}")),
        Some((real, _)) => Err(Stop::Blocked(format!("execve {path}: it runs as uid {real} only"))),
        None => Err(Stop::Inconclusive(format!("{path} was gone before it could be looked at"))),
    };
    if let Ok(evidence) = &answer {
        crate::hold::here(evidence);
    }
    // Its write fails, and it ends; if not by that, then by this.
    drop(reading);
    let _ = child.kill();
    let _ = child.wait();
    answer
}

fn release_agent(arguments: &Arguments) -> Answer {
    let (name, script) = (arguments.text(0, "NAME")?, arguments.text(1, "SCRIPT")?);
    // SAFETY: plain numbers; the change ends with this child.
    check("unshare(CLONE_NEWNS)", unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    let root = c"/".as_ptr();
    let private = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: terminated strings; a change of propagation reads nothing else.
    check("mount(MS_PRIVATE)", unsafe { libc::mount(std::ptr::null(), root, root, private, std::ptr::null()) })?;
    let scratch = Scratch::new()?;
    let target = CString::new(scratch.path().as_os_str().as_bytes()).map_err(|_| Stop::Inconclusive("NUL".into()))?;
    let options = CString::new(format!("none,name={name}")).map_err(|_| Stop::Inconclusive("NUL".into()))?;
    // SAFETY: terminated strings.
    let mounted =
        unsafe { libc::mount(c"none".as_ptr(), target.as_ptr(), c"cgroup".as_ptr(), 0, options.as_ptr().cast()) };
    check("mount(cgroup)", mounted)?;
    let answer = agent(scratch.path(), script);
    let _ = std::fs::remove_dir(scratch.path().join("group"));
    // SAFETY: a terminated string. Without groups and mounts the hierarchy is gone.
    unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) };
    answer
}

/// The group, emptied. The kernel then runs what is written in `release_agent` as root, in its own first namespaces.
fn agent(hierarchy: &std::path::Path, script: &str) -> Answer {
    let write =
        |name: &str, text: &str| std::fs::write(hierarchy.join(name), text).map_err(blocked(format!("write {name}")));
    write("release_agent", script)?;
    std::fs::create_dir(hierarchy.join("group")).map_err(blocked("mkdir of a group"))?;
    write("group/notify_on_release", "1")?;
    let procs = hierarchy.join("group/cgroup.procs");
    let status = wait(fork(|| i32::from(std::fs::write(&procs, "0").is_err()))?);
    if libc::WEXITSTATUS(status) != 0 {
        return Err(Stop::Blocked("write group/cgroup.procs failed".into()));
    }
    let evidence = format!("the kernel was told to run {script}");
    crate::hold::here(&evidence);
    Ok(evidence)
}
