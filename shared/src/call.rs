//! The key of a call, and its reply.

use std::fmt;

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
    /// The provider did not take the prompt, for a reason that is not known.
    Rejected,
}

/// What is remembered of a reply beside its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remark {
    /// There is no reply, and this is what the provider said instead.
    Rejection(Rejection),
    /// The reply is odd in this way.
    Oddity(String),
}

/// What a provider said when it did not take a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejection {
    /// The HTTP status, if there was a response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The provider's own code or type of the error, at most [`MAX_CODE`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The beginning of its message, at most [`MAX_SAID`] characters.
    pub said: String,
}

/// The longest code of a [`Rejection`], in characters.
pub const MAX_CODE: usize = 60;

/// The longest message of a [`Rejection`], in characters.
pub const MAX_SAID: usize = 200;

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.status, &self.code) {
            (Some(status), Some(code)) => write!(f, "{status} {code}: {}", self.said),
            (Some(status), None) => write!(f, "{status}: {}", self.said),
            (None, Some(code)) => write!(f, "{code}: {}", self.said),
            (None, None) => f.write_str(&self.said),
        }
    }
}
