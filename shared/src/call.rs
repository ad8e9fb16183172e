//! The key of a call, and its reply.

use serde::{Deserialize, Serialize};

use crate::id::{Cell, QuestionId, RunId};
use crate::stage::Stage;

/// Identifies a call of a cell. Methods that need the same call use the same key, and so share its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallKey {
    /// The stage of the call.
    pub stage: Stage,
    /// The question; `None` for the backstory.
    pub question: Option<QuestionId>,
    /// 0 for the first call, 1 after a reminder of the format, 2 with a higher length limit.
    pub asked_before: u8,
}

impl CallKey {
    /// The first call of a stage about a question, or without one for a backstory.
    pub const fn first(stage: Stage, question: Option<QuestionId>) -> Self {
        Self { stage, question, asked_before: 0 }
    }
}

/// Hexadecimal digits of a [`session`].
const SESSION_DIGITS: usize = 16;

/// The session that all calls of a cell belong to. Routers send a session's calls to one replica, whose cache then has the
/// beginning of their prompts. It tells nothing about the respondent.
pub fn session(run: &RunId, cell: Cell) -> String {
    let Cell { model, respondent, fold } = cell;
    let name = format!("{} {} {} {}", run.0, model.0, respondent.row(), fold.number());
    blake3::hash(name.as_bytes()).to_hex()[..SESSION_DIGITS].to_owned()
}

/// The reply to a call, as far as results depend on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ReplyText {
    /// The model's text.
    Text {
        /// The text.
        content: String,
        /// Whether the length limit cut it off.
        cut_off: bool,
    },
    /// The provider or the model declined by policy.
    Refused,
    /// The prompt does not fit the model's context.
    TooLong,
}
