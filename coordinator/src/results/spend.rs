//! What the calls of a run used.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use valuesim_shared::model::ModelSettings;
use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::outcome::{CellSpend, ReusedReplies, StageSpend};
use valuesim_shared::stage::Stage;

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
    /// Replies that were taken from earlier runs, in place of calls, and the tokens of their calls then.
    #[serde(default, skip_serializing_if = "ReusedReplies::is_nothing")]
    pub reused: ReusedReplies,
    /// How many replies were odd, by what is odd about them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub oddities: BTreeMap<String, u64>,
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
    /// Those input tokens that the provider wrote to its cache at a price of their own.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_tokens: u64,
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
            reused: spend.reused,
            oddities: spend.oddities.clone(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
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
        cache_write_tokens: 0,
        output_tokens: 0,
        cost_nano_usd: Some(NanoUsd(0)),
        unsure_nano_usd: Some(NanoUsd(0)),
        unsure_at_most_nano_usd: Some(NanoUsd(0)),
    };

    fn new(spend: &StageSpend, priced: bool) -> Self {
        let StageSpend { sent, answered, failed, abandoned, without_usage, tokens, cost, unsure, .. } = *spend;
        let Tokens { input, cached, cache_write, output, .. } = tokens;
        Self {
            requests: sent,
            answered,
            failed,
            abandoned,
            without_usage,
            input_tokens: input,
            cached_tokens: cached,
            cache_write_tokens: cache_write,
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
        self.cache_write_tokens = self.cache_write_tokens.saturating_add(other.cache_write_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        let sum = |one: Option<NanoUsd>, other: Option<NanoUsd>| one.zip(other).map(|(one, other)| one + other);
        self.cost_nano_usd = sum(self.cost_nano_usd, other.cost_nano_usd);
        self.unsure_nano_usd = sum(self.unsure_nano_usd, other.unsure_nano_usd);
        self.unsure_at_most_nano_usd = sum(self.unsure_at_most_nano_usd, other.unsure_at_most_nano_usd);
    }
}
