//! What is asked of palisade, and what it answers.
//!
//! Pure data for every operating system: a [`Request`] holds a [`Policy`]; a run answers with a [`Report`].
//! Not here: any input or output, any decision about a host (`palisade`), any system call (`palisade-sys`).
#![forbid(unsafe_code)]

mod limits;
mod overlay;
mod policy;
mod report;
mod request;
mod signal;
mod units;

pub use limits::{Limits, LimitsAsk};
pub use overlay::{Conflicts, Difference, LayerConflict, Overlay, Upper};
pub use policy::{
    Capabilities, CapabilityError, DestinationError, Destinations, Dns, Endpoint, FilesPolicy, Host, HostileCalls,
    NetworkPolicy, OutputExcess, Policy, Ports, Seen, Strictness,
};
pub use report::{
    Clamp, Layer, LayerName, LayerStatus, LimitKind, Outcome, Phases, Report, SCHEMA, Stage, Stream, Violation,
    ViolationKind, Weakening,
};
pub use request::{Backend, BackendParseError, Input, Output, Program, Request, Siblings};
pub use signal::Signal;
pub use units::{Bytes, UnitError, parse_duration};
