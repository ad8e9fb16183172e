//! Defines a run's results as `results.json` stores them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use valuesim_shared::id::RunId;
use valuesim_shared::method::Behaviour;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::outcome::{CellSpend, StageSpend};
use valuesim_shared::stage::Stage;

use crate::grouped::grouped;
use crate::score::{Arm, ArmScore};
use crate::statistics::Population;

/// The version of `results.json`; readers refuse all others.
pub const RESULTS_VERSION: u16 = 1;

/// A run's results. Scores are unrounded shares from 0 to 1; unknown values are null, never 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// [`RESULTS_VERSION`] of the writer.
    pub version: u16,
    /// Which run.
    pub run: RunId,
    /// The run's title in its report.
    pub title: String,
    /// Which faults of the paper's code are reproduced, in calls and in scores.
    pub behaviour: Behaviour,
    /// Whether the replies came from the simulated provider.
    pub simulated: bool,
    /// Whether the survey is synthetic.
    pub synthetic_survey: bool,
    /// Whom the respondents represent; determines the intervals.
    pub population: Population,
    /// Cells of the plan.
    pub cells_planned: u64,
    /// Cells that are in the ledger, and thus in these results.
    pub cells_finished: u64,
    /// Cells that were given up: they are among the dead letters, and no score includes them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cells_dead: u64,
    /// Descriptions of what was run, for people.
    pub facts: Vec<String>,
    /// Scores, in any order; tables show the arms that ask a model first.
    pub arms: Vec<ArmResults>,
    /// What the calls used, by model.
    pub spend: Vec<ModelSpend>,
    /// Where the numbers come from: versions, digests, prompts, prices; one line each, for people.
    pub provenance: Vec<String>,
}

fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(number)).to_uppercase()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// One arm and how well it predicted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmResults {
    /// Method and model.
    pub arm: Arm,
    /// Its scores.
    pub score: ArmScore,
}

/// What the calls to one model used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpend {
    /// The model, by its name in the experiment.
    pub model: String,
    /// The models that answered, by the names that the provider reported.
    pub reported_models: Vec<String>,
    /// Totals by stage, in the order in which a cell goes through them.
    pub stages: BTreeMap<Stage, StageTotals>,
}

/// What the calls of one kind used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageTotals {
    /// Requests sent, including retries.
    pub requests: u64,
    /// Requests answered with a reply.
    pub answered: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Requests whose result is unknown because the process ended first.
    pub abandoned: u64,
    /// Requests answered without usage: their tokens are unknown and not counted below.
    pub without_usage: u64,
    /// Tokens in prompts, including cached ones.
    pub input_tokens: u64,
    /// Those input tokens that the provider read from its cache.
    pub cached_tokens: u64,
    /// Tokens in replies.
    pub output_tokens: u64,
    /// Cost in billionths of a US dollar; `None` if the model's price is unknown.
    pub cost_nano_usd: Option<NanoUsd>,
    /// What the provider may have billed on top for requests that were cut off, timed out, abandoned or answered without
    /// usage: the likely amount.
    pub unsure_nano_usd: Option<NanoUsd>,
    /// The same: the upper bound.
    pub unsure_at_most_nano_usd: Option<NanoUsd>,
}

impl ModelSpend {
    /// The total spend of all cells of a model. Costs are known only if `model` has a price.
    pub fn new(model: &ModelSettings, spend: &CellSpend) -> Self {
        let totals = |spend: &StageSpend| StageTotals::new(spend, model.price.is_some());
        Self {
            model: model.name.clone(),
            reported_models: spend.reported_models.clone(),
            stages: spend.stages.iter().map(|(&stage, spend)| (stage, totals(spend))).collect(),
        }
    }
}

impl StageTotals {
    /// No calls.
    pub const NOTHING: Self = Self {
        requests: 0,
        answered: 0,
        failed: 0,
        abandoned: 0,
        without_usage: 0,
        input_tokens: 0,
        cached_tokens: 0,
        output_tokens: 0,
        cost_nano_usd: Some(NanoUsd(0)),
        unsure_nano_usd: Some(NanoUsd(0)),
        unsure_at_most_nano_usd: Some(NanoUsd(0)),
    };

