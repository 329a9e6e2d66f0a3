//! The calls that every program may make with any arguments, by purpose.
//!
//! Chosen from what glibc, musl, Python, Node, Go, the JVM, rustc, gcc and their build tools call (by `strace -f`), plus the
//! near relatives of those calls. Permission to *make* a call is not permission for its effect: files, other users'
//! processes and so on are held by namespaces, mounts and ids. What makes this list is therefore kernel code that is
//! needed, or old, well tested and without privilege.

#[allow(clippy::enum_glob_use, reason = "the whole file is a list of them")]
use super::call::Call::{self, *};

/// (purpose, calls)
#[rustfmt::skip] // one paragraph per purpose
pub(super) const ALLOWED: &[(&str, &[Call])] = &[
    // musl and Go use the old forms on x86_64, glibc the `at` forms everywhere.
    ("open and close files", &[
        open, openat, openat2, creat, close, close_range, dup, dup2, dup3, flock, pipe, pipe2,
    ]),
    // `io_setup` and its kin are in `quiet`: kernel AIO has no user among the runtimes. `vmsplice` is uutils' `yes`.
    ("read and write", &[
        read, write, readv, writev, pread64, pwrite64, preadv, pwritev, preadv2, pwritev2, lseek, sendfile, splice,
        tee, vmsplice, copy_file_range, readahead, fadvise64, fsync, fdatasync, sync, syncfs, sync_file_range,
        fallocate, ftruncate, truncate,
    ]),
    ("look at files", &[
        stat, lstat, fstat, newfstatat, statx, statfs, fstatfs, access, faccessat, faccessat2, readlink, readlinkat,
        getdents, getdents64, getcwd, chdir, fchdir, file_getattr,
    ]),
    // Reach no further than the mounts and ids of the sandbox. `mknod` is in `guarded`: device nodes.
    ("change the file tree", &[
        mkdir, mkdirat, rmdir, unlink, unlinkat, rename, renameat, renameat2, link, linkat, symlink, symlinkat,
        chmod, fchmod, fchmodat, fchmodat2, chown, fchown, lchown, fchownat, umask, utime, utimes, futimesat,
        utimensat, file_setattr,
    ]),
    // `cp -a`, `tar`, package managers. `security.*` and `trusted.*` need capabilities that the program has not.
    ("extended attributes", &[
        setxattr, lsetxattr, fsetxattr, getxattr, lgetxattr, fgetxattr, listxattr, llistxattr, flistxattr,
        removexattr, lremovexattr, fremovexattr, setxattrat, getxattrat, listxattrat, removexattrat,
    ]),
    // File watching by build tools, Node (`fs.watch`) and the JVM (`WatchService`). fanotify is hostile.
    ("watch files", &[inotify_init, inotify_init1, inotify_add_watch, inotify_rm_watch]),
    // `memfd_create`: the JVM's heap, V8, Wayland clients. `pkey_*`: V8's code space. `mseal`: glibc 2.42.
    // `map_shadow_stack`: glibc with CET.
    ("memory", &[
        brk, mmap, munmap, mremap, mprotect, madvise, mincore, msync, mlock, mlock2, munlock, mlockall, munlockall,
        memfd_create, pkey_alloc, pkey_free, pkey_mprotect, mseal, map_shadow_stack, membarrier,
    ]),
    // The JVM with `-XX:+UseNUMA`, OpenMP, mimalloc, numactl.
    ("memory on nodes", &[
        mbind, set_mempolicy, get_mempolicy, set_mempolicy_home_node, move_pages, migrate_pages, getcpu,
    ]),
    // `clone` is in `guarded`, `fork` and `vfork` are the policy's, `clone3` is in `quiet`. `execveat` is `fexecve`.
    ("processes", &[
        execve, execveat, exit, exit_group, wait4, waitid, getpid, getppid, gettid, getpgid, getpgrp, setpgid,
        getsid, setsid, pidfd_open, pidfd_send_signal, set_tid_address,
    ]),
    // `restart_syscall` is made by the kernel on the program's behalf. `uretprobe` and `uprobe` by its own trampolines,
    // when somebody outside traces the program: refused, the program would crash.
    ("threads", &[
        futex, futex_waitv, futex_wake, futex_wait, futex_requeue, set_robust_list, get_robust_list, rseq,
        arch_prctl, restart_syscall, uretprobe, uprobe,
    ]),
    // What orders threads within the share that the cgroup gives is in `keeper`.
    ("scheduling", &[
        sched_yield, sched_getaffinity, sched_getparam, sched_getscheduler, sched_getattr, sched_get_priority_max,
        sched_get_priority_min, sched_rr_get_interval, getpriority, ioprio_get,
    ]),
    // Reach the program's own pid namespace and user only. `rt_sigreturn` is how every handler ends.
    ("signals", &[
        rt_sigaction, rt_sigprocmask, rt_sigreturn, rt_sigpending, rt_sigtimedwait, rt_sigsuspend, rt_sigqueueinfo,
        rt_tgsigqueueinfo, sigaltstack, signalfd, signalfd4, kill, tkill, tgkill, pause,
    ]),
    // Setting the machine's clocks is hostile.
    ("time", &[
        time, gettimeofday, clock_gettime, clock_getres, clock_nanosleep, nanosleep, times, alarm, getitimer,
        setitimer, timer_create, timer_settime, timer_gettime, timer_getoverrun, timer_delete, timerfd_create,
        timerfd_settime, timerfd_gettime,
    ]),
    ("wait for events", &[
        poll, ppoll, select, pselect6, epoll_create, epoll_create1, epoll_ctl, epoll_wait, epoll_pwait,
        epoll_pwait2, eventfd, eventfd2,
    ]),
    // What can be reached is decided when the socket is made (`guarded`) and by the network namespace.
    ("sockets once made", &[
        bind, listen, accept, accept4, connect, getsockname, getpeername, getsockopt, setsockopt, shutdown, sendto,
        recvfrom, sendmsg, recvmsg, sendmmsg, recvmmsg,
    ]),
    // Kept to the sandbox by its ipc namespace. PostgreSQL, Perl and Python's posix_ipc.
    ("system V and message queues", &[
        shmget, shmat, shmctl, shmdt, semget, semop, semctl, semtimedop, msgget, msgsnd, msgrcv, msgctl, mq_open,
        mq_unlink, mq_timedsend, mq_timedreceive, mq_notify, mq_getsetattr,
    ]),
    // Without capabilities and with no_new_privs they only give up: what `su`, `tar` and package managers as the
    // sandbox's root ask for.
    ("ids and capabilities", &[
        getuid, geteuid, getgid, getegid, getresuid, getresgid, getgroups, setuid, setgid, setreuid, setregid,
        setresuid, setresgid, setgroups, setfsuid, setfsgid, capget, capset,
    ]),
    // Lower a limit, or read one. Raising a hard limit needs a capability. `prlimit64` is in `keeper`.
    ("limits and facts", &[getrlimit, setrlimit, getrusage, sysinfo, uname, getrandom]),
    // A program may restrict itself further (browsers, sshd, systemd's units, our own tests). `seccomp` is in `guarded`.
    ("sandboxes within", &[landlock_create_ruleset, landlock_add_rule, landlock_restrict_self]),
];
