//! The flag of `valuesim run` that limits what a run costs, and what is checked before the first call.

use anyhow::bail;
use clap::Args;
use valuesim_coordinator::estimate::Estimate;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::RunId;
use valuesim_shared::money::{NanoUsd, Tokens};

/// Characters of a token in an estimate, rounded up: a tokenizer makes at most one token of each byte.
const MOST_BYTES_PER_TOKEN: u64 = 5;

/// What `valuesim run` takes on the budget.
#[derive(Debug, Args)]
pub(super) struct BudgetFlags {
    /// The most that the run may cost, in US dollars: no call is sent that could pass it
    #[arg(long, value_name = "USD", env = "VALUESIM_BUDGET", value_parser = usd, help_heading = "Money")]
    budget: Option<f64>,
}

impl BudgetFlags {
    /// Overrides the experiment's budget.
    pub(super) fn apply(&self, experiment: &mut Experiment) {
        experiment.budget_usd = self.budget.or(experiment.budget_usd);
    }
}

/// Parses an amount of US dollars above 0.
pub(in crate::commands) fn usd(text: &str) -> Result<f64, String> {
    let usd = text.trim().trim_start_matches('$').parse().ok().filter(|usd: &f64| *usd > 0.0 && *usd <= 1e9);
    usd.ok_or_else(|| "expected an amount of US dollars above 0 and up to a billion, such as 12.50".to_owned())
}

/// Says how a run that has stopped at its wall gets more money. Which budget is spent is not looked up.
pub(super) fn raising(experiment: &Experiment, run: &RunId) -> String {
    let of_run = format!("`valuesim budget {run} USD` raises it");
    let in_file = "its model or endpoint gets more in the experiment file (`budget_usd`, `endpoint_budget_usd`)";
    let has_others = experiment.models.iter().any(|it| it.budget_usd.or(it.endpoint_budget_usd).is_some());
    match (experiment.budget_usd.is_some(), has_others) {
        (false, true) => format!("To raise it, {in_file}"),
        (true, true) => format!("{of_run} if it is the run's, otherwise {in_file}"),
        (_, false) => of_run,
    }
}

/// A budget below the most that a single call can cost would not allow any call.
pub(super) fn check(experiment: &Experiment, estimate: &Estimate) -> anyhow::Result<()> {
    for purse in experiment.purses() {
        for model in purse.models.iter().map(|&model| (&experiment.models[model], &estimate.models[model])) {
            let (Some(price), stages) = (&model.0.price, &model.1.stages) else { continue };
            let output = u64::from(model.0.max_output_tokens.unwrap_or_default());
            let most =
                |input: u64| price.cost_at_most(Tokens { input, output, ..Tokens::default() }, model.0.asked_tier());
            let least = stages.iter().map(|stage| most(stage.tokens_per_call.input * MOST_BYTES_PER_TOKEN)).min();
            let least = least.unwrap_or(NanoUsd(0));
            if purse.limit < least {
                bail!(
                    "the budget of {} for {} is below {least}, the most that a single call of {} can cost: expected more, or a smaller \
                     --max-output-tokens",
                    purse.limit,
                    purse.name,
                    model.0.name
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_an_amount_above_zero() {
        assert_eq!(usd("12.50"), Ok(12.5));
        assert_eq!(usd("$3"), Ok(3.0));
        for wrong in ["0", "-1", "much", "", "nan", "inf", "1e12"] {
            assert!(usd(wrong).is_err(), "{wrong}");
        }
    }
}
