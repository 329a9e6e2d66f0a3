//! What a configuration file can say: the types that parse it and that its JSON Schema is made from.
//!
//! In: a file's text. Out: [`File`], whose tables become [`Settings`] with the origin of each value. Not here: how single
//! values are written (`word.rs`), which of several sources holds (`merge.rs`).

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Component, Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use palisade_spec::{
    Backend, Bytes, Capabilities, Endpoint, Host, HostileCalls, OutputExcess, Ports, Severity, Strength,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::{
    origin::{Origin, Said, Spot, Text},
    word::{Count, FilesMode, Holds, NetworkMode, Percent, Value, Word},
};
use crate::{
    diagnose::{Malformed, Mistake},
    policies::is_file_name,
};

/// A configuration file of palisade: `palisade.toml` or `simple.toml`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(title = "palisade.toml")]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct File {
    /// What programs may do.
    pub(super) sandbox: Sandbox,
    /// Prices that `palisade advise` counts with.
    pub(super) cost: Cost,
    /// What the validator looks for.
    pub(super) check: Check,
}

/// What `palisade check` and runs that are checked look for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct Check {
    /// The validation policy: default, permissive, strict, or a file (with a slash or ".toml").
    policy: Field<Word<String>>,
    /// The least severity that fails: note, warning or error.
    fail_on: Field<Word<Severity>>,
}

impl Check {
    /// The same settings with these.
    pub(super) fn within(self, settings: Settings, from: &From, base: &Base<'_>) -> Settings {
        let check_policy = self.policy.said(from).map(|mut said| {
            base.policy_file(&mut said.value);
            said
        });
        Settings { check_policy, check_fail_on: self.fail_on.said(from), ..settings }
    }
}

/// Prices, in dollars or whatever you count in.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct Cost {
    /// For each MiB of the memory limit.
    memory: Field<Word<f64>>,
    /// For each second of the processor time limit.
    time: Field<Word<f64>>,
}

impl Cost {
    const KEYS: [&str; 2] = ["memory", "time"];

    /// The same settings with these prices.
    pub(super) fn within(self, settings: Settings, from: &From) -> Settings {
        Settings { cost_memory: self.memory.said(from), cost_time: self.time.said(from), ..settings }
    }
}

/// A key of a table: absent, or a value with its place.
#[derive(Debug)]
pub(super) struct Field<T>(Option<Spanned<T>>);

impl<T> Default for Field<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(|value| Self(Some(value)))
    }
}

impl<T: JsonSchema> JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T> Field<T> {
    fn said(self, from: &From) -> Option<Said<T>> {
        self.0.map(|spanned| Said { by: from.origin(spanned.span()), value: spanned.into_inner() })
    }
}

