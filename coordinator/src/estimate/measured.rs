//! What calls of earlier runs took, from their ledgers: how often stages were asked, and the tokens of their prompts and replies.

use std::collections::BTreeMap;

use valuesim_shared::id::ModelId;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::money::Tokens;
use valuesim_shared::stage::{Stage, StageKind};

use crate::ledger::{Ledger, LedgerError};
use crate::plan::Plan;

/// The most cells of a model that are read of one run: their mean is known well enough, and an estimate is made in no time.
const MAX_CELLS: usize = 300;

/// What calls of earlier runs took, by the name of the model.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Measured {
    models: BTreeMap<String, MeasuredModel>,
}

/// What a model's calls took.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct MeasuredModel {
    stages: BTreeMap<Stage, Sums>,
}

/// What the calls of a stage took in all.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Sums {
    answered: f64,
    /// Cells, for backstories; predictions, for all other stages.
    asked: f64,
    tokens: Tokens,
}

/// What a stage takes on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct StageMean {
    /// Calls for each cell, for backstories; for each prediction, for all other stages.
    pub(super) calls: f64,
    /// Tokens of a call.
    pub(super) tokens: Tokens,
}

impl StageMean {
    /// The same if no reply may be longer than so many tokens.
    pub(super) fn with_replies_of_at_most(mut self, tokens: u64) -> Self {
        self.tokens.output = self.tokens.output.min(tokens);
        self.tokens.reasoning = self.tokens.reasoning.min(self.tokens.output);
        self
    }
}

impl Measured {
    /// Adds what a model took in a run. `of_run` is its place there, and `plan` has the folds' questions.
    pub fn add(
        &mut self,
        model: &ModelSettings,
        (ledger, of_run): (&Ledger, ModelId),
        plan: &Plan,
    ) -> Result<(), LedgerError> {
        let measured = self.models.entry(model.name.clone()).or_default();
        for row in ledger.spend(of_run)?.take(MAX_CELLS) {
            let (cell, spend) = row?;
            let predictions = plan.split().asked(cell.fold).len() as f64;
            for (&stage, spend) in &spend.stages {
                let sums = measured.stages.entry(stage).or_default();
                sums.answered += spend.answered as f64;
                sums.asked += if stage.kind() == StageKind::Story { 1.0 } else { predictions };
                sums.tokens += spend.tokens;
            }
        }
        measured.stages.retain(|_, sums| sums.answered > 0.0 && sums.tokens.input > 0);
        Ok(())
    }

    pub(super) fn of(&self, model: &str) -> Option<&MeasuredModel> {
        self.models.get(model).filter(|model| !model.stages.is_empty())
    }
}

impl MeasuredModel {
    /// What a stage took on average, if it is known.
    pub(super) fn stage(&self, stage: Stage) -> Option<StageMean> {
        let Sums { answered, asked, tokens } = self.stages.get(&stage)?;
        let each = |tokens: u64| rounded(tokens as f64 / answered);
        let tokens = Tokens {
            input: each(tokens.input),
            cached: each(tokens.cached),
            cache_write: each(tokens.cache_write),
            output: each(tokens.output),
            reasoning: each(tokens.reasoning),
        };
        Some(StageMean { calls: answered / asked, tokens })
    }

    /// Characters of a token, from stages whose prompts have a known length.
    pub(super) fn characters_per_token(&self, characters: impl Fn(Stage) -> Option<f64>) -> Option<f64> {
        let (mut all, mut tokens) = (0.0, 0.0);
        for (&stage, sums) in &self.stages {
            if let Some(characters) = characters(stage) {
                all += characters * sums.answered;
                tokens += sums.tokens.input as f64;
            }
        }
        (all > 0.0 && tokens > 0.0).then(|| all / tokens)
    }

    /// The mean reply of stages of such kinds, in tokens.
    pub(super) fn reply(&self, is_meant: impl Fn(StageKind) -> bool) -> Option<u64> {
        let meant = self.stages.iter().filter(|(stage, _)| is_meant(stage.kind()));
        let (answered, output) = meant.fold((0.0, 0.0), |(answered, output), (_, sums)| {
            (answered + sums.answered, output + sums.tokens.output as f64)
        });
        (answered > 0.0).then(|| rounded(output / answered))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "means of counts are positive")]
fn rounded(number: f64) -> u64 {
    number.round() as u64
}
