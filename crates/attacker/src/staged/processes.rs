//! Other people's processes: ended, stopped, slowed down, read.

use super::shown;
use crate::child::fork;
use crate::operation::{Answer, Arguments, Operation, Place, Stop, any, blocked, check, system_call};
use std::fs::File;
use std::os::fd::FromRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

#[rustfmt::skip] // a table
pub(super) const OPERATIONS: &[Operation] = &[
    Operation { name: "kill-marked", arguments: "MARKER", about: "looks in /proc for a process with MARKER in its command line and kills it", needs: "the marked process was made for the test", place: Place::Child, run: kill_marked },
    Operation { name: "stop-process", arguments: "PID", about: "stops a process", needs: "PID was made for the test", place: Place::Child, run: stop },
    Operation { name: "stop-parent", arguments: "", about: "stops the process that started it", needs: "that process was made for the test", place: Place::Itself, run: stop_parent },
    Operation { name: "stop-clock", arguments: "SECONDS", about: "stops the process that started it, lives for SECONDS, and continues it", needs: "that process was made for the test", place: Place::Itself, run: stop_clock },
    Operation { name: "slow-process", arguments: "PID", about: "takes a process's priority away", needs: "PID was made for the test", place: Place::Child, run: slow },
    Operation { name: "read-command-lines", arguments: "", about: "reads the command lines of all processes in /proc", needs: "-", place: Place::Itself, run: command_lines },
    Operation { name: "steal-memory", arguments: "PID ADDRESS LENGTH", about: "reads memory of a process by process_vm_readv, then by /proc/PID/mem", needs: "same user or root; kernel.yama.ptrace_scope", place: Place::Child, run: memory },
    Operation { name: "steal-descriptor", arguments: "PID FD", about: "takes a copy of a process's descriptor and reads from it", needs: "as steal-memory", place: Place::Child, run: descriptor },
    Operation { name: "outlive", arguments: "SECONDS", about: "leaves a grandchild in a session of its own, without stdio, that lives for SECONDS", needs: "-", place: Place::Itself, run: outlive },
];

fn kill(pid: libc::pid_t, signal: i32, name: &str) -> Answer {
    // SAFETY: sends a signal; no memory is involved.
    check(format!("kill({pid}, {name})"), unsafe { libc::kill(pid, signal) })?;
    Ok(format!("kill({pid}, {name}) was accepted"))
}

/// Every process in /proc but this one and its parent, which may have the same words in their command lines.
fn others() -> Result<Vec<libc::pid_t>, Stop> {
    let entries = std::fs::read_dir("/proc").map_err(blocked("opendir /proc"))?;
    let own = [std::process::id(), std::os::unix::process::parent_id()];
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    Ok(numbers.filter(|pid| !own.contains(pid)).map(|pid| pid as libc::pid_t).collect())
}

fn command_line(pid: libc::pid_t) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
}

fn kill_marked(arguments: &Arguments) -> Answer {
    let marker = arguments.text(0, "MARKER")?;
    let all = others()?;
    // What has MARKER as a word of its own but is told to kill it is one of us: a launcher that has our words as its own.
    let is_victim = |line: &String| line.contains(marker) && !line.contains("kill-marked");
    let found = all.iter().find(|pid| command_line(**pid).as_ref().is_some_and(is_victim));
    match found {
        Some(pid) => kill(*pid, libc::SIGKILL, "SIGKILL"),
        None => Err(Stop::Blocked(format!("none of {} other processes in /proc is marked", all.len()))),
    }
}

fn stop(arguments: &Arguments) -> Answer {
    kill(arguments.process(0)?, libc::SIGSTOP, "SIGSTOP")
}

fn stop_parent(_: &Arguments) -> Answer {
    match std::os::unix::process::parent_id() as libc::pid_t {
        0 => Err(Stop::Blocked("getppid: 0, its parent has no number in its pid namespace".into())),
        parent => kill(parent, libc::SIGSTOP, "SIGSTOP"),
    }
}

