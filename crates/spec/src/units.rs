//! Amounts as people write them: `500M`, `1.5G`, `10s`, `250ms`.
//!
//! In: text. Out: a byte count or a duration, or an error with the remedy. Not here: which amounts are sensible
//! (`limits.rs`).

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize};

/// A number of bytes.
///
/// `K`, `M`, `G`, `T` (also `Ki`, `KiB`, …) are powers of 1024, as in cgroup files, systemd, docker and the JVM;
/// `KB`, `MB`, `GB`, `TB` are powers of 1000 (SI).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    /// `n` MiB.
    #[must_use]
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }
}

/// Why an amount could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Neither a number nor a number with a known unit.
    #[error("`{text}` is not a size: write a number and a unit, such as 500M, 1.5G or 64KiB")]
    Size {
        /// What was given.
        text: String,
    },
    /// Not a duration.
    #[error("`{text}` is not a duration: write a number and a unit, such as 10s, 250ms or 1m30s")]
    Duration {
        /// What was given.
        text: String,
    },
    /// Zero never means "unlimited" here.
    #[error("`{text}` would allow nothing, and palisade has no \"0 means unlimited\": give a positive amount")]
    Zero {
        /// What was given.
        text: String,
    },
    /// Beyond what the kernel can count.
    #[error("`{text}` is too large: at most {max} is possible")]
    TooLarge {
        /// What was given.
        text: String,
        /// The largest amount.
        max: &'static str,
    },
}

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bad = || UnitError::Size { text: text.to_owned() };
        let trimmed = text.trim();
        let split = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(split);
        let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "ki" | "kib" => 1 << 10,
            "m" | "mi" | "mib" => 1 << 20,
            "g" | "gi" | "gib" => 1 << 30,
            "t" | "ti" | "tib" => 1 << 40,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "tb" => 1_000_000_000_000,
            _ => return Err(bad()),
        };
        let too_large = || UnitError::TooLarge { text: text.to_owned(), max: "8388607T" };
        let bytes = if number.contains('.') {
            let value: f64 = number.parse().map_err(|_| bad())?;
            let bytes = value * factor as f64;
            if bytes >= i64::MAX as f64 {
                return Err(too_large());
            }
            bytes as u64
        } else {
            if number.is_empty() {
                return Err(bad());
            }
            let value: u64 = number.parse().map_err(|_| too_large())?;
            value.checked_mul(factor).filter(|b| *b <= i64::MAX as u64).ok_or_else(too_large)?
        };
        if bytes == 0 {
            return Err(UnitError::Zero { text: text.to_owned() });
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 4] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        for (factor, unit) in UNITS {
            if self.0 >= factor {
                return if self.0.is_multiple_of(factor) {
                    write!(f, "{} {unit}", self.0 / factor)
                } else {
                    write!(f, "{:.1} {unit}", self.0 as f64 / factor as f64)
                };
            }
        }
        write!(f, "{} bytes", self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u64),
            Text(String),
        }
        let text = match Either::deserialize(deserializer)? {
            Either::Number(n) => n.to_string(),
            Either::Text(text) => text,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Reads a duration such as `10s`, `250ms` or `1m30s`. A bare number is an error: the unit would be a guess.
///
/// # Errors
/// [`UnitError`] if the text is no duration, is zero, or is longer than a year (`365days`).
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let duration = humantime::parse_duration(text.trim()).map_err(|_| UnitError::Duration { text: text.to_owned() })?;
    if duration.is_zero() {
        return Err(UnitError::Zero { text: text.to_owned() });
    }
    if duration > Duration::from_secs(365 * 86_400) {
        return Err(UnitError::TooLarge { text: text.to_owned(), max: "365days" });
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read_with_binary_and_decimal_units() {
        assert_eq!("500M".parse(), Ok(Bytes(500 << 20)));
        assert_eq!("1.5g".parse(), Ok(Bytes(3 << 29)));
        assert_eq!("64KiB".parse(), Ok(Bytes(64 << 10)));
        assert_eq!("5MB".parse(), Ok(Bytes(5_000_000)));
        assert_eq!("123".parse(), Ok(Bytes(123)));
    }

    #[test]
    fn zero_is_refused_because_it_never_means_unlimited() {
        assert!(matches!("0".parse::<Bytes>(), Err(UnitError::Zero { .. })));
        assert!(matches!("0.0M".parse::<Bytes>(), Err(UnitError::Zero { .. })));
        assert!(matches!(parse_duration("0s"), Err(UnitError::Zero { .. })));
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        for text in ["", "M", "12X", "-5M", "1..2M", "1e9", "ten", "99999999999999999999", "9000000T", "NaN"] {
            let error = text.parse::<Bytes>().unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
        for text in ["", "10", "s", "-1s", "10 parsecs", "400days"] {
            parse_duration(text).unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_an_answer_and_never_a_panic(text in "\\PC{0,24}") {
            let _answer = text.parse::<Bytes>();
            let _answer = parse_duration(&text);
        }

        #[test]
        fn whole_bytes_survive_the_round_trip(n in 1u64..i64::MAX as u64) {
            prop_assert_eq!(n.to_string().parse(), Ok(Bytes(n)));
        }
    }
}
