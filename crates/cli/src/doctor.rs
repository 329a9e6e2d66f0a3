//! `palisade doctor`: the findings of `palisade::probe` as a table, and the verdict as an exit status.
//!
//! Not here: trying anything (the library), printing (`print.rs`).

use std::fmt::Write;

use palisade::probe::{Caller, Examination, Finding, Group, Native, Soundness, Status, Walls};

use crate::{
    args::Doctor,
    print::{self, Colour},
};

/// Exit status 0 if the native sandbox is usable, even if weakened; 1 if not.
pub(crate) fn examine(args: &Doctor) -> i32 {
    let walls = if args.refresh { Walls::Anew } else { Walls::Remembered };
    let found = match Examination::of_this_host(walls) {
        Ok(found) => found,
        Err(error) => return print::failure(&format_args!("/proc/self/uid_map: {error}; is /proc mounted?"), None),
    };
    let printed = if args.json { print::json(&found) } else { print::data(&text(&found, print::colour())) };
    match (printed, found.native.status) {
        (0, Soundness::NotUsable) => 1,
        (code, _) => code,
    }
}

const GROUPS: [(Group, &str); 4] = [
    (Group::Kernel, "kernel"),
    (Group::Cgroups, "cgroups"),
    (Group::Languages, "languages"),
    (Group::Backends, "backends"),
];

const BOLD: &str = "1";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const RED: &str = "31";

/// The table. A remedy has a line of its own, whole, so that it can be copied; one that has been given is not repeated.
fn text(found: &Examination, colour: Colour) -> String {
    let paint = |code: &str, text: String| match colour {
        Colour::None => text,
        Colour::Some => format!("\x1b[{code}m{text}\x1b[0m"),
    };
    let wide = found.findings.iter().map(|finding| finding.feature.chars().count()).max().unwrap_or(0);
    let mut text = match found.caller {
        Caller::Root => "tried as root".to_owned(),
        Caller::Ordinary { uid, gid } => format!("tried as user {uid}, group {gid}"),
    };
    text.push('\n');
    let mut given: Vec<(&str, &str)> = Vec::new();
    for (group, title) in GROUPS {
        let _ = write!(text, "\n{}\n", paint(BOLD, title.to_owned()));
        for finding in found.findings.iter().filter(|finding| finding.group == group) {
            let (word, code) = word(finding.status);
            let feature = &finding.feature;
            let _ = writeln!(text, "  {feature:wide$}  {}  {}", paint(code, format!("{word:10}")), because(finding));
            if let Some(fix) = &finding.fix {
                let indent = wide + 16;
                let _ = match given.iter().find(|(_, known)| known == fix) {
                    Some((first, _)) => writeln!(text, "{:indent$}fix: as for {first}", ""),
                    None => writeln!(text, "{:indent$}fix: {fix}", ""),
                };
                given.push((feature, fix));
            }
        }
    }
    let (word, code) = verdict(&found.native);
    let _ = write!(text, "\nnative sandbox: {}\n", paint(code, word));
    for weak in &found.native.weakened {
        let _ = writeln!(text, "  {}: {}; instead: {}", weak.what, weak.because, weak.instead);
    }
    if let Some(fix) = &found.native.fix {
        let _ = writeln!(text, "fix: {fix}");
    }
    text
}

/// The evidence, and for what does not work, what that costs.
fn because(finding: &Finding) -> String {
    match finding.status {
        Status::Usable => finding.evidence.clone(),
        Status::Partial | Status::NotUsable => format!("{} [for: {}]", finding.evidence, finding.needed_by),
    }
}

fn word(status: Status) -> (&'static str, &'static str) {
    match status {
        Status::Usable => ("usable", GREEN),
        Status::Partial => ("partial", YELLOW),
        Status::NotUsable => ("not usable", RED),
    }
}

fn verdict(native: &Native) -> (String, &'static str) {
    match native.status {
        Soundness::Usable => ("usable".to_owned(), GREEN),
        Soundness::Weakened => {
            let names: Vec<&str> = native.weakened.iter().map(|weak| weak.what.as_str()).collect();
            (format!("usable, weakened in {}", names.join(", ")), YELLOW)
        }
        Soundness::NotUsable => (format!("not usable, because {}", native.evidence), RED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(feature: &str, status: Status, fix: Option<&str>) -> Finding {
        Finding {
            group: Group::Kernel,
            feature: feature.to_owned(),
            status,
            evidence: "tried".to_owned(),
            fix: fix.map(str::to_owned),
            needed_by: "runs".to_owned(),
        }
    }

    fn found(status: Soundness) -> Examination {
        Examination {
            schema: palisade::probe::SCHEMA,
            caller: Caller::Root,
            findings: vec![
                finding("one", Status::NotUsable, Some("mount it")),
                finding("a longer one", Status::NotUsable, Some("mount it")),
                finding("three", Status::Usable, None),
            ],
            native: Native { status, evidence: "it fell".to_owned(), weakened: Vec::new(), fix: None },
        }
    }

    #[test]
    fn columns_are_aligned_and_a_remedy_is_said_once() {
        let text = text(&found(Soundness::NotUsable), Colour::None);
        assert!(text.contains("  one           not usable  tried [for: runs]\n"), "{text}");
        assert!(text.contains("  three         usable      tried\n"), "{text}");
        assert_eq!(text.matches("fix: mount it").count(), 1, "{text}");
        assert!(text.contains("fix: as for one"), "{text}");
        assert!(text.ends_with("native sandbox: not usable, because it fell\n"), "{text}");
    }

    #[test]
    fn colour_is_only_what_the_terminal_adds() {
        assert!(!text(&found(Soundness::Usable), Colour::None).contains('\x1b'));
        assert!(text(&found(Soundness::Usable), Colour::Some).contains("\x1b[32musable    \x1b[0m"));
    }
}
