//! Ids: respondents, questions, codes, countries, folds, models, cells and runs.

use std::borrow::Borrow;
use std::fmt;
use std::num::{NonZeroU8, NonZeroU32};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The number of questions in the survey: Q1 to Q290 (WVS-7 master questionnaire).
pub const QUESTIONS: usize = 290;

/// A respondent: the 1-based number of a data row of the survey file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Respondent(NonZeroU32);

impl Respondent {
    /// The respondent in data row `row`, counted from 1; `None` for row 0.
    pub const fn new(row: u32) -> Option<Self> {
        match NonZeroU32::new(row) {
            Some(row) => Some(Self(row)),
            None => None,
        }
    }

    /// The respondent at position `index`, counted from 0.
    ///
    /// # Panics
    /// If the index does not fit a row number; a survey file has fewer than 2^32 rows.
    pub fn from_index(index: usize) -> Self {
        let row = u32::try_from(index + 1).expect("a survey file has under 2^32 rows");
        Self::new(row).expect("rows count from 1")
    }

    /// The 1-based row number.
    pub const fn row(self) -> u32 {
        self.0.get()
    }

    /// The 0-based position in the file.
    pub const fn index(self) -> usize {
        self.row() as usize - 1
    }
}

impl fmt::Display for Respondent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A question of the survey, Q1 to Q290.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct QuestionId(u16);

impl QuestionId {
    /// Question number `number`; `None` outside 1..=290.
    pub const fn new(number: u16) -> Option<Self> {
        if number >= 1 && number as usize <= QUESTIONS { Some(Self(number)) } else { None }
    }

    /// All 290 questions in order.
    pub fn all() -> impl ExactSizeIterator<Item = Self> + DoubleEndedIterator + Clone {
        (0..QUESTIONS).map(Self::from_index)
    }

    /// The question at position `index`, counted from 0.
    ///
    /// # Panics
    /// If the index is not below 290.
    pub fn from_index(index: usize) -> Self {
        assert!(index < QUESTIONS, "question index {index} is past Q290");
        Self(u16::try_from(index + 1).expect("290 fits u16"))
    }

    /// The number: 1 to 290.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The 0-based position.
    pub const fn index(self) -> usize {
        self.0 as usize - 1
    }
}

impl fmt::Display for QuestionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Q{}", self.0)
    }
}

impl From<QuestionId> for String {
    fn from(id: QuestionId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for QuestionId {
    type Error = UnknownQuestion;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for QuestionId {
    type Err = UnknownQuestion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('Q').filter(|d| d.bytes().all(|b| b.is_ascii_digit()) && !d.starts_with('0'));
        digits.and_then(|d| d.parse().ok()).and_then(Self::new).ok_or_else(|| UnknownQuestion(text.to_owned()))
    }
}

/// A text that is not a question id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown question {0:?}: expected Q1 to Q{QUESTIONS}")]
pub struct UnknownQuestion(pub String);

/// The number of an answer in the survey file. Negative codes say why an answer is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Code(pub i32);

impl Code {
    /// Whether the code means a missing answer (-1 to -5 in WVS files).
    pub const fn is_missing(self) -> bool {
        self.0 < 0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A country or territory by its ISO 3166-1 numeric code, as in the column `B_COUNTRY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Country(pub u16);

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a fold, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fold(NonZeroU8);

impl Fold {
    /// Fold number `number`, counted from 1; `None` for 0.
    pub const fn new(number: u8) -> Option<Self> {
        match NonZeroU8::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The fold's number, counted from 1.
    pub const fn number(self) -> u8 {
        self.0.get()
    }

    /// The fold's position, counted from 0.
    pub const fn index(self) -> usize {
        self.number() as usize - 1
    }
}

impl fmt::Display for Fold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A model of an experiment: its 0-based position in the experiment's list of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelId(pub u16);

/// One respondent, one fold and one model: the unit of work, recovery and results.
///
/// Ordered by model, then respondent, then fold, like the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cell {
    /// The model to ask.
    pub model: ModelId,
    /// The respondent to simulate.
    pub respondent: Respondent,
    /// The fold, which determines the held-out questions.
    pub fold: Fold,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "model {}, respondent {}, fold {}", self.model.0, self.respondent, self.fold)
    }
}

/// The id of a run: the same experiment on the same data has the same id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl Borrow<str> for RunId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_ids_read_back_what_they_print() {
        for id in QuestionId::all() {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn respondent_0_and_fold_0_are_refused() {
        assert!(serde_json::from_str::<Respondent>("0").is_err() && serde_json::from_str::<Fold>("0").is_err());
        assert_eq!(serde_json::from_str::<Fold>("1").ok(), Fold::new(1));
    }

    #[test]
    fn names_that_only_look_like_questions_are_refused() {
        for text in ["Q0", "Q291", "Q01", "q1", "Q", "Q1P", "Q+1", "Q33_3", "1", ""] {
            assert_eq!(text.parse::<QuestionId>(), Err(UnknownQuestion(text.to_owned())));
        }
    }
}
