//! What decides the calls of all cells of one model.

use crate::manifest::Manifest;
use crate::method::{Behaviour, Method};
use crate::outcome::Ended;
use crate::stage::Stage;

use super::reask::{Reask, reask};
use super::table::{Recipe, first_stages, recipes};

/// What decides the calls of all cells of one model: methods, behaviour, the limit of its replies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    pub(super) behaviour: Behaviour,
    /// In the order of the results.
    pub(super) recipes: Vec<(Method, Recipe)>,
    /// Asked about each question before any reply is known.
    pub(super) first_stages: Vec<Stage>,
    /// The limit of the model's replies, in tokens, where the experiment sets one.
    pub(super) most_output_tokens: Option<u32>,
}

impl Rules {
    /// The rules of a run for one of its models, whose replies have at most `most_output_tokens`.
    pub fn new(behaviour: Behaviour, methods: &[Method], most_output_tokens: Option<u32>) -> Self {
        let recipes = recipes(methods).collect();
        let first_stages = first_stages(methods).into_iter().collect();
        Self { behaviour, recipes, first_stages, most_output_tokens }
    }

    /// The rules for each model of a run, in the manifest's order.
    pub fn of_run(manifest: &Manifest) -> Vec<Self> {
        let limits = manifest.models.iter().map(|model| model.max_output_tokens);
        limits.map(|limit| Self::new(manifest.behaviour, &manifest.methods, limit)).collect()
    }

    /// How many calls about a question can be made before any reply is known.
    pub fn first_calls(&self) -> usize {
        self.first_stages.len()
    }

    /// The stages of these calls.
    pub fn first_stages(&self) -> &[Stage] {
        &self.first_stages
    }

    /// The stages that write backstories of a part of the profile, each once.
    pub fn scaled_stories(&self) -> Vec<Stage> {
        let stories = self.recipes.iter().filter_map(|(_, recipe)| recipe.reads.story());
        stories.filter(|stage| *stage != Stage::STORY).collect()
    }

    pub(super) fn reask(&self, ended: Ended) -> Option<Reask> {
        reask(self.behaviour, ended, self.most_output_tokens)
    }
}
