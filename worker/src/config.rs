//! The configuration of a worker: which models it serves, its timeouts, and what it does with tasks that fail.

use std::collections::BTreeSet;

use valuesim_shared::budget::Budget;
use valuesim_shared::dead_letter::OnBadMessage;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::task::TASK_VERSION;

use crate::brake::BrakeBook;
use crate::evidence::EvidenceBook;
use crate::metrics::Metrics;
use crate::provider::Keys;
use crate::timeouts::Timeouts;

/// The configuration of a worker.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The models whose tasks it takes.
    pub served: Served,
    /// Its timeouts.
    pub timeouts: Timeouts,
    /// What it does with tasks that cannot be done.
    pub on_bad_message: OnBadMessage,
    /// The newest version of the task message that it can execute.
    pub newest_task: u16,
    /// The metrics of its process, if the process has any.
    pub metrics: Option<Metrics>,
    /// What its calls may cost, if that is limited.
    pub budget: Option<Budget>,
    /// Its keys, and where they may go.
    pub keys: Keys,
    /// What its process knows of providers.
    pub evidence: EvidenceBook,
    /// The brakes of its process.
    pub brakes: BrakeBook,
    /// Whether cells of the run are finished, which shows that its providers have answered before.
    pub has_finished_cells: bool,
}

/// Which of a run's models a worker serves.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum Served {
    /// All of them.
    #[default]
    All,
    /// Only those with these names. Only their keys are read.
    Named(BTreeSet<String>),
}

impl WorkerConfig {
    /// The configuration of the only worker of a run in one process. Whatever it cannot do ends the run, so that the user
    /// sees it. So many cells of the run are finished.
    pub fn alone(timeouts: Timeouts, finished_cells: u64) -> Self {
        Self {
            served: Served::All,
            timeouts,
            on_bad_message: OnBadMessage::EndProcess,
            newest_task: TASK_VERSION,
            metrics: None,
            budget: None,
            keys: Keys::OfUser,
            evidence: EvidenceBook::default(),
            brakes: BrakeBook::default(),
            has_finished_cells: finished_cells > 0,
        }
    }
}

impl Served {
    /// Whether the worker serves the model.
    pub fn has(&self, model: &ModelSettings) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(&model.name),
        }
    }
}
