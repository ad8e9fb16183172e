//! A run as a worker needs it: the manifest, with clients, rules and encoded texts prepared.

use valuesim_shared::cell::{Rules, needs_retrieval};
use valuesim_shared::id::{Code, Fold, ModelId, QuestionId};
use valuesim_shared::manifest::Manifest;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::price::Price;
use valuesim_shared::profile::ProfileText;
use valuesim_shared::prompt::{prompts_digest, question_block};
use valuesim_shared::similarity::Similarity;
use valuesim_shared::split::Split;
use valuesim_shared::stage::{Stage, Variant};
use valuesim_shared::task::{RetrievedItem, Task};

use crate::config::Served;
use crate::error::{MisfitError, WorkerError};
use crate::provider::{Client, Deadlines, EncodedText, Keys};
use crate::warm_up;

/// A run, prepared for work.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) manifest: Manifest,
    split: Split,
    /// By model; `None` for models that this worker does not serve.
    clients: Vec<Option<Client>>,
    /// By model.
    rules: Vec<Rules>,
    /// By question: its text as prompts show it.
    question_blocks: Vec<EncodedText>,
}

impl Run {
    /// Prepares a run: reads keys and sets up a client for each served model. Makes no call.
    pub(crate) fn new(
        manifest: Manifest,
        (deadlines, keys): (Deadlines, &Keys),
        served: &Served,
    ) -> Result<Self, WorkerError> {
        if manifest.prompts != prompts_digest() {
            return Err(WorkerError::OtherPrompts(manifest.run));
        }
        let split = Split::new(manifest.split.seed, manifest.split.folds)?;
        let split = split.asking(manifest.behaviour, &manifest.codebook);
        let client =
            |model: &ModelSettings| served.has(model).then(|| Client::with_keys(model, deadlines, keys)).transpose();
        let clients = manifest.models.iter().map(client).collect::<Result<_, _>>()?;
        let question_blocks = manifest.codebook.questions().iter();
        let question_blocks = question_blocks.map(|question| EncodedText::new(&question_block(question))).collect();
        let rules = Rules::of_run(&manifest);
        Ok(Self { manifest, split, clients, rules, question_blocks })
    }

    /// Checks that a task from a queue of `model` fits this run.
    pub(crate) fn check(&self, task: &Task, model: ModelId) -> Result<(), MisfitError> {
        let (cell, run) = (task.cell, &self.manifest.run);
        if task.run != *run {
            return Err(MisfitError::OtherRun(task.run.clone(), run.clone()));
        }
        if cell.model != model {
            return Err(MisfitError::OtherModel(cell.model, model));
        }
        if !self.split.contains(cell.fold) {
            return Err(MisfitError::NoFold { fold: cell.fold, folds: self.split.folds().len() });
        }
        let (found, expected) = (task.profile.0.len(), self.split.kept(cell.fold).len());
        if found != expected {
            return Err(MisfitError::Profile { found, expected });
        }
        for stage in self.rules(model).scaled_stories() {
            if self.part_of_profile(task, stage).is_none() {
                let items = if let Variant::Items(items) = stage.variant() { items } else { 0 };
                return Err(MisfitError::Draw { items });
            }
        }
        if needs_retrieval(&self.manifest.methods) && !self.names_retrieved(task) {
            return Err(MisfitError::Retrieved);
        }
        Ok(())
    }

    pub(crate) fn client(&self, model: ModelId) -> &Client {
        self.clients[model.0 as usize].as_ref().expect("tasks are taken for served models only")
    }

