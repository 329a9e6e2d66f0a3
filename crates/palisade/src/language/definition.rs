//! The form of a language definition, and the checks that it makes sense.
//!
//! In: the text of one `languages/NAME.toml`. Out: a [`Definition`] whose placeholders can all be filled. Not here: which
//! definition belongs to a file (`mod`), finding tools (`locate`), filling (`step`).

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde::Deserialize;

use super::entry::EntryWords;
use super::error::{Flaw, LanguageError};
use super::step::Limits;
use super::units::{Size, Time};
use super::words::{KNOWN, Part, Words};

/// A definition that has been checked.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub name: String,
    pub title: String,
    pub aliases: Vec<String>,
    pub extensions: Vec<String>,
    pub source_name: Words,
    pub missing: String,
    pub entry: Option<EntryWords>,
    pub tools: Vec<ToolTable>,
    pub compile: Option<Compile>,
    pub run: Template,
    pub repl: Option<Repl>,
    pub zygote: Option<Zygote>,
    pub limits: Limits,
}

/// How to turn the source into something that runs.
#[derive(Clone, Debug)]
pub(super) struct Compile {
    pub template: Template,
    pub limits: Limits,
    /// File or directory that appears under /build.
    pub artefact: String,
}

/// How to start an interactive session.
#[derive(Clone, Debug)]
pub(super) struct Repl {
    pub template: Template,
    /// Name of the file that holds the driver.
    pub driver: String,
}

/// How to start an interpreter that waits for its source.
#[derive(Clone, Debug)]
pub(super) struct Zygote {
    /// Its variables are lists of paths; they stand before what is set already.
    pub template: Template,
    /// Name of the file that holds the program by which it waits.
    pub bootstrap: String,
}

/// A command and its environment, with placeholders.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub command: Vec<Words>,
    pub environment: Vec<(String, Words)>,
}

