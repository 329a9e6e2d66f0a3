//! Command words with placeholders: `"--max-old-space-size={memory-mb:75%}"`.
//!
//! In: text from a definition and, later, the values of one job. Out: the filled word. A placeholder that does not exist
//! is found when the definition is read, so that filling cannot fail. Not here: which placeholders make sense in which
//! key (`definition`).

use super::error::Flaw;

/// A text with placeholders, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    /// Path of the source file inside the sandbox.
    Source,
    /// Path of what the compile step makes: under /build there, under /work in the run step.
    Artefact,
    /// Path of our own binary inside the sandbox.
    Palisade,
    /// File name of the source as the user called it, without extension.
    Name,
    /// Extension of the source file.
    Extension,
    /// Name that the source itself demands for its file.
    Declared,
    /// What to start, as found in the source.
    Entry,
    /// Text of the program that holds a session.
    Driver,
    /// Directory of the program by which an interpreter waits for its source.
    Zygote,
    /// Absolute path of a tool.
    Tool(String),
    /// This many percent of the memory limit, in MiB.
    MemoryMb(u64),
}

pub(super) const KNOWN: &str = "source artefact palisade name extension declared entry tool.ID memory-mb memory-mb:N%";

impl Words {
    /// Takes `text` apart. `{{` and `}}` stand for one brace.
    pub(super) fn parse(text: &str) -> Result<Self, Flaw> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from_brace) = rest.split_at(at);
            plain.push_str(before);
            if let Some(after) = from_brace.strip_prefix("{{").or_else(|| from_brace.strip_prefix("}}")) {
                plain.push_str(&from_brace[..1]);
                rest = after;
                continue;
            }
            let inner = from_brace.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let Some((name, after)) = inner else { return Err(Flaw::UnclosedBrace(text.to_owned())) };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::named(name).ok_or_else(|| Flaw::UnknownPlaceholder(name.to_owned(), KNOWN.to_owned()))?);
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        if parts.is_empty() { Err(Flaw::Empty) } else { Ok(Self(parts)) }
    }

    /// The placeholders and texts in order.
    pub(super) fn parts(&self) -> &[Part] {
        &self.0
    }

    /// The tools that the text mentions.
    pub(super) fn tools(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Tool(id) => Some(id.as_str()),
            _ => None,
        })
    }

    /// The text with `value` in the place of each placeholder.
    pub(super) fn fill<E>(&self, mut value: impl FnMut(&Part) -> Result<String, E>) -> Result<String, E> {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                placeholder => filled.push_str(&value(placeholder)?),
            }
        }
        Ok(filled)
    }
}

impl Part {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "source" => Self::Source,
            "artefact" => Self::Artefact,
            "palisade" => Self::Palisade,
            "name" => Self::Name,
            "extension" => Self::Extension,
            "declared" => Self::Declared,
            "entry" => Self::Entry,
            "driver" => Self::Driver,
            "zygote" => Self::Zygote,
            "memory-mb" => Self::MemoryMb(100),
            _ => {
                if let Some(id) = name.strip_prefix("tool.") {
                    return (!id.is_empty()).then(|| Self::Tool(id.to_owned()));
                }
                let percent = name.strip_prefix("memory-mb:")?.strip_suffix('%')?.parse().ok()?;
                return (1..=100).contains(&percent).then_some(Self::MemoryMb(percent));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        let words = Words::parse(text).unwrap();
        words.fill(|part| Ok::<_, Flaw>(format!("<{part:?}>"))).unwrap()
    }

    #[test]
    fn placeholders_are_filled_and_doubled_braces_stay() {
        assert_eq!(filled("-o{artefact}"), "-o<Artefact>");
        assert_eq!(filled("a{{b}}{source}c"), "a{b}<Source>c");
        assert_eq!(filled("-Xmx{memory-mb:60%}m"), "-Xmx<MemoryMb(60)>m");
    }

    #[test]
    fn an_unknown_placeholder_is_refused_by_name() {
        for wrong in ["{sauce}", "{}", "{tool.}", "{memory-mb:101%}", "{memory-mb:0%}", "{memory-mb:x%}", "{Source}"] {
            let flaw = Words::parse(wrong).unwrap_err();
            assert!(flaw.to_string().contains(&format!("`{wrong}`")), "{flaw}");
        }
    }

    #[test]
    fn a_brace_that_is_not_closed_is_refused() {
        for wrong in ["{source", "source}", "a{b{c"] {
            assert_eq!(Words::parse(wrong), Err(Flaw::UnclosedBrace(wrong.to_owned())));
        }
        assert_eq!(Words::parse(""), Err(Flaw::Empty));
    }
}
