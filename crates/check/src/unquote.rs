//! String literals to what they say.
//!
//! In: a literal as it is written, of one family of languages. Out: its text, or nothing where it has values in it. Not here:
//! strings with values (`value.rs` puts their parts together).

/// Python: prefixes, raw strings, three quotes.
pub(crate) fn python(literal: &str) -> Option<String> {
    let start = literal.find(['"', '\''])?;
    let (prefix, quoted) = literal.split_at(start);
    let prefix = prefix.to_ascii_lowercase();
    let inner = within(quoted, &["\"\"\"", "'''", "\"", "'"])?;
    Some(if prefix.contains('r') { inner.to_owned() } else { unescaped(inner) })
}

/// Java: one or three quotes.
pub(crate) fn java(literal: &str) -> Option<String> {
    within(literal, &["\"\"\"", "\"", "'"]).map(|inner| unescaped(inner.strip_prefix('\n').unwrap_or(inner)))
}

/// JavaScript: single, double and slanted quotes.
pub(crate) fn javascript(literal: &str) -> Option<String> {
    within(literal, &["\"", "'", "`"]).map(unescaped)
}

/// Go: double and slanted quotes.
pub(crate) fn go(literal: &str) -> Option<String> {
    match literal.strip_prefix('`') {
        Some(raw) => raw.strip_suffix('`').map(str::to_owned),
        None => within(literal, &["\"", "'"]).map(unescaped),
    }
}

/// Rust: raw strings, bytes, C strings.
pub(crate) fn rust(literal: &str) -> Option<String> {
    let plain = literal.trim_start_matches(['b', 'c']);
    match plain.strip_prefix('r') {
        Some(raw) => Some(raw.trim_matches('#').trim_matches('"').to_owned()),
        None => within(plain, &["\"", "'"]).map(unescaped),
    }
}

/// C and C++: prefixes, raw strings.
pub(crate) fn c(literal: &str) -> Option<String> {
    let plain = literal.trim_start_matches(['L', 'u', 'U', '8']);
    match plain.strip_prefix("R\"") {
        Some(raw) => {
            let begin = raw.find('(')? + 1;
            raw.get(begin..raw.rfind(')')?).map(str::to_owned)
        }
        None => within(plain, &["\"", "'"]).map(unescaped),
    }
}

fn within<'a>(text: &'a str, quotes: &[&str]) -> Option<&'a str> {
    let quote = quotes.iter().find(|quote| text.starts_with(**quote) && text.len() >= 2 * quote.len())?;
    text[quote.len()..].strip_suffix(quote)
}

/// The text with its escape sequences replaced. What no language knows stays.
pub(crate) fn unescaped(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (sign, used) = escape(after);
        match sign {
            Some(sign) => out.push(sign),
            None if used == 0 => out.push('\\'),
            None => {}
        }
        rest = &after[used..];
    }
    out.push_str(rest);
    out
}

/// The sign of an escape sequence, and how many bytes behind the backslash belong to it.
fn escape(after: &str) -> (Option<char>, usize) {
    let code = |digits: &str, radix: u32, used: usize| {
        let sign = u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
        (sign, if sign.is_some() { used } else { 0 })
    };
    let Some(first) = after.chars().next() else { return (None, 0) };
    match first {
        'n' => (Some('\n'), 1),
        't' => (Some('\t'), 1),
        'r' => (Some('\r'), 1),
        '\n' => (None, 1),
        'x' => after.get(1..3).map_or((None, 0), |digits| code(digits, 16, 3)),
        'u' if after[1..].starts_with('{') => match after.find('}') {
            Some(end) => code(&after[2..end], 16, end + 1),
            None => (None, 0),
        },
        'u' => {
            let more = after.len() - after.trim_start_matches('u').len();
            after.get(more..more + 4).map_or((None, 0), |digits| code(digits, 16, more + 4))
        }
        'U' => after.get(1..9).map_or((None, 0), |digits| code(digits, 16, 9)),
        '0'..='7' => {
            let count = after.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
            code(&after[..count], 8, count)
        }
        other => (Some(other), other.len_utf8()),
    }
}
