//! One call that is to be made, and what stands in the way of others.

use std::sync::Arc;

use crate::call::CallKey;
use crate::stage::Stage;

use super::table::Text;

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
    /// The reply was cut off; this one may have this many tokens.
    MoreRoom(u32),
}

/// Backstories that did not come about, by the stage that was to write them: what needs them is not asked.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct MissingStories(pub Vec<Stage>);

impl MissingStories {
    /// Whether the backstory in a text is missing.
    pub fn are_in(&self, text: Text) -> bool {
        text.story().is_some_and(|story| self.0.contains(&story))
    }
}
