//! What the calls of a cell used: requests, tokens, money.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::day::Day;
use crate::id::RunId;
use crate::money::{NanoUsd, Tokens};
use crate::stage::Stage;

/// Appended to a reported model's name if its replies are marked as simulated.
pub const SIMULATED_MARK: &str = " (SIMULATED)";

/// The most model names that a sum keeps. A router has a few; but a provider that invents a name for each reply must not
/// make a run's sums grow with its calls.
pub const MAX_REPORTED_MODELS: usize = 100;

/// The most kinds of odd replies that a sum keeps apart, for the same reason.
pub const MAX_ODDITIES: usize = 20;

/// All other kinds of odd replies.
const OTHER_ODDITIES: &str = "odd in other ways";

/// What the calls of one cell used, by stage.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellSpend {
    /// What each stage used. Stages without a call are left out.
    pub stages: BTreeMap<Stage, StageSpend>,
    /// The models that answered, as the provider named them; simulated ones end in [`SIMULATED_MARK`].
    pub reported_models: Vec<String>,
    /// Replies that were taken from another run, in place of calls.
    #[serde(default, skip_serializing_if = "ReusedReplies::is_nothing")]
    pub reused: ReusedReplies,
    /// How many replies were odd, by what is odd about them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub oddities: BTreeMap<String, u64>,
    /// The day in UTC on which the cell was recorded; unknown in what earlier builds recorded, and on its way there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<Day>,
    /// The run that paid for the cell, if this one has taken it over. `day` is then that of its calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_from: Option<RunId>,
}

/// Replies that other runs of the same person, fold and model had kept. They cost nothing again.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReusedReplies {
    /// How many.
    pub replies: u64,
    /// The tokens that their calls used then, as far as the provider reported them.
    pub tokens: Tokens,
}

impl ReusedReplies {
    /// Whether there are none.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Adds other replies.
    pub fn add(&mut self, other: Self) {
        self.replies = self.replies.saturating_add(other.replies);
        self.tokens += other.tokens;
    }
}

impl CellSpend {
    /// Whether any reply came from a simulated provider.
    pub fn simulated(&self) -> bool {
        self.reported_models.iter().any(|model| model.ends_with(SIMULATED_MARK))
    }

    /// The sum over all stages.
    pub fn total(&self) -> StageSpend {
        let mut total = StageSpend::default();
        for stage in self.stages.values() {
            total.add(stage);
        }
        total
    }

    /// Counts replies that are odd in one way.
    pub fn add_oddity(&mut self, oddity: &str, count: u64) {
        let is_known = self.oddities.contains_key(oddity);
        let name = if is_known || self.oddities.len() < MAX_ODDITIES { oddity } else { OTHER_ODDITIES };
        let known = self.oddities.entry(name.to_owned()).or_default();
        *known = known.saturating_add(count);
    }

    /// Adds what another attempt at the cell, or another cell, used.
    pub fn add(&mut self, other: &Self) {
        for (&stage, spend) in &other.stages {
            self.stages.entry(stage).or_default().add(spend);
        }
        self.reused.add(other.reused);
        for (oddity, &count) in &other.oddities {
            self.add_oddity(oddity, count);
        }
        self.day = self.day.max(other.day);
        for model in &other.reported_models {
            // Whether anything was simulated must be known, however many names came before.
            let first_simulated = model.ends_with(SIMULATED_MARK) && !self.simulated();
            let wanted = first_simulated || self.reported_models.len() < MAX_REPORTED_MODELS;
            if wanted && !self.reported_models.contains(model) {
                self.reported_models.push(model.clone());
            }
        }
    }
}

/// What the calls of one stage used. When no request is in flight, `sent` = `answered` + `failed` + `abandoned`.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageSpend {
    /// Requests sent, retries included.
    pub sent: u64,
    /// Requests that got a reply.
    pub answered: u64,
    /// Requests that ended without a reply.
    pub failed: u64,
    /// Requests whose end is unknown because the process ended first. They may have been billed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub abandoned: u64,
    /// Answered requests without reported usage; their tokens are not in `tokens`.
    pub without_usage: u64,
    /// Tokens as reported by the provider.
    pub tokens: Tokens,
    /// The cost of `tokens`; zero if the model has no price.
    pub cost: NanoUsd,
    /// What may be billed in addition: for requests without usage, or that broke off, timed out or were abandoned.
    #[serde(default, skip_serializing_if = "UncertainSpend::is_nothing")]
    pub unsure: UncertainSpend,
    /// The part of `tokens` and `cost` that was for asking again, with a reminder of the format or more room.
    #[serde(default, skip_serializing_if = "PartSpend::is_nothing")]
    pub asked_again: PartSpend,
    /// The part of `tokens` and `cost` that was for replies that could not be used: those after which the model was asked
    /// again, and refusals.
    #[serde(default, skip_serializing_if = "PartSpend::is_nothing")]
    pub unusable: PartSpend,
}

