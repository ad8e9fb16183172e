//! Reads replies in the many forms that models use, and accepts only answers that the question has.

use super::json::read_json;
use super::label::{AnswerLabel, Strength, after_analysis_label, answer_labels, begins_line, boxed, translated_labels};
use super::reasoning::for_the_reader;
use super::refusal::is_refusal;
use super::unlabelled::read_unlabelled;
use super::value::{Followed, Value, is_decoration, read_value};
use super::{Problem, Reading};
use crate::codebook::Question;

/// The number of labels read in a reply. Ordinary replies have one or a few.
const LABELS_READ: usize = 100;

/// A reply of a module or of the coordinator.
pub(super) fn read_module_reply(text: &str, question: &Question) -> Reading {
    let reply = for_the_reader(text);
    let (value, analysis) = if let Some(json) = read_json(&reply) {
        (read_value(&json.answer, question, Followed::ByAnything), json.analysis)
    } else {
        let (value, label) = read_text(&reply, question);
        (value, analysis(&reply, label).to_owned())
    };
    reading(value, analysis, &reply)
}

/// A reply of a single-call method.
pub(super) fn read_single_reply(text: &str, question: &Question) -> Reading {
    let reply = for_the_reader(text);
    let value = match read_json(&reply) {
        Some(json) => read_value(&json.answer, question, Followed::ByAnything),
        None => read_text(&reply, question).0,
    };
    reading(value, String::new(), &reply)
}

fn reading(value: Value, analysis: String, reply: &str) -> Reading {
    let problem = match value {
        Value::Code(code) => return Reading { answer: Some(code), analysis, problem: None },
        _ if reply.trim().is_empty() => Problem::Empty,
        _ if is_refusal(reply) => Problem::Refused,
        Value::Unreadable(problem) => problem,
        Value::Nothing => Problem::NoOption,
    };
    Reading { answer: None, analysis, problem: Some(problem) }
}

/// The answer, and its label if it has one.
fn read_text<'a>(reply: &'a str, question: &Question) -> (Value, Option<AnswerLabel<'a>>) {
    match read_labelled(reply, question) {
        Some((value, label)) => (value, Some(label)),
        None => (read_unlabelled(reply, question), None),
    }
}

/// The answer at the label that counts: the last `Final answer:`, else the last `Answer:` that begins a line, in English or in
/// another language, else `Answer:` and `the answer is` inside sentences, if they agree.
fn read_labelled<'a>(reply: &'a str, question: &Question) -> Option<(Value, AnswerLabel<'a>)> {
    let read = |label: AnswerLabel<'a>| (read_value(label.value, question, Followed::ByAnything), label);
    let (mut last_final, mut first) = (None, Vec::new());
    for label in answer_labels(reply) {
        if label.is_final {
            last_final = Some(label);
        }
        if first.len() < LABELS_READ {
            first.push(label);
        }
    }
    let last_final = last_final.map(read).filter(decides);
    if last_final.is_some() {
        return last_final;
    }
    let (heads, inside): (Vec<_>, Vec<_>) =
        first.into_iter().partition(|label| label.strength == Strength::Strong && begins_line(&reply[..label.at]));
    let last_head = heads.into_iter().rev().map(read).find(decides);
    let last_head = last_head.or_else(|| translated_labels(reply).take(LABELS_READ).map(read).filter(decides).last());
    let boxed = || boxed(reply).map(read).filter(decides);
    last_head.or_else(boxed).or_else(|| agreeing(inside.into_iter().map(read).filter(decides)))
}

/// Whether a value at a label was meant as the answer.
fn decides((value, label): &(Value, AnswerLabel<'_>)) -> bool {
    match label.strength {
        Strength::Strong => *value != Value::Nothing,
        Strength::Weak => matches!(value, Value::Code(_)),
    }
}

/// The one code that labels inside sentences give. Where they give several, nobody knows which is meant.
fn agreeing<'a>(read: impl Iterator<Item = (Value, AnswerLabel<'a>)>) -> Option<(Value, AnswerLabel<'a>)> {
    let mut found: Option<(Value, AnswerLabel<'a>)> = None;
    for (value, label) in read {
        found = match found {
            Some((Value::Code(code), first)) if value != Value::Code(code) && matches!(value, Value::Code(_)) => {
                return Some((Value::Unreadable(Problem::Ambiguous), first));
            }
            Some(known @ (Value::Code(_), _)) => Some(known),
            Some(known) if !matches!(value, Value::Code(_)) => Some(known),
            _ => Some((value, label)),
        };
    }
    found
}

/// The model's reasons: the text labelled as analysis, else the text below the answer, else the text before it.
fn analysis<'a>(reply: &'a str, answer: Option<AnswerLabel>) -> &'a str {
    if let Some(after) = after_analysis_label(reply) {
        let marked = undecorated(up_to_answer(after));
        if !marked.is_empty() {
            return marked;
        }
    }
    let Some(label) = answer else { return "" };
    let line_of_value = reply.len() - label.value.len();
    let below = reply[line_of_value..].split_once('\n').map_or("", |(_, below)| undecorated(below));
    if below.is_empty() { undecorated(&reply[..label.at]) } else { below }
}

/// The text up to the next line that begins with an answer.
fn up_to_answer(text: &str) -> &str {
    let begins_later_line = |at| begins_line(&text[..at]) && text[..at].contains('\n');
    let next = answer_labels(text).find(|label| label.strength == Strength::Strong && begins_later_line(label.at));
    next.map_or(text, |label| &text[..label.at])
}

/// The text without decoration at either end.
fn undecorated(text: &str) -> &str {
    let text = text.trim_start_matches(|c| is_decoration(c) && !matches!(c, '(' | '[' | '“' | '«' | '$')).trim_end();
    text.trim_end_matches(['*', '_', '`', '#']).trim_end()
}
