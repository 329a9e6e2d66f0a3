//! A comparison as a page that needs nothing else: no script, no font; light or dark as the reader's system is.

use std::fmt::Write;

use super::{
    change::Change,
    outcome::Comparison,
    text::{HEAD, Sense, chart, row},
};
use crate::show::{Align, STYLE as CHART, Tone, markup::escaped, svg};

const STYLE: &str = include_str!("page.css");

/// One self-contained page: the chart, the table, what the programs saw, what was not measured, what is quoted, the command lines.
#[must_use]
pub fn html(comparison: &Comparison, changes: &[Change]) -> String {
    let rounds = comparison.rounds;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>palisade bench</title>\n<style>\n{STYLE}{CHART}</style>\n</head>\n<body>\n<h1>What a launch costs</h1>\n\
         <p>{}</p>\n<p>{} × {} of each method in turn, after {} that do not count{}. Milliseconds of whole processes.</p>\n\
         <div class=\"wide\">{}</div>\n",
        escaped(&comparison.host.to_string()),
        escaped(&comparison.program),
        rounds.counted,
        rounds.warmups,
        if rounds.idle_ms == 0 { String::new() } else { format!("; {} ms of idle before each", rounds.idle_ms) },
        svg(&chart(comparison)),
    );
    measured(comparison, &mut page);
    if !changes.is_empty() {
        changed(changes, &mut page);
    }
    missing(comparison, &mut page);
    details(comparison, &mut page);
    page.push_str("</body>\n</html>\n");
    page
}

fn measured(comparison: &Comparison, page: &mut String) {
    page.push_str("<h2>Measured here</h2>\n<div class=\"wide\"><table>\n<thead><tr>");
    for (name, _) in HEAD {
        let _ = write!(page, "<th>{}</th>", escaped(name));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for method in &comparison.methods {
        page.push_str("<tr>");
        for ((word, sense), (_, align)) in row(method).iter().zip(HEAD) {
            let number = if align == Align::Right { "number " } else { "" };
            let sense = match sense {
                Sense::Good => "good",
                Sense::Middling => "middling",
                Sense::Bad | Sense::Bar(Tone::Beyond) => "bad",
                Sense::Bar(_) | Sense::Plain => "",
            };
            let _ = write!(page, "<td class=\"{number}{sense}\">{}</td>", escaped(word));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table></div>\n");
}

fn changed(changes: &[Change], page: &mut String) {
    page.push_str(
        "<h2>What changed</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>method</th><th>median then</th><th>now</th>\
         <th>x base then</th><th>now</th><th>beyond noise</th></tr></thead>\n<tbody>\n",
    );
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    for one in changes {
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td \
             class=\"number\">{}</td><td>{}</td></tr>",
            escaped(&one.name),
            number(one.old_ms),
            number(one.new_ms),
            number(one.old_ratio),
            number(one.new_ratio),
            one.verdict.name()
        );
    }
    page.push_str("</tbody>\n</table></div>\n");
}

fn missing(comparison: &Comparison, page: &mut String) {
    if comparison.not_measured.is_empty() {
        return;
    }
    page.push_str("<h2>Not measured</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>method</th><th>why</th><th>what to do</th></tr></thead>\n<tbody>\n");
    for one in &comparison.not_measured {
        let words = [&one.name, &one.because, &one.hint].map(|word| format!("<td>{}</td>", escaped(word)));
        let _ = writeln!(page, "<tr>{}</tr>", words.concat());
    }
    page.push_str(
        "</tbody>\n</table></div>\n<h2>Quoted</h2>\n<p>Measured elsewhere, by others or on another host: not to be compared \
         with the figures above.</p>\n<div class=\"wide\"><table class=\"quoted\">\n<thead><tr><th>method</th><th>quoted</th>\
         <th>of what</th><th>source</th></tr></thead>\n<tbody>\n",
    );
    for (name, quoted) in comparison.not_measured.iter().filter_map(|one| Some((&one.name, one.quoted.as_ref()?))) {
        let source = escaped(&quoted.source);
        let source = if source.starts_with("https://") { format!("<a href=\"{source}\">{source}</a>") } else { source };
        let (name, value, of) = (escaped(name), escaped(&quoted.value), escaped(&quoted.of));
        let _ =
            writeln!(page, "<tr><td>{name}</td><td class=\"number\">{value}</td><td>{of}</td><td>{source}</td></tr>");
    }
    page.push_str("</tbody>\n</table></div>\n");
}

fn details(comparison: &Comparison, page: &mut String) {
    page.push_str("<h2>How, and what the programs saw</h2>\n");
    for method in &comparison.methods {
        let command = if method.command.is_empty() { "in this process".to_owned() } else { method.command.join(" ") };
        let note = if method.note.is_empty() { String::new() } else { format!(" ({})", escaped(&method.note)) };
        let _ = write!(
            page,
            "<details><summary>{}: {}{note}</summary>\n<p><code>{}</code></p>\n<ul>\n",
            escaped(&method.name),
            escaped(&method.about),
            escaped(&command)
        );
        for (name, sight) in method.sees.iter().flat_map(|sees| sees.each()) {
            let word = match sight.seen {
                Some(true) => "<b class=\"bad\">seen</b>",
                Some(false) => "<b class=\"good\">not seen</b>",
                None => "<b class=\"middling\">unknown</b>",
            };
            let _ = writeln!(page, "<li>{name}: {word} {}</li>", escaped(&sight.evidence));
        }
        page.push_str("</ul></details>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{
        Side,
        method::BASELINE,
        outcome::tests::{comparison, measured},
    };

    #[test]
    fn a_page_needs_nothing_else_and_words_in_it_are_no_markup() {
        let mut method = measured("a<b>", Side::Other, &[3.0, 4.0]);
        method.command = vec!["x".into(), "<script>".into()];
        let page = html(&comparison(vec![measured(BASELINE, Side::Baseline, &[1.0, 2.0]), method]), &[]);
        assert!(page.contains("a&lt;b&gt;") && page.contains("&lt;script&gt;") && page.contains("<svg "), "{page}");
        assert!(!page.contains("<script") && !page.contains("<link") && !page.contains(" src="), "{page}");
        assert!(page.contains("prefers-color-scheme: dark"));
    }
}
