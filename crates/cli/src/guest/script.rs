//! An order as a script for the kernel. Nothing is decided here.

use std::{ffi::CString, io};

use palisade_spec::guest::{Calls, Order, Stdin, Word};
use palisade_sys::{Listener, Namespaces, Op, Presence, Program, Rlimit, Script, Stdio, seccomp::SockFilter};
use rustix::{
    fs::{Mode, OFlags, open},
    io::fcntl_dupfd_cloexec,
    process::{getegid, geteuid},
    stdio,
};

/// The script of the process that starts the program.
pub(crate) fn of(order: &Order) -> io::Result<Script> {
    let stdin = match order.stdin {
        Stdin::Nothing => open(c"/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?,
        Stdin::Rest => fcntl_dupfd_cloexec(stdio::stdin(), 3)?,
    };
    let stdout = fcntl_dupfd_cloexec(stdio::stdout(), 3)?;
    let stderr = fcntl_dupfd_cloexec(stdio::stderr(), 3)?;
    let strings = |list: &[String]| list.iter().map(|text| c_string(text)).collect::<io::Result<Vec<_>>>();
    let environment: Vec<String> = order.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut ops = vec![Op::Umask(0o022), Op::AdoptOrphans];
    for (source, at) in &order.binds {
        ops.push(Op::Bind { source: c_string(source)?, at: c_string(at)?, presence: Presence::IfThere });
    }
    if let Some((user, group)) = order.alias {
        let map = |inside, own| c_string(&format!("{inside} {own} 1"));
        let (users, groups) = (map(user, geteuid().as_raw())?, map(group, getegid().as_raw())?);
        ops.push(Op::OwnUsers { users, groups });
    }
    ops.extend([Op::GiveUp(order.identity), Op::WorkingDirectory(c_string(&order.directory)?)]);
    Ok(Script {
        namespaces: Namespaces::default(),
        cgroup: None,
        ops,
        aside: Vec::new(),
        program: Some(Program {
            stdio: Stdio::Given([stdin, stdout, stderr]),
            rlimits: order.rlimits.iter().map(|&(resource, value)| Rlimit { resource, value }).collect(),
            filter: order.filter.iter().map(|&instruction| instruction_of(instruction)).collect(),
            listener: if order.calls == Calls::Unheard { Listener::Nobody } else { Listener::Parent },
            announcement: order.secrets.mark(&Word::Started)?,
            candidates: strings(&order.candidates)?,
            arguments: strings(&order.arguments)?,
            environment: strings(&environment)?,
        }),
    })
}

fn instruction_of(packed: u64) -> SockFilter {
    let [c0, c1, jt, jf, k @ ..] = packed.to_be_bytes();
    SockFilter { code: u16::from_be_bytes([c0, c1]), jt, jf, k: u32::from_be_bytes(k) }
}

fn c_string(text: &str) -> io::Result<CString> {
    CString::new(text).map_err(|_| io::ErrorKind::InvalidInput.into())
}
