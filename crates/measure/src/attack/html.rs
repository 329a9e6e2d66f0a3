//! The table as a page that needs nothing else: no script, no font, no picture; light or dark as the reader's system is.

use std::fmt::Write;

use super::{Group, Table, Verdict};
use crate::show::markup::escaped;

const STYLE: &str = include_str!("page.css");

/// One self-contained page: the matrix, with the evidence as each cell's title, and all of it as lists.
#[must_use]
pub fn html(table: &Table) -> String {
    let mut page = String::new();
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>palisade attack</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>What each sandbox stops</h1>\n\
         <p>{} attacks, each executed by user {} on Linux {}: first outside, where it has to succeed, then in each sandbox. \
         A cell's evidence is its title, and in the lists below.</p>\n",
        table.rows.len(),
        table.uid,
        escaped(&table.kernel),
    );
    legend(&mut page);
    matrix(table, &mut page);
    details(table, &mut page);
    page.push_str("</body>\n</html>\n");
    page
}

fn legend(page: &mut String) {
    page.push_str("<dl>\n");
    for verdict in Verdict::ALL {
        let _ = writeln!(page, "<dt class=\"{verdict}\">{verdict}</dt><dd>{}</dd>", escaped(verdict.about()));
    }
    page.push_str(
        "<dt class=\"broken\">!</dt><dd>the backend promises the guarantee, and does not hold it</dd>\n</dl>\n",
    );
}

fn matrix(table: &Table, page: &mut String) {
    page.push_str("<div class=\"wide\"><table>\n<thead><tr><th>attack</th><th>guarantee</th>");
    for column in &table.backends {
        let _ = write!(page, "<th>{}</th>", column.backend);
    }
    page.push_str("</tr></thead>\n");
    for group in Group::ALL.into_iter().filter(|group| table.of(*group).next().is_some()) {
        let _ = write!(page, "<tbody>\n<tr><th colspan=\"{}\">{group}</th></tr>\n", table.backends.len() + 2);
        for row in table.of(group) {
            let attack = row.attack;
            let _ = write!(
                page,
                "<tr><td title=\"{}; effect: {}\"><a href=\"#{2}\">{2}</a></td><td>{3}</td>",
                escaped(attack.about),
                escaped(attack.effect),
                attack.name,
                attack.guarantee
            );
            for (cell, column) in row.cells.iter().zip(&table.backends) {
                let broken = if column.broken.contains(&attack.name) { " broken" } else { "" };
                let (verdict, evidence) = (cell.result, escaped(&cell.evidence));
                let _ = write!(page, "<td class=\"{verdict}{broken}\" title=\"{evidence}\">{verdict}</td>");
            }
            page.push_str("</tr>\n");
        }
        page.push_str("</tbody>\n");
    }
    page.push_str("<tfoot><tr><th>vulnerable</th><td></td>");
    for column in &table.backends {
        let _ = write!(page, "<td>{} of {}</td>", column.counts.vulnerable, column.counts.tried());
    }
    page.push_str("</tr></tfoot>\n</table></div>\n");
}

fn details(table: &Table, page: &mut String) {
    page.push_str("<h2>Evidence</h2>\n");
    for row in &table.rows {
        let attack = row.attack;
        let open = if row.cells.iter().any(|cell| cell.result == Verdict::Vulnerable) { " open" } else { "" };
        let _ = write!(
            page,
            "<details id=\"{0}\"{open}><summary>{0}: {1}</summary>\n<ul>\n\
             <li>looked for outside: {2}</li>\n<li>unconfined: <b class=\"{3}\">{3}</b> {4}</li>\n",
            attack.name,
            escaped(attack.about),
            escaped(attack.effect),
            row.outside.result,
            escaped(&row.outside.evidence),
        );
        for (cell, column) in row.cells.iter().zip(&table.backends) {
            let (verdict, evidence) = (cell.result, escaped(&cell.evidence));
            let _ = writeln!(page, "<li>{}: <b class=\"{verdict}\">{verdict}</b> {evidence}</li>", column.backend);
        }
        page.push_str("</ul></details>\n");
    }
}
