//! The flags of `valuesim run` for what a provider allows, and what is checked before the first call.

use std::num::NonZeroU32;

use clap::Args;
use valuesim_coordinator::estimate::{Estimate, StageEstimate};
use valuesim_shared::experiment::Experiment;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::permit::{TokenCounts, TokenKind};

/// What `valuesim run` takes on limits.
#[derive(Debug, Args)]
pub(super) struct LimitFlags {
    /// Maximum calls in flight, for each model [default: 64]
    #[arg(long, value_name = "N", env = "VALUESIM_CALLS_IN_FLIGHT", help_heading = "Limits")]
    calls_in_flight: Option<u32>,

    /// After how many answered prompts with the same beginning the provider reads it from its cache: 0 for none [default: 1, at DeepSeek 2]
    #[arg(long, value_name = "N", env = "VALUESIM_CACHE_AFTER", help_heading = "Limits")]
    cache_after: Option<u8>,

    /// Maximum requests in any minute, for each model [default: no limit]
    #[arg(long, value_name = "N", env = "VALUESIM_REQUESTS_PER_MINUTE", help_heading = "Limits")]
    requests_per_minute: Option<u32>,

    /// Maximum tokens in any minute, for each model [default: no limit]
    #[arg(long, value_name = "N", env = "VALUESIM_TOKENS_PER_MINUTE", help_heading = "Limits")]
    tokens_per_minute: Option<u32>,

    /// Maximum tokens of prompts in any minute, for each model [default: no limit]
    #[arg(long, value_name = "N", env = "VALUESIM_INPUT_TOKENS_PER_MINUTE", help_heading = "Limits")]
    input_tokens_per_minute: Option<u32>,

    /// Maximum tokens of prompts that the provider does not read from its cache in any minute, for each model [default: no limit]
    #[arg(long, value_name = "N", env = "VALUESIM_UNCACHED_TOKENS_PER_MINUTE", help_heading = "Limits")]
    uncached_tokens_per_minute: Option<u32>,

    /// Maximum tokens of replies in any minute, for each model [default: no limit]
    #[arg(long, value_name = "N", env = "VALUESIM_OUTPUT_TOKENS_PER_MINUTE", help_heading = "Limits")]
    output_tokens_per_minute: Option<u32>,

    /// Maximum calls in flight of all workers of a fleet together, for each model [default: no limit]
    #[arg(long, value_name = "N", env = "VALUESIM_TOTAL_CALLS_IN_FLIGHT", help_heading = "Limits")]
    total_calls_in_flight: Option<u32>,

    /// The run's share beside other runs of the fleet that call the same models: one with 2 gets twice as much [default: 1]
    #[arg(long, value_name = "N", env = "VALUESIM_SHARE", help_heading = "Limits")]
    pub(super) share: Option<NonZeroU32>,
}

impl LimitFlags {
    /// Overrides the limits of a model.
    pub(super) fn apply(&self, model: &mut ModelSettings) {
        let limits = &mut model.limits;
        limits.calls_in_flight = self.calls_in_flight.unwrap_or(limits.calls_in_flight);
        limits.requests_per_minute = self.requests_per_minute.or(limits.requests_per_minute);
        limits.tokens_per_minute = self.tokens_per_minute.or(limits.tokens_per_minute);
        limits.input_tokens_per_minute = self.input_tokens_per_minute.or(limits.input_tokens_per_minute);
        limits.uncached_tokens_per_minute = self.uncached_tokens_per_minute.or(limits.uncached_tokens_per_minute);
        limits.output_tokens_per_minute = self.output_tokens_per_minute.or(limits.output_tokens_per_minute);
        limits.total_calls_in_flight = self.total_calls_in_flight.or(limits.total_calls_in_flight);
        model.cache_after = self.cache_after.or(model.cache_after);
    }
}

/// The setting that limits tokens of a kind.
const fn setting(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::All => "tokens_per_minute",
        TokenKind::Input => "input_tokens_per_minute",
        TokenKind::Uncached => "uncached_tokens_per_minute",
        TokenKind::Output => "output_tokens_per_minute",
    }
}

/// A limit below the tokens of a single call would block all calls forever.
pub(super) fn check(experiment: &Experiment, estimate: &Estimate) -> anyhow::Result<()> {
    for (model, estimate) in experiment.models.iter().zip(&estimate.models) {
        let limits = model.limits.tokens_a_minute();
        for kind in TokenKind::KINDS {
            let of_call = |stage: &StageEstimate| TokenCounts::from(stage.tokens_per_call).of(kind);
            let largest = estimate.stages.iter().map(of_call).max().unwrap_or(0);
            if limits.get(kind).is_some_and(|limit| limit < largest) {
                let (name, setting, tokens) = (&model.name, setting(kind), kind.text());
                anyhow::bail!(
                    "model {name:?}: {setting} is below the {largest} {tokens} of a single call; expected at least {largest}"
                );
            }
        }
    }
    for (embeddings, estimate) in experiment.embeddings.iter().zip(&estimate.embeddings) {
        let largest = estimate.tokens_per_request;
        if embeddings.limits.tokens_per_minute.is_some_and(|limit| u64::from(limit) < largest) {
            let (name, batch) = (&embeddings.name, embeddings.batch);
            anyhow::bail!(
                "embeddings {name:?}: tokens_per_minute is below the {largest} tokens of a request with {batch} texts: \
                 expected at least that, or a smaller batch"
            );
        }
    }
    Ok(())
}