    /// The models whose tasks this worker takes.
    pub(crate) fn served(&self) -> impl Iterator<Item = ModelId> + '_ {
        self.manifest.models().map(|(model, _)| model).filter(|model| self.clients[model.0 as usize].is_some())
    }

    /// For how many calls, one after the other, the calls of a cell wait.
    pub(crate) fn warm_ups(&self, model: ModelId) -> u8 {
        let settings = &self.manifest.models[usize::from(model.0)];
        if warm_up::is_needed(self.rules(model)) { settings.cache_after() } else { 0 }
    }

    pub(crate) fn price(&self, model: ModelId) -> Option<&Price> {
        self.manifest.models[model.0 as usize].price.as_ref()
    }

    /// The price of a call to a model that another may have answered, as behind a router.
    pub(crate) fn price_of_reply(&self, model: ModelId, answered_by: &str) -> Option<&Price> {
        let base_url = self.manifest.models[model.0 as usize].base_url.as_deref();
        self.price(model).map(|price| price.of_reply(answered_by, base_url))
    }

    /// The questions of a fold that are asked, in the fold's order.
    pub(crate) fn asked(&self, fold: Fold) -> &[QuestionId] {
        self.split.asked(fold)
    }

    pub(crate) fn question_block(&self, id: QuestionId) -> &EncodedText {
        &self.question_blocks[id.index()]
    }

    pub(crate) fn profile_text(&self) -> ProfileText<'_> {
        ProfileText::new(&self.manifest.codebook, self.manifest.behaviour)
    }

    /// The answers that a task carries, in the order of its fold's kept questions.
    pub(crate) fn profile<'a>(&'a self, task: &'a Task) -> impl Iterator<Item = (QuestionId, Code)> + 'a {
        self.split.kept(task.cell.fold).iter().copied().zip(task.profile.0.iter().copied())
    }

    /// The rules that decide the calls of a model's cells.
    pub(crate) fn rules(&self, model: ModelId) -> &Rules {
        &self.rules[model.0 as usize]
    }

    /// The answers from which a stage writes a backstory; `None` if the task does not say which.
    pub(crate) fn part_of_profile(&self, task: &Task, stage: Stage) -> Option<Vec<(QuestionId, Code)>> {
        let all: Vec<_> = self.profile(task).collect();
        let Variant::Items(items) = stage.variant() else { return Some(all) };
        let draw = task.draws.iter().find(|draw| draw.items == items)?;
        Some(draw.places(all.len())?.into_iter().map(|index| all[index]).collect())
    }

    /// The items in question form that a task says were retrieved for a question, best first; `None` if it does not say.
    pub(crate) fn retrieved(&self, task: &Task, question: QuestionId) -> Option<Vec<(String, Similarity)>> {
        let at = self.asked(task.cell.fold).iter().position(|&id| id == question)?;
        task.retrieved.0.get(at)?.iter().map(|item| self.item(task, *item)).collect()
    }

    /// An item of a task's profile; `None` if the profile has no such answer, or no text for it.
    fn item(&self, task: &Task, RetrievedItem { place, similarity }: RetrievedItem) -> Option<(String, Similarity)> {
        let place = usize::from(place);
        let question = *self.split.kept(task.cell.fold).get(place)?;
        let code = *task.profile.0.get(place)?;
        Some((self.profile_text().item_with_question(question, code)?, similarity))
    }

    /// Whether a task names items of its profile, all with a text, for each question of its fold that is asked.
    fn names_retrieved(&self, task: &Task) -> bool {
        let fold = task.cell.fold;
        let fits = task.retrieved.fit(self.asked(fold).len(), self.split.kept(fold).len());
        fits && task.retrieved.0.iter().flatten().all(|item| self.item(task, *item).is_some())
    }

    /// How many calls a CAB task of the fold can make at once.
    pub(crate) fn first_calls(&self, fold: Fold) -> usize {
        // Models differ in how they are asked again, not in the number of first calls.
        let for_each_question = self.rules.first().map_or(0, Rules::first_calls);
        for_each_question * self.split.asked(fold).len()
    }

    /// How many calls a CAB task of the largest fold can make at once.
    pub(crate) fn most_first_calls(&self) -> usize {
        self.split.folds().map(|fold| self.first_calls(fold)).max().unwrap_or(0)
    }
}
