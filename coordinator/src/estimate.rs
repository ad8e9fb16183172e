//! Estimates the calls, tokens and money that a run will take, before the first call.

mod duration;
mod embeddings;
mod hours;
mod lengths;
mod measured;
mod of_model;
mod priced;
mod span;
mod unit;

use std::time::Duration;

use serde::Serialize;
use valuesim_shared::cell;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::method::Method;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::stage::{Stage, StageKind};
use valuesim_shared::survey::Survey;

use crate::plan::Plan;

pub use embeddings::EmbeddingEstimate;
pub use hours::CallHours;
use lengths::Lengths;
pub use measured::Measured;
use measured::StageMean;
use of_model::OfModel;
pub use span::Span;
use unit::Unit;

/// Share of questions on which the modules disagree, so that the coordinator is asked, measured on the paper's models.
const DISAGREEMENT: f64 = 0.35;

/// How far the share of coordinator calls may be off that was measured in earlier runs, as a share of it.
const MEASURED_SHARE_ERROR: f64 = 0.15;

/// What a run will take. `low` and `high` bound the share of coordinator calls and the price of the hours; prompt and reply lengths
/// are means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// For each model of the experiment.
    pub models: Vec<ModelEstimate>,
    /// For the embeddings; none unless a method retrieves with some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<EmbeddingEstimate>,
}

/// What one model's share of the run will take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelEstimate {
    /// The model's name.
    pub model: String,
    /// Whether earlier runs say how long prompts and replies are, and how much the cache serves.
    pub is_measured: bool,
    /// How the tokens of its prompts were counted.
    pub counted_by: CountedBy,
    /// Stage by stage.
    pub stages: Vec<StageEstimate>,
    /// All calls.
    pub calls: Span<u64>,
    /// The likely number of tokens in all prompts and replies.
    pub tokens: Tokens,
    /// The sum of what the stages cost; `None` if the model has no price.
    pub cost: Option<Span<NanoUsd>>,
    /// Why calls and cost are not known exactly.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uncertain_by: Vec<UncertainBy>,
    /// How long the likely calls take within the model's limits.
    #[serde(skip)]
    pub takes: Duration,
}

/// What decides where between `low` and `high` a figure will lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UncertainBy {
    /// How often the modules disagree, so that the coordinator is asked.
    Disagreement,
    /// The hours in which calls are made: the price depends on them.
    Hours,
}

/// How the tokens of prompts were counted, the best way first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CountedBy {
    /// By the provider, in earlier runs.
    EarlierRuns,
    /// By the model's tokenizer.
    Tokenizer,
    /// By their length: about five characters make a token.
    Length,
}

/// What one stage will take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageEstimate {
    /// The stage.
    pub stage: Stage,
    /// Calls.
    pub calls: Span<u64>,
    /// Tokens of one call, prompt and reply.
    pub tokens_per_call: Tokens,
    /// What the calls cost at list price, with the cache hits that earlier runs had; `None` if the model has no price.
    pub cost: Option<Span<NanoUsd>>,
}

/// Estimates a run from the prompts of a few of its respondents, and from what earlier runs took, at the price of these hours.
pub fn estimate(
    experiment: &Experiment,
    plan: &Plan,
    data: (&Survey, &Codebook),
    (measured, hours): (&Measured, CallHours),
) -> Estimate {
    Estimator::new(experiment, plan, data, (measured, hours)).of(&experiment.methods)
}

/// Estimates what methods take in a run, whose prompts it has measured.
#[derive(Debug)]
pub struct Estimator<'a> {
    experiment: &'a Experiment,
    plan: &'a Plan,
    data: (&'a Survey, &'a Codebook),
    measured: &'a Measured,
    hours: CallHours,
    in_characters: Lengths,
    /// For each tokenizer of models of which earlier runs say nothing.
    in_tokens: Vec<Lengths>,
}

