//! When a word of a policy fits a module or a path.
//!
//! In: patterns as policies write them, paths with dots. Out: yes or no. Not here: which paths a program uses (`judge.rs`).

use crate::{policy::Ban, value::Value};

/// Why a pattern of a policy fits nothing, whatever a program does.
pub(crate) fn never_fits(pattern: &str, is_call: bool) -> Option<&'static str> {
    let rest = pattern.strip_prefix("*.").filter(|_| is_call);
    let inner = rest.unwrap_or_else(|| pattern.strip_suffix('*').unwrap_or(pattern));
    if pattern.is_empty() || rest == Some("") {
        Some("it is empty: write a name")
    } else if pattern.contains(char::is_whitespace) {
        Some("a name has no spaces: write each name apart")
    } else if pattern.ends_with("()") {
        Some("leave `()` out: a name stands for its calls")
    } else if inner.contains('*') {
        Some(if is_call { "`*` stands at the end, or in `*.` at the beginning" } else { "`*` stands at the end only" })
    } else {
        None
    }
}

/// Whether a module is one that the pattern names: itself, with `.*` or `/*` also all below it, with `*` all that begin so.
pub(crate) fn hits(pattern: &str, module: &str, with_parents: bool) -> bool {
    if let Some(start) = pattern.strip_suffix('*') {
        return module.starts_with(start)
            || start.strip_suffix(['.', '/']).is_some_and(|whole| whole == module && !whole.is_empty());
    }
    module.strip_prefix(pattern).is_some_and(|rest| rest.is_empty() || with_parents && rest.starts_with('.'))
}

/// Whether a path leads into a module that is blocked. Where parts of it are not, the module by itself is no use of it.
pub(crate) fn within(ban: &Ban, path: &str) -> bool {
    let module = ban.pattern.trim_end_matches(".*");
    let has_harmless_parts = || {
        let below = |part: &String| part.strip_prefix(module).is_some_and(|rest| rest.starts_with('.'));
        !ban.pattern.ends_with('*') && ban.except.iter().any(below)
    };
    path.strip_prefix(module)
        .is_some_and(|rest| rest.starts_with(['.', '(']) || (rest.is_empty() && !has_harmless_parts()))
}

pub(crate) fn any_path(values: &[Value], is: impl Fn(&str) -> bool) -> bool {
    values.iter().any(|value| if let Value::Path(path) = value { is(path) } else { false })
}

/// Whether the pattern names something on the way along a path.
pub(crate) fn named_in(pattern: &str, path: &str) -> bool {
    let ends = |rest: &str| rest.is_empty() || rest.starts_with(['.', '(']);
    if let Some(name) = pattern.strip_prefix("*.") {
        return path.match_indices('.').any(|(at, _)| path[at + 1..].strip_prefix(name).is_some_and(ends));
    }
    match pattern.strip_suffix('*') {
        Some(start) => path.starts_with(start),
        None => path.strip_prefix(pattern).is_some_and(ends),
    }
}

pub(crate) fn is_excepted(ban: &Ban, path: &str) -> bool {
    ban.except.iter().any(|pattern| hits(pattern, path, true) || named_in(pattern, path))
}
