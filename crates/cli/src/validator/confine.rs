//! What the process gives up before it reads a stranger's first byte.
//!
//! It needs memory, time and its three descriptors. Resource limits bound what a text can cost, and a system call filter leaves
//! it nothing to do but to compute and to answer. Without them it reads nothing. Not here: what bounds the parser itself
//! (`palisade-check`).

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Processor seconds for all files together that one process is given.
const CPU: u64 = 60;
/// Address space: the analysis has a stack of 64 MiB, of which it rarely touches 1.
const MEMORY: u64 = 1 << 30;

/// # Errors
/// If the kernel takes a limit or the filter not.
pub(crate) fn confine() -> io::Result<()> {
    let limits = [
        (Resource::Cpu, CPU),
        (Resource::As, MEMORY),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
        // No new descriptor: nothing can be opened.
        (Resource::Nofile, 3),
    ];
    for (resource, limit) in limits {
        // A caller may have set a lower one, which cannot be raised.
        let limit = getrlimit(resource).maximum.map_or(limit, |least| least.min(limit));
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    palisade_sys::confine()
}
