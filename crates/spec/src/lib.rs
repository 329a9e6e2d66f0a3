//! What is asked of palisade, and what it answers.
//!
//! Pure data for every operating system: a [`Request`] holds a [`Policy`]; a run answers with a [`Report`].
//! Not here: any input or output, any decision about a host (`palisade`), any system call (`palisade-sys`).
#![forbid(unsafe_code)]

mod backend;
mod cost;
mod environment;
mod files;
mod findings;
mod guarantee;
pub mod guest;
mod layers;
mod limits;
mod policy;
mod quota;
mod report;
mod request;
mod session;
mod sign;
mod signal;
mod units;
pub mod validator;

pub use backend::{Backend, BackendParseError, Refusal};
pub use cost::{Cost, CostRates, RateError, parse_rate};
pub use environment::{Below, Environment, Interpreter, Manifest, Place, Schema, Unfit, Value, VariableName};
pub use files::{
    Change, Changes, Copied, Existing, FileKind, Files, Keep, Left, LeftKind, Name, Outputs, Overlay, Taken,
};
pub use findings::{CHECK_SCHEMA, Checked, Finding, FindingCode, FunctionComplexity, PolicyLine, Severity, Span};
pub use guarantee::{Guarantee, Guarantees, Held, Strength, StrengthParseError};
pub use layers::{Conflicts, Difference, LayerConflict, Layers, Upper};
pub use limits::{Limits, LimitsAsk};
pub use policy::{
    Capabilities, CapabilityError, DestinationError, Destinations, Dns, Endpoint, FilesPolicy, Host, HostileCalls,
    NamedPolicy, NetworkPolicy, OutputExcess, Policy, Ports, Seen, Strictness, changes,
};
pub use quota::Quota;
pub use report::{
    Clamp, Layer, LayerName, LayerStatus, LimitKind, Outcome, Phases, Report, SCHEMA, Stage, Stream, Violation,
    ViolationKind, Weakening,
};
pub use request::{Input, Output, Program, Request, Siblings, Terminal};
pub use session::{Evaluation, InputLimits, InputOutcome, Raised};
pub use sign::acts;
pub use signal::Signal;
pub use units::{Bytes, UnitError, parse_duration};
