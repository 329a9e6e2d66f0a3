//! Sizes and times as definitions write them: `"512 MiB"`, `"30s"`.
//!
//! In: text. Out: bytes, [`Duration`]. A unit is required and zero is refused: nothing here means "unlimited". Not here:
//! the units of the command line (`500M`), which belong to it.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};

/// Bytes, written with a binary unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(pub u64);

/// A length of time, written in milliseconds, seconds or minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(pub Duration);

const SIZES: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
const TIMES: [(&str, u64); 3] = [("ms", 1), ("s", 1_000), ("m", 60_000)];

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        scaled(&text, &SIZES)
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("`{text}` is not a size like \"512 MiB\"")))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        scaled(&text, &TIMES)
            .map(|ms| Self(Duration::from_millis(ms)))
            .ok_or_else(|| D::Error::custom(format!("`{text}` is not a time like \"30s\"")))
    }
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*scale).filter(|value| *value > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_need_a_unit_and_are_never_zero() {
        assert_eq!(scaled("512 MiB", &SIZES), Some(512 << 20));
        assert_eq!(scaled("1GiB", &SIZES), Some(1 << 30));
        assert_eq!(scaled("1500ms", &TIMES), Some(1_500));
        for wrong in ["512", "", "MiB", "0 MiB", "-1 MiB", "512 MB", "99999999999 GiB"] {
            assert_eq!(scaled(wrong, &SIZES), None, "{wrong}");
        }
    }
}
