//! A comparison for people: one line for each method, bars, what was not measured, what others say.

use std::fmt::Write;

use super::{
    change::{Change, Verdict},
    method::{BASELINE, Side},
    outcome::{Comparison, Fitness, LIMIT_MS, Measured, Quoted},
};
use crate::show::{Align, Bar, Chart, Limit, Scale, Table, Tone, bars};

/// What a word stands for, for whoever colours it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// As it should be.
    Good,
    /// Between the two.
    Middling,
    /// As it should not be.
    Bad,
    /// A bar.
    Bar(Tone),
    /// Nothing in particular.
    Plain,
}

/// May colour a word, by what it stands for.
pub type Paint<'a> = &'a dyn Fn(Sense, String) -> String;

/// The columns of the table, in text and elsewhere.
pub(super) const HEAD: [(&str, Align); 12] = [
    ("method", Align::Left),
    ("average", Align::Right),
    ("median", Align::Right),
    ("p95", Align::Right),
    ("p99", Align::Right),
    ("overhead", Align::Right),
    ("x base", Align::Right),
    ("x bwrap", Align::Right),
    ("memory", Align::Right),
    ("Pi-ready", Align::Left),
    ("< 1000 ms", Align::Left),
    ("isolated?", Align::Left),
];

/// The table, bars that are `columns` wide, what was not measured and what is quoted.
#[must_use]
pub fn text(comparison: &Comparison, columns: usize, paint: Paint<'_>) -> String {
    let rounds = comparison.rounds;
    let idle = if rounds.idle_ms == 0 { String::new() } else { format!(", {} ms of idle before each", rounds.idle_ms) };
    let mut text = format!(
        "{}\n{} x {} of each method in turn{idle}; milliseconds of whole processes\n\n",
        comparison.host, comparison.program, rounds.counted
    );
    let mut table = Table::new(&HEAD);
    let all: Vec<[(String, Sense); 12]> = comparison.methods.iter().map(row).collect();
    for row in &all {
        table.row(row.iter().map(|(word, _)| word.as_str()));
    }
    text.push_str(&table.text(&|row, column, word| paint(all[row][column].1, word)));
    let _ =
        writeln!(text, "\n{}", bars(&chart(comparison), columns, &|tone, bar| paint(Sense::Bar(tone), bar)).trim_end());
    notes(comparison, &mut text);
    missing(comparison, &mut text);
    text
}

/// The words of a method's line.
pub(super) fn row(method: &Measured) -> [(String, Sense); 12] {
    let plain = |word: String| (word, Sense::Plain);
    let judged = |word: &str, good: bool| (word.to_owned(), if good { Sense::Good } else { Sense::Bad });
    let stats = method.stats;
    let is_base = method.name == BASELINE;
    let times = |ratio: Option<crate::stats::Ratio>| {
        ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{:.2}", ratio.median))
    };
    let memory =
        method.memory.map_or_else(|| "?".to_owned(), |bytes| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)));
    let fitness = match method.pi_ready {
        Fitness::Yes => Sense::Good,
        Fitness::Limited => Sense::Middling,
        Fitness::No => Sense::Bad,
    };
    let isolated = match &method.sees {
        None => ("unknown".to_owned(), Sense::Middling),
        Some(sees) => judged(&sees.words(), sees.is_isolated()),
    };
    [
        plain(method.name.clone()),
        plain(ms(stats.mean)),
        plain(ms(stats.median)),
        plain(ms(stats.p95)),
        plain(ms(stats.p99)),
        plain(if is_base { "-".to_owned() } else { format!("{:+.2}", method.overhead_ms) }),
        plain(times(method.to_baseline)),
        plain(times(method.to_bwrap)),
        plain(memory),
        (method.pi_ready.name().to_owned(), fitness),
        judged(if method.pass { "PASS" } else { "FAIL" }, method.pass),
        isolated,
    ]
}

fn ms(value: f64) -> String {
    format!("{value:.2}")
}

/// Medians as a chart, with the limit.
#[must_use]
pub fn chart(comparison: &Comparison) -> Chart {
    let bar = |method: &Measured| Bar {
        label: method.name.clone(),
        values: vec![method.stats.median],
        tone: match method.side {
            _ if method.stats.median >= LIMIT_MS => Tone::Beyond,
            Side::Baseline => Tone::Baseline,
            Side::Own => Tone::Own,
            Side::Other => Tone::Other,
        },
    };
    Chart {
        title: format!("One launch of {}: median of {}, logarithmic", comparison.program, comparison.rounds.counted),
        unit: "ms".to_owned(),
        scale: Scale::Logarithmic,
        limit: Some(Limit { value: LIMIT_MS, label: format!("limit {LIMIT_MS} ms") }),
        parts: Vec::new(),
        bars: comparison.methods.iter().map(bar).collect(),
    }
}

