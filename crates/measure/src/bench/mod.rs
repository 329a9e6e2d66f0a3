//! All ways of starting a program, compared on this host (R50): how long a launch takes, and what the program sees.
//!
//! ```text
//! method ─ find ─→ recipes ─ try: answer of a shell within ─→ Seen
//!                     └─ race, round robin with a plain start ─→ samples ─→ Comparison ─→ text, SVG, HTML, JSON
//! ```
//!
//! Not here: where the time of one launch goes, attacks (`attack`).

mod change;
mod ground;
mod html;
mod method;
mod outcome;
mod probe;
mod process;
mod quoted;
mod recipes;
mod root;
mod run;
mod text;

pub(crate) use self::recipes::namespaces::{BWRAP_FULL, UNSHARE_FULL};
pub use self::{
    change::{Change, Verdict, changes, different_hosts},
    html::html,
    method::{BASELINE, METHODS, Method, PEER, Side, WALLS, kernel, method},
    outcome::{Comparison, Fitness, LIMIT_MS, Measured, NotMeasured, PI_FACTOR, PI_MEMORY, Quoted, SCHEMA},
    probe::{Seen, Sight},
    run::{BenchError, Order, compare},
    text::{Paint, Sense, changes_text, chart, text},
};
