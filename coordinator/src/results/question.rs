//! How each question was answered and predicted.

use serde::{Deserialize, Serialize};
use valuesim_shared::codebook::{AnswerOption, Category, Level};
use valuesim_shared::id::QuestionId;

use crate::statistics::Estimate;

/// One question: its options, what people answered, and what each arm predicted.
///
/// All lists of counts are in the order of `options`. Only questions with options are listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionResults {
    /// Which question.
    pub question: QuestionId,
    /// Its wording.
    pub text: String,
    /// The category in the tables.
    pub category: Category,
    /// The measurement level.
    pub level: Level,
    /// The answers to choose from, in the codebook's order.
    pub options: Vec<AnswerOption>,
    /// How many of the scored people gave each answer.
    pub truth: Vec<u64>,
    /// How distances between distributions are measured for this question.
    pub distance_kind: DistanceKind,
    /// What each arm predicted, in the order of the results' arms.
    pub arms: Vec<QuestionArm>,
}

/// How the distance between two distributions of answers is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DistanceKind {
    /// The Wasserstein distance of order 1 along the scale, as a share of its length: 0 to 1.
    Wasserstein,
    /// The Jensen-Shannon distance (the square root of the divergence to base 2): 0 to 1.
    JensenShannon,
}

/// What one arm predicted for one question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionArm {
    /// Predictions that count for accuracy.
    pub counted: u64,
    /// Share of answers predicted exactly, with Wilson's interval.
    pub accuracy: Option<Estimate>,
    /// Mean absolute error; `None` if the question has no scale.
    pub mae: Option<f64>,
    /// How often each option was predicted for people with a truth; empty for `chance`, which draws no answers.
    pub predicted: Vec<u64>,
    /// Predictions for people with a truth that name no option.
    pub invalid: u64,
    /// The distance between the distribution of the predictions and that of the truth.
    pub distance: Option<f64>,
    /// The variance of the predictions divided by that of the truth, along the scale; below 1 the predicted people are
    /// more alike than the real ones. `None` without a scale, or if everyone answered the same.
    pub variance_ratio: Option<f64>,
    /// The same distance country by country.
    pub by_country: Option<ByCountry>,
    /// How often each option was predicted (inner list) for people who gave each answer (outer list); empty for arms that
    /// ask no model.
    pub confusion: Vec<Vec<u64>>,
}

/// Distances between distributions, country by country, over countries with at least [`super::MIN_GROUP_PEOPLE`] people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByCountry {
    /// How many countries.
    pub countries: u64,
    /// The mean of their distances.
    pub mean_distance: f64,
    /// The country with the largest distance, ISO alpha-3.
    pub worst: String,
    /// Its distance.
    pub worst_distance: f64,
    /// The mean of the countries' variance ratios, where there are any.
    pub mean_variance_ratio: Option<f64>,
}

/// How far an arm's predicted distributions are from the true ones, over all questions.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistributionSummary {
    /// Questions with a Wasserstein distance.
    pub scale_questions: u64,
    /// Their mean distance.
    pub wasserstein: Option<f64>,
    /// Questions with a Jensen-Shannon distance.
    pub nominal_questions: u64,
    /// Their mean distance.
    pub jensen_shannon: Option<f64>,
    /// The mean Wasserstein distance within countries, over questions and countries.
    pub wasserstein_within_countries: Option<f64>,
    /// The mean Jensen-Shannon distance within countries, over questions and countries.
    pub jensen_shannon_within_countries: Option<f64>,
    /// The median over questions of the variance ratio.
    pub variance_ratio: Option<f64>,
    /// Questions for which every prediction is the same.
    pub questions_with_one_prediction: u64,
}
