//! What a sandbox stops: attacks that are executed, first without one, then in each.
//!
//! ```text
//! rows ─ stage ─→ Scene ─ execute outside, then by palisade ─→ Told ─ judge ─→ Cell ─→ Table ─→ text, JSON, HTML
//! ```
//!
//! Not here: the attacks' own system calls (`palisade-attacker`), the walls (`palisade`), printing (`palisade-cli`).
#![forbid(unsafe_code)]

pub mod attack;
