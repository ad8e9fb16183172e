//! Finds the answer in a reply that does not label it.

use super::Problem;
use super::digit::{is_word, leading_digits};
use super::label::words;
use super::value::{Followed, Value, is_one_of, read_value};
use crate::codebook::Question;
use crate::id::Code;

/// Verbs that say which option is taken.
const CHOOSING: [&str; 6] = ["choose", "chooses", "pick", "picks", "select", "selects"];

/// Words that turn a choice into its opposite.
const DENYING: [&str; 9] = ["not", "never", "cannot", "can't", "don't", "doesn't", "won't", "wouldn't", "hardly"];

/// How many verbs of a reply are looked at.
const CHOICES_READ: usize = 50;

/// What the reply says in its first line, in its last, and where it chooses, if that is one answer; else, for an open
/// question, the only number in the text.
pub(super) fn read_unlabelled(said: &str, question: &Question) -> Value {
    let readers = [read_statements, read_only_number, read_reason];
    let values = readers.into_iter().map(|read| read(said, question));
    values.into_iter().find(|value| *value != Value::Nothing).unwrap_or(Value::Nothing)
}

fn read_statements(said: &str, question: &Question) -> Value {
    let mut lines = said.lines().filter(|line| !line.trim().is_empty());
    let (first, second) = (lines.next(), lines.next());
    let (last, before_last) = match lines.next_back() {
        Some(last) => (Some(last), lines.next_back().or(second)),
        None => (second, first),
    };
    let stated = [answer_line(first, second, question), answer_line(last, before_last, question)];
    agreed(stated.into_iter().flatten().chain(choices(said, question)))
}

/// The answer that a line gives by itself, unless it is an item of a numbered list.
fn answer_line(line: Option<&str>, neighbour: Option<&str>, question: &Question) -> Option<Code> {
    let line = line?;
    let in_list = item_number(line).is_some() && neighbour.is_some_and(|other| item_number(other).is_some());
    match read_value(line, question, Followed::ByAnEnd) {
        Value::Code(code) if !in_list => Some(code),
        Value::Code(_) | Value::Unreadable(_) | Value::Nothing => None,
    }
}

fn item_number(line: &str) -> Option<Code> {
    leading_digits(line.trim_start_matches([' ', '*', '(', '#'])).and_then(|digits| digits.value)
}

/// The options that the text says are chosen: "they would most likely select option 2 because".
fn choices<'a>(said: &'a str, question: &'a Question) -> impl Iterator<Item = Code> + 'a {
    let verbs = CHOOSING.into_iter().flat_map(move |verb| {
        let affirmed = move |&at: &usize| !is_denied(&said[..at]);
        words(said, verb).filter(affirmed).take(CHOICES_READ).map(move |at| &said[at + verb.len()..])
    });
    verbs.filter_map(move |after| match read_value(after, question, Followed::ByAnEnd) {
        Value::Code(code) => Some(code),
        Value::Unreadable(_) | Value::Nothing => None,
    })
}

/// Whether one of the three words before denies what follows.
fn is_denied(before: &str) -> bool {
    let mut near = before.len().saturating_sub(40);
    while !before.is_char_boundary(near) {
        near += 1;
    }
    before[near..].split_whitespace().rev().take(3).any(|word| is_one_of(&word.replace('’', "'"), &DENYING))
}

fn read_only_number(said: &str, question: &Question) -> Value {
    if !question.options.is_empty() {
        return Value::Nothing;
    }
    let numbers = said.split(|c| !is_word(c)).filter_map(leading_digits).filter(|digits| digits.rest.is_empty());
    agreed(numbers.filter_map(|digits| digits.value).filter(|&code| question.accepts(code)))
}

/// Why the reply is no answer, as far as its beginning shows that.
fn read_reason(said: &str, question: &Question) -> Value {
    match read_value(said.trim_start(), question, Followed::ByAnEnd) {
        // What reads as an answer was passed over, because other lines read as answers too.
        Value::Code(_) => Value::Unreadable(Problem::Ambiguous),
        value @ (Value::Unreadable(_) | Value::Nothing) => value,
    }
}

/// The one code that all give.
fn agreed(mut codes: impl Iterator<Item = Code>) -> Value {
    let Some(code) = codes.next() else { return Value::Nothing };
    if codes.all(|other| other == code) { Value::Code(code) } else { Value::Unreadable(Problem::Ambiguous) }
}
