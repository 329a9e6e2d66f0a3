//! The calls whose arguments decide.
//!
//! Arguments are compared at the width at which the kernel reads them ([`INT`] or all 64 bits). Where a caller could
//! make up new values, the harmless ones are listed, not the harmful ones.

use libc::{
    AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, AF_UNSPEC, EAFNOSUPPORT, EBUSY, EOPNOTSUPP, EPERM, EPROTONOSUPPORT,
    IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM,
};

use super::call::Call;
use super::policy::Families;
use super::quiet::errno;
use super::rule::{Action, Arg, INT, Is, Rule, Test};

pub(super) fn guarded(hostile: Action, fork: Action, families: Families) -> [Rule; 11] {
    [
        clone(hostile, fork),
        unshare(hostile),
        socket(hostile, families),
        socketpair(hostile),
        ioctl(hostile),
        fcntl(),
        personality(hostile),
        make_node(Call::mknod, Arg::Second, hostile),
        make_node(Call::mknodat, Arg::Third, hostile),
        prctl(),
        seccomp(),
    ]
}

const fn bits(value: i32) -> u64 {
    value.cast_unsigned() as u64
}

pub(super) fn equal(arg: Arg, value: i32) -> Test {
    Test::new(arg, INT, Is::Equal(bits(value)))
}

fn one_of<const N: usize>(arg: Arg, values: [i32; N]) -> Test {
    Test::new(arg, INT, Is::OneOf(values.map(bits).into()))
}

/// `CLONE_NEWNS`, `NEWCGROUP`, `NEWUTS`, `NEWIPC`, `NEWUSER`, `NEWPID`, `NEWNET`. `NEWTIME` is out of reach: `clone` reads
/// that bit as part of the exit signal. No bit of the 32 is free, so none can be missing here.
const NEW_NAMESPACES: u64 = 0x7e02_0000;

/// Namespaces are hostile: a user namespace gives back every capability inside, and with it most of the kernel's
/// privileged code. Threads are free, the rest are new processes.
fn clone(hostile: Action, fork: Action) -> Rule {
    let flags = |mask| Test::new(Arg::First, mask, Is::NonZero);
    Rule::new(Call::clone, fork)
        .when([flags(NEW_NAMESPACES)], hostile)
        .when([flags(bits(libc::CLONE_THREAD))], Action::Allow)
}

/// Threads may stop sharing their descriptors, working directory or semaphore undo list (Samba, Go programs that
/// `chdir` per thread). Every other flag makes a namespace, today or in a later kernel.
fn unshare(hostile: Action) -> Rule {
    let harmless = bits(
        libc::CLONE_FILES
            | libc::CLONE_FS
            | libc::CLONE_SYSVSEM
            | libc::CLONE_THREAD
            | libc::CLONE_SIGHAND
            | libc::CLONE_VM,
    );
    Rule::new(Call::unshare, hostile).when([Test::new(Arg::First, !harmless, Is::Equal(0))], Action::Allow)
}

/// The bits of a socket's type without `SOCK_CLOEXEC` and `SOCK_NONBLOCK` (`SOCK_TYPE_MASK`).
const TYPE: u64 = 0xf;
const IPPROTO_MPTCP: i32 = 262;
const NETLINK_ROUTE: i32 = 0;
/// Netlink protocols that libraries open in passing, and do without: socket lists (`ss`), audit (PAM, shadow), device
/// events (libudev, libusb).
const NETLINK_PROBED: [i32; 4] = [NETLINK_ROUTE, 4, 9, 15];

fn socket(hostile: Action, families: Families) -> Rule {
    let family = |family| equal(Arg::First, family);
    let internet = || one_of(Arg::First, [AF_INET, AF_INET6]);
    let kind = |kind| Test::new(Arg::Second, TYPE, Is::Equal(bits(kind)));
    let unsupported = errno(EAFNOSUPPORT);
    let rule = Rule::new(Call::socket, hostile).when([family(AF_UNIX)], Action::Allow);
    let rule = match families {
        Families::Unix => rule.when([internet()], unsupported),
        // Go listens with MPTCP by default; unprivileged ping is a datagram. SCTP, DCCP and UDP-Lite are modules that
        // a socket call would load.
        Families::UnixInet | Families::UnixInetRoute => rule
            .when(
                [internet(), kind(SOCK_STREAM), one_of(Arg::Third, [IPPROTO_IP, IPPROTO_TCP, IPPROTO_MPTCP])],
                Action::Allow,
            )
            .when(
                [
                    internet(),
                    kind(SOCK_DGRAM),
                    one_of(Arg::Third, [IPPROTO_IP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6]),
                ],
                Action::Allow,
            )
            .when([internet(), kind(SOCK_RAW)], errno(EPERM))
            .when([internet()], errno(EPROTONOSUPPORT)),
    };
    let rule = match families {
        Families::Unix | Families::UnixInet => rule,
        Families::UnixInetRoute => rule.when([family(AF_NETLINK), equal(Arg::Third, NETLINK_ROUTE)], Action::Allow),
    };
    rule.when([family(AF_NETLINK), one_of(Arg::Third, NETLINK_PROBED)], unsupported)
        .when([family(AF_UNSPEC)], unsupported)
}

