//! What narrowing took from a policy, field by field, in words for people.
//!
//! In: a policy before and after. Out: a [`Clamp`] for each field that allows less afterwards. Not here: narrowing itself
//! ([`Policy::meet`]).

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{FilesPolicy, HostileCalls, OutputExcess, Policy, Seen, Strictness};
use crate::{limits::LimitsAsk, report::Clamp};

/// Everything that `given` allows less of than `asked`; nothing if it allows as much. `because` stands in each of them.
///
/// `given` is expected to be within `asked`: what it allows beyond that is not told.
#[must_use]
pub fn changes(asked: &Policy, given: &Policy, because: &str) -> Vec<Clamp> {
    let mut list = List { because, all: Vec::new() };
    list.limits(&asked.limits, &given.limits);
    list.compare("network", &asked.network, &given.network);
    list.files(&asked.files.normal(), &given.files.normal());
    list.compare("capabilities", &asked.capabilities, &given.capabilities);
    list.compare("hostile-calls", &hostile(asked.hostile_calls), &hostile(given.hostile_calls));
    list.compare("output-excess", &excess(asked.output_excess), &excess(given.output_excess));
    list.compare("strictness", &strictness(asked.strictness), &strictness(given.strictness));
    list.compare("strength", &asked.strength, &given.strength);
    list.all
}

struct List<'a> {
    because: &'a str,
    all: Vec<Clamp>,
}

impl List<'_> {
    fn push(&mut self, what: &str, asked: String, given: String) {
        let because = self.because.to_owned();
        self.all.push(Clamp { what: what.to_owned(), asked, given, because });
    }

    fn compare<T: PartialEq + Display>(&mut self, what: &str, asked: &T, given: &T) {
        if asked != given {
            self.push(what, asked.to_string(), given.to_string());
        }
    }

    fn limits(&mut self, asked: &LimitsAsk, given: &LimitsAsk) {
        let time = |time: Option<Duration>| time.map_or_else(open, |time| humantime::format_duration(time).to_string());
        let value = |value: Option<String>| value.unwrap_or_else(open);
        // Every field by name, so that a new limit cannot be forgotten here.
        let LimitsAsk {
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
        } = asked;
        self.compare("wall-time", &time(*wall_time), &time(given.wall_time));
        self.compare("cpu-time", &time(*cpu_time), &time(given.cpu_time));
        for (what, asked, given) in [
            ("memory", memory, &given.memory),
            ("file-size", file_size, &given.file_size),
            ("tmp-size", tmp_size, &given.tmp_size),
            ("output", output, &given.output),
        ] {
            if asked != given {
                let size = |size: &Option<crate::Bytes>| value(size.map(|size| size.to_string()));
                self.push(what, size(asked), size(given));
            }
        }
        for (what, asked, given, unit) in [
            ("processes", processes, &given.processes, ""),
            ("threads", threads, &given.threads, ""),
            ("descriptors", descriptors, &given.descriptors, ""),
            ("tmp-inodes", tmp_inodes, &given.tmp_inodes, ""),
            ("cpu-percent", cpu_percent, &given.cpu_percent, " %"),
        ] {
            let count = |count: &Option<u32>| value(count.map(|count| format!("{count}{unit}")));
            self.compare(what, &count(asked), &count(given));
        }
    }

    fn files(&mut self, asked: &FilesPolicy, given: &FilesPolicy) {
        for (what, trees) in [("files.read-only", &asked.read), ("files.writable", &asked.write)] {
            let wanted = if what == "files.writable" { Seen::Writable } else { Seen::Readable };
            for tree in trees.iter().filter(|tree| given.allows(tree) < wanted) {
                self.push(what, tree.display().to_string(), rest(tree, wanted, given));
            }
        }
        for hidden in given.hidden.iter().filter(|hidden| asked.allows(hidden) > Seen::Hidden) {
            // A tree that is hidden whole has been told above.
            if !asked.read.iter().chain(&asked.write).any(|tree| tree.starts_with(hidden)) {
                self.push("files.hidden", hidden.display().to_string(), "hidden".to_owned());
            }
        }
        for kept in given.kept.iter().filter(|kept| asked.allows(kept) > Seen::Readable) {
            self.push("files.kept", kept.display().to_string(), "reading".to_owned());
        }
    }
}

/// What is left of a tree that was `wanted`.
fn rest(tree: &Path, wanted: Seen, given: &FilesPolicy) -> String {
    let below = |trees: &[PathBuf]| -> Vec<String> {
        trees.iter().filter(|part| part.starts_with(tree)).map(|part| part.display().to_string()).collect()
    };
    let mut left = below(&given.write);
    match wanted {
        Seen::Writable if given.allows(tree) == Seen::Readable => left.push("reading".to_owned()),
        Seen::Writable => left.extend(below(&given.read).iter().map(|part| format!("reading {part}"))),
        _ => left.extend(below(&given.read)),
    }
    if left.is_empty() { "nothing".to_owned() } else { left.join(", ") }
}

fn open() -> String {
    "open".to_owned()
}

const fn hostile(reaction: HostileCalls) -> &'static str {
    match reaction {
        HostileCalls::Deny => "deny",
        HostileCalls::Kill => "kill",
    }
}

const fn excess(reaction: OutputExcess) -> &'static str {
    match reaction {
        OutputExcess::Cut => "cut",
        OutputExcess::Kill => "kill",
    }
}

const fn strictness(strictness: Strictness) -> &'static str {
    match strictness {
        Strictness::ReportWeakened => "report-weakened",
        Strictness::RefuseWeakened => "refuse-weakened",
    }
}
