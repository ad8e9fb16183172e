//! Estimates the calls, tokens and money that a run will take, before the first call.

mod embeddings;
mod lengths;
mod measured;
mod unit;

use std::time::SystemTime;

use serde::Serialize;
use valuesim_shared::cell::{self, Text};
use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::method::Method;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::price::PricedCall;
use valuesim_shared::stage::{Stage, StageKind};
use valuesim_shared::survey::Survey;

use crate::plan::Plan;

pub use embeddings::EmbeddingEstimate;
use lengths::{ANALYSIS_TOKENS, Lengths};
pub use measured::Measured;
use measured::{MeasuredModel, StageMean};
use unit::Unit;

/// Tokens in a reply that consists of an option and its label.
const SINGLE_ANSWER_TOKENS: u64 = 12;

/// Share of questions on which the modules disagree, so that the coordinator is asked, measured on the paper's models.
const DISAGREEMENT: f64 = 0.35;

/// How far the share of coordinator calls may be off that was measured in earlier runs, as a share of it.
const MEASURED_SHARE_ERROR: f64 = 0.15;

/// What a run will take. `low` and `high` bound the share of coordinator calls; prompt and reply lengths are means.
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
    /// What they cost at list price, with the cache hits that earlier runs had; `None` if the model has no price.
    pub cost: Option<Span<NanoUsd>>,
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
}

/// A figure that is not known exactly in advance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Span<T> {
    /// At least.
    pub low: T,
    /// Probably.
    pub likely: T,
    /// At most.
    pub high: T,
}

impl<T: Copy> Span<T> {
    fn exactly(value: T) -> Self {
        Self { low: value, likely: value, high: value }
    }

    /// The same with an amount on top of each.
    #[must_use]
    pub fn plus(self, amount: T) -> Self
    where
        T: std::ops::Add<Output = T>,
    {
        self.map(|value| value + amount)
    }

    fn map<U>(self, f: impl Fn(T) -> U) -> Span<U> {
        Span { low: f(self.low), likely: f(self.likely), high: f(self.high) }
    }
}

/// Estimates a run from the prompts of a few of its respondents, and from what earlier runs took.
pub fn estimate(experiment: &Experiment, plan: &Plan, data: (&Survey, &Codebook), measured: &Measured) -> Estimate {
    Estimator::new(experiment, plan, data, measured).of(&experiment.methods)
}

/// Estimates what methods take in a run, whose prompts it has measured.
#[derive(Debug)]
pub struct Estimator<'a> {
    experiment: &'a Experiment,
    plan: &'a Plan,
    data: (&'a Survey, &'a Codebook),
    measured: &'a Measured,
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
        measured: &'a Measured,
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
        Self { experiment, plan, data, measured, in_characters, in_tokens }
    }

    /// What these methods take together.
    pub fn of(&self, methods: &[Method]) -> Estimate {
        let models = self.experiment.models.iter();
        let models = models.map(|model| model_estimate(model, methods, self.plan, &self.of_model(model)));
        Estimate {
            models: models.collect(),
            embeddings: embeddings::estimate((self.experiment, methods), self.plan, self.data),
        }
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

fn model_estimate(model: &ModelSettings, methods: &[Method], plan: &Plan, known: &OfModel<'_>) -> ModelEstimate {
    let stages = cell::stages(methods).into_iter();
    let stages = stages.map(|stage| match known.measured.and_then(|measured| measured.stage(stage)) {
        Some(mean) => measured_stage(stage, mean, plan),
        None => stage_estimate(stage, plan, known),
    });
    let counted_by = match (known.measured, known.lengths.unit) {
        (Some(_), _) => CountedBy::EarlierRuns,
        (None, Unit::Tokens(_)) => CountedBy::Tokenizer,
        (None, Unit::Characters) => CountedBy::Length,
    };
    ModelEstimate { is_measured: known.measured.is_some(), counted_by, ..total(model, stages.collect()) }
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
    StageEstimate { stage, calls, tokens_per_call: tokens }
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
    StageEstimate { stage, calls, tokens_per_call: Tokens { input, output, ..Tokens::default() } }
}

/// What is known of one model's prompts and replies.
struct OfModel<'a> {
    lengths: &'a Lengths,
    measured: Option<&'a MeasuredModel>,
    /// The length of a token.
    of_a_token: f64,
    /// The mean length of its backstories.
    story: f64,
    /// Tokens of a reply with an analysis, and of one without.
    analysis: u64,
    single_answer: u64,
}

impl<'a> OfModel<'a> {
    /// A model of which nothing was measured.
    fn assumed(lengths: &'a Lengths, model: &str) -> Self {
        Self {
            lengths,
            measured: None,
            of_a_token: lengths.unit.of_a_token(),
            story: lengths.story_reply(model),
            analysis: ANALYSIS_TOKENS,
            single_answer: SINGLE_ANSWER_TOKENS,
        }
    }

    /// A model that earlier runs called. `lengths` are in characters.
    fn measured(lengths: &'a Lengths, model: &str, measured: &'a MeasuredModel) -> Self {
        let assumed = Self::assumed(lengths, model);
        let without_story = |stage: Stage| {
            let has_story = !matches!(cell::text_of(stage), Text::Nothing | Text::Profile);
            let is_known = stage.kind() == StageKind::Story || !has_story;
            (is_known && stage.kind() != StageKind::Coordinator).then(|| lengths.prompt(stage, assumed.story))
        };
        let of_a_token = measured.characters_per_token(without_story).unwrap_or(assumed.of_a_token);
        let is_analysis = |kind| {
            matches!(kind, StageKind::Coordinator | StageKind::Cognitive | StageKind::Affective | StageKind::Behavioral)
        };
        let is_single =
            |kind| matches!(kind, StageKind::FullInfo | StageKind::NoCab | StageKind::NoProfile | StageKind::Rag);
        let story = measured.reply(|kind| kind == StageKind::Story);
        Self {
            measured: Some(measured),
            of_a_token,
            story: story.map_or(assumed.story, |tokens| tokens as f64 * of_a_token),
            analysis: measured.reply(is_analysis).unwrap_or(ANALYSIS_TOKENS),
            single_answer: measured.reply(is_single).unwrap_or(SINGLE_ANSWER_TOKENS),
            ..assumed
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "lengths are positive and small")]
    fn tokens(&self, length: f64) -> u64 {
        (length / self.of_a_token).round() as u64
    }
}

fn total(model: &ModelSettings, stages: Vec<StageEstimate>) -> ModelEstimate {
    let now = PricedCall::at(SystemTime::now());
    let sum = |pick: fn(&Span<u64>) -> u64| {
        let (mut calls, mut used, mut cost) = (0, Tokens::default(), NanoUsd(0));
        for stage in &stages {
            let count = pick(&stage.calls);
            calls += count;
            used += stage.tokens_per_call.times(count);
            if let Some(price) = &model.price {
                cost += price.cost(stage.tokens_per_call, now).times(count);
            }
        }
        (calls, used, cost)
    };
    let sums = Span { low: sum(|calls| calls.low), likely: sum(|calls| calls.likely), high: sum(|calls| calls.high) };
    ModelEstimate {
        model: model.name.clone(),
        calls: sums.map(|(calls, _, _)| calls),
        tokens: sums.likely.1,
        cost: model.price.as_ref().map(|_| sums.map(|(_, _, cost)| cost)),
        is_measured: false,
        counted_by: CountedBy::Length,
        stages,
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count is a count")]
fn share(of: u64, share: f64) -> u64 {
    (of as f64 * share).round() as u64
}
