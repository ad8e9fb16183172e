//! What a reply says: an answer, or why there is none; and how that was found.

use std::fmt;

use serde::Serialize;

use crate::id::Code;

/// What was read from a reply: either an answer or a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The answer. [`Behaviour::Corrected`](crate::method::Behaviour::Corrected) gives only answers that the question accepts.
    pub answer: Option<Code>,
    /// The model's reasons; empty if it gives none, and for single-call methods.
    pub analysis: String,
    /// Why there is no answer.
    pub problem: Option<Problem>,
    /// What decided.
    pub rule: Rule,
}

/// Why no answer was read from a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// The reply is empty, except for a reasoning block.
    Empty,
    /// The model declines to answer.
    Refused,
    /// The reply contains nothing that reads as an answer.
    NoOption,
    /// The reply gives a number that is not one of the question's answers.
    NotAnOption,
    /// The reply gives more than one answer.
    Ambiguous,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Empty => "the reply is empty",
            Self::Refused => "the model declines to answer",
            Self::NoOption => "the reply names no option",
            Self::NotAnOption => "the reply gives a number that is not among the options",
            Self::Ambiguous => "the reply gives more than one answer",
        })
    }
}

/// What in a reply decided how it is read, in the order in which these places are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// In behaviour `paper`: the first `Answer:` with a number behind it.
    PaperLabel,
    /// In behaviour `paper`: the first number.
    PaperNumber,
    /// The answer field of a JSON object.
    Json,
    /// The last label that says "final answer".
    FinalLabel,
    /// The last label that begins a line.
    LineLabel,
    /// The last label that begins a line, in another language than English.
    TranslatedLabel,
    /// The last `\boxed{}`.
    Boxed,
    /// The labels inside sentences.
    SentenceLabels,
    /// The first line, the last line, and the verbs that choose.
    Statements,
    /// A line that is nothing but an answer.
    LoneLine,
    /// A number with its own label, anywhere.
    LabelledNumber,
    /// The end of the last line, if the text has no other option's number.
    Conclusion,
    /// The only option that a short sentence names.
    OnlyLabel,
    /// The numbers in the text, for an open question.
    OnlyNumber,
    /// Nothing: the reply is blank.
    Blank,
    /// The beginning, which is a refusal's.
    Refusal,
    /// The beginning, which is how a reply is read in which nothing else gives an answer.
    Beginning,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::PaperLabel => "the first \"Answer:\" with a number",
            Self::PaperNumber => "the first number",
            Self::Json => "the answer field of a JSON object",
            Self::FinalLabel => "the last label that says \"final answer\"",
            Self::LineLabel => "the last label that begins a line",
            Self::TranslatedLabel => "the last label in another language that begins a line",
            Self::Boxed => "the last \\boxed{}",
            Self::SentenceLabels => "labels inside sentences",
            Self::Statements => "the first line, the last line, and verbs that choose",
            Self::LoneLine => "lines that are nothing but an answer",
            Self::LabelledNumber => "numbers with their own labels",
            Self::Conclusion => "the end of the last line",
            Self::OnlyLabel => "the only option that the sentence names",
            Self::OnlyNumber => "the numbers in the text",
            Self::Blank => "nothing is left to read",
            Self::Refusal => "it begins as a refusal does",
            Self::Beginning => "nothing in the text reads as an answer",
        })
    }
}

/// A part of a reply that is not for its reader.
#[derive(Debug, Clone, Copy)]
pub(super) struct Removed<'a> {
    pub(super) what: Removal,
    pub(super) text: &'a str,
}

/// What is taken out of a reply before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Removal {
    /// Characters that nobody sees.
    Invisible,
    /// All before harmony's final channel.
    Channel,
    /// A block of reasoning with its tags.
    Reasoning,
    /// A token that ends a reply, and what follows it.
    End,
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Invisible => "invisible characters",
            Self::Channel => "other channels",
            Self::Reasoning => "reasoning",
            Self::End => "an end token, and what follows it",
        })
    }
}