impl<'a> Estimator<'a> {
    /// Measures the prompts of a few of the plan's respondents.
    pub fn new(
        experiment: &'a Experiment,
        plan: &'a Plan,
        data: (&'a Survey, &'a Codebook),
        (measured, hours): (&'a Measured, CallHours),
    ) -> Self {
        let lengths = |unit| Lengths::measure(unit, experiment, plan, data);
        let in_characters = lengths(Unit::Characters);
        let mut in_tokens: Vec<Lengths> = Vec::new();
        for model in experiment.models.iter().filter(|model| measured.of(&model.name).is_none()) {
            let unit = Unit::of_model(experiment, model.name_at_provider());
            if unit != Unit::Characters && !in_tokens.iter().any(|known| known.unit == unit) {
                in_tokens.push(lengths(unit));
            }
        }
        Self { experiment, plan, data, measured, hours, in_characters, in_tokens }
    }

    /// What these methods take together.
    pub fn of(&self, methods: &[Method]) -> Estimate {
        let models = self.experiment.models.iter();
        let models = models.map(|model| self.model_estimate(model, methods));
        Estimate {
            models: models.collect(),
            embeddings: embeddings::estimate((self.experiment, methods), self.plan, self.data),
        }
    }

    fn model_estimate(&self, model: &ModelSettings, methods: &[Method]) -> ModelEstimate {
        let most = model.max_output_tokens.map_or(u64::MAX, u64::from);
        let known = self.of_model(model).with_replies_of_at_most(most);
        let stages = cell::stages(methods).into_iter();
        let stages = stages.map(|stage| match known.measured.and_then(|measured| measured.stage(stage)) {
            Some(mean) => measured_stage(stage, mean.with_replies_of_at_most(most), self.plan),
            None => stage_estimate(stage, self.plan, &known),
        });
        let counted_by = match (known.measured, known.lengths.unit) {
            (Some(_), _) => CountedBy::EarlierRuns,
            (None, Unit::Tokens(_)) => CountedBy::Tokenizer,
            (None, Unit::Characters) => CountedBy::Length,
        };
        priced::model_estimate(model, stages.collect(), (counted_by, self.hours))
    }

    fn of_model(&self, model: &ModelSettings) -> OfModel<'_> {
        let unit = Unit::of_model(self.experiment, model.name_at_provider());
        let lengths = self.in_tokens.iter().find(|known| known.unit == unit).unwrap_or(&self.in_characters);
        match self.measured.of(&model.name) {
            Some(measured) => OfModel::measured(&self.in_characters, &model.name, measured),
            None => OfModel::assumed(lengths, &model.name),
        }
    }
}

/// A stage as it was in earlier runs.
fn measured_stage(stage: Stage, StageMean { calls, tokens }: StageMean, plan: &Plan) -> StageEstimate {
    let asked = if stage.kind() == StageKind::Story { plan.cells_per_model() } else { plan.predictions_per_arm() };
    let likely = share(asked, calls);
    let calls = if stage.kind() == StageKind::Coordinator {
        let off = share(likely, MEASURED_SHARE_ERROR);
        Span { low: likely - off, likely, high: likely + off }
    } else {
        Span::exactly(likely)
    };
    StageEstimate { stage, calls, tokens_per_call: tokens, cost: None }
}

fn stage_estimate(stage: Stage, plan: &Plan, known: &OfModel<'_>) -> StageEstimate {
    let predictions = plan.predictions_per_arm();
    let (calls, output) = match stage.kind() {
        StageKind::Story => (Span::exactly(plan.cells_per_model()), known.tokens(known.story)),
        StageKind::Coordinator => {
            let asked = Span { low: 0, likely: share(predictions, DISAGREEMENT), high: predictions };
            (asked, known.analysis)
        }
        StageKind::Cognitive | StageKind::Affective | StageKind::Behavioral => {
            (Span::exactly(predictions), known.analysis)
        }
        StageKind::FullInfo | StageKind::NoCab | StageKind::NoProfile | StageKind::Rag => {
            (Span::exactly(predictions), known.single_answer)
        }
        // They belong to the run, not to a model's cells.
        StageKind::Embeddings => (Span::exactly(0), 0),
    };
    let input = known.tokens(known.lengths.prompt(stage, known.story) + known.lengths.unit.around_a_prompt());
    StageEstimate { stage, calls, tokens_per_call: Tokens { input, output, ..Tokens::default() }, cost: None }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count is a count")]
fn share(of: u64, share: f64) -> u64 {
    (of as f64 * share).round() as u64
}
