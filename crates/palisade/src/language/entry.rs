//! Finds the names that a source file gives itself, for languages that tie file names to declarations (Java).
//!
//! In: the text and the language's words for package, types and main. Out: the name its file must have and the name to
//! start. Comments, strings and nested blocks are passed over; a text that is not understood yields `None`, and the
//! compiler says why. Not here: checking the text.

use serde::Deserialize;

/// The words to look for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct EntryWords {
    /// Keyword before the name of the package.
    pub package: String,
    /// Keywords before the name of a type.
    pub types: Vec<String>,
    /// Keyword of a type that the file must be named after.
    pub public: String,
    /// Name of the function that starts the program.
    pub main: String,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The name that the file must have: the public type, else the one to start.
    pub declared: String,
    /// The type to start, with its package.
    pub start: String,
}

#[derive(Default)]
struct Type {
    name: String,
    public: bool,
    main: bool,
}

/// Finds the entry of `text`: the first outermost type with a main function, else the public one, else the first.
pub(super) fn find(text: &str, words: &EntryWords) -> Option<Entry> {
    let (mut depth, mut public, mut package) = (0_usize, false, String::new());
    let mut types: Vec<Type> = Vec::new();
    let mut tokens = Tokens(text).peekable();
    while let Some(token) = tokens.next() {
        match token {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            ";" if depth == 0 => public = false,
            word if depth == 0 && word == words.package => {
                while let Some(part) = tokens.next_if(|next| *next != ";") {
                    package.push_str(part);
                }
            }
            word if depth == 0 && word == words.public => public = true,
            word if depth == 0 && words.types.iter().any(|keyword| keyword == word) => {
                if let Some(name) = tokens.next_if(|next| is_word(next)) {
                    types.push(Type { name: name.to_owned(), public, main: false });
                    public = false;
                }
            }
            word if depth == 1 && word == words.main && tokens.peek() == Some(&"(") => {
                if let Some(last) = types.last_mut() {
                    last.main = true;
                }
            }
            _ => {}
        }
    }
    let public = types.iter().find(|t| t.public);
    let start = types.iter().find(|t| t.main).or(public).or(types.first())?;
    let declared = public.unwrap_or(start).name.clone();
    let start = if package.is_empty() { start.name.clone() } else { format!("{package}.{}", start.name) };
    Some(Entry { declared, start })
}

/// Words and single signs of C-like text, without comments and literals.
struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            let text = self.0.trim_start();
            let first = text.chars().next()?;
            if let Some(comment) = text.strip_prefix("//") {
                self.0 = comment.split_once('\n').map_or("", |(_, after)| after);
            } else if let Some(comment) = text.strip_prefix("/*") {
                self.0 = comment.split_once("*/").map_or("", |(_, after)| after);
            } else if let Some(block) = text.strip_prefix("\"\"\"") {
                self.0 = after_literal(block, "\"\"\"");
            } else if let Some(literal) = text.strip_prefix('"') {
                self.0 = after_literal(literal, "\"");
            } else if let Some(literal) = text.strip_prefix('\'') {
                self.0 = after_literal(literal, "'");
            } else {
                let word = text.find(|c: char| !is_word_char(c)).unwrap_or(text.len());
                let (token, rest) = text.split_at(word.max(first.len_utf8()));
                self.0 = rest;
                return Some(token);
            }
        }
    }
}

fn after_literal<'a>(text: &'a str, end: &str) -> &'a str {
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '"', '\'']) {
        let here = &rest[at..];
        if let Some(after) = here.strip_prefix(end) {
            return after;
        }
        let signs = if here.starts_with('\\') { 2 } else { 1 };
        rest = here.char_indices().nth(signs).map_or("", |(next, _)| &here[next..]);
    }
    ""
}

fn is_word(token: &str) -> bool {
    token.chars().next().is_some_and(is_word_char)
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(String, String)> {
        let words = EntryWords {
            package: "package".into(),
            types: ["class", "interface", "enum", "record"].map(String::from).to_vec(),
            public: "public".into(),
            main: "main".into(),
        };
        find(text, &words).map(|entry| (entry.declared, entry.start))
    }

    fn names(declared: &str, start: &str) -> Option<(String, String)> {
        Some((declared.to_owned(), start.to_owned()))
    }

    #[test]
    fn the_type_with_main_is_started_and_the_public_type_names_the_file() {
        assert_eq!(found("class A {} class B { static void main(String[] a) {} }"), names("B", "B"));
        assert_eq!(found("class A { void main() {} } public class B {}"), names("B", "A"));
        assert_eq!(found("record P(int x) {} public final class Q { }"), names("Q", "Q"));
        assert_eq!(found("import a.b; class Only {}"), names("Only", "Only"));
    }

    #[test]
    fn a_package_belongs_to_the_name() {
        assert_eq!(found("package com . acme;\npublic class A { main() }"), names("A", "com.acme.A"));
    }

    #[test]
    fn comments_literals_and_inner_types_do_not_count() {
        let text = r#"
            // public class No {
            /* class No { */ @Note("class No { \" main(") @Other(x = '"', y = '{')
            public class Yes { String s = """
               class "No" \""" { main(
            """; class Inner { void main() {} } }
            class Run { static int n = Yes.class.hashCode(); public static void main(String... a) {} }"#;
        assert_eq!(found(text), names("Yes", "Run"));
    }

    #[test]
    fn a_text_without_types_yields_nothing() {
        for text in ["", "{{{", "\"", "/*", "'\\", "class", "class {", "}}} é class"] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
