//! Docker Engine (R6), by its API.

use palisade_spec::{Backend, Guarantees, Refusal};

use super::contained;
use crate::{bound::Resolved, engine, host::Host, native::Launch};

pub(super) fn guarantees(host: &Host) -> Guarantees {
    contained::guarantees(Backend::Docker, host)
}

/// Plans a container.
pub(super) fn plan(job: Resolved, host: &Host) -> Result<Launch, Vec<Refusal>> {
    engine::launch(Backend::Docker, job, host, &guarantees(host))
}
