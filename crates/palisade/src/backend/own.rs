//! What palisade's own wall holds. Not here: how (`native`).

use palisade_spec::{Guarantees, Held};

use super::around::{around, limits};
use crate::host::Host;

pub(super) fn guarantees(host: &Host) -> Guarantees {
    let itself = |by: &str| Held::Itself(by.to_owned());
    let (memory, cpu) = limits(host);
    let own = |held: Held| if let Held::Around(by) = held { Held::Itself(by) } else { held };
    Guarantees {
        files: match host.landlock {
            0 => Held::Weakly("mount namespace, new root, recursive read-only binds; no Landlock here".to_owned()),
            _ => itself("mount namespace, new root, recursive read-only binds, Landlock"),
        },
        network: itself("network namespace, filtered socket families"),
        processes: itself("pid, ipc and uts namespaces, own session and keyring"),
        system_calls: itself("seccomp allow-list, hostile calls reported by notification"),
        memory: own(memory),
        cpu: own(cpu),
        time: itself("supervisor's timer; kill of the pid namespace"),
        disk: itself("sized file systems in memory, RLIMIT_FSIZE"),
        privileges: itself("user namespace, no capability in any set, no_new_privs, locked securebits"),
        ..around(host)
    }
}