/// Only Unix sockets come in pairs. For the other usual families the kernel says the same.
fn socketpair(hostile: Action) -> Rule {
    Rule::new(Call::socketpair, hostile)
        .when([equal(Arg::First, AF_UNIX)], Action::Allow)
        .when([one_of(Arg::First, [AF_UNSPEC, AF_INET, AF_INET6, AF_NETLINK])], errno(EOPNOTSUPP))
}

/// Terminal requests that reach the terminal's other users (asm-generic/ioctls.h, the same on both architectures).
const HOSTILE_REQUESTS: [i32; 5] = [
    0x5412, // TIOCSTI: types into the terminal, for the shell that started us to read
    0x541c, // TIOCLINUX: the same by pasting, on a virtual console
    0x541d, // TIOCCONS: takes the system console's output
    0x5423, // TIOCSETD: loads line discipline modules, a source of exploits (n_gsm, n_hdlc)
    0x5437, // TIOCVHANGUP: `vhangup` for any terminal
];

fn ioctl(hostile: Action) -> Rule {
    Rule::new(Call::ioctl, Action::Allow).when([one_of(Arg::Second, HOSTILE_REQUESTS)], hostile)
}

/// Descriptors, their flags and owners, locks, pipe sizes, seals, and what only asks (fcntl.h, the same on both
/// architectures). Not `F_SETLEASE`, which keeps others from opening a file, `F_NOTIFY`, and `F_SET_RW_HINT`, which writes into
/// a file's inode through a read-only mount: the kernel asks only who owns it.
const COMMANDS: [i32; 29] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 16, 17, 36, 37, 38, // F_DUPFD to F_OFD_SETLKW
    1025, 1027, 1028, 1029, 1030, 1031, 1032, 1033, 1034, 1035, 1037, // F_GETLEASE to F_GET_FILE_RW_HINT
];

/// What is not known is answered as by a kernel that does not know it; programs that give hints live with that.
fn fcntl() -> Rule {
    Rule::new(Call::fcntl, errno(libc::EINVAL)).when([one_of(Arg::Second, COMMANDS)], Action::Allow)
}

/// Ordinary Linux, 32-bit `uname`, a 2.6 version number (Docker allows the same), no address randomisation (sanitizers
/// and debuggers restart themselves so; it weakens only themselves), and asking (`0xffffffff`).
const BENIGN_PERSONALITIES: [i32; 7] = [0, 0x8, 0x2_0000, 0x2_0008, 0x4_0000, 0x4_0008, -1];

fn personality(hostile: Action) -> Rule {
    Rule::new(Call::personality, hostile).when([one_of(Arg::First, BENIGN_PERSONALITIES)], Action::Allow)
}

/// Files, pipes and sockets, no devices. The kernel reads the mode as 16 bits.
fn make_node(call: Call, mode: Arg, hostile: Action) -> Rule {
    let kinds = [0, libc::S_IFREG, libc::S_IFIFO, libc::S_IFSOCK].map(u64::from);
    let harmless = Test::new(mode, u64::from(libc::S_IFMT), Is::OneOf(kinds.into()));
    Rule::new(call, hostile).when([harmless], Action::Allow)
}

/// `PR_SET_MM` moves what /proc shows of the process (command line, executable), which evidence relies on. Titles are
/// set with it by libraries that live with a refusal, so it is quiet.
fn prctl() -> Rule {
    Rule::new(Call::prctl, Action::Allow).when([equal(Arg::First, libc::PR_SET_MM)], errno(EPERM))
}

/// A program may filter itself further, but not with a listener of its own: when two filters notify, the newer one is
/// asked, and if our supervisor's listener were gone it could answer "continue" to every call that we wanted to see.
/// While ours is there the kernel refuses a second one with the same `EBUSY`; so this changes no behaviour, it only
/// does not depend on us being alive.
fn seccomp() -> Rule {
    let listener = Test::new(Arg::Second, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER, Is::NonZero);
    Rule::new(Call::seccomp, Action::Allow).when([listener], errno(EBUSY))
}
