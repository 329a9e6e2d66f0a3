//! A policy as the text of a policy file: what `read` reads back as the same.

use std::{fmt::Write, path::PathBuf};

use palisade_spec::{
    Bytes, Capabilities, Dns, FilesPolicy, HostileCalls, LimitsAsk, NamedPolicy, NetworkPolicy, OutputExcess, Strength,
    Strictness,
};
use toml::Value;

use super::read::Mode;

/// The policy in its normal form, as TOML. What is open is left out.
#[must_use]
pub fn to_toml(named: &NamedPolicy, mode: Option<Mode>) -> String {
    let policy = named.policy.normal();
    let mut text = Text(String::new());
    text.line("id", named.id.as_str());
    text.line("name", named.name.as_str());
    text.line("description", named.description.as_str());
    match mode {
        Some(Mode::Clamp) => text.line("mode", "clamp"),
        Some(Mode::Refuse) => text.line("mode", "refuse"),
        None => {}
    }
    if let Some(time) = policy.limits.wall_time {
        text.line("max_time", humantime::format_duration(time).to_string());
    }
    if policy.capabilities != Capabilities::all() {
        text.line("capabilities", policy.capabilities.names().collect::<Vec<_>>());
    }
    if policy.hostile_calls == HostileCalls::Kill {
        text.line("on_hostile_call", "kill");
    }
    if policy.output_excess == OutputExcess::Kill {
        text.line("on_output_limit", "kill");
    }
    if policy.strictness == Strictness::RefuseWeakened {
        text.line("strict", true);
    }
    if policy.strength != Strength::None {
        text.line("require", policy.strength.to_string());
    }
    text.network(&policy.network);
    text.maxima(&policy.limits);
    text.files(&policy.files);
    text.0
}

struct Text(String);

impl Text {
    fn line(&mut self, key: &str, value: impl Into<Value>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{key} = {}", value.into());
    }

    fn table(&mut self, name: &str) {
        let _ = writeln!(self.0, "\n[{name}]");
    }

    fn network(&mut self, network: &NetworkPolicy) {
        let outbound = match network {
            NetworkPolicy::AllowAll => return,
            NetworkPolicy::None => "none",
            NetworkPolicy::Loopback => "loopback",
            NetworkPolicy::Custom(_) => "custom",
        };
        self.table("network");
        self.line("outbound", outbound);
        if let NetworkPolicy::Custom(destinations) = network {
            let of_host = |(host, ports): (&palisade_spec::Host, &palisade_spec::Ports)| {
                let ranges = ports.to_string().replace('*', "1-65535");
                ranges.split(',').map(|range| format!("{host}:{range}")).collect::<Vec<_>>()
            };
            self.line("endpoints", destinations.hosts().flat_map(of_host).collect::<Vec<_>>());
            if let Dns::Only(servers) = destinations.dns() {
                self.line("dns", servers.iter().map(ToString::to_string).collect::<Vec<_>>());
            }
        }
    }

    fn maxima(&mut self, limits: &LimitsAsk) {
        // Every field by name, so that a new limit cannot be forgotten here. The first stands above the tables.
        let LimitsAsk {
            wall_time: _,
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
        } = limits;
        let size = |size: &Option<Bytes>| size.map(exact);
        let count = |count: &Option<u32>| count.map(|count| Value::Integer(count.into()));
        let all = [
            ("cpu_time", cpu_time.map(|time| humantime::format_duration(time).to_string().into())),
            ("memory", size(memory)),
            ("processes", count(processes)),
            ("threads", count(threads)),
            ("descriptors", count(descriptors)),
            ("file_size", size(file_size)),
            ("tmp_size", size(tmp_size)),
            ("tmp_inodes", count(tmp_inodes)),
            ("output", size(output)),
            ("cpu_percent", count(cpu_percent)),
        ];
        if all.iter().any(|(_, value)| value.is_some()) {
            self.table("maxima");
        }
        for (key, value) in all {
            value.into_iter().for_each(|value: Value| self.line(key, value));
        }
    }

    fn files(&mut self, files: &FilesPolicy) {
        let list = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        let open = FilesPolicy::open().normal();
        let is_open = (&files.read, &files.write) == (&open.read, &open.write);
        if is_open && files.hidden.is_empty() {
            return;
        }
        self.table("files");
        if !is_open {
            self.line("read_only", list(&files.read));
            self.line("writable", list(&files.write));
        }
        if !files.hidden.is_empty() {
            self.line("hidden", list(&files.hidden));
        }
    }
}

/// A size with the largest unit that keeps it exact.
fn exact(bytes: Bytes) -> Value {
    for (shift, unit) in [(40, "T"), (30, "G"), (20, "M"), (10, "K")] {
        if bytes.0 != 0 && bytes.0.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes.0 >> shift).into();
        }
    }
    // TOML has no numbers beyond this, and sizes neither.
    i64::try_from(bytes.0).unwrap_or(i64::MAX).into()
}
