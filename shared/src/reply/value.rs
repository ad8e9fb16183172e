//! Reads an answer's value: a number, an option's label, or both.

use super::Problem;
use super::digit::{Digits, decimal, is_word, leading_digits};
use super::forms::FORMS;
use super::option_label::label_at;
use crate::codebook::Question;
use crate::id::Code;

/// The number of bytes read of a line: more than the longest label, and few enough to read many lines.
const VALUE_LIMIT: usize = 400;

/// Words that may precede the number or the label: "the user would most likely choose option 3".
const LEAD_IN: [&str; 62] = [
    "a",
    "answer",
    "be",
    "best",
    "boxed",
    "choice",
    "choose",
    "chooses",
    "code",
    "correct",
    "decision",
    "final",
    "following",
    "go",
    "goes",
    "he",
    "her",
    "his",
    "i",
    "i'd",
    "i'll",
    "is",
    "it",
    "likely",
    "most",
    "my",
    "myself",
    "number",
    "option",
    "person",
    "pick",
    "picks",
    "probably",
    "rating",
    "response",
    "say",
    "score",
    "select",
    "selected",
    "selects",
    "she",
    "text",
    "that",
    "the",
    "their",
    "them",
    "themselves",
    "they",
    "this",
    "toward",
    "towards",
    "user",
    "verdict",
    "view",
    "views",
    "will",
    "with",
    "would",
    "you",
    "you'd",
    "your",
    "yourself",
];

/// Words that may join two answers: "2 or 3".
const JOINING: [&str; 9] = ["and", "answer", "maybe", "number", "option", "or", "perhaps", "possibly", "to"];

/// What was read as an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    /// One of the question's answers.
    Code(Code),
    /// Meant as an answer, but not one.
    Unreadable(Problem),
    /// Not meant as an answer.
    Nothing,
}

/// What may follow the number or the label on its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Followed {
    /// Anything, because a label marks this as the answer.
    ByAnything,
    /// Only the option's label, or something that ends the answer, because "3 children" is not an answer.
    ByAnEnd,
}

/// Reads the first line of a text as an answer to the question.
pub(super) fn read_value(text: &str, question: &Question, followed: Followed) -> Value {
    let line = first_line(text);
    let mut rest = line;
    loop {
        rest = skip_decoration(rest);
        if let Some((code, after)) = label_at(rest, question) {
            return if contradicted(after, code) { Value::Unreadable(Problem::Ambiguous) } else { Value::Code(code) };
        }
        if let Some(value) = number_at(rest, question, followed).or_else(|| number_word_at(rest, question)) {
            return value;
        }
        let Some(after) = skip_question_name(rest).or_else(|| skip_lead_in(rest)) else { break };
        rest = after;
    }
    let after_arrow = after_arrow(line).filter(|_| followed == Followed::ByAnything);
    if let Some(value) = after_arrow.and_then(|rest| number_at(skip_decoration(rest), question, followed)) {
        return value;
    }
    let means_a_number = !starts_analysis(rest) && rest.contains(|c| decimal(c).is_some());
    if means_a_number { Value::Unreadable(Problem::NoOption) } else { Value::Nothing }
}

fn first_line(text: &str) -> &str {
    let short = &text[..text.floor_char_boundary(VALUE_LIMIT)];
    short.lines().next().unwrap_or("")
}

/// What follows the last arrow: `quite frequently → 2`.
fn after_arrow(line: &str) -> Option<&str> {
    ["→", "⇒", "->", "=>"]
        .into_iter()
        .filter_map(|arrow| Some(line.rsplit_once(arrow)?.1))
        .min_by_key(|rest| rest.len())
}

/// The number that the text begins with, checked against the question; `None` if it does not begin with a whole number.
fn number_at(text: &str, question: &Question, followed: Followed) -> Option<Value> {
    let unsigned = text.trim_start_matches(['-', '−', '–', '—', '+', '.']);
    let digits = leading_digits(unsigned).or_else(|| circled_number(unsigned))?;
    let signed = unsigned.len() < text.len();
    let digits = Digits { rest: without_zeros(digits.rest), ..digits };
    let digits = Digits { rest: without_maximum(digits.rest, question), ..digits };
    if signed || continues_number(digits.rest) {
        return Some(Value::Unreadable(Problem::NotAnOption));
    }
    if glued_to_word(digits.rest) {
        return None;
    }
    let code = digits.value.filter(|&code| question.accepts(code));
    Some(match code {
        None => Value::Unreadable(Problem::NotAnOption),
        Some(code) if names_another(digits.rest, code, question) => Value::Unreadable(Problem::Ambiguous),
        Some(code) if followed == Followed::ByAnything || ends_answer(digits.rest, code, question) => Value::Code(code),
        Some(_) => Value::Nothing,
    })
}

