//! Finds the answer in a reply that does not label it.

use super::Problem;
use super::conclusion::read_conclusion;
use super::digit::{decimal, leading_digits};
use super::doubt::{self, is_rejected, speaks_against};
use super::label::words;
use super::option_label::{labelled_number, only_label_in, whole_answer};
use super::reading::Rule;
use super::value::{Followed, Value, agreed, has_other_number, is_one_of, numbers, read_value};
use crate::codebook::Question;
use crate::id::Code;

/// Verbs that choose an option.
const CHOICE_VERBS: [&str; 14] = [
    "choose", "chooses", "pick", "picks", "place", "places", "rate", "rates", "lean", "leans", "select", "selects",
    "say", "answer",
];

/// The last of them are verbs of a choice only after one of these words: "it is hard to say" chooses nothing.
const SPOKEN: [&str; 2] = ["say", "answer"];
const SPEAKERS: [&str; 14] = [
    "would", "will", "likely", "probably", "i", "i'd", "i'll", "they'd", "they'll", "he'd", "she'd", "you'd", "we'd",
    "could",
];

/// What a model rates besides the answer.
const CERTAINTIES: [&str; 6] = ["confidence", "confident", "certainty", "certain", "sure", "probability"];

/// Words that name nothing that a question asks about, though they are in its text.
const FUNCTION_WORDS: [&str; 14] = [
    "this", "that", "these", "those", "with", "from", "your", "they", "them", "their", "have", "what", "when", "which",
];

/// Who or what a verb of a choice places on a scale, whatever the question.
const SELVES: [&str; 7] = ["myself", "themselves", "themself", "himself", "herself", "yourself", "it"];

/// The longest reply, in bytes, in which a label inside a sentence is taken for the answer: a longer one may quote it.
const LONGEST_SENTENCE: usize = 200;

/// Where the last words of a text are, in bytes from its end.
const LAST_WORDS: usize = 40;

/// How many lines that are nothing but an answer are looked for.
const LINES_READ: usize = 200;

/// How many numbers with their labels are looked for.
const NUMBERS_READ: usize = 200;

/// Words that make a label in a sentence somebody else's answer, an earlier one or half of one.
const QUALIFIERS: [&str; 18] = [
    "but", "however", "although", "though", "yet", "others", "people", "some", "many", "used", "was", "were", "might",
    "may", "could", "almost", "less", "more",
];

/// How many occurrences of a verb are read in a reply.
const CHOICES_READ: usize = 50;

/// The one answer that the first line, the last line and the choice verbs give; else that of lines that are nothing but an
/// answer; else that of numbers with their own labels; else that with which the last line concludes; else
/// the only option that a short sentence names; else, for an open question, the only number in the text.
pub(super) fn read_unlabelled(reply: &str, question: &Question) -> (Value, Rule) {
    type Read = fn(&str, &Question) -> Value;
    let readers: [(Read, Rule); 7] = [
        (read_statements, Rule::Statements),
        (read_lone_lines, Rule::LoneLine),
        (read_labelled_numbers, Rule::LabelledNumber),
        (read_conclusion, Rule::Conclusion),
        (read_only_label, Rule::OnlyLabel),
        (read_only_number, Rule::OnlyNumber),
        (read_reason, Rule::Beginning),
    ];
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
        let affirmed =
            move |&at: &usize| !is_rejected(&reply[..at]) && (!SPOKEN.contains(&verb) || is_spoken(&reply[..at]));
        words(reply, verb).filter(affirmed).take(CHOICES_READ).map(move |at| &reply[at + verb.len()..])
    });
    verbs.filter_map(move |after| {
        let chosen = |text| match read_value(text, question, Followed::ByAnEnd) {
            Value::Code(code) => Some(code),
            Value::Unreadable(_) | Value::Nothing => None,
        };
        let placed = || chosen(after_preposition(after, question)?).filter(|&code| is_alone(reply, code, question));
        chosen(after).or_else(placed)
    })
}

