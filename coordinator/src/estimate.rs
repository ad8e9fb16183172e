//! What a run will take: calls, tokens and money, before the first call.

use serde::Serialize;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::{Code, Fold, QuestionId, Respondent};
use valuesim_shared::method::{Method, Module, Stage};
use valuesim_shared::model::ModelSettings;
use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::profile::ProfileText;
use valuesim_shared::prompt::{Opinion, QuestionPrompt, coordinator, question_block, story};
use valuesim_shared::survey::Survey;

use crate::plan::Plan;

/// Characters of English text for a token: 4.76 (DeepSeek-V3) to 5.37 (Llama-3.1) in the backstories that the paper's
/// authors published; plain sentences with numbers are a little denser.
const CHARACTERS_PER_TOKEN: f64 = 4.9;

/// Tokens of a module's or the coordinator's reply, measured on the paper's models (mean about 130).
const ANALYSIS_TOKENS: u64 = 130;

/// Tokens of a reply that is an option and its label.
const SINGLE_ANSWER_TOKENS: u64 = 12;

/// Share of the questions on which the paper's models disagree, so that the coordinator is asked.
const DISAGREEMENT: f64 = 0.35;

/// How many respondents' prompts are rendered to measure their length.
const RENDERED: usize = 20;

/// Mean length of the backstories that a model family wrote for the paper's authors, in characters.
const STORY_CHARACTERS: [(&str, f64); 4] =
    [("gpt-3.5", 6_943.0), ("deepseek", 10_016.0), ("llama", 22_546.0), ("qwen", 5_800.0)];

/// What a run will take. Low and high bound the share of coordinator calls; lengths are means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// For each model of the experiment.
    pub models: Vec<ModelEstimate>,
}

/// What one model's part will take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelEstimate {
    /// The model's name.
    pub model: String,
    /// Stage by stage.
    pub stages: Vec<StageEstimate>,
    /// All calls.
    pub calls: Span<u64>,
    /// All tokens of prompts and replies, likely.
    pub tokens: Tokens,
    /// What they cost at list price without cache hits; none where the model has no price.
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

/// A figure that is not known exactly before.
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

    fn map<U>(self, f: impl Fn(T) -> U) -> Span<U> {
        Span { low: f(self.low), likely: f(self.likely), high: f(self.high) }
    }
}

/// Estimates a run from the prompts of a few of its respondents.
pub fn estimate(experiment: &Experiment, plan: &Plan, survey: &Survey, codebook: &Codebook) -> Estimate {
    let lengths = Lengths::measure(experiment, plan, survey, codebook);
    let models = experiment.models.iter().map(|model| model_estimate(model, experiment, plan, &lengths));
    Estimate { models: models.collect() }
}

fn model_estimate(model: &ModelSettings, experiment: &Experiment, plan: &Plan, lengths: &Lengths) -> ModelEstimate {
    let predictions = plan.predictions_per_arm();
    let story_characters = lengths.story_reply(&model.name);
    let mut stages = Vec::new();
    let mut stage = |stage, calls, prompt_characters: f64, output| {
        let tokens_per_call = Tokens { input: tokens(prompt_characters), cached: 0, output };
        stages.push(StageEstimate { stage, calls, tokens_per_call });
    };
    if experiment.methods.contains(&Method::ValueSim) {
        stage(Stage::Story, Span::exactly(plan.cells_per_model()), lengths.story_prompt, tokens(story_characters));
        for module in Module::ALL {
            let prompt = lengths.module_frame + lengths.question + story_characters;
            stage(module.into(), Span::exactly(predictions), prompt, ANALYSIS_TOKENS);
        }
        let asked = Span { low: 0, likely: share(predictions, DISAGREEMENT), high: predictions };
        stage(Stage::Coordinator, asked, lengths.coordinator_prompt, ANALYSIS_TOKENS);
    }
    if experiment.methods.contains(&Method::FullInfo) {
        stage(Stage::FullInfo, Span::exactly(predictions), lengths.full_info_prompt, SINGLE_ANSWER_TOKENS);
    }
    total(model, stages)
}

fn total(model: &ModelSettings, stages: Vec<StageEstimate>) -> ModelEstimate {
    let sum = |pick: fn(&Span<u64>) -> u64| {
        let (mut calls, mut used, mut cost) = (0, Tokens::default(), NanoUsd(0));
        for stage in &stages {
            let count = pick(&stage.calls);
            let Tokens { input, cached, output } = stage.tokens_per_call;
            calls += count;
            used += Tokens { input: input * count, cached: cached * count, output: output * count };
            if let Some(price) = model.price {
                cost += price.cost(stage.tokens_per_call).times(count);
            }
        }
        (calls, used, cost)
    };
    let sums = Span { low: sum(|calls| calls.low), likely: sum(|calls| calls.likely), high: sum(|calls| calls.high) };
    ModelEstimate {
        model: model.name.clone(),
        calls: sums.map(|(calls, _, _)| calls),
        tokens: sums.likely.1,
        cost: model.price.map(|_| sums.map(|(_, _, cost)| cost)),
        stages,
    }
}

/// Mean lengths of prompts, in characters.
#[derive(Debug)]
struct Lengths {
    natural_profile: f64,
    story_prompt: f64,
    module_frame: f64,
    question: f64,
    coordinator_prompt: f64,
    full_info_prompt: f64,
}

impl Lengths {
    fn measure(experiment: &Experiment, plan: &Plan, survey: &Survey, codebook: &Codebook) -> Self {
        let text = ProfileText::new(codebook, experiment.behaviour);
        let people = rendered(plan);
        let profile = |&(respondent, fold): &(Respondent, Fold)| -> Vec<(QuestionId, Code)> {
            plan.split().kept(fold).iter().map(|&id| (id, survey.code(respondent, id))).collect()
        };
        let natural_profile = mean(people.iter().map(|person| length(&text.natural(profile(person)))));
        let question_profile = mean(people.iter().map(|person| length(&text.with_questions(profile(person)))));
        let question = mean(codebook.questions().iter().map(|question| length(&question_block(question))));
        let analysis = "x".repeat(characters(ANALYSIS_TOKENS));
        let opinion = Opinion { answer: Some(Code(1)), analysis: &analysis };
        let coordinator_prompt =
            mean(codebook.questions().iter().map(|question| length(&coordinator(question, &[opinion; 3]))));
        let full_info = QuestionPrompt::full_info("");
        Self {
            natural_profile,
            story_prompt: length(&story("")) + natural_profile,
            module_frame: mean(Module::ALL.into_iter().map(|module| frame(&QuestionPrompt::module(module, "")))),
            question,
            coordinator_prompt,
            full_info_prompt: frame(&full_info) + question + question_profile,
        }
    }

    /// The mean length of a model's backstories: as the paper's, else as long as what they are made from.
    fn story_reply(&self, model: &str) -> f64 {
        let name = model.to_ascii_lowercase();
        let known = STORY_CHARACTERS.iter().find(|(family, _)| name.contains(family));
        known.map_or(self.natural_profile, |&(_, characters)| characters)
    }
}

/// Some of the plan's people, spread over the sample, each with one fold.
fn rendered(plan: &Plan) -> Vec<(Respondent, Fold)> {
    let people = plan.respondents();
    let step = people.len().div_ceil(RENDERED).max(1);
    people.iter().step_by(step).copied().zip(plan.folds().iter().cycle().copied()).collect()
}

fn frame(prompt: &QuestionPrompt) -> f64 {
    length(prompt.before()) + length(prompt.after())
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
