//! What a cell needs next, from values alone: these calls, or this result.
//!
//! ```text
//!   methods ──> table ──> first calls of each question ──┐
//!                                                        v
//!                        reply ──> reading ──> done, or asked again, or coordinator ──> ... ──> result
//! ```
//!
//! There is no clock, network, store or task in here. The worker makes the calls that it is told to make and gives the
//! replies back; the estimate adds the same calls up. Methods are rows of the [`table`].

mod question;
mod reading;
mod reask;
mod result;
mod story;
mod table;

use std::collections::HashMap;
use std::sync::Arc;

use crate::call::{CallKey, ReplyText};
use crate::codebook::Question;
use crate::manifest::Manifest;
use crate::method::{Behaviour, Method};
use crate::outcome::{CellResult, Ended};
use crate::stage::Stage;

pub use question::{Prediction, QuestionCalls, QuestionResult};
pub use reading::Asked;
pub use reask::{Reask, reask};
pub use result::cell_result;
pub use story::{StoryCalls, StoryStep, WrittenStory};
pub use table::{Asks, Recipe, Settle, Text, first_stages, needs_backstory, recipe, recipes, stages, text_of};

/// What decides the calls of all cells of one model: methods, behaviour, the limit of its replies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    behaviour: Behaviour,
    /// In the order of the results.
    recipes: Vec<(Method, Recipe)>,
    /// Asked about each question before any reply is known.
    first_stages: Vec<Stage>,
    /// The limit of the model's replies, in tokens, where the experiment sets one.
    most_output_tokens: Option<u32>,
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

    fn reask(&self, ended: Ended) -> Option<Reask> {
        reask(self.behaviour, ended, self.most_output_tokens)
    }
}

/// One call that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextCall {
    /// Its name. Calls with the same stage share a long prefix where the stage's [frame](crate::prompt::frame) begins with the long text.
    pub key: CallKey,
    /// What is asked.
    pub prompt: Prompt,
    /// How it follows on an earlier call about the same.
    pub follows: Follows,
}

/// What a call asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// What the stage asks about the key's question: its [frame](crate::prompt::frame) around text and question.
    OfStage,
    /// This text.
    Whole(Arc<str>),
}

/// How a call follows on an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Follows {
    /// It is the first about its question.
    Nothing,
    /// The format is called to mind after this reply.
    Reminder {
        /// What the model said.
        reply: String,
    },
    /// The reply was cut off; this one may have so many tokens.
    MoreRoom(u32),
}

/// Backstories that did not come about, and why: what needs them is not asked.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct MissingStories(pub Vec<(Stage, Ended)>);

impl MissingStories {
    /// Why the backstory in a text is missing, if it is.
    pub fn why(&self, text: Text) -> Option<Ended> {
        let story = text.story()?;
        self.0.iter().find(|(stage, _)| *stage == story).map(|&(_, ended)| ended)
    }
}

/// What a cell needs next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// These calls, all of which can be made at once.
    Calls(Vec<NextCall>),
    /// Nothing more: this is what it came to. Its backstories are the caller's.
    Done(CellResult),
}

/// What a cell needs next, after these replies to calls about its held-out questions.
pub fn next<'a>(
    rules: &Rules,
    held_out: impl IntoIterator<Item = &'a Question>,
    missing: &MissingStories,
    replies: &HashMap<CallKey, ReplyText>,
) -> Next {
    let (mut open, mut done) = (Vec::new(), Vec::new());
    for question in held_out {
        let mut calls = QuestionCalls::new(rules, question, missing);
        let mut ready = calls.first();
        while let Some(call) = ready.pop() {
            match replies.get(&call.key) {
                Some(reply) => ready.extend(calls.reply(call.key, reply)),
                None => open.push(call),
            }
        }
        done.extend(calls.result());
    }
    if open.is_empty() { Next::Done(cell_result(rules, done)) } else { Next::Calls(open) }
}

#[cfg(test)]
mod tests;
