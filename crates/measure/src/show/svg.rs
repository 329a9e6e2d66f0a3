//! A chart for browsers: plain SVG, no script, no font; light or dark as the reader's system is.

use std::fmt::Write;

use super::{
    chart::{Chart, Scale, Tone, short},
    markup::escaped,
};

/// What all charts of a page have in common; [`svg_file`] has it in it.
pub const STYLE: &str = include_str!("chart.css");

const WIDTH: f64 = 860.0;
/// Height of a bar and the space below it.
const STEP: f64 = 24.0;
const BAR: f64 = 16.0;
const TOP: f64 = 58.0;
/// How many colours parts have before they come again.
const COLOURS: usize = 8;

/// A file of its own.
#[must_use]
pub fn svg_file(chart: &Chart) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", drawn(chart, &format!("<style>\n{STYLE}</style>\n")))
}

/// Part of an HTML page, which has [`STYLE`] among its styles.
#[must_use]
pub fn svg(chart: &Chart) -> String {
    drawn(chart, "")
}

// Writing to a string does not fail.
fn drawn(chart: &Chart, style: &str) -> String {
    let longest = chart.bars.iter().map(|bar| bar.label.chars().count()).max().unwrap_or(0);
    let left = (longest as f64 * 7.2 + 16.0).min(WIDTH / 2.0);
    let room = WIDTH - left - 90.0;
    let bottom = TOP + chart.bars.len() as f64 * STEP;
    let legend = if chart.is_stacked() { chart.parts.len().div_ceil(3) as f64 * 20.0 + 10.0 } else { 0.0 };
    let height = bottom + 30.0 + legend;
    let title = escaped(&chart.title);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n{style}<rect class=\"paper\" width=\"100%\" \
         height=\"100%\"/>\n<text class=\"title\" x=\"8\" y=\"22\">{title}</text>\n"
    );
    for mark in chart.marks() {
        let x = left + chart.part(mark) * room;
        let _ = writeln!(
            svg,
            "<line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{bottom:.1}\"/><text class=\"small\" \
             x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            TOP - 6.0,
            bottom + 14.0,
            axis(mark)
        );
    }
    let scale = if chart.scale == Scale::Logarithmic { ", logarithmic" } else { "" };
    let _ = writeln!(
        svg,
        "<text class=\"small\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}{scale}</text>",
        WIDTH - 8.0,
        bottom + 28.0,
        escaped(&chart.unit)
    );
    for (index, bar) in chart.bars.iter().enumerate() {
        let y = TOP + index as f64 * STEP;
        let label = escaped(&bar.label);
        let _ =
            write!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", left - 8.0, y + BAR * 0.78);
        let mut from = 0.0;
        let stacked = chart.is_stacked();
        let values = if stacked { bar.values.clone() } else { vec![bar.sum()] };
        let mut sum = 0.0;
        for (part, value) in values.iter().enumerate() {
            sum += value;
            let to = (chart.part(sum) * room).max(if stacked { 0.0 } else { 1.0 });
            let (colour, name) = if stacked {
                let name = chart.parts.get(part).map(String::as_str).unwrap_or_default();
                (format!("--p{}", part % COLOURS), format!("{}: ", escaped(name)))
            } else {
                (format!("--c{}", colour(bar.tone)), String::new())
            };
            let _ = write!(
                svg,
                "<rect x=\"{:.2}\" y=\"{y:.1}\" width=\"{:.2}\" height=\"{BAR}\" style=\"fill:var({colour})\"><title>\
                 {label}: {name}{} {}</title></rect>",
                left + from,
                to - from,
                short(*value),
                escaped(&chart.unit)
            );
            from = to;
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            left + from + 5.0,
            y + BAR * 0.78,
            short(bar.sum())
        );
    }
    if let Some(limit) = &chart.limit {
        let x = left + chart.part(limit.value) * room;
        let _ = writeln!(
            svg,
            "<line class=\"limit\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{bottom:.1}\"/><text class=\"small beyond\" \
             x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            TOP - 8.0,
            TOP - 13.0,
            escaped(&limit.label)
        );
    }
    if chart.is_stacked() {
        for (part, name) in chart.parts.iter().enumerate() {
            let (x, y) = (left + (part % 3) as f64 * (WIDTH - left) / 3.0, bottom + 44.0 + (part / 3) as f64 * 20.0);
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"12\" height=\"12\" style=\"fill:var(--p{})\"/><text \
                 class=\"small\" x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
                y - 10.0,
                part % COLOURS,
                x + 17.0,
                escaped(name)
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// A mark of an axis: a round number.
fn axis(mark: f64) -> String {
    // Without what adding and multiplying have left behind.
    let text = format!("{mark:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

const fn colour(tone: Tone) -> u8 {
    match tone {
        Tone::Baseline => 0,
        Tone::Own => 1,
        Tone::Other => 2,
        Tone::Beyond => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::chart::{Limit, tests::chart};

    #[test]
    fn a_chart_is_a_picture_of_all_bars_and_its_words_are_no_markup() {
        let mut chart = chart(Scale::Logarithmic, &[&[1.0], &[5000.0]], &[]);
        chart.limit = Some(Limit { value: 1000.0, label: "limit <1000 ms>".to_owned() });
        let svg = svg_file(&chart);
        assert_eq!(svg.matches("<title>").count(), 2);
        assert!(svg.contains("method &lt;1&gt;") && svg.contains("limit &lt;1000 ms&gt;") && svg.contains("a &amp; b"));
        assert!(svg.contains("prefers-color-scheme: dark"));
        let well_formed = svg.matches("<text").count() == svg.matches("</text>").count();
        assert!(well_formed && svg.ends_with("</svg>\n"), "{svg}");
    }

    #[test]
    fn parts_have_colours_and_a_legend() {
        let svg = svg(&chart(Scale::Linear, &[&[1.0, 3.0], &[2.0, 0.0]], &["clone", "mounts"]));
        assert_eq!(svg.matches("var(--p1)").count(), 3, "two bars and the legend: {svg}");
        assert!(svg.contains(">mounts</text>") && svg.contains("mounts: 3.00 ms"));
        assert!(!svg.contains("<style>"));
    }
}
