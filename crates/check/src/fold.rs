//! Constants made of constants: what a program would compute before it has read anything.
//!
//! In: values and an operator, a method or a function of the language. Out: the constant, or nothing. The same names stand for
//! the same things in all languages; where they differ, the kind of object tells. Not here: who calls what (`value.rs`).

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::value::{LONGEST, Value};

/// Strings after each other.
pub(crate) fn joined(parts: &[Value]) -> Value {
    let mut sum = String::new();
    for part in parts {
        match part {
            Value::Text(text) => sum.push_str(text),
            Value::Number(number) => sum.push_str(&number.to_string()),
            _ => return Value::Unknown,
        }
    }
    Value::text(&sum)
}

/// `a + b`, `"%s" % a`, `"a" * 3`, `1 + 2`.
pub(crate) fn operator(sign: &str, sides: &[Value; 2]) -> Value {
    match (sign, sides) {
        ("+", [Value::Number(a), Value::Number(b)]) => a.checked_add(*b).map_or(Value::Unknown, Value::Number),
        ("-", [Value::Number(a), Value::Number(b)]) => a.checked_sub(*b).map_or(Value::Unknown, Value::Number),
        ("*", [Value::Number(a), Value::Number(b)]) => a.checked_mul(*b).map_or(Value::Unknown, Value::Number),
        ("^", [Value::Number(a), Value::Number(b)]) => Value::Number(a ^ b),
        ("+" | ".", [Value::Text(_), _] | [_, Value::Text(_)]) => joined(sides),
        ("+", [Value::List(a), Value::List(b)]) => Value::List(a.iter().chain(b.iter()).take(1024).cloned().collect()),
        ("%", [Value::Text(form), Value::List(with)]) => formatted(form, with),
        ("%", [Value::Text(form), one]) => formatted(form, std::slice::from_ref(one)),
        ("*", [Value::Text(text), Value::Number(times)]) => {
            let times = usize::try_from(*times).unwrap_or(0);
            if text.len().saturating_mul(times) > LONGEST { Value::Unknown } else { Value::text(&text.repeat(times)) }
        }
        _ => Value::Unknown,
    }
}

/// `%s` and `{}` with values.
fn formatted(form: &str, with: &[Value]) -> Value {
    let mut values = with.iter();
    let mut sum = Vec::new();
    let mut rest = form;
    while let Some(at) = rest.find(['%', '{']) {
        let (before, mark) = rest.split_at(at);
        sum.push(Value::text(before));
        let end = match mark.as_bytes() {
            [b'%', b's' | b'c' | b'd', ..] => 2,
            [b'{', b'}', ..] => 2,
            [b'{', digit, b'}', ..] if digit.is_ascii_digit() => {
                values = with.iter();
                values.nth(usize::from(digit - b'0').wrapping_sub(1)).filter(|_| *digit != b'0');
                3
            }
            _ => return Value::Unknown,
        };
        match values.next() {
            Some(value) => sum.push(value.clone()),
            None => return Value::Unknown,
        }
        rest = &mark[end..];
    }
    sum.push(Value::text(rest));
    joined(&sum)
}

/// `object[number]`.
pub(crate) fn item(object: &Value, number: i64) -> Value {
    let index = |length: usize| usize::try_from(if number < 0 { number + length as i64 } else { number }).ok();
    match object {
        Value::List(items) => index(items.len()).and_then(|at| items.get(at).cloned()).unwrap_or(Value::Unknown),
        Value::Text(text) => {
            let at = index(text.chars().count());
            at.and_then(|at| text.chars().nth(at)).map_or(Value::Unknown, |sign| Value::text(&sign.to_string()))
        }
        _ => Value::Unknown,
    }
}

/// `object[from:to:step]`, for constants.
pub(crate) fn slice(object: &Value, bounds: &str) -> Value {
    let Value::Text(text) = object else { return Value::Unknown };
    let mut parts = [None, None, None];
    for (at, part) in bounds.split(':').enumerate() {
        let (Some(slot), part) = (parts.get_mut(at), part.trim()) else { return Value::Unknown };
        if !part.is_empty() {
            match part.parse::<i64>() {
                Ok(number) => *slot = Some(number),
                Err(_) => return Value::Unknown,
            }
        }
    }
    let signs: Vec<char> = text.chars().collect();
    let length = signs.len() as i64;
    let step = parts[2].unwrap_or(1);
    if step == 0 {
        return Value::Unknown;
    }
    let placed = |bound: Option<i64>, default: i64| match bound {
        Some(bound) if bound < 0 => (bound + length).max(-1),
        Some(bound) => bound.min(length),
        None => default,
    };
    let (mut at, end) = if step > 0 {
        (placed(parts[0], 0), placed(parts[1], length))
    } else {
        (placed(parts[0], length - 1).min(length - 1), placed(parts[1], -1))
    };
    let mut sum = String::new();
    while (step > 0 && at < end) || (step < 0 && at > end) {
        match usize::try_from(at).ok().and_then(|at| signs.get(at)) {
            Some(sign) => sum.push(*sign),
            None => break,
        }
        at += step;
    }
    Value::text(&sum)
}

