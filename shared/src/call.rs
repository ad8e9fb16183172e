//! Which call of a cell is meant, and what came back from it.

use serde::{Deserialize, Serialize};

use crate::id::QuestionId;
use crate::stage::Stage;

/// Names one call of a cell. Methods that need the same call name it alike, and so share its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallKey {
    /// What was asked for.
    pub stage: Stage,
    /// Which question it was about; none for the backstory.
    pub question: Option<QuestionId>,
    /// 0 for the first time of asking, 1 for the reminder of the format, 2 for a longer reply.
    pub asked_before: u8,
}

impl CallKey {
    /// The first call of a stage about a question; without a question for a backstory.
    pub const fn first(stage: Stage, question: Option<QuestionId>) -> Self {
        Self { stage, question, asked_before: 0 }
    }
}

/// What came back from a call, as far as results depend on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ReplyText {
    /// The model's words.
    Text {
        /// The words.
        content: String,
        /// Whether the length limit cut them off.
        cut_off: bool,
    },
    /// The provider or the model declined by policy.
    Refused,
    /// The prompt does not fit the model's context.
    TooLong,
}
