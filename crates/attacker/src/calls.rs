//! Kernel surface: system calls that no ordinary program needs.
//!
//! Calls that would change the machine are made with arguments that the kernel refuses after the permission check.

use crate::operation::{Answer, Arguments, Operation, Place, Stop, any, check, harmless_call, system_call};
use crate::scratch::Scratch;
use std::fs::OpenOptions;

#[rustfmt::skip] // a table
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "bpf", arguments: "", about: "makes a BPF map", needs: "CAP_BPF", place: Place::Child, run: bpf },
    Operation { name: "io-uring", arguments: "", about: "sets up an io_uring", needs: "kernel.io_uring_disabled = 0", place: Place::Child, run: io_uring },
    Operation { name: "keyctl", arguments: "", about: "asks for its session keyring", needs: "kernel with keys", place: Place::Child, run: keyctl },
    Operation { name: "add-key", arguments: "", about: "adds a key to its process keyring", needs: "kernel with keys", place: Place::Child, run: add_key },
    Operation { name: "perf-event", arguments: "", about: "opens a software performance counter on itself", needs: "kernel with perf", place: Place::Child, run: perf_event },
    Operation { name: "userfaultfd", arguments: "", about: "opens a userfaultfd, with and without UFFD_USER_MODE_ONLY", needs: "kernel with userfaultfd", place: Place::Child, run: userfaultfd },
    Operation { name: "kexec", arguments: "", about: "kexec_load with impossible flags: EINVAL means permitted", needs: "CAP_SYS_BOOT; kernel with kexec", place: Place::Child, run: |_| harmless_call("kexec_load", libc::SYS_kexec_load, &[0, 0, 0, 0xfff0], &[libc::EINVAL]) },
    Operation { name: "init-module", arguments: "", about: "loads an empty module: ENOEXEC means permitted", needs: "CAP_SYS_MODULE; kernel with modules", place: Place::Child, run: |_| harmless_call("init_module", libc::SYS_init_module, &[0, 0, c"".as_ptr() as usize], &[libc::ENOEXEC, libc::EINVAL]) },
    Operation { name: "reboot", arguments: "", about: "reboot with wrong magic numbers: EINVAL means permitted", needs: "CAP_SYS_BOOT", place: Place::Child, run: |_| harmless_call("reboot", libc::SYS_reboot, &[0, 0, 0, 0], &[libc::EINVAL]) },
    Operation { name: "swapon", arguments: "", about: "swapon on a file that does not exist: ENOENT means permitted", needs: "CAP_SYS_ADMIN; kernel with swap", place: Place::Child, run: |_| harmless_call("swapon", libc::SYS_swapon, &[NOWHERE.as_ptr() as usize, 0], &[libc::ENOENT]) },
    Operation { name: "acct", arguments: "", about: "acct on a file that does not exist: ENOENT means permitted", needs: "CAP_SYS_PACCT; kernel with accounting", place: Place::Child, run: |_| harmless_call("acct", libc::SYS_acct, &[NOWHERE.as_ptr() as usize], &[libc::ENOENT]) },
    Operation { name: "settime", arguments: "", about: "settimeofday and adjtimex with impossible values: EINVAL means permitted", needs: "CAP_SYS_TIME", place: Place::Child, run: set_time },
    Operation { name: "sethostname", arguments: "", about: "sets the host name to what it is", needs: "CAP_SYS_ADMIN", place: Place::Child, run: set_host_name },
    Operation { name: "mknod-device", arguments: "", about: "makes and opens a copy of /dev/null", needs: "CAP_MKNOD; a writable directory without nodev", place: Place::Child, run: make_device },
    Operation { name: "iopl", arguments: "", about: "asks for I/O ports by iopl and ioperm", needs: "CAP_SYS_RAWIO", place: Place::Child, run: io_ports },
    Operation { name: "tiocsti", arguments: "", about: "types a character into a terminal of its own, made its controlling one", needs: "dev.tty.legacy_tiocsti = 1, or CAP_SYS_ADMIN", place: Place::Child, run: type_ahead },
    Operation { name: "syslog", arguments: "", about: "reads one byte of the kernel log by syslog(2)", needs: "kernel.dmesg_restrict = 0, or CAP_SYSLOG", place: Place::Child, run: kernel_log },
    Operation { name: "personality-aslr", arguments: "", about: "switches off address randomisation for what it executes", needs: "-", place: Place::Child, run: personality },
    Operation { name: "prctl-set-mm", arguments: "", about: "PR_SET_MM with an impossible address: EINVAL means permitted", needs: "CAP_SYS_RESOURCE", place: Place::Child, run: set_memory_map },
    Operation { name: "x32-call", arguments: "", about: "getpid by the x32 table", needs: "kernel with the x32 ABI", place: Place::Child, run: x32 },
    Operation { name: "int80-call", arguments: "", about: "getpid by int 0x80, the i386 table", needs: "x86-64 kernel with IA32 emulation", place: Place::Child, run: int80 },
];

