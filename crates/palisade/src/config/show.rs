//! Every effective value with where it comes from, as rows. Not here: printing them.

use palisade_spec::Limits;
use serde::Serialize;

use super::{
    Settled, Value, Worded,
    origin::Origin,
    word::{Count, Percent},
};

/// One key, its value, and who said it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// As it is written in a file.
    pub key: String,
    /// What holds.
    pub value: Value,
    /// Who says so.
    pub from: Origin,
}

impl Settled {
    /// Every key, also those that nobody said. A limit that nobody said is the language's.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = vec![match &self.settings.profile {
            Some(said) => {
                Row { key: "profile".to_owned(), value: Value::Text(said.value.0.clone()), from: said.by.clone() }
            }
            None => Row { key: "profile".to_owned(), value: Value::List(Vec::new()), from: Origin::BuiltIn },
        }];
        for (key, said) in self.settings.rows() {
            let (value, from) = match said {
                Some((value, from)) => (value, from.clone()),
                None => (self.unsaid(key), Origin::BuiltIn),
            };
            rows.push(Row { key: key.to_owned(), value, from });
        }
        rows.extend(self.language_rows());
        for (name, said) in &self.settings.environment {
            let value = Value::Text(said.value.0.clone());
            rows.push(Row { key: format!("environment.{name}"), value, from: said.by.clone() });
        }
        let (memory, time) = (&self.settings.cost_memory, &self.settings.cost_time);
        for (key, said, price) in [("cost.memory", memory, self.rates.memory), ("cost.time", time, self.rates.time)] {
            let from = said.as_ref().map_or(Origin::BuiltIn, |said| said.by.clone());
            rows.push(Row { key: key.to_owned(), value: price.shown(), from });
        }
        let by = |said: Option<&Origin>| said.cloned().unwrap_or(Origin::BuiltIn);
        let (policy, fail_on) = (&self.settings.check_policy, &self.settings.check_fail_on);
        rows.push(Row {
            key: "check.policy".to_owned(),
            value: self.check_policy.shown(),
            from: by(policy.as_ref().map(|said| &said.by)),
        });
        rows.push(Row {
            key: "check.fail_on".to_owned(),
            value: self.check_fail_on.shown(),
            from: by(fail_on.as_ref().map(|said| &said.by)),
        });
        rows
    }

    /// What holds for a key that nobody said.
    fn unsaid(&self, key: &str) -> Value {
        let by_language = |value: Value| Value::Text(format!("by language; {value} for a command"));
        let Limits {
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
        } = self.policy.limits.clone().or_default();
        match key {
            "backend" => self.backend.shown(),
            "time_limit" => by_language(wall_time.shown()),
            "cpu_time_limit" => by_language(cpu_time.shown()),
            "memory_limit" => by_language(memory.shown()),
            "cpu_limit" => cpu_percent.map_or_else(|| Value::Text("none".to_owned()), |it| Percent(it).shown()),
            "process_limit" => by_language(Count(processes).shown()),
            "thread_limit" => by_language(Count(threads).shown()),
            "descriptor_limit" => Count(descriptors).shown(),
            "file_size_limit" => file_size.shown(),
            "tmp_size" => by_language(tmp_size.shown()),
            "tmp_inodes" => Count(tmp_inodes).shown(),
            "output_limit" => output.shown(),
            "on_output_limit" => self.policy.output_excess.shown(),
            "on_hostile_call" => self.policy.hostile_calls.shown(),
            "strict" => Value::Flag(false),
            "require" => self.policy.strength.shown(),
            "check" => Value::Text("off".to_owned()),
            "network" | "filesystem" | "env" => Value::Text("none".to_owned()),
            "allow_ports" if self.settings.allow_domains.is_some() => Value::Text("80, 443".to_owned()),
            "dns" if self.settings.allow_domains.is_some() => Value::Text("the host's".to_owned()),
            _ => Value::List(Vec::new()),
        }
    }
}
