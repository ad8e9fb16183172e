//! Digits, word characters and spaces as defined by Python's regular expressions.

use crate::id::Code;

/// The zeros of all scripts (Unicode 14, general category Nd); the nine characters after each are 1 to 9.
const ZEROS: [u32; 66] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
    0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620,
    0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0,
    0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60,
    0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

/// The value of a decimal digit of any script.
pub(super) fn decimal(c: char) -> Option<i32> {
    if c.is_ascii() {
        return c.to_digit(10).map(u32::cast_signed);
    }
    let following = ZEROS.partition_point(|&zero| zero <= u32::from(c));
    let value = u32::from(c) - ZEROS[following.checked_sub(1)?];
    (value < 10).then_some(value.cast_signed())
}

/// Whether Python's `\s` matches.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Whether Python's `\w` matches.
///
/// One difference: here a combining mark, such as a vowel sign, after a digit is a word character.
pub(super) fn is_word(c: char) -> bool {
    let circled_or_squared =
        matches!(c, 'Ⓐ'..='ⓩ' | '\u{1f130}'..='\u{1f149}' | '\u{1f150}'..='\u{1f169}' | '\u{1f170}'..='\u{1f189}');
    c == '_' || c.is_alphanumeric() && !circled_or_squared
}

/// Digits at the beginning of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digits<'a> {
    /// Their value; `None` if it does not fit a code.
    pub(super) value: Option<Code>,
    /// The text after them.
    pub(super) rest: &'a str,
}

/// The digits that a text begins with.
pub(super) fn leading_digits(text: &str) -> Option<Digits<'_>> {
    let rest = text.trim_start_matches(|c| decimal(c).is_some());
    let digits = &text[..text.len() - rest.len()];
    if digits.is_empty() {
        return None;
    }
    let value =
        digits.chars().filter_map(decimal).try_fold(0_i32, |sum, digit| sum.checked_mul(10)?.checked_add(digit));
    Some(Digits { value: value.map(Code), rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_all_scripts_are_read_and_other_numbers_are_not() {
        let check = |text: &str, expected: Option<Option<i32>>| {
            let read = leading_digits(text).map(|digits| digits.value.map(|code| code.0));
            assert_eq!(read, expected, "{text}");
        };
        check("12 x", Some(Some(12)));
        check("００３", Some(Some(3)));
        check("٣", Some(Some(3)));
        check("𝟗", Some(Some(9)));
        check("1९x", Some(Some(19)));
        check("2147483647", Some(Some(i32::MAX)));
        check("2147483648", Some(None));
        for text in ["", "x1", "²", "½", "Ⅳ", "三", "-1", "/", ":"] {
            check(text, None);
        }
    }

    #[test]
    fn the_zeros_are_in_order() {
        assert!(ZEROS.is_sorted_by(|a, b| a + 10 <= *b));
    }
}
