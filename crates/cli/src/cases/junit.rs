//! The results as JUnit XML, the form that CI services read.
//!
//! XML 1.0 cannot hold most control characters, not even escaped: they are written as Rust would (`\u{1b}`). Not here:
//! the file it goes to.

use std::{
    collections::BTreeMap,
    io::{self, Cursor, Write},
};

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};

use super::{
    results::Results,
    verdict::{Tested, Verdict},
};

type Xml = Writer<Cursor<Vec<u8>>>;

/// The document.
pub(crate) fn document(results: &Results) -> io::Result<Vec<u8>> {
    let mut xml = Writer::new_with_indent(Cursor::new(Vec::new()), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let suite = legal(results.program.as_deref().unwrap_or("palisade test"));
    let totals = totals(results);
    let with = |name: &'static str| totals.iter().map(|(key, value)| (*key, value.as_str())).chain([("name", name)]);
    xml.create_element("testsuites").with_attributes(with("palisade test")).write_inner_content(|xml| {
        let attributes = totals.iter().map(|(key, value)| (*key, value.as_str())).chain([("name", suite.as_str())]);
        xml.create_element("testsuite")
            .with_attributes(attributes)
            .write_inner_content(|xml| results.cases.iter().try_for_each(|case| one(xml, &suite, case)))?;
        Ok(())
    })?;
    let mut bytes = xml.into_inner().into_inner();
    bytes.write_all(b"\n")?;
    Ok(bytes)
}

fn totals(results: &Results) -> BTreeMap<&'static str, String> {
    let count = |wanted: fn(Kind) -> bool| {
        let number = results.cases.iter().filter(|case| wanted(kind(case.verdict))).count();
        number.to_string()
    };
    BTreeMap::from([
        ("tests", results.cases.len().to_string()),
        ("failures", count(|kind| kind == Kind::Failure)),
        ("errors", count(|kind| kind == Kind::Error)),
        ("skipped", count(|kind| kind == Kind::Skipped)),
        ("time", seconds(results.wall_time_ms)),
    ])
}

fn one(xml: &mut Xml, suite: &str, case: &Tested) -> io::Result<()> {
    let time = seconds(case.used.map_or(0.0, |used| used.wall_time_ms));
    let name = legal(&case.name);
    let attributes = [("name", name.as_str()), ("classname", suite), ("time", &time)];
    let element = xml.create_element("testcase").with_attributes(attributes);
    let (kind, message) = (kind(case.verdict), legal(case.because.as_deref().unwrap_or(case.verdict.name())));
    if kind == Kind::Passed && case.stderr.is_empty() {
        element.write_empty()?;
        return Ok(());
    }
    element.write_inner_content(|xml| {
        let attributes = [("type", case.verdict.name()), ("message", message.as_str())];
        match kind {
            Kind::Passed => {}
            Kind::Skipped => drop(xml.create_element("skipped").with_attribute(("message", &*message)).write_empty()?),
            Kind::Failure | Kind::Error => {
                let name = if kind == Kind::Failure { "failure" } else { "error" };
                let element = xml.create_element(name).with_attributes(attributes);
                element.write_text_content(BytesText::new(&details(case)))?;
            }
        }
        if !case.stderr.is_empty() {
            xml.create_element("system-err").write_text_content(BytesText::new(&legal(&case.stderr)))?;
        }
        Ok(())
    })?;
    Ok(())
}

fn details(case: &Tested) -> String {
    let Some(difference) = &case.difference else {
        return legal(case.because.as_deref().unwrap_or_default());
    };
    let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "(the end)".to_owned());
    legal(&format!(
        "line {}\nexpected: {}\ngot: {}",
        difference.line,
        shown(&difference.expected),
        shown(&difference.got)
    ))
}

/// What JUnit knows of verdicts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Passed,
    /// The program's fault.
    Failure,
    /// palisade's.
    Error,
    Skipped,
}

fn kind(verdict: Verdict) -> Kind {
    match verdict {
        Verdict::Accepted => Kind::Passed,
        Verdict::InternalError => Kind::Error,
        Verdict::Cancelled | Verdict::NotRun => Kind::Skipped,
        _ => Kind::Failure,
    }
}

fn seconds(ms: f64) -> String {
    format!("{:.3}", ms / 1000.0)
}

/// Text without what XML 1.0 cannot hold (<https://www.w3.org/TR/xml/#charsets>). A carriage return would be read as a
/// line feed, so it is not held either.
fn legal(text: &str) -> String {
    let mut legal = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '\t' | '\n' => legal.push(sign),
            '\u{fffe}' | '\u{ffff}' => legal.extend(sign.escape_unicode()),
            _ if palisade::spec::acts(sign) => legal.extend(sign.escape_default()),
            _ => legal.push(sign),
        }
    }
    legal
}
