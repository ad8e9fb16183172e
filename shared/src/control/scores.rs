//! Defines what a run's finished cells score so far, as its coordinator reports it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::unix_millis::UnixMillis;
use crate::codebook::Category;
use crate::id::RunId;
use crate::method::Method;

/// The scores of a run's finished cells. They equal the tables of an evaluation of the same cells, and so at the end the
/// final tables.
///
/// As there, all arms and baselines are scored over the same respondents and folds: those that all models have finished,
/// of the models that have finished any.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunScores {
    /// [`CONTROL_VERSION`](super::CONTROL_VERSION) of the writer.
    pub version: u16,
    /// Which run.
    pub run: RunId,
    /// Whether the models' replies are simulated.
    pub simulated: bool,
    /// The respondents and folds that are scored, and all that are planned.
    pub cells: Scored,
    /// The people of whom at least one fold is scored, and all who are planned. Each is scored over the folds that are.
    pub persons: Scored,
    /// The people of whom some folds are scored and some are not: their scores will still change.
    pub persons_in_part: u64,
    /// The baselines that ask no model, then the arms of each model.
    pub arms: Vec<ArmScores>,
    /// When these were computed.
    pub at: UnixMillis,
}

/// How much is scored.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scored {
    /// So far.
    pub scored: u64,
    /// In the whole run.
    pub planned: u64,
}

/// One arm's scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmScores {
    /// How it predicts.
    pub method: Method,
    /// The model that it asks, by its name in the experiment; `None` if the method asks no model.
    pub model: Option<String>,
    /// Over all questions.
    pub overall: ScoreSoFar,
    /// Over the questions of each category.
    pub categories: BTreeMap<Category, ScoreSoFar>,
}

/// An arm's scores over some questions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreSoFar {
    /// Predictions that count for accuracy.
    pub answers: u64,
    /// The mean over people of each person's share of answers predicted exactly, 0 to 1; `None` if nothing counts.
    pub accuracy: Option<MeanOverPeople>,
    /// The mean over people of each person's mean absolute error as a share of the scale, 0 to 1, above 1 only in behaviour
    /// `paper`; `None` if nothing counts.
    pub mae: Option<MeanOverPeople>,
}

/// A mean over people with its 95 % interval, corrected for the finite population.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeanOverPeople {
    /// How many people it is from.
    pub persons: u64,
    /// The mean.
    pub mean: f64,
    /// Its standard error: 0 if everyone was asked, `None` for one person.
    pub standard_error: Option<f64>,
    /// The lower and the upper end of its interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// Why it has no interval, as a clause without a full stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_interval: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::CONTROL_VERSION;

    /// What one release writes others read: a change here is a new version, or a field that may be missing.
    #[test]
    fn scores_are_written_and_read_to_the_letter() {
        let mean = MeanOverPeople {
            persons: 3,
            mean: 0.5,
            standard_error: Some(0.125),
            interval: Some([0.25, 0.75]),
            no_interval: None,
        };
        let reason = Some("everyone was asked".to_owned());
        let certain = MeanOverPeople { standard_error: Some(0.0), interval: None, no_interval: reason, ..mean.clone() };
        let overall = ScoreSoFar { answers: 174, accuracy: Some(mean), mae: Some(certain) };
        let empty = ScoreSoFar { answers: 0, accuracy: None, mae: None };
        let categories = BTreeMap::from([(Category::Trust, empty)]);
        let arm = ArmScores { method: Method::ModeCountry, model: None, overall, categories };
        let scores = RunScores {
            version: CONTROL_VERSION,
            run: RunId("r1".to_owned()),
            simulated: true,
            cells: Scored { scored: 14, planned: 20 },
            persons: Scored { scored: 3, planned: 4 },
            persons_in_part: 1,
            arms: vec![arm],
            at: UnixMillis(6),
        };
        let json = r#"{"version":1,"run":"r1","simulated":true,"cells":{"scored":14,"planned":20},"persons":{"scored":3,"planned":4},"persons_in_part":1,"arms":[{"method":"mode-country","model":null,"overall":{"answers":174,"accuracy":{"persons":3,"mean":0.5,"standard_error":0.125,"interval":[0.25,0.75]},"mae":{"persons":3,"mean":0.5,"standard_error":0.0,"no_interval":"everyone was asked"}},"categories":{"Trust":{"answers":0,"accuracy":null,"mae":null}}}],"at":6}"#;
        assert_eq!(serde_json::to_string(&scores).expect("writes"), json);
        assert_eq!(serde_json::from_str::<RunScores>(json).expect("reads"), scores);
    }
}
