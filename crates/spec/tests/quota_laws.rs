//! Quotas form a lattice, as policies do; and their text stays as it is.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::{
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use palisade_spec::{Bytes, LimitsAsk, Quota};
use proptest::{option, prelude::*};

fn quota() -> impl Strategy<Value = Quota> {
    // Few values, so that random quotas often agree.
    let count = || option::of((1u32..5).prop_map(|n| NonZeroU32::new(n).unwrap()));
    (
        option::of((1u64..5).prop_map(Duration::from_secs)),
        option::of((1u64..5).prop_map(Bytes)),
        count(),
        count(),
        option::of((1u64..5).prop_map(|n| NonZeroU64::new(n).unwrap())),
    )
        .prop_map(
            |(max_cpu_per_task, max_memory_per_task, concurrent_runs, runs_per_minute, cpu_seconds_per_day)| Quota {
                max_cpu_per_task,
                max_memory_per_task,
                concurrent_runs,
                runs_per_minute,
                cpu_seconds_per_day,
            },
        )
}

/// What a program wants, part by part; whether a quota lets it have that is looked at without the type's own order.
#[derive(Clone, Copy, Debug)]
struct Wish([u64; 5]);

fn wish() -> impl Strategy<Value = Wish> {
    prop::array::uniform5(0u64..6).prop_map(Wish)
}

fn allows(quota: &Quota, Wish([cpu, memory, runs, rate, day]): Wish) -> bool {
    quota.max_cpu_per_task.is_none_or(|most| cpu <= most.as_secs())
        && quota.max_memory_per_task.is_none_or(|most| memory <= most.0)
        && quota.concurrent_runs.is_none_or(|most| runs <= u64::from(most.get()))
        && quota.runs_per_minute.is_none_or(|most| rate <= u64::from(most.get()))
        && quota.cpu_seconds_per_day.is_none_or(|most| day <= most.get())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn meeting_oneself_changes_nothing(a in quota()) {
        prop_assert_eq!(a.meet(&a), a.clone());
        prop_assert!(a.is_within(&a));
    }

    #[test]
    fn the_order_of_two_does_not_matter(a in quota(), b in quota()) {
        prop_assert_eq!(a.meet(&b), b.meet(&a));
    }

    #[test]
    fn the_grouping_of_three_does_not_matter(a in quota(), b in quota(), c in quota()) {
        prop_assert_eq!(a.meet(&b).meet(&c), a.meet(&b.meet(&c)));
    }

    #[test]
    fn what_meets_is_within_both_and_open_narrows_nothing(a in quota(), b in quota()) {
        let met = a.meet(&b);
        prop_assert!(met.is_within(&a) && met.is_within(&b));
        prop_assert_eq!(a.meet(&Quota::default()), a);
    }

    #[test]
    fn a_wish_is_allowed_exactly_if_both_sides_allow_it(a in quota(), b in quota(), wish in wish()) {
        prop_assert_eq!(allows(&a.meet(&b), wish), allows(&a, wish) && allows(&b, wish));
    }

    #[test]
    fn limits_of_a_met_quota_are_the_met_limits(a in quota(), b in quota()) {
        prop_assert_eq!(a.meet(&b).limits(), a.limits().meet(&b.limits()));
    }

    #[test]
    fn a_quota_is_read_as_it_is_written(a in quota()) {
        let text = serde_json::to_string(&a).unwrap();
        prop_assert_eq!(serde_json::from_str::<Quota>(&text).unwrap(), a);
    }
}

#[test]
fn the_text_of_a_quota_has_the_names_of_the_requirement_and_leaves_out_what_is_open() {
    let quota = Quota {
        max_cpu_per_task: Some(Duration::from_secs(90)),
        max_memory_per_task: Some(Bytes::mib(1)),
        concurrent_runs: NonZeroU32::new(2),
        runs_per_minute: NonZeroU32::new(30),
        cpu_seconds_per_day: NonZeroU64::new(3600),
    };
    assert_eq!(
        serde_json::to_string(&quota).unwrap(),
        r#"{"max_cpu_per_task":"1m 30s","max_memory_per_task":1048576,"concurrent_runs":2,"runs_per_minute":30,"cpu_seconds_per_day":3600}"#
    );
    assert_eq!(serde_json::to_string(&Quota::default()).unwrap(), "{}");
    assert_eq!(
        serde_json::from_str::<Quota>(r#"{"max_memory_per_task":"1M"}"#).unwrap().limits().memory,
        Some(Bytes::mib(1))
    );
}

#[test]
fn zero_and_unknown_parts_of_a_quota_are_refused() {
    for (text, message) in [
        (r#"{"runs_per_minute":0}"#, "expected a nonzero u32"),
        (r#"{"cpu_seconds_per_day":0}"#, "expected a nonzero u64"),
        (r#"{"max_cpu_per_task":"0s"}"#, "would allow nothing"),
        (r#"{"max_cpu_per_task":30}"#, "expected a string"),
        (r#"{"max_memory_per_task":0}"#, "would allow nothing"),
        (r#"{"max_memory":"1M"}"#, "unknown field `max_memory`"),
    ] {
        let error = serde_json::from_str::<Quota>(text).unwrap_err().to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
}

#[test]
fn no_task_may_use_more_than_a_whole_day_has() {
    let quota = Quota {
        max_cpu_per_task: Some(Duration::from_secs(60)),
        cpu_seconds_per_day: NonZeroU64::new(10),
        ..Quota::default()
    };
    assert_eq!(quota.limits().cpu_time, Some(Duration::from_secs(10)));
    assert_eq!(Quota::default().limits(), LimitsAsk::default());
}
