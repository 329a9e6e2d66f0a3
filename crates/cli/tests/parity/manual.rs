//! The part of the manual that is made from the tables.

use std::fmt::Write as _;

use crate::{DIFFERENCES, REQUESTS, WALLS};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/backends.md");
const BEGIN: &str = "<!-- made by crates/cli/tests/parity (PALISADE_WRITE=1): begin -->\n";
const END: &str = "<!-- end -->\n";

fn made() -> String {
    let mut text = format!(
        "{} requests give equal outcomes, streams, violations, files and exit status on {}: {}.\n\n",
        REQUESTS.len(),
        WALLS.join(", "),
        REQUESTS.iter().map(|request| request.name).collect::<Vec<_>>().join("; "),
    );
    if DIFFERENCES.is_empty() {
        text.push_str("There are no differences.\n");
        return text;
    }
    text.push_str("Except:\n\n| wall | request | there | because |\n|---|---|---|---|\n");
    for one in DIFFERENCES {
        let whose = one.person.map_or(String::new(), |person| format!(" ({person:?} only)"));
        let _ = writeln!(text, "| {}{whose} | {} | {} | {} |", one.backend, one.request, one.outcome, one.because);
    }
    text
}

/// Whether the manual has what the tables say.
pub(crate) fn holds() {
    for one in DIFFERENCES {
        assert!(REQUESTS.iter().any(|request| request.name == one.request), "no such request: {}", one.request);
        assert!(WALLS.contains(&one.backend), "no such wall: {}", one.backend);
    }
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let wanted = format!("{before}{BEGIN}{}{END}{after}", made());
    if std::env::var_os("PALISADE_WRITE").is_some() {
        std::fs::write(PAGE, wanted).unwrap();
    } else {
        assert_eq!(page, wanted, "PALISADE_WRITE=1 writes it");
    }
}
