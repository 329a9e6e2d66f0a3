//! The eight languages (and TSX): their names, how a file tells which one it is, their grammars and facts.
//!
//! Not here: what is in a language's facts (`languages/`).

use std::{path::Path, str::FromStr, sync::LazyLock};

use crate::{facts::Facts, languages, role::Grammar};

/// A language that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Language {
    /// Go.
    Go,
    /// Python 3.
    Python,
    /// JavaScript, with JSX.
    JavaScript,
    /// TypeScript.
    TypeScript,
    /// TypeScript with JSX.
    Tsx,
    /// Rust.
    Rust,
    /// Java.
    Java,
    /// C++.
    Cpp,
    /// C.
    C,
}

/// Name, other names, extensions, interpreters.
type Row = (Language, &'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

const ROWS: [Row; 9] = [
    (Language::Go, "go", &["golang"], &["go"], &[]),
    (Language::Python, "python", &["py", "python3"], &["py", "pyi", "pyw"], &["python", "pypy"]),
    (
        Language::JavaScript,
        "javascript",
        &["js", "node", "jsx"],
        &["js", "mjs", "cjs", "jsx"],
        &["node", "nodejs", "bun"],
    ),
    (Language::TypeScript, "typescript", &["ts"], &["ts", "mts", "cts"], &["deno", "ts-node", "tsx"]),
    (Language::Tsx, "tsx", &[], &["tsx"], &[]),
    (Language::Rust, "rust", &["rs"], &["rs"], &["rust-script"]),
    (Language::Java, "java", &[], &["java"], &["java", "jbang"]),
    (
        Language::Cpp,
        "c++",
        &["cpp", "cxx", "cc"],
        &["cpp", "cc", "cxx", "c++", "hpp", "hh", "hxx", "ipp", "tpp", "C"],
        &[],
    ),
    (Language::C, "c", &[], &["c", "h"], &["tcc"]),
];

impl Language {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Go,
        Self::Python,
        Self::JavaScript,
        Self::TypeScript,
        Self::Tsx,
        Self::Rust,
        Self::Java,
        Self::Cpp,
        Self::C,
    ];

    fn row(self) -> &'static Row {
        &ROWS[Self::ALL.iter().position(|one| *one == self).unwrap_or(0)]
    }

    /// The name by which policies and reports know it. TSX is TypeScript.
    #[must_use]
    pub fn name(self) -> &'static str {
        if self == Self::Tsx { "typescript" } else { self.row().1 }
    }

    /// The name as people write it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Go => "Go",
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
            Self::TypeScript | Self::Tsx => "TypeScript",
            Self::Rust => "Rust",
            Self::Java => "Java",
            Self::Cpp => "C++",
            Self::C => "C",
        }
    }

    /// The language of a file by its name's extension, or else by its first line.
    #[must_use]
    pub fn of_file(name: &Path, content: &[u8]) -> Option<Self> {
        let extension = name.extension().and_then(|extension| extension.to_str());
        let by_extension = extension.and_then(|extension| {
            let lower = extension.to_ascii_lowercase();
            ROWS.iter()
                .find(|row| row.3.contains(&extension))
                .or_else(|| ROWS.iter().find(|row| row.3.contains(&&*lower)))
                .map(|row| row.0)
        });
        by_extension.or_else(|| Self::of_shebang(content))
    }

    /// `#!/usr/bin/env -S python3 -u` and the like.
    fn of_shebang(content: &[u8]) -> Option<Self> {
        let line = content.strip_prefix(b"#!")?;
        let line = String::from_utf8_lossy(line.split(|byte| *byte == b'\n').next().unwrap_or_default()).into_owned();
        let mut words = line.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or_default());
        let first = words.next()?;
        let program =
            if first == "env" { words.find(|word| !word.starts_with('-') && !word.contains('='))? } else { first };
        let plain = program.trim_end_matches(|sign: char| sign.is_ascii_digit() || sign == '.');
        ROWS.iter().find(|row| row.4.contains(&plain)).map(|row| row.0)
    }

    /// What is known of it beside its grammar.
    pub(crate) fn facts(self) -> &'static Facts {
        match self {
            Self::Go => &languages::go::FACTS,
            Self::Python => &languages::python::FACTS,
            Self::JavaScript | Self::TypeScript | Self::Tsx => &languages::javascript::FACTS,
            Self::Rust => &languages::rust::FACTS,
            Self::Java => &languages::java::FACTS,
            Self::Cpp => &languages::cpp::FACTS,
            Self::C => &languages::c::FACTS,
        }
    }

    /// Its grammar, made when it is first asked for.
    pub(crate) fn grammar(self) -> &'static Grammar {
        static GRAMMARS: [LazyLock<Grammar>; 9] = [
            LazyLock::new(|| Grammar::new(tree_sitter_go::LANGUAGE, languages::go::FACTS.tables)),
            LazyLock::new(|| Grammar::new(tree_sitter_python::LANGUAGE, languages::python::FACTS.tables)),
            LazyLock::new(|| Grammar::new(tree_sitter_javascript::LANGUAGE, languages::javascript::FACTS.tables)),
            LazyLock::new(|| {
                Grammar::new(tree_sitter_typescript::LANGUAGE_TYPESCRIPT, languages::javascript::FACTS.tables)
            }),
            LazyLock::new(|| Grammar::new(tree_sitter_typescript::LANGUAGE_TSX, languages::javascript::FACTS.tables)),
            LazyLock::new(|| Grammar::new(tree_sitter_rust::LANGUAGE, languages::rust::FACTS.tables)),
            LazyLock::new(|| Grammar::new(tree_sitter_java::LANGUAGE, languages::java::FACTS.tables)),
            LazyLock::new(|| Grammar::new(tree_sitter_cpp::LANGUAGE, languages::cpp::FACTS.tables)),
            LazyLock::new(|| Grammar::new(tree_sitter_c::LANGUAGE, languages::c::FACTS.tables)),
        ];
        &GRAMMARS[Self::ALL.iter().position(|one| *one == self).unwrap_or(0)]
    }
}

