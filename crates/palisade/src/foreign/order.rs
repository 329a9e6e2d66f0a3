//! What the agent is told: the program, and everything that holds for it alone.

use std::io;

use palisade_spec::{
    HostileCalls, Layer, LayerName, LayerStatus, NetworkPolicy,
    guest::{Calls, LENGTH, LONGEST_ORDER, Order, Secrets, Stdin},
};
use palisade_sys::seccomp::SockFilter;
use rustix::rand::{GetRandomFlags, getrandom};

use super::{Foreign, Kernel, Proc};
use crate::native::{Denied, EMPTY, Kind, Launch, filter, set_id};

/// What of an order depends on the wall alone.
#[derive(Debug)]
pub(crate) struct Agent {
    /// What the program talks to.
    pub(crate) kernel: Kernel,
    /// What covers what, in the tree that the wall's program has finished.
    pub(crate) binds: Vec<(String, String)>,
    /// Who the agent is not, and the program is.
    pub(crate) identity: Option<(u32, u32)>,
    /// Who it is by another name, in a user namespace that it makes, if it is to make one.
    pub(crate) alias: Option<(u32, u32)>,
}

/// The order for `launch`, as the bytes that come before the program's input; and what marks the agent's words.
pub(crate) fn order(launch: &Launch, agent: Agent, stdin: Stdin) -> io::Result<(Vec<u8>, Secrets)> {
    let job = &launch.job;
    let kills = job.hostile_calls == HostileCalls::Kill;
    let (denied, calls) = match (agent.kernel, kills) {
        (Kernel::Hosts, false) => (Denied::Notify, Calls::Told),
        (Kernel::Hosts, true) => (Denied::Notify, Calls::Awaited),
        (Kernel::Own, false) => (Denied::Errno, Calls::Unheard),
        (Kernel::Own, true) => (Denied::Kill, Calls::Unheard),
    };
    let order = Order {
        secrets: Secrets { prefix: random()?, kinds: [random()?, random()?, random()?, random()?, random()?] },
        candidates: launch.candidates.clone(),
        arguments: job.command.clone(),
        environment: job.environment.clone(),
        directory: job.directory.to_string_lossy().into_owned(),
        stdin,
        outside: closes_network(launch).then(network_outside).transpose()?,
        binds: agent.binds,
        identity: agent.identity,
        alias: agent.alias,
        rlimits: launch.rlimits.iter().map(|limit| (limit.resource, limit.value)).collect(),
        filter: filter(&job.network, denied, set_id(launch))?.into_iter().map(packed).collect(),
        calls,
        counts: agent.kernel == Kernel::Own,
    };
    let text = serde_json::to_vec(&order)?;
    let too_long =
        || io::Error::new(io::ErrorKind::InvalidInput, "more arguments and variables than any program can get");
    let length = u32::try_from(text.len()).ok().filter(|_| text.len() <= LONGEST_ORDER).ok_or_else(too_long)?;
    let mut bytes = Vec::with_capacity(LENGTH + text.len());
    bytes.extend(length.to_le_bytes());
    bytes.extend(text);
    Ok((bytes, order.secrets))
}

/// Whether the wall is to close the network. One that cannot is asked only by policies that leave it open, and by compilers for
/// them.
fn closes_network(launch: &Launch) -> bool {
    let is_held = |layer: &Layer| layer.layer == LayerName::NetworkIsolation && layer.status == LayerStatus::Enforced;
    launch.job.network != NetworkPolicy::AllowAll && launch.layers.iter().any(is_held)
}

/// A wall is not believed that it has closed the network.
fn network_outside() -> io::Result<String> {
    Ok(std::fs::read_link("/proc/thread-self/ns/net")?.to_string_lossy().into_owned())
}

/// See [`Agent::binds`].
pub(super) fn binds(launch: &Launch, foreign: &Foreign) -> Vec<(String, String)> {
    let by = |kind| match kind {
        Kind::File => "/dev/null",
        Kind::Directory => EMPTY,
    };
    let emptied = foreign.emptied.iter().map(|at| (at.as_path(), Kind::Directory));
    let masks = launch.masks().filter(|_| foreign.proc == Proc::Bare);
    masks.chain(emptied).map(|(at, kind)| (by(kind).to_owned(), at.to_string_lossy().into_owned())).collect()
}

pub(super) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    // So few bytes come at once and whole (getrandom(2)).
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(bytes)
}

fn packed(instruction: SockFilter) -> u64 {
    let [c0, c1] = instruction.code.to_be_bytes();
    let [k0, k1, k2, k3] = instruction.k.to_be_bytes();
    u64::from_be_bytes([c0, c1, instruction.jt, instruction.jf, k0, k1, k2, k3])
}
