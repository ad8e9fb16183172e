//! How a prediction was decided.

use std::fmt;

use super::code_string::CodeLetter;

/// How a prediction was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decided {
    /// At least two modules gave a valid answer, and all of these are the same.
    Unanimous,
    /// Only one module gave a valid answer.
    SingleAnswer,
    /// The modules disagreed, so the coordinator was asked.
    Coordinator,
    /// The modules disagreed, so the mean of their answers was taken, rounded up.
    Average,
    /// No module gave a valid answer, so there is no prediction.
    NoValidAnswers,
    /// The method asks for the answer in one call.
    Direct,
    /// The method asks no model.
    WithoutModel,
}

impl Decided {
    /// All decisions, in the order in which reports list them.
    pub const ALL: [Self; 7] = [
        Self::Unanimous,
        Self::SingleAnswer,
        Self::Coordinator,
        Self::Average,
        Self::NoValidAnswers,
        Self::Direct,
        Self::WithoutModel,
    ];

    /// The decision's name in files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unanimous => "unanimous",
            Self::SingleAnswer => "single answer",
            Self::Coordinator => "coordinator",
            Self::Average => "average",
            Self::NoValidAnswers => "no valid answers",
            Self::Direct => "direct",
            Self::WithoutModel => "without a model",
        }
    }
}

impl fmt::Display for Decided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl CodeLetter for Decided {
    fn letter(self) -> char {
        match self {
            Self::Unanimous => 'u',
            Self::SingleAnswer => 's',
            Self::Coordinator => 'c',
            Self::Average => 'm',
            Self::NoValidAnswers => 'n',
            Self::Direct => 'd',
            Self::WithoutModel => 'w',
        }
    }

    fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|decided| decided.letter() == letter)
    }
}
