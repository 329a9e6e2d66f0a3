//! Everything that is said to people and programs. The only file that prints.
//!
//! Standard output is data, standard error is talk. A stream that is closed is not an error worth a panic.

pub(crate) mod progress;
pub(crate) mod session;

use std::{
    cell::RefCell,
    fmt::Display,
    io::{self, IsTerminal, Write},
    path::Path,
    process::ExitCode,
};

use palisade::{
    Base, Plan, StartError,
    config::Row,
    environment::EnvironmentError,
    spec::{
        Clamp, FileKind, Left, LeftKind, LimitKind, Name, Outcome, Report, Stage, Stream, ViolationKind, Weakening,
        acts,
    },
};

use crate::{
    check::{Failed, gate::Refusal},
    pool::Trouble,
    request::Refused,
};

thread_local! {
    /// What is said on this thread, on both streams, if it is somebody else's to say.
    static OVERHEARD: RefCell<Option<[String; 2]>> = const { RefCell::new(None) };
}

/// What would be said, and is not.
pub(crate) fn overheard(say: impl FnOnce() -> i32) -> (i32, String, String) {
    OVERHEARD.set(Some(<[String; 2]>::default()));
    let code = say();
    let [out, err] = OVERHEARD.take().unwrap_or_default();
    (code, out, err)
}

/// Says what was overheard in another process.
pub(crate) fn heard(code: i32, stdout: &str, stderr: &str) -> i32 {
    err(stderr);
    match out(stdout) {
        0 => code,
        failed => failed,
    }
}

/// Whether it is somebody else's to say this, on the stream of this number.
fn keeps(stream: usize, text: &str) -> bool {
    OVERHEARD.with_borrow_mut(|kept| kept.as_mut().map(|kept| kept[stream].push_str(text)).is_some())
}

fn out(text: &str) -> i32 {
    if keeps(0, text) {
        return 0;
    }
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => 0,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => failure(&format_args!("cannot write to standard output: {error}"), None),
    }
}

fn err(text: &str) {
    if keeps(1, text) {
        return;
    }
    // If standard error is closed, nobody wants to hear it.
    let _ = io::stderr().lock().write_all(legible(text).as_bytes());
}

/// Names of files, programs and compilers' words come from strangers: what would move a terminal's cursor, set its title or
/// colour is shown, not sent.
fn legible(text: &str) -> String {
    let mut legible = String::with_capacity(text.len());
    for sign in text.chars() {
        if acts(sign) && sign != '\n' && sign != '\t' {
            legible.extend(sign.escape_default());
        } else {
            legible.push(sign);
        }
    }
    legible
}

/// Words of a stranger that have one line, and cannot feign a second.
pub(crate) fn one_line(text: &str) -> String {
    let shown = |sign: char| if acts(sign) { sign.escape_default().to_string() } else { sign.to_string() };
    text.chars().map(shown).collect()
}

/// A command line that makes no sense, or a call for help.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        err(&error.render().to_string());
        ExitCode::from(125)
    } else {
        out(&error.render().to_string());
        ExitCode::SUCCESS
    }
}

pub(crate) fn failure(what: &dyn Display, path: Option<&Path>) -> i32 {
    match path {
        Some(path) => err(&format!("error: {}: {what}\n", path.display())),
        None => err(&format!("error: {what}\n")),
    }
    125
}

/// The file of `--junit` or `--html` cannot be made.
pub(crate) fn no_result_file(option: &str, path: &Path, because: &io::Error) -> i32 {
    err(&format!(
        "error: {option} {}: {because}\nhint: name a file in a directory that is there and that you may write\n",
        path.display()
    ));
    125
}

/// There is nowhere to write to.
pub(crate) fn no_output() -> i32 {
    err(
        "error: standard output is closed, so nobody could read what is printed\nhint: to drop it, redirect it: >/dev/null\n",
    );
    125
}

