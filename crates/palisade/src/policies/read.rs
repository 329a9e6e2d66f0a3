//! The text of a policy file, read with every mistake that is in it.
//!
//! In: TOML. Out: a [`Draft`], or all mistakes with their places. Not here: where files are looked for and whom they may
//! come from (`store`, `ceiling`), what a policy does (`bound`).

use std::{
    fmt::Display,
    ops::Range,
    path::{Component, Path, PathBuf},
    str::FromStr,
};

use palisade_spec::{
    Bytes, Capabilities, Destinations, Dns, Endpoint, Host, HostileCalls, NetworkPolicy, OutputExcess, Policy, Ports,
    Strictness, parse_duration,
};
use serde::{Deserialize, de::DeserializeOwned};
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue, ValueDeserializer},
};

use crate::diagnose::Mistake;

const TOP: [&str; 13] = [
    "id",
    "name",
    "description",
    "mode",
    "max_time",
    "capabilities",
    "on_hostile_call",
    "on_output_limit",
    "strict",
    "require",
    "network",
    "maxima",
    "files",
];
const NETWORK: [&str; 5] = ["outbound", "domains", "endpoints", "ports", "dns"];
const MAXIMA: [&str; 10] = [
    "cpu_time",
    "memory",
    "processes",
    "threads",
    "descriptors",
    "file_size",
    "tmp_size",
    "tmp_inodes",
    "output",
    "cpu_percent",
];
const FILES: [&str; 3] = ["read_only", "writable", "hidden"];

/// What a ceiling does with what exceeds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Lowers it, and says so.
    #[default]
    Clamp,
    /// Refuses to run.
    Refuse,
}

/// A policy file as it was written; what it does not say is open.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) id: Option<(String, Range<usize>)>,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) mode: Option<(Mode, Range<usize>)>,
    pub(crate) policy: Policy,
}

/// Reads the text of a policy file. `home` is what `~` stands for.
pub(crate) fn read(text: &str, home: &dyn Fn() -> Result<PathBuf, String>) -> (Draft, Vec<Mistake>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let draft = Draft { id: None, name: None, description: None, mode: None, policy: Policy::open() };
    let mut reader = Reader { draft, mistakes: errors.iter().map(Mistake::of_toml).collect(), home };
    // What was not read as TOML would be told again as something that is missing or wrong.
    if reader.mistakes.is_empty() {
        reader.top(table.get_ref());
    }
    (reader.draft, reader.mistakes)
}

type Value<'a> = Spanned<DeValue<'a>>;

struct Reader<'a> {
    draft: Draft,
    mistakes: Vec<Mistake>,
    home: &'a dyn Fn() -> Result<PathBuf, String>,
}

