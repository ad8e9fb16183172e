//! Reads replies exactly as the regular expressions of the paper's code do.

use super::digit::{self, Digits, leading_digits};
use super::reading::Rule;
use super::{Problem, Reading};
use crate::id::Code;

/// A module's or the coordinator's reply: the first `Answer:\s*(\d+)`, whether or not it is an option.
///
/// A number that does not fit a code counts as no answer. The paper's code would use it, and fail if it has too many digits.
pub(super) fn read_module_reply(text: &str) -> Reading {
    let found = text.match_indices("Answer:").find_map(|(at, label)| number_after(&text[at + label.len()..]));
    let mut analysis = marked_analysis(text);
    if analysis.is_empty() && found.is_some() {
        analysis = text.split_once('\n').map_or("", |(_, below)| strip(below));
    }
    reading(found, analysis.to_owned(), Rule::PaperLabel)
}

/// A single-call method's reply: the first `\b\d+\b`, whether or not it is an option.
pub(super) fn read_single_reply(text: &str) -> Reading {
    reading(first_number(text), String::new(), Rule::PaperNumber)
}

fn reading(found: Option<Digits>, analysis: String, rule: Rule) -> Reading {
    let answer: Option<Code> = found.and_then(|digits| digits.value);
    let problem = match found {
        _ if answer.is_some() => None,
        None => Some(Problem::NoOption),
        Some(_) => Some(Problem::NotAnOption),
    };
    Reading { answer, analysis, problem, rule }
}

fn number_after(text: &str) -> Option<Digits<'_>> {
    leading_digits(text.trim_start_matches(digit::is_space))
}

/// The text between the first `Analysis:` and the next `Answer:`.
fn marked_analysis(text: &str) -> &str {
    let Some((_, after)) = text.split_once("Analysis:") else { return "" };
    strip(after.split_once("Answer:").map_or(after, |(before, _)| before))
}

fn strip(text: &str) -> &str {
    text.trim_matches(digit::is_space)
}

/// The first digits without a word character on either side.
fn first_number(text: &str) -> Option<Digits<'_>> {
    let mut rest = text;
    let mut glued = false;
    while let Some(first) = rest.chars().next() {
        let Some(digits) = leading_digits(rest) else {
            (rest, glued) = (&rest[first.len_utf8()..], digit::is_word(first));
            continue;
        };
        if !glued && !digits.rest.starts_with(digit::is_word) {
            return Some(digits);
        }
        (rest, glued) = (digits.rest, true);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_those_of_the_regular_expression() {
        let check = |text: &str, answer: Option<i32>, analysis: &str| {
            let read = read_module_reply(text);
            assert_eq!((read.answer.map(|code| code.0), read.analysis.as_str()), (answer, analysis), "{text:?}");
            assert_eq!(read.problem.is_none(), answer.is_some(), "{text:?}");
        };
        check("Answer:\n\n 2x", Some(2), "2x");
        check("Answer: none. Answer: 3", Some(3), "");
        check("Answer:\u{1f}٤\nwhy \n", Some(4), "why");
        check("Analysis: \nAnswer: 1\nbecause", Some(1), "Answer: 1\nbecause");
        check("Answer: 1\nAnalysis:", Some(1), "Analysis:");
        check("Analysis: a Analysis: b Answer: Answer: 7", Some(7), "a Analysis: b");
        check("Answer: 99999999999\nbig", None, "big");
    }

    #[test]
    fn only_a_number_without_adjacent_word_characters_counts() {
        let check = |text: &str, answer: Option<i32>| {
            assert_eq!(read_single_reply(text).answer, answer.map(Code), "{text:?}");
        };
        check("a1 2b 3", Some(3));
        check("_1 (2)", Some(2));
        check("-5", Some(5));
        check("ä3", None);
        check("1.5", Some(1));
        check("99999999999 or 2", None);
    }
}
