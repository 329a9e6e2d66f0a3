//! What a container of an engine holds, whoever's engine it is.

use palisade_spec::{Backend, Guarantees, Held};
use palisade_sys::Groups;

use super::around;
use crate::{engine, host::Host};

pub(super) fn guarantees(backend: Backend, host: &Host) -> Guarantees {
    let itself = |by: &str| Held::Itself(by.to_owned());
    let nobody_s = host.ids.groups == Groups::Drop;
    let around = around(host);
    let (memory, cpu) = if engine::is_without_groups(backend) {
        // Only what palisade can put around it is held then, and that is less than nothing of it.
        match engine::holds_memory(host) {
            true => (around.memory.clone(), around.cpu.clone()),
            false => (Held::No(engine::WITHOUT_GROUPS.to_owned()), around.cpu.clone()),
        }
    } else {
        (itself("cgroup of the container"), itself("cgroup of the container, RLIMIT_CPU"))
    };
    Guarantees {
        files: itself("mount namespace, read-only root of links and bind mounts"),
        network: itself("network namespace; the filter that palisade's agent installs refuses internet sockets"),
        processes: itself("pid, ipc, uts and cgroup namespaces"),
        memory,
        cpu,
        time: Held::Around("supervisor's timer; kill of the container's first process".to_owned()),
        disk: match backend {
            // Its engine takes no `nr_inodes`.
            Backend::Podman => Held::Weakly(
                "sized file systems in memory, in which files are not counted; RLIMIT_FSIZE by palisade's agent"
                    .to_owned(),
            ),
            _ => itself("sized file systems in memory; RLIMIT_FSIZE by palisade's agent"),
        },
        privileges: Held::Itself(
            if nobody_s {
                "no capability in any set, no_new_privs, ids that own nothing"
            } else {
                "no capability in any set, no_new_privs; the ids are the caller's own"
            }
            .to_owned(),
        ),
        ..around
    }
}