impl Reader<'_> {
    fn wrong(&mut self, span: Range<usize>, message: impl Display) {
        self.mistakes.push(Mistake::new(span, message));
    }

    fn top(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            let name: &str = key.get_ref();
            match name {
                "id" => self.draft.id = self.value(value).map(|id| (id, value.span())),
                "name" => self.draft.name = self.value(value),
                "description" => self.draft.description = self.value(value),
                "mode" => self.draft.mode = self.value(value).map(|mode| (mode, value.span())),
                "max_time" => self.draft.policy.limits.wall_time = self.with(value, parse_duration),
                "capabilities" => {
                    let all: Vec<Capabilities> = self.list(value);
                    self.draft.policy.capabilities = all.into_iter().fold(Capabilities::default(), Capabilities::join);
                }
                "on_hostile_call" => {
                    self.draft.policy.hostile_calls = self.value(value).unwrap_or(HostileCalls::Deny);
                }
                "on_output_limit" => self.draft.policy.output_excess = self.value(value).unwrap_or(OutputExcess::Cut),
                "require" => self.draft.policy.strength = self.value(value).unwrap_or_default(),
                "strict" => {
                    if self.value(value) == Some(true) {
                        self.draft.policy.strictness = Strictness::RefuseWeakened;
                    }
                }
                "network" => self.table(value, Self::network),
                "maxima" => self.table(value, Self::maxima),
                "files" => self.table(value, Self::files),
                _ => self.unknown(key, &TOP),
            }
        }
    }

    fn unknown(&mut self, key: &Spanned<std::borrow::Cow<'_, str>>, known: &[&str]) {
        let name: &str = key.get_ref();
        let elsewhere = [("network", &NETWORK[..]), ("maxima", &MAXIMA[..]), ("files", &FILES[..])];
        let mut mistake = Mistake::unknown_key(key.span(), name, known);
        if ["wall_time", "max_time", "time", "time_limit"].contains(&name) {
            mistake.instead = Some("elapsed time is `max_time`, above the first [table]".to_owned());
        } else if let Some((table, _)) = elsewhere.iter().find(|(_, keys)| keys.contains(&name)) {
            mistake.instead = Some(format!("it belongs into [{table}]"));
        } else if TOP.contains(&name) {
            mistake.instead = Some("it belongs above the first [table]".to_owned());
        }
        self.mistakes.push(mistake);
    }

    fn table(&mut self, value: &Value<'_>, read: fn(&mut Self, &DeTable<'_>, Range<usize>)) {
        match value.get_ref() {
            DeValue::Table(table) => read(self, table, value.span()),
            other => self.wrong(value.span(), format_args!("expected a table, found {}", other.type_str())),
        }
    }

    fn maxima(&mut self, table: &DeTable<'_>, _: Range<usize>) {
        for (key, value) in table {
            let name: &str = key.get_ref();
            let mut limits = std::mem::take(&mut self.draft.policy.limits);
            match name {
                "cpu_time" => limits.cpu_time = self.with(value, parse_duration),
                "memory" => limits.memory = self.size(value, crate::resolve::LEAST_MEMORY),
                "file_size" => limits.file_size = self.size(value, Bytes(1)),
                "tmp_size" => limits.tmp_size = self.size(value, Bytes(1)),
                "output" => limits.output = self.size(value, Bytes(1)),
                "processes" => limits.processes = self.count(value, 1),
                "threads" => limits.threads = self.count(value, 1),
                "descriptors" => limits.descriptors = self.count(value, crate::resolve::LEAST_DESCRIPTORS),
                "tmp_inodes" => limits.tmp_inodes = self.count(value, crate::resolve::LEAST_INODES),
                "cpu_percent" => limits.cpu_percent = self.count(value, 1),
                _ => self.unknown(key, &MAXIMA),
            }
            self.draft.policy.limits = limits;
        }
    }

    fn network(&mut self, table: &DeTable<'_>, span: Range<usize>) {
        #[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        enum Outbound {
            None,
            Loopback,
            Custom,
            AllowAll,
        }
        let (mut outbound, mut ports, mut dns) = (None, None, Dns::Any);
        let mut domains: Vec<Host> = Vec::new();
        let mut endpoints: Vec<Endpoint> = Vec::new();
        let mut chosen = None;
        for (key, value) in table {
            let name: &str = key.get_ref();
            match name {
                "outbound" => outbound = self.value(value).map(|outbound: Outbound| (outbound, value.span())),
                "domains" => domains = self.list(value),
                "endpoints" => endpoints = self.list(value),
                "ports" => {
                    let all: Vec<Ports> = self.list(value);
                    ports = Some(all.iter().fold(Ports::default(), |sum, more| sum.join(more)));
                }
                "dns" => dns = Dns::Only(self.list(value).into_iter().collect()),
                _ => self.unknown(key, &NETWORK),
            }
            if NETWORK.contains(&name) && name != "outbound" {
                chosen = Some((name.to_owned(), key.span()));
            }
        }
        let names_hosts = table.keys().any(|key| ["domains", "endpoints"].contains(&&**key.get_ref()));
        let custom = matches!(outbound, Some((Outbound::Custom, _)));
        if let Some((name, span)) = chosen.as_ref().filter(|_| !custom) {
            let mut mistake =
                Mistake::new(span.clone(), format_args!("`{name}` says nothing without outbound = \"custom\""));
            mistake.instead = Some("add outbound = \"custom\" to [network], or remove this".to_owned());
            self.mistakes.push(mistake);
        }
        self.draft.policy.network = match outbound {
            Some((Outbound::None, _)) => NetworkPolicy::None,
            Some((Outbound::Loopback, _)) => NetworkPolicy::Loopback,
            Some((Outbound::AllowAll, _)) => NetworkPolicy::AllowAll,
            Some((Outbound::Custom, place)) => {
                if !names_hosts && ports.is_none() {
                    let mut mistake = Mistake::new(place, "custom, and nothing that could be reached");
                    mistake.instead = Some("add domains, endpoints or ports, or write outbound = \"none\"".to_owned());
                    self.mistakes.push(mistake);
                }
                // Ports alone mean these ports of every host.
                if !names_hosts {
                    domains.push(Host::Any);
                }
                let ports = ports.unwrap_or_else(Ports::any);
                let pairs = domains.into_iter().map(|host| (host, ports.clone()));
                let pairs = pairs.chain(endpoints.into_iter().map(|endpoint| (endpoint.host, endpoint.ports)));
                NetworkPolicy::Custom(Destinations::new(pairs, dns))
            }
            None => {
                if chosen.is_none() && self.mistakes.is_empty() {
                    self.wrong(
                        span,
                        "[network] says nothing: write outbound = \"none\", \"loopback\", \"custom\" or \"allow-all\"",
                    );
                }
                NetworkPolicy::AllowAll
            }
        };
    }

    fn files(&mut self, table: &DeTable<'_>, _: Range<usize>) {
        let (mut read, mut write) = (None, None);
        for (key, value) in table {
            let name: &str = key.get_ref();
            match name {
                "read_only" => read = Some(self.paths(value)),
                "writable" => write = Some(self.paths(value)),
                "hidden" => {
                    self.draft.policy.files.hidden = self.paths(value);
                    if self.draft.policy.files.hidden.contains(&PathBuf::from("/")) {
                        self.wrong(value.span(), "hiding everything would leave no program to run");
                    }
                }
                _ => self.unknown(key, &FILES),
            }
        }
        let files = &mut self.draft.policy.files;
        // What can be written can be read: a list of what is readable that left writing open would limit nothing.
        if read.is_some() && write.is_none() {
            write = Some(Vec::new());
        }
        files.read = read.unwrap_or_else(|| std::mem::take(&mut files.read));
        files.write = write.unwrap_or_else(|| std::mem::take(&mut files.write));
    }

    fn value<T: DeserializeOwned>(&mut self, value: &Value<'_>) -> Option<T> {
        match T::deserialize(ValueDeserializer::from(value.clone())) {
            Ok(value) => Some(value),
            Err(error) => {
                let mistake = Mistake::of_toml(&error);
                // The place of the whole value, should the parser not know a better one.
                let span = if mistake.span.is_empty() { value.span() } else { mistake.span.clone() };
                self.mistakes.push(Mistake { span, ..mistake });
                None
            }
        }
    }

    fn with<T, E: Display>(&mut self, value: &Value<'_>, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        let text: String = self.value(value)?;
        parse(&text).map_err(|error| self.wrong(value.span(), error)).ok()
    }

    fn size(&mut self, value: &Value<'_>, least: Bytes) -> Option<Bytes> {
        let size = match value.get_ref() {
            DeValue::Integer(number) => {
                number.as_str().parse::<Bytes>().map_err(|error| self.wrong(value.span(), error)).ok()?
            }
            _ => self.with(value, Bytes::from_str)?,
        };
        if size < least {
            self.wrong(
                value.span(),
                format_args!("{size} is too little: no program could start with less than {least}"),
            );
        }
        Some(size)
    }

    fn count(&mut self, value: &Value<'_>, least: u32) -> Option<u32> {
        let count: u32 = self.value(value)?;
        if count < least {
            self.wrong(
                value.span(),
                format_args!("{count} is too few: no program could start with fewer than {least}"),
            );
        }
        Some(count)
    }

    /// Each element on its own, so that one mistake does not hide the next. A port may be a number.
    fn list<T: FromStr<Err: Display>>(&mut self, value: &Value<'_>) -> Vec<T> {
        let mut all = Vec::new();
        for element in self.elements(value) {
            let text = match element.get_ref() {
                DeValue::Integer(number) => Some(number.as_str().to_owned()),
                _ => self.value(element),
            };
            match text.as_deref().map(T::from_str) {
                Some(Ok(one)) => all.push(one),
                Some(Err(error)) => self.wrong(element.span(), error),
                None => {}
            }
        }
        all
    }

    fn elements<'v, 'i>(&mut self, value: &'v Value<'i>) -> &'v [Value<'i>] {
        let list: Option<&DeArray<'i>> = value.get_ref().as_array();
        if list.is_none() {
            let found = value.get_ref().type_str();
            self.wrong(value.span(), format_args!("expected a list in brackets, found {found}"));
        }
        list.map_or(&[], |list| list)
    }

    fn paths(&mut self, value: &Value<'_>) -> Vec<PathBuf> {
        let mut all = Vec::new();
        for element in self.elements(value) {
            if let Some(text) = self.value::<String>(element) {
                match absolute(&text, self.home) {
                    Ok(path) => all.push(path),
                    Err(because) => self.wrong(element.span(), because),
                }
            }
        }
        all
    }
}

/// A path that means the same wherever it is read: absolute, or below the home directory.
fn absolute(text: &str, home: &dyn Fn() -> Result<PathBuf, String>) -> Result<PathBuf, String> {
    let path = match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => home()?.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(text),
    };
    if !path.is_absolute() {
        return Err(format!("`{text}` is not an absolute path: begin with `/`, or with `~/` for the home directory"));
    }
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(format!("`{text}` has `..` in it: write the path without"));
    }
    if text.contains(['*', '\0']) {
        return Err(format!(
            "`{}` is not a path: `*` does not stand for other names here; a directory holds all that is in it",
            text.escape_debug()
        ));
    }
    // Without `//`, `/./` and a slash at the end.
    Ok(Path::new("/").join(path.components().filter(|part| *part != Component::RootDir).collect::<PathBuf>()))
}

/// Whether this can be the id of a policy: it is the name of a file too.
pub(crate) fn is_id(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text.len() <= 64 && text.bytes().all(good) && !text.starts_with(['.', '-'])
}
