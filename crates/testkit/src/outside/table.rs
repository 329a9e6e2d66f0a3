//! Every operation as a shell line, and what it must come to outside any sandbox: as root, as an ordinary user.
//!
//! `H` is hostile, `DIR` a directory of the person's own, `PID` a process of theirs made for the row, `MARKER` a word of
//! its command line, `TCP` and `UDP` ports of ours, `NAME` an abstract socket, `GROUP` a cgroup that they may use.

/// What must come of a row.
#[derive(Clone, Copy, Debug)]
pub enum Expect {
    /// `SUCCEEDED`.
    Success,
    /// Not possible here: the answer holds this text, for this reason. On a host where it does succeed, so much the
    /// better.
    Cannot(&'static str, &'static str),
    /// Not tried, for this reason.
    NotTried(&'static str),
}

use Expect::{Cannot, NotTried, Success};

const CAPABILITY: Expect = Cannot("EPERM", "an ordinary user lacks the capability");
const FILE_MODE: Expect = Cannot("EACCES", "an ordinary user may not write or read this file");
const NEEDS_ROOT: Expect = NotTried("only root can set it up");
const NO_FAMILY: Expect = Cannot("EAFNOSUPPORT", "this kernel lacks the socket family");
const NOT_BUILT: Expect = Cannot("ENOSYS", "this kernel is built without it");
const NO_FILE: Expect = Cannot("ENOENT", "this kernel is built without it");

/// Runs the rest with its own pid namespace, whose process 1 is a shell of ours and not the machine's init.
macro_rules! own_pids {
    ($line:literal) => {
        concat!("unshare --pid --fork --mount-proc --kill-child sh -c '", $line, "; exit $?'")
    };
}

/// Runs the rest in a mount namespace of its own with a read-only tmpfs on DIR/m.
macro_rules! own_mounts {
    ($line:literal) => {
        concat!(
            "mkdir -p $DIR/m && unshare --mount sh -c 'mount -t tmpfs -o size=64k none $DIR/m && ",
            "mount -o remount,bind,ro $DIR/m && ",
            $line,
            "'"
        )
    };
}

/// Shell line, what must come of it as root, and as an ordinary user.
#[rustfmt::skip] // a table
pub const ROWS: &[(&str, Expect, Expect)] = &[
    ("$H read-file /etc/hostname", Success, Success),
    ("$H write-file $DIR/w", Success, Success),
    ("$H list-dir /etc", Success, Success),
    (own_pids!("$H via-proc-1-root /etc/hostname"), Success, NEEDS_ROOT),
    ("$H symlink-out /etc/hostname", Success, Success),
    ("$H write-readonly-submount $DIR", Success, Success),

    ("$H sees-process $PID", Success, Success),
    ("$H sees-process $PID $MARKER", Success, Success),
    ("$H signal-process $PID", Success, Success),
    (own_pids!("$H signal-init KILL"), Success, NEEDS_ROOT),
    (own_pids!("$H signal-init STOP"), Success, NEEDS_ROOT),
    (own_pids!("$H order-init"), Success, NEEDS_ROOT),
    ("$H pdeathsig-clear", Success, Success),

    ("exec 7</dev/null; $H leaked-descriptors", Success, Success),
    ("$H reopen-stdio-for-writing </dev/null 2>$DIR/log", Success, Success),
    ("LEAK=x $H leaked-variable LEAK", Success, Success),
    ("exec 7</; $H leaked-directory", Success, Success),
    (own_pids!("$H proc-1-environ"), Success, NEEDS_ROOT),
    (own_pids!("$H proc-1-environ MARKER"), Success, NEEDS_ROOT),

    ("$H tcp-connect 127.0.0.1 $TCP", Success, Success),
    ("$H tcp-connect localhost $TCP", Success, Success),
    ("$H udp-send 127.0.0.1 $UDP", Success, Success),
    ("$H abstract-unix-connect $NAME", Success, Success),
    ("$H unix-connect $DIR/socket", Success, Success),
    ("$H socket-packet", Success, CAPABILITY),
    ("$H socket-raw", Success, CAPABILITY),
    ("$H socket-vsock", Success, Success),
    ("$H socket-alg", NO_FAMILY, NO_FAMILY),
    ("$H socket-netlink", Success, Success),
    ("$H socket-bluetooth", NO_FAMILY, NO_FAMILY),

    ("$H mount-tmpfs", Success, CAPABILITY),
    (own_mounts!("$H remount-rw $DIR/m"), Success, NEEDS_ROOT),
    (own_mounts!("$H umount $DIR/m"), Success, NEEDS_ROOT),
    ("$H pivot-root", Success, CAPABILITY),
    ("$H chroot", Success, CAPABILITY),
    ("$H open-by-handle", Success, CAPABILITY),

    ("$H unshare-user", Success, Success),
    ("$H unshare-mount", Success, CAPABILITY),
    ("$H unshare-pid", Success, CAPABILITY),
    ("$H unshare-network", Success, CAPABILITY),
    ("$H unshare-ipc", Success, CAPABILITY),
    ("$H unshare-uts", Success, CAPABILITY),
    ("$H unshare-cgroup", Success, CAPABILITY),
    ("$H unshare-time", Success, CAPABILITY),
    ("$H setns /proc/$PID/ns/uts", Success, CAPABILITY),
    ("$H clone-newuser", Success, Success),
    ("$H clone3-newuser", Success, Success),
    ("$H cgroup-join $GROUP", Success, Success),

    ("$H bpf", Success, CAPABILITY),
    ("$H io-uring", Success, Success),
    ("$H keyctl", Success, Success),
    ("$H add-key", Success, Success),
    ("$H perf-event", Success, Success),
    ("$H userfaultfd", Success, Success),
    ("$H kexec", NOT_BUILT, NOT_BUILT),
    ("$H init-module", NOT_BUILT, NOT_BUILT),
    ("$H reboot", Success, CAPABILITY),
    ("$H swapon", Success, CAPABILITY),
    ("$H acct", Success, CAPABILITY),
    ("$H settime", Success, CAPABILITY),
    ("$H sethostname", Success, CAPABILITY),
    ("$H mknod-device", Success, CAPABILITY),
    ("$H iopl", NOT_BUILT, NOT_BUILT),
    ("$H tiocsti", Success, Success),
    ("$H syslog", Success, CAPABILITY),
    ("$H personality-aslr", Success, Success),
    ("$H prctl-set-mm", Cannot("EPERM", "root has no CAP_SYS_RESOURCE here"), CAPABILITY),
    ("$H x32-call", NOT_BUILT, NOT_BUILT),
    ("$H int80-call", Success, Success),

    ("$H ptrace-attach $PID", Success, Success),
    ("$H process-vm-read $PID", Success, Success),
    ("$H pidfd-getfd $PID", Success, Success),
    (own_pids!("$H write-init-image"), Success, NEEDS_ROOT),

    ("$H core-pattern", Success, FILE_MODE),
    ("$H sysctl-write", Success, FILE_MODE),
    ("$H sys-write", Success, FILE_MODE),
    ("$H sysrq", NO_FILE, NO_FILE),
    ("$H kcore", NO_FILE, NO_FILE),
    ("$H kmsg", Success, FILE_MODE),
    ("$H kallsyms", Success, Cannot("zero", "addresses are hidden without CAP_SYSLOG")),

    ("$H capabilities", Success, Success),
    ("$H setuid-program $DIR/setuid", Success, Success),
    ("$H setuid-zero", Success, CAPABILITY),
    ("$H no-new-privs", Success, Success),
    ("$H seccomp-mode", Success, Success),
    ("$H realtime-priority", Success, CAPABILITY),

    ("$H fork-bomb 100", Success, Success),
    ("$H thread-bomb 100", Success, Success),
    ("$H zombie-flood 100", Success, Success),
    ("$H cpu-burn 2 1", Success, Success),
    ("$H stop-everything 1", Success, Success),
    ("$H escape-session $DIR/escaped 50", Success, Success),
    ("$H ignore-signals 1", Success, Success),
    ("$H memory 24", Success, Success),
    ("$H memory-many 8 3", Success, Success),
    ("$H memory-shared 24", Success, Success),
    ("$H memory-memfd 24", Success, Success),
    ("$H sysv-shm 24", Success, Success),
    ("$H pipe-buffers 20", Success, Success),
    ("$H descriptors 1000", Success, Success),
    ("$H rlimit-raise", Cannot("EPERM", "root has no CAP_SYS_RESOURCE here"), CAPABILITY),
    ("$H tmpfs-fill $DIR 1000000", Success, Success),
    ("$H inode-fill $DIR 500", Success, Success),
    ("$H output-flood 100000", Success, Success),
    ("$H file-size $DIR 100000000", Success, Success),
    ("$H deep-directories $DIR 1500", Success, Success),

    ("$H count-stdin </dev/null", Success, Success),
    ("$H sleep 0.1", Success, Success),
];

/// Operations that say nothing of success: `plain.rs` of the tests looks at what they do.
pub const SPEAK_FOR_THEMSELVES: &[&str] =
    &["exit", "raise", "abort", "segfault", "binary-output", "close-stdio", "print-environment", "print-ids"];
