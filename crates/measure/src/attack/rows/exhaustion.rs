//! More of something than the program may have. Each is bounded, so that it is harmless where nobody stops it, and asks for at
//! least twice what its policy allows.

use std::{fs, time::Duration};

use palisade_spec::{Bytes, Guarantee, LimitsAsk};

use super::{Staged, row};
use crate::attack::{
    Attack, Group,
    ground::Ground,
    host::{Attacker, memory_of_descendants},
    scene::{Scene, Told},
};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[Attack] = &[
    on(Guarantee::Processes, "fork-bomb", "has 60 children at once, where 8 processes are allowed", "they all live", |_| Ok(fork_bomb())),
    on(Guarantee::Processes, "thread-bomb", "has 80 threads at once, where 16 are allowed", "they all live", |_| Ok(thread_bomb())),
    on(Guarantee::Processes, "zombie-flood", "has 60 dead children that nobody waits for, where 16 are allowed", "they all fill the table of processes", |_| Ok(zombies())),
    on(Guarantee::Memory, "memory", "uses 160 MiB, where 64 are allowed", "it has them", |_| Ok(memory(&["memory", "160"], 160))),
    on(Guarantee::Memory, "memory-of-many", "uses 26 MiB in each of 6 processes, where 64 are allowed to all", "they have them", |_| Ok(memory(&["memory-many", "26", "6"], 150))),
    on(Guarantee::Memory, "memory-file", "uses 160 MiB of a file in memory, where 64 are allowed", "it has them", |_| Ok(memory(&["memory-memfd", "160"], 160))),
    on(Guarantee::Memory, "descriptors", "has 2000 open descriptors, where 100 are allowed", "it has them", |_| Ok(descriptors())),
    on(Guarantee::Disk, "fill-disk", "writes 48 MiB to /tmp, where 16 are allowed", "they are there", |_| Ok(fill_disk())),
    on(Guarantee::Disk, "fill-inodes", "makes 1000 files in /tmp, where 300 are allowed", "they are there", |_| Ok(fill_inodes())),
    on(Guarantee::Disk, "large-file", "makes a file of 8 GiB, where 100 MiB are allowed", "it is there", |_| Ok(large_file())),
    on(Guarantee::Disk, "flood-output", "prints 16 MiB, where 1 is allowed", "they have arrived", |_| Ok(flood())),
    on(Guarantee::Cpu, "burn-processor", "computes for 1 s, where 0.2 s of processor time are allowed", "it has used twice as much", |_| Ok(burn())),
    on(Guarantee::Time, "ignore-signals", "ignores every signal for 1 s, where 0.2 s are allowed", "it lives to the end", |_| Ok(lives("ignore-signals"))),
    on(Guarantee::Time, "stand-still", "stops itself for 1 s, where 0.2 s are allowed", "it lives to the end", |_| Ok(lives("stop-everything"))),
];

const fn on(
    guarantee: Guarantee,
    name: &'static str,
    about: &'static str,
    effect: &'static str,
    stage: fn(&Ground) -> Staged,
) -> Attack {
    row(Group::Exhaustion, guarantee, name, about, effect, stage)
}

/// Most of a second: the clock of whoever looks began a little later than the attacker's.
const LONG: Duration = Duration::from_millis(900);

/// A look that counts, and what makes the effect.
fn reaches(
    goal: u64,
    what: &'static str,
    count: impl Fn(&[Attacker]) -> u64 + 'static,
) -> impl FnMut(&[Attacker]) -> Option<String> {
    move |attackers| {
        let seen = count(attackers);
        (seen >= goal).then(|| format!("the host has {seen} {what} of it"))
    }
}

fn fork_bomb() -> Scene {
    let limits = LimitsAsk { processes: Some(8), threads: Some(12), ..LimitsAsk::default() };
    let count = |attackers: &[Attacker]| attackers.len() as u64;
    Scene::of(["fork-bomb", "60"]).limits(limits).held(reaches(60, "processes", count))
}

fn thread_bomb() -> Scene {
    let limits = LimitsAsk { threads: Some(16), ..LimitsAsk::default() };
    let threads = |one: &Attacker| one.status("Threads").and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let count = move |attackers: &[Attacker]| attackers.iter().map(threads).sum();
    Scene::of(["thread-bomb", "80"]).limits(limits).held(reaches(80, "threads", count))
}

