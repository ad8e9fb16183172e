//! How well one arm predicted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use valuesim_shared::codebook::Category;

use super::measure::Measure;
use super::question::DistributionSummary;
use crate::score::Arm;
use crate::statistics::Estimate;

/// One arm and how well it predicted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmResults {
    /// Method and model.
    pub arm: Arm,
    /// Its scores.
    pub score: ArmScore,
    /// How far the distributions of its predictions are from the true ones.
    pub distribution: DistributionSummary,
}

/// How well one arm predicted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmScore {
    /// Respondents with at least one prediction.
    pub respondents: u64,
    /// All predictions, including those without a known truth.
    pub predictions: u64,
    /// The score over all questions, which is not the mean of the categories.
    pub overall: Score,
    /// The score of each of the nine categories.
    pub categories: BTreeMap<Category, Score>,
    /// How asking ended, by name, over all predictions.
    pub endings: BTreeMap<String, u64>,
    /// How answers were decided, by name, over all predictions.
    pub decisions: BTreeMap<String, u64>,
}

impl ArmScore {
    /// The score of a category, or the overall score for `None`.
    pub fn score(&self, category: Option<Category>) -> &Score {
        category.and_then(|category| self.categories.get(&category)).unwrap_or(&self.overall)
    }
}

/// Scores over some questions. A score without data is `None`, never 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// Predictions whose truth is one of the question's options.
    pub with_truth: u64,
    /// Predictions that count for accuracy: those with a truth; in behaviour `paper` only those that could be parsed.
    pub counted: u64,
    /// Predictions that count for the mean absolute error.
    pub measured: u64,
    /// Share of valid answers among `with_truth`, 0 to 1.
    pub coverage: Option<f64>,
    /// The headline score: the mean over people of each person's own score (paper, section 4.1).
    pub per_person: PersonMeans,
    /// The same with the experiment's survey weights (Hájek means); `None` if it names no weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weighted: Option<WeightedMeans>,
    /// All predictions weighted equally, as in the paper's code: ratio estimates with people as clusters.
    pub pooled: Pooled,
}

impl Score {
    /// The headline estimate of a measure.
    pub fn headline(&self, measure: Measure) -> Option<Estimate> {
        self.per_person.of(measure)
    }
}

/// Means of people's own scores, over the people who have one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonMeans {
    /// Share of answers predicted exactly, 0 to 1.
    pub accuracy: Option<Estimate>,
    /// Mean absolute error as a share of the scale, 0 to 1; above 1 only in behaviour `paper`.
    pub mae: Option<Estimate>,
}

impl PersonMeans {
    /// The mean of a measure.
    pub fn of(&self, measure: Measure) -> Option<Estimate> {
        match measure {
            Measure::Accuracy => self.accuracy,
            Measure::Mae => self.mae,
        }
    }
}

/// Means of people's own scores with survey weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightedMeans {
    /// The means.
    pub means: PersonMeans,
    /// How many equally weighted people would say as much as these: (sum of weights)² / sum of squared weights (Kish).
    pub effective_persons: f64,
}

/// Scores over all predictions, weighted equally.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pooled {
    /// Share of answers predicted exactly, 0 to 1.
    pub accuracy: Option<Estimate>,
    /// Mean absolute error as a share of the scale.
    pub mae: Option<Estimate>,
    /// The same with each error at most 1. It differs only in behaviour `paper`, which counts answers that are not
    /// options.
    pub capped_mae: Option<f64>,
}
