//! Finds where a reply uses "answer" or "analysis" as a label rather than as a word.

use super::digit::leading_digits;
use super::forms::FORMS;
use super::value::{is_decoration, is_one_of, word_end};

/// How certain it is that an answer follows a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strength {
    /// `Answer:`, `answer = `, `"answer":`.
    Strong,
    /// `the answer is`, or the label alone on its line.
    Weak,
}

/// A label that an answer may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AnswerLabel<'a> {
    /// The byte position of the word.
    pub(super) at: usize,
    /// How certain it is that an answer follows.
    pub(super) strength: Strength,
    /// Whether the label marks the final answer.
    pub(super) is_final: bool,
    /// The rest of the reply after the label.
    pub(super) value: &'a str,
}

/// All answer labels of a text, in order.
pub(super) fn answer_labels(text: &str) -> impl Iterator<Item = AnswerLabel<'_>> {
    words(text, "answer").filter_map(move |at| answer_label(text, at))
}

fn answer_label(text: &str, at: usize) -> Option<AnswerLabel<'_>> {
    let before = &text[..at];
    let (strength, value) = value_after(&text[at + "answer".len()..], begins_line(before))?;
    let final_at = final_before(before);
    Some(AnswerLabel { at: final_at.unwrap_or(at), strength, is_final: final_at.is_some(), value: value.trim_start() })
}

/// The text after the word `answer` and its separator; `None` if no separator makes the word a label.
fn value_after(after: &str, begins_line: bool) -> Option<(Strength, &str)> {
    let same_line = skip_inline(skip_kind(skip_inline(after)));
    if let Some(value) = same_line.strip_prefix([':', '：', '﹕', '=']) {
        return Some((Strength::Strong, value));
    }
    let arrow = ["->", "→", "⇒"].into_iter().find_map(|arrow| same_line.strip_prefix(arrow));
    if let Some(value) = arrow {
        return Some((Strength::Strong, value));
    }
    if let Some(value) = skip_be(skip_clause(same_line)) {
        let colon = value.trim_start().strip_prefix([':', '：']);
        return Some(colon.map_or((Strength::Weak, value), |value| (Strength::Strong, value)));
    }
    let dash = same_line.strip_prefix(['-', '–', '—']).filter(|value| value.starts_with(' '));
    let alone = (begins_line && same_line.starts_with(['\n', '\r'])).then_some(same_line);
    let number = (begins_line && same_line.starts_with(char::is_numeric)).then_some(same_line);
    dash.or(alone).or(number).map(|value| (Strength::Weak, value))
}

/// The labels that begin a line with the word for answer in a language other than English, in order.
pub(super) fn translated_labels(text: &str) -> impl Iterator<Item = AnswerLabel<'_>> {
    let lines = text.split_inclusive('\n').scan(0, |from, line| {
        let at = *from;
        *from += line.len();
        Some((at, line))
    });
    lines.filter_map(move |(at, line)| {
        let word = line.trim_start_matches(is_decoration);
        let after = FORMS.labels.answer.iter().filter_map(|label| after_ignoring_case(word, label));
        let (strength, value) = after.map(skip_inline).find_map(translated_value)?;
        let value = &text[at + line.len() - value.len()..];
        Some(AnswerLabel { at, strength, is_final: false, value: value.trim_start() })
    })
}

/// The text after a word for answer and its separator, or the number that follows the word and ends the line.
fn translated_value(after: &str) -> Option<(Strength, &str)> {
    let strong = after.strip_prefix([':', '：', '﹕', '=']).map(|value| (Strength::Strong, value));
    strong.or_else(|| ends_with_number(after).then_some((Strength::Weak, after)))
}

/// Whether a line is a number and nothing else.
fn ends_with_number(line: &str) -> bool {
    let ended = |rest: &str| rest.chars().all(|c| is_decoration(c) || matches!(c, '.' | '。'));
    leading_digits(line).is_some_and(|digits| ended(digits.rest))
}

/// The last box of a reply, as mathematicians' models write it.
pub(super) fn boxed(text: &str) -> Option<AnswerLabel<'_>> {
    const BOX: &str = "\\boxed{";
    let at = text.rfind(BOX)?;
    Some(AnswerLabel { at, strength: Strength::Strong, is_final: false, value: &text[at + BOX.len()..] })
}

/// What follows a word in any case; `None` if the text does not begin with it.
fn after_ignoring_case<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let mut rest = text.chars();
    for expected in word.chars() {
        rest.next().filter(|&c| c == expected || c.to_lowercase().eq(std::iter::once(expected)))?;
    }
    Some(rest.as_str())
}

/// The text after the first analysis label: `Analysis:`, or else one of its synonyms.
pub(super) fn after_analysis_label(text: &str) -> Option<&str> {
    let labels = ["analysis", "reasoning", "explanation", "rationale", "justification"];
    labels.into_iter().find_map(|label| {
        words(text, label).find_map(|at| skip_inline(&text[at + label.len()..]).strip_prefix([':', '：', '﹕']))
    })
}

