//! Mistakes in TOML files, shown where they are.
//!
//! In: a file's text, and what is wrong at which bytes of it. Out: one [`Malformed`] that people can read: message, file,
//! line, column, the line itself, and what was probably meant. Not here: what a file may say.

use std::{fmt, ops::Range};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// One mistake in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where, in bytes; empty at 0 if it is about the whole.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub instead: Option<String>,
    /// Another place that has to do with it, and how.
    pub also: Option<(Range<usize>, String)>,
}

impl Mistake {
    /// A mistake at these bytes.
    #[must_use]
    pub fn new(span: Range<usize>, message: impl fmt::Display) -> Self {
        Self { span, message: message.to_string(), instead: None, also: None }
    }

    /// A key that is not among `known`, with the nearest that is.
    #[must_use]
    pub fn unknown_key(span: Range<usize>, key: &str, known: &[&str]) -> Self {
        let instead = match nearest(key, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "nothing can stand here".to_owned(),
            None => format!("known here: {}", known.join(", ")),
        };
        Self { span, message: format!("unknown key `{key}`"), instead: Some(instead), also: None }
    }

    /// The same, with another place that has to do with it.
    #[must_use]
    pub fn and(self, span: Range<usize>, how: impl fmt::Display) -> Self {
        Self { also: Some((span, how.to_string())), ..self }
    }

    /// What the parser or serde says. An unknown field or variant is told with the nearest known one.
    #[must_use]
    pub fn of_toml(error: &toml::de::Error) -> Self {
        let span = error.span().unwrap_or(0..0);
        let message = error.message().trim_end();
        let Some((kind, rest)) = ["unknown field `", "unknown variant `"]
            .iter()
            .find_map(|start| message.strip_prefix(start).map(|rest| (*start, rest)))
        else {
            return Self::new(span, message);
        };
        // serde: unknown field `x`, expected one of `a`, `b`; every second part stands between the marks.
        let mut quoted = rest.split('`').step_by(2);
        let word = quoted.next().unwrap_or_default().to_owned();
        let known: Vec<&str> = rest.split('`').skip(2).step_by(2).collect();
        let mistake = Self::unknown_key(span, &word, &known);
        if kind.contains("field") { mistake } else { Self { message: format!("unknown value `{word}`"), ..mistake } }
    }
}

/// The most similar of the known words, if one is similar at all.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |word: &str| word.to_ascii_lowercase().replace('-', "_");
    let wanted = plain(word);
    let alike = known.into_iter().map(|known| (strsim::jaro_winkler(&wanted, &plain(known)), known));
    alike.filter(|(likeness, _)| *likeness > 0.75).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

/// A file whose text is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.shown.trim_end())]
pub struct Malformed {
    /// The file as it was named.
    pub file: String,
    /// What is wrong with it, in the order of its lines; at least one.
    pub mistakes: Vec<Mistake>,
    shown: String,
}

impl Malformed {
    /// All that is wrong with this text.
    #[must_use]
    pub fn new(file: impl fmt::Display, text: &str, mut mistakes: Vec<Mistake>) -> Self {
        let file = file.to_string();
        mistakes.sort_by_key(|mistake| mistake.span.start);
        let mut shown = String::new();
        for mistake in &mistakes {
            let span = within(&mistake.span, text);
            let place = AnnotationKind::Primary.span(span).label(mistake.instead.as_deref());
            let also = mistake
                .also
                .as_ref()
                .map(|(span, how)| AnnotationKind::Context.span(within(span, text)).label(how.as_str()));
            let snippet = Snippet::source(text).path(file.as_str()).annotation(place).annotations(also);
            // `error:` is what the command line says before it.
            let level = if shown.is_empty() { Level::ERROR.no_name() } else { Level::ERROR };
            let group = level.primary_title(mistake.message.as_str()).element(snippet);
            shown.push_str(&Renderer::plain().render(&[group]));
            shown.push('\n');
        }
        Self { file, mistakes, shown }
    }
}

/// The span, moved to where the text can be cut.
fn within(span: &Range<usize>, text: &str) -> Range<usize> {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    start..text.ceil_char_boundary(span.end.clamp(start, text.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "snake_case")]
    struct Table {
        #[allow(dead_code, reason = "only read")]
        memory_limit: Option<String>,
        #[allow(dead_code, reason = "only read")]
        network: Option<Network>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Network {
        None,
        AllowAll,
    }

    fn said(text: &str) -> String {
        let error = toml::from_str::<Table>(text).unwrap_err();
        Malformed::new("some.toml", text, vec![Mistake::of_toml(&error)]).to_string()
    }

    #[test]
    fn an_unknown_key_is_shown_where_it_stands_with_the_nearest_right_one() {
        let said = said("# first\nmemory-limt = '5M'\n");
        assert_eq!(
            said,
            "unknown key `memory-limt`\n --> some.toml:2:1\n  |\n2 | memory-limt = '5M'\n  | ^^^^^^^^^^^ did you mean \
             `memory_limit`?"
        );
    }

    #[test]
    fn an_unknown_value_a_wrong_type_and_broken_syntax_are_shown_too() {
        assert!(said("network = 'all'").contains("unknown value `all`\n --> some.toml:1:11"));
        assert!(said("network = 'allow_all'").contains("did you mean `allow-all`?"));
        assert!(said("memory_limit = 5").contains("invalid type: integer `5`, expected a string\n --> some.toml:1:16"));
        assert!(said("memory_limit = '").contains("some.toml:1:17"), "{}", said("memory_limit = '"));
        assert!(said("zzz = 1").contains("known here: memory_limit, network"));
    }

    #[test]
    fn many_mistakes_are_shown_in_the_order_of_their_lines() {
        let mistakes = vec![Mistake::new(4..5, "second"), Mistake::new(0..1, "first")];
        let said = Malformed::new("f", "a=1\nb=2\n", mistakes).to_string();
        assert!(said.starts_with("first\n --> f:1:1"), "{said}");
        assert!(said.contains("error: second\n --> f:2:1"), "{said}");
    }

    proptest! {
        #[test]
        fn any_text_and_place_can_be_shown(text in "\\PC{0,20}(\n\\PC{0,9}){0,3}", start in 0usize..60, end in 0usize..60) {
            let said = Malformed::new("f", &text, vec![Mistake::new(start..end, "wrong")]).to_string();
            prop_assert!(said.starts_with("wrong"));
        }
    }
}