fn zombies() -> Scene {
    let limits = LimitsAsk { processes: Some(16), threads: Some(16), ..LimitsAsk::default() };
    let count = |attackers: &[Attacker]| {
        let children = attackers.iter().flat_map(|one| one.children());
        children.filter(|child| child.state() == Some('Z')).count() as u64
    };
    Scene::of(["zombie-flood", "60"]).limits(limits).held(reaches(60, "dead processes", count))
}

fn memory(words: &[&str], goal: u64) -> Scene {
    // A file in memory shall not end at the limit of files.
    let limits = LimitsAsk { memory: Some(Bytes::mib(64)), file_size: Some(Bytes::mib(1024)), ..LimitsAsk::default() };
    // Where the attackers are no processes of the host, what the wall's own have.
    let count = |attackers: &[Attacker]| match attackers.iter().map(|one| one.memory()).sum::<u64>() {
        0 => memory_of_descendants() >> 20,
        bytes => bytes >> 20,
    };
    Scene::of(words.iter().copied()).limits(limits).held(reaches(goal, "MiB of memory", count))
}

fn descriptors() -> Scene {
    let count = |attackers: &[Attacker]| attackers.iter().map(|one| one.descriptors().len() as u64).max().unwrap_or(0);
    Scene::of(["descriptors", "2000"]).held(reaches(2000, "descriptors", count))
}

/// The largest answer that a descriptor of an attacker's gives.
fn largest(attackers: &[Attacker], size: impl Fn(&std::path::Path) -> Option<u64>) -> u64 {
    let descriptors = attackers.iter().flat_map(|one| one.descriptors());
    let hostile = descriptors.filter(|fd| fd.target.contains("palisade-hostile-"));
    hostile.filter_map(|fd| size(&fd.path)).max().unwrap_or(0)
}

fn fill_disk() -> Scene {
    use std::os::unix::fs::MetadataExt;
    let limits = LimitsAsk { tmp_size: Some(Bytes::mib(16)), ..LimitsAsk::default() };
    // Blocks of 512 bytes, as stat(2) has them.
    let size = |path: &std::path::Path| fs::metadata(path).ok().map(|data| data.blocks() >> 11);
    let count = move |attackers: &[Attacker]| largest(attackers, size);
    Scene::of(["tmpfs-fill", "/tmp", "50331648"]).limits(limits).held(reaches(48, "MiB in a file", count))
}

fn fill_inodes() -> Scene {
    let limits = LimitsAsk { tmp_inodes: Some(300), ..LimitsAsk::default() };
    let size = |path: &std::path::Path| fs::read_dir(path).ok().map(|entries| entries.count() as u64);
    let count = move |attackers: &[Attacker]| largest(attackers, size);
    Scene::of(["inode-fill", "/tmp", "1000"]).limits(limits).held(reaches(1000, "files", count))
}

fn large_file() -> Scene {
    let size = |path: &std::path::Path| fs::metadata(path).ok().map(|data| data.len() >> 30);
    let count = move |attackers: &[Attacker]| largest(attackers, size);
    Scene::of(["file-size", "/tmp", "8589934592"]).held(reaches(8, "GiB in a file", count))
}

fn flood() -> Scene {
    let limits = LimitsAsk { output: Some(Bytes::mib(1)), ..LimitsAsk::default() };
    let mut scene = Scene::of(["output-flood", "16777216"])
        .limits(limits)
        .after(|told| (told.bytes >= 16 << 20).then(|| format!("{} bytes of output have arrived", told.bytes)));
    // What is passed on as it comes is for the caller to stop reading.
    scene.output_is_kept = true;
    scene
}

fn burn() -> Scene {
    let limits = LimitsAsk { cpu_time: Some(Duration::from_millis(200)), ..LimitsAsk::default() };
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    // proc_pid_stat(5): 14 to 17, user and system time of its own and of the children that it has waited for, in ticks.
    let time = |one: &Attacker| (14..18).filter_map(|field| one.number(field)).sum::<i64>().max(0) as u64;
    let count = move |attackers: &[Attacker]| attackers.iter().map(time).sum::<u64>() * 1000 / ticks;
    Scene::of(["cpu-burn", "1", "1"]).limits(limits).held(reaches(400, "ms of processor time", count))
}

fn lives(operation: &str) -> Scene {
    let limits = LimitsAsk { wall_time: Some(Duration::from_millis(200)), ..LimitsAsk::default() };
    // It says so after a second; nobody can say it before.
    Scene::of([operation, "1"]).limits(limits).after(|told: &Told| {
        (told.believes() && told.took >= LONG).then(|| format!("it spoke after {} ms", told.took.as_millis()))
    })
}
