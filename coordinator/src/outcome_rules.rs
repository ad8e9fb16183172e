//! What the outcome of a cell must be to belong to a run: whoever can write to the results queue can send one.
//!
//! The rules follow from the experiment alone, without the survey. The predictions of methods that ask modules are decided
//! again from the modules' answers. What is left open is which valid answers a model gave, and how often it had to be asked.

use std::collections::BTreeSet;
use std::fmt::Display;

use valuesim_shared::call::{MAX_CODE, MAX_SAID};
use valuesim_shared::cell::{Asks, Recipe, Settle, first_stages, needs_backstory, recipes, stages};
use valuesim_shared::codebook::{Codebook, Question};
use valuesim_shared::decide::{Decision, ceiling_of_mean, decide};
use valuesim_shared::id::{Cell, Code, Fold, RunId};
use valuesim_shared::method::{Behaviour, Method};
use valuesim_shared::money::NanoUsd;
use valuesim_shared::outcome::{
    ArmResult, CellOutcome, CellResult, CellSpend, CodeString, Decided, Ended, MAX_ODDITIES, ModuleResult,
    RejectedCall, StageSpend,
};
use valuesim_shared::split::Split;
use valuesim_shared::stage::{Stage, StageKind};

use crate::plan::Plan;

/// A model is asked at most twice for an answer, and a method asks at most three modules and the coordinator.
const MAX_ASKED_ONCE: u8 = 2;
const MAX_ASKED_MODULES: u8 = 4 * MAX_ASKED_ONCE;

/// More requests than a stage of a cell ever sends, whatever is retried: a year of attempts, fifteen seconds apart, for each
/// of 58 questions, is half of it.
const MAX_REQUESTS: u64 = 250_000_000;

/// More than a provider ever reports as the cost of one call: a million dollars.
const MAX_COST_OF_A_CALL: u64 = 1_000_000_000_000_000;

/// More names of models than a cell has replies, each longer than a worker keeps, in bytes.
const MAX_MODEL_NAMES: usize = 10_000;
const MAX_MODEL_NAME: usize = 1_024;

/// What the outcomes of one run's cells must be.
#[derive(Debug)]
pub(crate) struct OutcomeRules {
    behaviour: Behaviour,
    recipes: Vec<(Method, Recipe)>,
    /// The modules that are asked, each with the text that it reads.
    modules: BTreeSet<Stage>,
    has_story: bool,
    scaled_stories: BTreeSet<Stage>,
    /// All stages that calls may be made for.
    stages: BTreeSet<Stage>,
    split: Split,
    codebook: Codebook,
}

impl OutcomeRules {
    /// The rules of a run with these methods.
    pub(crate) fn new((methods, behaviour): (&[Method], Behaviour), plan: &Plan, codebook: &Codebook) -> Self {
        let modules = first_stages(methods).into_iter().filter(|stage| stage.kind().module().is_some());
        let stages = stages(methods);
        let scaled = stages.iter().copied().filter(|stage| stage.kind() == StageKind::Story && *stage != Stage::STORY);
        Self {
            behaviour,
            recipes: recipes(methods).collect(),
            modules: modules.collect(),
            has_story: needs_backstory(methods),
            scaled_stories: scaled.collect(),
            stages,
            split: plan.split().clone(),
            codebook: codebook.clone(),
        }
    }

    /// What in an outcome does not fit; empty if all does.
    pub(crate) fn misfits(&self, outcome: &CellOutcome) -> Vec<String> {
        let mut misfits = self.misfits_of_result(outcome.cell, &outcome.result);
        misfits.extend(self.misfits_of_spend(&outcome.spend));
        misfits
    }

    /// What in the result of a cell of the plan does not fit.
    pub(crate) fn misfits_of_result(&self, cell: Cell, result: &CellResult) -> Vec<String> {
        let mut misfits = self.misfits_of_stories(result);
        let questions = self.asked(cell.fold);
        misfits.extend(wrong_set("an answer of module", &self.modules, result.modules.iter().map(|of| of.stage)));
        for module in &result.modules {
            misfits.extend(self.misfit_of_module(module, &questions));
        }
        misfits.extend(self.misfit_of_rejections(&result.rejections, &questions));
        let methods = self.recipes.iter().map(|&(method, _)| method).collect();
        misfits.extend(wrong_set("a result of", &methods, result.arms.iter().map(|arm| arm.method)));
        // Predictions are decided again from lists that are whole.
        if misfits.is_empty() {
            for arm in &result.arms {
                misfits.extend(self.misfit_of_arm(arm, result, &questions));
            }
        }
        misfits
    }

