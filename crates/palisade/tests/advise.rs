//! The rules of recommended limits hold for all code, and overheads are measured by running.
#![allow(clippy::unwrap_used, reason = "tests: the helpers too")]

use std::time::Duration;

use palisade::{
    advise::{Code, MOST_CPU_TIME, MOST_MEMORY, advise, recommend},
    measure,
    spec::{Backend, Bytes, Limits},
};
use proptest::prelude::*;

fn own() -> Limits {
    Limits {
        memory: Bytes::mib(512),
        cpu_time: Duration::from_secs(30),
        wall_time: Duration::from_secs(60),
        ..Limits::default()
    }
}

/// Memory in MiB, CPU and elapsed time in seconds.
fn of(own: Limits, size: u64, complexity: Option<u32>) -> (u64, f64, f64) {
    let (limits, _) = recommend(own, Code { size, complexity });
    (limits.memory.0 >> 20, limits.cpu_time.as_secs_f64(), limits.wall_time.as_secs_f64())
}

#[test]
fn size_and_complexity_raise_limits_as_r42_says() {
    assert_eq!(of(own(), 10_000, None), (512, 30.0, 60.0));
    assert_eq!(of(own(), 10_001, None), (768, 45.0, 90.0));
    assert_eq!(of(own(), 10_000, Some(20)), (512, 30.0, 60.0));
    assert_eq!(of(own(), 10_000, Some(21)), (512, 60.0, 120.0));
    assert_eq!(of(own(), 10_001, Some(21)), (768, 90.0, 180.0));
    let large = Limits { memory: Bytes::mib(1536), cpu_time: Duration::from_secs(60), ..own() };
    assert_eq!(of(large, 10_001, Some(21)), (2048, 120.0, 120.0));
}

#[test]
fn a_complexity_that_nobody_counted_is_said_and_changes_nothing() {
    let (limits, because) = recommend(own(), Code { size: 1, complexity: None });
    assert_eq!(limits, own());
    assert!(because.iter().any(|why| why.contains("complexity was not counted")), "{because:?}");
}

proptest! {
    #[test]
    fn more_code_never_gets_less_and_nobody_more_than_the_caps(
        memory in 4u64..8192, cpu in 1u64..4000, wall in 1u64..8000,
        sizes in (0u64..40_000, 0u64..40_000), complexities in (0u32..60, 0u32..60),
    ) {
        let own = Limits {
            memory: Bytes::mib(memory),
            cpu_time: Duration::from_millis(cpu * 100),
            wall_time: Duration::from_millis(wall * 100),
            ..Limits::default()
        };
        let small = Code { size: sizes.0.min(sizes.1), complexity: Some(complexities.0.min(complexities.1)) };
        let large = Code { size: sizes.0.max(sizes.1), complexity: Some(complexities.0.max(complexities.1)) };
        let unknown = Code { complexity: None, ..small };
        let [unknown, small, large] = [unknown, small, large].map(|code| recommend(own.clone(), code).0);
        for (less, more) in [(&unknown, &small), (&small, &large)] {
            prop_assert!(less.memory <= more.memory && less.cpu_time <= more.cpu_time && less.wall_time <= more.wall_time);
        }
        for limits in [&unknown, &small, &large] {
            prop_assert!(limits.memory <= MOST_MEMORY && limits.cpu_time <= MOST_CPU_TIME);
            prop_assert!(limits.memory >= own.memory.min(MOST_MEMORY));
            prop_assert!(limits.cpu_time >= own.cpu_time.min(MOST_CPU_TIME));
            // Elapsed time does not undercut processor time, if the language's own does not, but for the rounding.
            let rounded = limits.wall_time + Duration::from_millis(1);
            prop_assert!(own.wall_time < own.cpu_time || rounded >= limits.cpu_time);
            let rest = Limits { memory: own.memory, cpu_time: own.cpu_time, wall_time: own.wall_time, ..limits.clone() };
            prop_assert_eq!(&rest, &own);
        }
    }
}

#[test]
fn the_size_is_that_of_the_file() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("long.py");
    std::fs::write(&file, "#".repeat(10_001)).unwrap();
    let advice = advise(&file, None, Some(7)).unwrap();
    assert_eq!((advice.language.as_str(), advice.code.size), ("Python", 10_001));
    assert_eq!(advice.limits.memory.0, advice.default.memory.0 / 2 * 3);
    let other = advise(&file, Some("java"), None).unwrap();
    assert_eq!(other.language, "Java");
    assert_ne!(other.limits, advice.limits);
    let error = advise(&home.path().join("missing.py"), None, None).unwrap_err();
    assert!(error.to_string().contains("missing.py"), "{error}");
}

#[test]
fn every_backend_is_run_as_often_as_asked() {
    let measured = measure(&[Backend::Native, Backend::None], 4).unwrap();
    assert_eq!((measured.runs, measured.backends.len()), (4, 2));
    assert!(measured.plain_ms > 0.0);
    for one in &measured.backends {
        assert!(one.median_ms > 0.0 && (one.median_ms - measured.plain_ms - one.added_ms).abs() < 1e-9, "{measured:?}");
    }
}
