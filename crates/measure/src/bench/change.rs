//! What changed since an earlier comparison, and what is noise.
//!
//! A method is called faster or slower only if both its times and its ratios to the baseline say so: each of the two beyond what
//! their 95 % intervals leave open. A busier host moves the times, and a disturbed baseline the ratios; neither is a change.

use serde::Serialize;

use super::{
    method::BASELINE,
    outcome::{Comparison, Measured},
};
use crate::stats::{interval, ratio};

/// What came of one method.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Which.
    pub name: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Its median then, in milliseconds, if it was measured.
    pub old_ms: Option<f64>,
    /// And now.
    pub new_ms: Option<f64>,
    /// How many times the baseline it took then.
    pub old_ratio: Option<f64>,
    /// And now.
    pub new_ratio: Option<f64>,
}

/// What became of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It takes less time.
    Faster,
    /// It takes more time.
    Slower,
    /// No more differs than noise explains.
    Same,
    /// It was not measured then.
    New,
    /// It is not measured now.
    Gone,
}

impl Verdict {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::Same => "same",
            Self::New => "new",
            Self::Gone => "gone",
        }
    }
}

/// Every method of either comparison, those of the new one first.
#[must_use]
pub fn changes(old: &Comparison, new: &Comparison) -> Vec<Change> {
    let gone = old.methods.iter().filter(|method| new.method(&method.name).is_none());
    new.methods.iter().chain(gone).map(|method| change(&method.name, old, new)).collect()
}

/// Why times of the two cannot be compared as they stand, if they cannot.
#[must_use]
pub fn different_hosts(old: &Comparison, new: &Comparison) -> Option<String> {
    let of = |one: &Comparison| {
        let host = &one.host;
        format!("{}, {} cores, Linux {}", host.cpu, host.cores, host.kernel)
    };
    let same = of(old) == of(new);
    (!same).then(|| format!("the earlier comparison is of another host or kernel: {}", old.host))
}

fn change(name: &str, old: &Comparison, new: &Comparison) -> Change {
    let (then, now) = (old.method(name), new.method(name));
    let verdict = match (then, now) {
        (None, _) => Verdict::New,
        (_, None) => Verdict::Gone,
        (Some(_), Some(_)) if name == BASELINE => direction(times(then), times(now)),
        (Some(_), Some(_)) => {
            let (of_times, of_ratios) =
                (direction(times(then), times(now)), direction(ratios(old, name), ratios(new, name)));
            if of_times == of_ratios { of_times } else { Verdict::Same }
        }
    };
    let median = |method: Option<&Measured>| method.map(|method| method.stats.median);
    let to_baseline = |method: Option<&Measured>| Some(method?.to_baseline?.median);
    Change {
        name: name.to_owned(),
        verdict,
        old_ms: median(then),
        new_ms: median(now),
        old_ratio: to_baseline(then),
        new_ratio: to_baseline(now),
    }
}

type Interval = Option<(f64, f64)>;

fn times(method: Option<&Measured>) -> Interval {
    interval(&method?.samples)
}

fn ratios(comparison: &Comparison, name: &str) -> Interval {
    let all = ratio(&comparison.method(name)?.samples, &comparison.method(BASELINE)?.samples)?;
    Some((all.low, all.high))
}

fn direction(then: Interval, now: Interval) -> Verdict {
    match (then, now) {
        (Some((low, _)), Some((_, high))) if high < low => Verdict::Faster,
        (Some((_, high)), Some((low, _))) if low > high => Verdict::Slower,
        _ => Verdict::Same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{
        Side,
        outcome::tests::{comparison, measured},
    };

    /// Twenty samples around a value.
    fn around(value: f64) -> Vec<f64> {
        (0..20).map(|index| value * (0.95 + 0.005 * f64::from(index))).collect()
    }

    fn of(baseline: f64, own: f64) -> Comparison {
        // The same noise in both would cancel.
        let mut base = around(baseline);
        base.reverse();
        comparison(vec![measured(BASELINE, Side::Baseline, &base), measured("palisade", Side::Own, &around(own))])
    }

    fn verdict(old: &Comparison, new: &Comparison) -> Verdict {
        changes(old, new).into_iter().find(|change| change.name == "palisade").unwrap().verdict
    }

    #[test]
    fn what_is_beyond_noise_is_a_change() {
        assert_eq!(verdict(&of(1.0, 4.0), &of(1.0, 3.0)), Verdict::Faster);
        assert_eq!(verdict(&of(1.0, 4.0), &of(1.0, 5.0)), Verdict::Slower);
        assert_eq!(verdict(&of(1.0, 4.0), &of(1.0, 4.1)), Verdict::Same);
    }

    #[test]
    fn a_busier_host_and_a_disturbed_baseline_are_no_change() {
        assert_eq!(verdict(&of(1.0, 4.0), &of(2.0, 8.0)), Verdict::Same, "all is twice as slow");
        assert_eq!(verdict(&of(1.0, 4.0), &of(2.0, 4.0)), Verdict::Same, "only the baseline is");
    }

    #[test]
    fn methods_that_only_one_of_them_has_are_named() {
        let both = of(1.0, 4.0);
        let baseline = comparison(vec![measured(BASELINE, Side::Baseline, &around(1.0))]);
        assert_eq!(verdict(&both, &baseline), Verdict::Gone);
        assert_eq!(verdict(&baseline, &both), Verdict::New);
    }

    #[test]
    fn another_host_is_told() {
        let (old, mut new) = (of(1.0, 4.0), of(1.0, 4.0));
        assert_eq!(different_hosts(&old, &new), None);
        new.host.kernel = "7.0".to_owned();
        assert!(different_hosts(&old, &new).is_some_and(|words| words.contains("6.18.44")));
    }
}
