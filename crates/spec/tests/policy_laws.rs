//! Policies form a lattice: the laws, tried on random ones; and nothing that a meet allows is forbidden by a side.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::{path::PathBuf, time::Duration};

use palisade_spec::{
    Bytes, Capabilities, Destinations, Dns, FilesPolicy, Host, HostileCalls, LimitsAsk, NetworkPolicy, OutputExcess,
    Policy, Ports, Strength, Strictness,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

fn path() -> impl Strategy<Value = PathBuf> {
    // Few names, so that random trees overlap.
    vec(select(vec!["a", "b", "c"]), 0..4).prop_map(|parts| PathBuf::from("/").join(parts.join("/")))
}

fn files() -> impl Strategy<Value = FilesPolicy> {
    let places = (vec(path(), 0..4), vec(path(), 0..3), vec(path(), 0..3), vec(path(), 0..3));
    places.prop_map(|(read, write, hidden, kept)| FilesPolicy { read, write, hidden, kept })
}

fn host() -> impl Strategy<Value = Host> {
    select(vec![
        "*",
        "*.org",
        "*.example.org",
        "example.org",
        "a.example.org",
        "org",
        "*.net",
        "10.0.0.0/8",
        "10.1.0.0/16",
        "10.1.2.3",
        "0.0.0.0/0",
        "2001:db8::/32",
        "2001:db8::1",
    ])
    .prop_map(|text| text.parse().unwrap())
}

fn ports() -> impl Strategy<Value = Ports> {
    vec((1u16..12, 0u16..6), 0..3)
        .prop_map(|ranges| Ports::of(ranges.into_iter().map(|(first, more)| (first, first + more))))
}

fn dns() -> impl Strategy<Value = Dns> {
    prop_oneof![
        Just(Dns::Any),
        vec(select(vec!["192.0.2.1", "192.0.2.2", "2001:db8::53"]), 0..3)
            .prop_map(|servers| Dns::Only(servers.into_iter().map(|server| server.parse().unwrap()).collect())),
    ]
}

fn network() -> impl Strategy<Value = NetworkPolicy> {
    prop_oneof![
        Just(NetworkPolicy::None),
        Just(NetworkPolicy::Loopback),
        Just(NetworkPolicy::AllowAll),
        (vec((host(), ports()), 0..5), dns())
            .prop_map(|(pairs, dns)| NetworkPolicy::Custom(Destinations::new(pairs, dns))),
    ]
}

fn limits() -> impl Strategy<Value = LimitsAsk> {
    let time = || option::of((1u64..5).prop_map(Duration::from_secs));
    let size = || option::of((1u64..5).prop_map(Bytes));
    let count = || option::of(1u32..5);
    ((time(), time(), size(), size(), size(), size()), (count(), count(), count(), count(), count())).prop_map(
        |((wall_time, cpu_time, memory, file_size, tmp_size, output), counts)| LimitsAsk {
            wall_time,
            cpu_time,
            memory,
            file_size,
            tmp_size,
            output,
            processes: counts.0,
            threads: counts.1,
            descriptors: counts.2,
            tmp_inodes: counts.3,
            cpu_percent: counts.4,
        },
    )
}

fn capabilities() -> impl Strategy<Value = Capabilities> {
    vec(select(vec!["kill", "CAP_BPF", "net_raw", "all"]), 0..3)
        .prop_map(|names| names.into_iter().fold(Capabilities::default(), |sum, name| sum.join(name.parse().unwrap())))
}

fn policy() -> impl Strategy<Value = Policy> {
    let reactions = (
        select(vec![HostileCalls::Deny, HostileCalls::Kill]),
        select(vec![OutputExcess::Cut, OutputExcess::Kill]),
        select(vec![Strictness::ReportWeakened, Strictness::RefuseWeakened]),
        select(Strength::ALL.to_vec()),
    );
    (files(), network(), limits(), capabilities(), reactions).prop_map(|(files, network, limits, capabilities, r)| {
        Policy {
            files,
            network,
            limits,
            capabilities,
            hostile_calls: r.0,
            output_excess: r.1,
            strictness: r.2,
            strength: r.3,
        }
    })
}

/// What can be told apart with the names that the strategies use.
fn places() -> Vec<PathBuf> {
    let names = ["a", "b", "c", "d"];
    let mut all = vec![PathBuf::from("/")];
    for depth in 0..4 {
        let outer: Vec<PathBuf> = all.iter().filter(|path| path.components().count() == depth + 1).cloned().collect();
        all.extend(outer.iter().flat_map(|path| names.map(|name| path.join(name))));
    }
    all
}

fn reachable(network: &NetworkPolicy, host: &Host, port: u16) -> bool {
    match network {
        NetworkPolicy::None | NetworkPolicy::Loopback => false,
        NetworkPolicy::Custom(destinations) => destinations.allows(host, port),
        NetworkPolicy::AllowAll => true,
    }
}

fn within<T: Ord + Copy>(met: Option<T>, a: Option<T>, b: Option<T>) -> bool {
    // Open on one side means that the other decides.
    met == [a, b].into_iter().flatten().min()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn meeting_oneself_changes_nothing(a in policy()) {
        prop_assert_eq!(a.meet(&a), a.normal());
        prop_assert_eq!(a.normal().normal(), a.normal());
        prop_assert!(a.is_within(&a));
    }

    #[test]
    fn the_order_of_two_does_not_matter(a in policy(), b in policy()) {
        prop_assert_eq!(a.meet(&b), b.meet(&a));
    }

    #[test]
    fn the_grouping_of_three_does_not_matter(a in policy(), b in policy(), c in policy()) {
        prop_assert_eq!(a.meet(&b).meet(&c), a.meet(&b.meet(&c)));
    }

    #[test]
    fn what_meets_is_within_both(a in policy(), b in policy()) {
        let met = a.meet(&b);
        prop_assert!(met.is_within(&a) && met.is_within(&b));
    }

    #[test]
    fn the_open_policy_narrows_nothing_and_the_closed_one_gives_nothing(a in policy()) {
        prop_assert_eq!(a.meet(&Policy::open()), a.normal());
        let closed = a.meet(&Policy::default());
        prop_assert!(closed.files.read.is_empty() && closed.files.write.is_empty());
        prop_assert_eq!(closed.network, NetworkPolicy::None);
        prop_assert!(closed.capabilities.is_empty());
    }

    /// Not by the type's own idea of order: place by place, port by port.
    #[test]
    fn a_file_is_as_open_as_the_stricter_side_says(a in files(), b in files()) {
        let met = a.meet(&b);
        for place in places() {
            prop_assert_eq!(met.allows(&place), a.allows(&place).min(b.allows(&place)), "{}", place.display());
        }
    }

    #[test]
    fn a_destination_is_open_exactly_if_both_sides_open_it(a in network(), b in network(), host in host(), port in 0u16..20) {
        let both = reachable(&a, &host, port) && reachable(&b, &host, port);
        prop_assert_eq!(reachable(&a.meet(&b), &host, port), both);
    }

    #[test]
    fn each_limit_is_the_lower_one(a in limits(), b in limits()) {
        let met = a.meet(&b);
        prop_assert!(within(met.wall_time, a.wall_time, b.wall_time));
        prop_assert!(within(met.cpu_time, a.cpu_time, b.cpu_time));
        prop_assert!(within(met.memory, a.memory, b.memory));
        prop_assert!(within(met.processes, a.processes, b.processes));
        prop_assert!(within(met.threads, a.threads, b.threads));
        prop_assert!(within(met.descriptors, a.descriptors, b.descriptors));
        prop_assert!(within(met.file_size, a.file_size, b.file_size));
        prop_assert!(within(met.tmp_size, a.tmp_size, b.tmp_size));
        prop_assert!(within(met.tmp_inodes, a.tmp_inodes, b.tmp_inodes));
        prop_assert!(within(met.output, a.output, b.output));
        prop_assert!(within(met.cpu_percent, a.cpu_percent, b.cpu_percent));
    }

    #[test]
    fn a_host_is_read_as_it_is_written(host in host()) {
        let text = host.to_string();
        let text = text.trim_start_matches('[').trim_end_matches(']');
        prop_assert_eq!(text.parse::<Host>().unwrap(), host);
    }

    #[test]
    fn any_text_gives_an_answer_and_never_a_panic(text in "\\PC{0,24}") {
        let _ = text.parse::<Host>();
        let _ = text.parse::<Ports>();
        let _ = text.parse::<palisade_spec::Endpoint>();
        let _ = text.parse::<Capabilities>();
    }
}

#[test]
fn what_is_no_host_port_or_endpoint_is_refused_with_an_example() {
    for text in ["", "a..b", "*.", "*", "http://a", "a b", "-a", "10.0.0.1/8", "10.0.0.0/33", "256.1.1.1", "é.org"] {
        if text != "*" {
            assert!(text.parse::<Host>().unwrap_err().to_string().contains("example.org"), "{text}");
        }
    }
    for text in ["0", "70000", "9-8", "1-", "-", "http"] {
        assert!(text.parse::<Ports>().unwrap_err().to_string().contains("1 to 65535"), "{text}");
    }
    for text in ["example.org", ":1", "2001:db8::1:443", "[x]:1", "example.org:0"] {
        text.parse::<palisade_spec::Endpoint>().unwrap_err();
    }
    assert_eq!("::ffff:192.0.2.1".parse::<Host>(), "192.0.2.1".parse());
}
