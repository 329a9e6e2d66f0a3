//! What the process gives up before it reads a stranger's first byte.
//!
//! It needs memory, time and its three descriptors. Resource limits bound what a text can cost; a limit that cannot be set is
//! no reason to stop, because `palisade` watches the process too. Not here: what bounds the parser itself (`tree.rs`).

use rustix::process::{Resource, Rlimit, setrlimit};

/// Processor seconds for all files together that one process is given.
const CPU: u64 = 60;
/// Address space: the analysis has a stack of 256 MiB, of which it rarely touches 1.
const MEMORY: u64 = 2 << 30;

pub(crate) fn confine() {
    let limits = [
        (Resource::Cpu, CPU),
        (Resource::As, MEMORY),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
        // No new descriptor: nothing can be opened.
        (Resource::Nofile, 3),
    ];
    for (resource, limit) in limits {
        let _ = setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) });
    }
    // Nothing that is executed could gain privileges; nobody may look into this process.
    let _ = rustix::thread::set_no_new_privs(true);
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
