//! No request gets past a bound, and none loses more than a bound takes: random ones, through the door, place by place.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]
#![cfg(target_os = "linux")]

use std::{
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    sync::LazyLock,
    time::Duration,
};

use palisade::{
    Access, Base, Job, Plan, StartError, plan,
    spec::{
        Backend, Bytes, Capabilities, FilesPolicy, HostileCalls, LimitsAsk, NamedPolicy, NetworkPolicy, Policy,
        Program, Request, Seen, Siblings,
    },
};
use proptest::{collection::vec, option, prelude::*, sample::select};

/// `a`, `b`, `c`, three deep, and links between them; open to everybody, so that root's programs may write there too.
static TREE: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let home = tempfile::Builder::new().prefix("palisade-bounds-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let root = home.path().canonicalize().unwrap();
    for place in places() {
        let place = below(&root, &place);
        std::fs::create_dir_all(&place).unwrap();
        std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    for (link, target) in
        [("to-a", "a"), ("to-a-b", "a/b"), ("b/to-root", ".."), ("a/b/to-c", "../../c"), ("a/to-b", "b")]
    {
        symlink(target, root.join(link)).unwrap();
    }
    home
});

fn root() -> PathBuf {
    TREE.path().canonicalize().unwrap()
}

fn below(root: &Path, place: &Path) -> PathBuf {
    root.join(place.strip_prefix("/").unwrap())
}

/// Every directory of the tree, from `/` down.
fn places() -> Vec<PathBuf> {
    let mut all = vec![PathBuf::from("/")];
    for depth in 1..4 {
        let outer: Vec<PathBuf> = all.iter().filter(|path| path.components().count() == depth).cloned().collect();
        all.extend(outer.iter().flat_map(|path| ["a", "b", "c"].map(|name| path.join(name))));
    }
    all
}

/// A directory of the tree, by its own name.
fn real() -> impl Strategy<Value = PathBuf> {
    vec(select(vec!["a", "b", "c"]), 0..4).prop_map(|parts| root().join(parts.join("/")))
}

/// A directory of the tree, by any name.
fn named() -> impl Strategy<Value = PathBuf> {
    let detour =
        select(vec!["to-a", "to-a-b", "to-a/c", "b/to-root/a", "a/b/to-c/b", "a/to-b", "a/to-b/to-c", "./b", "a//c"]);
    prop_oneof![2 => real(), 1 => detour.prop_map(|name| root().join(name))]
}

/// A directory of the tree, or all of the host.
fn readable() -> impl Strategy<Value = PathBuf> {
    prop_oneof![9 => named(), 1 => Just(PathBuf::from("/"))]
}

fn files(read: BoxedStrategy<PathBuf>, write: BoxedStrategy<PathBuf>) -> impl Strategy<Value = FilesPolicy> {
    let places = (vec(read, 0..4), vec(write, 0..3), vec(real(), 0..2), vec(real(), 0..2));
    places.prop_map(|(read, write, hidden, kept)| FilesPolicy { read, write, hidden, kept })
}

prop_compose! {
    fn limits()(
        wall_time in option::of(1u64..100), cpu_time in option::of(1u64..100), memory in option::of(4u64..2000),
        sizes in vec(option::of(1u64..200), 3), counts in vec(option::of(8u32..200), 5),
    ) -> LimitsAsk {
        let size = |size: Option<u64>| size.map(Bytes::mib);
        LimitsAsk {
            wall_time: wall_time.map(Duration::from_secs),
            cpu_time: cpu_time.map(Duration::from_secs),
            memory: size(memory),
            file_size: size(sizes[0]),
            tmp_size: size(sizes[1]),
            output: size(sizes[2]),
            processes: counts[0],
            threads: counts[1],
            descriptors: counts[2],
            tmp_inodes: counts[3],
            cpu_percent: counts[4],
        }
    }
}

fn network() -> impl Strategy<Value = NetworkPolicy> {
    select(vec![NetworkPolicy::None, NetworkPolicy::Loopback, NetworkPolicy::AllowAll])
}

fn hostile_calls() -> impl Strategy<Value = HostileCalls> {
    select(vec![HostileCalls::Deny, HostileCalls::Kill])
}

prop_compose! {
    fn asked()(files in files(readable().boxed(), named().boxed()), limits in limits(), network in network(), hostile_calls in hostile_calls()) -> Policy {
        Policy { files, limits, network, hostile_calls, ..Policy::default() }
    }
}

prop_compose! {
    fn bound()(
        files in option::of(files(real().boxed(), real().boxed())), limits in limits(), network in network(),
        hostile_calls in hostile_calls(),
    ) -> Policy {
        let files = files.unwrap_or_else(FilesPolicy::open);
        Policy { files, limits, network, hostile_calls, ..Policy::open() }
    }
}