/// A number in a circle: ① to ⑳.
fn circled_number(text: &str) -> Option<Digits<'_>> {
    let mut rest = text.chars();
    let circled = rest.next().filter(|c| ('①'..='⑳').contains(c))?;
    let value = i32::try_from(u32::from(circled) - u32::from('①') + 1).ok()?;
    Some(Digits { value: Some(Code(value)), rest: rest.as_str() })
}

/// The text after a number without a fraction of zeros: `2.0`.
fn without_zeros(after: &str) -> &str {
    let Some(fraction) = after.strip_prefix('.') else { return after };
    let rest = fraction.trim_start_matches('0');
    if rest.len() < fraction.len() && leading_digits(rest).is_none() { rest } else { after }
}

/// The text after a number without the largest code of the question: `2/4`.
fn without_maximum<'a>(after: &'a str, question: &Question) -> &'a str {
    let largest = largest(question);
    let maximum = after.trim_start().strip_prefix('/').and_then(|maximum| leading_digits(maximum.trim_start()));
    maximum.filter(|maximum| largest.is_some() && maximum.value == largest).map_or(after, |maximum| maximum.rest)
}

/// A number word of one of the question's options, if the answer ends with it: "one of them" is none.
fn number_word_at(text: &str, question: &Question) -> Option<Value> {
    let word = text[..word_end(text)].trim_end_matches(['_', '\'', '’']);
    let number = FORMS.numbers.words.iter().position(|of| of.eq_ignore_ascii_case(word))?;
    let code = Code(i32::try_from(number).ok()?);
    let is_option = question.options.iter().any(|option| option.code == code);
    (is_option && ends_answer(&text[word.len()..], code, question)).then_some(Value::Code(code))
}

/// Whether a number in brackets after the label of `code` differs from `code`.
fn contradicted(after: &str, code: Code) -> bool {
    let bracketed = after.trim_start().strip_prefix(['(', '[', '（']);
    let number = bracketed.and_then(|inside| leading_digits(skip_decoration(inside)));
    number.is_some_and(|digits| !glued_to_word(digits.rest) && digits.value != Some(code))
}

/// Whether a number continues as a decimal or a percentage.
fn continues_number(after: &str) -> bool {
    let fraction = after.strip_prefix(['.', '．', '٫']).is_some_and(|rest| leading_digits(rest).is_some());
    fraction || after.starts_with('%')
}

fn glued_to_word(after: &str) -> bool {
    after.trim_start_matches('_').starts_with(char::is_alphanumeric)
}

/// Whether another answer, as a number or a label, follows the number of `code`.
fn names_another(after: &str, code: Code, question: &Question) -> bool {
    let labelled = skip_decoration(after.trim_start_matches(is_separator));
    let after = match label_at(labelled, question) {
        Some((other, _)) if other != code => return true,
        Some((_, rest)) => rest,
        None => after,
    };
    let Some(at) = after.find(|c| decimal(c).is_some()) else { return false };
    joins(&after[..at]) && leading_digits(&after[at..]).is_some_and(|digits| digits.value != Some(code))
}

/// Whether the text between two numbers joins them as answers.
fn joins(between: &str) -> bool {
    let mut joined = false;
    let mut rest = between;
    while let Some(first) = rest.chars().next() {
        let end = word_end(rest);
        if end > 0 {
            if !is_one_of(&rest[..end], &JOINING) {
                return false;
            }
            joined = true;
        } else if matches!(first, '/' | '-' | '–' | '—' | '~' | ',' | '&' | '|' | '+' | '、') {
            joined = true;
        } else if !is_decoration(first) {
            return false;
        }
        rest = &rest[end.max(first.len_utf8())..];
    }
    joined
}

