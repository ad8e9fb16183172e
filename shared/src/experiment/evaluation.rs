//! How an experiment's results are computed.

use serde::{Deserialize, Serialize};

use crate::id::QuestionId;

/// How results are computed. The same ledger can be evaluated in different ways.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluationSettings {
    /// Columns of the survey file to break results down by, in addition to country, region, sex, age, education, income
    /// and language.
    pub by: Vec<String>,
    /// The column of the survey file with survey weights, such as `W_WEIGHT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
}

impl EvaluationSettings {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The columns that are to be loaded beside the questions and the country.
    pub fn further_columns(&self) -> Vec<String> {
        let is_loaded = |name: &&String| name.parse::<QuestionId>().is_ok() || *name == "B_COUNTRY";
        self.by.iter().chain(&self.weights).filter(|name| !is_loaded(name)).cloned().collect()
    }
}
