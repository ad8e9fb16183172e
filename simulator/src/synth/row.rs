//! One respondent of a synthetic survey, and the survey's labels.

use valuesim_shared::id::{Code, Country, QUESTIONS};

use super::keyed_rng::KeyedRng;

/// The value of the `version` column.
pub const VERSION: &str = "synthetic (made by valuesim in the format of 6-0-0)";
/// The value of the `doi` column.
pub const DOI: &str = "synthetic (no survey data)";

/// One respondent of a synthetic survey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynthRow {
    /// Where the interview took place.
    pub country: Country,
    /// The answers to Q1 to Q290, missing codes included.
    pub codes: [Code; QUESTIONS],
    /// The position of the country among the surveyed ones.
    pub(super) country_index: usize,
    /// The respondent's number within the country, counted from 1.
    pub(super) number: u32,
    /// The source of the other columns' random values.
    pub(super) rng: KeyedRng,
}
