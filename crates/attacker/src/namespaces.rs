//! Namespaces and cgroups: making new ones, entering others.

use crate::child::{ending, wait};
use crate::operation::{Answer, Arguments, Operation, Place, Stop, blocked, check, system_call};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::Path;

#[rustfmt::skip] // a table
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "unshare-user", arguments: "", about: "makes a user namespace", needs: "user.max_user_namespaces above 0", place: Place::Child, run: |_| unshare("CLONE_NEWUSER", libc::CLONE_NEWUSER) },
    Operation { name: "unshare-mount", arguments: "", about: "makes a mount namespace", needs: "CAP_SYS_ADMIN", place: Place::Child, run: |_| unshare("CLONE_NEWNS", libc::CLONE_NEWNS) },
    Operation { name: "unshare-pid", arguments: "", about: "makes a pid namespace", needs: "CAP_SYS_ADMIN", place: Place::Child, run: |_| unshare("CLONE_NEWPID", libc::CLONE_NEWPID) },
    Operation { name: "unshare-network", arguments: "", about: "makes a network namespace", needs: "CAP_SYS_ADMIN", place: Place::Child, run: |_| unshare("CLONE_NEWNET", libc::CLONE_NEWNET) },
    Operation { name: "unshare-ipc", arguments: "", about: "makes an ipc namespace", needs: "CAP_SYS_ADMIN", place: Place::Child, run: |_| unshare("CLONE_NEWIPC", libc::CLONE_NEWIPC) },
    Operation { name: "unshare-uts", arguments: "", about: "makes a uts namespace", needs: "CAP_SYS_ADMIN", place: Place::Child, run: |_| unshare("CLONE_NEWUTS", libc::CLONE_NEWUTS) },
    Operation { name: "unshare-cgroup", arguments: "", about: "makes a cgroup namespace", needs: "CAP_SYS_ADMIN", place: Place::Child, run: |_| unshare("CLONE_NEWCGROUP", libc::CLONE_NEWCGROUP) },
    Operation { name: "unshare-time", arguments: "", about: "makes a time namespace", needs: "CAP_SYS_ADMIN; kernel with time namespaces", place: Place::Child, run: |_| unshare("CLONE_NEWTIME", 0x80) },
    Operation { name: "setns", arguments: "PATH", about: "enters the namespace that a file stands for", needs: "CAP_SYS_ADMIN; PATH is a namespace of a process outside", place: Place::Child, run: set_namespace },
    Operation { name: "clone-newuser", arguments: "", about: "clones a child into a new user namespace", needs: "user.max_user_namespaces above 0", place: Place::Child, run: clone_user },
    Operation { name: "clone3-newuser", arguments: "", about: "the same with clone3, whose flags a filter cannot see", needs: "user.max_user_namespaces above 0", place: Place::Child, run: clone3_user },
    Operation { name: "cgroup-join", arguments: "PATH", about: "moves itself into the cgroup directory PATH, then ends", needs: "PATH is a cgroup made for the test and writable", place: Place::Child, run: join_cgroup },
];

fn unshare(name: &str, flag: i32) -> Answer {
    // SAFETY: plain numbers; the change ends with this child.
    check(format!("unshare({name})"), unsafe { libc::unshare(flag) })?;
    Ok(format!("unshare({name}) was accepted"))
}

fn set_namespace(arguments: &Arguments) -> Answer {
    let path = arguments.text(0, "PATH")?;
    let file = File::open(path).map_err(blocked(format!("open {path}")))?;
    // SAFETY: a live descriptor; the change ends with this child.
    check(format!("setns({path})"), unsafe { libc::setns(file.as_raw_fd(), 0) })?;
    Ok(format!("entered {path}"))
}

/// The child's side of a clone returns 0 here and ends at once.
fn finish_clone(name: &str, pid: i64) -> Answer {
    if pid == 0 {
        // SAFETY: ends the clone.
        unsafe { libc::_exit(0) };
    }
    let status = wait(pid as libc::pid_t);
    Ok(format!("{name} gave a child, which {}", ending(status)))
}

fn clone_user(_: &Arguments) -> Answer {
    let flags = (libc::CLONE_NEWUSER | libc::SIGCHLD) as usize;
    // No new stack and no shared memory: like fork.
    finish_clone("clone", system_call("clone(CLONE_NEWUSER)", libc::SYS_clone, &[flags])?)
}

fn clone3_user(_: &Arguments) -> Answer {
    // `struct clone_args`, first version: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls.
    let mut wanted = [0_u64; 8];
    wanted[0] = libc::CLONE_NEWUSER as u64;
    wanted[4] = libc::SIGCHLD as u64;
    let words = [wanted.as_ptr() as usize, size_of_val(&wanted)];
    finish_clone("clone3", system_call("clone3(CLONE_NEWUSER)", libc::SYS_clone3, &words)?)
}

fn join_cgroup(arguments: &Arguments) -> Answer {
    let file = Path::new(arguments.text(0, "PATH")?).join("cgroup.procs");
    let name = file.display().to_string();
    let mut opened = OpenOptions::new().write(true).open(&file).map_err(blocked(format!("open {name}")))?;
    opened.write_all(b"0").map_err(blocked(format!("write {name}")))?;
    let now = std::fs::read_to_string("/proc/self/cgroup").map_err(|error| Stop::Inconclusive(error.to_string()))?;
    Ok(format!("joined: {}", now.trim().replace('\n', ", ")))
}
