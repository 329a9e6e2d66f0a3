//! What many measurements of one thing say together. Not here: how they are made (`race`).
//!
//! Samples and what comes of them have the same unit; this crate's are milliseconds.

use serde::{Deserialize, Serialize};

/// A summary of samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// How many samples there are: one at least.
    pub n: usize,
    /// Their mean, which one bad sample moves.
    pub mean: f64,
    /// Half of them are below it.
    pub median: f64,
    /// 95 of 100 are below it.
    pub p95: f64,
    /// 99 of 100 are below it. Of fewer than 100 samples it is little more than their maximum.
    pub p99: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Stats {
    /// Of samples in any order; nothing if there are none, or one is no number.
    #[must_use]
    pub fn of(samples: &[f64]) -> Option<Self> {
        let sorted = sorted(samples)?;
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        Some(Self {
            n: sorted.len(),
            mean: (sorted.iter().sum::<f64>() / sorted.len() as f64).clamp(min, max),
            median: quantile(&sorted, 0.5),
            p95: quantile(&sorted, 0.95),
            p99: quantile(&sorted, 0.99),
            min,
            max,
        })
    }
}

/// How many times as much as another, and how well that is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// The median of the rounds' ratios: what disturbs a whole round disturbs it little.
    pub median: f64,
    /// The median of all rounds' ratios is at least this, with 95 % confidence.
    pub low: f64,
    /// And at most this.
    pub high: f64,
}

/// How many times as much `these` are as `those`, which were measured in the same rounds: `these[i]` beside `those[i]`.
/// Nothing if there are no rounds, or something took no time at all.
#[must_use]
pub fn ratio(these: &[f64], those: &[f64]) -> Option<Ratio> {
    let ratios: Vec<f64> = these.iter().zip(those).map(|(this, that)| this / that).collect();
    let (low, high) = interval(&ratios)?;
    Some(Ratio { median: Stats::of(&ratios)?.median, low, high })
}

/// Between which two values the median is that the samples were drawn from, with 95 % confidence: the samples of those ranks
/// between which a fair coin's count of heads would be (the sign test turned round, exact for any distribution). With fewer
/// than six samples their least and greatest, which say less than 95 %.
#[must_use]
pub fn interval(samples: &[f64]) -> Option<(f64, f64)> {
    let sorted = sorted(samples)?;
    let n = sorted.len();
    // The greatest k with P(heads < k) <= 2.5 % in n throws; the interval is from the k-th least to the k-th greatest.
    let (mut below, mut probability, mut rank) = (0.0, 0.5_f64.powi(i32::try_from(n).ok()?), 0);
    if probability == 0.0 {
        // More than a thousand: the normal distribution is as good.
        rank = ((n as f64 - 1.96 * (n as f64).sqrt()) / 2.0).floor() as usize;
    } else {
        for heads in 0..n {
            below += probability;
            if below > 0.025 {
                rank = heads;
                break;
            }
            probability *= (n - heads) as f64 / (heads + 1) as f64;
        }
    }
    let from = rank.saturating_sub(1);
    Some((*sorted.get(from)?, *sorted.get(n - 1 - from)?))
}

/// The samples in order; nothing if there are none or one is no number.
fn sorted(samples: &[f64]) -> Option<Vec<f64>> {
    if samples.is_empty() || samples.iter().any(|sample| !sample.is_finite()) {
        return None;
    }
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(sorted)
}

/// The value below which `part` of sorted samples are, between the two nearest ones in proportion.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fixed sequence that looks random (a linear congruence).
    fn samples(seed: u64, count: usize) -> Vec<f64> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / 1000.0
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn the_summary_of_one_to_hundred_is_known() {
        let stats = Stats::of(&(1..=100).rev().map(f64::from).collect::<Vec<_>>()).unwrap();
        assert_eq!((stats.n, stats.min, stats.max), (100, 1.0, 100.0));
        assert_eq!((stats.mean, stats.median), (50.5, 50.5));
        assert!((stats.p95 - 95.05).abs() < 1e-9 && (stats.p99 - 99.01).abs() < 1e-9, "{stats:?}");
    }

    #[test]
    fn a_summary_keeps_its_order_and_does_not_depend_on_that_of_the_samples() {
        for seed in 0..200 {
            let mut some = samples(seed, 1 + seed as usize);
            let stats = Stats::of(&some).unwrap();
            let rising = [stats.min, stats.median, stats.p95, stats.p99, stats.max];
            assert!(rising.is_sorted(), "{stats:?}");
            assert!(stats.min <= stats.mean && stats.mean <= stats.max, "{stats:?}");
            let beneath = some.iter().filter(|one| **one <= stats.median).count();
            assert!(beneath * 2 >= some.len(), "{stats:?}");
            some.reverse();
            let turned = Stats::of(&some).unwrap();
            assert_eq!((turned.median, turned.p95, turned.max), (stats.median, stats.p95, stats.max));
        }
    }

    #[test]
    fn nothing_and_no_numbers_have_no_summary() {
        assert_eq!(Stats::of(&[]), None);
        assert_eq!(Stats::of(&[1.0, f64::NAN]), None);
        assert_eq!(ratio(&[1.0], &[0.0]), None);
    }

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        // The host was ten times slower in the last three rounds; the ratio was the same.
        let those = [1.0, 1.0, 1.0, 10.0, 10.0, 10.0];
        let these: Vec<f64> = those.iter().map(|one| one * 3.0).collect();
        assert_eq!(ratio(&these, &those), Some(Ratio { median: 3.0, low: 3.0, high: 3.0 }));
    }

    #[test]
    fn the_ranks_of_an_interval_are_those_of_the_tables() {
        let of = |n: u32| interval(&(1..=n).map(f64::from).collect::<Vec<_>>()).unwrap();
        // Conover, Practical Nonparametric Statistics: ranks of a 95 % interval of the median.
        assert_eq!([of(5), of(6), of(10), of(20), of(50)], [(1., 5.), (1., 6.), (2., 9.), (6., 15.), (18., 33.)]);
        let (low, high) = of(4000);
        assert!((1930.0..1945.0).contains(&low) && (2056.0..2071.0).contains(&high), "{low} {high}");
    }

    #[test]
    fn an_interval_holds_the_median_of_its_samples() {
        for seed in 0..100 {
            let some = samples(seed, 1 + seed as usize);
            let (low, high) = interval(&some).unwrap();
            let median = Stats::of(&some).unwrap().median;
            assert!(low <= median && median <= high, "{low} {median} {high}");
        }
    }
}