/// Which text a table stands in.
#[derive(Clone, Debug)]
pub(super) enum From {
    /// A file, perhaps a profile in it.
    File(Arc<Text>, Option<Arc<str>>),
    /// A shipped profile.
    Shipped(&'static str),
}

impl From {
    fn origin(&self, span: std::ops::Range<usize>) -> Origin {
        match self {
            Self::File(text, profile) => Origin::File(Spot { text: text.clone(), span, profile: profile.clone() }),
            Self::Shipped(profile) => Origin::Shipped(profile),
        }
    }
}

/// Variables of the environment, each a key of its own.
type Variables = BTreeMap<String, Spanned<Word<String>>>;

/// Limits of programs in single languages, by the languages' names.
type Languages = BTreeMap<Spanned<String>, LanguageTable>;

/// The keys that `[sandbox]` and every profile have, and the same keys as [`Settings`]; of these, the limits again for single
/// languages.
macro_rules! keys {
    ({ $($wall:tt)+ } limits { $($limit:tt)+ } { $($rest:tt)+ }) => {
        all_keys! { $($wall)+ $($limit)+ $($rest)+ }
        limit_keys! { $($limit)+ }
    };
}

macro_rules! limit_keys {
    ($($(#[doc = $doc:literal])+ $key:ident: $type:ty,)+) => {
        /// Limits of programs in one language. They go before those beside them, and behind those of nearer sources.
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default, expecting = "a table")]
        pub(super) struct LanguageTable {
            $($(#[doc = $doc])+ $key: Field<$type>,)+
        }

        impl LanguageTable {
            fn settings(self, from: &From) -> Settings {
                Settings { $($key: self.$key.said(from),)+ ..Settings::default() }
            }
        }

        impl Settings {
            /// The limits with their values and who said them, if somebody did.
            pub(super) fn limit_rows(&self) -> Vec<(&'static str, Option<(Value, &Origin)>)> {
                vec![$((stringify!($key), self.$key.as_ref().map(|said| (said.value.shown(), &said.by))),)+]
            }
        }
    };
}

macro_rules! all_keys {
    ($($(#[doc = $doc:literal])+ $key:ident: $type:ty,)+) => {
        /// What programs may do, how much they may use, and behind which wall.
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default, expecting = "a table")]
        pub(super) struct Sandbox {
            $($(#[doc = $doc])+ $key: Field<$type>,)+
            /// Variables that programs get. Each is a key of its own: a nearer source adds to it and replaces single ones.
            #[schemars(with = "BTreeMap<String, Word<String>>")]
            environment: Variables,
            /// Limits of programs in single languages: "python", "java", and others.
            #[schemars(with = "BTreeMap<String, LanguageTable>")]
            pub(super) languages: Languages,
            /// The profile that holds if none is named on the command line. The keys beside it go before its own.
            profile: Field<Word<String>>,
            /// Named sets of these keys.
            #[schemars(with = "BTreeMap<String, Profile>")]
            pub(super) profiles: BTreeMap<Spanned<String>, Profile>,
        }

        /// A profile: keys of `[sandbox]` under a name.
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default, expecting = "a table")]
        pub(super) struct Profile {
            $($(#[doc = $doc])+ $key: Field<$type>,)+
            /// Variables that programs get.
            #[schemars(with = "BTreeMap<String, Word<String>>")]
            environment: Variables,
            /// Limits of programs in single languages.
            #[schemars(with = "BTreeMap<String, LanguageTable>")]
            pub(super) languages: Languages,
            /// The profile that says what this one leaves open.
            extends: Field<Word<String>>,
        }

        /// What one source says, or several together. Paths in it are absolute, but for those of the command line.
        #[derive(Clone, Debug, Default, PartialEq)]
        #[non_exhaustive]
        pub struct Settings {
            $($(#[doc = $doc])+ pub $key: Option<Said<$type>>,)+
            /// Variables that programs get.
            pub environment: BTreeMap<String, Said<Word<String>>>,
            /// Limits of programs in single languages; nothing else is said in them.
            pub languages: BTreeMap<String, Self>,
            /// Price of a MiB of the memory limit.
            pub cost_memory: Option<Said<Word<f64>>>,
            /// Price of a second of the processor time limit.
            pub cost_time: Option<Said<Word<f64>>>,
            /// The validation policy.
            pub check_policy: Option<Said<Word<String>>>,
            /// The least severity that fails.
            pub check_fail_on: Option<Said<Word<Severity>>>,
            /// The profile that was chosen.
            pub profile: Option<Said<Word<String>>>,
            /// The profile that says what this one leaves open.
            pub(super) extends: Option<Said<Word<String>>>,
        }

        impl Sandbox {
            /// Its keys.
            const KEYS: &[&str] = &[$(stringify!($key),)+ "environment", "languages", "profile", "profiles"];

            /// What `[sandbox]` says outside of its profiles.
            pub(super) fn settings(self, from: &From, base: &Base<'_>) -> Settings {
                Settings {
                    $($key: self.$key.said(from),)+
                    environment: variables(self.environment, from),
                    languages: languages(self.languages, from),
                    profile: self.profile.said(from),
                    ..Settings::default()
                }
                .based(base)
            }
        }

        impl Profile {
            /// What a profile says.
            pub(super) fn settings(self, from: &From, base: &Base<'_>) -> Settings {
                Settings {
                    $($key: self.$key.said(from),)+
                    environment: variables(self.environment, from),
                    languages: languages(self.languages, from),
                    extends: self.extends.said(from),
                    ..Settings::default()
                }
                .based(base)
            }
        }

        impl Settings {
            /// This, and where it is silent, what `farther` says.
            pub(super) fn or(mut self, farther: Self) -> Self {
                for (name, value) in farther.environment {
                    self.environment.entry(name).or_insert(value);
                }
                for (name, limits) in farther.languages {
                    let nearer = self.languages.remove(&name).unwrap_or_default();
                    self.languages.insert(name, nearer.or(limits));
                }
                Self {
                    $($key: self.$key.or(farther.$key),)+
                    environment: self.environment,
                    languages: self.languages,
                    cost_memory: self.cost_memory.or(farther.cost_memory),
                    cost_time: self.cost_time.or(farther.cost_time),
                    check_policy: self.check_policy.or(farther.check_policy),
                    check_fail_on: self.check_fail_on.or(farther.check_fail_on),
                    profile: self.profile.or(farther.profile),
                    extends: self.extends.or(farther.extends),
                }
            }

            /// Every key with its value and who said it, if somebody did.
            pub(super) fn rows(&self) -> Vec<(&'static str, Option<(Value, &Origin)>)> {
                vec![$((stringify!($key), self.$key.as_ref().map(|said| (said.value.shown(), &said.by))),)+]
            }
        }
    };
}

keys! { {
    /// The wall: auto (the first of this host that holds everything), native, none, or another by its name. One that is named and
    /// cannot be used is a refusal, never replaced.
    backend: Word<Backend>,
} limits {
    /// Elapsed time, such as "10s" or "1m30s".
    time_limit: Word<Duration>,
    /// Processor time of all processes together.
    cpu_time_limit: Word<Duration>,
    /// Memory of all processes together, swap and /tmp included, such as "500M" (K, M, G: powers of 1024).
    memory_limit: Word<Bytes>,
    /// Percent of one processor.
    cpu_limit: Word<Percent>,
    /// Processes at one time.
    process_limit: Word<Count>,
    /// Threads of all processes at one time.
    thread_limit: Word<Count>,
    /// Open descriptors of each process.
    descriptor_limit: Word<Count>,
    /// Size of each file written.
    file_size_limit: Word<Bytes>,
    /// Size of the private /tmp.
    tmp_size: Word<Bytes>,
    /// Files and directories in the private /tmp.
    tmp_inodes: Word<Count>,
    /// Bytes of each output stream.
    output_limit: Word<Bytes>,
} {
    /// What happens at the output limit.
    on_output_limit: Word<OutputExcess>,
    /// What happens at a system call that only an attack needs.
    on_hostile_call: Word<HostileCalls>,
    /// Refuse to run if a protection would be weaker than asked for.
    strict: bool,
    /// The weakest wall that will do.
    require: Word<Strength>,
    /// Privileges of capabilities(7) that programs may hold.
    capabilities: Vec<Word<Capabilities>>,
    /// The network: none, loopback (its own), custom (the destinations of the keys below), allow-all (the host's, whole).
    network: Word<NetworkMode>,
    /// Hosts that may be reached at the ports of allow_ports: names, "*.example.org", addresses, ranges of addresses.
    allow_domains: Vec<Word<Host>>,
    /// Ports of allow_domains: 443 or "8000-8100". Unsaid: 80 and 443.
    allow_ports: Vec<Word<Ports>>,
    /// Single destinations: "example.org:443".
    allow_endpoints: Vec<Word<Endpoint>>,
    /// Name servers that may be asked. Unsaid: the host's own. Empty: none.
    dns: Vec<Word<IpAddr>>,
    /// The host's files: none (but the toolchain), read-only (all of them but credentials), custom (the paths of the keys
    /// below).
    filesystem: Word<FilesMode>,
    /// Host files and directories that can be read, relative to the file's directory.
    allow_read: Vec<Word<PathBuf>>,
    /// Host files and directories that can be changed, relative to the file's directory.
    allow_write: Vec<Word<PathBuf>>,
    /// Host directory that programs start in and can change, relative to the file's directory.
    workspace: Word<PathBuf>,
    /// Host files and directories that cannot be seen even where a wider path is shown. Lists of all sources add up.
    hidden: Vec<Word<PathBuf>>,
    /// Security policies that narrow the run, by their ids or as files (with a slash or ".toml"). Lists of all sources add up.
    policy: Vec<Word<String>>,
    /// The environment to run in, by its name.
    env: Word<String>,
    /// Look at a source file before it is run: off, on (by the policy of `[check]`), or a validation policy.
    check: Word<String>,
} }

fn languages(table: Languages, from: &From) -> BTreeMap<String, Settings> {
    table.into_iter().map(|(name, limits)| (name.into_inner(), limits.settings(from))).collect()
}

fn variables(table: Variables, from: &From) -> BTreeMap<String, Said<Word<String>>> {
    let said = |value: Spanned<Word<String>>| Said { by: from.origin(value.span()), value: value.into_inner() };
    table.into_iter().map(|(name, value)| (name, said(value))).collect()
}

/// What paths in a file are relative to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base<'a> {
    /// The directory of the file.
    pub(super) directory: &'a Path,
    /// What `~` is.
    pub(super) home: Option<&'a Path>,
}

impl Base<'_> {
    /// A policy that is a file is found from here.
    fn policy_file(&self, name: &mut Word<String>) {
        if is_file_name(&name.0) {
            name.0 = self.absolute(Path::new(&name.0)).to_string_lossy().into_owned();
        }
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        let path: PathBuf = match (path.strip_prefix("~"), self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            // Left as it is: `check.rs` says that nobody knows which home is meant.
            (Ok(_), None) => return path.to_owned(),
            _ if path.to_string_lossy().starts_with('~') => return path.to_owned(),
            _ => self.directory.join(path),
        }
        .components()
        .collect();
        // What stands before `..` may be a link, so only the file system knows where it leads.
        let climbs = path.components().any(|part| part == Component::ParentDir);
        if climbs { path.canonicalize().unwrap_or(path) } else { path }
    }
}

impl Settings {
    fn based(mut self, base: &Base<'_>) -> Self {
        for said in [&mut self.allow_read, &mut self.allow_write, &mut self.hidden].into_iter().flatten() {
            for path in &mut said.value {
                path.0 = base.absolute(&path.0);
            }
        }
        if let Some(workspace) = &mut self.workspace {
            workspace.value.0 = base.absolute(&workspace.value.0);
        }
        for policy in self.policy.iter_mut().flat_map(|said| &mut said.value) {
            base.policy_file(policy);
        }
        if let Some(check) = &mut self.check {
            base.policy_file(&mut check.value);
        }
        self
    }
}

/// Reads a file's text.
///
/// # Errors
/// [`Malformed`], at the first mistake.
pub(super) fn parse(text: &Text) -> Result<File, Malformed> {
    toml::from_str(&text.content).map_err(|error| {
        let mut mistake = Mistake::of_toml(&error);
        // serde's words for what TOML calls otherwise.
        mistake.message = mistake.message.replace("expected a sequence", "expected an array");
        mistake.message = mistake.message.replace("expected a map", "expected a table");
        if let Some(meant) = misplaced(error.message()) {
            mistake.instead = Some(meant);
        }
        if let (None, Some(key)) = (&mistake.instead, key_around(&text.content, mistake.span.start)) {
            mistake.instead = Some(format!("the value of `{key}`"));
        }
        Malformed::new(&text.name, &text.content, vec![mistake])
    })
}

/// Where a key belongs that is right in another table. In: serde's words for a key that is unknown in this one.
fn misplaced(message: &str) -> Option<String> {
    let (key, known) = message.strip_prefix("unknown field `")?.split_once('`')?;
    let knows = |key: &str| known.contains(&format!("`{key}`"));
    if key == "profile" && knows("extends") {
        return Some("a profile stands on another with `extends`".to_owned());
    }
    if key == "extends" && knows("profiles") {
        return Some("`extends` belongs into a profile; outside of one, choose one with `profile`".to_owned());
    }
    let is_outside = !knows("network");
    let table = if is_outside && Sandbox::KEYS.contains(&key) {
        "sandbox"
    } else if knows("sandbox") && Cost::KEYS.contains(&key) {
        "cost"
    } else {
        return None;
    };
    Some(format!("it belongs into [{table}]"))
}

/// The key whose value holds this byte, if the text is TOML at all.
fn key_around(text: &str, at: usize) -> Option<String> {
    fn within(table: &toml::de::DeTable<'_>, at: usize) -> Option<String> {
        table.iter().find_map(|(key, value)| {
            // A table's own span may be its header alone.
            let inner = value.get_ref().as_table().and_then(|table| within(table, at));
            inner.or_else(|| value.span().contains(&at).then(|| key.get_ref().to_string()))
        })
    }
    within(toml::de::DeTable::parse(text).ok()?.get_ref(), at)
}

/// The JSON Schema (2020-12) of the file, for editors.
#[must_use]
pub fn schema() -> String {
    let schema = schemars::schema_for!(File);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