/// A part of what a stage used.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartSpend {
    /// Answered requests.
    pub answered: u64,
    /// Their tokens.
    pub tokens: Tokens,
    /// Their cost.
    pub cost: NanoUsd,
}

impl PartSpend {
    /// Whether nothing was used.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Adds another part.
    pub fn add(&mut self, other: Self) {
        self.answered = self.answered.saturating_add(other.answered);
        self.tokens += other.tokens;
        self.cost += other.cost;
    }
}

impl From<&StageSpend> for PartSpend {
    fn from(spend: &StageSpend) -> Self {
        Self { answered: spend.answered, tokens: spend.tokens, cost: spend.cost }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Tokens and money that a provider may have counted without reporting them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UncertainSpend {
    /// Estimated tokens, from the length of the prompt and of an ordinary reply.
    pub likely: Tokens,
    /// The cost of `likely`.
    pub likely_cost: NanoUsd,
    /// An upper bound of the tokens: one for each byte of the prompt, and the longest reply.
    pub at_most: Tokens,
    /// The cost of `at_most`.
    pub at_most_cost: NanoUsd,
}

impl UncertainSpend {
    /// Whether nothing is uncertain.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Adds the uncertain spend of other requests.
    pub fn add(&mut self, other: &Self) {
        self.likely += other.likely;
        self.likely_cost += other.likely_cost;
        self.at_most += other.at_most;
        self.at_most_cost += other.at_most_cost;
    }

    /// The uncertain spend of `count` such requests.
    #[must_use]
    pub const fn times(self, count: u64) -> Self {
        Self {
            likely: self.likely.times(count),
            likely_cost: self.likely_cost.times(count),
            at_most: self.at_most.times(count),
            at_most_cost: self.at_most_cost.times(count),
        }
    }
}

impl StageSpend {
    /// Adds what other calls used.
    pub fn add(&mut self, other: &Self) {
        self.sent = self.sent.saturating_add(other.sent);
        self.answered = self.answered.saturating_add(other.answered);
        self.failed = self.failed.saturating_add(other.failed);
        self.abandoned = self.abandoned.saturating_add(other.abandoned);
        self.without_usage = self.without_usage.saturating_add(other.without_usage);
        self.tokens += other.tokens;
        self.cost += other.cost;
        self.unsure.add(&other.unsure);
        self.asked_again.add(other.asked_again);
        self.unusable.add(other.unusable);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_that_invents_model_names_does_not_fill_the_sums() {
        let mut total = CellSpend::default();
        for reply in 0..=MAX_REPORTED_MODELS {
            let mark = if reply == MAX_REPORTED_MODELS { SIMULATED_MARK } else { "" };
            let invented = [format!("m-{reply}{mark}"), format!("m-{reply}-again")];
            total.add(&CellSpend { reported_models: invented.to_vec(), ..CellSpend::default() });
        }
        assert_eq!(total.reported_models.len(), MAX_REPORTED_MODELS + 1);
        assert!(total.simulated(), "the simulated name is still kept");
    }

    #[test]
    fn a_provider_that_invents_oddities_does_not_fill_the_sums() {
        let mut total = CellSpend::default();
        for reply in 0..3 * MAX_ODDITIES {
            total.add_oddity(&format!("odd {reply}"), 1);
        }
        assert_eq!(total.oddities.len(), MAX_ODDITIES + 1);
        assert_eq!(total.oddities.values().sum::<u64>(), 3 * MAX_ODDITIES as u64);
    }

    #[test]
    fn sums_of_absurd_numbers_saturate() {
        let tokens = Tokens { input: u64::MAX, cached: 0, output: 1, ..Tokens::default() };
        let mut sum = StageSpend { sent: u64::MAX, tokens, ..StageSpend::default() };
        sum.add(&sum.clone());
        assert_eq!((sum.sent, sum.tokens), (u64::MAX, Tokens { output: 2, ..tokens }));
    }
}