pub(crate) fn refusal(refused: &Refused, as_json: bool) -> i32 {
    not_started(&refused.what, Some(refused.hint), 125, as_json)
}

pub(crate) fn problems(problems: &[palisade_typescript::Problem]) -> i32 {
    for problem in problems {
        err(&format!("{problem}\n"));
    }
    1
}

/// What kept a run from starting.
pub(crate) fn start_error(error: &StartError, as_json: bool) -> i32 {
    not_started(&error.to_string(), error.hint().as_deref(), error.exit_code(), as_json)
}

/// Why there is no environment.
pub(crate) fn environment_error(error: &EnvironmentError, as_json: bool) -> i32 {
    not_started(&error.to_string(), error.hint().as_deref(), error.exit_code(), as_json)
}

/// Why there is no image.
pub(crate) fn image_error(error: &palisade::images::ImageError, as_json: bool) -> i32 {
    not_started(&error.to_string(), error.hint().as_deref(), 125, as_json)
}

/// What kept all tests from starting. Whatever it was, no program has failed one.
pub(crate) fn not_tested(error: &StartError, as_json: bool) -> i32 {
    not_started(&error.to_string(), error.hint().as_deref(), 125, as_json)
}

/// What a project's file opens.
pub(crate) fn notices(notices: &[String]) {
    for notice in notices {
        err(&format!("palisade: {notice}\n"));
    }
}

/// Every value that holds, and who says so.
pub(crate) fn rows(rows: &[Row]) -> i32 {
    let cells: Vec<[String; 3]> = rows
        .iter()
        .map(|row| [&row.key, &row.value.to_string(), &row.from.to_string()].map(|cell| one_line(cell)))
        .collect();
    let width = |column: usize| cells.iter().map(|cells| cells[column].chars().count().min(40)).max().unwrap_or(0);
    let (key, value) = (width(0), width(1));
    let lines = cells.iter().map(|cells| format!("{:<key$}  {:<value$}  {}\n", cells[0], cells[1], cells[2]));
    out(&legible(&lines.collect::<String>()))
}

/// What a pool could not do.
pub(crate) fn trouble(trouble: &Trouble) -> i32 {
    not_started(&trouble.what, Some(&trouble.hint), 125, false)
}

