//! What ceilings and named policies leave of what was settled, row by row.
//!
//! In: [`Settled`], and the policies that it names. Out: the rows of which some are lower, with who lowers them. Not here: the
//! bounds themselves (`crate::bound`).

use palisade_spec::{Clamp, LimitsAsk, NamedPolicy, Policy};

use super::{
    Row, Settled, Value, Worded,
    languages::row_key,
    origin::Origin,
    word::{Count, Percent},
};
use crate::{
    bound::{Bounds, ask_of},
    error::StartError,
};

/// Limits that each language says for itself if nobody else does.
const BY_LANGUAGE: [&str; 6] =
    ["time_limit", "cpu_time_limit", "memory_limit", "process_limit", "thread_limit", "tmp_size"];
/// The destinations of a network that has any.
const DESTINATIONS: [&str; 4] = ["allow_domains", "allow_ports", "allow_endpoints", "dns"];

impl Settled {
    /// As [`Settled::rows`], with what the ceilings of this host and these policies leave of it.
    ///
    /// # Errors
    /// A ceiling that cannot be read or that refuses what was asked for.
    pub fn rows_within(&self, policies: &[NamedPolicy]) -> Result<Vec<Row>, StartError> {
        let bounds = Bounds::and(policies)?;
        let mut rows = self.rows();
        if bounds.is_empty() {
            return Ok(rows);
        }
        bounds.narrow(&self.policy)?;
        for name in self.languages.keys() {
            let policy = self.policy_in(name);
            bounds.narrow(&policy)?;
            let (left, lowered) = bounds.lower(&policy);
            for clamp in &lowered {
                for (key, value) in self.lowered(&left, clamp) {
                    let key = row_key(name, key);
                    if let Some(row) = rows.iter_mut().find(|row| row.key == key) {
                        *row = Row { key, value, from: by(clamp) };
                    }
                }
            }
        }
        let (left, lowered) = bounds.lower(&self.policy);
        for clamp in &lowered {
            for (key, value) in self.lowered(&left, clamp) {
                if let Some(row) = rows.iter_mut().find(|row| row.key == key) {
                    *row = Row { key: key.to_owned(), value, from: by(clamp) };
                }
            }
        }
        Ok(rows)
    }

    /// Whether the ceilings of this host and these policies can hold what was settled.
    ///
    /// # Errors
    /// A ceiling that cannot be read or that refuses what was asked for.
    pub fn check_within(&self, policies: &[NamedPolicy]) -> Result<(), StartError> {
        Bounds::and(policies)?.narrow(&self.policy).map(drop)
    }

    /// The keys that one change is about, with what is left.
    fn lowered(&self, left: &Policy, Clamp { what, given, .. }: &Clamp) -> Vec<(&'static str, Value)> {
        let word = || Value::Text(given.clone());
        let paths = |paths: &[std::path::PathBuf]| Value::List(paths.iter().map(Worded::shown).collect());
        let key = match what.as_str() {
            "network" => {
                let none = DESTINATIONS.map(|key| (key, Value::List(Vec::new())));
                return std::iter::once(("network", word())).chain(none).collect();
            }
            "files.read-only" => {
                let mut rows = vec![("allow_read", paths(&left.files.read))];
                let whole = |policy: &Policy| policy.files.read.iter().any(|path| path.parent().is_none());
                if whole(&self.policy) && !whole(left) {
                    rows.push(("filesystem", Value::Text("custom".to_owned())));
                }
                return rows;
            }
            "files.writable" => return vec![("allow_write", paths(&left.files.write))],
            "files.hidden" => return vec![("hidden", paths(&left.files.hidden))],
            "capabilities" => return vec![("capabilities", word())],
            "hostile-calls" => return vec![("on_hostile_call", word())],
            "output-excess" => return vec![("on_output_limit", word())],
            "strength" => return vec![("require", word())],
            "strictness" => return vec![("strict", Value::Flag(true))],
            "wall-time" => "time_limit",
            "cpu-time" => "cpu_time_limit",
            "memory" => "memory_limit",
            "processes" => "process_limit",
            "threads" => "thread_limit",
            "descriptors" => "descriptor_limit",
            "file-size" => "file_size_limit",
            "tmp-size" => "tmp_size",
            "tmp-inodes" => "tmp_inodes",
            "output" => "output_limit",
            "cpu-percent" => "cpu_limit",
            _ => return Vec::new(),
        };
        self.limit(key, &left.limits).map(|value| (key, value)).into_iter().collect()
    }

    /// A limit that is lower than what was said, or than what would hold if nobody says anything.
    fn limit(&self, key: &'static str, left: &LimitsAsk) -> Option<Value> {
        let most = shown(key, left)?;
        if shown(key, &self.policy.limits).is_some() {
            return Some(most);
        }
        let usual = ask_of(&LimitsAsk::default().or_default());
        let command = shown(key, &usual.meet(left))?;
        if BY_LANGUAGE.contains(&key) {
            return Some(Value::Text(format!("by language, at most {most}; {command} for a command")));
        }
        (shown(key, &usual) != Some(command.clone())).then_some(command)
    }
}

/// Who lowers it.
fn by(clamp: &Clamp) -> Origin {
    Origin::Bound(clamp.because.trim_start_matches("the ").to_owned())
}

fn shown(key: &str, limits: &LimitsAsk) -> Option<Value> {
    match key {
        "time_limit" => limits.wall_time.map(|it| it.shown()),
        "cpu_time_limit" => limits.cpu_time.map(|it| it.shown()),
        "memory_limit" => limits.memory.map(|it| it.shown()),
        "process_limit" => limits.processes.map(|it| Count(it).shown()),
        "thread_limit" => limits.threads.map(|it| Count(it).shown()),
        "descriptor_limit" => limits.descriptors.map(|it| Count(it).shown()),
        "file_size_limit" => limits.file_size.map(|it| it.shown()),
        "tmp_size" => limits.tmp_size.map(|it| it.shown()),
        "tmp_inodes" => limits.tmp_inodes.map(|it| Count(it).shown()),
        "output_limit" => limits.output.map(|it| it.shown()),
        "cpu_limit" => limits.cpu_percent.map(|it| Percent(it).shown()),
        _ => None,
    }
}
