//! Single values of a configuration file: text or a number, read by the same code as the command line's.
//!
//! In: what TOML holds at one place. Out: a typed value, or a message that says what could stand there. Not here: which keys
//! there are (`file.rs`).

use std::{borrow::Cow, collections::BTreeMap, fmt, net::IpAddr, path::PathBuf, time::Duration};

use palisade_spec::{
    Backend, Bytes, Capabilities, DestinationError, Endpoint, Host, HostileCalls, OutputExcess, Ports, Severity,
    Strength, parse_duration, parse_rate,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, Visitor},
};

use super::check::{OTHERS_HOME, not_expanded};

/// A value with how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word<T>(pub T);

/// How values of a type are written.
pub trait Worded: Clone {
    /// What can stand in a file.
    const FORM: Form;
    /// The value of a text, or why there is none.
    ///
    /// # Errors
    /// A sentence for people.
    fn read(text: &str) -> Result<Self, String>;
    /// The value as it is written.
    fn shown(&self) -> Value;
}

/// What can stand in a file.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Text such as the example, which has this name.
    Text(&'static str, &'static str),
    /// The same, or a whole number.
    TextOrNumber(&'static str, &'static str),
    /// A whole number from 1.
    Number(&'static str),
    /// A number from 0, with or without a fraction.
    Price(&'static str),
}

/// A value as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A switch.
    Flag(bool),
    /// A number.
    Number(u64),
    /// A price.
    Price(f64),
    /// Anything that is written as text.
    Text(String),
    /// A list.
    List(Vec<Self>),
    /// Names with values.
    Table(BTreeMap<String, Self>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Price(price) => write!(f, "{price}"),
            Self::Text(text) => f.write_str(text),
            Self::List(list) if list.is_empty() => f.write_str("nothing"),
            Self::List(list) => f.write_str(&list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
            Self::Table(table) => {
                f.write_str(&table.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl<'de, T: Worded> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordVisitor(std::marker::PhantomData))
    }
}

struct WordVisitor<T>(std::marker::PhantomData<T>);

impl<T: Worded> Visitor<'_> for WordVisitor<T> {
    type Value = Word<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match T::FORM {
            Form::OneOf(words) => write!(f, "one of \"{}\"", words.join("\", \"")),
            Form::Text(what, example) | Form::TextOrNumber(what, example) => write!(f, "{what}, such as \"{example}\""),
            Form::Number(what) | Form::Price(what) => f.write_str(what),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Word<T>, E> {
        match T::FORM {
            Form::OneOf(words) if !words.contains(&text) => Err(E::unknown_variant(text, words)),
            Form::Number(_) | Form::Price(_) => Err(E::invalid_type(serde::de::Unexpected::Str(text), &self)),
            _ => T::read(text).map(Word).map_err(E::custom),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Word<T>, E> {
        match T::FORM {
            Form::TextOrNumber(..) | Form::Number(_) | Form::Price(_) => {
                T::read(&number.to_string()).map(Word).map_err(E::custom)
            }
            _ => Err(E::invalid_type(serde::de::Unexpected::Signed(number), &self)),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Word<T>, E> {
        match T::FORM {
            Form::Price(_) => T::read(&number.to_string()).map(Word).map_err(E::custom),
            _ => Err(E::invalid_type(serde::de::Unexpected::Float(number), &self)),
        }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Word<T>, E> {
        self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl<T: Worded> JsonSchema for Word<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        std::any::type_name::<Self>().into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        match T::FORM {
            Form::OneOf(words) => json_schema!({ "type": "string", "enum": words }),
            Form::Text(_, example) => json_schema!({ "type": "string", "minLength": 1, "examples": [example] }),
            Form::TextOrNumber(_, example) => {
                json_schema!({ "type": ["string", "integer"], "minimum": 0, "examples": [example] })
            }
            Form::Number(_) => json_schema!({ "type": "integer", "minimum": 1, "maximum": u32::MAX }),
            Form::Price(_) => json_schema!({ "type": "number", "minimum": 0 }),
        }
    }
}

/// The name of a network mode, without its lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkMode {
    /// Nothing.
    None,
    /// Its own loopback.
    Loopback,
    /// The destinations of the lists.
    Custom,
    /// All of the host's network.
    AllowAll,
}

/// The name of a file mode, without its lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilesMode {
    /// The toolchain alone.
    None,
    /// All of the host's files, to be read.
    ReadOnly,
    /// The paths of the lists.
    Custom,
}

/// A number of things, not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub u32);

/// Percent of one processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(pub u32);

/// A set of fixed words.
macro_rules! words {
    ($type:ty: $($word:literal = $value:path),+) => {
        impl Worded for $type {
            const FORM: Form = Form::OneOf(&[$($word),+]);

            fn read(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok($value),)+
                    _ => Err(format!("`{text}` is not one of {}", [$($word),+].join(", "))),
                }
            }

            fn shown(&self) -> Value {
                Value::Text(match self { $($value => $word,)+ }.to_owned())
            }
        }
    };
}

words!(NetworkMode: "none" = Self::None, "loopback" = Self::Loopback, "custom" = Self::Custom, "allow-all" = Self::AllowAll);
words!(FilesMode: "none" = Self::None, "read-only" = Self::ReadOnly, "custom" = Self::Custom);
words!(HostileCalls: "deny" = Self::Deny, "kill" = Self::Kill);
words!(Strength: "none" = Self::None, "partial" = Self::Partial, "namespaces" = Self::Namespaces,
    "user-space-kernel" = Self::UserSpaceKernel, "hardware" = Self::Hardware);
words!(OutputExcess: "cut" = Self::Cut, "kill" = Self::Kill);
words!(Severity: "note" = Self::Note, "warning" = Self::Warning, "error" = Self::Error);

/// A type that has its own reader and writer.
macro_rules! texts {
    ($($type:ty, $form:expr, $read:expr, $shown:expr;)+) => {$(
        impl Worded for $type {
            const FORM: Form = $form;

            fn read(text: &str) -> Result<Self, String> {
                $read(text)
            }

            fn shown(&self) -> Value {
                $shown(self)
            }
        }
    )+};
}

fn said<E: fmt::Display>(error: E) -> String {
    error.to_string()
}

texts! {
    Backend, Form::OneOf(&Backend::NAMES), |text: &str| text.parse().map_err(said),
        |it: &Self| Value::Text(it.to_string());
    Duration, Form::Text("a duration with its unit", "10s"), |text: &str| parse_duration(text).map_err(said),
        |it: &Self| Value::Text(humantime::format_duration(*it).to_string());
    Bytes, Form::TextOrNumber("a size", "500M"), |text: &str| text.parse().map_err(said), size;
    Percent, Form::TextOrNumber("percent of one processor", "80%"), percent,
        |it: &Self| Value::Number(it.0.into());
    Count, Form::Number("a whole number from 1"), count, |it: &Self| Value::Number(it.0.into());
    Host, Form::Text("a host", "*.example.org"), |text: &str| text.parse().map_err(said),
        |it: &Self| Value::Text(it.to_string());
    Ports, Form::TextOrNumber("a port or a range of ports", "8000-8100"), |text: &str| text.parse().map_err(said),
        |it: &Self| Value::Text(it.to_string());
    Endpoint, Form::Text("an endpoint", "example.org:443"), |text: &str| text.parse().map_err(said),
        |it: &Self| Value::Text(format!("{}:{}", it.host, it.ports));
    IpAddr, Form::Text("the address of a name server", "192.0.2.53"),
        |text: &str| text.parse().map_err(|_| DestinationError::Server(text.to_owned()).to_string()),
        |it: &Self| Value::Text(it.to_string());
    Capabilities, Form::Text("a capability", "CAP_NET_BIND_SERVICE"), |text: &str| text.parse().map_err(said),
        |it: &Self| Value::Text(it.to_string());
    PathBuf, Form::Text("a path", "~/data"), path, |it: &Self| Value::Text(it.display().to_string());
    f64, Form::Price("a price"), |text: &str| parse_rate(text).map_err(said), |it: &Self| Value::Price(*it);
    String, Form::TextOrNumber("a text", "name"), |text: &str| Ok(text.to_owned()), |it: &Self| Value::Text(it.clone());
}

fn size(bytes: &Bytes) -> Value {
    Value::Text(bytes.to_string())
}

/// Reads percent of one processor: `80` or `80%`.
///
/// # Errors
/// If it is no number, zero, or more than 1000 processors.
pub fn percent(text: &str) -> Result<Percent, String> {
    match text.strip_suffix('%').unwrap_or(text).parse() {
        Ok(0) => Err(zero()),
        Ok(percent) if percent <= 100_000 => Ok(Percent(percent)),
        Ok(_) => Err(format!("`{text}` is too large: at most 100000 is possible")),
        Err(_) => Err(format!("`{text}` is not percent of one processor: write a whole number, such as 80")),
    }
}

/// Reads a number of things.
///
/// # Errors
/// If it is no number or zero.
pub fn count(text: &str) -> Result<Count, String> {
    match text.parse() {
        Ok(0) => Err(zero()),
        Ok(number) => Ok(Count(number)),
        Err(_) => Err(format!("write a whole number from 1 to {}", u32::MAX)),
    }
}

fn zero() -> String {
    "0 would allow nothing, and palisade has no \"0 means unlimited\": give a positive number".to_owned()
}

fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() || text.contains('\0') {
        return Err(format!("`{}` is not a path", text.escape_debug()));
    }
    if text.starts_with('~') && !text.trim_end_matches('/').eq("~") && !text.starts_with("~/") {
        return Err(format!("{}: {OTHERS_HOME}", not_expanded(text.as_ref())));
    }
    Ok(text.into())
}

/// What a key holds.
pub trait Holds {
    /// It as it is shown.
    fn shown(&self) -> Value;
}

impl<T: Worded> Holds for Word<T> {
    fn shown(&self) -> Value {
        self.0.shown()
    }
}

impl<T: Worded> Holds for Vec<Word<T>> {
    fn shown(&self) -> Value {
        Value::List(self.iter().map(Holds::shown).collect())
    }
}

impl Holds for bool {
    fn shown(&self) -> Value {
        Value::Flag(*self)
    }
}
