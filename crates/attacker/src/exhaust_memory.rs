//! Exhaustion: memory in its several forms.
//!
//! Everything is touched page by page, because only touched pages count, and noted MiB by MiB, so that the answer tells
//! how far a killed process got.

use crate::child::{fork, pipe, reached_more, reached_so_far, wait, wait_for_close};
use crate::operation::{Answer, Arguments, Operation, Place, Stop, any, blocked, check, errno_name, last_errno};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

#[rustfmt::skip] // a table
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "memory", arguments: "MB", about: "uses private memory", needs: "as much free memory", place: Place::Child, run: private },
    Operation { name: "memory-many", arguments: "MB N", about: "uses private memory in each of N processes at once", needs: "as much free memory", place: Place::Child, run: many },
    Operation { name: "memory-shared", arguments: "MB", about: "uses shared anonymous memory", needs: "as much free memory", place: Place::Child, run: shared },
    Operation { name: "memory-memfd", arguments: "MB", about: "uses memory in a memfd", needs: "as much free memory", place: Place::Child, run: memory_file },
    Operation { name: "sysv-shm", arguments: "MB", about: "uses System V shared memory, removed as soon as it is attached", needs: "kernel with System V IPC; as much free memory", place: Place::Child, run: system_v },
    Operation { name: "pipe-buffers", arguments: "N", about: "fills N pipes of 1 MiB, or of the default size where that is refused", needs: "N below the limits", place: Place::Child, run: pipes },
    Operation { name: "descriptors", arguments: "N", about: "has N more open descriptors", needs: "N below RLIMIT_NOFILE's hard limit", place: Place::Child, run: descriptors },
    Operation { name: "rlimit-raise", arguments: "", about: "raises the hard limit of any resource that has one", needs: "CAP_SYS_RESOURCE", place: Place::Child, run: raise_limits },
];

const MIB: usize = 1 << 20;

fn size(arguments: &Arguments) -> Result<usize, Stop> {
    Ok(arguments.number(0, "MB", 65_536)? as usize)
}

/// Writes into every page.
fn touch(memory: *mut u8, mib: usize) {
    for piece in 0..mib {
        for page in (0..MIB).step_by(4096) {
            // SAFETY: callers pass a writable mapping of `mib` MiB.
            unsafe { memory.add(piece * MIB + page).write_volatile(1) };
        }
        reached_more(1);
    }
}

fn map(flags: i32, fd: i32, mib: usize) -> Result<*mut u8, Stop> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping; nothing existing is touched.
    let memory = unsafe { libc::mmap(std::ptr::null_mut(), mib.max(1) * MIB, access, flags, fd, 0) };
    if memory == libc::MAP_FAILED {
        return Err(Stop::Blocked(format!("mmap of {mib} MiB: {} after reaching 0 MiB", errno_name(last_errno()))));
    }
    Ok(memory.cast())
}

fn use_mapping(flags: i32, fd: i32, mib: usize, kind: &str) -> Answer {
    touch(map(flags, fd, mib)?, mib);
    Ok(format!("reached {mib} MiB of {kind} memory"))
}

fn private(arguments: &Arguments) -> Answer {
    let mib = size(arguments)?;
    // One mapping a MiB, so that RLIMIT_AS too tells how far it went.
    for step in 0..mib {
        let memory = map(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 1)
            .map_err(|_| Stop::Blocked(format!("mmap: {} after reaching {step} MiB", errno_name(last_errno()))))?;
        touch(memory, 1);
    }
    Ok(format!("reached {mib} MiB of private memory"))
}

fn many(arguments: &Arguments) -> Answer {
    let mib = size(arguments)?;
    let processes = arguments.number(1, "N", 1_000)?;
    if mib as u64 * processes > 65_536 {
        return Err(Stop::Inconclusive("MB times N must be at most 65536".into()));
    }
    // Each child closes its end of `done` when it has used its memory, and holds on until `hold` closes.
    let ((done_reading, done), (hold_reading, hold)) = (pipe()?, pipe()?);
    let (done_writer, hold_writer) = (done.as_raw_fd(), hold.as_raw_fd());
    let mut children = Vec::new();
    let mut answer = Ok(());
    for _ in 0..processes {
        let child = fork(|| {
            // SAFETY: the child's copy, which would keep the pipe open for its brothers.
            unsafe { libc::close(hold_writer) };
            let used = use_mapping(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, mib, "private");
            // SAFETY: the child's copy; closing it is the message.
            unsafe { libc::close(done_writer) };
            wait_for_close(&hold_reading);
            i32::from(used.is_err())
        });
        match child {
            Ok(pid) => children.push(pid),
            Err(stop) => {
                answer = Err(stop);
                break;
            }
        }
    }
    drop(done);
    wait_for_close(&done_reading);
    if answer.is_ok() {
        crate::hold::here("all of them use it");
    }
    drop(hold);
    for pid in children {
        let status = wait(pid);
        if status != 0 {
            answer = Err(Stop::Blocked(format!("a child was stopped: {}", crate::child::ending(status))));
        }
    }
    let total = format!("{} MiB in {processes} processes", reached_so_far());
    answer.map(|()| format!("reached {total}")).map_err(|stop| match stop {
        Stop::Blocked(wall) => Stop::Blocked(format!("{wall} after reaching {total}")),
        doubt => doubt,
    })
}

