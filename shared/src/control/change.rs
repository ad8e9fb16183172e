//! Who changed what about a run, when and why.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{CONTROL_VERSION, DesiredState, Order, UnixMillis};

/// How many changes of a run are kept: the latest ones.
pub const MAX_CHANGES: usize = 100;

/// A change that an operator made to a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// [`CONTROL_VERSION`] of the writer.
    pub version: u16,
    /// What was done.
    pub kind: ChangeKind,
    /// Who did it: a user and a host.
    pub by: String,
    /// Why, in the words of whoever did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What came of it, in a sentence, where that is not clear from the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// When it was done.
    pub at: UnixMillis,
}

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The run was paused.
    Pause,
    /// The run was resumed.
    Resume,
    /// The run was cancelled.
    Cancel,
    /// Dead letters were put back into their queues.
    Replay,
    /// Dead letters were deleted.
    Discard,
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
            Self::Replay => "replay dead letters",
            Self::Discard => "discard dead letters",
        })
    }
}

impl Change {
    /// A change made now.
    pub fn new(kind: ChangeKind, by: String, reason: Option<String>, result: Option<String>) -> Self {
        Self { version: CONTROL_VERSION, kind, by, reason, result, at: UnixMillis::now() }
    }
}

impl From<&Order> for Change {
    fn from(order: &Order) -> Self {
        let kind = match order.desired {
            DesiredState::Go => ChangeKind::Resume,
            DesiredState::Pause => ChangeKind::Pause,
            DesiredState::Cancel => ChangeKind::Cancel,
        };
        let (by, reason) = (order.by.clone(), order.reason.clone());
        Self { version: CONTROL_VERSION, kind, by, reason, result: None, at: order.at }
    }
}
