//! What narrowing took away is told: all of it, and nothing else.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::{path::PathBuf, time::Duration};

use palisade_spec::{
    Bytes, Capabilities, Clamp, Destinations, Dns, FilesPolicy, HostileCalls, LimitsAsk, NetworkPolicy, OutputExcess,
    Policy, Ports, Strength, Strictness, changes,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

fn rows(asked: &Policy, ceiling: &Policy) -> Vec<(String, String, String)> {
    let row = |clamp: Clamp| (clamp.what, clamp.asked, clamp.given);
    changes(asked, &asked.meet(ceiling), "a test").into_iter().map(row).collect()
}

fn row(what: &str, asked: &str, given: &str) -> (String, String, String) {
    (what.to_owned(), asked.to_owned(), given.to_owned())
}

fn paths(list: &[&str]) -> Vec<PathBuf> {
    list.iter().map(PathBuf::from).collect()
}

#[test]
fn each_kind_of_field_is_told_with_its_value_and_unit() {
    let asked = Policy {
        files: FilesPolicy {
            read: paths(&["/data", "/other", "/kept"]),
            write: paths(&["/out", "/gone", "/half"]),
            ..FilesPolicy::default()
        },
        network: NetworkPolicy::AllowAll,
        limits: LimitsAsk {
            wall_time: Some(Duration::from_secs(90)),
            memory: Some(Bytes::mib(2048)),
            processes: Some(50),
            cpu_percent: Some(200),
            ..LimitsAsk::default()
        },
        capabilities: "CAP_KILL".parse().unwrap(),
        ..Policy::default()
    };
    let https = (palisade_spec::Host::Name("example.org".to_owned()), Ports::one(443));
    let ceiling = Policy {
        files: FilesPolicy {
            read: paths(&["/data/public", "/kept", "/out"]),
            write: paths(&["/half/a"]),
            hidden: paths(&["/kept/secret", "/elsewhere"]),
            ..FilesPolicy::default()
        },
        network: NetworkPolicy::Custom(Destinations::new([https], Dns::Any)),
        limits: LimitsAsk {
            wall_time: Some(Duration::from_secs(60)),
            memory: Some(Bytes::mib(512)),
            processes: Some(64),
            cpu_percent: Some(80),
            ..LimitsAsk::default()
        },
        capabilities: Capabilities::default(),
        hostile_calls: HostileCalls::Kill,
        output_excess: OutputExcess::Kill,
        strictness: Strictness::RefuseWeakened,
        strength: Strength::UserSpaceKernel,
    };
    assert_eq!(
        rows(&asked, &ceiling),
        [
            row("wall-time", "1m 30s", "1m"),
            row("memory", "2 GiB", "512 MiB"),
            row("cpu-percent", "200 %", "80 %"),
            row("network", "allow-all", "custom: example.org:443"),
            row("files.read-only", "/data", "/data/public"),
            row("files.read-only", "/other", "nothing"),
            row("files.writable", "/gone", "nothing"),
            row("files.writable", "/half", "/half/a"),
            row("files.writable", "/out", "reading"),
            row("files.hidden", "/kept/secret", "hidden"),
            row("capabilities", "CAP_KILL", "none"),
            row("hostile-calls", "deny", "kill"),
            row("output-excess", "cut", "kill"),
            row("strictness", "report-weakened", "refuse-weakened"),
            row("strength", "none", "user-space-kernel"),
        ]
    );
    assert!(changes(&asked, &asked.meet(&ceiling), "the reason").iter().all(|clamp| clamp.because == "the reason"));
}

#[test]
fn what_nobody_limited_is_called_open() {
    let ceiling = Policy { limits: LimitsAsk { threads: Some(7), ..LimitsAsk::default() }, ..Policy::open() };
    assert_eq!(rows(&Policy::open(), &ceiling), [row("threads", "open", "7")]);
}

fn path() -> impl Strategy<Value = PathBuf> {
    vec(select(vec!["a", "b"]), 0..4).prop_map(|parts| PathBuf::from("/").join(parts.join("/")))
}

/// What can be told apart with these names.
fn places() -> Vec<PathBuf> {
    let mut all = vec![PathBuf::from("/")];
    for depth in 1..5 {
        let outer: Vec<PathBuf> = all.iter().filter(|path| path.components().count() == depth).cloned().collect();
        all.extend(outer.iter().flat_map(|path| ["a", "b", "c"].map(|name| path.join(name))));
    }
    all
}

prop_compose! {
    fn policy()(
        read in vec(path(), 0..4), write in vec(path(), 0..3), hidden in vec(path(), 0..2),
        network in select(vec![NetworkPolicy::None, NetworkPolicy::Loopback, NetworkPolicy::AllowAll]),
        memory in option::of((1u64..4).prop_map(Bytes)), threads in option::of(1u32..4),
        hostile_calls in select(vec![HostileCalls::Deny, HostileCalls::Kill]),
    ) -> Policy {
        Policy {
            files: FilesPolicy { read, write, hidden, ..FilesPolicy::default() },
            network,
            limits: LimitsAsk { memory, threads, ..LimitsAsk::default() },
            hostile_calls,
            ..Policy::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Not by the types' own idea of order: place by place.
    #[test]
    fn something_is_told_exactly_if_something_was_taken(asked in policy(), ceiling in policy()) {
        let given = asked.meet(&ceiling);
        let told = changes(&asked, &given, "");
        let has = |what: &str| told.iter().any(|clamp| clamp.what.starts_with(what));
        let loses = places().iter().any(|place| given.files.allows(place) < asked.files.allows(place));
        prop_assert_eq!(has("files."), loses);
        prop_assert_eq!(has("network"), given.network != asked.network);
        prop_assert_eq!(has("memory"), given.limits.memory != asked.limits.memory);
        prop_assert_eq!(has("threads"), given.limits.threads != asked.limits.threads);
        prop_assert_eq!(has("hostile-calls"), given.hostile_calls != asked.hostile_calls);
        for clamp in &told {
            prop_assert_ne!(&clamp.asked, &clamp.given, "{}", clamp.what);
        }
    }

    #[test]
    fn nothing_is_told_where_nothing_was_taken(asked in policy()) {
        prop_assert_eq!(changes(&asked, &asked.meet(&Policy::open()), ""), []);
    }
}
