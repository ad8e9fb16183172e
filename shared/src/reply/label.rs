//! Finds where a reply says "answer" or "analysis" as a label rather than as a word.

use super::value::{is_decoration, word_end};

/// How surely what follows a label is an answer.
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
    /// Where the word begins, in bytes.
    pub(super) at: usize,
    /// How surely an answer follows.
    pub(super) strength: Strength,
    /// Whether it says that this answer is the final one.
    pub(super) is_final: bool,
    /// What follows, up to the end of the reply.
    pub(super) value: &'a str,
}

/// All answer labels of a text, in order.
pub(super) fn answer_labels(text: &str) -> impl Iterator<Item = AnswerLabel<'_>> {
    words(text, "answer").filter_map(move |at| answer_label(text, at))
}

fn answer_label(text: &str, at: usize) -> Option<AnswerLabel<'_>> {
    let before = &text[..at];
    let (strength, value) = value_after(&text[at + "answer".len()..], begins_line(before))?;
    Some(AnswerLabel { at, strength, is_final: ends_with_final(before), value: value.trim_start() })
}

/// What follows the word `answer`, if that is a separator which makes it a label.
fn value_after(after: &str, begins_line: bool) -> Option<(Strength, &str)> {
    let same_line = skip_inline(skip_kind(skip_inline(after)));
    if let Some(value) = same_line.strip_prefix([':', '：', '﹕', '=']) {
        return Some((Strength::Strong, value));
    }
    if let Some(value) = skip_word(same_line, "is") {
        let colon = value.trim_start().strip_prefix([':', '：']);
        return Some(colon.map_or((Strength::Weak, value), |value| (Strength::Strong, value)));
    }
    let dash = same_line.strip_prefix(['-', '–', '—']).filter(|value| value.starts_with(' '));
    let alone = (begins_line && same_line.starts_with(['\n', '\r'])).then_some(same_line);
    let number = (begins_line && same_line.starts_with(char::is_numeric)).then_some(same_line);
    dash.or(alone).or(number).map(|value| (Strength::Weak, value))
}

/// What follows the first label of an analysis: `Analysis:`, or else one of its synonyms.
pub(super) fn after_analysis_label(text: &str) -> Option<&str> {
    let labels = ["analysis", "reasoning", "explanation", "rationale", "justification"];
    labels.into_iter().find_map(|label| {
        words(text, label).find_map(|at| skip_inline(&text[at + label.len()..]).strip_prefix([':', '：', '﹕']))
    })
}

/// Where `word`, given in lower case, stands in the text as a word, in any case. An underscore may stand before it, as
/// in `final_answer`.
pub(super) fn words<'a>(text: &'a str, word: &'static str) -> impl Iterator<Item = usize> + 'a {
    // Most places are passed over by the word's rarest letter alone: replies are read a hundred million times.
    let (offset, rarest) = rarest_letter(word);
    let candidates = memchr::memchr2_iter(rarest, rarest.to_ascii_uppercase(), text.as_bytes());
    let found = candidates.filter_map(move |place| {
        let at = place.checked_sub(offset)?;
        let window = text.as_bytes().get(at..at + word.len())?;
        window.eq_ignore_ascii_case(word.as_bytes()).then_some(at)
    });
    // The word is ASCII, so that it begins and ends at characters' boundaries.
    found.filter(move |&at| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        !before.ends_with(char::is_alphanumeric) && word_end(after) == 0
    })
}

/// The letter of an English word that English has fewest of, and where in the word it is.
fn rarest_letter(word: &str) -> (usize, u8) {
    // By frequency in English text, as printers and cryptographers list it.
    const COMMON_FIRST: &[u8] = b"etaoinshrdlcumwfgypbvkjxqz";
    let rank = |letter: u8| COMMON_FIRST.iter().position(|&common| common == letter);
    word.bytes().enumerate().max_by_key(|&(_, letter)| rank(letter)).expect("a word has letters")
}

/// Whether nothing but decoration stands before on the same line.
pub(super) fn begins_line(before: &str) -> bool {
    let decoration = before.trim_end_matches(|c| c != '\n' && is_decoration(c));
    decoration.is_empty() || decoration.ends_with('\n')
}

fn ends_with_final(before: &str) -> bool {
    let before = before.trim_end_matches([' ', '_', '*']).as_bytes();
    before.len() >= 5 && before[before.len() - 5..].eq_ignore_ascii_case(b"final")
}

fn skip_inline(text: &str) -> &str {
    text.trim_start_matches(|c| !matches!(c, '\n' | '\r' | ':' | '：' | '﹕' | '=') && is_decoration(c))
}

fn skip_kind(text: &str) -> &str {
    ["number", "option", "choice", "code", "format"].into_iter().find_map(|kind| skip_word(text, kind)).unwrap_or(text)
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
    fn labels_are_told_from_words() {
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