    fn new(spend: &StageSpend, priced: bool) -> Self {
        let StageSpend { sent, answered, failed, abandoned, without_usage, tokens, cost, unsure } = *spend;
        let Tokens { input, cached, output } = tokens;
        Self {
            requests: sent,
            answered,
            failed,
            abandoned,
            without_usage,
            input_tokens: input,
            cached_tokens: cached,
            output_tokens: output,
            cost_nano_usd: priced.then_some(cost),
            unsure_nano_usd: priced.then_some(unsure.likely_cost),
            unsure_at_most_nano_usd: priced.then_some(unsure.at_most_cost),
        }
    }

    /// Adds other calls. A known cost plus an unknown one is unknown.
    pub fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.answered = self.answered.saturating_add(other.answered);
        self.failed = self.failed.saturating_add(other.failed);
        self.abandoned = self.abandoned.saturating_add(other.abandoned);
        self.without_usage = self.without_usage.saturating_add(other.without_usage);
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        let sum = |one: Option<NanoUsd>, other: Option<NanoUsd>| one.zip(other).map(|(one, other)| one + other);
        self.cost_nano_usd = sum(self.cost_nano_usd, other.cost_nano_usd);
        self.unsure_nano_usd = sum(self.unsure_nano_usd, other.unsure_nano_usd);
        self.unsure_at_most_nano_usd = sum(self.unsure_at_most_nano_usd, other.unsure_at_most_nano_usd);
    }
}

/// Why results cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// They are not valid JSON, or lack the fields of results.
    #[error("read results: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// They have another version.
    #[error(
        "the results have version {0}, this program reads version {RESULTS_VERSION}: use the release that wrote them"
    )]
    Version(u16),
}

impl Results {
    /// The results as `results.json` stores them.
    ///
    /// # Panics
    /// Never: all keys are text or names of categories and stages, and scores are finite.
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("results can be written as JSON");
        json.push('\n');
        json
    }

    /// Reads `results.json`; refuses other versions before it looks at the rest.
    pub fn from_json(json: &str) -> Result<Self, ResultsError> {
        #[derive(Deserialize)]
        struct Head {
            version: u16,
        }
        let head: Head = serde_json::from_str(json)?;
        if head.version != RESULTS_VERSION {
            return Err(ResultsError::Version(head.version));
        }
        Ok(serde_json::from_str(json)?)
    }

    /// The arms that ask a model.
    pub fn model_arms(&self) -> impl Iterator<Item = &ArmResults> {
        self.arms.iter().filter(|results| results.arm.model.is_some())
    }

    /// The arms that ask no model.
    pub fn no_model_arms(&self) -> impl Iterator<Item = &ArmResults> {
        self.arms.iter().filter(|results| results.arm.model.is_none())
    }

    /// Warnings that must precede any display of these results.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        warnings.extend(self.not_real().map(str::to_owned));
        if self.cells_dead > 0 {
            let (dead, run) = (counted(self.cells_dead, "dead cell"), &self.run);
            warnings.push(format!(
                "FINISHED WITH {dead}: no score includes what is missing; `valuesim dead list {run}` shows why"
            ));
        }
        if self.cells_finished + self.cells_dead < self.cells_planned {
            let (finished, planned) = (grouped(self.cells_finished), grouped(self.cells_planned));
            warnings.push(format!("UNFINISHED: {finished} of {planned} cells; run the same command again to continue"));
        }
        warnings
    }

    /// The suffix of its tables' titles if replies or survey are not real.
    pub fn marks(&self) -> &'static str {
        match (self.simulated, self.synthetic_survey) {
            (true, true) => " - SIMULATED - SYNTHETIC SURVEY",
            (true, false) => " - SIMULATED",
            (false, true) => " - SYNTHETIC SURVEY",
            (false, false) => "",
        }
    }

    fn not_real(&self) -> Option<&'static str> {
        match (self.simulated, self.synthetic_survey) {
            (true, true) => {
                Some("SIMULATED replies on a SYNTHETIC SURVEY: no number says anything about a model or about people")
            }
            (true, false) => Some("SIMULATED replies: no number of an arm says anything about a model"),
            (false, true) => Some("SYNTHETIC SURVEY: no number says anything about people"),
            (false, false) => None,
        }
    }
}
