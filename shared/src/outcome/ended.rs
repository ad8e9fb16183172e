//! How asking a model ended.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::code_string::CodeLetter;

/// How asking a model ended. Rate limits, transport errors, spent budgets and bugs are not endings: they never become
/// results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ended {
    /// The reply gives an answer.
    Answered,
    /// The reply gives an answer after a reminder of the format.
    Reminded,
    /// No answer can be read from the reply.
    Invalid,
    /// The provider or the model refused by policy.
    Refused,
    /// The length limit cut the reply off before it gave an answer.
    CutOff,
    /// There is no reply: the prompt is too long for the model's context.
    TooLong,
    /// The provider did not take the prompt, and did not say a reason that is known.
    Rejected,
    /// The model was not asked, because the backstory that the question needs did not come about.
    NoBackstory,
}

impl Ended {
    /// All endings, in the order in which reports list them.
    pub const ALL: [Self; 8] = [
        Self::Answered,
        Self::Reminded,
        Self::Invalid,
        Self::Refused,
        Self::CutOff,
        Self::TooLong,
        Self::Rejected,
        Self::NoBackstory,
    ];

    /// Whether there is an answer.
    pub const fn has_answer(self) -> bool {
        matches!(self, Self::Answered | Self::Reminded)
    }

    /// The ending's name in files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Reminded => "answered after a reminder",
            Self::Invalid => "invalid",
            Self::Refused => "refused",
            Self::CutOff => "cut off",
            Self::TooLong => "too long",
            Self::Rejected => "rejected",
            Self::NoBackstory => "no backstory",
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Ended {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_char(self.letter())
    }
}

impl<'de> Deserialize<'de> for Ended {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let letter = char::deserialize(deserializer)?;
        Self::from_letter(letter)
            .ok_or_else(|| D::Error::custom(format!("unknown letter {letter:?}: expected one of `aripltjb`")))
    }
}

impl CodeLetter for Ended {
    fn letter(self) -> char {
        match self {
            Self::Answered => 'a',
            Self::Reminded => 'r',
            Self::Invalid => 'i',
            Self::Refused => 'p',
            Self::CutOff => 'l',
            Self::TooLong => 't',
            Self::Rejected => 'j',
            Self::NoBackstory => 'b',
        }
    }

    fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|ended| ended.letter() == letter)
    }
}