fn stop_clock(arguments: &Arguments) -> Answer {
    let stopped = stop_parent(arguments)?;
    std::thread::sleep(Duration::from_secs(arguments.number(0, "SECONDS", 60)?));
    // Before it goes on, and perhaps finds that the time is over.
    crate::hold::say(&format!("SUCCEEDED {stopped}"));
    // SAFETY: sends a signal; no memory is involved.
    unsafe { libc::kill(std::os::unix::process::parent_id() as libc::pid_t, libc::SIGCONT) };
    Ok(stopped)
}

fn slow(arguments: &Arguments) -> Answer {
    let pid = arguments.process(0)?;
    // SAFETY: plain numbers.
    check(format!("setpriority({pid}, 19)"), unsafe { libc::setpriority(libc::PRIO_PROCESS, pid as u32, 19) })?;
    Ok(format!("setpriority({pid}, 19) was accepted"))
}

fn command_lines(_: &Arguments) -> Answer {
    let all = others()?;
    let lines: Vec<String> = all.iter().filter_map(|pid| command_line(*pid)).collect();
    if lines.is_empty() {
        return Err(Stop::Blocked(format!("of {} other processes in /proc no command line is readable", all.len())));
    }
    Ok(format!("{} command lines: {}", lines.len(), lines.join("; ")))
}

fn memory(arguments: &Arguments) -> Answer {
    let pid = arguments.process(0)?;
    let address = arguments.number(1, "ADDRESS", u64::MAX)?;
    let mut bytes = vec![0_u8; arguments.number(2, "LENGTH", 4096)? as usize];
    let here = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    let there = libc::iovec { iov_base: std::ptr::without_provenance_mut(address as usize), iov_len: bytes.len() };
    let words = [pid as usize, &raw const here as usize, 1, &raw const there as usize, 1, 0];
    let by_call = system_call(format!("process_vm_readv({pid})"), libc::SYS_process_vm_readv, &words);
    let by_file = || {
        let path = format!("/proc/{pid}/mem");
        let mut bytes = vec![0_u8; bytes.len()];
        let file = File::open(&path).map_err(blocked(format!("open {path}")))?;
        file.read_exact_at(&mut bytes, address).map_err(blocked(format!("read {path}")))?;
        Ok(format!("read {path}: {}", shown(&bytes)))
    };
    match by_call {
        Ok(_) => Ok(format!("process_vm_readv({pid}): {}", shown(&bytes))),
        Err(stop) => any([Err(stop), by_file()]),
    }
}

fn descriptor(arguments: &Arguments) -> Answer {
    let (pid, fd) = (arguments.process(0)?, arguments.number(1, "FD", 65_535)?);
    let process = system_call(format!("pidfd_open({pid})"), libc::SYS_pidfd_open, &[pid as usize, 0])?;
    let words = [process as usize, fd as usize, 0];
    let taken = system_call(format!("pidfd_getfd({fd})"), libc::SYS_pidfd_getfd, &words)?;
    // SAFETY: a new descriptor that nobody else owns.
    let file = unsafe { File::from_raw_fd(taken as i32) };
    let mut bytes = vec![0_u8; 256];
    let count = file.read_at(&mut bytes, 0).map_err(blocked("pread"))?;
    Ok(format!("pidfd_getfd gave descriptor {fd} of {pid}: {}", shown(&bytes[..count])))
}

fn outlive(arguments: &Arguments) -> Answer {
    let time = Duration::from_secs(arguments.number(0, "SECONDS", 600)?);
    let child = fork(|| {
        // SAFETY: plain numbers; a new session, away from the launcher's.
        unsafe { libc::setsid() };
        let grandchild = fork(|| {
            // Whoever reads the program's output sees it end.
            // SAFETY: descriptors that this process does not use any more.
            unsafe {
                libc::close(0);
                libc::close(1);
                libc::close(2);
            }
            std::thread::sleep(time);
            0
        });
        i32::from(grandchild.is_err())
    })?;
    match libc::WEXITSTATUS(crate::child::wait(child)) {
        0 => Ok("left a grandchild behind".into()),
        _ => Err(Stop::Blocked("the child could not fork".into())),
    }
}
