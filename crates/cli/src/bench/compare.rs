//! `palisade bench`: all methods of starting a program, compared. Not here: comparing (`palisade-measure`).

use std::{
    env, fs,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use palisade::nearest;
use palisade_measure::{
    bench::{
        BASELINE, BenchError, Change, Comparison, METHODS, Method, Order, SCHEMA, Sense, WALLS, changes, changes_text,
        chart, compare, different_hosts, html, kernel, method, text,
    },
    race::Rounds,
    show::{Tone, svg_file},
};
use serde::Serialize;

use crate::{
    print::{
        self, Colour,
        progress::{Progress, Show},
    },
    request::Refused,
    result_file::ResultFile,
    whole::whole,
};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Only this method, and the plain start that it is compared with (`--list` names them)
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    method: Vec<String>,

    /// Also `palisade run` with each of its other walls
    #[arg(long)]
    walls: bool,

    /// Launches of each that count
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1..=100_000), default_value_t = 20)]
    runs: u32,

    /// Leave the host alone for so long before each launch
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0,
          value_parser = whole::<u64>(0..=60_000))]
    idle: u64,

    /// What guests of virtual machines boot [default: the newest of /boot that can be read]
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,

    /// Say what changed since this result of --json
    #[arg(long, value_name = "OLD.json")]
    compare: Option<PathBuf>,

    /// Print one JSON object instead of the tables
    #[arg(long)]
    json: bool,

    /// Write the chart as a picture too
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Write all of it as a page for browsers too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// List the methods, and measure none
    #[arg(long)]
    list: bool,
}

/// Launches that do not count: they bring files into memory.
const WARM_UPS: usize = 2;
/// The exit status if there is nothing to compare the baseline with.
const NONE_MEASURED: i32 = 125;
/// How wide the chart is where nobody says.
const COLUMNS: usize = 100;

pub(crate) fn command(args: &Args) -> i32 {
    match carry_out(args) {
        Ok(code) => code,
        Err(refused) => print::refusal(&refused, args.json),
    }
}

fn carry_out(args: &Args) -> Result<i32, Refused> {
    if args.list {
        return Ok(list(args.json));
    }
    let methods = methods(args)?;
    let old = args.compare.as_deref().map(read).transpose()?;
    let kernel = args.kernel.as_deref().map(kernel_of).transpose()?.or_else(kernel);
    let palisade = env::current_exe();
    let palisade =
        palisade.map_err(|error| Refused { what: format!("cannot find this program itself: {error}"), hint: "" })?;
    // Before any work is done for nothing.
    let mut files = Vec::new();
    for (option, path) in [("--svg", &args.svg), ("--html", &args.html)] {
        let Some(path) = path else { continue };
        match ResultFile::find(path) {
            Ok(file) => files.push((option, path, file)),
            Err(error) => return Ok(print::no_result_file(option, path, &error)),
        }
    }
    let cancel = palisade_sys::signals::receive(&palisade_sys::signals::STOP)
        .map_err(|error| Refused { what: format!("cannot receive signals: {error}"), hint: "" })?;
    // No method starts in a directory that another one does not have.
    env::set_current_dir("/").map_err(|error| Refused { what: format!("cannot go to /: {error}"), hint: "" })?;
    let rounds = Rounds { warmups: WARM_UPS, counted: args.runs as usize, idle_ms: args.idle };
    let are_others = methods.len() > 1;
    let order = Order { palisade: &palisade, methods, rounds, kernel };
    let progress = Progress::new(order.steps(), Show::Progress);
    let compared = compare(&order, Some(cancel.as_fd()), &mut || progress.step(0));
    drop(progress);
    let comparison = match compared {
        Ok(comparison) => comparison,
        Err(error @ BenchError::Cancelled) => {
            print::failure(&error, None);
            return Ok(130);
        }
        Err(error) => return Err(Refused { what: error.to_string(), hint: "" }),
    };
    let changes = old.as_ref().map(|old| changes(old, &comparison)).unwrap_or_default();
    let mut code = say(&comparison, old.as_ref(), &changes, args.json);
    if are_others && comparison.methods.len() < 2 {
        code = NONE_MEASURED;
    }
    for (option, path, file) in files {
        let content = match option {
            "--svg" => svg_file(&chart(&comparison)),
            _ => html(&comparison, &changes),
        };
        if let Err(error) = file.write(content.as_bytes()) {
            code = print::failure(&error, Some(path));
        }
    }
    Ok(code)
}

