//! Podman (R7), by its API: root's, or an ordinary user's.

use palisade_spec::{Backend, Guarantees, Refusal};

use super::contained;
use crate::{bound::Resolved, engine, host::Host, native::Launch};

pub(super) fn guarantees(host: &Host) -> Guarantees {
    contained::guarantees(Backend::Podman, host)
}

/// Plans a container.
pub(super) fn plan(job: Resolved, host: &Host) -> Result<Launch, Vec<Refusal>> {
    engine::launch(Backend::Podman, job, host, &guarantees(host))
}
