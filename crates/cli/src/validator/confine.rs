//! What the process gives up before it reads a stranger's first byte.
//!
//! It needs memory, time and its three descriptors. Resource limits bound what a text can cost, and a system call filter leaves
//! it nothing to do but to compute and to answer. Where the kernel has no filters it goes on without: what it is told of a
//! program is advice, and `palisade` believes no more of it. Not here: what bounds the parser itself (`palisade-check`).

use rustix::process::{Resource, Rlimit, setrlimit};

/// Processor seconds for all files together that one process is given.
const CPU: u64 = 60;
/// Address space: the analysis has a stack of 64 MiB, of which it rarely touches 1.
const MEMORY: u64 = 1 << 30;

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
    let _ = palisade_sys::confine();
}
