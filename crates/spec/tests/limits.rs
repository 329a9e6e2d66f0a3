//! What holds for limits from any sources.

use std::time::Duration;

use palisade_spec::{Bytes, LimitsAsk};
use proptest::{option, prelude::*};

fn ask() -> impl Strategy<Value = LimitsAsk> {
    let number = || option::of(1_u32..1000);
    let time = || option::of((1_u64..100_000).prop_map(Duration::from_millis));
    let bytes = || option::of((1_u64..1 << 40).prop_map(Bytes));
    ((time(), time()), (bytes(), bytes(), bytes(), bytes()), (number(), number(), number(), number(), number()))
        .prop_map(
            |(
                (wall_time, cpu_time),
                (memory, file_size, tmp_size, output),
                (processes, threads, descriptors, tmp_inodes, cpu_percent),
            )| LimitsAsk {
                wall_time,
                cpu_time,
                memory,
                processes,
                threads,
                descriptors,
                file_size,
                tmp_size,
                tmp_inodes,
                output,
                cpu_percent,
            },
        )
}

proptest! {
    #[test]
    fn what_the_stronger_source_says_holds(strong in ask(), weak in ask()) {
        let both = strong.clone().over(weak.clone());
        let wins = |strong: Option<u64>, weak: Option<u64>, both: Option<u64>| both == strong.or(weak);
        prop_assert!(wins(strong.memory.map(|b| b.0), weak.memory.map(|b| b.0), both.memory.map(|b| b.0)));
        prop_assert!(wins(strong.output.map(|b| b.0), weak.output.map(|b| b.0), both.output.map(|b| b.0)));
        prop_assert!(wins(strong.tmp_size.map(|b| b.0), weak.tmp_size.map(|b| b.0), both.tmp_size.map(|b| b.0)));
        prop_assert_eq!(both.file_size, strong.file_size.or(weak.file_size));
        prop_assert_eq!(both.processes, strong.processes.or(weak.processes));
        prop_assert_eq!(both.threads, strong.threads.or(weak.threads));
        prop_assert_eq!(both.descriptors, strong.descriptors.or(weak.descriptors));
        prop_assert_eq!(both.tmp_inodes, strong.tmp_inodes.or(weak.tmp_inodes));
        prop_assert_eq!(both.cpu_percent, strong.cpu_percent.or(weak.cpu_percent));
        prop_assert_eq!(both.cpu_time, strong.cpu_time.or(weak.cpu_time));
    }

    #[test]
    fn silence_changes_nothing(said in ask()) {
        prop_assert_eq!(LimitsAsk::default().over(said.clone()), said.clone());
        // Except that a CPU time brings its own wall time, there is nothing below silence.
        prop_assert_eq!(said.clone().over(LimitsAsk::default()), said);
    }

    #[test]
    fn the_order_of_putting_sources_together_does_not_matter(a in ask(), b in ask(), c in ask()) {
        let left = a.clone().over(b.clone()).over(c.clone()).or_default();
        let right = a.over(b.over(c)).or_default();
        prop_assert_eq!(left, right);
    }

    #[test]
    fn a_stronger_cpu_time_is_never_undercut_by_a_weaker_wall_time(strong in ask(), weak in ask()) {
        let limits = strong.clone().over(weak).or_default();
        if let (Some(cpu), None) = (strong.cpu_time, strong.wall_time) {
            prop_assert!(limits.wall_time >= cpu);
        }
    }

    #[test]
    fn nothing_is_unlimited_and_said_values_survive(said in ask()) {
        let limits = said.clone().or_default();
        prop_assert!(!limits.wall_time.is_zero() && !limits.cpu_time.is_zero() && limits.memory.0 > 0);
        prop_assert!(limits.processes > 0 && limits.threads > 0 && limits.descriptors > 0);
        prop_assert_eq!(said.memory.unwrap_or(limits.memory), limits.memory);
        prop_assert_eq!(said.wall_time.unwrap_or(limits.wall_time), limits.wall_time);
        // Every process is a thread at least.
        if said.threads.is_none() {
            prop_assert!(limits.threads >= limits.processes);
        }
    }
}