/// Whether the text after a number shows that the answer ends there.
fn ends_answer(after: &str, code: Code, question: &Question) -> bool {
    let after = after.trim_start_matches(|c: char| c.is_whitespace() || is_decoration(c) && !is_separator(c));
    let reason = is_one_of(&after[..word_end(after)], &["as", "because", "since", "given", "due"]);
    if reason || names_the_scale(after, question) {
        return true;
    }
    let repeated = leading_digits(after).is_some_and(|digits| digits.value == Some(code));
    let labelled = repeated || label_at(after, question).is_some();
    after.is_empty() || after.starts_with(is_separator) || labelled
}

/// Whether the scale of the answer follows: `on this scale`, `out of 10`.
fn names_the_scale(after: &str, question: &Question) -> bool {
    let mut words = after.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
    match [words.next(), words.next(), words.next()] {
        [Some("on"), Some("a" | "the" | "this" | "that"), Some(scale)] => scale.eq_ignore_ascii_case("scale"),
        [Some("out"), Some("of"), Some(most)] => largest(question).is_some_and(|largest| most.parse() == Ok(largest.0)),
        _ => false,
    }
}

/// The largest code of the question's options.
fn largest(question: &Question) -> Option<Code> {
    question.options.iter().map(|option| option.code).max()
}

/// Skips `Q12:`, `Q：` and `Question 12:`.
fn skip_question_name(text: &str) -> Option<&str> {
    let name = ["question", "q"].into_iter().find(|name| starts_with_ignoring_case(text, name))?;
    let after = text[name.len()..].trim_start();
    let after = leading_digits(after).map_or(after, |digits| digits.rest);
    after.trim_start().strip_prefix([':', '：', '﹕'])
}

fn skip_lead_in(text: &str) -> Option<&str> {
    let end = word_end(text);
    is_one_of(&text[..end], &LEAD_IN).then(|| &text[end..])
}

fn starts_analysis(text: &str) -> bool {
    starts_with_ignoring_case(text, "analysis")
}

fn starts_with_ignoring_case(text: &str, word: &str) -> bool {
    text.as_bytes().get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
}

/// Whether a text has the number of another answer than `code`.
pub(super) fn has_other_number(text: &str, code: Code, question: &Question) -> bool {
    numbers(text).any(|of| of != code && question.accepts(of))
}

/// The whole numbers in a text.
pub(super) fn numbers(text: &str) -> impl Iterator<Item = Code> {
    let words = text.split(|c| !is_word(c)).filter_map(leading_digits);
    words.filter(|digits| digits.rest.is_empty()).filter_map(|digits| digits.value)
}

/// The code that all agree on.
pub(super) fn agreed(mut codes: impl Iterator<Item = Code>) -> Value {
    let Some(code) = codes.next() else { return Value::Nothing };
    if codes.all(|other| other == code) { Value::Code(code) } else { Value::Unreadable(Problem::Ambiguous) }
}

/// The length of the word that the text begins with; 0 if it does not begin with a word.
pub(super) fn word_end(text: &str) -> usize {
    let in_word = |c: char| c.is_alphanumeric() || c == '_' || c == '\'' || c == '’';
    if !text.starts_with(|c: char| c.is_alphanumeric()) {
        return 0;
    }
    text.find(|c| !in_word(c)).unwrap_or(text.len())
}

pub(super) fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|of| word.len() == of.len() && word.eq_ignore_ascii_case(of))
}

pub(super) fn is_separator(c: char) -> bool {
    matches!(c, ':' | '：' | '.' | '．' | ',' | ';' | ')' | '）' | '-' | '–' | '—' | '=' | '|')
}

/// Skips decoration, and the dash of a list item.
pub(super) fn skip_decoration(text: &str) -> &str {
    let plain = text.trim_start_matches(is_decoration);
    let item = plain.strip_prefix(['-', '–', '—']).filter(|rest| rest.starts_with(char::is_whitespace));
    item.map_or(plain, |rest| rest.trim_start_matches(is_decoration))
}

/// Whether a character is decoration: spaces, quotes, brackets, Markdown, LaTeX, parts of emoji.
pub(super) fn is_decoration(c: char) -> bool {
    const MARKS: &str = "\"'`“”‘’«»„*_#:：﹕=>→•[](){}<>（）［］【】「」『』〈〉《》\\$|\u{fe0f}\u{20e3}";
    // Most characters of a reply are letters, and searching the marks is slow.
    !c.is_ascii_alphanumeric() && (c.is_whitespace() || MARKS.contains(c))
}
