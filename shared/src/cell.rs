//! What a cell needs next, from values alone: these calls, or this result.
//!
//! ```text
//!   methods ──> table ──> first calls of each question ──┐
//!                                                        v
//!                        reply ──> reading ──> done, or asked again, or coordinator ──> ... ──> result
//! ```
//!
//! There is no clock, network, store or task in here. The worker makes these calls and returns their replies; the estimate
//! adds the same calls up. Methods are rows of the module `table`.

mod next_call;
mod question;
mod reading;
mod reask;
mod result;
mod rules;
mod story;
mod table;

use std::collections::HashMap;
use std::hash::BuildHasher;

use crate::call::{CallKey, ReplyText};
use crate::codebook::Question;
use crate::outcome::CellResult;

pub use next_call::{Follows, MissingStories, NextCall, Prompt};
pub use question::{Prediction, QuestionCalls, QuestionResult};
pub use reading::Asked;
pub use reask::{Reask, reask};
pub use result::cell_result;
pub use rules::Rules;
pub use story::{StoryCalls, StoryStep, WrittenStory};
pub use table::{
    Asks, Recipe, Settle, Text, backstories, first_stages, needs_backstory, needs_retrieval, recipe, recipes, stages,
    text_of,
};

/// What a cell needs next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// These calls, all of which can be made at once.
    Calls(Vec<NextCall>),
    /// Nothing more: this is its result. The caller adds how its backstories came out.
    Done(CellResult),
}

/// What a cell needs next, after these replies to calls about its questions.
pub fn next<'a, S: BuildHasher>(
    rules: &Rules,
    asked: impl IntoIterator<Item = &'a Question>,
    missing: &MissingStories,
    replies: &HashMap<CallKey, ReplyText, S>,
) -> Next {
    let (mut open, mut done) = (Vec::new(), Vec::new());
    for question in asked {
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
    if open.is_empty() { Next::Done(cell_result(rules, &done)) } else { Next::Calls(open) }
}

#[cfg(test)]
mod tests;
