//! `palisade advise`: limits, a wall with what it costs in time, and a price, for people or as JSON.
//!
//! Not here: the rules and the measuring (the library), printing (`print.rs`).

use std::{fmt::Write, time::Duration};

use palisade::{
    Overhead, StartError,
    advise::{Advice, advise},
    measure, plan,
    spec::{Backend, Cost, CostRates, Limits, Program, Request, Weakening},
};
use serde::Serialize;

use crate::{args::Advise, check, config, print};

/// Name and version of the form in which the advice is printed as JSON.
const SCHEMA: &str = "palisade.advice/1";

/// What the advice is for, as long as nobody says otherwise.
const NEED: &str = "a stranger's code: no network, no files but its own, bounded in everything";

#[derive(Serialize)]
struct Answer {
    schema: &'static str,
    #[serde(flatten)]
    advice: Advice,
    method: Method,
    /// `null` with `--no-measure`.
    overhead: Option<Overhead>,
    rates: CostRates,
    /// Of a run that uses all that it may.
    cost: Cost,
}

/// Which wall for the need, and why.
#[derive(Serialize)]
struct Method {
    need: &'static str,
    backend: Backend,
    because: String,
    weakened: Vec<Weakening>,
}

pub(crate) fn answer(args: &Advise) -> i32 {
    match look(args) {
        Ok(answer) if args.json => print::json(&answer),
        Ok(answer) => print::words(&text(args, &answer)),
        Err(error) => print::start_error(&error, args.json),
    }
}

fn look(args: &Advise) -> Result<Answer, StartError> {
    let complexity = check::complexity(&args.file, args.language.as_deref());
    let advice = advise(&args.file, args.language.as_deref(), complexity)?;
    let rates = config::rates(args.rate_memory, args.rate_time)?;
    let cost = rates.of(advice.limits.memory, advice.limits.cpu_time);
    let method = method()?;
    let overhead = if args.no_measure { None } else { Some(measure(&[method.backend, Backend::None], args.runs)?) };
    Ok(Answer { schema: SCHEMA, advice, method, overhead, rates, cost })
}

/// The first wall of this host that holds the default policy. The need does not depend on the program, so neither does
/// this, nor on whether its language's tools are here.
fn method() -> Result<Method, StartError> {
    let plan = plan(&Request::new(Program::Command("true".to_owned())))?;
    let weakened: Vec<Weakening> = plan.launches.into_iter().flat_map(|launch| launch.weakened).collect();
    let how = if weakened.is_empty() { "in full" } else { "with the weakenings below" };
    let name = print::name_of(&plan.backend);
    Ok(Method {
        need: NEED,
        backend: plan.backend,
        because: format!("{name} is the first wall of this version, and this host can build it {how}; none is no wall"),
        weakened,
    })
}

fn text(args: &Advise, answer: &Answer) -> String {
    let Answer { advice, method, overhead, rates, cost, .. } = answer;
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<10} {value}");
    };
    line("file", format!("{}: {}, {} bytes", args.file.display(), advice.language, advice.code.size));
    let limits = &advice.limits;
    line("limits", format!("{} memory, {:?} CPU time, {:?} elapsed", limits.memory, limits.cpu_time, limits.wall_time));
    for why in &advice.because {
        line("", why.clone());
    }
    line("need", method.need.to_owned());
    line("method", print::name_of(&method.backend));
    line("", method.because.clone());
    for weak in &method.weakened {
        line("weakened", format!("{}: {}; instead: {}", weak.what, weak.because, weak.instead));
    }
    match overhead {
        None => line("overhead", "not measured (--no-measure)".to_owned()),
        Some(measured) => {
            for one in &measured.backends {
                let name = print::name_of(&one.backend);
                line("overhead", format!("{name}: {:+.2} ms, {:.2} ms in all", one.added_ms, one.median_ms));
            }
            line(
                "",
                format!(
                    "over a plain start, {:.2} ms: medians of {} runs of {} each, just now",
                    measured.plain_ms, measured.runs, measured.program
                ),
            );
        }
    }
    line(
        "cost",
        format!(
            "{cost} at most: {} MiB × {} + {} s × {}",
            megabytes(limits),
            rates.memory,
            seconds(limits),
            rates.time
        ),
    );
    line("run", command(args, advice));
    text
}

fn megabytes(limits: &Limits) -> f64 {
    limits.memory.0 as f64 / f64::from(1 << 20)
}

fn seconds(limits: &Limits) -> f64 {
    limits.cpu_time.as_secs_f64()
}

/// The command with these limits. Those that the language has anyway are left out.
fn command(args: &Advise, advice: &Advice) -> String {
    let mut words = vec!["palisade run".to_owned()];
    words.extend(args.language.iter().map(|name| format!("--language {name}")));
    let (new, old) = (&advice.limits, &advice.default);
    if new.memory != old.memory {
        let size = new.memory.0;
        words.push(match (size.is_multiple_of(1 << 20), size >> 20) {
            (true, mib) => format!("--memory-limit {mib}M"),
            (false, _) => format!("--memory-limit {size}"),
        });
    }
    for (option, new, old) in
        [("--cpu-time-limit", new.cpu_time, old.cpu_time), ("--time-limit", new.wall_time, old.wall_time)]
    {
        if new != old {
            words.push(format!("{option} {}", time(new)));
        }
    }
    words.push(quoted(&args.file.display().to_string()));
    words.join(" ")
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |sign: char| sign.is_alphanumeric() || "/._-+=:,@%".contains(sign);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn time(duration: Duration) -> String {
    match (duration.as_millis(), duration.as_secs()) {
        (millis, seconds) if millis == u128::from(seconds) * 1000 => format!("{seconds}s"),
        (millis, _) => format!("{millis}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_one_word_for_a_shell() {
        assert_eq!(quoted("a/b-c.py"), "a/b-c.py");
        assert_eq!(quoted("it's; rm"), "'it'\\''s; rm'");
    }

    #[test]
    fn a_time_is_written_as_options_read_it() {
        for (millis, text) in [(45_000, "45s"), (7_500, "7500ms"), (1, "1ms")] {
            let duration = Duration::from_millis(millis);
            assert_eq!(time(duration), text);
            assert_eq!(palisade::spec::parse_duration(text), Ok(duration));
        }
    }
}