fn notes(comparison: &Comparison, text: &mut String) {
    let noted: Vec<&Measured> = comparison.methods.iter().filter(|method| !method.note.is_empty()).collect();
    if !noted.is_empty() {
        text.push('\n');
    }
    for method in noted {
        let _ = writeln!(text, "{}: {}", method.name, method.note);
    }
}

/// What was not measured, and, apart from it, what is only quoted.
fn missing(comparison: &Comparison, text: &mut String) {
    if comparison.not_measured.is_empty() {
        return;
    }
    text.push_str("\nnot measured\n");
    let wide = comparison.not_measured.iter().map(|method| method.name.len()).max().unwrap_or(0);
    for method in &comparison.not_measured {
        let _ = writeln!(text, "  {:wide$}  {}", method.name, method.because);
        if !method.hint.is_empty() {
            let _ = writeln!(text, "  {:wide$}  hint: {}", "", method.hint);
        }
    }
    let quotes: Vec<(&str, &Quoted)> = comparison
        .not_measured
        .iter()
        .filter_map(|method| Some((method.name.as_str(), method.quoted.as_ref()?)))
        .collect();
    if quotes.is_empty() {
        return;
    }
    text.push_str(
        "\nquoted, measured elsewhere by others or on another host: not to be compared with the figures above\n",
    );
    let head = [("method", Align::Left), ("quoted", Align::Right), ("of what", Align::Left), ("source", Align::Left)];
    let mut table = Table::new(&head);
    for (name, quoted) in quotes {
        table.row([name, &quoted.value, &quoted.of, &quoted.source]);
    }
    indented(&table, text);
}

fn indented(table: &Table, text: &mut String) {
    for line in table.text(&|_, _, word| word).lines() {
        let _ = writeln!(text, "  {line}");
    }
}

/// What changed, as a table.
#[must_use]
pub fn changes_text(changes: &[Change], paint: Paint<'_>) -> String {
    let head = [
        ("method", Align::Left),
        ("median then", Align::Right),
        ("now", Align::Right),
        ("x base then", Align::Right),
        ("now", Align::Right),
        ("beyond noise", Align::Left),
    ];
    let mut table = Table::new(&head);
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), ms);
    for one in changes {
        table.row([
            one.name.clone(),
            number(one.old_ms),
            number(one.new_ms),
            number(one.old_ratio),
            number(one.new_ratio),
            one.verdict.name().to_owned(),
        ]);
    }
    let sense = |verdict| match verdict {
        Verdict::Faster => Sense::Good,
        Verdict::Slower => Sense::Bad,
        Verdict::Same | Verdict::New | Verdict::Gone => Sense::Plain,
    };
    let painted = |row: usize, column, word| if column == 5 { paint(sense(changes[row].verdict), word) } else { word };
    format!("what changed\n{}", table.text(&painted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{
        NotMeasured,
        change::changes,
        outcome::tests::{comparison, measured},
        quoted::quoted,
    };

    fn example() -> Comparison {
        let mut comparison = comparison(vec![
            measured(BASELINE, Side::Baseline, &[1.0, 1.0]),
            measured("qemu", Side::Other, &[2000.0, 2200.0]),
        ]);
        comparison.not_measured.push(NotMeasured {
            name: "firecracker".into(),
            because: "firecracker is not installed".into(),
            hint: "get it".into(),
            quoted: quoted("firecracker"),
        });
        comparison
    }

    #[test]
    fn what_is_quoted_is_in_no_line_of_what_was_measured() {
        let text = text(&example(), 80, &|_, word| word);
        let (measured, rest) = text.split_once("\nnot measured\n").unwrap();
        let (missing, quoted) = rest.split_once("\nquoted,").unwrap();
        assert!(!measured.contains("firecracker") && missing.contains("not installed"), "{text}");
        assert!(quoted.contains("<= 125 ms") && quoted.contains("SPECIFICATION.md"), "{text}");
        assert!(!missing.contains("125"), "{text}");
    }

    #[test]
    fn who_is_too_slow_fails_and_is_beyond_the_line() {
        let text = text(&example(), 80, &|sense, word| match sense {
            Sense::Bad | Sense::Bar(Tone::Beyond) => format!("<{word}>"),
            _ => word,
        });
        let line = |name: &str| text.lines().filter(|line| line.starts_with(name)).collect::<Vec<_>>();
        assert!(line("qemu")[0].contains("<FAIL") && line("qemu")[1].contains("<█"), "{text}");
        assert!(line("baseline")[0].contains("PASS"), "{text}");
        assert!(text.contains("limit 1000 ms"), "{text}");
    }

    #[test]
    fn changes_are_told_with_both_figures() {
        let old = example();
        let text = changes_text(&changes(&old, &old), &|_, word| word);
        assert!(text.contains("qemu") && text.contains("2100.00  2100.00") && text.contains("same"), "{text}");
    }
}