fn request(policy: Policy, bounds: &[Policy]) -> Request {
    let named = |policy: &Policy| NamedPolicy {
        id: "bound".to_owned(),
        name: String::new(),
        description: String::new(),
        policy: policy.clone(),
    };
    let policies = bounds.iter().map(named).collect();
    Request { policy, policies, ..Request::new(Program::Command("true".to_owned())) }
}

/// What a planned job lets a program do with the host's file at a place.
fn seen(job: &Job, place: &Path) -> Seen {
    if job.hidden.iter().any(|hidden| place.starts_with(hidden)) {
        return Seen::Hidden;
    }
    // By every name that it has: of several mounts around a name, the innermost one decides, and of two at one place the later.
    let names = job.shown.iter().filter_map(|shown| {
        let rest = place.strip_prefix(&shown.from).ok()?;
        Some(if rest == Path::new("") { shown.at.clone() } else { shown.at.join(rest) })
    });
    let kept = job.kept.iter().any(|kept| place.starts_with(kept));
    let open = names.map(|name| {
        let around = job.shown.iter().filter(|shown| name.starts_with(&shown.at));
        let innermost = around.max_by_key(|shown| shown.at.components().count()).unwrap();
        if innermost.access == Access::Write && !kept { Seen::Writable } else { Seen::Readable }
    });
    let base = if job.base == Base::Host { Seen::Readable } else { Seen::Hidden };
    open.max().unwrap_or(Seen::Hidden).max(base)
}

/// What was asked for, by where the paths lead.
fn wanted(files: &FilesPolicy, place: &Path) -> Seen {
    let real = |paths: &[PathBuf]| paths.iter().map(|path| path.canonicalize().unwrap()).collect::<Vec<_>>();
    let (read, write) = (real(&files.read), real(&files.write));
    // A tree named for reading inside of one named for writing is only read.
    let inside = |path: &&PathBuf| write.iter().any(|tree| path.starts_with(tree)) && !write.contains(path);
    let kept = read.iter().filter(inside).cloned().chain(real(&files.kept)).collect();
    FilesPolicy { read, write, hidden: real(&files.hidden), kept }.allows(place)
}

fn assert_within(job: &Job, bound: &Policy) {
    let (limits, most) = (&job.limits, &bound.limits);
    assert!(most.wall_time.is_none_or(|most| limits.wall_time <= most));
    assert!(most.cpu_time.is_none_or(|most| limits.cpu_time <= most));
    assert!(most.memory.is_none_or(|most| limits.memory <= most));
    assert!(most.processes.is_none_or(|most| limits.processes <= most));
    assert!(most.threads.is_none_or(|most| limits.threads <= most));
    assert!(most.descriptors.is_none_or(|most| limits.descriptors <= most));
    assert!(most.file_size.is_none_or(|most| limits.file_size <= most));
    assert!(most.tmp_size.is_none_or(|most| limits.tmp_size <= most));
    assert!(most.tmp_inodes.is_none_or(|most| limits.tmp_inodes <= most));
    assert!(most.output.is_none_or(|most| limits.output <= most));
    assert!(most.cpu_percent.is_none_or(|most| limits.cpu_percent.is_some_and(|percent| percent <= most)));
    assert_eq!(job.network.meet(&bound.network), job.network);
    assert_eq!(job.capabilities.meet(bound.capabilities), job.capabilities);
    assert!(job.hostile_calls >= bound.hostile_calls);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_program_gets_exactly_what_was_asked_for_and_every_bound_allows(asked in asked(), bounds in vec(bound(), 1..4)) {
        let Plan { launches, .. } = plan(&request(asked.clone(), &bounds)).unwrap();
        for launch in &launches {
            for bound in &bounds {
                assert_within(&launch.job, bound);
            }
            for place in places().iter().map(|place| below(&root(), place)) {
                let allowed = bounds.iter().map(|bound| bound.files.allows(&place)).min().unwrap();
                let expected = allowed.min(wanted(&asked.files, &place));
                prop_assert_eq!(seen(&launch.job, &place), expected, "{}: {:?}", place.display(), launch.job.shown);
            }
            let lost = asked.network != launch.job.network;
            prop_assert_eq!(launch.clamped.iter().any(|clamp| clamp.what == "network"), lost);
        }
    }

    /// A bound that says nothing takes nothing away.
    #[test]
    fn an_open_bound_changes_no_plan(asked in asked()) {
        let places: Vec<PathBuf> = places().iter().map(|place| below(&root(), place)).collect();
        let free = plan(&request(asked.clone(), &[])).unwrap();
        let bound = plan(&request(asked, &[Policy::open()])).unwrap();
        let (free, bound) = (&free.launches[0], &bound.launches[0]);
        prop_assert_eq!((&free.job.limits, &free.job.network), (&bound.job.limits, &bound.job.network));
        for place in &places {
            // Who names a tree for writing and one in it for reading may only read there.
            prop_assert_eq!(seen(&free.job, place), seen(&bound.job, place));
        }
        prop_assert_eq!(&free.clamped, &bound.clamped);
    }

    /// The order of bounds is the order in which a ceiling and policies happen to be found.
    #[test]
    fn the_order_of_bounds_does_not_matter(asked in asked(), first in bound(), second in bound()) {
        let one = plan(&request(asked.clone(), &[first.clone(), second.clone()])).unwrap();
        let other = plan(&request(asked, &[second, first])).unwrap();
        let (one, other) = (&one.launches[0].job, &other.launches[0].job);
        prop_assert_eq!((&one.limits, &one.network), (&other.limits, &other.network));
        for place in places().iter().map(|place| below(&root(), place)) {
            prop_assert_eq!(seen(one, &place), seen(other, &place));
        }
    }
}

