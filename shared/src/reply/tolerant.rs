//! Reads replies in the many forms that models use, and accepts only answers that the question has.

use super::json::read_json;
use super::label::{
    AnswerLabel, Strength, after_analysis_label, answer_labels, begins_line, boxed, quotes_a_module, translated_labels,
};
use super::reading::Rule;
use super::reasoning::{for_the_reader, taken_apart};
use super::refusal::is_refusal;
use super::unlabelled::read_unlabelled;
use super::value::{Followed, Value, is_decoration, read_value};
use super::{Explanation, Problem, Reading};
use crate::codebook::Question;

/// The number of labels read in a reply. Ordinary replies have one or a few.
const LABELS_READ: usize = 100;

/// A reply of a module or of the coordinator.
pub(super) fn read_module_reply(text: &str, question: &Question) -> Reading {
    let reply = for_the_reader(text);
    reading(decide(&reply, question), &reply)
}

/// A reply of a single-call method.
pub(super) fn read_single_reply(text: &str, question: &Question) -> Reading {
    let reply = for_the_reader(text);
    reading_without_analysis(&decide(&reply, question), &reply)
}

/// Reads a reply as [`read_module_reply`] does, and says how.
pub(super) fn explain(text: &str, question: &Question) -> Explanation {
    let mut removed = Vec::new();
    let reply = taken_apart(text, &mut |part| removed.push((part.what, part.text.to_owned())));
    let decided = decide(&reply, question);
    let place = decided.label.map(|label| place(&reply, label).to_owned());
    Explanation { reading: reading(decided, &reply), place, removed }
}

fn reading(decided: Decided<'_>, reply: &str) -> Reading {
    let read = reading_without_analysis(&decided, reply);
    let analysis = decided.json_analysis.unwrap_or_else(|| analysis(reply, decided.label).to_owned());
    Reading { analysis, ..read }
}

fn reading_without_analysis(decided: &Decided<'_>, reply: &str) -> Reading {
    let (problem, rule) = match decided.value {
        Value::Code(code) => {
            return Reading { answer: Some(code), analysis: String::new(), problem: None, rule: decided.rule };
        }
        _ if reply.trim().is_empty() => (Problem::Empty, Rule::Blank),
        _ if is_refusal(reply) => (Problem::Refused, Rule::Refusal),
        Value::Unreadable(problem) => (problem, decided.rule),
        Value::Nothing => (Problem::NoOption, decided.rule),
    };
    Reading { answer: None, analysis: String::new(), problem: Some(problem), rule }
}

/// What decides how a reply is read.
struct Decided<'a> {
    value: Value,
    rule: Rule,
    label: Option<AnswerLabel<'a>>,
    /// The analysis of a JSON object, which is the only one of such a reply.
    json_analysis: Option<String>,
}

fn decide<'a>(reply: &'a str, question: &Question) -> Decided<'a> {
    if let Some(json) = read_json(reply) {
        let value = read_value(&json.answer, question, Followed::ByAnything);
        return Decided { value, rule: Rule::Json, label: None, json_analysis: Some(json.analysis) };
    }
    if let Some(Labelled { value, label, rule }) = read_labelled(reply, question) {
        return Decided { value, rule, label: Some(label), json_analysis: None };
    }
    let (value, rule) = read_unlabelled(reply, question);
    Decided { value, rule, label: None, json_analysis: None }
}

/// A label with its line, and with the line of its value.
fn place<'a>(reply: &'a str, label: AnswerLabel<'a>) -> &'a str {
    let from = reply[..label.at].rfind('\n').map_or(0, |at| at + 1);
    let value_at = reply.len() - label.value.len();
    let to = label.value.find('\n').map_or(reply.len(), |length| value_at + length);
    reply[from..to].trim()
}

/// A label, the value at it, and the rule by which it counts.
#[derive(Clone, Copy)]
struct Labelled<'a> {
    value: Value,
    label: AnswerLabel<'a>,
    rule: Rule,
}

impl<'a> Labelled<'a> {
    fn read(label: AnswerLabel<'a>, rule: Rule, question: &Question) -> Self {
        Self { value: read_value(label.value, question, Followed::ByAnything), label, rule }
    }

    /// Whether the value was meant as the answer.
    fn decides(&self) -> bool {
        match self.label.strength {
            Strength::Strong => self.value != Value::Nothing,
            Strength::Weak => matches!(self.value, Value::Code(_)),
        }
    }
}

/// The answer at the label that counts: the last `Final answer:`, else the last `Answer:` that begins a line, in English or in
/// another language, else `Answer:` and `the answer is` inside sentences, if they agree.
fn read_labelled<'a>(reply: &'a str, question: &Question) -> Option<Labelled<'a>> {
    let read = |rule| move |label| Labelled::read(label, rule, question);
    let (mut last_final, mut first) = (None, Vec::new());
    for label in answer_labels(reply) {
        if label.is_final {
            last_final = Some(label);
        }
        if first.len() < LABELS_READ {
            first.push(label);
        }
    }
    let last_final = last_final.map(read(Rule::FinalLabel)).filter(Labelled::decides);
    if last_final.is_some() {
        return last_final;
    }
    let (heads, inside): (Vec<_>, Vec<_>) =
        first.into_iter().partition(|label| label.strength == Strength::Strong && begins_line(&reply[..label.at]));
    let last_head = heads.into_iter().rev().map(read(Rule::LineLabel)).find(Labelled::decides);
    let last_head = last_head.or_else(|| translated(reply, question));
    let boxed = || boxed(reply).map(read(Rule::Boxed)).filter(Labelled::decides);
    let (quoted, inside): (Vec<_>, Vec<_>) = inside.into_iter().partition(|label| quotes_a_module(&reply[..label.at]));
    let agreed =
        |labels: Vec<_>| agreeing(labels.into_iter().map(read(Rule::SentenceLabels)).filter(Labelled::decides));
    last_head.or_else(boxed).or_else(|| agreed(inside)).or_else(|| agreed(quoted))
}

/// The last label in another language with a mark behind it, else the one code that those without a mark give.
fn translated<'a>(reply: &'a str, question: &Question) -> Option<Labelled<'a>> {
    let (strong, weak): (Vec<_>, Vec<_>) =
        translated_labels(reply).take(LABELS_READ).partition(|label| label.strength == Strength::Strong);
    let read = |label| Labelled::read(label, Rule::TranslatedLabel, question);
    let last = strong.into_iter().map(read).rfind(Labelled::decides);
    last.or_else(|| agreeing(weak.into_iter().map(read).filter(Labelled::decides)))
}

/// The one code that labels inside sentences give. Where they give several, nobody knows which is meant.
fn agreeing<'a>(read: impl Iterator<Item = Labelled<'a>>) -> Option<Labelled<'a>> {
    let mut found: Option<Labelled<'a>> = None;
    for one in read {
        let is_code = matches!(one.value, Value::Code(_));
        found = match found {
            Some(first) if is_code && matches!(first.value, Value::Code(_)) && one.value != first.value => {
                return Some(Labelled { value: Value::Unreadable(Problem::Ambiguous), ..first });
            }
            Some(known) if matches!(known.value, Value::Code(_)) || !is_code => Some(known),
            _ => Some(one),
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
