//! What was found in one look.

use std::time::Duration;

use serde::Serialize;
use valuesim_shared::control::{AboutRun, CoordinatorReport, Order, UnixMillis, WorkerReport};
use valuesim_shared::id::RunId;

use crate::commands::queues::FoundQueue;

/// How long the broker may take to say how full all queues are.
pub(super) const QUEUES_WITHIN: Duration = Duration::from_secs(2);

/// What was found in one look.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Status {
    /// When it was looked.
    pub(super) at: UnixMillis,
    /// The servers that could not be asked.
    pub(super) unreached: Vec<Unreached>,
    /// Whether the runs have a fleet, and not one process each.
    #[serde(skip)]
    pub(super) of_fleet: bool,
    pub(super) runs: Vec<RunStatus>,
    /// The workers that are alive, whatever run they serve.
    pub(super) workers: Vec<WorkerReport>,
    /// How much was said by other releases, and cannot be read.
    pub(super) unreadable: u32,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct RunStatus {
    pub(super) run: RunId,
    /// What the list of runs says of it.
    pub(super) about: Option<AboutRun>,
    /// What an operator wants of it.
    pub(super) order: Option<Order>,
    /// One, unless something is wrong.
    pub(super) coordinators: Vec<CoordinatorReport>,
    /// None where the broker could not be asked, or was not asked of all queues in time.
    pub(super) queues: Option<Vec<FoundQueue>>,
    /// What somebody should look after, a sentence each.
    pub(super) attention: Vec<String>,
}

/// A server that could not be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Unreached {
    pub(super) server: Server,
    pub(super) why: String,
}

/// One of the two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Server {
    Store,
    Broker,
}

impl Status {
    /// Whether all was asked and nobody has ever heard of the run.
    pub(super) fn knows_nothing_of(&self, run: &RunId) -> bool {
        let is_served = self.workers.iter().any(|worker| worker.runs.contains(run));
        self.is_whole() && !is_served && self.runs.iter().all(RunStatus::is_unknown)
    }

    /// Whether all was seen that there is.
    pub(super) fn is_whole(&self) -> bool {
        self.unreached.is_empty() && self.runs.iter().all(|run| run.queues.is_some())
    }

    pub(super) fn has_reached(&self, server: Server) -> bool {
        self.unreached.iter().all(|unreached| unreached.server != server)
    }
}

impl RunStatus {
    pub(super) fn is_unknown(&self) -> bool {
        let has_queues = self.queues.iter().flatten().any(|queue| queue.depth.is_some());
        self.about.is_none() && self.order.is_none() && self.coordinators.is_empty() && !has_queues
    }

    /// How a model is called: by its name, where it is known.
    pub(super) fn model(&self, model: usize) -> String {
        let name = self.about.as_ref().and_then(|about| about.models.get(model));
        name.cloned().unwrap_or_else(|| format!("model {model}"))
    }
}
