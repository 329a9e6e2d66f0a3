//! What palisade holds around every wall, and how the program of one is found.

use std::path::{Path, PathBuf};

use palisade_spec::{Backend, Guarantees, Held};
use palisade_sys::cgroup;

use crate::{error::Refusal, host::Host};

/// What walls have of files that change the root directory and leave the mounts as they are.
pub(super) const CHANGED_ROOT: &str =
    "mount namespace, and changed root over a tree that palisade builds; the host's tree stays mounted beside it";

/// What holds whatever the wall is: the supervisor's timers, the cgroup of the run, the agent's filter. Of files, network and
/// processes nothing; those are the wall's.
pub(crate) fn around(host: &Host) -> Guarantees {
    let nothing = || Held::No("this wall has nothing that could".to_owned());
    let (memory, cpu) = limits(host);
    Guarantees {
        files: nothing(),
        network: nothing(),
        processes: nothing(),
        system_calls: Held::Around("seccomp allow-list that palisade's agent installs inside the wall".to_owned()),
        memory,
        cpu,
        time: Held::Around("supervisor's timer; kill of the pid namespace".to_owned()),
        disk: Held::Around("sized file systems in memory, RLIMIT_FSIZE".to_owned()),
        privileges: Held::Around(
            "no capability in any set, no_new_privs, ids that own nothing: given up by palisade's agent".to_owned(),
        ),
        kernel: Held::No("it is the host's kernel that the program talks to".to_owned()),
    }
}

/// Memory and processor time, as this host can hold them.
pub(super) fn limits(host: &Host) -> (Held, Held) {
    const SAMPLED: &str = "measured every 10 ms; rlimits";
    match &host.cgroup {
        Ok(cgroup::Place::V2 { .. }) => {
            (Held::Around("cgroup v2".to_owned()), Held::Around("cgroup v2, RLIMIT_CPU".to_owned()))
        }
        Ok(cgroup::Place::V1 { memory, cpuacct, .. }) => {
            let held = |there: bool, by: &str| {
                if there { Held::Around(by.to_owned()) } else { Held::Weakly(SAMPLED.to_owned()) }
            };
            (held(memory.is_some(), "cgroup v1"), held(cpuacct.is_some(), "cgroup v1, RLIMIT_CPU"))
        }
        Err(_) => (Held::Weakly(SAMPLED.to_owned()), Held::Weakly(SAMPLED.to_owned())),
    }
}

/// The program of a wall: the first of these names on PATH, or where administrators' programs are.
///
/// # Errors
/// That there is none, with the Debian package that has it.
pub(crate) fn tool(backend: Backend, names: &[&str], package: &str) -> Result<PathBuf, Vec<Refusal>> {
    let sudo = if rustix::process::geteuid().is_root() { "" } else { "sudo " };
    find(backend, names, &format!("{sudo}apt-get install {package}"))
}

/// As [`tool`], with all that is to be done to have it.
pub(super) fn find(backend: Backend, names: &[&str], install: &str) -> Result<PathBuf, Vec<Refusal>> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = std::env::split_paths(&path).filter(|directory| directory.is_absolute());
    let usual = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from);
    let directories: Vec<PathBuf> = own.chain(usual).collect();
    let candidates = names.iter().flat_map(|name| directories.iter().map(move |directory| directory.join(name)));
    let found = candidates.into_iter().find(|file| is_program(file));
    found.ok_or_else(|| {
        vec![Refusal {
            backend: backend.name(),
            needs: format!("the program `{}`", names.join("` or `")),
            because: "it is not installed".to_owned(),
            hint: install.to_owned(),
        }]
    })
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
