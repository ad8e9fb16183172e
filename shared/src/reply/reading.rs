//! What a reply says: an answer, or why there is none.

use std::fmt;

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
}

/// Why no answer was read from a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
