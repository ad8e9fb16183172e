//! Finds the answer in a reply that does not label it.

use super::Problem;
use super::digit::{is_word, leading_digits};
use super::label::words;
use super::reading::Rule;
use super::value::{Followed, Value, is_one_of, read_value};
use crate::codebook::Question;
use crate::id::Code;

/// Verbs that choose an option.
const CHOICE_VERBS: [&str; 6] = ["choose", "chooses", "pick", "picks", "select", "selects"];

/// Words that negate a choice.
const NEGATIONS: [&str; 9] = ["not", "never", "cannot", "can't", "don't", "doesn't", "won't", "wouldn't", "hardly"];

/// How many occurrences of a verb are read in a reply.
const CHOICES_READ: usize = 50;

/// The one answer that the first line, the last line and the choice verbs give; else, for an open question, the only
/// number in the text.
pub(super) fn read_unlabelled(reply: &str, question: &Question) -> (Value, Rule) {
    type Read = fn(&str, &Question) -> Value;
    let readers: [(Read, Rule); 3] =
        [(read_statements, Rule::Statements), (read_only_number, Rule::OnlyNumber), (read_reason, Rule::Beginning)];
    let mut values = readers.into_iter().map(|(read, rule)| (read(reply, question), rule));
    values.find(|(value, _)| *value != Value::Nothing).unwrap_or((Value::Nothing, Rule::Beginning))
}

fn read_statements(reply: &str, question: &Question) -> Value {
    let mut lines = reply.lines().filter(|line| !line.trim().is_empty());
    let (first, second) = (lines.next(), lines.next());
    let (last, before_last) = match lines.next_back() {
        Some(last) => (Some(last), lines.next_back().or(second)),
        None => (second, first),
    };
    let stated = [answer_line(first, second, question), answer_line(last, before_last, question)];
    agreed(stated.into_iter().flatten().chain(choices(reply, question)))
}

/// The answer that a line gives on its own, unless the line is an item of a numbered list.
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

/// The options chosen by a verb: "they would most likely select option 2 because".
fn choices<'a>(reply: &'a str, question: &'a Question) -> impl Iterator<Item = Code> + 'a {
    let verbs = CHOICE_VERBS.into_iter().flat_map(move |verb| {
        let affirmed = move |&at: &usize| !is_negated(&reply[..at]);
        words(reply, verb).filter(affirmed).take(CHOICES_READ).map(move |at| &reply[at + verb.len()..])
    });
    verbs.filter_map(move |after| match read_value(after, question, Followed::ByAnEnd) {
        Value::Code(code) => Some(code),
        Value::Unreadable(_) | Value::Nothing => None,
    })
}

/// Whether one of the last three words negates what follows.
fn is_negated(before: &str) -> bool {
    let mut near = before.len().saturating_sub(40);
    while !before.is_char_boundary(near) {
        near += 1;
    }
    before[near..].split_whitespace().rev().take(3).any(|word| is_one_of(&word.replace('’', "'"), &NEGATIONS))
}

fn read_only_number(reply: &str, question: &Question) -> Value {
    if !question.options.is_empty() {
        return Value::Nothing;
    }
    let numbers = reply.split(|c| !is_word(c)).filter_map(leading_digits).filter(|digits| digits.rest.is_empty());
    agreed(numbers.filter_map(|digits| digits.value).filter(|&code| question.accepts(code)))
}

/// Why the reply gives no answer, as far as its beginning shows.
fn read_reason(reply: &str, question: &Question) -> Value {
    match read_value(reply.trim_start(), question, Followed::ByAnEnd) {
        // The beginning reads as an answer, but other lines contradict it.
        Value::Code(_) => Value::Unreadable(Problem::Ambiguous),
        value @ (Value::Unreadable(_) | Value::Nothing) => value,
    }
}

/// The code that all agree on.
fn agreed(mut codes: impl Iterator<Item = Code>) -> Value {
    let Some(code) = codes.next() else { return Value::Nothing };
    if codes.all(|other| other == code) { Value::Code(code) } else { Value::Unreadable(Problem::Ambiguous) }
}