/// Those that are named, after what they are compared with; all if none is.
fn methods(args: &Args) -> Result<Vec<Method>, Refused> {
    let names = || METHODS.iter().map(|method| method.name).chain(WALLS.iter().map(|(name, _)| *name));
    let mut chosen: Vec<Method> = METHODS[..1].to_vec();
    for name in &args.method {
        let near = || nearest(name, names()).map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
        chosen.push(method(name).ok_or_else(|| Refused {
            what: format!("there is no method `{name}`{}", near()),
            hint: "`palisade bench --list` has all of them",
        })?);
    }
    if args.method.is_empty() {
        chosen = METHODS.to_vec();
    }
    if args.walls {
        chosen.extend(WALLS.iter().filter_map(|(name, _)| method(name)));
    }
    let mut once: Vec<&str> = Vec::new();
    chosen.retain(|method| {
        !once.contains(&method.name) && {
            once.push(method.name);
            true
        }
    });
    debug_assert_eq!(chosen.first().map(|method| method.name), Some(BASELINE));
    Ok(chosen)
}

/// An earlier result.
fn read(path: &Path) -> Result<Comparison, Refused> {
    let hint = "name a file that `palisade bench --json` has written";
    let refused = |because: String| Refused { what: format!("--compare {}: {because}", path.display()), hint };
    let text = fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?;
    match json["schema"].as_str() {
        Some(SCHEMA) => {}
        Some(other) => return Err(refused(format!("it has the form `{other}`, and this version reads `{SCHEMA}`"))),
        None => return Err(refused(format!("it says no form (`schema`), and this version reads `{SCHEMA}`"))),
    }
    let mut old: Comparison = serde_json::from_value(json).map_err(|error| refused(error.to_string()))?;
    // Names of nothing that is known are somebody's own words.
    old.methods.retain(|one| method(&one.name).is_some());
    Ok(old)
}

fn kernel_of(path: &Path) -> Result<PathBuf, Refused> {
    let refused = |error: std::io::Error| Refused {
        what: format!("--kernel {}: {error}", path.display()),
        hint: "name a kernel (vmlinuz or vmlinux) that this user may read",
    };
    fs::File::open(path).map_err(refused)?;
    path.canonicalize().map_err(refused)
}

fn say(comparison: &Comparison, old: Option<&Comparison>, changes: &[Change], as_json: bool) -> i32 {
    #[derive(Serialize)]
    struct Whole<'a> {
        #[serde(flatten)]
        comparison: &'a Comparison,
        #[serde(skip_serializing_if = "<[Change]>::is_empty")]
        changes: &'a [Change],
    }
    if let Some(warning) = old.and_then(|old| different_hosts(old, comparison)) {
        print::warning(&print::one_line(&warning));
    }
    if as_json {
        return print::json(&Whole { comparison, changes });
    }
    let colour = print::colour();
    let paint = |sense: Sense, word: String| {
        let code = match (colour, sense) {
            (Colour::None, _) | (_, Sense::Plain | Sense::Bar(Tone::Other)) => return word,
            (_, Sense::Good) => 32,
            (_, Sense::Middling) => 33,
            (_, Sense::Bad | Sense::Bar(Tone::Beyond)) => 31,
            (_, Sense::Bar(Tone::Own)) => 36,
            (_, Sense::Bar(Tone::Baseline)) => 90,
        };
        format!("\x1b[{code}m{word}\x1b[0m")
    };
    let columns = rustix::termios::tcgetwinsize(std::io::stdout()).map_or(COLUMNS, |size| usize::from(size.ws_col));
    let columns = if columns == 0 { COLUMNS } else { columns };
    let mut all = text(comparison, columns, &paint);
    if !changes.is_empty() {
        all.push_str(&format!("\n{}", changes_text(changes, &paint)));
    }
    // The words of others in it have one line, and no signs that move a cursor.
    print::data(&all)
}

/// The methods as lines, or as JSON.
fn list(as_json: bool) -> i32 {
    #[derive(Serialize)]
    struct Listed {
        schema: &'static str,
        methods: Vec<One>,
    }
    #[derive(Serialize)]
    struct One {
        name: &'static str,
        about: &'static str,
    }
    let all = METHODS.iter().copied().chain(WALLS.iter().filter_map(|(name, _)| method(name)));
    let all: Vec<One> = all.map(|Method { name, about, .. }| One { name, about }).collect();
    if as_json {
        return print::json(&Listed { schema: "palisade.bench-list/1", methods: all });
    }
    let lines: String = all.iter().map(|one| format!("{:<20}  {}\n", one.name, one.about)).collect();
    print::data(&lines)
}