/// A path that cannot exist, because /proc takes no files.
const NOWHERE: &std::ffi::CStr = c"/proc/palisade-hostile-nowhere";

fn bpf(_: &Arguments) -> Answer {
    // `union bpf_attr` for BPF_MAP_CREATE: array, 4-byte keys, 4-byte values, 1 entry.
    let wanted = [2_u32, 4, 4, 1, 0, 0, 0, 0];
    let words = [0, wanted.as_ptr() as usize, size_of_val(&wanted)];
    Ok(format!("bpf(BPF_MAP_CREATE) gave descriptor {}", system_call("bpf(BPF_MAP_CREATE)", libc::SYS_bpf, &words)?))
}

fn io_uring(_: &Arguments) -> Answer {
    // `struct io_uring_params`, 120 bytes, all zero.
    let mut wanted = [0_u64; 15];
    let words = [1, wanted.as_mut_ptr() as usize];
    Ok(format!("io_uring_setup gave descriptor {}", system_call("io_uring_setup", libc::SYS_io_uring_setup, &words)?))
}

fn keyctl(_: &Arguments) -> Answer {
    // KEYCTL_GET_KEYRING_ID (0) of KEY_SPEC_SESSION_KEYRING (-3), without making one.
    let id = system_call("keyctl", libc::SYS_keyctl, &[0, -3_isize as usize, 0])?;
    Ok(format!("keyctl gave session keyring {id}"))
}

fn add_key(_: &Arguments) -> Answer {
    let (kind, name, value) =
        (c"user".as_ptr() as usize, c"palisade-hostile".as_ptr() as usize, b"x".as_ptr() as usize);
    // KEY_SPEC_PROCESS_KEYRING (-2): the key ends with this child.
    let id = system_call("add_key", libc::SYS_add_key, &[kind, name, value, 1, -2_isize as usize])?;
    Ok(format!("add_key gave key {id}"))
}

fn perf_event(_: &Arguments) -> Answer {
    // `struct perf_event_attr`, version 0: software (1), size 64, task clock (1); exclude kernel and hypervisor.
    let mut wanted = [0_u64; 8];
    wanted[0] = 1 | 64 << 32;
    wanted[1] = 1;
    wanted[5] = 1 << 5 | 1 << 6;
    let words = [wanted.as_ptr() as usize, 0, -1_isize as usize, -1_isize as usize, 0];
    let fd = system_call("perf_event_open", libc::SYS_perf_event_open, &words)?;
    Ok(format!("perf_event_open gave descriptor {fd}"))
}

fn userfaultfd(_: &Arguments) -> Answer {
    any([("", 0), ("UFFD_USER_MODE_ONLY", 1)].map(|(name, flags)| {
        let fd = system_call(format!("userfaultfd({name})"), libc::SYS_userfaultfd, &[flags])?;
        Ok(format!("userfaultfd({name}) gave descriptor {fd}"))
    }))
}

fn set_time(_: &Arguments) -> Answer {
    // do_sys_settimeofday64 asks cap_settime before it looks at the zone, timekeeping_validate_timex asks for
    // CAP_SYS_TIME before it looks at the tick. clock_settime has no such order, so it is not tried.
    // `struct timezone`: minutes west of Greenwich, daylight saving time.
    let zone = [100_000_i32, 0];
    let words = [0, zone.as_ptr() as usize];
    // SAFETY: a structure of plain numbers.
    let mut clock = unsafe { std::mem::zeroed::<libc::timex>() };
    clock.modes = libc::ADJ_TICK;
    any([
        harmless_call("settimeofday", libc::SYS_settimeofday, &words, &[libc::EINVAL]),
        harmless_call("adjtimex", libc::SYS_adjtimex, &[&raw mut clock as usize], &[libc::EINVAL]),
    ])
}

fn set_host_name(_: &Arguments) -> Answer {
    let mut name = [0_u8; 65];
    // SAFETY: the buffer is live and its length its own.
    check("gethostname", unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len()) })?;
    let length = name.iter().position(|byte| *byte == 0).unwrap_or(0);
    // SAFETY: as above.
    check("sethostname", unsafe { libc::sethostname(name.as_ptr().cast(), length) })?;
    Ok("sethostname was accepted".into())
}

