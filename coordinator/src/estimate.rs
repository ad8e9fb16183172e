//! Estimates the calls, tokens and money that a run will take, before the first call.

mod embeddings;
mod measured;

use std::time::SystemTime;

use serde::Serialize;
use valuesim_shared::cell::{self, Text};
use valuesim_shared::codebook::{Codebook, Question};
use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::{Code, Fold, QuestionId, Respondent};
use valuesim_shared::method::Module;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::price::PricedCall;
use valuesim_shared::profile::ProfileText;
use valuesim_shared::prompt::{
    Opinion, Retrieved, combined, coordinator, frame, question_block, retrieved_items, story,
};
use valuesim_shared::similarity::Similarity;
use valuesim_shared::stage::{Stage, StageKind, Variant};
use valuesim_shared::survey::Survey;
use valuesim_shared::task::MAX_RETRIEVED;

use crate::plan::Plan;

pub use embeddings::EmbeddingEstimate;
pub use measured::Measured;
use measured::{MeasuredModel, StageMean};

/// Characters of English text per token: 4.76 (DeepSeek-V3) to 5.37 (Llama-3.1) in the backstories that the paper's
/// authors published; plain sentences with numbers have slightly fewer characters per token.
const CHARACTERS_PER_TOKEN: f64 = 4.9;

/// Tokens in a reply of a module or the coordinator, measured on the paper's models (mean about 130).
const ANALYSIS_TOKENS: u64 = 130;

/// Tokens in a reply that consists of an option and its label.
const SINGLE_ANSWER_TOKENS: u64 = 12;

/// Share of questions on which the modules disagree, so that the coordinator is asked, measured on the paper's models.
const DISAGREEMENT: f64 = 0.35;

/// How far the share of coordinator calls may be off that was measured in earlier runs, as a share of it.
const MEASURED_SHARE_ERROR: f64 = 0.15;

/// How many respondents' prompts are rendered to measure their length.
const RENDERED: usize = 20;

/// Mean length of the backstories that a model family wrote for the paper's authors, in characters.
const STORY_CHARACTERS: [(&str, f64); 4] =
    [("gpt-3.5", 6_943.0), ("deepseek", 10_016.0), ("llama", 22_546.0), ("qwen", 5_800.0)];

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
    /// Stage by stage.
    pub stages: Vec<StageEstimate>,
    /// All calls.
    pub calls: Span<u64>,
    /// The likely number of tokens in all prompts and replies.
    pub tokens: Tokens,
    /// What they cost at list price, with the cache hits that earlier runs had; `None` if the model has no price.
    pub cost: Option<Span<NanoUsd>>,
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
pub fn estimate(
    experiment: &Experiment,
    plan: &Plan,
    (survey, codebook): (&Survey, &Codebook),
    measured: &Measured,
) -> Estimate {
    let lengths = Lengths::measure(experiment, plan, survey, codebook);
    let of_model = |model: &ModelSettings| OfModel::new(&lengths, &model.name, measured.of(&model.name));
    let models = experiment.models.iter().map(|model| model_estimate(model, experiment, plan, &of_model(model)));
    Estimate { models: models.collect(), embeddings: embeddings::estimate(experiment, plan, survey, codebook) }
}

fn model_estimate(model: &ModelSettings, experiment: &Experiment, plan: &Plan, known: &OfModel<'_>) -> ModelEstimate {
    let stages = cell::stages(&experiment.methods).into_iter();
    let stages = stages.map(|stage| match known.measured.and_then(|measured| measured.stage(stage)) {
        Some(mean) => measured_stage(stage, mean, plan),
        None => stage_estimate(stage, plan, known),
    });
    ModelEstimate { is_measured: known.measured.is_some(), ..total(model, stages.collect()) }
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
    let input = known.tokens(known.lengths.prompt(stage, known.story));
    StageEstimate { stage, calls, tokens_per_call: Tokens { input, output, ..Tokens::default() } }
}

/// What is known of one model's prompts and replies.
struct OfModel<'a> {
    lengths: &'a Lengths,
    measured: Option<&'a MeasuredModel>,
    characters_per_token: f64,
    /// The mean length of its backstories, in characters.
    story: f64,
    /// Tokens of a reply with an analysis, and of one without.
    analysis: u64,
    single_answer: u64,
}

impl<'a> OfModel<'a> {
    fn new(lengths: &'a Lengths, model: &str, measured: Option<&'a MeasuredModel>) -> Self {
        let assumed = lengths.story_reply(model);
        let without_story = |stage: Stage| {
            let has_story = !matches!(cell::text_of(stage), Text::Nothing | Text::Profile);
            let is_known = stage.kind() == StageKind::Story || !has_story;
            (is_known && stage.kind() != StageKind::Coordinator).then(|| lengths.prompt(stage, assumed))
        };
        let characters = measured.and_then(|measured| measured.characters_per_token(without_story));
        let characters_per_token = characters.unwrap_or(CHARACTERS_PER_TOKEN);
        let reply = |is_meant: fn(StageKind) -> bool| measured.and_then(|measured| measured.reply(is_meant));
        let is_analysis = |kind| {
            matches!(kind, StageKind::Coordinator | StageKind::Cognitive | StageKind::Affective | StageKind::Behavioral)
        };
        let is_single =
            |kind| matches!(kind, StageKind::FullInfo | StageKind::NoCab | StageKind::NoProfile | StageKind::Rag);
        let story = reply(|kind| kind == StageKind::Story);
        Self {
            lengths,
            measured,
            characters_per_token,
            story: story.map_or(assumed, |tokens| tokens as f64 * characters_per_token),
            analysis: reply(is_analysis).unwrap_or(ANALYSIS_TOKENS),
            single_answer: reply(is_single).unwrap_or(SINGLE_ANSWER_TOKENS),
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "lengths are positive and small")]
    fn tokens(&self, characters: f64) -> u64 {
        (characters / self.characters_per_token).round() as u64
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
        stages,
    }
}