/// A program that has to be on the host.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ToolTable {
    pub id: String,
    /// Names to look for, best first.
    pub names: Vec<String>,
    /// Debian package that holds it.
    pub package: String,
    /// Host paths that it reads beside its own directory; `*` stands for any part of one name.
    #[serde(default)]
    pub also_read: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    name: String,
    title: String,
    #[serde(default)]
    aliases: Vec<String>,
    extensions: Vec<String>,
    source_name: String,
    missing: String,
    entry: Option<EntryWords>,
    #[serde(default)]
    tool: Vec<ToolTable>,
    compile: Option<CompileTable>,
    run: RunTable,
    repl: Option<ReplTable>,
    zygote: Option<ZygoteTable>,
    limits: LimitsTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RunTable {
    command: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ReplTable {
    command: Vec<String>,
    driver: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ZygoteTable {
    command: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    bootstrap: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct CompileTable {
    command: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    artefact: String,
    #[serde(default)]
    limits: SomeLimits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct LimitsTable {
    memory: Size,
    cpu_time: Time,
    wall_time: Time,
    processes: u32,
    threads: u32,
    tmp: Size,
}

/// What the compile step may use; the rest is as in `[limits]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SomeLimits {
    memory: Option<Size>,
    cpu_time: Option<Time>,
    wall_time: Option<Time>,
    processes: Option<u32>,
    threads: Option<u32>,
    tmp: Option<Size>,
}

impl Definition {
    /// Reads and checks one definition. `origin` is its name in errors.
    pub(super) fn parse(origin: &str, text: &str) -> Result<Self, LanguageError> {
        let file: File = toml::from_str(text)
            .map_err(|source| LanguageError::Malformed { origin: origin.to_owned(), source: Box::new(source) })?;
        let (at, flaw) = match Self::checked(file) {
            Ok(definition) => return Ok(definition),
            Err(flaw) => flaw,
        };
        Err(LanguageError::Senseless { origin: origin.to_owned(), at: at.to_owned(), source: flaw })
    }

    fn checked(file: File) -> Result<Self, (&'static str, Flaw)> {
        plain_name(&file.name).map_err(at("name"))?;
        not_empty(&file.extensions).map_err(at("extensions"))?;
        file.extensions.iter().try_for_each(|e| extension(e)).map_err(at("extensions"))?;
        file.tool.iter().try_for_each(ToolTable::check).map_err(at("tool"))?;
        if let Some(twice) = file.tool.iter().enumerate().find(|(i, t)| file.tool[..*i].iter().any(|o| o.id == t.id)) {
            return Err(("tool", Flaw::Twice(twice.1.id.clone())));
        }
        if let Some(entry) = &file.entry {
            not_empty(&entry.types).map_err(at("entry.types"))?;
        }

        let scope = Scope { tools: &file.tool, artefact: file.compile.is_some(), entry: file.entry.is_some() };
        let source_name = scope.file_name(&file.source_name).map_err(at("source-name"))?;
        let run = scope.template(&file.run.command, &file.run.environment).map_err(at("run"))?;
        let repl = file.repl.map(|table| scope.repl(&table, &run).map_err(at("repl"))).transpose()?;
        let zygote = file.zygote.map(|table| scope.zygote(&table).map_err(at("zygote"))).transpose()?;
        if zygote.is_some() && file.compile.is_some() {
            return Err(("zygote", Flaw::CompiledZygote));
        }
        let limits = file.limits.limits();
        let compile = file.compile.map(|table| -> Result<_, (&'static str, Flaw)> {
            plain_name(&table.artefact).map_err(at("compile.artefact"))?;
            let template = scope.template(&table.command, &table.environment).map_err(at("compile"))?;
            Ok(Compile { template, limits: table.limits.over(&limits), artefact: table.artefact })
        });
        Ok(Self {
            compile: compile.transpose()?,
            name: file.name,
            title: file.title,
            aliases: file.aliases,
            extensions: file.extensions,
            source_name,
            missing: file.missing,
            entry: file.entry,
            tools: file.tool,
            run,
            repl,
            zygote,
            limits,
        })
    }
}

/// What placeholders may refer to.
struct Scope<'a> {
    tools: &'a [ToolTable],
    artefact: bool,
    entry: bool,
}

impl Scope<'_> {
    fn template(&self, command: &[String], environment: &BTreeMap<String, String>) -> Result<Template, Flaw> {
        not_empty(command)?;
        let command = command.iter().map(|word| self.words(word)).collect::<Result<_, _>>()?;
        let variable = |(name, value): (&String, &String)| Ok((name.clone(), self.words(value)?));
        Ok(Template { command, environment: environment.iter().map(variable).collect::<Result<_, _>>()? })
    }

    /// A session has a driver and no source. It gets the variables of a program.
    fn repl(&self, table: &ReplTable, run: &Template) -> Result<Repl, Flaw> {
        not_empty(&table.command)?;
        plain_name(&table.driver)?;
        let word = |text: &String| {
            let words = Words::parse(text)?;
            let of_a_session = |part: &&Part| {
                matches!(part, Part::Text(_) | Part::Driver | Part::Palisade | Part::Tool(_) | Part::MemoryMb(_))
            };
            if !words.parts().iter().all(|part| of_a_session(&part)) {
                let known = "driver palisade tool.ID memory-mb memory-mb:N%".to_owned();
                return Err(Flaw::UnknownPlaceholder(text.trim_matches(['{', '}']).to_owned(), known));
            }
            self.declared(words)
        };
        let command = table.command.iter().map(word).collect::<Result<_, _>>()?;
        let template = Template { command, environment: run.environment.clone() };
        Ok(Repl { template, driver: table.driver.clone() })
    }

    /// Of the source only its place is known.
    fn zygote(&self, table: &ZygoteTable) -> Result<Zygote, Flaw> {
        not_empty(&table.command)?;
        plain_name(&table.bootstrap)?;
        let word = |text: &String| {
            let words = Words::parse(text)?;
            let of_a_zygote = |part: &Part| {
                matches!(part, Part::Text(_) | Part::Source | Part::Zygote | Part::Tool(_) | Part::MemoryMb(_))
            };
            if !words.parts().iter().all(of_a_zygote) {
                let known = "source zygote tool.ID memory-mb memory-mb:N%".to_owned();
                return Err(Flaw::UnknownPlaceholder(text.trim_matches(['{', '}']).to_owned(), known));
            }
            self.declared(words)
        };
        let command = table.command.iter().map(word).collect::<Result<_, _>>()?;
        let variable = |(name, value): (&String, &String)| Ok((name.clone(), word(value)?));
        let environment = table.environment.iter().map(variable).collect::<Result<_, Flaw>>()?;
        Ok(Zygote { template: Template { command, environment }, bootstrap: table.bootstrap.clone() })
    }

    fn words(&self, text: &str) -> Result<Words, Flaw> {
        let words = Words::parse(text)?;
        for (part, name) in [(Part::Driver, "driver"), (Part::Zygote, "zygote")] {
            if words.parts().contains(&part) {
                return Err(Flaw::UnknownPlaceholder(name.to_owned(), KNOWN.to_owned()));
            }
        }
        self.declared(words)
    }

    /// That what the placeholders refer to is there.
    fn declared(&self, words: Words) -> Result<Words, Flaw> {
        for part in words.parts() {
            match part {
                Part::Tool(id) if !self.tools.iter().any(|tool| tool.id == *id) => {
                    return Err(Flaw::UndeclaredTool(id.clone()));
                }
                Part::Artefact if !self.artefact => return Err(Flaw::NoArtefact),
                Part::Entry if !self.entry => return Err(Flaw::NoEntry("entry")),
                Part::Declared if !self.entry => return Err(Flaw::NoEntry("declared")),
                _ => {}
            }
        }
        Ok(words)
    }

    /// A file name is settled before any path is known.
    fn file_name(&self, text: &str) -> Result<Words, Flaw> {
        let words = self.words(text)?;
        let of_a_name = |part: &Part| matches!(part, Part::Text(_) | Part::Name | Part::Extension | Part::Declared);
        if !words.parts().iter().all(of_a_name) {
            let known = "name extension declared".to_owned();
            return Err(Flaw::UnknownPlaceholder(text.trim_matches(['{', '}']).to_owned(), known));
        }
        plain_name(text)?;
        Ok(words)
    }
}

impl ToolTable {
    fn check(&self) -> Result<(), Flaw> {
        plain_name(&self.id)?;
        not_empty(&self.names)?;
        self.names.iter().try_for_each(|name| plain_name(name))?;
        self.also_read.iter().try_for_each(|pattern| pattern_of_paths(pattern))
    }
}

impl LimitsTable {
    fn limits(&self) -> Limits {
        Limits {
            memory: self.memory.0,
            cpu_time: self.cpu_time.0,
            wall_time: self.wall_time.0,
            processes: self.processes,
            threads: self.threads,
            tmp: self.tmp.0,
        }
    }
}

impl SomeLimits {
    fn over(&self, base: &Limits) -> Limits {
        Limits {
            memory: self.memory.map_or(base.memory, |size| size.0),
            cpu_time: self.cpu_time.map_or(base.cpu_time, |time| time.0),
            wall_time: self.wall_time.map_or(base.wall_time, |time| time.0),
            processes: self.processes.unwrap_or(base.processes),
            threads: self.threads.unwrap_or(base.threads),
            tmp: self.tmp.map_or(base.tmp, |size| size.0),
        }
    }
}

fn at(key: &'static str) -> impl Fn(Flaw) -> (&'static str, Flaw) {
    move |flaw| (key, flaw)
}

fn not_empty(list: &[String]) -> Result<(), Flaw> {
    if list.is_empty() { Err(Flaw::Empty) } else { Ok(()) }
}

fn plain_name(text: &str) -> Result<(), Flaw> {
    let mut parts = Path::new(text).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(only)), None) if only == text && !text.starts_with('-') => Ok(()),
        _ => Err(Flaw::NotAFileName(text.to_owned())),
    }
}