    fn asked(&self, fold: Fold) -> Vec<&Question> {
        self.split.asked(fold).iter().map(|&id| self.codebook.question(id)).collect()
    }

    fn misfits_of_stories(&self, result: &CellResult) -> Vec<String> {
        let mut misfits = Vec::new();
        if result.story.is_some() != self.has_story {
            let expected = if self.has_story { "one" } else { "none" };
            misfits.push(format!("it has {} backstory, expected {expected}", usize::from(result.story.is_some())));
        }
        let scaled = result.scaled_stories.iter().map(|scaled| scaled.stage);
        misfits.extend(wrong_set("a backstory", &self.scaled_stories, scaled));
        misfits
    }

    /// The first call that cannot have been rejected, or was twice, or of which more was kept than may be.
    fn misfit_of_rejections(&self, rejections: &[RejectedCall], questions: &[&Question]) -> Option<String> {
        let mut seen = BTreeSet::new();
        rejections.iter().find_map(|RejectedCall { call, rejection }| {
            let is_asked = call.question.is_none_or(|id| questions.iter().any(|question| question.id == id));
            let is_short = rejection.said.chars().count() <= MAX_SAID
                && rejection.code.iter().all(|code| code.chars().count() <= MAX_CODE);
            let stage = call.stage;
            if !self.stages.contains(&stage) || !is_asked {
                Some(format!("a call of {stage} was rejected that no method of the run makes"))
            } else if !is_short {
                Some(format!("{stage}: more of a rejection was kept than {MAX_SAID} characters"))
            } else {
                (!seen.insert(*call)).then(|| format!("{stage}: a call was rejected twice"))
            }
        })
    }

    fn misfit_of_module(&self, module: &ModuleResult, questions: &[&Question]) -> Option<String> {
        let stage = module.stage;
        let lengths = [module.answers.len(), module.ended.0.len()];
        if let Some(misfit) = wrong_length(&stage, lengths, questions.len()) {
            return Some(misfit);
        }
        self.wrong_answer(&stage, (&module.answers, &module.ended), questions)
    }

    fn misfit_of_arm(&self, arm: &ArmResult, result: &CellResult, questions: &[&Question]) -> Option<String> {
        let lengths = [arm.answers.len(), arm.ended.0.len(), arm.decided.0.len(), arm.asked.len()];
        if let Some(misfit) = wrong_length(&arm.method, lengths, questions.len()) {
            return Some(misfit);
        }
        let recipe = self.recipes.iter().find(|(method, _)| *method == arm.method)?.1;
        let is_mean = matches!(recipe.asks, Asks::Modules(_, Settle::CeilingOfMean));
        if !is_mean && let Some(misfit) = self.wrong_answer(&arm.method, (&arm.answers, &arm.ended), questions) {
            return Some(misfit);
        }
        let decided_wrongly = |&at: &usize| !is_decided_so(arm, at, recipe, result);
        let at = (0..questions.len()).find(decided_wrongly)?;
        let (id, decided) = (questions[at].id, arm.decided.0[at]);
        Some(format!("{}: the prediction of {id}, decided as {decided}, does not follow from the answers", arm.method))
    }

    /// The first answer that is impossible, or does not go with how asking ended.
    fn wrong_answer(
        &self,
        of: &impl Display,
        (answers, ended): (&[Option<Code>], &CodeString<Ended>),
        questions: &[&Question],
    ) -> Option<String> {
        answers.iter().zip(&ended.0).zip(questions).find_map(|((&answer, &ended), question)| {
            let id = question.id;
            match answer {
                Some(code) if !self.is_possible(code, question) => Some(format!("{of}: {id} has no code {code}")),
                _ if answer.is_some() != ended.has_answer() => {
                    let has = if answer.is_some() { "an answer" } else { "no answer" };
                    Some(format!("{of}: {id} has {has}, but asking ended as {ended}"))
                }
                _ => None,
            }
        })
    }