/// Mean lengths of the parts of prompts, in characters.
#[derive(Debug)]
struct Lengths {
    natural_profile: f64,
    question_profile: f64,
    /// As many of its items as are retrieved, as `rag` shows them.
    retrieved: f64,
    /// The text around the profile in a backstory's prompt.
    story_frame: f64,
    /// The text around profile or backstory and question in a module's prompt.
    module_frame: f64,
    question: f64,
    coordinator_prompt: f64,
    /// Number of answers that a fold keeps.
    items: f64,
}

impl Lengths {
    fn measure(experiment: &Experiment, plan: &Plan, survey: &Survey, codebook: &Codebook) -> Self {
        let text = ProfileText::new(codebook, experiment.behaviour);
        let people = rendered(plan);
        let profile = |&(respondent, fold): &(Respondent, Fold)| -> Vec<(QuestionId, Code)> {
            plan.split().kept(fold).iter().map(|&id| (id, survey.code(respondent, id))).collect()
        };
        let analysis = "x".repeat(characters(ANALYSIS_TOKENS));
        let opinion = Opinion { answer: Some(Code(1)), analysis: &analysis };
        let asked = plan.folds().iter().flat_map(|&fold| plan.split().asked(fold));
        let questions: Vec<&Question> = asked.map(|&id| codebook.question(id)).collect();
        let question_profile = mean(people.iter().map(|person| length(&text.with_questions(profile(person)))));
        let items = mean(plan.folds().iter().map(|&fold| plan.split().kept(fold).len() as f64));
        let item = Retrieved { text: "", similarity: Similarity::of(0.0) };
        let around_items = length(&retrieved_items(&[item; MAX_RETRIEVED]));
        Self {
            natural_profile: mean(people.iter().map(|person| length(&text.natural(profile(person))))),
            question_profile,
            retrieved: around_items + question_profile * MAX_RETRIEVED as f64 / items.max(1.0),
            story_frame: length(&story("")),
            module_frame: mean(Module::ALL.into_iter().map(|module| frame_length(module.into()))),
            question: mean(questions.iter().map(|question| length(&question_block(question)))),
            coordinator_prompt: mean(questions.iter().map(|question| length(&coordinator(question, &[opinion; 3])))),
            items,
        }
    }

    /// The mean length of a stage's prompts.
    fn prompt(&self, stage: Stage, story_reply: f64) -> f64 {
        match stage.kind() {
            StageKind::Story => self.story_frame + self.natural_profile * self.share_of_profile(stage),
            StageKind::Coordinator => self.coordinator_prompt,
            StageKind::Cognitive | StageKind::Affective | StageKind::Behavioral => {
                self.module_frame + self.question + self.text(cell::text_of(stage), story_reply)
            }
            kind @ (StageKind::FullInfo | StageKind::NoCab | StageKind::NoProfile | StageKind::Rag) => {
                frame_length(kind) + self.question + self.text(cell::text_of(stage), story_reply)
            }
            StageKind::Embeddings => 0.0,
        }
    }

    fn text(&self, text: Text, story_reply: f64) -> f64 {
        match text {
            Text::Nothing | Text::BackstoryOf(0) => 0.0,
            Text::Profile => self.question_profile,
            Text::Retrieved => self.retrieved,
            Text::Backstory | Text::BackstoryOf(_) => story_reply,
            Text::Both => length(&combined("", "")) + story_reply + self.question_profile,
        }
    }

    /// The share of the profile that a stage reads.
    fn share_of_profile(&self, stage: Stage) -> f64 {
        match stage.variant() {
            Variant::Items(items) if self.items > 0.0 => (f64::from(items) / self.items).min(1.0),
            _ => 1.0,
        }
    }

    /// The mean length of a model's backstories: that of the paper's for its models, else the length of the profile.
    fn story_reply(&self, model: &str) -> f64 {
        let name = model.to_ascii_lowercase();
        let known = STORY_CHARACTERS.iter().find(|(family, _)| name.contains(family));
        known.map_or(self.natural_profile, |&(_, characters)| characters)
    }
}

/// A few of the plan's people, spread evenly over the sample, each with one fold.
fn rendered(plan: &Plan) -> Vec<(Respondent, Fold)> {
    let people = plan.respondents();
    let step = people.len().div_ceil(RENDERED).max(1);
    people.iter().step_by(step).copied().zip(plan.folds().iter().cycle().copied()).collect()
}

/// The length of the text around profile or backstory and question in a stage's prompts.
fn frame_length(kind: StageKind) -> f64 {
    let sides = frame(kind).map(|frame| frame.around("", |part| part));
    sides.map_or(0.0, |sides| sides.iter().flatten().map(|part| length(part)).sum())
}

fn length(text: &str) -> f64 {
    text.chars().count() as f64
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count == 0.0 { 0.0 } else { sum / count }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "lengths are positive and small")]
fn tokens(characters: f64) -> u64 {
    (characters / CHARACTERS_PER_TOKEN).round() as u64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "lengths are positive and small")]
fn characters(tokens: u64) -> usize {
    (tokens as f64 * CHARACTERS_PER_TOKEN).round() as usize
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count is a count")]
fn share(of: u64, share: f64) -> u64 {
    (of as f64 * share).round() as u64
}
