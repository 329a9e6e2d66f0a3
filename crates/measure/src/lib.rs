//! What a sandbox costs and what it stops, measured on the user's own host.
//!
//! ```text
//! rows ─ stage ─→ Scene ─ execute outside, then by palisade ─→ Told ─ judge ─→ Cell ─→ Table ─→ text, JSON, HTML
//! contestants ─ race, round robin ─→ samples ─ Stats, ratio ─→ show: table, bars, SVG
//! ```
//!
//! Not here: the attacks' own system calls (`palisade-attacker`), the walls (`palisade`), printing (`palisade-cli`).
#![forbid(unsafe_code)]

pub mod attack;
pub mod bench;
pub mod cost;
pub mod host;
mod left;
pub mod race;
pub mod show;
pub mod stats;