/// A whole number as any of the languages writes it.
pub(crate) fn number(text: &str) -> Option<i64> {
    let text = text.replace('_', "").to_ascii_lowercase();
    let text = text.trim_end_matches(['l', 'u', 'n']);
    match text.get(..2) {
        Some("0x") => i64::from_str_radix(&text[2..], 16).ok(),
        Some("0o") => i64::from_str_radix(&text[2..], 8).ok(),
        Some("0b") => i64::from_str_radix(&text[2..], 2).ok(),
        _ => text.parse().ok(),
    }
}

/// A method of a constant.
pub(crate) fn method(object: &Value, name: &str, arguments: &[Value]) -> Option<Value> {
    match object {
        Value::Text(text) => of_text(text, name, arguments),
        Value::List(items) => match (name, arguments) {
            ("join", [Value::Text(between)]) => Some(between_all(between, items)),
            ("join", []) => Some(between_all(",", items)),
            ("reverse" | "reversed", []) => Some(Value::List(items.iter().rev().cloned().collect())),
            ("concat" | "concat!", [Value::List(more)]) => {
                Some(Value::List(items.iter().chain(more.iter()).cloned().collect()))
            }
            ("map", [Value::Path(path)]) if &**path == "String.fromCharCode" => {
                Some(Value::List(items.iter().filter_map(|item| function(path, std::slice::from_ref(item))).collect()))
            }
            _ => None,
        },
        _ => None,
    }
}

fn between_all(between: &str, items: &[Value]) -> Value {
    let mut parts = Vec::new();
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            parts.push(Value::text(between));
        }
        parts.push(item.clone());
    }
    joined(&parts)
}

fn of_text(text: &str, name: &str, arguments: &[Value]) -> Option<Value> {
    Some(match (name, arguments) {
        ("join", [Value::List(items)]) => between_all(text, items),
        ("concat" | "append", more) => {
            let mut parts = vec![Value::text(text)];
            parts.extend_from_slice(more);
            joined(&parts)
        }
        ("lower" | "toLowerCase", []) => Value::text(&text.to_lowercase()),
        ("upper" | "toUpperCase", []) => Value::text(&text.to_uppercase()),
        ("strip" | "trim" | "toString" | "intern" | "to_string" | "to_owned" | "into" | "as_str", []) => {
            Value::text(text.trim())
        }
        ("replace" | "replaceAll", [Value::Text(from), Value::Text(to)]) => {
            let grown = text.len().saturating_add(text.matches(&**from).count().saturating_mul(to.len()));
            if grown > LONGEST { Value::Unknown } else { Value::text(&text.replace(&**from, to)) }
        }
        ("split", [Value::Text(at)]) if at.is_empty() => signs(text),
        ("split", [Value::Text(at)]) => Value::List(text.split(&**at).take(1024).map(Value::text).collect()),
        ("format", with) => formatted(text, with),
        ("charAt", [Value::Number(at)]) => item(&Value::text(text), *at),
        ("substring" | "slice", [Value::Number(from), Value::Number(to)]) => {
            slice(&Value::text(text), &format!("{from}:{to}"))
        }
        ("substring" | "slice", [Value::Number(from)]) => slice(&Value::text(text), &format!("{from}:")),
        ("decode" | "encode", [] | [Value::Text(_)]) => match arguments.first() {
            Some(Value::Text(by)) if &**by == "rot13" || &**by == "rot_13" => Value::text(&rot13(text)),
            Some(Value::Text(by)) if !matches!(&**by, "utf-8" | "utf8" | "ascii" | "latin-1") => Value::Unknown,
            _ => Value::text(text),
        },
        _ => return None,
    })
}

fn signs(text: &str) -> Value {
    Value::List(text.chars().take(1024).map(|sign| Value::text(&sign.to_string())).collect())
}

