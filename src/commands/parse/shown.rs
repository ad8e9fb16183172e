//! How one reply is read, for people and for machines.

use std::fmt::Write as _;

use serde::Serialize;
use valuesim_shared::codebook::Question;
use valuesim_shared::id::Code;
use valuesim_shared::reply::{Explanation, Problem, Removal, Rule};

use super::input::{Reply, Right, Without};
use crate::columns::shortened;

/// How much is shown of the text that decided and of each part that was taken out, in characters.
const SHOWN: usize = 100;

/// A reply and how it is read.
#[derive(Debug, Serialize)]
pub(super) struct Shown<'a> {
    line: usize,
    question: String,
    pub(super) model: Option<&'a str>,
    /// The code, if the reply has an answer.
    answer: Option<Code>,
    /// The label of the code.
    label: Option<&'a str>,
    /// Why there is no answer.
    pub(super) problem: Option<Problem>,
    /// What decided.
    pub(super) rule: Rule,
    /// The label that decided, with its line.
    place: Option<String>,
    analysis: String,
    removed: Vec<Part>,
    /// Whether it is read as the file says, if it does.
    pub(super) is_right: Option<bool>,
    #[serde(skip)]
    right: Option<Right>,
}

/// A part of a reply that was taken out.
#[derive(Debug, Serialize)]
struct Part {
    what: Removal,
    text: String,
}

impl<'a> Shown<'a> {
    pub(super) fn new(reply: &'a Reply, question: &'a Question, explanation: Explanation) -> Self {
        let Explanation { reading, place, removed } = explanation;
        Self {
            line: reply.line,
            question: reply.question.to_string(),
            model: reply.model.as_deref(),
            answer: reading.answer,
            label: reading.answer.and_then(|code| question.label(code)),
            problem: reading.problem,
            rule: reading.rule,
            place,
            analysis: reading.analysis,
            removed: removed.into_iter().map(|(what, text)| Part { what, text }).collect(),
            is_right: reply.right.map(|right| right == read_as(reading.answer, reading.problem)),
            right: reply.right,
        }
    }

    /// Some lines for people.
    pub(super) fn text(&self) -> String {
        let mut text = format!("line {}  {}  {}\n", self.line, self.question, self.said());
        if let (Some(false), Some(right)) = (self.is_right, self.right) {
            writeln!(text, "  read otherwise than expected: {}", named(right)).expect("memory takes all");
        }
        let place = self.place.as_deref().map(|place| format!(": {}", shortened(place, SHOWN)));
        writeln!(text, "  rule: {}{}", self.rule, place.unwrap_or_default()).expect("memory takes all");
        for Part { what, text: part } in &self.removed {
            let characters = part.chars().count();
            let quoted = if *what == Removal::Invisible { code_points(part) } else { shortened(part, SHOWN) };
            writeln!(text, "  taken out: {what}, {characters} characters: {quoted}").expect("memory takes all");
        }
        text
    }

    /// The answer with its label, or why there is none.
    fn said(&self) -> String {
        match (self.answer, self.label, self.problem) {
            (Some(code), Some(label), _) => format!("{}: {label}", code.0),
            (Some(code), None, _) => code.0.to_string(),
            (None, _, Some(Problem::Refused)) => "refused".to_owned(),
            (None, _, problem) => format!("invalid: {}", problem.map_or_else(String::new, |why| why.to_string())),
        }
    }
}

/// How a reply is read, in the words of a file that says how it should be.
fn read_as(answer: Option<Code>, problem: Option<Problem>) -> Right {
    match (answer, problem) {
        (Some(code), _) => Right::Code(code),
        (None, Some(Problem::Refused)) => Right::Without(Without::Refused),
        (None, _) => Right::Without(Without::Invalid),
    }
}

fn named(right: Right) -> String {
    match right {
        Right::Code(code) => code.0.to_string(),
        Right::Without(Without::Refused) => "refused".to_owned(),
        Right::Without(Without::Invalid) => "invalid".to_owned(),
    }
}

/// The first characters by their numbers, because nobody sees them.
fn code_points(text: &str) -> String {
    let all: Vec<String> = text.chars().take(8).map(|c| format!("U+{:04X}", u32::from(c))).collect();
    all.join(" ")
}
