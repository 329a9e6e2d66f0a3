//! Whether anything grows while launches go on.
//!
//! Launch after launch through the library in this process, and now and then a look at what it holds and has left: memory,
//! descriptors, threads, children, cgroups, mounts. Not here: what launches take.

use std::{
    ffi::OsString,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use palisade::{
    run,
    spec::{Backend, Request},
};
use palisade_sys::Life;
use serde::Serialize;

use super::{CostError, Step, request, stats, success, system_program};
use crate::{
    host::Host,
    show::{Align, Table},
    stats::Stats,
};

/// Name and version of the JSON form.
const SCHEMA: &str = "palisade.bench-soak/1";

/// Looks that a soak has, if it is long enough for one each 10 ms.
const LOOKS: u32 = 60;

/// Memory that may come and go without being growth, in bytes: what an allocator keeps, and pages of code that are used for the
/// first time.
const SLACK: u64 = 512 << 10;

/// What has become of this process and its host.
#[derive(Clone, Debug, Serialize)]
pub struct Soak {
    /// Name and version of this form.
    pub schema: &'static str,
    /// What it was measured on.
    pub host: Host,
    /// How long it went on, in seconds.
    pub seconds: f64,
    /// How many launches there were.
    pub launches: u64,
    /// Milliseconds of each launch.
    pub launch_ms: Stats,
    /// What was looked at.
    pub tracks: Vec<Track>,
    /// Whether none of them has grown.
    pub flat: bool,
    /// Each look, for a chart.
    pub looks: Vec<Look>,
}

/// One thing that was looked at again and again.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Track {
    /// What.
    pub name: &'static str,
    /// At the first look after the start, which is after the first sixth of the time: caches are filled by then.
    pub first: u64,
    /// The least since then.
    pub least: u64,
    /// The most since then.
    pub most: u64,
    /// At the end.
    pub last: u64,
    /// Whether it has not grown: of memory, not by more than half a MiB; of everything else, not at all.
    pub flat: bool,
}

/// What there is between two launches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Look {
    /// Seconds since the start.
    pub at: f64,
    /// Launches until then.
    pub launches: u64,
    /// Memory of this process that is not of files, in bytes.
    pub memory: u64,
    /// Its open descriptors.
    pub descriptors: u64,
    /// Its threads.
    pub threads: u64,
    /// Its children.
    pub children: u64,
    /// Groups that it has made and that are there.
    pub cgroups: u64,
    /// Mounts of its mount namespace that a sandbox has made: their source is `palisade`.
    pub mounts: u64,
    /// All mounts there. Whoever else mounts something counts, so it is not judged.
    pub mounts_of_all: u64,
}

/// What is looked at: its name, its place in a look, and how much more of it is no growth.
type Watched = (&'static str, fn(&Look) -> u64, u64);

const TRACKS: [Watched; 6] = [
    ("memory (bytes)", |look| look.memory, SLACK),
    ("descriptors", |look| look.descriptors, 0),
    ("threads", |look| look.threads, 0),
    ("children", |look| look.children, 0),
    ("cgroups", |look| look.cgroups, 0),
    ("mounts", |look| look.mounts, 0),
];

/// Launches for this long. `step` is called after each launch.
///
/// # Errors
/// If palisade cannot launch here, or `step` has ended it.
pub fn soak(duration: Duration, step: Step<'_>) -> Result<Soak, CostError> {
    let words = [OsString::from(system_program("true")?)];
    let native = Request { backend: Backend::Native, ..request(&words) };
    let begun = Instant::now();
    let between = (duration / LOOKS).max(Duration::from_millis(10));
    let (mut looks, mut took, mut launches) = (Vec::new(), Vec::new(), 0_u64);
    // One at least, then one after each stretch of time.
    while launches == 0 || begun.elapsed() < duration {
        let next = begun.elapsed() + between;
        loop {
            let launched = Instant::now();
            let report = run(native.clone())?;
            success(&report).map_err(CostError::failed("palisade"))?;
            launches += 1;
            remember(&mut took, launches, crate::race::ms(launched.elapsed()));
            if step().is_break() {
                return Err(CostError::Cancelled);
            }
            if begun.elapsed() >= next {
                break;
            }
        }
        looks.push(look(begun.elapsed().as_secs_f64(), launches)?);
    }
    let tracks: Vec<Track> = TRACKS.into_iter().filter_map(|track| followed(&looks, track)).collect();
    Ok(Soak {
        schema: SCHEMA,
        host: Host::now(),
        seconds: begun.elapsed().as_secs_f64(),
        launches,
        launch_ms: stats(&took),
        flat: tracks.iter().all(|track| track.flat),
        tracks,
        looks,
    })
}

/// Times that are kept: an hour's would themselves be growth. Room is taken at once.
const KEPT: usize = 4096;

fn remember(took: &mut Vec<f64>, launches: u64, ms: f64) {
    if took.is_empty() {
        took.reserve_exact(KEPT);
    }
    if took.len() < KEPT {
        took.push(ms);
    } else {
        // Of each, every launch has been the last one: the latest ones are kept.
        took[usize::try_from(launches).unwrap_or(0) % KEPT] = ms;
    }
}

fn look(at: f64, launches: u64) -> Result<Look, CostError> {
    let names = |path: &str| fs::read_dir(path).map(|entries| entries.flatten().count() as u64);
    let status = fs::read_to_string("/proc/self/status").map_err(CostError::system("read /proc/self/status"))?;
    let field = |name: &str| -> u64 {
        status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(CostError::system("read /proc/self/mountinfo"))?;
    Ok(Look {
        at,
        launches,
        memory: field("RssAnon:") << 10,
        descriptors: names("/proc/self/fd").map_err(CostError::system("read /proc/self/fd"))?,
        threads: field("Threads:"),
        children: children(),
        cgroups: groups(Path::new("/sys/fs/cgroup"), &format!("palisade-{}-", Life::own())),
        // Behind the hyphen: type, source, options (proc_pid_mountinfo(5)).
        mounts: mounts.lines().filter(|line| line.split(" - ").nth(1).is_some_and(is_ours)).count() as u64,
        mounts_of_all: mounts.lines().count() as u64,
    })
}

fn is_ours(mount: &str) -> bool {
    mount.split(' ').nth(1) == Some("palisade")
}

/// Children of any thread, those that have ended and were not waited for among them.
fn children() -> u64 {
    let own = std::process::id().to_string();
    let parent = |pid: &str| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some(stat.rsplit_once(") ")?.1.split(' ').nth(1)? == own)
    };
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter(|entry| entry.file_name().to_str().and_then(parent).unwrap_or(false)).count() as u64
}

/// Groups below a directory whose names begin like this.
fn groups(directory: &Path, prefix: &str) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| u64::from(entry.file_name().to_string_lossy().starts_with(prefix)) + groups(&entry.path(), prefix))
        .sum()
}