/// One thing that is said to whoever waits for it, who may have gone.
///
/// # Errors
/// If nobody can hear it.
pub(crate) fn announce(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Why nothing was attacked.
pub(crate) fn not_attacked(refused: &Refused, as_json: bool) -> i32 {
    let hint = (!refused.hint.is_empty()).then_some(refused.hint);
    not_started(&refused.what, hint, 125, as_json)
}

/// That every wall refused every attack, with the reasons.
pub(crate) fn nothing_attacked(reasons: &[&str]) -> i32 {
    not_started("nothing was tried: no wall that was to be attacked can be had", Some(&reasons.join("\n")), 125, false)
}

/// Why nothing was checked.
pub(crate) fn unchecked(failed: &Failed, as_json: bool) -> i32 {
    not_started(&failed.what, failed.hint.as_deref(), 125, as_json)
}

/// Why a program that was to be checked first is not run.
pub(crate) fn not_passed(refusal: &Refusal, as_json: bool) -> i32 {
    let (checked, policy, shown) = match refusal {
        Refusal::Failed(failed) => return unchecked(failed, as_json),
        Refusal::Found { checked, policy, shown } => (checked, policy, shown),
    };
    err(shown);
    let mut codes: Vec<&str> = checked.findings.iter().map(|finding| finding.code.name()).collect();
    codes.sort_unstable();
    codes.dedup();
    let what = format!("not run: the validation policy {policy} finds {}", codes.join(", "));
    let hint =
        "`palisade check --explain CODE` says more; --check=POLICY looks by another policy, --check=off not at all";
    err(&format!("error: {what}\nhint: {hint}\n"));
    if as_json {
        json(&serde_json::json!({
            "schema": "palisade.error/1",
            "error": what,
            "hint": hint,
            "exit_code": 125,
            "codes": codes,
            "checked": checked,
        }));
    }
    125
}

/// Findings for people, with words of strangers and perhaps colours of our own.
pub(crate) fn findings(text: &str) -> i32 {
    // The colours are ours: `check::show` has taken the signs out that strangers could move a cursor with.
    out(text)
}

fn not_started(what: &str, hint: Option<&str>, exit_code: i32, as_json: bool) -> i32 {
    err(&format!("error: {what}\n"));
    for line in hint.iter().flat_map(|hint| hint.lines()) {
        err(&format!("hint: {}\n", line.trim_start()));
    }
    if as_json {
        let schema = "palisade.error/1";
        json(&serde_json::json!({ "schema": schema, "error": what, "hint": hint, "exit_code": exit_code }));
    }
    exit_code
}

/// Any value as one JSON object.
pub(crate) fn json(value: &impl serde::Serialize) -> i32 {
    match serde_json::to_string_pretty(value) {
        Ok(text) => out(&format!("{text}\n")),
        Err(error) => failure(&error, None),
    }
}

pub(crate) fn report_json(report: &Report) -> i32 {
    match json(report) {
        0 => report.exit_code,
        failed => failed,
    }
}

/// What went wrong, in words. Nothing if nothing did.
pub(crate) fn verdict(report: &Report, quiet: bool) -> i32 {
    if report.ended_in == Stage::Compile {
        // The compiler's words are all there is to see.
        err(&text(&report.stdout));
        err(&text(&report.stderr));
    }
    if quiet {
        for line in lost(report) {
            err(&format!("error: {line}\n"));
        }
    } else {
        passed_over(report);
        weakened(&report.weakened);
        lowered(&report.clamped);
        for line in story(report).into_iter().chain(files(report)) {
            err(&format!("palisade: {line}\n"));
        }
    }
    report.exit_code
}

fn text(stream: &Stream) -> String {
    let mut text = String::from_utf8_lossy(&stream.kept).into_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Which wall it was, if it was not the first of those that could have been.
fn passed_over(report: &Report) {
    let Some(first) = report.passed_over.first() else { return };
    let others = match report.passed_over.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more reasons: --json)"),
    };
    err(&format!("palisade: ran in {}, because {first}{others}; --quiet hides this\n", report.backend));
}

/// What this host could only give in a weaker form, on one line. Nothing if there is nothing.
pub(crate) fn weakened(weakened: &[Weakening]) {
    let (left, weakened): (Vec<_>, Vec<_>) = weakened.iter().partition(|weak| weak.what == Weakening::REMOVAL);
    for Weakening { because, instead, hint, .. } in left {
        err(&format!("palisade: {because}: {instead}; {hint}\n"));
    }
    if !weakened.is_empty() {
        err(&format!(
            "palisade: weakened: {}; `palisade doctor` says how to fix it, --strict refuses, --quiet hides this\n",
            Weakening::by_reason(weakened)
        ));
    }
}

/// What was asked for and lowered, by whom it was, on one line. Nothing if there is nothing.
pub(crate) fn lowered(clamped: &[Clamp]) {
    let mut by: Vec<(&str, Vec<String>)> = Vec::new();
    for clamp in clamped {
        let change = format!("{} {} to {}", clamp.what, clamp.asked, clamp.given);
        match by.iter_mut().find(|(because, _)| *because == clamp.because) {
            Some((_, changes)) => changes.push(change),
            None => by.push((&clamp.because, vec![change])),
        }
    }
    let all: Vec<String> = by.iter().map(|(because, changes)| format!("{} ({because})", changes.join(", "))).collect();
    if !all.is_empty() {
        err(&format!("palisade: lowered: {}; --quiet hides this\n", all.join("; ")));
    }
}

