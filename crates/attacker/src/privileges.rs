//! Privileges: what the process holds, and what it can gain.

use crate::operation::{Answer, Arguments, Operation, Place, Stop, blocked, check, system_call};
use std::process::Command;

#[rustfmt::skip] // a table
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "capabilities", arguments: "", about: "finds any capability: effective, permitted, inheritable, ambient or bounding", needs: "-", place: Place::Itself, run: capabilities },
    Operation { name: "setuid-program", arguments: "PATH", about: "executes `PATH print-ids` and compares effective ids with its own", needs: "PATH is a copy of hostile with the set-user-id bit and another owner", place: Place::Child, run: setuid_program },
    Operation { name: "setuid-zero", arguments: "", about: "becomes uid 0 by setresuid and setresgid", needs: "root", place: Place::Child, run: become_root },
    Operation { name: "no-new-privs", arguments: "", about: "finds no_new_privs unset", needs: "-", place: Place::Itself, run: new_privileges },
    Operation { name: "seccomp-mode", arguments: "", about: "finds itself without a filter", needs: "-", place: Place::Itself, run: seccomp_mode },
    Operation { name: "realtime-priority", arguments: "", about: "takes SCHED_FIFO, or a nice value of -20", needs: "CAP_SYS_NICE", place: Place::Child, run: realtime },
];

fn capabilities(_: &Arguments) -> Answer {
    // _LINUX_CAPABILITY_VERSION_3, own process; the answer is two times {effective, permitted, inheritable}.
    let mut header = [0x2008_0522_u32, 0];
    let mut sets = [0_u32; 6];
    system_call("capget", libc::SYS_capget, &[header.as_mut_ptr() as usize, sets.as_mut_ptr() as usize])?;
    let whole = |index: usize| u64::from(sets[index]) | u64::from(sets[index + 3]) << 32;
    let each = |option: i32, second: u64| {
        (0..64_u64)
            .filter(|number| {
                let (second, third) = if second == 0 { (*number, 0) } else { (second, *number) };
                // SAFETY: plain numbers; an unknown capability answers EINVAL.
                (unsafe { libc::prctl(option, second, third, 0, 0) }) == 1
            })
            .fold(0_u64, |set, number| set | 1 << number)
    };
    let bounding = each(libc::PR_CAPBSET_READ, 0);
    let ambient = each(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_IS_SET as u64);
    let found: Vec<_> =
        [("CapEff", whole(0)), ("CapPrm", whole(1)), ("CapInh", whole(2)), ("CapAmb", ambient), ("CapBnd", bounding)]
            .iter()
            .filter(|(_, set)| *set != 0)
            .map(|(name, set)| format!("{name} {set:x}"))
            .collect();
    if found.is_empty() {
        return Err(Stop::Blocked("capget, prctl: all five capability sets are empty".into()));
    }
    Ok(found.join(", "))
}

/// Real and effective ids in the words of `hostile print-ids`.
pub(crate) fn ids() -> String {
    // SAFETY: these calls take nothing and cannot fail.
    let (uid, euid, gid, egid) = unsafe { (libc::getuid(), libc::geteuid(), libc::getgid(), libc::getegid()) };
    let mut groups = [0; 1024];
    // SAFETY: room for 1024 groups, as said.
    let count = unsafe { libc::getgroups(groups.len() as i32, groups.as_mut_ptr()) }.max(0) as usize;
    let groups: Vec<_> = groups[..count].iter().map(u32::to_string).collect();
    format!("uid={uid} euid={euid} gid={gid} egid={egid} groups={}", groups.join(","))
}

fn effective(ids: &str) -> Vec<&str> {
    ids.split_whitespace().filter(|word| word.starts_with("euid=") || word.starts_with("egid=")).collect()
}

fn setuid_program(arguments: &Arguments) -> Answer {
    let path = arguments.text(0, "PATH")?;
    let output = Command::new(path).arg("print-ids").output().map_err(blocked(format!("execve {path}")))?;
    let theirs = String::from_utf8_lossy(&output.stdout).into_owned();
    let own = ids();
    if effective(&theirs).is_empty() {
        return Err(Stop::Inconclusive(format!("{path} did not print its ids ({})", output.status)));
    }
    if effective(&theirs) == effective(&own) {
        return Err(Stop::Blocked(format!("execve {path}: no ids were gained ({})", theirs.trim())));
    }
    Ok(format!("{} became {}", effective(&own).join(" "), effective(&theirs).join(" ")))
}

fn become_root(_: &Arguments) -> Answer {
    // SAFETY: plain numbers; the change ends with this child. The groups first, while there is a right to.
    let group = unsafe { libc::setresgid(0, 0, 0) };
    // SAFETY: as above.
    check("setresuid(0)", unsafe { libc::setresuid(0, 0, 0) })?;
    Ok(format!("{}{}", ids(), if group == 0 { "" } else { " (setresgid(0) failed)" }))
}

fn new_privileges(_: &Arguments) -> Answer {
    // SAFETY: plain numbers.
    match check("prctl(PR_GET_NO_NEW_PRIVS)", unsafe { libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) })? {
        0 => Ok("no_new_privs is 0".into()),
        set => Err(Stop::Blocked(format!("no_new_privs is {set}"))),
    }
}

fn seccomp_mode(_: &Arguments) -> Answer {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Seccomp:")).map(str::trim);
    let mode = match line.and_then(|text| text.parse().ok()) {
        Some(mode) => mode,
        // SAFETY: plain numbers. Strict mode kills here, which is an answer too.
        None => check("prctl(PR_GET_SECCOMP)", unsafe { libc::prctl(libc::PR_GET_SECCOMP) })?,
    };
    match mode {
        0 => Ok("seccomp mode is 0, no filter".into()),
        mode => Err(Stop::Blocked(format!("seccomp mode is {mode}"))),
    }
}

fn realtime(_: &Arguments) -> Answer {
    let wanted = libc::sched_param { sched_priority: 1 };
    // SAFETY: a live structure; the change ends with this child. The raw call, because musl answers ENOSYS for it.
    let scheduled = system_call(
        "sched_setscheduler(SCHED_FIFO)",
        libc::SYS_sched_setscheduler,
        &[0, libc::SCHED_FIFO as usize, &raw const wanted as usize],
    )
    .map(|_| "sched_setscheduler(SCHED_FIFO) was accepted".to_owned());
    // SAFETY: plain numbers.
    let nice = check("setpriority(-20)", unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) })
        .map(|_| "setpriority(-20) was accepted".to_owned());
    crate::operation::any([scheduled, nice])
}
