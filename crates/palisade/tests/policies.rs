//! Policy files: what is wrong with each is told where it stands, and what is right survives being written and read.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]
#![cfg(target_os = "linux")]

use std::{path::PathBuf, time::Duration};

use palisade::{
    Mode, PolicyError, PolicyFile,
    spec::{
        Bytes, Capabilities, Destinations, Dns, FilesPolicy, HostileCalls, LimitsAsk, NamedPolicy, NetworkPolicy,
        OutputExcess, Policy, Ports, Strength, Strictness,
    },
    to_toml, useless,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

/// What reading a file of this text comes to.
fn read_as(name: &str, text: &str) -> Result<PolicyFile, PolicyError> {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(name);
    std::fs::write(&file, text).unwrap();
    PolicyFile::open(&file)
}

fn policy(text: &str) -> Policy {
    read_as("p.toml", &format!("id = 'p'\n{text}")).unwrap().policy().policy.clone()
}

/// The mistakes of a text: line, column, message, what to write instead.
fn mistakes(text: &str) -> Vec<(usize, usize, String, String)> {
    let Err(PolicyError::Malformed(malformed)) = read_as("p.toml", text) else {
        panic!("nothing is wrong with {text}")
    };
    let shown = malformed.to_string();
    let place = |at: usize| {
        let before = &text[..at];
        (
            before.lines().count().max(1) + usize::from(before.ends_with('\n')),
            before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1,
        )
    };
    let all = malformed.mistakes.iter().map(|mistake| {
        let (line, column) = place(mistake.span.start);
        assert!(shown.contains(&format!("p.toml:{line}:{column}")), "{line}:{column} is not in {shown}");
        (line, column, mistake.message.clone(), mistake.instead.clone().unwrap_or_default())
    });
    all.collect()
}

#[test]
fn each_malformed_file_is_told_with_its_place_and_what_to_write() {
    let cases: &[(&str, (usize, usize), &str, &str)] = &[
        ("name = 'x'", (1, 1), "a policy needs an id", "id = "),
        ("id = 'A b'", (1, 6), "`A b` cannot be an id", "a-z, 0-9"),
        ("id = '../x'", (1, 6), "`../x` cannot be an id", "a-z, 0-9"),
        ("id = 5", (1, 6), "invalid type: integer `5`, expected a string", ""),
        ("id = 'p'\nmax_tme = '5s'", (2, 1), "unknown key `max_tme`", "did you mean `max_time`?"),
        ("id = 'p'\nmax_time = 5", (2, 12), "invalid type: integer `5`, expected a string", ""),
        ("id = 'p'\nmax_time = '5'", (2, 12), "`5` is not a duration", ""),
        ("id = 'p'\nmax_time = '0s'", (2, 12), "would allow nothing", ""),
        ("id = 'p'\nmemory = '5M'", (2, 1), "unknown key `memory`", "it belongs into [maxima]"),
        ("id = 'p'\nhidden = []", (2, 1), "unknown key `hidden`", "it belongs into [files]"),
        ("id = 'p'\ncapabilities = ['CAP_FLY']", (2, 17), "`CAP_FLY` is not a capability", ""),
        ("id = 'p'\ncapabilities = 'ALL'", (2, 16), "expected a list in brackets, found string", ""),
        ("id = 'p'\non_hostile_call = 'allow'", (2, 19), "unknown value `allow`", "known here: deny, kill"),
        ("id = 'p'\non_output_limit = 'kil'", (2, 19), "unknown value `kil`", "did you mean `kill`?"),
        ("id = 'p'\nstrict = 'yes'", (2, 10), "expected a boolean", ""),
        ("id = 'p'\nnetwork = 'none'", (2, 11), "expected a table, found string", ""),
        ("id = 'p'\n[network]", (2, 1), "[network] says nothing", ""),
        ("id = 'p'\n[network]\noutbound = 'all'", (3, 12), "unknown value `all`", "did you mean `allow-all`?"),
        ("id = 'p'\n[network]\noutbound = 'custom'", (3, 12), "custom, and nothing", "add domains"),
        (
            "id = 'p'\n[network]\noutbound = 'none'\nports = [80]",
            (4, 1),
            "`ports` says nothing",
            "outbound = \"custom\"",
        ),
        ("id = 'p'\n[network]\nports = [80]", (3, 1), "`ports` says nothing", "outbound = \"custom\""),
        ("id = 'p'\n[network]\noutbound = 'custom'\nports = [0]", (4, 10), "`0` is not a port", ""),
        ("id = 'p'\n[network]\noutbound = 'custom'\nendpoints = ['a.org']", (4, 14), "`a.org` is not an endpoint", ""),
        ("id = 'p'\n[network]\noutbound = 'custom'\nports = [80]\ndns = ['x']", (5, 8), "invalid IP address", ""),
        ("id = 'p'\n[network]\noutbond = 'none'", (3, 1), "unknown key `outbond`", "did you mean `outbound`?"),
        ("id = 'p'\n[maxima]\nmemory = '5Q'", (3, 10), "`5Q` is not a size", ""),
        ("id = 'p'\n[maxima]\nmemory = -5", (3, 10), "`-5` is not a size", ""),
        ("id = 'p'\n[maxima]\nmemory = '1M'", (3, 10), "1 MiB is too little", ""),
        ("id = 'p'\n[maxima]\nthreads = 0", (3, 11), "0 is too few", ""),
        ("id = 'p'\n[maxima]\nthreads = -1", (3, 11), "invalid value: integer `-1`", ""),
        ("id = 'p'\n[maxima]\nthreads = 5000000000", (3, 11), "invalid value: integer `5000000000`", ""),
        ("id = 'p'\n[maxima]\nwall_time = '5s'", (3, 1), "unknown key `wall_time`", "elapsed time is `max_time`"),
        ("id = 'p'\n[maxima]\nstrict = true", (3, 1), "unknown key `strict`", "above the first [table]"),
        ("id = 'p'\n[files]\nread-only = []", (3, 1), "unknown key `read-only`", "did you mean `read_only`?"),
        ("id = 'p'\n[files]\nread_only = ['data']", (3, 14), "`data` is not an absolute path", ""),
        ("id = 'p'\n[files]\nread_only = ['$HOME/x']", (3, 14), "`$HOME/x` is not an absolute path", ""),
        ("id = 'p'\n[files]\nwritable = ['/a/../etc']", (3, 13), "`/a/../etc` has `..` in it", ""),
        ("id = 'p'\n[files]\nhidden = ['/home/*/.ssh']", (3, 11), "`*` does not stand for other names", ""),
        ("id = 'p'\n[files]\nhidden = '/x'", (3, 10), "expected a list in brackets, found string", ""),
        ("id = 'p'\n[files]\nhidden = ['/']", (3, 10), "hiding everything", ""),
        ("id = 'p'\nid = 'q'", (2, 1), "duplicate key", ""),
        ("id = 'p", (1, 8), "invalid literal string", ""),
        ("id = 'p'\n[files\n", (2, 7), "unclosed table", ""),
    ];
    for (text, place, message, instead) in cases {
        let found = mistakes(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        let (line, column, said, hint) = &found[0];
        assert_eq!((*line, *column), *place, "{text}: {said}");
        assert!(said.contains(message), "{text}: `{said}` does not say `{message}`");
        assert!(hint.contains(instead), "{text}: `{hint}` does not say `{instead}`");
    }
}

#[test]
fn every_mistake_of_a_file_is_told_at_once() {
    let text = "id = 'p'\nmax_time = 'x'\nwhat = 1\n[network]\noutbound = 'custom'\ndomains = ['a..b', 'c.org', '-']\n[maxima]\nmemory = 'x'\nthreads = 'y'\n[files]\nhidden = ['rel', '/ok', 7]\n";
    let lines: Vec<usize> = mistakes(text).iter().map(|mistake| mistake.0).collect();
    assert_eq!(lines, [2, 3, 6, 6, 8, 9, 11, 11]);
}

#[test]
fn only_a_ceiling_has_a_mode_and_none_needs_an_id() {
    let Ok(PolicyFile::Ceiling(_, Mode::Refuse)) = read_as("any.toml", "mode = 'refuse'") else { panic!() };
    let Ok(PolicyFile::Ceiling(policy, Mode::Clamp)) = read_as("ceiling.toml", "max_time = '5s'") else { panic!() };
    assert_eq!(policy.policy.limits.wall_time, Some(Duration::from_secs(5)));
    let Err(PolicyError::Malformed(error)) = read_as("ceiling.toml", "mode = 'lower'") else { panic!() };
    assert!(error.to_string().contains("unknown value `lower`"), "{error}");
}

#[test]
fn the_example_of_the_manual_says_what_it_seems_to() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/policies.md")).unwrap();
    let text = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let file = read_as("build.toml", text).unwrap();
    let policy = &file.policy().policy;
    let LimitsAsk { wall_time, cpu_time, memory, processes, threads, descriptors, .. } = &policy.limits;
    assert!(wall_time.is_some() && cpu_time.is_some() && memory.is_some() && processes.is_some());
    assert!(threads.is_some() && descriptors.is_some() && policy.limits.cpu_percent == Some(200));
    let NetworkPolicy::Custom(destinations) = &policy.network else { panic!() };
    assert!(destinations.allows(&"a.example.org".parse().unwrap(), 8050));
    assert_eq!((policy.files.read.len(), policy.files.write.len(), policy.files.hidden.len()), (1, 1, 2));
}

#[test]
fn what_is_not_said_is_open() {
    assert_eq!(policy(""), Policy::open());
    let read = policy("[files]\nwritable = ['/out']").files;
    assert_eq!((read.read, read.write), (vec!["/".into()], vec!["/out".into()]), "reading stays open");
    let read = policy("[files]\nhidden = ['/x']").files;
    assert_eq!((read.read, read.write), (vec!["/".into()], vec!["/".into()]));
}

#[test]
fn a_list_of_what_can_be_read_closes_writing_which_would_open_reading() {
    let files = policy("[files]\nread_only = ['/data']").files;
    assert_eq!((files.read, files.write), (vec![PathBuf::from("/data")], Vec::new()));
}

#[test]
fn paths_are_read_without_what_means_nothing() {
    let files = policy("[files]\nread_only = ['/a//b/./c/', '/']").files;
    assert_eq!(files.read, [PathBuf::from("/a/b/c"), PathBuf::from("/")]);
}

#[test]
fn destinations_are_hosts_with_ports_and_endpoints() {
    let text = "[network]\noutbound = 'custom'\ndomains = ['*.example.org']\nports = [443, '8000-8100']\nendpoints = ['[2001:db8::/32]:22']\ndns = ['192.0.2.53']";
    let NetworkPolicy::Custom(destinations) = policy(text).network else { panic!() };
    let allows = |host: &str, port| destinations.allows(&host.parse().unwrap(), port);
    assert!(allows("a.example.org", 443) && allows("a.example.org", 8050) && allows("2001:db8::5", 22));
    assert!(!allows("a.example.org", 80) && !allows("2001:db8::5", 443) && !allows("example.com", 443));
    assert_eq!(destinations.dns().to_string(), "192.0.2.53");
    let NetworkPolicy::Custom(ports) = policy("[network]\noutbound = 'custom'\nports = [443]").network else {
        panic!()
    };
    assert!(ports.allows(&"any.example".parse().unwrap(), 443) && !ports.allows(&"any.example".parse().unwrap(), 80));
}

#[test]
fn what_is_no_file_large_or_no_text_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let fifo = home.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let large = home.path().join("large.toml");
    std::fs::write(&large, vec![b'#'; (1 << 20) + 1]).unwrap();
    let binary = home.path().join("binary.toml");
    std::fs::write(&binary, [0xff, 0xfe]).unwrap();
    for (path, message) in [
        (home.path().to_owned(), "it is not a regular file"),
        (fifo, "it is not a regular file"),
        (large, "it is larger than 1 MiB"),
        (binary, "valid UTF-8"),
        (home.path().join("none"), "entity not found"),
    ] {
        let error = PolicyFile::open(&path).unwrap_err();
        assert!(matches!(error, PolicyError::Unreadable { .. }) && error.hint().is_some(), "{error}");
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[test]
fn useless_entries_are_told() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().canonicalize().unwrap();
    std::fs::create_dir_all(home.join("in/inner")).unwrap();
    std::os::unix::fs::symlink("in", home.join("link")).unwrap();
    let text = format!(
        "id = 'p'\n[files]\nread_only = ['{0}/link', '{0}/in', '{0}/in/inner']\nwritable = ['{0}/in/inner']\nhidden = ['{0}/none', '{0}/in/inner']\n",
        home.display()
    );
    let all = useless(read_as("p.toml", &text).unwrap().policy()).join("\n");
    for wanted in [
        "it has no description",
        "/none cannot be found here",
        "/link leads through a symbolic link",
        "read_only: HOME/in/inner is within HOME/in",
        "read_only: HOME/in/inner can be written, and so be read",
        "writable: HOME/in/inner is hidden",
    ] {
        assert!(all.contains(&wanted.replace("HOME", &home.display().to_string())), "{wanted} is not in {all}");
    }
    let useful = "id = 'p'\ndescription = 'd'\nmax_time = '5s'\n[files]\nread_only = ['/usr']\n";
    assert_eq!(useless(read_as("p.toml", useful).unwrap().policy()), [""; 0]);
}

fn path() -> impl Strategy<Value = PathBuf> {
    vec("[a-zé'\" \\\\]{1,3}", 0..4).prop_map(|parts| PathBuf::from("/").join(parts.join("/")))
}

fn network() -> impl Strategy<Value = NetworkPolicy> {
    let host = select(vec!["*", "*.example.org", "a.org", "10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "2001:db8::1"]);
    let ports = vec((1u16..2000, 0u16..3), 1..3)
        .prop_map(|ranges| Ports::of(ranges.into_iter().map(|(first, more)| (first, first + more))));
    let dns = prop_oneof![
        Just(Dns::Any),
        vec(select(vec!["192.0.2.1", "2001:db8::53"]), 0..3)
            .prop_map(|all| Dns::Only(all.into_iter().map(|one| one.parse().unwrap()).collect())),
    ];
    prop_oneof![
        Just(NetworkPolicy::None),
        Just(NetworkPolicy::Loopback),
        Just(NetworkPolicy::AllowAll),
        (vec((host, ports), 1..4), dns).prop_map(|(pairs, dns)| {
            let pairs = pairs.into_iter().map(|(host, ports)| (host.parse().unwrap(), ports));
            NetworkPolicy::Custom(Destinations::new(pairs, dns))
        }),
    ]
}

prop_compose! {
    fn limits()(
        wall_time in option::of(1u64..1_000_000), cpu_time in option::of(1u64..1_000_000),
        memory in option::of((4u64 << 20)..(1 << 40)), file_size in option::of(1u64..(1 << 40)),
        tmp_size in option::of(1u64..(1 << 20)), output in option::of(1u64..(1 << 20)),
        counts in vec(option::of(8u32..100_000), 5),
    ) -> LimitsAsk {
        LimitsAsk {
            wall_time: wall_time.map(Duration::from_millis),
            cpu_time: cpu_time.map(Duration::from_millis),
            memory: memory.map(Bytes),
            file_size: file_size.map(Bytes),
            tmp_size: tmp_size.map(|size| Bytes(size << 10)),
            output: output.map(Bytes),
            processes: counts[0],
            threads: counts[1],
            descriptors: counts[2],
            tmp_inodes: counts[3],
            cpu_percent: counts[4],
        }
    }
}

prop_compose! {
    fn any_policy()(
        read in vec(path(), 0..3), write in vec(path(), 0..3), hidden in vec(path().prop_map(|path| path.join("x")), 0..3),
        network in network(), limits in limits(),
        capabilities in vec(select(vec!["kill", "CAP_BPF", "all"]), 0..2),
        reactions in any::<(bool, bool, bool)>(), strength in select(Strength::ALL.to_vec()), open in any::<bool>(),
    ) -> Policy {
        let files = if open { FilesPolicy { hidden, ..FilesPolicy::open() } } else { FilesPolicy { read, write, hidden, ..FilesPolicy::default() } };
        Policy {
            files,
            network,
            limits,
            capabilities: capabilities.iter().fold(Capabilities::default(), |sum, name| sum.join(name.parse().unwrap())),
            hostile_calls: if reactions.0 { HostileCalls::Kill } else { HostileCalls::Deny },
            output_excess: if reactions.1 { OutputExcess::Kill } else { OutputExcess::Cut },
            strictness: if reactions.2 { Strictness::RefuseWeakened } else { Strictness::ReportWeakened },
            strength,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_as_the_same(policy in any_policy(), name in "\\PC{0,9}", mode in option::of(select(vec![Mode::Clamp, Mode::Refuse]))) {
        let named = NamedPolicy { id: "p".to_owned(), name, description: "a\n\"b\"".to_owned(), policy };
        let text = to_toml(&named, mode);
        let read = read_as("p.toml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let is_ceiling = matches!(&read, PolicyFile::Ceiling(_, found) if Some(*found) == mode);
        prop_assert_eq!(is_ceiling, mode.is_some());
        prop_assert_eq!(read.policy().policy.normal(), named.policy.normal(), "{}", text);
        prop_assert_eq!((&read.policy().name, &read.policy().description), (&named.name, &named.description));
    }

    #[test]
    fn any_text_gives_an_answer_and_never_a_panic(text in "\\PC{0,60}") {
        let _ = read_as("p.toml", &text);
    }

    #[test]
    fn any_value_of_any_key_gives_an_answer(
        key in select(vec!["id", "mode", "max_time", "capabilities", "strict", "network", "maxima", "files", "network.outbound",
            "network.ports", "network.dns", "maxima.memory", "maxima.threads", "files.hidden", "files.read_only"]),
        value in select(vec!["1", "-1", "1.5", "true", "'x'", "''", "[]", "[1]", "['x']", "[[]]", "{}", "{ a = 1 }", "1979-05-27", "nan"]),
    ) {
        let _ = read_as("p.toml", &format!("{key} = {value}"));
    }
}
