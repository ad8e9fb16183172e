//! What a worker is there for: which models it serves, how patient it is, what it does with tasks that fail.

use std::collections::BTreeSet;

use valuesim_shared::dead_letter::OnBadMessage;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::task::TASK_VERSION;

use crate::metrics::Metrics;
use crate::timeouts::Timeouts;

/// What a worker is there for.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The models whose tasks it takes.
    pub served: Served,
    /// How patient it is.
    pub timing: Timeouts,
    /// What becomes of tasks that cannot be done.
    pub on_bad_message: OnBadMessage,
    /// The newest version of the task message that it does.
    pub newest_task: u16,
    /// Where its process shows what it does, if it does.
    pub metrics: Option<Metrics>,
}

/// Which of a run's models a worker serves.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum Served {
    /// All of them.
    #[default]
    All,
    /// Those with these names; their keys alone are read.
    Named(BTreeSet<String>),
}

impl WorkerConfig {
    /// That of the only worker of one process: whatever it cannot do ends the run, for its user to see.
    pub fn alone(timing: Timeouts) -> Self {
        Self {
            served: Served::All,
            timing,
            on_bad_message: OnBadMessage::EndProcess,
            newest_task: TASK_VERSION,
            metrics: None,
        }
    }
}

impl Served {
    /// Whether the model is among them.
    pub fn has(&self, model: &ModelSettings) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(&model.name),
        }
    }
}
