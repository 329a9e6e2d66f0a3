//! Other processes' memory and descriptors.

use crate::operation::{
    Answer, Arguments, Operation, Place, Stop, any, blocked, check, errno_name, harmless_call, system_call,
};
use std::fs::OpenOptions;

#[rustfmt::skip] // a table
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "ptrace-attach", arguments: "PID", about: "seizes a process, which goes on running, and lets go by ending", needs: "same user or root; kernel.yama.ptrace_scope", place: Place::Child, run: attach },
    Operation { name: "process-vm-read", arguments: "PID", about: "reads an impossible address of a process: EFAULT means permitted", needs: "as ptrace-attach", place: Place::Child, run: read_memory },
    Operation { name: "pidfd-getfd", arguments: "PID", about: "takes a copy of one of a process's first three descriptors", needs: "as ptrace-attach", place: Place::Child, run: take_descriptor },
    Operation { name: "write-init-image", arguments: "", about: "opens process 1's memory or executable for writing; writes nothing", needs: "root", place: Place::Child, run: write_init },
];

fn attach(arguments: &Arguments) -> Answer {
    let pid = arguments.process(0)?;
    // SAFETY: plain numbers. PTRACE_SEIZE does not stop the process, and the end of this child releases it.
    let answer = unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0, 0) };
    check(format!("ptrace(PTRACE_SEIZE, {pid})"), answer)?;
    Ok(format!("seized {pid}"))
}

fn read_memory(arguments: &Arguments) -> Answer {
    let pid = arguments.process(0)?;
    let mut byte = [0_u8; 1];
    let here = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    let there = libc::iovec { iov_base: std::ptr::without_provenance_mut(1), iov_len: 1 };
    let words = [pid as usize, &raw const here as usize, 1, &raw const there as usize, 1, 0];
    harmless_call("process_vm_readv", libc::SYS_process_vm_readv, &words, &[libc::EFAULT])
}

fn take_descriptor(arguments: &Arguments) -> Answer {
    let pid = arguments.process(0)?;
    let process = system_call(format!("pidfd_open({pid})"), libc::SYS_pidfd_open, &[pid as usize, 0])?;
    any((0..3).map(|fd| {
        let taken = system_call(format!("pidfd_getfd({fd})"), libc::SYS_pidfd_getfd, &[process as usize, fd, 0])?;
        Ok(format!("pidfd_getfd gave descriptor {fd} of {pid} as {taken}"))
    }))
}

fn write_init(_: &Arguments) -> Answer {
    let memory = OpenOptions::new().read(true).write(true).open("/proc/1/mem");
    if memory.is_ok() {
        return Ok("opened /proc/1/mem for writing".into());
    }
    match OpenOptions::new().write(true).open("/proc/1/exe") {
        Ok(_) => Ok("opened /proc/1/exe for writing".into()),
        // Checked before a read-only mount is, so it tells neither way (get_write_access, then mnt_get_write_access).
        Err(error) if error.raw_os_error() == Some(libc::ETXTBSY) => {
            let memory = memory.err().and_then(|error| error.raw_os_error()).map(errno_name).unwrap_or_default();
            Err(Stop::Inconclusive(format!(
                "open /proc/1/mem: {memory}; open /proc/1/exe: only ETXTBSY, it is running"
            )))
        }
        Err(error) => any([
            Err(memory.map_or_else(blocked("open /proc/1/mem"), |_| Stop::Blocked(String::new()))),
            Err(blocked("open /proc/1/exe for writing")(error)),
        ]),
    }
}