fn story(report: &Report) -> Vec<String> {
    let who = match report.ended_in {
        Stage::Compile => "the compiler",
        Stage::Run => "the program",
    };
    let mut lines = Vec::new();
    match &report.outcome {
        Outcome::LimitHit { limit } => {
            let why = report.violations.iter().find(|v| v.kind == ViolationKind::Limit);
            let (at, measured, evidence) = why.map_or(("?", "?", "?"), |v| {
                (v.limit.as_deref().unwrap_or("?"), v.measured.as_deref().unwrap_or("?"), v.evidence.as_str())
            });
            lines.push(format!("{who} was stopped at its {limit} limit of {at}: {measured} ({evidence})"));
            let option = match limit {
                LimitKind::WallTime => "--time-limit",
                LimitKind::CpuTime => "--cpu-time-limit",
                LimitKind::Memory => "--memory-limit",
                LimitKind::Processes => "--process-limit",
                LimitKind::Threads => "--thread-limit",
                LimitKind::Output => "--output-limit",
                _ => "--file-size-limit",
            };
            // A limit that somebody else keeps low is not raised by asking for more.
            let kept = report.clamped.iter().find(|clamp| clamp.what == limit.to_string());
            match kept {
                Some(clamp) => lines.push(format!("hint: it is kept low by {}", clamp.because)),
                None if report.ended_in == Stage::Run => lines.push(format!("hint: raise it with {option}")),
                None => {}
            }
        }
        Outcome::Signalled { signal } => lines.push(format!("{who} was ended by {signal}")),
        Outcome::Violation { what } => {
            lines.push(if what.contains(' ') {
                format!("{who} was {what}")
            } else {
                format!("{who} was killed: it called {what}, which the policy holds hostile")
            });
        }
        Outcome::Cancelled => lines.push("cancelled".to_owned()),
        Outcome::Exited { code } if report.ended_in == Stage::Compile => {
            lines.push(format!("{who} exited with {code}; the program was not run"));
        }
        _ => {}
    }
    let denied: Vec<String> = report
        .violations
        .iter()
        .filter(|v| v.kind == ViolationKind::SystemCall && v.measured.is_some())
        .map(|v| format!("{} ({})", v.what, v.measured.as_deref().unwrap_or_default()))
        .collect();
    if !denied.is_empty() && !matches!(report.outcome, Outcome::Violation { .. }) {
        lines.push(format!("denied system calls: {}", denied.join(", ")));
    }
    for (name, stream) in [("standard output", &report.stdout), ("standard error", &report.stderr)] {
        if stream.cut {
            lines.push(format!("{name} was cut: {} bytes in all", stream.total));
        }
    }
    lines
}

/// Files that the caller wanted and does not get: errors of palisade, which nothing silences.
fn lost(report: &Report) -> Vec<String> {
    let incomplete = report.changes.iter().flat_map(|changes| &changes.incomplete);
    let failed = report.outputs_left.iter().filter(|left| left.kind == LeftKind::Failed);
    let mut lines: Vec<String> = incomplete.map(not_kept).collect();
    lines.extend(failed.map(not_taken));
    lines
}

fn shown(name: &Name) -> String {
    one_line(&name.to_string())
}

fn not_kept(left: &Left) -> String {
    format!("not compared or kept: {}: {}", shown(&left.path), left.because)
}

fn not_taken(left: &Left) -> String {
    format!("not taken: {}: {}", shown(&left.path), left.because)
}

/// What became of files.
fn files(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(changes) = &report.changes {
        for (word, list) in [("added", &changes.added), ("modified", &changes.modified), ("deleted", &changes.deleted)]
        {
            lines.extend(list.iter().map(|change| {
                let slash = if change.kind == FileKind::Directory { "/" } else { "" };
                format!("{word} {}{slash}", shown(&change.path))
            }));
        }
        if lines.is_empty() && changes.incomplete.is_empty() {
            lines.push("nothing was changed".to_owned());
        }
        lines.extend(changes.incomplete.iter().map(not_kept));
        lines.extend(changes.kept_in.iter().map(|directory| format!("the changes are in {}", directory.display())));
    }
    if report.outputs.as_ref().is_some_and(Vec::is_empty) && report.outputs_left.is_empty() {
        lines.push("no file matched --output".to_owned());
    }
    lines.extend(report.outputs_left.iter().map(not_taken));
    lines
}