fn followed(looks: &[Look], (name, of, slack): Watched) -> Option<Track> {
    let since = looks.get(looks.len() / 6..)?;
    let (first, last) = (of(since.first()?), of(since.last()?));
    let (least, most) = since.iter().map(of).fold((first, first), |(low, high), one| (low.min(one), high.max(one)));
    Some(Track { name, first, least, most, last, flat: last <= first + slack })
}

impl Soak {
    /// A table.
    #[must_use]
    pub fn text(&self) -> String {
        let columns = [("", Align::Left), ("then", Align::Right), ("least", Align::Right), ("most", Align::Right)];
        let mut table =
            Table::new(&columns.into_iter().chain([("now", Align::Right), ("", Align::Left)]).collect::<Vec<_>>());
        for track in &self.tracks {
            let numbers = [track.first, track.least, track.most, track.last].map(|number| number.to_string());
            let word = if track.flat { "flat" } else { "GROWN" }.to_owned();
            table.row([track.name.to_owned()].into_iter().chain(numbers).chain([word]));
        }
        format!(
            "{}\n\n{} launches by one process in {:.1} s, {:.2} ms each (median); then: after a sixth of the time\n{}",
            self.host,
            self.launches,
            self.seconds,
            self.launch_ms.median,
            table.text(&|_, _, word| word),
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn looks(memory: &[u64], descriptors: &[u64]) -> Vec<Look> {
        let look = |(memory, descriptors): (&u64, &u64)| Look {
            at: 0.0,
            launches: 1,
            memory: *memory,
            descriptors: *descriptors,
            threads: 1,
            children: 0,
            cgroups: 0,
            mounts: 0,
            mounts_of_all: 29,
        };
        memory.iter().zip(descriptors).map(look).collect()
    }

    #[test]
    fn one_descriptor_more_is_growth_and_a_little_memory_is_not() {
        let looks = looks(&[1 << 20, (1 << 20) + 4096, (1 << 20) + SLACK], &[5, 6, 6]);
        let flat = TRACKS.map(|track| followed(&looks, track).unwrap().flat);
        assert_eq!(flat, [true, false, true, true, true, true]);
        let more = self::looks(&[1 << 20, (1 << 20) + SLACK + 1], &[5, 5]);
        assert!(!followed(&more, TRACKS[0]).unwrap().flat);
    }

    #[test]
    fn a_sandbox_s_mount_is_told_from_others() {
        assert!(is_ours("tmpfs palisade rw,size=4096k"));
        assert!(!is_ours("tmpfs tmpfs rw") && !is_ours("overlay overlay rw,lowerdir=/palisade"));
    }

    #[test]
    fn what_grows_while_caches_fill_is_no_growth() {
        let looks = looks(&[0, 1 << 30, 1 << 30, 1 << 30, 1 << 30, 1 << 30], &[1, 5, 5, 9, 5, 5]);
        let [memory, descriptors] = [0, 1].map(|index| followed(&looks, TRACKS[index]).unwrap());
        assert!(memory.flat && descriptors.flat, "{memory:?} {descriptors:?}");
        assert_eq!((descriptors.first, descriptors.most, descriptors.last), (5, 9, 5));
    }
}