fn extension(text: &str) -> Result<(), Flaw> {
    plain_name(text)?;
    let odd = |c: char| c == '.' || c.is_uppercase();
    if text.contains(odd) { Err(Flaw::NotAnExtension(text.to_owned())) } else { Ok(()) }
}

fn pattern_of_paths(text: &str) -> Result<(), Flaw> {
    let plain = Path::new(text).is_absolute() && !text.split('/').any(|name| name == "..");
    let stars = text.bytes().filter(|byte| *byte == b'*').count();
    if plain && stars <= 1 { Ok(()) } else { Err(Flaw::NotAPattern(text.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
        name = "lua"
        title = "Lua"
        extensions = ["lua"]
        source-name = "main.lua"
        missing = "install Lua"
        [[tool]]
        id = "lua"
        names = ["lua5.4", "lua"]
        package = "lua5.4"
        [run]
        command = ["{tool.lua}", "{source}"]
        [limits]
        memory = "64 MiB"
        cpu-time = "5s"
        wall-time = "10s"
        processes = 1
        threads = 4
        tmp = "10 MiB"
    "#;

    fn refusal(from: &str, to: &str) -> String {
        let text = SMALL.replace(from, to);
        assert_ne!(text, SMALL, "the test changes nothing: {from}");
        let error = Definition::parse("lua.toml", &text).unwrap_err();
        assert!(error.to_string().contains("lua.toml"), "{error}");
        error.to_string()
    }

    #[test]
    fn a_small_definition_is_read() {
        let lua = Definition::parse("lua.toml", SMALL).unwrap();
        assert_eq!((lua.limits.memory, lua.limits.processes), (64 << 20, 1));
        assert!(lua.compile.is_none());
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        for table in ["", "[run]\n", "[limits]\n", "[[tool]]\n"] {
            let from = if table.is_empty() { "title" } else { table };
            let message = refusal(from, &format!("{table}colour = 1\n{}", if table.is_empty() { "title" } else { "" }));
            assert!(message.contains("unknown field `colour`"), "{message}");
        }
        let message = refusal("[limits]", "[compile]\ncommand=['a']\nartefact='b'\nlimits={swap='1 MiB'}\n[limits]");
        assert!(message.contains("unknown field `swap`"), "{message}");
    }

    #[test]
    fn an_unknown_placeholder_is_refused_by_name() {
        assert!(refusal("{source}", "{sauce}").contains("run: unknown placeholder `{sauce}`"));
        assert!(refusal("{tool.lua}", "{tool.luac}").contains("`{tool.luac}` is not declared"));
        assert!(refusal("{source}", "{artefact}").contains("without a [compile] step"));
        assert!(refusal("{source}", "{entry}").contains("without an [entry] section"));
        assert!(refusal("\"main.lua\"", "\"{source}\"").contains("source-name: unknown placeholder `{source}`"));
    }

    #[test]
    fn a_session_has_a_driver_and_nothing_of_a_file() {
        let repl = |command: &str, driver: &str| {
            refusal("[limits]", &format!("[repl]\ncommand = ['{command}']\ndriver = '{driver}'\n[limits]"))
        };
        assert!(
            repl("{source}", "d.lua").contains("repl: unknown placeholder `{source}` (known here: driver palisade")
        );
        assert!(repl("{tool.luac}", "d.lua").contains("`{tool.luac}` is not declared"));
        assert!(repl("{driver}", "../d.lua").contains("one plain file name"));
        assert!(refusal("{source}", "{driver}").contains("run: unknown placeholder `{driver}`"));
    }

    #[test]
    fn a_zygote_knows_its_bootstrap_and_the_place_of_its_source() {
        let zygote = |command: &str, bootstrap: &str| {
            refusal("[limits]", &format!("[zygote]\ncommand = ['{command}']\nbootstrap = '{bootstrap}'\n[limits]"))
        };
        assert!(
            zygote("{driver}", "z.lua").contains("zygote: unknown placeholder `{driver}` (known here: source zygote")
        );
        assert!(zygote("{tool.luac}", "z.lua").contains("`{tool.luac}` is not declared"));
        assert!(zygote("{source}", "../z.lua").contains("one plain file name"));
        assert!(refusal("{source}", "{zygote}").contains("run: unknown placeholder `{zygote}`"));
        let compiled = "[zygote]\ncommand=['a']\nbootstrap='z'\n[compile]\ncommand=['a']\nartefact='b'\n[limits]";
        assert!(refusal("[limits]", compiled).contains("zygote: a language with a [compile] step"));
    }

    #[test]
    fn names_that_could_leave_their_directory_are_refused() {
        assert!(refusal("\"main.lua\"", "\"../main.lua\"").contains("one plain file name"));
        assert!(refusal("\"lua5.4\", ", "\"../lua\", ").contains("one plain file name"));
        assert!(refusal("[\"lua\"]", "[\".lua\"]").contains("without a dot"));
        assert!(refusal("package =", "also-read = [\"/etc/../root\"]\npackage =").contains("absolute path"));
        assert!(refusal("package =", "also-read = [\"etc\"]\npackage =").contains("absolute path"));
    }

    #[test]
    fn a_limit_without_a_unit_is_refused() {
        assert!(refusal("\"64 MiB\"", "\"64\"").contains("is not a size"));
        assert!(refusal("\"5s\"", "\"5\"").contains("is not a time"));
        assert!(refusal("tmp = \"10 MiB\"", "").contains("missing field `tmp`"));
    }
}
