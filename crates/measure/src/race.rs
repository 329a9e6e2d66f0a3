//! Measurements that take turns, so that whatever else the host does meets all of them.
//!
//! In: what is measured. Out: a sample of each for every round, of those that went well in all of them. Not here: what a
//! sample is (each contestant takes its own), what samples say (`stats`).

use std::{ops::ControlFlow, thread::sleep, time::Duration};

use serde::{Deserialize, Serialize};

/// How often, and with which pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rounds {
    /// Rounds that do not count: they bring files into memory and wake processors.
    pub warmups: usize,
    /// Rounds that count.
    pub counted: usize,
    /// How long the host is left alone before each measurement, in milliseconds.
    pub idle_ms: u64,
}

impl Rounds {
    /// How many measurements a race of so many contestants has.
    #[must_use]
    pub const fn measurements(&self, contestants: usize) -> usize {
        (self.warmups + self.counted) * contestants
    }
}

/// Something that is measured again and again: each call gives one sample, or says why it went wrong.
pub type Contestant<'a> = Box<dyn FnMut() -> Result<f64, String> + 'a>;

/// The samples of each contestant, or why it dropped out: one that fails once is not run again, and its samples do not
/// count, so that the samples of all others stand beside each other round by round.
pub type Samples = Vec<Result<Vec<f64>, String>>;

/// Round robin, in the order given: one measurement of each contestant, again and again. `step` is called after each
/// measurement, and for each that is left out, and may end the race.
///
/// # Errors
/// What `step` has ended it with.
pub fn race<B>(
    contestants: &mut [Contestant<'_>],
    rounds: Rounds,
    step: &mut dyn FnMut() -> ControlFlow<B>,
) -> Result<Samples, B> {
    let mut samples: Samples = contestants.iter().map(|_| Ok(Vec::with_capacity(rounds.counted))).collect();
    for round in 0..rounds.warmups + rounds.counted {
        for (contestant, samples) in contestants.iter_mut().zip(&mut samples) {
            if let Ok(taken) = samples {
                sleep(Duration::from_millis(rounds.idle_ms));
                match contestant() {
                    Ok(_) if round < rounds.warmups => {}
                    Ok(sample) => taken.push(sample),
                    Err(because) => *samples = Err(because),
                }
            }
            if let ControlFlow::Break(because) = step() {
                return Err(because);
            }
        }
    }
    Ok(samples)
}

/// A duration in milliseconds.
#[must_use]
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const ROUNDS: Rounds = Rounds { warmups: 1, counted: 2, idle_ms: 0 };

    fn on() -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    #[test]
    fn contestants_take_turns_and_warm_ups_do_not_count() {
        let said = RefCell::new(String::new());
        let say = |sign| {
            said.borrow_mut().push(sign);
            Ok(said.borrow().len() as f64)
        };
        let mut contestants: Vec<Contestant<'_>> = vec![Box::new(|| say('a')), Box::new(|| say('b'))];
        let samples = race(&mut contestants, ROUNDS, &mut on).unwrap();
        assert_eq!(*said.borrow(), "ababab");
        assert_eq!(samples, [Ok(vec![3.0, 5.0]), Ok(vec![4.0, 6.0])]);
    }

    #[test]
    fn one_that_fails_drops_out_with_its_reason_and_the_others_go_on() {
        let mut tries = 0;
        let failing = || {
            tries += 1;
            if tries == 2 { Err("broken".to_owned()) } else { Ok(1.0) }
        };
        let mut contestants: Vec<Contestant<'_>> = vec![Box::new(failing), Box::new(|| Ok(2.0))];
        let mut steps = 0;
        let samples = race(&mut contestants, ROUNDS, &mut || {
            steps += 1;
            on()
        });
        assert_eq!(samples.unwrap(), [Err("broken".to_owned()), Ok(vec![2.0, 2.0])]);
        assert_eq!(steps, ROUNDS.measurements(2), "progress goes to its end");
        drop(contestants);
        assert_eq!(tries, 2);
    }

    #[test]
    fn a_race_can_be_ended() {
        let mut contestants: Vec<Contestant<'_>> = vec![Box::new(|| Ok(1.0))];
        let mut left = 2;
        let ended = race(&mut contestants, ROUNDS, &mut || {
            left -= 1;
            if left == 0 { ControlFlow::Break("cancelled") } else { ControlFlow::Continue(()) }
        });
        assert_eq!(ended, Err("cancelled"));
    }
}
