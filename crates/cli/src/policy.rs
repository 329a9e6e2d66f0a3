//! `palisade policy`: named policies for people. Also how `--policy` is read.
//!
//! Not here: what a policy file may say and where it is looked for (the library), printing (`print.rs`).

use std::path::{Path, PathBuf};

use clap::Subcommand;
use palisade::{
    Mode, Origin, PolicyError, PolicyFile, StartError, is_file_name, policies, policy_of,
    spec::{Clamp, NamedPolicy, Policy, changes},
    to_toml, useless,
};

use crate::print;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Every policy that can be asked for, and whose it is
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a policy in its shortest form: what is not printed is open
    Show {
        /// Print it as JSON
        #[arg(long)]
        json: bool,
        /// Its id, or a file (a name with a slash or `.toml`)
        #[arg(value_name = "ID|FILE")]
        policy: String,
    },
    /// Tell every mistake in policy files and ceilings, and what in them is useless. Exit status 1 if there is a mistake
    Check {
        /// Files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Compare two policies. Exit status 0 if they allow the same, 1 if not
    Diff {
        /// One
        #[arg(value_name = "ID|FILE")]
        a: String,
        /// The other
        #[arg(value_name = "ID|FILE")]
        b: String,
    },
}

pub(crate) fn command(args: &Args) -> i32 {
    let done = match &args.action {
        Action::List { json } => list(*json),
        Action::Show { json, policy } => show(policy, *json),
        Action::Check { files } => return files.iter().map(|file| check(file)).max().unwrap_or(0),
        Action::Diff { a, b } => diff(a, b),
    };
    done.unwrap_or_else(|error| print::start_error(&StartError::from(error), false))
}

/// The policy that was asked for by this id, or the one in this file.
pub(crate) fn named(text: &str) -> Result<NamedPolicy, PolicyError> {
    open(text).map(|file| file.policy().clone())
}

fn open(text: &str) -> Result<PolicyFile, PolicyError> {
    if is_file_name(text) { PolicyFile::open(Path::new(text)) } else { policy_of(text).map(PolicyFile::Policy) }
}

const fn mode(file: &PolicyFile) -> Option<Mode> {
    match file {
        PolicyFile::Ceiling(_, mode) => Some(*mode),
        PolicyFile::Policy(_) => None,
    }
}

const fn whose(origin: Origin) -> &'static str {
    match origin {
        Origin::Operator => "operator",
        Origin::User => "user",
        Origin::Shipped => "shipped",
    }
}

fn list(json: bool) -> Result<i32, PolicyError> {
    let all = policies()?;
    if json {
        let row = |listed: &palisade::Listed| {
            serde_json::json!({
                "id": listed.id,
                "origin": listed.origin,
                "covers": listed.covers,
                "policy": listed.policy.as_ref().ok(),
                "error": listed.policy.as_ref().err().map(ToString::to_string),
            })
        };
        return Ok(print::json(&all.iter().map(row).collect::<Vec<_>>()));
    }
    let width = all.iter().map(|listed| listed.id.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for listed in all {
        let says = match &listed.policy {
            Ok(policy) => policy.description.replace('\n', " "),
            Err(error) => format!("cannot be used: {}", error.to_string().lines().next().unwrap_or_default()),
        };
        let covers: Vec<&str> = listed.covers.iter().map(|origin| whose(*origin)).collect();
        let covers = if covers.is_empty() { String::new() } else { format!(" (in place of: {})", covers.join(", ")) };
        text.push_str(&format!("{:width$}  {:8}  {says}{covers}\n", listed.id, whose(listed.origin)));
    }
    Ok(print::lines(&text))
}

fn show(policy: &str, json: bool) -> Result<i32, PolicyError> {
    let file = open(policy)?;
    if json {
        let NamedPolicy { id, name, description, policy } = file.policy().clone();
        let (mode, policy) = (mode(&file), policy.normal());
        let value =
            serde_json::json!({ "id": id, "name": name, "description": description, "mode": mode, "policy": policy });
        return Ok(print::json(&value));
    }
    Ok(print::data(&to_toml(file.policy(), mode(&file))))
}

fn check(path: &Path) -> i32 {
    let file = match PolicyFile::open(path) {
        Ok(file) => file,
        Err(error) => {
            print::start_error(&StartError::from(error), false);
            return 1;
        }
    };
    let useless = useless(file.policy());
    for line in &useless {
        print::warning(&format!("{}: {line}", path.display()));
    }
    let what = match mode(&file) {
        Some(Mode::Clamp) => "a ceiling that lowers".to_owned(),
        Some(Mode::Refuse) => "a ceiling that refuses".to_owned(),
        None => format!("the policy {}", file.policy().id),
    };
    let count = match useless.len() {
        0 => String::new(),
        1 => ", one warning".to_owned(),
        more => format!(", {more} warnings"),
    };
    print::lines(&format!("{}: {what}, no mistake{count}\n", path.display()))
}

fn diff(a: &str, b: &str) -> Result<i32, PolicyError> {
    let (first, second) = (open(a)?, open(b)?);
    let (ours, theirs) = (first.policy().policy.normal(), second.policy().policy.normal());
    let mut text = String::new();
    if mode(&first) != mode(&second) {
        let name = |file| match mode(file) {
            Some(Mode::Clamp) => "lowers",
            Some(Mode::Refuse) => "refuses",
            None => "is no ceiling",
        };
        text.push_str(&format!("{a} {}, {b} {}\n", name(&first), name(&second)));
    }
    for (wide, wider, narrow, narrower) in [(a, &ours, b, &theirs), (b, &theirs, a, &ours)] {
        let less = less(wider, narrower);
        if !less.is_empty() {
            text.push_str(&format!("{narrow} allows less than {wide}:\n"));
        }
        for Clamp { what, asked, given, .. } in less {
            text.push_str(&format!("  {what}: {asked} → {given}\n"));
        }
    }
    let different = i32::from(!text.is_empty());
    Ok(match print::lines(&text) {
        0 => different,
        failed => failed,
    })
}

/// What the narrower policy takes from the wider one.
fn less(wider: &Policy, narrower: &Policy) -> Vec<Clamp> {
    let mut less = changes(wider, &wider.meet(narrower), "");
    // What neither shows can still be hidden in a tree that another policy or a toolchain shows.
    for hidden in &narrower.files.hidden {
        let path = hidden.display().to_string();
        let told = less.iter().any(|clamp| clamp.asked == path);
        if !told && !wider.files.hidden.iter().any(|wide| hidden.starts_with(wide)) {
            let because = String::new();
            less.push(Clamp { what: "files.hidden".to_owned(), asked: path, given: "hidden".to_owned(), because });
        }
    }
    less
}
