//! A chart for a terminal.

use std::fmt::Write;

use super::chart::{Chart, Tone, short};

/// Signs of the parts of a stacked bar, in turns.
const PARTS: [char; 8] = ['█', '▒', '▓', '░', '#', '=', '+', ':'];
/// A bar of one value.
const BAR: char = '█';
/// The limit.
const LINE: char = '┆';

/// The lines of a chart, `columns` wide: a label, a bar and its value. `paint` may colour a bar, given its tone.
#[must_use]
pub fn bars(chart: &Chart, columns: usize, paint: &dyn Fn(Tone, String) -> String) -> String {
    let label = chart.bars.iter().map(|bar| bar.label.chars().count()).max().unwrap_or(0);
    let figures: Vec<String> = chart.bars.iter().map(|bar| format!("{} {}", short(bar.sum()), chart.unit)).collect();
    let figure = figures.iter().map(String::len).max().unwrap_or(0);
    let room = columns.saturating_sub(label + figure + 4).max(20);
    let length = |value: f64| ((chart.part(value) * room as f64).round() as usize).min(room);
    let line = chart.limit.as_ref().map(|limit| length(limit.value).min(room - 1));
    let mut text = format!("{}\n", chart.title);
    for (bar, figure_of) in chart.bars.iter().zip(&figures) {
        let mut signs: Vec<char> = Vec::with_capacity(room);
        if chart.is_stacked() {
            let mut sum = 0.0;
            for (value, sign) in bar.values.iter().zip(PARTS.iter().cycle()) {
                sum += value;
                signs.resize(length(sum), *sign);
            }
        } else {
            signs.resize(length(bar.sum()).max(usize::from(bar.sum() > 0.0)), BAR);
        }
        let full = signs.len();
        signs.resize(room, ' ');
        // In front of the bars that end before it; a bar that goes beyond covers it.
        if let Some(at) = line.filter(|at| *at >= full) {
            signs[at] = LINE;
        }
        let signs: String = signs.into_iter().collect();
        let _ = writeln!(text, "{:label$}  {}  {figure_of:>figure$}", bar.label, paint(bar.tone, signs));
    }
    if let (Some(at), Some(limit)) = (line, &chart.limit) {
        let words = limit.label.chars().count();
        // Left of the line if it is nearer to the right end.
        let place = if at + words < room { at } else { (at + 1).saturating_sub(words) };
        let _ = writeln!(text, "{:label$}  {:place$}{}", "", "", limit.label);
    }
    if chart.is_stacked() {
        for (name, sign) in chart.parts.iter().zip(PARTS.iter().cycle()) {
            let _ = writeln!(text, "{:label$}  {sign} {name}", "");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::chart::{Limit, Scale, tests::chart};

    #[test]
    fn a_bar_before_the_limit_shows_the_line_and_one_beyond_covers_it() {
        let mut chart = chart(Scale::Logarithmic, &[&[1.0], &[5000.0]], &[]);
        chart.limit = Some(Limit { value: 1000.0, label: "1000 ms".to_owned() });
        let text = bars(&chart, 70, &|_, bar| bar);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].contains(LINE) && !lines[2].contains(LINE), "{text}");
        assert!(lines[2].ends_with("5000 ms") && lines[3].ends_with("1000 ms"), "{text}");
        assert!(lines.iter().all(|line| line.chars().count() <= 70), "{text}");
    }

    #[test]
    fn parts_stand_end_to_end_and_are_named() {
        let text = bars(&chart(Scale::Linear, &[&[1.0, 3.0], &[2.0, 6.0]], &["clone", "mounts"]), 60, &|_, bar| bar);
        let count = |line: usize, sign: char| text.lines().nth(line).unwrap().matches(sign).count();
        assert!(count(2, '▒') > 2 * count(2, '█') && count(2, '█') > count(1, '█'), "{text}");
        assert!(text.contains("█ clone") && text.contains("▒ mounts"), "{text}");
    }
}
