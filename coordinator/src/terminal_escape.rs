//! Makes text written by models safe to print: escapes characters that control the terminal or change the direction of
//! the text.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with every control character except newline and tab, and every character that changes the direction of
/// writing, escaped like `\u{1b}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |into, c| write!(into, "\\u{{{:x}}}", u32::from(c)))
}

/// JSON with the same characters escaped as JSON escapes them, `\u001b`: safe to print, and it parses to the same text.
pub fn visible_json(json: &str) -> Cow<'_, str> {
    escaped(json, |into, c| write!(into, "\\u{:04x}", u32::from(c)))
}

fn escaped(text: &str, escape: impl Fn(&mut String, char) -> std::fmt::Result) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut harmless = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if steers(c) {
            escape(&mut harmless, c).expect("writing to memory does not fail");
        } else {
            harmless.push(c);
        }
    }
    Cow::Owned(harmless)
}

/// C0, DEL and C1 (Unicode category Cc) except newline and tab; the marks, embeddings, overrides and isolates of the
/// bidirectional algorithm (Unicode Standard Annex 9).
fn steers(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && c != '\n' && c != '\t')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_steers_becomes_visible_and_all_else_stays() {
        let check = |text: &str, expected: &str| assert_eq!(visible(text), expected);
        check("Answer: 2\n\tbecause – naïve 日本 \u{5d0}", "Answer: 2\n\tbecause – naïve 日本 \u{5d0}");
        check("\u{1b}[2J\u{7}\r\0", "\\u{1b}[2J\\u{7}\\u{d}\\u{0}");
        check("\u{7f}\u{9b}31m\u{85}", "\\u{7f}\\u{9b}31m\\u{85}");
        check("\u{202e}evil\u{2066}\u{200f}\u{61c}", "\\u{202e}evil\\u{2066}\\u{200f}\\u{61c}");
    }

    proptest! {
        #[test]
        fn nothing_that_steers_is_left(text in "(\\PC|\\p{Cc}|\\p{Cf}|[\u{200e}\u{202a}-\u{202e}\u{2066}-\u{2069}])*") {
            let shown = visible(&text);
            prop_assert!(!shown.chars().any(steers), "{shown:?}");
            prop_assert!(!shown.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{shown:?}");
        }

        #[test]
        fn harmless_json_says_the_same(text in "(\\PC|\\p{Cc}|\\p{Cf}|[\u{200e}\u{202a}-\u{202e}])*") {
            let json = serde_json::to_string(&text).expect("writes");
            let shown = visible_json(&json);
            prop_assert!(!shown.chars().any(steers), "{shown:?}");
            prop_assert_eq!(serde_json::from_str::<String>(&shown).expect("is JSON"), text);
        }
    }
}