fn shared(arguments: &Arguments) -> Answer {
    use_mapping(libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1, size(arguments)?, "shared")
}

fn memory_file(arguments: &Arguments) -> Answer {
    let mib = size(arguments)?;
    // SAFETY: a terminated string.
    let fd = unsafe { libc::memfd_create(c"palisade-hostile".as_ptr(), libc::MFD_CLOEXEC) };
    check("memfd_create", fd)?;
    // SAFETY: a new descriptor that nobody else owns.
    let file = std::fs::File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    file.set_len((mib * MIB) as u64).map_err(blocked("ftruncate of the memfd"))?;
    use_mapping(libc::MAP_SHARED, file.as_raw_fd(), mib, "memfd")
}

fn system_v(arguments: &Arguments) -> Answer {
    let mib = size(arguments)?;
    // SAFETY: plain numbers.
    let id = check("shmget", unsafe { libc::shmget(libc::IPC_PRIVATE, mib.max(1) * MIB, libc::IPC_CREAT | 0o600) })?;
    // SAFETY: the kernel chooses a free address.
    let memory = unsafe { libc::shmat(id as i32, std::ptr::null(), 0) };
    let errno = last_errno();
    // Attached memory lives on until the process ends, so nothing stays behind however that happens.
    // SAFETY: our own segment.
    unsafe { libc::shmctl(id as i32, libc::IPC_RMID, std::ptr::null_mut()) };
    if memory as isize == -1 {
        return Err(Stop::Blocked(format!("shmat: {}", errno_name(errno))));
    }
    touch(memory.cast(), mib);
    Ok(format!("reached {mib} MiB of System V memory"))
}

fn pipes(arguments: &Arguments) -> Answer {
    let wanted = arguments.number(0, "N", 10_000)?;
    let (mut held, mut bytes, block) = (Vec::new(), 0_u64, vec![0_u8; 65_536]);
    for count in 0..wanted {
        let (reading, writing) = pipe().map_err(|stop| match stop {
            Stop::Blocked(wall) => Stop::Blocked(format!("{wall} after reaching {count} pipes with {bytes} bytes")),
            doubt => doubt,
        })?;
        // SAFETY: a live descriptor and plain numbers; a refusal leaves the default size.
        unsafe {
            libc::fcntl(writing.as_raw_fd(), libc::F_SETPIPE_SZ, MIB as i32);
            libc::fcntl(writing.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK);
        }
        loop {
            // SAFETY: the buffer is live and its length its own.
            match unsafe { libc::write(writing.as_raw_fd(), block.as_ptr().cast(), block.len()) } {
                count if count > 0 => bytes += count as u64,
                _ => break,
            }
        }
        held.push((reading, writing));
        crate::child::reached(bytes);
    }
    Ok(format!("reached {} pipes with {bytes} bytes", held.len()))
}

fn limit(resource: u32) -> Option<libc::rlimit> {
    let mut found = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel fills a live structure.
    (unsafe { libc::getrlimit(resource as _, &raw mut found) } == 0).then_some(found)
}

fn descriptors(arguments: &Arguments) -> Answer {
    let wanted = arguments.number(0, "N", 1_000_000)?;
    if let Some(mut found) = limit(libc::RLIMIT_NOFILE) {
        found.rlim_cur = found.rlim_max;
        // SAFETY: a live structure; the change ends with this child.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const found) };
    }
    // A pipe's end is duplicated: it exists in every sandbox, unlike a file.
    let (reading, _writing) = pipe()?;
    for count in 0..wanted {
        // SAFETY: a live descriptor; the copies end with this child.
        let copy = unsafe { libc::dup(reading.as_raw_fd()) };
        check("dup", copy).map_err(|stop| match stop {
            Stop::Blocked(wall) => Stop::Blocked(format!("{wall} after reaching {count} descriptors")),
            doubt => doubt,
        })?;
        crate::child::reached(count + 1);
    }
    Ok(format!("reached {wanted} more descriptors"))
}

fn raise_limits(_: &Arguments) -> Answer {
    // RLIMIT_AS 9, CORE 4, CPU 0, DATA 2, FSIZE 1, NOFILE 7, NPROC 6, STACK 3, MEMLOCK 8, MSGQUEUE 12, NICE 13, RTPRIO 14
    let finite: Vec<_> = (0..16_u32)
        .filter_map(|resource| Some((resource, limit(resource)?)))
        .filter(|(_, found)| found.rlim_max != libc::RLIM_INFINITY)
        .collect();
    if finite.is_empty() {
        return Ok("no resource has a hard limit".into());
    }
    any(finite.into_iter().map(|(resource, mut found)| {
        let before = found.rlim_max;
        found.rlim_max += 1;
        // SAFETY: a live structure; the change ends with this child.
        let raised = unsafe { libc::setrlimit(resource as _, &raw const found) };
        check(format!("setrlimit({resource})"), raised)?;
        Ok(format!("raised the hard limit of resource {resource} from {before} by one"))
    }))
}
