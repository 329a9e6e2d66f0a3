//! The table for people: one line for each attack, one column for each wall, then the evidence.

use std::fmt::Write;

use super::{Group, Table, Verdict};

/// The sign that a cell has beside its word, where the wall promises what the attack has broken.
const BROKEN: char = '!';

/// The matrix, the evidence of everything that succeeded, and what the words mean. `paint` may colour a word by its verdict.
#[must_use]
pub fn text(table: &Table, paint: &dyn Fn(Verdict, String) -> String) -> String {
    let mut text = String::new();
    matrix(table, paint, &mut text);
    evidence(table, &mut text);
    doubts(table, &mut text);
    legend(table, &mut text);
    text
}

// Writing to a string does not fail.
fn matrix(table: &Table, paint: &dyn Fn(Verdict, String) -> String, text: &mut String) {
    let first = table.rows.iter().map(|row| row.attack.name.len()).max().unwrap_or(0) + 2;
    let second = table.rows.iter().map(|row| row.attack.guarantee.to_string().len()).max().unwrap_or(0).max(9);
    let wide = |name: &str| name.len().max(Verdict::Inconclusive.name().len() + 1);
    let _ = write!(text, "{:first$}  {:second$}", "attack", "guarantee");
    for column in &table.backends {
        let name = column.backend.to_string();
        let _ = write!(text, "  {name:width$}", width = wide(&name));
    }
    trim(text);
    for group in Group::ALL.into_iter().filter(|group| table.of(*group).next().is_some()) {
        let _ = write!(text, "\n{group}\n");
        for row in table.of(group) {
            let _ = write!(
                text,
                "  {:name$}  {:second$}",
                row.attack.name,
                row.attack.guarantee.to_string(),
                name = first - 2
            );
            for (cell, column) in row.cells.iter().zip(&table.backends) {
                let broken = column.broken.contains(&row.attack.name);
                let mut word = cell.result.name().to_owned();
                word.extend(broken.then_some(BROKEN));
                let word = format!("{word:width$}", width = wide(&column.backend.to_string()));
                let _ = write!(text, "  {}", paint(cell.result, word));
            }
            trim(text);
        }
    }
    let _ = write!(text, "\n{:first$}  {:second$}", "vulnerable", "");
    for column in &table.backends {
        let count = format!("{} of {}", column.counts.vulnerable, column.counts.tried());
        let _ = write!(text, "  {count:width$}", width = wide(&column.backend.to_string()));
    }
    trim(text);
}

/// Ends a line.
fn trim(text: &mut String) {
    text.truncate(text.trim_end_matches(' ').len());
    text.push('\n');
}

/// What succeeded, wall by wall.
fn evidence(table: &Table, text: &mut String) {
    for (index, column) in table.backends.iter().enumerate().filter(|(_, column)| column.counts.vulnerable > 0) {
        let _ = write!(text, "\n{} is vulnerable to\n", column.backend);
        for row in &table.rows {
            if let Some(cell) = row.cells.get(index).filter(|cell| cell.result == Verdict::Vulnerable) {
                let _ = writeln!(text, "  {}: {}: {}", row.attack.name, row.attack.about, cell.evidence);
            }
        }
    }
}

/// What could not be found out, once for each reason, and what was refused.
fn doubts(table: &Table, text: &mut String) {
    for (verdict, title) in [(Verdict::Inconclusive, "inconclusive"), (Verdict::Refused, "refused")] {
        let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
        for (index, column) in table.backends.iter().enumerate() {
            for row in &table.rows {
                let Some(cell) = row.cells.get(index).filter(|cell| cell.result == verdict) else { continue };
                let everywhere = verdict == Verdict::Inconclusive && row.outside.result == verdict;
                let line = if everywhere {
                    format!("{}: {}", row.attack.name, cell.evidence)
                } else {
                    format!("{}: {}", column.backend, cell.evidence)
                };
                match lines.iter_mut().find(|(known, _)| *known == line) {
                    Some((_, names)) => names.push(row.attack.name),
                    None => lines.push((line, vec![row.attack.name])),
                }
            }
        }
        if !lines.is_empty() {
            let _ = write!(text, "\n{title}\n");
        }
        for (line, mut names) in lines {
            names.dedup();
            let own = line.starts_with(&format!("{}: ", names[0]));
            let _ = match names.len() {
                _ if own => writeln!(text, "  {line}"),
                1 => writeln!(text, "  {}, {line}", names[0]),
                count if count == table.rows.len() => writeln!(text, "  {line}"),
                count => writeln!(text, "  {line} ({count} attacks, the first {})", names[0]),
            };
        }
    }
}

fn legend(table: &Table, text: &mut String) {
    text.push('\n');
    for verdict in Verdict::ALL {
        let seen = table.rows.iter().flat_map(|row| &row.cells).any(|cell| cell.result == verdict);
        if seen {
            let _ = writeln!(text, "{verdict:12}  {}", verdict.about());
        }
    }
    if table.is_broken() {
        let _ = writeln!(text, "{BROKEN:12}  the backend promises the guarantee, and does not hold it");
    }
}
