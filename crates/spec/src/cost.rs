//! What a run may cost (R42): an amount of money for memory and processor time.
//!
//! Not here: which limits a program should have (`palisade::advise`).

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::units::Bytes;

/// Prices, in dollars or whatever the operator counts in.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct CostRates {
    /// For each MiB of the memory limit.
    pub memory: f64,
    /// For each second of the processor time limit.
    pub time: f64,
}

impl Default for CostRates {
    /// R42: 0.0001 for a MiB, 0.001 for a second.
    fn default() -> Self {
        Self { memory: 0.0001, time: 0.001 }
    }
}

impl CostRates {
    /// What a run costs that uses this much.
    #[must_use]
    pub fn of(&self, memory: Bytes, time: Duration) -> Cost {
        Cost(memory.0 as f64 / f64::from(1 << 20) * self.memory + time.as_secs_f64() * self.time)
    }
}

/// Highest price. With it, no limit that a run can have costs more than a number holds.
const MOST: f64 = 1e9;

/// Reads one price, of at most a thousand million.
///
/// # Errors
/// [`RateError`] if the text is no number that a price can be.
pub fn parse_rate(text: &str) -> Result<f64, RateError> {
    let rate: f64 = text.trim().trim_start_matches('$').parse().map_err(|_| RateError(text.to_owned()))?;
    if (0.0..=MOST).contains(&rate) { Ok(rate) } else { Err(RateError(text.to_owned())) }
}

/// A price that cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a rate: write a number from 0 to 1e9, such as 0.0001")]
pub struct RateError(String);

/// An amount of money.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Cost(pub f64);

impl Serialize for Cost {
    /// As it is shown: four digits.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64((self.0 * 1e4).round() / 1e4)
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${:.4}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_its_megabytes_and_seconds_at_their_rates() {
        let cost = CostRates::default().of(Bytes::mib(512), Duration::from_secs(30));
        assert_eq!(cost.to_string(), "$0.0812");
        let free = CostRates { memory: 0.0, time: 0.5 };
        assert_eq!(free.of(Bytes::mib(512), Duration::from_millis(1500)).to_string(), "$0.7500");
    }

    #[test]
    fn a_rate_is_a_number_from_zero_on() {
        assert_eq!(parse_rate("$0.002"), Ok(0.002));
        assert_eq!(parse_rate("0"), Ok(0.0));
        let dearest = parse_rate("1e9").unwrap();
        let cost = CostRates { memory: dearest, time: dearest }.of(Bytes(u64::MAX), Duration::MAX);
        assert!(cost.0.is_finite() && !serde_json::to_value(cost).unwrap().is_null());
        for text in ["", "-1", "NaN", "inf", "1e999", "1e308", "1.1e9", "cheap"] {
            let error = parse_rate(text).unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}` is not a rate")), "{error}");
        }
    }
}
