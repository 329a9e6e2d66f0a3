//! `palisade check`: what a policy says of source files, before anything is run.
//!
//! In: files and directories. Out: findings as text, JSON or SARIF; exit status 1 if one is bad enough. Not here: finding
//! anything (`palisade-check`), the process in which that happens (`helper.rs`), how findings look (`show.rs`, `sarif.rs`).

mod collect;
mod explain;
pub(crate) mod gate;
mod helper;
mod policy;
mod sarif;
mod show;

use std::path::PathBuf;

use clap::{
    ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};
use palisade_spec::{CHECK_SCHEMA, Checked, FindingCode, Severity};
use serde::Serialize;

pub(crate) use helper::Failed;

use crate::{config, print};

/// What `palisade check` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How findings are printed
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    format: Format,

    /// What is blocked: default, permissive, strict, or your own FILE.toml [default: default, or [check] of palisade.toml]
    #[arg(long, value_name = "POLICY")]
    policy: Option<String>,

    /// Exit with 1 if there is a finding of this severity or above [default: error, or [check] of palisade.toml]
    #[arg(long, value_name = "SEVERITY", value_parser = severity())]
    fail_on: Option<Severity>,

    /// Language of the files, if their extension or first line does not tell
    #[arg(long, value_name = "NAME")]
    language: Option<String>,

    /// Say what a code means, why it matters, and what to do instead
    #[arg(long, value_name = "CODE", conflicts_with = "files", ignore_case = true)]
    explain: Option<String>,

    /// Source files, and directories in which to look for them
    #[arg(value_name = "FILE", required_unless_present = "explain", value_hint = clap::ValueHint::FilePath)]
    files: Vec<PathBuf>,
}

fn severity() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::NAMES).try_map(|name| name.parse::<Severity>())
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people: each with its line of source
    Text,
    /// One object for programs
    Json,
    /// SARIF 2.1.0, for editors and code hosts
    Sarif,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    policy: &'a str,
    fail_on: Severity,
    failed: bool,
    files: &'a [Checked],
}

pub(crate) fn command(args: &Args) -> i32 {
    if let Some(code) = &args.explain {
        return match explain::explain(code) {
            Ok(text) => print::data(&text),
            Err(failed) => print::unchecked(&failed, args.format != Format::Text),
        };
    }
    match look(args) {
        Ok(code) => code,
        Err(failed) => print::unchecked(&failed, args.format != Format::Text),
    }
}

fn look(args: &Args) -> Result<i32, Failed> {
    let (policy, fail_on) = config::validation(args.policy.as_deref(), args.fail_on)?;
    let policy = policy::find(&policy)?;
    let language = args.language.as_deref().map(collect::language).transpose()?;
    let sources = collect::collect(&args.files, language)?;
    let mut helper = helper::Helper::start(&policy)?;
    let mut all = Vec::with_capacity(sources.len());
    for source in &sources {
        all.push(helper.check(source)?);
    }
    let failed = all.iter().any(|checked| checked.worst().is_some_and(|worst| worst >= fail_on));
    let printed = match args.format {
        Format::Text => {
            let texts = all.iter().zip(&sources).map(|(checked, source)| (checked, &*source.content));
            print::findings(&show::text(texts, print::colour()))
        }
        Format::Json => {
            print::json(&Answer { schema: CHECK_SCHEMA, policy: policy.name(), fail_on, failed, files: &all })
        }
        Format::Sarif => print::json(&sarif::log(&all)),
    };
    Ok(match printed {
        0 => i32::from(failed),
        error => error,
    })
}

/// Size and complexity of a source file; `None` if the validator is not here or does not know the language.
pub(crate) fn complexity(file: &std::path::Path, language: Option<&str>) -> Option<u32> {
    let language = language.and_then(|name| name.parse().ok());
    let source = collect::read(file, language).ok()?;
    let policy = policy::find("permissive").ok()?;
    let checked = helper::Helper::start(&policy).ok()?.check(&source).ok()?;
    (checked.complexity > 0).then_some(checked.complexity)
}

/// Every code that can be explained.
fn codes() -> String {
    FindingCode::ALL.map(FindingCode::name).join(", ")
}
