//! The calls that no ordinary program makes: an attack, or a tool that administers a machine.
//!
//! They get the policy's [`Denied`](super::Denied), so that the report can name them. Most need a capability
//! that the program has not, and would fail anyway; refused here, their kernel code is not even entered. No runtime or compiler that was
//! traced makes one (see `allowed`). Those with harmless arguments are in `guarded`.

#[allow(clippy::enum_glob_use, reason = "the whole file is a list of them")]
use super::call::Call::{self, *};

/// (what it is for, calls)
#[rustfmt::skip] // one paragraph per purpose
pub(super) const HOSTILE: &[(&str, &[Call])] = &[
    // Would uncover what the sandbox's mounts hide.
    ("change mounts", &[
        mount, umount2, pivot_root, chroot, move_mount, open_tree, open_tree_attr, fsopen, fsconfig, fsmount,
        fspick, mount_setattr,
    ]),
    // `unshare` is in `guarded`: it has harmless flags.
    ("enter namespaces", &[setns]),
    // Reaches files past every mount, by guessing handles (the "shocker" escape). `name_to_handle_at` is in `quiet`.
    ("open files by handle", &[open_by_handle_at]),
    // Watches whole file systems.
    ("watch whole file systems", &[fanotify_init, fanotify_mark]),
    // Also the sandbox's own pid 1. LeakSanitizer and debuggers are the honest users; they cannot be told from others.
    ("look into other processes", &[ptrace, process_vm_readv, process_vm_writev, pidfd_getfd, kcmp]),
    // Where kernel exploits by unprivileged processes start (bpf, perf), and what makes races in the kernel winnable
    // (userfaultfd). io_uring belongs here by danger, but is probed by runtimes: `quiet`.
    ("program the kernel", &[bpf, perf_event_open, userfaultfd]),
    // Keys belong to users and sessions, not to namespaces: a sandbox could read its caller's.
    ("kernel keyrings", &[add_key, request_key, keyctl]),
    ("load kernel code", &[
        init_module, finit_module, delete_module, create_module, query_module, get_kernel_syms, kexec_load,
        kexec_file_load,
    ]),
    ("administer the machine", &[
        reboot, swapon, swapoff, acct, quotactl, quotactl_fd, syslog, vhangup, nfsservctl, lookup_dcookie,
    ]),
    // Clocks are the machine's, not the sandbox's. `adjtimex` can also only read, but its flags are in memory.
    ("set clocks", &[settimeofday, clock_settime, adjtimex, clock_adjtime]),
    ("reach hardware ports", &[iopl, ioperm]),
];