    /// Behaviour `paper` takes any number that a model writes.
    fn is_possible(&self, code: Code, question: &Question) -> bool {
        match self.behaviour {
            Behaviour::Paper => !code.is_missing(),
            Behaviour::Corrected => question.accepts(code),
        }
    }

    /// What in the spend of a cell is impossible.
    pub(crate) fn misfits_of_spend(&self, spend: &CellSpend) -> Vec<String> {
        let mut misfits = Vec::new();
        for (stage, of_stage) in &spend.stages {
            if !self.stages.contains(stage) {
                misfits.push(format!("it spent on {stage}, which no method of the run asks"));
            }
            if !is_plausible(of_stage) {
                misfits.push(format!("what it spent on {stage} is impossible"));
            }
        }
        if spend.taken_from.is_some() && !spend.stages.is_empty() {
            misfits.push("it was taken from another run, and has calls of its own".to_owned());
        }
        if spend.taken_from.as_ref().is_some_and(|RunId(run)| run.len() > MAX_MODEL_NAME) {
            misfits.push("the name of the run that it was taken from is too long".to_owned());
        }
        let models = &spend.reported_models;
        let oddities = &spend.oddities;
        if oddities.len() > MAX_ODDITIES + 1 || oddities.keys().any(|name| name.len() > MAX_MODEL_NAME) {
            misfits.push("its list of odd replies is too long".to_owned());
        }
        if models.len() > MAX_MODEL_NAMES || models.iter().any(|name| name.len() > MAX_MODEL_NAME) {
            misfits.push("its list of models is too long".to_owned());
        }
        misfits
    }
}

fn is_plausible(spend: &StageSpend) -> bool {
    let requests = spend.sent.max(spend.answered).max(spend.failed).max(spend.abandoned);
    let NanoUsd(cost) = spend.cost;
    requests <= MAX_REQUESTS && cost <= MAX_COST_OF_A_CALL.saturating_mul(requests)
}

/// Whether a prediction is what its method decides from the modules' answers, or may have been a model's own answer.
fn is_decided_so(arm: &ArmResult, at: usize, recipe: Recipe, result: &CellResult) -> bool {
    let (answer, decided, asked) = (arm.answers[at], arm.decided.0[at], arm.asked[at]);
    let Asks::Modules(panel, settle) = recipe.asks else {
        return decided == Decided::Direct && asked <= MAX_ASKED_ONCE;
    };
    let heard = panel.iter().map(|&module| {
        let stage = recipe.module(module);
        result.modules.iter().find(|module| module.stage == stage).and_then(|module| module.answers[at])
    });
    let heard: Vec<Option<Code>> = heard.collect();
    let follows = match decide(&heard) {
        Decision::Agreed { answer: agreed, decided: how } => (answer, decided) == (Some(agreed), how),
        Decision::NoValidAnswer => (answer, decided) == (None, Decided::NoValidAnswers),
        Decision::AskCoordinator if settle == Settle::CeilingOfMean => {
            (answer, decided) == (ceiling_of_mean(&heard), Decided::Average)
        }
        Decision::AskCoordinator => decided == Decided::Coordinator,
    };
    follows && answer.is_some() == arm.ended.0[at].has_answer() && asked <= MAX_ASKED_MODULES
}

fn wrong_length<const N: usize>(of: &impl Display, lengths: [usize; N], expected: usize) -> Option<String> {
    let found = lengths.into_iter().find(|&length| length != expected)?;
    Some(format!("{of} has {found} answers, expected {expected}: one for each question of its fold that is asked"))
}

/// The first thing that is missing, there twice, or not expected.
fn wrong_set<T: Ord + Display>(what: &str, expected: &BTreeSet<T>, found: impl Iterator<Item = T>) -> Option<String> {
    let mut left: BTreeSet<&T> = expected.iter().collect();
    for one in found {
        if !left.remove(&one) {
            let why = if expected.contains(&one) { "is there twice" } else { "is not part of the experiment" };
            return Some(format!("{what} {one} {why}"));
        }
    }
    left.first().map(|missing| format!("{what} {missing} is missing"))
}

#[cfg(test)]
pub(crate) mod tests;
