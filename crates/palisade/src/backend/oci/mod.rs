//! Runtimes of the Open Container Initiative (R10, R11, R13): one bundle for all of them, which is written here and gone with the
//! run, as is everything that a runtime keeps of it.
//!
//! They start as the root of a user namespace in which nobody else is, for root as for everybody: a runtime that is broken is
//! nobody on the host. Not here: what a bundle says (`bundle.rs`), what each runtime is told (`runtime.rs`).

mod bundle;
mod runtime;

use palisade_spec::{Guarantees, Held, NetworkPolicy, Strength};
use palisade_sys::Namespaces;

use self::runtime::Runtime;
use super::{Row, around};
use crate::{
    bound::Resolved,
    error::Refusal,
    foreign::{self, Foreign, Kernel, Starter},
    host::Host,
    native::Launch,
};

fn guarantees(runtime: &Runtime, host: &Host) -> Guarantees {
    let itself = |by: &str| Held::Itself(by.to_owned());
    let namespaces = Guarantees {
        files: itself("mount namespace and new root, over a tree that palisade builds"),
        network: itself("network namespace"),
        processes: itself("pid, ipc and uts namespaces"),
        privileges: itself("user namespace; palisade's agent makes another one in it and gives up all capabilities"),
        ..around(host)
    };
    match (runtime.kernel, runtime.strength) {
        (Kernel::Hosts, _) => namespaces,
        (Kernel::Own, Strength::Hardware) => Guarantees { kernel: itself("virtual machine"), ..namespaces },
        (Kernel::Own, _) => Guarantees {
            files: itself("file server of its own, for a tree that palisade builds"),
            network: itself("network stack of its own, with no way to the host's"),
            processes: itself("process table of its own"),
            kernel: itself("kernel of its own, in user space"),
            ..namespaces
        },
    }
}

fn plan(runtime: &Runtime, job: Resolved, host: &Host) -> Result<Launch, Vec<Refusal>> {
    let tool = runtime.find()?;
    let (backend, starter) = (runtime.backend, Starter::MappedRoot);
    // Version 20221219 of runsc listens on an abstract socket, which a whole network namespace knows.
    let is_closed = runtime.kernel == Kernel::Own && *job.network() != NetworkPolicy::AllowAll;
    foreign::launch(backend, job, host, &guarantees(runtime, host), starter, |launch, places| Foreign {
        arguments: (runtime.arguments)(launch, places),
        environment: (runtime.environment)(places),
        files: vec![(bundle::CONFIG.to_owned(), bundle::config(runtime, launch, places))],
        around: if is_closed { Namespaces::NETWORK } else { Namespaces::default() },
        scratch: runtime.scratch.iter().map(Into::into).collect(),
        read_only: runtime.read_only.iter().map(Into::into).collect(),
        stay: runtime.stay,
        kernel: runtime.kernel,
        room: (runtime.room)(launch),
        ..Foreign::of(tool, starter)
    })
}

/// The row of each in the table of backends.
macro_rules! rows {
    ($($name:ident: $runtime:ident),*) => {$(
        pub(super) const $name: Row = Row {
            kind: runtime::$runtime.backend,
            strength: runtime::$runtime.strength,
            guarantees: |host| guarantees(&runtime::$runtime, host),
            plan: |job, host| plan(&runtime::$runtime, job, host),
        };
    )*};
}
rows!(RUNC: RUNC, CRUN: CRUN, YOUKI: YOUKI, GVISOR: GVISOR, KATA: KATA);
