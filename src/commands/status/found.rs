//! A status: what one inspection of the servers found.

use std::time::Duration;

use serde::Serialize;
use valuesim_shared::control::{AboutRun, CoordinatorReport, Order, RunScores, UnixMillis, WorkerReport};
use valuesim_shared::id::RunId;

use crate::commands::queues::FoundQueue;

/// How long the broker may take to report how full all queues are.
pub(super) const QUEUES_WITHIN: Duration = Duration::from_secs(2);

/// What one inspection found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Status {
    /// When the inspection was made.
    pub(super) at: UnixMillis,
    /// The servers that could not be reached.
    pub(super) unreached: Vec<Unreached>,
    /// Whether the runs belong to a fleet, rather than to one process each.
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
    /// Its entry in the list of runs.
    pub(super) about: Option<AboutRun>,
    /// The operator's order for it.
    pub(super) order: Option<Order>,
    /// One, unless something is wrong.
    pub(super) coordinators: Vec<CoordinatorReport>,
    /// What its finished cells score so far, if its coordinator has said so.
    pub(super) scores: Option<RunScores>,
    /// `None` if the broker could not be reached, or did not report all queues in time.
    pub(super) queues: Option<Vec<FoundQueue>>,
    /// What needs attention, one sentence each.
    pub(super) attention: Vec<String>,
}

/// A server that could not be reached.
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
    /// Whether everything could be inspected and the run is unknown.
    pub(super) fn knows_nothing_of(&self, run: &RunId) -> bool {
        let is_served = self.workers.iter().any(|worker| worker.runs.contains(run));
        self.is_whole() && !is_served && self.runs.iter().all(RunStatus::is_unknown)
    }

    /// Whether everything could be inspected.
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

    /// The name of a model, or its number if the name is unknown.
    pub(super) fn model(&self, model: usize) -> String {
        let name = self.about.as_ref().and_then(|about| about.models.get(model));
        name.cloned().unwrap_or_else(|| format!("model {model}"))
    }
}
