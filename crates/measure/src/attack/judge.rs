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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::attack::scene::Collector;

    fn told(word: Word) -> Told {
        let (token, output) = (String::new(), Vec::new());
        Told { token, word, output, bytes: 0, took: Duration::ZERO, collector: Collector::Ended }
    }

    #[test]
    fn the_victim_counts_and_the_attacker_only_tells_why_it_failed() {
        let words = [
            (Word::Succeeded("x".into()), Verdict::Isolated),
            (Word::Blocked("x".into()), Verdict::Blocked),
            (Word::Ended("x".into()), Verdict::Blocked),
            (Word::Doubt("x".into()), Verdict::Inconclusive),
            (Word::Nothing("x".into()), Verdict::Inconclusive),
        ];
        for (word, expected) in words {
            let told = told(word);
            assert_eq!(judge(&told, None).result, expected, "{told:?}");
            assert_eq!(judge(&told, Some("seen".into())), Cell::new(Verdict::Vulnerable, "seen"), "{told:?}");
            // Outside, what does not succeed says nothing about a wall, whatever the reason.
            assert_eq!(judge_outside(&told, None).result, Verdict::Inconclusive, "{told:?}");
            assert_eq!(judge_outside(&told, Some("seen".into())).result, Verdict::Vulnerable, "{told:?}");
        }
    }
}