/// Text for people that may name files.
pub(crate) fn words(text: &str) -> i32 {
    out(&legible(text))
}

/// Text that is ready.
pub(crate) fn data(text: &str) -> i32 {
    out(text)
}

/// Text in which words of strangers are.
pub(crate) fn lines(text: &str) -> i32 {
    out(&legible(text))
}

/// Something that is worth a look and did not keep the command from doing its work.
pub(crate) fn warning(text: &str) {
    err(&format!("warning: {text}\n"));
}

/// Whether standard output may be coloured: a terminal, and nobody said no (<https://no-color.org>).
pub(crate) fn colour() -> Colour {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    if io::stdout().is_terminal() && !unwanted && !dumb { Colour::Some } else { Colour::None }
}

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    None,
    Some,
}

/// A word as the report writes it.
pub(crate) fn name_of(word: &impl serde::Serialize) -> String {
    serde_json::to_value(word).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A plan for people: what, where, with which walls.
pub(crate) fn plan(plan: &Plan) -> i32 {
    let mut text = String::new();
    for launch in &plan.launches {
        let job = &launch.job;
        let mut line = |name: &str, value: String| text.push_str(&format!("{name:<12} {value}\n"));
        line("stage", format!("{:?} by backend {:?}", job.stage, launch.backend).to_lowercase());
        line("command", job.command.join(" "));
        line("directory", job.directory.display().to_string());
        let variables: Vec<String> = job.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        line("environment", variables.join(" "));
        if let Some(size) = job.terminal {
            line("terminal", format!("its own, {} lines of {}", size.rows, size.columns));
        }
        line("namespaces", launch.namespaces.join(", "));
        line("ids", format!("{}:{} on the host", launch.ids.uid, launch.ids.gid));
        let limits = &job.limits;
        line(
            "limits",
            format!(
                "{:?} elapsed, {:?} CPU, {} memory, {} processes, {} threads, {} descriptors, {} a file, {} in /tmp",
                limits.wall_time,
                limits.cpu_time,
                limits.memory,
                limits.processes,
                limits.threads,
                limits.descriptors,
                limits.file_size,
                limits.tmp_size
            ),
        );
        if job.base == Base::Host {
            line("shown", "all of the host's files (read)".to_owned());
        }
        for shown in &job.shown {
            line(
                "shown",
                format!("{} from {} ({:?})", shown.at.display(), shown.from.display(), shown.access).to_lowercase(),
            );
        }
        for hidden in &job.hidden {
            line("hidden", hidden.display().to_string());
        }
        for kept in &job.kept {
            line("kept", format!("{} (read)", kept.display()));
        }
        if let Some(outputs) = &job.outputs {
            line("outputs", format!("{} to {}", outputs.asked.patterns.join(" "), outputs.asked.directory.display()));
        }
        for given in &job.given {
            line("given", format!("{} ({} bytes)", given.at.display(), given.size));
        }
        for layer in &launch.layers {
            line("layer", format!("{}: {} by {}", name_of(&layer.layer), name_of(&layer.status), layer.by));
        }
        for weak in &launch.weakened {
            line("weakened", format!("{}: {}; instead: {}; fix: {}", weak.what, weak.because, weak.instead, weak.hint));
        }
        for clamp in &launch.clamped {
            line("lowered", format!("{}: {} to {} ({})", clamp.what, clamp.asked, clamp.given, clamp.because));
        }
        text.push('\n');
    }
    out(&legible(&text))
}
