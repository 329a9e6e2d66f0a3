//! Host processes: seeing and signalling those outside.

use crate::operation::{Answer, Arguments, Operation, Place, Stop, any, check};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;

#[rustfmt::skip] // a table
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "signal-process", arguments: "PID", about: "sends signal 0 and then SIGTERM to a process", needs: "PID is a process made for the test", place: Place::Child, run: signal_process },
    Operation { name: "sees-process", arguments: "PID [MARKER]", about: "finds a process in /proc; with MARKER only one whose command line holds it, under any number", needs: "PID lives", place: Place::Child, run: sees_process },
    Operation { name: "signal-init", arguments: "KILL|STOP [OUTSIDE]", about: "sends the signal to 1 and to -1; in the initial pid namespace, or in the one whose inode is OUTSIDE, only signal 0 to 1", needs: "root", place: Place::Itself, run: signal_init },
    Operation { name: "order-init", arguments: "", about: "gives 1 the least share of processor and disk, and a limit; not in the initial pid namespace", needs: "root", place: Place::Itself, run: order_init },
    Operation { name: "pdeathsig-clear", arguments: "", about: "clears its parent-death signal", needs: "-", place: Place::Itself, run: clear_death_signal },
];

fn kill(pid: libc::pid_t, signal: i32, name: &str) -> Answer {
    // SAFETY: sends a signal; no memory is involved.
    check(format!("kill({pid}, {name})"), unsafe { libc::kill(pid, signal) })?;
    Ok(format!("kill({pid}, {name}) was accepted"))
}

fn signal_process(arguments: &Arguments) -> Answer {
    let pid = arguments.process(0)?;
    kill(pid, 0, "0")?;
    kill(pid, libc::SIGTERM, "SIGTERM")
}

fn command_line(pid: &str) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
}

fn sees_process(arguments: &Arguments) -> Answer {
    let pid = arguments.process(0)?.to_string();
    let Some(marker) = arguments.optional(1) else {
        return match std::fs::metadata(format!("/proc/{pid}")) {
            Ok(data) => Ok(format!("/proc/{pid} belongs to uid {}", data.uid())),
            Err(error) => Err(crate::operation::blocked(format!("stat /proc/{pid}"))(error)),
        };
    };
    let entries = std::fs::read_dir("/proc").map_err(crate::operation::blocked("opendir /proc"))?;
    let own = [std::process::id().to_string(), std::os::unix::process::parent_id().to_string()];
    let mut count = 0;
    for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        if !name.bytes().all(|byte| byte.is_ascii_digit()) || own.contains(&name) {
            continue;
        }
        count += 1;
        if command_line(&name).is_some_and(|line| line.contains(marker)) {
            return Ok(format!("/proc/{name}/cmdline holds the marker"));
        }
    }
    Err(Stop::Blocked(format!("no command line of {count} other processes in /proc holds the marker")))
}

/// The inode of our pid namespace, by /proc or, where that is hidden, by a pidfd (Linux 6.11).
fn pid_namespace() -> Option<u64> {
    if let Ok(data) = std::fs::metadata("/proc/self/ns/pid") {
        return Some(data.ino());
    }
    const PIDFD_GET_PID_NAMESPACE: u64 = 0xff08;
    // SAFETY: plain numbers; both results are checked.
    let namespace = unsafe {
        let process = libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0) as i32;
        if process == -1 {
            return None;
        }
        let process = OwnedFd::from_raw_fd(process);
        libc::ioctl(std::os::fd::AsRawFd::as_raw_fd(&process), PIDFD_GET_PID_NAMESPACE, 0)
    };
    if namespace == -1 {
        return None;
    }
    // SAFETY: a new descriptor that nobody else owns.
    let namespace = unsafe { OwnedFd::from_raw_fd(namespace) };
    std::fs::File::from(namespace).metadata().ok().map(|data| data.ino())
}

/// `PROC_PID_INIT_INO`, fixed in include/linux/proc_ns.h.
const INITIAL: u64 = 0xEFFF_FFFC;

