//! From what the attacker said and what others saw to one cell of the table.
//!
//! | the effect is there outside | the attacker | |
//! |---|---|---|
//! | yes | whatever it says | `Vulnerable` |
//! | no | believes that it succeeded | `Isolated` |
//! | no | got an error, or was ended | `Blocked` |
//! | no | could not try, or said nothing | `Inconclusive` |
//!
//! `Isolated` is not a weaker `Blocked`: a program that gets what it asks for, of things that are its own, needs no exceptions.
//! Nor is it a stronger one: what it was given is there to be attacked.

use super::{
    scene::{Told, Word},
    table::{Cell, Verdict},
};

pub(crate) fn judge(told: &Told, effect: Option<String>) -> Cell {
    match (effect, &told.word) {
        (Some(evidence), _) => Cell::new(Verdict::Vulnerable, evidence),
        (None, Word::Succeeded(evidence)) => {
            Cell::new(Verdict::Isolated, format!("it believes: {evidence}; outside nothing of it is to be seen"))
        }
        (None, Word::Blocked(wall) | Word::Ended(wall)) => Cell::new(Verdict::Blocked, wall.clone()),
        (None, Word::Doubt(doubt) | Word::Nothing(doubt)) => Cell::new(Verdict::Inconclusive, doubt.clone()),
    }
}

/// The cell of a trial outside: an attack that does not succeed there says nothing about a wall.
pub(crate) fn judge_outside(told: &Told, effect: Option<String>) -> Cell {
    match (effect, &told.word) {
        (Some(evidence), _) => Cell::new(Verdict::Vulnerable, evidence),
        (None, Word::Succeeded(evidence)) => Cell::new(
            Verdict::Inconclusive,
            format!("outside it believes: {evidence}; and nothing of it is to be seen"),
        ),
        (None, Word::Blocked(why) | Word::Ended(why) | Word::Doubt(why) | Word::Nothing(why)) => {
            Cell::new(Verdict::Inconclusive, format!("it does not succeed outside either: {why}"))
        }
    }
}