/// Functions that are computed.
const FUNCTIONS: [&str; 28] = [
    "chr",
    "ord",
    "String.fromCharCode",
    "String.fromCodePoint",
    "str",
    "String",
    "bytes",
    "bytearray",
    "java.lang.String",
    "Buffer.from",
    "reversed",
    "list",
    "bytes.fromhex",
    "binascii.unhexlify",
    "base64.b64decode",
    "atob",
    "codecs.decode",
    "codecs.encode",
    "decodeURIComponent",
    "unescape",
    "urllib.parse.unquote",
    "java.lang.String.join",
    "java.lang.String.valueOf",
    "java.lang.StringBuilder",
    "java.lang.StringBuffer",
    "path.Join",
    "filepath.Join",
    "strings.Join",
];

/// Whether a call of this path may be computed, if its arguments are known.
pub(crate) fn folds(path: &str) -> bool {
    FUNCTIONS.contains(&path)
}

/// A function from outside that makes constants of constants.
pub(crate) fn function(path: &str, arguments: &[Value]) -> Option<Value> {
    if !folds(path) {
        return None;
    }
    Some(match (path, arguments) {
        ("chr", [Value::Number(code)]) => sign(*code)?,
        ("ord", [Value::Text(text)]) => Value::Number(i64::from(u32::from(text.chars().next()?))),
        ("String.fromCharCode" | "String.fromCodePoint", codes) => {
            let signs: Option<Vec<Value>> =
                codes.iter().map(|code| if let Value::Number(code) = code { sign(*code) } else { None }).collect();
            joined(&signs?)
        }
        ("str" | "String" | "bytes" | "bytearray" | "java.lang.String" | "Buffer.from", [Value::Text(text)]) => {
            Value::text(text)
        }
        ("reversed", [Value::Text(text)]) => signs(&text.chars().rev().collect::<String>()),
        ("list", [Value::Text(text)]) => signs(text),
        ("bytes" | "bytearray", [Value::List(codes)]) => {
            let signs: Option<Vec<Value>> =
                codes.iter().map(|code| if let Value::Number(code) = code { sign(*code) } else { None }).collect();
            joined(&signs?)
        }
        ("bytes.fromhex" | "binascii.unhexlify", [Value::Text(text)]) => from_hex(text)?,
        ("Buffer.from", [Value::Text(text), Value::Text(by)]) => match &**by {
            "base64" => from_base64(text)?,
            "hex" => from_hex(text)?,
            _ => return None,
        },
        ("base64.b64decode" | "atob", [Value::Text(text)]) => from_base64(text)?,
        ("codecs.decode" | "codecs.encode", [Value::Text(text), Value::Text(by)]) if by.starts_with("rot") => {
            Value::text(&rot13(text))
        }
        ("decodeURIComponent" | "unescape" | "urllib.parse.unquote", [Value::Text(text)]) => percent(text)?,
        ("java.lang.String.join", [Value::Text(between), items @ ..]) => between_all(between, items),
        ("java.lang.String.valueOf", [one]) => joined(std::slice::from_ref(one)),
        ("java.lang.StringBuilder" | "java.lang.StringBuffer", []) => Value::text(""),
        ("java.lang.StringBuilder" | "java.lang.StringBuffer", [Value::Text(text)]) => Value::text(text),
        ("path.Join" | "filepath.Join" | "strings.Join", [Value::List(items), Value::Text(between)]) => {
            between_all(between, items)
        }
        _ => return None,
    })
}

fn sign(code: i64) -> Option<Value> {
    u32::try_from(code).ok().and_then(char::from_u32).map(|sign| Value::text(&sign.to_string()))
}

fn from_hex(text: &str) -> Option<Value> {
    let digits: Vec<u32> =
        text.chars().filter(|sign| !sign.is_whitespace()).map(|sign| sign.to_digit(16)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect();
    String::from_utf8(bytes).ok().map(|text| Value::text(&text))
}

fn from_base64(text: &str) -> Option<Value> {
    let bytes = STANDARD.decode(text.trim()).ok()?;
    String::from_utf8(bytes).ok().map(|text| Value::text(&text))
}

fn percent(text: &str) -> Option<Value> {
    let mut parts = text.split('%');
    let mut bytes: Vec<u8> = parts.next()?.bytes().collect();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend(part[2..].bytes());
    }
    String::from_utf8(bytes).ok().map(|text| Value::text(&text))
}

fn rot13(text: &str) -> String {
    let turned = |sign: char, base: u8| char::from((sign as u8 - base + 13) % 26 + base);
    text.chars()
        .map(|sign| match sign {
            'a'..='z' => turned(sign, b'a'),
            'A'..='Z' => turned(sign, b'A'),
            _ => sign,
        })
        .collect()
}
