//! One respondent of a synthetic survey, and how the survey is labelled.

use valuesim_shared::id::{Code, Country, QUESTIONS};

use super::chance::Chance;

/// What the `version` column says.
pub const VERSION: &str = "synthetic (made by valuesim in the format of 6-0-0)";
/// What the `doi` column says.
pub const DOI: &str = "synthetic (no survey data)";

/// One respondent of a synthetic survey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynthRow {
    /// Where the interview took place.
    pub country: Country,
    /// The answers to Q1 to Q290, missing codes included.
    pub codes: [Code; QUESTIONS],
    /// The position of the country among the surveyed ones.
    pub(super) place: usize,
    /// The respondent's number within the country, counted from 1.
    pub(super) number: u32,
    /// Where the other columns' values are drawn from.
    pub(super) chance: Chance,
}
