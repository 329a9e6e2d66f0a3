//! Which characters of strangers' words are not shown as they are. Not here: what is shown instead.

/// Whether a character does something to the text around it instead of being read: it controls a terminal, ends a line, or
/// turns the direction of writing, so that what stands there is not what is seen.
#[must_use]
pub fn acts(sign: char) -> bool {
    sign.is_control()
        || matches!(sign, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::acts;

    #[test]
    fn what_turns_or_ends_a_line_acts_and_letters_do_not() {
        assert!(['\u{1b}', '\n', '\u{9b}', '\u{202e}', '\u{2028}', '\u{2067}'].into_iter().all(acts));
        assert!(!"aß漢 \u{301}\u{200d}🙂".chars().any(acts));
    }
}