/// The compiler too is a program that somebody else wrote the input for.
#[test]
fn both_stages_of_a_compiled_language_are_within_a_bound() {
    if !palisade_testkit::need("gcc") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("main.c");
    std::fs::write(&file, "int main(void) { return 0; }").unwrap();
    let limits = LimitsAsk {
        wall_time: Some(Duration::from_secs(3)),
        cpu_time: Some(Duration::from_secs(2)),
        memory: Some(Bytes::mib(100)),
        processes: Some(3),
        threads: Some(9),
        descriptors: Some(50),
        file_size: Some(Bytes::mib(3)),
        tmp_size: Some(Bytes::mib(5)),
        tmp_inodes: Some(77),
        output: Some(Bytes(1000)),
        cpu_percent: Some(50),
    };
    let bound = Policy { limits, hostile_calls: HostileCalls::Kill, ..Policy::open() };
    let source = Program::Source { file, language: None, siblings: Siblings::Hidden };
    let request = Request { program: source, ..request(Policy::default(), std::slice::from_ref(&bound)) };
    let launches = plan(&request).unwrap().launches;
    assert_eq!(launches.len(), 2);
    for launch in &launches {
        assert_within(&launch.job, &bound);
    }
}

/// What a runtime is told to use follows what it really gets.
#[test]
fn a_language_is_told_of_no_more_memory_than_it_gets() {
    if !palisade_testkit::need("node") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("main.js");
    std::fs::write(&file, "").unwrap();
    let told = |policy: Policy, bounds: &[Policy]| {
        let source = Program::Source { file: file.clone(), language: None, siblings: Siblings::Hidden };
        let plan = plan(&Request { program: source, ..request(policy, bounds) }).unwrap();
        let words = plan.launches[0].job.command.join(" ");
        words.split("--max-old-space-size=").nth(1).unwrap().split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let most =
        |mib| Policy { limits: LimitsAsk { memory: Some(Bytes::mib(mib)), ..LimitsAsk::default() }, ..Policy::open() };
    let asked = |mib| Policy {
        limits: LimitsAsk { memory: Some(Bytes::mib(mib)), ..LimitsAsk::default() },
        ..Policy::default()
    };
    assert!(told(Policy::default(), &[most(100)]) < 100);
    assert!(told(asked(2000), &[most(100)]) < 100);
    assert!(told(asked(2000), &[most(4000)]) > 100);
}

fn refusal(error: StartError) -> String {
    let StartError::NoBackend { refusals } = error else { panic!("{error}") };
    refusals.iter().map(ToString::to_string).collect()
}

#[test]
fn without_a_wall_nothing_can_be_forbidden() {
    let none = |bound: Policy| {
        let request = Request { backend: Backend::None, ..request(Policy::default(), &[bound]) };
        plan(&request).map(|plan| plan.backend).map_err(Box::new)
    };
    for bound in [
        Policy { files: FilesPolicy { hidden: vec!["/x".into()], ..FilesPolicy::open() }, ..Policy::open() },
        Policy { files: FilesPolicy { write: Vec::new(), ..FilesPolicy::open() }, ..Policy::open() },
        Policy { network: NetworkPolicy::Loopback, ..Policy::open() },
        Policy { capabilities: Capabilities::default(), ..Policy::open() },
        Policy { hostile_calls: HostileCalls::Kill, ..Policy::open() },
    ] {
        let refusal = refusal(*none(bound).unwrap_err());
        assert!(refusal.contains("the policy bound forbids some of them"), "{refusal}");
    }
    let limits = LimitsAsk { memory: Some(Bytes::mib(64)), ..LimitsAsk::default() };
    assert_eq!(none(Policy { limits, ..Policy::open() }).unwrap(), Backend::None, "limits hold without a wall");
}
