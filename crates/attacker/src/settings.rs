//! Kernel settings and memory as files below /proc, /sys and /dev.
//!
//! A setting is read and the same value written back. Triggers are opened for writing and left alone.

use crate::operation::{Answer, Arguments, Operation, Place, Stop, any, blocked};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

#[rustfmt::skip] // a table
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "core-pattern", arguments: "", about: "writes kernel.core_pattern, unchanged", needs: "root", place: Place::Child, run: |_| rewrite("/proc/sys/kernel/core_pattern") },
    Operation { name: "sysctl-write", arguments: "", about: "writes a setting that no namespace owns, unchanged", needs: "root", place: Place::Child, run: |_| any(SYSCTLS.iter().map(|path| rewrite(path))) },
    Operation { name: "sys-write", arguments: "", about: "writes a setting below /sys, unchanged", needs: "root", place: Place::Child, run: |_| any(SYS.iter().map(|path| rewrite(path))) },
    Operation { name: "sysrq", arguments: "", about: "opens /proc/sysrq-trigger for writing; writes nothing", needs: "root; kernel with sysrq", place: Place::Child, run: sysrq },
    Operation { name: "kcore", arguments: "", about: "reads one byte of /proc/kcore", needs: "CAP_SYS_RAWIO; kernel with kcore", place: Place::Child, run: |_| read_byte("/proc/kcore") },
    Operation { name: "kmsg", arguments: "", about: "opens and reads the kernel log at /dev/kmsg, then /proc/kmsg", needs: "CAP_SYSLOG, or kernel.dmesg_restrict = 0 and a readable device", place: Place::Child, run: kernel_messages },
    Operation { name: "kallsyms", arguments: "", about: "finds a kernel address that is not zero in /proc/kallsyms", needs: "kernel.kptr_restrict below 2 and CAP_SYSLOG", place: Place::Child, run: symbols },
];

const SYSCTLS: &[&str] = &["/proc/sys/vm/swappiness", "/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/panic"];

const SYS: &[&str] = &[
    "/sys/module/printk/parameters/time",
    "/sys/kernel/mm/ksm/sleep_millisecs",
    "/sys/kernel/mm/lru_gen/min_ttl_ms",
    "/sys/kernel/mm/transparent_hugepage/khugepaged/defrag",
    "/sys/block/vda/queue/read_ahead_kb",
];

fn rewrite(path: &str) -> Answer {
    let value = std::fs::read(path).map_err(blocked(format!("read {path}")))?;
    let mut file = OpenOptions::new().write(true).open(path).map_err(blocked(format!("open {path} for writing")))?;
    file.write_all(&value).map_err(blocked(format!("write {path}")))?;
    Ok(format!("wrote the value of {path} back"))
}

fn sysrq(_: &Arguments) -> Answer {
    let path = "/proc/sysrq-trigger";
    OpenOptions::new().write(true).open(path).map_err(blocked(format!("open {path} for writing")))?;
    Ok(format!("opened {path} for writing"))
}

fn read_byte(path: &str) -> Answer {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    let mut file = options.open(path).map_err(blocked(format!("open {path}")))?;
    let mut byte = [0_u8; 1];
    match file.read(&mut byte) {
        Ok(0) => Err(Stop::Blocked(format!("read {path}: it is empty"))),
        Ok(_) => Ok(format!("read {path}")),
        // A record of /dev/kmsg does not fit into one byte; none may be left.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EAGAIN)) => {
            Ok(format!("read {path} was accepted"))
        }
        Err(error) => Err(blocked(format!("read {path}"))(error)),
    }
}

fn kernel_messages(_: &Arguments) -> Answer {
    // Opening /proc/kmsg asks the same question as reading it, and reading would consume the log.
    let proc = File::open("/proc/kmsg").map(|_| "opened /proc/kmsg".to_owned()).map_err(blocked("open /proc/kmsg"));
    any([read_byte("/dev/kmsg"), proc])
}

fn symbols(_: &Arguments) -> Answer {
    let text = std::fs::read_to_string("/proc/kallsyms").map_err(blocked("read /proc/kallsyms"))?;
    let known = text.lines().filter(|line| line.split(' ').next().is_some_and(|word| word.bytes().any(|b| b != b'0')));
    match known.count() {
        0 => Err(Stop::Blocked(format!("/proc/kallsyms: all {} addresses are zero", text.lines().count()))),
        count => Ok(format!("/proc/kallsyms shows {count} addresses")),
    }
}