fn signal_init(arguments: &Arguments) -> Answer {
    let (signal, name) = match arguments.text(0, "KILL|STOP")? {
        "KILL" => (libc::SIGKILL, "SIGKILL"),
        "STOP" => (libc::SIGSTOP, "SIGSTOP"),
        other => return Err(Stop::Inconclusive(format!("the signal must be KILL or STOP, not {other}"))),
    };
    let outside = arguments.optional(1).and_then(|text| text.parse().ok());
    match pid_namespace() {
        Some(own) if own != INITIAL && Some(own) != outside => {}
        own => {
            let why = own.map_or("an unknown".to_owned(), |inode| format!("the outer ({inode})"));
            return kill(1, 0, "0").map(|evidence| format!("{evidence}; nothing else was sent in {why} pid namespace"));
        }
    }
    // Accepted does not mean effective: the kernel drops SIGKILL and SIGSTOP to a namespace's own init. The caller
    // looks at whether the sandbox still answers and whether anything outside was hit.
    any([
        kill(1, signal, name).map(|one| match kill(-1, signal, name) {
            Ok(all) => format!("{one}; {all}"),
            Err(Stop::Blocked(wall) | Stop::Inconclusive(wall)) => format!("{one}; {wall}"),
        }),
        kill(-1, signal, name),
    ])
}

/// What has to run to end a sandbox may be kept from running.
fn order_init(_: &Arguments) -> Answer {
    const IOPRIO_IDLE: libc::c_int = 3 << 13;
    if pid_namespace().is_none_or(|own| own == INITIAL) {
        return Err(Stop::Inconclusive("the pid namespace may be the host's own".to_owned()));
    }
    let told = |what: &str, result: libc::c_long| {
        check(what.to_owned(), result as i32).map(|_| format!("{what} was accepted"))
    };
    // SAFETY: each passes numbers, or a live local of the size that the kernel expects, which is only read.
    unsafe {
        let parameter = std::mem::zeroed::<libc::sched_param>();
        let mut processors = std::mem::zeroed::<libc::cpu_set_t>();
        libc::CPU_SET(0, &mut processors);
        let limit = libc::rlimit { rlim_cur: 4096, rlim_max: 4096 };
        let priority = |which, who| libc::c_long::from(libc::setpriority(which, who, 19));
        let ioprio =
            |which: libc::c_int, who: libc::c_int| libc::syscall(libc::SYS_ioprio_set, which, who, IOPRIO_IDLE);
        let size = size_of::<libc::cpu_set_t>();
        any([
            told("sched_setscheduler(1)", libc::sched_setscheduler(1, libc::SCHED_IDLE, &raw const parameter).into()),
            told("sched_setparam(1)", libc::sched_setparam(1, &raw const parameter).into()),
            told("sched_setaffinity(1)", libc::sched_setaffinity(1, size, &raw const processors).into()),
            told("prlimit(1)", libc::prlimit(1, libc::RLIMIT_NOFILE, &raw const limit, std::ptr::null_mut()).into()),
            told("setpriority(process 1)", priority(libc::PRIO_PROCESS, 1)),
            told("setpriority(user)", priority(libc::PRIO_USER, 0)),
            told("ioprio_set(process 1)", ioprio(1, 1)),
            told("ioprio_set(user)", ioprio(3, 0)),
        ])
    }
}

fn clear_death_signal(_: &Arguments) -> Answer {
    let (mut before, mut after) = (0_i32, 0_i32);
    // SAFETY: the kernel writes one int to a live local.
    check("prctl(PR_GET_PDEATHSIG)", unsafe { libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut before) })?;
    // SAFETY: plain numbers.
    check("prctl(PR_SET_PDEATHSIG)", unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) })?;
    // SAFETY: as above.
    check("prctl(PR_GET_PDEATHSIG)", unsafe { libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut after) })?;
    Ok(format!("the parent-death signal was {before} and is {after}"))
}