/// A name that is no language's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a language that is understood: go, python, javascript, typescript, tsx, rust, java, c++, c")]
pub struct UnknownLanguage(String);

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(name: &str) -> Result<Self, UnknownLanguage> {
        let lower = name.to_ascii_lowercase();
        ROWS.iter()
            .find(|row| row.1 == lower || row.2.contains(&&*lower))
            .map(|row| row.0)
            .ok_or_else(|| UnknownLanguage(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Nodes, parse};

    #[test]
    fn every_grammar_fits_the_parser() {
        for language in Language::ALL {
            let tree = parse("", language, Nodes::All).unwrap();
            assert!(!tree.has_errors(), "{language:?}");
        }
    }

    #[test]
    fn every_word_of_a_table_is_one_of_its_grammar() {
        for language in Language::ALL {
            let known: Vec<&str> = {
                let grammar = &language.grammar().language;
                (0..grammar.node_kind_count()).filter_map(|id| grammar.node_kind_for_id(id as u16)).collect()
            };
            // TypeScript's table serves JavaScript and TSX too, and C++'s goes on top of C's.
            if matches!(language, Language::JavaScript | Language::Tsx | Language::C) {
                continue;
            }
            for table in language.facts().tables {
                let words = table.roles.iter().map(|(kind, _)| kind);
                for word in words.chain(table.branches).chain(table.shortcuts).chain(table.functions) {
                    assert!(known.contains(word), "{language:?} has no `{word}`");
                }
            }
        }
    }

    #[test]
    fn a_file_tells_its_language_by_extension_or_first_line() {
        let of = |name: &str, content: &str| Language::of_file(Path::new(name), content.as_bytes());
        assert_eq!(of("a.PY", ""), Some(Language::Python));
        assert_eq!(of("a.C", ""), Some(Language::Cpp));
        assert_eq!(of("a", "#!/usr/bin/env -S python3.11 -u\n"), Some(Language::Python));
        assert_eq!(of("a", "#!/usr/local/bin/node\n"), Some(Language::JavaScript));
        assert_eq!(of("a.txt", "#! /bin/sh"), None);
        assert_eq!(of("python", "import os"), None);
    }
}
