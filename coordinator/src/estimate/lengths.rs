//! How long the prompts of a run are on average, measured on those of a few of its people.

use valuesim_shared::cell::{self, Text};
use valuesim_shared::codebook::{Codebook, Question};
use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::{Code, Fold, QuestionId, Respondent};
use valuesim_shared::method::Module;
use valuesim_shared::profile::ProfileText;
use valuesim_shared::prompt::{
    Opinion, Retrieved, combined, coordinator, frame, question_block, retrieved_items, story,
};
use valuesim_shared::similarity::Similarity;
use valuesim_shared::stage::{Stage, StageKind, Variant};
use valuesim_shared::survey::Survey;
use valuesim_shared::task::MAX_RETRIEVED;

use super::unit::Unit;
use crate::plan::Plan;

/// Tokens in a reply of a module or the coordinator, measured on the paper's models (mean about 130).
pub(super) const ANALYSIS_TOKENS: u64 = 130;

/// How many respondents' prompts are rendered to measure their length.
const RENDERED: usize = 20;

/// Mean length of the backstories that a model family wrote for the paper's authors, in characters.
const STORY_CHARACTERS: [(&str, f64); 4] =
    [("gpt-3.5", 6_943.0), ("deepseek", 10_016.0), ("llama", 22_546.0), ("qwen", 5_800.0)];

/// Mean lengths of the parts of prompts.
#[derive(Debug)]
pub(super) struct Lengths {
    /// What they are measured in.
    pub(super) unit: Unit,
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
    pub(super) fn measure(
        unit: Unit,
        experiment: &Experiment,
        plan: &Plan,
        (survey, codebook): (&Survey, &Codebook),
    ) -> Self {
        let length = |text: &str| unit.length(text);
        let text = ProfileText::new(codebook, experiment.behaviour);
        let people = rendered(plan);
        let profile = |&(respondent, fold): &(Respondent, Fold)| -> Vec<(QuestionId, Code)> {
            plan.split().kept(fold).iter().map(|&id| (id, survey.code(respondent, id))).collect()
        };
        let opinion = Opinion { answer: Some(Code(1)), analysis: "" };
        let analyses = 3.0 * ANALYSIS_TOKENS as f64 * unit.of_a_token();
        let asked = plan.folds().iter().flat_map(|&fold| plan.split().asked(fold));
        let questions: Vec<&Question> = asked.map(|&id| codebook.question(id)).collect();
        let question_profile = mean(people.iter().map(|person| length(&text.with_questions(profile(person)))));
        let items = mean(plan.folds().iter().map(|&fold| plan.split().kept(fold).len() as f64));
        let item = Retrieved { text: "", similarity: Similarity::of(0.0) };
        let around_items = length(&retrieved_items(&[item; MAX_RETRIEVED]));
        Self {
            unit,
            natural_profile: mean(people.iter().map(|person| length(&text.natural(profile(person))))),
            question_profile,
            retrieved: around_items + question_profile * MAX_RETRIEVED as f64 / items.max(1.0),
            story_frame: length(&story("")),
            module_frame: mean(Module::ALL.into_iter().map(|module| frame_length(unit, module.into()))),
            question: mean(questions.iter().map(|question| length(&question_block(question)))),
            coordinator_prompt: analyses
                + mean(questions.iter().map(|question| length(&coordinator(question, &[opinion; 3])))),
            items,
        }
    }

    /// The mean length of a stage's prompts.
    pub(super) fn prompt(&self, stage: Stage, story_reply: f64) -> f64 {
        match stage.kind() {
            StageKind::Story => self.story_frame + self.natural_profile * self.share_of_profile(stage),
            StageKind::Coordinator => self.coordinator_prompt,
            StageKind::Cognitive | StageKind::Affective | StageKind::Behavioral => {
                self.module_frame + self.question + self.text(cell::text_of(stage), story_reply)
            }
            kind @ (StageKind::FullInfo | StageKind::NoCab | StageKind::NoProfile | StageKind::Rag) => {
                frame_length(self.unit, kind) + self.question + self.text(cell::text_of(stage), story_reply)
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
            Text::Both => self.unit.length(&combined("", "")) + story_reply + self.question_profile,
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
    pub(super) fn story_reply(&self, model: &str) -> f64 {
        let name = model.to_ascii_lowercase();
        let known = STORY_CHARACTERS.iter().find(|(family, _)| name.contains(family));
        known.map_or(self.natural_profile, |&(_, characters)| self.unit.of_prose(characters))
    }
}

/// A few of the plan's people, spread evenly over the sample, each with one fold.
fn rendered(plan: &Plan) -> Vec<(Respondent, Fold)> {
    let people = plan.respondents();
    let step = people.len().div_ceil(RENDERED).max(1);
    people.iter().step_by(step).copied().zip(plan.folds().iter().cycle().copied()).collect()
}

/// The length of the text around profile or backstory and question in a stage's prompts.
fn frame_length(unit: Unit, kind: StageKind) -> f64 {
    let sides = frame(kind).map(|frame| frame.around("", |part| part));
    sides.map_or(0.0, |sides| sides.iter().flatten().map(|part| unit.length(part)).sum())
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count == 0.0 { 0.0 } else { sum / count }
}