/// What follows the first "as" or "at" of a clause, if what the question asks about is placed there: "rate my life as a 6".
fn after_preposition<'a>(text: &'a str, question: &Question) -> Option<&'a str> {
    const LONGEST: usize = 60;
    let clause = &text[..text.floor_char_boundary(LONGEST)];
    let clause = clause.split([',', '.', ';', ':', '\n']).next().unwrap_or("");
    let found = [" as ", " at "].into_iter().filter_map(|word| Some((clause.find(word)?, word.len())));
    let (at, length) = found.min()?;
    let certain = doubt::words(&clause[..at]).any(|word| is_one_of(word, &CERTAINTIES));
    let placed = doubt::words(&clause[..at]).last().filter(|_| !certain)?;
    (is_one_of(placed, &SELVES) || asks_about(question, placed)).then(|| &text[at + length..])
}

/// Whether a question's text has a word of the same stem: "satisfaction" in "how satisfied are you".
fn asks_about(question: &Question, word: &str) -> bool {
    const STEM: usize = 4;
    let same = |of: &str| {
        let alike = of.chars().zip(word.chars()).take_while(|(a, b)| a.to_lowercase().eq(b.to_lowercase()));
        alike.count() >= STEM
    };
    !is_one_of(word, &FUNCTION_WORDS) && doubt::words(&question.text).any(same)
}

/// Whether a text has no other number than an answer and the ends of its scale.
fn is_alone(text: &str, code: Code, question: &Question) -> bool {
    let codes = || question.options.iter().map(|option| option.code);
    let (Some(smallest), Some(largest)) = (codes().min(), codes().max()) else { return false };
    let text = text.replace(&format!("{} to {}", smallest.0, largest.0), "");
    numbers(&text).all(|of| of == code || of == largest)
}

/// Whether the word before a verb of speaking says who would say so.
fn is_spoken(before: &str) -> bool {
    last_words(before).next().is_some_and(|word| is_one_of(&word, &SPEAKERS))
}

/// The last words, from the last on, with straight apostrophes.
fn last_words(before: &str) -> impl Iterator<Item = String> {
    let near = before.ceil_char_boundary(before.len().saturating_sub(LAST_WORDS));
    before[near..].split_whitespace().rev().map(|word| word.replace('’', "'"))
}

fn read_lone_lines(reply: &str, question: &Question) -> Value {
    agreed(reply.lines().take(LINES_READ).filter_map(|line| whole_answer(line, question)))
}

fn read_labelled_numbers(reply: &str, question: &Question) -> Value {
    let begins = |&at: &usize| !reply[..at].ends_with(|c: char| c.is_alphanumeric() || c == '.');
    let digits = reply.char_indices().filter(|&(_, c)| decimal(c).is_some()).map(|(at, _)| at).filter(begins);
    let affirmed = digits.take(NUMBERS_READ).filter(|&at| !is_rejected(&reply[..at]));
    agreed(affirmed.filter_map(|at| labelled_number(&reply[at..], question)))
}

/// The only option that a short reply names inside its sentence: `I attend once a week.`
fn read_only_label(reply: &str, question: &Question) -> Value {
    let reply = reply.trim();
    if reply.len() > LONGEST_SENTENCE || reply.contains('\n') {
        return Value::Nothing;
    }
    let is_qualified = |text| speaks_against(text) || doubt::words(text).any(|word| is_one_of(word, &QUALIFIERS));
    let named = only_label_in(reply, question);
    let named = named.filter(|(at, _)| !is_qualified(&reply[..at.start]) && !is_qualified(&reply[at.end..]));
    let named = named.filter(|&(_, code)| !has_other_number(reply, code, question));
    named.map_or(Value::Nothing, |(_, code)| Value::Code(code))
}

fn read_only_number(reply: &str, question: &Question) -> Value {
    let is_open = question.options.is_empty();
    if !is_open || speaks_against(reply) || reply.contains(" out of ") {
        return Value::Nothing;
    }
    agreed(numbers(reply).filter(|&code| question.accepts(code)))
}

/// Why the reply gives no answer, as far as its beginning shows.
fn read_reason(reply: &str, question: &Question) -> Value {
    match read_value(reply.trim_start(), question, Followed::ByAnEnd) {
        // The beginning reads as an answer, but other lines contradict it.
        Value::Code(_) => Value::Unreadable(Problem::Ambiguous),
        value @ (Value::Unreadable(_) | Value::Nothing) => value,
    }
}
