//! `firejail` (R5): namespaces made by root, without a profile, around a root directory that `chroot` changes to.
//!
//! Its own `--chroot` is off in Debian's configuration, and wants a tree that belongs to root. For an ordinary user there is
//! nothing to be had: see [`no_root`].

use palisade_spec::{Backend, Guarantees, Held, NetworkPolicy};

use super::{CHANGED_ROOT, around, tool};
use crate::{
    bound::Resolved,
    error::Refusal,
    foreign::{self, AGENT, AGENTS, Foreign, Places, Proc, Room, Starter},
    host::Host,
    native::{HOST_NAME, Launch},
};

pub(super) fn guarantees(host: &Host) -> Guarantees {
    Guarantees {
        files: Held::Weakly(CHANGED_ROOT.to_owned()),
        network: Held::Itself("network namespace".to_owned()),
        processes: Held::Itself("pid, ipc and uts namespaces".to_owned()),
        ..around(host)
    }
}

/// Plans a launch by `firejail`.
pub(super) fn plan(job: Resolved, host: &Host) -> Result<Launch, Vec<Refusal>> {
    let firejail = tool(Backend::Firejail, &["firejail"], "firejail")?;
    let chroot = tool(Backend::Firejail, &["chroot"], "coreutils")?;
    if !rustix::process::geteuid().is_root() {
        return Err(vec![no_root()]);
    }
    // It looks for signs of a host about it, does not find them in a pid namespace, and then makes no wall at all
    let room = Room { processes: 2 + AGENTS, threads: 2 + AGENTS, memory: 8 << 20 };
    foreign::launch(Backend::Firejail, job, host, &guarantees(host), Starter::Root, |launch, places| {
        let mut arguments = arguments(launch, places);
        let chroot = chroot.display().to_string();
        arguments.extend(["--".to_owned(), chroot, places.root.display().to_string(), AGENT.to_owned()]);
        Foreign {
            environment: vec![("container".to_owned(), "docker".to_owned())],
            identity: Some((launch.ids.uid, launch.ids.gid)),
            proc: Proc::Bare,
            scratch: vec!["/run".into()],
            arguments,
            room,
            ..Foreign::of(firejail, Starter::Root)
        }
    })
}

/// It is set-user-ID root, and that means nothing in a user namespace: its helpers are "not owned by root" there. Outside of
/// one, nobody can give it a tree: it makes no directory such as /work.
fn no_root() -> Refusal {
    Refusal {
        backend: Backend::Firejail.name(),
        needs: "root".to_owned(),
        because: "an ordinary user can give firejail no file tree: the one that palisade builds is in a user namespace, where \
                  a set-user-ID program gains nothing"
            .to_owned(),
        hint: "run palisade as root, or leave --backend out".to_owned(),
    }
}

fn arguments(launch: &Launch, places: &Places) -> Vec<String> {
    let mut words: Vec<String> = [
        "--quiet",
        "--noprofile",
        "--private",
        "--ipc-namespace",
        // What the agent needs to cover parts of /proc, to change the root, to become somebody else and to end it.
        "--caps.keep=kill,setgid,setpcap,setuid,sys_admin,sys_chroot",
    ]
    .map(str::to_owned)
    .into();
    words.push(format!("--hostname={HOST_NAME}"));
    words.push(format!("--bind=/proc,{}/proc", places.root.display()));
    if launch.job.network != NetworkPolicy::AllowAll {
        words.push("--net=none".to_owned());
    }
    for limit in &launch.rlimits {
        let name = match limit.resource {
            libc::RLIMIT_CPU => "cpu",
            libc::RLIMIT_FSIZE => "fsize",
            libc::RLIMIT_NOFILE => "nofile",
            _ => continue,
        };
        words.push(format!("--rlimit-{name}={}", limit.value));
    }
    words
}
