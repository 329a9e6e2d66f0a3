//! Whole numbers on the command line.
//!
//! Not here: sizes and durations (`palisade_spec`), counts of which 0 would mean something (`args.rs`).

use std::ops::RangeInclusive;

/// A parser for numbers of a range, which says what there is to give.
pub(crate) fn whole<T: TryFrom<u64>>(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let number =
            text.parse().ok().filter(|number| range.contains(number)).and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| format!("give a whole number from {} to {}", range.start(), range.end()))
    }
}