/// The positions of `word` (in lower case) as a whole word of any case. It may follow an underscore, as in
/// `final_answer`.
pub(super) fn words<'a>(text: &'a str, word: &'static str) -> impl Iterator<Item = usize> + 'a {
    // Looking for the word's rarest letter first skips most positions; replies are read a hundred million times.
    let (offset, rarest) = rarest_letter(word);
    let candidates = memchr::memchr2_iter(rarest, rarest.to_ascii_uppercase(), text.as_bytes());
    let found = candidates.filter_map(move |position| {
        let at = position.checked_sub(offset)?;
        let window = text.as_bytes().get(at..at + word.len())?;
        window.eq_ignore_ascii_case(word.as_bytes()).then_some(at)
    });
    // The word is ASCII, so it begins and ends at character boundaries.
    found.filter(move |&at| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        !before.ends_with(char::is_alphanumeric) && word_end(after) == 0
    })
}

/// The position and value of the word's letter that is rarest in English.
fn rarest_letter(word: &str) -> (usize, u8) {
    // In order of frequency in English text.
    const COMMON_FIRST: &[u8] = b"etaoinshrdlcumwfgypbvkjxqz";
    let rank = |letter: u8| COMMON_FIRST.iter().position(|&common| common == letter);
    word.bytes().enumerate().max_by_key(|&(_, letter)| rank(letter)).expect("a word has letters")
}

/// Whether the line before contains nothing but decoration, and perhaps the mark or the number of a list's item.
pub(super) fn begins_line(before: &str) -> bool {
    let before = without_decoration(before);
    let number = before.strip_suffix(['.', ')']).map(|item| item.trim_end_matches(|c: char| c.is_ascii_digit()));
    let item = before.strip_suffix(['-', '–', '—', '+']).or(number).map_or(before, without_decoration);
    [before, item].into_iter().any(|text| text.is_empty() || text.ends_with('\n'))
}

/// The text without the decoration at the end of its last line.
fn without_decoration(text: &str) -> &str {
    text.trim_end_matches(|c| c != '\n' && is_decoration(c))
}

/// Whether a label repeats what one of the modules said: "Cognitive perspective answer: 1".
pub(super) fn quotes_a_module(before: &str) -> bool {
    const NAMES: [&str; 7] =
        ["cognitive", "affective", "emotional", "behavioral", "behavioural", "perspective", "module"];
    let before = without_decoration(before).as_bytes();
    let ends_with = |name: &&str| {
        before.len().checked_sub(name.len()).is_some_and(|at| before[at..].eq_ignore_ascii_case(name.as_bytes()))
    };
    NAMES.iter().any(ends_with)
}

/// Where the word "final" begins, if a text ends with it.
fn final_before(before: &str) -> Option<usize> {
    let before = before.trim_end_matches([' ', '_', '*']).as_bytes();
    let at = before.len().checked_sub("final".len())?;
    before[at..].eq_ignore_ascii_case(b"final").then_some(at)
}

fn skip_inline(text: &str) -> &str {
    text.trim_start_matches(|c| !matches!(c, '\n' | '\r' | ':' | '：' | '﹕' | '=') && is_decoration(c))
}

fn skip_kind(text: &str) -> &str {
    ["number", "option", "choice", "code", "format"].into_iter().find_map(|kind| skip_word(text, kind)).unwrap_or(text)
}

/// Skips "is", and the "be" of "would be", whose other word is skipped before.
fn skip_be(text: &str) -> Option<&str> {
    ["is", "be"].into_iter().find_map(|word| skip_word(text, word))
}

/// Skips the words between "answer" and "is" in "the answer that I would give is".
fn skip_clause(text: &str) -> &str {
    const WORDS: [&str; 16] = [
        "should", "will", "choose", "give", "he", "i", "likely", "most", "person", "probably", "select", "she", "that",
        "they", "this", "would",
    ];
    const LONGEST: usize = 8;
    let mut rest = text;
    for _ in 0..LONGEST {
        let end = word_end(rest);
        if !is_one_of(&rest[..end], &WORDS) {
            break;
        }
        rest = rest[end..].trim_start_matches(' ');
    }
    rest
}

fn skip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let end = word_end(text);
    text[..end].eq_ignore_ascii_case(word).then(|| &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(Strength, bool, &str)]) {
        let labels: Vec<_> = answer_labels(text).map(|label| (label.strength, label.is_final, label.value)).collect();
        assert_eq!(labels, expected, "{text:?}");
    }

    #[test]
    fn labels_are_distinguished_from_words() {
        check("Answer: 2", &[(Strength::Strong, false, "2")]);
        check("**ANSWER** ： 2", &[(Strength::Strong, false, "2")]);
        check("{\"final_answer\":2}", &[(Strength::Strong, true, "2}")]);
        check("Final answer option: 2", &[(Strength::Strong, true, "2")]);
        check("so the answer is 3", &[(Strength::Weak, false, "3")]);
        check("### Answer\n\n2", &[(Strength::Weak, false, "2")]);
        check("Answer 2", &[(Strength::Weak, false, "2")]);
        check("Answer - 2", &[(Strength::Weak, false, "2")]);
        check("I will answer 2 questions; unanswered: 1; answers: 3", &[]);
        check("", &[]);
    }

    #[test]
    fn an_analysis_is_found_by_its_label() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(after_analysis_label(text), expected, "{text:?}");
        check("**Analysis:** x", Some("** x"));
        check("Explanation: y", Some(" y"));
        check("Reasoning: a\nAnalysis： b", Some(" b"));
        check("my analysis of this", None);
    }
}