fn make_device(_: &Arguments) -> Answer {
    let scratch = Scratch::new()?;
    let path = scratch.path().join("null");
    let name = format!("{}\0", path.display());
    // SAFETY: a terminated string.
    let made = unsafe { libc::mknod(name.as_ptr().cast(), libc::S_IFCHR | 0o600, libc::makedev(1, 3)) };
    check("mknod(c 1 3)", made)?;
    let opened = OpenOptions::new().write(true).open(&path).map_err(crate::operation::blocked("open the device"));
    opened.map(|_| "made and opened the device 1:3".into())
}

fn io_ports(_: &Arguments) -> Answer {
    #[cfg(target_arch = "x86_64")]
    return any([
        system_call("iopl(3)", libc::SYS_iopl, &[3]).map(|_| "iopl(3) was accepted".into()),
        system_call("ioperm(0x80)", libc::SYS_ioperm, &[0x80, 1, 1]).map(|_| "ioperm(0x80) was accepted".into()),
    ]);
    #[cfg(not(target_arch = "x86_64"))]
    Err(Stop::Inconclusive("x86 only".into()))
}

fn type_ahead(_: &Arguments) -> Answer {
    // SAFETY: plain numbers.
    let outer = unsafe { libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY) };
    check("open /dev/ptmx", outer).map_err(|stop| match stop {
        Stop::Blocked(why) | Stop::Inconclusive(why) => Stop::Inconclusive(format!("no terminal to try: {why}")),
    })?;
    // SAFETY: plain numbers and the address of a live byte; this child is no group leader, so it may start a session.
    unsafe {
        check("unlockpt", libc::unlockpt(outer))?;
        let inner = libc::ioctl(outer, libc::TIOCGPTPEER, libc::O_RDWR | libc::O_NOCTTY);
        check("ioctl(TIOCGPTPEER)", inner)?;
        check("setsid", libc::setsid())?;
        check("ioctl(TIOCSCTTY)", libc::ioctl(inner, libc::TIOCSCTTY, 0))?;
        check("ioctl(TIOCSTI)", libc::ioctl(inner, libc::TIOCSTI, b"x".as_ptr()))?;
    }
    Ok("ioctl(TIOCSTI) was accepted".into())
}

fn kernel_log(_: &Arguments) -> Answer {
    let mut byte = [0_u8; 1];
    // SYSLOG_ACTION_READ_ALL does not consume what it reads.
    let words = [3, byte.as_mut_ptr() as usize, 1];
    system_call("syslog(READ_ALL)", libc::SYS_syslog, &words)?;
    Ok("syslog(READ_ALL) was accepted".into())
}

fn personality(_: &Arguments) -> Answer {
    // SAFETY: plain numbers; the change ends with this child.
    let before = check("personality", unsafe { libc::personality(0xffff_ffff) })?;
    // SAFETY: as above.
    let set = unsafe { libc::personality(before as libc::c_ulong | libc::ADDR_NO_RANDOMIZE as libc::c_ulong) };
    check("personality(ADDR_NO_RANDOMIZE)", set)?;
    Ok("personality(ADDR_NO_RANDOMIZE) was accepted".into())
}

fn set_memory_map(_: &Arguments) -> Answer {
    let words = [libc::PR_SET_MM as usize, libc::PR_SET_MM_START_BRK as usize, 0, 0, 0];
    harmless_call("prctl(PR_SET_MM)", libc::SYS_prctl, &words, &[libc::EINVAL])
}

fn x32(_: &Arguments) -> Answer {
    #[cfg(target_arch = "x86_64")]
    return system_call("x32 getpid", 0x4000_0000 | libc::SYS_getpid, &[]).map(|pid| format!("x32 getpid gave {pid}"));
    #[cfg(not(target_arch = "x86_64"))]
    Err(Stop::Inconclusive("x86 only".into()))
}

fn int80(_: &Arguments) -> Answer {
    #[cfg(target_arch = "x86_64")]
    {
        let answer: i64;
        // SAFETY: i386 number 20 is getpid, which takes nothing; the kernel may clear r8 to r11.
        unsafe {
            std::arch::asm!("int 0x80", inlateout("rax") 20_i64 => answer,
                out("r8") _, out("r9") _, out("r10") _, out("r11") _);
        }
        let answer = answer as i32;
        if answer < 0 {
            return Err(Stop::Blocked(format!("int 0x80 getpid: {}", crate::operation::errno_name(-answer))));
        }
        // The i386 table: a native getpid gives the same number.
        if answer as u32 != std::process::id() {
            return Err(Stop::Inconclusive(format!("int 0x80 getpid gave {answer}")));
        }
        Ok(format!("int 0x80 getpid gave {answer}"))
    }
    #[cfg(not(target_arch = "x86_64"))]
    Err(Stop::Inconclusive("x86 only".into()))
}
